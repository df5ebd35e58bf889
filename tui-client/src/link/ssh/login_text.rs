//! Output of a login before the rows of an agent: a greeting, or the reason for the login's end.

use std::time::Duration;

use loadline_protocol::{parse_number, sanitize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, timeout_at};

/// Maximum size of the text before the first row: 16 KiB, more than a screenful.
const TEXT_MAX: usize = 16 * 1024;

/// Timeout for the first row after the first text: 12 s. Some servers close the connection 10 s after
/// they have said why.
const ROW_TIMEOUT: Duration = Duration::from_secs(12);

/// Maximum length of a reason in characters; a header line shows fewer.
const REASON_MAX: usize = 240;

/// Size of a read.
const READ_BYTES: usize = 512;

/// First bytes of a login.
pub(super) enum Greeting {
    /// Bytes that contain a row, or a line that only agents write.
    Rows(Vec<u8>),
    /// Text without a row; empty if the output ended at once.
    Text(Vec<u8>),
}

/// Reads up to the first row. Text without a row ends with the output, after [`ROW_TIMEOUT`] or at
/// [`TEXT_MAX`].
pub(super) async fn read_greeting(output: &mut (impl AsyncRead + Unpin)) -> Greeting {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let mut read = output.read_buf(&mut bytes).await;
    let end_at = Instant::now() + ROW_TIMEOUT;
    loop {
        match read {
            Ok(1..) if has_row(&bytes) => return Greeting::Rows(bytes),
            Ok(1..) if bytes.len() < TEXT_MAX => {}
            Ok(_) | Err(_) => return Greeting::Text(bytes),
        }
        bytes.reserve(READ_BYTES);
        read = timeout_at(end_at, output.read_buf(&mut bytes)).await.unwrap_or(Ok(0));
    }
}

fn has_row(bytes: &[u8]) -> bool {
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    String::from_utf8_lossy(&bytes[..complete]).lines().any(is_row)
}

/// Returns whether a line is a row of numbers and times, or a header.
fn is_row(line: &str) -> bool {
    let is_value = |field: &&str| {
        let digits = field.trim_start_matches(['+', '-', '.', '"']);
        parse_number(field).is_some() || digits.starts_with(|c: char| c.is_ascii_digit())
    };
    let fields = || line.split([' ', '\t', ',', ';', '\r']).filter(|field| !field.is_empty());
    line.starts_with("# loadline/") || 2 * fields().filter(is_value).count() > fields().count()
}

/// Returns the sentences of a login as one line that is safe for a terminal. Decoration around the
/// sentences is left out.
pub(super) fn to_reason<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let is_decoration = |c: char| c.is_whitespace() || "*#=-_|+~<>".contains(c);
    let mut reason = String::new();
    for line in lines {
        let line = sanitize(&without_escapes(line)).into_owned();
        let line = line.trim_matches(is_decoration);
        if line.contains(char::is_alphanumeric) {
            let blank = if reason.is_empty() { "" } else { " " };
            reason.extend([blank, line]);
        }
    }
    // The first `; ` of an error separates the hint.
    let reason = reason.replace("; ", ", ");
    match reason.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.trim_end_matches(['.', ',', ';']).to_owned(),
    }
}

/// Returns a line without colours and other escape sequences: `ESC [ … LETTER`.
fn without_escapes(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.trim_start_matches(|c: char| !c.is_alphabetic()).get(1..).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn reason(text: &str) -> String {
        to_reason(text.lines())
    }

    #[test]
    fn the_sentences_of_a_login_are_one_line() {
        assert_eq!(
            reason("Please login as the user \"ubuntu\" rather than the user \"root\".\n\n"),
            "Please login as the user \"ubuntu\" rather than the user \"root\""
        );
        assert_eq!(
            reason(
                "*****************\n* \x1b[1;31mMaintenance\x1b[0m *\n* until 14:00; sorry *\n****\n"
            ),
            "Maintenance until 14:00, sorry"
        );
        assert_eq!(reason("\x1b]0;evil\x07 no\r\n"), "\u{fffd}]0;evil\u{fffd} no");
        assert_eq!(reason("\x1b[\n\x1b[é\n"), "");
        assert_eq!(reason(&"x".repeat(10_000)).chars().count(), REASON_MAX + 1);
        assert_eq!(reason("----\n\n"), "");
    }

    #[test]
    fn a_row_is_told_from_a_sentence() {
        for row in
            ["12.5 2400.0 43.1 0.52 nan 0.40", "# loadline/1 run=1", "2025-11-22T18:40:00Z,1.5"]
        {
            assert!(is_row(row), "{row}");
        }
        for text in [
            "",
            "# Authorized use only",
            "#######",
            "Last login: Sat Nov 22 18:40:00 2025 from 10.0.0.7",
            "Sat Nov 22 18:40:00 UTC 2025",
            "30 seconds left",
            "time,cpu",
        ] {
            assert!(!is_row(text), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rows_may_follow_a_greeting_and_text_alone_is_a_reason() {
        let (mut login, mut output) = tokio::io::duplex(64);
        login.write_all(b"Welcome!\n1 2 ").await.unwrap();
        let (greeting, ()) = tokio::join!(read_greeting(&mut output), async {
            login.write_all(b"3 4 5 6\n").await.unwrap();
        });
        assert!(matches!(greeting, Greeting::Rows(bytes) if bytes == b"Welcome!\n1 2 3 4 5 6\n"));
        // A menu waits for an answer.
        login.write_all(b"1) shell\n2) exit\nPlease choose: ").await.unwrap();
        let greeting = read_greeting(&mut output).await;
        assert!(matches!(greeting, Greeting::Text(bytes) if bytes.ends_with(b"choose: ")));
        login.write_all(b"Closed for today.\n").await.unwrap();
        drop(login);
        let greeting = read_greeting(&mut output).await;
        assert!(matches!(greeting, Greeting::Text(bytes) if bytes == b"Closed for today.\n"));
    }

    #[tokio::test]
    async fn an_endless_text_is_bounded() {
        let mut endless = tokio::io::repeat(b'y');
        assert!(
            matches!(read_greeting(&mut endless).await, Greeting::Text(bytes) if bytes.len() < 2 * TEXT_MAX)
        );
    }
}
