//! The properties of fuzzing: on the corpus of seed inputs and inputs that once failed, and on random
//! streams.

#![expect(clippy::print_stdout, reason = "names the file that fails")]

use std::fs;
use std::path::Path;

use loadline_tests::fuzzed;
use proptest::prelude::*;

/// Checks each file of a corpus.
fn replay(name: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "only {count} files in the corpus");
}

#[test]
fn lines_of_any_bytes_survive_a_round_trip() {
    replay("decoder", fuzzed::decoder);
}

#[test]
fn requests_of_any_bytes_survive_a_round_trip_or_are_refused() {
    replay("request", fuzzed::request);
}

#[test]
fn recordings_of_any_file_survive_a_round_trip() {
    replay("recording", fuzzed::recording);
}

#[test]
fn any_file_is_imported_or_refused() {
    replay("import", fuzzed::import);
}

#[test]
fn fields_of_any_text_survive_a_round_trip() {
    replay("logfmt", fuzzed::logfmt);
}

/// Returns a line of a table: names, or numbers, times and units.
fn any_table_line() -> impl Strategy<Value = Vec<u8>> {
    let cell = "time|cpu|[0-9]{1,4}([.,][0-9]{1,3})?( ?(%|MiB|W))?|-|N/A|\"[a-z,]{0,3}\"|\
                20[0-9]{2}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9](:[0-9]{2})?( UTC|Z)?|\
                [0-3]?[0-9]/[01][0-9]/(20)?2[0-9]|[0-2][0-9]:[0-5][0-9]:[0-5][0-9]( PM)?|[0-9]{10,19}";
    (prop::collection::vec(cell, 1..5), ",|;|\t| |, ")
        .prop_map(|(cells, separator)| cells.join(&separator).into_bytes())
}

/// Returns a line that reaches the code behind the first words of a note or a request.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let name = "|# ?(agent|skipped|columns|error|live|bye|loadline/1)|loadline/[12]";
    let key =
        "(run|host|interval|cores|cpu_limit|from|to|cpu|rss|late|clients|history|resume|columns)=";
    let value =
        "[0-9a-f]{8}(:[0-9])?|[0-9]{1,3}(\\.[0-9])?(%|MiB|m?s)?|time:s seq|all|\"?.{0,4}\"?";
    let field = (key, value).prop_map(|(key, value)| format!(" {key}{value}"));
    let note = (name, prop::collection::vec(prop_oneof![3 => field, 1 => " .{0,4}"], 0..5));
    prop_oneof![
        4 => note.prop_map(|(name, fields)| (name + &fields.concat()).into_bytes()),
        2 => "([0-9]{1,9}(\\.[0-9]{1,3})?|nan|-?inf|1e999|[a-z;,]{0,2}[ \t]){0,9}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn any_table_is_imported_or_refused(lines in prop::collection::vec(any_table_line(), 0..9)) {
        let table = lines.join(&b"\n"[..]);
        fuzzed::import(&[&table[..], b"\n"].concat());
        fuzzed::recording(&table);
    }

    #[test]
    fn any_lines_survive_a_round_trip(lines in prop::collection::vec(any_line(), 0..9)) {
        for line in &lines {
            fuzzed::request(line);
            fuzzed::logfmt(line.strip_prefix(b"#").unwrap_or(line));
        }
        let stream = lines.join(&b"\n"[..]);
        fuzzed::decoder(&stream);
        fuzzed::recording(&stream);
    }
}
