//! The loop between the terminal, the link and the app. Keys come first; a frame is drawn only when
//! something has changed, and not more than so many times a second.

mod terminal_modes;

use std::io::{self, Write as _};
use std::pin::Pin;
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event as TerminalEvent, EventStream};
use crossterm::execute;
use crossterm::style::Print;
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use futures_util::StreamExt as _;
use loadline_agent::Clock;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::{App, Flow, Message};
use crate::canvas::Canvas;
use crate::link::{Events, TerminalLender};
use crate::view;
pub use terminal_modes::lend_plain_terminal;

/// At most 30 frames a second.
const FRAME_INTERVAL_MIN: Duration = Duration::from_millis(33);

/// With several sources there is always one that has something new: rows alone are shown this often,
/// and what the user does at once.
const EVENTS_FRAME_INTERVAL_MIN: Duration = Duration::from_millis(250);

/// Events taken between two looks at the keyboard, those of all sources together.
const BATCH_MAX: usize = 256;

/// The first frame waits so long for the history, which then stands in it.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_millis(250);

/// How long the program may take to end when its terminal is gone.
const EXIT_TIMEOUT: Duration = Duration::from_millis(300);

/// How long the shell may take to stop us after it was asked to.
const SUSPEND_TIMEOUT: Duration = Duration::from_millis(500);

/// Asks for buttons, the wheel and movement with a button held: not for every movement, which would cost
/// bytes over a slow line.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";

/// Ends whatever style was set.
const RESET_STYLE: &str = "\x1b[m";

/// What lies between the two is shown at once, where the terminal can do that.
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";

const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// The terminal, taken over; whole again when this is dropped.
#[derive(Debug)]
pub struct TerminalScreen {
    canvas: Canvas,
    /// The picture that is being drawn, kept for its memory.
    next_frame: Buffer,
    /// What goes to the terminal, kept for its memory.
    bytes: Vec<u8>,
    mouse: bool,
}

