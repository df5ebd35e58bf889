//! Terminal in raw mode, with one frame after another.

use std::io;

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode, is_raw_mode_enabled,
};
use loadline_common::STDERR;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::terminal_writer;
use crate::app::App;
use crate::canvas::Canvas;
use crate::view;

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
        terminal_writer::start()?;
        let mut screen = TerminalScreen {
            canvas: Canvas::new(Rect::default()),
            next_frame: Buffer::empty(Rect::default()),
            bytes: Vec::new(),
            mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Restores the terminal, in a limited time. Errors are ignored: the terminal may be gone.
    pub(super) fn leave() {
        let mut bytes = Vec::new();
        let _ = queue!(bytes, EndSynchronizedUpdate, Print(MOUSE_OFF), Print(RESET_STYLE));
        let _ = queue!(bytes, LeaveAlternateScreen, Show);
        terminal_writer::write_last(&mut bytes);
        let _ = disable_raw_mode();
    }

    /// Sets up the terminal, whatever state other programs left.
    pub(super) fn enter(&mut self) -> io::Result<()> {
        // Messages belong on the normal screen.
        STDERR.flush();
        // crossterm skips a mode that it believes to be on: turn raw mode off first.
        disable_raw_mode()?;
        enable_raw_mode()?;
        self.bytes.clear();
        queue!(self.bytes, EnterAlternateScreen, Hide)?;
        if self.mouse {
            queue!(self.bytes, Print(MOUSE_ON))?;
        }
        terminal_writer::queue(&mut self.bytes);
        self.clear();
        Ok(())
    }

    /// Makes the next frame redraw every cell.
    pub(super) fn clear(&mut self) {
        self.canvas = Canvas::new(self.next_frame.area);
    }

    /// Draws a frame in one synchronized update. The terminal should be ready, so that frames do not
    /// accumulate.
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
        terminal_writer::queue(&mut self.bytes);
        Ok(())
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Restores the terminal if the screen uses it. A suspended program has left already, and the terminal
/// belongs to the shell.
pub(super) fn restore_terminal() {
    if is_raw_mode_enabled().unwrap_or(true) {
        TerminalScreen::leave();
    }
}
