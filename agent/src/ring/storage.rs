//! Storage of the ring: samples as text, and compressed ones in the middle.
//!
//! ```text
//!   oldest  │ packed │ packed │ packed │ … │    recent
//!      ▲                                          ▲
//!      └── evicted one by one                     └── pushed; live clients read here
//! ```

use loadline_protocol::Time;

use super::packed::{CHUNK_BYTES, PackedRows};
use super::position::Position;
use super::rows::{RowText, Rows};

/// Size of the rows and looks from which the first of them are compressed: 96 KiB. The newest 64 KiB,
/// some four minutes, stay as they are.
const RECENT_BYTES_MAX: usize = 3 * CHUNK_BYTES;

/// Consecutive samples.
///
/// **Invariant:** there are packed samples only after oldest ones, and oldest ones only before recent
/// ones.
#[derive(Default)]
pub(super) struct Storage {
    oldest: Rows,
    packed: PackedRows,
    recent: Rows,
}

impl Storage {
    /// Creates an empty storage for samples from a position on.
    pub(super) fn new(first: Position) -> Storage {
        Storage { recent: Rows::new(first), ..Storage::default() }
    }

    /// Appends a sample: the notes of its looks, and its row with the line end.
    pub(super) fn push(&mut self, time: Time, looks: &str, row: &str) {
        self.recent.push(time, looks, row);
        if self.recent.text().len() > RECENT_BYTES_MAX {
            self.pack_first();
        }
    }

    /// Compresses the first of the recent samples.
    fn pack_first(&mut self) {
        let count = self.recent.count_of_bytes(CHUNK_BYTES);
        if self.oldest.is_empty() {
            let text = self.recent.text_of_first(count).to_vec();
            self.oldest = Rows::from_text(self.recent.first, text);
        } else {
            self.packed.push(&self.recent, count);
        }
        self.recent.drop_first(count);
    }

    /// Drops the samples before `since`, and the oldest beyond `count_max`.
    pub(super) fn evict(&mut self, since: Time, count_max: usize) {
        if self.packed.drop_before(since) {
            self.oldest = Rows::default();
            self.unpack_oldest();
        }
        while self.oldest_time().is_some_and(|time| time < since) || self.len() > count_max {
            if self.oldest.is_empty() {
                self.recent.drop_first(1);
            } else {
                self.oldest.drop_first(1);
                self.unpack_oldest();
            }
        }
    }

    fn unpack_oldest(&mut self) {
        if self.oldest.is_empty()
            && let Some(rows) = self.packed.pop_first()
        {
            self.oldest = rows;
        }
    }

    /// Drops the samples from `time` on.
    pub(super) fn forget_since(&mut self, time: Time) {
        while self.newest_time().is_some_and(|newest| newest >= time) {
            self.recent.drop_last();
            if self.recent.is_empty() {
                let oldest = || Some(std::mem::take(&mut self.oldest)).filter(|it| !it.is_empty());
                self.recent =
                    self.packed.pop_last().or_else(oldest).unwrap_or(Rows::new(self.recent.first));
            }
        }
    }

    /// Drops all samples. Their positions are not reused.
    pub(super) fn clear(&mut self) {
        *self = Storage::new(self.end());
    }

    /// Puts other samples in front of these, at the positions there.
    pub(super) fn prepend(&mut self, mut older: Storage) {
        let (from, to) = (older.end(), self.tail());
        older.oldest.first.shift(from, to);
        older.packed.shift(from, to);
        older.recent.first.shift(from, to);
        while !older.recent.is_empty() {
            older.pack_first();
        }
        if !self.oldest.is_empty() {
            older.packed.push(&self.oldest, self.oldest.len());
        }
        older.packed.append(std::mem::take(&mut self.packed));
        (self.oldest, self.packed) = (older.oldest, older.packed);
    }

    /// Position of the oldest sample.
    pub(super) fn tail(&self) -> Position {
        if self.oldest.is_empty() { self.recent.first } else { self.oldest.first }
    }

    /// Position of the next sample.
    pub(super) fn end(&self) -> Position {
        self.recent.end()
    }

    pub(super) fn len(&self) -> usize {
        (self.end().0 - self.tail().0) as usize
    }

