//! Terminal output: from one frame to the next in as few bytes as possible, for slow connections.
//!
//! * Rows that moved up are scrolled by the terminal instead of being redrawn.
//! * Unchanged cells are skipped, or written again where that is shorter.
//! * Colours are set when they change, in the shortest form, and stay set from frame to frame.

use std::io::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};

/// Contents and state of the terminal.
#[derive(Debug)]
pub struct Canvas {
    shown: Buffer,
    /// Position of the next character; unknown at first and after the last column.
    cursor: Option<Position>,
    /// Style of the next character; unknown at first.
    pen: Option<Pen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pen {
    colour: Color,
    modifiers: Modifier,
}

/// Modifiers that a frame uses, and their SGR codes.
const MODIFIERS: [(Modifier, u8); 4] =
    [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)];

/// Modifiers that are visible on a space.
const VISIBLE_ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED);

/// Maximum number of rows to scroll by. A frame that moved further is redrawn.
const SCROLL_ROWS_MAX: u16 = 3;

impl Canvas {
    /// Returns the canvas of a terminal of this size with unknown contents.
    pub fn new(area: Rect) -> Canvas {
        Canvas { shown: Buffer::empty(area), cursor: None, pen: None }
    }

    /// Appends to `out` the bytes that turn the shown frame into `next`, and swaps the two frames.
    /// Redraws everything if the size has changed or the contents of the terminal are unknown.
    /// Within `scrolling`, whole rows may have moved up.
    pub fn draw(&mut self, next: &mut Buffer, scrolling: Rect, out: &mut Vec<u8>) {
        if self.shown.area != next.area || self.pen.is_none() {
            out.extend_from_slice(b"\x1b[0m\x1b[2J");
            self.shown = Buffer::empty(next.area);
            (self.cursor, self.pen) = (None, Some(Pen::PLAIN));
        }
        self.scroll_rows(next, scrolling, out);
        for y in next.area.top()..next.area.bottom() {
            self.draw_row(y, next, out);
        }
        std::mem::swap(&mut self.shown, next);
    }

    fn draw_row(&mut self, y: u16, next: &Buffer, out: &mut Vec<u8>) {
        let mut x = next.area.left();
        // Writing over a wide character erases all of it: redraw the cells before this column.
        let mut erased_to = x;
        while x < next.area.right() {
            let (cell, shown) = (&next[(x, y)], &self.shown[(x, y)]);
            let wide = cell_width(cell);
            if cell != shown || x < erased_to {
                let end = x.saturating_add(wide).min(next.area.right());
                let reach = |x: u16| x.saturating_add(cell_width(&self.shown[(x, y)]));
                erased_to = (x..end).map(reach).fold(erased_to, u16::max);
                self.move_to(Position { x, y }, next, out);
                self.write_cell(cell, next.area, out);
            }
            // Skip the cells that a wide character covers.
            x = x.saturating_add(wide);
        }
    }

    /// Scrolls rows up in the terminal if `next` has them further up.
    fn scroll_rows(&mut self, next: &Buffer, area: Rect, out: &mut Vec<u8>) {
        // A terminal scrolls whole rows only.
        let area = area.intersection(next.area);
        if area.width != next.area.width || area.height < 2 {
            return;
        }
        let moved = (1..=SCROLL_ROWS_MAX.min(area.height - 1)).find(|by| {
            let mut rows = area.top()..area.bottom() - by;
            rows.all(|y| row(next, y) == row(&self.shown, y + by))
        });
        let Some(by) = moved else { return };
        // Identical rows match at any offset, although nothing moved.
        if (area.top()..area.bottom()).all(|y| row(next, y) == row(&self.shown, y)) {
            return;
        }
        self.write_pen(Pen::PLAIN, out);
        let (top, bottom) = (area.top() + 1, area.bottom());
        // Deleting lines at the top of a scroll region works in every terminal.
        let _ = write!(out, "\x1b[{top};{bottom}r\x1b[{top}H\x1b[{by}M\x1b[r");
        self.cursor = None;
        let cells_of = |rows: u16| usize::from(rows) * usize::from(next.area.width);
        let start = cells_of(area.top() - next.area.y);
        let cells = &mut self.shown.content[start..start + cells_of(area.height)];
        cells.rotate_left(cells_of(by));
        cells[cells_of(area.height - by)..].iter_mut().for_each(Cell::reset);
    }

    fn move_to(&mut self, to: Position, next: &Buffer, out: &mut Vec<u8>) {
        match self.cursor {
            Some(from) if from == to => return,
            Some(from) if from.y == to.y && from.x < to.x => self.step_to(from, to, next, out),
            _ if to.x == 0 => {
                let _ = write!(out, "\x1b[{}H", to.y + 1);
            }
            _ => {
                let _ = write!(out, "\x1b[{};{}H", to.y + 1, to.x + 1);
            }
        }
        self.cursor = Some(to);
    }

