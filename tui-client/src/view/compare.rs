//! One metric of several sources: a line for each in one chart, or a chart for each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart::{self, Drawing, Figure, Heading, ValueAxis};
use super::text::{Common, Piece, put, put_right};
use crate::app::{App, LINES_MAX};
use crate::charts::{Chart, ChartLine};
use crate::layout::{ChartPlace, Layout, Page};
use crate::thresholds::Level;
use crate::units::Range;
use crate::watched::State;

/// A value that leaves its source fewer columns has no room.
const NAME_MIN: usize = 6;

/// Draws the charts of the page on which sources are compared.
pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let Some((number, title)) = app.metric() else { return };
    if app.screen.page() == Page::Apart {
        render_apart(app, title, &layout.charts, buf);
        return;
    }
    for place in &layout.charts {
        render_together(app, number, title, *place, buf);
    }
    render_legend(app, title, layout, buf);
}

/// The sources of a range that have a chart of this title, each with it.
fn charts<'a>(
    app: &'a App,
    title: &'a str,
    sources: impl Iterator<Item = usize>,
) -> impl Iterator<Item = (usize, &'a Chart)> {
    sources.filter_map(move |at| Some((at, app.sources().get(at)?.chart(title)?)))
}

/// A chart that has room for the values of all of these: the look of the first, over the widest range.
fn common<'a>(charts: impl Iterator<Item = &'a Chart>) -> Option<Chart> {
    let merged = charts.cloned().reduce(|mut all, chart| {
        all.look.range = match (all.look.range, chart.look.range) {
            (Range::Fixed(a), Range::Fixed(b)) => Range::Fixed(a.max(b)),
            (Range::FromZero(a), Range::FromZero(b)) => Range::FromZero(a.max(b)),
            (range, _) => range,
        };
        all
    })?;
    // What the values of one machine are compared with says nothing of the others.
    Some(Chart { references: Vec::new(), ..merged })
}

fn render_together(app: &App, number: usize, title: &str, place: ChartPlace, buf: &mut Buffer) {
    let found: Vec<(usize, &Chart)> = charts(app, title, app.compared()).collect();
    let all = charts(app, title, 0..app.sources().len()).map(|(_, chart)| chart);
    let Some(mut chart) = common(all) else { return };
    let Some(parts) = app.chart_parts(place) else { return };
    let window = chart::window(app, parts);
    let mut lines: Vec<Drawing> = Vec::new();
    let filled = found.iter().position(|(source, _)| *source == app.shown()).unwrap_or(0);
    chart.lines.clear();
    for (source, theirs) in found {
        chart.lines.push(ChartLine {
            column: 0,
            legend: String::new(),
            colour: source % LINES_MAX,
        });
        let first = window.and_then(|window| {
            let first =
                Chart { lines: theirs.lines.iter().take(1).cloned().collect(), ..theirs.clone() };
            chart::drawings(app, source, &first, window).pop()
        });
        lines.extend(first);
    }
    let axis = ValueAxis::of(app, &chart, chart::extent(&lines), parts);
    // Of a chart with several lines, the first is compared.
    let of = charts(app, title, app.compared()).find_map(|(_, chart)| chart.lines.first());
    let legend = of.map(|line| line.legend.as_str()).filter(|legend| !legend.is_empty());
    let title = legend.map_or(title.to_owned(), |legend| format!("{title}: {legend}"));
    let heading = Heading {
        title: &title,
        number: Some(number),
        is_chosen: true,
        values: Vec::new(),
        levels: Vec::new(),
        fresh: true,
    };
    let place = window.map(|window| (window, &axis));
    let figure = Figure { chart: &chart, heading, lines, filled, why_empty: None };
    chart::draw(app, figure, place, parts, buf);
}

