//! The thread that reads the machine for whoever asks.

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
use crate::kernel::root::Root;
use crate::source::GroupSet;

/// Who asks so soon after another gets the same: a crowd costs no more than one.
const CACHE_AGE_MAX: Duration = Duration::from_millis(200);

/// Somebody asks for the page.
pub(super) struct ScrapeRequest {
    pub(super) format: ExpositionFormat,
    pub(super) reply: oneshot::Sender<Bytes>,
}

/// Reads when it is asked.
pub(super) struct Scraper {
    agent: Arc<AgentMetrics>,
    /// Other systems tell of the agent alone.
    #[cfg(target_os = "linux")]
    machine: MachineMetrics,
    page: Option<CachedPage>,
}

/// What was read, and the texts that were made of it.
struct CachedPage {
    read_at: Instant,
    registry: Registry,
    plain_text: Option<Bytes>,
    open_metrics: Option<Bytes>,
}

impl Scraper {
    /// Reads these groups of the machine.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "there is no machine"))]
    pub(super) fn new(agent: Arc<AgentMetrics>, root: &Root, collect: &GroupSet) -> Scraper {
        Scraper {
            agent,
            #[cfg(target_os = "linux")]
            machine: MachineMetrics::new(root, collect),
            page: None,
        }
    }

    /// Answers until nobody can ask any more.
    pub(super) fn run(mut self, mut requests: mpsc::Receiver<ScrapeRequest>) {
        while let Some(ScrapeRequest { format: form, reply: answer }) = requests.blocking_recv() {
            // Whoever waited too long for the one before is gone.
            if !answer.is_closed() {
                // An error means the same.
                let _ = answer.send(self.page(form));
            }
        }
    }

    pub(super) fn page(&mut self, format: ExpositionFormat) -> Bytes {
        let page = self.page.take().filter(|page| page.read_at.elapsed() < CACHE_AGE_MAX);
        let page = page.unwrap_or_else(|| self.read());
        self.page.insert(page).text(format)
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
