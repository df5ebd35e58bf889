//! Footer row: the keys that matter now, or a message to the user.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::overview::visible_range_text;
use super::text::{Piece, put, put_right, width};
use crate::app::{App, Order, TimeInput, WindowEnd};
use crate::keys::{Action, spell_arrows};
use crate::layout::{Layout, Page, TablePosition};
use crate::theme::{HIGHLIGHT, STRONG};

/// Keys that belong together, and a label for their effect.
type Hint = (&'static [Action], &'static str);

const QUIT: Hint = (&[Action::Quit], "quit");
const HELP: Hint = (&[Action::Help], "help");
const CHART: Hint = (&[Action::NextChart], "chart");
const TABLE: Hint = (&[Action::Table], "table");
const ZOOM: Hint = (&[Action::ZoomIn, Action::ZoomOut], "zoom");
const PAN: Hint = (&[Action::Left, Action::Right], "pan");
const CROSSHAIR: Hint = (&[Action::Crosshair], "crosshair");
const SCROLL: Hint = (&[Action::Up, Action::Down], "scroll");
const LIVE: Hint = (&[Action::Live], "live");
const ASK_AGAIN: Hint = (&[Action::AskAgain], "ssh prompt");
const SOURCE: Hint = (&[Action::NextSource, Action::PreviousSource], "source");
const COMPARE: Hint = (&[Action::Compare], "compare");
const UNITS: Hint = (&[Action::Units], "units");
const GO_TO: Hint = (&[Action::GoTo], "go to time");

/// Returns the hints for the current state, the most important first.
fn hints(app: &App, layout: &Layout) -> Vec<Hint> {
    if app.screen.help_scroll.is_some() {
        return vec![SCROLL, (&[Action::Back], "back"), QUIT];
    }
    let pause = match app.window.end {
        WindowEnd::Live => (&[Action::Pause][..], "pause"),
        WindowEnd::Paused(_) => (&[Action::Pause][..], "resume"),
    };
    if app.selection.crosshair.is_some() {
        return crosshair_hints(app, layout);
    }
    let mut hints = vec![QUIT, HELP];
    if app.sources.watched().may_prompt && app.sources.watched().state(app.now).outage().is_some() {
        hints.push(ASK_AGAIN);
    }
    match (app.screen.page, app.screen.table) {
        (Page::Overview, _) => {
            let is_as_listed = app.sources.order == Order::AsListed;
            let order = if is_as_listed { "hottest first" } else { "as given" };
            hints.extend([
                (&[Action::Up, Action::Down][..], "select"),
                (&[Action::Fullscreen], "open"),
                (&[Action::Order], order),
                COMPARE,
            ]);
        }
        (Page::CompareOverlay | Page::CompareGrid, _) => {
            let next = if app.screen.page == Page::CompareOverlay { "grid" } else { "back" };
            hints.extend([
                (&[Action::Compare][..], next),
                (&[Action::NextChart], "metric"),
                SOURCE,
            ]);
        }
        (Page::Fullscreen, _) => {
            hints.extend([(&[Action::Fullscreen][..], "all charts"), CHART]);
            let cycle = if app.screen.cycle_at.is_some() { "stop cycling" } else { "cycle" };
            hints.push((&[Action::Cycle], cycle));
        }
        (Page::Dashboard, TablePosition::Alone) => {
            hints.extend([
                TABLE,
                SCROLL,
                (&[Action::ColumnsLeft, Action::ColumnsRight], "columns"),
            ]);
        }
        (Page::Dashboard, TablePosition::Below | TablePosition::Off) => {
            hints.extend([(&[Action::Fullscreen][..], "fullscreen"), CHART, TABLE]);
        }
    }
    if !app.sources.is_single() && !app.screen.shows_all_sources() {
        hints.extend([SOURCE, COMPARE, (&[Action::Back][..], "back")]);
    }
    hints.push(pause);
    if app.window.end != WindowEnd::Live {
        hints.push(LIVE);
    }
    hints.extend([ZOOM, PAN, CROSSHAIR, GO_TO, UNITS]);
    hints
}

