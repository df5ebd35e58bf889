//! Writer of the terminal, in a thread of its own. A terminal that takes no bytes, for example behind
//! a stalled ssh connection, blocks only this thread: samples are still received and recorded.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
use tokio::sync::Notify;

/// Time that the terminal may take for its last frame, for the end of a discarded write, and for the
/// bytes that restore it: 200 ms each. The program does not wait longer for a stalled terminal.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(200);

/// Time between two attempts to discard what a stalled terminal has not taken: 5 ms.
const DISCARD_INTERVAL: Duration = Duration::from_millis(5);

/// Bytes of one write: 16 KiB, more than most frames have. Discarding ends a frame between two writes.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// One writer, because there is one standard output, and a panic in any thread restores the terminal.
static WRITER: TerminalWriter = TerminalWriter {
    state: Mutex::new(WriterState {
        queued: Vec::new(),
        is_writing: false,
        is_discarding: false,
        failure: None,
    }),
    changed: Condvar::new(),
    written: Notify::const_new(),
};

struct TerminalWriter {
    /// Shared by the event loop, which queues bytes, and the thread, which takes them.
    state: Mutex<WriterState>,
    /// Wakes threads that wait for a change of the state.
    changed: Condvar,
    /// Wakes the event loop at the end of a write.
    written: Notify,
}

struct WriterState {
    /// Bytes to write next: at most one frame, see [`is_ready`].
    queued: Vec<u8>,
    is_writing: bool,
    is_discarding: bool,
    /// Error of the last write.
    failure: Option<Errno>,
}

/// Starts the thread.
///
/// # Errors
/// The system is out of threads.
pub(super) fn start() -> io::Result<()> {
    std::thread::Builder::new().name("terminal".to_owned()).spawn(|| WRITER.run()).map(drop)
}

/// Returns whether all bytes so far are written. Only then, a frame may be queued: a terminal that is
/// slower than the frames gets the newest one.
///
/// # Errors
/// The terminal is gone.
pub(super) fn is_ready() -> io::Result<bool> {
    let state = WRITER.lock();
    state.failure.map_or(Ok(state.is_idle()), |error| Err(error.into()))
}

/// Resolves after a write has ended.
pub(super) async fn written() {
    WRITER.written.notified().await;
}

/// Queues bytes, and leaves `bytes` empty.
pub(super) fn queue(bytes: &mut Vec<u8>) {
    WRITER.queue(&mut WRITER.lock(), bytes);
}

/// Writes bytes that restore the terminal, and waits a limited time for the terminal to take them. Bytes
/// of a frame that the terminal does not take are discarded.
pub(super) fn write_last(bytes: &mut Vec<u8>) {
    let mut state = WRITER.wait_until_idle(WRITER.lock(), DRAIN_TIMEOUT);
    if !state.is_idle() {
        state = WRITER.discard(state);
    }
    WRITER.queue(&mut state, bytes);
    drop(WRITER.wait_until_idle(state, DRAIN_TIMEOUT));
}

impl WriterState {
    fn is_idle(&self) -> bool {
        self.queued.is_empty() && !self.is_writing
    }
}

impl TerminalWriter {
    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, state: &mut WriterState, bytes: &mut Vec<u8>) {
        if state.queued.is_empty() {
            // Swapping instead of copying reuses the memory of earlier frames.
            std::mem::swap(&mut state.queued, bytes);
        } else {
            state.queued.append(bytes);
        }
        self.changed.notify_all();
    }

    fn wait_until_idle<'s>(
        &self,
        state: MutexGuard<'s, WriterState>,
        limit: Duration,
    ) -> MutexGuard<'s, WriterState> {
        let waited = self.changed.wait_timeout_while(state, limit, |state| !state.is_idle());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Discards what is queued, and what the terminal has not taken, until the current write ends.
    fn discard<'s>(&self, mut state: MutexGuard<'s, WriterState>) -> MutexGuard<'s, WriterState> {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        state.queued.clear();
        state.is_discarding = true;
        while state.is_writing && Instant::now() < deadline {
            // The system's buffer is full. Emptying it lets the write continue. Linux wakes the write of a
            // pseudo-terminal only if the output is also stopped and started.
            let _ = tcflush(io::stdout(), QueueSelector::OFlush);
            let _ = tcflow(io::stdout(), Action::OOff);
            let _ = tcflow(io::stdout(), Action::OOn);
            state = self.wait_until_idle(state, DISCARD_INTERVAL);
        }
        state.is_discarding = false;
        state
    }

    /// Writes what is queued, for as long as the program runs.
    fn run(&self) {
        let mut bytes = Vec::new();
        let mut state = self.lock();
        loop {
            let waited = self.changed.wait_while(state, |state| state.queued.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.queued, &mut bytes);
            state.is_writing = true;
            drop(state);
            let result = self.write(&bytes);
            bytes.clear();
            state = self.lock();
            state.is_writing = false;
            state.failure = result.err();
            self.changed.notify_all();
            self.written.notify_one();
        }
    }

    fn write(&self, mut bytes: &[u8]) -> rustix::io::Result<()> {
        let stdout = io::stdout();
        while !bytes.is_empty() && !self.lock().is_discarding {
            let next = &bytes[..bytes.len().min(WRITE_BYTES_MAX)];
            match rustix::io::write(&stdout, next) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                // Another program has made the terminal non-blocking.
                Err(Errno::AGAIN) => {
                    let mut terminal = [PollFd::new(&stdout, PollFlags::OUT)];
                    retry_on_intr(|| poll(&mut terminal, None))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
