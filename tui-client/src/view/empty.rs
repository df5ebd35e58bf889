//! Text in place of the charts while there is nothing to draw.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::header::outage_text;
use crate::app::App;
use crate::keys::{Action, spell_arrows};
use crate::theme::STRONG;
use crate::watched::State;

/// Returns hints for a source that cannot be reached.
fn advice(app: &App) -> Vec<Line<'static>> {
    if app.sources.watched().may_prompt {
        let key = app.keys.label(Action::AskAgain);
        if key.is_empty() {
            return Vec::new();
        }
        let key = Span::styled(format!(" {}", spell_arrows(&key, app.theme.ascii)), STRONG);
        let effect = " reconnects in the plain terminal, where ssh can ask for a password.";
        return vec![Line::from(vec![key, Span::raw(effect)])];
    }
    vec![
        Line::raw(" Is the agent running? Start it on the server:"),
        Line::styled("   loadline-agent", STRONG),
        Line::raw(" Or let ssh start one and connect to it:"),
        Line::styled("   loadline USER@HOST", STRONG),
    ]
}

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let watched = app.sources.watched();
    let source = &watched.name;
    let state = watched.state(app.now);
    let mut lines = vec![Line::raw("")];
    if watched.embedded {
        lines.push(Line::raw(" Waiting for the first sample of the embedded agent."));
    } else if let Some(outage) = state.outage() {
        let text = format!(" {source}: {}", outage_text(outage, app));
        lines.extend([Line::styled(text, STRONG), Line::raw("")]);
        lines.extend(advice(app));
    } else if let State::Replay(remark) = &state {
        let remark = remark.as_ref().map_or("no rows found", |remark| remark.as_str());
        lines.push(Line::styled(format!(" {source}: {remark}."), STRONG));
    } else if let State::Stale(Some(overdue)) = &state {
        lines.push(Line::styled(format!(" {source}: {}.", overdue.text()), STRONG));
    } else {
        let text = format!(" {source}: connected, waiting for the first sample.");
        lines.push(Line::raw(text));
    }
    if let Some(fault) = &watched.ingest.last_fault {
        let fault = Span::styled(fault.to_string(), STRONG);
        let text = vec![Span::raw(" Received invalid data: "), fault];
        lines.extend([Line::raw(""), Line::from(text)]);
    }
    Paragraph::new(lines).wrap(Wrap { trim: false }).render(area, buf);
}
