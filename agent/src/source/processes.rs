//! Number of processes. Own reader on Linux: sysinfo reads several files for each process.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
#[cfg(target_os = "linux")]
use crate::kernel::numbered_entries::ProcessFolders as ProcessReader;
use crate::kernel::root::Root;
#[cfg(not(target_os = "linux"))]
use reader::ProcessReader;

/// Collector of `procs`: processes visible to this one. Threads do not count.
pub(super) struct ProcessCollector(ProcessReader);

impl ProcessCollector {
    pub(super) fn new(root: &Root) -> ProcessCollector {
        ProcessCollector(ProcessReader::new(root))
    }
}

impl Collector for ProcessCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("procs", "")]
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let count = self.0.count();
        values.push(count.map_or(f64::NAN, |count| count as f64));
        count.is_some()
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

    use crate::kernel::root::Root;

    pub(super) struct ProcessReader(Option<System>);

    impl ProcessReader {
        pub(super) fn new(_: &Root) -> ProcessReader {
            ProcessReader(System::new_with_specifics(RefreshKind::nothing()).ok())
        }

        pub(super) fn count(&mut self) -> Option<usize> {
            let system = self.0.as_mut()?;
            let nothing = ProcessRefreshKind::nothing();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, nothing);
            Some(system.processes().len()).filter(|count| *count > 0)
        }
    }
}
