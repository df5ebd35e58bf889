//! Compare pages: one metric of several sources, in one chart or in a chart for each source.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart::{self, ChartContent, ChartSeries, TitleText, ValueAxis};
use super::text::{CommonAffixes, Piece, put, put_right};
use crate::app::{App, COMPARED_SOURCES_MAX};
use crate::charts::{Chart, ChartLine};
use crate::layout::{ChartRect, Layout, Page};
use crate::theme::HIGHLIGHT;
use crate::thresholds::Level;
use crate::units::AxisRange;
use crate::watched::State;

/// Minimum width of a source's name in the legend. If less is left, the value is not shown.
const NAME_WIDTH_MIN: usize = 6;

/// Draws the charts of a compare page.
pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let Some((number, title)) = app.compared_metric() else { return };
    if app.screen.page == Page::CompareGrid {
        render_grid(app, title, &layout.charts, buf);
        return;
    }
    for place in &layout.charts {
        render_overlay(app, number, title, *place, buf);
    }
    render_legend(app, title, layout, buf);
}

/// Returns the sources of a range that have a chart with this title, each with its chart.
fn charts_with_title<'a>(
    app: &'a App,
    title: &'a str,
    sources: impl Iterator<Item = usize>,
) -> impl Iterator<Item = (usize, &'a Chart)> {
    sources.filter_map(move |at| Some((at, app.sources.all().get(at)?.chart(title)?)))
}

/// Returns a chart for the values of all charts: the first one's format, the widest range.
fn merged_chart<'a>(charts: impl Iterator<Item = &'a Chart>) -> Option<Chart> {
    let merged = charts.cloned().reduce(|mut all, chart| {
        all.format.range = match (all.format.range, chart.format.range) {
            (AxisRange::Fixed(a), AxisRange::Fixed(b)) => AxisRange::Fixed(a.max(b)),
            (AxisRange::FromZero(a), AxisRange::FromZero(b)) => AxisRange::FromZero(a.max(b)),
            (range, _) => range,
        };
        all
    })?;
    // Reference lines of one machine do not apply to the others.
    Some(Chart { references: Vec::new(), ..merged })
}

fn render_overlay(app: &App, number: usize, title: &str, place: ChartRect, buf: &mut Buffer) {
    let found: Vec<(usize, &Chart)> =
        charts_with_title(app, title, app.sources.compared()).collect();
    let all = charts_with_title(app, title, 0..app.sources.all().len()).map(|(_, chart)| chart);
    let Some(mut chart) = merged_chart(all) else { return };
    let Some(parts) = app.chart_parts(place) else { return };
    let window = chart::window(app, parts);
    let mut lines: Vec<ChartSeries> = Vec::new();
    let filled = found.iter().position(|(source, _)| *source == app.sources.shown()).unwrap_or(0);
    chart.lines.clear();
    for (source, source_chart) in found {
        chart.lines.push(ChartLine {
            column: 0,
            legend: String::new(),
            colour: source % COMPARED_SOURCES_MAX,
        });
        let first = window.and_then(|window| {
            let first = Chart {
                lines: source_chart.lines.iter().take(1).cloned().collect(),
                ..source_chart.clone()
            };
            chart::chart_series(app, source, &first, window).pop()
        });
        lines.extend(first);
    }
    let axis = ValueAxis::of(app, &chart, chart::extent(&lines), parts);
    // If a chart has several lines, the first one is compared.
    let of = charts_with_title(app, title, app.sources.compared())
        .find_map(|(_, chart)| chart.lines.first());
    let legend = of.map(|line| line.legend.as_str()).filter(|legend| !legend.is_empty());
    let title = legend.map_or(title.to_owned(), |legend| format!("{title}: {legend}"));
    let title_text = TitleText {
        title: &title,
        number: Some(number),
        is_chosen: true,
        values: Vec::new(),
        levels: Vec::new(),
        fresh: true,
    };
    let place = window.map(|window| (window, &axis));
    let content =
        ChartContent { chart: &chart, title_text, lines, filled_line: filled, empty_reason: None };
    chart::draw(app, content, place, parts, buf);
}

