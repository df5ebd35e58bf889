//! Header row: the source, its state, the age of its newest sample, and the clock.

use std::time::Duration;

use loadline_protocol::{DurationText, Health};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::{Piece, put, put_right, shortened, width};
use crate::app::{App, Order, WindowEnd};
use crate::layout::{Layout, Page};
use crate::theme::{HIGHLIGHT, STRONG, Theme};
use crate::thresholds::Level;
use crate::units::{container_limits_text, rate_text, span_text};
use crate::watched::{Outage, State, Watched};

/// Item of the header. If there is too little room, the items with the highest rank go first.
struct HeaderItem {
    rank: u8,
    piece: Piece,
}

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let area = layout.header;
    if area.is_empty() {
        return;
    }
    let name_max = usize::from(area.width) / NAME_WIDTH_DIVISOR;
    let mut items = if app.screen.shows_all_sources() {
        all_sources_items(app, layout)
    } else {
        source_items(app, layout, name_max)
    };
    while items_width(&items) > usize::from(area.width) && items.len() > 1 {
        let last = items.iter().map(|part| part.rank).max().unwrap_or(0);
        if last == 0 || last <= OUTAGE_RANK && shorten_longest(&mut items, last, area.width) {
            break;
        }
        items.retain(|part| part.rank < last);
    }
    let clock =
        items.iter().position(|part| part.rank == CLOCK_RANK).map(|at| items.remove(at).piece);
    let space = || Piece::new("  ", app.theme.faint());
    let left: Vec<Piece> = items.into_iter().flat_map(|part| [part.piece, space()]).collect();
    put(buf, area, &left);
    if let Some(clock) = clock {
        put_right(buf, area, &[clock]);
    }
}

/// Divisor of the header width: a longer source name is shortened.
const NAME_WIDTH_DIVISOR: usize = 3;

/// Minimum width of a shortened text. Fewer columns are not recognizable.
const NAME_WIDTH_MIN: usize = 12;

/// Ranks of an exceeded threshold and of an outage. They go last, and are shortened before that.
const EXCEEDED_RANK: u8 = 1;
const OUTAGE_RANK: u8 = 2;

/// Shortens the longest item of a rank to fit. Returns false if too little would remain.
fn shorten_longest(items: &mut [HeaderItem], rank: u8, width: u16) -> bool {
    let over = items_width(items).saturating_sub(usize::from(width));
    let next = items.iter_mut().filter(|part| part.rank == rank);
    let Some(longest) = next.max_by_key(|part| part.piece.width()) else { return false };
    let left = longest.piece.width().saturating_sub(over);
    if left >= NAME_WIDTH_MIN {
        longest.piece.shorten(left);
    }
    left >= NAME_WIDTH_MIN
}

fn items_width(items: &[HeaderItem]) -> usize {
    items.iter().map(|part| part.piece.width() + 2).sum::<usize>().saturating_sub(2)
}

/// Rank of the clock. All optional details have higher ranks and go first.
const CLOCK_RANK: u8 = 6;

fn source_items(app: &App, layout: &Layout, name_max: usize) -> Vec<HeaderItem> {
    let (theme, sources) = (app.theme, &app.sources);
    let watched = sources.watched();
    let state = watched.state(app.now);
    let mut items = Vec::new();
    let mut add = |rank, text: String, style| {
        if !text.is_empty() {
            items.push(HeaderItem { rank, piece: Piece::new(text, style) });
        }
    };
    let (name, via) = source_name(watched);
    add(4, shortened(&name, name_max.max(NAME_WIDTH_MIN)), STRONG);
    if let Some(via) = via {
        add(8, format!("({via})"), theme.faint());
    }
    if !sources.is_single() {
        add(5, format!("{} of {}", sources.shown() + 1, sources.all().len()), theme.faint());
    }
    let paused = paused_text(app).unwrap_or_default();
    let is_paused = !paused.is_empty();
    add(0, paused, theme.warning());
    // In a paused view, arriving rows change nothing, so LIVE is not shown. Other states are.
    if !is_paused || state != State::Live {
        add(0, format!(" {} ", state.word()), state_style(theme, &state));
    }
    let reason = match &state {
        State::Replay(remark) => remark.as_ref().map(ToString::to_string),
        _ => state.outage().map(|outage| outage_text(outage, app)),
    };
    add(OUTAGE_RANK, reason.unwrap_or_default(), STRONG);
    for (rank, text, style) in exceeded_items(app, layout) {
        add(rank, text, style);
    }
    if let Some(percent) = watched.connection.read_percent {
        add(1, format!("reading {percent} %"), STRONG);
    }
    if let Some(age) = watched.age(app.now) {
        let style = if state.is_up_to_date() { theme.faint() } else { STRONG };
        add(3, format!("age {}", age_text(age)), style);
    }
    let offset_ms = sources.clock_offset_ms(sources.shown());
    if offset_ms != 0 {
        add(5, clock_offset_text(offset_ms), STRONG);
    }
    if watched.ingest.faults > 0 {
        add(1, faults_text(watched.ingest.faults), theme.warning());
    }
    if watched.ingest.skipped > 0 {
        add(1, format!("{} skipped", rows_text(watched.ingest.skipped)), theme.warning());
    }
    add(7, watched.header().and_then(container_limits_text).unwrap_or_default(), STRONG);
    add(9, row_interval_text(watched), theme.faint());
    add(10, format!("span {}", span_text(app.window.span)), theme.faint());
    let bytes = watched.bytes_per_second(app.now).map(rate_text);
    add(11, bytes.unwrap_or_default(), theme.faint());
    if let Some((late, costs)) = watched.connection.health.as_ref().map(health_texts) {
        add(11, late, theme.warning());
        add(12, costs, theme.faint());
    }
    add(CLOCK_RANK, app.zone.local_time(app.now).format("%H:%M:%S").to_string(), STRONG);
    items
}

