//! Hub: one task that queries the server for all watched instances and distributes the rows.
//!
//! Time advances in steps. A query covers all steps between the last one that was queried and now:
//! the ten minutes of a history, the step that has just passed, or an outage.

use std::collections::HashMap;
use std::time::Duration;

use loadline_protocol::{History, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::http::{Failure, HttpClient};
use super::queries::{PARTS_MAX, PartValues};
use super::response::{self, Labels};

/// Delay of a query after its step: samples take time to reach the server.
const QUERY_DELAY_MS: i64 = 250;

/// Overlap of consecutive queries: late samples may have arrived in between.
const OVERLAP_MS: i64 = 5_000;

/// Maximum number of values in a response: at 40 bytes each they stay below its maximum size.
const VALUES_MAX: usize = 300_000;

/// Maximum number of steps in a response: Prometheus refuses more than 11,000.
const STEPS_MAX: usize = 10_000;

/// Span of a history without a limit: the default retention of Prometheus.
const HISTORY_ALL: Duration = Duration::from_hours(24 * 15);

/// Maximum number of steps in a history, equal to the agent's `SAMPLES_MAX`.
const HISTORY_STEPS_MAX: i64 = 1_000_000;

/// Time before the server's clock is read again: the monotonic clock stops during suspend.
const CLOCK_TTL: Duration = Duration::from_mins(1);

/// Maximum number of rounds before a follower counts as live. A server that takes longer for a
/// step than a step lasts never catches up.
const CATCH_UP_ROUNDS_MAX: usize = 3;

/// Time that a full follower may block the others. After that, a slow follower gets events only
/// when it has room.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Capacity of the request channel: at the start each source sends a request, and the hub answers
/// all of them at once.
pub(super) const REQUESTS_MAX: usize = 256;

pub(super) enum HubRequest {
    /// Checks that the server is reachable.
    Ping(PingReply),
    /// Requests the rows of an instance from now on.
    Follow(Follower),
}

/// Receiver of the answer to [`HubRequest::Ping`].
type PingReply = oneshot::Sender<Result<(), Failure>>;

/// Subscriber to the rows of an instance.
pub(super) struct Follower {
    /// Position among the watched instances.
    pub(super) index: usize,
    pub(super) history: History,
    pub(super) events: mpsc::Sender<FollowerEvent>,
}

/// Event that the hub sends to a follower.
#[derive(Debug, PartialEq)]
pub(super) enum FollowerEvent {
    /// Rows in ascending order of their times.
    Rows(Vec<StepRow>),
    /// The follower has all rows up to now.
    Live,
    /// The query failed. No event follows.
    Failed(Failure),
}

/// Values of an instance at a step.
#[derive(Debug, PartialEq)]
pub(super) struct StepRow {
    pub(super) time: Time,
    /// All parts of the query, in their order.
    pub(super) parts: PartValues,
}

/// Watched instance and the last row that was sent.
pub(super) struct Instance {
    pub(super) labels: Labels,
    pub(super) scrape_interval_ms: i64,
    /// Last step that was sent and the time of its sample, both in milliseconds.
    last_sent: Option<(i64, i64)>,
}

impl Instance {
    pub(super) fn new(labels: Labels, scrape_interval: Duration) -> Instance {
        let scrape_interval_ms = i64::try_from(scrape_interval.as_millis()).unwrap_or(i64::MAX);
        Instance { labels, scrape_interval_ms, last_sent: None }
    }

    /// Returns whether a step has a new sample: a server repeats its last value for minutes. The
    /// first sample is new unless its age reaches the scrape interval plus a step.
    fn is_new(&self, at_ms: i64, sampled_ms: i64, step_ms: i64) -> bool {
        match self.last_sent {
            Some((sent_ms, last_ms)) => at_ms > sent_ms && sampled_ms > last_ms,
            None => at_ms - sampled_ms < self.scrape_interval_ms.saturating_add(step_ms),
        }
    }
}

/// Follower and the next step to send.
struct FollowerState {
    follower: Follower,
    next_ms: i64,
    is_live: bool,
    /// The follower had no room for the last event.
    is_slow: bool,
}

impl FollowerState {
    /// Returns whether an event may be sent. A slow follower needs room in its channel.
    fn has_room(&self) -> bool {
        !self.is_slow || self.follower.events.capacity() > 0
    }

    /// Sends an event. Returns false if the follower has no room or is gone.
    async fn send(&mut self, event: FollowerEvent) -> bool {
        let events = &self.follower.events;
        let is_sent = match events.try_send(event) {
            Err(mpsc::error::TrySendError::Full(event)) if !self.is_slow => {
                timeout(SEND_TIMEOUT, events.send(event)).await.is_ok_and(|sent| sent.is_ok())
            }
            sent => sent.is_ok(),
        };
        self.is_slow = !is_sent;
        is_sent
    }
}

pub(super) struct Hub {
    pub(super) client: HttpClient,
    pub(super) instances: Vec<Instance>,
    /// Query of each step.
    pub(super) query: String,
    pub(super) step_ms: i64,
    pub(super) requests: mpsc::Receiver<HubRequest>,
    indices: HashMap<(String, String), usize>,
    followers: Vec<FollowerState>,
    /// The server's time in milliseconds, and the instant at which it was read.
    clock: Option<(i64, Instant)>,
}

impl Hub {
    pub(super) fn new(
        client: HttpClient,
        instances: Vec<Instance>,
        query: String,
        step: Duration,
        requests: mpsc::Receiver<HubRequest>,
    ) -> Hub {
        let key = |it: &Instance| (it.labels.instance.clone(), it.labels.job.clone());
        let indices = instances.iter().enumerate().map(|(at, it)| (key(it), at)).collect();
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let (followers, clock) = (Vec::new(), None);
        Hub { client, instances, query, step_ms, requests, indices, followers, clock }
    }

    /// Runs until all request senders are dropped.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.next_query_at();
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(request) = request else { return };
                    self.handle_requests(Some(request)).await;
                }
                () = async { sleep_until(deadline).await }, if !self.followers.is_empty() => {}
            }
            self.followers.retain(|it| !it.follower.events.is_closed());
            if self.followers.is_empty() {
                continue;
            }
            if let Err(failure) = self.catch_up().await {
                self.clock = None;
                for mut it in self.followers.drain(..) {
                    // A follower without room sees that its channel closes.
                    it.send(FollowerEvent::Failed(failure.clone())).await;
                }
            }
        }
    }

    /// Handles a request and all requests queued after it. One query answers all pings.
    async fn handle_requests(&mut self, first: Option<HubRequest>) {
        let mut pings = Vec::new();
        self.drain_requests(first, &mut pings);
        if pings.is_empty() {
            return;
        }
        let reached = self.now_ms().await.map(drop);
        self.drain_requests(None, &mut pings);
        for reply in pings {
            // An error only means that the receiver was dropped.
            let _ = reply.send(reached.clone());
        }
    }

    fn drain_requests(&mut self, first: Option<HubRequest>, pings: &mut Vec<PingReply>) {
        let mut next = first.or_else(|| self.requests.try_recv().ok());
        while let Some(request) = next {
            match request {
                HubRequest::Ping(reply) => pings.push(reply),
                HubRequest::Follow(follower) => self.follow(follower),
            }
            next = self.requests.try_recv().ok();
        }
    }

    fn follow(&mut self, follower: Follower) {
        let Some(instance) = self.instances.get(follower.index) else { return };
        // Continue after the last row that was sent, else begin with the history.
        let next_ms = instance.last_sent.map_or(i64::MIN, |(sent_ms, _)| sent_ms + self.step_ms);
        self.followers.push(FollowerState { follower, next_ms, is_live: false, is_slow: false });
    }

    /// Returns the instant of the next query.
    fn next_query_at(&self) -> Instant {
        let is_waiting = self.followers.iter().any(|it| !it.is_live && it.has_room());
        let Some((server_ms, at)) = self.clock.filter(|_| !is_waiting) else {
            return Instant::now();
        };
        let now_ms = server_ms + at.elapsed().as_millis() as i64;
        let left = self.step_ms - (now_ms - QUERY_DELAY_MS).rem_euclid(self.step_ms);
        Instant::now() + Duration::from_millis(left as u64)
    }

    /// Returns the server's time in milliseconds since 1970.
    async fn now_ms(&mut self) -> Result<i64, Failure> {
        if let Some((server_ms, at)) = self.clock
            && at.elapsed() < CLOCK_TTL
        {
            return Ok(server_ms + at.elapsed().as_millis() as i64);
        }
        self.clock = None;
        let sent_at = Instant::now();
        let bytes =
            self.client.post("query", &[("query", "vector(time())"), NO_LATENCY_OFFSET]).await?;
        let seconds = response::parse(&bytes)?.first().and_then(response::Series::last);
        let seconds = seconds.filter(|seconds| (0.0..MAX_SECONDS).contains(seconds));
        let server_ms =
            (seconds.ok_or_else(|| Failure::new("the server returned no time"))? * 1000.0) as i64;
        // The server read its clock about half way through the exchange.
        self.clock = Some((server_ms, sent_at + sent_at.elapsed() / 2));
        Ok(server_ms)
    }

    /// Queries all steps up to now that a follower lacks.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let mut end_ms = self.last_step().await?;
        self.catch_up_to(end_ms).await?;
        for _ in 1..CATCH_UP_ROUNDS_MAX {
            // Fetching a history takes time; query again until the newest step is included.
            let last_ms = self.last_step().await?;
            if last_ms <= end_ms {
                break;
            }
            end_ms = last_ms;
            self.catch_up_to(end_ms).await?;
        }
        for it in &mut self.followers {
            // New and slow followers get the rest in the next round.
            if it.next_ms > end_ms {
                let repeated_steps = (OVERLAP_MS / self.step_ms).max(1);
                it.next_ms = end_ms + (1 - repeated_steps) * self.step_ms;
                it.is_live = it.is_live || it.send(FollowerEvent::Live).await;
            }
        }
        Ok(())
    }

    /// Returns the newest step that may be queried now.
    async fn last_step(&mut self) -> Result<i64, Failure> {
        let now_ms = self.now_ms().await?;
        Ok((now_ms - QUERY_DELAY_MS).div_euclid(self.step_ms) * self.step_ms)
    }

    async fn catch_up_to(&mut self, end_ms: i64) -> Result<(), Failure> {
        let step_ms = self.step_ms;
        let oldest_ms = end_ms.saturating_sub(HISTORY_STEPS_MAX.saturating_mul(step_ms));
        for it in &mut self.followers {
            if it.next_ms == i64::MIN {
                it.next_ms = first_step_ms(it.follower.history, end_ms, step_ms);
            }
            it.next_ms = it.next_ms.max(oldest_ms);
        }
        let numbers = self.instances.len().max(1) * PARTS_MAX;
        let steps = (VALUES_MAX / numbers).clamp(1, STEPS_MAX) as i64;
        let ready = self.followers.iter().filter(|it| it.has_room());
        let Some(mut from_ms) = ready.map(|it| it.next_ms).min() else { return Ok(()) };
        while from_ms <= end_ms {
            let until_ms = end_ms.min(from_ms + (steps - 1) * step_ms);
            let table = self.query_steps(from_ms, until_ms).await?;
            self.publish(&table, from_ms, until_ms).await;
            from_ms = until_ms + step_ms;
            // Answer new requests between queries of a long history.
            self.handle_requests(None).await;
        }
        Ok(())
    }

    /// Queries the values of each instance at each step.
    async fn query_steps(
        &mut self,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Vec<PartValues>>, Failure> {
        let step_ms = self.step_ms;
        let [start, end, step] = [from_ms, until_ms, step_ms].map(format_seconds);
        let form = [
            ("query", self.query.as_str()),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            NO_LATENCY_OFFSET,
        ];
        let bytes = self.client.post("query_range", &form).await?;
        let steps = ((until_ms - from_ms) / step_ms + 1) as usize;
        let mut table: Vec<Vec<PartValues>> = self.instances.iter().map(|_| Vec::new()).collect();
        for series in response::parse(&bytes)? {
            let Labels { instance, job, column } = series.metric.clone();
            let Some(position) = PartValues::position(&column) else { continue };
            let Some(at) = self.indices.get(&(instance, job)) else { continue };
            let row = &mut table[*at];
            row.resize_with(steps, PartValues::unknown);
            for (time_ms, value) in series.points() {
                // Ignore points outside the queried range or between steps.
                if (from_ms..=until_ms).contains(&time_ms) && (time_ms - from_ms) % step_ms == 0 {
                    row[((time_ms - from_ms) / step_ms) as usize].set(position, value);
                }
            }
        }
        Ok(table)
    }

    /// Sends the new rows to the followers.
    async fn publish(&mut self, table: &[Vec<PartValues>], from_ms: i64, until_ms: i64) {
        for it in &mut self.followers {
            let Some(instance) = self.instances.get_mut(it.follower.index) else { continue };
            if it.next_ms < from_ms || it.next_ms > until_ms {
                continue;
            }
            let mut rows = Vec::new();
            let before = instance.last_sent;
            for (at, parts) in table[it.follower.index].iter().enumerate() {
                let time_ms = from_ms + at as i64 * self.step_ms;
                let Some(sampled_ms) = parts.sampled_ms().filter(|_| time_ms >= it.next_ms) else {
                    continue;
                };
                if instance.is_new(time_ms, sampled_ms, self.step_ms) {
                    instance.last_sent = Some((time_ms, sampled_ms));
                    rows.push(StepRow { time: Time::from_millis(time_ms), parts: parts.clone() });
                }
            }
            if rows.is_empty() || it.send(FollowerEvent::Rows(rows)).await {
                it.next_ms = until_ms + self.step_ms;
            } else {
                // The follower gets the rows later.
                instance.last_sent = before;
            }
        }
    }
}

