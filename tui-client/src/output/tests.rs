//! Tests of the text outputs, from the events of short streams.

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{DurationText, Header, Process, SafeText, Schema, Seq, Stamp, Time, Top};
use tokio::sync::mpsc;

use super::*;
use crate::event::Overdue;
use crate::event::Sample;

fn stream(columns: &str, plain: bool) -> Event {
    let schema: Schema = columns.parse().unwrap();
    let header = (!plain).then(Header::default);
    let stamp = if plain { Stamp::None } else { Stamp::TimeSeq };
    Event::Stream(Arc::new(StreamInfo { header, schema: schema.with_stamp(stamp) }))
}

fn row(seq: Option<u64>, values: &[f64]) -> Event {
    let time = Time::from_millis(1_763_836_800_123 + 1000 * seq.unwrap_or(0) as i64);
    let received = Time::from_millis(time.as_millis() + 4);
    let line = Some("the line itself");
    Event::Rows(Rows::one(Sample { time, seq: seq.map(Seq), received, values, line }))
}

fn two_rows() -> Vec<Event> {
    vec![
        Event::Connected,
        stream("cpu:% freq:MHz load1", false),
        row(Some(1), &[12.5, f64::NAN, 0.4]),
        row(Some(2), &[100.0, 2400.0, 12.345]),
    ]
}

/// Returns the events of [`two_rows`] with both rows in one batch.
fn two_rows_at_once() -> Vec<Event> {
    let mut events = two_rows();
    let (Some(Event::Rows(second)), Some(Event::Rows(mut both))) = (events.pop(), events.pop())
    else {
        panic!("the last two events are rows");
    };
    assert!(second.iter().all(|row| both.try_append(row)));
    events.push(Event::Rows(both));
    events
}

fn down(reason: &str, refused: bool) -> Event {
    Event::Disconnected { reason: SafeText::new(reason), refused, retry_at: Some(Time::default()) }
}

fn job(format: OutputFormat, count: Option<u64>, sources: &[&str]) -> Job {
    let sources = sources.iter().map(|name| (*name).to_owned()).collect();
    let (bounds, zone) = (TimeBounds::default(), Zone::Fixed(3600));
    Job { format, count, bounds, sources, zone, interval: None, recorded_columns: Vec::new() }
}

/// Returns a channel with queued events.
fn queue(events: impl IntoIterator<Item = Event>) -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(64);
    events.into_iter().for_each(|event| sender.try_send(event).unwrap());
    (sender, receiver)
}

/// Returns the written text, the reported messages and the result.
async fn output_of(job: &Job, events: Events) -> (String, Vec<String>, String) {
    let (mut out, mut reported) = (Vec::new(), Vec::new());
    let report = |line: &str| reported.push(line.to_owned());
    let progress = ProgressLine::new(None::<Vec<u8>>, report);
    let end = run(job, events, &mut out, progress, std::future::pending()).await;
    let end = end.map_or_else(
        |error| format!("{error:#}"),
        |summary| format!("{} faults, {} skipped", summary.faults, summary.skipped),
    );
    (String::from_utf8(out).unwrap(), reported, end)
}

fn quiet() -> ProgressLine<Vec<u8>, fn(&str)> {
    ProgressLine::new(None, |_: &str| {})
}

/// Like [`output_of`], for the events of one source.
async fn output(
    format: OutputFormat,
    count: Option<u64>,
    events: Vec<Event>,
) -> (String, String, String) {
    let (_, receiver) = queue(events);
    let (text, reported, end) =
        output_of(&job(format, count, &["web-1:1027"]), Events::new([receiver])).await;
    (text, reported.join("\n"), end)
}

async fn written(form: OutputFormat, events: Vec<Event>) -> String {
    output(form, None, events).await.0
}

#[tokio::test]
async fn csv_has_times_in_utc_and_empty_fields_for_missing_values() {
    assert_eq!(
        written(OutputFormat::Csv, two_rows()).await,
        "timestamp,received,source,seq,cpu,freq,load1\n\
         2025-11-22T18:40:01.123Z,2025-11-22T18:40:01.127Z,web-1:1027,1,12.5,,0.40\n\
         2025-11-22T18:40:02.123Z,2025-11-22T18:40:02.127Z,web-1:1027,2,100.0,2400.0,12.345\n"
    );
}

