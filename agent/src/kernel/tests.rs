//! Files of another machine for tests, and properties that all parsers share.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::record_file::Record as _;
use super::root::Root;
use super::*;

/// Folder with kernel files that a test writes.
pub(crate) struct TestRoot(TempDir);

impl TestRoot {
    pub(crate) fn new() -> TestRoot {
        TestRoot(tempfile::tempdir().unwrap())
    }

    /// Returns a root with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> TestRoot {
        let root = TestRoot::new();
        for (path, text) in files {
            root.write(path, text);
        }
        root
    }

    /// Returns a root with the files of a folder in `agent/tests/fixtures`.
    pub(crate) fn fixture(name: &str) -> TestRoot {
        let root = TestRoot::new();
        root.overlay(name);
        root
    }

    /// Adds and replaces files by those of a folder in `agent/tests/fixtures`.
    pub(crate) fn overlay(&self, name: &str) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        copy_tree(&fixtures.join(name), self.0.path());
    }

    pub(crate) fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    /// Writes a file. Handles that are open read the new text.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn make_folder(&self, path: &str) {
        fs::create_dir_all(self.root().path(path)).unwrap();
    }

    /// Removes a folder, as the kernel does if a core goes offline.
    pub(crate) fn remove_folder(&self, path: &str) {
        fs::remove_dir_all(self.root().path(path)).unwrap();
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&entry.path(), &to);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            fs::write(to, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn no_parser_panics_on_any_bytes(
        bytes: Vec<u8>,
        // Reaches the code behind the first words of a line.
        start in "|1 [(]a[)] S|0::/docker/|cpu[0-9]*|intr|btime|some avg10=|MemTotal:|eth0:|1 2 vda|cpu MHz :|usage_usec",
        blank in " ?",
    ) {
        let line = [start.as_bytes(), blank.as_bytes(), &bytes].concat();
        let text = String::from_utf8_lossy(&line);
        let _ = (diskstats::DiskStats::parse(&line), net_dev::NetDevice::parse(&line));
        let _ = (meminfo::Amount::parse(&line), vmstat::PageCount::parse(&line));
        let _ = (mounts::Mount::parse(&line), mounts::Mount::unescape(&text));
        let _ = (stat::StatLine::parse(&line), cpuinfo::CoreMhz::parse(&line));
        let _ = (loadavg::parse(&text), pressure::Stalls::parse(&text));
        let _ = (own_process::parse_statm(&text), process_stat::parse(&line));
        let _ = process_units::unit_of(&text);
        let _ = (cgroups::parse_cpu_max(&text), cgroups::parse_cpu_stat(&text));
        let _ = (cgroups::cgroup_path(&text, "cpu"), core_lists::parse_list(&text));
        let _ = hwmon::parse_celsius(&text);
    }
}
