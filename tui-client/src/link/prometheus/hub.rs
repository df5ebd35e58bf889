//! One task asks the server for all instances that are watched, and hands out what each of them gets.
//!
//! Time goes in steps. What lies between the last one that was asked for and now is asked for, be it
//! the ten minutes of a history, the step that has just passed, or an outage.

use std::collections::HashMap;
use std::time::Duration;

use loadline_protocol::{History, Time};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{self, Labels};
use super::http::{Client, Failure};
use super::queries::{PARTS_MAX, Parts};

/// How long after a step it is asked for: a sample takes its time to get to the server.
const DELAY_MS: i64 = 250;

/// What is asked for again with the next step: a sample that took longer may have come meanwhile.
const AGAIN_MS: i64 = 5_000;

/// Numbers in an answer: each takes some 40 bytes, all together less than an answer may have.
const NUMBERS_MAX: usize = 300_000;

/// Steps in an answer: Prometheus refuses more than 11,000.
const STEPS_MAX: usize = 10_000;

/// How far back a history goes that is to have all: Prometheus keeps no more unless it is told to.
const ALL: Duration = Duration::from_hours(24 * 15);

/// No history has more steps; an agent keeps no more samples either.
const HISTORY_STEPS_MAX: i64 = 1_000_000;

/// How long the server's clock is taken to go like ours: ours may stand still while the machine sleeps.
const CLOCK_AGREES: Duration = Duration::from_mins(1);

/// A server that takes longer for a step than a step takes is not asked for ever before it is told that
/// these were all.
const TURNS_MAX: usize = 3;

/// How long the others wait for one who takes nothing. After that, who is slow gets what there is when there is
/// room for it.
const SLOW_MAX: Duration = Duration::from_secs(1);

/// Requests that wait for the task: at the start, each of as many sources as there may be has one, and
/// all of them are answered at once.
pub(super) const REQUESTS_MAX: usize = 256;

/// What the task is asked to do.
pub(super) enum Request {
    /// To tell whether the server answers.
    Reach(Reply),
    /// To tell what there is of an instance, from now on.
    Follow(Follower),
}

/// Who wants to know it.
type Reply = oneshot::Sender<Result<(), Failure>>;

/// Who follows an instance.
pub(super) struct Follower {
    /// Its place among those that are watched.
    pub(super) instance: usize,
    pub(super) history: History,
    pub(super) tell: mpsc::Sender<Told>,
}

/// What a follower is told.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// Rows, each later than the one before.
    Rows(Vec<Row>),
    /// These were all until now.
    Live,
    /// Nothing follows, and why.
    Failed(Failure),
}

/// The numbers of a step.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) time: Time,
    /// All that there may be, in the order of their parts.
    pub(super) parts: Parts,
}

/// One of the instances that are watched, and what was told of it.
pub(super) struct Instance {
    pub(super) labels: Labels,
    /// How often it is sampled.
    pub(super) pace_ms: i64,
    /// The last step that was told, and when its values were sampled.
    last: Option<(i64, i64)>,
}

impl Instance {
    pub(super) fn new(labels: Labels, pace: Duration) -> Instance {
        let pace_ms = i64::try_from(pace.as_millis()).unwrap_or(i64::MAX);
        Instance { labels, pace_ms, last: None }
    }

    /// Whether a step has something new: a server repeats its last value for minutes. The first one is
    /// new if it is no older than a sample gets.
    fn is_new(&self, at_ms: i64, sampled_ms: i64, step_ms: i64) -> bool {
        match self.last {
            Some((told_ms, last_ms)) => at_ms > told_ms && sampled_ms > last_ms,
            None => at_ms - sampled_ms < self.pace_ms.saturating_add(step_ms),
        }
    }
}

/// Someone who is told, and from which step on.
struct Following {
    follower: Follower,
    next_ms: i64,
    is_live: bool,
    /// The last time it took nothing.
    is_slow: bool,
}

impl Following {
    /// Whether it can be told anything.
    fn has_room(&self) -> bool {
        !self.is_slow || self.follower.tell.capacity() > 0
    }

    /// Tells it something; false if it has no room for it now.
    async fn tell(&mut self, told: Told) -> bool {
        let tell = &self.follower.tell;
        let told = match tell.try_send(told) {
            Err(mpsc::error::TrySendError::Full(told)) if !self.is_slow => {
                timeout(SLOW_MAX, tell.send(told)).await.is_ok_and(|sent| sent.is_ok())
            }
            sent => sent.is_ok(),
        };
        self.is_slow = !told;
        told
    }
}

/// The task.
pub(super) struct Hub {
    pub(super) client: Client,
    pub(super) instances: Vec<Instance>,
    /// What is asked for at each step.
    pub(super) query: String,
    pub(super) step_ms: i64,
    pub(super) requests: mpsc::Receiver<Request>,
    places: HashMap<(String, String), usize>,
    followed: Vec<Following>,
    /// The server's time, and when by our clock it was that, if it is known.
    clock: Option<(i64, Instant)>,
}

