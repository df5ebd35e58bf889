//! Files of other programs: values and times, or a refusal in one line.

use std::fs;
use std::process::Output;

use crate::program::loadline;

/// Returns the output for a file, in the zone of Berlin.
fn read(file: &str, args: &[&str]) -> Output {
    let mut command = loadline(&[&[file], args].concat());
    command.env("TZ", "Europe/Berlin").output().unwrap()
}

fn case(name: &str) -> String {
    format!("{}/tests/terminal/import/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the rows of a file without source and time of receipt: `18:40:00.000Z 1 2`.
fn rows(file: &str, args: &[&str]) -> Vec<String> {
    let output = read(file, &[&["-o", "csv"], args].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{file}: {errors}");
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        [&fields[..1], &fields[4..]].concat().join(" ")
    };
    String::from_utf8(output.stdout).unwrap().lines().map(row).collect()
}

/// Checks heading and first row of a case, and the number of rows.
fn check(name: &str, heading: &str, first: &str, count: usize) {
    let rows = rows(&case(name), &[]);
    assert_eq!(rows[0], format!("timestamp {heading}"), "{name}");
    assert_eq!(rows[1], first, "{name}");
    assert_eq!(rows.len() - 1, count, "{name}");
}

#[test]
fn columns_of_a_log_go_on_by_name_when_its_heading_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.csv");
    let log = "time,cpu [%],a\n1763836800,11,1\n1763836801,12,2\n\
               time,cpu [%],a,b\n1763836802,21,3,71\n\
               time,b,cpu [%]\n1763836803,72,31\n\
               time,cpu [%],a\n1763836804,13,5\n";
    fs::write(&file, log).unwrap();
    let output = read(file.to_str().unwrap(), &["-o", "csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let values: Vec<_> = text.lines().map(|line| line.splitn(5, ',').nth(4).unwrap()).collect();
    assert_eq!(values, ["cpu,a", "11.0,1.00", "12.0,2.00", "21.0,3.00", "31.0,", "13.0,5.00"]);
    let check = read(file.to_str().unwrap(), &["--check"]);
    let check = String::from_utf8(check.stdout).unwrap();
    let fault = "faults   2, first: column \"b\" begins in the middle and is left out";
    assert!(check.contains(fault), "{check}");
}

#[test]
fn columns_are_selected_from_all_runs_of_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.load").to_str().unwrap().to_owned();
    let run = |run, columns, row| {
        let header = format!("# loadline/1 run={run:08x} interval=1s");
        format!("{header}\n# columns time:s seq {columns}\n{row}\n")
    };
    // The second run was appended behind a line that was cut off.
    let one = run(1, "cpu:% mem:%", "1763836800.000 1 10.0 20.0\n1763836801.000 2 1");
    let recording = one.trim_end().to_owned() + &run(2, "procs", "1763836802.000 1 7");
    fs::write(&file, recording).unwrap();
    let values = |columns: &str| {
        let output = read(&file, &["-o", "csv", "--columns", columns]);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let lines = text.lines().map(|line| line.splitn(5, ',').last().unwrap().to_owned());
        lines.collect::<Vec<_>>().join(" | ")
    };
    let warning = format!("warning: {file}: 1 faulty line skipped");
    let hint = "hint: run loadline SOURCE --check";
    assert_eq!(values("procs"), format!("procs | 7.00 | {warning} | {hint}"));
    assert_eq!(values("cpu,procs"), format!("cpu,procs | 10.0, | ,7.00 | {warning} | {hint}"));
    let unknown = format!("error: {file}: unknown column \"x\"");
    assert!(values("x").contains(&unknown), "{}", values("x"));
}

#[test]
fn seconds_from_a_start_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("elapsed.csv");
    fs::write(&file, "time,cpu,mem\n0,11,1\n1,12,2\n2.5,13,3\n").unwrap();
    let output = read(file.to_str().unwrap(), &["-o", "csv"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && errors.contains("the times are before 1973"), "{errors}");
}

#[test]
fn tables_keep_their_columns_values_and_times() {
    check(
        "semicolon-decimal-comma.csv",
        "cpu mem procs",
        "2025-11-22T18:40:00.000Z 12.5 43.1 201.00",
        3,
    );
    check("epoch-decimal-comma.csv", "cpu mem", "2026-11-28T16:56:40.000Z 12.5 41.2", 2);
    check("local-time.csv", "cpu", "2025-11-22T17:40:00.000Z 12.5", 3);
    check("utc-suffix.csv", "cpu", "2025-11-22T18:40:00.000Z 12.5", 2);
    check("date-and-time-columns.csv", "cpu", "2026-11-28T16:00:00.000Z 12.5", 2);
    check("two-rows-a-second.csv", "cpu", "2025-11-22T18:40:00.000Z 10.0", 5);
    check("newest-first.csv", "cpu", "2025-11-22T18:40:00.000Z 12.0", 3);
    check("missing-values.csv", "cpu temp gpu", "2025-11-22T18:40:00.000Z 12.0  ", 3);
    check(
        "nvidia-smi.csv",
        "utilization.gpu utilization.memory temperature.gpu power.draw memory.used",
        "2025-11-22T17:40:00.123Z 35.0 12.0 51.00 120.53 8123.0",
        2,
    );
    let plain = rows(&case("plain-decimal-comma.txt"), &[]);
    assert!(plain[1].ends_with("Z 12.5 2400.0 43.1 0.52 0.44 0.40"), "{plain:?}");
    let wide = rows(&case("400-columns.csv"), &[]);
    assert_eq!(wide[0].split(' ').count(), 401);
}

#[test]
fn tables_of_monitors_have_their_names_and_times() {
    check(
        "mpstat.txt",
        "%usr %nice %sys %iowait %irq %soft %steal %guest %gnice %idle",
        "2026-11-28T15:43:06.000Z 0.5 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 99.5",
        3,
    );
    let dstat = rows(&case("dstat.csv"), &[]);
    assert!(dstat[0].starts_with("timestamp usr sys idl wai"), "{dstat:?}");
    assert!(dstat[1].starts_with("2018-02-28T17:39:48.000Z 0.173 0.123 99.67"), "{dstat:?}");
    let vmstat = rows(&case("vmstat-t.txt"), &[]);
    assert!(vmstat[0].starts_with("timestamp r b swpd free"), "{vmstat:?}");
    assert!(vmstat[1].starts_with("2026-11-28T16:42:39.000Z 3.00 0.00"), "{vmstat:?}");
    assert_eq!(vmstat.len(), 4);
}

/// Checks that a file is refused in one line with a hint, by each output and by `--check`.
fn refused(file: &str, expected: &str) {
    for args in [&["-o", "csv"][..], &["-o", "table"], &["--check"]] {
        let output = read(file, args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{file}: {errors}");
        assert!(errors.contains(expected) && errors.contains("\nhint: "), "{file}: {errors}");
        assert_eq!(errors.lines().count(), 2, "{file}: {errors}");
    }
}

#[test]
fn what_is_not_understood_is_refused_in_one_line() {
    refused(&case("loads-decimal-comma.txt"), "may be a separator or a decimal sign");
    refused(&case("pidstat-h.txt"), "several rows for one time: column \"Command\"");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").to_str().unwrap().to_owned();
    for (bytes, expected) in [
        (&b""[..], "no rows"),
        (b"root:*:19000:0:99999:7:::\n", "no rows"),
        (b"\x1f\x8b\x08\0\0", "gzip data"),
        (b"\x7fELF\x02\0", "a program"),
        (b"time;a\n2025-11-22;1,234\n", "may separate decimals or thousands"),
        (b"time,a\n01/02/2026 10:00,1\n", "may be MM/DD/YYYY or DD/MM/YYYY"),
        (b"time,a\n2025-11-22 18:40:00 CET,1\n", "is not understood as a time"),
        (b"time,a\n2025-11-22,5 W\n2025-11-23,5 V\n", "several units"),
    ] {
        fs::write(&file, bytes).unwrap();
        refused(&file, expected);
    }
    refused("/dev/zero", "binary data");
}

#[test]
fn the_format_of_times_can_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv").to_str().unwrap().to_owned();
    fs::write(&file, "cpu,when\n5,01/02/2026 10:00\n").unwrap();
    let read = rows(&file, &["--time-format", "%d/%m/%Y %H:%M", "--time-column", "when"]);
    assert_eq!(read, ["timestamp cpu", "2026-02-01T09:00:00.000Z 5.0"]);
}

/// Returns the rows of a text, and writes the text to a file of its own.
fn rows_of(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").to_str().unwrap().to_owned();
    fs::write(&file, text).unwrap();
    rows(&file, &[])
}

const SYSSTAT: &str = "Linux 6.1 (a) \t11/28/2026 \t_x86_64_\t(2 CPU)\n\n";

#[test]
fn sysstat_is_read_with_both_clocks_across_midnight_and_restarts() {
    let mpstat = "11:59:58 PM  CPU  %usr\n11:59:59 PM  all  0.5\n12:00:00 AM  all  1.5\n\
                  Average:     all  1.0\n";
    assert_eq!(
        rows_of(&format!("{SYSSTAT}{mpstat}"))[1..],
        ["2026-11-28T22:59:59.000Z 0.5", "2026-11-28T23:00:00.000Z 1.5"]
    );
    let sar = "12:00:01  CPU  %user\n12:10:01  all  0.5\n12:10:02  LINUX RESTART\t(2 CPU)\n\n\
               12:20:01  CPU  %user\n12:30:01  all  0.6\nAverage:  all  0.55\n";
    assert_eq!(
        rows_of(&format!("{SYSSTAT}{sar}"))[1..],
        ["2026-11-28T11:10:01.000Z 0.5", "2026-11-28T11:30:01.000Z 0.6"]
    );
    let sadf =
        "# hostname;interval;timestamp;CPU;%user\nweb-1;600;2025-11-22 18:40:01 UTC;-1;0,52\n";
    assert_eq!(rows_of(sadf), ["timestamp interval %user", "2025-11-22T18:40:01.000Z 600.00 0.52"]);
}

#[test]
fn rows_of_several_devices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").to_str().unwrap().to_owned();
    for (text, expected) in [
        (
            format!("{SYSSTAT}16:43:05 CPU %usr\n16:43:06 all 0.5\n16:43:06 0 0.5\n"),
            "\"CPU\" has all and 0",
        ),
        (format!("{SYSSTAT}16:43:05 IFACE rx\n16:43:06 lo 0.5\n16:43:06 eth0 0.5\n"), "\"IFACE\""),
        (
            format!("{SYSSTAT}avg-cpu:  %user %idle\n  0.5 99.0\n\nDevice tps\nsda 1.0\nsdb 2.0\n"),
            "several rows for one time of devices",
        ),
        (
            "# hostname;interval;timestamp;CPU;%user\nweb-1;600;2025-11-22 18:40:01 UTC;-1;0.5\n\
             web-1;600;2025-11-22 18:40:01 UTC;0;0.6\n"
                .to_owned(),
            "\"CPU\" has -1 and 0",
        ),
        (
            "timestamp, index, power\n2025/11/22 18:40:00.123, 0, 35 W\n\
             2025/11/22 18:40:00.125, 1, 36 W\n2025/11/22 18:40:10.123, 0, 35 W\n"
                .to_owned(),
            "\"index\"",
        ),
        ("load average: 0.1, 0.2, 0.3\n".to_owned(), "without column names"),
        (
            "# gpu pwr\n# Idx W\n 0 43\n 1 44\n 0 43\n".to_owned(),
            "column \"gpu index\" has 1 and 0",
        ),
    ] {
        fs::write(&file, text).unwrap();
        refused(&file, expected);
    }
}

#[test]
fn an_hour_that_daylight_saving_time_repeats_goes_on_in_order() {
    let rows = rows_of(
        "time,a\n2025-10-26 02:30:00,1\n2025-10-26 02:59:00,2\n2025-10-26 02:01:00,3\n\
         2025-10-26 03:00:00,4\n",
    );
    let times: Vec<&str> = rows[1..].iter().map(|row| &row[11..19]).collect();
    assert_eq!(times, ["00:30:00", "00:59:00", "01:01:00", "02:00:00"]);
}

#[test]
fn units_convert_exactly_and_columns_may_change_places() {
    assert_eq!(
        rows_of("time\tmem\n1795885000000\t1.5 GiB\n1795885001000\t512 MiB\n")[1..],
        ["2026-11-28T16:56:40.000Z 1610612736", "2026-11-28T16:56:41.000Z 536870912"]
    );
    assert_eq!(
        rows_of("time,a,b\n1795885000,1,2\ntime,b,a\n1795885002,6,5\n")[1..],
        ["2026-11-28T16:56:40.000Z 1.00 2.00", "2026-11-28T16:56:42.000Z 5.00 6.00"]
    );
}

#[test]
fn options_for_times_warn_where_they_have_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").to_str().unwrap().to_owned();
    for text in ["# columns time:s a\n1.000 1\n", "1 2\n"] {
        fs::write(&file, text).unwrap();
        let output = read(&file, &["-o", "csv", "--time-column", "a"]);
        let errors = String::from_utf8(output.stderr).unwrap();
        let expected = format!("warning: {file} sends no table: --time-column has no effect\n");
        assert!(output.status.success());
        assert_eq!(errors, expected, "{text}");
    }
}

