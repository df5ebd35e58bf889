//! How many tasks want to run.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// The load averages over 1, 5 and 15 minutes.
pub(super) struct Load(reader::Reader);

impl Load {
    pub(super) fn new() -> Load {
        Load(reader::Reader::new())
    }
}

impl Part for Load {
    fn columns(&self) -> Vec<Column> {
        ["load1", "load5", "load15"].map(|name| Column::new(name, "")).into()
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        values.extend(self.0.averages().unwrap_or([f64::NAN; 3]));
        true
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::Loadavg;

    pub(super) struct Reader(Loadavg);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(Loadavg::new())
        }

        pub(super) fn averages(&mut self) -> Option<[f64; 3]> {
            Some(self.0.loads()?.averages)
        }
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