/// Returns the hints while the crosshair is shown. Pages with all sources have no mark.
fn crosshair_hints(app: &App, layout: &Layout) -> Vec<Hint> {
    let mut hints: Vec<Hint> = vec![
        (&[Action::Left, Action::Right], "move"),
        (&[Action::SampleForward, Action::SampleBack], "step"),
    ];
    if !app.screen.shows_all_sources() {
        let mark = if app.selection.mark.is_some() { "move mark" } else { "mark" };
        hints.push((&[Action::Mark], mark));
    }
    let (_, rows, all) = app.visible_series(layout);
    if !layout.stats.is_empty() && rows < all {
        hints.push((&[Action::SeriesUp, Action::SeriesDown], "scroll"));
    }
    let back = if app.selection.mark.is_some() { "unmark" } else { "crosshair off" };
    hints.extend([ZOOM, (&[Action::Back][..], back), HELP, QUIT]);
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
        put(buf, area, &[Piece::new(message.text.clone(), STRONG)]);
        return;
    }
    let range = visible_range(app, layout);
    let range_width = width(&range) as u16;
    let is_room = range_width < area.width / 2;
    let mut left = Rect { width: area.width - if is_room { range_width } else { 0 }, ..area };
    if is_room {
        put_right(buf, area, &range);
    }
    for (actions, description) in hints(app, layout) {
        let names =
            actions.iter().map(|action| spell_arrows(&app.keys.label(*action), theme.ascii));
        let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        // No key is bound to these actions.
        if names.is_empty() {
            continue;
        }
        let pieces = [
            Piece::new(names.join(" "), STRONG),
            Piece::new(format!(" {description}   "), theme.faint()),
        ];
        // The spaces after the last hint may be cut.
        if width(&pieces) > usize::from(left.width) + 3 {
            break;
        }
        let used = put(buf, left, &pieces);
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
    if area.is_empty() {
        return;
    }
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
    let pieces = [
        Piece::new("go to ", theme.faint()),
        Piece::new(before.to_owned(), STRONG),
        Piece::new(under.to_owned(), HIGHLIGHT),
        Piece::new(after.to_owned(), STRONG),
        Piece::new(word, style),
    ];
    for x in area.left()..area.right() {
        buf[(x, area.y)].reset();
    }
    let used = put(buf, area, &pieces);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    if let Some(times) = TIME_EXAMPLES.iter().find(|times| times.len() <= usize::from(room.width)) {
        put(buf, room, &[Piece::new(*times, style)]);
    }
}

/// Returns the visible range of charts, sources or series, unless all are visible.
fn visible_range(app: &App, layout: &Layout) -> Vec<Piece> {
    let text = match app.screen.page {
        _ if !layout.stats.is_empty() => {
            let (first, rows, all) = app.visible_series(layout);
            (rows < all).then(|| format!(" series {}-{} of {all}", first + 1, first + rows))
        }
        Page::Overview => visible_range_text(app, layout.sources.height),
        Page::CompareOverlay => {
            let (range, all) = (app.sources.compared(), app.sources.all().len());
            (range.len() < all)
                .then(|| format!(" sources {}-{} of {all}", range.start + 1, range.end))
        }
        Page::CompareGrid => chart_range_text(layout, "sources", app.sources.all().len()),
        Page::Fullscreen => None,
        Page::Dashboard => chart_range_text(layout, "charts", app.sources.charts().len()),
    };
    text.map(|text| Piece::new(text, app.theme.faint())).into_iter().collect()
}

fn chart_range_text(layout: &Layout, noun: &str, all: usize) -> Option<String> {
    let (first, last) = (layout.charts.first()?.index, layout.charts.last()?.index);
    let is_all = last - first + 1 == all;
    (!is_all).then(|| format!(" {noun} {}-{} of {all}", first + 1, last + 1))
}
