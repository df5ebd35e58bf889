//! Lines for one instance, in the form that an agent sends: the code that reads the lines needs no
//! special case for Prometheus.

use std::io;
use std::time::Duration;

use loadline_common::with_suggestion;
use loadline_protocol::{
    Column, Decoder, Header, LineError, Note, PING, Request, RunId, SafeText, Schema, Stamp, Time,
    VERSION,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::follower::{Follower, FollowerEvent, StepRow};
use super::hub;
use super::queries::ColumnQuery;

const HUB_EVENTS_MAX: usize = 2;

/// Capacity of the pipe in each direction: one request, and another one queued.
pub(super) const PIPE_BYTES: usize = 16 * 1024;

/// Properties of an instance that are known before it is watched.
#[derive(Clone, Default)]
pub(super) struct InstanceInfo {
    /// Position among the watched instances.
    pub(super) index: usize,
    pub(super) host: SafeText,
    pub(super) run: RunId,
    pub(super) columns: Vec<&'static ColumnQuery>,
    pub(super) cores: Option<u32>,
    pub(super) memory: Option<u64>,
    pub(super) scrape_interval: Duration,
    /// Time between two queries.
    pub(super) step: Duration,
}

impl InstanceInfo {
    /// Returns the time between rows for a requested interval: rounded up, as an agent does.
    fn interval(&self, requested: Option<Duration>) -> Duration {
        let least = requested.unwrap_or(Duration::ZERO).max(self.scrape_interval).max(self.step);
        let step_ms = self.step.as_millis().max(1);
        let ms = least.as_millis().div_ceil(step_ms).saturating_mul(step_ms);
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn subscribe(&self, request: &Request, now: Time) -> Result<Subscription, SafeText> {
        let columns = match &request.columns {
            None => self.columns.clone(),
            Some(names) => {
                let known = |name: &String| {
                    let found = self.columns.iter().find(|column| column.name == name);
                    found.copied().ok_or_else(|| self.unknown_column(name))
                };
                names.iter().map(known).collect::<Result<_, _>>()?
            }
        };
        let named = columns.iter().map(|column| Column::new(column.name, column.unit));
        let schema = Schema::new(Stamp::Time, named.collect())
            .map_err(|error: LineError| SafeText::new(&error.to_string()))?;
        let interval = self.interval(request.interval);
        let header = Header {
            version: VERSION,
            run: Some(self.run),
            host: Some(self.host.clone()),
            interval: Some(interval),
            cores: self.cores,
            memory: self.memory,
            now: Some(now),
            ..Header::default()
        };
        // At the scrape interval or below, all samples are sent, however uneven their distances.
        let thinning_ms =
            if interval <= self.scrape_interval { 1 } else { interval.as_millis() as i64 };
        let head = format!("{}\n{}\n", Note::Header(header), Note::Columns(schema.clone()));
        Ok(Subscription { columns, schema, head, thinning_ms, last_ms: None })
    }

    fn unknown_column(&self, name: &str) -> SafeText {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        SafeText::new(&with_suggestion(&format!("unknown column {name}"), name, &names))
    }
}

struct Subscription {
    columns: Vec<&'static ColumnQuery>,
    schema: Schema,
    /// Lines of the header and the columns.
    head: String,
    /// Length of a period in milliseconds: only the first row of each period is sent.
    thinning_ms: i64,
    last_ms: Option<i64>,
}

impl Subscription {
    /// Appends a row, unless its period has one already.
    fn write_row(&mut self, row: &StepRow, text: &mut String) {
        let at_ms = row.time.as_millis();
        let turn = |ms: i64| ms.div_euclid(self.thinning_ms.max(1));
        if self.last_ms.is_some_and(|last_ms| turn(last_ms) == turn(at_ms)) {
            return;
        }
        self.last_ms = Some(at_ms);
        let columns = self.schema.columns().iter().zip(&self.columns);
        let values = columns.map(|(column, known)| column.round(row.parts.value(known)));
        self.schema.write_row(text, Some(row.time), None, values);
        text.push('\n');
    }
}

/// Answers the requests of a connection and forwards the hub's events until one of them ends.
///
/// # Errors
/// The query failed.
pub(super) async fn serve(
    info: InstanceInfo,
    (server_time, read_at): hub::ServerClock,
    mut pipe: DuplexStream,
    hub: mpsc::Sender<hub::HubRequest>,
) -> io::Result<()> {
    let (event_sender, mut hub_events) = mpsc::channel(HUB_EVENTS_MAX);
    let mut event_sender = Some(event_sender);
    let mut decoder = Decoder::new();
    let mut bytes = vec![0; PIPE_BYTES];
    let mut subscription: Option<Subscription> = None;
    let mut is_live = false;
    loop {
        let text = tokio::select! {
            count = pipe.read(&mut bytes) => {
                let Ok(count @ 1..) = count else { return Ok(()) };
                let (request, has_ping) = last_request(&mut decoder, &bytes[..count]);
                let Some(request) = request else {
                    if has_ping && subscription.is_some() {
                        pipe.write_all(format!("{}\n", Note::Pong).as_bytes()).await?;
                    }
                    continue;
                };
                match info.subscribe(&request, server_time + read_at.elapsed()) {
                    Ok(new) => {
                        let before = subscription.as_ref().and_then(|answer| answer.last_ms);
                        let new = subscription.insert(Subscription { last_ms: before, ..new });
                        if let Some(events) = event_sender.take() {
                            let history = request.history.unwrap_or_default();
                            let follower = Follower::new(info.index, history, events);
                            if hub.send(hub::HubRequest::Follow(follower)).await.is_err() {
                                return Ok(());
                            }
                        }
                        // The history was sent before.
                        let live = if is_live { format!("{}\n", Note::Live) } else { String::new() };
                        format!("{}{live}", new.head)
                    }
                    Err(why) => format!("{}\n", Note::Error(why)),
                }
            }
            it = hub_events.recv() => match (it, &mut subscription) {
                (Some(FollowerEvent::Rows(rows)), Some(subscription)) => {
                    // The hub limits the values of all followers together: a few MiB of text.
                    let mut text = String::new();
                    for row in &rows {
                        subscription.write_row(row, &mut text);
                    }
                    text
                }
                (Some(FollowerEvent::Live), _) => {
                    is_live = true;
                    format!("{}\n", Note::Live)
                }
                (Some(FollowerEvent::Failed(why)), _) => {
                    return Err(io::Error::other(why.to_string()));
                }
                (None | Some(FollowerEvent::Rows(_)), _) => return Ok(()),
            }
        };
        pipe.write_all(text.as_bytes()).await?;
    }
}

/// Returns the last request that was received, which replaces all previous ones, and whether there was a
/// ping.
fn last_request(decoder: &mut Decoder, mut bytes: &[u8]) -> (Option<Request>, bool) {
    let (mut last, mut has_ping) = (None, false);
    while let Some(line) = decoder.decode(&mut bytes) {
        has_ping |= line == Ok(PING);
        last = line.ok().and_then(Request::parse).and_then(Result::ok).or(last);
    }
    (last, has_ping)
}
