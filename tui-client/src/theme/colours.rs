//! Colours of each palette.

use ratatui::style::Color;

use super::{ColourDepth, Palette};

/// Number of different colours of the lines in a chart.
pub(crate) const LINE_COLOURS: usize = 6;

/// Colours of one palette by purpose, or the user's replacements for them. `None` keeps the colour
/// of the terminal, or of the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Colours {
    /// Palette of these colours. [`Palette::Mono`] stays without colours.
    pub(crate) palette: Palette,
    /// Lines of a chart, in their order.
    pub(crate) lines: [Option<Color>; LINE_COLOURS],
    /// Frames and explanations.
    pub(crate) faint: Option<Color>,
    /// Good states.
    pub(crate) good: Option<Color>,
    pub(crate) warning: Option<Color>,
    pub(crate) alarm: Option<Color>,
}

// Lines are never red, yellow or grey, nor any colour that a terminal may show as one of these:
// red means critical, yellow warning, grey stale.

pub(super) const DARK_16: Colours = Colours {
    palette: Palette::Dark,
    lines: [
        Some(Color::Cyan),
        Some(Color::White),
        Some(Color::Magenta),
        Some(Color::Green),
        Some(Color::LightBlue),
        Some(Color::LightMagenta),
    ],
    faint: Some(Color::DarkGray),
    good: Some(Color::Green),
    warning: Some(Color::Yellow),
    alarm: Some(Color::Red),
};

pub(super) const LIGHT_16: Colours = Colours {
    palette: Palette::Light,
    lines: [
        Some(Color::Blue),
        Some(Color::Black),
        Some(Color::Magenta),
        Some(Color::Green),
        Some(Color::Cyan),
        Some(Color::LightMagenta),
    ],
    // None of the sixteen colours is readable: reverse video alone marks a warning.
    warning: None,
    ..DARK_16
};

pub(super) const DARK: Colours = Colours {
    palette: Palette::Dark,
    lines: [
        Some(Color::from_u32(0x4f_c3_d9)),
        Some(Color::from_u32(0xf2_f4_f8)),
        Some(Color::from_u32(0xbb_7d_f2)),
        Some(Color::from_u32(0x7f_c9_6b)),
        Some(Color::from_u32(0x6c_a4_f8)),
        Some(Color::from_u32(0xff_7f_bf)),
    ],
    faint: Some(Color::from_u32(0x80_88_92)),
    good: Some(Color::from_u32(0x7f_c9_6b)),
    warning: Some(Color::from_u32(0xe3_b3_41)),
    alarm: Some(Color::from_u32(0xef_6b_6b)),
};

pub(super) const LIGHT: Colours = Colours {
    palette: Palette::Light,
    lines: [
        Some(Color::from_u32(0x0b_7a_a0)),
        Some(Color::from_u32(0x1b_1f_27)),
        Some(Color::from_u32(0x8a_2f_c0)),
        Some(Color::from_u32(0x2c_7a_2c)),
        Some(Color::from_u32(0x1d_4f_d8)),
        Some(Color::from_u32(0xc2_18_8a)),
    ],
    faint: Some(Color::from_u32(0x6e_75_7d)),
    good: Some(Color::from_u32(0x2c_7a_2c)),
    warning: Some(Color::from_u32(0xa8_5a_00)),
    alarm: Some(Color::from_u32(0xc0_32_2b)),
};

impl Colours {
    /// No colours.
    pub const NONE: Colours = Colours {
        palette: Palette::Dark,
        lines: [None; LINE_COLOURS],
        faint: None,
        good: None,
        warning: None,
        alarm: None,
    };

    pub(crate) fn of(palette: Palette, depth: ColourDepth) -> Colours {
        match (palette, depth) {
            (Palette::Mono, _) => Colours { palette, ..Colours::NONE },
            (Palette::Dark, ColourDepth::Sixteen) => DARK_16,
            (Palette::Dark, ColourDepth::Truecolor) => DARK,
            (Palette::Light, ColourDepth::Sixteen) => LIGHT_16,
            (Palette::Light, ColourDepth::Truecolor) => LIGHT,
        }
    }

    /// Replaces the colours for which `overrides` has others of the same palette.
    pub(super) fn overridden_by(self, overrides: Colours) -> Colours {
        if self.palette != overrides.palette || self.palette == Palette::Mono {
            return self;
        }
        Colours {
            palette: self.palette,
            lines: std::array::from_fn(|line| overrides.lines[line].or(self.lines[line])),
            faint: overrides.faint.or(self.faint),
            good: overrides.good.or(self.good),
            warning: overrides.warning.or(self.warning),
            alarm: overrides.alarm.or(self.alarm),
        }
    }
}
