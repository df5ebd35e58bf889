//! Local inputs: standard input, recordings that grow, and the recording of streams.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize};

use crate::program::{loadline, output};
use crate::pty::assert_restored;
use crate::stage::{PtyTerminal, TestAgent};

/// Returns the output of a successful run without messages.
pub(crate) fn written(args: &[&str]) -> String {
    let output = output(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn an_unknown_column_of_a_short_file_is_reported_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.csv");
    fs::write(&file, "cpu,mem\n1,2\n3,4\n").unwrap();
    let output = output(&[&file, "-o", "csv", "-c", "mme"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let expected = "unknown column \"mme\"\nhint: did you mean mem? available: cpu, mem\n";
    assert!(errors.ends_with(expected) && output.stdout.is_empty(), "{errors}");
}

/// Runs a shell script in a terminal. `$LOADLINE` is the program.
fn shell(script: &str) -> PtyTerminal {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", script]);
    command.env("LOADLINE", env!("CARGO_BIN_EXE_loadline"));
    PtyTerminal::run(command)
}

#[test]
fn keys_work_while_rows_come_through_a_pipe() {
    let script = "(i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i 7; sleep 0.05; done) \
                  | \"$LOADLINE\" -";
    let mut terminal = shell(script);
    terminal.wait_for("rows", |screen| screen.contains("LIVE") && screen.contains("c2"));
    terminal.press("?");
    terminal.wait_for_text("this help");
    terminal.press("?f");
    terminal.wait_for("a fullscreen chart", |screen| screen.contains("all charts"));
    assert_restored(&terminal.quit());
}

#[test]
fn at_the_end_of_the_input_the_chart_stays() {
    let mut terminal = shell("printf '1 2\\n3 4\\n' | \"$LOADLINE\" -");
    let screen = terminal.wait_for_text("end of input");
    assert!(screen.contains("REPLAY") && screen.contains("3        4"), "{screen}");
    terminal.press("f");
    terminal.wait_for_text("all charts");
    terminal.quit();
}

#[test]
fn the_output_ends_with_the_input() {
    let mut child = loadline(&["-", "-o", "csv"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"volts;amps\n1;2\n3;\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<_> =
        text.lines().map(|line| line.split(',').skip(4).collect::<Vec<_>>()).collect();
    assert_eq!(values, [["volts", "amps"], ["1.00", "2.00"], ["3.00", ""]]);
}

#[test]
fn several_files_share_one_output_and_one_screen() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a.csv", "b.csv"].map(|name| path(&folder, name));
    fs::write(&files[0], "volts;amps\n1;2\n3;4\n").unwrap();
    fs::write(&files[1], "volts\n5\n").unwrap();
    let csv = written(&[&files[0], &files[1], "-o", "csv"]);
    let mut values: Vec<_> = csv.lines().map(|line| line.splitn(5, ',').last().unwrap()).collect();
    values[1..].sort_unstable();
    assert_eq!(values, ["volts,amps", "1.00,2.00", "3.00,4.00", "5.00,"]);
    let mut terminal = PtyTerminal::run_loadline(&[&files[0], &files[1]]);
    terminal.wait_for("both", |screen| screen.contains("2 sources") && screen.contains("2 REPLAY"));
    terminal.press("\r");
    terminal.wait_for("the first", |screen| screen.contains("amps") && screen.contains("1 of 2"));
    terminal.quit();
}

/// Returns the rows of a CSV without the source and the time of receipt, which differ.
fn rows(csv: &str) -> Vec<String> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        [&fields[..1], &fields[3..]].concat().join(",")
    };
    csv.lines().map(row).collect()
}

#[test]
fn a_recording_replays_the_rows_of_the_live_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    let server = TestAgent::start(0, Duration::from_millis(20));
    let address = server.address.to_string();
    let run = |history: &str| {
        let args = [&address, "-o", "csv", "-n", "15", "--history", history, "-r", &file];
        rows(&written(&args))
    };
    let mut live = run("all");
    let replayed = rows(&written(&[&file, "-o", "csv"]));
    assert_eq!(replayed, live);
    // A second run appends to the same file. Its repeated samples do not count again.
    for row in run("none") {
        if !live.contains(&row) {
            live.push(row);
        }
    }
    let replayed = rows(&written(&[&file, "-o", "csv"]));
    assert_eq!(replayed, live);
    drop(server);
    // The program's own CSV has the same rows.
    let csv = path(&folder, "a.csv");
    fs::write(&csv, written(&[&file, "-o", "csv"])).unwrap();
    assert_eq!(rows(&written(&[&csv, "-o", "csv"])), live);
    assert_eq!(written(&[&csv, "-o", "raw"]).lines().count(), live.len());
}

#[test]
fn a_plain_source_is_recorded_with_timestamps_behind_a_truncated_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    fs::write(&file, "# columns time:s c1 c2\n1.000 1.0 2.0\n2.000 3").unwrap();
    let script = "printf '1 2\\n3 4\\n' | \"$LOADLINE\" - -o csv -r \"$FILE\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("LOADLINE", env!("CARGO_BIN_EXE_loadline")).env("FILE", &file);
    let shell = shell.output().unwrap();
    let live = rows(&String::from_utf8(shell.stdout).unwrap());
    let output = shell.stderr;
    let notice = "its incomplete last line, 7 bytes, is cut off";
    assert!(String::from_utf8_lossy(&output).contains(notice), "{output:?}");
    let replayed = rows(&written(&[&file, "-o", "csv"]));
    assert_eq!(replayed[1], "1970-01-01T00:00:01.000Z,,1.00,2.00");
    assert_eq!(replayed[2..], live[1..]);
}

