//! Overview: one row per source, with its state, its newest values and a small chart.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::chart::{Cells, Layer, cross_cell};
use super::header::{age_text, clock_offset_text, state_reason, state_style};
use super::text::{CommonAffixes, fill, put, put_right, shortened};
use crate::app::{App, SourceView};
use crate::layout::{SPARKLINE_WIDTH_MIN, SourceRowParts};
use crate::store::Slots;
use crate::theme::{HIGHLIGHT, STRONG};
use crate::thresholds::Level;
use crate::units::{AxisRange, ValueFormat};
use crate::watched::State;

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let parts = app.line_parts(area);
    let sources = app.sources.all();
    let common = CommonAffixes::of(sources.iter().map(|view| view.watched.name.as_str()));
    for (row, source) in area.rows().zip(app.overview_sources(area.height)) {
        let view = &sources[source];
        let state = view.watched.state(app.now);
        let fresh = app.is_source_fresh(source);
        SourceRow { app, source, view, state, fresh, row }.render(parts, common, buf);
    }
}

struct SourceRow<'a> {
    app: &'a App,
    source: usize,
    view: &'a SourceView,
    state: State,
    fresh: bool,
    row: Rect,
}

impl SourceRow<'_> {
    fn render(&self, parts: SourceRowParts, common: CommonAffixes, buf: &mut Buffer) {
        let (app, theme) = (self.app, self.app.theme);
        let state = format!(" {} ", self.state.label());
        put(buf, self.cell(parts.state), &state, state_style(theme, &self.state));
        self.render_name(parts, common, buf);
        let watched = &self.view.watched;
        if watched.store().is_empty() {
            // Without samples, only the reason is shown.
            let room =
                Rect { width: self.row.right().saturating_sub(parts.values.x), ..parts.values };
            let reason = state_reason(&self.state, app).unwrap_or_default();
            put(buf, self.cell(room), &reason, theme.faint());
            return;
        }
        self.render_values(parts, buf);
        // Values of an earlier time have no age.
        let is_newest = app.selection.crosshair.is_none() && app.window.paused_at().is_none();
        if let Some(age) = watched.age(app.now).filter(|_| is_newest) {
            let style = if self.state.is_up_to_date() { theme.faint() } else { STRONG };
            let place = Rect { width: parts.age.width.saturating_sub(2), ..self.cell(parts.age) };
            put_right(buf, place, &age_text(age), style);
        }
        let offset_ms = app.sources.clock_offset_ms(self.source);
        if offset_ms != 0 {
            put(buf, self.cell(parts.clock), &clock_offset_text(offset_ms), STRONG);
        }
        let chart = self.cell(parts.chart);
        // Without newer samples, the reason says more than the chart.
        let is_old = is_newest && !self.state.is_up_to_date();
        match self.state.reason().filter(|_| is_old) {
            Some(reason) => {
                let reason = shortened(reason, usize::from(chart.width));
                put(buf, chart, &reason, theme.faint());
            }
            None => self.render_chart(chart, buf),
        }
        self.render_finding(chart, buf);
    }

    /// Writes what is wrong with the source over the chart. Only if there is room, the newest part of the chart
    /// remains.
    fn render_finding(&self, chart: Rect, buf: &mut Buffer) {
        let Some(finding) = self.app.finding(self.source) else { return };
        let room = usize::from(chart.width);
        let text = finding.text(room);
        let rest = room.saturating_sub(text.width() + 1);
        let is_chart_left = rest >= usize::from(SPARKLINE_WIDTH_MIN);
        let cleared = if is_chart_left { text.width() + 1 } else { room };
        fill(buf, Rect { width: cleared as u16, ..chart }, ' ', Style::reset());
        let style = self.app.theme.level(finding.level, STRONG);
        put(buf, chart, &shortened(&text, room), style);
    }

    /// Returns the part of the row in a column.
    fn cell(&self, column: Rect) -> Rect {
        Rect { y: self.row.y, height: u16::from(!column.is_empty()), ..column }
    }

    fn render_name(&self, parts: SourceRowParts, common: CommonAffixes, buf: &mut Buffer) {
        let theme = self.app.theme;
        let place = self.cell(parts.name);
        let most = usize::from(place.width.saturating_sub(1));
        // Without room for the state, the name has the state's style.
        let style = match self.state {
            State::Live | State::Replay(_) => STRONG,
            _ if parts.state.is_empty() => state_style(theme, &self.state),
            _ => theme.faint(),
        };
        let chosen = self.source == self.app.sources.shown();
        let style = if chosen { style.patch(HIGHLIGHT) } else { style };
        put(buf, place, &common.shortened(&self.view.watched.name, most), style);
    }

    fn render_values(&self, parts: SourceRowParts, buf: &mut Buffer) {
        let theme = self.app.theme;
        let sample = self.app.sample_of(self.source);
        let columns = self.view.watched.columns().unwrap_or_default();
        let shown = self.app.overview_columns(self.source, usize::from(parts.value_count));
        for (nth, at) in (0..parts.value_count).zip(shown) {
            let x = parts.values.x + nth * parts.value_width;
            let place = self.cell(Rect { x, width: parts.value_width - 2, ..parts.values });
            let value = sample.map_or(f64::NAN, |sample| sample.value(at));
            let level = if self.fresh { self.view.level(at, value) } else { Level::Normal };
            let style = theme.level(level, theme.line(self.view.colour(at), self.fresh));
            let value = self.view.formats[at].value(value);
            // A cut value would be a different one, so only the name is shortened.
            let Some(left) = usize::from(place.width).checked_sub(value.width()) else {
                put(buf, place, "-", theme.faint());
                continue;
            };
            if left > 2 {
                put(buf, place, &shortened(columns[at].name(), left - 1), theme.faint());
            }
            put_right(buf, place, &value, style);
        }
    }

    fn render_chart(&self, place: Rect, buf: &mut Buffer) {
        let (app, theme) = (self.app, self.app.theme);
        let Some(window) = app.window_of(place.width).filter(|_| !place.is_empty()) else { return };
        let column = self.view.heat_column();
        let Some(format) = self.view.formats.get(column) else { return };
        let source_window = window.with_clock_offset(app.sources.clock_offset_ms(self.source));
        let slots = self.view.watched.store().slots(column, source_window);
        let style = theme.line(self.view.colour(column), self.fresh);
        if theme.ascii {
            render_levels(format, &slots, style, place, buf);
        } else {
            let row = scale(format, &slots, theme.dot_rows());
            let layer = Layer::new(&slots, row, 0, style, theme);
            Cells::new(theme, window, vec![layer]).render(place, buf);
        }
        let crosshair = app.selection.crosshair.and_then(|time| window.cell_of(time.as_millis()));
        if let Some(cell) = crosshair {
            cross_cell(&mut buf[(place.x + cell as u16, place.y)], theme, HIGHLIGHT);
        }
    }
}

