//! Findings on each page and at each time.

use std::sync::Arc;
use std::time::Duration;

use loadline::event::{Event, StreamInfo};
use loadline::watched::Watched;
use loadline_protocol::{Look, Note, Process, SafeText, Time, Top};

use crate::stage::{AppStage, START, check_frame, check_text};

/// Columns of a machine, with values of a calm one.
const CALM: [(&str, f64); 17] = [
    ("cpu:%", 12.0),
    ("freq:MHz", 2400.0),
    ("mem:%", 43.0),
    ("load1", 0.4),
    ("load5", 0.5),
    ("load15", 0.5),
    ("iowait:%", 0.5),
    ("steal:%", 0.0),
    ("mem_available:B", 4.6e9),
    ("swap_used:B", 0.0),
    ("disk_read:B/s", 0.0),
    ("disk_write:B/s", 2e4),
    ("psi_cpu:%", 0.5),
    ("psi_mem:%", 0.0),
    ("psi_io:%", 0.3),
    ("disk_used_/:%", 41.0),
    ("disk_used_/srv:%", 60.0),
];

/// A fault: columns with their values.
type Fault = [(&'static str, f64)];

const CPU: &Fault = &[("cpu:%", 99.3), ("psi_cpu:%", 94.0), ("load1", 16.4)];

/// Seconds after which a fault begins in [`machine`].
const CALM_SECONDS: i64 = 100;

fn values(fault: &Fault) -> Vec<f64> {
    let value = |(name, calm): &(&str, f64)| {
        fault.iter().find(|(column, _)| column == name).map_or(*calm, |(_, value)| *value)
    };
    CALM.iter().map(value).collect()
}

fn header(fields: &str) -> Event {
    let note = format!("loadline/1 run=00000007 host=web-1 interval=1000ms {fields}");
    let Ok(Note::Header(header)) = Note::parse(&note) else { panic!("{note}") };
    let columns = CALM.map(|(name, _)| name).join(" ");
    let schema = format!("time:s seq {columns}").parse().unwrap();
    Event::Stream(Arc::new(StreamInfo { header: Some(header), schema }))
}

const CORES: &str = "cores=4 memory=8589934592";

fn connect(stage: &mut AppStage, source: usize, fields: &str) {
    for event in [Event::Connected, header(fields), Event::Live] {
        stage.source_event(source, event);
    }
}

/// Returns a machine that has been calm, and has a fault since `seconds`.
fn machine(fields: &str, fault: &Fault, seconds: i64) -> AppStage {
    let mut stage = AppStage::new("127.0.0.1:1027");
    connect(&mut stage, 0, fields);
    for second in 0..CALM_SECONDS + seconds {
        let fault = if second < CALM_SECONDS { &[] } else { fault };
        stage.row(second, &values(fault));
    }
    stage
}

/// Sends a look at the processes, taken at the newest sample.
fn look(stage: &mut AppStage) {
    let process = |pid, name: &str, cpu, mem, io| Process {
        pid,
        name: SafeText::new(name),
        cpu: Some(cpu),
        mem,
        io: Some(io),
        ..Process::default()
    };
    let processes = vec![
        process(812, "ffmpeg", 78.2, 412 << 20, 1e6),
        process(77, "postgres", 4.0, 5 << 30, 110e6),
    ];
    let top = Top { time: Time::from_millis(stage.now - 3), ..Top::default() };
    stage.event(Event::Look(Arc::new(Look { top, processes })));
}

/// Returns the row of the finding, empty without one.
fn finding(stage: &mut AppStage, width: u16, height: u16) -> String {
    let line = stage.line(width, height, 1);
    if line.contains('─') { String::new() } else { line }
}

#[test]
fn each_problem_has_its_sentence() {
    let container = "cores=16 memory=8589934592 cpu_limit=1.5";
    let faults: [(&str, &Fault); 8] = [
        (CORES, CPU),
        (CORES, &[("cpu:%", 97.0), ("steal:%", 23.0), ("psi_cpu:%", 60.0)]),
        (container, &[("cpu:%", 99.8)]),
        (CORES, &[("iowait:%", 45.2), ("psi_io:%", 92.4), ("disk_write:B/s", 125e6)]),
        (CORES, &[("mem:%", 98.4), ("mem_available:B", 140e6), ("psi_mem:%", 31.2)]),
        (CORES, &[("mem:%", 98.4), ("mem_available:B", 140e6)]),
        (CORES, &[("load1", 12.4)]),
        (CORES, &[("disk_used_/srv:%", 97.4)]),
    ];
    let mut text = String::new();
    for (fields, fault) in faults {
        let mut stage = machine(fields, fault, 130);
        text.push_str(&finding(&mut stage, 120, 36));
        text.push('\n');
        look(&mut stage);
        for (width, height) in [(120, 36), (80, 24), (40, 12)] {
            text.push_str(&finding(&mut stage, width, height));
            text.push('\n');
        }
    }
    check_text("findings", &text);
}

#[test]
fn a_finding_has_a_row_below_the_header_while_something_is_wrong() {
    let mut stage = machine(CORES, CPU, 130);
    look(&mut stage);
    for (width, height) in [(120, 36), (80, 24)] {
        check_frame("finding", &mut stage, width, height);
    }
    stage.type_keys("f");
    check_frame("finding_fullscreen", &mut stage, 80, 24);
    assert!((0..8).all(|rows| !stage.frame(80, rows).contains("CPU saturated")));
    for second in 0..9 {
        stage.row(CALM_SECONDS + 130 + second, &values(&[]));
    }
    assert_eq!(finding(&mut stage, 80, 24), "");
}

#[test]
fn values_that_are_not_current_give_no_finding() {
    let mut stage = machine(CORES, CPU, 60);
    assert!(finding(&mut stage, 80, 24).starts_with("CPU saturated for 5"));
    stage.wait(20_000);
    assert_eq!(finding(&mut stage, 80, 24), "");
    stage.down("connection reset");
    assert_eq!(finding(&mut stage, 80, 24), "");
}

#[test]
fn crosshair_and_pause_show_what_was_wrong_then() {
    let mut stage = machine(CORES, CPU, 60);
    for second in CALM_SECONDS + 60..300 {
        stage.row(second, &values(&[]));
    }
    assert_eq!(finding(&mut stage, 120, 36), "");
    stage.app.selection.crosshair = Some(Time::from_millis(START + (CALM_SECONDS + 40) * 1000));
    assert!(finding(&mut stage, 120, 36).starts_with("CPU saturated for 3"));
    stage.app.selection.crosshair = Some(Time::from_millis(START + 50_000));
    assert_eq!(finding(&mut stage, 120, 36), "");
    let mut stage = machine(CORES, CPU, 60);
    stage.type_keys("p");
    let before = finding(&mut stage, 120, 36);
    assert!(before.starts_with("CPU saturated"));
    for second in CALM_SECONDS + 60..300 {
        stage.row(second, &values(&[]));
    }
    assert_eq!(finding(&mut stage, 120, 36), before, "a paused view does not change");
    stage.type_keys("p");
    stage.row(300, &values(&[]));
    assert_eq!(finding(&mut stage, 120, 36), "");
}

#[test]
fn a_recording_ends_with_what_is_wrong_there() {
    let mut stage = AppStage::new("web-1.load");
    stage.event(Event::Replaying);
    connect(&mut stage, 0, CORES);
    for second in 0..CALM_SECONDS + 60 {
        stage.row(second, &values(if second < CALM_SECONDS { &[] } else { CPU }));
    }
    stage.event(Event::Ended { reason: SafeText::new("end of file"), failed: false });
    stage.wait(100_000);
    assert!(finding(&mut stage, 120, 36).starts_with("CPU saturated for 5"));
}

/// Returns the overview of machines, of which some have a fault.
fn overview(count: usize, faults: &[(usize, &Fault)]) -> AppStage {
    let name = |at: usize| format!("web-{}:1027", at + 1);
    let mut stage = AppStage::new(&name(0));
    let others = (1..count).map(|at| Watched::new(&name(at), false, Duration::from_hours(1)));
    stage.app = stage.app.with_sources(others.collect::<Vec<_>>());
    (0..count).for_each(|source| connect(&mut stage, source, CORES));
    for (second, source) in (0..230).flat_map(|second| (0..count).map(move |at| (second, at))) {
        let fault = faults.iter().find(|(at, _)| *at == source && second >= CALM_SECONDS);
        stage.source_row(source, second, 0, &values(fault.map_or(&[], |(_, fault)| fault)));
    }
    stage
}

#[test]
fn the_overview_begins_with_the_sources_that_have_a_problem() {
    let mut stage = overview(6, &[(4, CPU), (2, &[("disk_used_/srv:%", 98.4)])]);
    for (width, height) in [(120, 36), (80, 24), (200, 20)] {
        check_frame("overview_findings", &mut stage, width, height);
    }
    let order = |stage: &mut AppStage| {
        let frame = stage.frame(120, 36);
        let names = frame.lines().filter_map(|line| line.split("web-").nth(1)?.chars().next());
        names.collect::<String>()
    };
    assert_eq!(order(&mut stage), "351246");
    stage.type_keys("o");
    assert_eq!(order(&mut stage), "531246", "the hottest first, of each kind");
    stage.type_keys("p");
    for (second, source) in (230..260).flat_map(|second| (0..6).map(move |at| (second, at))) {
        stage.source_row(source, second, 0, &values(&[]));
    }
    assert_eq!(order(&mut stage), "531246", "a paused view does not change");
    stage.type_keys("p");
    (0..6).for_each(|source| stage.source_row(source, 260, 0, &values(&[])));
    assert_eq!(order(&mut stage), "123456");
}

#[test]
fn compare_has_no_findings() {
    let mut stage = overview(2, &[(0, CPU)]);
    assert!(stage.frame(120, 36).contains("CPU saturated"));
    stage.type_keys("v");
    assert!(!stage.frame(120, 36).contains("CPU saturated"));
    stage.type_keys("v");
    assert!(!stage.frame(120, 36).contains("CPU saturated"));
}
