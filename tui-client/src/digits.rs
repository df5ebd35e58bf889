//! Large digits, readable from a distance of three metres.
//!
//! ```text
//!   ██████  ██████      ██████
//!   ██      ██          ██  ██
//!   ██████  ██████      ██████
//!   ██  ██      ██      ██  ██
//!   ██████  ██████  ██  ██████
//! ```

use ratatui::layout::Rect;

/// Pixel rows of a glyph.
const GLYPH_ROWS: u16 = 5;

/// Terminal columns of a pixel that is one row high: two look square.
const PIXEL_WIDTH: u16 = 2;

/// Value that sets the reserved width: four digits and a point. Longer values are drawn smaller.
const TYPICAL_VALUE: &str = "0000.";

/// Terminal columns for the unit or name beside the digits.
const UNIT_WIDTH: u16 = 5;

/// Largest scale. No room is so large that it needs larger digits.
const SCALE_MAX: u16 = 4;

/// Size of digits that fit an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigitSize {
    /// Terminal rows of a pixel.
    pub(crate) scale: u16,
    /// Number of values side by side.
    pub values: usize,
}

impl DigitSize {
    /// Returns the terminal rows of a digit.
    pub(crate) fn rows(self) -> u16 {
        GLYPH_ROWS * self.scale
    }
}

/// Returns the largest size at which `values` numbers fit side by side, else the largest size of
/// the first number alone. Returns `None` if no number fits.
pub(crate) fn size(values: usize, area: Rect) -> Option<DigitSize> {
    let fits = |values: usize, scale: u16| {
        let wide = values * usize::from(width(TYPICAL_VALUE, scale) + UNIT_WIDTH);
        // Digits take a third of the height, large ones a fifth. The chart below needs room, and
        // each changed row of a digit is sent to the terminal.
        let divisor = if scale == 1 { 3 } else { 5 };
        wide <= usize::from(area.width) && (GLYPH_ROWS * scale + 1) * divisor <= area.height
    };
    let largest = |values: usize| {
        let scale = (1..=SCALE_MAX).rev().find(|scale| fits(values, *scale))?;
        Some(DigitSize { scale, values })
    };
    largest(values).or_else(|| largest(1))
}

/// Returns the width of a text at a scale in terminal columns, with the gap after the last glyph.
pub(crate) fn width(text: &str, scale: u16) -> u16 {
    text.chars().map(|c| (glyph(c).0 * PIXEL_WIDTH + 1) * scale).fold(0, u16::saturating_add)
}

/// Returns the set cells of a text at a scale, relative to the upper left corner.
pub(crate) fn cells(text: &str, scale: u16) -> impl Iterator<Item = (u16, u16)> {
    let mut left = 0;
    text.chars().flat_map(move |c| {
        let (wide, rows) = glyph(c);
        let from = left;
        left += (wide * PIXEL_WIDTH + 1) * scale;
        let set = move |x: u16, y: u16| {
            rows[usize::from(y / scale)] >> (wide - 1 - x / (PIXEL_WIDTH * scale)) & 1 == 1
        };
        (0..GLYPH_ROWS * scale)
            .flat_map(move |y| (0..wide * PIXEL_WIDTH * scale).map(move |x| (x, y)))
            .filter(move |(x, y)| set(*x, *y))
            .map(move |(x, y)| (from + x, y))
    })
}

/// Returns the width of a glyph in pixels, and its rows from top to bottom, whose lowest bit is the
/// rightmost pixel. Unknown characters are empty.
fn glyph(c: char) -> (u16, [u8; GLYPH_ROWS as usize]) {
    match c {
        '0' => (3, [0b111, 0b101, 0b101, 0b101, 0b111]),
        '1' => (3, [0b010, 0b110, 0b010, 0b010, 0b111]),
        '2' => (3, [0b111, 0b001, 0b111, 0b100, 0b111]),
        '3' => (3, [0b111, 0b001, 0b111, 0b001, 0b111]),
        '4' => (3, [0b101, 0b101, 0b111, 0b001, 0b001]),
        '5' => (3, [0b111, 0b100, 0b111, 0b001, 0b111]),
        '6' => (3, [0b111, 0b100, 0b111, 0b101, 0b111]),
        '7' => (3, [0b111, 0b001, 0b001, 0b001, 0b001]),
        '8' => (3, [0b111, 0b101, 0b111, 0b101, 0b111]),
        '9' => (3, [0b111, 0b101, 0b111, 0b001, 0b111]),
        'e' => (3, [0b111, 0b101, 0b111, 0b100, 0b111]),
        '-' => (3, [0b000, 0b000, 0b111, 0b000, 0b000]),
        '%' => (3, [0b101, 0b001, 0b010, 0b100, 0b101]),
        '.' => (1, [0, 0, 0, 0, 1]),
        _ => (1, [0; 5]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, scale: u16) -> Vec<String> {
        let wide = usize::from(width(text, scale));
        let mut rows = vec![vec![' '; wide]; usize::from(GLYPH_ROWS * scale)];
        for (x, y) in cells(text, scale) {
            rows[usize::from(y)][usize::from(x)] = '#';
        }
        rows.into_iter().map(|row| String::from_iter(row).trim_end().to_owned()).collect()
    }

    #[test]
    fn digits_are_drawn_as_pixels() {
        let expected = [
            "######   ##      ######",
            "##     ####          ##",
            "######   ##      ######",
            "##  ##   ##          ##",
            "###### ###### ## ######",
        ];
        assert_eq!(drawn("61.3", 1), expected);
    }

    #[test]
    fn a_larger_scale_is_the_same_picture_enlarged() {
        let (small, large) = (drawn("-2.80e9", 1), drawn("-2.80e9", 3));
        for (y, row) in large.iter().enumerate() {
            let every_third: String = row.chars().step_by(3).collect();
            assert_eq!(every_third.trim_end(), small[y / 3]);
        }
    }

    #[test]
    fn the_size_depends_on_the_area() {
        let scale = |values, width, height| {
            size(values, Rect::new(0, 0, width, height)).map(|size| (size.scale, size.values))
        };
        assert_eq!(scale(1, 120, 34), Some((1, 1)));
        assert_eq!(scale(1, 200, 58), Some((2, 1)));
        assert_eq!(scale(3, 120, 34), Some((1, 3)));
        assert_eq!(scale(3, 80, 22), Some((1, 1)));
        assert_eq!(scale(1, 80, 17), None);
        assert_eq!(scale(1, 30, 34), None);
        assert_eq!(scale(1, 500, 200), Some((SCALE_MAX, 1)));
    }
}
