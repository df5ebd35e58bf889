//! Scripted machines, whose samples are as the kernel and an agent report them.

use std::sync::Arc;

use loadline_protocol::{Header, Look, Note, Process, SafeText, Schema, Top};
use proptest::prelude::*;

use super::*;
use crate::event::{Event, Rows, Sample, StreamInfo};

const COLUMNS: &str = "time:s cpu:% iowait:% steal:% mem:% mem_available:B swap_used:B psi_cpu:% psi_mem:% \
                       psi_io:% load1 disk_read:B/s disk_write:B/s disk_used:%";

const TWO_CORES: &str = "loadline/1 host=web-1 interval=1000ms cores=2 memory=8589934592";

/// What a machine does in a second. Pressure is the share of this second.
#[derive(Debug, Clone, Copy)]
struct Moment {
    cpu: f64,
    iowait: f64,
    steal: f64,
    mem: f64,
    swap_used: f64,
    /// Share of time in which tasks wait for CPU, memory and disks.
    waits: [f64; 3],
    /// Tasks that run or are blocked.
    tasks: f64,
    disk_write: f64,
    disk_used: f64,
}

const IDLE: Moment = Moment {
    cpu: 2.0,
    iowait: 0.1,
    steal: 0.0,
    mem: 30.0,
    swap_used: 0.0,
    waits: [0.3, 0.0, 0.2],
    tasks: 0.1,
    disk_write: 20_000.0,
    disk_used: 60.0,
};

/// A machine with an agent, and its diagnosis.
struct Machine {
    watched: Watched,
    diagnosis: Diagnosis,
    interval_ms: i64,
    now_ms: i64,
    /// Averages as the kernel computes them: pressure every 2 s, load every 5 s.
    pressure: [f64; 3],
    load: f64,
    /// Columns whose values are NaN.
    missing: &'static [&'static str],
}

impl Machine {
    fn new(header: &str) -> Machine {
        let Ok(Note::Header(header)) = Note::parse(header) else { panic!("{header}") };
        Machine::of(Some(header), COLUMNS)
    }

    fn of(header: Option<Header>, columns: &str) -> Machine {
        let schema: Schema = columns.parse().unwrap();
        let interval = header.as_ref().and_then(|header| header.interval);
        let mut watched = Watched::new("web-1", false, Duration::from_hours(48));
        let stream = Event::Stream(Arc::new(StreamInfo { header, schema }));
        watched.apply(Time::default(), stream);
        let mut diagnosis = Diagnosis::default();
        diagnosis.set_columns(watched.columns().unwrap());
        Machine {
            watched,
            diagnosis,
            interval_ms: interval.map_or(1000, |it| it.as_millis() as i64),
            now_ms: 1_000_000_000,
            pressure: [0.0; 3],
            load: 0.0,
            missing: &[],
        }
    }

    /// Lets an interval pass, and adds its sample.
    fn pass(&mut self, moment: Moment) {
        const STEP_MS: i64 = 250;
        for _ in 0..self.interval_ms / STEP_MS {
            self.now_ms += STEP_MS;
            if self.now_ms % 2000 == 0 {
                for (average, wait) in self.pressure.iter_mut().zip(moment.waits) {
                    *average = decayed(*average, wait, 0.2);
                }
            }
            if self.now_ms % 5000 == 0 {
                self.load = decayed(self.load, moment.tasks, 5.0 / 60.0);
            }
        }
        let available = (100.0 - moment.mem) / 100.0 * 8_589_934_592.0;
        let [cpu, mem, io] = self.pressure;
        self.add(&[
            moment.cpu,
            moment.iowait,
            moment.steal,
            moment.mem,
            available,
            moment.swap_used,
            cpu,
            mem,
            io,
            self.load,
            0.0,
            moment.disk_write,
            moment.disk_used,
        ]);
    }

