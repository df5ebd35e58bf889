//! What a fuzzer is set off with, and what it has found: each file is tried again.

#![expect(clippy::print_stdout, reason = "it tells which file it was")]

use std::fs;
use std::path::Path;

use loadline_tests::fuzzed;

/// Tries each file of a corpus.
fn replay(name: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "a corpus of {count}");
}

#[test]
fn lines_of_any_bytes_read_back() {
    replay("decoder", fuzzed::decoder);
}

#[test]
fn requests_of_any_bytes_read_back_or_are_refused() {
    replay("request", fuzzed::request);
}

#[test]
fn a_recording_of_any_file_reads_back() {
    replay("recording", fuzzed::recording);
}

#[test]
fn fields_of_any_text_read_back() {
    replay("logfmt", fuzzed::logfmt);
}
