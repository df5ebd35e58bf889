//! Hub: one task that queries the server for all watched instances and distributes the rows.
//!
//! Time advances in steps. A query covers all steps between the last one that was queried and now:
//! the ten minutes of a history, the step that has just passed, or an outage.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loadline_protocol::{History, Time, duration_ms};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::devices::{CountedDevices, DeviceFact, KnownDevices};
use super::follower::{Follower, FollowerEvent, StepRow};
use super::http::HttpClient;
use super::identity::{Identity, InstanceKey};
use super::queries::{PARTS_MAX, PartValues, Scope};
use super::response::{self, Failure};

/// Delay of a query after its step: samples take time to reach the server.
const QUERY_DELAY: Duration = Duration::from_millis(250);

/// Overlap of consecutive queries: late samples may have arrived in between.
const OVERLAP: Duration = Duration::from_secs(5);

/// Maximum number of values in a response: at 40 bytes each they stay below its maximum size.
const VALUES_MAX: usize = 300_000;

/// Maximum number of steps in a response: Prometheus refuses more than 11,000.
const STEPS_MAX: usize = 10_000;

/// Span of a history without a limit: the default retention of Prometheus.
const HISTORY_ALL: Duration = Duration::from_hours(24 * 15);

/// Maximum number of steps in a history, equal to the agent's `SAMPLES_MAX`.
const HISTORY_STEPS_MAX: u32 = 1_000_000;

/// Time before the server's clock is read again: the monotonic clock stops during suspend.
const CLOCK_TTL: Duration = Duration::from_mins(1);

/// Time before the devices of the instances are read again: disks are plugged in, interfaces come
/// and go.
const DEVICES_TTL: Duration = Duration::from_mins(1);

/// Maximum number of rounds before a follower counts as live. A server that takes longer for a
/// step than a step lasts never catches up.
const CATCH_UP_ROUNDS_MAX: usize = 3;

/// Capacity of the request channel: at the start each source sends a request, and the hub answers
/// all of them at once.
pub(super) const REQUESTS_MAX: usize = 256;

pub(super) enum HubRequest {
    Ping(PingReply),
    Follow(Follower),
}

/// Time of the server, and the instant at which it was read.
pub(super) type ServerClock = (Time, Instant);

type PingReply = oneshot::Sender<Result<ServerClock, Failure>>;

/// Watched instance and the last row that was sent.
pub(super) struct Instance {
    pub(super) key: InstanceKey,
    pub(super) scrape_interval: Duration,
    /// Last step that was sent, and the time of its sample.
    pub(super) last_sent: Option<(Time, Time)>,
    /// Devices that the totals of network and disk count.
    pub(super) devices: CountedDevices,
}

impl Instance {
    /// Returns whether a step has a new sample: a server repeats its last value for minutes. The
    /// first sample is new unless its age reaches the scrape interval plus a step.
    fn is_new(&self, at: Time, sampled: Time, step: Duration) -> bool {
        match self.last_sent {
            Some((last_at, last_sampled)) => at > last_at && sampled > last_sampled,
            None => at - sampled < self.scrape_interval.saturating_add(step),
        }
    }
}

/// Query for the values at a step, which names the devices that count.
#[derive(Default)]
pub(super) struct StepQuery {
    text: String,
    /// Maximum number of values in a step.
    values: usize,
    /// Time of the last query for devices. `None` before the first one.
    devices_read_at: Option<Instant>,
}

pub(super) struct Hub {
    pub(super) client: HttpClient,
    pub(super) scope: Scope,
    pub(super) identity: Identity,
    /// Sorted by key.
    pub(super) instances: Vec<Instance>,
    pub(super) step_query: StepQuery,
    pub(super) step: Duration,
    pub(super) requests: mpsc::Receiver<HubRequest>,
    pub(super) followers: Vec<Follower>,
    pub(super) clock: Option<ServerClock>,
}

