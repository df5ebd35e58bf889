//! Compare pages: one metric of several sources, in one chart or in a chart for each source.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::chart::{self, ChartSeries, Figure, TitleText, ValueAxis};
use super::text::{CommonAffixes, put, put_right};
use crate::app::{App, COMPARED_SOURCES_MAX};
use crate::charts::{Chart, ChartLine};
use crate::layout::{ChartRect, Layout, Page};
use crate::theme::HIGHLIGHT;
use crate::thresholds::Level;
use crate::units::AxisRange;
use crate::watched::State;

/// Minimum width of a source's name in the legend. If less is left, the value is not shown.
const NAME_WIDTH_MIN: usize = 6;

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let Some((number, title)) = app.compared_metric() else { return };
    // The range covers all sources, so that it does not change from page to page.
    let charts = app.sources.all().iter().filter_map(|view| view.chart(title));
    let Some(all) = merged_chart(charts) else { return };
    if app.screen.page == Page::CompareGrid {
        render_grid(app, title, &all, &layout.charts, buf);
        return;
    }
    for place in &layout.charts {
        render_overlay(app, number, all.clone(), *place, buf);
    }
    render_legend(app, title, layout, buf);
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

/// Returns the compared sources that have a line of this title, each with its chart and line.
fn compared_lines<'a>(
    app: &'a App,
    title: &'a str,
) -> impl Iterator<Item = (usize, &'a Chart, &'a ChartLine)> {
    app.sources.compared().filter_map(move |source| {
        // If a chart has several lines, the first one is compared.
        let (chart, line) = app.sources.all()[source].chart(title)?.lines_with_chart().next()?;
        Some((source, chart, line))
    })
}

/// Draws one chart with a line for each compared source. `chart` is the merged one.
fn render_overlay(app: &App, number: usize, mut chart: Chart, place: ChartRect, buf: &mut Buffer) {
    let Some(parts) = app.chart_parts(place) else { return };
    let window = chart::window(app, parts);
    let compared: Vec<(usize, &Chart, &ChartLine)> = compared_lines(app, &chart.title).collect();
    let series = |(source, chart, line): &(usize, &_, &_)| {
        chart::series(app, *source, std::iter::once((*chart, *line)), window)
    };
    let lines: Vec<ChartSeries> = compared.iter().flat_map(series).collect();
    let filled_line = compared.iter().position(|(source, ..)| *source == app.sources.shown());
    let legend = compared.first().map_or("", |(_, _, line)| &line.legend);
    let legend = if legend.is_empty() { String::new() } else { format!(": {legend}") };
    let title = format!("{}{legend}", chart.title);
    let line = |(source, ..): &(usize, _, _)| ChartLine {
        column: 0,
        legend: String::new(),
        colour: source % COMPARED_SOURCES_MAX,
    };
    chart.lines = compared.iter().map(line).collect();
    let axis = ValueAxis::of(app, &chart, chart::extent(&lines), parts);
    let title = TitleText {
        title: &title,
        number: Some(number),
        is_chosen: true,
        values: Vec::new(),
        processes: Vec::new(),
        fresh: true,
    };
    let (chart, filled_line) = (&chart, filled_line.unwrap_or(0));
    let figure = Figure { app, chart, parts, title, lines, filled_line, axis, empty_reason: None };
    chart::draw(figure, buf);
}

/// Draws the values of the compared sources, in the colours of their lines.
fn render_legend(app: &App, title: &str, layout: &Layout, buf: &mut Buffer) {
    let area = layout.legend;
    if area.is_empty() {
        return;
    }
    // Every source with a line is listed: if necessary, its name is shortened.
    let needed = (app.sources.compared().len() as u16).div_ceil(area.height);
    let columns = layout.legend_columns.max(needed).max(1);
    let width = area.width / columns;
    let common = CommonAffixes::of(app.sources.all().iter().map(|view| view.watched.name.as_str()));
    // Lines are numbered as they are drawn. A source without this metric has no line.
    let drawn: Vec<usize> = compared_lines(app, title).map(|(source, ..)| source).collect();
    for (nth, source) in
        (0..).zip(app.sources.compared()).take_while(|(nth, _)| nth / columns < area.height)
    {
        let (x, y) = (area.x + nth % columns * width, area.y + nth / columns);
        let cell = Rect { x, y, width: width.saturating_sub(2), height: 1 };
        let number = drawn.iter().position(|at| *at == source);
        render_legend_cell(app, title, source, number, common, cell, buf);
    }
}

fn render_legend_cell(
    app: &App,
    title: &str,
    source: usize,
    number: Option<usize>,
    common: CommonAffixes,
    cell: Rect,
    buf: &mut Buffer,
) {
    let theme = app.theme;
    let view = &app.sources.all()[source];
    let fresh = app.is_source_fresh(source);
    let line = theme.line(source % COMPARED_SOURCES_MAX, fresh);
    let value = view.chart(title).and_then(|chart| {
        let column = chart.lines.first()?.column;
        let value = app.sample_of(source)?.value(column);
        let level = if fresh { view.level(column, value) } else { Level::Normal };
        Some((chart.format.value(value), theme.level(level, line)))
    });
    let (value, value_style) = value.unwrap_or_else(|| ("-".to_owned(), line));
    let symbol = number.map_or(' ', |number| theme.line_symbol(number));
    let chosen = source == app.sources.shown();
    let name_style = if chosen { HIGHLIGHT } else { theme.faint() };
    let has_value = value.width() + NAME_WIDTH_MIN <= usize::from(cell.width);
    let beside = if has_value { value.width() + 4 } else { 2 };
    let room = usize::from(cell.width).saturating_sub(beside);
    let used = put(buf, cell, &format!("{symbol} "), line);
    let rest = Rect { x: cell.x + used, width: cell.width - used, ..cell };
    put(buf, rest, &common.shortened(&view.watched.name, room), name_style);
    if has_value {
        put_right(buf, cell, &value, value_style);
    }
}

/// Draws a chart for each source. All charts have the value axis of the visible sources.
fn render_grid(app: &App, title: &str, all: &Chart, places: &[ChartRect], buf: &mut Buffer) {
    let nothing = Chart { lines: Vec::new(), ..all.clone() };
    let figures = places.iter().filter_map(|place| {
        let view = app.sources.all().get(place.index)?;
        let (chart, parts) = (view.chart(title).unwrap_or(&nothing), app.chart_parts(*place)?);
        let lines =
            chart::series(app, place.index, chart.lines_with_chart(), chart::window(app, parts));
        Some((place.index, view, chart, parts, lines))
    });
    let figures: Vec<_> = figures.collect();
    let extent = chart::extent(figures.iter().flat_map(|(.., lines)| lines));
    for (source, view, chart, parts, lines) in figures {
        let state = view.watched.state(app.now);
        let name = &view.watched.name;
        let fresh = app.is_source_fresh(source);
        let title = match state {
            State::Live => name.clone(),
            _ => format!("{name} {}", state.label()),
        };
        let title = TitleText {
            title: &title,
            number: None,
            is_chosen: source == app.sources.shown(),
            values: chart::values(view, chart, app.sample_of(source), fresh),
            processes: Vec::new(),
            fresh,
        };
        let axis = ValueAxis::of(app, all, extent, parts);
        let empty_reason = view.empty_reason(chart).filter(|_| !chart.lines.is_empty());
        let figure = Figure { app, chart, parts, title, lines, filled_line: 0, axis, empty_reason };
        chart::draw(figure, buf);
    }
}