#[tokio::test]
async fn csv_of_a_plain_stream_has_no_sequence_number() {
    let events = vec![stream("a,b".replace(',', " ").as_str(), true), row(None, &[1.0, 2.5])];
    assert_eq!(
        written(OutputFormat::Csv, events).await.lines().last(),
        Some("2025-11-22T18:40:00.123Z,2025-11-22T18:40:00.127Z,web-1:1027,,1.00,2.50")
    );
}

#[tokio::test]
async fn values_stay_under_their_header_when_the_columns_change() {
    let events = vec![
        stream("a b", false),
        row(Some(1), &[1.0, 2.0]),
        stream("b c", false),
        row(Some(2), &[3.0, 4.0]),
    ];
    let (csv, reported, _) = output(OutputFormat::Csv, None, events).await;
    let changed = "web-1:1027: columns changed, but csv keeps those of its header: without c";
    assert_eq!(reported, changed);
    let tails: Vec<_> = csv.lines().map(|line| line.splitn(5, ',').last().unwrap()).collect();
    assert_eq!(tails, ["a,b", "1.00,2.00", ",3.00"]);
}

#[tokio::test]
async fn a_value_in_another_unit_has_a_column_of_its_own() {
    let events = || {
        vec![
            stream("cpu:% temp:°C", false),
            row(Some(1), &[1.0, 20.0]),
            stream("temp:°F cpu:%", false),
            row(Some(2), &[68.0, 2.0]),
        ]
    };
    let (csv, reported, _) = output(OutputFormat::Csv, None, events()).await;
    let tails: Vec<_> = csv.lines().map(|line| line.splitn(5, ',').last().unwrap()).collect();
    assert_eq!(tails, ["cpu,temp", "1.0,20.0", "2.0,"]);
    assert!(reported.ends_with(": without temp_2"), "{reported}");
    let json = written(OutputFormat::Json, events()).await;
    assert!(json.ends_with("\"seq\":2,\"temp_2\":68.0,\"cpu\":2.0}\n"), "{json}");
    let table = written(OutputFormat::Table, events()).await;
    let headings: Vec<_> = table.lines().filter(|line| line.starts_with("time")).collect();
    assert!(headings[0].ends_with("cpu %   temp °C"), "{table}");
    assert!(headings[1].ends_with("temp_2 °F     cpu %"), "{table}");
}

#[tokio::test]
async fn the_csv_of_a_recording_begins_with_the_columns_of_all_runs() {
    let events = vec![
        stream("a b", false),
        row(Some(1), &[1.0, 2.0]),
        stream("c a", false),
        row(Some(2), &[3.0, 4.0]),
    ];
    let schema: Schema = "a b c".parse().unwrap();
    let recorded_columns = schema.columns().to_vec();
    let job = Job { recorded_columns, ..job(OutputFormat::Csv, None, &["two.load"]) };
    let (_, receiver) = queue(events);
    let (csv, reported, _) = output_of(&job, Events::new([receiver])).await;
    let tails: Vec<_> = csv.lines().map(|line| line.splitn(5, ',').last().unwrap()).collect();
    assert_eq!(tails, ["a,b,c", "1.00,2.00,", "4.00,,3.00"]);
    assert!(reported.is_empty(), "{reported:?}");
}

#[tokio::test]
async fn a_stream_without_any_column_of_the_csv_header_begins_another_header() {
    let events = vec![
        stream("cpu:% mem:%", true),
        row(None, &[1.0, 2.0]),
        stream("c1 c2", true),
        row(None, &[300.0, 4.0]),
    ];
    let (csv, reported, _) = output(OutputFormat::Csv, None, events).await;
    let tails: Vec<_> = csv.lines().map(|line| line.splitn(5, ',').last().unwrap()).collect();
    assert_eq!(tails, ["cpu,mem", "1.0,2.0", "cpu,mem,c1,c2", ",,300.00,4.00"]);
    assert!(reported.is_empty(), "{reported}");
}

