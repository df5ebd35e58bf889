//! What a service manager is told: systemd, or whoever made the socket in `NOTIFY_SOCKET`. Where
//! nobody asked, nothing is done.

use std::convert::Infallible;
use std::time::Duration;

use loadline_agent::Service;

/// How many intervals may pass without a sample before the agent is not well.
const OVERDUE_INTERVALS: u32 = 2;

/// Clients can come in.
#[cfg(target_os = "linux")]
pub(crate) fn notify_ready(status: &str) {
    use sd_notify::NotifyState::{Ready, Status};
    notify(&[Ready, Status(status)]);
}

/// The agent reads its files anew; [`notify_ready`] says when it has.
#[cfg(target_os = "linux")]
pub(crate) fn notify_reloading() {
    use sd_notify::NotifyState;

    // Without the time the manager takes it all the same, unless it is a unit that waits for it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// The agent is about to end.
#[cfg(target_os = "linux")]
pub(crate) fn notify_stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

#[cfg(target_os = "linux")]
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the agent is");
    }
}

/// Tells again and again that the agent is well, as long as there is a sample when there should be:
/// a program that hangs, or that only answers, is started anew.
#[cfg(target_os = "linux")]
pub(crate) async fn run_watchdog(service: Service, interval: Duration) -> Infallible {
    use tokio::time::{Instant, sleep};

    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else {
        return std::future::pending().await;
    };
    let overdue = interval * OVERDUE_INTERVALS + period;
    let mut last = (service.progress(), Instant::now());
    loop {
        // The half of it, so that one that comes late is in time.
        sleep(period / 2).await;
        let progress = service.progress();
        if progress != last.0 {
            last = (progress, Instant::now());
        }
        if last.1.elapsed() < overdue {
            notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn notify_ready(_status: &str) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn notify_reloading() {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn notify_stopping() {}

#[cfg(not(target_os = "linux"))]
pub(crate) async fn run_watchdog(_service: Service, _interval: Duration) -> Infallible {
    std::future::pending().await
}
