//! One chart: a title with the values, dots, and two axes.
//!
//! ```text
//!  1 CPU ─────────────────────── 12.5 %      title, legend
//!    100%┤
//!        │          ⢀⡀                       value axis, panel
//!      0%┤⣀⣀⣀⣀⣀⣀⡠⠔⠊⠁⠈⠑⠢⣀⣀⣀⣀⣀⣀
//!        └────┬──────────┬─────              time axis, in local time
//!           14:02      14:03
//! ```

mod digits;
mod pointed;
mod strokes;
mod time_axis;
mod title;
mod value_axis;

use malevich::{Line, Plot};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;

use super::text::{Piece, put};
use crate::app::App;
use crate::charts::Chart;
use crate::layout::{Parts, parts};
use crate::store::{Slots, Window};
use strokes::{Pattern, Strokes};
use value_axis::ValueAxis;

/// What the parts of a chart are drawn from.
struct Drawn<'a> {
    app: &'a App,
    chart: &'a Chart,
    parts: Parts,
    window: Window,
    /// What there is to draw of each line.
    lines: Vec<Slots>,
    axis: ValueAxis,
    /// Whether what is shown may look live.
    fresh: bool,
}

/// Draws charts, each given by its position in the app, and where.
pub(super) fn render_all(app: &App, charts: &[(usize, Rect)], buf: &mut Buffer) {
    let places: Vec<Place> =
        charts.iter().filter_map(|(at, area)| Place::of(app, *at, *area)).collect();
    let mut done = vec![false; places.len()];
    for first in 0..places.len() {
        if done[first] {
            continue;
        }
        let Some(window) = places[first].window else {
            title::render(app, &places[first], None, buf);
            continue;
        };
        // Charts over the same window have the same slots: they are looked for once.
        let together: Vec<usize> =
            (first..places.len()).filter(|at| places[*at].window == Some(window)).collect();
        let lines = |at: &usize| places[*at].chart.lines.iter().map(|line| line.column);
        let columns: Vec<usize> = together.iter().flat_map(lines).collect();
        let mut slots = app.watched.store.slots_of(&columns, window).into_iter();
        for at in together {
            let lines = slots.by_ref().take(places[at].chart.lines.len()).collect();
            render(app, &places[at], window, lines, buf);
            done[at] = true;
        }
    }
}

/// A chart, and where it is drawn.
struct Place<'a> {
    /// Its position in the app.
    at: usize,
    chart: &'a Chart,
    parts: Parts,
    /// What it spans; `None` where there is nothing to draw, or no room.
    window: Option<Window>,
}

impl Place<'_> {
    fn of(app: &App, at: usize, area: Rect) -> Option<Place<'_>> {
        let chart = app.charts.get(at)?;
        let parts = parts(area, app.chart_shape(chart, area));
        let window = app.window_of(parts.panel.width).filter(|_| !parts.panel.is_empty());
        Some(Place { at, chart, parts, window })
    }
}

fn render(app: &App, place: &Place, window: Window, lines: Vec<Slots>, buf: &mut Buffer) {
    let Place { chart, parts, .. } = *place;
    let axis = ValueAxis::new(chart, app.value_zoom(chart), &lines, parts.panel.height);
    title::render(app, place, Some(&axis), buf);
    let drawn = Drawn { app, chart, parts, window, lines, axis, fresh: app.is_fresh() };
    digits::render(&drawn, buf);
    value_axis::render(&drawn, buf);
    time_axis::render(&drawn, buf);
    drawn.render_lines(buf);
    drawn.render_reference(buf);
    drawn.render_names(buf);
    pointed::render(&drawn, buf);
}

impl Drawn<'_> {
    fn render_lines(&self, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let (_, dots) = theme.charset().pixels_per_cell();
        let rows = i64::from(panel.height) * dots as i64;
        // Dots have rows of their own, the highest at 0: drawn at whole numbers, none is rounded.
        let mut plot = Plot::new()
            .axes(false)
            .x_domain(0.0, (self.window.count() as f64 - 1.0).max(1.0))
            .y_domain(-(rows as f64 - 1.0).max(1.0), 0.0);
        // The first line is the one that matters most: it is drawn last, over the others.
        for (at, slots) in self.lines.iter().enumerate().rev() {
            let row = |value: f64| self.axis.dot_row(value * self.chart.look.scale, rows);
            let pattern = if theme.is_mono() { Pattern::of(at) } else { Pattern::Solid };
            let strokes = Strokes::of(slots, row);
            let (x, y) = strokes.points(rows, self.window.first_slot(), pattern);
            plot = plot
                .layer(Line::xy(x, y).color(theme.ink(self.chart.lines[at].colour, self.fresh)));
        }
        plot.widget().charset(theme.charset()).render(panel, buf);
        if theme.is_mono() && !self.fresh {
            buf.set_style(panel, Style::new().add_modifier(Modifier::DIM));
        }
    }

    /// A broken line where a value stands that others are compared with; behind the lines.
    fn render_reference(&self, buf: &mut Buffer) {
        let Some(reference) = &self.chart.reference else { return };
        let panel = self.parts.panel;
        let theme = self.app.theme;
        let (_, dots) = theme.charset().pixels_per_cell();
        let Some(row) = self.axis.row(reference.value, panel.height, dots) else { return };
        for x in panel.left()..panel.right() {
            let cell = &mut buf[(x, panel.y + row)];
            if is_blank(cell.symbol()) {
                cell.set_char(theme.signs().reference).set_style(theme.faint());
            }
        }
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
            .filter_map(|(at, slots)| {
                let last = slots.slots.iter().rev().flatten().next()?.last;
                let row = self.axis.row(last * self.chart.look.scale, names.height, dots)?;
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
                &[Piece::new(name, theme.line(self.chart.lines[*at].colour, self.fresh))],
            );
        }
    }
}

/// Whether nothing is drawn in a cell.
fn is_blank(symbol: &str) -> bool {
    matches!(symbol, " " | "\u{2800}")
}