    /// Size of the rows and looks, decompressed.
    pub(super) fn text_bytes(&self) -> u64 {
        (self.oldest.text().len() + self.recent.text().len()) as u64 + self.packed.text_bytes()
    }

    pub(super) fn oldest_time(&self) -> Option<Time> {
        self.oldest.first_time().or(self.recent.first_time())
    }

    pub(super) fn newest_time(&self) -> Option<Time> {
        self.recent.last_time()
    }

    /// Position of the first sample that is not before `time`.
    pub(super) fn first_since(&mut self, time: Time) -> Position {
        let begins = |first: Option<Time>| first.is_some_and(|first| first <= time);
        if self.oldest.is_empty() || begins(self.recent.first_time()) {
            self.recent.first_since(time)
        } else {
            let packed = self.packed.first_since(time);
            packed.unwrap_or_else(|| self.oldest.first_since(time))
        }
    }

    /// Text of the sample at a position, if there is one.
    pub(super) fn get(&mut self, position: Position) -> Option<RowText<'_>> {
        let rows = if self.recent.holds(position) {
            &self.recent
        } else if self.oldest.holds(position) {
            &self.oldest
        } else {
            self.packed.get(position)?
        };
        rows.get(position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packed::UNPACKED_MAX;
    use super::*;

    /// Storage, and the same samples as a list: position, time, looks and row.
    struct Pair {
        storage: Storage,
        model: Vec<(Position, Time, String, String)>,
        now_ms: i64,
    }

    impl Pair {
        fn new() -> Pair {
            let storage = Storage::new(Position::FIRST);
            Pair { storage, model: Vec::new(), now_ms: 1_000_000 }
        }

        /// Adds a sample with texts of about these sizes.
        fn push(&mut self, after_ms: i64, looks_bytes: usize, row_bytes: usize) {
            self.now_ms += after_ms;
            let time = Time::from_millis(self.now_ms);
            let position = self.storage.end();
            let mut state = self.now_ms as u64 | 1;
            let mut digits = |bytes: usize| {
                let number = |_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    format!(" {}", state >> 44)
                };
                (0..bytes / 7).map(number).collect::<String>()
            };
            let looks = match looks_bytes {
                0 => String::new(),
                bytes => format!("# top time={time}{}\n# proc\n", digits(bytes)),
            };
            let row = format!("{time} {}{}\n", position.0, digits(row_bytes));
            self.storage.push(time, &looks, &row);
            self.model.push((position, time, looks, row));
        }

        /// Compares everything but single samples.
        fn check(&self) {
            let Pair { storage, model, .. } = self;
            assert_eq!(storage.len(), model.len());
            let text =
                |(_, _, looks, row): &(_, _, String, String)| (looks.len() + row.len()) as u64;
            assert_eq!(storage.text_bytes(), model.iter().map(text).sum::<u64>());
            assert_eq!(storage.oldest_time(), model.first().map(|sample| sample.1));
            assert_eq!(storage.newest_time(), model.last().map(|sample| sample.1));
            assert_eq!(storage.tail(), model.first().map_or(storage.end(), |sample| sample.0));
            assert!(storage.packed.text_bytes() == 0 || !storage.oldest.is_empty());
            assert!(model.is_empty() || !storage.recent.is_empty());
        }

        fn check_sample(&mut self, at: usize) {
            let (position, time, looks, row) = &self.model[at];
            let text = self.storage.get(*position).unwrap();
            assert_eq!((text.looks, text.row), (looks.as_bytes(), row.as_bytes()));
            let row = row.trim_end();
            let plain: Vec<_> = row.split(' ').skip(2).take(6).collect();
            assert_eq!(text.row[text.plain], *plain.join(" ").as_bytes(), "{row}");
            assert_eq!(self.storage.first_since(*time), *position);
            assert_eq!(self.storage.first_since(time.shifted_ms(1)), position.next());
        }

        fn check_all(&mut self) {
            self.check();
            (0..self.model.len()).for_each(|at| self.check_sample(at));
            let (tail, end) = (self.storage.tail(), self.storage.end());
            assert!(self.storage.get(tail.previous()).is_none());
            assert!(self.storage.get(end).is_none());
        }
    }

