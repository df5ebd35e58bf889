//! Events of a connection, as text: one word per event.

use loadline_protocol::LISTED_MAX;
use proptest::prelude::*;

use super::super::read_options::TypedRequest;
use super::output::WAITING_LOOKS_MAX;
use super::*;
use crate::event::{PastEvent, Rows, Sample};
use crate::import::ImportOptions;

const HEADER: &str =
    "# loadline/1 run=0000000a host=web-1 interval=1000ms\n# columns time:s seq a b\n";

/// Returns an event as a word.
fn short(event: &Event) -> String {
    match event {
        Event::Stream(stream) => {
            let kind = if stream.header.is_some() { "stream" } else { "plain" };
            format!("{kind}({})", stream.schema)
        }
        Event::Rows(rows) => rows.iter().map(row).collect::<Vec<_>>().join(" "),
        Event::Skipped { count } => format!("skipped({count})"),
        Event::Faults { count, .. } => format!("faults({count})"),
        Event::Live => "live".to_owned(),
        Event::Misnamed => "misnamed".to_owned(),
        Event::Warning(text) => format!("<{text}>"),
        Event::Look(look) => {
            let processes = look.processes.iter().map(|process| process.name.to_string());
            format!("look({}: {})", look.top.time, processes.collect::<Vec<_>>().join(","))
        }
        Event::Past(PastEvent::Stream(stream)) => format!("past({})", stream.schema),
        Event::Past(PastEvent::Rows(rows)) => {
            rows.iter().map(|sample| format!("past-{}", row(sample))).collect::<Vec<_>>().join(" ")
        }
        Event::Past(PastEvent::Look(look)) => format!("past-look({})", look.processes.len()),
        Event::Past(PastEvent::Skipped { count }) => format!("past-skipped({count})"),
        other => format!("{other:?}"),
    }
}

fn row(sample: Sample<'_>) -> String {
    let seq = sample.seq.map_or(String::new(), |seq| format!("#{seq}"));
    format!("{}{seq}={:?}", sample.time.as_millis(), sample.values)
}

/// Returns the rows among events.
fn rows(events: &[Event]) -> impl Iterator<Item = Sample<'_>> {
    let rows = events.iter().filter_map(|event| match event {
        Event::Rows(rows) => Some(rows),
        _ => None,
    });
    rows.flat_map(Rows::iter)
}

/// Consecutive connections to one source.
struct Case {
    reader: StreamReader,
    now: i64,
}

impl Case {
    fn new() -> Case {
        Case::reading(StreamReader::new(ReadOptions::default()))
    }

    fn reading(reader: StreamReader) -> Case {
        Case { reader, now: 5000 }
    }

    fn columns(names: &str) -> Case {
        let columns = Some(names.split(',').map(str::to_owned).collect());
        Case::reading(StreamReader::new(ReadOptions { columns, ..ReadOptions::default() }))
    }

    fn keeping_lines() -> Case {
        let options = ReadOptions { keep_lines: true, ..ReadOptions::default() };
        Case::reading(StreamReader::new(options))
    }

    /// Returns the events of a connection that receives `stream`, then nothing until the timeout.
    fn connection(&mut self, stream: &str) -> String {
        self.reader.reconnect();
        self.feed(stream);
        self.reader.decide_plain();
        let events =
            self.reader.drain_events().filter(|event| !matches!(event, Event::Imported(_)));
        events.map(|event| short(&event)).collect::<Vec<_>>().join(" ")
    }

    fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Option<Disconnect> {
        self.reader.feed(bytes.as_ref(), Time::from_millis(self.now))
    }

    fn events(&mut self) -> Vec<Event> {
        self.reader.drain_events().collect()
    }
}

#[test]
fn a_subscribed_stream_has_its_own_times() {
    let rows = "1.000 7 1 2\n2.000 8 3 nan\n# live\n";
    assert_eq!(
        Case::new().connection(&format!("{HEADER}{rows}")),
        "stream(time:s seq a b) 1000#7=[1.0, 2.0] 2000#8=[3.0, NaN] live"
    );
}

#[test]
fn the_oldest_sample_is_known_after_the_header_of_another_run() {
    let mut case = Case::new();
    let oldest = |case: &Case| case.reader.header().and_then(|header| header.oldest);
    let answer = "# loadline/1 run=0000000a interval=1000ms now=5.000 oldest=1.000\n";
    let columns = "# columns time:s seq a\n";
    case.feed(format!("{answer}{columns}4.000 4 1\n{}5.000 1 1\n", run_header(11, "1s", "a")));
    assert_eq!(oldest(&case), Some(Time::from_millis(1000)));
    // An agent of an earlier version has taken its place.
    case.reader.reconnect();
    case.feed(format!("# loadline/1 run=0000000c now=6.000\n{columns}6.000 1 1\n"));
    assert_eq!(oldest(&case), None);
}

#[test]
fn plain_rows_before_the_header_are_dropped() {
    let stream = format!("1 2 3 4 5 6\n{HEADER}1.000 7 1 2\n");
    assert_eq!(Case::new().connection(&stream), "stream(time:s seq a b) 1000#7=[1.0, 2.0]");
}

