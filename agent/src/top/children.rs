//! CPU time of each process between two looks, with that of children that ended meanwhile.
//!
//! The kernel adds the whole CPU time of an ended child to its parent, once the parent has waited for it. A
//! child that an earlier look saw has brought its earlier time along, which belongs to earlier looks and
//! is subtracted here. A child that ended was waited for by its parent; if the parent has ended too, by
//! an ancestor. Time of children for which nobody waits is nobody's.

/// Numbers of a process in a look. Times are in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessRecord {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Position of the name in the names of the look.
    pub(super) name_at: u32,
    /// Start since boot. With `pid`, it identifies a process.
    pub(super) start: u64,
    /// CPU time of its own, and of the children for which it waited.
    pub(super) own: u64,
    pub(super) children: u64,
    pub(super) resident_pages: u64,
}

/// CPU time of a process since the previous look, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    pub(super) own: u64,
    /// Of children that ended.
    pub(super) children: u64,
    /// True if it includes children that the previous look saw.
    pub(super) had_known_children: bool,
}

impl Used {
    pub(super) fn total(self) -> u64 {
        self.own.saturating_add(self.children)
    }
}

/// Highest number of ancestors that are searched for the one that waited for a child.
const ANCESTORS_MAX: usize = 64;

/// Returns the CPU time of each process in `now` since `before`. Both are sorted by pid. The previous
/// look began at `since`, in ticks since boot.
pub(super) fn used_between(
    before: &[ProcessRecord],
    now: &[ProcessRecord],
    since: u64,
) -> Vec<Used> {
    let mut used: Vec<Used> = now.iter().map(|process| used_by(before, process, since)).collect();
    for ended in before.iter().filter(|process| position(now, process).is_none()) {
        let earlier = ended.own.saturating_add(ended.children);
        if earlier == 0 {
            continue;
        }
        if let Some(waiter) = waiter_for(ended, earlier, before, now, &used) {
            used[waiter].children -= earlier;
            used[waiter].had_known_children = true;
        }
    }
    used
}

fn used_by(before: &[ProcessRecord], process: &ProcessRecord, since: u64) -> Used {
    let (own, children) = match position(before, process) {
        Some(at) => (before[at].own, before[at].children),
        None if process.start >= since => (0, 0),
        // The previous look missed it: nothing is known of the time since then.
        None => (u64::MAX, u64::MAX),
    };
    Used {
        own: process.own.saturating_sub(own),
        children: process.children.saturating_sub(children),
        had_known_children: false,
    }
}

/// Returns the position of the same process.
fn position(records: &[ProcessRecord], process: &ProcessRecord) -> Option<usize> {
    let at = records.binary_search_by_key(&process.pid, |record| record.pid).ok()?;
    (records[at].start == process.start).then_some(at)
}

/// Returns the position in `now` of the process that waited for an ended child: whose time of children grew
/// by the time of the child.
fn waiter_for(
    ended: &ProcessRecord,
    earlier: u64,
    before: &[ProcessRecord],
    now: &[ProcessRecord],
    used: &[Used],
) -> Option<usize> {
    let mut parent = ended.parent;
    for generation in 0..ANCESTORS_MAX {
        let at = before.binary_search_by_key(&parent, |record| record.pid).ok()?;
        if let Some(waiter) = position(now, &before[at]) {
            if used[waiter].children >= earlier {
                return Some(waiter);
            }
            if generation == 0 {
                // The parent is there and ignores its children.
                return None;
            }
        }
        parent = before[at].parent;
    }
    None
}

/// Limits the time of children to `available` ticks, which all processes together have used beyond their
/// own time. More than that includes earlier time: of children that were hidden, for example.
pub(super) fn limit_children(used: &mut [Used], available: u64) {
    let sum = |part: fn(&Used) -> u64| used.iter().map(part).fold(0, u64::saturating_add);
    let left = available.saturating_sub(sum(|used| used.own));
    let children = sum(|used| used.children);
    if children > left {
        for used in used {
            used.children =
                (u128::from(used.children) * u128::from(left) / u128::from(children)) as u64;
        }
    }
}
