//! Looks at the processes of a source, by time. Compact: names that repeat are kept once.

mod sum;

use std::collections::{HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Look, Process, SafeText, Time, Top};

/// Maximum memory for the looks of a source: 64 MiB. A week of ten processes every 5 s fits.
const LOOKS_BYTES_MAX: usize = 64 << 20;

/// Maximum memory for the looks of all sources together: 128 MiB. A day of each of 12 sources fits.
pub(crate) const ALL_LOOKS_BYTES_MAX: usize = 2 * LOOKS_BYTES_MAX;

/// Memory that an allocation takes beside its contents, at most: 16 B.
const ALLOCATION_BYTES: usize = 16;

/// Number of programs from which those of dropped looks are looked for.
const SWEPT_PROGRAMS_MIN: usize = 256;

/// Looks at the processes of a source.
///
/// **Invariant:** times strictly increase; the looks span at most `keep`, and take at most
/// `bytes_max` unless there is only one.
#[derive(Debug, Clone)]
pub struct Looks {
    stored: VecDeque<StoredLook>,
    stored_bytes: usize,
    newest: Option<Arc<Look>>,
    programs: Programs,
    keep: Duration,
    bytes_max: usize,
}

#[derive(Debug, Clone)]
struct StoredLook {
    top: Top,
    processes: Box<[StoredProcess]>,
}

/// Process in 40 B. NaN is a number that is not known.
#[derive(Debug, Clone)]
struct StoredProcess {
    program: Arc<Program>,
    pid: u32,
    cpu: f64,
    mem: u64,
    io: f64,
}

/// Texts of a process.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Program {
    name: SafeText,
    user: Option<SafeText>,
    unit: Option<SafeText>,
}

/// Programs of the looks, each once.
#[derive(Debug, Clone, Default)]
struct Programs {
    known: HashSet<Arc<Program>>,
    bytes: usize,
    /// Number of programs at which to sweep.
    sweep_at: usize,
}

impl Looks {
    /// Returns no looks, of which those of the last `keep` will be kept.
    pub fn new(keep: Duration) -> Looks {
        Looks {
            stored: VecDeque::new(),
            stored_bytes: 0,
            newest: None,
            programs: Programs::default(),
            keep,
            bytes_max: LOOKS_BYTES_MAX,
        }
    }

    /// Lowers the maximum memory.
    pub(crate) fn with_bytes_max(self, bytes_max: usize) -> Looks {
        Looks { bytes_max: bytes_max.min(LOOKS_BYTES_MAX), ..self }
    }

    /// Adds a look at its time, and replaces one of the same time. Drops looks that are older than
    /// `keep`, and the oldest ones if the memory is full.
    pub fn push(&mut self, look: Arc<Look>) {
        let processes = look.processes.iter().map(|process| self.programs.store(process));
        let stored = StoredLook { top: look.top.clone(), processes: processes.collect() };
        self.stored_bytes += stored.bytes();
        let at = self.stored.partition_point(|earlier| earlier.top.time < look.top.time);
        match self.stored.get_mut(at) {
            Some(same) if same.top.time == look.top.time => {
                self.stored_bytes -= std::mem::replace(same, stored).bytes();
            }
            _ => self.stored.insert(at, stored),
        }
        if at + 1 == self.stored.len() {
            self.newest = Some(look);
        }
        self.drop_old();
    }

    fn drop_old(&mut self) {
        let Some(newest) = self.newest() else { return };
        let oldest = newest.top.time - self.keep;
        let outdated = self.stored.iter().take_while(|look| look.top.time < oldest).count();
        self.drop_oldest(outdated);
        if self.programs.known.len() >= self.programs.sweep_at {
            self.programs.sweep();
        }
        while self.bytes() > self.bytes_max && self.stored.len() > 1 {
            // Several at once: a sweep visits all programs.
            self.drop_oldest(self.stored.len().div_ceil(8));
            self.programs.sweep();
        }
    }

    /// Drops the oldest looks, except the newest look.
    fn drop_oldest(&mut self, count: usize) {
        let count = count.min(self.stored.len().saturating_sub(1));
        let dropped = self.stored.drain(..count);
        self.stored_bytes -= dropped.map(|look| look.bytes()).sum::<usize>();
    }

    /// Drops the looks after `time`: the clock was set back.
    pub(crate) fn forget_after(&mut self, time: Time) {
        let kept = self.stored.partition_point(|look| look.top.time <= time);
        if kept < self.stored.len() {
            let dropped = self.stored.drain(kept..);
            self.stored_bytes -= dropped.map(|look| look.bytes()).sum::<usize>();
            self.newest = self.stored.back().map(|look| Arc::new(look.to_look()));
        }
    }

