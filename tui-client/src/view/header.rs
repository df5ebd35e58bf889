//! Header row: the source, its state, the age of its newest sample, and the clock.

use std::time::Duration;

use loadline_protocol::{DurationText, Health};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::text::{counted, put_right, put_spans, shortened, width};
use crate::app::{App, Order, SourceView};
use crate::charts::Chart;
use crate::event::RecordingState;
use crate::keys::{Action, spell_arrows};
use crate::layout::{Layout, Page};
use crate::theme::{HIGHLIGHT, STRONG, Theme};
use crate::units::{container_limits_text, rate_text, span_text};
use crate::watched::{Outage, State, Watched};

/// Item of the header. If there is too little room, the items with the highest rank go first.
struct HeaderItem {
    rank: u8,
    text: Span<'static>,
}

/// Creates an item. An item without text is not shown.
fn item(rank: u8, text: impl Into<Option<String>>, style: Style) -> HeaderItem {
    HeaderItem { rank, text: Span::styled(text.into().unwrap_or_default(), style) }
}

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let area = layout.header;
    if area.is_empty() {
        return;
    }
    let mut items = if app.screen.shows_all_sources() {
        all_sources_items(app, layout)
    } else {
        source_items(app, layout)
    };
    let time = app.zone.local_time(app.now).format("%H:%M:%S").to_string();
    items.push(item(CLOCK_RANK, time, STRONG));
    items.retain(|item| !item.text.content.is_empty());
    fit(&mut items, usize::from(area.width));
    let clock = items.pop_if(|item| item.rank == CLOCK_RANK);
    let space = Span::styled("  ", app.theme.faint());
    let left: Vec<Span> = items.into_iter().flat_map(|item| [item.text, space.clone()]).collect();
    put_spans(buf, area, &left);
    if let Some(clock) = clock {
        put_right(buf, area, &clock.text.content, clock.text.style);
    }
}

/// Divisor of the header width: a longer source name is shortened.
const NAME_WIDTH_DIVISOR: u16 = 3;

/// Minimum width of a shortened text. Fewer columns are not recognizable.
const NAME_WIDTH_MIN: usize = 12;

/// Ranks of an exceeded threshold and of an outage. They go last, and are shortened before that.
const EXCEEDED_RANK: u8 = 1;
const OUTAGE_RANK: u8 = 2;

/// Rank of the clock. All optional details have higher ranks and go first.
const CLOCK_RANK: u8 = 6;

/// Drops and shortens items until the others fit.
fn fit(items: &mut Vec<HeaderItem>, width: usize) {
    while items_width(items) > width && items.len() > 1 {
        let last = items.iter().map(|item| item.rank).max().unwrap_or(0);
        if last == 0 || last <= OUTAGE_RANK && shorten_longest(items, last, width) {
            return;
        }
        items.retain(|item| item.rank < last);
    }
}

/// Shortens the longest item of a rank to fit. Returns false if too little would remain.
fn shorten_longest(items: &mut [HeaderItem], rank: u8, width: usize) -> bool {
    let over = items_width(items).saturating_sub(width);
    let next = items.iter_mut().filter(|item| item.rank == rank);
    let Some(longest) = next.max_by_key(|item| item.text.width()) else { return false };
    let left = longest.text.width().saturating_sub(over);
    if left >= NAME_WIDTH_MIN {
        longest.text.content = shortened(&longest.text.content, left).into();
    }
    left >= NAME_WIDTH_MIN
}

fn items_width(items: &[HeaderItem]) -> usize {
    items.iter().map(|item| item.text.width() + 2).sum::<usize>().saturating_sub(2)
}

fn source_items(app: &App, layout: &Layout) -> Vec<HeaderItem> {
    let mut items = connection_items(app, usize::from(layout.header.width / NAME_WIDTH_DIVISOR));
    items.extend(exceeded_items(app, layout));
    items.extend(sample_items(app));
    items.extend(detail_items(app));
    items
}

/// Returns the source, its state, and the reason for an outage.
fn connection_items(app: &App, name_max: usize) -> Vec<HeaderItem> {
    let (theme, sources) = (app.theme, &app.sources);
    let state = sources.watched().state(app.now);
    let (name, via) = source_name(sources.watched());
    let number = (!sources.is_single())
        .then(|| format!("{} of {}", sources.shown() + 1, sources.all().len()));
    let paused = paused_text(app);
    // In a paused view, arriving rows change nothing, so LIVE is not shown. Other states are.
    let has_state = paused.is_none() || state != State::Live;
    let reason = state_reason(&state, app);
    vec![
        item(4, shortened(&name, name_max.max(NAME_WIDTH_MIN)), STRONG),
        item(8, via.map(|via| format!("({via})")), theme.faint()),
        item(5, number, theme.faint()),
        item(0, paused, theme.warning()),
        item(0, has_state.then(|| format!(" {} ", state.label())), state_style(theme, &state)),
        past_item(app, std::slice::from_ref(sources.shown_view())),
        recording_item(app),
        item(OUTAGE_RANK, reason, STRONG),
    ]
}