    /// Moves the cursor to the right, or writes the cells in between if these take no more bytes.
    fn step_to(&self, from: Position, to: Position, next: &Buffer, out: &mut Vec<u8>) {
        let cells = to.x - from.x;
        let step_bytes = if cells == 1 { 3 } else { 4 + cells.ilog10() };
        let between = || (from.x..to.x).map(|x| &next[(x, from.y)]);
        let is_same = |cell: &Cell| cell.symbol().is_ascii() && self.matches_pen(cell);
        if u32::from(cells) <= step_bytes && between().all(is_same) {
            between().for_each(|cell| out.extend_from_slice(cell.symbol().as_bytes()));
        } else if cells == 1 {
            out.extend_from_slice(b"\x1b[C");
        } else {
            let _ = write!(out, "\x1b[{cells}C");
        }
    }

    /// Returns whether a cell looks right in the current style.
    fn matches_pen(&self, cell: &Cell) -> bool {
        let pen = Pen::of(cell);
        let is_blank = cell.symbol() == " " && !pen.modifiers.intersects(VISIBLE_ON_BLANKS);
        self.pen.is_some_and(|now| {
            now == pen || is_blank && !now.modifiers.intersects(VISIBLE_ON_BLANKS)
        })
    }

    fn write_cell(&mut self, cell: &Cell, area: Rect, out: &mut Vec<u8>) {
        if !self.matches_pen(cell) {
            self.write_pen(Pen::of(cell), out);
        }
        out.extend_from_slice(cell.symbol().as_bytes());
        // The cursor position after the last column or a wide character depends on the terminal.
        self.cursor = self
            .cursor
            .filter(|at| cell_width(cell) == 1 && at.x + 1 < area.right())
            .map(|at| Position { x: at.x + 1, y: at.y });
    }

    fn write_pen(&mut self, pen: Pen, out: &mut Vec<u8>) {
        let now = self.pen.unwrap_or(Pen::PLAIN);
        if self.pen == Some(pen) {
            return;
        }
        self.pen = Some(pen);
        if pen == Pen::PLAIN {
            out.extend_from_slice(b"\x1b[m");
            return;
        }
        out.extend_from_slice(b"\x1b[");
        // Only a reset of the whole style switches a modifier off.
        let is_reset = !pen.modifiers.contains(now.modifiers);
        let now = if is_reset { Pen::PLAIN } else { now };
        if is_reset {
            out.extend_from_slice(b"0;");
        }
        for (modifier, code) in MODIFIERS {
            if pen.modifiers.contains(modifier) && !now.modifiers.contains(modifier) {
                let _ = write!(out, "{code};");
            }
        }
        if pen.colour != now.colour {
            write_colour(pen.colour, out);
            out.push(b';');
        }
        // The last separator ends the sequence.
        if let Some(last) = out.last_mut() {
            *last = b'm';
        }
    }
}

impl Pen {
    const PLAIN: Pen = Pen { colour: Color::Reset, modifiers: Modifier::empty() };

    fn of(cell: &Cell) -> Pen {
        let known = MODIFIERS.iter().fold(Modifier::empty(), |all, (one, _)| all.union(*one));
        Pen { colour: cell.fg, modifiers: cell.modifier.intersection(known) }
    }
}

fn row(buffer: &Buffer, y: u16) -> &[Cell] {
    let wide = usize::from(buffer.area.width);
    let start = usize::from(y - buffer.area.y) * wide;
    &buffer.content[start..start + wide]
}

/// Returns the number of columns that the contents of a cell take: at least 1.
fn cell_width(cell: &Cell) -> u16 {
    use unicode_width::UnicodeWidthStr as _;
    let symbol = cell.symbol();
    if symbol.len() == 1 { 1 } else { symbol.width().max(1) as u16 }
}