/// Returns the events of earlier samples from 1 s to before 5 s, for which a history of 100 s was requested.
fn earlier(case: &mut Case, lines: &str) -> String {
    case.connection(&format!("{HEADER}90.000 90 1 2\n"));
    let span = Time::from_millis(1000)..Time::from_millis(5000);
    case.reader.past = Some(PastReader::new(span, Duration::from_secs(100)));
    case.feed(lines);
    let events = case.events();
    events.iter().map(short).collect::<Vec<_>>().join(" ")
}

#[test]
fn earlier_samples_come_beside_the_rows() {
    let lines = format!(
        "{HEADER}# past # loadline/1 run=0000000a\n# past # columns time:s seq a b\n\
         # past 0.500 1 1 2\n# past 1.000 2 3 4\n91.000 91 1 2\n\
         # past # top time=2.000 over=5.0\n# past # proc pid=1 name=a cpu=1.0 mem=1\n# past 2.000 3 5 6\n\
         # past 3.000 4 5\n# past 2.000 5 5 6\n# past # skipped from=6 to=7\n\
         # past # loadline/1 run=0000000b\n# past # columns time:s seq b c:%\n# past 4.000 1 7 8\n\
         # past 5.000 2 9 9\n# past # live\n# past 4.500 3 9 9\n"
    );
    let mut case = Case::new();
    let expected = "stream(time:s seq a b) past(time:s seq a b) past-1000#2=[3.0, 4.0] 91000#91=[1.0, 2.0] \
                    past-look(1) past-2000#3=[5.0, 6.0] past-skipped(2) past(time:s seq b c:%) \
                    past-4000#1=[7.0, 8.0] faults(2)";
    assert_eq!(earlier(&mut case, &lines), expected);
    assert!(case.reader.past.as_ref().unwrap().is_complete);
    // The columns are those that were chosen.
    let expected = "past(time:s seq b) past-1000#2=[4.0]";
    let first = lines.split("91.000").next().unwrap();
    assert!(earlier(&mut Case::columns("b"), first).ends_with(expected));
}

#[test]
fn earlier_samples_that_nobody_asked_for_are_comments() {
    let lines = "# past # loadline/1\n# past # columns time:s a\n# past 1.000 1\n# past # live\n";
    let mut case = Case::new();
    let stream = format!("{HEADER}1.000 7 1 2\n{lines}2.000 8 1 2\n");
    let rows = "stream(time:s seq a b) 1000#7=[1.0, 2.0] 2000#8=[1.0, 2.0]";
    assert_eq!(case.connection(&stream), rows);
    // Lines before the answer belong to an earlier request.
    assert_eq!(earlier(&mut case, lines), "");
}

#[test]
fn a_request_that_was_read_late_lacks_its_first_samples() {
    let header = HEADER.replace("web-1", "web-1 now=103.000");
    let mut case = Case::new();
    earlier(&mut case, &header);
    let span = case.reader.past.unwrap().span;
    assert_eq!(span, Time::from_millis(3000)..Time::from_millis(5000));
}

#[test]
fn a_new_run_does_not_change_the_oldest_sample_of_the_agent() {
    let answer = HEADER.replace("web-1", "web-1 now=90.000 oldest=7.000");
    let mut case = Case::new();
    case.connection(&format!("{answer}90.000 90 1 2\n{}", HEADER.replace("0a", "0b")));
    let oldest = |case: &Case| case.reader.header().and_then(|header| header.oldest);
    assert_eq!(oldest(&case), Some(Time::from_millis(7000)));
    case.feed(HEADER.replace("web-1", "web-1 now=95.000"));
    assert_eq!(oldest(&case), None, "another agent has answered");
    // A recording cannot be asked.
    let mut file = Case::reading(StreamReader::without_request(ReadOptions::default()));
    file.feed(&answer);
    assert_eq!(oldest(&file), None);
}

#[test]
fn a_server_that_does_not_know_requests_is_read_as_a_plain_stream() {
    assert_eq!(
        Case::new().connection("1 2 3 4 5 6\n"),
        "plain(cpu:% freq:MHz mem:% load1 load5 load15) 5000=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]"
    );
    assert_eq!(Case::new().connection("1;2\n"), "plain(c1 c2) 5000=[1.0, 2.0]");
}

#[test]
fn no_sample_is_delivered_twice_after_a_reconnect() {
    let mut case = Case::new();
    case.connection(&format!("{HEADER}1.000 7 1 2\n2.000 8 1 2\n"));
    let again = format!("{HEADER}2.000 8 1 2\n3.000 9 5 6\n");
    assert_eq!(case.connection(&again), "stream(time:s seq a b) 3000#9=[5.0, 6.0]");
    let resume = case.reader.resume_state().last.map(|resume| resume.to_string());
    assert_eq!(resume.as_deref(), Some("0000000a:9"));
    // Another run numbers its samples from 1, and its clock may be behind.
    let other = again.replace("0000000a", "0000000b");
    assert_eq!(
        case.connection(&other),
        "stream(time:s seq a b) 2000#8=[1.0, 2.0] 3000#9=[5.0, 6.0]"
    );
}

#[test]
fn invalid_lines_are_counted_and_skipped() {
    let lines = "hello\n1.000 7 1 2\n2.000 8 1\n2.000 8 inf 2\n# skipped from=x\n0.5 9 1 2\n\n3.000 9 1 2\n";
    assert_eq!(
        Case::new().connection(&format!("{HEADER}{lines}")),
        "stream(time:s seq a b) faults(1) 1000#7=[1.0, 2.0] faults(4) 3000#9=[1.0, 2.0]"
    );
}

