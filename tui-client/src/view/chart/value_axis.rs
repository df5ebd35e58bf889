//! Value axis: its span, its ticks and their labels.

mod draw;
mod labels;

use crate::app::App;
use crate::charts::Chart;
use crate::layout::ChartParts;
use crate::units::{AxisRange, AxisUnit, LABEL_WIDTH, PREFIX_MIN};
pub(super) use draw::{render, render_overflow};
use labels::{fallback_labels, labels};

/// Approximate number of rows between two labels.
const ROWS_PER_TICK: u16 = 2;

/// Maximum number of ticks. More do not help.
const TICKS_MAX: usize = 9;

/// Spacings that differ by up to 1/3 look equal, and so do 2 and 3 rows.
const EVEN_SPACING_DIVISOR: i64 = 3;

/// A reference line is part of the axis if the values reach 1/4 of it.
const NEAR_REFERENCE_RATIO: f64 = 4.0;

/// Tolerance of a fixed axis. Values that exceed its end by 0.1 % do so by rounding.
const FIXED_TOLERANCE: f64 = 1.001;

/// Tick steps in tenths, with their costs: 15 means 1.5 × 10^n.
const STEPS: [(u32, f64); 10] = [
    (10, 0.0),
    (15, 0.15),
    (20, 0.0),
    (25, 0.05),
    (30, 0.15),
    (40, 0.1),
    (50, 0.0),
    (60, 0.2),
    (75, 0.3),
    (80, 0.2),
];

/// Maximum steps of an axis that labels only every nth step. The ends have labels, and the step is
/// 1, 2 or 5 × 10^n.
const SPARSE_STEPS_MAX: usize = 5;

/// Desired number of labels.
const LABELS_TARGET: usize = 5;

/// Cost of only two labels where more would fit, and of each label below [`LABELS_TARGET`].
const TWO_LABELS_COST: f64 = 0.5;
const FEWER_LABELS_COST: f64 = 0.04;

/// Cost factor for the share of a fixed axis that lies above its last label.
const BARE_END_COST: f64 = 0.5;

/// Cost of numbers with a prefix that are ≥ 1,000 or have more than [`DECIMALS_MAX`] decimals.
const LONG_NUMBER_COST: f64 = 0.5;
const DECIMALS_MAX: usize = 3;

/// Cost of numbers that are long enough for a prefix but have none.
const ALL_DIGITS_COST: f64 = 0.25;

/// Relative difference below which two values are equal on an axis.
const RELATIVE_EPSILON: f64 = 1e-9;

/// Cost of unequal spacings between the labels of a fixed axis.
const UNEVEN_COST: f64 = 0.1;

/// Maximum value on an axis. Greater values are clamped, since their difference may be infinite.
const VALUE_MAX: f64 = 8e307;

/// Space for a value axis.
#[derive(Debug, Clone, Copy)]
struct AxisRoom {
    rows: u16,
    dots_per_row: i64,
    /// Columns of a label.
    label_width: usize,
}

impl AxisRoom {
    fn dot_rows(self) -> i64 {
        i64::from(self.rows) * self.dots_per_row
    }
}

/// Span to label, in the shown unit.
#[derive(Clone, Copy)]
struct AxisSpan {
    low: f64,
    high: f64,
    /// True if the axis ends with the span. Other axes end at ticks.
    is_fixed: bool,
    /// True if no tick may lie between whole numbers.
    is_whole: bool,
    room: AxisRoom,
}

/// Range and labels of a value axis, in the shown unit.
#[derive(Debug, Clone)]
pub(in crate::view) struct ValueAxis {
    low: f64,
    high: f64,
    /// Values and labels of the ticks, the lowest first.
    ticks: Vec<(f64, String)>,
    room: AxisRoom,
}

impl ValueAxis {
    /// Creates the axis of a chart for values within `extent`, in the shown unit.
    pub(in crate::view) fn of(
        app: &App,
        chart: &Chart,
        extent: Option<(f64, f64)>,
        parts: ChartParts,
    ) -> ValueAxis {
        let label_width = usize::from(parts.gutter.width.checked_sub(1).unwrap_or(LABEL_WIDTH));
        let dots_per_row = app.theme.dot_rows();
        let room = AxisRoom { rows: parts.panel.height, dots_per_row, label_width };
        ValueAxis::new(chart, app.selection.value_zoom(chart), extent, room)
    }

