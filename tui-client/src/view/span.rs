//! The values between mark and cursor.

use std::time::Duration;

use loadline_protocol::Time;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::header::span_text;
use super::text::{Piece, put, put_right};
use crate::app::{App, Span, Stat};
use crate::charts::{Chart, ChartLine};
use crate::layout::Page;

/// Columns of the names of the series.
const NAMES: u16 = 12;

/// Columns of a number with its name and its unit.
const NUMBER: u16 = 17;

/// The same where there is less room: the names of the numbers stand above them, and the units nowhere.
const NAMES_NARROW: u16 = 9;
const NUMBER_NARROW: u16 = 7;

const STATS: [&str; 4] = ["min", "mean", "max", "last"];

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(span) = app.span.as_ref().filter(|_| !area.is_empty()) else { return };
    let is_wide = area.width >= NAMES + 4 * NUMBER;
    render_head(app, span, is_wide, Rect { height: 1, ..area }, buf);
    for (row, (chart, line)) in (1..area.height).zip(lines(app)) {
        let place = Rect { y: area.y + row, height: 1, ..area };
        let name = match line.legend.as_str() {
            "" => chart.title.clone(),
            legend => format!("{} {legend}", chart.title),
        };
        let names = if is_wide { NAMES } else { NAMES_NARROW }.min(area.width);
        put(
            buf,
            Rect { width: names, ..place },
            &[Piece::new(name, app.theme.line(line.colour, true))],
        );
        let stat = span.stats.get(line.column).copied().flatten();
        let place = Rect { x: place.x + names, width: place.width - names, ..place };
        render_stat(app, chart, stat, is_wide, place, buf);
    }
}

fn render_head(app: &App, span: &Span, is_wide: bool, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let time = |time: Time| app.zone.wall(time).format("%H:%M:%S%.3f").to_string();
    let samples = if span.samples == 1 { "sample" } else { "samples" };
    let duration = duration_text(span.duration());
    if is_wide {
        let arrow = if theme.ascii { "->" } else { "→" };
        let ends = format!("{} {arrow} {}", time(span.from), time(span.to));
        let pieces = [
            Piece::new(format!("{ends}  {duration}"), theme.strong()),
            Piece::new(format!("  {} {samples}", span.samples), theme.faint()),
        ];
        put(buf, area, &pieces);
        return;
    }
    let names = NAMES_NARROW.min(area.width);
    put(buf, Rect { width: names, ..area }, &[Piece::new(duration, theme.strong())]);
    for (at, name) in STATS.into_iter().enumerate() {
        let x = area.x + names + NUMBER_NARROW * at as u16;
        if x + NUMBER_NARROW <= area.right() {
            put_right(
                buf,
                Rect { x, width: NUMBER_NARROW, ..area },
                &[Piece::new(name, theme.faint())],
            );
        }
    }
}

fn render_stat(
    app: &App,
    chart: &Chart,
    stat: Option<Stat>,
    is_wide: bool,
    area: Rect,
    buf: &mut Buffer,
) {
    let numbers = stat.map_or([f64::NAN; 4], |stat| [stat.min, stat.mean, stat.max, stat.last]);
    let wide = if is_wide { NUMBER } else { NUMBER_NARROW };
    for (at, (name, number)) in STATS.into_iter().zip(numbers).enumerate() {
        let x = area.x + wide * at as u16;
        // A number that is cut would be another one.
        if x + wide > area.right() {
            break;
        }
        let place = Rect { x, width: wide, ..area };
        let text = if is_wide {
            put(
                buf,
                Rect { x: x + 2, width: wide - 2, ..place },
                &[Piece::new(name, app.theme.faint())],
            );
            chart.look.value(number)
        } else {
            chart.look.parts(number).0
        };
        if text.chars().count() < usize::from(wide) {
            put_right(buf, place, &[Piece::new(text, app.theme.strong())]);
        }
    }
}

/// The lines of the charts that are on the page, each with its chart.
fn lines(app: &App) -> impl Iterator<Item = (&Chart, &ChartLine)> {
    let chosen = app.chosen();
    let is_alone = app.screen.page() == Page::Fullscreen;
    let charts = app.charts().iter().enumerate().filter(move |(at, _)| !is_alone || *at == chosen);
    charts.flat_map(|(_, chart)| chart.lines.iter().map(move |line| (chart, line)))
}

/// To the millisecond below a minute.
fn duration_text(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.3} s", duration.as_secs_f64())
    } else {
        span_text(duration)
    }
}
