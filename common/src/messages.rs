//! Messages on standard error and standard output, each written by a thread of its own. A reader that takes
//! nothing, for example a full pipe or a stopped terminal, blocks only that thread.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::stdio;

use crate::usage::{error_text, warning_text};

/// Limit of unwritten text: 64 KiB, some hundred messages. Further messages are lost and counted.
const QUEUED_BYTES_MAX: usize = 64 * 1024;

/// Time that the reader may take for the last messages: 300 ms. The program must end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(300);

/// Standard error. The log, warnings and errors of both programs go there.
pub static STDERR: MessageWriter = MessageWriter::new(stdio::stderr);

/// Standard output, for lines that must not block the program.
pub static STDOUT: MessageWriter = MessageWriter::new(stdio::stdout);

/// Writes an error to standard error: a line, and one for its hint.
pub fn print_error(message: &str) {
    STDERR.push(&(error_text(message) + "\n"));
}

/// Writes a warning to standard error: a line, and one for its hint.
pub fn print_warning(message: &str) {
    STDERR.push(&(warning_text(message) + "\n"));
}

/// Queue of messages, and the thread that writes them.
#[derive(Debug)]
pub struct MessageWriter {
    descriptor: fn() -> BorrowedFd<'static>,
    state: Mutex<WriterState>,
    /// Wakes the thread, and those who wait for it.
    changed: Condvar,
}

#[derive(Debug)]
struct WriterState {
    queued: String,
    /// Messages that were lost after those in `queued`.
    lost: u64,
    has_thread: bool,
    is_writing: bool,
}

impl MessageWriter {
    const fn new(descriptor: fn() -> BorrowedFd<'static>) -> MessageWriter {
        MessageWriter {
            descriptor,
            state: Mutex::new(WriterState {
                queued: String::new(),
                lost: 0,
                has_thread: false,
                is_writing: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Queues a message, one or more whole lines. Never blocks.
    pub fn push(&'static self, message: &str) {
        let mut state = self.lock();
        let is_full = state.queued.len() + message.len() > QUEUED_BYTES_MAX;
        // Nothing overtakes the note about lost messages.
        if is_full || state.lost > 0 {
            state.lost += 1;
            return;
        }
        state.queued.push_str(message);
        if !state.has_thread {
            let thread = thread::Builder::new().name("messages".to_owned());
            // Without a thread now, the next message tries again.
            state.has_thread = thread.spawn(|| self.run()).is_ok();
        }
        self.changed.notify_all();
    }

    /// Waits until all messages are written, at most 300 ms.
    pub fn flush(&'static self) {
        let is_unwritten =
            |state: &mut WriterState| state.is_writing || state.has_thread && !state.is_empty();
        // After the timeout, the messages are lost: nobody reads them.
        drop(self.changed.wait_timeout_while(self.lock(), FLUSH_TIMEOUT, is_unwritten));
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is queued, for as long as the program runs.
    fn run(&self) {
        let mut text = String::new();
        let mut state = self.lock();
        loop {
            let waited = self.changed.wait_while(state, |state| state.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.queued, &mut text);
            text.push_str(&lost_text(std::mem::take(&mut state.lost)));
            state.is_writing = true;
            drop(state);
            // An error means that there is no reader.
            let _ = write_all((self.descriptor)(), text.as_bytes());
            text.clear();
            state = self.lock();
            state.is_writing = false;
            self.changed.notify_all();
        }
    }
}

impl WriterState {
    fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.lost == 0
    }
}

/// Writer for a log that writes each message at once.
impl io::Write for &'static MessageWriter {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.push(&String::from_utf8_lossy(message));
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the note about lost messages; empty without any.
fn lost_text(lost: u64) -> String {
    match lost {
        0 => String::new(),
        1 => "warning: 1 message was lost: it was not read in time\n".to_owned(),
        _ => format!("warning: {lost} messages were lost: they were not read in time\n"),
    }
}

fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Another program has made the file non-blocking.
            Err(Errno::AGAIN) => {
                let mut reader = [PollFd::from_borrowed_fd(descriptor, PollFlags::OUT)];
                retry_on_intr(|| poll(&mut reader, None))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
    use std::os::fd::AsFd as _;
    use std::sync::LazyLock;

    use super::*;

    /// Capacity of a pipe.
    const PIPE_BYTES: usize = 64 * 1024;

    static PIPE: LazyLock<(PipeReader, PipeWriter)> = LazyLock::new(|| std::io::pipe().unwrap());

    static WRITER: MessageWriter = MessageWriter::new(|| PIPE.1.as_fd());

    #[test]
    fn messages_that_are_not_read_are_counted_and_the_reader_learns_the_number() {
        let (mut reader, mut writer) = (&PIPE.0, &PIPE.1);
        writer.write_all(&vec![b'.'; PIPE_BYTES]).unwrap();
        let line = |number: usize| format!("{number:09}\n");
        WRITER.push(&line(0));
        while !WRITER.lock().is_writing {
            thread::yield_now();
        }
        // The thread hangs with the first message. The others take the queue, and then a third of it.
        let (kept, all) = (QUEUED_BYTES_MAX / 10, QUEUED_BYTES_MAX / 10 * 4 / 3);
        (1..=all).for_each(|number| WRITER.push(&line(number)));
        WRITER.flush();
        reader.read_exact(&mut vec![0; PIPE_BYTES]).unwrap();
        let note = lost_text((all - kept) as u64);
        let mut text = vec![0; (kept + 1) * 10 + note.len()];
        reader.read_exact(&mut text).unwrap();
        let expected: String = (0..=kept).map(line).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected + &note);
        WRITER.push("again\n");
        let mut text = [0; 6];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"again\n");
    }
}
