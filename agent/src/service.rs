//! Notifications to the service manager: systemd, or another owner of the socket in
//! `NOTIFY_SOCKET`. Nothing is sent without that variable.

use std::convert::Infallible;
use std::time::Duration;

use loadline_agent::Service;
use sd_notify::NotifyState;
use tokio::time::{Instant, sleep};

/// Number of intervals that may pass without a sample before the watchdog pings stop.
const OVERDUE_INTERVALS: u32 = 2;

/// Reports that clients can connect.
pub(crate) fn notify_ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that the agent reloads its files. [`notify_ready`] reports the end of the reload.
pub(crate) fn notify_reloading() {
    // Only units of `Type=notify-reload` need the time.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Reports that the agent is about to end.
pub(crate) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        let error = loadline_common::without_error_number(&error.to_string());
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// Pings the watchdog of the service manager as long as samples are taken in time. An agent that
/// hangs, or that answers clients but does not sample, gets restarted.
pub(crate) async fn run_watchdog(service: Service, interval: Duration) -> Infallible {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else {
        return std::future::pending().await;
    };
    let overdue = interval * OVERDUE_INTERVALS + period;
    let mut last = (service.progress(), Instant::now());
    loop {
        // Half the period, so that a late ping is still in time.
        sleep(period / 2).await;
        let progress = service.progress();
        if progress != last.0 {
            last = (progress, Instant::now());
        }
        if last.1.elapsed() < overdue {
            notify(&[NotifyState::Watchdog]);
        }
    }
}