#[test]
fn a_first_line_with_another_number_of_fields_is_skipped() {
    assert_eq!(
        Case::new().connection("2026\n1 2\n3 4\n"),
        "plain(c1 c2) faults(1) 5000=[1.0, 2.0] 5001=[3.0, 4.0]"
    );
}

#[test]
fn a_plain_stream_keeps_its_columns_across_a_reconnect_unless_three_rows_differ() {
    let mut case = Case::new();
    case.connection("1 2\n");
    assert_eq!(case.connection("7\n3 4\n"), "plain(c1 c2) faults(1) 5001=[3.0, 4.0]");
    assert_eq!(
        case.connection("7\n8\n9\n"),
        "plain(c1 c2) <rows have 1 column now, not 2: named c1, c2, …> \
         plain(c1) 5002=[7.0] 5003=[8.0] 5004=[9.0]"
    );
    assert_eq!(case.connection("7\n8\n"), "plain(c1) 5005=[7.0] 5006=[8.0]");
}

#[test]
fn no_row_is_lost_when_a_log_gains_a_column() {
    let (events, _) = read_recording("1 2\n3 4\n5 6 7\n8 9 10\n11 12 13\n14 15 16\n", None);
    assert_eq!(
        events,
        "plain(c1 c2) 1000=[1.0, 2.0] 2000=[3.0, 4.0] \
         <rows have 3 columns now, not 2: the first columns keep their names> plain(c1 c2 c3) \
         3000=[5.0, 6.0, 7.0] 4000=[8.0, 9.0, 10.0] 5000=[11.0, 12.0, 13.0] 6000=[14.0, 15.0, 16.0]"
    );
    let (events, _) = read_recording("1 2\n3 4\n5 6 7\n8 9 10\n11 12 13\n", Some("temp:°C,fan"));
    assert!(
        events.ends_with(
            "plain(temp:°C fan c3) 3000=[5.0, 6.0, 7.0] 4000=[8.0, 9.0, 10.0] \
             5000=[11.0, 12.0, 13.0]"
        ),
        "{events}"
    );
    // A selection stays as it is.
    let six = "1 2 3 4 5 6\n".repeat(2);
    let seven = "7 8 9 10 11 12 13\n".repeat(3);
    let (events, _) = read_recording(&format!("{six}{seven}"), Some("mem,cpu"));
    assert!(events.ends_with("3000=[9.0, 7.0] 4000=[9.0, 7.0] 5000=[9.0, 7.0]"), "{events}");
}

#[test]
fn few_rows_of_another_length_are_faults() {
    let faults = |text: &str| read_recording(text, None).0;
    assert_eq!(
        faults("0 1\n1 2\n1 2 31 2\n3 4\n"),
        "plain(c1 c2) 1000=[0.0, 1.0] 2000=[1.0, 2.0] faults(1) 3000=[3.0, 4.0]"
    );
    assert_eq!(
        faults("0 1\n1 2\n1 2 3\n1 2 3\n1\n3 4\n1 2 3\n"),
        "plain(c1 c2) 1000=[0.0, 1.0] 2000=[1.0, 2.0] faults(3) 3000=[3.0, 4.0] faults(1)"
    );
}

#[test]
fn a_row_that_contradicts_the_standard_columns_renames_them() {
    let good = "12.5 2400.0 43.1 0.52 0.44 0.40\n";
    let other = "1763836800 12.5 2400.0 43.1 0.52 0.44\n";
    let mut case = Case::new();
    let text = case.connection(&format!("{good}{other}"));
    assert_eq!(
        text,
        "plain(cpu:% freq:MHz mem:% load1 load5 load15) 5000=[12.5, 2400.0, 43.1, 0.52, 0.44, 0.4] \
         <values are not those of cpu, freq, mem and load: columns are named c1 to c6> misnamed \
         plain(c1 c2 c3 c4 c5 c6) 5001=[1763836800.0, 12.5, 2400.0, 43.1, 0.52, 0.44]"
    );
    // The next connection knows it.
    assert!(case.connection(good).starts_with("plain(c1 c2 c3 c4 c5 c6) 5002="));
    assert!(Case::new().connection(other).starts_with("plain(c1 c2 c3 c4 c5 c6) 5000="));
    // Names of the user stay.
    let text = Case::columns("t,a,b,c,d,e").connection(&format!("{good}{other}"));
    assert!(
        text.starts_with("plain(t a b c d e) 5000=[12.5,") && text.contains(" 5001="),
        "{text}"
    );
    // A selection of columns that the stream does not have is refused.
    let mut case = Case::columns("mem,cpu");
    case.reader.reconnect();
    case.feed(good);
    case.reader.decide_plain();
    let end = case.feed(other).unwrap();
    assert_eq!(end.reason.as_str(), "unknown column \"mem\"; available: c1, c2, c3, c4, c5, c6");
}

#[test]
fn comments_of_a_plain_stream_keep_their_position() {
    let mut case = Case::keeping_lines();
    assert_eq!(
        case.connection("1\n# deploy\n2\n"),
        "plain(c1) 5000=[1.0] Note(Other(SafeText(\"deploy\"))) 5001=[2.0]"
    );
}

