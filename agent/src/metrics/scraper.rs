//! Thread that reads the metrics for each scrape.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use super::agent_metrics::AgentMetrics;
use super::family::Families;
use super::format::ExpositionFormat;
#[cfg(target_os = "linux")]
use super::machine::MachineMetrics;
use crate::kernel::root::Root;
use crate::source::GroupSet;

/// Age up to which a page is served again: many scrapes at once cost as much as one.
const CACHE_AGE_MAX: Duration = Duration::from_millis(200);

/// Request for the metrics page.
pub(super) struct ScrapeRequest {
    pub(super) format: ExpositionFormat,
    pub(super) reply: oneshot::Sender<Bytes>,
}

/// State of the scraper thread.
pub(super) struct Scraper {
    agent: Arc<AgentMetrics>,
    /// Other systems have metrics of the agent only.
    #[cfg(target_os = "linux")]
    machine: MachineMetrics,
    page: Option<CachedPage>,
}

/// Values of one scrape, and the pages rendered from them.
struct CachedPage {
    read_at: Instant,
    registry: Registry,
    texts: BTreeMap<ExpositionFormat, Bytes>,
}

impl Scraper {
    /// Creates a scraper for these groups of metrics.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(unused_variables, reason = "no metrics of the machine")
    )]
    pub(super) fn new(agent: Arc<AgentMetrics>, root: &Root, collect: &GroupSet) -> Scraper {
        Scraper {
            agent,
            #[cfg(target_os = "linux")]
            machine: MachineMetrics::new(root, collect),
            page: None,
        }
    }

    /// Answers requests until all senders are dropped.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<ScrapeRequest>) {
        while let Some(ScrapeRequest { format, reply }) = requests.blocking_recv() {
            // The requester may have timed out in the meantime.
            if !reply.is_closed() {
                // An error means that it has timed out now.
                let _ = reply.send(self.page(format));
            }
        }
    }

    pub(super) fn page(&mut self, format: ExpositionFormat) -> Bytes {
        let page = self.page.take().filter(|page| page.read_at.elapsed() < CACHE_AGE_MAX);
        let page = page.unwrap_or_else(|| self.read());
        let CachedPage { registry, texts, .. } = self.page.insert(page);
        texts.entry(format).or_insert_with(|| format.encode(registry)).clone()
    }

    fn read(&mut self) -> CachedPage {
        let begin = Instant::now();
        let mut families = Vec::new();
        #[cfg(target_os = "linux")]
        families.extend(self.machine.read());
        families.extend(self.agent.families(begin.elapsed()));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Families(families)));
        CachedPage { read_at: Instant::now(), registry, texts: BTreeMap::new() }
    }
}
