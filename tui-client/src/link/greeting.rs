//! Detection of other protocols by a server's first bytes: a wrong port instead of faulty rows.

use loadline_protocol::parse_number;

use super::disconnect::Disconnect;

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

/// Returns why a server sends no rows, if `greeting`, its first bytes, shows another protocol.
pub(super) fn detect_other_protocol(greeting: &[u8]) -> Option<Disconnect> {
    let who = match greeting {
        // Type and version of a TLS record, possibly an agent's.
        [0x14..=0x17, 3, 0..=4, ..] => {
            return Some(Disconnect::refused("the server speaks TLS; use tls://HOST:PORT"));
        }
        // `220 mail.example.org ESMTP` and `220-Welcome`, but not the row `220 1.5 nan`.
        [b'2', b'2', b'0', b' ' | b'-', text @ ..] if is_word_first(text) => {
            "a mail or file server (SMTP, FTP)"
        }
        _ => {
            let is_start = |(start, _): &&(&str, &str)| {
                let first = greeting.get(..start.len());
                first.is_some_and(|first| first.eq_ignore_ascii_case(start.as_bytes()))
            };
            SIGNATURES.iter().find(is_start)?.1
        }
    };
    Some(Disconnect::refused(&format!("{who} answered, not an agent; check the port")))
}

/// Returns whether `text` begins with a complete word that is no number.
fn is_word_first(text: &[u8]) -> bool {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let word = end.map(|end| std::str::from_utf8(&text[..end]));
    word.is_some_and(|word| word.is_ok_and(|word| parse_number(word).is_none()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_are_recognized_by_their_first_bytes() {
        let web = "a web server (HTTP) answered, not an agent; check the port";
        let tls = "the server speaks TLS; use tls://HOST:PORT";
        let ready = "a mail or file server (SMTP, FTP) answered, not an agent; check the port";
        for (greeting, reason) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], web),
            (b"<!DOCTYPE html>\n", web),
            (b"<html><head>", web),
            (b"\x15\x03\x01\x00\x02\x02\x46", tls),
            (b"\x16\x03\x03\x00\x7a\x02\x00", tls),
            (b"220 mail.example.org ESMTP Postfix\r\n", ready),
            (b"220-Welcome\r\n", ready),
            (b"220 (vsFTPd 3.0.5)\r\n", ready),
        ] {
            assert_eq!(detect_other_protocol(greeting), Some(Disconnect::refused(reason)));
        }
    }

    #[test]
    fn possible_rows_are_not_rejected() {
        for lines in [
            &b"# loadline/1 run=0000000a\n"[..],
            b"12.5 2400.0 43.1 0.52 0.44 0.40\n",
            b"220 1.5 nan\n",
            b"220 nan\n",
            b"220 -",
            b"220\n",
            b"2200 1\n",
            b"-1 2\n",
            b"time,a\n",
            b"\xef\xbb\xbf1 2\n",
            b"HTT\n",
            b"",
            b"\x16\x02\n",
            b"\x16\x03\x07\n",
        ] {
            assert_eq!(detect_other_protocol(lines), None, "{lines:?}");
        }
    }
}
