//! Event loop between terminal, link and app. Keys have priority over events of sources; a frame is
//! drawn only after a change, and at most 30 times a second.

mod terminal_modes;

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event as TerminalEvent, EventStream};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use futures_util::StreamExt as _;
use loadline_agent::Clock;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::{App, Flow, Message};
use crate::canvas::Canvas;
use crate::event::Event;
use crate::link::{Events, TerminalLender};
use crate::view;
pub(crate) use terminal_modes::lend_plain_terminal;

/// Shortest time between frames: 33 ms, at most 30 frames a second.
const FRAME_INTERVAL_MIN: Duration = Duration::from_millis(33);

/// Shortest time between frames for new rows alone, with several sources: 250 ms. Rows arrive all
/// the time then; user input is still drawn at once.
const EVENTS_FRAME_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Events of all sources handled between two checks for keys.
const BATCH_MAX: usize = 256;

/// Time that the first frame waits for the history: 250 ms.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_millis(250);

/// Time that the program may take to end after its terminal is gone: 300 ms.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Time to wait for SIGCONT after SIGTSTP: 500 ms. Without a shell, the stop may never happen.
const SUSPEND_TIMEOUT: Duration = Duration::from_millis(500);

/// Enables reports of buttons, wheel and drags. Reports of all movement would load a slow connection.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";

/// Resets the text style.
const RESET_STYLE: &str = "\x1b[m";

const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Terminal in raw mode and on the alternate screen, restored on drop.
#[derive(Debug)]
pub struct TerminalScreen {
    canvas: Canvas,
    /// Buffer of the next frame, kept to reuse its memory.
    next_frame: Buffer,
    /// Bytes for the terminal, kept to reuse its memory.
    bytes: Vec<u8>,
    mouse: bool,
}

impl TerminalScreen {
    /// Sets up the terminal, with mouse reports if `mouse`.
    pub fn open(mouse: bool) -> io::Result<TerminalScreen> {
        let mut screen = TerminalScreen {
            canvas: Canvas::new(Rect::default()),
            next_frame: Buffer::empty(Rect::default()),
            bytes: Vec::new(),
            mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Restores the terminal. Errors are ignored: the terminal may be gone.
    fn leave() {
        let mut stdout = io::stdout();
        let _ = execute!(stdout, EndSynchronizedUpdate, Print(MOUSE_OFF), Print(RESET_STYLE));
        let _ = execute!(stdout, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }

    /// Sets up the terminal, whatever state other programs left.
    fn enter(&mut self) -> io::Result<()> {
        // crossterm skips a mode that it believes to be on: turn raw mode off first.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        if self.mouse {
            execute!(io::stdout(), Print(MOUSE_ON))?;
        }
        self.clear();
        Ok(())
    }

    /// Makes the next frame redraw every cell.
    fn clear(&mut self) {
        self.canvas = Canvas::new(self.next_frame.area);
    }

    /// Draws a frame in one synchronized update.
    pub fn draw(&mut self, app: &App) -> io::Result<()> {
        self.next_frame.resize(app.area());
        self.next_frame.reset();
        view::render(app, app.area(), &mut self.next_frame);
        self.bytes.clear();
        // Terminals that support it show the bytes up to the end of the update at once.
        queue!(self.bytes, BeginSynchronizedUpdate)?;
        let begin = self.bytes.len();
        self.canvas.draw(&mut self.next_frame, view::scrolling_rows(app), &mut self.bytes);
        // Nothing visible has changed.
        if self.bytes.len() == begin {
            return Ok(());
        }
        queue!(self.bytes, EndSynchronizedUpdate)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.bytes)?;
        stdout.flush()
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        TerminalScreen::leave();
    }
}

/// Makes a panic in any thread or task end the program, after restoring the terminal. A screen
/// without its link would continue to show old values.
pub fn exit_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if crossterm::terminal::is_raw_mode_enabled().unwrap_or(true) {
            TerminalScreen::leave();
        }
        report(info);
        std::process::exit(1);
    }));
}

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

/// Inputs of the loop other than the sources.
struct LoopInputs {
    keys: EventStream,
    hangup: oneshot::Receiver<()>,
    resumed: SignalStream,
}

/// Control of a link: the sender of requested intervals, and the lender of the terminal.
pub(crate) type LinkHandle = (watch::Sender<Option<Duration>>, TerminalLender);

/// Runs `app` on the screen until the user quits, the terminal is gone or `stop` resolves. `handles`
/// has one handle for each source. Returns the error of the only source if it ended without a row.
pub(crate) async fn run(
    screen: &mut TerminalScreen,
    app: &mut App,
    mut events: Events,
    mut clock: Clock,
    handles: &[LinkHandle],
    mut stop: impl Future<Output = ()> + Unpin,
) -> io::Result<Option<String>> {
    let resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let mut inputs = LoopInputs { keys: EventStream::new(), hangup: watch_hangup(), resumed };
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let is_single = app.sources.all().len() == 1;
    let events_interval = if is_single { FRAME_INTERVAL_MIN } else { EVENTS_FRAME_INTERVAL_MIN };
    let mut schedule = FrameSchedule::new();
    app.update(clock.now(), resize()?);
    loop {
        if schedule.should_draw(app) {
            app.update(clock.now(), Message::Tick);
            // The terminal may not report the last of several quick size changes.
            app.update(clock.now(), resize()?);
            screen.draw(app)?;
            schedule.mark_drawn(app);
        }
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
                to_message(&event?)
            }
            count = events.receive(&mut batch, BATCH_MAX, |_| true) => {
                if count == 0 {
                    return Err(io::Error::other("all links to the sources have ended"));
                }
                let now = clock.now();
                for (source, event) in batch.drain(..) {
                    if is_single && let Some(failure) = failure_without_rows(app, &event) {
                        return Ok(Some(failure));
                    }
                    app.update(now, Message::Event { source, event });
                }
                schedule.request_frame(events_interval);
                None
            }
            () = sleep_until(schedule.wake_at()) => Some(Message::Tick),
        };
        let Some(message) = message else { continue };
        let flow = app.update(clock.now(), message);
        if !handle_flow(flow, screen, &mut inputs, handles, &mut stop).await? {
            return Ok(None);
        }
        schedule.request_frame(FRAME_INTERVAL_MIN);
    }
}

