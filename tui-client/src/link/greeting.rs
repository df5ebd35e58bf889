//! Detection of other protocols by a server's first bytes: a wrong port instead of faulty rows.

/// Bytes that identify every known protocol.
const BYTES_MAX: usize = 64;

/// First bytes of a connection.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    bytes: Vec<u8>,
    is_settled: bool,
}

/// Protocol of the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// Too few bytes to decide.
    Undecided,
    /// Lines, possibly of a stream.
    Lines,
    /// Another protocol; names the kind of server.
    Other(&'static str),
    /// TLS, possibly an agent's.
    Tls,
}

/// First bytes of servers that speak first or reject a request, with the kind of server.
const SIGNATURES: [(&str, &str); 9] = [
    ("HTTP/", "a web server (HTTP)"),
    ("<!doctype ", "a web server (HTTP)"),
    ("<html", "a web server (HTTP)"),
    ("SSH-", "an ssh server"),
    ("* OK ", "a mail server (IMAP)"),
    ("+OK ", "a mail server (POP3)"),
    ("-ERR ", "a database (Redis)"),
    ("RFB 0", "a remote desktop (VNC)"),
    ("AMQP", "a message broker (AMQP)"),
];

/// Reply code of a ready server in SMTP and FTP.
const READY_CODE: &[u8] = b"220";

impl Greeting {
    /// Adds bytes. Returns why the server sends no rows, once that is certain.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<String> {
        if self.is_settled {
            return None;
        }
        self.bytes.extend(bytes.iter().take(BYTES_MAX - self.bytes.len()));
        let guess = guess(&self.bytes);
        self.is_settled = guess != Guess::Undecided || self.bytes.len() == BYTES_MAX;
        match guess {
            Guess::Other(who) => Some(format!("{who} answered, not an agent; check the port")),
            Guess::Tls => Some("the server speaks TLS; use tls://HOST:PORT".to_owned()),
            Guess::Undecided | Guess::Lines => None,
        }
    }
}

fn guess(bytes: &[u8]) -> Guess {
    if let [0x14..=0x17, rest @ ..] = bytes {
        // Type and version of a TLS record.
        return match rest {
            [] | [3] => Guess::Undecided,
            [3, 0..=4, ..] => Guess::Tls,
            _ => Guess::Lines,
        };
    }
    if bytes.starts_with(READY_CODE) {
        return guess_ready(&bytes[READY_CODE.len()..]);
    }
    let mut guess = if READY_CODE.starts_with(bytes) { Guess::Undecided } else { Guess::Lines };
    for (beginning, who) in SIGNATURES {
        let length = beginning.len().min(bytes.len());
        if bytes[..length].eq_ignore_ascii_case(&beginning.as_bytes()[..length]) {
            if length == beginning.len() {
                return Guess::Other(who);
            }
            guess = Guess::Undecided;
        }
    }
    guess
}

/// Recognizes `220 mail.example.org ESMTP` and `220-Welcome`, but not the row `220 1.5 nan`.
fn guess_ready(rest: &[u8]) -> Guess {
    let Some((separator, text)) = rest.split_first() else { return Guess::Undecided };
    let end = text.iter().position(u8::is_ascii_whitespace);
    let word = &text[..end.unwrap_or(text.len())];
    match (separator, end) {
        (b'-' | b' ', None) if text.len() + READY_CODE.len() + 1 < BYTES_MAX => Guess::Undecided,
        (b'-' | b' ', _) if !is_number(word) => Guess::Other("a mail or file server (SMTP, FTP)"),
        _ => Guess::Lines,
    }
}

fn is_number(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| loadline_protocol::parse_number(word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: &str = "TLS";

    /// Checks the reason for `bytes`, added in one piece and byte by byte.
    fn check(bytes: &[u8], who: Option<&str>) {
        let expected = who.map(|who| match who {
            TLS => "the server speaks TLS; use tls://HOST:PORT".to_owned(),
            _ => format!("{who} answered, not an agent; check the port"),
        });
        assert_eq!(Greeting::default().feed(bytes), expected, "{bytes:?}");
        let mut greeting = Greeting::default();
        let found = bytes.iter().find_map(|byte| greeting.feed(&[*byte]));
        assert_eq!(found, expected, "{bytes:?}, byte by byte");
        assert!(greeting.bytes.len() <= BYTES_MAX);
    }

    #[test]
    fn other_protocols_are_recognized_by_their_first_bytes() {
        let web = Some("a web server (HTTP)");
        check(b"HTTP/1.1 400 Bad Request\r\n\r\n", web);
        check(b"<!DOCTYPE html>\n", web);
        check(b"<html><head>", web);
        let tls = Some(TLS);
        check(b"\x15\x03\x01\x00\x02\x02\x46", tls);
        check(b"\x16\x03\x03\x00\x7a\x02\x00", tls);
        check(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Some("an ssh server"));
        let ready = Some("a mail or file server (SMTP, FTP)");
        check(b"220 mail.example.org ESMTP Postfix\r\n", ready);
        check(b"220-Welcome\r\n", ready);
        check(b"220 (vsFTPd 3.0.5)\r\n", ready);
        check(&[b"220 ".as_slice(), &[b'x'; 100]].concat(), ready);
        check(b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Some("a mail server (IMAP)"));
        check(b"-ERR unknown command\r\n", Some("a database (Redis)"));
    }

    #[test]
    fn possible_rows_are_not_rejected() {
        for lines in [
            "# loadline/1 run=0000000a\n",
            "12.5 2400.0 43.1 0.52 0.44 0.40\n",
            "220 1.5 nan\n",
            "220 nan\n",
            "220\n",
            "2200 1\n",
            "22 1\n",
            "-1 2\n",
            "time,a\n",
            "\u{feff}1 2\n",
            "hello\n",
            "HTT\n",
            "\n",
            "",
        ] {
            check(lines.as_bytes(), None);
        }
        check(b"\x16\x02\n", None);
        check(b"\x16\x03\x07\n", None);
    }
}