#[test]
fn comments_and_rows_wait_for_a_header_only_up_to_a_maximum() {
    for line in ["# deploy\n", "1 2\n"] {
        let mut case = Case::keeping_lines();
        let mut take = |text: &str| {
            case.feed(text);
            (case.reader.is_undecided(), !case.events().is_empty())
        };
        assert_eq!(take(&line.repeat(PENDING_LINES_MAX - 1)), (true, false), "{line}");
        assert_eq!(take(line), (false, true), "{line}");
    }
}

#[test]
fn a_stamped_stream_without_a_run_goes_on_when_its_clock_was_set_back() {
    let mut case = Case::new();
    case.connection("# columns time:s a\n9.000 1\n");
    let again = case.connection("# columns time:s a\n5.000 2\n");
    assert_eq!(again, "plain(time:s a) 5000=[2.0]");
}

#[test]
fn columns_name_a_plain_stream_or_choose_from_the_known_one() {
    let six = "1 2 3 4 5 6\n";
    assert_eq!(Case::columns("x:V,y").connection("1 2\n"), "plain(x:V y) 5000=[1.0, 2.0]");
    assert_eq!(Case::columns("mem,cpu").connection(six), "plain(mem:% cpu:%) 5000=[3.0, 1.0]");
    assert_eq!(Case::columns("x,y").connection(six), "faults(1)");
    assert_eq!(Case::columns("x,x").connection("1 2\n"), "faults(1)");
}

#[test]
fn a_heading_names_the_columns_of_the_rows_below_it() {
    let csv = "time,cpu,temp:°C\n2025-11-22T18:40:00Z,12.5,\n2025-11-22T18:40:01Z,,40\n";
    assert_eq!(
        Case::new().connection(csv),
        "plain(time:s cpu:% temp:°C) 1763836800000=[12.5, NaN] 1763836801000=[NaN, 40.0]"
    );
    let vmstat = "procs --memory--\nr b swpd\n1 0 7\nr b swpd\n2 0 8\n";
    assert_eq!(
        Case::new().connection(vmstat),
        "plain(r b swpd) 5000=[1.0, 0.0, 7.0] 5001=[2.0, 0.0, 8.0]"
    );
    assert_eq!(Case::columns("b").connection("a,b\n1,2\n"), "plain(b) 5000=[2.0]");
    assert_eq!(Case::columns("x,y").connection("a,b\n1,2\n"), "plain(x y) 5000=[1.0, 2.0]");
    // The heading does not fit: nothing is shown below wrong names.
    assert_eq!(Case::new().connection("a,b\n1\n"), "");
}

#[test]
fn text_without_rows_is_refused_at_the_end() {
    let mut case = Case::reading(StreamReader::without_request(ReadOptions::default()));
    case.feed("hello\nwor");
    assert!(case.events().is_empty());
    let refusal = case.reader.finish().unwrap();
    let expected = "no rows; give a recording, a CSV file or rows of numbers";
    assert_eq!(refusal.reason.as_str(), expected);
}

#[test]
fn faults_of_row_order_have_their_own_words() {
    let first_fault = |text: &str| {
        let mut case = Case::reading(StreamReader::without_request(ReadOptions::default()));
        case.feed(text);
        case.events().into_iter().find_map(|event| match event {
            Event::Faults { first, .. } => Some(first.as_str().to_owned()),
            _ => None,
        })
    };
    let repeated = "# loadline/1\n# columns time:s a\n10.000 1\n10.000 2\n";
    let expected = "time 10.000 is not after the previous row";
    assert_eq!(first_fault(repeated).as_deref(), Some(expected));
    let fault = first_fault("# loadline/1\n10.000 1\n");
    assert_eq!(fault.as_deref(), Some("row before the columns note"));
}

/// Returns the events of a recording, and why it ended. Rows without a timestamp are 1 s apart and
/// start at 1 s.
fn read_recording(text: &str, columns: Option<&str>) -> (String, Option<String>) {
    let columns = columns.map(|names| names.split(',').map(str::to_owned).collect());
    let options = ReadOptions { columns, ..ReadOptions::default() };
    let (first, step) = (Time::from_millis(1000), Duration::from_secs(1));
    let mut case = Case::reading(StreamReader::for_recording(options, first, step));
    let end = case.feed(text);
    case.reader.finish();
    let events = case.events();
    assert!(rows(&events).all(|row| row.received == row.time));
    let events = events.iter().map(short).collect::<Vec<_>>().join(" ");
    (events, end.map(|end| end.reason.to_string()))
}

#[test]
fn rows_of_a_file_have_their_own_times_or_even_ones() {
    assert_eq!(read_recording("1\n2\n3\n", None).0, "plain(c1) 1000=[1.0] 2000=[2.0] 3000=[3.0]");
    assert_eq!(
        read_recording(
            "# loadline/1\n# columns time:s a\n7.5 1\n# loadline/1\n# columns time:s a\n6 2\n",
            None
        )
        .0,
        "plain(time:s a) 7500=[1.0] plain(time:s a) 6000=[2.0]"
    );
    // The first row was sent before the request arrived.
    let late_header = format!("1 2\n{HEADER}1.000 7 1 2\n");
    let left_out = "<1 row without a time above the header is left out>";
    let expected = format!("{left_out} stream(time:s seq a b) 1000#7=[1.0, 2.0]");
    assert_eq!(read_recording(&late_header, None).0, expected);
}

