//! Mark and crosshair: the statistics between them equal those of the same rows as CSV.

use crossterm::event::{KeyCode, KeyModifiers, MouseEventKind};
use loadline::app::{ColumnStats, Statistics};
use loadline::event::Event;
use loadline::link::Events;
use loadline::output::{self, Job, OutputFormat, ProgressLine};
use loadline::time_spec::TimeBounds;
use loadline::zone::Zone;
use proptest::prelude::*;

use crate::metrics::all_metrics;
use crate::stage::{AppStage, check_frame, check_frames, server_values};

/// Returns events as CSV.
fn csv(events: Vec<Event>) -> String {
    let job = Job {
        format: OutputFormat::Csv,
        count: None,
        bounds: TimeBounds::default(),
        sources: vec!["web-1".to_owned()],
        zone: Zone::Fixed(0),
        interval: None,
        recorded_columns: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut written = Vec::new();
    runtime.block_on(async {
        let (sender, receiver) = tokio::sync::mpsc::channel(events.len().max(1));
        for event in events {
            sender.try_send(event).unwrap();
        }
        drop(sender);
        let (events, progress) =
            (Events::new([receiver]), ProgressLine::new(None::<Vec<u8>>, |_: &str| {}));
        output::run(&job, events, &mut written, progress, std::future::pending()).await.unwrap();
    });
    String::from_utf8(written).unwrap()
}

/// Returns the values of a CSV column between two sequence numbers.
fn values(csv: &str, column: usize, from: u64, to: u64) -> Vec<f64> {
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|row| (from..=to).contains(&row[3].parse().unwrap()));
    rows.filter_map(|row| row[4 + column].parse().ok()).collect()
}

fn check_statistics(span: &Statistics, csv: &str, from: u64, to: u64) {
    for (column, stat) in span.columns.iter().enumerate() {
        let values = values(csv, column, from, to);
        let Some(stat) = stat else {
            assert_eq!(values, [0.0; 0]);
            continue;
        };
        let ColumnStats { min, mean, max, last } = *stat;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!((min, max, Some(&last)), (least, greatest, values.last()), "column {column}");
        let expected = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{mean} {expected}");
    }
}

#[test]
fn between_mark_and_crosshair_each_series_has_statistics() {
    let mut stage = AppStage::live();
    stage.frame(120, 36);
    stage.type_keys("TTTTTTTTTTm");
    stage.type_keys(&"T".repeat(60));
    check_frames("measured", &mut stage);
    let span = stage.app.selection.statistics.clone().expect("a span");
    assert_eq!((span.samples, span.duration().as_secs()), (61, 60));
    // A second mark at the crosshair moves the mark. A third one removes it.
    stage.type_keys("m");
    assert_eq!(stage.app.selection.statistics.as_ref().map(|span| span.samples), Some(1));
    stage.type_keys("m");
    assert_eq!(stage.app.selection.statistics, None);
    stage.type_keys("m");
    stage.press(KeyCode::Esc);
    assert_eq!((stage.app.selection.mark, stage.app.selection.crosshair.is_some()), (None, true));
}

#[test]
fn statistics_of_more_series_than_fit_are_scrolled_and_no_number_touches_another() {
    let mut stage = all_metrics();
    stage.frame(120, 36);
    stage.type_keys("cm");
    stage.type_keys(&"T".repeat(60));
    check_frames("measured_metrics", &mut stage);
    let series = |stage: &mut AppStage, height| {
        let frame = stage.frame(80, height);
        frame.lines().last().unwrap().split("series ").nth(1).unwrap().to_owned()
    };
    assert_eq!(series(&mut stage, 24), "1-5 of 23");
    stage.type_keys("J");
    assert_eq!(series(&mut stage, 24), "2-6 of 23");
    stage.type_keys(&"J".repeat(50));
    assert_eq!(series(&mut stage, 24), "19-23 of 23");
    check_frame("measured_metrics_end", &mut stage, 80, 24);
    stage.mouse(MouseEventKind::ScrollUp, 10, 20);
    assert_eq!(series(&mut stage, 24), "16-20 of 23");
    stage.press_with(KeyCode::Up, KeyModifiers::SHIFT);
    assert_eq!(series(&mut stage, 24), "15-19 of 23");
    // The series of a visible chart comes first.
    stage.type_keys("9");
    let frame = stage.frame(120, 36);
    let row = frame.lines().find(|line| line.contains("mean")).unwrap();
    let below = frame.lines().skip_while(|line| *line != row).nth(1).unwrap();
    let first = stage.app.layout(stage.app.area()).charts[0].index;
    assert!(below.starts_with(&stage.app.sources.charts()[first].title), "{frame}");
}

#[test]
fn a_mark_stays_when_other_columns_follow() {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage.type_keys("cmTT");
    let mark = stage.app.selection.mark;
    let samples = stage.app.selection.statistics.clone().map(|statistics| statistics.samples);
    stage.change_columns(3);
    stage.row(240, &[1.0, 2.0, 3.0]);
    assert!(mark.is_some() && stage.app.selection.mark == mark);
    let statistics = stage.app.selection.statistics.clone().unwrap();
    assert_eq!(Some(statistics.samples), samples);
    assert_eq!(statistics.columns.len(), 9, "six columns and c1, c2, c3");
    stage.frame(80, 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn statistics_equal_those_of_the_same_rows_as_csv(
        missing in prop::collection::vec(any::<bool>(), 80),
        mark in 0..80_usize,
        crosshair in 0..80_usize,
    ) {
        let mut stage = AppStage::new("web-1");
        stage.connect_live(7);
        let mut events = stage.sent_events.clone();
        for (second, missing) in missing.iter().enumerate() {
            let mut values = server_values(second as i64);
            if *missing {
                values[1] = f64::NAN;
            }
            stage.row(second as i64, &values);
            events.push(stage.sent_events.last().unwrap().clone());
        }
        stage.frame(80, 24);
        stage.press(KeyCode::Char('c'));
        stage.type_keys(&"T".repeat(79 - mark));
        stage.type_keys("m");
        let (key, steps) = if crosshair > mark { ("t", crosshair - mark) } else { ("T", mark - crosshair) };
        stage.type_keys(&key.repeat(steps));
        let span = stage.app.selection.statistics.clone().expect("a span");
        let (from, to) = (mark.min(crosshair) as u64 + 1, mark.max(crosshair) as u64 + 1);
        prop_assert_eq!(span.samples as u64, to - from + 1);
        check_statistics(&span, &csv(events), from, to);
    }
}