    fn add(&mut self, values: &[f64]) {
        let columns = self.watched.columns().unwrap();
        let values: Vec<f64> = columns
            .iter()
            .zip(values)
            .map(|(column, value)| {
                if self.missing.contains(&column.name()) { f64::NAN } else { column.round(*value) }
            })
            .collect();
        let time = Time::from_millis(self.now_ms);
        let sample = Sample { time, seq: None, received: time, values: &values, line: None };
        self.watched.apply(time, Event::Rows(Rows::one(sample)));
        self.diagnosis.follow(&self.watched);
    }

    /// Lets seconds pass. Returns the second at which the shown problem changed first.
    fn pass_seconds(&mut self, seconds: i64, moment: impl Fn(i64) -> Moment) -> Option<i64> {
        let begin_ms = self.now_ms;
        let mut changed = None;
        while self.now_ms < begin_ms + seconds * 1000 {
            let before = self.diagnosis.shown;
            self.pass(moment((self.now_ms - begin_ms) / 1000));
            if self.diagnosis.shown != before {
                changed = changed.or(Some((self.now_ms - begin_ms) / 1000));
            }
        }
        changed
    }

    fn look(&mut self, processes: &[(&str, u32, f64, u64, f64)]) {
        let time = Time::from_millis(self.now_ms);
        let process = |(name, pid, cpu, mem, io): &(&str, u32, f64, u64, f64)| Process {
            pid: *pid,
            name: SafeText::new(name),
            cpu: Some(*cpu),
            mem: *mem,
            io: Some(*io),
            ..Process::default()
        };
        let top = Top { time, over: Some(5.0), ..Top::default() };
        let look = Look { top, processes: processes.iter().map(process).collect() };
        self.watched.apply(time, Event::Look(Arc::new(look)));
    }

    fn text(&self) -> String {
        let finding = self.diagnosis.finding(&self.watched);
        finding.map_or(String::new(), |finding| finding.text(200))
    }
}

fn decayed(average: f64, value: f64, passed: f64) -> f64 {
    let kept = (-passed).exp();
    ((average * kept + value * (1.0 - kept)) * 100.0).round() / 100.0
}

/// Checks that a fault is found within 10 s, described, and over within 10 s after its end. Values between
/// the levels change nothing.
fn check(
    header: &str,
    missing: &'static [&'static str],
    fault: Moment,
    between: Moment,
    expected: &str,
) {
    let mut machine = Machine::new(header);
    machine.missing = missing;
    assert_eq!(machine.pass_seconds(600, |_| IDLE), None);
    assert_eq!(machine.pass_seconds(600, |_| between), None, "{}", machine.text());
    assert_eq!(machine.pass_seconds(100, |_| IDLE), None, "{}", machine.text());
    let begin = machine.pass_seconds(30, |_| fault);
    assert!(begin.is_some_and(|second| second <= 10), "{begin:?} {expected}");
    machine.look(&[
        ("ffmpeg", 812, 78.0, 1 << 30, 1e3),
        ("dd", 77, 3.0, 1 << 20, 119e6),
        ("java", 9, 9.0, 6 << 30, 0.0),
    ]);
    assert_eq!(machine.text(), expected);
    assert_eq!(machine.pass_seconds(600, |_| between), None, "{}", machine.text());
    let end = machine.pass_seconds(60, |_| IDLE);
    assert!(end.is_some_and(|second| second <= 10), "{end:?} {expected}");
    assert_eq!(machine.text(), "");
}

const WITHOUT_PRESSURE: &[&str] = &["psi_cpu", "psi_mem", "psi_io"];

const CONTAINER: &str =
    "loadline/1 host=web-1 interval=1000ms cores=16 memory=8589934592 cpu_limit=1.5";

#[test]
fn a_saturated_cpu_is_found() {
    let busy = Moment { cpu: 99.4, waits: [100.0, 0.0, 0.0], tasks: 8.0, ..IDLE };
    let build = Moment { cpu: 99.0, waits: [7.0, 0.0, 2.0], tasks: 2.2, ..IDLE };
    let sentence =
        "CPU saturated for 27s: 99 % busy, tasks wait 95 % of the time; ffmpeg (812) takes 78 %";
    check(TWO_CORES, &[], busy, build, sentence);
}

