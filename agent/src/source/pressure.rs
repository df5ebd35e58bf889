//! How long tasks have to wait for what others have. Own reader on Linux: sysinfo has no pressure.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// The part of the last ten seconds in which at least one task waited for a core, for memory, or for a
/// disk. Only Linux counts it.
pub(super) struct Pressures(reader::Reader);

impl Pressures {
    pub(super) fn new() -> Pressures {
        Pressures(reader::Reader::new())
    }
}

impl Part for Pressures {
    fn columns(&self) -> Vec<Column> {
        ["psi_cpu", "psi_mem", "psi_io"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        let percents = self.0.percents();
        values.extend(percents);
        percents.iter().any(|percent| !percent.is_nan())
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::Pressure;

    pub(super) struct Reader([Pressure; 3]);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(["cpu", "memory", "io"].map(Pressure::on))
        }

        pub(super) fn percents(&mut self) -> [f64; 3] {
            self.0.each_mut().map(|file| {
                let some = file.stalls().and_then(|stalls| stalls.some);
                some.map_or(f64::NAN, |some| some.avg10)
            })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    pub(super) struct Reader;

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader
        }

        #[expect(clippy::unused_self, reason = "the reader of Linux has something to keep")]
        pub(super) fn percents(&mut self) -> [f64; 3] {
            [f64::NAN; 3]
        }
    }
}
