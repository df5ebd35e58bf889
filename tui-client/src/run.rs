//! The loop between the terminal, the link and the app. Keys come first; a frame is drawn only when
//! something has changed, and not more than so many times a second.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{Event as TerminalEvent, EventStream};
use crossterm::execute;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use futures_util::StreamExt as _;
use loadline_agent::Clock;
use loadline_protocol::Time;
use ratatui::DefaultTerminal;
use ratatui::layout::Size;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::app::{App, Flow, Message};
use crate::event::Event;
use crate::view;
use crate::watched::State;

/// At most 30 frames a second.
const FRAME_MIN: Duration = Duration::from_millis(33);

/// Events taken between two looks at the keyboard.
const BATCH_MAX: usize = 256;

/// The first frame waits so long for the history, which then stands in it.
const FIRST_FRAME_MAX: Duration = Duration::from_millis(250);

/// The terminal, taken over; whole again when this is dropped.
#[derive(Debug)]
pub struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// Takes the terminal over. A panic gives it back, too.
    pub fn open() -> io::Result<Screen> {
        // Colours are decided by the theme; crossterm would drop bold and reverse with them.
        crossterm::style::force_color_output(true);
        Ok(Screen { terminal: ratatui::try_init()? })
    }

    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Makes the next frame draw every cell anew. (To `clear` the terminal would ask it for the
    /// cursor, and wait for an answer that a slow line brings late.)
    fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Draws a frame, which the terminal shows at once and whole.
    pub fn draw(&mut self, app: &App) -> io::Result<()> {
        execute!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| view::render(app, frame.area(), frame.buffer_mut()))?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
        let _ = io::stdout().flush();
    }
}

/// A panic anywhere, in a task too, ends the program: a screen that goes on without its link would
/// show old numbers as if nothing had happened.
pub fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // The hook of the screen gives the terminal back before, but for what a frame began.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, Show);
        report(info);
        std::process::exit(1);
    }));
}

/// Shows `app` until the user quits or `stop` resolves.
pub async fn run(
    screen: &mut Screen,
    app: &mut App,
    mut events: mpsc::Receiver<Event>,
    mut clock: Clock,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut keys = EventStream::new();
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut frames = Frames::new();
    tokio::pin!(stop);
    app.update(clock.now(), Message::Resize(screen.size()?));
    loop {
        if frames.is_due(app) {
            app.update(clock.now(), Message::Tick);
            screen.draw(app)?;
            frames.drawn(app);
        }
        let flow = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            event = keys.next() => match event {
                Some(event) => message(&event?).map(|message| app.update(clock.now(), message)),
                None => return Ok(()),
            },
            count = events.recv_many(&mut batch, BATCH_MAX) => {
                if count == 0 {
                    return Err(io::Error::other("the link to the source has ended"));
                }
                let now = clock.now();
                batch.drain(..).map(|event| app.update(now, Message::Event(event))).last()
            }
            () = sleep_until(frames.wake_at()) => Some(app.update(clock.now(), Message::Tick)),
        };
        match flow {
            Some(Flow::Quit) => return Ok(()),
            Some(Flow::Redraw) => {
                screen.clear()?;
                frames.changed = true;
            }
            Some(Flow::Continue) => frames.changed = true,
            None => {}
        }
    }
}

fn message(event: &TerminalEvent) -> Option<Message> {
    match *event {
        TerminalEvent::Key(key) => Some(Message::Key(key)),
        TerminalEvent::Resize(width, height) => Some(Message::Resize(Size { width, height })),
        TerminalEvent::FocusGained
        | TerminalEvent::FocusLost
        | TerminalEvent::Mouse(_)
        | TerminalEvent::Paste(_) => None,
    }
}

/// When to draw.
#[derive(Debug)]
struct Frames {
    /// Something has changed since the last frame.
    changed: bool,
    /// When the next frame may be drawn at the earliest.
    earliest: Instant,
    /// When the screen changes although nothing happens.
    next_tick: Instant,
    /// Until then the first frame waits for the history.
    first_until: Option<Instant>,
}

impl Frames {
    fn new() -> Frames {
        let now = Instant::now();
        let first_until = now + FIRST_FRAME_MAX;
        Frames {
            changed: true,
            earliest: now,
            next_tick: first_until,
            first_until: Some(first_until),
        }
    }

    fn is_due(&mut self, app: &App) -> bool {
        let now = Instant::now();
        if let Some(until) = self.first_until {
            if !app.watched.caught_up && outage_is_unknown(app) && now < until {
                return false;
            }
            self.first_until = None;
        }
        self.changed && now >= self.earliest
    }

    fn drawn(&mut self, app: &App) {
        let now = Instant::now();
        self.changed = false;
        self.earliest = now + FRAME_MIN;
        self.next_tick = now + until(app.now, app.changes_at(app.now));
    }

    /// When to look again although nothing happens.
    fn wake_at(&self) -> Instant {
        match self.first_until {
            Some(until) => until,
            None if self.changed => self.earliest,
            None => self.next_tick,
        }
    }
}

fn outage_is_unknown(app: &App) -> bool {
    matches!(app.watched.state(app.now), State::Connecting(None) | State::Live)
}

fn until(now: Time, then: Time) -> Duration {
    Duration::from_millis((then.as_millis() - now.as_millis()).max(0) as u64)
}
