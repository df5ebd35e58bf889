//! Cells of a panel: the dots of each cell, and the line that gives the cell its colour.
//!
//! A cell has one colour. If lines share cells, the dots of all lines are drawn. The colour changes
//! from line to line every [`TURN_CELLS`] cells, the first line first. A reference line has the
//! last cell of each turn:
//!
//! ```text
//!  three equal lines                  aaaabbbbccccaaaabbbbcccc
//!  beside a reference line            aaa╌bbb╌ccc╌aaa╌bbb╌ccc╌
//! ```
//!
//! The turn depends on the number of the cell since 1970 and on the cell's content. As time passes,
//! the picture moves by whole cells and does not change.

use std::ops::RangeInclusive;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::strokes::Strokes;
use crate::store::{Slots, Window};
use crate::theme::{AREA_LEVELS, Theme};

/// Cells until the next line has its turn. Four cells hold a whole period of each pattern beside a
/// reference line. Three lines are all visible within half a small chart.
const TURN_CELLS: i64 = 4;

/// Dash patterns of lines, if neither colours nor symbols distinguish them: the number of slots in
/// a period, and how many of them have dots. A run of several rows is always drawn: no spike is
/// hidden.
const PATTERNS: [(i64, i64); 3] = [(1, 1), (6, 4), (3, 1)];

/// Braille dots of a cell, by column and row.
const BRAILLE: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Line of a chart with its style.
pub(in crate::view) struct Layer {
    strokes: Strokes,
    /// One of [`PATTERNS`].
    pattern: (i64, i64),
    /// Character of the line in ASCII mode.
    symbol: char,
    style: Style,
}

/// Content of a panel.
pub(in crate::view) struct Cells {
    theme: Theme,
    /// Number of the first slot since 1970.
    first_slot: i64,
    /// Lines, the most important first.
    layers: Vec<Layer>,
    /// Rows and styles of the reference lines. If several share a row, the first is drawn.
    pub(super) rules: Vec<(u16, Style)>,
    /// Index of the line above a filled area, and styles by height, the lowest first.
    pub(super) area: Option<(usize, [Style; AREA_LEVELS])>,
}

/// Dots of a line in a cell, as the bits of a braille character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Dots {
    /// Dots of runs within one row.
    flat: u8,
    /// Dots of such runs that the line's pattern shows.
    shown: u8,
    /// Dots of runs over several rows.
    steep: u8,
}

impl Layer {
    /// Creates the layer of the line with index `at`. `row` maps a value to a dot row, 0 at the top.
    pub(in crate::view) fn new(
        slots: &Slots,
        row: impl Fn(f64) -> i64,
        at: usize,
        style: Style,
        theme: Theme,
    ) -> Layer {
        let has_pattern = theme.is_mono() && !theme.ascii;
        let pattern = PATTERNS[if has_pattern { at % PATTERNS.len() } else { 0 }];
        let strokes = Strokes::of(slots, row);
        Layer { strokes, pattern, symbol: theme.line_symbol(at), style }
    }
}

impl Cells {
    pub(in crate::view) fn new(theme: Theme, window: Window, layers: Vec<Layer>) -> Cells {
        Cells { theme, first_slot: window.first_slot(), layers, rules: Vec::new(), area: None }
    }

    pub(in crate::view) fn render(&self, panel: Rect, buf: &mut Buffer) {
        if panel.is_empty() {
            return;
        }
        let first_cell = self.first_slot.div_euclid(self.theme.dot_columns() as i64);
        let mut dots = vec![Dots::default(); self.layers.len()];
        for x in 0..panel.width {
            let turn = first_cell + i64::from(x);
            let lines = self.rows(x, panel.height);
            let has_rule = |y: &u16| self.rules.iter().any(|(row, _)| row == y);
            for y in (0..panel.height).filter(|y| lines.contains(y) || has_rule(y)) {
                for (dots, layer) in dots.iter_mut().zip(&self.layers) {
                    *dots = self.dots(layer, x, y);
                }
                let Some((symbol, style)) = self.cell(&dots, turn, x, y, panel.height) else {
                    continue;
                };
                buf[(panel.x + x, panel.y + y)].set_char(symbol).set_style(style);
            }
        }
    }

    /// Returns the rows of a column of cells that contain lines or areas.
    fn rows(&self, x: u16, height: u16) -> RangeInclusive<u16> {
        let lines = self.layers.iter().map(|layer| &layer.strokes);
        let runs = lines.flat_map(|line| self.columns(x).filter_map(|(slot, _)| line.extent(slot)));
        let extent = runs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let Some((first, last)) = extent else { return RangeInclusive::new(1, 0) };
        let row = |dots: i64| {
            dots.div_euclid(self.theme.dot_rows()).clamp(0, i64::from(height) - 1) as u16
        };
        row(first)..=if self.area.is_some() { height - 1 } else { row(last) }
    }

