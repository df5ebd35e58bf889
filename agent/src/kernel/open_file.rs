//! Kernel files that are opened once, and read from the start each time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Buffer for the longest possible number.
const NUMBER_BYTES: usize = 32;

/// File that stays open. If it is missing, or was removed like the files of an offline core, the
/// next read opens it again.
#[derive(Debug)]
pub(crate) struct OpenFile {
    path: PathBuf,
    file: Option<File>,
}

impl OpenFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> OpenFile {
        OpenFile { path: path.into(), file: None }
    }

    /// Returns files of one folder.
    pub(crate) fn in_folder<const N: usize>(folder: &Path, names: [&str; N]) -> [OpenFile; N] {
        names.map(|name| OpenFile::new(folder.join(name)))
    }

    /// Returns the start of the text: as much as one read returns and `buffer` holds. `None` if
    /// unreadable.
    pub(crate) fn read_prefix<'a>(&mut self, buffer: &'a mut [u8]) -> Option<&'a str> {
        let length = self.read(buffer, 0)?;
        std::str::from_utf8(&buffer[..length]).ok()
    }

    /// Reads a file that contains only a number.
    pub(crate) fn read_number<T: FromStr>(&mut self) -> Option<T> {
        self.read_prefix(&mut [0; NUMBER_BYTES])?.trim().parse().ok()
    }

    /// Passes each line without its end to `each`, in one pass, until `each` returns false. Skips
    /// lines that are longer than `buffer`. Stops at a read error.
    pub(crate) fn for_each_line(&mut self, buffer: &mut [u8], mut each: impl FnMut(&[u8]) -> bool) {
        let (mut offset, mut pending, mut skipping) = (0, 0, false);
        while let Some(read @ 1..) = self.read(&mut buffer[pending..], offset) {
            offset += read as u64;
            let filled = pending + read;
            let mut start = 0;
            while let Some(length) = buffer[start..filled].iter().position(|byte| *byte == b'\n') {
                if !std::mem::take(&mut skipping) && !each(&buffer[start..start + length]) {
                    return;
                }
                start += length + 1;
            }
            pending = filled - start;
            buffer.copy_within(start..filled, 0);
            if pending == buffer.len() {
                (pending, skipping) = (0, true);
            }
        }
        if pending > 0 && !skipping {
            each(&buffer[..pending]);
        }
    }

    /// Returns the number of bytes read.
    fn read(&mut self, buffer: &mut [u8], offset: u64) -> Option<usize> {
        if let Some(file) = &self.file {
            if let Ok(length) = read_at(file, buffer, offset) {
                return Some(length);
            }
            self.file = None;
        }
        let file = File::open(&self.path).ok()?;
        let length = read_at(&file, buffer, offset).ok()?;
        self.file = Some(file);
        Some(length)
    }
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        let result = file.read_at(buffer, offset);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_read_returns_the_current_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loadavg");
        let mut file = OpenFile::new(&path);
        let mut buffer = [0; 8];
        assert_eq!(file.read_prefix(&mut buffer), None);
        for (text, expected) in [("0.5 0.4\n", "0.5 0.4\n"), ("1", "1"), ("123456789", "12345678")]
        {
            fs::write(&path, text).unwrap();
            assert_eq!(file.read_prefix(&mut buffer), Some(expected));
        }
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(file.read_prefix(&mut buffer), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_any_more_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scaling_cur_freq");
        // A folder can be opened, but not read.
        let mut file = OpenFile { path: path.clone(), file: File::open(folder.path()).ok() };
        let mut buffer = [0; 8];
        assert_eq!(file.read_prefix(&mut buffer), None);
        fs::write(&path, "800000\n").unwrap();
        assert_eq!(file.read_prefix(&mut buffer), Some("800000\n"));
    }

    proptest! {
        #[test]
        fn each_line_is_passed_once_for_any_buffer_size(
            lines in prop::collection::vec("[a-z]{0,12}", 0..20),
            is_ended: bool,
            room in 1..40_usize,
            enough in 1..20_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cpuinfo");
            let text = lines.join("\n") + if is_ended { "\n" } else { "" };
            fs::write(&path, &text).unwrap();
            let mut found = Vec::new();
            let each = |line: &[u8]| {
                found.push(String::from_utf8_lossy(line).into_owned());
                found.len() < enough
            };
            OpenFile::new(&path).for_each_line(&mut vec![0; room], each);
            let fits = text.lines().filter(|line| line.len() < room).take(enough);
            prop_assert_eq!(found, fits.collect::<Vec<_>>());
        }
    }
}
