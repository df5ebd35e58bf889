//! What there is of metrics in a program that was built without them: nobody who could read them.

use std::convert::Infallible;
use std::marker::PhantomData;

/// **Invariant:** there is none.
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
