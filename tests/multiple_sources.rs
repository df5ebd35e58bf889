//! Several sources on one screen, over real sockets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadline::app::{App, Message, ScreenSettings};
use loadline::link::{Connector, Events, Link, LinkOptions, events_max};
use loadline::output::OutputFormat;
use loadline::store::Window;
use loadline::theme::Theme;
use loadline::watched::{State, Watched};
use loadline::zone::Zone;
use loadline_agent::{Clock, MachineFacts, ScriptedSource};
use loadline_protocol::{History, SafeText, Seq};
use loadline_tests::{DEADLINE, LoopbackAgent, TcpProxy, collect_output_of_all};
use ratatui::layout::Size;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Sampling interval of the agents.
const INTERVAL: Duration = Duration::from_millis(20);

/// Period of the sine waves.
const WAVE_MS: i64 = 2000;

/// Clock offset of one agent. Not a multiple of the period of the waves.
const CLOCK_OFFSET_MS: i64 = 90_700;

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Starts an agent whose CPU utilization is a sine of the time, delayed by `eighths` of a period,
/// and whose clock is ahead by `offset_ms`.
async fn start_wave_agent(eighths: i64, offset_ms: i64) -> LoopbackAgent {
    let source = ScriptedSource::plain(move |number, values| {
        let phase = (wall_ms() - eighths * WAVE_MS / 8).rem_euclid(WAVE_MS) as f64 / WAVE_MS as f64;
        let cpu = 50.0 + 40.0 * (phase * std::f64::consts::TAU).sin();
        values.extend([cpu, number as f64, 43.1, 0.52, 0.44, 0.4]);
    });
    let clock = Clock::new(move || wall_ms() + offset_ms);
    let facts = MachineFacts { host: SafeText::new("web"), ..MachineFacts::default() };
    LoopbackAgent::start_with_source(source, facts, clock, INTERVAL).await
}

/// Application that follows sources without a terminal.
struct OffscreenApp {
    app: App,
    events: Events,
    clock: Clock,
}

impl OffscreenApp {
    fn new(addresses: &[SocketAddr]) -> OffscreenApp {
        let mut links = Vec::new();
        let mut watched = Vec::new();
        for address in addresses {
            let (sender, events) = mpsc::channel(events_max(addresses.len()));
            let connector = Connector::tcp(&address.ip().to_string(), address.port());
            let options = LinkOptions { history: History::All, ..LinkOptions::default() };
            tokio::spawn(Link::new(connector, options, Clock::system()).run(sender));
            links.push(events);
            watched.push(Watched::new(&address.to_string(), false, Duration::from_hours(1)));
        }
        let settings = ScreenSettings {
            window: Some(Duration::from_secs(10)),
            fullscreen: false,
            zone: Zone::Fixed(0),
            theme: Theme::detect(None, None, |name| (name == "LANG").then(|| "C.UTF-8".to_owned())),
        };
        let mut clock = Clock::system();
        let mut watched = watched.into_iter();
        let first = watched.next().unwrap();
        let size = Size { width: 120, height: 36 };
        let app = App::new(first, settings, size, clock.now()).with_sources(watched);
        OffscreenApp { app, events: Events::new(links), clock }
    }

    /// Handles events until `holds` returns true.
    async fn wait_until(&mut self, what: &str, holds: impl Fn(&App) -> bool) {
        let end = Instant::now() + DEADLINE;
        let mut batch = Vec::new();
        while !holds(&self.app) {
            assert!(Instant::now() < end, "timed out waiting for {what}");
            let tick = Duration::from_millis(50);
            let _ = timeout(tick, self.events.receive(&mut batch, 256, |_| true)).await;
            let now = self.clock.now();
            for (source, event) in batch.drain(..) {
                self.app.update(now, Message::Event { source, event });
            }
            self.app.update(now, Message::Tick);
        }
    }
}

fn state_of(app: &App, source: usize) -> State {
    app.sources.all()[source].watched.state(app.now)
}

fn sample_count(app: &App, source: usize) -> usize {
    app.sources.all()[source].watched.store().len()
}

/// Returns the peaks of a source on the shared time axis, in milliseconds after the sine's true
/// peak. The peak of a wave is the middle of its highest slots.
fn peaks_ms(app: &App, source: usize, eighths: i64, window: Window) -> Vec<i64> {
    let store = app.sources.all()[source].watched.store();
    let slots = store.slots(0, window.with_clock_offset(app.sources.clock_offset_ms(source))).slots;
    let slot_ms = (window.end_ms() - window.from_ms()) / window.slot_count() as i64;
    let mut waves: BTreeMap<i64, Vec<(i64, f64)>> = BTreeMap::new();
    for (at, slot) in (0..).zip(&slots) {
        let Some(slot) = slot else { continue };
        let ms = window.from_ms() + at * slot_ms + slot_ms / 2 - eighths * WAVE_MS / 8;
        waves.entry(ms.div_euclid(WAVE_MS)).or_default().push((ms.rem_euclid(WAVE_MS), slot.max));
    }
    // An incomplete wave may lack its peak.
    let whole = waves.into_values().filter(|wave| wave.len() as i64 >= WAVE_MS / slot_ms - 2);
    whole
        .map(|wave| {
            let highest = wave.iter().map(|(_, value)| *value).fold(f64::MIN, f64::max);
            let near: Vec<i64> = wave
                .iter()
                .filter(|(_, value)| *value > highest - 1.0)
                .map(|(ms, _)| *ms)
                .collect();
            near.iter().sum::<i64>() / near.len() as i64 - WAVE_MS / 4
        })
        .collect()
}

