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
const LAST_WORD_MAX: Duration = Duration::from_millis(500);

/// Hears what is said.
#[derive(Debug)]
pub(super) struct Listening {
    // Locked by the task and by who asks, never across a wait.
    said: Arc<Mutex<Said>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// With `echo`, lines are shown on our own standard error, until they are forgotten.
    pub(super) fn begin(mut from: ChildStderr, echo: bool) -> Listening {
        let said = Arc::new(Mutex::new(Said { echo, ..Said::default() }));
        let task = tokio::spawn({
            let said = said.clone();
            async move {
                let mut bytes = [0; LINE_MAX];
                while let Ok(count @ 1..) = from.read(&mut bytes).await {
                    let lines = lock(&said).take(&bytes[..count]);
                    for line in lines {
                        // An error means that nobody reads it.
                        let _ = writeln!(io::stderr(), "{line}");
                    }
                }
            }
        });
        Listening { said, task }
    }

    /// What was said so far is of no interest any more, and what follows is not for the terminal.
    pub(super) fn forget(&self) {
        *lock(&self.said) = Said::default();
    }

    /// The last line of all that was said.
    pub(super) async fn last_word(self) -> String {
        let mut task = self.task;
        if timeout(LAST_WORD_MAX, &mut task).await.is_err() {
            task.abort();
        }
        lock(&self.said).last_word()
    }
}

/// A panic elsewhere ends the program anyway.
fn lock(said: &Mutex<Said>) -> std::sync::MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines, of which the last counts.
#[derive(Debug, Default)]
struct Said {
    /// The line that has not ended yet, no longer than [`LINE_MAX`].
    line: Vec<u8>,
    /// The last one that has, if there was anything in it.
    last: String,
    echo: bool,
}

impl Said {
    /// Takes what was said, and gives the lines that are to be shown.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = text(&self.line);
            self.line.clear();
            if self.is_news(&line) {
                self.last.clone_from(&line);
            }
            if self.echo {
                shown.push(line);
            }
        }
        shown
    }

    fn last_word(&self) -> String {
        let rest = text(&self.line);
        if self.is_news(&rest) { rest } else { self.last.clone() }
    }

    /// Whether a line says more than those before it. Behind a jump host that failed and said why, ssh
    /// says only that the way is closed.
    fn is_news(&self, line: &str) -> bool {
        let is_echo = line.starts_with("kex_exchange_identification: ")
            || (line.starts_with("Connection closed by ") && line.contains(" UNKNOWN port "));
        !line.is_empty() && (self.last.is_empty() || !is_echo)
    }
}

/// A line without its end, harmless to a terminal.
fn text(line: &[u8]) -> String {
    sanitize(String::from_utf8_lossy(line).trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_word(said: &[&[u8]]) -> String {
        let mut all = Said::default();
        for bytes in said {
            all.take(bytes);
        }
        all.last_word()
    }

    #[test]
    fn the_last_line_counts_however_it_comes() {
        assert_eq!(last_word(&[]), "");
        assert_eq!(last_word(&[b"one\r\ntw", b"o\r\n\r\n"]), "two");
        assert_eq!(last_word(&[b"one\ntwo"]), "two");
    }

    #[test]
    fn a_jump_host_that_refuses_is_the_reason_and_not_what_follows() {
        let closed: &[u8] = b"Connection closed by UNKNOWN port 65535\r\n";
        assert_eq!(last_word(&[b"Permission denied\r\n", closed]), "Permission denied");
        assert_eq!(last_word(&[closed]), "Connection closed by UNKNOWN port 65535");
    }

    #[test]
    fn what_is_said_is_bounded_and_harmless() {
        assert_eq!(last_word(&[&[b'x'; 10_000]]).len(), LINE_MAX);
        let word = last_word(&[b"\x1b[2Jgone \xff\n"]);
        assert!(word.contains("gone") && !word.contains(char::is_control), "{word:?}");
    }

    #[test]
    fn lines_are_shown_only_where_they_are_asked_for() {
        let mut said = Said { echo: true, ..Said::default() };
        assert_eq!(said.take(b"one\ntwo\nthr"), ["one", "two"]);
        assert_eq!(Said::default().take(b"one\n"), [""; 0]);
    }
}
