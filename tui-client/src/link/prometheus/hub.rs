//! One task asks the server for all instances that are watched, and hands out what each of them gets.
//!
//! Time goes in steps. What lies between the last one that was asked for and now is asked for, be it
//! the ten minutes of a history, the step that has just passed, or an outage.

use std::collections::HashMap;
use std::time::Duration;

use loadline_protocol::{History, Time, duration_ms};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::http::{Failure, HttpClient};
use super::queries::{PARTS_MAX, PartValues};
use super::response::{self, Labels};

/// How long after a step it is asked for: a sample takes its time to get to the server.
const QUERY_DELAY_MS: i64 = 250;

/// What is asked for again with the next step: a sample that took longer may have come meanwhile.
const OVERLAP_MS: i64 = 5_000;

/// Numbers in an answer: each takes some 40 bytes, all together less than an answer may have.
const VALUES_MAX: usize = 300_000;

/// Steps in an answer: Prometheus refuses more than 11,000.
const STEPS_MAX: usize = 10_000;

/// How far back a history goes that is to have all: Prometheus keeps no more unless it is told to.
const HISTORY_ALL: Duration = Duration::from_hours(24 * 15);

/// No history has more steps; an agent keeps no more samples either.
const HISTORY_STEPS_MAX: i64 = 1_000_000;

/// How long the server's clock is taken to go like ours: ours may stand still while the machine sleeps.
const CLOCK_TTL: Duration = Duration::from_mins(1);

/// A server that takes longer for a step than a step takes is not asked for ever before it is told that
/// these were all.
const CATCH_UP_ROUNDS_MAX: usize = 3;

/// How long the others wait for one who takes nothing. After that, who is slow gets what there is when there is
/// room for it.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Requests that wait for the task: at the start, each of as many sources as there may be has one, and
/// all of them are answered at once.
pub(super) const REQUESTS_MAX: usize = 256;

/// What the task is asked to do.
pub(super) enum HubRequest {
    /// To tell whether the server answers.
    Ping(PingReply),
    /// To tell what there is of an instance, from now on.
    Follow(Follower),
}

/// Who wants to know it.
type PingReply = oneshot::Sender<Result<(), Failure>>;

/// Who follows an instance.
pub(super) struct Follower {
    /// Its place among those that are watched.
    pub(super) index: usize,
    pub(super) history: History,
    pub(super) events: mpsc::Sender<FollowerEvent>,
}

/// What a follower is told.
#[derive(Debug, PartialEq)]
pub(super) enum FollowerEvent {
    /// Rows, each later than the one before.
    Rows(Vec<StepRow>),
    /// These were all until now.
    Live,
    /// Nothing follows, and why.
    Failed(Failure),
}

/// The numbers of a step.
#[derive(Debug, PartialEq)]
pub(super) struct StepRow {
    pub(super) time: Time,
    /// All that there may be, in the order of their parts.
    pub(super) parts: PartValues,
}

/// One of the instances that are watched, and what was told of it.
pub(super) struct Instance {
    pub(super) labels: Labels,
    /// How often it is sampled.
    pub(super) scrape_interval_ms: i64,
    /// The last step that was told, and when its values were sampled.
    last_sent: Option<(i64, i64)>,
}

impl Instance {
    pub(super) fn new(labels: Labels, scrape_interval: Duration) -> Instance {
        let scrape_interval_ms = duration_ms(scrape_interval);
        Instance { labels, scrape_interval_ms, last_sent: None }
    }

    /// Whether a step has something new: a server repeats its last value for minutes. The first one is
    /// new if it is no older than a sample gets.
    fn is_new(&self, at_ms: i64, sampled_ms: i64, step_ms: i64) -> bool {
        match self.last_sent {
            Some((sent_ms, last_ms)) => at_ms > sent_ms && sampled_ms > last_ms,
            None => at_ms - sampled_ms < self.scrape_interval_ms.saturating_add(step_ms),
        }
    }
}

/// Someone who is told, and from which step on.
struct FollowerState {
    follower: Follower,
    next_ms: i64,
    is_live: bool,
    /// The last time it took nothing.
    is_slow: bool,
}

impl FollowerState {
    /// Whether it can be told anything.
    fn has_room(&self) -> bool {
        !self.is_slow || self.follower.events.capacity() > 0
    }

    /// Tells it something; false if it has no room for it now.
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

/// The task.
pub(super) struct Hub {
    pub(super) client: HttpClient,
    pub(super) instances: Vec<Instance>,
    /// What is asked for at each step.
    pub(super) query: String,
    pub(super) step_ms: i64,
    pub(super) requests: mpsc::Receiver<HubRequest>,
    indices: HashMap<(String, String), usize>,
    followers: Vec<FollowerState>,
    /// The server's time, and when by our clock it was that, if it is known.
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
        let step_ms = duration_ms(step).max(1);
        let (followers, clock) = (Vec::new(), None);
        Hub { client, instances, query, step_ms, requests, indices, followers, clock }
    }

