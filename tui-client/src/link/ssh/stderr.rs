//! What ssh says on its standard error: why it cannot connect, or was cut off.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_protocol::sanitize;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What is kept of a line: more than a header line has room for.
const LINE_MAX: usize = 512;

/// How long the last word may take after the end. An ssh that others share lives on behind this one
/// and may keep its standard error open.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(500);

/// Hears what is said.
#[derive(Debug)]
pub(super) struct StderrReader {
    // Locked by the task and by who asks, never across a wait.
    tail: Arc<Mutex<StderrTail>>,
    task: JoinHandle<()>,
}

impl StderrReader {
    /// With `echo`, lines are shown on our own standard error, until they are forgotten.
    pub(super) fn start(mut from: ChildStderr, echo: bool) -> StderrReader {
        let tail = Arc::new(Mutex::new(StderrTail { echo, ..StderrTail::default() }));
        let task = tokio::spawn({
            let tail = tail.clone();
            async move {
                let mut bytes = [0; LINE_MAX];
                while let Ok(count @ 1..) = from.read(&mut bytes).await {
                    let lines = lock(&tail).feed(&bytes[..count]);
                    for line in lines {
                        // An error means that nobody reads it.
                        let _ = writeln!(io::stderr(), "{line}");
                    }
                }
            }
        });
        StderrReader { tail, task }
    }

    /// What was said so far is of no interest any more, and what follows is not for the terminal.
    pub(super) fn clear(&self) {
        *lock(&self.tail) = StderrTail::default();
    }

    /// The last line of all that was said.
    pub(super) async fn last_line(self) -> String {
        let mut task = self.task;
        if timeout(LAST_LINE_TIMEOUT, &mut task).await.is_err() {
            task.abort();
        }
        lock(&self.tail).last_line()
    }
}

/// A panic elsewhere ends the program anyway.
fn lock(tail: &Mutex<StderrTail>) -> std::sync::MutexGuard<'_, StderrTail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines, of which the last counts.
#[derive(Debug, Default)]
struct StderrTail {
    /// The line that has not ended yet, no longer than [`LINE_MAX`].
    line: Vec<u8>,
    /// The last one that has, if there was anything in it.
    last: String,
    echo: bool,
}

impl StderrTail {
    /// Takes what was said, and gives the lines that are to be shown.
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = clean_line(&self.line);
            self.line.clear();
            if self.is_informative(&line) {
                self.last.clone_from(&line);
            }
            if self.echo {
                shown.push(line);
            }
        }
        shown
    }

    fn last_line(&self) -> String {
        let rest = clean_line(&self.line);
        if self.is_informative(&rest) { rest } else { self.last.clone() }
    }

    /// Whether a line says more than those before it. Behind a jump host that failed and said why, ssh
    /// says only that the way is closed.
    fn is_informative(&self, line: &str) -> bool {
        let is_echo = line.starts_with("kex_exchange_identification: ")
            || (line.starts_with("Connection closed by ") && line.contains(" UNKNOWN port "));
        !line.is_empty() && (self.last.is_empty() || !is_echo)
    }
}

/// A line without its end, harmless to a terminal.
fn clean_line(line: &[u8]) -> String {
    sanitize(String::from_utf8_lossy(line).trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_line(chunks: &[&[u8]]) -> String {
        let mut all = StderrTail::default();
        for bytes in chunks {
            all.feed(bytes);
        }
        all.last_line()
    }

    #[test]
    fn the_last_line_counts_however_it_comes() {
        assert_eq!(last_line(&[]), "");
        assert_eq!(last_line(&[b"one\r\ntw", b"o\r\n\r\n"]), "two");
        assert_eq!(last_line(&[b"one\ntwo"]), "two");
    }

    #[test]
    fn a_jump_host_that_refuses_is_the_reason_and_not_what_follows() {
        let closed: &[u8] = b"Connection closed by UNKNOWN port 65535\r\n";
        assert_eq!(last_line(&[b"Permission denied\r\n", closed]), "Permission denied");
        assert_eq!(last_line(&[closed]), "Connection closed by UNKNOWN port 65535");
    }

    #[test]
    fn the_last_line_is_bounded_and_sanitized() {
        assert_eq!(last_line(&[&[b'x'; 10_000]]).len(), LINE_MAX);
        let word = last_line(&[b"\x1b[2Jgone \xff\n"]);
        assert!(word.contains("gone") && !word.contains(char::is_control), "{word:?}");
    }

    #[test]
    fn lines_are_returned_only_with_echo() {
        let mut tail = StderrTail { echo: true, ..StderrTail::default() };
        assert_eq!(tail.feed(b"one\ntwo\nthr"), ["one", "two"]);
        assert_eq!(StderrTail::default().feed(b"one\n"), [""; 0]);
    }
}
