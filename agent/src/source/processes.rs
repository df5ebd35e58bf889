//! Number of processes; threads do not count. Own reader on Linux: sysinfo reads several files for
//! each process, and counts the visible ones if others are hidden.

pub(super) use self::reader::ProcessReader;

#[cfg(target_os = "linux")]
mod reader {
    use tokio::time::Instant;

    use crate::kernel::numbered_entries::ProcessFolders;
    use crate::kernel::process_status::are_processes_hidden;
    use crate::kernel::root::Root;
    use crate::source::rescan::Rescan;

    pub(crate) struct ProcessReader {
        root: Root,
        folders: ProcessFolders,
        are_hidden: bool,
        rescan: Rescan,
    }

    impl ProcessReader {
        pub(crate) fn new(root: &Root) -> ProcessReader {
            ProcessReader {
                root: root.clone(),
                folders: ProcessFolders::new(root),
                are_hidden: false,
                rescan: Rescan::default(),
            }
        }

        /// Returns the number of processes, NaN if some are hidden.
        pub(crate) fn count(&mut self, now: Instant) -> Option<f64> {
            if self.rescan.is_due(now) {
                let are_hidden = are_processes_hidden(&self.root);
                if are_hidden && !self.are_hidden {
                    tracing::warn!(
                        "processes of other users are hidden (hidepid), procs is NaN; start the \
                         agent as root or in the group that hidepid exempts"
                    );
                }
                self.are_hidden = are_hidden;
            }
            if self.are_hidden {
                return Some(f64::NAN);
            }
            self.folders.count().map(|count| count as f64)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};
    use tokio::time::Instant;

    use crate::kernel::root::Root;

    pub(crate) struct ProcessReader(Option<System>);

    impl ProcessReader {
        pub(crate) fn new(_: &Root) -> ProcessReader {
            ProcessReader(System::new_with_specifics(RefreshKind::nothing()).ok())
        }

        pub(crate) fn count(&mut self, _: Instant) -> Option<f64> {
            let system = self.0.as_mut()?;
            let nothing = ProcessRefreshKind::nothing();
            system.refresh_processes_specifics(ProcessesToUpdate::All, true, nothing);
            let count = system.processes().len();
            (count > 0).then_some(count as f64)
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::time::Instant;

    use super::ProcessReader;
    use crate::kernel::tests::TestRoot;
    use crate::source::rescan::RESCAN_INTERVAL;

    #[test]
    fn hidden_processes_are_not_counted_as_absent() {
        let files = TestRoot::new();
        files.make_folder("proc/1");
        files.make_folder("proc/4711");
        let mut reader = ProcessReader::new(&files.root());
        let now = Instant::now();
        assert_eq!(reader.count(now), Some(2.0));
        let mount = "22 27 0:21 / /proc rw - proc proc rw,hidepid=invisible\n";
        files.write("proc/self/mountinfo", mount);
        assert!(reader.count(now + RESCAN_INTERVAL).unwrap().is_nan());
        files.write("proc/self/status", "CapEff:\t000001ffffffffff\n");
        assert_eq!(reader.count(now + RESCAN_INTERVAL * 2), Some(2.0));
        files.remove_folder("proc/1");
        assert_eq!(reader.count(now + RESCAN_INTERVAL * 2), None, "process 1 is always there");
    }
}
