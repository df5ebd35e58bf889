//! Time axis: ticks at round local times, even if the clock is changed in between.

use loadline_protocol::Time;
use malevich::scale::Ticks;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::Figure;
use crate::store::Window;
use crate::view::text::{fill, put};

/// Minimum number of labels, if that many fit.
const LABELS_MIN: usize = 3;

/// Minimum number of columns between two ticks: half of `14:03` and a space.
const COLUMNS_PER_TICK_MIN: usize = 3;

/// Tick with its cell and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AxisTick {
    cell: usize,
    label: String,
}

pub(super) fn render(figure: &Figure, window: Window, buf: &mut Buffer) {
    let (app, parts) = (figure.app, figure.parts);
    let (symbols, faint) = (app.theme.symbols(), app.theme.faint());
    fill(buf, parts.axis_line, symbols.horizontal, faint);
    if parts.times.is_empty() {
        return;
    }
    let ticks = ticks(window, |time| app.zone.utc_offset_ms(time));
    if !parts.axis_line.is_empty() {
        for tick in &ticks {
            buf[(parts.times.x + tick.cell as u16, parts.axis_line.y)].set_char(symbols.tick_down);
        }
    }
    // The first label may extend below the value axis.
    let mut free_from = parts.gutter.x;
    let every = label_stride(&ticks);
    // A cut label would show a wrong time, so no label overlaps the crosshair's label.
    let crosshair_label = figure.time_label(window).map(|(area, _)| area);
    for tick in ticks.iter().step_by(every) {
        let x = parts.times.x + tick.cell as u16;
        let width = tick.label.width() as u16;
        // At the edges, a label is drawn beside its tick instead of below it.
        let rightmost = parts.times.right().saturating_sub(width);
        let left = x.saturating_sub(width / 2).max(parts.gutter.x).min(rightmost);
        if left >= free_from {
            let place = Rect { x: left, width, ..parts.times };
            if crosshair_label.is_none_or(|taken| !taken.intersects(place)) {
                put(buf, place, &tick.label, faint);
            }
            free_from = left + width + 1;
        }
    }
}

/// Returns the distance between ticks with labels: 1, or more if labels would overlap.
fn label_stride(ticks: &[AxisTick]) -> usize {
    let is_free = |stride: &usize| {
        let labelled: Vec<&AxisTick> = ticks.iter().step_by(*stride).collect();
        labelled.windows(2).all(|pair| {
            let (left, right) = (pair[0].label.len(), pair[1].label.len());
            pair[1].cell - pair[0].cell > left.div_ceil(2) + right / 2
        })
    };
    (1..=ticks.len()).find(is_free).unwrap_or(1)
}

/// Returns as many ticks as have room for their labels. If these are fewer than [`LABELS_MIN`],
/// returns as many as have room with every second one labelled.
fn ticks(window: Window, offset_ms: impl Fn(Time) -> i64) -> Vec<AxisTick> {
    let fits = |ticks: &[AxisTick], per_label: usize| {
        let widest = ticks.iter().map(|tick| tick.label.len()).max().unwrap_or(0);
        ticks.windows(2).all(|pair| (pair[1].cell - pair[0].cell) * per_label > widest)
    };
    let most = window.cell_count() / COLUMNS_PER_TICK_MIN + 1;
    let fewer = |target: &usize| Some((target * 3 / 4).min(target - 1));
    let targets = std::iter::successors(Some(most), fewer).take_while(|target| *target >= 2);
    let found: Vec<Vec<AxisTick>> =
        targets.map(|target| wall_clock_ticks(window, target, &offset_ms)).collect();
    let densest = |per_label: usize, least: usize| {
        found.iter().find(|ticks| ticks.len() >= least && fits(ticks, per_label))
    };
    let best = densest(1, LABELS_MIN).or_else(|| densest(2, LABELS_MIN)).or_else(|| densest(1, 0));
    best.or(found.last()).cloned().unwrap_or_default()
}

/// Returns about `target` ticks at round local times. A repeated hour has its ticks twice, a
/// skipped hour has none.
fn wall_clock_ticks(
    window: Window,
    target: usize,
    offset_ms: &impl Fn(Time) -> i64,
) -> Vec<AxisTick> {
    let (from, end) = (window.from_ms(), window.end_ms());
    let offset_at = |ms: i64| offset_ms(Time::from_millis(ms));
    let mut offsets = vec![offset_at(from), offset_at(end)];
    offsets.sort_unstable();
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let (wall_from, wall_end) = (seconds(from + offsets[0]), seconds(end + offsets[1]));
    offsets.dedup();
    // If the clock is changed within the window, some of these ticks fall outside.
    let wider = (wall_end - wall_from) / seconds(end - from).max(0.001);
    let target = (target as f64 * wider).round() as usize;
    let mut found = Vec::new();
    for tick in &Ticks::time(wall_from, wall_end, target) {
        let wall_ms = (tick.value * 1000.0).round() as i64;
        for offset in &offsets {
            let ms = wall_ms - offset;
            let is_shown_then = offset_at(ms) == *offset;
            if let Some(cell) = window.cell_of(ms).filter(|_| is_shown_then) {
                found.push(AxisTick { cell, label: tick.label.clone() });
            }
        }
    }
    found.sort_by_key(|tick| tick.cell);
    found.dedup_by_key(|tick| tick.cell);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// 2026-10-25 01:00 UTC: clocks in central Europe go back from 3:00 to 2:00.
    const CLOCKS_BACK: i64 = 1_792_890_000_000;

    /// 2026-03-29 01:00 UTC: clocks in central Europe go forward from 2:00 to 3:00.
    const CLOCKS_FORWARD: i64 = 1_774_746_000_000;

    /// Returns the labels of a window of `hours` that ends `end` hours after a clock change.
    /// `before` and `after` are UTC offsets in hours.
    fn labels(change: i64, before: i64, after: i64, hours: i64, end: i64) -> String {
        let newest = Time::from_millis(change + end * HOUR - 1);
        let window = Window::ending(newest, hours * HOUR, 60, 2);
        let offset = |time: Time| HOUR * if time.as_millis() < change { before } else { after };
        let ticks = ticks(window, offset);
        let labels: Vec<String> = ticks.into_iter().map(|tick| tick.label).collect();
        labels.join(" ")
    }

    #[test]
    fn repeated_hour_has_its_ticks_twice() {
        assert_eq!(labels(CLOCKS_BACK, 2, 1, 6, 3), "Oct 25 01:00 02:00 02:00 03:00 04:00");
    }

    #[test]
    fn skipped_hour_has_no_ticks() {
        assert_eq!(labels(CLOCKS_FORWARD, 1, 2, 6, 3), "23:00 Mar 29 01:00 03:00 04:00 05:00");
    }

    #[test]
    fn short_window_across_a_clock_change_has_ticks() {
        let newest = Time::from_millis(CLOCKS_BACK + 150_000);
        let window = Window::ending(newest, 300_000, 60, 2);
        let offset = |time: Time| if time.as_millis() < CLOCKS_BACK { 2 * HOUR } else { HOUR };
        assert!(ticks(window, offset).len() >= 3);
    }
}
