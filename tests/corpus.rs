//! Replay of the fuzzing corpus: seed inputs and inputs that once failed.

#![expect(clippy::print_stdout, reason = "names the file that fails")]

use std::fs;
use std::path::Path;

use loadline_tests::fuzzed;

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
fn fields_of_any_text_survive_a_round_trip() {
    replay("logfmt", fuzzed::logfmt);
}