/// Returns the worst exceeded threshold that is not visible, its place, and the number of others.
fn exceeded_items(app: &App, layout: &Layout) -> Vec<(u8, String, Style)> {
    let found = app.hidden_exceeded_thresholds(layout);
    let Some(worst) = found.first() else { return Vec::new() };
    let word = if worst.level == Level::Critical { "critical" } else { "warning" };
    let source = &app.sources.all()[worst.source].watched.name;
    let is_here = !app.screen.shows_all_sources() && worst.source == app.sources.shown();
    let source = if is_here { String::new() } else { format!("{source} ") };
    let name = worst.chart.line_name(worst.line);
    let value = worst.chart.format.value(worst.value);
    let style = app.theme.level(worst.level, STRONG);
    let chart = is_here.then(|| format!("chart {}", worst.chart_index + 1));
    let others = (found.len() > 1).then(|| format!("{} more", found.len() - 1));
    let rest: Vec<String> = chart.into_iter().chain(others).collect();
    let mut texts = vec![(EXCEEDED_RANK, format!("{word}: {source}{name} {value}"), style)];
    if !rest.is_empty() {
        texts.push((7, format!("({})", rest.join(", ")), app.theme.faint()));
    }
    texts
}

/// Returns the interval between rows, if known. The estimate for a plain stream is marked with `~`.
fn row_interval_text(watched: &Watched) -> String {
    let about = if watched.header().is_some() { "" } else { "~" };
    let text = |interval| format!("every {about}{}", interval_text(interval));
    watched.interval().map(text).unwrap_or_default()
}

/// Returns the header of a page that shows all sources: the number of sources in each state.
fn all_sources_items(app: &App, layout: &Layout) -> Vec<HeaderItem> {
    let theme = app.theme;
    let mut items = Vec::new();
    let mut add = |rank, text: String, style| {
        items.push(HeaderItem { rank, piece: Piece::new(text, style) });
    };
    add(5, format!("{} sources", app.sources.all().len()), STRONG);
    if let Some(text) = paused_text(app) {
        add(0, text, theme.warning());
    }
    // On other pages, the charts show this time.
    if let (Page::Overview, Some(time)) = (app.screen.page, app.crosshair_time()) {
        let time = app.time_label_within(time, "14:02:49".len());
        add(0, format!(" at {time} "), HIGHLIGHT);
    }
    for (rank, (state, count)) in [0, 2, 3, 4, 5].into_iter().zip(state_counts(app)) {
        add(rank, format!(" {count} {} ", state.word()), state_style(theme, &state));
    }
    for (rank, text, style) in exceeded_items(app, layout) {
        add(rank, text, style);
    }
    if let (Page::CompareGrid, Some((_, metric))) = (app.screen.page, app.compared_metric()) {
        add(1, metric.to_owned(), STRONG);
    }
    if app.screen.page == Page::Overview && app.sources.order == Order::Hottest {
        add(7, "hottest first".to_owned(), theme.faint());
    }
    add(9, format!("span {}", span_text(app.window.span)), theme.faint());
    add(CLOCK_RANK, app.zone.local_time(app.now).format("%H:%M:%S").to_string(), STRONG);
    items
}

/// Returns the number of sources in each state, in order of importance.
fn state_counts(app: &App) -> impl Iterator<Item = (State, usize)> {
    let kinds = [
        State::Live,
        State::Stale,
        State::Reconnecting(None),
        State::Connecting(None),
        State::Replay(None),
    ];
    let words: Vec<&str> =
        app.sources.all().iter().map(|view| view.watched.state(app.now).word()).collect();
    let counts = kinds.into_iter().map(move |kind| {
        let count = words.iter().filter(|word| **word == kind.word()).count();
        (kind, count)
    });
    counts.filter(|(_, count)| *count > 0)
}