impl Hub {
    /// Runs until all request senders are dropped.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.next_query_at();
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(request) = request else { return };
                    self.handle_requests(Some(request)).await;
                }
                () = sleep_until(deadline), if !self.followers.is_empty() => {}
            }
            self.followers.retain(|it| !it.events.is_closed());
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
        let reached = self.now().await.map(|time| (time, Instant::now()));
        self.drain_requests(None, &mut pings);
        for reply in pings {
            // An error only means that the receiver was dropped.
            let _ = reply.send(reached.clone());
        }
    }

    fn drain_requests(&mut self, first: Option<HubRequest>, pings: &mut Vec<PingReply>) {
        let queued = std::iter::from_fn(|| self.requests.try_recv().ok());
        for request in first.into_iter().chain(queued) {
            match request {
                HubRequest::Ping(reply) => pings.push(reply),
                HubRequest::Follow(mut follower) => {
                    // Continue after the last row that was sent, else begin with the history.
                    let last_sent = self.instances[follower.index].last_sent;
                    follower.next = last_sent.map(|(at, _)| at + self.step);
                    self.followers.push(follower);
                }
            }
        }
    }

    fn next_query_at(&self) -> Instant {
        let is_waiting = self.followers.iter().any(|it| !it.is_live && it.has_room());
        let Some((server_time, at)) = self.clock.filter(|_| !is_waiting) else {
            return Instant::now();
        };
        let now = server_time + at.elapsed();
        Instant::now() + (self.step_before(now) + self.step + QUERY_DELAY - now)
    }

    async fn now(&mut self) -> Result<Time, Failure> {
        if let Some((server_time, at)) = self.clock
            && at.elapsed() < CLOCK_TTL
        {
            return Ok(server_time + at.elapsed());
        }
        self.clock = None;
        let sent_at = Instant::now();
        let bytes =
            self.client.post("query", &[("query", "vector(time())"), NO_LATENCY_OFFSET]).await?;
        let seconds = response::parse(&bytes)?.first().and_then(response::Series::last);
        let seconds = seconds.filter(|seconds| (0.0..MAX_SECONDS).contains(seconds));
        let seconds = seconds.ok_or_else(|| Failure::new("the server returned no time"))?;
        let server_time = Time::from_millis((seconds * 1000.0) as i64);
        // The server read its clock about half way through the exchange.
        self.clock = Some((server_time, sent_at + sent_at.elapsed() / 2));
        Ok(server_time)
    }

    /// Queries all steps up to now that a follower lacks.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let mut end = None;
        for _ in 0..CATCH_UP_ROUNDS_MAX {
            // Fetching a history takes time; query again until the newest step is included.
            let now = self.now().await?;
            let last = self.step_before(now);
            if end >= Some(last) {
                break;
            }
            end = Some(last);
            self.catch_up_to(last).await?;
        }
        for it in &mut self.followers {
            // New and slow followers get the rest in the next round.
            if it.next > end {
                let overlap_ms = duration_ms(OVERLAP.saturating_sub(self.step));
                let step_ms = duration_ms(self.step);
                it.next = end.map(|end| end.shifted_ms(-overlap_ms / step_ms * step_ms));
                it.is_live = it.is_live || it.send(FollowerEvent::Live).await;
            }
        }
        Ok(())
    }

    /// Returns the newest step that may be queried at `now`.
    fn step_before(&self, now: Time) -> Time {
        let step_ms = duration_ms(self.step);
        Time::from_millis((now - QUERY_DELAY).as_millis() / step_ms * step_ms)
    }

    async fn catch_up_to(&mut self, end: Time) -> Result<(), Failure> {
        let step = self.step;
        let oldest = end - step.saturating_mul(HISTORY_STEPS_MAX);
        for it in &mut self.followers {
            let next = it.next.unwrap_or_else(|| first_step(it.history, end, step));
            it.next = Some(next.max(oldest));
        }
        self.refresh_devices().await?;
        let steps = (VALUES_MAX / self.step_query.values.max(1)).clamp(1, STEPS_MAX) as u32;
        let ready = self.followers.iter().filter(|it| it.has_room());
        let Some(mut from) = ready.filter_map(|it| it.next).min() else { return Ok(()) };
        while from <= end {
            let until = end.min(from + step * (steps - 1));
            let table = self.query_steps(from, until).await?;
            self.publish(&table, from, until).await;
            from = until + step;
            // Answer new requests between queries of a long history.
            self.handle_requests(None).await;
        }
        Ok(())
    }

    /// Reads the devices of all instances, unless that was done a short time ago.
    async fn refresh_devices(&mut self) -> Result<(), Failure> {
        if self.step_query.devices_read_at.is_some_and(|at| at.elapsed() < DEVICES_TTL) {
            return Ok(());
        }
        let query = self.scope.devices();
        let bytes = self.client.post("query", &[("query", &query), NO_LATENCY_OFFSET]).await?;
        let mut known = vec![KnownDevices::default(); self.instances.len()];
        for series in response::parse(&bytes)? {
            let labels = &series.metric;
            let Some(at) = self.position(&self.identity.key(labels)) else { continue };
            let Some(fact) = DeviceFact::of_part(labels.column()) else { continue };
            let name = if fact == DeviceFact::Bond { "master" } else { "device" };
            known[at].add(fact, labels.get(name), labels.get("address"), series.last());
        }
        for (instance, known) in self.instances.iter_mut().zip(&known) {
            instance.devices = known.counted();
        }
        let counted = |kind| {
            let all = self.instances.iter().flat_map(|it| it.devices.of_kind(kind));
            let names: BTreeSet<&str> = all.map(String::as_str).collect();
            names.into_iter().collect()
        };
        // Each device has two rates. One that counts on another instance may be in the response.
        let devices: usize = known.iter().map(KnownDevices::count).sum();
        self.step_query = StepQuery {
            text: self.scope.values(counted),
            values: self.instances.len() * PARTS_MAX + 2 * devices,
            devices_read_at: Some(Instant::now()),
        };
        Ok(())
    }

    fn position(&self, key: &InstanceKey) -> Option<usize> {
        self.instances.binary_search_by(|it| it.key.cmp(key)).ok()
    }

    /// Queries the values at each step, for each instance.
    async fn query_steps(
        &mut self,
        from: Time,
        until: Time,
    ) -> Result<Vec<BTreeMap<Time, PartValues>>, Failure> {
        // Queries have seconds, as the line format writes times.
        let times = [from, until, Time::default() + self.step];
        let [start, end, step] = times.map(|time| time.to_string());
        let form = [
            ("query", self.step_query.text.as_str()),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            NO_LATENCY_OFFSET,
        ];
        let bytes = self.client.post("query_range", &form).await?;
        let step_ms = duration_ms(self.step);
        let mut table = vec![BTreeMap::new(); self.instances.len()];
        for series in response::parse(&bytes)? {
            let part = series.metric.column();
            let Some(position) = PartValues::position(part) else { continue };
            let Some(at) = self.position(&self.identity.key(&series.metric)) else { continue };
            let counts = |kind| {
                self.instances[at].devices.of_kind(kind).contains(series.metric.get("device"))
            };
            if !PartValues::device_kind(part).is_none_or(counts) {
                continue;
            }
            for (time, value) in series.points() {
                // Ignore points outside the queried range or between steps.
                if (from..=until).contains(&time) && time.ms_since(from) % step_ms == 0 {
                    let parts = table[at].entry(time).or_insert_with(PartValues::unknown);
                    parts.add(position, value);
                }
            }
        }
        Ok(table)
    }

    async fn publish(&mut self, table: &[BTreeMap<Time, PartValues>], from: Time, until: Time) {
        let range = from..=until;
        for it in &mut self.followers {
            let Some(next) = it.next.filter(|next| range.contains(next)) else { continue };
            let instance = &mut self.instances[it.index];
            let mut rows = Vec::new();
            let before = instance.last_sent;
            for (&time, parts) in table[it.index].range(next..) {
                let Some(sampled) = parts.sampled() else { continue };
                if instance.is_new(time, sampled, self.step) {
                    instance.last_sent = Some((time, sampled));
                    rows.push(StepRow { time, parts: parts.clone() });
                }
            }
            if rows.is_empty() || it.send(FollowerEvent::Rows(rows)).await {
                it.next = Some(until + self.step);
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

fn first_step(history: History, end: Time, step: Duration) -> Time {
    let span = match history {
        History::None => Duration::ZERO,
        History::Last(span) => span,
        History::All => HISTORY_ALL,
    };
    let step_ms = duration_ms(step);
    end.shifted_ms(-(duration_ms(span).min(end.as_millis()) / step_ms * step_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_value_is_not_new() {
        let scrape_interval = Duration::from_secs(15);
        let (key, devices) = (InstanceKey::default(), CountedDevices::default());
        let mut instance = Instance { key, scrape_interval, last_sent: None, devices };
        let second = |seconds: i64| Time::from_millis(1000 * seconds);
        let new = |instance: &Instance, at, sampled| {
            instance.is_new(second(at), second(sampled), Duration::from_secs(15))
        };
        assert!(new(&instance, 600, 590));
        assert!(!new(&instance, 600, 400), "the machine is down, its value is old");
        instance.last_sent = Some((second(600), second(590)));
        assert!(!new(&instance, 615, 590));
        assert!(!new(&instance, 600, 595));
        assert!(new(&instance, 615, 605));
    }

    #[test]
    fn a_history_begins_at_a_step() {
        let end = Time::from_millis(1_700_000_010_000);
        let check = |history, begin: Time| {
            assert_eq!(first_step(history, end, Duration::from_secs(15)), begin, "{history:?}");
        };
        let seconds = Duration::from_secs;
        check(History::None, end);
        check(History::Last(seconds(600)), end - seconds(600));
        check(History::Last(seconds(20)), end - seconds(15));
        check(History::All, end - seconds(15 * 86_400));
        check(History::Last(Duration::MAX), Time::default());
    }
}
