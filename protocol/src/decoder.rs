//! Decoder that splits a byte stream into lines.

use crate::{LINE_MAX, LineError};

/// Incremental line decoder for bytes that arrive in pieces.
///
/// The decoder buffers one incomplete line: at most [`LINE_MAX`] bytes and a carriage return. It
/// continues after a line that is too long or not UTF-8. The result does not depend on the
/// boundaries between pieces.
///
/// ```
/// use loadline_protocol::Decoder;
/// let mut decoder = Decoder::new();
/// let mut lines = Vec::new();
/// for mut piece in [&b"12.5 24"[..], b"00.0\n# li", b"ve\r\n"] {
///     while let Some(line) = decoder.decode(&mut piece) {
///         lines.push(line.unwrap().to_owned());
///     }
/// }
/// assert_eq!(lines, ["12.5 2400.0", "# live"]);
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// Maximum length of a line in bytes.
    line_max: usize,
    /// Beginning of the next line.
    partial: Vec<u8>,
    /// True if `partial` was returned as a whole line and must be cleared.
    handed_out: bool,
    /// True while the rest of a line that is too long is skipped.
    skipping: bool,
    /// True after the first line, the only one that may start with a byte order mark.
    begun: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::with_line_max(LINE_MAX)
    }
}

impl Decoder {
    /// Creates a decoder for the start of a stream.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Creates a decoder of lines of other formats, which are at most `line_max` bytes long instead of
    /// [`LINE_MAX`].
    #[must_use]
    pub fn with_line_max(line_max: usize) -> Decoder {
        Decoder { line_max, partial: Vec::new(), handed_out: false, skipping: false, begun: false }
    }

    /// Returns whether no byte was decoded.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        !self.begun && self.partial.is_empty()
    }

    /// Returns the next line without its line end, and advances `input` past it. Returns `None`
    /// when `input` is used up and more bytes are needed.
    pub fn decode<'d, 'i: 'd>(
        &'d mut self,
        input: &mut &'i [u8],
    ) -> Option<Result<&'d str, LineError>> {
        if std::mem::take(&mut self.handed_out) {
            self.partial.clear();
        }
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = input.split_at(end);
            *input = &rest[1..];
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let first = !std::mem::replace(&mut self.begun, true);
            if self.partial.is_empty() {
                return Some(finish(line, first, self.line_max));
            }
            self.handed_out = true;
            if self.partial.len() + line.len() > self.line_max + 1 {
                return Some(Err(LineError::TooLong { max: self.line_max }));
            }
            self.partial.extend_from_slice(line);
            return Some(finish(&self.partial, first, self.line_max));
        }
        let rest = std::mem::take(input);
        if !self.skipping && !self.try_buffer(rest) {
            self.skipping = true;
            self.begun = true;
            self.partial.clear();
            return Some(Err(LineError::TooLong { max: self.line_max }));
        }
        None
    }

    /// Number of buffered bytes of an incomplete line. At the end of a stream: of a truncated line.
    #[must_use]
    pub fn pending(&self) -> usize {
        if self.handed_out { 0 } else { self.partial.len() }
    }

    /// Forgets the buffered bytes of an incomplete line, which are to be decoded again. Returns their
    /// number.
    pub fn discard_pending(&mut self) -> usize {
        let count = self.pending();
        self.partial.clear();
        self.handed_out = false;
        count
    }

    /// Buffers the beginning of a line. Returns false if the line is already too long.
    fn try_buffer(&mut self, bytes: &[u8]) -> bool {
        if self.partial.len() + bytes.len() > self.line_max + 1 {
            return false;
        }
        self.partial.extend_from_slice(bytes);
        self.partial.len() <= self.line_max || self.partial.last() == Some(&b'\r')
    }
}

