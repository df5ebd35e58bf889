//! What several columns are made of, read once a sample.

use std::time::Instant;

use super::cpu::Shares;
use super::memory::Memory;

/// The machine at one moment, and since the one before.
pub(super) struct Moment {
    /// By a clock that nobody sets.
    pub(super) at: Instant,
    /// What all cores together did since the last moment.
    pub(super) cpu: Shares,
    /// How busy each core was since then, %; NaN of one that is offline.
    pub(super) cores: Vec<f64>,
    pub(super) memory: Option<Memory>,
    reader: reader::Reader,
}

impl Moment {
    /// Looks at so many cores one by one as well.
    pub(super) fn new(cores: usize) -> Moment {
        let (cores, reader) = (vec![f64::NAN; cores], reader::Reader::new(cores));
        Moment { at: Instant::now(), cpu: Shares::UNKNOWN, cores, memory: None, reader }
    }

    /// Goes on to now.
    pub(super) fn advance(&mut self) {
        self.at = Instant::now();
        self.cores.fill(f64::NAN);
        self.cpu = self.reader.cpu(&mut self.cores);
        self.memory = self.reader.memory();
        self.reader.limit(self.at, &mut self.cpu, &mut self.memory);
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use std::time::Instant;

    use super::super::cpu::Shares;
    use super::super::limits::Limits;
    use super::super::memory::Memory;
    use crate::procfs::{CpuTimes, Meminfo, Stat, StatLine};

    /// A line of a core is hardly longer.
    const CORE_ROOM: usize = 128;

    /// Reads the kernel's own files. sysinfo would skip a reading that comes less than 200 ms after the last
    /// one: at that interval, every second sample would repeat the one before.
    pub(super) struct Reader {
        stat: Stat,
        meminfo: Meminfo,
        limits: Limits,
        /// All cores at the last moment.
        last: Option<CpuTimes>,
        /// Each of them.
        last_of: Vec<Option<CpuTimes>>,
    }

    impl Reader {
        pub(super) fn new(cores: usize) -> Reader {
            let room = Stat::ROOM_OF_A_LINE + cores * CORE_ROOM;
            Reader {
                stat: Stat::new(room.min(Stat::ROOM)),
                meminfo: Meminfo::new(),
                limits: Limits::new(),
                last: None,
                last_of: vec![None; cores],
            }
        }

        pub(super) fn cpu(&mut self, cores: &mut [f64]) -> Shares {
            let Reader { stat, last, last_of, .. } = self;
            let (before, mut shares) = (last.take(), None);
            stat.each(|line| match line {
                StatLine::Cpus(times) => {
                    *last = Some(times);
                    shares = before.and_then(|before| Shares::between(before, times));
                    !cores.is_empty()
                }
                StatLine::Cpu(number, times) => {
                    let at = number as usize;
                    if let (Some(busy), Some(last)) = (cores.get_mut(at), last_of.get_mut(at)) {
                        let shares = last.and_then(|last| Shares::between(last, times));
                        *busy = shares.map_or(f64::NAN, |shares| shares.busy);
                        *last = Some(times);
                    }
                    true
                }
                _ => false,
            });
            shares.unwrap_or(Shares::UNKNOWN)
        }

        pub(super) fn memory(&mut self) -> Option<Memory> {
            let memory = self.meminfo.memory()?;
            Some(Memory {
                total: memory.total,
                available: memory.available,
                swap_total: memory.swap_total,
                swap_free: memory.swap_free,
            })
        }

        /// In a container, what it may have is all there is.
        pub(super) fn limit(&mut self, at: Instant, cpu: &mut Shares, memory: &mut Option<Memory>) {
            self.limits.look(at);
            if let Some([busy, user, system]) = self.limits.cpu_use(at) {
                *cpu = Shares { busy, user, system, ..*cpu };
            }
            if let (Some((used, limit)), Some(memory)) = (self.limits.memory_use(), memory) {
                memory.total = limit;
                memory.available = memory.available.min(limit.saturating_sub(used));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use std::time::Instant;

    use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

    use super::super::cpu::Shares;
    use super::super::memory::Memory;

    /// Systems of their own, for refreshing anything else in one delays the next reading of the
    /// usage.
    pub(super) struct Reader {
        cpu: Option<System>,
        memory: Option<System>,
    }

    impl Reader {
        pub(super) fn new(_cores: usize) -> Reader {
            let usage = CpuRefreshKind::nothing().with_usage();
            let cpu = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok();
            let amounts = RefreshKind::nothing().with_memory(MemoryRefreshKind::everything());
            Reader { cpu, memory: System::new_with_specifics(amounts).ok() }
        }

        pub(super) fn cpu(&mut self, cores: &mut [f64]) -> Shares {
            let Some(system) = &mut self.cpu else { return Shares::UNKNOWN };
            system.refresh_cpu_usage();
            for (busy, cpu) in cores.iter_mut().zip(system.cpus()) {
                *busy = f64::from(cpu.usage()).clamp(0.0, 100.0);
            }
            let busy = f64::from(system.global_cpu_usage()).clamp(0.0, 100.0);
            Shares { busy, ..Shares::UNKNOWN }
        }

        pub(super) fn memory(&mut self) -> Option<Memory> {
            let system = self.memory.as_mut()?;
            system.refresh_memory_specifics(MemoryRefreshKind::everything());
            Some(Memory {
                total: system.total_memory(),
                available: system.available_memory(),
                swap_total: system.total_swap(),
                swap_free: system.free_swap(),
            })
        }

        #[expect(clippy::unused_self, reason = "Linux has limits to keep")]
        pub(super) fn limit(&mut self, _: Instant, _: &mut Shares, _: &mut Option<Memory>) {}
    }
}
