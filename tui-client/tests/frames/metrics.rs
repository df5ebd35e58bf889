//! An agent with all columns that it can collect.

use std::sync::Arc;

use crossterm::event::KeyCode;
use loadline::event::{Event, StreamInfo};
use loadline::theme::Palette;
use loadline_protocol::{Column, CpuLimit, Schema, Stamp};
use ratatui::style::Color;

use crate::stage::{AppStage, check_frame, check_frames, colour_of, header, server_values};

/// Columns that an agent collects by default, after the six of a plain stream.
const EXTRA_COLUMNS: &str = "user:% system:% iowait:% steal:% mem_used:B mem_available:B mem_total:B \
     swap:% swap_used:B net_rx:B/s net_tx:B/s disk_read:B/s disk_write:B/s disk_used:% psi_cpu:% \
     psi_mem:% psi_io:%";

const MEMORY: f64 = 67_385_159_680.0;

/// Returns values for [`EXTRA_COLUMNS`] of a working server.
fn extra_values(second: i64) -> Vec<f64> {
    let t = second as f64;
    let wave = (t / 17.0).sin();
    let burst = if second % 60 < 12 { 90e6 } else { 2e6 };
    let used = MEMORY * (0.41 + t / 4000.0);
    vec![
        30.0 + 20.0 * wave,
        14.0 + 6.0 * wave,
        3.0 + 2.0 * (t / 5.0).sin(),
        0.0,
        used,
        MEMORY - used,
        MEMORY,
        12.5,
        268_435_456.0,
        8e6 + 6e6 * wave,
        2e6 + 1e6 * (t / 9.0).cos(),
        burst / 10.0,
        burst,
        63.4,
        4.0 + 3.0 * wave,
        0.0,
        if second % 60 < 12 { 18.0 } else { 1.0 },
    ]
}

/// Returns the values of an agent that also collects [`EXTRA_COLUMNS`].
pub(crate) fn values(second: i64) -> Vec<f64> {
    [server_values(second), extra_values(second)].concat()
}

/// Returns an agent with further columns after those of a plain stream.
pub(crate) fn with_extra_columns(columns: &str, values: impl Fn(i64) -> Vec<f64>) -> AppStage {
    let mut stage = AppStage::new("127.0.0.1:1027");
    stage.event(Event::Connected);
    let Event::Stream(stream) = header(7) else { panic!("a header begins a stream") };
    let mut all = stream.schema.columns().to_vec();
    all.extend(columns.split_whitespace().map(|column| column.parse::<Column>().unwrap()));
    let schema = Schema::new(Stamp::TimeSeq, all).unwrap();
    stage.event(Event::Stream(Arc::new(StreamInfo { header: stream.header.clone(), schema })));
    let columns = stage.app.sources.watched().columns().unwrap().to_vec();
    for second in 0..240 {
        let values = [server_values(second), values(second)].concat();
        let rounded = columns.iter().zip(values).map(|(column, value)| column.round(value));
        stage.row(second, &rounded.collect::<Vec<_>>());
    }
    stage.event(Event::Live);
    stage
}

pub(crate) fn all_metrics() -> AppStage {
    with_extra_columns(EXTRA_COLUMNS, extra_values)
}

/// Returns an agent with `count` cores, each busy a little later than the previous one.
pub(crate) fn with_cores(count: usize) -> AppStage {
    let names: Vec<String> = (0..count).map(|core| format!("core{core}:%")).collect();
    with_extra_columns(&names.join(" "), |second| {
        let busy = |core: usize| {
            let wave = (second as f64 / 11.0 - core as f64 / 2.0).sin();
            if core == 1 && (60..90).contains(&second) { f64::NAN } else { 50.0 + 50.0 * wave }
        };
        (0..count).map(busy).collect()
    })
}

#[test]
fn the_first_page_has_six_charts_and_the_next_page_has_the_rest() {
    let mut stage = all_metrics();
    check_frames("metrics", &mut stage);
    let screen = stage.frame(120, 36);
    for title in ["1  CPU", "2  Memory", "3  Frequency", "4  Load", "5  Network", "6  Disk"] {
        assert!(screen.contains(title), "{title} is missing: {screen}");
    }
    stage.type_keys("7");
    check_frame("metrics_second_page", &mut stage, 120, 36);
    stage.type_keys("5f");
    check_frame("metrics_network", &mut stage, 120, 36);
    stage.type_keys("u");
    check_frame("metrics_network_in_bits", &mut stage, 80, 24);
}

#[test]
fn a_screen_with_room_shows_more_charts() {
    let screen = all_metrics().frame(160, 60);
    assert!(screen.contains("7  Pressure") && screen.contains("8  CPU time"), "{screen}");
}

#[test]
fn the_cores_are_a_heat_map_with_a_row_each() {
    let mut stage = with_cores(8);
    stage.type_keys("5f");
    check_frames("cores", &mut stage);
    stage.type_keys("ff");
    let live = stage.draw(120, 36);
    assert_eq!(colour_of(&live, "█"), Some(Color::Cyan), "a busy core is not critical");
    stage.wait(60_000);
    let silent = stage.draw(120, 36);
    assert_eq!(colour_of(&silent, "█"), Some(Color::DarkGray));
}

#[test]
fn cores_share_rows_if_there_are_fewer_rows_than_cores() {
    let mut stage = with_cores(100);
    stage.type_keys("5");
    check_frames("cores_100", &mut stage);
    stage.type_keys("f");
    stage.app.theme.palette = Palette::Mono;
    stage.app.theme.ascii = true;
    check_frame("cores_100_ascii", &mut stage, 80, 24);
}

#[test]
fn the_title_names_the_busiest_core_at_the_crosshair() {
    let mut stage = with_cores(4);
    stage.type_keys("5fc");
    stage.press(KeyCode::Left);
    check_frame("cores_cursor", &mut stage, 80, 24);
}

#[test]
fn the_header_shows_the_container_limits() {
    let mut stage = AppStage::new("127.0.0.1:1027");
    let Event::Stream(mut stream) = header(7) else { panic!("a header begins a stream") };
    let header = Arc::make_mut(&mut stream).header.as_mut().unwrap();
    header.cpu_limit = Some(CpuLimit(1500));
    header.memory_limit = Some(512 << 20);
    stage.event(Event::Connected);
    stage.event(Event::Stream(stream));
    stage.row(0, &server_values(0));
    for width in [120, 80] {
        let first = stage.header(width, 24);
        assert!(first.contains("limit 1.5 cores, 512.0 MiB"), "{first}");
    }
}
