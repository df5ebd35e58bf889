//! Overview: one row per source, with its state, its newest values and a small chart.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart::{Cells, Layer, Strokes, cross_cell};
use super::header::{age_text, clock_offset_text, outage_text, state_style};
use super::text::{CommonAffixes, Piece, put, put_right, shortened};
use crate::app::{App, SourceView, WindowEnd};
use crate::layout::SourceRowParts;
use crate::store::{Slots, Window};
use crate::theme::{HIGHLIGHT, STRONG};
use crate::thresholds::Level;
use crate::units::{AxisRange, ValueFormat};
use crate::watched::State;

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let parts = app.line_parts(area);
    let common = CommonAffixes::of(app.sources.all().iter().map(|view| view.watched.name.as_str()));
    for (y, source) in (area.top()..area.bottom()).zip(app.overview_sources(area.height)) {
        let line = SourceRow {
            app,
            source,
            view: &app.sources.all()[source],
            state: app.sources.all()[source].watched.state(app.now),
            fresh: app.is_source_fresh(source),
            y,
            right: area.right(),
        };
        line.render(parts, common, buf);
    }
}

/// Row of a source.
struct SourceRow<'a> {
    app: &'a App,
    source: usize,
    view: &'a SourceView,
    state: State,
    fresh: bool,
    y: u16,
    /// Right edge of the list.
    right: u16,
}

