//! The last row: the keys that matter now, or what the user should know.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::help::plain;
use super::overview::in_sight;
use super::text::{Piece, put, put_right, width};
use crate::app::{App, Order, Screen, View};
use crate::keys::Action;
use crate::layout::{Layout, Page, Table};

/// Keys that belong together, and a word for what they do.
type Hint = (&'static [Action], &'static str);

const QUIT: Hint = (&[Action::Quit], "quit");
const HELP: Hint = (&[Action::Help], "help");
const CHART: Hint = (&[Action::NextChart], "chart");
const TABLE: Hint = (&[Action::Table], "table");
const ZOOM: Hint = (&[Action::ZoomIn, Action::ZoomOut], "zoom");
const PAN: Hint = (&[Action::Left, Action::Right], "pan");
const CURSOR: Hint = (&[Action::Cursor], "cursor");
const SCROLL: Hint = (&[Action::Up, Action::Down], "scroll");
const LIVE: Hint = (&[Action::Live], "live");
const ASK_AGAIN: Hint = (&[Action::AskAgain], "let ssh ask");
const SOURCE: Hint = (&[Action::NextSource, Action::PreviousSource], "source");
const COMPARE: Hint = (&[Action::Compare], "compare");
const UNITS: Hint = (&[Action::Units], "units");

/// The keys that matter now, the first first.
fn hints(app: &App) -> Vec<Hint> {
    let page = match app.screen {
        Screen::Help { .. } => return vec![SCROLL, (&[Action::Back], "back"), QUIT],
        Screen::Page(page) => page,
    };
    let pause = match app.view {
        View::Live => (&[Action::Pause][..], "pause"),
        View::Paused(_) => (&[Action::Pause][..], "go on"),
    };
    if app.cursor.is_some() {
        return hints_at_cursor(app);
    }
    let mut hints = vec![QUIT, HELP];
    if app.watched().asks && app.watched().state(app.now).outage().is_some() {
        hints.push(ASK_AGAIN);
    }
    match (page, app.table) {
        (Page::Overview, _) => {
            let order = if app.order == Order::Given { "hottest first" } else { "as given" };
            hints.extend([
                (&[Action::Up, Action::Down][..], "choose"),
                (&[Action::Fullscreen], "open"),
                (&[Action::Order], order),
                COMPARE,
            ]);
        }
        (Page::Together | Page::Apart, _) => {
            let next = if page == Page::Together { "apart" } else { "back" };
            hints.extend([
                (&[Action::Compare][..], next),
                (&[Action::NextChart], "metric"),
                SOURCE,
            ]);
        }
        (Page::Fullscreen, _) => {
            hints.extend([(&[Action::Fullscreen][..], "all charts"), CHART]);
            let cycle = if app.cycle.is_some() { "stay" } else { "cycle" };
            hints.push((&[Action::Cycle], cycle));
        }
        (Page::Dashboard, Table::Alone) => {
            hints.extend([
                TABLE,
                SCROLL,
                (&[Action::ColumnsLeft, Action::ColumnsRight], "columns"),
            ]);
        }
        (Page::Dashboard, Table::Below | Table::Off) => {
            hints.extend([(&[Action::Fullscreen][..], "fullscreen"), CHART, TABLE]);
        }
    }
    if !app.is_alone() && !app.is_of_all() {
        hints.extend([SOURCE, COMPARE, (&[Action::Back][..], "back")]);
    }
    hints.push(pause);
    if app.view != View::Live {
        hints.push(LIVE);
    }
    hints.extend([ZOOM, PAN, CURSOR, UNITS]);
    hints
}

/// The keys that matter while a cursor is there. Nothing is measured where all sources are shown.
fn hints_at_cursor(app: &App) -> Vec<Hint> {
    let mut hints: Vec<Hint> = vec![
        (&[Action::Left, Action::Right], "move"),
        (&[Action::SampleForward, Action::SampleBack], "a sample"),
    ];
    if !app.is_of_all() {
        hints.push((&[Action::Mark], if app.mark.is_some() { "mark here" } else { "mark" }));
    }
    let back = if app.mark.is_some() { "unmark" } else { "cursor off" };
    hints.extend([ZOOM, (&[Action::Back][..], back), HELP, QUIT]);
    hints
}

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let theme = app.theme;
    let area = layout.footer;
    if let Some(notice) = &app.notice {
        put(buf, area, &[Piece::new(notice.text.clone(), theme.strong())]);
        return;
    }
    let pages = pages(app, layout);
    let pages_width = width(&pages) as u16;
    let is_room = pages_width < area.width / 2;
    let mut left = Rect { width: area.width - if is_room { pages_width } else { 0 }, ..area };
    if is_room {
        put_right(buf, area, &pages);
    }
    for (actions, does) in hints(app) {
        let names = actions.iter().map(|action| plain(app, &app.keys.name(*action)));
        let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
        // No key does this.
        if names.is_empty() {
            continue;
        }
        let pieces = [
            Piece::new(names.join(" "), theme.strong()),
            Piece::new(format!(" {does}   "), theme.faint()),
        ];
        // The blanks behind the last one need no room.
        if width(&pieces) > usize::from(left.width) + 3 {
            break;
        }
        let used = put(buf, left, &pieces);
        left = Rect { x: left.x + used, width: left.width - used, ..left };
    }
}

/// Which charts or sources are in sight, if not all of them are.
fn pages(app: &App, layout: &Layout) -> Vec<Piece> {
    let text = match app.screen.page() {
        Page::Overview => in_sight(app, layout.sources.height),
        Page::Together => {
            let (range, all) = (app.compared(), app.sources().len());
            (range.len() < all)
                .then(|| format!(" sources {}-{} of {all}", range.start + 1, range.end))
        }
        Page::Apart => charts_in_sight(layout, "sources", app.sources().len()),
        Page::Fullscreen => None,
        Page::Dashboard => charts_in_sight(layout, "charts", app.charts().len()),
    };
    text.map(|text| Piece::new(text, app.theme.faint())).into_iter().collect()
}

fn charts_in_sight(layout: &Layout, what: &str, all: usize) -> Option<String> {
    let (first, last) = (layout.charts.first()?.at, layout.charts.last()?.at);
    let is_all = last - first + 1 == all;
    (!is_all).then(|| format!(" {what} {}-{} of {all}", first + 1, last + 1))
}