impl TerminalScreen {
    /// Takes the terminal over, with its mouse or without.
    pub fn open(mouse: bool) -> io::Result<TerminalScreen> {
        let canvas = Canvas::new(Rect::default());
        let mut screen = TerminalScreen {
            canvas,
            next_frame: Buffer::empty(Rect::default()),
            bytes: Vec::new(),
            mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    fn enable_mouse(&self) -> io::Result<()> {
        if self.mouse { execute!(io::stdout(), Print(MOUSE_ON)) } else { Ok(()) }
    }

    /// Gives the terminal back. What cannot be written to it any more is no matter.
    fn leave() {
        let mut stdout = io::stdout();
        let _ = execute!(stdout, EndSynchronizedUpdate, Print(MOUSE_OFF), Print(RESET_STYLE));
        let _ = execute!(stdout, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }

    /// Takes it over, whatever others did with it meanwhile.
    fn enter(&mut self) -> io::Result<()> {
        // It may be off though it was on: only from off to on is anything done.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        self.enable_mouse()?;
        self.clear();
        Ok(())
    }

    fn size() -> io::Result<Size> {
        let size = rustix::termios::tcgetwinsize(io::stdout())?;
        Ok(Size { width: size.ws_col, height: size.ws_row })
    }

    /// Makes the next frame draw every cell anew.
    fn clear(&mut self) {
        self.canvas = Canvas::new(self.next_frame.area);
    }

    /// Draws a frame, which the terminal shows at once and whole.
    pub fn draw(&mut self, app: &App) -> io::Result<()> {
        self.next_frame.resize(app.area());
        self.next_frame.reset();
        view::render(app, app.area(), &mut self.next_frame);
        self.bytes.clear();
        let begin = BEGIN_UPDATE.len();
        self.bytes.extend_from_slice(BEGIN_UPDATE);
        self.canvas.draw(&mut self.next_frame, view::scrolling_rows(app), &mut self.bytes);
        // Nothing changed that can be seen.
        if self.bytes.len() == begin {
            return Ok(());
        }
        self.bytes.extend_from_slice(END_UPDATE);
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

/// A panic anywhere, in a task too, ends the program: a screen that goes on without its link would
/// show old numbers as if nothing had happened. The terminal is given back before, if it was taken.
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

/// Comes true when the terminal is gone. With or without a signal that says so, its descriptor tells;
/// a reader of keys would not notice, or never rest again.
fn watch_hangup() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let stdout = io::stdout();
        loop {
            // Asked for nothing, it waits for what it always tells: that the other end is gone.
            let mut terminal = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut terminal, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
        // An error means that the program has ended before.
        let _ = sender.send(());
        // Who was just asking for keys may never come back from that: the terminal that does not answer
        // any more is asked again and again.
        std::thread::sleep(EXIT_TIMEOUT);
        std::process::exit(0);
    });
    receiver
}

/// What the loop hears besides the source.
struct LoopInputs {
    keys: EventStream,
    hangup: oneshot::Receiver<()>,
    resumed: tokio::signal::unix::Signal,
}

impl LoopInputs {
    fn open() -> io::Result<LoopInputs> {
        let resumed = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        Ok(LoopInputs { keys: EventStream::new(), hangup: watch_hangup(), resumed })
    }
}

/// Shows `app` until the user quits, the terminal goes or `stop` resolves. `handles` has, for each
/// source, what gets the interval that the user asks for, and what gets the terminal when the source is to
/// ask something.
pub async fn run(
    screen: &mut TerminalScreen,
    app: &mut App,
    mut events: Events,
    mut clock: Clock,
    handles: &[(watch::Sender<Option<Duration>>, TerminalLender)],
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut inputs = LoopInputs::open()?;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut schedule = FrameSchedule::new(app.sources().len());
    tokio::pin!(stop);
    app.update(clock.now(), Message::Resize(TerminalScreen::size()?));
    loop {
        if schedule.should_draw(app) {
            app.update(clock.now(), Message::Tick);
            // Of many changes of the size in a row, the last one may not be told.
            app.update(clock.now(), Message::Resize(TerminalScreen::size()?));
            screen.draw(app)?;
            schedule.mark_drawn(app);
        }
        let flow = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            _ = &mut inputs.hangup => return Ok(()),
            _ = inputs.resumed.recv() => {
                screen.enter()?;
                Some(app.update(clock.now(), Message::Resize(TerminalScreen::size()?)))
            }
            event = inputs.keys.next() => match event {
                Some(event) => to_message(&event?).map(|message| app.update(clock.now(), message)),
                None => return Ok(()),
            },
            count = events.receive(&mut batch, BATCH_MAX) => {
                if count == 0 {
                    return Err(io::Error::other("the link to the source has ended"));
                }
                let now = clock.now();
                for (source, event) in batch.drain(..) {
                    app.update(now, Message::Event { source, event });
                }
                schedule.request_events_frame();
                continue;
            }
            () = sleep_until(schedule.wake_at()) => Some(app.update(clock.now(), Message::Tick)),
        };
        match flow {
            Some(Flow::Quit) => return Ok(()),
            Some(Flow::Redraw) => screen.clear(),
            Some(Flow::Suspend) => suspend(screen, &mut inputs.resumed).await?,
            // An error means that the link has ended, which the events tell.
            Some(Flow::RequestInterval { source, interval }) => {
                if let Some((ask, _)) = handles.get(source) {
                    let _ = ask.send(Some(interval));
                }
            }
            Some(Flow::LendTerminal { source }) => {
                let Some((_, lender)) = handles.get(source) else { continue };
                if !lend_terminal(screen, &mut inputs, lender, stop.as_mut()).await? {
                    return Ok(());
                }
                app.update(clock.now(), Message::Resize(TerminalScreen::size()?));
            }
            Some(Flow::Continue) => {}
            None => continue,
        }
        schedule.request_frame();
    }
}

/// Gives the terminal to a link until it has tried its source. False if the program is to end meanwhile.
async fn lend_terminal(
    screen: &mut TerminalScreen,
    inputs: &mut LoopInputs,
    lender: &TerminalLender,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<bool> {
    // Its thread would take what is typed for others.
    inputs.keys = EventStream::new();
    TerminalScreen::leave();
    tokio::select! {
        () = terminal_modes::lend_plain_terminal(lender, true) => screen.enter().map(|()| true),
        () = stop => Ok(false),
        _ = &mut inputs.hangup => Ok(false),
    }
}

/// Stops the program until the shell says to go on; the terminal is whole meanwhile.
async fn suspend(
    screen: &mut TerminalScreen,
    resumed: &mut tokio::signal::unix::Signal,
) -> io::Result<()> {
    TerminalScreen::leave();
    // All of the job: `cargo run` and the like wait in front of us.
    kill_current_process_group(Signal::TSTP)?;
    // The signal may reach another thread first. And where no shell could wake us, nothing stops.
    let _ = timeout(SUSPEND_TIMEOUT, resumed.recv()).await;
    screen.enter()
}

fn to_message(event: &TerminalEvent) -> Option<Message> {
    match *event {
        TerminalEvent::Key(key) => Some(Message::Key(key)),
        TerminalEvent::Mouse(mouse) => Some(Message::Mouse(mouse)),
        TerminalEvent::Resize(width, height) => Some(Message::Resize(Size { width, height })),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost | TerminalEvent::Paste(_) => None,
    }
}

/// When to draw.
#[derive(Debug)]
struct FrameSchedule {
    /// When what has changed since the last frame is to be drawn.
    draw_at: Option<Instant>,
    /// When the next frame may be drawn at the earliest.
    earliest_draw: Instant,
    /// How long after the last frame events alone are drawn.
    events_interval: Duration,
    last_drawn: Instant,
    /// When the screen changes although nothing happens.
    next_tick: Instant,
    /// Until then the first frame waits for the history.
    history_deadline: Option<Instant>,
}

impl FrameSchedule {
    fn new(sources: usize) -> FrameSchedule {
        let now = Instant::now();
        let first_until = now + FIRST_FRAME_TIMEOUT;
        FrameSchedule {
            draw_at: Some(now),
            earliest_draw: now,
            events_interval: if sources > 1 {
                EVENTS_FRAME_INTERVAL_MIN
            } else {
                FRAME_INTERVAL_MIN
            },
            last_drawn: now,
            next_tick: first_until,
            history_deadline: Some(first_until),
        }
    }

    fn should_draw(&mut self, app: &App) -> bool {
        let now = Instant::now();
        if let Some(until) = self.history_deadline {
            if app.awaits_history() && now < until {
                return false;
            }
            self.history_deadline = None;
        }
        self.draw_at.is_some_and(|due| now >= due)
    }

    /// Something has changed that the user waits for.
    fn request_frame(&mut self) {
        self.draw_at = Some(self.earliest_draw);
    }

    /// A source has told something.
    fn request_events_frame(&mut self) {
        let due = self.last_drawn + self.events_interval;
        self.draw_at = Some(self.draw_at.map_or(due, |before| before.min(due)));
    }

    fn mark_drawn(&mut self, app: &App) {
        let now = Instant::now();
        self.draw_at = None;
        (self.last_drawn, self.earliest_draw) = (now, now + FRAME_INTERVAL_MIN);
        self.next_tick = now + (app.changes_at(app.now) - app.now);
    }

    /// When to look again although nothing happens.
    fn wake_at(&self) -> Instant {
        match (self.history_deadline, self.draw_at) {
            (Some(until), _) => until,
            (None, Some(due)) => due.min(self.next_tick.max(self.earliest_draw)),
            (None, None) => self.next_tick,
        }
    }
}
