//! Row that says what is wrong with the source.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::{put, shortened};
use crate::app::App;
use crate::theme::STRONG;

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let Some(finding) = app.finding(app.sources.shown()) else { return };
    let width = usize::from(area.width);
    let text = shortened(&finding.text(width), width);
    put(buf, area, &text, app.theme.level(finding.level, STRONG));
}
