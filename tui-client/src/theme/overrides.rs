//! Colours of the user's own.

use ratatui::style::Color;

use super::{Colours, Palette};

/// Lines of a chart that have a colour of their own.
pub const LINE_COLOURS: usize = 6;

/// Colours in place of those of one palette; the others stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColourOverrides {
    /// The palette; one without colours stays without.
    pub palette: Palette,
    /// The lines of a chart, in their order.
    pub lines: [Option<Color>; LINE_COLOURS],
    /// What frames and explains.
    pub faint: Option<Color>,
    /// All is well.
    pub good: Option<Color>,
    /// Something is not as it should be.
    pub warning: Option<Color>,
    /// Something is broken.
    pub alarm: Option<Color>,
}

impl ColourOverrides {
    /// No palette changes.
    pub const NONE: ColourOverrides = ColourOverrides {
        palette: Palette::Dark,
        lines: [None; LINE_COLOURS],
        faint: None,
        good: None,
        warning: None,
        alarm: None,
    };

    /// All colours of a palette, for a terminal of sixteen.
    #[must_use]
    pub fn from_palette(palette: Palette) -> ColourOverrides {
        let Some(colours) = Colours::of(palette, super::ColourDepth::Sixteen) else {
            return ColourOverrides { palette, ..ColourOverrides::NONE };
        };
        ColourOverrides {
            palette,
            lines: colours.lines.map(Some),
            faint: Some(colours.faint),
            good: Some(colours.good),
            warning: colours.warning,
            alarm: Some(colours.alarm),
        }
    }

    pub(super) fn apply(&self, palette: Palette, colours: &Colours) -> Colours {
        if palette != self.palette {
            return *colours;
        }
        let mut lines = colours.lines;
        for (line, override_colour) in lines.iter_mut().zip(self.lines) {
            *line = override_colour.unwrap_or(*line);
        }
        Colours {
            lines,
            faint: self.faint.unwrap_or(colours.faint),
            good: self.good.unwrap_or(colours.good),
            warning: self.warning.or(colours.warning),
            alarm: self.alarm.unwrap_or(colours.alarm),
        }
    }
}
