//! One chart: a title with the values, dots, and two axes.
//!
//! ```text
//!  1 CPU ─────────────────────── 12.5 %      title, legend
//!    100%┤
//!        │          ⢀⡀                       value axis, panel
//!      0%┤⣀⣀⣀⣀⣀⣀⡠⠔⠊⠁⠈⠑⠢⣀⣀⣀⣀⣀⣀
//!        └────┬──────────┬─────              time axis, in local time: of the lowest chart of a column
//!           14:02      14:03
//! ```

mod cells;
mod digits;
mod heat;
mod pointed;
mod strokes;
mod time_axis;
mod title;
mod value_axis;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::{Piece, put, shortened};
use crate::app::{App, Seen};
use crate::charts::{Chart, ChartLine, Kind, Reference};
use crate::layout::{ChartPlace, Parts};
use crate::store::{Kept, Slots, Window};
use crate::thresholds::Level;
use cells::{Across, Area};
pub(super) use cells::{Cells, Layer};
pub(super) use pointed::cross;
pub(super) use strokes::Strokes;
pub(super) use title::Heading;
pub(super) use value_axis::ValueAxis;

/// Columns in front of the name of a reference line.
const LABEL_MARGIN: u16 = 1;

/// What a chart shows, before it is known where its values stand.
pub(super) struct Figure<'a> {
    /// Its lines, their names and colours, and how values look.
    pub(super) chart: &'a Chart,
    /// What stands in its title.
    pub(super) heading: Heading<'a>,
    /// What there is to draw of each line.
    pub(super) lines: Vec<Drawing>,
    /// The line whose area is filled, the first at 0, if areas are.
    pub(super) filled: usize,
    /// Why there is nothing to draw, if that is known.
    pub(super) why_empty: Option<&'static str>,
}

/// A line of a chart, as there is of it to draw.
pub(super) struct Drawing {
    pub(super) slots: Slots,
    /// What its values are multiplied by before they are shown.
    pub(super) scale: f64,
    /// Whether it may look live.
    pub(super) fresh: bool,
}

/// What the parts of a chart are drawn from.
struct Drawn<'a> {
    app: &'a App,
    chart: &'a Chart,
    parts: Parts,
    window: Window,
    lines: Vec<Drawing>,
    filled: usize,
    axis: &'a ValueAxis,
}

/// Draws the charts of the source that is shown.
pub(super) fn render_all(app: &App, charts: &[ChartPlace], buf: &mut Buffer) {
    let places: Vec<Place> = charts.iter().filter_map(|place| Place::of(app, *place)).collect();
    let mut done = vec![false; places.len()];
    for first in 0..places.len() {
        if done[first] {
            continue;
        }
        let Some(window) = places[first].window else {
            draw(app, places[first].figure(app, Vec::new()), None, places[first].parts, buf);
            continue;
        };
        // Charts over the same window have the same slots: they are looked for once.
        let together: Vec<usize> =
            (first..places.len()).filter(|at| places[*at].window == Some(window)).collect();
        let charts: Vec<&Chart> = together.iter().map(|at| places[*at].chart).collect();
        let drawings = drawings_of(app, app.shown(), &charts, window);
        for (at, lines) in together.into_iter().zip(drawings) {
            let Place { chart, parts, .. } = places[at];
            let axis = ValueAxis::of(app, chart, extent(&lines), parts);
            draw(app, places[at].figure(app, lines), Some((window, &axis)), parts, buf);
            done[at] = true;
        }
    }
}

/// A chart of the source that is shown, and where it is drawn.
struct Place<'a> {
    /// Its position in the app.
    at: usize,
    chart: &'a Chart,
    parts: Parts,
    /// What it spans; `None` where there is nothing to draw, or no room.
    window: Option<Window>,
}

impl<'a> Place<'a> {
    fn of(app: &'a App, place: ChartPlace) -> Option<Place<'a>> {
        let (chart, parts) = (app.charts().get(place.at)?, app.chart_parts(place)?);
        Some(Place { at: place.at, chart, parts, window: window(app, parts) })
    }

    fn figure(&self, app: &App, lines: Vec<Drawing>) -> Figure<'a> {
        let heading = Heading {
            title: &self.chart.title,
            number: Some(self.at),
            is_chosen: self.at == app.chosen(),
            levels: levels(app.shown_seen(), self.chart, app.shown_sample()),
            values: values(self.chart, app.shown_sample()),
            fresh: app.is_fresh(),
        };
        let why_empty = app.shown_seen().why_empty(self.chart);
        Figure { chart: self.chart, heading, lines, filled: 0, why_empty }
    }
}

