//! Notifications to the service manager: systemd, or another owner of the socket in
//! `NOTIFY_SOCKET`. Nothing is sent without that variable.

use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadline_agent::Service;
use loadline_common::without_error_number;
use sd_notify::NotifyState;
use tokio::time::{Instant, sleep};

/// Number of intervals that may pass without a sample before the watchdog pings stop.
const OVERDUE_INTERVALS: u32 = 2;

/// Returns the warning about sockets of the service manager that this process cannot find. Without
/// them, the agent listens on its own addresses.
pub(crate) fn socket_warning() -> Option<String> {
    let variable = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    explain_sockets(&variable("LISTEN_FDS")?, variable("LISTEN_PID").as_deref(), std::process::id())
}

/// Returns the warning about `LISTEN_FDS` and `LISTEN_PID` in the process `own`.
fn explain_sockets(count: &str, process: Option<&str>, own: u32) -> Option<String> {
    // Other owners of sockets leave the process out.
    let process = process.filter(|process| !process.is_empty());
    let is_own = process.is_none_or(|process| process.parse() == Ok(own));
    let what = match (count.parse::<u16>(), process) {
        (Ok(0), _) => return None,
        (Ok(_), Some(process)) if !is_own => {
            let why = "start loadline-agent without a shell, or with exec";
            format!(
                "LISTEN_PID in the environment is {process:?}, not {own}: its sockets are not \
                 used; {why}"
            )
        }
        (Ok(_), _) => return None,
        (Err(_), _) => format!("LISTEN_FDS in the environment is no number: {count:?}"),
    };
    Some(what)
}

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
    static IS_FAILING: AtomicBool = AtomicBool::new(false);
    let result = send(states);
    let was_failing = IS_FAILING.swap(result.is_err(), Ordering::Relaxed);
    match result {
        Err(error) if !was_failing => {
            let error = without_error_number(&error.to_string());
            tracing::warn!(%error, "cannot notify the service manager");
        }
        Ok(()) if was_failing => tracing::info!("the service manager is notified again"),
        Ok(()) | Err(_) => {}
    }
}

/// Sends a message to the service manager. Unlike [`sd_notify::notify`], does not wait for a manager that
/// reads nothing.
fn send(states: &[NotifyState<'_>]) -> io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    let message = lines.join("\n") + "\n";
    socket.send_to(message.as_bytes(), path).map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_this_process_cannot_find_are_warned_about() {
        let is_warned = |count, process| explain_sockets(count, process, 7).is_some();
        assert!(!is_warned("1", Some("7")) && !is_warned("0", Some("8")));
        assert!(!is_warned("1", None) && !is_warned("1", Some("")));
        for (count, process) in [
            ("1", Some("8")),
            ("1", Some("x")),
            ("abc", Some("7")),
            ("-1", Some("7")),
            ("", Some("7")),
            ("99999999999", Some("7")),
        ] {
            assert!(is_warned(count, process), "{count} {process:?}");
        }
    }
}
