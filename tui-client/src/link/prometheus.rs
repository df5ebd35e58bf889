//! The way to machines that a server of Prometheus' kind knows: Prometheus, `VictoriaMetrics`, Mimir.
//!
//! ```text
//!  queries   what is asked, as text
//!    ▼
//!  http      one connection to the server, for all of its instances
//!    ▼
//!  answer    what it says, as numbers
//!    ▼
//!  hub       the task that asks at each step, and hands out what each instance gets
//!    ▼ rows
//!  session   the same as lines, as an agent sends them; one for each link
//! ```

mod answer;
mod http;
mod hub;
mod queries;
mod session;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{RunId, SafeText};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::connector::{Connector, Stream};
use super::tcp::Tcp;
use super::tls::{Tls, TlsError};
use crate::source::Prometheus;
use answer::Labels;
pub use http::Secrets;
use http::{Client, Failure, Road};
use hub::{Hub, Instance};
use queries::{COLUMNS, Known, Scope};
use session::{About, Lines};

/// How often an instance is sampled, if it cannot be told: Prometheus' examples have it so.
const PACE: Duration = Duration::from_secs(15);

/// What samples an instance more often than that is not told apart.
const PACE_MIN_MS: i64 = 200;

/// A rate is taken over so many samples: one that is late or lost leaves enough.
const WINDOW_PACES: u32 = 4;

/// Names that are told when none matches.
const NAMES_SHOWN: usize = 5;

/// What a server knows, each of them a source of its own.
#[derive(Debug)]
pub struct Fleet {
    /// The ways to them, in the order of their names.
    pub connectors: Vec<Connector>,
    /// How many more match than there is room for.
    pub left_out: usize,
}

/// Why a server gives no source.
#[derive(Debug, Error)]
pub enum FleetError {
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It does not answer, or not what was asked.
    #[error("cannot ask {server}: {why}")]
    Unanswered {
        /// The server.
        server: String,
        /// Why.
        why: String,
    },
    /// It knows none that is meant.
    #[error("{server}: {why}")]
    Nobody {
        /// The server.
        server: String,
        /// What it knows instead.
        why: String,
    },
}

/// An instance that was found, and what there is of it.
#[derive(Debug, Default)]
struct Found {
    columns: Vec<&'static Known>,
    cores: Option<f64>,
    memory: Option<f64>,
    pace: Option<Duration>,
}

/// The instances by their name and job.
type Instances = BTreeMap<(String, String), Found>;

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Fleet {
    /// Asks a server which instances it knows, and takes so many of them as there is `room`. Their rates are
    /// taken over `interval` at least. A name that `is_taken` gets that of the server behind it.
    ///
    /// # Errors
    /// It does not answer, or knows none that is meant.
    pub async fn find(
        server: &Prometheus,
        (tls, secrets): (&Tls, &Secrets),
        interval: Option<Duration>,
        room: usize,
        is_taken: impl Fn(&str) -> bool,
    ) -> Result<Fleet, FleetError> {
        let road = if server.is_tls {
            Road::Tls(Box::new(tls.way(&server.host, server.port)?))
        } else {
            Road::Plain(Tcp::new(&server.host, server.port))
        };
        let mut client = Client::new(server, secrets, road);
        let unanswered = |why: Failure| FleetError::Unanswered {
            server: server.to_string(),
            why: why.to_string(),
        };
        let job = server.job.as_deref();
        let scope = Scope::matching(server.instance.as_deref(), job);
        let mut instances = present(&mut client, &scope).await.map_err(unanswered)?;
        if instances.is_empty() {
            let why = whom_there_is(&mut client, server).await.map_err(unanswered)?;
            return Err(FleetError::Nobody { server: server.to_string(), why });
        }
        let left_out = instances.len().saturating_sub(room.max(1));
        let scope = if left_out > 0 {
            instances = instances.into_iter().take(room.max(1)).collect();
            Scope::of(instances.keys().map(|(instance, _)| instance.as_str()), job)
        } else {
            scope
        };
        paces(&mut client, &scope, &mut instances).await.map_err(unanswered)?;
        let connectors = connect(server, client, scope, &instances, (interval, is_taken));
        Ok(Fleet { connectors, left_out })
    }
}

async fn present(client: &mut Client, scope: &Scope) -> Result<Instances, Failure> {
    let bytes = client.ask("query", &[("query", &scope.presence()), hub::ONTIME]).await?;
    let mut instances = Instances::new();
    for series in answer::parse(&bytes)? {
        let Labels { instance, job, column } = &series.metric;
        let found = instances.entry((instance.clone(), job.clone())).or_default();
        match column.as_str() {
            queries::CORES => found.cores = series.last(),
            queries::MEMORY => found.memory = series.last(),
            name => found.columns.extend(COLUMNS.iter().find(|column| column.name == name)),
        }
    }
    // When a sample was taken is told by its load.
    instances.retain(|_, found| found.columns.iter().any(|column| column.name == "load1"));
    for found in instances.values_mut() {
        let place = |column: &&Known| COLUMNS.iter().position(|it| it.name == column.name);
        found.columns.sort_by_key(place);
        found.columns.dedup_by_key(|column| column.name);
    }
    Ok(instances)
}

/// Finds out how often each instance is sampled.
async fn paces(
    client: &mut Client,
    scope: &Scope,
    instances: &mut Instances,
) -> Result<(), Failure> {
    let bytes = client.ask("query", &[("query", &scope.pace())]).await?;
    for series in answer::parse(&bytes)? {
        let Labels { instance, job, .. } = &series.metric;
        if let Some(found) = instances.get_mut(&(instance.clone(), job.clone())) {
            let times: Vec<i64> = series.points().map(|(time_ms, _)| time_ms).collect();
            found.pace = pace(&times).or(found.pace);
        }
    }
    Ok(())
}