#[test]
fn a_saturated_cpu_is_found_by_its_load_without_pressure() {
    let mut machine = Machine::new(TWO_CORES);
    machine.missing = WITHOUT_PRESSURE;
    let build = Moment { cpu: 99.0, tasks: 2.4, ..IDLE };
    assert_eq!(machine.pass_seconds(600, |_| build), None);
    let busy = Moment { cpu: 99.4, tasks: 8.0, ..IDLE };
    let begin = machine.pass_seconds(60, |_| busy);
    assert!(begin.is_some_and(|second| second <= 12), "{begin:?}");
    assert_eq!(machine.text(), "CPU saturated for 57s: 99 % busy, load 5.91 on 2 cores");
    let end = machine.pass_seconds(60, |_| IDLE);
    assert!(end.is_some_and(|second| second <= 10), "{end:?}");
}

#[test]
fn a_cpu_with_few_more_tasks_than_cores_is_saturated_after_a_minute() {
    let mut machine = Machine::new(TWO_CORES);
    let busy = Moment { cpu: 99.4, waits: [100.0, 0.0, 0.0], tasks: 4.0, ..IDLE };
    assert_eq!(machine.pass_seconds(60, |_| IDLE), None);
    // A build, which ends sooner.
    assert_eq!(machine.pass_seconds(55, |_| busy), None);
    assert_eq!(machine.pass_seconds(20, |_| IDLE), None);
    let begin = machine.pass_seconds(90, |_| busy);
    assert!(begin.is_some_and(|second| (60..=70).contains(&second)), "{begin:?}");
}

#[test]
fn a_cpu_whose_tasks_wait_a_little_is_saturated_after_two_minutes() {
    let mut machine = Machine::new(TWO_CORES);
    let busy = Moment { cpu: 99.0, waits: [14.0, 0.0, 0.0], tasks: 2.4, ..IDLE };
    assert_eq!(machine.pass_seconds(60, |_| IDLE), None);
    let begin = machine.pass_seconds(130, |_| busy);
    assert!(begin.is_some_and(|second| (120..=130).contains(&second)), "{begin:?}");
    machine.look(&[("ffmpeg", 812, 78.0, 1 << 30, 1e3)]);
    let sentence = "CPU saturated for 2m 8s: 99 % busy, tasks wait 14 % of the time; \
                    ffmpeg (812) takes 78 %";
    assert_eq!(machine.text(), sentence);
}

#[test]
fn a_stolen_cpu_is_found() {
    let stolen = Moment { cpu: 97.0, steal: 23.0, waits: [80.0, 0.0, 0.0], tasks: 3.0, ..IDLE };
    let neighbours = Moment { cpu: 60.0, steal: 7.0, ..IDLE };
    let sentence = "CPU stolen by the hypervisor for 30s: 23 % of the time, 97 % busy";
    check(TWO_CORES, &[], stolen, neighbours, sentence);
}

#[test]
fn a_container_at_its_limit_is_found() {
    let limited = Moment { cpu: 99.8, tasks: 20.0, waits: [60.0, 0.0, 0.0], ..IDLE };
    let below = Moment { cpu: 93.0, tasks: 20.0, waits: [60.0, 0.0, 0.0], ..IDLE };
    let sentence =
        "Container at its CPU limit for 28s: 100 % of 1.5 cores; ffmpeg (812) takes 78 %";
    check(CONTAINER, &[], limited, below, sentence);
}

#[test]
fn a_saturated_disk_is_found() {
    let writes = Moment {
        cpu: 12.0,
        iowait: 45.0,
        waits: [1.0, 0.0, 96.0],
        tasks: 2.0,
        disk_write: 125_829_120.0,
        ..IDLE
    };
    let backup = Moment { iowait: 30.0, waits: [1.0, 0.0, 45.0], ..writes };
    let sentence = "Disk saturated for 30s: tasks wait 91 % of the time, writes 120.0 MiB/s, \
                    iowait 45 %; dd (77) moves 113.5 MiB/s";
    check(TWO_CORES, &[], writes, backup, sentence);
    let backup = Moment { iowait: 22.0, ..backup };
    let sentence =
        "Disk saturated for 29s: writes 120.0 MiB/s, iowait 45 %; dd (77) moves 113.5 MiB/s";
    check(TWO_CORES, WITHOUT_PRESSURE, writes, backup, sentence);
}