    fn new(chart: &Chart, zoom: i8, extent: Option<(f64, f64)>, room: AxisRoom) -> ValueAxis {
        let (min, max) = extent.map_or((0.0, 1.0), |(a, b)| (clamp_value(a), clamp_value(b)));
        let fixed = match chart.format.range {
            AxisRange::Fixed(end) if max <= end * FIXED_TOLERANCE && min >= 0.0 => Some(end),
            _ => None,
        };
        let (low, high) = match chart.format.range {
            AxisRange::Fixed(end) => (min.min(0.0), fixed.unwrap_or(max.max(end))),
            AxisRange::FromZero(end) => (min.min(0.0), max.max(end)),
            AxisRange::Fitted => (min, max),
        };
        let references = chart.references.iter().map(|reference| reference.value);
        let near = references.filter(|value| max >= value / NEAR_REFERENCE_RATIO);
        let high = near.fold(high, f64::max);
        let (low, high) = non_empty_span(low, high);
        let (low, high) = zoom_span((low, high), zoom, (min, max));
        let is_fixed = fixed == Some(high) && zoom == 0;
        let units = chart.format.axis_units(low.abs().max(high.abs()));
        let span = AxisSpan { low, high, is_fixed, is_whole: chart.format.is_whole(), room };
        let candidates = axis_candidates(&units, span);
        let best =
            best_axis(&candidates, true, room).or_else(|| best_axis(&candidates, false, room));
        let axis = best.unwrap_or_else(|| {
            // No round step fits, for example if the span is near the precision of `f64`.
            let labels = fallback_labels(&[low, high], room.label_width);
            ValueAxis { low, high, ticks: [low, high].into_iter().zip(labels).collect(), room }
        });
        axis.with_zero_label()
    }

    /// Adds a label at 0 if there are ticks below and above 0, but none at 0.
    fn with_zero_label(mut self) -> ValueAxis {
        let at = self.ticks.partition_point(|(value, _)| *value < 0.0);
        let is_between = at > 0 && self.ticks.get(at).is_some_and(|(value, _)| *value > 0.0);
        if is_between {
            self.ticks.insert(at, (0.0, "0".to_owned()));
        }
        self
    }

    /// Returns the dot row of a value in the panel, or a row outside if it is beyond the axis.
    pub(super) fn dot_row(&self, value: f64) -> i64 {
        dot_row((self.low, self.high), value, self.room.dot_rows())
    }

    /// Returns the row of a value in the panel; `None` if it lies outside.
    pub(super) fn row(&self, value: f64) -> Option<u16> {
        let dot = self.dot_row(value);
        let is_inside = (0..self.room.dot_rows()).contains(&dot);
        is_inside.then_some((dot / self.room.dots_per_row) as u16)
    }

    pub(super) fn is_exceeded_by(&self, value: f64) -> bool {
        value > self.high
    }
}

/// Returns the span, halved `zoom` times around the visible values. A negative zoom doubles the
/// span from its low end.
fn zoom_span((low, high): (f64, f64), zoom: i8, values: (f64, f64)) -> (f64, f64) {
    let span = (high - low) / f64::from(zoom).exp2();
    if zoom <= 0 {
        return (low, (low + span).min(VALUE_MAX));
    }
    // In steps of a quarter, so that the axis does not follow each sample.
    let middle = (f64::midpoint(values.0, values.1) / (span / 4.0)).round() * (span / 4.0);
    let from = (middle - span / 2.0).clamp(low, high - span);
    if from.is_finite() && from + span > from { (from, from + span) } else { (low, high) }
}

/// Returns the span, widened if it is empty.
fn non_empty_span(low: f64, high: f64) -> (f64, f64) {
    let equal_within = low.abs().max(high.abs()) * RELATIVE_EPSILON;
    if high - low > equal_within {
        return (low, high);
    }
    if low == 0.0 { (0.0, 1.0) } else { (low - low.abs() / 10.0, high + high.abs() / 10.0) }
}

fn clamp_value(value: f64) -> f64 {
    value.clamp(-VALUE_MAX, VALUE_MAX)
}

