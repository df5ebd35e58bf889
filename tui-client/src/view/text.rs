//! Styled text in one row.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text in one style.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    text: Cow<'static, str>,
    style: Style,
}

impl Piece {
    pub(super) fn new(text: impl Into<Cow<'static, str>>, style: Style) -> Piece {
        Piece { text: text.into(), style }
    }

    /// Returns the width in columns.
    pub(super) fn width(&self) -> usize {
        self.text.width()
    }

    /// Shortens the text to at most `max_width` columns.
    pub(super) fn shorten(&mut self, max_width: usize) {
        self.text = shortened(&self.text, max_width).into();
    }
}

/// Returns the text in at most `max_width` columns. A cut text ends in `~`.
pub(super) fn shortened(text: &str, max_width: usize) -> String {
    if text.width() <= max_width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if short.width() + c.width().unwrap_or(0) >= max_width {
            break;
        }
        short.push(c);
    }
    short.push('~');
    short
}

/// Common prefix and suffix of several names. A shortened name keeps the part that differs.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommonAffixes {
    /// Length of the prefix in characters.
    prefix: usize,
    /// Length of the suffix in characters.
    suffix: usize,
}

impl CommonAffixes {
    pub(super) fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> CommonAffixes {
        let first = names.next().unwrap_or_default();
        let none = CommonAffixes { prefix: 0, suffix: 0 };
        let same = |(a, b): &(char, char)| a == b;
        names
            .map(|name| {
                let before = first.chars().zip(name.chars()).take_while(same).count();
                let after = first.chars().rev().zip(name.chars().rev()).take_while(same).count();
                CommonAffixes { prefix: before, suffix: after }
            })
            .reduce(|a, b| CommonAffixes {
                prefix: a.prefix.min(b.prefix),
                suffix: a.suffix.min(b.suffix),
            })
            .unwrap_or(none)
    }

    /// Returns the name in at most `max_width` columns. Drops the common suffix first, then the
    /// common prefix, then the middle.
    pub(super) fn shortened(self, name: &str, max_width: usize) -> String {
        let letters: Vec<char> = name.chars().collect();
        let before = self.prefix.min(letters.len());
        let end = letters.len() - self.suffix.min(letters.len() - before);
        // Each `~` takes one column.
        let room = max_width.saturating_sub(if end == letters.len() { 1 } else { 2 });
        if name.width() <= max_width || end < max_width {
            return shortened(name, max_width);
        }
        let text: String = if end - before <= room {
            ['~'].iter().chain(&letters[end - room..]).collect()
        } else {
            let head = room.div_ceil(2);
            let tail = &letters[letters.len() - (max_width.saturating_sub(1 + head))..];
            letters[..head].iter().chain(&['~']).chain(tail).collect()
        };
        shortened(&text, max_width)
    }
}

/// Returns the total width of the pieces in columns.
pub(super) fn width(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::width).sum()
}

/// Writes the pieces from the left, as far as they fit. Returns the columns used.
pub(super) fn put(buf: &mut Buffer, area: Rect, pieces: &[Piece]) -> u16 {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return 0;
    }
    let mut x = area.x;
    for piece in pieces {
        let room = usize::from(area.right() - x);
        // Earlier text leaves nothing behind, not even its style.
        for cell in x..area.right().min(x.saturating_add(piece.width() as u16)) {
            buf[(cell, area.y)].reset();
        }
        (x, _) = buf.set_stringn(x, area.y, &piece.text, room, piece.style);
    }
    x - area.x
}

/// Writes the pieces right-aligned. If they do not fit, writes them from the left.
pub(super) fn put_right(buf: &mut Buffer, area: Rect, pieces: &[Piece]) {
    let taken = width(pieces).min(usize::from(area.width)) as u16;
    let area = Rect { x: area.right() - taken, width: taken, ..area };
    put(buf, area, pieces);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], max_width: usize, expected: &[&str]) {
        let common = CommonAffixes::of(names.iter().copied());
        let short: Vec<String> =
            names.iter().map(|name| common.shortened(name, max_width)).collect();
        assert_eq!(short, expected, "{max_width}");
    }

    #[test]
    fn long_names_keep_what_distinguishes_them() {
        check(&["127.0.0.1:19001", "127.0.0.1:19002"], 9, &["~.1:19001", "~.1:19002"]);
        check(&["web-1:1027", "web-12:1027"], 9, &["web-1:10~", "web-12:1~"]);
        let hosts = ["rack-a-web-1.example.org", "rack-a-web-2.example.org"];
        check(&hosts, 9, &["~a-web-1~", "~a-web-2~"]);
        check(&hosts, 40, &hosts);
        // Without a common part, both ends are kept.
        check(
            &["127.0.0.1:19001", "127.0.0.1:19002", "web"],
            9,
            &["127.~9001", "127.~9002", "web"],
        );
        check(&["", "a", "aa", "aaa"], 2, &["", "a", "aa", "a~"]);
        check(&["alone.example.org"], 9, &["alon~.org"]);
    }

    #[test]
    fn shortened_names_never_exceed_the_width() {
        let names = ["", "é", "日本語日本語-1", "日本語日本語-2", "web-1.example.org"];
        for names in [&names[..], &names[2..4], &names[4..]] {
            let common = CommonAffixes::of(names.iter().copied());
            for (name, most) in names.iter().flat_map(|name| (0..30).map(move |most| (name, most)))
            {
                assert!(common.shortened(name, most).width() <= most.max(1), "{name} {most}");
            }
        }
    }
}
