//! Thread that reads the metrics for each scrape.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use super::agent_metrics::AgentMetrics;
use super::format::ExpositionFormat;
#[cfg(target_os = "linux")]
use super::machine::MachineMetrics;
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
    plain_text: Option<Bytes>,
    open_metrics: Option<Bytes>,
}

impl Scraper {
    /// Creates a scraper for these groups of metrics.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(unused_variables, reason = "no metrics of the machine")
    )]
    pub(super) fn new(agent: Arc<AgentMetrics>, collect: &GroupSet) -> Scraper {
        Scraper {
            agent,
            #[cfg(target_os = "linux")]
            machine: MachineMetrics::new(collect),
            page: None,
        }
    }

    /// Answers requests until all senders are dropped.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<ScrapeRequest>) {
        while let Some(ScrapeRequest { format: form, reply: answer }) = requests.blocking_recv() {
            // The requester may have timed out in the meantime.
            if !answer.is_closed() {
                // An error means that it has timed out now.
                let _ = answer.send(self.cached_page().text(form));
            }
        }
    }

    fn cached_page(&mut self) -> &mut CachedPage {
        let page = self.page.take().filter(|page| page.read_at.elapsed() < CACHE_AGE_MAX);
        let page = page.unwrap_or_else(|| self.read());
        self.page.insert(page)
    }

    fn read(&mut self) -> CachedPage {
        let mut registry = Registry::default();
        let begin = Instant::now();
        #[cfg(target_os = "linux")]
        self.machine.read(&mut registry);
        registry.register_collector(Box::new(self.agent.snapshot(begin.elapsed())));
        CachedPage { read_at: Instant::now(), registry, plain_text: None, open_metrics: None }
    }
}

impl CachedPage {
    fn text(&mut self, format: ExpositionFormat) -> Bytes {
        let cached = match format {
            ExpositionFormat::PlainText => &mut self.plain_text,
            ExpositionFormat::OpenMetrics => &mut self.open_metrics,
        };
        let write = || {
            let mut text = String::new();
            // Writing to memory cannot fail.
            let _ = match format {
                ExpositionFormat::PlainText => prometheus_text::encode(&mut text, &self.registry),
                ExpositionFormat::OpenMetrics => text::encode(&mut text, &self.registry),
            };
            Bytes::from(text)
        };
        cached.get_or_insert_with(write).clone()
    }
}
