//! Sources from a server with the Prometheus API: Prometheus, `VictoriaMetrics`, Mimir.
//!
//! ```text
//!  queries   the queries, as text
//!    ▼
//!  http      one connection to the server, shared by all of its instances
//!    ▼
//!  response  values parsed from the answers
//!    ▼
//!  identity  labels that distinguish the instances
//!  devices   interfaces and disks that count; device_names has their usual names
//!    ▼
//!  hub       one task that queries each step and distributes the rows
//!    ▼ rows
//!  session   the rows as lines of an agent; one task for each connection
//! ```

mod device_names;
mod devices;
mod follower;
mod http;
mod hub;
mod identity;
mod queries;
mod response;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::time::Duration;

use anyhow::anyhow;
use loadline_protocol::{RunId, SafeText, Time};
use tokio::sync::{mpsc, oneshot};

use crate::link::{ByteStream, Connector, ReasonedReader, TlsClient};
use crate::source::Prometheus;
use devices::CountedDevices;
use http::HttpClient;
pub use http::Secrets;
use hub::{Hub, StepQuery};
use identity::{Identity, InstanceKey};
use queries::{COLUMNS, ColumnQuery, Scope};
use response::{Failure, Labels};
use session::InstanceInfo;

/// Scrape interval of an instance if it cannot be measured, as in Prometheus' examples.
const SCRAPE_INTERVAL_DEFAULT: Duration = Duration::from_secs(15);

/// Lower bound of a measured scrape interval in milliseconds. Faster scrapes count as this one.
const SCRAPE_INTERVAL_MIN_MS: i64 = 200;

/// Scrape intervals that a rate covers: a late or lost sample leaves enough.
const WINDOW_INTERVALS: u32 = 4;

/// Maximum number of instances that an error lists.
const NAMES_SHOWN: usize = 5;

/// Instances of a server, each of them a source.
#[derive(Debug)]
pub struct Fleet {
    /// Connectors to the instances, sorted by name.
    pub connectors: Vec<Connector>,
    /// Number of matching instances beyond the limit.
    pub left_out: usize,
}

type Instances = BTreeMap<InstanceKey, InstanceInfo>;

/// Instances of a server that are to be watched.
struct FoundInstances {
    scope: Scope,
    identity: Identity,
    instances: Instances,
}