/// Header of a run with an interval and one column.
fn run_header(run: u32, interval: &str, column: &str) -> String {
    format!("# loadline/1 run={run:08x} interval={interval}\n# columns time:s seq {column}\n")
}

fn recorded(text: &str) -> String {
    read_recording(text, None).0
}

#[test]
fn a_run_that_is_recorded_again_hides_no_row_and_repeats_none() {
    let again = |interval, column| {
        let first = run_header(1, "2s", "a");
        let second = run_header(1, interval, column);
        recorded(&format!("{first}2.0 2 2\n4.0 4 4\n{second}1.0 1 1\n2.0 2 2\n4.0 4 4\n5.0 5 5\n"))
    };
    let first = "stream(time:s seq a) 2000#2=[2.0] 4000#4=[4.0] stream(time:s seq ";
    // A longer history has older rows.
    assert_eq!(again("2s", "a"), format!("{first}a) 1000#1=[1.0] 5000#5=[5.0]"));
    let all = "1000#1=[1.0] 2000#2=[2.0] 4000#4=[4.0] 5000#5=[5.0]";
    assert_eq!(again("2s", "b"), format!("{first}b) {all}"));
    assert_eq!(again("1s", "a"), format!("{first}a) {all}"));
    let header = run_header(1, "1s", "a");
    let skipped =
        format!("{header}1 1 1\n# skipped from=2 to=3\n4 4 4\n{header}1 1 1\n2 2 2\n3 3 3\n");
    let expected = "stream(time:s seq a) 1000#1=[1.0] skipped(2) 4000#4=[4.0] \
                    stream(time:s seq a) 2000#2=[2.0] 3000#3=[3.0]";
    assert_eq!(recorded(&skipped), expected);
}

#[test]
fn a_run_behind_a_line_that_was_cut_off_is_read() {
    let (one, two) = (run_header(1, "1s", "a"), run_header(2, "1s", "b"));
    let expected = "stream(time:s seq a) 1000#1=[1.0] faults(1) stream(time:s seq b) 1000#1=[7.0]";
    for cut in ["2.0 2 5", "2.0", "# agent cpu=0.0", "# loadline/1 run=0000", "# loadl", "x"] {
        let file = format!("{one}1.0 1 1\n{cut}{two}1.0 1 7\n");
        assert_eq!(recorded(&file), expected, "{cut}");
    }
    // Half a name is no column.
    for cut in ["# columns time:s seq lo", "# columns time:s seq lo\n"] {
        let file = format!("{one}1.0 1 1\n{}{cut}{two}1.0 1 7\n", "# loadline/1 run=00000003\n");
        let expected =
            if cut.ends_with('\n') { expected.replace("faults(1) ", "") } else { expected.into() };
        assert_eq!(recorded(&file), expected, "{cut}");
    }
    // The header itself is missing: times and sequence numbers begin again.
    let headless = format!("{one}5.0 9 1\n# columns time:s seq b\n1.0 1 7\n");
    let expected = "stream(time:s seq a) 5000#9=[1.0] plain(time:s seq b) 1000#1=[7.0]";
    assert_eq!(recorded(&headless), expected);
}

#[test]
fn columns_are_selected_from_each_run_that_has_them() {
    let (one, two, three) =
        (run_header(1, "1s", "a b"), run_header(2, "1s", "b"), run_header(3, "1s", "c"));
    let file = format!("{one}1 1 1 2\n{two}2 1 3\n{three}3 1 4\n");
    let selected = |names: &str, recorded: &str| {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        let optional_columns = recorded.split(',').map(str::to_owned).collect();
        let options =
            ReadOptions { columns: Some(names), optional_columns, ..ReadOptions::default() };
        let (first, step) = (Time::from_millis(1000), Duration::from_secs(1));
        let mut case = Case::reading(StreamReader::for_recording(options, first, step));
        let end = case.feed(&file).map(|end| end.reason.to_string());
        let events = case.events().iter().map(short).collect::<Vec<_>>().join(" ");
        end.unwrap_or(events)
    };
    let a = "stream(time:s seq a) 1000#1=[1.0]";
    assert_eq!(selected("a", "a"), a);
    assert_eq!(selected("c", "c"), "stream(time:s seq c) 3000#1=[4.0]");
    assert_eq!(selected("c,a", "a,c"), format!("{a} stream(time:s seq c) 3000#1=[4.0]"));
    // An earlier run has had the column.
    assert_eq!(selected("a", ""), a);
    assert_eq!(selected("a,x", "a"), "unknown column \"x\"; available: a, b");
}

#[test]
fn columns_of_a_recording_are_selected_by_the_client() {
    let file = format!("{HEADER}1.000 7 1 2\n");
    assert_eq!(read_recording(&file, Some("b:V")).0, "stream(time:s seq b) 1000#7=[2.0]");
    let (_, end) = read_recording(&file, Some("b,x"));
    assert_eq!(end.as_deref(), Some("unknown column \"x\"; available: a, b"));
}

#[test]
fn rows_of_one_burst_are_a_millisecond_apart_and_a_flood_is_thinned() {
    let mut case = Case::new();
    assert_eq!(case.connection("1\n2\n"), "plain(c1) 5000=[1.0] 5001=[2.0]");
    case.feed("1\n".repeat(1500));
    let events = case.events();
    assert_eq!(rows(&events).count(), 998);
    assert_eq!(events.last(), Some(&Event::Skipped { count: 502 }));
}

