//! Placeholder for a build without metrics.

use std::convert::Infallible;
use std::future::{Pending, Ready};

/// **Invariant:** never constructed.
pub(crate) enum Exporter {}

impl Exporter {
    /// Never called.
    pub(crate) fn run(&mut self) -> Pending<Infallible> {
        match *self {}
    }

    /// Never called.
    pub(crate) fn stop(self) -> Ready<()> {
        match self {}
    }
}
