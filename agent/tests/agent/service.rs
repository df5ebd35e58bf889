//! Notifications to the service manager.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::running_agent::{DEADLINE, RunningAgent, program};
use rustix::process::Signal;

/// Watchdog timeout of the service manager.
const WATCHDOG: Duration = Duration::from_millis(600);

/// Service manager's end of the notification socket.
struct ServiceManager(UnixDatagram);

impl ServiceManager {
    fn next_message(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

/// Starts an agent with a service manager that it notifies.
fn start_managed(folder: &std::path::Path, arguments: &str) -> (RunningAgent, ServiceManager) {
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut command = program(arguments);
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    (RunningAgent::start(command), ServiceManager(socket))
}

#[test]
fn the_service_manager_is_notified_of_start_life_reload_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (mut agent, manager) = start_managed(folder.path(), "-l 127.0.0.1:0 -i 250ms");
    let address = agent.address();
    assert_eq!(manager.next_message(), format!("READY=1\nSTATUS=listening on {address}\n"));
    for _ in 0..3 {
        assert_eq!(manager.next_message(), "WATCHDOG=1\n");
    }
    agent.signal(Signal::HUP);
    let mut message = manager.next_message();
    while message == "WATCHDOG=1\n" {
        message = manager.next_message();
    }
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    assert_eq!(manager.next_message(), format!("READY=1\nSTATUS=listening on {address}\n"));
    agent.signal(Signal::TERM);
    let mut message = manager.next_message();
    while message == "WATCHDOG=1\n" {
        message = manager.next_message();
    }
    assert_eq!(message, "STOPPING=1\n");
    assert_eq!(agent.wait_exit().0, Some(0));
}

#[test]
fn the_watchdog_is_notified_during_a_long_interval() {
    let folder = tempfile::tempdir().unwrap();
    let (mut agent, manager) = start_managed(folder.path(), "-l 127.0.0.1:0 -i 1h");
    agent.address();
    manager.next_message();
    // Three notifications take longer than the watchdog timeout, and no sample is due meanwhile.
    let pauses = [(); 4].map(|()| {
        let begin = Instant::now();
        assert_eq!(manager.next_message(), "WATCHDOG=1\n");
        begin.elapsed()
    });
    // On a busy machine, single notifications may be late.
    assert!(pauses[1..].iter().any(|pause| *pause < WATCHDOG), "{pauses:?}");
}
