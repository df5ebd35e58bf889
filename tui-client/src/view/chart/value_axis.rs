//! The value axis: what it spans, its ticks and their labels.

use malevich::scale::{TickOptions, Ticks};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Drawn;
use crate::charts::Chart;
use crate::units::Range;
use crate::view::text::{Piece, put_right};

/// Rows between two labels, about.
const ROWS_PER_TICK: u16 = 2;

/// More labels tell nothing more.
const TICKS_MAX: usize = 8;

/// Gaps between ticks that differ by such a part of them look equal.
const EVEN_PART: u16 = 3;

/// A value that others are compared with stands in the chart if they come this near to it.
const REFERENCE_PART: f64 = 4.0;

/// The values that a chart spans, in the unit that is shown, and where they are written.
#[derive(Debug, Clone)]
pub(in crate::view) struct ValueAxis {
    low: f64,
    high: f64,
    /// Shown values and their labels, lowest first.
    ticks: Vec<(f64, String)>,
}

impl ValueAxis {
    /// The axis of so many rows for values within `extent`, in the unit that is shown.
    pub(in crate::view) fn new(
        chart: &Chart,
        zoom: i8,
        extent: Option<(f64, f64)>,
        rows: u16,
    ) -> ValueAxis {
        // Not every difference of them is finite.
        let bounded = |value: f64| value.clamp(-1e300, 1e300);
        let (least, greatest) = extent.map_or((0.0, 1.0), |(a, b)| (bounded(a), bounded(b)));
        let (low, high) = match chart.look.range {
            Range::Fixed(most) => (0.0, most),
            Range::FromZero(most) => (least.min(0.0), greatest.max(most)),
            Range::Fitted => (least, greatest),
        };
        let reference = chart.reference.as_ref().map(|reference| reference.value);
        let near = reference.filter(|value| greatest >= value / REFERENCE_PART);
        let high = near.map_or(high, |value| high.max(value));
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        let (low, high) = zoomed((low, high), zoom, (least, greatest));
        let options = TickOptions::new().unit(chart.look.axis_unit());
        let with_ticks = |target: usize| {
            let (low, high) = match (chart.look.range, zoom) {
                (Range::Fixed(_), 0) => (low, high),
                _ => grown(low, high, target, &options),
            };
            let ticks = Ticks::linear_with(low, high, target, &options);
            let ticks = ticks.iter().map(|tick| (tick.value, tick.label.clone())).collect();
            ValueAxis { low, high, ticks }
        };
        let most = usize::from(rows / ROWS_PER_TICK).clamp(1, TICKS_MAX) + 1;
        let mut axes = (2..=most).rev().map(with_ticks);
        axes.find(|axis| axis.is_even(rows)).unwrap_or_else(|| with_ticks(most))
    }

    /// Whether the rows of the ticks are about equally far from each other: labels one row apart here and
    /// two there would look like a mistake.
    fn is_even(&self, rows: u16) -> bool {
        let rows: Vec<u16> =
            self.ticks.iter().filter_map(|(value, _)| self.row(*value, rows, 1)).collect();
        let gaps: Vec<u16> = rows.windows(2).map(|pair| pair[0].saturating_sub(pair[1])).collect();
        let (Some(least), Some(most)) = (gaps.iter().min(), gaps.iter().max()) else {
            return false;
        };
        *least > 0 && most - least <= least / EVEN_PART
    }

    /// The row of dots of a value among so many; outside of them for a value beyond the axis.
    pub(super) fn dot_row(&self, value: f64, rows: i64) -> i64 {
        ((self.high - value) / (self.high - self.low) * (rows as f64 - 1.0)).round() as i64
    }

    /// The row of a value in a panel of so many rows, if it lies there.
    pub(super) fn row(&self, value: f64, rows: u16, dots: usize) -> Option<u16> {
        let dot_rows = i64::from(rows) * dots as i64;
        let dot = self.dot_row(value, dot_rows);
        (0..dot_rows).contains(&dot).then_some((dot / dots as i64) as u16)
    }