/// What a panel spans; nothing if there is none, or no sample.
pub(super) fn window(app: &App, parts: Parts) -> Option<Window> {
    app.window_of(parts.panel.width).filter(|_| !parts.panel.is_empty())
}

/// The values of the lines of a chart in a sample; NaN where there is none.
pub(super) fn values(chart: &Chart, sample: Option<Kept<'_>>) -> Vec<f64> {
    let value = |line: &ChartLine| sample.map_or(f64::NAN, |sample| sample.value(line.column));
    chart.lines.iter().map(value).collect()
}

/// Which of these values are worth a look.
pub(super) fn levels(seen: &Seen, chart: &Chart, sample: Option<Kept<'_>>) -> Vec<Level> {
    let values = values(chart, sample);
    chart.lines.iter().zip(values).map(|(line, value)| seen.level(line.column, value)).collect()
}

/// What there is to draw of a chart of a source.
pub(super) fn drawings(app: &App, source: usize, chart: &Chart, window: Window) -> Vec<Drawing> {
    drawings_of(app, source, &[chart], window).pop().unwrap_or_default()
}

/// What there is to draw of each of some charts of a source.
fn drawings_of(app: &App, source: usize, charts: &[&Chart], window: Window) -> Vec<Vec<Drawing>> {
    let fresh = app.is_fresh_of(source);
    let window = window.by_clock(app.ahead_ms(source));
    let lines = charts.iter().flat_map(|chart| &chart.lines);
    let columns: Vec<usize> = lines.map(|line| line.column).collect();
    let mut slots = app.sources()[source].watched.store.slots_of(&columns, window).into_iter();
    let drawing = |chart: &&Chart| -> Vec<Drawing> {
        let slots = slots.by_ref().take(chart.lines.len());
        slots.map(|slots| Drawing { slots, scale: chart.look.scale, fresh }).collect()
    };
    charts.iter().map(drawing).collect()
}

