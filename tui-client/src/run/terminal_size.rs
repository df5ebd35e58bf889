//! Size of the terminal, also of one that does not know its size.

use std::io;

use ratatui::layout::Size;

/// Size of a terminal without a size, such as a serial line: 80x24, the size of a VT100.
const DEFAULT_SIZE: Size = Size::new(80, 24);

/// Largest size that is drawn: 1,000 columns and 500 rows, more than an 8K screen has in a readable
/// font. Two frames of it take 48 MiB; without a limit, a wrong size would take the whole memory.
const DRAWN_SIZE_MAX: Size = Size::new(1000, 500);

/// Largest number of columns or rows that is plausible: 10,000, the limit of tmux. A greater
/// number is no size.
const PLAUSIBLE_CELLS_MAX: u16 = 10_000;

/// Returns the size to draw.
///
/// # Errors
/// Standard output is no terminal.
pub(super) fn terminal_size() -> io::Result<Size> {
    let reported = rustix::termios::tcgetwinsize(io::stdout())?;
    let reported = Size { width: reported.ws_col, height: reported.ws_row };
    Ok(drawn_size(reported, |name| std::env::var(name).ok()))
}

/// Returns the size to draw for the size `reported` of the terminal. `COLUMNS` and `LINES` replace its
/// implausible parts, and the default replaces theirs. `variable` returns an environment variable.
fn drawn_size(reported: Size, variable: impl Fn(&str) -> Option<String>) -> Size {
    let set = |name| variable(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let of_environment = Size { width: set("COLUMNS"), height: set("LINES") };
    let [(reported_width, reported_height), (set_width, set_height)] =
        [reported, of_environment].map(plausible);
    Size {
        width: reported_width.or(set_width).unwrap_or(DEFAULT_SIZE.width).min(DRAWN_SIZE_MAX.width),
        height: reported_height
            .or(set_height)
            .unwrap_or(DEFAULT_SIZE.height)
            .min(DRAWN_SIZE_MAX.height),
    }
}

/// Returns the plausible parts of a size. A pane may have a single row, but no pane of one column can
/// be read.
fn plausible(size: Size) -> (Option<u16>, Option<u16>) {
    let width = Some(size.width).filter(|width| (2..=PLAUSIBLE_CELLS_MAX).contains(width));
    let least = if width.is_some() { 1 } else { 2 };
    let height = Some(size.height).filter(|rows| (least..=PLAUSIBLE_CELLS_MAX).contains(rows));
    (width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reported: (u16, u16), columns: &str, lines: &str, expected: (u16, u16)) {
        let variable = |name: &str| {
            let text = if name == "COLUMNS" { columns } else { lines };
            (!text.is_empty()).then(|| text.to_owned())
        };
        let size = drawn_size(reported.into(), variable);
        assert_eq!((size.width, size.height), expected, "{reported:?} {columns} {lines}");
    }

    #[test]
    fn a_terminal_without_a_size_has_that_of_the_environment_else_80x24() {
        check((120, 36), "", "", (120, 36));
        check((120, 36), "132", "50", (120, 36));
        check((0, 0), "", "", (80, 24));
        check((0, 0), "132", "50", (132, 50));
        check((0, 0), " 132", "50\n", (132, 50));
        check((0, 0), "132", "", (132, 24));
        check((120, 0), "132", "50", (120, 50));
        check((0, 36), "", "50", (80, 36));
    }

    #[test]
    fn an_implausible_size_is_like_none() {
        check((1, 1), "", "", (80, 24));
        check((1, 36), "", "", (80, 36));
        check((80, 1), "", "", (80, 1));
        check((u16::MAX, u16::MAX), "", "", (80, 24));
        check((u16::MAX, u16::MAX), "132", "50", (132, 50));
        check((u16::MAX, 24), "", "", (80, 24));
        for (columns, lines) in
            [("0", "0"), ("1", "1"), ("-80", "-24"), ("65536", "99999999999"), ("wide", "")]
        {
            check((0, 0), columns, lines, (80, 24));
        }
    }

    #[test]
    fn a_huge_terminal_is_drawn_in_part() {
        check((10_000, 10_000), "", "", (1000, 500));
        check((0, 0), "9999", "9999", (1000, 500));
    }
}