/// Returns the row of dots of a value on an axis over a span.
fn dot_row((low, high): (f64, f64), value: f64, rows: i64) -> i64 {
    ((high - clamp_value(value)) / (high - low) * (rows as f64 - 1.0)).round() as i64
}

/// Possible axis with ticks at round numbers, without labels.
struct AxisCandidate<'a> {
    /// Cost, excluding labels. The lowest cost wins.
    cost: f64,
    low: f64,
    high: f64,
    /// Ticks in the unit, the lowest first.
    ticks: Vec<f64>,
    decimals: usize,
    unit: &'a AxisUnit,
}

/// Returns the possible axes over a span, the cheapest first.
fn axis_candidates(units: &[AxisUnit], span: AxisSpan) -> Vec<AxisCandidate<'_>> {
    let mut found = Vec::new();
    for unit in units {
        let magnitude = ((span.high - span.low) / unit.factor).log10().floor() as i32;
        // Smaller steps give too many ticks, larger steps an axis that is mostly empty.
        let steps =
            (magnitude - 1..=magnitude + 1).flat_map(|exponent| STEPS.map(|it| (it, exponent)));
        for ((tenths, step_cost), exponent) in steps {
            let step = TickStep::new(tenths, exponent);
            let Some(mut candidate) = step.and_then(|step| step.axis_candidate(unit, span)) else {
                continue;
            };
            candidate.cost += step_cost;
            let is_uneven = candidate.spacings(span.room).is_some_and(|(min, max)| min < max);
            if span.is_fixed && is_uneven {
                candidate.cost += UNEVEN_COST;
            }
            found.push(candidate);
        }
    }
    found.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    found
}

/// Returns the best axis, only among those with `even` ticks if asked. The candidates are sorted by
/// their cost without labels.
fn best_axis(candidates: &[AxisCandidate], even: bool, room: AxisRoom) -> Option<ValueAxis> {
    let mut best: Option<(f64, ValueAxis)> = None;
    for candidate in candidates.iter().filter(|candidate| !even || candidate.is_even(room)) {
        if best.as_ref().is_some_and(|(cost, _)| *cost <= candidate.cost) {
            break;
        }
        let &AxisCandidate { low, high, ref ticks, decimals, unit, .. } = candidate;
        let (cost, labels) = labels(ticks, decimals, unit, room.label_width);
        let cost = cost + candidate.cost;
        if best.as_ref().is_none_or(|(other, _)| cost < *other) {
            let ticks = ticks.iter().map(|tick| tick * unit.factor).zip(labels).collect();
            best = Some((cost, ValueAxis { low, high, ticks, room }));
        }
    }
    best.map(|(_, axis)| axis)
}

impl AxisCandidate<'_> {
    /// Returns the minimum and the maximum number of rows between two ticks.
    fn spacings(&self, room: AxisRoom) -> Option<(i64, i64)> {
        let row = |tick: &f64| {
            dot_row((self.low, self.high), tick * self.unit.factor, room.dot_rows())
                .div_euclid(room.dots_per_row)
        };
        let spacings = self.ticks.windows(2).map(|pair| row(&pair[0]) - row(&pair[1]));
        spacings.clone().min().zip(spacings.max())
    }

    /// Returns whether the ticks are about evenly spaced: unevenly spaced labels look like a
    /// mistake, for example labels one row apart and two rows apart.
    fn is_even(&self, room: AxisRoom) -> bool {
        self.spacings(room).is_some_and(|(min, max)| {
            min > 0 && max - min <= (min / EVEN_SPACING_DIVISOR).max(i64::from(min > 1))
        })
    }
}

/// Distance between two ticks in the unit of the axis: digits and a power of ten.
struct TickStep {
    digits: f64,
    /// Power of ten to multiply by, and power of ten to divide by. Both are exact.
    power: (f64, f64),
    decimals: usize,
}

impl TickStep {
    /// Creates a step from tenths of a power of ten; `None` if the step is zero or infinite.
    fn new(tenths: u32, exponent: i32) -> Option<TickStep> {
        let (digits, exponent) = if tenths.is_multiple_of(10) {
            (tenths / 10, exponent)
        } else {
            (tenths, exponent - 1)
        };
        let power = (10f64.powi(exponent.max(0)), 10f64.powi((-exponent).max(0)));
        let decimals = usize::try_from(-exponent).unwrap_or(0);
        let step = TickStep { digits: f64::from(digits), power, decimals };
        let one = step.multiple(1.0);
        (one.is_finite() && one > 0.0).then_some(step)
    }