#[tokio::test]
async fn eight_agents_line_up_and_faults_of_three_do_not_affect_the_others() {
    let mut servers = Vec::new();
    for eighths in 0..8 {
        servers
            .push(start_wave_agent(eighths, if eighths == 2 { CLOCK_OFFSET_MS } else { 0 }).await);
    }
    let proxy = TcpProxy::start(servers[1].address).await;
    let mut addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    addresses[1] = proxy.address;
    let mut offscreen = OffscreenApp::new(&addresses);
    offscreen
        .wait_until("four waves of each source", |app| (0..8).all(|at| sample_count(app, at) > 400))
        .await;
    assert!((0..8).all(|at| state_of(&offscreen.app, at) == State::Live));

    // Source 0 stops, source 1 loses its connection repeatedly, source 2 has a clock offset.
    servers.remove(0).stop().await;
    for _ in 0..3 {
        proxy.cut().await;
        let before = sample_count(&offscreen.app, 3);
        offscreen
            .wait_until("more samples of source 3", |app| sample_count(app, 3) > before + 50)
            .await;
    }
    let app = &offscreen.app;
    assert!(matches!(state_of(app, 0), State::Reconnecting(Some(_))), "{:?}", state_of(app, 0));
    let ahead_ms = app.sources.all()[2].watched.clock_offset_ms();
    assert!((ahead_ms - CLOCK_OFFSET_MS).abs() < 500, "{ahead_ms}");

    let window = app.window_of(100).unwrap();
    for source in 1..8 {
        let peaks = peaks_ms(app, source, source as i64, window);
        assert!(source == 1 || peaks.len() >= 2, "{source}: {peaks:?}");
        // Neighbours are an eighth of a period apart.
        assert!(peaks.iter().all(|ms| ms.abs() < WAVE_MS / 16), "{source}: {peaks:?}");
    }
    for source in 3..8 {
        assert_eq!(state_of(app, source), State::Live);
        let watched = &app.sources.all()[source].watched;
        assert_eq!(
            (watched.ingest.faults, watched.ingest.skipped, watched.clock_offset_ms()),
            (0, 0, 0)
        );
        let seqs: Vec<_> = (0..sample_count(app, source))
            .map(|at| watched.store().get(at).unwrap().seq().unwrap())
            .collect();
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0].next()), "every sample exactly once");
    }
    for server in servers {
        server.stop().await;
    }
}

/// Starts a server that writes rows as fast as its client reads.
async fn start_flood() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let rows = "1 2 3 4 5 6\n".repeat(1000);
        while client.write_all(rows.as_bytes()).await.is_ok() {}
    });
    address
}

#[tokio::test]
async fn a_flooding_source_does_not_affect_the_others() {
    let (quiet, other) =
        (LoopbackAgent::start(INTERVAL).await, LoopbackAgent::start(INTERVAL).await);
    let mut offscreen = OffscreenApp::new(&[quiet.address, start_flood().await, other.address]);
    let flooded = |app: &App| sample_count(app, 1) > 1000;
    offscreen
        .wait_until("rows of the flood", |app| flooded(app) && sample_count(app, 0) > 25)
        .await;
    for source in [0, 2] {
        let watched = &offscreen.app.sources.all()[source].watched;
        assert_eq!(state_of(&offscreen.app, source), State::Live);
        assert_eq!((watched.ingest.faults, watched.ingest.skipped), (0, 0));
        assert!(sample_count(&offscreen.app, source) > 20);
        let first = watched.store().get(0).unwrap().seq();
        let last = watched.store().get(watched.store().len() - 1).unwrap().seq();
        let seqs = (Some(Seq::FIRST), Some(Seq(watched.store().len() as u64)));
        assert_eq!((first, last), seqs, "every sample");
    }
    drop(offscreen);
    quiet.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn csv_of_two_agents_and_a_dead_address_has_every_sample_once() {
    let (one, two) = (LoopbackAgent::start(INTERVAL).await, LoopbackAgent::start(INTERVAL).await);
    // Nothing listens at this address any more.
    let dead = LoopbackAgent::start(INTERVAL).await;
    let dead_address = dead.address;
    dead.stop().await;
    let addresses = [one.address, dead_address, two.address];
    let options = LinkOptions { history: History::All, ..LinkOptions::default() };
    let never = std::future::pending();
    let written =
        collect_output_of_all(&addresses, OutputFormat::Csv, options, Some(60), never).await;
    assert!(written.end.is_ok(), "{:?}", written.end);
    assert!(
        written.messages[0].contains(&format!("cannot connect to {dead_address}")),
        "{:?}",
        written.messages
    );
    assert_eq!(written.messages.len(), 1, "{:?}", written.messages);
    let mut rows = 0;
    for address in [one.address, two.address] {
        let name = format!(",{address},");
        let of = written.text.lines().filter_map(|line| line.split_once(&name));
        let seqs: Vec<u64> =
            of.map(|(_, rest)| rest.split(',').next().unwrap().parse().unwrap()).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        assert!(seqs.len() > 10, "too few rows: {}", seqs.len());
        rows += seqs.len();
    }
    assert_eq!(rows, 60);
    one.stop().await;
    two.stop().await;
}
