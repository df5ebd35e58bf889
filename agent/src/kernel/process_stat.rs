//! `/proc/PID/stat`: name, parent, CPU time, start and memory of a process.

use super::number;

/// Values of a process. Times are in ticks, 1/100 s on almost all kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessStat<'a> {
    /// Name of the program: any bytes.
    pub(crate) name: &'a [u8],
    pub(crate) parent: u32,
    /// CPU time of all threads, ended ones included. For a virtual machine, time of its guest too.
    pub(crate) own: u64,
    /// CPU time of the ended children for which the process waited, with that of their children.
    pub(crate) children: u64,
    /// Start, since boot.
    pub(crate) start: u64,
    pub(crate) resident_pages: u64,
}

/// Parses `4711 (loadline agent) S 1 …`. The name stands in parentheses and may contain any
/// character. `None` for a text that is cut off.
pub(crate) fn parse(text: &[u8]) -> Option<ProcessStat<'_>> {
    let begin = text.iter().position(|byte| *byte == b'(')? + 1;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let name = text.get(begin..end)?;
    let mut words = text[end..].split(|byte| *byte == b' ').skip(2);
    let parent = number(words.next()?)?.try_into().ok()?;
    let mut words = words.skip(9).map(|word| number(word).unwrap_or(0));
    let own = words.next()?.saturating_add(words.next()?);
    let children = words.next()?.saturating_add(words.next()?);
    let (start, resident_pages) = (words.nth(4)?, words.nth(1)?);
    // The word before could be cut off.
    words.next()?;
    Some(ProcessStat { name, parent, own, children, start, resident_pages })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text of a process, with numbers that differ.
    fn text(name: &str) -> String {
        format!(
            "4711 ({name}) S 812 4711 4700 34816 4711 4194304 21 22 23 24 1001 202 33 4 20 0 7 0 8643 \
             2347008 1288 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
        )
    }

    #[test]
    fn names_may_contain_any_character() {
        for name in
            ["cc1", "", "Web Content", "a) S 1 (b", "((sd-pam))", "a\nb", "tmux: server", "ä"]
        {
            let text = text(name);
            let expected = ProcessStat {
                name: name.as_bytes(),
                parent: 812,
                own: 1203,
                children: 37,
                start: 8643,
                resident_pages: 1288,
            };
            assert_eq!(parse(text.as_bytes()), Some(expected), "{name}");
        }
        let text = [b"1 (\xff\xfe) ", &text("").as_bytes()["4711 () ".len()..]].concat();
        assert_eq!(parse(&text).unwrap().name, b"\xff\xfe");
    }

    #[test]
    fn a_text_that_is_cut_off_is_no_process() {
        let text = text("a (b");
        let last = text.find(" 18446744073709551615").unwrap();
        for length in 0..=last {
            assert_eq!(parse(&text.as_bytes()[..length]), None, "{}", &text[..length]);
        }
        assert!(parse(&text.as_bytes()[..=last]).is_some());
        for wrong in ["4711 )a(", "4711 (a) S x 1", "4711 (a) S 99999999999 1"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