    /// Returns `count` steps, as exactly as possible.
    fn multiple(&self, count: f64) -> f64 {
        count * self.digits * self.power.0 / self.power.1
    }

    /// Returns the axis over a span with ticks at multiples of the step.
    fn axis_candidate<'a>(&self, unit: &'a AxisUnit, span: AxisSpan) -> Option<AxisCandidate<'a>> {
        let AxisSpan { low, high, is_fixed, is_whole, room } = span;
        let ticks_max = usize::from(room.rows / ROWS_PER_TICK).clamp(1, TICKS_MAX - 1) + 1;
        let one = self.multiple(1.0) * unit.factor;
        if is_whole && (one - one.round()).abs() > one * RELATIVE_EPSILON {
            return None;
        }
        let (first, last) = if is_fixed {
            ((low / one - RELATIVE_EPSILON).ceil(), (high / one + RELATIVE_EPSILON).floor())
        } else {
            ((low / one + RELATIVE_EPSILON).floor(), (high / one - RELATIVE_EPSILON).ceil())
        };
        let steps = last - first;
        if !(1.0..=TICKS_MAX as f64).contains(&steps) {
            return None;
        }
        let steps = steps as usize;
        let is_round = [1.0, 2.0, 5.0].contains(&self.digits) && !is_fixed;
        let mut strides = (1..=steps).filter(|stride| steps.is_multiple_of(*stride));
        let stride = strides.find(|stride| steps / stride < ticks_max)?;
        if stride > 1 && !(is_round && steps <= SPARSE_STEPS_MAX) {
            return None;
        }
        let counts = (0..=steps).step_by(stride).map(|at| first + at as f64);
        let ticks: Vec<f64> = counts.map(|count| self.multiple(count)).collect();
        let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
        let (bottom, top) = (first * unit.factor, last * unit.factor);
        let bare_cost = if is_fixed {
            (high - top) / (high - low) * BARE_END_COST
        } else {
            (top - bottom) / (high - low) - 1.0
        };
        let missing = ticks_max.min(LABELS_TARGET).saturating_sub(ticks.len());
        let count_cost = match ticks.len() {
            2 if missing > 0 => TWO_LABELS_COST,
            _ => FEWER_LABELS_COST * missing as f64,
        };
        let cost = bare_cost + count_cost + self.number_cost(unit, first.abs().max(last.abs()));
        let (low, high) = if is_fixed { (low, high) } else { (bottom, top) };
        let is_valid = low < high && (high - low).is_finite();
        is_valid.then_some(AxisCandidate { cost, low, high, ticks, decimals: self.decimals, unit })
    }

    /// Returns the cost of long numbers, for the greatest of them.
    fn number_cost(&self, unit: &AxisUnit, greatest: f64) -> f64 {
        match unit.prefix {
            "" if greatest >= PREFIX_MIN => ALL_DIGITS_COST,
            "" => 0.0,
            _ if greatest >= 1000.0 || self.decimals > DECIMALS_MAX => LONG_NUMBER_COST,
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Schema;
    use proptest::prelude::*;

    use super::*;
    use crate::charts::{charts, value_format};
    use crate::store::{Magnitude, ValueKind};
    use crate::units::{MachineCapacity, Units};

    /// Returns the chart of a column with values of a kind.
    fn chart(column: &str, values: ValueKind, units: Units) -> Chart {
        let schema: Schema = column.parse().unwrap();
        let machine = MachineCapacity::default();
        let formats: Vec<_> = schema
            .columns()
            .iter()
            .map(|it| value_format(it, values, Magnitude::ZERO, units, machine))
            .collect();
        charts(schema.columns(), &formats, machine).remove(0)
    }

    fn axis_in(chart: &Chart, zoom: i8, extent: (f64, f64), rows: u16) -> ValueAxis {
        let width = usize::from(chart.format.label_width());
        ValueAxis::new(
            chart,
            zoom,
            Some(extent),
            AxisRoom { rows, dots_per_row: 4, label_width: width },
        )
    }

    fn axis(column: &str, extent: (f64, f64), rows: u16) -> ValueAxis {
        axis_in(&chart(column, ValueKind::Fractional, Units::Standard), 0, extent, rows)
    }

    /// Returns the labels, the lowest first.
    fn labels_text(axis: &ValueAxis) -> String {
        let labels: Vec<_> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        labels.join(", ")
    }

    #[test]
    fn labels_have_one_unit_and_one_number_of_decimals_up_to_the_top() {
        const MIB: f64 = 1_048_576.0;
        for (column, greatest, rows, expected) in [
            ("net_rx:B/s", 13.9 * MIB, 7, "0 MiB/s, 5 MiB/s, 10 MiB/s, 15 MiB/s"),
            ("net_rx:B/s", 99.0 * MIB, 6, "0 MiB/s, 50 MiB/s, 100 MiB/s"),
            ("net_rx:B/s", 980.0 * 1024.0, 6, "0.0 MiB/s, 0.5 MiB/s, 1.0 MiB/s"),
            ("net_rx:B/s", 0.0, 6, "0 KiB/s, 5 KiB/s, 10 KiB/s"),
            ("mem_used:B", 9.9 * 1024.0 * MIB, 9, "0 GiB, 5 GiB, 10 GiB"),
            ("freq:MHz", 2700.0 / 1000.0, 7, "0 GHz, 1 GHz, 2 GHz, 3 GHz"),
            ("cpu:%", 99.0, 6, "0%, 50%, 100%"),
            ("cpu:%", 99.0, 10, "0%, 25%, 50%, 75%, 100%"),
            ("load1", 0.3, 6, "0.0, 0.5, 1.0"),
        ] {
            let axis = axis(column, (0.0, greatest), rows);
            assert_eq!(labels_text(&axis), expected, "{column} {greatest}");
        }
        let bits = chart("net_rx:B/s", ValueKind::Whole, Units::Alternative);
        let axis = axis_in(&bits, 0, (0.0, 93e6), 6);
        assert_eq!(labels_text(&axis), "0 Mbit/s, 50 Mbit/s, 100 Mbit/s");
    }

    #[test]
    fn a_load_of_2_7_has_an_axis_up_to_3() {
        let load = |rows| {
            let axis = axis("load1", (1.1, 2.7), rows);
            assert_eq!((axis.low, axis.high), (0.0, 3.0), "{rows} rows");
            labels_text(&axis)
        };
        assert_eq!(load(7), "0, 1, 2, 3");
        assert_eq!(load(6), "0.0, 1.5, 3.0");
        assert_eq!(load(3), "0, 3");
    }

    #[test]
    fn large_numbers_that_hardly_differ_keep_their_labels() {
        let whole = chart("free", ValueKind::Whole, Units::Standard);
        let of = |around: f64, by: f64, rows| {
            labels_text(&axis_in(&whole, 0, (around - by, around + by), rows))
        };
        assert_eq!(of(21_633_256.0, 6000.0, 7), "21.625M, 21.630M, 21.635M, 21.640M");
        assert_eq!(of(21_633_256.0, 60.0, 5), "2.163e7, +100, +200");
        let wide = AxisRoom { rows: 5, dots_per_row: 4, label_width: 11 };
        let axis = ValueAxis::new(&whole, 0, Some((12_345_678_901.0, 12_345_678_999.0)), wide);
        assert_eq!(labels_text(&axis), "12345678900, 12345678950, 12345679000");
        assert_eq!(of(85_236.0, 0.0, 6), "75k, 85k, 95k");
        assert_eq!(of(5.0, 0.0, 3), "4, 6", "whole numbers have no halves");
    }

    #[test]
    fn axis_across_zero_has_a_zero_label() {
        assert_eq!(labels_text(&axis("x", (-10.0, 10.0), 3)), "-10, 0, 10");
        assert_eq!(labels_text(&axis("cpu:%", (-30.0, 380.0), 3)), "-100%, 0, 400%");
        assert_eq!(labels_text(&axis("x", (0.0, 10.0), 3)), "0, 10");
    }

    #[test]
    fn percentage_labels_are_evenly_spaced() {
        for rows in 5..40 {
            let axis = axis("cpu:%", (0.0, 99.0), rows);
            let at: Vec<_> =
                axis.ticks.iter().map(|(value, _)| axis.row(*value).unwrap()).collect();
            let spacings: Vec<_> = at.windows(2).map(|pair| pair[0] - pair[1]).collect();
            let (min, max) = (spacings.iter().min().unwrap(), spacings.iter().max().unwrap());
            assert!(max - min <= 1, "{rows} rows: {at:?}");
            assert!(max == min || rows.is_multiple_of(2), "{rows} rows: {at:?}");
        }
    }

    #[test]
    fn greatest_numbers_lie_within_their_axis() {
        let axis = axis("x", (-1e308, 1e308), 10);
        assert!(axis.low < -5e307 && axis.high > 5e307, "{axis:?}");
        assert_eq!([1e308, -1e308].map(|value| axis.dot_row(value)), [0, 39]);
    }

    #[test]
    fn a_percentage_above_100_has_a_longer_axis() {
        let ends = |greatest| {
            let axis = axis("docker:%", (3.0, greatest), 9);
            (axis.low, axis.high)
        };
        assert_eq!(ends(100.0), (0.0, 100.0));
        assert_eq!(ends(100.04), (0.0, 100.0), "by rounding");
        assert_eq!(ends(350.0), (0.0, 400.0));
    }

    #[test]
    fn an_axis_stays_while_its_values_move_a_little() {
        for (column, greatest) in [("load1", 2.7), ("net_rx:B/s", 13e6), ("x", 640.0)] {
            for rows in [3, 5, 6, 7, 10, 22] {
                let ends = |part: f64| {
                    let axis = axis(column, (0.0, greatest * part), rows);
                    (axis.low, axis.high)
                };
                let first = ends(1.0);
                assert!((-20..20).all(|at| ends(1.0 + f64::from(at) / 1000.0) == first));
            }
        }
    }

    #[test]
    fn zooming_in_halves_the_span_around_the_values() {
        assert_eq!(zoom_span((0.0, 100.0), 0, (10.0, 20.0)), (0.0, 100.0));
        assert_eq!(zoom_span((0.0, 100.0), 1, (40.0, 48.0)), (25.0, 75.0));
        assert_eq!(zoom_span((0.0, 100.0), 1, (95.0, 99.0)), (50.0, 100.0));
        assert_eq!(zoom_span((0.0, 100.0), -1, (40.0, 48.0)), (0.0, 200.0));
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![-1e300..1e300_f64, -1e9..1e9_f64, -10.0..10.0_f64, Just(0.0), Just(1e-300)]
    }

    proptest! {
        #[test]
        fn axis_span_is_never_empty(
            a in -1e300..1e300_f64,
            b in -1e300..1e300_f64,
            zoom in -3..13_i8,
        ) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assume!(low < high && (high - low).is_finite());
            let (from, to) = zoom_span((low, high), zoom, (low, high));
            prop_assert!(from < to && from.is_finite() && to.is_finite(), "{from} {to}");
        }

        #[test]
        fn each_tick_has_a_fitting_label_and_values_lie_within(
            a in any_value(),
            b in any_value(),
            column in prop::sample::select(vec!["x", "cpu:%", "load1", "x:B/s", "x:ms", "freq:MHz"]),
            is_whole: bool,
            rows in 0..40_u16,
            label_width in 7..11_usize,
            zoom in -3..13_i8,
        ) {
            let values = if is_whole { ValueKind::Whole } else { ValueKind::Fractional };
            let chart = chart(column, values, Units::Standard);
            let (low, high) = (a.min(b), a.max(b));
            let room = AxisRoom { rows, dots_per_row: 4, label_width };
            let axis = ValueAxis::new(&chart, zoom, Some((low, high)), room);
            prop_assert!(axis.low < axis.high && axis.ticks.len() >= 2, "{axis:?}");
            for (value, label) in &axis.ticks {
                prop_assert!(!label.is_empty() && label.chars().count() <= label_width, "{axis:?}");
                prop_assert!(*value >= axis.low && *value <= axis.high, "{axis:?}");
            }
            let slack = (axis.high - axis.low) / 500.0;
            if zoom == 0 {
                prop_assert!(axis.low <= low + slack && axis.high >= high - slack, "{axis:?}");
            }
        }
    }
}
