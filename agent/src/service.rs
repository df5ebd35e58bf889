//! Notifications to the service manager: systemd, or another owner of the socket in
//! `NOTIFY_SOCKET`. Nothing is sent without that variable.

use std::convert::Infallible;
use std::time::Duration;

use loadline_agent::Service;

/// Number of intervals that may pass without a sample before the watchdog pings stop.
#[cfg(target_os = "linux")]
const OVERDUE_INTERVALS: u32 = 2;

/// Reports that clients can connect.
#[cfg(target_os = "linux")]
pub(crate) fn notify_ready(status: &str) {
    use sd_notify::NotifyState::{Ready, Status};
    notify(&[Ready, Status(status)]);
}

/// Reports that the agent reloads its files. [`notify_ready`] reports the end of the reload.
#[cfg(target_os = "linux")]
pub(crate) fn notify_reloading() {
    use sd_notify::NotifyState;

    // Only units of `Type=notify-reload` need the time.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
}

/// Reports that the agent is about to end.
#[cfg(target_os = "linux")]
pub(crate) fn notify_stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

#[cfg(target_os = "linux")]
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        let error = loadline_common::without_error_number(&error.to_string());
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// Pings the watchdog of the service manager as long as samples are taken in time. An agent that
/// hangs, or that answers clients but does not sample, gets restarted.
#[cfg(target_os = "linux")]
pub(crate) async fn run_watchdog(service: Service, interval: Duration) -> Infallible {
    use tokio::time::{Instant, sleep};

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
