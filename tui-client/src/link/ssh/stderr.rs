//! Reader of ssh's standard error: why ssh cannot connect or lost its connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_common::STDERR;
use loadline_protocol::sanitize;
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Kept bytes of a line: 512, more than fit a header line.
const LINE_MAX: usize = 512;

/// Kept informative lines: the sentences of a login, and what ssh adds to them.
const LINES_MAX: usize = 6;

/// Timeout for the end of standard error after ssh has ended: 500 ms. The ssh of a shared
/// connection lives on and may keep standard error open.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(500);

/// Beginnings of ssh's own remarks about a connection that works.
const REMARKS: [&str; 2] = ["Warning: Permanently added ", "** "];

/// Background reader of ssh's standard error.
#[derive(Debug)]
pub(super) struct StderrReader {
    // Shared by the task and the caller; never locked across an `.await`.
    tail: Arc<Mutex<StderrTail>>,
    task: JoinHandle<()>,
}

impl StderrReader {
    /// Starts reading, and copies lines to our own standard error until `clear`.
    pub(super) fn start(mut from: ChildStderr, echo: Echo) -> StderrReader {
        let tail = Arc::new(Mutex::new(StderrTail { echo, ..StderrTail::default() }));
        let task = tokio::spawn({
            let tail = tail.clone();
            async move {
                let mut bytes = [0; LINE_MAX];
                while let Ok(count @ 1..) = from.read(&mut bytes).await {
                    let lines = lock(&tail).feed(&bytes[..count]);
                    for line in lines {
                        STDERR.push(&format!("{line}\n"));
                    }
                }
            }
        });
        StderrReader { tail, task }
    }

    /// Forgets all lines so far, and stops the echo.
    pub(super) fn clear(&self) {
        *lock(&self.tail) = StderrTail::default();
    }

    /// Waits for the end of standard error and returns its last informative lines.
    pub(super) async fn last_lines(self) -> Vec<String> {
        let mut task = self.task;
        if timeout(LAST_LINE_TIMEOUT, &mut task).await.is_err() {
            task.abort();
        }
        lock(&self.tail).last_lines()
    }
}

/// Lines to copy to our own standard error.
#[derive(Debug, Default)]
pub(super) enum Echo {
    #[default]
    Nothing,
    /// Warnings of the agent, with the name of the source.
    Warnings(String),
    All,
}

impl Echo {
    fn text(&self, line: &str) -> Option<String> {
        match self {
            Echo::Nothing => None,
            Echo::Warnings(source) => {
                let warning = line.strip_prefix("warning: ")?;
                Some(format!("warning: {source}: {warning}"))
            }
            Echo::All => Some(line.to_owned()),
        }
    }
}

/// Locks the tail, even if poisoned: a panic elsewhere ends the program anyway.
fn lock(tail: &Mutex<StderrTail>) -> std::sync::MutexGuard<'_, StderrTail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// End of standard error: the current line and the last complete ones.
#[derive(Debug, Default)]
struct StderrTail {
    /// Incomplete line, at most [`LINE_MAX`] bytes.
    line: Vec<u8>,
    /// Last complete lines that were informative, at most [`LINES_MAX`].
    last: VecDeque<String>,
    echo: Echo,
}

impl StderrTail {
    /// Adds bytes. Returns the lines to echo.
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
            shown.extend(self.echo.text(&line));
            self.keep(line);
        }
        shown
    }

    fn keep(&mut self, line: String) {
        if !self.is_informative(&line) {
            return;
        }
        if self.last.len() == LINES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn last_lines(&mut self) -> Vec<String> {
        let rest = clean_line(&self.line);
        self.keep(rest);
        std::mem::take(&mut self.last).into()
    }

    /// Returns whether a line adds to the lines before. After a jump host has failed with a reason,
    /// ssh only reports that the connection is closed.
    fn is_informative(&self, line: &str) -> bool {
        let is_echo = line.starts_with("kex_exchange_identification: ")
            || (line.starts_with("Connection closed by ") && line.contains(" UNKNOWN port "));
        let is_remark = REMARKS.iter().any(|start| line.starts_with(start));
        !line.is_empty() && !is_remark && (self.last.is_empty() || !is_echo)
    }
}

/// Returns a line without its line end, safe for a terminal.
fn clean_line(line: &[u8]) -> String {
    sanitize(String::from_utf8_lossy(line).trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut all = StderrTail::default();
        for bytes in chunks {
            all.feed(bytes);
        }
        all.last_lines()
    }

    fn last_line(chunks: &[&[u8]]) -> String {
        last_lines(chunks).pop().unwrap_or_default()
    }

    #[test]
    fn the_last_line_is_found_in_any_chunks() {
        assert_eq!(last_line(&[]), "");
        assert_eq!(last_line(&[b"one\r\ntw", b"o\r\n\r\n"]), "two");
        assert_eq!(last_line(&[b"one\ntwo"]), "two");
    }

    #[test]
    fn the_error_of_a_jump_host_is_the_reason_and_not_the_closed_connection() {
        let closed: &[u8] = b"Connection closed by UNKNOWN port 65535\r\n";
        assert_eq!(last_line(&[b"Permission denied\r\n", closed]), "Permission denied");
        assert_eq!(last_line(&[closed]), "Connection closed by UNKNOWN port 65535");
    }

    #[test]
    fn a_few_last_lines_are_kept_without_the_remarks_of_ssh() {
        let key = b"Warning: Permanently added 'web-1' (ED25519) to the list of known hosts.\r\n";
        let quantum =
            b"** WARNING: connection is not using a post-quantum key exchange algorithm.\n";
        assert_eq!(last_lines(&[key, quantum, b"one\ntwo\n"]), ["one", "two"]);
        assert_eq!(last_lines(&[&b"x\n".repeat(1000), b"end"]), ["x", "x", "x", "x", "x", "end"]);
    }

    #[test]
    fn the_last_line_is_bounded_and_sanitized() {
        assert_eq!(last_line(&[&[b'x'; 10_000]]).len(), LINE_MAX);
        let word = last_line(&[b"\x1b[2Jgone \xff\n"]);
        assert!(word.contains("gone") && !word.contains(char::is_control), "{word:?}");
    }

    #[test]
    fn lines_are_returned_only_with_echo() {
        let feed =
            |echo, bytes| StderrTail { echo, ..StderrTail::default() }.feed(bytes).join("\n");
        assert_eq!(feed(Echo::All, b"one\ntwo\nthr"), "one\ntwo");
        assert_eq!(feed(Echo::Nothing, b"one\n"), "");
        let warnings = Echo::Warnings("web-1".to_owned());
        assert_eq!(feed(warnings, b"one\nwarning: two\nWarning: three\n"), "warning: web-1: two");
    }
}
