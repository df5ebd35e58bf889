//! How busy each core is.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// Of a machine with more of them, the first ones: their names fill a line.
const CORES_MAX: usize = 512;

/// A column for each core that the machine has, whether it is online or not.
pub(super) struct Cores {
    count: usize,
}

impl Cores {
    pub(super) fn new(count: usize) -> Cores {
        Cores { count }
    }
}

impl Part for Cores {
    fn columns(&self) -> Vec<Column> {
        (0..self.count).map(|core| Column::new(&format!("core{core}"), "%")).collect()
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        values.extend(&now.cores);
        true
    }
}

/// How many cores there are, the last of them numbered one less.
pub(super) fn count() -> usize {
    let present = reader::present().or(super::cpu::logical_cores().map(|cores| cores as usize));
    present.unwrap_or(0).min(CORES_MAX)
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::Kept;

    /// Those that are offline are among them; those that a virtual machine might get one day are not,
    /// for that may be hundreds.
    pub(super) fn present() -> Option<usize> {
        parse(Kept::new("/sys/devices/system/cpu/present").beginning(&mut [0; 512])?)
    }

    /// `0-3,8-15`
    pub(super) fn parse(list: &str) -> Option<usize> {
        let number = list.trim().rsplit([',', '-']).next()?;
        number.parse::<usize>().ok()?.checked_add(1)
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    pub(super) fn present() -> Option<usize> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::parse;

    #[test]
    fn the_last_number_of_a_list_says_how_many_there_are() {
        assert_eq!(parse("0\n"), Some(1));
        assert_eq!(parse("0-3,8-15\n"), Some(16));
        assert_eq!(parse("0-3,7\n"), Some(8));
        for wrong in ["", "\n", "-", "0-", "x", "0-18446744073709551615", "99999999999999999999"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
