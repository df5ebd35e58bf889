//! Terminals that tell no size or a wrong one, that cannot move the cursor, or have no UTF-8.

use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize};

use crate::stage::{PtyTerminal, TestAgent, set_environment};

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// Returns the number of lines. The terminal echoes the line break with which a test closes it.
fn lines(written: &str) -> usize {
    written.trim_end().lines().count()
}

/// Waits for a dashboard of `rows` rows: the last one shows keys.
fn wait_for_dashboard(terminal: &PtyTerminal, rows: usize) {
    terminal.wait_for("dashboard", |screen| {
        let last = screen.lines().nth(rows - 1).unwrap_or_default();
        screen.contains("LIVE") && screen.contains("4  Load") && last.contains("q quit")
    });
}

#[test]
fn a_terminal_without_a_size_shows_the_dashboard() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    for (variables, columns, rows) in
        [(&[][..], 80, 24), (&[("COLUMNS", "120"), ("LINES", "36")][..], 120, 36)]
    {
        for reported in [size(0, 0), size(1, 1), size(u16::MAX, u16::MAX)] {
            let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
            command.arg(server.address.to_string());
            set_environment(&mut command);
            for (name, value) in variables {
                command.env(name, value);
            }
            let terminal = PtyTerminal::run_told(size(columns, rows), reported, command);
            wait_for_dashboard(&terminal, rows.into());
            // A size that is known later is used, and one that is lost again is not.
            terminal.resize(30, 100);
            wait_for_dashboard(&terminal, 30);
            terminal.resize(rows, columns);
            terminal.tell_size(reported.rows, reported.cols);
            terminal.wait_for("dashboard", |screen| screen.lines().count() == usize::from(rows));
            wait_for_dashboard(&terminal, rows.into());
            terminal.quit();
        }
    }
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_a_table_and_the_reason() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    for term in ["dumb", "unknown", "vt52", ""] {
        let arguments = [&server.address.to_string(), "-n", "3"];
        let (status, written) = PtyTerminal::run_with(&[("TERM", term)], &arguments).wait_for_end();
        assert!(status.success(), "{term}: {written}");
        assert!(!written.contains('\x1b'), "{term}: {written:?}");
        assert!(written.starts_with("warning: no charts, because TERM is"), "{term}: {written}");
        // The reason, its hint, the column names and three rows.
        assert_eq!((lines(&written), written.matches("2400.0").count()), (6, 3), "{written}");
    }
    let arguments = [&server.address.to_string(), "-o", "tui"];
    let (status, written) = PtyTerminal::run_with(&[("TERM", "dumb")], &arguments).wait_for_end();
    assert_eq!(status.exit_code(), 2);
    assert!(written.starts_with("error: no charts, because TERM"), "{written}");
    assert_eq!(lines(&written), 2, "{written}");
}

#[test]
fn without_a_utf8_locale_the_screen_is_ascii() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    for (variables, is_ascii) in [
        (&[("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "")][..], true),
        (&[("LC_ALL", "C")], true),
        (&[("LC_ALL", ""), ("LC_CTYPE", "POSIX"), ("LANG", "C.UTF-8")], true),
        (&[("LC_ALL", "en_US.ISO-8859-1")], true),
        (&[("TERM", "linux")], true),
        (&[("TERM", "vt100")], true),
        (&[("LC_ALL", "en_US.utf8")], false),
        (&[("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "C.UTF-8")], false),
    ] {
        let mut terminal = PtyTerminal::run_with(variables, &[&server.address.to_string()]);
        wait_for_dashboard(&terminal, 24);
        for (key, text) in [("?", "keys"), ("?", "Load"), ("f", "all charts")] {
            terminal.press(key);
            terminal.wait_for_text(text);
        }
        let written = terminal.quit();
        assert_eq!(written.is_ascii(), is_ascii, "{variables:?}");
    }
}

#[test]
fn a_monochrome_terminal_gets_no_colours() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    for (term, forced, has_colour) in
        [("xterm-mono", "", false), ("vt220", "", false), ("vt220", "1", true), ("linux", "", true)]
    {
        let variables = [("TERM", term), ("CLICOLOR_FORCE", forced)];
        let terminal = PtyTerminal::run_with(&variables, &[&server.address.to_string()]);
        wait_for_dashboard(&terminal, 24);
        assert_eq!(terminal.has_colour(), has_colour, "{term} {forced}");
        terminal.quit();
    }
}