#[tokio::test]
async fn json_has_an_object_per_line_and_null_for_missing_values() {
    let json = written(OutputFormat::Json, two_rows()).await;
    assert_eq!(
        json.lines().next(),
        Some(
            "{\"timestamp\":\"2025-11-22T18:40:01.123Z\",\"received\":\"2025-11-22T18:40:01.127Z\",\
             \"source\":\"web-1:1027\",\"seq\":1,\"cpu\":12.5,\"freq\":null,\"load1\":0.4}"
        )
    );
    for line in json.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
    }
}

#[tokio::test]
async fn the_table_is_aligned_and_in_local_time() {
    assert_eq!(
        written(OutputFormat::Table, two_rows()).await,
        "time                          seq     cpu %  freq MHz     load1\n\
         2025-11-22 19:40:01.123         1      12.5         -      0.40\n\
         2025-11-22 19:40:02.123         2     100.0    2400.0    12.345\n"
    );
}

#[tokio::test]
async fn raw_has_the_unchanged_lines_of_the_stream() {
    let note = Event::Note(Note::Live);
    let events = vec![stream("a", false), row(Some(1), &[1.0]), note];
    assert_eq!(written(OutputFormat::Raw, events).await, "the line itself\n# live\n");
}

#[tokio::test]
async fn output_ends_after_the_requested_number_of_rows() {
    for events in [two_rows(), two_rows_at_once()] {
        let (csv, _, end) = output(OutputFormat::Csv, Some(1), events).await;
        assert_eq!((csv.lines().count(), end.as_str()), (2, "0 faults, 0 skipped"));
    }
}

#[tokio::test]
async fn a_batch_of_rows_is_written_like_single_rows() {
    for form in [OutputFormat::Csv, OutputFormat::Json, OutputFormat::Table, OutputFormat::Raw] {
        let written_at_once = written(form, two_rows_at_once()).await;
        assert_eq!(written_at_once, written(form, two_rows()).await);
        assert!(written_at_once.lines().count() >= 2);
    }
}

#[tokio::test]
async fn only_a_failed_first_connection_is_fatal() {
    let down = || down("connection refused", false);
    let (_, _, end) = output(OutputFormat::Csv, None, vec![Event::Connecting, down()]).await;
    let hint = "start loadline-agent there, or use loadline USER@HOST";
    assert_eq!(end, format!("cannot connect to web-1:1027: connection refused; {hint}"));
    let unknown = "failed to lookup address information: Name or service not known";
    assert_eq!(
        super::connect_error("a.load:1027", unknown),
        format!(
            "cannot connect to a.load:1027: {unknown}; check the name, or write ./a.load for a file"
        )
    );
    let faults = Event::Faults {
        count: 3,
        first: SafeText::new("no number"),
        last: SafeText::new("no number"),
    };
    let outage = vec![faults, Event::Skipped { count: 7 }, down(), Event::Connecting, down()];
    let events = [two_rows(), outage].concat();
    let (_, reported, end) = output(OutputFormat::Csv, None, events).await;
    assert_eq!(end, "3 faults, 7 skipped");
    assert_eq!(
        reported,
        "web-1:1027: rows are skipped because they arrive too fast or too late\n\
         web-1:1027: connection lost, reconnecting: connection refused"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_sends_a_row_is_given_up() {
    let hint = "check the port, or give --interval if its rows are further apart";
    let lost = || [Event::Connected, down("closed by the server", false)];
    for (interval_s, events, seconds) in [
        (1, vec![Event::Connected], 30),
        (60, vec![Event::Connected], 150),
        (1, [lost(), lost()].concat(), 30),
    ] {
        let (_sender, receiver) = queue(events);
        let interval = Some(Duration::from_secs(interval_s));
        let job = Job { interval, ..job(OutputFormat::Csv, None, &["x"]) };
        let begin = Instant::now();
        let (text, _, end) = output_of(&job, Events::new([receiver])).await;
        let within = DurationText(Duration::from_secs(seconds));
        assert_eq!((text.as_str(), end), ("", format!("x: no row within {within}; {hint}")));
        assert_eq!(begin.elapsed().as_secs(), seconds);
    }
    // Another source goes on, and so does a header whose rows are far apart.
    let (_silent, silent) = queue([Event::Connected]);
    let (late, running) = queue([Event::Connected, stream("a", false)]);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_hours(1)).await;
        late.send(row(Some(1), &[1.0])).await.unwrap();
        std::future::pending::<()>().await;
    });
    let job = job(OutputFormat::Csv, Some(1), &["x", "y"]);
    let (text, reported, end) = output_of(&job, Events::new([silent, running])).await;
    assert!(text.contains(",y,1,1"), "{text}");
    assert_eq!(reported, [format!("x: no row within 30s; {hint}")]);
    assert_eq!(end, "0 faults, 0 skipped");
}

