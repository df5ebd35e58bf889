//! `/proc/spl/kstat/zfs/arcstats`: the ARC, ZFS's cache of files. Linux counts it as used memory.

use super::meminfo::Amount;
use super::mounts::MountsFile;
use super::record_file::{Record, RecordFile};
use super::root::Root;
use super::{number, words};

/// Line of the file: name, type, and a number.
struct ArcLine;

/// Size of the ARC.
pub(crate) struct ArcFile {
    lines: RecordFile<ArcLine>,
    /// Container software such as lxcfs mounts `/proc/meminfo` of the container, while the ARC is
    /// that of the machine.
    is_of_other_memory: bool,
}

impl Record for ArcLine {
    type Of<'a> = (&'a [u8], u64);

    const PATH: &'static str = "proc/spl/kstat/zfs/arcstats";

    /// Parses `c_min                           4    2147483648`.
    fn parse(line: &[u8]) -> Option<(&[u8], u64)> {
        let mut words = words(line);
        let (name, _, value) = (words.next()?, words.next()?, words.next()?);
        Some((name, number(value)?))
    }
}

impl ArcFile {
    pub(crate) fn new(root: &Root) -> ArcFile {
        let mut is_of_other_memory = false;
        MountsFile::new(root).for_each(|mount| {
            is_of_other_memory |= mount.point.strip_prefix('/') == Some(Amount::PATH);
        });
        ArcFile { lines: RecordFile::new(root), is_of_other_memory }
    }

    /// Returns the bytes that the ARC gives back to programs: its size above its minimum. `None`
    /// without ZFS.
    pub(crate) fn reclaimable(&mut self) -> Option<u64> {
        let [size, minimum] = self.size_and_minimum()?;
        Some(size.saturating_sub(minimum))
    }

    /// Returns the size of the ARC and its minimum, bytes. `None` without ZFS.
    pub(crate) fn size_and_minimum(&mut self) -> Option<[u64; 2]> {
        if self.is_of_other_memory {
            return None;
        }
        let (mut size, mut minimum) = (None, None);
        self.lines.find_map(|(name, value)| {
            match name {
                b"size" => size = Some(value),
                b"c_min" => minimum = Some(value),
                _ => {}
            }
            size.and(minimum)
        })?;
        Some([size?, minimum?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    const ARCSTATS: &str = "13 1 0x01 123 33456 5103371283 2461302478\n\
                            name                            type data\n\
                            hits                            4    85623\n\
                            c                               4    900\n\
                            c_min                           4    100\n\
                            c_max                           4    900\n\
                            size                            4    700\n\
                            hdr_size                        4    5\n";

    fn reclaimable(files: &[(&str, &str)]) -> Option<u64> {
        ArcFile::new(&TestRoot::with(files).root()).reclaimable()
    }

    #[test]
    fn the_arc_is_reclaimable_down_to_its_minimum() {
        assert_eq!(reclaimable(&[(ArcLine::PATH, ARCSTATS)]), Some(600));
        let small = ARCSTATS.replace("700", "50");
        assert_eq!(reclaimable(&[(ArcLine::PATH, &small)]), Some(0));
        for text in ["", "size 4 700\n", "c_min 4 100\n", "size 4 x\nc_min 4 100\n", "size"] {
            assert_eq!(reclaimable(&[(ArcLine::PATH, text)]), None, "{text:?}");
        }
        assert_eq!(reclaimable(&[]), None);
    }

    #[test]
    fn the_arc_of_the_machine_is_not_part_of_the_memory_of_a_container() {
        let mounts = "50 40 0:44 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n";
        let files = [(ArcLine::PATH, ARCSTATS), ("proc/self/mountinfo", mounts)];
        assert_eq!(reclaimable(&files), None);
    }
}
