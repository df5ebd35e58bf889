//! Files that a user names: only regular files are read, and a file that hangs ends the wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;

/// Timeout for reading a file: 10 s. A disk that sleeps starts in less; a file server that needs longer is
/// gone.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Limit of reads at the same time: 16. Each one that hangs keeps its thread until the file system answers.
const READS_MAX: usize = 16;

/// Paths of pipes that the shell has opened, as in `--config <(command)`, and of an empty file.
const OPENED: [&str; 4] = ["/dev/fd", "/dev/null", "/dev/stdin", "/proc/self/fd"];

/// Reads in progress, those that hang included.
static READS: AtomicUsize = AtomicUsize::new(0);

/// Opens a regular file. Anything else is refused unopened: opening a pipe waits for its other end, and
/// opening a device may change the device.
fn open_regular(path: &Path, options: &OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(metadata) => check_regular(&metadata)?,
        // Options may create the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // The path may lead to a pipe by now: opening it must not wait either.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.clone().custom_flags(flags.bits() as i32).open(path)?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

fn check_regular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
}

/// Reads a regular file, or a pipe that the shell has opened, of at most `bytes_max` bytes. Waits at most
/// 10 s.
///
/// # Errors
/// The file is no regular file, cannot be opened, is larger (`FileTooLarge`), or does not answer (`TimedOut`).
pub fn read_file(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    in_time(&READS, READ_TIMEOUT, move || {
        let mut bytes = Vec::new();
        let file = if OPENED.iter().any(|opened| path.starts_with(opened)) {
            File::open(&path)?
        } else {
            open_regular(&path, OpenOptions::new().read(true))?
        };
        let count = file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if count as u64 > bytes_max {
            let why = format!("larger than {} KiB", bytes_max / 1024);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    })
}

/// Runs `read` in a thread of its own, and waits for its result at most for `limit`. `reads` counts the
/// threads.
fn in_time(
    reads: &'static AtomicUsize,
    limit: Duration,
    read: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> io::Result<Vec<u8>> {
    let no_answer = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
    if reads.fetch_add(1, Ordering::Relaxed) >= READS_MAX {
        reads.fetch_sub(1, Ordering::Relaxed);
        return Err(no_answer());
    }
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        // An error means that the receiver has given up.
        let _ = sender.send(read());
        reads.fetch_sub(1, Ordering::Relaxed);
    };
    if let Err(error) = thread::Builder::new().name("file".to_owned()).spawn(run) {
        reads.fetch_sub(1, Ordering::Relaxed);
        return Err(error);
    }
    receiver.recv_timeout(limit).unwrap_or_else(|_| Err(no_answer()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process;
    use std::time::Instant;

    use super::*;

    fn make_pipe(path: &Path) {
        assert!(process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn only_regular_files_up_to_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "ten bytes\n").unwrap();
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        assert_eq!(read_file(&at("a"), 10).unwrap(), b"ten bytes\n");
        assert_eq!(read_file(&at("link"), 10).unwrap(), b"ten bytes\n");
        assert_eq!(read_file(Path::new("/dev/null"), 10).unwrap(), b"");
        make_pipe(&at("pipe"));
        std::os::unix::fs::symlink(at("pipe"), at("link to pipe")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (path, expected) in [
            (at("pipe"), "not a regular file"),
            (at("link to pipe"), "not a regular file"),
            (at("socket"), "not a regular file"),
            ("/dev/zero".into(), "not a regular file"),
            ("/dev/tty".into(), "not a regular file"),
            (folder.path().to_owned(), "is a directory"),
            (at("missing"), "No such file"),
        ] {
            let begin = Instant::now();
            let error = read_file(&path, 10).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
            assert!(begin.elapsed() < Duration::from_secs(5), "{}", path.display());
        }
        let large = File::create(at("large")).unwrap();
        large.set_len(1 << 40).unwrap();
        let error = read_file(&at("large"), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "larger than 1024 KiB");
    }

    #[test]
    fn options_apply_to_regular_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        make_pipe(&pipe);
        let append = || OpenOptions::new().append(true).create(true).clone();
        assert!(open_regular(&pipe, &append()).is_err());
        assert!(open_regular(&folder.path().join("new"), &append()).is_ok());
        assert_eq!(fs::metadata(folder.path().join("new")).unwrap().len(), 0);
    }

    #[test]
    fn a_read_that_hangs_is_given_up_and_does_not_exhaust_the_threads() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (begin, limit) = (Instant::now(), Duration::from_millis(1));
        let (release, released) = mpsc::channel::<()>();
        let released = std::sync::Arc::new(std::sync::Mutex::new(released));
        for _ in 0..2 * READS_MAX {
            let released = released.clone();
            let hang = move || {
                let _ = released.lock().map(|it| it.recv());
                Ok(Vec::new())
            };
            assert_eq!(in_time(&COUNT, limit, hang).unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        assert!(COUNT.load(Ordering::Relaxed) <= READS_MAX);
        assert!(begin.elapsed() < READ_TIMEOUT);
        drop(release);
        while COUNT.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
    }
}
