//! Files that hold no lines of text: compressed, binary, or text of another kind.

use super::Refusal;

/// First bytes of files, their kind, and how to get rows out of them.
const SIGNATURES: [(&[u8], &str, &str); 17] = [
    (&[0x1f, 0x8b], "gzip data", "zcat FILE | loadline -"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd data", "zstdcat FILE | loadline -"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz data", "xzcat FILE | loadline -"),
    (b"BZh", "bzip2 data", "bzcat FILE | loadline -"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 data", "lz4cat FILE | loadline -"),
    (&[0x1f, 0x9d], "compress data", "zcat FILE | loadline -"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "unzip -p FILE | loadline -, or export CSV"),
    (b"7z\xbc\xaf", "a 7z archive", "7z x -so FILE | loadline -"),
    (&[0xff, 0xfe], "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | loadline -"),
    (&[0xfe, 0xff], "UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE | loadline -"),
    (&[0xd0, 0xcf, 0x11, 0xe0], "a spreadsheet", "export CSV"),
    (&[0x96, 0xd5], "binary data of sar", "sadf -d FILE | loadline -"),
    (&[0xd5, 0x96], "binary data of sar", "sadf -d FILE | loadline -"),
    (b"SQLite format 3", "a database", "sqlite3 -csv -header FILE QUERY | loadline -"),
    (b"PAR1", "Parquet data", "export CSV"),
    (b"\x7fELF", "a program", TEXT_HINT),
    (b"%PDF", "a PDF", TEXT_HINT),
];

const TEXT_HINT: &str = "give a recording, a CSV file or rows of numbers";

/// Checks the first bytes of an input.
///
/// # Errors
/// The bytes are no text, or text that has no rows.
pub(crate) fn check_first_bytes(bytes: &[u8]) -> Result<(), Refusal> {
    if let Some((_, kind, hint)) = SIGNATURES.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return Err(Refusal::new(&format!("{kind}, not text"), hint));
    }
    let is_line_end = |pair: &[u8]| pair[0] == b'\r' && !matches!(pair[1], b'\r' | b'\n');
    if !bytes.contains(&b'\n') && bytes.windows(2).any(is_line_end) {
        let hint = "tr '\\r' '\\n' < FILE | loadline -";
        return Err(Refusal::new("lines that end in a carriage return alone", hint));
    }
    if bytes.contains(&0) {
        return Err(Refusal::new("binary data, not text", TEXT_HINT));
    }
    match bytes.trim_ascii_start() {
        [b'{' | b'[', rest @ ..] if rest.iter().any(|byte| matches!(byte, b'"' | b'{')) => {
            Err(Refusal::new("JSON, not rows", "write rows, as in jq -r '[.time, .cpu] | @csv'"))
        }
        [b'<', b'?' | b'!' | b'a'..=b'z', ..] => {
            Err(Refusal::new("HTML or XML, not rows", TEXT_HINT))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_and_binary_data_name_the_way_out() {
        for (bytes, expected) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip data, not text; zcat FILE | loadline -"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd data, not text; zstdcat FILE | loadline -"),
            (b"\xfd7zXZ\0", "xz data, not text; xzcat FILE | loadline -"),
            (b"\xff\xfea\0", "UTF-16 text, not text; iconv -f UTF-16 -t UTF-8 FILE | loadline -"),
            (b"\0\0\0\0", "binary data, not text; give a recording, a CSV file or rows of numbers"),
            (b" {\"a\": 1}\n", "JSON, not rows; write rows, as in jq -r '[.time, .cpu] | @csv'"),
        ] {
            let refusal = check_first_bytes(bytes).unwrap_err();
            assert_eq!(refusal.to_string(), expected);
        }
        for bytes in [
            &b"1 2\n"[..],
            b"time,cpu\n",
            b"\xef\xbb\xbftime,cpu\n",
            b"[2025-11-22 18:40:00] 5\n",
            b"",
        ] {
            assert!(check_first_bytes(bytes).is_ok(), "{bytes:?}");
        }
    }
}