#[tokio::test]
async fn a_name_is_no_formula_in_a_spreadsheet() {
    let columns = "+1+1 +a -b:% @c ＝d e-f 'g";
    let row = row(Some(1), &[-5.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let events = vec![Event::Connected, stream(columns, false), row];
    for (name, expected) in [("=x", "'=x"), (" @x", "' @x"), ("web-1", "web-1"), ("\tx", "'\tx")] {
        let (_sender, receiver) = queue(events.clone());
        let job = job(OutputFormat::Csv, Some(1), &[name]);
        let (text, ..) = output_of(&job, Events::new([receiver])).await;
        let (heading, line) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(heading, "timestamp,received,source,seq,'+1+1,'+a,'-b,'@c,'＝d,e-f,'g");
        assert!(line.contains(&format!(",{expected},1,-5.")), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lack_of_rows_is_reported_once_and_so_is_its_end() {
    let reported = async |silence: Vec<Event>| {
        let row = |seq| row(Some(seq), &[1.0, 2.0, 3.0]);
        let events = [two_rows(), silence, vec![row(3), row(4)]].concat();
        output(OutputFormat::Csv, Some(4), events).await.1
    };
    let overdue = |overdue| Event::Overdue(overdue);
    let asked = reported(vec![overdue(Overdue::Asked)]).await;
    assert_eq!(asked, "", "the answer follows");
    assert_eq!(
        reported(vec![overdue(Overdue::Asked), overdue(Overdue::NotSampling)]).await,
        "web-1:1027: the agent answers, but takes no samples\nweb-1:1027: rows arrive again"
    );
    assert_eq!(
        reported(vec![overdue(Overdue::Asked), down("no answer for 10 s", false)]).await,
        "web-1:1027: connection lost, reconnecting: no answer for 10 s\nweb-1:1027: rows arrive again"
    );
}

#[tokio::test]
async fn a_refused_request_is_not_repeated() {
    let events = vec![Event::Connected, down("unknown column x", true)];
    let (_, _, end) = output(OutputFormat::Csv, None, events).await;
    assert_eq!(end, "web-1:1027: unknown column x");
}

#[tokio::test(start_paused = true)]
async fn a_blocked_reader_does_not_prevent_stopping() {
    let (_sender, receiver) = queue(two_rows());
    let (full, _other_end) = tokio::io::duplex(10);
    let stop = tokio::time::sleep(Duration::from_secs(1));
    let job = job(OutputFormat::Csv, None, &["x"]);
    run(&job, Events::new([receiver]), full, quiet(), stop).await.unwrap();
}

#[tokio::test]
async fn a_slow_history_shows_its_progress() {
    let row_at = |taken: i64, received: i64| {
        let (time, received) = (Time::from_millis(taken), Time::from_millis(received));
        Event::Rows(Rows::one(Sample { time, seq: None, received, values: &[1.0], line: None }))
    };
    let written = |rows: &[(i64, i64)]| {
        let now = Some(Time::from_millis(100_000));
        let header = Some(Header { now, ..Header::default() });
        let schema = "cpu:%".parse::<Schema>().unwrap().with_stamp(Stamp::TimeSeq);
        let stream = Event::Stream(Arc::new(StreamInfo { header, schema }));
        let rows = rows.iter().map(|(taken, received)| row_at(*taken, *received));
        let events: Vec<Event> =
            [Event::Connected, stream].into_iter().chain(rows).chain([Event::Live]).collect();
        let job = job(OutputFormat::Csv, None, &["web-1"]);
        async move {
            let (mut out, mut terminal) = (Vec::new(), Vec::new());
            let progress = ProgressLine::new(Some(&mut terminal), |_: &str| {});
            let (_, receiver) = queue(events);
            let end = Events::new([receiver]);
            run(&job, end, &mut out, progress, std::future::pending()).await.unwrap();
            String::from_utf8(terminal).unwrap().replace("\r\x1b[K", "|")
        }
    };
    let slow =
        [(0, 900_000), (20_000, 900_500), (37_500, 901_000), (37_600, 902_000), (99_000, 903_000)];
    assert_eq!(written(&slow).await, "|loading web-1: 37 %|loading web-1: 99 %|");
    assert_eq!(written(&slow[..2]).await, "", "a fast history needs no report");
}

#[tokio::test]
async fn a_further_answer_for_the_same_rows_repeats_no_heading() {
    let answer = |run| {
        let header = Some(Header { run: Some(loadline_protocol::RunId(run)), ..Header::default() });
        let schema = "cpu:%".parse::<Schema>().unwrap().with_stamp(Stamp::TimeSeq);
        Event::Stream(Arc::new(StreamInfo { header, schema }))
    };
    let headings = |second| async move {
        let events = vec![
            Event::Connected,
            answer(1),
            row(Some(1), &[1.0]),
            answer(second),
            row(Some(2), &[2.0]),
        ];
        let job = job(OutputFormat::Table, Some(2), &["x"]);
        let (table, ..) = output_of(&job, Events::new([queue(events).1])).await;
        table.lines().filter(|line| line.starts_with("time")).count()
    };
    assert_eq!((headings(1).await, headings(2).await), (1, 2));
}

#[tokio::test]
async fn a_closed_reader_is_a_normal_end() {
    let (_sender, receiver) = queue(two_rows());
    let (closed, other_end) = tokio::io::duplex(10);
    drop(other_end);
    let job = job(OutputFormat::Csv, None, &["x"]);
    run(&job, Events::new([receiver]), closed, quiet(), std::future::pending()).await.unwrap();
}

/// Writes the events of two sources. Returns the written text, the messages and the result.
async fn output_of_two(
    format: OutputFormat,
    count: Option<u64>,
    sources: [Vec<Event>; 2],
) -> (String, Vec<String>, String) {
    let links = Events::new(sources.map(|events| queue(events).1));
    output_of(&job(format, count, &["web-1", "web-2"]), links).await
}

fn source(columns: &str, rows: &[(u64, &[f64])]) -> Vec<Event> {
    let rows = rows.iter().map(|(seq, values)| row(Some(*seq), values));
    [Event::Connected, stream(columns, false)].into_iter().chain(rows).collect()
}

/// Returns the lines of csv from the source on, without the times.
fn tails(csv: &str) -> Vec<&str> {
    csv.lines().map(|line| line.splitn(3, ',').nth(2).unwrap()).collect()
}

#[tokio::test]
async fn csv_of_several_sources_has_all_columns_and_the_source_of_each_row() {
    let sources =
        [source("cpu:% mem:%", &[(1, &[1.0, 2.0])]), source("mem:% temp", &[(7, &[3.0, 4.0])])];
    let (csv, reported, _) = output_of_two(OutputFormat::Csv, None, sources).await;
    assert_eq!(tails(&csv)[0], "source,seq,cpu,mem,temp");
    let mut rows = tails(&csv)[1..].to_vec();
    rows.sort_unstable();
    assert_eq!(rows, ["web-1,1,1.0,2.0,", "web-2,7,,3.0,4.00"]);
    assert!(reported.is_empty());
}

#[tokio::test]
async fn json_and_table_have_the_source_of_each_row() {
    let sources = || [source("a", &[(1, &[1.0])]), source("b", &[(7, &[3.0])])];
    let (json, ..) = output_of_two(OutputFormat::Json, None, sources()).await;
    let rows: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| rows.iter().find(|row| row["source"] == name).unwrap();
    assert_eq!((of("web-1")["a"].as_f64(), of("web-2")["b"].as_f64()), (Some(1.0), Some(3.0)));
    let (table, ..) = output_of_two(OutputFormat::Table, None, sources()).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "time                     source       seq         a         b");
    assert!(lines.contains(&"2025-11-22 19:40:07.123  web-2          7                3.00"));
    assert_eq!(lines.len(), 3, "the headings are written once");
}

#[tokio::test]
async fn rows_of_all_sources_are_counted_together() {
    let rows: Vec<(u64, &[f64])> = (1..=9).map(|seq| (seq, &[1.0][..])).collect();
    let sources = [source("a", &rows), source("a", &rows)];
    let (csv, ..) = output_of_two(OutputFormat::Csv, Some(5), sources).await;
    assert_eq!(csv.lines().count(), 1 + 5);
    let of = |name: &str| csv.lines().filter(|line| line.contains(name)).count();
    assert!(of("web-1") >= 2 && of("web-2") >= 2, "sources take turns: {csv}");
}

#[tokio::test]
async fn an_unreachable_source_is_reported_and_the_others_are_written() {
    let dead = || vec![Event::Connecting, down("refused", false), down("refused", false)];
    let other = source("a", &[(1, &[1.0])]);
    let (csv, reported, _) = output_of_two(OutputFormat::Csv, None, [dead(), other]).await;
    assert_eq!(tails(&csv), ["source,seq,a", "web-2,1,1.00"]);
    assert_eq!(reported, ["cannot connect to web-1: refused"]);
    let (csv, reported, end) = output_of_two(OutputFormat::Csv, None, [dead(), dead()]).await;
    assert_eq!((csv.as_str(), end.as_str()), ("", "cannot connect to web-2: refused"));
    assert_eq!(reported, ["cannot connect to web-1: refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_source_delays_the_header_by_a_second_and_its_later_columns_are_reported() {
    let (_sender, first) = queue(source("a", &[(1, &[1.0])]));
    let (sender, second) = queue([Event::Connected]);
    let late = async {
        tokio::time::sleep(BEGIN_TIMEOUT * 2).await;
        for event in source("a b", &[(2, &[3.0, 4.0])]).into_iter().skip(1) {
            sender.send(event).await.unwrap();
        }
    };
    let job = job(OutputFormat::Csv, Some(2), &["web-1", "web-2"]);
    let ((), (csv, reported, end)) =
        tokio::join!(late, output_of(&job, Events::new([first, second])));
    assert_eq!(end, "0 faults, 0 skipped");
    assert_eq!(tails(&csv), ["source,seq,a", "web-1,1,1.00", "web-2,2,3.00"]);
    assert_eq!(reported, ["web-2: columns changed, but csv keeps those of its header: without b"]);
}

#[tokio::test(start_paused = true)]
async fn output_of_files_ends_with_the_last_and_reports_failed_files() {
    let ended = |failed| Event::Ended { reason: SafeText::new("disk error"), failed };
    let file = |rows: &[(u64, &[f64])], failed| {
        [vec![Event::Replaying], source("a", rows), vec![Event::Live, ended(failed)]].concat()
    };
    let whole = || file(&[(1, &[1.0]), (2, &[2.0])], false);
    let empty = || vec![Event::Replaying, ended(false)];
    let check = async |files, rows, messages: &[&str]| {
        let (csv, reported, end) = output_of_two(OutputFormat::Csv, None, files).await;
        assert_eq!((csv.lines().count(), end.as_str()), (rows, "0 faults, 0 skipped"));
        assert_eq!(reported, messages);
    };
    check([file(&[(7, &[3.0])], true), whole()], 1 + 3, &["web-1: disk error"]).await;
    check([empty(), whole()], 1 + 2, &[]).await;
    check([empty(), empty()], 0, &[]).await;
}

#[tokio::test]
async fn rows_outside_the_range_are_left_out_and_a_live_source_ends_with_it() {
    let time = |seq: i64| Some(Time::from_millis(1_763_836_800_123 + 1000 * seq));
    let bounds = TimeBounds { from: time(2), to: time(3) };
    let job = Job { bounds, ..job(OutputFormat::Csv, None, &["x"]) };
    let seqs = async |receiver: mpsc::Receiver<Event>| {
        let (csv, ..) = output_of(&job, Events::new([receiver])).await;
        let seqs = csv.lines().skip(1).map(|row| row.split(',').nth(3).unwrap().to_owned());
        seqs.collect::<Vec<_>>()
    };
    let events = |first, seqs: &[u64]| -> Vec<Event> {
        let rows = seqs.iter().map(|seq| row(Some(*seq), &[1.0]));
        [first, stream("cpu:%", false)].into_iter().chain(rows).collect()
    };
    // The channel stays open, so the range must end the output.
    let (_sender, receiver) = queue(events(Event::Connected, &[1, 2, 3, 4, 5]));
    assert_eq!(seqs(receiver).await, ["2", "3"]);
    // A recording in which a clock was set back is read to its end.
    let (sender, receiver) = queue(events(Event::Replaying, &[1, 3, 4, 2, 5]));
    drop(sender);
    assert_eq!(seqs(receiver).await, ["3", "2"]);
}

/// Stream of an agent with looks.
fn agent_stream() -> Event {
    let header = Header { agent: Some("0.2.0".into()), top: Some(5), ..Header::default() };
    let schema = "cpu:%".parse::<Schema>().unwrap().with_stamp(Stamp::TimeSeq);
    Event::Stream(Arc::new(StreamInfo { header: Some(header), schema }))
}

fn process(pid: u32, name: &str) -> Process {
    Process { pid, name: name.into(), cpu: Some(44.0), mem: 4096, ..Process::default() }
}

/// Look before the row `seq`.
fn look(seq: i64, processes: Vec<Process>) -> Event {
    let time = Time::from_millis(1_763_836_800_123 + 1000 * seq - 1000);
    let top = Top { time, over: Some(5.0), ..Top::default() };
    Event::Look(Arc::new(Look { top, processes }))
}

fn looks(seqs: &[i64]) -> Vec<Event> {
    let groups = seqs.iter().flat_map(|seq| {
        let processes = vec![process(1, "init"), process(2, &format!("p{seq}"))];
        [look(*seq, processes), row(Some(*seq as u64), &[1.0])]
    });
    [Event::Connected, agent_stream()].into_iter().chain(groups).collect()
}

/// Returns the fields name and user of the lines of `-o top`.
fn names(csv: &str) -> Vec<String> {
    csv.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn top_has_a_line_for_each_process_of_each_look() {
    let full = Process {
        user: Some("-x".into()),
        unit: Some("a,b \"c\".service".into()),
        cpu: Some(44.12),
        io: Some(1_048_576.0),
        ..process(812, "=cmd()")
    };
    let unknown = Process { cpu: None, ..process(77, " @x") };
    let events =
        vec![Event::Connected, agent_stream(), look(1, vec![full, unknown]), row(Some(1), &[1.0])];
    assert_eq!(
        written(OutputFormat::Top, events).await,
        "timestamp,source,pid,name,user,unit,cpu,mem,io\n\
         2025-11-22T18:40:00.123Z,web-1:1027,812,'=cmd(),'-x,\"a,b \"\"c\"\".service\",44.12,4096,1048576\n\
         2025-11-22T18:40:00.123Z,web-1:1027,77,' @x,,,,4096,\n"
    );
}

#[tokio::test]
async fn top_counts_looks_of_all_sources_and_each_is_whole() {
    let (text, _, end) = output(OutputFormat::Top, Some(2), looks(&[1, 2, 3])).await;
    assert_eq!(names(&text), ["init", "p1", "init", "p2"]);
    assert_eq!(end, "0 faults, 0 skipped");
    let sources = [looks(&[1, 2, 3]), looks(&[1, 2, 3])];
    let (text, ..) = output_of_two(OutputFormat::Top, Some(4), sources).await;
    assert_eq!(text.lines().count(), 1 + 8);
    assert!(text.contains(",web-1,") && text.contains(",web-2,"), "{text}");
}

#[tokio::test]
async fn top_has_the_looks_in_the_range() {
    let time = |seq: i64| Some(Time::from_millis(1_763_836_800_123 + 1000 * seq));
    let bounds = TimeBounds { from: time(1), to: time(2) };
    let job = Job { bounds, ..job(OutputFormat::Top, None, &["x"]) };
    // The channel stays open, so the range must end the output.
    let (_sender, receiver) = queue(looks(&[1, 2, 3, 4]));
    let (text, ..) = output_of(&job, Events::new([receiver])).await;
    assert_eq!(names(&text), ["init", "p2", "init", "p3"]);
    let is_range_empty = async |bounds, seqs: &[i64]| {
        let (_sender, receiver) = queue([looks(seqs), vec![row(Some(9), &[1.0])]].concat());
        let job = Job { bounds, ..job.clone() };
        let stop = tokio::time::sleep(Duration::from_millis(50));
        let run = run(&job, Events::new([receiver]), Vec::new(), quiet(), stop);
        run.await.unwrap().is_range_empty
    };
    assert!(is_range_empty(bounds, &[8]).await);
    assert!(!is_range_empty(bounds, &[2]).await);
    assert!(!is_range_empty(TimeBounds::default(), &[]).await);
}

#[tokio::test(start_paused = true)]
async fn a_source_without_processes_is_an_error_of_top() {
    let ended = || Event::Ended { reason: SafeText::new("end of input"), failed: false };
    let header = |agent: Option<&str>| {
        let header = Header { agent: agent.map(SafeText::new), ..Header::default() };
        let schema = "a".parse().unwrap();
        Event::Stream(Arc::new(StreamInfo { header: Some(header), schema }))
    };
    let rows = || row(Some(1), &[1.0]);
    let old = "x: no processes: the agent is older, or runs with --top 0";
    for (events, messages, expected) in [
        (vec![Event::Connected, header(Some("0.1.0")), rows()], 0, old),
        (vec![Event::Connected, header(None)], 0, "x: no processes: the source is no agent"),
        // A late header may follow plain rows.
        (
            vec![Event::Connected, stream("a", true), row(None, &[1.0])],
            1,
            "x: no processes: the source sends only rows",
        ),
        (vec![Event::Connected, stream("a", true), agent_stream(), look(1, vec![])], 1, ""),
        // A later run of a recording may have looks.
        (vec![Event::Replaying, header(Some("0.1.0")), rows(), ended()], 0, old),
        (
            vec![Event::Replaying, agent_stream(), rows(), ended()],
            0,
            "x: no processes: none are recorded",
        ),
        (vec![Event::Replaying, header(None), agent_stream(), look(1, vec![]), ended()], 0, ""),
    ] {
        let case = format!("{events:?}");
        let (_sender, receiver) = queue(events);
        let job = job(OutputFormat::Top, (expected.is_empty()).then_some(1), &["x"]);
        let begin = Instant::now();
        let (_, reported, end) = output_of(&job, Events::new([receiver])).await;
        let end = if expected.is_empty() { end.replace("0 faults, 0 skipped", "") } else { end };
        assert_eq!((reported.len(), end.as_str()), (messages, expected), "{case}");
        assert!(begin.elapsed() <= Duration::from_secs(30), "{case}");
    }
    // The other source goes on.
    let sources = [vec![Event::Connected, header(Some("0.1.0"))], looks(&[1])];
    let (text, reported, _) = output_of_two(OutputFormat::Top, None, sources).await;
    assert_eq!(names(&text), ["init", "p1"]);
    assert_eq!(reported, ["web-1: no processes: the agent is older, or runs with --top 0"]);
}

#[tokio::test]
async fn looks_are_lines_of_raw_and_of_no_other_output() {
    let raw = written(OutputFormat::Raw, looks(&[1])).await;
    let expected = "# top time=1763836800.123 over=5.0\n\
                    # proc pid=1 name=init cpu=44.0 mem=4096\n\
                    # proc pid=2 name=p1 cpu=44.0 mem=4096\nthe line itself\n";
    assert_eq!(raw, expected);
    for format in [OutputFormat::Csv, OutputFormat::Json, OutputFormat::Table] {
        assert!(!written(format, looks(&[1])).await.contains("init"), "{format:?}");
    }
    let (raw, ..) = output(OutputFormat::Raw, Some(1), looks(&[1, 2])).await;
    assert_eq!(raw, expected);
}
