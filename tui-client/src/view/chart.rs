//! One chart: a title with the newest values, dots, and two axes.
//!
//! ```text
//!  1 CPU ─────────────────────── 12.5 %      title, legend
//!    100%┤
//!        │          ⢀⡀                       value axis, panel
//!      0%┤⣀⣀⣀⣀⣀⣀⡠⠔⠊⠁⠈⠑⠢⣀⣀⣀⣀⣀⣀
//!        └────┬──────────┬─────              time axis, in local time
//!           14:02      14:03
//! ```

use loadline_protocol::Time;
use malevich::scale::{TickOptions, Ticks};
use malevich::{Line, Plot};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;

use super::text::{Piece, put, put_right, width};
use crate::app::App;
use crate::charts::Chart;
use crate::store::{Slots, Window};
use crate::units::Range;

/// The columns of the value axis, its line included, where there is room.
const GUTTER: u16 = 8;

/// A chart of fewer columns has no value axis.
const GUTTER_FROM: u16 = 20;

/// A chart of fewer rows has no row for the line of the time axis.
const AXIS_LINE_FROM: u16 = 8;

/// Rows between two labels of the value axis, about.
const ROWS_PER_TICK: u16 = 2;

/// Fewer labels do not make a time axis, if there can be more.
const TIME_LABELS: usize = 3;

/// Columns from one tick of the time axis to the next, at least: half of `14:03` and a blank.
const COLUMNS_PER_TICK_MIN: u16 = 3;

/// The parts of a chart's area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    title: Rect,
    gutter: Rect,
    panel: Rect,
    axis_line: Rect,
    times: Rect,
}

fn parts(area: Rect) -> Parts {
    let title = u16::from(area.height >= 2);
    let times = u16::from(area.height >= 4);
    let axis_line = u16::from(area.height >= AXIS_LINE_FROM);
    let gutter = if area.width >= GUTTER_FROM { GUTTER } else { 0 };
    let rows = area.height - title - times - axis_line;
    let right = Rect { x: area.x + gutter, width: area.width - gutter, ..area };
    let below = area.y + title + rows;
    Parts {
        title: Rect { height: title, ..area },
        gutter: Rect { y: area.y + title, width: gutter, height: rows, ..area },
        panel: Rect { y: area.y + title, height: rows, ..right },
        axis_line: Rect { y: below, height: axis_line, ..right },
        times: Rect { y: below + axis_line, height: times, ..right },
    }
}

/// Draws the chart at a position of the app.
pub(super) fn render(app: &App, at: usize, area: Rect, buf: &mut Buffer) {
    let Some(chart) = app.charts.get(at) else { return };
    let parts = parts(area);
    let fresh = app.is_fresh();
    render_title(app, chart, at, fresh, parts.title, buf);
    let Some(until) = app.shown_until() else { return };
    if parts.panel.is_empty() {
        return;
    }
    let (dots, _) = app.theme.charset().pixels_per_cell();
    let span_ms = i64::try_from(app.window.as_millis()).unwrap_or(i64::MAX);
    let window = Window::ending(until, span_ms, usize::from(parts.panel.width), dots);
    let lines: Vec<Slots> =
        chart.lines.iter().map(|line| app.watched.store.slots(line.column, window)).collect();
    let axis = ValueAxis::new(chart, &lines, parts.panel.height);
    render_value_axis(app, &axis, parts, buf);
    render_time_axis(app, window, parts, buf);
    render_lines(app, chart, &lines, &axis, fresh, parts.panel, buf);
}

fn render_title(app: &App, chart: &Chart, at: usize, fresh: bool, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let rule = theme.signs().horizontal.to_string();
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_symbol(&rule).set_style(theme.faint());
    }
    let chosen = if at == app.chosen() { Modifier::REVERSED } else { Modifier::empty() };
    let number = if at < 9 { format!(" {} ", at + 1) } else { " ".to_owned() };
    let title = [
        Piece::new(number, theme.strong().add_modifier(chosen)),
        Piece::new(format!(" {} ", chart.title), theme.strong()),
    ];
    let used = put(buf, area, &title);
    let newest = app.shown_newest();
    let mut legend = Vec::new();
    for (line, member) in chart.lines.iter().enumerate() {
        let value = newest.map_or(f64::NAN, |sample| sample.value(member.column));
        if !member.legend.is_empty() {
            legend.push(Piece::new(format!(" {}", member.legend), theme.faint()));
        }
        let value = format!(" {} ", chart.look.value(value));
        legend.push(Piece::new(value, theme.line(line, fresh).add_modifier(Modifier::BOLD)));
    }
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    // The legend is the first to go, then all of it but the first value.
    if width(&legend) < usize::from(room.width) {
        put_right(buf, room, &legend);
    } else if let [.., value] = &legend[..legend.len().min(2)]
        && value.width() < usize::from(room.width)
    {
        put_right(buf, room, std::slice::from_ref(value));
    }
}

