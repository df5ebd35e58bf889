//! What a service manager is told.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::running::{DEADLINE, Running, program};
use rustix::process::Signal;

/// How long the manager waits for a sign of life.
const WATCHDOG: Duration = Duration::from_millis(600);

/// The manager's end of the socket on which it is told.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message.
    fn told(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

/// An agent with a manager that it tells.
fn managed(folder: &std::path::Path, arguments: &str) -> (Running, Manager) {
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut command = program(arguments);
    command.env("NOTIFY_SOCKET", &path);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    (Running::start(command), Manager(socket))
}

#[test]
fn it_is_told_when_clients_can_come_that_the_agent_lives_and_that_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut agent, manager) = managed(folder.path(), "-l 127.0.0.1:0 -i 250ms");
    let address = agent.address();
    assert_eq!(manager.told(), format!("READY=1\nSTATUS=listening on {address}\n"));
    for _ in 0..3 {
        let begin = Instant::now();
        assert_eq!(manager.told(), "WATCHDOG=1\n");
        assert!(begin.elapsed() < DEADLINE);
    }
    agent.signal(Signal::HUP);
    let mut told = manager.told();
    while told == "WATCHDOG=1\n" {
        told = manager.told();
    }
    assert!(told.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{told}");
    assert_eq!(manager.told(), format!("READY=1\nSTATUS=listening on {address}\n"));
    agent.signal(Signal::TERM);
    let mut told = manager.told();
    while told == "WATCHDOG=1\n" {
        told = manager.told();
    }
    assert_eq!(told, "STOPPING=1\n");
    assert_eq!(agent.exit().0, Some(0));
}

#[test]
fn a_long_interval_is_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (mut agent, manager) = managed(folder.path(), "-l 127.0.0.1:0 -i 1h");
    agent.address();
    manager.told();
    // Longer than the manager waits, and no sample comes meanwhile.
    for _ in 0..4 {
        assert_eq!(manager.told(), "WATCHDOG=1\n");
    }
}
