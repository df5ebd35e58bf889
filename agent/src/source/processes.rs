//! Number of processes visible to this one; threads do not count. Own reader on Linux: sysinfo
//! reads several files for each process.

#[cfg(target_os = "linux")]
pub(super) use crate::kernel::numbered_entries::ProcessFolders as ProcessReader;
#[cfg(not(target_os = "linux"))]
pub(super) use reader::ProcessReader;

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

    use crate::kernel::root::Root;

    pub(crate) struct ProcessReader(Option<System>);

    impl ProcessReader {
        pub(crate) fn new(_: &Root) -> ProcessReader {
            ProcessReader(System::new_with_specifics(RefreshKind::nothing()).ok())
        }

        pub(crate) fn count(&mut self) -> Option<usize> {
            let system = self.0.as_mut()?;
            let nothing = ProcessRefreshKind::nothing();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, nothing);
            Some(system.processes().len()).filter(|count| *count > 0)
        }
    }
}