    /// Asks until nobody can follow any more.
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
                    // Who is not told sees that nothing follows.
                    it.send(FollowerEvent::Failed(failure.clone())).await;
                }
            }
        }
    }

    /// Takes a request, and those that wait behind it. The server is reached once for all who want to
    /// know whether it is.
    async fn handle_requests(&mut self, first: Option<HubRequest>) {
        let mut pings = Vec::new();
        self.drain_requests(first, &mut pings);
        if pings.is_empty() {
            return;
        }
        let reached = self.now_ms().await.map(drop);
        self.drain_requests(None, &mut pings);
        for reply in pings {
            // An error says that nobody waits any more.
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
        // What was told is not told again. Without it, the history is told when the time is known.
        let next_ms = instance.last_sent.map_or(i64::MIN, |(sent_ms, _)| sent_ms + self.step_ms);
        self.followers.push(FollowerState { follower, next_ms, is_live: false, is_slow: false });
    }

    /// When there is something to ask for.
    fn next_query_at(&self) -> Instant {
        let is_waiting = self.followers.iter().any(|it| !it.is_live && it.has_room());
        let Some((server_ms, at)) = self.clock.filter(|_| !is_waiting) else {
            return Instant::now();
        };
        let now_ms = server_ms + at.elapsed().as_millis() as i64;
        let left = self.step_ms - (now_ms - QUERY_DELAY_MS).rem_euclid(self.step_ms);
        Instant::now() + Duration::from_millis(left as u64)
    }

    /// The server's time.
    async fn now_ms(&mut self) -> Result<i64, Failure> {
        if let Some((server_ms, at)) = self.clock
            && at.elapsed() < CLOCK_TTL
        {
            return Ok(server_ms + at.elapsed().as_millis() as i64);
        }
        self.clock = None;
        let asked = Instant::now();
        let bytes =
            self.client.post("query", &[("query", "vector(time())"), NO_LATENCY_OFFSET]).await?;
        let seconds = response::parse(&bytes)?.first().and_then(response::Series::last);
        let seconds = seconds.filter(|seconds| (0.0..MAX_SECONDS).contains(seconds));
        let server_ms =
            (seconds.ok_or_else(|| Failure::new("the server has no time"))? * 1000.0) as i64;
        // It looked at its clock about half way between.
        self.clock = Some((server_ms, asked + asked.elapsed() / 2));
        Ok(server_ms)
    }

    /// Asks for all steps until now that somebody has not been told of.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let mut end_ms = self.last_step().await?;
        self.catch_up_to(end_ms).await?;
        for _ in 1..CATCH_UP_ROUNDS_MAX {
            // A history took its time: what is told as live is to be new.
            let last_ms = self.last_step().await?;
            if last_ms <= end_ms {
                break;
            }
            end_ms = last_ms;
            self.catch_up_to(end_ms).await?;
        }
        for it in &mut self.followers {
            // Who came meanwhile, or is slow, gets the rest with the next turn.
            if it.next_ms > end_ms {
                let again = (OVERLAP_MS / self.step_ms).max(1);
                it.next_ms = end_ms + (1 - again) * self.step_ms;
                it.is_live = it.is_live || it.send(FollowerEvent::Live).await;
            }
        }
        Ok(())
    }

    /// The last step that can be asked for now.
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
            // A long history keeps nobody waiting.
            self.handle_requests(None).await;
        }
        Ok(())
    }

    /// The numbers of each instance, step by step.
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
                // What was not asked for is not taken.
                if (from_ms..=until_ms).contains(&time_ms) && (time_ms - from_ms) % step_ms == 0 {
                    row[((time_ms - from_ms) / step_ms) as usize].set(position, value);
                }
            }
        }
        Ok(table)
    }

    /// Tells what is new.
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
                // It is told another time.
                instance.last_sent = before;
            }
        }
    }
}

/// A server of another kind would keep back what is newer than half a minute; others do not know the word.
pub(super) const NO_LATENCY_OFFSET: (&str, &str) = ("latency_offset", "1ms");

/// The first second that no time of ours can have.
const MAX_SECONDS: f64 = 253_402_300_800.0;

/// The step that a history begins with.
fn first_step_ms(history: History, end_ms: i64, step_ms: i64) -> i64 {
    let span = match history {
        History::None => Duration::ZERO,
        History::Last(span) => span,
        History::All => HISTORY_ALL,
    };
    let span_ms = duration_ms(span).min(end_ms);
    end_ms - span_ms / step_ms * step_ms
}

/// Milliseconds as the seconds of a question.
fn format_seconds(ms: i64) -> String {
    Time::from_millis(ms).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_repeated_is_not_new() {
        let mut instance = Instance::new(Labels::default(), Duration::from_secs(15));
        let new = |instance: &Instance, at, sampled| instance.is_new(at, sampled, 15_000);
        assert!(new(&instance, 600_000, 590_000));
        assert!(!new(&instance, 600_000, 400_000), "what is so old is of who is down");
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
