//! Colours of each palette.

use ratatui::style::Color;

use super::{ColourDepth, Palette};

/// Number of different colours of the lines in a chart.
pub(crate) const LINE_COLOURS: usize = 6;

/// Colours by purpose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colours {
    /// Lines of a chart, in their order.
    pub(super) lines: [Color; LINE_COLOURS],
    pub(super) faint: Color,
    pub(super) good: Color,
    /// `None` if none of the sixteen colours is readable: reverse video alone marks a warning.
    pub(super) warning: Option<Color>,
    pub(super) alarm: Color,
}

// Lines are never red, yellow or grey, nor any colour that a terminal may show as one of these:
// red means critical, yellow warning, grey stale.

pub(super) const DARK_16: Colours = Colours {
    lines: [
        Color::Cyan,
        Color::White,
        Color::Magenta,
        Color::Green,
        Color::LightBlue,
        Color::LightMagenta,
    ],
    faint: Color::DarkGray,
    good: Color::Green,
    warning: Some(Color::Yellow),
    alarm: Color::Red,
};

pub(super) const LIGHT_16: Colours = Colours {
    lines: [
        Color::Blue,
        Color::Black,
        Color::Magenta,
        Color::Green,
        Color::Cyan,
        Color::LightMagenta,
    ],
    faint: Color::DarkGray,
    good: Color::Green,
    warning: None,
    alarm: Color::Red,
};

pub(super) const DARK: Colours = Colours {
    lines: [
        Color::Rgb(0x4f, 0xc3, 0xd9),
        Color::Rgb(0xf2, 0xf4, 0xf8),
        Color::Rgb(0xbb, 0x7d, 0xf2),
        Color::Rgb(0x7f, 0xc9, 0x6b),
        Color::Rgb(0x6c, 0xa4, 0xf8),
        Color::Rgb(0xff, 0x7f, 0xbf),
    ],
    faint: Color::Rgb(0x80, 0x88, 0x92),
    good: Color::Rgb(0x7f, 0xc9, 0x6b),
    warning: Some(Color::Rgb(0xe3, 0xb3, 0x41)),
    alarm: Color::Rgb(0xef, 0x6b, 0x6b),
};

pub(super) const LIGHT: Colours = Colours {
    lines: [
        Color::Rgb(0x0b, 0x7a, 0xa0),
        Color::Rgb(0x1b, 0x1f, 0x27),
        Color::Rgb(0x8a, 0x2f, 0xc0),
        Color::Rgb(0x2c, 0x7a, 0x2c),
        Color::Rgb(0x1d, 0x4f, 0xd8),
        Color::Rgb(0xc2, 0x18, 0x8a),
    ],
    faint: Color::Rgb(0x6e, 0x75, 0x7d),
    good: Color::Rgb(0x2c, 0x7a, 0x2c),
    warning: Some(Color::Rgb(0xa8, 0x5a, 0x00)),
    alarm: Color::Rgb(0xc0, 0x32, 0x2b),
};

impl Colours {
    pub(super) fn of(palette: Palette, depth: ColourDepth) -> Option<&'static Colours> {
        match (palette, depth) {
            (Palette::Mono, _) => None,
            (Palette::Dark, ColourDepth::Sixteen) => Some(&DARK_16),
            (Palette::Dark, ColourDepth::Truecolor) => Some(&DARK),
            (Palette::Light, ColourDepth::Sixteen) => Some(&LIGHT_16),
            (Palette::Light, ColourDepth::Truecolor) => Some(&LIGHT),
        }
    }
}