impl Fleet {
    /// Queries a server for its instances and returns connectors to the first `limit` of them.
    /// Rates cover at least `interval`. If a name `is_taken`, the server's authority is appended.
    ///
    /// # Errors
    /// TLS is not available, the server does not answer, or no instance matches.
    pub async fn find(
        server: &Prometheus,
        (tls, secrets): (&TlsClient, &Secrets),
        interval: Option<Duration>,
        limit: usize,
        is_taken: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Fleet> {
        let connector = if server.is_tls {
            Connector::tls(&server.address, tls)?
        } else {
            Connector::tcp(&server.address.host, server.address.port)
        };
        let mut client = HttpClient::new(server, secrets, connector);
        let unanswered = |why: Failure| anyhow!("cannot query {server}: {why}");
        let job = server.job.as_deref();
        let scope = Scope::matching(server.instance.as_deref(), job);
        let (identity, keys) = find_keys(&mut client, &scope).await.map_err(unanswered)?;
        if keys.is_empty() {
            let why = describe_alternatives(&mut client, server).await.map_err(unanswered)?;
            anyhow::bail!("{server}: {why}");
        }
        let left_out = keys.len().saturating_sub(limit.max(1));
        let scope = if left_out > 0 {
            Scope::named(keys.iter().take(limit.max(1)).map(|key| key[0].as_str()), job)
        } else {
            scope
        };
        let info = |key| (key, InstanceInfo::default());
        let instances = keys.into_iter().take(limit.max(1)).map(info).collect();
        let scope = scope.with_identity(identity.labels());
        let mut found = FoundInstances { scope, identity, instances };
        find_columns(&mut client, &mut found).await.map_err(unanswered)?;
        find_scrape_intervals(&mut client, &mut found).await.map_err(unanswered)?;
        let connectors = build_connectors(server, client, found, (interval, is_taken));
        Ok(Fleet { connectors, left_out })
    }
}

/// Returns the labels that distinguish the instances of `scope`, and the keys of the instances.
async fn find_keys(
    client: &mut HttpClient,
    scope: &Scope,
) -> Result<(Identity, BTreeSet<InstanceKey>), Failure> {
    let bytes = client.post("query", &[("query", &scope.labels()), hub::NO_LATENCY_OFFSET]).await?;
    let series = response::parse(&bytes)?;
    let labels: Vec<&Labels> = series.iter().map(|series| &series.metric).collect();
    let identity = Identity::of(&labels);
    let keys = labels.into_iter().map(|labels| identity.key(labels)).collect();
    Ok((identity, keys))
}

/// Queries which columns each instance has, and its cores and memory.
async fn find_columns(client: &mut HttpClient, found: &mut FoundInstances) -> Result<(), Failure> {
    let query = found.scope.presence();
    let bytes = client.post("query", &[("query", &query), hub::NO_LATENCY_OFFSET]).await?;
    let mut known: BTreeMap<InstanceKey, BTreeSet<String>> = BTreeMap::new();
    for series in response::parse(&bytes)? {
        let key = found.identity.key(&series.metric);
        let Some(instance) = found.instances.get_mut(&key) else { continue };
        match series.metric.column() {
            queries::CORES => instance.cores = series.last().map(|cores| cores as u32),
            queries::MEMORY => instance.memory = series.last().map(|bytes| bytes as u64),
            name => drop(known.entry(key).or_default().insert(name.to_owned())),
        }
    }
    for (key, instance) in &mut found.instances {
        instance.scrape_interval = SCRAPE_INTERVAL_DEFAULT;
        let is_known = |it: &&ColumnQuery| known.get(key).is_some_and(|all| all.contains(it.name));
        instance.columns = COLUMNS.iter().filter(is_known).collect();
    }
    Ok(())
}

/// Measures the scrape interval of each instance by the times of its recent samples.
async fn find_scrape_intervals(
    client: &mut HttpClient,
    found: &mut FoundInstances,
) -> Result<(), Failure> {
    let bytes = client.post("query", &[("query", &found.scope.recent_samples())]).await?;
    for series in response::parse(&bytes)? {
        if let Some(it) = found.instances.get_mut(&found.identity.key(&series.metric)) {
            let times: Vec<Time> = series.points().map(|(time, _)| time).collect();
            it.scrape_interval = scrape_interval(&times).unwrap_or(it.scrape_interval);
        }
    }
    Ok(())
}

/// Returns the median distance of samples, rounded to 1 s, or to 100 ms if it is below 1 s.
fn scrape_interval(times: &[Time]) -> Option<Duration> {
    let mut distances: Vec<i64> = times.windows(2).map(|pair| pair[1].ms_since(pair[0])).collect();
    distances.sort_unstable();
    let median = *distances.get(distances.len() / 2)?;
    let unit = if median < 1000 { 100 } else { 1000 };
    let rounded = median.saturating_add(unit / 2) / unit * unit;
    // A median of a day or more means that a clock was set.
    (median > 0 && median < 24 * 3_600_000)
        .then(|| Duration::from_millis(rounded.max(SCRAPE_INTERVAL_MIN_MS) as u64))
}

/// Describes the instances of the server when none matches, the most similar names first.
async fn describe_alternatives(
    client: &mut HttpClient,
    server: &Prometheus,
) -> Result<String, Failure> {
    let (_, keys) = find_keys(client, &Scope::matching(None, None)).await?;
    let mut names: Vec<(String, String)> =
        keys.into_iter().map(|key| (key[0].clone(), key[1].clone())).collect();
    if names.is_empty() {
        let reason = "no machines found (no node_load1); \
                      add node_exporter or loadline-agent as a target";
        return Ok(reason.to_owned());
    }
    names.dedup();
    let wanted = server.instance.as_deref().or(server.job.as_deref()).unwrap_or_default();
    let likeness = |(instance, job): &(String, String)| {
        let name = if server.instance.is_some() { instance } else { job };
        (strsim::jaro_winkler(name, wanted) * -1e6) as i64
    };
    names.sort_by_cached_key(likeness);
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.iter().take(NAMES_SHOWN).map(|(instance, job)| match &server.job {
        Some(_) => format!("{} (job {})", SafeText::new(instance), SafeText::new(job)),
        None => SafeText::new(instance).to_string(),
    });
    let shown: Vec<String> = shown.collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(format!("no instance matches; available: {}{more}", shown.join(", ")))
}

fn build_connectors(
    server: &Prometheus,
    client: HttpClient,
    found: FoundInstances,
    (interval, is_taken): (Option<Duration>, impl Fn(&str) -> bool),
) -> Vec<Connector> {
    let FoundInstances { scope, identity, instances } = found;
    let intervals = || instances.values().map(|it| it.scrape_interval);
    let step = server.step.or_else(|| intervals().min()).unwrap_or(SCRAPE_INTERVAL_DEFAULT);
    let window = WINDOW_INTERVALS * intervals().max().unwrap_or(SCRAPE_INTERVAL_DEFAULT);
    let window = window.max(interval.unwrap_or_default()).max(step);
    let watched_instances = instances.iter().map(|(key, found)| hub::Instance {
        key: key.clone(),
        scrape_interval: found.scrape_interval,
        last_sent: None,
        devices: CountedDevices::default(),
    });
    let names = identity.names(instances.keys());
    let (requests, request_receiver) = mpsc::channel(hub::REQUESTS_MAX);
    let hub = Hub {
        client,
        instances: watched_instances.collect(),
        scope: scope.with_window(window),
        identity,
        step_query: StepQuery::default(),
        step,
        requests: request_receiver,
        followers: Vec::new(),
        clock: None,
    };
    tokio::spawn(hub.run());
    let run = RunId(RandomState::new().build_hasher().finish() as u32);
    let connector = |(index, ((key, found), mut name)): (usize, (_, String))| {
        let (key, found): (&InstanceKey, &InstanceInfo) = (key, found);
        if is_taken(&name) {
            name = format!("{name} at {}", server.address);
        }
        let host = SafeText::new(&key[0]);
        let info = InstanceInfo { index, host, run, step, ..found.clone() };
        let (server, requests) = (server.address.to_string(), requests.clone());
        Connector::custom(&name, move || connect(server.clone(), info.clone(), requests.clone()))
    };
    instances.iter().zip(names).enumerate().map(connector).collect()
}

/// Checks that the server answers, and returns the instance's rows as a stream of bytes.
async fn connect(
    server: String,
    info: InstanceInfo,
    requests: mpsc::Sender<hub::HubRequest>,
) -> io::Result<impl ByteStream> {
    let gone = || io::Error::other("the task that queries the server has ended");
    let (reply, reached) = oneshot::channel();
    requests.send(hub::HubRequest::Ping(reply)).await.map_err(|_| gone())?;
    let clock = reached
        .await
        .map_err(|_| gone())?
        .map_err(|why| io::Error::other(format!("{server}: {why}")))?;
    let (ours, theirs) = tokio::io::duplex(session::PIPE_BYTES);
    let session = tokio::spawn(session::serve(info, clock, theirs, requests));
    let (lines, requests) = tokio::io::split(ours);
    let lines = ReasonedReader::new(lines, async { session.await.unwrap_or(Ok(())) });
    Ok(tokio::io::join(lines, requests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scrape_interval_is_the_median_distance_of_samples() {
        let check = |times: &[i64], ms: Option<u64>| {
            let times: Vec<Time> = times.iter().map(|ms| Time::from_millis(*ms)).collect();
            assert_eq!(scrape_interval(&times), ms.map(Duration::from_millis), "{times:?}");
        };
        check(&[0, 15_001, 29_998, 45_000, 300_000], Some(15_000));
        check(&[0, 1000, 1999], Some(1000));
        check(&[0, 499, 1001], Some(500));
        check(&[0, 1, 2], Some(200));
        check(&[5, 5], None);
        check(&[0, Time::MAX.as_millis()], None);
        check(&[7], None);
        check(&[], None);
    }
}