/// Checks heading and rows of a text.
fn reads(text: &str, expected: &[&str]) {
    assert_eq!(rows_of(text), expected, "{text}");
}

#[test]
fn names_and_units_stand_in_comments_or_two_lines() {
    let times = ["2025-11-22T18:40:00.000Z", "2025-11-22T18:40:01.000Z"];
    let [first, second] = [format!("{} 1.00", times[0]), format!("{} 2.00", times[1])];
    let expected = ["timestamp a", first.as_str(), second.as_str()];
    reads("time,a\n# note\n1763836800,1\n1763836801,2\n", &expected);
    reads("# time a\n1763836800 1\n1763836801 2\n", &expected);
    let dmon = "#Date Time gpu pwr\n#YYYYMMDD HH:MM:SS Idx W\n20251122 18:40:00 0 43\n";
    reads(dmon, &["timestamp gpu_index pwr", "2025-11-22T17:40:00.000Z 0.00 43.0"]);
    reads("time\ta\tb\n1763836800\t1\t\n", &["timestamp a b", "2025-11-22T18:40:00.000Z 1.00 "]);
}

#[test]
fn sysstat_has_decimal_commas_and_one_process() {
    let sar = "16:43:05 CPU %usr\n16:43:06 all 0,50\n16:43:07 all 0,60\nMoyenne : all 0,55\n";
    assert_eq!(rows_of(&format!("{SYSSTAT}{sar}"))[2], "2026-11-28T15:43:07.000Z 0.6");
    let pidstat = "16:43:05 PID %CPU CPU Command\n16:43:06 7 1.0 0 a\n16:43:07 7 2.0 1 a\n";
    assert_eq!(
        rows_of(&format!("{SYSSTAT}{pidstat}"))[2],
        "2026-11-28T15:43:07.000Z 7.00 2.0 1.00"
    );
    let vmstat = "procs ---memory---\n r free\n 1 5\nprocs ---memory---\n r free\n 2 6\n";
    assert_eq!(rows_of(vmstat).len(), 3);
}

