//! Footer row: the keys that matter now, or a message to the user.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr as _;

use super::text::{put, put_right, put_spans, width};
use crate::app::{App, Order, TimeInput};
use crate::keys::{Action, spell_arrows};
use crate::layout::{Layout, Page, TablePosition};
use crate::store::ProcessOrder;
use crate::theme::{HIGHLIGHT, STRONG};

/// Keys that belong together, and a label for their effect.
struct Hint(&'static [Action], &'static str);

const QUIT: Hint = Hint(&[Action::Quit], "quit");
const HELP: Hint = Hint(&[Action::Help], "help");
const BACK: Hint = Hint(&[Action::Back], "back");
const CHART: Hint = Hint(&[Action::NextChart], "chart");
const TABLE: Hint = Hint(&[Action::Table], "table");
const PROCESSES: Hint = Hint(&[Action::Processes], "processes");
const SAMPLES: Hint = Hint(&[Action::Processes], "samples");
const ZOOM: Hint = Hint(&[Action::ZoomIn, Action::ZoomOut], "zoom");
const PAN: Hint = Hint(&[Action::Left, Action::Right], "pan");
const CROSSHAIR: Hint = Hint(&[Action::Crosshair], "crosshair");
const SCROLL: Hint = Hint(&[Action::Up, Action::Down], "scroll");
const LIVE: Hint = Hint(&[Action::Live], "live");
const ASK_AGAIN: Hint = Hint(&[Action::AskAgain], "ssh prompt");
const SOURCE: Hint = Hint(&[Action::NextSource, Action::PreviousSource], "source");
const COMPARE: Hint = Hint(&[Action::Compare], "compare");
const UNITS: Hint = Hint(&[Action::Units], "units");
const GO_TO: Hint = Hint(&[Action::GoTo], "go to time");

/// Returns the hints for the current state, the most important first.
fn hints(app: &App, layout: &Layout) -> Vec<Hint> {
    if app.screen.help_scroll.is_some() {
        return vec![SCROLL, BACK, QUIT];
    }
    if app.selection.crosshair.is_some() {
        return crosshair_hints(app, layout);
    }
    let watched = app.sources.watched();
    let mut hints = vec![QUIT, HELP];
    if watched.may_prompt && watched.state(app.now).outage().is_some() {
        hints.push(ASK_AGAIN);
    }
    hints.extend(process_hints(app));
    hints.extend(page_hints(app));
    if !app.sources.is_single() && !app.screen.shows_all_sources() {
        hints.extend([SOURCE, COMPARE, BACK]);
    }
    if app.window.paused_at().is_some() {
        hints.extend([Hint(&[Action::Pause], "resume"), LIVE]);
    } else {
        hints.push(Hint(&[Action::Pause], "pause"));
    }
    hints.extend([ZOOM, PAN, CROSSHAIR, GO_TO, UNITS]);
    hints
}

/// Returns the hints that only the shown page has.
fn page_hints(app: &App) -> Vec<Hint> {
    match (app.screen.page, app.screen.table_position()) {
        (Page::Overview, _) => {
            let is_as_listed = app.sources.order == Order::AsListed;
            let order = if is_as_listed { "hottest first" } else { "as given" };
            vec![
                Hint(&[Action::Up, Action::Down], "select"),
                Hint(&[Action::Fullscreen], "open"),
                Hint(&[Action::Order], order),
                COMPARE,
            ]
        }
        (Page::CompareOverlay | Page::CompareGrid, _) => {
            let next = if app.screen.page == Page::CompareOverlay { "grid" } else { "back" };
            vec![Hint(&[Action::Compare], next), Hint(&[Action::NextChart], "metric"), SOURCE]
        }
        (Page::Fullscreen, _) => {
            let cycle = if app.screen.cycle_at.is_some() { "stop cycling" } else { "cycle" };
            vec![Hint(&[Action::Fullscreen], "all charts"), CHART, Hint(&[Action::Cycle], cycle)]
        }
        (Page::Dashboard, TablePosition::Alone) if app.screen.shows_processes() => vec![TABLE],
        (Page::Dashboard, TablePosition::Alone) => {
            vec![TABLE, SCROLL, Hint(&[Action::ColumnsLeft, Action::ColumnsRight], "columns")]
        }
        (Page::Dashboard, TablePosition::Below | TablePosition::Off) => {
            vec![Hint(&[Action::Fullscreen], "fullscreen"), CHART, TABLE]
        }
    }
}

/// Returns the hints for the table of processes, if the page has one or the source has looks.
fn process_hints(app: &App) -> Vec<Hint> {
    if app.screen.shows_processes() {
        let order = match app.screen.processes.order {
            ProcessOrder::Cpu => "by memory",
            ProcessOrder::Memory => "by CPU",
        };
        return vec![SAMPLES, Hint(&[Action::Order], order), SCROLL];
    }
    let has_looks = app.sources.watched().looks.newest().is_some();
    if has_looks && !app.screen.shows_all_sources() { vec![PROCESSES] } else { Vec::new() }
}

