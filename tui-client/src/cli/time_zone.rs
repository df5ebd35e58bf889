//! Warning about an unknown time zone in `TZ`: the library for times takes another one without a word.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use loadline_protocol::sanitize;

/// Folders with time zones, as chrono knows them.
const ZONE_FOLDERS: [&str; 4] =
    ["/usr/share/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo", "/usr/share/lib/zoneinfo"];

/// First bytes of a file with a time zone.
const ZONE_MAGIC: &[u8; 4] = b"TZif";

/// Returns the warning about the value of `TZ`, if it names no time zone.
pub(super) fn zone_warning(tz: &str) -> Option<String> {
    let is_file =
        |name: &str| ZONE_FOLDERS.iter().any(|folder| is_zone(&Path::new(folder).join(name)));
    let shown = sanitize(tz);
    (!is_known(tz, is_file)).then(|| {
        format!(
            "unknown time zone {shown:?} in TZ, so times may be in UTC; write a zone such as Europe/Berlin"
        )
    })
}

fn is_known(tz: &str, is_file: impl Fn(&str) -> bool) -> bool {
    // Without a colon, UTC needs no file: it is what an unknown zone becomes.
    matches!(tz, "" | "localtime" | "UTC" | "GMT")
        || is_file(tz.strip_prefix(':').unwrap_or(tz))
        || is_rule(tz.trim())
}

fn is_zone(path: &Path) -> bool {
    let mut magic = [0; ZONE_MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *ZONE_MAGIC
}

/// Returns whether a text begins as a rule of POSIX: a name and an offset, as in `CET-1CEST,M3.5.0,M10.5.0/3`
/// or `<+0330>-3:30`.
fn is_rule(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    let offset = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((_, offset)) => offset,
        None => text.trim_start_matches(is_letter),
    };
    let name_len = text.len() - offset.len();
    name_len >= 3 && offset.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_file_or_a_rule() {
        let is_known = |tz: &str| is_known(tz, |name| name == "Europe/Berlin");
        for tz in [
            "",
            "UTC",
            "localtime",
            "Europe/Berlin",
            ":Europe/Berlin",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "EST5EDT",
            "<+0330>-3:30",
            "UTC0",
        ] {
            assert!(is_known(tz), "{tz}");
        }
        for tz in ["Europe/Berln", "Europe", ":Berlin", "CEST", "+2", "UTC+", "X1", "\u{1b}[2J"] {
            assert!(!is_known(tz), "{tz}");
        }
        let warning = zone_warning("Europe/Berl\u{1b}n").unwrap();
        assert!(warning.contains("unknown time zone") && !warning.contains('\u{1b}'), "{warning}");
    }
}
