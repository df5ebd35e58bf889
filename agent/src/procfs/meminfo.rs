//! `/proc/meminfo`: how much memory there is, and what it is used for.

use super::{Kept, number, words};

/// The kernel's file.
#[derive(Debug)]
pub(crate) struct Meminfo(Kept);

/// What a line of it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// So many bytes.
    Bytes(u64),
    /// So many of something else: huge pages.
    Count(u64),
}

/// The lines that matter most, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Memory {
    pub(crate) total: u64,
    pub(crate) free: u64,
    /// What a program could get. Before Linux 3.14 nobody says so; then it is what is free and what
    /// is kept from files.
    pub(crate) available: u64,
    pub(crate) buffers: u64,
    pub(crate) cached: u64,
    pub(crate) swap_total: u64,
    pub(crate) swap_free: u64,
}

/// Room for what [`Memory`] has: sixteen lines of 28 bytes, and a few more on some machines.
const ROOM: usize = 1024;

/// Room for all of it, which is about 60 lines.
const ROOM_OF_ALL: usize = 8 * 1024;

impl Meminfo {
    pub(crate) fn new() -> Meminfo {
        Meminfo::of("/proc/meminfo")
    }

    pub(crate) fn of(path: &str) -> Meminfo {
        Meminfo(Kept::new(path))
    }

    /// The lines that matter most.
    pub(crate) fn memory(&mut self) -> Option<Memory> {
        Memory::parse(self.0.beginning(&mut [0; ROOM])?.as_bytes())
    }

    /// Hands out each line: its name, as in `Active(anon)`, and what it says.
    pub(crate) fn each(&mut self, mut each: impl FnMut(&str, Amount)) {
        self.0.each_line(&mut [0; ROOM_OF_ALL], |line| {
            if let Some((name, amount)) = parse(line) {
                each(name, amount);
            }
            true
        });
    }
}

/// `MemTotal:       67385156 kB`
fn parse(line: &[u8]) -> Option<(&str, Amount)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let mut words = words(&line[colon + 1..]);
    let amount = number(words.next()?)?;
    match words.next() {
        Some(b"kB") => Some((name, Amount::Bytes(amount.checked_mul(1024)?))),
        None => Some((name, Amount::Count(amount))),
        Some(_) => None,
    }
}

impl Memory {
    pub(crate) fn parse(meminfo: &[u8]) -> Option<Memory> {
        let mut memory = Memory::default();
        let (mut total, mut free, mut available) = (None, None, None);
        // A number that is cut off would be another one.
        let end = meminfo.iter().rposition(|byte| *byte == b'\n')?;
        for line in meminfo[..end].split(|byte| *byte == b'\n') {
            let Some((name, Amount::Bytes(bytes))) = parse(line) else { continue };
            match name {
                "MemTotal" => total = Some(bytes),
                "MemFree" => free = Some(bytes),
                "MemAvailable" => available = Some(bytes),
                "Buffers" => memory.buffers = bytes,
                "Cached" => memory.cached = bytes,
                "SwapTotal" => memory.swap_total = bytes,
                "SwapFree" => {
                    memory.swap_free = bytes;
                    break;
                }
                _ => {}
            }
        }
        memory.total = total?;
        let kept = memory.buffers.checked_add(memory.cached);
        let estimate = || free?.checked_add(kept?);
        memory.available = available.or_else(estimate)?;
        memory.free = free.unwrap_or_default();
        Some(memory)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(meminfo: &str, expected: Option<(u64, u64)>) {
        let memory = Memory::parse(meminfo.as_bytes());
        assert_eq!(memory.map(|it| (it.total / 1024, it.available / 1024)), expected, "{meminfo}");
    }

    #[test]
    fn the_lines_that_matter_are_found_among_the_others() {
        let text = "MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\nBuffers: 1 kB\n\
                    Cached: 2 kB\nSwapCached: 7 kB\nSwapTotal: 64 kB\nSwapFree: 60 kB\n";
        let kib = |kib: u64| kib * 1024;
        let expected = Memory {
            total: kib(900),
            free: kib(100),
            available: kib(500),
            buffers: kib(1),
            cached: kib(2),
            swap_total: kib(64),
            swap_free: kib(60),
        };
        assert_eq!(Memory::parse(text.as_bytes()), Some(expected));
    }

    #[test]
    fn an_old_system_leaves_it_to_others_to_estimate() {
        let text = "MemTotal: 900 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\nSwap";
        check(text, Some((900, 420)));
    }

    #[test]
    fn a_text_that_makes_no_sense_is_no_memory() {
        check("", None);
        check("MemTotal: 900 kB\n", None);
        check("MemTotal: many kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: -900 kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: 18446744073709551616 kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: 18446744073709551615 kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: nan kB\nMemAvailable: inf kB\n", None);
        check("MemTotal:\nMemAvailable:\n", None);
        check("MemTotal 900 kB\nMemAvailable 5 kB\n", None);
        check("\u{0}\u{0}\n\n:\n", None);
        check("MemAvailable: 5 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 1 kB\n", None);
        check("MemTotal: 900 kB\nMemAvailable: 5", None);
        let most = u64::MAX / 1024;
        check(&format!("MemTotal: 9 kB\nMemFree: {most} kB\nBuffers: {most} kB\n"), None);
    }

    #[test]
    fn each_line_has_a_name_and_an_amount() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meminfo");
        let text = "MemTotal: 9 kB\nActive(anon):    5 kB\nHugePages_Total:       3\nOdd: 3 MB\n:";
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        let each = |name: &str, amount| found.push((name.to_owned(), amount));
        Meminfo::of(path.to_str().unwrap()).each(each);
        let expected = [
            ("MemTotal", Amount::Bytes(9216)),
            ("Active(anon)", Amount::Bytes(5120)),
            ("HugePages_Total", Amount::Count(3)),
        ];
        assert_eq!(found, expected.map(|(name, amount)| (name.to_owned(), amount)));
    }

    proptest! {
        #[test]
        fn any_text_is_memory_or_none(text: Vec<u8>) {
            let _ = (Memory::parse(&text), parse(&text));
        }
    }
}
