//! Event loop between terminal, link and app. Keys have priority over events of sources; a frame is
//! drawn only after a change, at most 30 times a second, and never before the terminal has taken the
//! previous one.

mod frame_schedule;
mod screen;
mod terminal_modes;
mod terminal_size;
mod terminal_writer;

use std::io;
use std::ops::{ControlFlow, Range};
use std::pin::pin;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use futures_util::StreamExt as _;
use loadline_agent::Clock;
use loadline_common::end_after_signals;
use loadline_protocol::Time;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep_until, timeout};

use crate::app::{App, Flow, Message};
use crate::event::Event;
use crate::link::{Events, TerminalLender};
use frame_schedule::{FRAME_INTERVAL_MIN, FrameSchedule};
pub use screen::TerminalScreen;
use screen::restore_terminal;
pub(crate) use terminal_modes::{has_terminal, lend_plain_terminal};
use terminal_size::terminal_size;

/// Shortest time between frames for new rows alone, with several sources: 250 ms. Rows arrive all
/// the time then; user input is still drawn at once.
const EVENTS_FRAME_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Events of all sources handled between two checks for keys.
const BATCH_MAX: usize = 256;

/// Time that the program may take to end after its terminal is gone: 300 ms.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Time from a signal to the end of a program that hangs: 1.1 s. The program then restores the terminal, which takes
/// up to 600 ms.
const END_TIMEOUT: Duration = Duration::from_millis(1100);

/// Time to wait for SIGCONT after SIGTSTP: 500 ms. Without a shell, the stop may never happen.
const SUSPEND_TIMEOUT: Duration = Duration::from_millis(500);

/// Checks for the end of the program in the same time, before it is stopped again.
const SUSPEND_CHECKS: u32 = 10;

/// Returns a receiver that resolves when the terminal is gone, with or without SIGHUP. A thread
/// polls the descriptor: the reader of keys would miss the hangup, or spin on it.
fn watch_hangup() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let stdout = io::stdout();
        // Without requested events, poll still reports a hangup or an error.
        let mut terminal = [PollFd::new(&stdout, PollFlags::empty())];
        let _ = retry_on_intr(|| poll(&mut terminal, None));
        // An error means that the loop has ended already.
        let _ = sender.send(());
        // The reader of keys may hang: it retries reads from a terminal that is gone. End the
        // program after a grace period.
        std::thread::sleep(EXIT_TIMEOUT);
        std::process::exit(0);
    });
    receiver
}

/// Inputs of the loop.
struct LoopInputs {
    sources: SourceEvents,
    keys: EventStream,
    hangup: oneshot::Receiver<()>,
    resumed: SignalStream,
}

/// Events of all sources on their way to the app.
struct SourceEvents {
    events: Events,
    /// Events of one step, kept to reuse the memory.
    batch: Vec<(usize, Event)>,
    clock: Clock,
}

impl SourceEvents {
    /// Waits for events, and passes them to the app. Returns the error of the only source if it ended
    /// without a row. Cancel safe.
    async fn pass_to(&mut self, app: &mut App) -> io::Result<Option<String>> {
        if self.events.receive(&mut self.batch, BATCH_MAX, |_| true).await == 0 {
            return Err(io::Error::other("all links to the sources have ended"));
        }
        let now = self.clock.now();
        for (source, event) in self.batch.drain(..) {
            if let Some(failure) = failure_without_rows(app, &event) {
                return Ok(Some(failure));
            }
            app.update(now, Message::Event { source, event });
        }
        Ok(None)
    }
}

/// Control of a link.
pub(crate) struct LinkHandle {
    /// Sender of requested intervals.
    pub(crate) interval: watch::Sender<Option<Duration>>,
    /// Sender of the times of which the user wants to see earlier samples.
    pub(crate) past: watch::Sender<Option<Range<Time>>>,
    /// Lender of the terminal.
    pub(crate) lender: TerminalLender,
}

/// Runs `app` on the screen until the user quits, the terminal is gone or `stop` resolves. `handles`
/// has one handle for each source. Returns the error of the only source if it ended without a row.
pub(crate) async fn run(
    screen: &mut TerminalScreen,
    app: &mut App,
    events: Events,
    clock: Clock,
    handles: &[LinkHandle],
    stop: impl Future<Output = ()> + Unpin,
) -> io::Result<Option<String>> {
    match run_loop(screen, app, events, clock, handles, stop).await {
        // The terminal was closed.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::IO | Errno::PIPE)) => {
            Ok(None)
        }
        ended => ended,
    }
}