/// Makes `VictoriaMetrics` return values of the last 30 s. Other servers ignore the parameter.
pub(super) const NO_LATENCY_OFFSET: (&str, &str) = ("latency_offset", "1ms");

/// First second after the range of [`Time`].
const MAX_SECONDS: f64 = 253_402_300_800.0;

/// Returns the first step of a history.
fn first_step_ms(history: History, end_ms: i64, step_ms: i64) -> i64 {
    let span = match history {
        History::None => Duration::ZERO,
        History::Last(span) => span,
        History::All => HISTORY_ALL,
    };
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(end_ms);
    end_ms - span_ms / step_ms * step_ms
}

/// Formats milliseconds as seconds, in the format of the query parameters.
fn format_seconds(ms: i64) -> String {
    Time::from_millis(ms).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_value_is_not_new() {
        let mut instance = Instance::new(Labels::default(), Duration::from_secs(15));
        let new = |instance: &Instance, at, sampled| instance.is_new(at, sampled, 15_000);
        assert!(new(&instance, 600_000, 590_000));
        assert!(!new(&instance, 600_000, 400_000), "the machine is down, its value is old");
        instance.last_sent = Some((600_000, 590_000));
        assert!(!new(&instance, 615_000, 590_000));
        assert!(!new(&instance, 600_000, 595_000));
        assert!(new(&instance, 615_000, 605_000));
    }

    #[test]
    fn a_history_begins_at_a_step() {
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        let end = 1_700_000_010_000;
        assert_eq!(first_step_ms(History::None, end, 15_000), end);
        assert_eq!(first_step_ms(last(600), end, 15_000), end - 600_000);
        assert_eq!(first_step_ms(last(20), end, 15_000), end - 15_000);
        assert_eq!(first_step_ms(History::All, end, 15_000), end - 15 * 86_400_000);
        assert_eq!(first_step_ms(History::Last(Duration::MAX), end, 15_000), 0);
        assert_eq!(format_seconds(1_700_000_010_250), "1700000010.250");
    }
}
