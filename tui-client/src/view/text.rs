//! Styled text in one row.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

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

/// Formats a number of things: `1 row`, `2 rows`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Characters that several names have in common at their beginnings and ends. A shortened name keeps
/// the part that differs.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommonAffixes {
    prefix: usize,
    suffix: usize,
}

impl CommonAffixes {
    pub(super) fn of<'a>(mut names: impl Iterator<Item = &'a str>) -> CommonAffixes {
        let first = names.next().unwrap_or_default();
        let same = |(a, b): &(char, char)| a == b;
        let affixes = names.map(|name| {
            let prefix = first.chars().zip(name.chars()).take_while(same).count();
            let suffix = first.chars().rev().zip(name.chars().rev()).take_while(same).count();
            (prefix, suffix)
        });
        let shortest = affixes.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        let (prefix, suffix) = shortest.unwrap_or_default();
        CommonAffixes { prefix, suffix }
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

pub(super) fn width(spans: &[Span]) -> usize {
    spans.iter().map(Span::width).sum()
}

/// Writes text from the left, as far as it fits. Returns the columns used.
pub(super) fn put(buf: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return 0;
    }
    // Earlier text leaves nothing behind, not even its style.
    for x in area.x..area.right().min(area.x.saturating_add(text.width() as u16)) {
        buf[(x, area.y)].reset();
    }
    let (end, _) = buf.set_stringn(area.x, area.y, text, usize::from(area.width), style);
    end - area.x
}

/// Writes text right-aligned. If it does not fit, writes it from the left.
pub(super) fn put_right(buf: &mut Buffer, area: Rect, text: &str, style: Style) {
    put(buf, rightmost(area, text.width()), text, style);
}

/// Writes spans from the left, as far as they fit. Returns the columns used.
pub(super) fn put_spans(buf: &mut Buffer, area: Rect, spans: &[Span]) -> u16 {
    spans.iter().fold(0, |used, span| {
        let room = Rect { x: area.x + used, width: area.width - used, ..area };
        used + put(buf, room, &span.content, span.style)
    })
}

/// Writes spans right-aligned. If they do not fit, writes them from the left.
pub(super) fn put_spans_right(buf: &mut Buffer, area: Rect, spans: &[Span]) {
    put_spans(buf, rightmost(area, width(spans)), spans);
}

pub(super) fn fill(buf: &mut Buffer, area: Rect, symbol: char, style: Style) {
    for position in area.positions() {
        buf[position].set_char(symbol).set_style(style);
    }
}

fn rightmost(area: Rect, width: usize) -> Rect {
    let width = width.min(usize::from(area.width)) as u16;
    Rect { x: area.right() - width, width, ..area }
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