async fn run_loop(
    screen: &mut TerminalScreen,
    app: &mut App,
    events: Events,
    clock: Clock,
    handles: &[LinkHandle],
    mut stop: impl Future<Output = ()> + Unpin,
) -> io::Result<Option<String>> {
    let resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let sources = SourceEvents { events, batch: Vec::with_capacity(BATCH_MAX), clock };
    let (keys, hangup) = (EventStream::new(), watch_hangup());
    let mut inputs = LoopInputs { sources, keys, hangup, resumed };
    let is_single = app.sources.all().len() == 1;
    let events_interval = if is_single { FRAME_INTERVAL_MIN } else { EVENTS_FRAME_INTERVAL_MIN };
    let mut schedule = FrameSchedule::new();
    app.update(inputs.sources.clock.now(), resize()?);
    loop {
        send_wishes(app, handles);
        let drawn = draw_if_due(&mut schedule, screen, app, &mut inputs.sources.clock)?;
        let is_blocked = drawn == Drawn::Blocked;
        let message = tokio::select! {
            biased;
            () = &mut stop => return Ok(None),
            _ = &mut inputs.hangup => return Ok(None),
            _ = inputs.resumed.recv() => {
                screen.enter()?;
                Some(resize()?)
            }
            event = inputs.keys.next() => {
                let Some(event) = event else { return Ok(None) };
                to_message(&event?)?
            }
            () = terminal_writer::written(), if is_blocked => None,
            passed = inputs.sources.pass_to(app) => {
                if let Some(failure) = passed? {
                    return Ok(Some(failure));
                }
                schedule.request_frame(events_interval);
                None
            }
            () = sleep_until(schedule.wake_at()), if !is_blocked => Some(Message::Tick),
        };
        let Some(message) = message else { continue };
        let flow = app.update(inputs.sources.clock.now(), message);
        let outcome = handle_flow(flow, screen, app, &mut inputs, handles, &mut stop).await?;
        if let ControlFlow::Break(failure) = outcome {
            return Ok(failure);
        }
        schedule.request_frame(FRAME_INTERVAL_MIN);
    }
}

/// Tells the links which earlier samples the user wants to see, if that has changed.
fn send_wishes(app: &App, handles: &[LinkHandle]) {
    for (view, handle) in app.sources.all().iter().zip(handles) {
        let wanted = view.watched.wanted_past();
        handle.past.send_if_modified(|wish| {
            let has_changed = wish.as_ref() != wanted;
            *wish = wanted.cloned();
            has_changed
        });
    }
}

/// Returns the error of the only source if `event` ends it before its first row: there is nothing to
/// show.
fn failure_without_rows(app: &App, event: &Event) -> Option<String> {
    let Event::Ended { reason, failed: true } = event else { return None };
    let [source] = app.sources.all() else { return None };
    let source = &source.watched;
    source.store().newest().is_none().then(|| format!("{}: {reason}", source.name))
}

/// Result of an attempt to draw.
#[derive(Debug, PartialEq, Eq)]
enum Drawn {
    /// The screen is up to date, or its next frame is not due yet.
    Complete,
    /// The terminal has not taken the previous frame. The newest state is drawn once it has.
    Blocked,
}

/// Draws a frame if one is due and the terminal has taken the previous one.
fn draw_if_due(
    schedule: &mut FrameSchedule,
    screen: &mut TerminalScreen,
    app: &mut App,
    clock: &mut Clock,
) -> io::Result<Drawn> {
    if !schedule.should_draw(app) {
        return Ok(Drawn::Complete);
    }
    if !terminal_writer::is_ready()? {
        return Ok(Drawn::Blocked);
    }
    app.update(clock.now(), Message::Tick);
    // The terminal may not report the last of several quick size changes.
    app.update(clock.now(), resize()?);
    screen.draw(app)?;
    schedule.mark_drawn(app);
    Ok(Drawn::Complete)
}

