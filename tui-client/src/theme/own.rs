//! Colours of the user's own.

use ratatui::style::Color;

use super::{Colours, Palette};

/// Lines of a chart that have a colour of their own.
pub const LINES: usize = 6;

/// Colours in place of those of one palette; the others stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Own {
    /// The palette; one without colours stays without.
    pub of: Palette,
    /// The lines of a chart, in their order.
    pub lines: [Option<Color>; LINES],
    /// What frames and explains.
    pub faint: Option<Color>,
    /// All is well.
    pub good: Option<Color>,
    /// Something is not as it should be.
    pub warning: Option<Color>,
    /// Something is broken.
    pub alarm: Option<Color>,
}

impl Own {
    /// No palette changes.
    pub const NONE: Own = Own {
        of: Palette::Dark,
        lines: [None; LINES],
        faint: None,
        good: None,
        warning: None,
        alarm: None,
    };

    /// All colours of a palette, for a terminal of sixteen.
    #[must_use]
    pub fn all_of(palette: Palette) -> Own {
        let Some(colours) = Colours::of(palette, super::Depth::Sixteen) else {
            return Own { of: palette, ..Own::NONE };
        };
        Own {
            of: palette,
            lines: colours.lines.map(Some),
            faint: Some(colours.faint),
            good: Some(colours.good),
            warning: colours.warning,
            alarm: Some(colours.alarm),
        }
    }

    pub(super) fn instead_of(&self, palette: Palette, colours: &Colours) -> Colours {
        if palette != self.of {
            return *colours;
        }
        let mut lines = colours.lines;
        for (line, own) in lines.iter_mut().zip(self.lines) {
            *line = own.unwrap_or(*line);
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