/// The values that a chart spans, and where they are written.
#[derive(Debug, Clone)]
struct ValueAxis {
    low: f64,
    high: f64,
    /// Shown values and their labels, lowest first.
    ticks: Vec<(f64, String)>,
}

impl ValueAxis {
    fn new(chart: &Chart, lines: &[Slots], rows: u16) -> ValueAxis {
        let extents = lines.iter().filter_map(Slots::extent);
        let extent = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let scale = chart.look.scale;
        let (least, greatest) = extent.map_or((0.0, 1.0), |(a, b)| (a * scale, b * scale));
        let (low, high) = match chart.look.range {
            Range::Percent => (0.0, 100.0),
            Range::FromZero => (least.min(0.0), greatest),
            Range::Fitted => (least, greatest),
        };
        // Everything is finite here, but not every difference is.
        let (low, high) = (low.max(-1e300), high.min(1e300));
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        let target = usize::from(rows / ROWS_PER_TICK).clamp(1, 8) + 1;
        let options = TickOptions::new().unit(chart.look.axis_unit());
        let (low, high) = match chart.look.range {
            Range::Percent => (low, high),
            Range::FromZero | Range::Fitted => grown(low, high, target, &options),
        };
        let ticks = Ticks::linear_with(low, high, target, &options);
        let ticks = ticks.iter().map(|tick| (tick.value, tick.label.clone())).collect();
        ValueAxis { low, high, ticks }
    }