    /// Returns the symbol and the style of a cell; `None` if the cell is empty.
    fn cell(&self, dots: &[Dots], turn: i64, x: u16, y: u16, height: u16) -> Option<(char, Style)> {
        let is_steep = dots.iter().any(|dots| dots.steep != 0);
        // A line that rises or falls through a cell takes precedence over level lines.
        let claims = |dots: &Dots| if is_steep { dots.steep != 0 } else { dots.flat != 0 };
        let count = dots.iter().filter(|dots| claims(dots)).count();
        if let Some((_, style)) = self.rules.iter().find(|(row, _)| *row == y)
            && (count == 0 || !is_steep && turn.rem_euclid(TURN_CELLS) == TURN_CELLS - 1)
        {
            return Some((self.theme.symbols().reference, *style));
        }
        if count == 0 {
            return self.area_cell(x, y, height);
        }
        let nth = turn.div_euclid(TURN_CELLS).rem_euclid(count as i64) as usize;
        let (owner, owner_dots) =
            dots.iter().enumerate().filter(|(_, dots)| claims(dots)).nth(nth)?;
        let layer = &self.layers[owner];
        if self.theme.ascii {
            return Some((layer.symbol, layer.style));
        }
        // In a shared cell, the dots of only one line are all drawn, so that no line has a hole.
        // Shared dots have the pattern of the line whose turn it is.
        let (steep, once, twice) = dots.iter().fold((0, 0, 0), |(steep, once, twice), dots| {
            (steep | dots.steep, once | dots.flat, twice | once & dots.flat)
        });
        let alone = if count > 1 { once & !twice } else { 0 };
        let others = dots.iter().fold(0, |all, other| all | other.shown & !owner_dots.flat);
        let all = steep | alone | owner_dots.shown | others;
        (all != 0).then(|| (braille(all), layer.style))
    }

    /// Returns the part of the area in a cell without lines.
    fn area_cell(&self, x: u16, y: u16, height: u16) -> Option<(char, Style)> {
        let (line, styles) = self.area.as_ref()?;
        let dots = self.bits_below(*line, x, y);
        let level = usize::from(height - 1 - y) * AREA_LEVELS / usize::from(height);
        let texture = self.theme.symbols().area[level];
        // The last byte of a braille character holds its dots.
        let shown = if self.theme.ascii { dots } else { dots & texture as u32 as u8 };
        let symbol = if self.theme.ascii { texture } else { braille(shown) };
        (shown != 0).then_some((symbol, styles[level]))
    }

    fn dots(&self, layer: &Layer, x: u16, y: u16) -> Dots {
        let mut dots = Dots::default();
        for (slot, column) in self.columns(x) {
            let Some((first, last)) = layer.strokes.extent(slot) else { continue };
            let here = self.bits(column, y, first, last);
            if first < last {
                dots.steep |= here;
            } else {
                dots.flat |= here;
                let (period, shown) = layer.pattern;
                let is_shown = (self.first_slot + slot as i64).rem_euclid(period) < shown;
                dots.shown |= if is_shown { here } else { 0 };
            }
        }
        dots
    }

    /// Returns the dots of a cell below a line.
    fn bits_below(&self, line: usize, x: u16, y: u16) -> u8 {
        let strokes = &self.layers[line].strokes;
        let below = |(slot, column)| {
            let (_, lowest) = strokes.extent(slot)?;
            Some(self.bits(column, y, lowest + 1, i64::MAX))
        };
        self.columns(x).filter_map(below).fold(0, |all, bits| all | bits)
    }

    /// Returns the columns of dots of a cell: their slots, and their positions in the cell.
    fn columns(&self, x: u16) -> impl Iterator<Item = (usize, usize)> + use<> {
        let columns = self.theme.dot_columns();
        (0..columns).map(move |column| (usize::from(x) * columns + column, column))
    }

    /// Returns the dots of a cell's column within the rows `first` to `last` of the panel.
    fn bits(&self, column: usize, y: u16, first: i64, last: i64) -> u8 {
        let rows = self.theme.dot_rows();
        let top = i64::from(y) * rows;
        let within = (first - top).max(0)..=(last - top).min(rows - 1);
        within.fold(0, |all, row| all | BRAILLE[column][row as usize])
    }
}

fn braille(dots: u8) -> char {
    char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ')
}