fn write_colour(colour: Color, out: &mut Vec<u8>) {
    let code = match colour {
        Color::Reset => 39,
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
        Color::Indexed(index) => {
            let _ = write!(out, "38;5;{index}");
            return;
        }
        Color::Rgb(red, green, blue) => {
            let _ = write!(out, "38;2;{red};{green};{blue}");
            return;
        }
    };
    let _ = write!(out, "{code}");
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use proptest::prelude::*;
    use ratatui::style::Style;

    use super::*;

    fn terminal(area: Rect) -> vt100::Parser {
        let size = |cells: u16| NonZero::new(cells).unwrap();
        vt100::Parser::new(size(area.height), size(area.width), 0)
    }

    /// Asserts that a terminal shows a frame, as far as the difference is visible.
    fn check(terminal: &vt100::Parser, expected: &Buffer) {
        let screen = terminal.screen();
        for y in expected.area.rows().map(|row| row.y) {
            for x in 0..expected.area.width {
                let cell = &expected[(x, y)];
                let shown_cell = screen.cell(y, x).unwrap();
                if shown_cell.is_wide_continuation() {
                    continue;
                }
                let symbol =
                    if shown_cell.contents().is_empty() { " " } else { shown_cell.contents() };
                assert_eq!(symbol, cell.symbol(), "at {x},{y}");
                let pen = Pen::of(cell);
                assert_eq!(
                    shown_cell.inverse(),
                    pen.modifiers.contains(Modifier::REVERSED),
                    "{x},{y}"
                );
                assert_eq!(shown_cell.underline(), pen.modifiers.contains(Modifier::UNDERLINED));
                if symbol != " " {
                    assert_eq!(
                        shown_cell.bold(),
                        pen.modifiers.contains(Modifier::BOLD),
                        "{x},{y}"
                    );
                    assert_eq!(shown_cell.fgcolor(), colour(pen.colour), "{x},{y}");
                }
            }
        }
    }

    fn colour(colour: Color) -> vt100::Color {
        match colour {
            Color::Cyan => vt100::Color::Idx(6),
            Color::DarkGray => vt100::Color::Idx(8),
            Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
            _ => vt100::Color::Default,
        }
    }

    #[test]
    fn adding_a_table_row_writes_one_row() {
        let area = Rect::new(0, 0, 60, 12);
        let page = |first: usize| {
            let mut buffer = Buffer::empty(area);
            buffer.set_string(0, 0, "time      value", Style::new().fg(Color::DarkGray));
            for row in 0..10 {
                let text = format!("14:03:{:02}.123    {:>12}", first + row, (first + row) * 7919);
                buffer.set_string(0, row as u16 + 1, text, Style::new());
            }
            buffer
        };
        let rows = Rect::new(0, 1, 60, 10);
        let mut canvas = Canvas::new(area);
        let mut terminal = terminal(area);
        let mut whole = Vec::new();
        canvas.draw(&mut page(0), rows, &mut whole);
        terminal.process(&whole);
        check(&terminal, &page(0));
        let mut step = Vec::new();
        canvas.draw(&mut page(1), rows, &mut step);
        assert!(step.len() < 70, "{}", String::from_utf8_lossy(&step).escape_debug());
        terminal.process(&step);
        check(&terminal, &page(1));
        let mut nothing = Vec::new();
        canvas.draw(&mut page(1), rows, &mut nothing);
        assert_eq!(nothing, b"");
    }

    fn any_frame(area: Rect) -> impl Strategy<Value = Buffer> {
        let style = prop_oneof![
            4 => Just(Style::new()),
            1 => Just(Style::new().fg(Color::Cyan)),
            1 => Just(Style::new().fg(Color::DarkGray).add_modifier(Modifier::BOLD)),
            1 => Just(Style::new().add_modifier(Modifier::REVERSED)),
            1 => Just(Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::UNDERLINED)),
        ];
        let text = prop_oneof![4 => "[a-c ]{1,6}", 1 => "[⣀⠉█東]{1,4}"];
        let write = (0..area.width, 0..area.height, text, style);
        prop::collection::vec(write, 0..14).prop_map(move |writes| {
            let mut buffer = Buffer::empty(area);
            for (x, y, text, style) in writes {
                buffer.set_stringn(x, y, text, usize::from(area.width - x), style);
            }
            buffer
        })
    }

    const AREA: Rect = Rect { x: 0, y: 0, width: 16, height: 7 };

    proptest! {
        #[test]
        fn terminal_shows_each_frame_whatever_it_showed_before(
            pages in prop::collection::vec((any_frame(AREA), 0..4_usize, any::<bool>()), 1..8),
            top in 0..5_u16,
        ) {
            let scrolling = Rect { y: top, height: AREA.height - top, ..AREA };
            let mut canvas = Canvas::new(AREA);
            let mut terminal = terminal(AREA);
            let mut before = Buffer::empty(AREA);
            for (mut page, moved, is_moved) in pages {
                if is_moved {
                    // The rows of the previous frame, some further up, and new ones below.
                    let wide = usize::from(AREA.width);
                    let (start, rows) = (usize::from(top), usize::from(AREA.height - top));
                    for y in start..start + rows.saturating_sub(moved) {
                        let from = (y + moved) * wide;
                        page.content[y * wide..][..wide].clone_from_slice(&before.content[from..][..wide]);
                    }
                }
                let mut bytes = Vec::new();
                canvas.draw(&mut page.clone(), scrolling, &mut bytes);
                terminal.process(&bytes);
                check(&terminal, &page);
                before = page;
            }
        }
    }
}
