//! Placeholder for a build without metrics.

use std::convert::Infallible;
use std::marker::PhantomData;

/// **Invariant:** never constructed.
pub(crate) struct Exporter<L> {
    never: Infallible,
    listeners: PhantomData<L>,
}

impl<L> Exporter<L> {
    /// Never called.
    pub(crate) async fn run(&mut self) -> Infallible {
        std::future::pending::<()>().await;
        self.never
    }

    /// Never called.
    pub(crate) async fn stop(self) {
        std::future::ready(()).await;
        match self.never {}
    }
}
