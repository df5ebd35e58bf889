//! CPU time of each process between two looks, with that of children that ended meanwhile.
//!
//! The kernel adds the whole CPU time of an ended child to its parent, once the parent has waited for it. A
//! child that an earlier look saw has brought its earlier time along, which belongs to earlier looks and
//! is subtracted here. A child that ended was waited for by its parent; if the parent has ended too, by
//! an ancestor: that of the parent, or the one that adopts orphans. Time of children for which nobody
//! waits is nobody's.

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

impl ProcessRecord {
    fn total(&self) -> u64 {
        self.own.saturating_add(self.children)
    }
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
    let has_ended = |process: &&ProcessRecord| position(now, process).is_none();
    let ended = before.iter().filter(has_ended).filter(|process| process.total() > 0);
    let (orphans, others): (Vec<&ProcessRecord>, Vec<&ProcessRecord>) =
        ended.partition(|process| parent_now(process.parent, before, now).is_none());
    for child in others {
        let parent = parent_now(child.parent, before, now);
        subtract(child.total(), parent.into_iter(), &mut used);
    }
    for child in orphans {
        let ancestors = ancestors(child, before).filter_map(|pid| parent_now(pid, before, now));
        subtract(child.total(), ancestors, &mut used);
    }
    used
}

/// Subtracts the earlier time of an ended child from the first of `waiters` that can have waited for it:
/// whose time of children grew by this time at least. There is none if a process ignores its children.
fn subtract(earlier: u64, mut waiters: impl Iterator<Item = usize>, used: &mut [Used]) {
    if let Some(waiter) = waiters.find(|waiter| used[*waiter].children >= earlier) {
        used[waiter].children -= earlier;
        used[waiter].had_known_children = true;
    }
}

/// Returns the pids of the ancestors of a process, from its parent on.
fn ancestors<'b>(
    process: &ProcessRecord,
    before: &'b [ProcessRecord],
) -> impl Iterator<Item = u32> + use<'b> {
    let parent_of = |pid: &u32| {
        let at = before.binary_search_by_key(pid, |record| record.pid).ok()?;
        Some(before[at].parent)
    };
    std::iter::successors(Some(process.parent), parent_of).take(ANCESTORS_MAX)
}

/// Returns the position in `now` of the process that had this pid in `before`.
fn parent_now(pid: u32, before: &[ProcessRecord], now: &[ProcessRecord]) -> Option<usize> {
    let at = before.binary_search_by_key(&pid, |record| record.pid).ok()?;
    position(now, &before[at])
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

#[cfg(test)]
mod tests;