#[test]
fn rows_of_one_read_are_one_event_up_to_a_maximum() {
    let mut case = Case::new();
    let row = |seq: usize| format!("{seq}.000 {seq} 1 2\n");
    let mut take = |text: String| {
        case.feed(text);
        let length = |event: &Event| if let Event::Rows(rows) = event { rows.len() } else { 0 };
        case.events().iter().map(length).collect::<Vec<_>>()
    };
    take(HEADER.to_owned());
    assert_eq!(take((1..=300).map(row).collect()), [300]);
    assert_eq!(take(row(301) + "no row\n" + &row(302)), [1, 0, 1]);
    // Each row counts five numbers: two values, two times and a sequence number.
    let most = Rows::NUMBERS_MAX / 5;
    assert_eq!(take((303..=303 + most).map(row).collect()), [most, 1]);
}

#[test]
fn plain_rows_go_on_when_our_clock_is_set_back() {
    let mut case = Case::new();
    case.connection("1\n");
    case.now = 1000;
    assert_eq!(case.connection("2\n"), "plain(c1) 1000=[2.0]");
}

#[test]
fn a_stream_with_a_header_of_its_own_but_no_stamp_gets_the_time_of_receipt() {
    assert_eq!(
        Case::new().connection("# columns volts:V amps:A\n1 2\n"),
        "plain(volts:V amps:A) 5000=[1.0, 2.0]"
    );
}

#[test]
fn a_header_in_mid_stream_changes_the_columns() {
    let stream = format!("{HEADER}1.000 7 1 2\n# columns time:s seq c\n2.000 8 5\n3.000 9 1 2\n");
    assert_eq!(
        Case::new().connection(&stream),
        "stream(time:s seq a b) 1000#7=[1.0, 2.0] stream(time:s seq c) 2000#8=[5.0] faults(1)"
    );
}

#[test]
fn the_server_gives_the_reason_for_closing() {
    let mut case = Case::new();
    let mut take = |bytes: &str| case.feed(bytes);
    assert_eq!(take("# live\n"), None);
    assert_eq!(
        take("# error \"too many clients\"\n"),
        Some(Disconnect::refused("too many clients"))
    );
    assert_eq!(take("# bye\n"), Some(Disconnect::lost("the agent stopped")));
    let bye = "# bye reason=\"too many clients: another client has its place\"\n";
    let reason = "too many clients: another client has its place";
    assert_eq!(take(bye), Some(Disconnect::lost(reason)));
}