/// Draws the values of the compared sources, in the colours of their lines.
fn render_legend(app: &App, title: &str, layout: &Layout, buf: &mut Buffer) {
    let area = layout.legend;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    // Every source with a line is listed: if necessary, its name is shortened.
    let needed = (app.sources.compared().len() as u16).div_ceil(area.height);
    let columns = layout.legend_columns.max(needed).max(1);
    let cell_width = area.width / columns;
    let common = CommonAffixes::of(app.sources.all().iter().map(|view| view.watched.name.as_str()));
    for (place, source) in (0..).zip(app.sources.compared()) {
        let (row, column) = (place / columns, place % columns);
        if row >= area.height {
            break;
        }
        let cell = Rect {
            x: area.x + column * cell_width,
            y: area.y + row,
            width: cell_width.saturating_sub(2),
            height: 1,
        };
        let view = &app.sources.all()[source];
        let fresh = app.is_source_fresh(source);
        let line = theme.line(source % COMPARED_SOURCES_MAX, fresh);
        let value = view.chart(title).and_then(|chart| {
            let column = chart.lines.first()?.column;
            let value = app.sample_of(source)?.value(column);
            let level = if fresh { view.level(column, value) } else { Level::Normal };
            Some(Piece::new(chart.format.value(value), theme.level(level, line)))
        });
        let value = value.unwrap_or_else(|| Piece::new("-", line));
        // Lines are numbered as they are drawn. A source without this metric has no line.
        let number =
            charts_with_title(app, title, app.sources.compared()).position(|(at, _)| at == source);
        let symbol = number.map_or(' ', |number| theme.line_symbol(number));
        let chosen = source == app.sources.shown();
        let name = if chosen { HIGHLIGHT } else { theme.faint() };
        let has_value = value.width() + NAME_WIDTH_MIN <= usize::from(cell.width);
        let beside = if has_value { value.width() + 4 } else { 2 };
        let room = usize::from(cell.width).saturating_sub(beside);
        let pieces = [
            Piece::new(format!("{symbol} "), line),
            Piece::new(common.shortened(&view.watched.name, room), name),
        ];
        put(buf, cell, &pieces);
        if has_value {
            put_right(buf, cell, &[value]);
        }
    }
}

/// Draws a chart for each source. All charts have the value axis of the visible sources.
fn render_grid(app: &App, title: &str, places: &[ChartRect], buf: &mut Buffer) {
    let first = places.first().and_then(|place| app.chart_parts(*place));
    let Some(window) = first.map(|parts| chart::window(app, parts)) else { return };
    let sources = || charts_with_title(app, title, places.iter().map(|place| place.index));
    // The range covers all sources, so that it does not change from page to page.
    let all = charts_with_title(app, title, 0..app.sources.all().len()).map(|(_, chart)| chart);
    let Some(all) = merged_chart(all) else { return };
    let lines = |source, chart| {
        window.map_or_else(Vec::new, |window| chart::chart_series(app, source, chart, window))
    };
    let series: Vec<ChartSeries> =
        sources().flat_map(|(source, chart)| lines(source, chart)).collect();
    let extent = chart::extent(&series);
    let nothing = Chart { lines: Vec::new(), ..all.clone() };
    for place in places {
        let Some(parts) = app.chart_parts(*place) else { continue };
        let source = place.index;
        let view = &app.sources.all()[source];
        let chart = view.chart(title).unwrap_or(&nothing);
        let axis = ValueAxis::of(app, &all, extent, parts);
        let state = view.watched.state(app.now);
        let title = match state {
            State::Live => view.watched.name.clone(),
            _ => format!("{} {}", view.watched.name, state.word()),
        };
        let title_text = TitleText {
            title: &title,
            number: None,
            is_chosen: source == app.sources.shown(),
            values: chart::values(chart, app.sample_of(source)),
            levels: chart::levels(view, chart, app.sample_of(source)),
            fresh: app.is_source_fresh(source),
        };
        let why_empty = view.empty_reason(chart).filter(|_| !chart.lines.is_empty());
        let content = ChartContent {
            chart,
            title_text,
            lines: lines(source, chart),
            filled_line: 0,
            empty_reason: why_empty,
        };
        let place = chart::window(app, parts).map(|window| (window, &axis));
        chart::draw(app, content, place, parts, buf);
    }
}