/// Returns the hints while the crosshair is shown. Pages with all sources have no mark.
fn crosshair_hints(app: &App, layout: &Layout) -> Vec<Hint> {
    let has_mark = app.selection.mark.is_some();
    let mut hints = vec![
        Hint(&[Action::Left, Action::Right], "move"),
        Hint(&[Action::SampleForward, Action::SampleBack], "step"),
    ];
    if !app.screen.shows_all_sources() {
        hints.push(Hint(&[Action::Mark], if has_mark { "move mark" } else { "mark" }));
    }
    hints.extend(process_hints(app));
    let (_, rows, all) = app.visible_series(layout);
    if !layout.stats.is_empty() && rows < all {
        hints.push(Hint(&[Action::SeriesUp, Action::SeriesDown], "scroll"));
    }
    let back = if has_mark { "unmark" } else { "crosshair off" };
    hints.extend([ZOOM, Hint(&[Action::Back], back), HELP, QUIT]);
    hints
}

pub(super) fn render(app: &App, layout: &Layout, screen: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let area = layout.footer;
    if let Some(typed) = &app.footer.time_input {
        // The time input is shown even on a screen without a footer.
        let last = Rect { y: screen.bottom().saturating_sub(1), height: 1, ..screen };
        render_time_input(app, typed, last.intersection(screen), buf);
        return;
    }
    if let Some(message) = &app.footer.message {
        put(buf, area, &message.text, STRONG);
        return;
    }
    let range = visible_range(app, layout).unwrap_or_default();
    let range_width = range.width() as u16;
    let mut left = area;
    if range_width < area.width / 2 {
        left.width -= range_width;
        put_right(buf, area, &range, theme.faint());
    }
    for Hint(actions, effect) in hints(app, layout) {
        let names =
            actions.iter().map(|action| spell_arrows(&app.keys.label(*action), theme.ascii));
        let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        // No key is bound to these actions.
        if names.is_empty() {
            continue;
        }
        let spans = [
            Span::styled(names.join(" "), STRONG),
            Span::styled(format!(" {effect}   "), theme.faint()),
        ];
        // The spaces after the last hint may be cut.
        if width(&spans) > usize::from(left.width) + 3 {
            break;
        }
        let used = put_spans(buf, left, &spans);
        left = Rect { x: left.x + used, width: left.width - used, ..left };
    }
}

/// Divisor of the footer width: a longer input is scrolled, so that the prompt stays visible.
const INPUT_WIDTH_DIVISOR: u16 = 2;

/// Examples of times, the longest first. The first one that fits is shown.
const TIME_EXAMPLES: [&str; 3] =
    ["03:12, -2h, yesterday 03:12, 2026-11-28 03:12", "03:12, -2h, yesterday 03:12", "03:12, -2h"];

/// Draws the input line for a time: the text, its cursor, and examples.
fn render_time_input(app: &App, typed: &TimeInput, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let room = usize::from(area.width / INPUT_WIDTH_DIVISOR).max(1);
    let scroll = typed.input.visual_scroll(room);
    let text: String = typed.input.value().chars().skip(scroll).take(room).collect();
    let at = typed.input.visual_cursor().saturating_sub(scroll);
    let (before, after) = text.split_at_checked(at).unwrap_or((&text, ""));
    let (under, after) = after.split_at_checked(1).unwrap_or((" ", ""));
    let (word, style) = if typed.is_invalid {
        ("  invalid; try ", theme.warning())
    } else {
        ("  e.g. ", theme.faint())
    };
    let spans = [
        Span::styled("go to ", theme.faint()),
        Span::styled(before, STRONG),
        Span::styled(under, HIGHLIGHT),
        Span::styled(after, STRONG),
        Span::styled(word, style),
    ];
    for position in area.positions() {
        buf[position].reset();
    }
    let used = put_spans(buf, area, &spans);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    if let Some(times) = TIME_EXAMPLES.iter().find(|times| times.len() <= usize::from(room.width)) {
        put(buf, room, times, style);
    }
}

/// Returns the visible range of charts, sources or series, unless all are visible.
fn visible_range(app: &App, layout: &Layout) -> Option<String> {
    let sources = app.sources.all().len();
    let (noun, visible, all) = match app.screen.page {
        _ if !layout.stats.is_empty() => {
            let (first, rows, all) = app.visible_series(layout);
            ("series", first..first + rows, all)
        }
        Page::Overview => {
            let rows = usize::from(layout.sources.height).min(sources);
            let first = app.sources.first_line(rows);
            ("sources", first..first + rows, sources)
        }
        Page::CompareOverlay => ("sources", app.sources.compared(), sources),
        Page::CompareGrid => ("sources", visible_charts(layout)?, sources),
        Page::Dashboard | Page::Fullscreen if app.screen.shows_processes() => {
            let (first, rows, all) = app.visible_processes(layout);
            ("processes", first..first + rows, all)
        }
        Page::Fullscreen => return None,
        Page::Dashboard => ("charts", visible_charts(layout)?, app.sources.charts().len()),
    };
    (visible.len() < all).then(|| format!(" {noun} {}-{} of {all}", visible.start + 1, visible.end))
}

fn visible_charts(layout: &Layout) -> Option<Range<usize>> {
    Some(layout.charts.first()?.index..layout.charts.last()?.index + 1)
}
