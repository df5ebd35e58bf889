//! The keys: some of them in the last row, all of them in the help.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

use super::text::{Piece, put};
use crate::app::{App, View};
use crate::keys::{Action, BINDINGS, Binding};

/// The last row: as many keys as fit.
pub(super) fn render_footer(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let mut left = area;
    let matters = |binding: &&Binding| !binding.short.is_empty() && app.allows(binding.action());
    for binding in BINDINGS.iter().filter(matters) {
        let pieces = [
            Piece::new(binding.names[0], theme.strong()),
            Piece::new(format!(" {}   ", short(binding, app)), theme.faint()),
        ];
        // The blanks behind the last one need no room.
        if super::text::width(&pieces) > usize::from(left.width) + 3 {
            break;
        }
        let used = put(buf, left, &pieces);
        left = Rect { x: left.x + used, width: left.width - used, ..left };
    }
}

fn short(binding: &Binding, app: &App) -> &'static str {
    match (binding.action(), app.view) {
        (Action::Pause, View::Paused(_)) => "go on",
        _ => binding.short,
    }
}

/// All keys, in a box in the middle.
pub(super) fn render_help(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let names: Vec<String> = BINDINGS.iter().map(|binding| binding.names.join(", ")).collect();
    let wide = names.iter().map(String::len).max().unwrap_or(0);
    let lines: Vec<Line> = names
        .iter()
        .zip(BINDINGS)
        .map(|(names, binding)| {
            let keys = Span::styled(format!(" {names:wide$}  "), theme.strong());
            Line::from(vec![keys, Span::raw(binding.does), Span::raw(" ")])
        })
        .collect();
    let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 2;
    let place = area.centered(
        ratatui::layout::Constraint::Length(width),
        ratatui::layout::Constraint::Length(lines.len() as u16 + 2),
    );
    let version = env!("CARGO_PKG_VERSION");
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.faint())
        .title(Span::styled(format!(" loadline {version}: keys "), theme.strong()));
    Clear.render(place, buf);
    Paragraph::new(lines).block(block).render(place, buf);
}
