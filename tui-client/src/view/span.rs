//! The values between mark and cursor.

use std::time::Duration;

use loadline_protocol::Time;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::header::span_text;
use super::text::{Piece, put, put_right};
use crate::app::{App, Stat};
use crate::charts::{Chart, ChartLine};
use crate::layout::Page;

/// Columns of the names, and of each number with its name.
const WIDTHS: (u16, u16) = (14, 17);

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(span) = app.span.as_ref().filter(|_| !area.is_empty()) else { return };
    let theme = app.theme;
    let time = |time: Time| app.zone.wall(time).format("%H:%M:%S%.3f").to_string();
    let samples = if span.samples == 1 { "sample" } else { "samples" };
    let arrow = if theme.ascii { "->" } else { "→" };
    let head = [
        Piece::new(format!("{} {arrow} {}", time(span.from), time(span.to)), theme.strong()),
        Piece::new(format!("  {}", duration_text(span.duration())), theme.strong()),
        Piece::new(format!("  {} {samples}", span.samples), theme.faint()),
    ];
    put(buf, Rect { height: 1, ..area }, &head);
    for (row, (chart, line, at)) in (1..area.height).zip(lines(app)) {
        let place = Rect { y: area.y + row, height: 1, ..area };
        let name = match line.legend.as_str() {
            "" => chart.title.clone(),
            legend => format!("{} {legend}", chart.title),
        };
        put(buf, place, &[Piece::new(name, theme.line(at, true))]);
        let stat = span.stats.get(line.column).copied().flatten();
        render_stat(app, chart, stat, place, buf);
    }
}

fn render_stat(app: &App, chart: &Chart, stat: Option<Stat>, area: Rect, buf: &mut Buffer) {
    let numbers = stat.map_or([f64::NAN; 4], |stat| [stat.min, stat.mean, stat.max, stat.last]);
    let mut x = area.x + WIDTHS.0.min(area.width);
    for (name, number) in ["min", "mean", "max", "last"].into_iter().zip(numbers) {
        // A number that is cut would be another one.
        if x + WIDTHS.1 > area.right() {
            break;
        }
        let place = Rect { x, width: WIDTHS.1, ..area };
        put(
            buf,
            Rect { x: x + 2, width: WIDTHS.1 - 2, ..place },
            &[Piece::new(name, app.theme.faint())],
        );
        put_right(buf, place, &[Piece::new(chart.look.value(number), app.theme.strong())]);
        x += WIDTHS.1;
    }
}

/// The lines of the charts that are on the page, each with its chart and its place there.
fn lines(app: &App) -> impl Iterator<Item = (&Chart, &ChartLine, usize)> {
    let chosen = app.chosen();
    let is_alone = app.screen.page() == Page::Fullscreen;
    let charts = app.charts.iter().enumerate().filter(move |(at, _)| !is_alone || *at == chosen);
    charts.flat_map(|(_, chart)| {
        chart.lines.iter().enumerate().map(move |(at, line)| (chart, line, at))
    })
}

/// To the millisecond below a minute.
fn duration_text(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.3} s", duration.as_secs_f64())
    } else {
        span_text(duration)
    }
}
