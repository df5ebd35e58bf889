//! Properties that hold for any input. The fuzzer checks them, and tests replay the corpus in
//! `fuzz/corpus/`.

use std::time::Duration;

use loadline::event::Event;
use loadline::link::{ReadOptions, Recorder, StreamReader};
use loadline_protocol::{
    Decoder, LINE_MAX, Line, Note, REQUEST_MAX, Request, SafeText, Schema, Seq, Time, sanitize,
};

/// Decodes bytes into lines or errors. Returns these and the number of pending bytes.
fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Result<String, String>>, usize) {
    let mut decoder = Decoder::new();
    let mut lines = Vec::new();
    for mut piece in pieces {
        while let Some(line) = decoder.decode(&mut piece) {
            lines.push(line.map(str::to_owned).map_err(|fault| fault.to_string()));
        }
        assert!(decoder.pending() <= LINE_MAX + 1, "{} bytes are pending", decoder.pending());
    }
    (lines, decoder.pending())
}

/// Checks the lines of a stream: chunk boundaries make no difference, no line is too long, and each
/// parsed line survives a round trip.
pub fn decoder(bytes: &[u8]) {
    let whole = lines(std::iter::once(bytes));
    // The first byte determines the chunk size.
    let size = 1 + usize::from(bytes.first().copied().unwrap_or(0) % 61);
    assert_eq!(whole, lines(bytes.chunks(size)), "in chunks of {size}");
    let mut schema = Schema::plain(6);
    for line in whole.0.iter().flatten() {
        assert!(line.len() <= LINE_MAX);
        match Line::parse(line) {
            Ok(Line::Note(note)) => {
                let printed = note.to_string();
                assert_eq!(sanitize(&printed), printed.as_str(), "safe for a terminal");
                assert_eq!(Line::parse(&printed), Ok(Line::Note(note.clone())), "{printed:?}");
                if let Note::Columns(columns) = note {
                    schema = columns;
                }
            }
            Ok(Line::Row(row)) => check_row(&schema, row),
            Ok(Line::Past(_) | Line::Blank) | Err(_) => {}
        }
    }
}

fn check_row(schema: &Schema, line: &str) {
    let Ok(row) = schema.parse_row(line) else { return };
    assert_eq!(row.values.len(), schema.columns().len());
    assert!(row.values.iter().all(|value| !value.is_infinite()));
    let printed = row.to_line(schema);
    let again = schema.parse_row(&printed);
    assert!(
        again.as_ref().is_ok_and(|again| {
            (again.time, again.seq) == (row.time, row.seq)
                && have_same_bits(&again.values, &row.values)
        }),
        "{line:?} is {row:?}, printed as {printed:?}, which is {again:?}"
    );
}

/// Returns whether numbers are equal bit by bit. All NaNs count as equal.
fn have_same_bits(one: &[f64], other: &[f64]) -> bool {
    let bits = |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    one.iter().map(bits).eq(other.iter().map(bits))
}

/// Checks a request: a valid one survives a round trip, and the error of an invalid one is safe to
/// print.
pub fn request(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    if line.len() > REQUEST_MAX {
        return;
    }
    match Request::parse(line) {
        Some(Ok(request)) => {
            let printed = request.to_string();
            assert!(Request::is_request_start(printed.as_bytes()), "{printed:?}");
            assert_eq!(Request::parse(&printed), Some(Ok(request)), "{printed:?}");
        }
        Some(Err(error)) => {
            let message = error.to_string();
            assert_eq!(sanitize(&message), message.as_str());
            let answer = Note::Error(SafeText::new(&message)).to_string();
            assert!(answer.len() <= LINE_MAX, "{} bytes", answer.len());
        }
        None => {}
    }
}

/// Checks the fields of a note: each value, quoted or bare, survives a round trip.
pub fn logfmt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for note in [text.to_owned(), format!("loadline/1 host={text}"), format!("error {text}")] {
        let Ok(note) = Note::parse(&note) else { continue };
        let printed = note.to_string();
        let read = printed.strip_prefix('#').map(Note::parse);
        assert_eq!(read, Some(Ok(note)), "{printed:?}");
    }
    // Any text as a value, quoted if necessary.
    let value = SafeText::new(text);
    let header = loadline_protocol::Header {
        version: 1,
        host: Some(value.clone()),
        os: Some(value.clone()),
        agent: Some(value),
        ..loadline_protocol::Header::default()
    };
    let printed = Note::Header(header.clone()).to_string();
    assert_eq!(printed.strip_prefix('#').map(Note::parse), Some(Ok(Note::Header(header))));
}

/// Checks an import: any file ends in rows whose times rise and whose values are finite, or in a
/// refusal of one line. At most one event and one row come from each line.
pub fn import(bytes: &[u8]) {
    for is_file in [true, false] {
        let options = ReadOptions::default();
        let mut reader = if is_file {
            StreamReader::for_recording(options, Time::default(), Duration::from_secs(1))
        } else {
            StreamReader::without_request(options)
        };
        let ends = bytes.chunks(1000).map(|piece| reader.feed(piece, Time::default()));
        let mut refusal = ends.flatten().find(|end| end.refused);
        if refusal.is_none() {
            refusal = reader.finish();
        }
        if let Some(refusal) = refusal.map(|end| format!("{end:?}")) {
            assert!(!refusal.contains('\u{1b}'), "{refusal}");
        }
        let lines = bytes.split(|byte| *byte == b'\n').count();
        let mut rows = 0;
        for event in reader.drain_events() {
            let Event::Rows(batch) = event else { continue };
            rows += batch.len();
            assert!(batch.iter().all(|row| row.values.iter().all(|value| !value.is_infinite())));
        }
        assert!(rows <= lines, "{rows} rows of {lines} lines");
    }
}

/// Timestamp, sequence number and bits of the values of a sample.
type SampleBits = (Time, Option<Seq>, Vec<u64>);

/// Reads a file and records it. Returns the samples, the recording and the number of rows too long
/// for it.
fn read_and_record(bytes: &[u8]) -> (Vec<SampleBits>, String, u64) {
    let mut reader = StreamReader::for_recording(
        ReadOptions::default(),
        Time::default(),
        Duration::from_secs(1),
    );
    for piece in bytes.chunks(1000) {
        let ending = reader.feed(piece, Time::default());
        if ending.is_some_and(|ending| ending.refused) {
            break;
        }
    }
    reader.finish();
    let (mut recorder, mut text, mut samples) = (Recorder::new(None), String::new(), Vec::new());
    for event in reader.drain_events() {
        recorder.record(&event, &mut text);
        if let Event::Rows(rows) = event {
            samples.extend(rows.iter().map(|row| {
                let bits = |value: &f64| {
                    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
                };
                (row.time, row.seq, row.values.iter().map(bits).collect())
            }));
        }
    }
    (samples, text, recorder.too_long)
}

/// Checks a recording: the samples of any file survive being recorded and read again.
pub fn recording(bytes: &[u8]) {
    let (samples, text, too_long) = read_and_record(bytes);
    assert!(text.lines().all(|line| line.len() <= LINE_MAX && sanitize(line) == line));
    let (again, ..) = read_and_record(text.as_bytes());
    if too_long == 0 {
        assert!(samples == again, "{samples:?}\nrecorded as\n{text}\nis\n{again:?}");
    } else {
        assert!(again.len() as u64 + too_long >= samples.len() as u64);
    }
}