#[test]
fn kept_lines_are_as_received_but_safe_for_a_terminal() {
    let mut case = Case::keeping_lines();
    case.feed(format!("{HEADER} 1.000,7;1\t2 \n# \x1b[2J\n"));
    let lines: Vec<String> = case
        .events()
        .iter()
        .flat_map(|event| match event {
            Event::Rows(rows) => {
                rows.iter().filter_map(|row| row.line.map(str::to_owned)).collect()
            }
            Event::Note(note) => vec![note.to_string()],
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(lines[2..], ["1.000,7;1\u{fffd}2", "# \u{fffd}[2J"]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic_or_an_infinite_value(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                Just(HEADER.as_bytes().to_vec()),
                "[0-9 .#a-z\n]{0,80}".prop_map(String::into_bytes),
                "(# (skipped|columns|live|loadline/1) [a-z0-9:= ]{0,20}\n){0,3}"
                    .prop_map(String::into_bytes),
            ],
            0..30,
        ),
    ) {
        let mut case = Case::new();
        for (at, piece) in pieces.iter().enumerate() {
            case.now = at as i64;
            case.feed(piece);
        }
        let events = case.events();
        prop_assert!(rows(&events).all(|row| row.values.iter().all(|v| !v.is_infinite())));
    }
}

#[test]
fn rows_before_an_answer_are_dropped_if_the_next_connection_repeats_them() {
    for (answer, count) in [("", 1), (HEADER, 0)] {
        let mut case = Case::new();
        case.feed(answer);
        case.reader.reconnect();
        case.events();
        case.feed("1 2\n");
        case.reader.close();
        assert_eq!(rows(&case.events()).count(), count, "answered before: {answer}");
    }
}

#[test]
fn a_server_that_sends_other_columns_than_requested_is_corrected_or_refused() {
    let header = "# loadline/1 run=00000001\n# columns time:s seq a b c\n9 1 1 2 3\n";
    let mut case = Case::columns("c,a");
    let text = case.connection(header);
    assert!(text.contains("[3.0, 1.0]"), "{text}");
    let refusal = |names: &str, text: &str| {
        let mut case = Case::columns(names);
        case.reader.reconnect();
        let end = case.feed(text);
        case.reader.decide_plain();
        let end = end.or_else(|| case.reader.take_disconnect());
        end.filter(|end| end.refused).map(|end| end.reason.to_string())
    };
    let unknown = refusal("d", header).unwrap();
    assert!(unknown.starts_with("unknown column \"d\"; "), "{unknown}");
    let wrong =
        "rows have 3 values, and --columns names 1; name each of them, or leave out --columns";
    assert_eq!(refusal("cpu", "1 2 3\n1 2 3\n1 2 3\n").as_deref(), Some(wrong));
    let six = "1 2 3 4 5 6\n".repeat(3);
    let unknown = refusal("foo,cpu", &six).unwrap();
    assert!(unknown.starts_with("unknown column \"foo\"; "), "{unknown}");
    assert_eq!(refusal("load1,cpu", &six), None);
}

#[test]
fn typed_options_that_a_source_does_not_follow_are_warned_about_once() {
    let request = TypedRequest {
        source: "web-1".to_owned(),
        interval: Some(Duration::from_millis(10)),
        options: vec!["interval", "history", "from", "time_column", "time_format"],
    };
    let import = ImportOptions { time_column: Some("a".to_owned()), ..ImportOptions::default() };
    let options = || ReadOptions {
        typed_request: Some(request.clone()),
        import: import.clone(),
        ..ReadOptions::default()
    };
    let warnings = |mut reader: StreamReader, text: &str| {
        reader.feed(text.as_bytes(), Time::from_millis(5000));
        reader.decide_plain();
        reader.feed(text.as_bytes(), Time::from_millis(6000));
        reader.finish();
        let warning =
            |event| if let Event::Warning(text) = event { Some(text.to_string()) } else { None };
        reader.drain_events().filter_map(warning).collect::<Vec<_>>()
    };
    let agent = |interval: &str| {
        let head = format!(
            "# loadline/1 run=00000001 interval={interval}\n# columns time:s seq a\n9 1 1\n"
        );
        warnings(StreamReader::new(options()), &head)
    };
    let times = "web-1 sends no table: --time-column and --time-format have no effect";
    assert_eq!(agent("1000ms"), [times, "web-1 grants an interval of 1s, not 10ms"]);
    assert_eq!(agent("10ms"), [times]);
    let silent = "# loadline/1 run=00000001\n# columns time:s seq a\n9 1 1\n";
    let unknown = "web-1 announces no interval: --interval may have no effect";
    assert_eq!(warnings(StreamReader::new(options()), silent), [times, unknown]);
    let plain = warnings(StreamReader::new(options()), "1 2\n");
    let unanswered = "web-1 answers no request: --interval and --history have no effect, and --from \
                      finds no row from before the connection";
    assert_eq!(plain, [times, unanswered]);
    let step = Duration::from_secs(1);
    let file = |text| warnings(StreamReader::for_recording(options(), Time::default(), step), text);
    assert_eq!(
        file("a,b\n1763836800,1\n1763836801,1\n"),
        ["web-1 has timestamps: --interval has no effect"]
    );
    assert_eq!(file("1 2\n"), [times]);
}

#[test]
fn an_agent_that_starts_with_the_program_has_no_history() {
    let warning = |options: &[&'static str]| {
        TypedRequest { options: options.to_vec(), ..TypedRequest::default() }.without_history()
    };
    assert_eq!(warning(&["interval", "columns", "time_format"]), None);
    assert_eq!(
        warning(&["interval", "history", "from"]).unwrap(),
        "no agent answers on this machine: --history and --from have no effect; start loadline-agent"
    );
}

#[test]
fn raw_lines_with_all_columns_are_warned_about() {
    let warnings = |is_requested: bool, text: &str| {
        let request = TypedRequest { options: vec!["columns"], ..TypedRequest::default() };
        let options = ReadOptions {
            typed_request: Some(TypedRequest { source: "web-1".to_owned(), ..request }),
            columns: Some(vec!["a".to_owned()]),
            keep_lines: true,
            ..ReadOptions::default()
        };
        let mut reader = if is_requested {
            StreamReader::new(options)
        } else {
            StreamReader::without_request(options)
        };
        reader.feed(text.as_bytes(), Time::from_millis(5000));
        reader.finish();
        let warning =
            |event| if let Event::Warning(text) = event { Some(text.to_string()) } else { None };
        reader.drain_events().filter_map(warning).collect::<Vec<_>>()
    };
    let repeats = ["web-1: -o raw repeats lines, so --columns has no effect; choose -o csv"];
    let header = "# loadline/1 run=00000001\n# columns time:s seq ";
    assert_eq!(warnings(true, &format!("{header}a b\n9 1 1 2\n")), repeats);
    assert!(warnings(true, &format!("{header}a\n9 1 1\n")).is_empty());
    assert_eq!(warnings(false, &format!("{header}a b\n9 1 1 2\n")), repeats);
    assert_eq!(warnings(false, "1\n2\n3\n"), repeats);
    assert!(warnings(false, "a b\n1 2\n3 4\n").is_empty(), "a table is written anew");
}

/// Returns the notes of a look.
fn look(second: i64, names: &[&str]) -> String {
    let process = |name: &&str| format!("# proc pid=1 name={name} cpu=1.5\n");
    let processes: String = names.iter().map(process).collect();
    format!("# top time={second}.000 over=5.0 cpu=9.0 other=1.0\n{processes}")
}

#[test]
fn a_look_comes_before_its_row_and_is_repeated_only_with_it() {
    let (first, second) = (look(1, &["a", "b"]), look(2, &["c"]));
    let mut case = Case::new();
    assert_eq!(
        case.connection(&format!("{HEADER}{first}2.000 8 1 1\n{second}")),
        "stream(time:s seq a b) look(1.000: a,b) 2000#8=[1.0, 1.0]"
    );
    // The connection was lost behind a look. It comes again with its row, and with the row before.
    assert_eq!(
        case.connection(&format!("{HEADER}{first}2.000 8 1 1\n{second}3.000 9 1 1\n")),
        "stream(time:s seq a b) look(2.000: c) 3000#9=[1.0, 1.0]"
    );
    // A further request is answered behind a look.
    let third = look(3, &["d"]);
    let answer = format!("{HEADER}{third}4.000 10 1 1\n");
    case.feed(format!("{third}{answer}"));
    let events = case.events();
    let events = events.iter().map(short).collect::<Vec<_>>().join(" ");
    assert_eq!(events, "stream(time:s seq a b) look(3.000: d) 4000#10=[1.0, 1.0]");
}

#[test]
fn looks_of_rows_that_the_interval_leaves_out_come_before_the_next_row() {
    let looks = look(5, &["a"]) + &look(10, &["b"]);
    let expected = "stream(time:s seq a b) look(5.000: a) look(10.000: b) 12000#8=[1.0, 1.0]";
    let (header, row) = (HEADER, "12.000 8 1 1\n");
    assert_eq!(Case::new().connection(&format!("{header}{looks}{row}")), expected);
    // Looks without rows take a limited memory.
    let mut case = Case::new();
    case.feed(HEADER);
    for second in 0..100 {
        case.feed(look(second, &["a"]));
    }
    assert_eq!(case.events().len(), 1 + WAITING_LOOKS_MAX);
}

#[test]
fn a_look_of_another_run_is_delivered_before_its_header() {
    let next = HEADER.replace("0000000a", "0000000b");
    let row = "1.000 7 1 2\n";
    assert_eq!(
        Case::new().connection(&format!("{HEADER}{row}{}{next}{row}", look(2, &["a"]))),
        "stream(time:s seq a b) 1000#7=[1.0, 2.0] look(2.000: a) stream(time:s seq a b) \
         1000#7=[1.0, 2.0]"
    );
}

#[test]
fn faults_in_a_look_are_counted_and_cost_no_other_process() {
    let lines = "# top time=1 cpu=-1\n# proc pid=1 name=lost\n\
                 # top time=2\n# proc pid=x name=a\n# proc pid=2 name=b\n# proc name=c\n\
                 # top\n# proc pid=1 name=lost\n3.000 7 1 2\n";
    assert_eq!(
        Case::new().connection(&format!("{HEADER}{lines}")),
        "stream(time:s seq a b) faults(4) look(2.000: b) 3000#7=[1.0, 2.0]"
    );
    let mut case = Case::new();
    let names: Vec<&str> = std::iter::repeat_n("a", LISTED_MAX + 9).collect();
    let events = case.connection(&format!("{HEADER}{}2.000 7 1 2\n", look(1, &names)));
    assert!(events.contains("faults(1)") && events.matches("a,").count() == LISTED_MAX - 1);
}

#[test]
fn notes_like_looks_are_comments_where_no_header_is() {
    let mut case = Case::keeping_lines();
    assert_eq!(
        case.connection("# top time=1\n1\n2\n# proc pid=x\n# past 1 2 3\n3\n"),
        "Note(Other(SafeText(\"top time=1\"))) plain(c1) 5000=[1.0] 5001=[2.0] \
         Note(Other(SafeText(\"proc pid=x\"))) Note(Other(SafeText(\"past 1 2 3\"))) 5002=[3.0]"
    );
    // Comments may name the columns of a table of another program.
    for first in ["a", "past", "proc", "top"] {
        let names = format!("{first} b c d e f g");
        let (events, refusal) = read_recording(&format!("# {names}\n1 2 3 4 5 6 7\n"), None);
        assert!(events.contains(&format!("plain({names})")), "{events} {refusal:?}");
    }
    for comment in ["proc pid=x", "top cpu=9", "proc pid=1 name=a", "top time=1"] {
        let table = format!("# {comment}\ntime,a\n1763836800,1\n1763836801,2\n");
        let (events, refusal) = read_recording(&table, None);
        assert!(refusal.is_none() && !events.contains("look("), "{events} {refusal:?}");
        assert!(events.ends_with("[1.0] 1763836801000=[2.0]"), "{events}");
    }
}

#[test]
fn looks_of_a_recording_come_with_their_rows_once_and_at_its_end() {
    let header = run_header(1, "1000ms", "a");
    let row = |at: i64| format!("{at}.000 {at} 1\n");
    let run = format!("{header}{}{}{}{}", look(1, &["a"]), row(2), look(2, &["b"]), row(3));
    let expected = "stream(time:s seq a) look(1.000: a) 2000#2=[1.0] look(2.000: b) 3000#3=[1.0]";
    assert_eq!(recorded(&run), expected);
    // Recorded again, with a later row.
    let again = format!("{run}{run}{}{}", look(4, &["c"]), row(5));
    assert_eq!(
        recorded(&again),
        format!("{expected} stream(time:s seq a) look(4.000: c) 5000#5=[1.0]")
    );
    // The last row is missing, or all rows are.
    assert_eq!(
        recorded(&format!("{run}{}", look(4, &["c"]))),
        format!("{expected} look(4.000: c)")
    );
    let alone = format!("{header}{}", look(4, &["c"]));
    assert_eq!(recorded(&alone), "stream(time:s seq a) look(4.000: c)");
    assert_eq!(
        recorded(&format!("{alone}{}{}", run_header(2, "1000ms", "b"), row(5))),
        "stream(time:s seq a) look(4.000: c) stream(time:s seq b) 5000#5=[1.0]"
    );
}
