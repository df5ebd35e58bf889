//! Parser of the bytes that a client sends: requests and noise.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loadline_protocol::{PING, REQUEST_MAX, Request, SafeText};
use tokio::io::{AsyncRead, ReadBuf};

use super::Ending;

/// Total of ignored bytes that are no request. Allows a stray Enter or a probe, but no client of
/// another protocol.
pub(super) const NOISE_BYTES_MAX: usize = 4 * 1024;

/// Size of one read: enough for any reasonable request.
const READ_BYTES_MAX: usize = 512;

/// Line of a client that the agent answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    Request(Request),
    Ping,
}

/// Finder of requests and pings in the bytes of a client.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Bytes not yet parsed: hardly more than one request.
    bytes: Vec<u8>,
    /// True while the rest of an overlong line is skipped.
    skipping: bool,
    /// Bytes so far that were no request.
    ignored: usize,
    /// True once the client has ended its side of the stream.
    pub(super) has_ended: bool,
}

impl Inbox {
    /// Reads once. The end of the input does not end the session: the client may still read.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        // On the stack rather than in the session: there is rarely anything to read.
        let mut room = [MaybeUninit::uninit(); READ_BYTES_MAX];
        let mut read = ReadBuf::uninit(&mut room);
        let result = ready!(Pin::new(stream).poll_read(cx, &mut read));
        self.bytes.extend_from_slice(read.filled());
        self.has_ended = read.filled().is_empty();
        Poll::Ready(result.map_err(|_| Ending::Left))
    }

    /// Returns the next request or ping. Bytes that end the session are an error.
    pub(super) fn next(&mut self) -> Result<Option<Input>, Ending> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let is_rest = std::mem::take(&mut self.skipping);
            let input = if is_rest { Ok(None) } else { parse_line(&self.bytes[..end]) };
            self.bytes.drain(..=end);
            if let Some(input) = input? {
                return Ok(Some(input));
            }
            self.ignored += end + 1;
        }
        // One byte more for a carriage return.
        if self.skipping || self.bytes.len() > REQUEST_MAX + 1 {
            if !self.skipping && is_request(&self.bytes) {
                return Err(request_too_long());
            }
            self.skipping = true;
            self.ignored += self.bytes.len();
            self.bytes.clear();
        }
        if self.bytes.is_empty() {
            // Frees the memory: most clients send at most one request and stay for days.
            self.bytes = Vec::new();
        }
        if self.ignored > NOISE_BYTES_MAX { Err(Ending::Noisy) } else { Ok(None) }
    }

    /// Counts a ping that gets no answer as noise.
    pub(super) fn ignore_ping(&mut self) {
        self.ignored += PING.len() + 1;
    }
}

/// Parses a line. `None` if it is neither a request nor a ping.
fn parse_line(line: &[u8]) -> Result<Option<Input>, Ending> {
    if line.trim_ascii() == PING.as_bytes() {
        return Ok(Some(Input::Ping));
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > REQUEST_MAX && is_request(line) {
        return Err(request_too_long());
    }
    let request = Request::parse(&String::from_utf8_lossy(line)).transpose();
    request
        .map(|request| request.map(Input::Request))
        .map_err(|error| Ending::Refused(SafeText::new(&error.to_string())))
}

fn is_request(line: &[u8]) -> bool {
    Request::is_request_start(line.trim_ascii_start())
}

fn request_too_long() -> Ending {
    Ending::Refused(SafeText::new(&format!("request longer than {REQUEST_MAX} bytes")))
}

#[cfg(test)]
mod tests {
    use loadline_protocol::History;

    use super::*;

    /// Returns the inputs parsed from `sent`, received in chunks of `piece` bytes.
    fn parse_chunks(sent: &[u8], piece: usize) -> Vec<Result<Input, Ending>> {
        let mut inbox = Inbox::default();
        let mut inputs = Vec::new();
        for bytes in sent.chunks(piece) {
            inbox.bytes.extend_from_slice(bytes);
            while let Some(next) = inbox.next().transpose() {
                inputs.push(next);
                if inputs.last().is_some_and(Result::is_err) {
                    return inputs;
                }
            }
            assert!(inbox.bytes.len() <= REQUEST_MAX + 1);
        }
        assert!(!inbox.bytes.is_empty() || inbox.bytes.capacity() == 0);
        inputs
    }

    fn check(sent: &[u8], expected: &[Result<Input, Ending>]) {
        for piece in [1, 7, 64, sent.len().max(1)] {
            assert_eq!(parse_chunks(sent, piece), expected, "in pieces of {piece}");
        }
    }

    fn request(history: History) -> Input {
        Input::Request(Request { history: Some(history), ..Request::default() })
    }

    #[test]
    fn requests_are_found_wherever_they_are_cut() {
        check(b"", &[]);
        check(b"loadline/1 history=all", &[]);
        check(b"loadline/1 history=all\n", &[Ok(request(History::All))]);
        check(
            b"\r\n  loadline/1 history=all\r\nGET /\nping\r\npings\nloadline/1 history=none\n",
            &[Ok(request(History::All)), Ok(Input::Ping), Ok(request(History::None))],
        );
    }

    #[test]
    fn an_invalid_request_gets_a_reason() {
        check(
            b"loadline/1 resume=x\n",
            &[Err(Ending::Refused("resume=x: invalid position; write RUN:SEQ".into()))],
        );
        check(b"loadline/1 colour=\xff\n", &[Ok(Input::Request(Request::default()))]);
    }

    #[test]
    fn a_request_has_a_maximum_length() {
        let mut longest = b"loadline/1 ".to_vec();
        longest.resize(REQUEST_MAX, b'x');
        let with = |end: &[u8]| [&longest, end].concat();
        check(&with(b"\n"), &[Ok(Input::Request(Request::default()))]);
        check(&with(b"\r\n"), &[Ok(Input::Request(Request::default()))]);
        check(&with(b"x\n"), &[Err(request_too_long())]);
        check(&with(&[b'x'; 64]), &[Err(request_too_long())]);
    }

    #[test]
    fn noise_is_ignored_up_to_a_bound_in_all() {
        let mut noise = b"\n".repeat(100);
        noise.extend([b'x'; NOISE_BYTES_MAX - 101]);
        noise.push(b'\n');
        let then = |more: &[u8]| [&noise, more].concat();
        check(&then(b"loadline/1 history=all\n"), &[Ok(request(History::All))]);
        check(&then(b"\n"), &[Err(Ending::Noisy)]);
        check(&[0xff; 3 * NOISE_BYTES_MAX], &[Err(Ending::Noisy)]);
    }
}
