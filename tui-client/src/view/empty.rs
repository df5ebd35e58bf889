//! What stands where the charts will be, as long as there is nothing to draw.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::header::outage_text;
use crate::app::App;
use crate::watched::State;

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let name = &app.watched.name;
    let state = app.watched.state(app.now);
    let mut lines = vec![Line::raw("")];
    if app.watched.embedded {
        lines.push(Line::raw(" The agent inside takes its first sample."));
    } else if let Some(outage) = state.outage() {
        let text = format!(" {name}: {}", outage_text(outage, app));
        lines.push(Line::styled(text, theme.strong()));
        lines.push(Line::raw(""));
        lines.push(Line::raw(" Is an agent there? On the server, this starts one:"));
        lines.push(Line::styled("   loadline-agent", theme.strong()));
        lines.push(Line::raw(" From afar, a tunnel leads to it:"));
        lines.push(Line::styled("   ssh -L 1027:127.0.0.1:1027 USER@HOST", theme.strong()));
        lines.push(Line::raw(" and then, here:"));
        lines.push(Line::styled("   loadline 127.0.0.1:1027", theme.strong()));
    } else if let State::Replay(remark) = &state {
        let remark = remark.as_ref().map_or("no row is in it", |remark| remark.as_str());
        lines.push(Line::styled(format!(" {name}: {remark}."), theme.strong()));
    } else {
        let text = format!(" {name}: connected, and waiting for the first sample.");
        lines.push(Line::raw(text));
    }
    if let Some(fault) = &app.watched.last_fault {
        lines.push(Line::raw(""));
        lines.push(Line::from(vec![
            Span::raw(" What comes is no row of numbers: "),
            Span::styled(fault.to_string(), theme.strong()),
        ]));
    }
    Paragraph::new(lines).wrap(Wrap { trim: false }).render(area, buf);
}
