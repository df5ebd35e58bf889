//! Links to an agent in memory that has a day of samples.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use loadline_agent::Clock;
use loadline_protocol::{History, Request};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};

use super::*;
use crate::event::{Event, Rows};
use crate::link::{Connector, EVENTS_MAX, Link, LinkOptions};

/// Time of the agent's newest sample at the start of a test, in seconds.
const START_S: i64 = 1_763_900_000;

const DAY_S: i64 = 86_400;

/// Bytes that the path from the agent buffers: as many as a socket may. Live rows wait behind them.
const BUFFER_BYTES: usize = 16 << 20;

/// Agent with samples of a day, one a second.
#[derive(Debug, Clone)]
struct DayAgent {
    begun: Instant,
    /// True if the header names the oldest sample.
    names_oldest: bool,
    /// Number of slices that are answered. Later ones are lost.
    slices_max: usize,
    /// Number of slices after which the first connection is cut, in the middle of the next one.
    cut_after: usize,
    /// Delay of each request.
    delay: Duration,
    /// Bytes a second that the path from the agent carries.
    rate: usize,
    /// Requests for earlier samples.
    requests: Arc<Mutex<Vec<Request>>>,
}

impl DayAgent {
    fn new() -> DayAgent {
        DayAgent {
            begun: Instant::now(),
            names_oldest: true,
            slices_max: usize::MAX,
            cut_after: usize::MAX,
            delay: Duration::ZERO,
            rate: 1 << 20,
            requests: Arc::default(),
        }
    }

    fn newest_s(&self) -> i64 {
        START_S + self.begun.elapsed().as_secs() as i64
    }

    fn header(&self) -> String {
        let now = START_S as f64 + self.begun.elapsed().as_secs_f64();
        let oldest = format!(" oldest={}.000", START_S - DAY_S);
        let oldest = if self.names_oldest { &oldest } else { "" };
        format!("# loadline/1 run=0000002a interval=1000ms now={now:.3}{oldest}\n{COLUMNS}")
    }

    /// Returns the answer to a request that was read after `sent_s`.
    fn answer(&self, request: &Request, sent_s: i64) -> String {
        let newest = self.newest_s();
        let since = match request.history {
            Some(History::Last(history)) => {
                (1000 * newest - history.as_millis() as i64 + 999).div_euclid(1000)
            }
            Some(History::All) => 0,
            Some(History::None) | None => newest,
        };
        let since = since.max(START_S - DAY_S);
        let from = request.resume.map_or(since, |resume| resume.seq.0 as i64 + 1 + START_S - DAY_S);
        let mut text = self.header();
        (from..=sent_s).for_each(|second| write_row(&mut text, "", second));
        text.push_str("# live\n");
        let Some(before) = request.before else { return text };
        let slices = self.requests.lock().unwrap().len();
        self.requests.lock().unwrap().push(request.clone());
        if slices < self.slices_max {
            text.push_str("# past # loadline/1 run=0000002a interval=1000ms\n");
            text.push_str("# past ");
            text.push_str(COLUMNS);
            let end = (before.as_millis() + 999).div_euclid(1000);
            (since..end).for_each(|second| write_row(&mut text, "# past ", second));
            text.push_str("# past # live\n");
        }
        text
    }

    /// Serves a connection.
    async fn serve(
        self,
        mut requests: impl tokio::io::AsyncBufRead + Unpin,
        mut rows: DuplexStream,
    ) {
        let is_first = self.requests.lock().unwrap().is_empty();
        let mut ticks = interval(Duration::from_secs(1));
        let mut sent_s = self.newest_s();
        let mut line = String::new();
        loop {
            let text = tokio::select! {
                read = requests.read_line(&mut line) => {
                    if read.is_err() || line.is_empty() {
                        return;
                    }
                    sleep(self.delay).await;
                    let request = Request::parse(&std::mem::take(&mut line)).unwrap().unwrap();
                    self.answer(&request, sent_s)
                }
                _ = ticks.tick() => {
                    let mut text = String::new();
                    (sent_s + 1..=self.newest_s()).for_each(|second| write_row(&mut text, "", second));
                    sent_s = self.newest_s();
                    text
                }
            };
            let is_cut = is_first && self.requests.lock().unwrap().len() > self.cut_after;
            let sent = if is_cut { &text[..text.len() / 2] } else { &text };
            if rows.write_all(sent.as_bytes()).await.is_err() || is_cut {
                return;
            }
        }
    }

