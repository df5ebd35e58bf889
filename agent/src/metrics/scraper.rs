//! The thread that reads the machine for whoever asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use super::form::Form;
use super::itself::Itself;
#[cfg(target_os = "linux")]
use super::machine::Machine;
use crate::source::Collect;

/// Who asks so soon after another gets the same: a crowd costs no more than one.
const FRESH_MAX: Duration = Duration::from_millis(200);

/// Somebody asks for the page.
pub(super) struct Ask {
    pub(super) form: Form,
    pub(super) answer: oneshot::Sender<Bytes>,
}

/// Reads when it is asked.
pub(super) struct Scraper {
    itself: Arc<Itself>,
    /// Other systems tell of the agent alone.
    #[cfg(target_os = "linux")]
    machine: Machine,
    page: Option<Page>,
}

/// What was read, and the texts that were made of it.
struct Page {
    read: Instant,
    registry: Registry,
    classic: Option<Bytes>,
    open: Option<Bytes>,
}

impl Scraper {
    /// Reads these groups of the machine.
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "there is no machine"))]
    pub(super) fn new(itself: Arc<Itself>, collect: &Collect) -> Scraper {
        Scraper {
            itself,
            #[cfg(target_os = "linux")]
            machine: Machine::new(collect),
            page: None,
        }
    }

    /// Answers until nobody can ask any more.
    pub(super) fn run(mut self, mut asks: mpsc::Receiver<Ask>) {
        while let Some(Ask { form, answer }) = asks.blocking_recv() {
            // Whoever waited too long for the one before is gone.
            if !answer.is_closed() {
                // An error means the same.
                let _ = answer.send(self.page().text(form));
            }
        }
    }

    fn page(&mut self) -> &mut Page {
        let page = self.page.take().filter(|page| page.read.elapsed() < FRESH_MAX);
        let page = page.unwrap_or_else(|| self.read());
        self.page.insert(page)
    }

    fn read(&mut self) -> Page {
        let mut registry = Registry::default();
        let begin = Instant::now();
        #[cfg(target_os = "linux")]
        self.machine.read(&mut registry);
        registry.register_collector(Box::new(self.itself.told(begin.elapsed())));
        Page { read: Instant::now(), registry, classic: None, open: None }
    }
}

impl Page {
    fn text(&mut self, form: Form) -> Bytes {
        let known = match form {
            Form::Classic => &mut self.classic,
            Form::Open => &mut self.open,
        };
        let write = || {
            let mut text = String::new();
            // Writing to memory cannot fail.
            let _ = match form {
                Form::Classic => prometheus_text::encode(&mut text, &self.registry),
                Form::Open => text::encode(&mut text, &self.registry),
            };
            Bytes::from(text)
        };
        known.get_or_insert_with(write).clone()
    }
}