    /// Whether a value lies above the axis.
    pub(super) fn is_below(&self, value: f64) -> bool {
        value > self.high
    }
}

/// The span halved so many times around the values in sight, or doubled from its low end on.
fn zoomed((low, high): (f64, f64), zoom: i8, values: (f64, f64)) -> (f64, f64) {
    let span = (high - low) / f64::from(zoom).exp2();
    if zoom <= 0 {
        return (low, (low + span).min(1e300));
    }
    // In steps of a quarter, so that the axis does not follow each sample.
    let middle = (f64::midpoint(values.0, values.1) / (span / 4.0)).round() * (span / 4.0);
    let from = (middle - span / 2.0).clamp(low, high - span);
    if from.is_finite() && from + span > from { (from, from + span) } else { (low, high) }
}

/// The span from the tick below `low` to the tick above `high`.
fn grown(low: f64, high: f64, target: usize, options: &TickOptions) -> (f64, f64) {
    let ticks = Ticks::linear_with(low, high, target, options);
    let (Some(first), Some(last), Some(step)) =
        (ticks.iter().next(), ticks.iter().last(), ticks.step())
    else {
        return (low, high);
    };
    let below = if low < first.value { first.value - step } else { first.value.min(low) };
    let above = if high > last.value { last.value + step } else { last.value.max(high) };
    (below, above)
}

pub(super) fn render(drawn: &Drawn, buf: &mut Buffer) {
    let gutter = drawn.parts.gutter;
    if gutter.is_empty() {
        return;
    }
    let theme = drawn.app.theme;
    let signs = theme.signs();
    let faint = theme.faint();
    let x = gutter.right() - 1;
    for y in gutter.top()..gutter.bottom() {
        buf[(x, y)].set_char(signs.vertical).set_style(faint);
    }
    let (_, dots) = theme.charset().pixels_per_cell();
    let mut free_below = gutter.bottom();
    for (value, label) in &drawn.axis.ticks {
        let Some(row) = drawn.axis.row(*value, gutter.height, dots) else { continue };
        let y = gutter.y + row;
        if y >= free_below {
            continue;
        }
        free_below = y;
        buf[(x, y)].set_char(signs.tick_left).set_style(faint);
        let room = Rect { y, height: 1, width: gutter.width - 1, ..gutter };
        // A label that is cut would be another number; without its unit it is the same one, and the title
        // has the unit, too.
        let number = label.split(' ').next().unwrap_or_default();
        let labels = [label.as_str(), number].map(|text| Piece::new(text.to_owned(), faint));
        let fits = |label: &&Piece| label.width() <= usize::from(room.width);
        if let Some(label) = labels.iter().find(fits) {
            put_right(buf, room, std::slice::from_ref(label));
        }
    }
    if !drawn.parts.axis_line.is_empty() {
        buf[(x, drawn.parts.axis_line.y)].set_char(signs.corner).set_style(faint);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zooming_in_halves_the_span_around_the_values() {
        assert_eq!(zoomed((0.0, 100.0), 0, (10.0, 20.0)), (0.0, 100.0));
        assert_eq!(zoomed((0.0, 100.0), 1, (40.0, 48.0)), (25.0, 75.0));
        assert_eq!(zoomed((0.0, 100.0), 1, (95.0, 99.0)), (50.0, 100.0));
        assert_eq!(zoomed((0.0, 100.0), -1, (40.0, 48.0)), (0.0, 200.0));
    }

    proptest! {
        #[test]
        fn an_axis_spans_something_whatever_the_values(
            a in -1e300..1e300_f64,
            b in -1e300..1e300_f64,
            zoom in -3..13_i8,
        ) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assume!(low < high && (high - low).is_finite());
            let (from, to) = zoomed((low, high), zoom, (low, high));
            prop_assert!(from < to && from.is_finite() && to.is_finite(), "{from} {to}");
        }
    }
}
