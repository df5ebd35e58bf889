//! Colours set by the user.

use ratatui::style::Color;

use super::colours::{Colours, LINE_COLOURS};
use super::{ColourDepth, Palette};

/// Colours that replace those of one palette. The others stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColourOverrides {
    /// Palette to change. [`Palette::Mono`] stays without colours.
    pub(crate) palette: Palette,
    /// Lines of a chart, in their order.
    pub(crate) lines: [Option<Color>; LINE_COLOURS],
    /// Frames and explanations.
    pub(crate) faint: Option<Color>,
    /// Good states.
    pub(crate) good: Option<Color>,
    /// Warnings.
    pub(crate) warning: Option<Color>,
    /// Failures.
    pub(crate) alarm: Option<Color>,
}

impl ColourOverrides {
    /// No overrides.
    pub const NONE: ColourOverrides = ColourOverrides {
        palette: Palette::Dark,
        lines: [None; LINE_COLOURS],
        faint: None,
        good: None,
        warning: None,
        alarm: None,
    };

    /// Returns all colours of a palette for a terminal with sixteen colours.
    pub(crate) fn from_palette(palette: Palette) -> ColourOverrides {
        let Some(colours) = Colours::of(palette, ColourDepth::Sixteen) else {
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