/// Returns the progress of the earlier samples that are on their way, of the source that is behind.
fn past_item(app: &App, sources: &[SourceView]) -> HeaderItem {
    let percent = sources.iter().filter_map(|view| view.watched.past_percent()).min();
    item(1, percent.map(|percent| format!("loading {percent} %")), app.theme.warning())
}

/// Returns the state of the file to which the rows are recorded.
fn recording_item(app: &App) -> HeaderItem {
    match app.sources.watched().recording {
        None => item(0, None, STRONG),
        Some(RecordingState::On) => item(0, "REC".to_owned(), STRONG),
        Some(RecordingState::Stalled(since)) => {
            item(0, format!("REC stalled {} s", since.as_secs()), app.theme.warning())
        }
    }
}

/// Returns the age of the newest sample, and everything that is wrong with the samples.
fn sample_items(app: &App) -> [HeaderItem; 5] {
    let theme = app.theme;
    let watched = app.sources.watched();
    let (faults, skipped) = (watched.ingest.faults, watched.ingest.skipped);
    let is_up_to_date = watched.state(app.now).is_up_to_date();
    let read = watched.connection.read_percent.map(|percent| format!("reading {percent} %"));
    let age = watched.age(app.now).map(|age| format!("age {}", age_text(age)));
    let offset_ms = app.sources.clock_offset_ms(app.sources.shown());
    let skipped = (skipped > 0).then(|| format!("{} skipped", counted(skipped, "row")));
    [
        item(1, read, STRONG),
        item(3, age, if is_up_to_date { theme.faint() } else { STRONG }),
        item(5, (offset_ms != 0).then(|| clock_offset_text(offset_ms)), STRONG),
        item(1, (faults > 0).then(|| counted(faults, "faulty line")), theme.warning()),
        item(1, skipped, theme.warning()),
    ]
}

/// Returns optional details of the stream and of the agent.
fn detail_items(app: &App) -> [HeaderItem; 6] {
    let theme = app.theme;
    let watched = app.sources.watched();
    let health = watched.connection.health.as_ref();
    let late = health.and_then(|health| health.late).filter(|late| *late > 0);
    [
        item(7, watched.header().and_then(container_limits_text), STRONG),
        item(9, row_interval_text(watched), theme.faint()),
        span_item(app, 10),
        item(11, watched.bytes_per_second(app.now).map(rate_text), theme.faint()),
        item(11, late.map(|late| format!("{late} late")), theme.warning()),
        item(12, health.and_then(agent_cost_text), theme.faint()),
    ]
}

fn span_item(app: &App, rank: u8) -> HeaderItem {
    item(rank, format!("span {}", span_text(app.window.span)), app.theme.faint())
}

/// Returns the worst exceeded threshold that is not visible, its place, and the number of others.
fn exceeded_items(app: &App, layout: &Layout) -> Vec<HeaderItem> {
    let found = app.hidden_exceeded_thresholds(layout);
    let Some(worst) = found.first() else { return Vec::new() };
    let word = worst.level.name();
    let source = &app.sources.all()[worst.source].watched.name;
    let is_here = !app.screen.shows_all_sources() && worst.source == app.sources.shown();
    let source = if is_here { String::new() } else { format!("{source} ") };
    let name = worst.chart.line_name(worst.line);
    let value = worst.chart.format.value(worst.value);
    let style = app.theme.level(worst.level, STRONG);
    let chart = is_here.then(|| format!("chart {}", worst.chart_index + 1));
    let others = (found.len() > 1).then(|| format!("{} more", found.len() - 1));
    let rest: Vec<String> = chart.into_iter().chain(others).collect();
    let rest = (!rest.is_empty()).then(|| format!("({})", rest.join(", ")));
    vec![
        item(EXCEEDED_RANK, format!("{word}: {source}{name} {value}"), style),
        item(7, rest, app.theme.faint()),
    ]
}

/// Returns the interval between rows, if known. The estimate for a plain stream is marked with `~`.
fn row_interval_text(watched: &Watched) -> Option<String> {
    let about = if watched.header().is_some() { "" } else { "~" };
    Some(format!("every {about}{}", interval_text(watched.interval()?)))
}

