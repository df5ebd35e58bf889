//! Styled text on one row.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Text of one style.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    text: Cow<'static, str>,
    style: Style,
}

impl Piece {
    pub(super) fn new(text: impl Into<Cow<'static, str>>, style: Style) -> Piece {
        Piece { text: text.into(), style }
    }

    /// The same with another text, made from its own.
    pub(super) fn map(self, text: impl FnOnce(&str) -> String) -> Piece {
        Piece { text: text(&self.text).into(), style: self.style }
    }

    /// Columns that it takes.
    pub(super) fn width(&self) -> usize {
        self.text.width()
    }
}

/// Columns that the pieces take.
pub(super) fn width(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::width).sum()
}

/// Writes the pieces from the left, as far as they fit; gives the columns that they took.
pub(super) fn put(buf: &mut Buffer, area: Rect, pieces: &[Piece]) -> u16 {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return 0;
    }
    let mut x = area.x;
    for piece in pieces {
        let room = usize::from(area.right() - x);
        // What stood there leaves nothing behind, not even its style.
        for cell in x..area.right().min(x.saturating_add(piece.width() as u16)) {
            buf[(cell, area.y)].reset();
        }
        (x, _) = buf.set_stringn(x, area.y, &piece.text, room, piece.style);
    }
    x - area.x
}

/// Writes the pieces so that they end at the right; from the left if they do not fit.
pub(super) fn put_right(buf: &mut Buffer, area: Rect, pieces: &[Piece]) {
    let taken = width(pieces).min(usize::from(area.width)) as u16;
    let area = Rect { x: area.right() - taken, width: taken, ..area };
    put(buf, area, pieces);
}
