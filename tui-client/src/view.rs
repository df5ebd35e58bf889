//! Rendering of the screen. Draws an [`App`] into a buffer of any size and changes no state.

mod chart;
mod compare;
mod empty;
mod finding;
mod footer;
mod header;
mod help;
mod overview;
mod processes;
mod stats;
mod table;
mod text;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::App;
use crate::layout::Page;

/// Draws the app into an area of a buffer.
pub fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let layout = app.layout(area);
    header::render(app, &layout, buf);
    finding::render(app, layout.finding, buf);
    match app.screen.page {
        Page::Overview => overview::render(app, layout.sources, buf),
        Page::CompareOverlay | Page::CompareGrid => compare::render(app, &layout, buf),
        Page::Dashboard | Page::Fullscreen => chart::render_all(app, &layout.charts, buf),
    }
    stats::render(app, &layout, buf);
    if app.screen.shows_processes() {
        processes::render(app, &layout, buf);
    } else {
        table::render(app, layout.table, buf);
    }
    header::render_value_line(app, layout.value_line, buf);
    let is_empty = match app.screen.page {
        Page::Overview => false,
        Page::CompareOverlay | Page::CompareGrid => app.sources.metric_titles().is_empty(),
        Page::Dashboard | Page::Fullscreen => app.sources.charts().is_empty(),
    };
    if is_empty && layout.value_line.is_empty() {
        let above = layout.header.height + layout.finding.height;
        let rows = area.height - above - layout.footer.height;
        empty::render(app, Rect { y: area.y + above, height: rows, ..area }, buf);
    }
    footer::render(app, &layout, area, buf);
    if let Some(scroll) = app.screen.help_scroll {
        help::render(app, scroll, area, buf);
    }
    if !app.theme.utf8 {
        replace_non_ascii(area, buf);
    }
}

/// Replaces the characters that a terminal without UTF-8 would garble, for example in names.
fn replace_non_ascii(area: Rect, buf: &mut Buffer) {
    for position in area.positions() {
        let cell = &mut buf[position];
        let replacement = match cell.symbol() {
            symbol if symbol.is_ascii() => continue,
            "°" => 'o',
            "µ" | "μ" => 'u',
            _ => '?',
        };
        cell.set_char(replacement);
    }
}

/// Returns the rows that move up with each new sample: the data table without its head.
pub fn scrolling_rows(app: &App) -> Rect {
    if app.screen.shows_processes() {
        return Rect::ZERO;
    }
    let table = app.layout(app.area()).table;
    let head = table.height.min(1);
    Rect { y: table.y + head, height: table.height - head, ..table }
}