    /// Step of the property test. Shares are those of the samples that are there.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push { count: usize, after_ms: i64, looks_bytes: usize, row_bytes: usize },
        Evict { share: f64 },
        EvictBeyond { share: f64 },
        Read { share: f64 },
        ForgetSince { share: f64 },
        Prepend { count: usize },
        Clear,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let share = || 0.0..1.0_f64;
        let looks = prop_oneof![Just(0), 1..3000_usize];
        prop_oneof![
            8 => (1..100_usize, 1..3000_i64, looks, 0..2000_usize).prop_map(
                |(count, after_ms, looks_bytes, row_bytes)| {
                    Step::Push { count, after_ms, looks_bytes, row_bytes }
                }
            ),
            2 => share().prop_map(|share| Step::Evict { share }),
            1 => share().prop_map(|share| Step::EvictBeyond { share }),
            4 => share().prop_map(|share| Step::Read { share }),
            1 => share().prop_map(|share| Step::ForgetSince { share }),
            1 => (0..300_usize).prop_map(|count| Step::Prepend { count }),
            1 => Just(Step::Clear),
        ]
    }

    fn take(pair: &mut Pair, step: Step) {
        let at = |share: f64, pair: &Pair| (share * pair.model.len() as f64) as usize;
        match step {
            Step::Push { count, after_ms, looks_bytes, row_bytes } => {
                (0..count).for_each(|_| pair.push(after_ms, looks_bytes, row_bytes));
            }
            Step::Evict { share } | Step::EvictBeyond { share } => {
                let at = at(share, pair);
                let Some(since) = pair.model.get(at).map(|sample| sample.1) else { return };
                pair.model.drain(..at);
                if matches!(step, Step::Evict { .. }) {
                    pair.storage.evict(since, usize::MAX);
                } else {
                    pair.storage.evict(Time::default(), pair.model.len());
                }
            }
            Step::Read { share } => {
                let at = at(share, pair);
                // Forward, as readers do.
                (at..pair.model.len().min(at + 50)).for_each(|at| pair.check_sample(at));
            }
            Step::ForgetSince { share } => {
                let at = at(share, pair);
                if let Some(sample) = pair.model.get(at) {
                    pair.storage.forget_since(sample.1);
                    pair.model.truncate(at);
                }
            }
            Step::Prepend { count } => prepend(pair, count),
            Step::Clear => {
                pair.storage.clear();
                pair.model.clear();
            }
        }
    }

    fn prepend(pair: &mut Pair, count: usize) {
        let Some(oldest_ms) = pair.model.first().map(|sample| sample.1.as_millis()) else { return };
        let mut older = Pair::new();
        older.now_ms = oldest_ms - 1 - count as i64;
        (0..count).for_each(|_| older.push(1, 0, 1000));
        let first = Position(pair.storage.tail().0 - count as u64);
        for (at, sample) in older.model.iter_mut().enumerate() {
            sample.0 = Position(first.0 + at as u64);
        }
        pair.storage.prepend(older.storage);
        pair.model.splice(..0, older.model);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn compressed_samples_read_as_if_they_were_not(steps in prop::collection::vec(any_step(), 1..30)) {
            let mut pair = Pair::new();
            for step in steps {
                take(&mut pair, step);
                pair.check();
            }
            pair.check_all();
        }
    }

    #[test]
    fn a_long_gap_drops_whole_chunks() {
        let mut pair = Pair::new();
        (0..2000).for_each(|_| pair.push(1000, 0, 400));
        let since = pair.model[1990].1;
        pair.model.drain(..1990);
        pair.storage.evict(since, usize::MAX);
        pair.check_all();
        assert_eq!(pair.storage.packed.text_bytes(), 0);
        pair.push(1000, 0, 400);
        pair.check_all();
    }

    #[test]
    fn memory_is_bounded_however_many_places_are_read() {
        let mut pair = Pair::new();
        // Constant values, as of an idle machine.
        for _ in 0..20_000 {
            pair.push(1000, 0, 0);
        }
        for at in (0..20_000).step_by(100) {
            pair.check_sample(at);
        }
        let Storage { oldest, recent, packed } = &pair.storage;
        assert!(oldest.text().len() <= CHUNK_BYTES + 100);
        assert!(recent.text().len() <= RECENT_BYTES_MAX);
        let (deflated, unpacked) = packed.sizes();
        assert!(deflated < packed.text_bytes() / 2, "{deflated}");
        assert!(unpacked <= UNPACKED_MAX, "{unpacked}");
    }
}