/// Symbols of increasing height, for a chart of one row without dots.
const LEVEL_SYMBOLS: [char; 5] = ['_', '.', '-', '\'', '^'];

/// Draws the maximum of each cell as a symbol.
fn render_levels(format: &ValueFormat, slots: &Slots, style: Style, place: Rect, buf: &mut Buffer) {
    let row = scale(format, slots, LEVEL_SYMBOLS.len() as i64);
    let per_cell = (slots.slots.len() / usize::from(place.width)).max(1);
    for (position, cell) in place.positions().zip(slots.slots.chunks(per_cell)) {
        let greatest = cell.iter().flatten().map(|slot| slot.max).reduce(f64::max);
        let Some(greatest) = greatest else { continue };
        let most = LEVEL_SYMBOLS.len() - 1;
        let level = most - (row(greatest).clamp(0, most as i64) as usize);
        buf[position].set_char(LEVEL_SYMBOLS[level]).set_style(style);
    }
}

/// Returns the dot row of a value, 0 at the top, over the unit's range or the visible values.
fn scale(format: &ValueFormat, slots: &Slots, dots: i64) -> impl Fn(f64) -> i64 {
    let (min, max) = slots.extent().unwrap_or((0.0, 1.0));
    let (low, high) = match format.range {
        AxisRange::Fixed(end) | AxisRange::FromZero(end) => {
            (min.min(0.0), max.max(end / format.scale))
        }
        AxisRange::Fitted => (min, max),
    };
    let span = (high - low).max(f64::MIN_POSITIVE);
    move |value| ((high - value) / span * (dots as f64 - 1.0)).round() as i64
}