#[test]
fn times_and_numbers_of_two_meanings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a").to_str().unwrap().to_owned();
    for (text, expected) in [
        ("time,a\n25-11-22 18:40:00,1\n", "may be DD-MM-YY or YY-MM-DD"),
        ("Time,a\n45983.7777777778,1\n", "a date of a spreadsheet"),
        ("when was,a\n2025-11-22 18.40.00,1\n", "is not understood as a time"),
        ("time,a\n2025-11-22 18:40:00:123,1\n", "is not understood as a time"),
        ("date,time,tz,a\n2025-11-22,18:40:00,+0100,5\n", "\"tz\" has the zone of the times"),
        ("time,m\n1763836800,512M\n1763836801,1.5G\n", "several units: M and G"),
        ("time,a\r2025-11-22 18:40:00,1\r", "carriage return"),
        ("usr sys idl wai stl| read  writ\n 1 0 99 0 0| 12k 34k\n", "screen of dstat"),
        ("top - 18:40:00 up 1 day, load average: 0.52, 0.44, 0.40\n", "output of top"),
    ] {
        fs::write(&file, text).unwrap();
        refused(&file, expected);
    }
    fs::write(&file, b"time,temp\n2025-11-22 18:40:00,45\xb0C\n").unwrap();
    refused(&file, "not valid UTF-8");
    fs::write(&file, format!("time,a\n{}", "2025-11-22 18:40:00,1\n".repeat(1500))).unwrap();
    refused(&file, "1500 rows have the same time");
}