/// Returns the PAUSED label with the time span between the view and the newest sample.
fn paused_text(app: &App) -> Option<String> {
    let WindowEnd::Paused(until) = app.window.end else { return None };
    let behind = app.sources.newest()? - until;
    Some(format!(" PAUSED +{} ", age_text(behind)))
}

/// Returns the style of a state's word.
pub(super) fn state_style(theme: Theme, state: &State) -> Style {
    match state {
        State::Live | State::Replay(_) => theme.good(),
        State::Connecting(_) | State::Stale => theme.warning(),
        State::Reconnecting(_) => theme.alarm(),
    }
}

/// Formats a clock offset. A positive offset means that the source's clock is ahead.
pub(super) fn clock_offset_text(offset_ms: i64) -> String {
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let size = offset_ms.unsigned_abs();
    // 89.997 s become 90 s: the network delay is not known more exactly.
    let size = if size < 10_000 { size } else { (size + 500) / 1000 * 1000 };
    format!("clock {sign}{}", age_text(Duration::from_millis(size)))
}

/// Returns the host's own name if known, else the source's name, and a remark on the connection.
fn source_name(watched: &Watched) -> (String, Option<&str>) {
    let header = watched.header();
    let host = header.and_then(|header| header.host.as_ref());
    let name = host.map_or_else(|| watched.name.clone(), ToString::to_string);
    let is_plain = header.is_none() && watched.ingest.stream.is_some();
    let via = match host {
        _ if watched.embedded => Some("embedded agent"),
        Some(_) => Some(watched.name.as_str()),
        None => is_plain.then_some("plain"),
    };
    (name, via)
}

/// Returns the reason of an outage and the time until the next attempt.
pub(super) fn outage_text(outage: &Outage, app: &App) -> String {
    let left = outage.retry - app.now;
    match left.as_millis().div_ceil(1000) {
        0 => format!("{} (retrying)", outage.reason),
        seconds => format!("{} (retry in {seconds} s)", outage.reason),
    }
}

pub(super) fn faults_text(count: u64) -> String {
    if count == 1 { "1 faulty line".to_owned() } else { format!("{count} faulty lines") }
}

fn rows_text(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// Returns the number of late samples in the last minute and the agent's CPU and memory use. A text
/// is empty if its numbers are 0 or unknown.
fn health_texts(health: &Health) -> (String, String) {
    let late = health.late.filter(|late| *late > 0).map(|late| format!("{late} late"));
    let cpu = health.cpu_percent().map(|percent| format!(" {percent} %"));
    let memory = health.resident_mib().map(|mib| format!(" {mib} MiB"));
    let costs: String = [cpu, memory].into_iter().flatten().collect();
    let costs = if costs.is_empty() { costs } else { format!("agent{costs}") };
    (late.unwrap_or_default(), costs)
}

/// Formats an interval. Fractions of a second are rounded to one decimal from 1 s on.
fn interval_text(interval: Duration) -> String {
    let ms = interval.as_millis();
    if ms >= 1000 && !ms.is_multiple_of(1000) {
        format!("{:.1}s", interval.as_secs_f64())
    } else {
        DurationText(interval).to_string()
    }
}

/// Formats an elapsed time in a unit that fits its size.
pub(super) fn age_text(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", age.as_millis() as f64 / 1000.0),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Draws the newest values in one row, for screens without room for charts.
pub(super) fn render_value_line(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme;
    let state = app.sources.watched().state(app.now);
    let fresh = app.is_fresh();
    let newest = app.shown_sample();
    let mut pieces = Vec::new();
    if matches!(app.window.end, WindowEnd::Paused(_)) {
        pieces.push(Piece::new("PAUSED", STRONG));
    } else if !fresh || newest.is_none() {
        pieces.push(Piece::new(state.word(), STRONG));
    }
    let charts = app.sources.charts().iter();
    let lines = charts.flat_map(|chart| chart.lines.iter().map(move |line| (chart, line)));
    // Values beyond the end of the row are not even formatted.
    for (chart, line) in lines {
        let Some(newest) = newest.filter(|_| width(&pieces) < usize::from(area.width)) else {
            break;
        };
        let space = if pieces.is_empty() { "" } else { "  " };
        let title =
            format!("{space}{} ", if line.legend.is_empty() { &chart.title } else { &line.legend });
        pieces.push(Piece::new(title, theme.faint()));
        let value = chart.format.value(newest.value(line.column));
        pieces.push(Piece::new(value, theme.line(line.colour, fresh)));
    }
    put(buf, area, &pieces);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_in_common_units() {
        let span = |ms| span_text(Duration::from_millis(ms));
        assert_eq!(span(300_000), "5m");
        assert_eq!(span(5_400_000), "1h 30m");
        assert_eq!(span(133_700), "2m 13s");
        assert_eq!(span(90_061_000), "1d 1h");
        assert_eq!(span(500), "500ms");
    }
}
