//! Popup with all keys, in the middle of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};
use unicode_width::UnicodeWidthStr as _;

use super::text::shortened;
use crate::app::App;
use crate::keys::{Action, HELP_WIDTH, HELP_WIDTHS, HelpLine, spell_arrows};
use crate::theme::STRONG;

pub(super) fn render(app: &App, scroll: u16, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let (columns, place, most) = app.help_layout(area);
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0) as u16;
    let scroll = scroll.min(most);
    let version = env!("CARGO_PKG_VERSION");
    let mut block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.faint())
        .title(Span::styled(format!(" loadline {version}: keys "), STRONG));
    if most > 0 {
        let last_line = scroll + rows - most;
        let keys = format!("{} {}", key(app, Action::Up), key(app, Action::Down));
        let more = format!(" {last_line} of {rows} lines: {keys} ");
        block = block.title_bottom(Span::styled(more, STRONG));
    }
    Clear.render(place, buf);
    block.render(place, buf);
    let inside = place.inner(Margin::new(1, 1));
    for (at, column) in columns.iter().enumerate() {
        let x = (inside.x + at as u16 * HELP_WIDTH).min(inside.right());
        let column_area = Rect { x, width: inside.right() - x, ..inside };
        let lines: Vec<Line> = column.iter().map(|line| text(app, line)).collect();
        Paragraph::new(lines).scroll((scroll, 0)).render(column_area, buf);
    }
}

fn text(app: &App, line: &HelpLine) -> Line<'static> {
    let theme = app.theme;
    match line {
        HelpLine::Blank => Line::raw(""),
        HelpLine::Title(title) => Line::styled(format!(" {title}"), theme.faint()),
        HelpLine::Keys(names, description) => {
            let names = shortened(names, HELP_WIDTHS.0);
            let blanks = " ".repeat(HELP_WIDTHS.0 - names.width() + 2);
            let keys = Span::styled(format!(" {names}{blanks}"), STRONG);
            Line::from(vec![keys, Span::raw(description.clone())])
        }
        HelpLine::Continuation(text) => Line::raw(text.clone()),
    }
}

/// Returns the key to name for an action. In ASCII mode, prefers a key with an ASCII name.
fn key(app: &App, action: Action) -> String {
    let names = app.keys.labels(action);
    let drawn = names.iter().find(|name| !app.theme.ascii || name.is_ascii());
    drawn.or(names.first()).map_or(String::new(), |name| spell_arrows(name, app.theme.ascii))
}
