//! Files that are recorded to: kinds, locks, full disks.

use std::fs;
use std::process::Command;
use std::time::Duration;

use portable_pty::CommandBuilder;

use crate::life::signal;
use crate::local_inputs::{path, written};
use crate::program::{loadline, output};
use crate::stage::{PtyTerminal, TestAgent, wait_until};

#[test]
fn only_a_regular_file_that_no_other_program_records_to_is_recorded_to() {
    let folder = tempfile::tempdir().unwrap();
    let (file, fifo) = (path(&folder, "a.load"), path(&folder, "fifo"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let server = TestAgent::start(0, Duration::from_millis(20));
    let address = server.address.to_string();
    let mut first = loadline(&[&address, "-o", "csv", "-r", &file]).spawn().unwrap();
    wait_until("rows", || {
        fs::read_to_string(&file).is_ok_and(|text| text.len() > 500).then_some(())
    });
    for (record, reason) in [
        (&*file, "another program records to this file\nhint: give --record another file\n"),
        (&*fifo, "is a pipe\nhint: use -o raw and write its output to the pipe\n"),
        ("-", "is standard output\nhint: use -o raw\n"),
        ("/dev/stdout", "is a pipe\nhint: use -o raw and write its output to the pipe\n"),
    ] {
        for kind in [&["-o", "csv"][..], &["-o", "json"], &["-o", "raw"], &["-o", "table"]] {
            let output = output(&[&[&*address, "-r", record], kind].concat());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{record} {kind:?}: {errors}");
            assert_eq!(errors, format!("error: cannot record to {record}: {reason}"));
            assert_eq!(output.stdout.len(), 0);
        }
    }
    let terminal = PtyTerminal::run_loadline(&[&address, "-r", &file]);
    let (status, written) = terminal.wait_for_end();
    assert!(status.exit_code() == 1 && written.contains("another program records"), "{written}");
    // Readers need no lock, and the null device has none.
    assert!(written_rows(&[&file, "-o", "csv"]) > 0);
    assert_eq!(written_rows(&[&address, "-o", "csv", "-n", "3", "-r", "/dev/null"]), 3);
    signal("TERM", first.id());
    assert!(first.wait().unwrap().success());
    // Each row that was displayed is in the file, and the lock is gone.
    assert_eq!(written_rows(&[&address, "-o", "csv", "-n", "3", "-r", &file]), 3);
}

fn written_rows(args: &[&str]) -> usize {
    written(args).lines().skip(1).count()
}

/// Runs the program with a limit for the size of its files, as on a full disk.
#[cfg(target_os = "linux")]
fn with_little_room(args: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new("sh");
    let script = "trap '' XFSZ; ulimit -S -f 2; exec \"$LOADLINE\" \"$@\"";
    command.args(["-c", script, "sh"]);
    command.args(args);
    command.env("LOADLINE", env!("CARGO_BIN_EXE_loadline"));
    command
}

#[cfg(target_os = "linux")]
#[test]
fn rows_wait_for_room_on_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    let server = TestAgent::start(0, Duration::from_millis(20));
    let address = server.address.to_string();
    let terminal = PtyTerminal::run(with_little_room(&[&address, "-r", &file]));
    terminal.wait_for("a notice", |screen| {
        screen.contains("LIVE   REC stalled") && screen.contains("stalled: File too large")
    });
    let pid = rustix::process::Pid::from_raw(terminal.child.process_id().unwrap() as i32);
    terminal.wait_for_text("LIVE   REC stalled 2 s");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.ends_with('\n') && text.len() <= 2048, "{text}");
    let unlimited = rustix::process::Rlimit { current: None, maximum: None };
    rustix::process::prlimit(pid, rustix::process::Resource::Fsize, unlimited).unwrap();
    terminal.wait_for("recovery", |screen| {
        screen.contains("no row is missing") && !screen.contains("REC stalled")
    });
    terminal.quit();
    let text = fs::read_to_string(&file).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let numbers: Vec<u64> =
        rows.map(|row| row.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(numbers.len() > 100, "{numbers:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_end_on_a_full_disk_says_how_many_rows_are_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    let server = TestAgent::start(0, Duration::from_millis(20));
    let address = server.address.to_string();
    let args = [&*address, "-o", "csv", "-n", "100", "-r", &file];
    let (status, written) = PtyTerminal::run(with_little_room(&args)).wait_for_end();
    assert!(status.success(), "{written}");
    let text = fs::read_to_string(&file).unwrap();
    let kept = text.lines().filter(|line| !line.starts_with('#')).count();
    let warning = format!("{} rows not recorded to {file}: File too large", 100 - kept);
    assert!(written.contains(&warning), "{kept} {written}");
    assert_eq!(written.matches("stalled: File too large").count(), 1, "{written}");
}