    /// The row of a value in a panel of so many rows, as the dots are placed.
    fn row(&self, value: f64, rows: u16, dots: usize) -> Option<u16> {
        let dots = dots as f64;
        let last = f64::from(rows) * dots - 1.0;
        let dot = ((self.high - value) / (self.high - self.low) * last).round();
        (0.0..=last).contains(&dot).then_some((dot / dots) as u16)
    }
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

fn render_value_axis(app: &App, axis: &ValueAxis, parts: Parts, buf: &mut Buffer) {
    let gutter = parts.gutter;
    if gutter.is_empty() {
        return;
    }
    let signs = app.theme.signs();
    let faint = app.theme.faint();
    let x = gutter.right() - 1;
    for y in gutter.top()..gutter.bottom() {
        buf[(x, y)].set_char(signs.vertical).set_style(faint);
    }
    let (_, dots) = app.theme.charset().pixels_per_cell();
    let mut free_below = gutter.bottom();
    for (value, label) in &axis.ticks {
        let Some(row) = axis.row(*value, gutter.height, dots) else { continue };
        let y = gutter.y + row;
        if y >= free_below {
            continue;
        }
        free_below = y;
        buf[(x, y)].set_char(signs.tick_left).set_style(faint);
        let room = Rect { y, height: 1, width: gutter.width - 1, ..gutter };
        let label = Piece::new(label.clone(), faint);
        // A label that is cut would be another number.
        if label.width() <= usize::from(room.width) {
            put_right(buf, room, &[label]);
        }
    }
    if !parts.axis_line.is_empty() {
        buf[(x, parts.axis_line.y)].set_char(signs.corner).set_style(faint);
    }
}

fn render_time_axis(app: &App, window: Window, parts: Parts, buf: &mut Buffer) {
    let signs = app.theme.signs();
    let faint = app.theme.faint();
    for x in parts.axis_line.left()..parts.axis_line.right() {
        for y in parts.axis_line.top()..parts.axis_line.bottom() {
            buf[(x, y)].set_char(signs.horizontal).set_style(faint);
        }
    }
    if parts.times.is_empty() {
        return;
    }
    // Ticks are those of a calendar in UTC: they get the wall clock's time, and are put back.
    let middle = Time::from_millis(i64::midpoint(window.from_ms(), window.end_ms()));
    let offset = app.zone.offset_ms(middle);
    let seconds = |ms: i64| (ms + offset) as f64 / 1000.0;
    let ticks = time_ticks(seconds(window.from_ms()), seconds(window.end_ms()), parts.times.width);
    // The first label may reach out below the value axis.
    let mut free_from = parts.gutter.x;
    for tick in &ticks {
        let ms = (tick.value * 1000.0) as i64 - offset;
        let Some(cell) = window.cell_of(ms) else { continue };
        let x = parts.times.x + cell as u16;
        if !parts.axis_line.is_empty() {
            buf[(x, parts.axis_line.y)].set_char(signs.tick_down);
        }
        let label = Piece::new(tick.label.clone(), faint);
        let wide = label.width() as u16;
        // At the edges a label stands beside its tick rather than below it.
        let rightmost = parts.times.right().saturating_sub(wide);
        let left = x.saturating_sub(wide / 2).max(parts.gutter.x).min(rightmost);
        if left >= free_from {
            put(buf, Rect { x: left, width: wide, ..parts.times }, &[label]);
            free_from = left + wide + 1;
        }
    }
}

/// As many ticks as have room for their labels; if those are few, more of them, and a label at every
/// second one.
fn time_ticks(from: f64, to: f64, width: u16) -> Ticks {
    let columns_per_second = f64::from(width) / (to - from).max(1.0);
    let fits = |ticks: &Ticks, per_label: f64| {
        let widest = ticks.iter().map(|tick| tick.label.len()).max().unwrap_or(0);
        let mut pairs = ticks.as_slice().windows(2);
        pairs.all(|pair| {
            let columns = (pair[1].value - pair[0].value) * columns_per_second;
            columns * per_label >= (widest + 1) as f64
        })
    };
    let densest = |per_label: f64, ticks_min: usize| {
        (2..=usize::from(width / COLUMNS_PER_TICK_MIN) + 1)
            .rev()
            .map(|target| Ticks::time(from, to, target))
            .find(|ticks| ticks.len() >= ticks_min && fits(ticks, per_label))
    };
    densest(1.0, TIME_LABELS)
        .or_else(|| densest(2.0, TIME_LABELS))
        .or_else(|| densest(1.0, 0))
        .unwrap_or_else(|| Ticks::time(from, to, 2))
}

fn render_lines(
    app: &App,
    chart: &Chart,
    lines: &[Slots],
    axis: &ValueAxis,
    fresh: bool,
    panel: Rect,
    buf: &mut Buffer,
) {
    let count = lines.first().map_or(0, |slots| slots.slots.len());
    let mut plot = Plot::new()
        .axes(false)
        .x_domain(0.0, count.saturating_sub(1) as f64)
        .y_domain(axis.low, axis.high);
    // The first line is the one that matters most: it is drawn last, over the others.
    for (at, slots) in lines.iter().enumerate().rev() {
        let (x, y) = polyline(slots, chart.look.scale);
        plot = plot.layer(Line::xy(x, y).color(app.theme.ink(at, fresh)));
    }
    plot.widget().charset(app.theme.charset()).render(panel, buf);
    if !app.theme.colour && !fresh {
        buf.set_style(panel, Style::new().add_modifier(Modifier::DIM));
    }
}

/// The points of a line, slot by slot; a gap is a point that is no number.
fn polyline(slots: &Slots, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let mut x = Vec::with_capacity(slots.slots.len() * 4 + 2);
    let mut y = Vec::with_capacity(slots.slots.len() * 4 + 2);
    let mut add = |slot: f64, value: f64| {
        x.push(slot);
        y.push(value * scale);
    };
    if let Some(point) = slots.before {
        add(point.slot as f64, point.value);
    }
    for (at, slot) in slots.slots.iter().enumerate() {
        let Some(slot) = slot else { continue };
        let at = at as f64;
        if slot.broken {
            add(at, f64::NAN);
        }
        for value in [slot.first, slot.min, slot.max, slot.last] {
            add(at, value);
        }
    }
    if let Some(point) = slots.after {
        add(point.slot as f64, point.value);
    }
    (x, y)
}