/// The usual distance of samples, to the second where it is some.
fn pace(times_ms: &[i64]) -> Option<Duration> {
    let mut distances: Vec<i64> =
        times_ms.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    distances.sort_unstable();
    let median = *distances.get(distances.len() / 2)?;
    let unit = if median < 1000 { 100 } else { 1000 };
    let rounded = median.saturating_add(unit / 2) / unit * unit;
    // A day is no pace, but a clock that was set.
    (median > 0 && median < 24 * 3_600_000)
        .then(|| Duration::from_millis(rounded.max(PACE_MIN_MS) as u64))
}

/// What the server knows when nothing matches: the names that are most alike first.
async fn whom_there_is(client: &mut Client, server: &Prometheus) -> Result<String, Failure> {
    let all = Scope::matching(None, None).names();
    let bytes = client.ask("query", &[("query", &all), hub::ONTIME]).await?;
    let mut names: Vec<(String, String)> = answer::parse(&bytes)?
        .into_iter()
        .map(|series| (series.metric.instance, series.metric.job))
        .collect();
    if names.is_empty() {
        return Ok("it knows no machine: there is no node_load1 in it".to_owned());
    }
    names.sort();
    names.dedup();
    let meant = server.instance.as_deref().or(server.job.as_deref()).unwrap_or_default();
    let likeness = |(instance, job): &(String, String)| {
        let name = if server.instance.is_some() { instance } else { job };
        (strsim::jaro_winkler(name, meant) * -1e6) as i64
    };
    names.sort_by_cached_key(likeness);
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.iter().take(NAMES_SHOWN).map(|(instance, job)| match &server.job {
        Some(_) => format!("{} (job {})", SafeText::new(instance), SafeText::new(job)),
        None => SafeText::new(instance).to_string(),
    });
    let shown: Vec<String> = shown.collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(format!("no instance matches; there are {}{more}", shown.join(", ")))
}

/// Starts what asks for the instances, and gives the ways to them.
fn connect(
    server: &Prometheus,
    client: Client,
    scope: Scope,
    instances: &Instances,
    (interval, is_taken): (Option<Duration>, impl Fn(&str) -> bool),
) -> Vec<Connector> {
    let pace_of = |found: &Found| found.pace.unwrap_or(PACE);
    let paces = || instances.values().map(pace_of);
    let step = server.step.or_else(|| paces().min()).unwrap_or(PACE);
    let window = WINDOW_PACES * paces().max().unwrap_or(PACE);
    let scope = scope.over(window.max(interval.unwrap_or_default()).max(step));
    let watched = instances.iter().map(|((instance, job), found)| {
        let labels = Labels { instance: instance.clone(), job: job.clone(), column: String::new() };
        Instance::new(labels, pace_of(found))
    });
    let (requests, asked) = mpsc::channel(hub::REQUESTS_MAX);
    let hub = Hub::new(client, watched.collect(), scope.values(), step, asked);
    tokio::spawn(hub.run());
    let run = RunId(RandomState::new().build_hasher().finish() as u32);
    let is_twice = |name: &str| instances.keys().filter(|(it, _)| it == name).nth(1).is_some();
    let connector = |(place, ((instance, job), found)): (usize, (&(String, String), &Found))| {
        let mut name = instance.clone();
        if is_twice(instance) {
            name = format!("{name} ({job})");
        }
        if is_taken(&name) {
            name = format!("{name} at {}", server.authority());
        }
        let about = About {
            place,
            host: SafeText::new(instance),
            run,
            columns: found.columns.clone(),
            cores: found.cores.map(|cores| cores as u32),
            memory: found.memory.map(|bytes| bytes as u64),
            pace: pace_of(found),
            step,
        };
        let requests = requests.clone();
        let way = Way { server: server.authority(), about: Arc::new(about), requests };
        Connector::to_instance(way, &name)
    };
    instances.iter().enumerate().map(connector).collect()
}

/// The way to an instance, by the task that asks for all of them.
pub(super) struct Way {
    server: String,
    about: Arc<About>,
    requests: mpsc::Sender<hub::Request>,
}

impl Way {
    /// Makes sure that the server answers, and gives what it tells of the instance as a stream.
    pub(super) async fn connect(&mut self) -> io::Result<impl Stream + use<>> {
        let gone = || io::Error::other("nobody asks any more");
        let (reply, reached) = oneshot::channel();
        self.requests.send(hub::Request::Reach(reply)).await.map_err(|_| gone())?;
        reached
            .await
            .map_err(|_| gone())?
            .map_err(|why| io::Error::other(format!("{}: {why}", self.server)))?;
        let (ours, theirs) = tokio::io::duplex(session::REQUEST_BYTES);
        let (lines, texts) = mpsc::channel(session::TEXTS_MAX);
        tokio::spawn(session::serve(self.about.clone(), theirs, lines, self.requests.clone()));
        Ok(tokio::io::join(Lines::new(texts), ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_usual_distance_of_samples() {
        let check = |times: &[i64], ms: Option<u64>| {
            assert_eq!(pace(times), ms.map(Duration::from_millis), "{times:?}");
        };
        check(&[0, 15_001, 29_998, 45_000, 300_000], Some(15_000));
        check(&[0, 1000, 1999], Some(1000));
        check(&[0, 499, 1001], Some(500));
        check(&[0, 1, 2], Some(200));
        check(&[5, 5], None);
        check(&[i64::MIN, i64::MAX], None);
        check(&[7], None);
        check(&[], None);
    }
}
