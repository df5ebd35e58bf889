//! Child processes of the transport: they end with it, and do not get secrets.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::source::SECRET_VARIABLES;

/// Time for a process to end after SIGTERM: 2 s. Then it is killed.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Process that gets SIGTERM when it is dropped, together with the processes that it has started, such as a
/// `ProxyCommand`, and SIGKILL if it does not end.
///
/// An ssh that may use the terminal is an exception: it has to stay in the foreground, and only ssh itself gets the
/// signals. It ends the others if SIGTERM is enough.
#[derive(Debug)]
pub(super) struct SshProcess(Option<RunningProcess>);

#[derive(Debug)]
struct RunningProcess {
    child: Child,
    has_own_group: bool,
}

/// Reason for which a process is there until the drop.
const HELD: &str = "only the drop takes the process";

impl SshProcess {
    /// Starts a program with its standard streams as `command` sets them.
    pub(super) fn spawn(mut command: Command, uses_terminal: bool) -> io::Result<SshProcess> {
        if !uses_terminal {
            command.process_group(0);
        }
        let child = command.kill_on_drop(true).spawn()?;
        Ok(SshProcess(Some(RunningProcess { child, has_own_group: !uses_terminal })))
    }

    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.0.as_mut().expect(HELD).child
    }

    /// Reads up to `max` bytes of standard output until it ends. Empty after `limit`.
    pub(super) async fn output(mut self, max: u64, limit: Duration) -> String {
        let Some(stdout) = self.child().stdout.take() else { return String::new() };
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
        let Some(mut process) = self.0.take() else { return };
        process.send(Signal::TERM);
        // Without a runtime, the program ends, and the process is killed here.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(TERMINATION_TIMEOUT, process.child.wait()).await;
            });
        }
    }
}

impl RunningProcess {
    /// Sends a signal, unless the process has ended and was waited for.
    fn send(&self, signal: Signal) {
        // The number belongs to the process until its exit status was read.
        let Some(id) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        let send = if self.has_own_group { kill_process_group } else { kill_process };
        // An error means that no process is left.
        let _ = send(id, signal);
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        self.send(Signal::KILL);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a shell script that prints a line, drops it, and returns the rest of its output.
    async fn drop_process(script: &str, uses_terminal: bool) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut process = SshProcess::spawn(command, uses_terminal).unwrap();
        let mut output = process.child().stdout.take().unwrap();
        let mut first = [0; 6];
        output.read_exact(&mut first).await.unwrap();
        drop(process);
        let mut rest = String::new();
        timeout(Duration::from_secs(20), output.read_to_string(&mut rest)).await.unwrap().unwrap();
        rest
    }

    #[tokio::test]
    async fn ssh_may_end_what_it_started_and_is_killed_if_it_does_not_end() {
        for uses_terminal in [true, false] {
            let tidy = "trap 'echo tidy; exit' TERM; echo ready; while :; do sleep 0.05; done";
            assert_eq!(drop_process(tidy, uses_terminal).await, "tidy\n");
            let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
            assert_eq!(drop_process(stubborn, uses_terminal).await, "");
        }
    }
}