    /// Returns the newest look.
    pub fn newest(&self) -> Option<&Look> {
        self.newest.as_deref()
    }

    /// Returns the look that covers `time`: the first one at or after it whose time since the look before
    /// reaches back to it.
    pub fn at(&self, time: Time) -> Option<Look> {
        let at = self.stored.partition_point(|look| look.top.time < time);
        self.stored.get(at).filter(|look| covers(&look.top, time)).map(StoredLook::to_look)
    }

    /// Returns the looks in a span of time, the oldest first.
    pub fn between(&self, span: RangeInclusive<Time>) -> impl Iterator<Item = Look> {
        let from = self.stored.partition_point(|look| look.top.time < *span.start());
        let until = self.stored.partition_point(|look| look.top.time <= *span.end());
        self.stored.range(from..until.max(from)).map(StoredLook::to_look)
    }

    /// Returns the memory of the looks in bytes.
    pub fn bytes(&self) -> usize {
        let unused = (self.stored.capacity() - self.stored.len()) * size_of::<StoredLook>();
        unused + self.stored_bytes + self.programs.bytes
    }
}

impl StoredLook {
    fn bytes(&self) -> usize {
        size_of::<StoredLook>() + size_of_val(&*self.processes) + ALLOCATION_BYTES
    }

    fn to_look(&self) -> Look {
        let processes = self.processes.iter().map(StoredProcess::to_process).collect();
        Look { top: self.top.clone(), processes }
    }
}

impl StoredProcess {
    fn to_process(&self) -> Process {
        let Program { name, user, unit } = &*self.program;
        let known = |number: f64| Some(number).filter(|number| !number.is_nan());
        Process {
            pid: self.pid,
            name: name.clone(),
            user: user.clone(),
            unit: unit.clone(),
            cpu: known(self.cpu),
            mem: self.mem,
            io: known(self.io),
        }
    }
}

impl Program {
    fn bytes(&self) -> usize {
        let texts = [Some(&self.name), self.user.as_ref(), self.unit.as_ref()];
        let text_bytes = |text: &SafeText| text.as_str().len() + 2 * ALLOCATION_BYTES;
        let texts: usize = texts.into_iter().flatten().map(text_bytes).sum();
        // The entry in the set is 9 B, of a table that may be half full.
        texts + size_of::<Program>() + 3 * ALLOCATION_BYTES
    }
}

impl Programs {
    fn store(&mut self, process: &Process) -> StoredProcess {
        let Process { pid, name, user, unit, cpu, mem, io } = process;
        let program = Program { name: name.clone(), user: user.clone(), unit: unit.clone() };
        StoredProcess {
            program: self.intern(program),
            pid: *pid,
            cpu: cpu.unwrap_or(f64::NAN),
            mem: *mem,
            io: io.unwrap_or(f64::NAN),
        }
    }

    fn intern(&mut self, program: Program) -> Arc<Program> {
        if let Some(known) = self.known.get(&program) {
            return known.clone();
        }
        self.bytes += program.bytes();
        let program = Arc::new(program);
        self.known.insert(program.clone());
        program
    }

    /// Drops the programs that no look has.
    fn sweep(&mut self) {
        self.known.retain(|program| Arc::strong_count(program) > 1);
        self.bytes = self.known.iter().map(|program| program.bytes()).sum();
        self.sweep_at = (2 * self.known.len()).max(SWEPT_PROGRAMS_MIN);
    }
}

