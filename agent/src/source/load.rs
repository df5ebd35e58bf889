//! How many tasks want to run.

use loadline_protocol::Column;

use super::Source;

/// The load averages over 1, 5 and 15 minutes.
pub(super) struct Load(reader::Reader);

impl Load {
    pub(super) fn new() -> Load {
        Load(reader::Reader::new())
    }
}

impl Source for Load {
    fn columns(&self) -> Vec<Column> {
        ["load1", "load5", "load15"].map(|name| Column::new(name, "")).into()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.extend(self.0.averages().unwrap_or([f64::NAN; 3]));
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::Kept;

    /// Linux has no more tasks than this, so no more of them can want to run.
    const LOAD_MAX: f64 = (1 << 22) as f64;

    pub(super) struct Reader(Kept);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(Kept::new("/proc/loadavg"))
        }

        pub(super) fn averages(&mut self) -> Option<[f64; 3]> {
            // Room for three averages as long as a number can be.
            parse(self.0.beginning(&mut [0; 128])?)
        }
    }

    /// `0.52 0.44 0.40 1/123 4567`
    pub(super) fn parse(loadavg: &str) -> Option<[f64; 3]> {
        let mut words = loadavg.split_ascii_whitespace().map(|word| {
            let load: f64 = word.parse().ok()?;
            (0.0..=LOAD_MAX).contains(&load).then_some(load)
        });
        Some([words.next()??, words.next()??, words.next()??])
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::System;

    pub(super) struct Reader;

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader
        }

        #[expect(clippy::unused_self, reason = "the reader of Linux has something to keep")]
        pub(super) fn averages(&mut self) -> Option<[f64; 3]> {
            // Windows has none, and shows zeros for them.
            let load = System::load_average().ok().filter(|_| cfg!(unix))?;
            Some([load.one, load.five, load.fifteen])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_averages_on_any_system() {
        let mut values = Vec::new();
        let mut load = Load::new();
        load.sample(&mut values);
        assert_eq!(values.len(), load.columns().len());
        assert!(values.iter().all(|load| load.is_nan() || *load >= 0.0), "{values:?}");
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
    use super::reader::parse;

    #[test]
    fn the_first_three_numbers_are_the_averages() {
        assert_eq!(parse("0.52 0.44 12.40 1/123 4567\n"), Some([0.52, 0.44, 12.4]));
        assert_eq!(parse("0 4194304 1e3"), Some([0.0, 4_194_304.0, 1000.0]));
        for wrong in [
            "",
            "\n",
            "0.5 0.4",
            "0.5 nan 0.4",
            "0.5 -1 0.4",
            "0.5 1e999 0.4",
            "0.5 1e300 0.4",
            "inf inf inf",
            "4194305 0 0",
            "0,5 0,4 0,3",
            "a b c",
            "\u{0} \u{0} \u{0}",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
