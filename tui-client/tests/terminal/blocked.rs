//! Terminals that are not read: samples are still received and recorded, and the program still ends.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portable_pty::{CommandBuilder, PtySize};

use crate::life::signal;
use crate::pty::assert_restored;
use crate::stage::{END_OF_FRAME, PtyTerminal, TerminalOutput, wait_until};

/// Time between two rows of the server.
const ROW_INTERVAL: Duration = Duration::from_millis(20);

/// Rows while the terminal is not read: 3 s.
const BLOCKED_ROWS: usize = 150;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Times at which rows were sent, in ms.
type SentTimes = Arc<Mutex<Vec<u64>>>;

/// First frequency in MHz. Each row has one more than the previous row.
const FIRST_FREQUENCY: usize = 1000;

/// Starts a server of plain rows.
fn serve_rows() -> (SocketAddr, SentTimes) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let sent = SentTimes::default();
    let times = sent.clone();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        let start = Instant::now();
        for number in 0_u32.. {
            times.lock().unwrap().push(now_ms());
            let row = format!("12.5 {} 43.1 0.52 0.44 0.4\n", FIRST_FREQUENCY + number as usize);
            if client.write_all(row.as_bytes()).is_err() {
                return;
            }
            let next = start + (number + 1) * ROW_INTERVAL;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    (address, sent)
}

/// Returns the time in ms and the number of each row of a recording.
fn recorded_rows(path: &Path) -> Vec<(u64, usize)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may not be complete yet.
    let complete = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let rows = complete.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<f64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
        ((fields[0] * 1000.0).round() as u64, fields[2] as usize - FIRST_FREQUENCY)
    });
    rows.collect()
}

/// The program in a large terminal, with a recording.
struct Recorded {
    terminal: PtyTerminal,
    sent: SentTimes,
    folder: tempfile::TempDir,
}

impl Recorded {
    fn start() -> Recorded {
        let recorded = Recorded::run(&[]);
        recorded.terminal.wait_for_text("LIVE");
        recorded
    }

    fn run(arguments: &[&str]) -> Recorded {
        let folder = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
        let (address, sent) = serve_rows();
        command.args([&address.to_string(), "--record"]);
        command.arg(folder.path().join("rows.load"));
        command.args(arguments);
        let size = PtySize { rows: 60, cols: 200, pixel_width: 0, pixel_height: 0 };
        let terminal = PtyTerminal::run_sized(size, command);
        Recorded { terminal, sent, folder }
    }

    fn rows(&self) -> Vec<(u64, usize)> {
        recorded_rows(&self.folder.path().join("rows.load"))
    }

    /// Waits until `count` more rows are recorded.
    fn wait_for_rows(&self, count: usize) {
        let before = self.rows().len();
        wait_until("recorded rows", || (self.rows().len() >= before + count).then_some(()));
    }

    /// Runs `scene` while nothing reads the terminal, whose buffers are full.
    fn blocked(&mut self, scene: impl FnOnce(&mut Recorded)) {
        let output = self.terminal.output.clone();
        // The thread that reads the terminal waits for this lock.
        let unread: MutexGuard<'_, TerminalOutput> = output.lock().unwrap();
        // Each redraw has some thousand bytes, more than all buffers together.
        for _ in 0..20 {
            self.terminal.press("\x0c");
            self.wait_for_rows(2);
        }
        scene(self);
        drop(unread);
    }

    /// Asserts that all rows are recorded, those after the first `before` with their times.
    fn check_rows(&self, before: usize) -> usize {
        let rows = self.rows();
        assert!(
            rows.iter().map(|(_, number)| *number).eq(0..rows.len()),
            "rows are missing: {rows:?}"
        );
        let sent = self.sent.lock().unwrap();
        let mut errors: Vec<u64> =
            rows[before..].iter().map(|(time, number)| time.abs_diff(sent[*number])).collect();
        errors.sort_unstable();
        // This machine may be busy with other work, but not for most of the rows.
        assert!(errors[errors.len() / 2] <= 20 && errors[errors.len() - 1] < 1000, "{errors:?}");
        rows.len()
    }

    fn frames(&self) -> usize {
        let output = self.terminal.output.lock().unwrap();
        output.bytes.windows(END_OF_FRAME.len()).filter(|bytes| *bytes == END_OF_FRAME).count()
    }
}

#[test]
fn while_the_terminal_is_not_read_rows_are_recorded_with_their_times() {
    let mut recorded = Recorded::start();
    let (frames_before, rows_before) = (recorded.frames(), recorded.rows().len());
    recorded.blocked(|recorded| recorded.wait_for_rows(BLOCKED_ROWS));
    let rows = recorded.check_rows(rows_before);
    // The newest state is drawn at once, without the frames in between.
    recorded.terminal.press("d");
    let newest = format!(" {}.0 ", FIRST_FREQUENCY + rows);
    recorded.terminal.wait_for("the newest row", |screen| screen.contains(&newest));
    let frames = recorded.frames() - frames_before;
    assert!(frames < BLOCKED_ROWS / 2, "{frames} frames");
    assert_restored(&recorded.terminal.quit());
}

#[test]
fn while_a_table_is_not_read_rows_are_recorded_with_their_times() {
    // More rows than wait in all buffers of the system and between the tasks.
    const ROWS: usize = 350;
    let mut recorded = Recorded::run(&["-o", "table"]);
    recorded.wait_for_rows(1);
    recorded.blocked(|recorded| recorded.wait_for_rows(ROWS));
    let rows = recorded.check_rows(0);
    let newest = format!(" {}.0 ", FIRST_FREQUENCY + rows);
    recorded.terminal.wait_for("the newest row", |screen| screen.contains(&newest));
    recorded.terminal.press("\x03");
    let (status, written) = recorded.terminal.wait_for_end();
    assert!(status.success(), "{status:?}");
    for number in 0..rows {
        assert!(written.contains(&format!(" {}.0 ", FIRST_FREQUENCY + number)), "row {number}");
    }
}

/// Asserts that the program ends while its terminal is not read, and restores the terminal.
fn check_end(end: impl FnOnce(&mut PtyTerminal)) {
    let mut recorded = Recorded::start();
    recorded.blocked(|recorded| {
        let start = Instant::now();
        end(&mut recorded.terminal);
        let status = wait_until("the end", || recorded.terminal.child.try_wait().unwrap());
        assert!(status.success(), "{status:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
    assert_restored(&recorded.terminal.wait_for_end().1);
}

#[test]
fn keys_end_the_program_while_the_terminal_is_not_read() {
    for key in ["q", "\x03"] {
        check_end(|terminal| terminal.press(key));
    }
}

#[test]
fn signals_end_the_program_while_the_terminal_is_not_read() {
    for name in ["TERM", "HUP", "INT"] {
        check_end(|terminal| signal(name, terminal.child.process_id().unwrap()));
    }
}