    fn connector(&self) -> Connector {
        let agent = self.clone();
        Connector::custom("web-1", move || {
            let (ours, theirs) = duplex(BUFFER_BYTES);
            let (mut path, rows) = duplex(BUFFER_BYTES);
            let (requests, mut out) = tokio::io::split(theirs);
            tokio::spawn(agent.clone().serve(BufReader::new(requests), rows));
            let rate = agent.rate;
            tokio::spawn(async move {
                let mut bytes = vec![0; 8 * 1024];
                while let Ok(count @ 1..) = path.read(&mut bytes).await {
                    sleep(Duration::from_secs(1) * count as u32 / rate as u32).await;
                    if out.write_all(&bytes[..count]).await.is_err() {
                        return;
                    }
                }
                let _ = out.shutdown().await;
            });
            async { Ok(ours) }
        })
    }
}

const COLUMNS: &str =
    "# columns time:s seq cpu:% mem:% load1 load5 load15 net_rx:B/s net_tx:B/s io:B/s\n";

fn write_row(text: &mut String, prefix: &str, second: i64) {
    let seq = second - START_S + DAY_S;
    let value = second % 97;
    let values = format!("{value}.5 43.1 0.52 0.44 0.40 1234567.{value} 765432.1 1048576.0");
    let _ = writeln!(text, "{prefix}{second}.000 {seq} {values}");
}

