//! Placeholder for a build without metrics.

use std::convert::Infallible;

/// **Invariant:** never constructed.
pub(crate) enum Exporter {}

impl Exporter {
    /// Never called.
    pub(crate) async fn run(&mut self) -> Infallible {
        match *self {}
    }

    /// Never called.
    pub(crate) async fn stop(self) {
        match self {}
    }
}