#[test]
fn a_check_describes_the_source_and_fails_without_rows() {
    let server = TestAgent::start(0, Duration::from_millis(20));
    let address = server.address.to_string();
    let text = written(&[&address, "--check"]);
    drop(server);
    for part in
        ["subscribed stream", "web-1", "6: cpu %, freq MHz", "interval 20ms", "none", "in sync"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = output(&[&address, "--check"]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("connection refused"));
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.csv");
    fs::write(&file, "a;b\n1;2\nx\n").unwrap();
    let text = written(&[&file, "--check"]);
    for part in [
        "recording: table, separated by semicolons",
        "2: a, b",
        "rows     1,",
        "faults   1, first: wrong number",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn relative_times_of_a_recording_count_from_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    // From 18:40:00 UTC on 22 November 2025.
    let rows = (0..60).map(|second| format!("{}.000 {second}\n", 1_763_836_800 + second));
    fs::write(&file, format!("# columns time:s a\n{}", rows.collect::<String>())).unwrap();
    let values = |range: &[&str]| {
        let mut command = loadline(&[&[file.as_str(), "-o", "csv"], range].concat());
        let output = command.env("TZ", "UTC").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let csv = String::from_utf8(output.stdout).unwrap();
        let values = csv.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().to_owned());
        let values: Vec<String> = values.collect();
        (values.first().cloned(), values.last().cloned(), values.len())
    };
    let expected = |first: &str, last: &str, count| (Some(first.into()), Some(last.into()), count);
    assert_eq!(values(&["--from", "18:40:05", "--to", "18:40:09"]), expected("5.00", "9.00", 5));
    assert_eq!(values(&["--from", "-10s"]), expected("49.00", "59.00", 11));
    assert_eq!(values(&["--to=-50s"]), expected("0.00", "9.00", 10));
    let range = ["--from", "18:40:10", "--to", "18:40:30"];
    let terminal =
        PtyTerminal::run_with(&[("TZ", "UTC")], &[&[file.as_str()], &range[..]].concat());
    let screen = terminal.wait_for("the range", |screen| screen.contains("18:40:30.000"));
    assert!(screen.contains("PAUSED +29 s") && !screen.contains("18:40:31.000"), "{screen}");
    assert_restored(&terminal.quit());
    let output = output(&[&file, "-o", "csv", "--from", "-1s", "--to", "-2s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--from must be before --to"));
}

#[test]
fn a_recording_cannot_record_itself() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    fs::write(&file, "1 2\n").unwrap();
    let output = output(&[&file, "-o", "csv", "-r", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("another file"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "1 2\n");
}

fn append(file: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_recording_is_followed_while_it_grows_is_truncated_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    fs::write(&file, "# columns time:s a\n1.000 1\n2.000 2").unwrap();
    let mut child = loadline(&[&file, "--follow", "-o", "csv"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap().rsplit(',').next().unwrap().to_owned();
    assert_eq!([next(), next()], ["a", "1.00"]);
    append(&file, "5\n3.000 3\n");
    assert_eq!([next(), next()], ["25.00", "3.00"]);
    // Another recorder cuts half a row off, and writes more bytes than the row had.
    append(&file, "4.000 4");
    std::thread::sleep(Duration::from_millis(300));
    let length = fs::metadata(&file).unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 7).unwrap();
    append(&file, "5.000 5\n6.000 6\n");
    assert_eq!([next(), next()], ["5.00", "6.00"]);
    fs::write(&file, "").unwrap();
    append(&file, "# columns time:s a\n9.000 9\n");
    assert_eq!(next(), "9.00");
    let other = path(&folder, "b.load");
    fs::write(&other, "# columns time:s a\n4.000 4\n10.000 10\n11.000 11\n12.000 12\n").unwrap();
    fs::rename(Path::new(&other), Path::new(&file)).unwrap();
    assert_eq!([next(), next()], ["4.00", "10.00"]);
    end(child);
}

#[test]
fn a_whole_recording_is_shown_and_time_keys_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "a.load");
    let mut text = "# columns time:s a\n".to_owned();
    for second in 0..7200 {
        writeln!(text, "{}.000 {}", 1_763_816_400 + second, second % 50).unwrap();
    }
    fs::write(&file, text).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loadline"));
    command.arg(&file);
    let size = PtySize { rows: 24, cols: 120, pixel_width: 0, pixel_height: 0 };
    let mut terminal = PtyTerminal::run_sized(size, command);
    let whole = terminal.wait_for_text("span 2h 7m");
    assert!(whole.contains("REPLAY"), "{whole}");
    terminal.press("++");
    terminal.wait_for_text("span 1h");
    terminal.press("0");
    terminal.wait_for_text("span 2h 7m");
    terminal.quit();
}
