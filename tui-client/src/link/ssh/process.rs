//! Child processes of the transport: they end with it, and do not get secrets.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::source::SECRET_VARIABLES;

/// Process that is killed when it is dropped, together with the processes that it has started, such as a
/// `ProxyCommand`.
///
/// An ssh that may use the terminal is an exception: it has to stay in the foreground, and only ssh itself is killed.
/// The others end because their input ends, or by the keys that end loadline.
#[derive(Debug)]
pub(super) struct SshProcess {
    pub(super) child: Child,
    has_own_group: bool,
}

impl SshProcess {
    /// Starts a program with its standard streams as `command` sets them.
    pub(super) fn spawn(mut command: Command, uses_terminal: bool) -> std::io::Result<SshProcess> {
        if !uses_terminal {
            command.process_group(0);
        }
        let child = command.kill_on_drop(true).spawn()?;
        Ok(SshProcess { child, has_own_group: !uses_terminal })
    }

    /// Reads up to `max` bytes of standard output until it ends. Empty after `limit`.
    pub(super) async fn output(mut self, max: u64, limit: Duration) -> String {
        let Some(stdout) = self.child.stdout.take() else { return String::new() };
        let mut bytes = Vec::new();
        let mut stdout = stdout.take(max);
        let read = timeout(limit, stdout.read_to_end(&mut bytes)).await;
        if !matches!(read, Ok(Ok(_))) {
            bytes.clear();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for SshProcess {
    fn drop(&mut self) {
        // The number belongs to the process until its exit status was read.
        let id = self.child.id().filter(|_| self.has_own_group);
        if let Some(group) = id.and_then(|id| Pid::from_raw(id.cast_signed())) {
            // An error means that no process is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Returns the command for a program without the secrets in the environment of this process.
pub(super) fn command_without_secrets(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