/// Checks length and encoding of a whole line, and removes `\r` and byte order mark.
fn finish(line: &[u8], first: bool, line_max: usize) -> Result<&str, LineError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > line_max {
        return Err(LineError::TooLong { max: line_max });
    }
    let marked = if first { line.strip_prefix(BYTE_ORDER_MARK) } else { None };
    std::str::from_utf8(marked.unwrap_or(line)).map_err(|_| LineError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type DecodedLine = Result<String, LineError>;

    /// Decodes `stream` in pieces of these lengths, repeated cyclically.
    fn decode(stream: &[u8], pieces: &[usize]) -> Vec<DecodedLine> {
        let mut decoder = Decoder::new();
        let mut lines = Vec::new();
        let mut lengths = pieces.iter().cycle();
        let mut rest = stream;
        while !rest.is_empty() {
            let (mut piece, after) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            rest = after;
            while let Some(line) = decoder.decode(&mut piece) {
                lines.push(line.map(str::to_owned));
            }
            assert!(decoder.partial.len() <= LINE_MAX + 1);
        }
        lines
    }

    fn check(stream: &[u8], expected: &[DecodedLine]) {
        for pieces in [&[usize::MAX][..], &[1], &[2, 3, 5]] {
            assert_eq!(decode(stream, pieces), expected, "in pieces of {pieces:?}");
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "a short name for what a good line decodes to")]
    fn ok(line: &str) -> DecodedLine {
        Ok(line.to_owned())
    }

    #[test]
    fn lines_end_with_lf_or_crlf() {
        check(b"a\r\nb\n\nc", &[ok("a"), ok("b"), ok("")]);
        check(b"a\rb\r\r\n", &[ok("a\rb\r")]);
    }

    #[test]
    fn a_discarded_beginning_of_a_line_is_decoded_again() {
        let mut decoder = Decoder::new();
        for (mut piece, discarded) in [(&b"1 2\n3 "[..], 2), (b"4 5\n", 0), (b"6", 1), (b"7\n", 0)]
        {
            let mut last = None;
            while let Some(line) = decoder.decode(&mut piece) {
                last = Some(line.unwrap().to_owned());
            }
            assert_eq!(decoder.discard_pending(), discarded, "{last:?}");
            assert!(last.is_none_or(|last| ["1 2", "4 5", "7"].contains(&&*last)));
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored_only_at_the_start() {
        check(b"\xEF\xBB\xBF1 2\n\xEF\xBB\xBF3\n", &[ok("1 2"), ok("\u{feff}3")]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_one_error() {
        check(b"a\n\xff\xfe\nb\n", &[ok("a"), Err(LineError::NotUtf8), ok("b")]);
    }

    #[test]
    fn the_longest_line_passes_and_one_byte_more_is_one_error() {
        let longest = "x".repeat(LINE_MAX);
        check(format!("{longest}\nb\n").as_bytes(), &[ok(&longest), ok("b")]);
        check(format!("{longest}\r\nb\n").as_bytes(), &[ok(&longest), ok("b")]);
        for tail in ["y", "y\r", "\r\r", &"y".repeat(3 * LINE_MAX)] {
            let stream = format!("{longest}{tail}\nb\n");
            check(stream.as_bytes(), &[Err(LineError::TooLong { max: LINE_MAX }), ok("b")]);
        }
    }

    #[test]
    fn an_endless_line_is_an_error_before_it_ends() {
        let stream = vec![b'x'; 1 << 20];
        check(&stream, &[Err(LineError::TooLong { max: LINE_MAX })]);
    }

    proptest! {
        #[test]
        fn piece_boundaries_do_not_matter(
            stream in prop::collection::vec(
                prop_oneof![
                    4 => "[0-9 .\r\n#a-z]{0,40}".prop_map(String::into_bytes),
                    1 => prop::collection::vec(any::<u8>(), 0..40),
                    1 => (LINE_MAX - 3..LINE_MAX + 3).prop_map(|n| vec![b'7'; n]),
                    1 => Just(b"\r\n".to_vec()),
                ],
                0..12,
            ),
            pieces in prop::collection::vec(1..5000_usize, 1..9),
        ) {
            let stream = stream.concat();
            prop_assert_eq!(decode(&stream, &pieces), decode(&stream, &[usize::MAX]));
        }
    }
}