#[test]
fn short_memory_is_found() {
    let stalls = Moment { mem: 55.0, waits: [2.0, 45.0, 30.0], ..IDLE };
    let churn = Moment { mem: 55.0, waits: [2.0, 8.0, 30.0], ..IDLE };
    let sentence = "Memory short for 30s: tasks wait 43 % of the time, 55 % used, 3.6 GiB available; \
                    java (9) has 6.0 GiB";
    check(TWO_CORES, &[], stalls, churn, sentence);
    let full = Moment { mem: 98.6, ..IDLE };
    let nearly = Moment { mem: 95.0, ..IDLE };
    let sentence = "Memory short for 28s: 99 % used, 114.7 MiB available; java (9) has 6.0 GiB";
    check(TWO_CORES, WITHOUT_PRESSURE, full, nearly, sentence);
}

#[test]
fn a_machine_that_swaps_is_found() {
    let mut machine = Machine::new(TWO_CORES);
    machine.missing = WITHOUT_PRESSURE;
    let full = Moment { mem: 92.0, swap_used: 1e9, ..IDLE };
    assert_eq!(machine.pass_seconds(600, |_| full), None);
    let swaps = |second| Moment { swap_used: 1e9 + 8e6 * second as f64, ..full };
    assert!(machine.pass_seconds(30, swaps).is_some_and(|second| second <= 10));
    let sentence = "Memory short for 30s: 92 % used, swap grows 7.6 MiB/s, 655.4 MiB available";
    assert_eq!(machine.text(), sentence);
    // The growth of ten seconds counts.
    let end = machine.pass_seconds(60, |_| Moment { swap_used: 1e9 + 8e6 * 30.0, ..full });
    assert!(end.is_some_and(|second| second <= 15), "{end:?}");
}

#[test]
fn blocked_tasks_are_found() {
    let mut machine = Machine::new(TWO_CORES);
    let blocked = Moment { tasks: 8.1, ..IDLE };
    assert_eq!(machine.pass_seconds(60, |_| IDLE), None);
    // The load of the last minute reaches 3 after 28 s.
    let begin = machine.pass_seconds(65, |_| blocked);
    assert!(begin.is_some_and(|second| second <= 38), "{begin:?}");
    let sentence = "Load high for 47s: about 5 tasks blocked, load 5.37 on 2 cores, CPU 2 % busy";
    assert_eq!(machine.text(), sentence);
    assert_eq!(machine.pass_seconds(600, |_| Moment { tasks: 1.4, ..IDLE }), None);
    let end = machine.pass_seconds(60, |_| IDLE);
    assert!(end.is_some_and(|second| second <= 10), "{end:?}");
}

#[test]
fn a_file_system_that_is_nearly_full_is_found() {
    let full = Moment { disk_used: 97.4, ..IDLE };
    let nearly = Moment { disk_used: 94.5, ..IDLE };
    check(TWO_CORES, &[], full, nearly, "File system nearly full for 31s: 97 % used");
}

/// Fault that each rule finds, and the time between two changes at which it begins and ends.
const FAULTS: [(&str, Moment); 6] = [
    (TWO_CORES, Moment { cpu: 99.4, waits: [100.0, 0.0, 0.0], tasks: 8.0, ..IDLE }),
    (TWO_CORES, Moment { steal: 30.0, cpu: 60.0, ..IDLE }),
    (TWO_CORES, Moment { waits: [0.0, 0.0, 96.0], iowait: 45.0, disk_write: 1e8, ..IDLE }),
    (TWO_CORES, Moment { waits: [0.0, 45.0, 10.0], ..IDLE }),
    (TWO_CORES, Moment { disk_used: 99.0, ..IDLE }),
    (CONTAINER, Moment { cpu: 100.0, ..IDLE }),
];

