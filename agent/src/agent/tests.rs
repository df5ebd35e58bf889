//! Golden files: whole streams of machines whose kernel files are in `tests/fixtures`.
//!
//! `INSTA_UPDATE=always cargo test -p loadline-agent golden` updates them.

use loadline_protocol::{Column, SafeText};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep};

use super::*;
use crate::kernel::tests::TestRoot;
use crate::source::{GroupSet, Machine};

/// Values of sysinfo and `statvfs`, which read the machine that runs the test.
const SCRIPTED: [(&str, f64); 17] = [
    ("cpu", 12.5),
    ("mem", 4.5),
    ("load1", 5.44),
    ("load5", 7.9),
    ("load15", 7.71),
    ("mem_used", 1_142_140_928.0),
    ("mem_available", 24_134_369_280.0),
    ("mem_total", 25_276_510_208.0),
    ("swap", 0.7),
    ("swap_used", 14_151_680.0),
    ("disk_used", 61.5),
    ("disk_used_/", 21.0),
    ("disk_used_/srv/my_data", 61.5),
    ("core0", 30.0),
    ("core1", 25.0),
    ("temp", 51.5),
    ("uptime", 86_400.0),
];

/// Machine with kernel files of a fixture. Values that come from elsewhere are scripted.
struct FixtureMachine {
    machine: Machine,
    /// Columns that a container limit replaces by values of the kernel files.
    is_container: bool,
}

impl MetricSource for FixtureMachine {
    fn columns(&self) -> Vec<Column> {
        self.machine.columns()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.machine.sample(values);
        for (column, value) in self.columns().iter().zip(values) {
            let name = column.name();
            let is_limited = name == "cpu" || name.starts_with("mem");
            let scripted = SCRIPTED.iter().find(|(scripted, _)| *scripted == name);
            match scripted {
                Some((_, scripted)) if !(self.is_container && is_limited) => *value = *scripted,
                None if name.starts_with("core") => *value = f64::NAN,
                _ => {}
            }
        }
    }

    fn min_interval(&self) -> Duration {
        self.machine.min_interval()
    }
}

/// Returns the stream of a client that subscribes to everything. One second after the first sample,
/// the kernel files change.
async fn stream(trees: &[&str], later: &[&str]) -> String {
    let files = TestRoot::new();
    for tree in trees {
        files.overlay(tree);
    }
    let machine = Machine::at_root(&files.root(), &GroupSet::all());
    let machine = FixtureMachine { machine, is_container: trees.contains(&"container") };
    let facts = MachineFacts::at_root(&files.root());
    let facts = MachineFacts {
        host: SafeText::new("web-1"),
        os: Some(SafeText::new("Debian GNU/Linux 12")),
        cores: Some(4),
        memory: facts.memory_limit.or(Some(25_276_510_208)),
        ..facts
    };
    let begin = Instant::now();
    let clock = Clock::new(move || 1_763_836_800_000 + begin.elapsed().as_millis() as i64);
    let agent = Agent::start_with_clock(machine, facts, AgentSettings::default(), clock).await;
    for tree in later {
        files.overlay(tree);
    }

    let (mut client, server) = tokio::io::duplex(64 * 1024);
    client.write_all(b"loadline/1 history=all\n").await.unwrap();
    let service = agent.service();
    tokio::spawn(async move { service.serve(server).await });
    agent.run(Vec::<Listener>::new(), sleep(Duration::from_millis(1500))).await;
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

fn check(name: &str, stream: &str) {
    let random = [(r"run=[0-9a-f]{8}", "run=[run]"), (r"agent=\S+", "agent=[version]")];
    insta::with_settings!({
        filters => random,
        snapshot_path => "../../tests/golden",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, stream);
    });
}

#[tokio::test(start_paused = true)]
async fn the_golden_stream_of_a_server_is_unchanged() {
    check("stream_of_a_server", &stream(&["server"], &["server-later"]).await);
}

#[tokio::test(start_paused = true)]
async fn the_golden_stream_of_a_container_is_unchanged() {
    let later = ["server-later", "container-later"];
    check("stream_of_a_container", &stream(&["server", "container"], &later).await);
}
