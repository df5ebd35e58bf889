//! Requests of a link: the first one of a connection, and further ones.

use std::io;

use loadline_protocol::{History, PING, Request};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::disconnect::Disconnect;
use super::events::{send, send_all};
use super::overdue::Step;
use super::past::PastRequest;
use super::{CLOCK_INTERVAL, Link, REQUEST_TIMEOUT, classify_error, no_answer, write};
use crate::event::Event;

impl Link {
    /// Sends another request if one is due. Returns the reason to disconnect if that fails.
    pub(super) async fn send_further(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        clock_at: &mut Instant,
        events: &mpsc::Sender<Event>,
    ) -> Option<Disconnect> {
        if Instant::now() >= *clock_at {
            *clock_at = Instant::now() + CLOCK_INTERVAL;
            return self.repeat_request(stream, events).await;
        }
        self.load_past(stream, events).await
    }

    /// Takes what has arrived of earlier samples, and asks for more if the user wants to see more.
    /// Returns the reason to disconnect if that fails.
    pub(super) async fn load_past(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        events: &mpsc::Sender<Event>,
    ) -> Option<Disconnect> {
        let now = Instant::now();
        let loaded = self.past.receive(&mut self.reader, now);
        let silent = self.rows_at.map(|at| now - at).unwrap_or_default();
        let (complete, request) = self.past.next(&mut self.reader, now, silent);
        send_all(events, loaded.into_iter().chain(complete).map(Event::Past)).await;
        let sent = self.send_request(stream, events, Some(request?)).await;
        sent.err().map(|error| classify_error(&error))
    }

    /// Sends another request, if the server knows requests. Returns the reason if that fails.
    pub(super) async fn repeat_request(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        events: &mpsc::Sender<Event>,
    ) -> Option<Disconnect> {
        if !self.reader.resume_state().answered {
            return None;
        }
        self.send_request(stream, events, None).await.err().map(|error| classify_error(&error))
    }

    /// Sends a request with the current interval and resume state, and for these earlier samples.
    pub(super) async fn send_request(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        events: &mpsc::Sender<Event>,
        past: Option<PastRequest>,
    ) -> io::Result<()> {
        self.options.interval = *self.interval_receiver.borrow_and_update();
        let now = self.clock.now();
        send(events, Event::RequestSent { at: now }).await;
        let silent = self.rows_at.map(|at| at.elapsed());
        let mut request = self.options.request(self.reader.resume_state(), now, silent);
        if let Some((history, before)) = past {
            let history = Some(History::Last(history));
            request = Request { history, before: Some(before), ..request };
        }
        let request = format!("{request}\n");
        match timeout(REQUEST_TIMEOUT, write(stream, &request)).await? {
            // The read side returns the reason.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// Asks the agent, or gives the connection up. Returns the reason in this case.
pub(super) async fn take_step(
    step: Option<Step>,
    out: &mut (impl AsyncWrite + Unpin),
) -> Option<Disconnect> {
    match step? {
        Step::GiveUp(after) => Some(no_answer(after)),
        Step::Ask => match timeout(REQUEST_TIMEOUT, write(out, &format!("{PING}\n"))).await {
            Err(_) => Some(no_answer(REQUEST_TIMEOUT)),
            // The read side returns the reason.
            Ok(_) => None,
        },
    }
}