impl Hub {
    pub(super) fn new(
        client: Client,
        instances: Vec<Instance>,
        query: String,
        step: Duration,
        requests: mpsc::Receiver<Request>,
    ) -> Hub {
        let key = |it: &Instance| (it.labels.instance.clone(), it.labels.job.clone());
        let places = instances.iter().enumerate().map(|(at, it)| (key(it), at)).collect();
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let (followed, clock) = (Vec::new(), None);
        Hub { client, instances, query, step_ms, requests, places, followed, clock }
    }

    /// Asks until nobody can follow any more.
    pub(super) async fn run(mut self) {
        loop {
            let due = self.due();
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(request) = request else { return };
                    self.hear(Some(request)).await;
                }
                () = async { sleep_until(due).await }, if !self.followed.is_empty() => {}
            }
            self.followed.retain(|it| !it.follower.tell.is_closed());
            if self.followed.is_empty() {
                continue;
            }
            if let Err(failure) = self.catch_up().await {
                self.clock = None;
                for mut it in self.followed.drain(..) {
                    // Who is not told sees that nothing follows.
                    it.tell(Told::Failed(failure.clone())).await;
                }
            }
        }
    }

    /// Takes a request, and those that wait behind it. The server is reached once for all who want to
    /// know whether it is.
    async fn hear(&mut self, first: Option<Request>) {
        let mut curious = Vec::new();
        self.sort(first, &mut curious);
        if curious.is_empty() {
            return;
        }
        let reached = self.now_ms().await.map(drop);
        self.sort(None, &mut curious);
        for reply in curious {
            // An error says that nobody waits any more.
            let _ = reply.send(reached.clone());
        }
    }

    fn sort(&mut self, first: Option<Request>, curious: &mut Vec<Reply>) {
        let mut next = first.or_else(|| self.requests.try_recv().ok());
        while let Some(request) = next {
            match request {
                Request::Reach(reply) => curious.push(reply),
                Request::Follow(follower) => self.follow(follower),
            }
            next = self.requests.try_recv().ok();
        }
    }

    fn follow(&mut self, follower: Follower) {
        let Some(instance) = self.instances.get(follower.instance) else { return };
        // What was told is not told again. Without it, the history is told when the time is known.
        let next_ms = instance.last.map_or(i64::MIN, |(told_ms, _)| told_ms + self.step_ms);
        self.followed.push(Following { follower, next_ms, is_live: false, is_slow: false });
    }

    /// When there is something to ask for.
    fn due(&self) -> Instant {
        let is_waiting = self.followed.iter().any(|it| !it.is_live && it.has_room());
        let Some((server_ms, at)) = self.clock.filter(|_| !is_waiting) else {
            return Instant::now();
        };
        let now_ms = server_ms + at.elapsed().as_millis() as i64;
        let left = self.step_ms - (now_ms - DELAY_MS).rem_euclid(self.step_ms);
        Instant::now() + Duration::from_millis(left as u64)
    }

    /// The server's time.
    async fn now_ms(&mut self) -> Result<i64, Failure> {
        if let Some((server_ms, at)) = self.clock
            && at.elapsed() < CLOCK_AGREES
        {
            return Ok(server_ms + at.elapsed().as_millis() as i64);
        }
        self.clock = None;
        let asked = Instant::now();
        let bytes = self.client.ask("query", &[("query", "vector(time())"), ONTIME]).await?;
        let seconds = answer::parse(&bytes)?.first().and_then(answer::Series::last);
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
        for _ in 1..TURNS_MAX {
            // A history took its time: what is told as live is to be new.
            let last_ms = self.last_step().await?;
            if last_ms <= end_ms {
                break;
            }
            end_ms = last_ms;
            self.catch_up_to(end_ms).await?;
        }
        for it in &mut self.followed {
            // Who came meanwhile, or is slow, gets the rest with the next turn.
            if it.next_ms > end_ms {
                let again = (AGAIN_MS / self.step_ms).max(1);
                it.next_ms = end_ms + (1 - again) * self.step_ms;
                it.is_live = it.is_live || it.tell(Told::Live).await;
            }
        }
        Ok(())
    }

    /// The last step that can be asked for now.
    async fn last_step(&mut self) -> Result<i64, Failure> {
        let now_ms = self.now_ms().await?;
        Ok((now_ms - DELAY_MS).div_euclid(self.step_ms) * self.step_ms)
    }

    async fn catch_up_to(&mut self, end_ms: i64) -> Result<(), Failure> {
        let step_ms = self.step_ms;
        let oldest_ms = end_ms.saturating_sub(HISTORY_STEPS_MAX.saturating_mul(step_ms));
        for it in &mut self.followed {
            if it.next_ms == i64::MIN {
                it.next_ms = first_ms(it.follower.history, end_ms, step_ms);
            }
            it.next_ms = it.next_ms.max(oldest_ms);
        }
        let numbers = self.instances.len().max(1) * PARTS_MAX;
        let steps = (NUMBERS_MAX / numbers).clamp(1, STEPS_MAX) as i64;
        let told = self.followed.iter().filter(|it| it.has_room());
        let Some(mut from_ms) = told.map(|it| it.next_ms).min() else { return Ok(()) };
        while from_ms <= end_ms {
            let until_ms = end_ms.min(from_ms + (steps - 1) * step_ms);
            let table = self.ask(from_ms, until_ms).await?;
            self.tell(&table, from_ms, until_ms).await;
            from_ms = until_ms + step_ms;
            // A long history keeps nobody waiting.
            self.hear(None).await;
        }
        Ok(())
    }

    /// The numbers of each instance, step by step.
    async fn ask(&mut self, from_ms: i64, until_ms: i64) -> Result<Vec<Vec<Parts>>, Failure> {
        let step_ms = self.step_ms;
        let [start, end, step] = [from_ms, until_ms, step_ms].map(seconds);
        let form = [
            ("query", self.query.as_str()),
            ("start", &start),
            ("end", &end),
            ("step", &step),
            ONTIME,
        ];
        let bytes = self.client.ask("query_range", &form).await?;
        let steps = ((until_ms - from_ms) / step_ms + 1) as usize;
        let mut table: Vec<Vec<Parts>> = self.instances.iter().map(|_| Vec::new()).collect();
        for series in answer::parse(&bytes)? {
            let Labels { instance, job, column } = series.metric.clone();
            let Some(place) = Parts::place(&column) else { continue };
            let Some(at) = self.places.get(&(instance, job)) else { continue };
            let row = &mut table[*at];
            row.resize_with(steps, Parts::unknown);
            for (time_ms, value) in series.points() {
                // What was not asked for is not taken.
                if (from_ms..=until_ms).contains(&time_ms) && (time_ms - from_ms) % step_ms == 0 {
                    row[((time_ms - from_ms) / step_ms) as usize].set(place, value);
                }
            }
        }
        Ok(table)
    }

    /// Tells what is new.
    async fn tell(&mut self, table: &[Vec<Parts>], from_ms: i64, until_ms: i64) {
        for it in &mut self.followed {
            let Some(instance) = self.instances.get_mut(it.follower.instance) else { continue };
            if it.next_ms < from_ms || it.next_ms > until_ms {
                continue;
            }
            let mut rows = Vec::new();
            let before = instance.last;
            for (at, parts) in table[it.follower.instance].iter().enumerate() {
                let time_ms = from_ms + at as i64 * self.step_ms;
                let Some(sampled_ms) = parts.sampled_ms().filter(|_| time_ms >= it.next_ms) else {
                    continue;
                };
                if instance.is_new(time_ms, sampled_ms, self.step_ms) {
                    instance.last = Some((time_ms, sampled_ms));
                    rows.push(Row { time: Time::from_millis(time_ms), parts: parts.clone() });
                }
            }
            if rows.is_empty() || it.tell(Told::Rows(rows)).await {
                it.next_ms = until_ms + self.step_ms;
            } else {
                // It is told another time.
                instance.last = before;
            }
        }
    }
}