/// The least and the greatest value of all lines as they are shown.
pub(super) fn extent(lines: &[Drawing]) -> Option<(f64, f64)> {
    let extents = lines.iter().filter_map(|line| {
        let (least, greatest) = line.slots.extent()?;
        Some((least * line.scale, greatest * line.scale))
    });
    extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Draws a figure; without a window and an axis, no more than its title.
pub(super) fn draw(
    app: &App,
    figure: Figure<'_>,
    place: Option<(Window, &ValueAxis)>,
    parts: Parts,
    buf: &mut Buffer,
) {
    let Figure { chart, mut heading, lines, filled, why_empty } = figure;
    if why_empty.is_some() {
        heading.values.clear();
    }
    let named = title::render(app, chart, &heading, place.map(|(_, axis)| axis), parts, buf);
    let Some((window, axis)) = place else { return };
    let drawn = Drawn { app, chart, parts, window, lines, filled, axis };
    digits::render(&drawn, &heading, buf);
    time_axis::render(&drawn, buf);
    match (why_empty, chart.kind) {
        (Some(why), _) => drawn.render_why(why, buf),
        (None, Kind::Lines) => {
            value_axis::render(&drawn, buf);
            drawn.render_lines(named, buf);
            value_axis::render_beyond(&drawn, buf);
            drawn.render_names(buf);
        }
        (None, Kind::Heat) => heat::render(&drawn, buf),
    }
    pointed::render(&drawn, buf);
}

impl Drawn<'_> {
    /// The reason why a chart is empty, where its lines would be.
    fn render_why(&self, why: &'static str, buf: &mut Buffer) {
        let panel = self.parts.panel;
        let row = Rect { y: panel.y + (panel.height - 1) / 2, height: 1, ..panel };
        let text = Piece::new(shortened(why, usize::from(row.width)), self.app.theme.faint());
        let left = (row.width - text.width() as u16) / 2;
        put(buf, Rect { x: row.x + left, width: row.width - left, ..row }, &[text]);
    }

    /// Draws the lines, and those references that the title names or that have room for their names. The
    /// title names the first `named` references.
    fn render_lines(&self, named: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let (_, dots) = theme.charset().pixels_per_cell();
        let rows = i64::from(panel.height) * dots as i64;
        let layers = self.lines.iter().enumerate().map(|(at, line)| {
            let row = |value: f64| self.axis.dot_row(value * line.scale, rows);
            let style = theme.line(self.chart.lines[at].colour, line.fresh);
            Layer::new(Strokes::of(&line.slots, row), at, style, theme)
        });
        let mut cells = Cells::new(theme, self.window, layers.collect());
        cells.area = self.lines.get(self.filled).filter(|_| theme.fill).map(|line| Area {
            line: self.filled,
            styles: theme.area(self.chart.lines[self.filled].colour, line.fresh),
        });
        let mut references = self.references();
        loop {
            let across = |&(_, row, reference): &(usize, u16, &Reference)| Across {
                row,
                style: theme.threshold(reference.level),
            };
            cells.across = references.iter().map(across).collect();
            cells.render(panel, buf);
            let nameless = references.iter().position(|&(at, row, reference)| {
                // At the lowest row, a line without its name beside it would be taken for the axis.
                let is_named = at < named;
                let is_lowest = row + 1 == panel.height;
                let is_labelled =
                    (!is_named || is_lowest) && self.render_reference_label(row, reference, buf);
                !is_named && !is_labelled
            });
            let Some(nameless) = nameless else { return };
            references.remove(nameless);
            for position in panel.positions() {
                buf[position].reset();
            }
        }
    }

    /// The values that others are compared with: their numbers, and their rows in the panel.
    fn references(&self) -> Vec<(usize, u16, &Reference)> {
        let (_, dots) = self.app.theme.charset().pixels_per_cell();
        let row = |(at, reference)| -> Option<(usize, u16, &Reference)> {
            let reference: &Reference = reference;
            Some((at, self.axis.row(reference.value, self.parts.panel.height, dots)?, reference))
        };
        self.chart.references.iter().enumerate().filter_map(row).collect()
    }

    /// The name of a reference line in the line itself where nothing else is drawn, or in a free place of
    /// the row above or below. Returns whether there is one.
    fn render_reference_label(&self, row: u16, reference: &Reference, buf: &mut Buffer) -> bool {
        let panel = self.parts.panel;
        let label = format!(" {} ", reference.label);
        let label = Piece::new(label, self.app.theme.threshold(reference.level));
        let sign = self.app.theme.signs().reference;
        let y = panel.y + row;
        let rows = [Some(y), y.checked_sub(1), Some(y + 1)].into_iter().flatten();
        let rows = rows.filter(|y| (panel.top()..panel.bottom()).contains(y));
        for y in rows {
            let is_free = |x: u16, buf: &Buffer| {
                let symbol = buf[(x, y)].symbol();
                is_blank(symbol) || symbol.starts_with(sign)
            };
            let width = label.width() as u16;
            let mut places = panel.x + LABEL_MARGIN..(panel.right() + 1).saturating_sub(width);
            if let Some(x) = places.find(|x| (*x..x + width).all(|x| is_free(x, buf))) {
                put(buf, Rect { x, y, width, height: 1 }, &[label]);
                return true;
            }
        }
        false
    }

    /// The names of the lines at their ends, each beside its latest value, or below a name that stands
    /// there already.
    fn render_names(&self, buf: &mut Buffer) {
        let names = self.parts.names;
        if names.is_empty() {
            return;
        }
        let theme = self.app.theme;
        let (_, dots) = theme.charset().pixels_per_cell();
        let mut ends: Vec<(u16, usize)> = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| {
                let last = line.slots.slots.iter().rev().flatten().next()?.last;
                let row = self.axis.row(last * line.scale, names.height, dots)?;
                Some((row, at))
            })
            .collect();
        ends.sort_unstable();
        let mut free = 0;
        for (count, (row, at)) in ends.iter().enumerate() {
            // Room is left for those that follow.
            let lowest = usize::from(names.height).saturating_sub(ends.len() - count);
            let y = (*row).min(lowest as u16).max(free);
            if y >= names.height {
                break;
            }
            free = y + 1;
            let name = self.chart.lines[*at].legend.clone();
            let place = Rect { x: names.x + 1, y: names.y + y, width: names.width - 1, height: 1 };
            put(
                buf,
                place,
                &[Piece::new(
                    name,
                    theme.line(self.chart.lines[*at].colour, self.lines[*at].fresh),
                )],
            );
        }
    }
}

/// Whether nothing is drawn in a cell.
fn is_blank(symbol: &str) -> bool {
    matches!(symbol, " " | "\u{2800}")
}
