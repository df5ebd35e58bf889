//! Process of ssh, which is ended with everything that it started.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Time for ssh to end after SIGTERM: 2 s. Then it is killed.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Running ssh. Dropping it sends SIGTERM, and SIGKILL if ssh does not end: after a SIGKILL, the ssh of a
/// jump host would wait for a network that is dead.
#[derive(Debug)]
pub(super) struct SshProcess(Option<Child>);

impl SshProcess {
    /// Takes over a process that was spawned with `kill_on_drop`.
    pub(super) fn new(child: Child) -> SshProcess {
        SshProcess(Some(child))
    }
}

/// Reason for which a child is there until the drop.
const HELD: &str = "only the drop takes the child";

impl Deref for SshProcess {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().expect(HELD)
    }
}

impl DerefMut for SshProcess {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().expect(HELD)
    }
}

impl Drop for SshProcess {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else { return };
        // `None` if the process has ended and was waited for.
        let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
        let _ = kill_process(pid, Signal::TERM);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(TERMINATION_TIMEOUT, child.wait()).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::io::AsyncReadExt as _;
    use tokio::process::Command;

    use super::*;

    /// Starts a shell script that prints a line, drops it, and returns the rest of its output.
    async fn drop_process(script: &str) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = SshProcess::new(command.spawn().unwrap());
        let mut output = process.stdout.take().unwrap();
        let mut first = [0; 6];
        output.read_exact(&mut first).await.unwrap();
        drop(process);
        let mut rest = String::new();
        timeout(Duration::from_secs(20), output.read_to_string(&mut rest)).await.unwrap().unwrap();
        rest
    }

    #[tokio::test]
    async fn ssh_may_end_what_it_started_and_is_killed_if_it_does_not_end() {
        let tidy = "trap 'echo tidy; exit' TERM; echo ready; while :; do sleep 0.05; done";
        assert_eq!(drop_process(tidy).await, "tidy\n");
        let stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
        assert_eq!(drop_process(stubborn).await, "");
    }
}
