//! `/proc/cpuinfo`: frequency of each core, where the processor reports it.

use super::record_file::{Record, RecordFile};

pub(crate) type CpuinfoFile = RecordFile<CoreMhz>;

/// Frequency of a core, MHz.
pub(crate) struct CoreMhz;

impl Record for CoreMhz {
    type Of<'a> = f64;

    const PATH: &'static str = "proc/cpuinfo";

    /// Parses `cpu MHz : 2400.000`.
    fn parse(line: &[u8]) -> Option<f64> {
        let key = b"cpu mhz";
        if !line.get(..key.len())?.eq_ignore_ascii_case(key) {
            return None;
        }
        let (_, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        value.trim().parse().ok()
    }
}
