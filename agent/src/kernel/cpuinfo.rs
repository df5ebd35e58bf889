//! `/proc/cpuinfo`: frequency of each core. Each architecture has a format of its own. Most kernels
//! for ARM, RISC-V and MIPS report no frequency.

use super::record_file::{Record, RecordFile};

pub(crate) type CpuinfoFile = RecordFile<CoreMhz>;

/// Frequency of a core, MHz.
pub(crate) struct CoreMhz;

/// Unit of a number without a unit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Mhz,
    Hz,
    /// The number has a unit: `3425.000000MHz`.
    Written,
}

/// Names of the lines with the current frequency. Frequencies of buses and timers, and the maximum
/// of a core, have other names, such as `itc MHz` or `cpu MHz static`.
const NAMES: [(&str, Unit); 10] = [
    // x86, PA-RISC, IA-64, LoongArch, Xtensa and Elbrus.
    ("cpu MHz", Unit::Mhz),
    // s390x.
    ("cpu MHz dynamic", Unit::Mhz),
    // MicroBlaze.
    ("CPU-MHz", Unit::Mhz),
    // Sunway.
    ("CPU frequency [MHz]", Unit::Mhz),
    // Alpha.
    ("cycle frequency [Hz]", Unit::Hz),
    // OpenRISC.
    ("frequency", Unit::Hz),
    // POWER.
    ("clock", Unit::Written),
    // m68k and Nios II.
    ("Clocking", Unit::Written),
    // ARC.
    ("CPU speed", Unit::Written),
    // T-Head's kernels for RISC-V.
    ("cpu-freq", Unit::Written),
];

/// Suffixes of numbers, and their factor to MHz. `est.` is Alpha's, for an estimated frequency.
const SUFFIXES: [(&str, f64); 5] =
    [("GHz", 1e3), ("MHz", 1.0), ("kHz", 1e-3), ("Hz", 1e-6), ("est.", 1e-6)];

impl Record for CoreMhz {
    type Of<'a> = f64;

    const PATH: &'static str = "proc/cpuinfo";

    /// Parses `cpu MHz : 2400.000` and the lines of other architectures.
    fn parse(line: &[u8]) -> Option<f64> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let value = std::str::from_utf8(value).ok()?;
        if is_sparc_clock(name) {
            return Some(u64::from_str_radix(value, 16).ok()? as f64 / 1e6);
        }
        let is_name = |listed: &str| name.eq_ignore_ascii_case(listed.as_bytes());
        let (_, unit) = NAMES.into_iter().find(|(listed, _)| is_name(listed))?;
        mhz(value, unit)
    }
}

/// Returns true for `Cpu0ClkTck`, SPARC's frequency in Hz as a hexadecimal number.
fn is_sparc_clock(name: &[u8]) -> bool {
    let core = name.strip_prefix(b"Cpu").and_then(|rest| rest.strip_suffix(b"ClkTck"));
    core.is_some_and(|core| core.iter().all(u8::is_ascii_digit))
}

fn mhz(value: &str, unit: Unit) -> Option<f64> {
    let number_end = value.find(|c: char| c.is_ascii_whitespace() || c.is_ascii_alphabetic());
    let (number, suffix) = value.split_at(number_end.unwrap_or(value.len()));
    let suffix = suffix.trim_start();
    let factor = match unit {
        Unit::Mhz if suffix.is_empty() => 1.0,
        Unit::Hz if suffix.is_empty() => 1e-6,
        _ => SUFFIXES.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(suffix))?.1,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_frequency_is_read_on_each_architecture() {
        let check = |line: &str, expected: f64| {
            let mhz = CoreMhz::parse(line.as_bytes());
            assert!(mhz.is_some_and(|mhz| (mhz - expected).abs() < 1e-3), "{line}: {mhz:?}");
        };
        check("cpu MHz\t\t: 2400.000", 2400.0);
        check("CPU MHz\t\t\t: 2500.00", 2500.0);
        check("cpu MHz dynamic : 2600", 2600.0);
        check("clock\t\t: 3425.000000MHz", 3425.0);
        check("clock\t\t: 1000MHz", 1000.0);
        check("Cpu0ClkTck\t: 0000000047868c00", 1200.0);
        check("Cpu127ClkTck\t: 00000000f694acc0", 4136.939);
        check("cycle frequency [Hz]\t: 462962962 ", 462.963);
        check("cycle frequency [Hz]\t: 796423125 est.", 796.423);
        check("Clocking:\t24.8MHz", 24.8);
        check("Clocking:\t50.00 MHz", 50.0);
        check("CPU speed\t: 500.00 Mhz", 500.0);
        check("CPU-MHz:     100.00", 100.0);
        check("cpu-freq        : 1.848Ghz", 1848.0);
        check("frequency\t\t: 50000000", 50.0);
    }

    #[test]
    fn other_frequencies_are_ignored() {
        for line in [
            "cpu MHz static  : 5200",
            "itc MHz    : 1500.000",
            "bus clock\t: 100MHz",
            "timebase\t: 512000000",
            "timer frequency [Hz]\t: 1024.00",
            "BogoMIPS\t: 48.00",
            "bogomips per cpu: 3241.00",
            "CPU max MHz : 4000",
            "clock\t\t: 3425",
            "CPU0ClkTck : 40000000",
            "CpuClkTckx : 40000000",
            "Cpu0ClkTck : xyz",
            "CPU speed \t: Cannot get clock for processor [0]",
            "clock : unknown",
            "clock : MHz",
            "clock",
            "cpu MHz : 1e3 apples",
            ":",
            "",
        ] {
            assert_eq!(CoreMhz::parse(line.as_bytes()), None, "{line}");
        }
    }
}