fn s(seconds: i64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// Receiver of the events of a link.
struct LinkUser {
    agent: DayAgent,
    wish: watch::Sender<Option<Range<Time>>>,
    events: mpsc::Receiver<Event>,
    /// Times of the rows, in seconds.
    live: BTreeSet<i64>,
    past: BTreeSet<i64>,
    /// Times that are complete.
    loaded: TimeRanges,
    /// Longest time from a row's timestamp to its arrival.
    latest: Duration,
    has_failed: bool,
}

impl LinkUser {
    /// Returns a screen that has ten minutes of samples.
    async fn open(agent: &DayAgent) -> LinkUser {
        let options = LinkOptions {
            history: History::Last(Duration::from_mins(10)),
            ..LinkOptions::default()
        };
        let link = Link::new(agent.connector(), options, Clock::system());
        let wish = link.past_sender.clone();
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(link.run(sender));
        let (live, past) = (BTreeSet::new(), BTreeSet::new());
        let mut screen = LinkUser {
            agent: agent.clone(),
            wish,
            events,
            live,
            past,
            loaded: TimeRanges::default(),
            latest: Duration::ZERO,
            has_failed: false,
        };
        while screen.next().await != Event::Live {}
        screen.latest = Duration::ZERO;
        screen
    }

    async fn next(&mut self) -> Event {
        let event = self.events.recv().await.unwrap();
        match &event {
            Event::Rows(rows) => {
                let newest = seconds(rows).max().unwrap();
                let age = self.agent.begun.elapsed().as_millis() as i64 - 1000 * (newest - START_S);
                self.latest = self.latest.max(Duration::from_millis(age as u64));
                for second in seconds(rows) {
                    assert!(self.live.insert(second), "twice: {second}");
                }
            }
            Event::Past(PastEvent::Rows(rows)) => {
                for second in seconds(rows) {
                    assert!(!self.live.contains(&second) && self.past.insert(second), "{second}");
                }
            }
            Event::Past(PastEvent::Loaded(span)) => self.loaded.insert(span.clone()),
            Event::Past(PastEvent::Failed) => self.has_failed = true,
            _ => {}
        }
        event
    }

    fn wish(&self, from_s: i64, until_s: i64) -> Range<Time> {
        let range = s(from_s)..s(until_s);
        self.wish.send(Some(range.clone())).unwrap();
        range
    }

    /// Waits until these times are complete. Returns how long that took.
    async fn wait_for(&mut self, range: Range<Time>) -> Duration {
        let begun = Instant::now();
        while self.loaded.missing(range.clone()).next().is_some() {
            timeout(Duration::from_mins(1), self.next()).await.expect("no event");
        }
        begun.elapsed()
    }

    fn requests(&self) -> usize {
        self.agent.requests.lock().unwrap().len()
    }
}

fn seconds(rows: &Rows) -> impl Iterator<Item = i64> {
    rows.iter().map(|sample| sample.time.as_millis() / 1000)
}

/// Checks that the seconds are those of a range.
fn check(times: &BTreeSet<i64>, expected: impl Iterator<Item = i64>) {
    let expected: BTreeSet<i64> = expected.collect();
    let missing: Vec<&i64> = expected.difference(times).take(5).collect();
    let further: Vec<&i64> = times.difference(&expected).take(5).collect();
    assert!(missing.is_empty() && further.is_empty(), "missing {missing:?}, too many {further:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_arrives_over_a_slow_path_while_live_rows_stay_on_time() {
    let mut screen = LinkUser::open(&DayAgent::new()).await;
    let first = *screen.live.first().unwrap();
    let oldest = START_S - DAY_S;
    let day = screen.wish(oldest, START_S + DAY_S);
    let shown = screen.wait_for(s(oldest)..s(oldest + 1)).await;
    assert!(shown < Duration::from_secs(1), "{shown:?}");
    let took = screen.wait_for(day.start..s(first)).await;
    assert!(screen.latest < Duration::from_millis(1500), "{:?}", screen.latest);
    let bytes = DAY_S as f64 * 90.0;
    assert!(took.as_secs_f64() < 1.3 * bytes / screen.agent.rate as f64, "{took:?}");
    check(&screen.past, oldest..first);
    assert!(screen.requests() > 10, "{}", screen.requests());
}

#[tokio::test(start_paused = true)]
async fn a_very_slow_path_still_gets_on() {
    let agent = DayAgent { rate: 10_000, ..DayAgent::new() };
    let mut screen = LinkUser::open(&agent).await;
    let hours = screen.wish(START_S - 7200, START_S - 3600);
    screen.wait_for(hours).await;
    assert!(screen.latest < Duration::from_millis(2500), "{:?}", screen.latest);
    assert_eq!(screen.past.len(), 3600);
}

#[tokio::test(start_paused = true)]
async fn loading_continues_on_the_next_connection() {
    let agent = DayAgent { cut_after: 3, ..DayAgent::new() };
    let mut screen = LinkUser::open(&agent).await;
    let first = *screen.live.first().unwrap();
    let day = screen.wish(START_S - DAY_S, first);
    screen.wait_for(day).await;
    check(&screen.past, START_S - DAY_S..first);
    let newest = *screen.live.last().unwrap();
    check(&screen.live, first..=newest);
}

#[tokio::test(start_paused = true)]
async fn another_wish_replaces_the_first_and_nothing_is_loaded_twice() {
    let mut screen = LinkUser::open(&DayAgent::new()).await;
    let oldest = START_S - DAY_S;
    screen.wish(oldest, START_S);
    screen.wait_for(s(oldest)..s(oldest + 60)).await;
    let night = screen.wish(START_S - 40_000, START_S - 39_000);
    screen.wait_for(night.clone()).await;
    let count = screen.past.len();
    assert!(count < 5000, "{count}");
    // Nothing is wanted any more.
    let requests = screen.requests();
    let _ = timeout(Duration::from_secs(20), async {
        loop {
            screen.next().await;
        }
    })
    .await;
    assert_eq!((screen.past.len(), screen.requests()), (count, requests));
    let all = screen.wish(oldest, START_S - 30_000);
    screen.wait_for(all).await;
    check(&screen.past, oldest..START_S - 30_000);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_delayed_leaves_no_hole() {
    let agent = DayAgent { delay: Duration::from_secs(9), ..DayAgent::new() };
    let mut screen = LinkUser::open(&agent).await;
    let hour = screen.wish(START_S - 7200, START_S - 3600);
    screen.wait_for(hour).await;
    check(&screen.past, START_S - 7200..START_S - 3600);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_know_the_request_is_not_asked() {
    let agent = DayAgent { names_oldest: false, ..DayAgent::new() };
    let mut screen = LinkUser::open(&agent).await;
    screen.wish(START_S - 7200, START_S - 3600);
    while !screen.has_failed {
        screen.next().await;
    }
    assert_eq!(screen.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_does_not_come_is_asked_for_three_times() {
    let agent = DayAgent { slices_max: 1, ..DayAgent::new() };
    let mut screen = LinkUser::open(&agent).await;
    let hour = screen.wish(START_S - 7200, START_S - 3600);
    while !screen.has_failed {
        timeout(Duration::from_mins(1), screen.next()).await.unwrap();
    }
    assert_eq!(screen.requests(), 1 + 3);
    // Another wish is another attempt.
    screen.has_failed = false;
    screen.wish(hour.start.as_millis() / 1000 - 60, hour.end.as_millis() / 1000);
    while !screen.has_failed {
        timeout(Duration::from_mins(1), screen.next()).await.unwrap();
    }
    assert_eq!(screen.requests(), 1 + 6);
}

#[tokio::test(start_paused = true)]
async fn times_before_the_oldest_sample_are_complete() {
    let mut screen = LinkUser::open(&DayAgent::new()).await;
    let oldest = START_S - DAY_S;
    let range = screen.wish(oldest - 5000, oldest + 60);
    screen.wait_for(range).await;
    check(&screen.past, oldest..oldest + 60);
    assert_eq!(screen.requests(), 1);
}