/// Does what the app asks for. Breaks to end the program, with the error of the only source if it
/// ended without a row.
async fn handle_flow(
    flow: Flow,
    screen: &mut TerminalScreen,
    app: &mut App,
    inputs: &mut LoopInputs,
    handles: &[LinkHandle],
    stop: impl Future<Output = ()> + Unpin,
) -> io::Result<ControlFlow<Option<String>>> {
    match flow {
        Flow::Continue => {}
        Flow::Quit => return Ok(ControlFlow::Break(None)),
        Flow::Redraw => screen.clear(),
        Flow::Suspend => return suspend(screen, inputs, stop).await,
        Flow::RequestInterval { source, interval } => {
            // An error means that the link has ended; an event reports that.
            let _ = handles[source].interval.send(Some(interval));
        }
        Flow::LendTerminal { source } => {
            return lend_terminal(screen, app, inputs, &handles[source].lender, stop).await;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Lends the terminal to a link for one connection attempt. Samples are received meanwhile. Breaks
/// as [`handle_flow`] does.
async fn lend_terminal(
    screen: &mut TerminalScreen,
    app: &mut App,
    inputs: &mut LoopInputs,
    lender: &TerminalLender,
    mut stop: impl Future<Output = ()> + Unpin,
) -> io::Result<ControlFlow<Option<String>>> {
    // The old stream's thread would read input meant for the link's program.
    inputs.keys = EventStream::new();
    TerminalScreen::leave();
    // A person asked for the attempt, sees the messages of ssh, and can end it by Ctrl-C.
    let mut attempt = pin!(lend_plain_terminal(lender, true, || {}));
    loop {
        tokio::select! {
            () = &mut attempt => return screen.enter().map(ControlFlow::Continue),
            () = &mut stop => return Ok(ControlFlow::Break(None)),
            _ = &mut inputs.hangup => return Ok(ControlFlow::Break(None)),
            passed = inputs.sources.pass_to(app) => {
                if let Some(failure) = passed? {
                    return Ok(ControlFlow::Break(Some(failure)));
                }
            }
        }
    }
}

/// Restores the terminal and stops the program until SIGCONT in the foreground. Breaks on `stop`.
async fn suspend(
    screen: &mut TerminalScreen,
    inputs: &mut LoopInputs,
    mut stop: impl Future<Output = ()> + Unpin,
) -> io::Result<ControlFlow<Option<String>>> {
    // In the background, the old stream's thread would stop the program when it reads.
    inputs.keys = EventStream::new();
    TerminalScreen::leave();
    loop {
        // Stop the whole job: a parent such as `cargo run` belongs to it.
        kill_current_process_group(Signal::TSTP)?;
        tokio::select! {
            biased;
            // A shell that ends a stopped job continues it, too.
            () = &mut stop => return Ok(ControlFlow::Break(None)),
            // The signal may reach another thread first. Without job control, the program does not stop.
            _ = timeout(SUSPEND_TIMEOUT, inputs.resumed.recv()) => {}
        }
        // After `bg`, setting up the terminal would stop the program where no signal ends it.
        if tcgetpgrp(io::stdout()).is_ok_and(|foreground| foreground == getpgrp()) {
            return screen.enter().map(ControlFlow::Continue);
        }
        // The signals of a shell may arrive in any order, and in any thread: one that ends the program comes first. A
        // timer expires while the program is stopped, so further ones follow.
        for _ in 0..SUSPEND_CHECKS {
            if timeout(SUSPEND_TIMEOUT / SUSPEND_CHECKS, &mut stop).await.is_ok() {
                return Ok(ControlFlow::Break(None));
            }
        }
    }
}

/// Returns the message with the present size of the terminal.
fn resize() -> io::Result<Message> {
    terminal_size().map(Message::Resize)
}

fn to_message(event: &TerminalEvent) -> io::Result<Option<Message>> {
    Ok(match *event {
        TerminalEvent::Key(key) => Some(Message::Key(key)),
        TerminalEvent::Mouse(mouse) => Some(Message::Mouse(mouse)),
        // The size of the event may be 0, or that of another terminal.
        TerminalEvent::Resize(..) => Some(resize()?),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Paste(_) => None,
    })
}

/// Makes a panic in any thread or task end the program, after restoring the terminal.
pub fn exit_on_panic() {
    loadline_common::exit_on_panic(restore_terminal);
}

/// Returns a future that resolves on SIGINT, SIGTERM or SIGHUP. These signals end the program also if it hangs.
///
/// # Errors
/// The system is out of threads or file descriptors.
pub(crate) fn signals() -> io::Result<impl Future<Output = ()> + Unpin> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    end_after_signals(&kinds.map(|kind| kind.as_raw_value()), END_TIMEOUT, restore_terminal)?;
    let signals = kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>();
    let mut signals = signals?;
    Ok(std::future::poll_fn(move |context| {
        let is_received = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if is_received { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    }))
}