/// The values of the sources that stand in the chart, in their colours.
fn render_legend(app: &App, title: &str, layout: &Layout, buf: &mut Buffer) {
    let area = layout.legend;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    // A source whose line is drawn is never left out: rather, its name is shortened.
    let needed = (app.compared().len() as u16).div_ceil(area.height);
    let columns = layout.legend_columns.max(needed).max(1);
    let wide = area.width / columns;
    let common = Common::of(app.sources().iter().map(|seen| seen.watched.name.as_str()));
    for (place, source) in (0..).zip(app.compared()) {
        let (row, column) = (place / columns, place % columns);
        if row >= area.height {
            break;
        }
        let cell = Rect {
            x: area.x + column * wide,
            y: area.y + row,
            width: wide.saturating_sub(2),
            height: 1,
        };
        let seen = &app.sources()[source];
        let fresh = app.is_fresh_of(source);
        let line = theme.line(source % LINES_MAX, fresh);
        let value = seen.chart(title).and_then(|chart| {
            let column = chart.lines.first()?.column;
            let value = app.sample_of(source)?.value(column);
            let level = if fresh { seen.level(column, value) } else { Level::Calm };
            Some(Piece::new(chart.look.value(value), theme.level(level, line)))
        });
        let value = value.unwrap_or_else(|| Piece::new("-", line));
        // Lines are numbered as they are drawn: those of sources without this metric are not.
        let number = charts(app, title, app.compared()).position(|(at, _)| at == source);
        let sign = number.map_or(' ', |number| theme.line_sign(number));
        let chosen = source == app.shown();
        let name = if chosen { theme.pointed() } else { theme.faint() };
        let has_value = value.width() + NAME_MIN <= usize::from(cell.width);
        let beside = if has_value { value.width() + 4 } else { 2 };
        let room = usize::from(cell.width).saturating_sub(beside);
        let pieces = [
            Piece::new(format!("{sign} "), line),
            Piece::new(common.shortened(&seen.watched.name, room), name),
        ];
        put(buf, cell, &pieces);
        if has_value {
            put_right(buf, cell, &[value]);
        }
    }
}

/// A chart for each source, all of them with the value axis of those in sight.
fn render_apart(app: &App, title: &str, places: &[ChartPlace], buf: &mut Buffer) {
    let first = places.first().and_then(|place| app.chart_parts(*place));
    let Some(window) = first.map(|parts| chart::window(app, parts)) else { return };
    let sources = || charts(app, title, places.iter().map(|place| place.at));
    // The range is that of all sources, so that it stays where it is from page to page.
    let all = charts(app, title, 0..app.sources().len()).map(|(_, chart)| chart);
    let Some(all) = common(all) else { return };
    let lines = |source, chart| {
        window.map_or_else(Vec::new, |window| chart::drawings(app, source, chart, window))
    };
    let drawn: Vec<Drawing> = sources().flat_map(|(source, chart)| lines(source, chart)).collect();
    let extent = chart::extent(&drawn);
    let nothing = Chart { lines: Vec::new(), ..all.clone() };
    for place in places {
        let Some(parts) = app.chart_parts(*place) else { continue };
        let source = place.at;
        let seen = &app.sources()[source];
        let chart = seen.chart(title).unwrap_or(&nothing);
        let axis = ValueAxis::of(app, &all, extent, parts);
        let state = seen.watched.state(app.now);
        let title = match state {
            State::Live => seen.watched.name.clone(),
            _ => format!("{} {}", seen.watched.name, state.word()),
        };
        let heading = Heading {
            title: &title,
            number: None,
            is_chosen: source == app.shown(),
            values: chart::values(chart, app.sample_of(source)),
            levels: chart::levels(seen, chart, app.sample_of(source)),
            fresh: app.is_fresh_of(source),
        };
        let why_empty = seen.why_empty(chart).filter(|_| !chart.lines.is_empty());
        let figure = Figure { chart, heading, lines: lines(source, chart), filled: 0, why_empty };
        let place = chart::window(app, parts).map(|window| (window, &axis));
        chart::draw(app, figure, place, parts, buf);
    }
}
