//! Number of cores. Own reader on Linux: sysinfo lists the cores that are online at its start.

use sysinfo::{CpuRefreshKind, RefreshKind, System};

use crate::kernel::core_lists::present_cores;
use crate::kernel::root::Root;

/// Highest number of cores with a column. The names of 512 columns fill a line.
const CORES_MAX: usize = 512;

/// Returns the number of cores, offline cores included.
pub(super) fn count(root: &Root) -> usize {
    let logical = || logical_cores().map(|cores| cores as usize);
    present_cores(root).or_else(logical).unwrap_or(0).min(CORES_MAX)
}

/// Returns the number of online logical cores.
pub(super) fn logical_cores() -> Option<u32> {
    let usage = CpuRefreshKind::nothing().with_usage();
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok()?;
    u32::try_from(system.cpus().len()).ok().filter(|cores| *cores > 0)
}
