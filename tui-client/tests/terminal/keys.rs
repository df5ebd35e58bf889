//! Keys and the mouse.

use std::time::Duration;

use crate::pty::assert_restored;
use crate::stage::{PtyTerminal, TestAgent};

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";
const SHIFT_LEFT: &str = "\x1b[1;2D";
const SHIFT_RIGHT: &str = "\x1b[1;2C";
const PAGE_UP: &str = "\x1b[5~";
const PAGE_DOWN: &str = "\x1b[6~";
const HOME: &str = "\x1b[H";
const END: &str = "\x1b[F";
const ESC: &str = "\x1b";
const F1: &str = "\x1bOP";
const F11: &str = "\x1b[23~";
const SHIFT_TAB: &str = "\x1b[Z";

/// Starts an agent and the program, and waits for some seconds of history.
fn watch(arguments: &[&str]) -> (TestAgent, PtyTerminal) {
    let server = TestAgent::start(0, Duration::from_millis(25));
    let address = server.address.to_string();
    let arguments = [&[address.as_str()], arguments].concat();
    let terminal = PtyTerminal::run_loadline(&arguments);
    terminal.wait_for("some seconds of history", |screen| {
        let rows =
            screen.lines().filter_map(|row| row.split_whitespace().nth(1)?.parse::<u64>().ok());
        screen.contains("LIVE") && rows.max().is_some_and(|seq| seq > 150)
    });
    (server, terminal)
}

fn end(terminal: PtyTerminal) -> String {
    let written = terminal.quit();
    assert_restored(&written);
    written
}

/// Presses keys and waits until the screen shows `shown` and not `gone`.
fn press(terminal: &mut PtyTerminal, keys: &str, shown: &str, gone: &str) {
    terminal.press(keys);
    let expected = format!("{shown:?} without {gone:?} after {keys:?}");
    terminal.wait_for(&expected, |screen| {
        screen.contains(shown) && (gone.is_empty() || !screen.contains(gone))
    });
}

#[test]
fn help_pages_and_charts() {
    let (_server, mut terminal) = watch(&[]);
    let term = &mut terminal;
    press(term, "?", "this help", "");
    press(term, DOWN, "22 of", "21 of");
    press(term, PAGE_DOWN, "43 of", "");
    press(term, F1, "CPU", "of 54");
    press(term, F1, "this help", "");
    press(term, ESC, "CPU", "this help");
    press(term, "3f", "3  Frequency", "CPU");
    assert!(term.screen().contains("██"), "large digits");
    press(term, "\t", "4  Load", "Frequency");
    press(term, SHIFT_TAB, "3  Frequency", "Load");
    press(term, "2", "2  Memory", "Frequency");
    press(term, "\r", "CPU", "██");
    press(term, F11, "2  Memory", "CPU");
    press(term, ESC, "CPU", "██");
    press(term, "a", "a stop cycling", "");
    press(term, "f", "CPU", "██");
    press(term, "d", "seq", "CPU");
    press(term, ">", "← 1 more", "cpu %");
    press(term, "h", "cpu %", "← 1 more");
    press(term, "d", "CPU", "seq");
    press(term, "d", "seq", "");
    press(term, "y", "values x2", "");
    press(term, "Y", "CPU", "values");
    press(term, "u", "MHz", "GHz");
    press(term, "u", "GHz", "");
    press(term, "n", "the only source", "");
    term.press("CC");
    term.wait_for("no colour", |_| !term.has_colour());
    term.press("C");
    term.wait_for("colour", |_| term.has_colour());
    term.garble();
    press(term, "\x0c", "CPU", "going down");
    end(terminal);
}

#[test]
fn time_cursor_and_table() {
    let (_server, mut terminal) = watch(&["-w", "1s"]);
    let term = &mut terminal;
    press(term, "-", "span 10s", "");
    press(term, "X", "span 20s", "");
    press(term, "+", "span 10s", "");
    press(term, "-", "span 20s", "");
    press(term, "x", "span 10s", "");
    press(term, "-", "span 20s", "");
    press(term, "=", "span 10s", "");
    press(term, "0", "span 1s", "");
    press(term, " ", "PAUSED", " LIVE ");
    press(term, "p", " LIVE ", "PAUSED");
    for (back, forward) in [
        (LEFT, END),
        (PAGE_UP, PAGE_DOWN),
        (SHIFT_LEFT, SHIFT_RIGHT),
        (HOME, END),
        (UP, END),
        ("k", "0"),
        ("T", "0"),
    ] {
        press(term, back, "PAUSED", " LIVE ");
        // A paused screen does not advance, so a page forward may not reach the newest sample.
        term.press(forward);
        press(term, END, " LIVE ", "PAUSED");
    }
    press(term, "c", "crosshair off", "");
    press(term, "m", "1 sample", "");
    press(term, "TTT", "4 samples", "");
    press(term, "t", "3 samples", "");
    press(term, UP, "4 samples", "");
    press(term, "j", "3 samples", "");
    press(term, LEFT, "mean", "3 samples");
    let count =
        |screen: &str| screen.split_once(" samples")?.0.rsplit(' ').next()?.parse::<u64>().ok();
    let before = count(&term.screen()).unwrap();
    term.press(RIGHT);
    term.wait_for("fewer samples", |screen| count(screen).is_some_and(|now| now < before));
    press(term, ESC, "crosshair off", "mean");
    press(term, ESC, "d table", "crosshair off");
    press(term, "]", "requested an interval of", "");
    term.wait_for_text("every 250ms");
    press(term, "]", "every 500ms", "");
    term.wait_for("the new interval", |screen| {
        screen.lines().next().unwrap().contains("every 500ms")
    });
    press(term, "[", "every 250ms", "every 500ms");
    end(terminal);
}

#[test]
fn the_mouse_selects_points_and_zooms() {
    let (_server, mut terminal) = watch(&["-w", "10s"]);
    let term = &mut terminal;
    // Press and release on the title of the second chart, then the fullscreen key.
    press(term, "\x1b[<0;50;2M\x1b[<0;50;2mf", "2  Memory", "CPU");
    press(term, ESC, "CPU", "██");
    // The right edge of the first chart, with the newest samples.
    press(term, "\x1b[<0;39;4M\x1b[<0;39;4m", "crosshair off", "");
    press(term, ESC, "d table", "crosshair off");
    press(term, "\x1b[<65;39;4M", "span 20s", "");
    press(term, "\x1b[<64;39;4M", "span 10s", "");
    let written = end(terminal);
    assert!(written.contains("\x1b[?1002h") && !written.contains("\x1b[?1003h"));
}

#[test]
fn with_no_mouse_the_terminal_keeps_the_mouse() {
    let (_server, terminal) = watch(&["--no-mouse"]);
    let written = end(terminal);
    assert!(!written.contains("\x1b[?1000h") && !written.contains("\x1b[?1002h"));
}