/// Returns the moment between two at a share of the way.
fn mixed(a: Moment, b: Moment, share: f64) -> Moment {
    let mix = |a: f64, b: f64| a + (b - a) * share;
    Moment {
        cpu: mix(a.cpu, b.cpu),
        iowait: mix(a.iowait, b.iowait),
        steal: mix(a.steal, b.steal),
        mem: mix(a.mem, b.mem),
        swap_used: mix(a.swap_used, b.swap_used),
        waits: [0, 1, 2].map(|at| mix(a.waits[at], b.waits[at])),
        tasks: mix(a.tasks, b.tasks),
        disk_write: mix(a.disk_write, b.disk_write),
        disk_used: mix(a.disk_used, b.disk_used),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_changes_the_sentence_at_most_every_ten_seconds(
        fault in 0..FAULTS.len(),
        noise in prop::collection::vec(0.0..1.0_f64, 120),
        interval_ms in prop::sample::select(vec![250_u32, 1000, 3000, 15_000]),
    ) {
        let (header, fault) = FAULTS[fault];
        let mut machine = Machine::new(&header.replace("1000ms", &format!("{interval_ms}ms")));
        let mut changed_ms = None;
        for share in noise {
            let before = machine.diagnosis.shown;
            machine.pass(mixed(IDLE, fault, share));
            if machine.diagnosis.shown != before {
                let passed_ms = changed_ms.map_or(i64::MAX, |changed| machine.now_ms - changed);
                prop_assert!(passed_ms >= 10_000, "{passed_ms} ms");
                changed_ms = Some(machine.now_ms);
            }
        }
    }

    #[test]
    fn a_fault_with_short_lapses_is_one(
        fault in 0..FAULTS.len(),
        lapses in prop::collection::vec(any::<bool>(), 100),
    ) {
        let (header, fault) = FAULTS[fault];
        let mut machine = Machine::new(header);
        machine.pass_seconds(30, |_| fault);
        for lapses in lapses {
            let lapse = machine.pass_seconds(1, |_| if lapses { IDLE } else { fault });
            let rest = machine.pass_seconds(8, |_| fault);
            prop_assert_eq!((lapse, rest), (None, None));
        }
    }

    #[test]
    fn a_fault_begins_and_ends_within_ten_seconds_at_any_interval(
        fault in 0..FAULTS.len(),
        interval_ms in prop::sample::select(vec![250_u32, 500, 1000, 2000, 5000]),
        calm_s in 60..80_i64,
    ) {
        let (header, fault) = FAULTS[fault];
        let mut machine = Machine::new(&header.replace("1000ms", &format!("{interval_ms}ms")));
        // A sample may come an interval later, and the kernel counts the tasks every 5 s.
        let counts = if fault.tasks > 1.0 { 2 } else { 0 };
        let tolerated = 10 + counts + 2 * i64::from(interval_ms) / 1000;
        prop_assert_eq!(machine.pass_seconds(calm_s, |_| IDLE), None);
        let begin = machine.pass_seconds(60, |_| fault);
        prop_assert!(begin.is_some_and(|second| second <= tolerated), "begins: {:?}", begin);
        let end = machine.pass_seconds(60, |_| IDLE);
        prop_assert!(end.is_some_and(|second| second <= tolerated), "ends: {:?}", end);
    }

    #[test]
    fn the_samples_of_a_time_are_enough_for_its_diagnosis(second in 200..900_i64) {
        let mut machine = Machine::new(TWO_CORES);
        let (_, fault) = FAULTS[0];
        machine.pass_seconds(second, |at| if at / 60 % 2 == 0 { IDLE } else { fault });
        let later = machine.text();
        let newest = machine.watched.store().newest().unwrap();
        let found = Diagnosis::at(&machine.watched, newest);
        prop_assert_eq!(found.shown, machine.diagnosis.shown);
        let text = found.finding(&machine.watched).map_or(String::new(), |it| it.text(200));
        prop_assert_eq!(text, later);
    }
}

#[test]
fn samples_that_are_far_apart_decide_by_themselves() {
    for interval in ["15s", "60s", "3600s"] {
        for (header, fault) in FAULTS {
            let mut machine = Machine::new(&header.replace("1000ms", interval));
            machine.pass(fault);
            if interval == "15s" {
                // Averages of the kernel do not show yet how much tasks wait.
                machine.pass(fault);
            }
            assert!(machine.diagnosis.shown.is_some(), "{interval} {fault:?}");
            machine.pass(IDLE);
            assert_eq!(machine.diagnosis.shown, None, "{interval}");
        }
    }
}

/// Random numbers that are the same in each run.
struct Random(u64);

impl Random {
    /// Returns a number between two others.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 33) as f64 / f64::from(1u32 << 31))
    }
}