/// Returns whether the time since the look before includes `time`.
pub(crate) fn covers(top: &Top, time: Time) -> bool {
    let over = top.over.and_then(|over| Duration::try_from_secs_f64(over).ok()).unwrap_or_default();
    top.time - over <= time
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

    use super::*;

    fn s(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn look(seconds: i64, processes: Vec<Process>) -> Arc<Look> {
        let top = Top { time: s(seconds), over: Some(5.0), cpu: Some(63.2), ..Top::default() };
        Arc::new(Look { top, processes })
    }

    fn looks(times: &[i64]) -> Looks {
        let mut looks = Looks::new(Duration::from_mins(1));
        for time in times {
            looks.push(look(*time, Vec::new()));
        }
        looks
    }

    fn times(looks: impl IntoIterator<Item = impl Borrow<Look>>) -> Vec<i64> {
        looks.into_iter().map(|look| look.borrow().top.time.as_millis() / 1000).collect()
    }

    fn all(looks: &Looks) -> Vec<i64> {
        times(looks.between(Time::from_millis(i64::MIN)..=Time::from_millis(i64::MAX)))
    }

    fn process(pid: u32, name: &str) -> Process {
        Process { pid, name: name.into(), mem: 1 << 40, cpu: Some(44.1), ..Process::default() }
    }

    #[test]
    fn a_look_covers_the_time_since_the_look_before() {
        let looks = looks(&[105, 110, 130]);
        assert_eq!(times(looks.at(s(104))), [105]);
        assert_eq!(times(looks.at(s(110))), [110]);
        assert_eq!(times(looks.at(s(112))), [0; 0]);
        assert_eq!(times(looks.at(s(131))), [0; 0]);
        assert_eq!(times(looks.newest()), [130]);
    }

    #[test]
    fn looks_are_in_the_order_of_their_times_and_old_ones_are_dropped() {
        let looks = looks(&[110, 100, 105, 110, 162]);
        assert_eq!(times(looks.between(s(0)..=s(200))), [105, 110, 162]);
        assert_eq!(times(looks.between(s(106)..=s(110))), [110]);
        let reversed = looks.between(s(200)..=s(0));
        assert_eq!(reversed.count(), 0);
    }

    #[test]
    fn a_stored_look_is_as_it_was() {
        let full = Process {
            user: Some("media".into()),
            unit: Some("transcode.service".into()),
            io: Some(1_048_576.0),
            ..process(812, "ffmpeg")
        };
        let unknown = Process { cpu: None, ..process(1, "init") };
        let look = look(100, vec![full, unknown]);
        let mut looks = Looks::new(Duration::MAX);
        looks.push(look.clone());
        assert_eq!(looks.newest(), Some(&*look));
        assert_eq!(looks.at(s(98)).as_ref(), Some(&*look));
        assert_eq!(looks.between(s(0)..=s(100)).collect::<Vec<_>>(), [(*look).clone()]);
    }

    #[test]
    fn looks_after_a_clock_that_was_set_back_are_dropped() {
        let mut looks = looks(&[100, 105, 110]);
        looks.forget_after(s(107));
        assert_eq!((all(&looks), times(looks.newest())), (vec![100, 105], vec![105]));
        looks.forget_after(s(200));
        looks.forget_after(s(1));
        assert_eq!((all(&looks), times(looks.newest())), (vec![], vec![]));
        assert_eq!(looks.stored_bytes, 0);
    }

    #[test]
    fn earlier_looks_can_be_added_in_front() {
        let mut looks = Looks::new(Duration::from_hours(24));
        for slice in [500..600, 400..500, 300..400] {
            slice.for_each(|second| looks.push(look(second, vec![process(1, "a")])));
        }
        assert_eq!(all(&looks), (300..600).collect::<Vec<_>>());
        assert_eq!(times(looks.newest()), [599]);
    }

    /// Looks of a day, one each 5 s, at ten processes of which the fifth is another one each time.
    fn day() -> Looks {
        let mut looks = Looks::new(Duration::from_hours(24));
        for at in 0..17_280_u32 {
            let name = |number| format!("program-{number}");
            let user = |number| Some(format!("user-{}", number % 3).as_str().into());
            let processes = (0..10).map(|number| {
                let pid = if number == 4 { at } else { number };
                Process { user: user(number), ..process(pid, &name(number)) }
            });
            looks.push(look(5 * i64::from(at), processes.collect()));
        }
        looks
    }

    #[test]
    fn a_day_of_ten_processes_takes_a_few_mebibytes() {
        let looks = day();
        assert_eq!((all(&looks).len(), looks.programs.known.len()), (17_280, 10));
        assert!(looks.bytes() < 10 << 20, "{}", looks.bytes());
    }

    #[test]
    fn names_without_end_take_a_limited_memory() {
        let mut looks = Looks::new(Duration::MAX).with_bytes_max(1 << 20);
        for at in 0..2000 {
            let long = |number: u32| format!("{at}-{number}-{}", "x".repeat(100));
            let processes = (0..20).map(|number| process(number, &long(number)));
            looks.push(look(at, processes.collect()));
            assert!(looks.bytes() <= 1 << 20);
        }
        let kept = all(&looks);
        assert!(kept.len() > 50 && kept.last() == Some(&1999), "{kept:?}");
        assert_eq!(looks.programs.known.len(), 20 * kept.len());
    }

    #[test]
    fn programs_of_dropped_looks_are_dropped() {
        let mut looks = Looks::new(Duration::from_mins(1));
        for at in 0..10_000 {
            looks.push(look(at, vec![process(1, &at.to_string())]));
        }
        assert_eq!(looks.stored.len(), 61);
        assert!(looks.programs.known.len() <= SWEPT_PROGRAMS_MIN + 1);
        looks.programs.sweep();
        assert_eq!(looks.programs.known.len(), 61);
        let bytes: usize = looks.stored.iter().map(StoredLook::bytes).sum();
        assert_eq!(bytes, looks.stored_bytes);
    }
}