impl SourceRow<'_> {
    fn render(&self, parts: SourceRowParts, common: CommonAffixes, buf: &mut Buffer) {
        let theme = self.app.theme;
        let state = format!(" {} ", self.state.word());
        put(buf, self.row(parts.state), &[Piece::new(state, state_style(theme, &self.state))]);
        self.render_name(parts, common, buf);
        let watched = &self.view.watched;
        if watched.store().is_empty() {
            // Without samples, only the reason is shown.
            let room = Rect { width: self.right.saturating_sub(parts.values.x), ..parts.values };
            let reason = self.state.outage().map_or(String::new(), |it| outage_text(it, self.app));
            put(buf, self.row(room), &[Piece::new(reason, theme.faint())]);
            return;
        }
        self.render_values(parts, buf);
        // Values of an earlier time have no age.
        let is_newest =
            self.app.selection.crosshair.is_none() && self.app.window.end == WindowEnd::Live;
        if let Some(age) = watched.age(self.app.now).filter(|_| is_newest) {
            let style = if self.state.is_up_to_date() { theme.faint() } else { STRONG };
            let place = self.row(parts.age);
            let place = Rect { width: place.width.saturating_sub(2), ..place };
            put_right(buf, place, &[Piece::new(age_text(age), style)]);
        }
        let offset_ms = self.app.sources.clock_offset_ms(self.source);
        if offset_ms != 0 {
            let text = Piece::new(clock_offset_text(offset_ms), STRONG);
            put(buf, self.row(parts.clock), &[text]);
        }
        self.render_chart(self.row(parts.chart), buf);
    }

    fn row(&self, part: Rect) -> Rect {
        Rect { y: self.y, height: u16::from(!part.is_empty()), ..part }
    }

    fn render_name(&self, parts: SourceRowParts, common: CommonAffixes, buf: &mut Buffer) {
        let theme = self.app.theme;
        let place = self.row(parts.name);
        let most = usize::from(place.width.saturating_sub(1));
        let chosen = self.source == self.app.sources.shown();
        // Without room for the state, the name has the state's style.
        let style = match self.state {
            State::Live | State::Replay(_) => STRONG,
            _ if parts.state.is_empty() => state_style(theme, &self.state),
            _ => theme.faint(),
        };
        let style = if chosen { style.patch(HIGHLIGHT) } else { style };
        put(buf, place, &[Piece::new(common.shortened(&self.view.watched.name, most), style)]);
    }

    fn render_values(&self, parts: SourceRowParts, buf: &mut Buffer) {
        let theme = self.app.theme;
        let sample = self.app.sample_of(self.source);
        let columns = self.view.watched.columns().unwrap_or_default();
        let shown = self.app.overview_columns(self.source, usize::from(parts.value_count));
        for (cell, at) in (0..parts.value_count).zip(shown) {
            let (name, format) = (columns[at].name(), &self.view.formats[at]);
            let x = parts.values.x + cell * parts.value_width;
            let place = self.row(Rect { x, width: parts.value_width - 2, ..parts.values });
            let value = sample.map_or(f64::NAN, |sample| sample.value(at));
            let level = if self.fresh { self.view.level(at, value) } else { Level::Normal };
            let style = theme.level(level, theme.line(self.view.colour(at), self.fresh));
            let value = Piece::new(format.value(value), style);
            // A cut value would be a different one, so only the name is shortened.
            let left = usize::from(place.width).saturating_sub(value.width() + 1);
            if value.width() > usize::from(place.width) {
                put(buf, place, &[Piece::new("-", theme.faint())]);
                continue;
            }
            let name = if left < 2 { String::new() } else { shortened(name, left) };
            put(buf, place, &[Piece::new(name, theme.faint())]);
            put_right(buf, place, &[value]);
        }
    }

    fn render_chart(&self, place: Rect, buf: &mut Buffer) {
        let app = self.app;
        let Some(window) = app.window_of(place.width).filter(|_| !place.is_empty()) else { return };
        let column = self.view.heat_column();
        let Some(format) = self.view.formats.get(column) else { return };
        let source_window = window.with_clock_offset(app.sources.clock_offset_ms(self.source));
        let slots = self.view.watched.store().slots(column, source_window);
        if app.theme.ascii {
            self.render_levels(format, &slots, column, place, buf);
            self.render_crosshair(window, place, buf);
            return;
        }
        let (_, dots) = app.theme.charset().pixels_per_cell();
        let row = scale(format, &slots, dots as i64);
        let strokes = Strokes::of(&slots, row);
        let style = app.theme.line(self.view.colour(column), self.fresh);
        let layer = Layer::new(strokes, 0, style, app.theme);
        Cells::new(app.theme, window, vec![layer]).render(place, buf);
        self.render_crosshair(window, place, buf);
    }

    /// Draws the maximum of each cell as a symbol.
    fn render_levels(
        &self,
        format: &ValueFormat,
        slots: &Slots,
        column: usize,
        place: Rect,
        buf: &mut Buffer,
    ) {
        let row = scale(format, slots, LEVEL_SYMBOLS.len() as i64);
        let style = self.app.theme.line(self.view.colour(column), self.fresh);
        let per_cell = (slots.slots.len() / usize::from(place.width)).max(1);
        for (x, cell) in (place.left()..place.right()).zip(slots.slots.chunks(per_cell)) {
            let greatest = cell.iter().flatten().map(|slot| slot.max).reduce(f64::max);
            let Some(greatest) = greatest else { continue };
            let most = LEVEL_SYMBOLS.len() - 1;
            let level = most - (row(greatest).clamp(0, most as i64) as usize);
            buf[(x, place.y)].set_char(LEVEL_SYMBOLS[level]).set_style(style);
        }
    }

    fn render_crosshair(&self, window: Window, place: Rect, buf: &mut Buffer) {
        let crosshair =
            self.app.selection.crosshair.and_then(|time| window.cell_of(time.as_millis()));
        if let Some(cell) = crosshair {
            let theme = self.app.theme;
            cross_cell(&mut buf[(place.x + cell as u16, place.y)], theme, HIGHLIGHT);
        }
    }
}

/// Symbols of increasing height, for a chart of one row without dots.
const LEVEL_SYMBOLS: [char; 5] = ['_', '.', '-', '\'', '^'];

/// Returns the dot row of a value, 0 at the top, over the unit's range or the visible values.
fn scale(format: &ValueFormat, slots: &Slots, dots: i64) -> impl Fn(f64) -> i64 {
    let (min, max) = slots.extent().unwrap_or((0.0, 1.0));
    let (low, high) = match format.range {
        AxisRange::Fixed(end) => (0.0, max.max(end / format.scale)),
        AxisRange::FromZero(end) => (min.min(0.0), max.max(end / format.scale)),
        AxisRange::Fitted => (min, max),
    };
    let span = (high - low).max(f64::MIN_POSITIVE);
    move |value| ((high - value) / span * (dots as f64 - 1.0)).round() as i64
}

/// Returns the visible range of rows, unless all rows are visible.
pub(super) fn visible_range_text(app: &App, rows: u16) -> Option<String> {
    let all = app.sources.all().len();
    let shown = usize::from(rows).min(all);
    let first = app.sources.first_line(shown);
    (shown < all).then(|| format!(" sources {}-{} of {all}", first + 1, first + shown))
}