/// Lets an hour pass, and returns what is said about it.
fn hour(mut moment: impl FnMut(i64, &mut Random) -> Moment) -> Vec<String> {
    let (mut machine, mut random) = (Machine::new(TWO_CORES), Random(7));
    let mut said = Vec::new();
    for second in 0..3600 {
        machine.pass(moment(second, &mut random));
        if machine.diagnosis.has_finding() {
            said.push(machine.text());
        }
    }
    said
}

#[test]
fn an_hour_of_an_idle_machine_gives_no_finding() {
    let said = hour(|second, random| Moment {
        cpu: random.between(0.0, 4.0) + if second % 60 == 0 { 30.0 } else { 0.0 },
        iowait: random.between(0.0, 1.0),
        steal: random.between(0.0, 0.5),
        tasks: if second % 300 == 0 { 4.0 } else { random.between(0.0, 0.4) },
        waits: [random.between(0.0, 2.0), 0.0, random.between(0.0, 3.0)],
        ..IDLE
    });
    assert_eq!(said, [""; 0]);
}

#[test]
fn an_hour_of_a_busy_machine_gives_no_finding() {
    let said = hour(|second, random| {
        let browser = Moment {
            cpu: random.between(5.0, 60.0),
            mem: 72.0 + random.between(-2.0, 6.0),
            swap_used: 3e8 + second as f64 * 2e4,
            tasks: random.between(0.2, 2.5),
            waits: [random.between(0.0, 15.0), random.between(0.0, 1.0), random.between(0.0, 8.0)],
            steal: random.between(0.0, 3.0),
            disk_write: random.between(0.0, 5e6),
            ..IDLE
        };
        match second % 300 {
            // A short build whose tasks wait most of the time, and a long one with a task for each core.
            20..45 => Moment { cpu: 100.0, tasks: 4.5, waits: [95.0, 0.0, 3.0], ..browser },
            100..190 => Moment {
                cpu: random.between(96.0, 100.0),
                tasks: 2.3,
                waits: [random.between(3.0, 30.0), 0.0, 5.0],
                ..browser
            },
            // Nightly jobs: an index of all files, a backup.
            200..225 if second < 1200 => Moment {
                cpu: 30.0,
                iowait: 35.0,
                tasks: 1.5,
                waits: [5.0, 2.0, random.between(30.0, 75.0)],
                disk_write: 3e7,
                ..browser
            },
            _ => browser,
        }
    });
    assert_eq!(said, [""; 0]);
}

/// Rows of a machine with two cores, one a second, while its users compile Rust programs.
const BUILDS: &str = include_str!("builds.txt");

#[test]
fn recorded_builds_give_no_finding() {
    let Ok(Note::Header(header)) = Note::parse(TWO_CORES) else { panic!() };
    let columns = "time:s cpu:% iowait:% steal:% load1 psi_cpu:% psi_mem:% psi_io:% mem:%";
    let mut machine = Machine::of(Some(header), columns);
    for row in BUILDS.lines() {
        let values: Vec<f64> = row.split(' ').map(|value| value.parse().unwrap()).collect();
        machine.now_ms += 1000;
        machine.add(&values);
        assert_eq!(machine.text(), "", "after {} s", machine.now_ms / 1000 - 1_000_000);
    }
}