/// A server of another kind would keep back what is newer than half a minute; others do not know the word.
pub(super) const ONTIME: (&str, &str) = ("latency_offset", "1ms");

/// The first second that no time of ours can have.
const MAX_SECONDS: f64 = 253_402_300_800.0;

/// The step that a history begins with.
fn first_ms(history: History, end_ms: i64, step_ms: i64) -> i64 {
    let span = match history {
        History::None => Duration::ZERO,
        History::Last(span) => span,
        History::All => ALL,
    };
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(end_ms);
    end_ms - span_ms / step_ms * step_ms
}

/// Milliseconds as the seconds of a question.
fn seconds(ms: i64) -> String {
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
        instance.last = Some((600_000, 590_000));
        assert!(!new(&instance, 615_000, 590_000));
        assert!(!new(&instance, 600_000, 595_000));
        assert!(new(&instance, 615_000, 605_000));
    }

    #[test]
    fn a_history_begins_at_a_step() {
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        let end = 1_700_000_010_000;
        assert_eq!(first_ms(History::None, end, 15_000), end);
        assert_eq!(first_ms(last(600), end, 15_000), end - 600_000);
        assert_eq!(first_ms(last(20), end, 15_000), end - 15_000);
        assert_eq!(first_ms(History::All, end, 15_000), end - 15 * 86_400_000);
        assert_eq!(first_ms(History::Last(Duration::MAX), end, 15_000), 0);
        assert_eq!(seconds(1_700_000_010_250), "1700000010.250");
    }
}