/// Returns the header of a page that shows all sources: the number of sources in each state.
fn all_sources_items(app: &App, layout: &Layout) -> Vec<HeaderItem> {
    let (theme, sources) = (app.theme, &app.sources);
    let is_overview = app.screen.page == Page::Overview;
    // On other pages, the charts show this time.
    let crosshair = app.crosshair_time().filter(|_| is_overview);
    let crosshair = crosshair.map(|time| app.time_label_within(time, "14:02:49".len()));
    let is_grid = app.screen.page == Page::CompareGrid;
    let metric = app.compared_metric().filter(|_| is_grid).map(|(_, metric)| metric.to_owned());
    let is_ordered = is_overview && app.sources.order == Order::Hottest;
    let mut items = vec![
        item(5, format!("{} sources", sources.all().len()), STRONG),
        item(0, paused_text(app), theme.warning()),
        item(0, crosshair.map(|time| format!(" at {time} ")), HIGHLIGHT),
    ];
    items.extend(state_items(app));
    items.push(past_item(app, sources.all()));
    items.extend(exceeded_items(app, layout));
    items.extend([
        item(1, metric, STRONG),
        item(7, is_ordered.then(|| "hottest first".to_owned()), theme.faint()),
        span_item(app, 9),
    ]);
    items
}

/// Returns the number of sources in each state, in order of importance.
fn state_items(app: &App) -> impl Iterator<Item = HeaderItem> {
    let words: Vec<&str> =
        app.sources.all().iter().map(|view| view.watched.state(app.now).word()).collect();
    let states = [
        State::Live,
        State::Loading(None),
        State::Stale(None),
        State::Reconnecting(None),
        State::Connecting(None),
        State::Replay(None),
    ];
    let counts = states.into_iter().map(move |state| {
        let count = words.iter().filter(|word| **word == state.word()).count();
        (count, state)
    });
    let found = [0, 2, 3, 4, 5, 5].into_iter().zip(counts.filter(|(count, _)| *count > 0));
    found.map(|(rank, (count, state))| {
        item(rank, format!(" {count} {} ", state.word()), state_style(app.theme, &state))
    })
}

/// Returns the PAUSED label with the time span between the view and the newest sample.
fn paused_text(app: &App) -> Option<String> {
    let behind = app.sources.newest()? - app.window.paused_at()?;
    Some(format!(" PAUSED +{} ", age_text(behind)))
}

pub(super) fn state_style(theme: Theme, state: &State) -> Style {
    match state {
        State::Live | State::Replay(_) => theme.good(),
        State::Connecting(_) | State::Loading(_) | State::Stale(_) => theme.warning(),
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

/// Returns the reason of a state, with the time until the next attempt.
pub(super) fn state_reason(state: &State, app: &App) -> Option<String> {
    let outage = state.outage().map(|outage| outage_text(outage, app));
    outage.or_else(|| state.reason().map(str::to_owned))
}

/// Returns the reason of an outage and the time until the next attempt.
pub(super) fn outage_text(outage: &Outage, app: &App) -> String {
    let Some(retry) = outage.retry else {
        let key = spell_arrows(&app.keys.label(Action::AskAgain), app.theme.ascii);
        let what = if key.is_empty() { String::new() } else { format!(", press {key} to log in") };
        return format!("{} (no more attempts{what})", outage.reason);
    };
    let left = retry - app.now;
    match left.as_millis().div_ceil(1000) {
        0 => format!("{} (retrying)", outage.reason),
        seconds => format!("{} (retry in {seconds} s)", outage.reason),
    }
}

/// Returns the agent's CPU and memory use, as far as they are known.
fn agent_cost_text(health: &Health) -> Option<String> {
    let cpu = health.cpu_percent().map(|percent| format!(" {percent} %"));
    let memory = health.resident_mib().map(|mib| format!(" {mib} MiB"));
    let costs: String = cpu.into_iter().chain(memory).collect();
    (!costs.is_empty()).then(|| format!("agent{costs}"))
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
    let (fresh, newest) = (app.is_fresh(), app.shown_sample());
    let mut spans = Vec::new();
    if app.window.paused_at().is_some() {
        spans.push(Span::styled("PAUSED", STRONG));
    } else if !fresh || newest.is_none() {
        spans.push(Span::styled(app.sources.watched().state(app.now).label(), STRONG));
    }
    // Values beyond the end of the row are not even formatted.
    for (chart, line) in app.sources.charts().iter().flat_map(Chart::lines_with_chart) {
        let is_full = width(&spans) >= usize::from(area.width);
        let Some(newest) = newest.filter(|_| !is_full) else { break };
        let space = if spans.is_empty() { "" } else { "  " };
        let name = if line.legend.is_empty() { &chart.title } else { &line.legend };
        spans.push(Span::styled(format!("{space}{name} "), theme.faint()));
        let value = chart.format.value(newest.value(line.column));
        spans.push(Span::styled(value, theme.line(line.colour, fresh)));
    }
    put_spans(buf, area, &spans);
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