/// Returns the error of the first source if `event` ends it before its first row: there is nothing to
/// show.
fn failure_without_rows(app: &App, event: &Event) -> Option<String> {
    let Event::Ended { reason, failed: true } = event else { return None };
    let source = &app.sources.all().first()?.watched;
    source.store().newest().is_none().then(|| format!("{}: {reason}", source.name))
}

/// Does what the app asks for. Returns false to end the program.
async fn handle_flow(
    flow: Flow,
    screen: &mut TerminalScreen,
    inputs: &mut LoopInputs,
    handles: &[LinkHandle],
    stop: impl Future<Output = ()> + Unpin,
) -> io::Result<bool> {
    match flow {
        Flow::Continue => {}
        Flow::Quit => return Ok(false),
        Flow::Redraw => screen.clear(),
        Flow::Suspend => suspend(screen, &mut inputs.resumed).await?,
        Flow::RequestInterval { source, interval } => {
            // An error means that the link has ended; an event reports that.
            let _ = handles[source].0.send(Some(interval));
        }
        Flow::LendTerminal { source } => {
            return lend_terminal(screen, inputs, &handles[source].1, stop).await;
        }
    }
    Ok(true)
}

/// Lends the terminal to a link for one connection attempt. Returns false to end the program.
async fn lend_terminal(
    screen: &mut TerminalScreen,
    inputs: &mut LoopInputs,
    lender: &TerminalLender,
    stop: impl Future<Output = ()>,
) -> io::Result<bool> {
    // The old stream's thread would read input meant for the link's program.
    inputs.keys = EventStream::new();
    TerminalScreen::leave();
    tokio::select! {
        () = terminal_modes::lend_plain_terminal(lender, true) => screen.enter().map(|()| true),
        () = stop => Ok(false),
        _ = &mut inputs.hangup => Ok(false),
    }
}

/// Restores the terminal and stops the program until SIGCONT.
async fn suspend(screen: &mut TerminalScreen, resumed: &mut SignalStream) -> io::Result<()> {
    TerminalScreen::leave();
    // Stop the whole job: a parent such as `cargo run` belongs to it.
    kill_current_process_group(Signal::TSTP)?;
    // The signal may reach another thread first. Without job control, the program does not stop.
    let _ = timeout(SUSPEND_TIMEOUT, resumed.recv()).await;
    screen.enter()
}

/// Returns the message with the present size of the terminal.
fn resize() -> io::Result<Message> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    Ok(Message::Resize(Size { width: size.ws_col, height: size.ws_row }))
}

fn to_message(event: &TerminalEvent) -> Option<Message> {
    match *event {
        TerminalEvent::Key(key) => Some(Message::Key(key)),
        TerminalEvent::Mouse(mouse) => Some(Message::Mouse(mouse)),
        TerminalEvent::Resize(width, height) => Some(Message::Resize(Size { width, height })),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Paste(_) => None,
    }
}

/// Schedule of frames.
#[derive(Debug)]
struct FrameSchedule {
    /// Time to draw the changes since the last frame. `None` without changes.
    draw_at: Option<Instant>,
    last_drawn: Instant,
    /// Time at which the screen changes without events.
    next_tick: Instant,
    /// Time until which the first frame waits for the history.
    history_deadline: Option<Instant>,
}

impl FrameSchedule {
    fn new() -> FrameSchedule {
        let now = Instant::now();
        let history_deadline = now + FIRST_FRAME_TIMEOUT;
        FrameSchedule {
            draw_at: Some(now),
            last_drawn: now,
            next_tick: history_deadline,
            history_deadline: Some(history_deadline),
        }
    }

    fn should_draw(&mut self, app: &App) -> bool {
        let now = Instant::now();
        if let Some(until) = self.history_deadline {
            if app.sources.awaits_history(app.now) && now < until {
                return false;
            }
            self.history_deadline = None;
        }
        self.draw_at.is_some_and(|due| now >= due)
    }

    /// Requests a frame at the latest `interval` after the last one.
    fn request_frame(&mut self, interval: Duration) {
        let due = self.last_drawn + interval;
        self.draw_at = Some(self.draw_at.map_or(due, |before| before.min(due)));
    }

    fn mark_drawn(&mut self, app: &App) {
        let now = Instant::now();
        self.draw_at = None;
        self.last_drawn = now;
        self.next_tick = now + (app.changes_at(app.now) - app.now);
    }

    /// Returns the time of the next wake-up without events.
    fn wake_at(&self) -> Instant {
        match (self.history_deadline, self.draw_at) {
            (Some(until), _) => until,
            (None, Some(due)) => due.min(self.next_tick.max(self.last_drawn + FRAME_INTERVAL_MIN)),
            (None, None) => self.next_tick,
        }
    }
}
