//! Ring buffer of encoded samples. The only queue of the agent.
//!
//! ```text
//!           tail                                newest
//!   gone  │  17  │  18  │  19  │  20  │  21  │  22  │   one writer: Ring
//!      ▲            ▲                            ▲
//!      │            └── history                  └── live
//!      └── overtaken: continues at the tail             many readers: Cursor
//! ```
//!
//! A sample is encoded once, when it is pushed. Samples that are some minutes old are compressed, once
//! in a hundred of them. The oldest samples may belong to runs that ended before this agent started.

mod cursor;
mod differences;
mod looks;
mod packed;
mod position;
mod rows;
mod samples;
mod selection;
mod storage;
mod waiters;

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{Look, Note, RunId, Schema, Seq, Stamp, Time};

pub(crate) use cursor::{Cursor, ReadOutcome};
pub(crate) use looks::limit_look;
pub(crate) use position::Position;
use samples::Samples;
pub(crate) use selection::{Columns, Selection};
use waiters::Waiters;

/// Capacity of a ring in samples, whatever its history: more than 11 days at one sample a second.
pub const SAMPLES_MAX: usize = 1_000_000;

/// Batch size in bytes at which [`Cursor::read`] stops. The last row may exceed it.
pub(crate) const BATCH_BYTES: usize = 4 * 1024;

/// Writer of the ring. Dropping it closes the ring: readers get the remaining rows, then
/// [`ReadOutcome::Closed`].
pub(crate) struct Ring {
    pub(crate) handle: RingHandle,
    /// Interval of the samples of this agent.
    pub(crate) interval: Duration,
    schema: Schema,
    /// Buffer for the row that is being encoded, reused.
    row: String,
    /// Notes of the looks since the newest sample, in front of the next one. Reused.
    looks: String,
    /// Buffer for the wakers that are being called, reused.
    wakers: Vec<Waker>,
}

/// Identity of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SampleId {
    pub(crate) run: RunId,
    /// Sampling interval of the run.
    pub(crate) interval: Duration,
    pub(crate) seq: Seq,
}

/// Shared access to the ring. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RingHandle(Arc<Mutex<RingState>>);

/// State that the writer and the readers share. It is locked while rows are copied or a chunk is
/// compressed or decompressed, never while a row is encoded or sent, nor while a waker runs.
#[derive(Default)]
struct RingState {
    samples: Samples,
    latest_note: LatestNote,
    waiters: Waiters,
    /// Number of cursors that belong to clients.
    clients: u64,
    closed: bool,
}

/// Note for subscribed clients. Only the newest is kept; new subscribers receive it as well.
#[derive(Default)]
struct LatestNote {
    /// Number of the note; 0 before the first one.
    number: u64,
    /// The note with its line end.
    line: String,
}

impl Ring {
    /// Creates a ring that keeps samples for `history`, one per `interval`. Its rows have a
    /// timestamp, a sequence number and the columns of `schema`. No cursor may read before
    /// [`Ring::begin`].
    pub(crate) fn new(schema: &Schema, interval: Duration, history: Duration) -> Ring {
        let schema = schema.clone().with_stamp(Stamp::TimeSeq);
        let state = RingState { samples: Samples::new(history), ..RingState::default() };
        let handle = RingHandle(Arc::new(Mutex::new(state)));
        Ring {
            handle,
            interval,
            schema,
            row: String::new(),
            looks: String::new(),
            wakers: Vec::new(),
        }
    }

    /// Adds a sample of an earlier agent process to a ring that [`RingHandle::prepend`] takes. Drops
    /// samples at or after `time`: the clock was set back.
    pub(crate) fn restore_sample(&mut self, id: SampleId, time: Time, values: &[f64]) {
        self.push_after(|samples| samples.forget_since(time), id, time, values);
    }

    /// Begins the run of this agent with its first sample.
    pub(crate) fn begin(&mut self, time: Time, values: &[f64]) {
        self.push_after(|_| {}, self.new_run(), time, values);
    }

    /// Begins a new run with this sample and drops all others.
    pub(crate) fn restart(&mut self, time: Time, values: &[f64]) {
        self.push_after(Samples::clear, self.new_run(), time, values);
    }

    /// Adds a sample to the run. If `time` is not later than the newest sample's, the sample gets
    /// the newest time plus 1 ms.
    pub(crate) fn push(&mut self, time: Time, values: &[f64]) {
        let (newest_time, seq) = {
            let RingState { samples, .. } = &*self.handle.lock();
            (samples.newest_time(), samples.next_seq())
        };
        let time = time.max(newest_time.shifted_ms(1));
        self.encode(time, seq, values);
        self.update(|state, looks, row| state.samples.push(time, looks, row));
    }

    /// Adds a look, which belongs to the next sample.
    pub(crate) fn add_look(&mut self, look: &Look) {
        // Writing to memory cannot fail.
        let _ = write!(self.looks, "{look}");
    }

    /// Adds a sample that may begin a run or leave out sequence numbers.
    fn push_after(
        &mut self,
        forget: impl FnOnce(&mut Samples),
        id: SampleId,
        time: Time,
        values: &[f64],
    ) {
        self.encode(time, id.seq, values);
        self.update(|RingState { samples, .. }, looks, row| {
            forget(samples);
            samples.begin_segment(id);
            samples.push(time, looks, row);
        });
    }

    /// Returns the first sample of a run with a random id: two starts of an agent differ.
    fn new_run(&self) -> SampleId {
        let run = RunId(RandomState::new().build_hasher().finish() as u32);
        SampleId { run, interval: self.interval, seq: Seq::FIRST }
    }

    /// Sends a note to all subscribed clients, after the next sample.
    pub(crate) fn publish_note(&mut self, note: &Note) {
        let mut state = self.handle.lock();
        let LatestNote { number, line } = &mut state.latest_note;
        *number += 1;
        line.clear();
        // Writing to memory cannot fail.
        let _ = writeln!(line, "{note}");
    }

    /// Encodes the row of the subscribed stream with all columns, and its line end.
    fn encode(&mut self, time: Time, seq: Seq, values: &[f64]) {
        self.row.clear();
        self.schema.write_row(&mut self.row, Some(time), Some(seq), values.iter().copied());
        self.row.push('\n');
    }

    /// Changes the state, with the encoded looks and row, and wakes the waiting readers.
    fn update(&mut self, change: impl FnOnce(&mut RingState, &str, &str)) {
        let mut state = self.handle.lock();
        change(&mut state, &self.looks, &self.row);
        self.looks.clear();
        state.waiters.take_wakers(&mut self.wakers);
        drop(state);
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.update(|state, _, _| state.closed = true);
    }
}

impl RingHandle {
    /// Returns a new client cursor, positioned just before the newest sample.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::new(self, 1)
    }

    /// Returns a cursor that does not count as a client.
    pub(crate) fn internal_cursor(&self) -> Cursor {
        Cursor::new(self, 0)
    }

    /// Returns the position of the newest sample, which grows by one with each sample.
    pub(crate) fn newest_position(&self) -> Position {
        self.lock().samples.newest()
    }

    /// Returns the number of samples, and the size of their rows and looks in bytes, as in a stream.
    pub(crate) fn size(&self) -> (usize, u64) {
        let rows = &self.lock().samples.rows;
        (rows.len(), rows.text_bytes())
    }

    /// Returns the time span of earlier samples that [`RingHandle::prepend`] takes. `None` if it
    /// takes none.
    pub(crate) fn span_of_older(&self) -> Option<Range<Time>> {
        let samples = &self.lock().samples;
        let oldest = samples.oldest_time().filter(|_| samples.takes_older())?;
        Some(samples.newest_time() - samples.history..oldest)
    }

    /// Puts the samples of earlier agents in front of the samples of this one. Positions of readers
    /// stay valid.
    pub(crate) fn prepend(&self, older: &Ring) {
        let older = std::mem::take(&mut older.handle.lock().samples);
        self.lock().samples.prepend(older);
    }

    pub(crate) fn clients(&self) -> u64 {
        self.lock().clients
    }

    /// Returns whether the ring was closed: no sample follows.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, RingState> {
        // A panic ends the program; until then the samples are intact.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use loadline_protocol::{Column, History, Resume};
    use proptest::prelude::*;

    use super::*;

    const ALL: Selection = Selection::ALL;

    /// Schema with `count` columns.
    fn columns(count: usize) -> Schema {
        let columns = (1..=count).map(|number| Column::new(&format!("c{number}"), ""));
        Schema::new(Stamp::None, columns.collect()).unwrap()
    }

    /// Returns a ring with the samples 1 to `newest`, one per second, and a history of `history_s`.
    fn ring(newest: i64, history_s: u64) -> Ring {
        let mut ring = ring_of(2, Duration::from_secs(history_s));
        ring.begin(second(1), &[1.0, 0.5]);
        (2..=newest).for_each(|number| ring.push(second(number), &[number as f64, 0.5]));
        ring
    }

    /// Returns a ring that has not begun, with an interval of 1 s.
    fn ring_of(columns: usize, history: Duration) -> Ring {
        Ring::new(&self::columns(columns), Duration::from_secs(1), history)
    }

    fn times(ring: &Ring) -> Vec<Time> {
        let samples = &mut ring.handle.lock().samples;
        let positions = samples.tail().0..=samples.newest().0;
        let mut row = |at| {
            let row = samples.rows.get(Position(at)).unwrap().row;
            String::from_utf8(row.to_vec()).unwrap()
        };
        positions.map(|at| row(at).split(' ').next().unwrap().parse().unwrap()).collect()
    }

    fn second(number: i64) -> Time {
        Time::from_millis(number * 1000)
    }

    /// Returns all outcomes until the cursor has to wait. Rows are shortened to their sequence
    /// numbers.
    fn read_all(cursor: &mut Cursor, selection: &Selection) -> Vec<String> {
        let mut outcomes = Vec::new();
        loop {
            let mut out = Vec::new();
            match cursor.read(selection, &mut out, Waker::noop()) {
                ReadOutcome::Wait => return outcomes,
                ReadOutcome::Closed => return [outcomes, vec!["closed".into()]].concat(),
                ReadOutcome::Rows | ReadOutcome::LastRows => {
                    outcomes.extend(String::from_utf8(out).unwrap().lines().map(shorten));
                }
                ReadOutcome::Live => outcomes.push("live".into()),
                ReadOutcome::Skipped { from, to } => outcomes.push(format!("lost {from}-{to}")),
                ReadOutcome::NewRun => outcomes.push("new run".into()),
            }
        }
    }

    fn shorten(row: &str) -> String {
        row.split(' ').nth(1).unwrap().to_owned()
    }

    /// Checks the outcomes of a cursor after a seek in a ring with the samples 5 to 10.
    fn check(history: History, resume: Option<u64>, every: u64, expected: &str) {
        let ring = ring(10, 5);
        let mut cursor = ring.handle.cursor();
        let resume = resume.map(|seq| Resume { run: cursor.run(), seq: Seq(seq) });
        cursor.seek(history, resume, every);
        let selection = Selection { columns: Columns::All, every, top: 0 };
        let case = format!("{history} {resume:?} {every}");
        assert_eq!(read_all(&mut cursor, &selection).join(" "), expected, "{case}");
    }

    #[test]
    fn a_stream_begins_at_the_requested_history() {
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        check(History::None, None, 1, "live 10");
        check(last(0), None, 1, "10 live");
        check(last(2), None, 1, "8 9 10 live");
        check(last(100), None, 1, "5 6 7 8 9 10 live");
        check(History::All, None, 1, "5 6 7 8 9 10 live");
    }

    #[test]
    fn a_stream_is_resumed_after_the_last_row_that_arrived() {
        check(History::All, Some(8), 1, "9 10 live");
        check(History::None, Some(10), 1, "live");
        check(History::None, Some(u64::MAX), 1, "live");
        check(History::None, Some(1), 1, "lost 2-4 5 6 7 8 9 10 live");
    }

    #[test]
    fn a_stream_of_every_nth_sample_begins_at_a_multiple() {
        check(History::None, None, 3, "live 9");
        check(History::All, None, 3, "6 9 live");
        check(History::None, Some(4), 3, "6 9 live");
        check(History::None, Some(1), 3, "lost 2-4 6 9 live");
        // No evicted sample is a multiple of 5, so nothing was skipped.
        check(History::None, Some(1), 5, "5 10 live");
        check(History::None, None, 7, "live 7");
        check(History::None, None, 11, "live");
        check(History::All, None, u64::MAX, "live");
    }

    #[test]
    fn samples_that_were_evicted_before_they_were_read_are_counted_once() {
        let mut ring = ring(3, 2);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        (4..=10).for_each(|number| ring.push(second(number), &[1.0, 0.5]));
        assert_eq!(read_all(&mut cursor, &ALL), ["live", "lost 1-7", "8", "9", "10"]);
        assert_eq!((cursor.take_lost(), cursor.take_lost()), (7, 0));
    }

    #[test]
    fn another_run_cannot_be_resumed() {
        let ring = ring(3, 10);
        let mut cursor = ring.handle.cursor();
        let run = RunId(cursor.run().0.wrapping_add(1));
        cursor.seek(History::All, Some(Resume { run, seq: Seq(2) }), 1);
        assert_eq!(read_all(&mut cursor, &ALL), ["1", "2", "3", "live"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_of_the_samples_goes_on_between_them() {
        let ring = ring(3, 10);
        let cursor = ring.handle.cursor();
        assert_eq!(cursor.now(), second(3));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(cursor.now(), second(3).shifted_ms(1500));
    }

    #[test]
    fn the_history_ends_at_the_sample_that_was_newest_when_requested() {
        let mut ring = ring(3, 10);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        ring.push(second(4), &[4.0, 0.5]);
        assert_eq!(read_all(&mut cursor, &ALL), ["1", "2", "3", "live", "4"]);
    }

    #[test]
    fn a_cursor_in_an_ended_run_continues_in_the_next() {
        let mut ring = ring(9, 100);
        let (mut live, mut past) = (ring.handle.cursor(), ring.handle.cursor());
        read_all(&mut live, &ALL);
        past.seek(History::All, None, 1);
        let run = live.run();
        ring.restart(second(2), &[1.0, 0.5]);
        assert_eq!(read_all(&mut live, &ALL), ["new run", "1"]);
        assert_eq!(read_all(&mut past, &ALL), ["live", "new run", "1"]);
        assert_ne!(live.run(), run);
    }

    /// Returns a ring with the samples 3 to 5 and 8 of run 7, sample 1 of run 9, and the samples 1
    /// and 2 of this agent's run, at 103 to 111 s.
    fn ring_with_restored_runs() -> Ring {
        let mut older = ring_of(1, Duration::from_hours(1));
        for (run, seq, at) in [(7, 3, 103), (7, 4, 104), (7, 5, 105), (7, 8, 108), (9, 1, 109)] {
            let interval = Duration::from_secs(run.into());
            older.restore_sample(
                SampleId { run: RunId(run), interval, seq: Seq(seq) },
                second(at),
                &[seq as f64],
            );
        }
        let mut ring = ring_of(1, Duration::from_hours(1));
        ring.begin(second(110), &[1.0]);
        ring.handle.prepend(&older);
        ring.push(second(111), &[2.0]);
        ring
    }

    /// Checks the outcomes of a cursor after a seek in a ring with restored runs.
    fn check_restored(history: History, resume: Option<(u32, u64)>, every: u64, expected: &str) {
        let ring = ring_with_restored_runs();
        let mut cursor = ring.handle.cursor();
        let resume = resume.map(|(run, seq)| Resume { run: RunId(run), seq: Seq(seq) });
        cursor.seek(history, resume, every);
        let case = format!("{history} {resume:?} {every}");
        let selection = Selection { columns: Columns::All, every, top: 0 };
        assert_eq!(read_all(&mut cursor, &selection).join(" "), expected, "{case}");
    }

    #[test]
    fn runs_of_earlier_agents_are_read_before_its_own() {
        let all = "3 4 5 lost 6-7 8 new run 1 new run 1 2 live";
        check_restored(History::All, None, 1, all);
        check_restored(History::None, None, 1, "live 2");
        check_restored(History::Last(Duration::from_secs(2)), None, 1, "1 new run 1 2 live");
        check_restored(History::All, None, 4, "4 8 new run new run live");
        check_restored(History::All, None, 3, "3 lost 6-7 new run new run live");
        check_restored(History::None, None, 3, "live");
    }

    #[test]
    fn an_ended_run_is_resumed_and_later_runs_follow() {
        check_restored(History::None, Some((7, 4)), 1, "5 lost 6-7 8 new run 1 new run 1 2 live");
        check_restored(History::None, Some((7, 5)), 1, "lost 6-7 8 new run 1 new run 1 2 live");
        check_restored(History::None, Some((7, 8)), 1, "new run 1 new run 1 2 live");
        check_restored(History::None, Some((7, u64::MAX)), 1, "new run 1 new run 1 2 live");
        check_restored(History::None, Some((9, 1)), 1, "new run 1 2 live");
        check_restored(History::None, Some((9, 50)), 1, "new run 1 2 live");
        check_restored(History::None, Some((9, 0)), 1, "1 new run 1 2 live");
        // The client has received less than the oldest restored sample.
        let gone = "lost 2-2 3 4 5 lost 6-7 8 new run 1 new run 1 2 live";
        check_restored(History::None, Some((7, 1)), 1, gone);
        // The client has received a sample that the restored run lacks.
        check_restored(History::None, Some((7, 6)), 1, "lost 6-7 8 new run 1 new run 1 2 live");
    }

    #[test]
    fn each_run_has_its_interval() {
        let ring = ring_with_restored_runs();
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        let mut intervals = vec![(cursor.run().0, cursor.interval().as_secs())];
        for _ in 0..2 {
            while cursor.read(&ALL, &mut Vec::new(), Waker::noop()) != ReadOutcome::NewRun {}
            intervals.push((cursor.run().0, cursor.interval().as_secs()));
        }
        let own = ring.handle.cursor().run().0;
        assert_eq!(intervals, [(7, 7), (9, 9), (own, 1)]);
    }

    #[test]
    fn restored_samples_are_older_than_those_that_follow() {
        let mut ring = ring_with_restored_runs();
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        ring.restart(second(50), &[1.0]);
        assert_eq!(read_all(&mut cursor, &ALL), ["live", "new run", "1"]);

        let mut older = ring_of(1, Duration::from_hours(1));
        let interval = Duration::from_secs(1);
        let id = |run, seq| SampleId { run: RunId(run), interval, seq: Seq(seq) };
        for (of, at) in [(id(1, 1), 10), (id(1, 2), 20), (id(2, 1), 15), (id(2, 2), 30)] {
            older.restore_sample(of, second(at), &[1.0]);
        }
        let mut ring = ring_of(1, Duration::from_hours(1));
        ring.begin(second(30), &[1.0]);
        ring.handle.prepend(&older);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        assert_eq!(read_all(&mut cursor, &ALL), ["1", "new run", "1", "new run", "1", "live"]);
    }

    #[test]
    fn samples_that_come_late_in_front_disturb_no_reader() {
        let mut older = ring_of(2, Duration::from_secs(100));
        let interval = Duration::from_secs(1);
        for (seq, at) in [(1, -200), (2, -50), (3, -40), (4, 1)] {
            let id = SampleId { run: RunId(7), interval, seq: Seq(seq) };
            older.restore_sample(id, second(1000 + at), &[1.0, 0.5]);
        }
        let mut ring = ring_of(2, Duration::from_secs(100));
        (1000..1004).for_each(|at| match at {
            1000 => ring.begin(second(at), &[1.0, 0.5]),
            _ => ring.push(second(at), &[2.0, 0.5]),
        });
        let (mut live, mut past) = (ring.handle.cursor(), ring.handle.cursor());
        read_all(&mut live, &ALL);
        past.seek(History::All, None, 1);
        ring.handle.prepend(&older);
        ring.push(second(1004), &[3.0, 0.5]);
        assert_eq!(read_all(&mut live, &ALL), ["5"]);
        assert_eq!(read_all(&mut past, &ALL), ["1", "2", "3", "4", "live", "5"]);
        let all = |ring: &Ring| {
            let mut cursor = ring.handle.cursor();
            cursor.seek(History::All, None, 1);
            read_all(&mut cursor, &ALL).join(" ")
        };
        assert_eq!(all(&ring), "2 3 new run 1 2 3 4 5 live");
        // 1100 - 100 is the own first sample: the earlier ones are evicted, and none is taken.
        ring.push(second(1100), &[3.0, 0.5]);
        assert_eq!(all(&ring), "1 2 3 4 5 6 live");
        assert_eq!(ring.handle.span_of_older(), None);
    }

    #[test]
    fn restored_samples_are_evicted_as_well() {
        let mut ring = ring_with_restored_runs();
        ring.push(second(103 + 3600 + 5), &[3.0]);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        assert_eq!(
            read_all(&mut cursor, &ALL),
            ["8", "new run", "1", "new run", "1", "2", "3", "live"]
        );
        ring.push(second(100_000), &[4.0]);
        let resume = Some(Resume { run: RunId(7), seq: Seq(8) });
        cursor.seek(History::None, resume, 1);
        assert_eq!(read_all(&mut cursor, &ALL), ["live", "4"], "the run is no longer in the ring");
    }

    #[test]
    fn impossible_sequence_numbers_are_harmless() {
        for seq in [0, u64::MAX - 1, u64::MAX].map(Seq) {
            let mut older = ring_of(1, Duration::from_hours(1));
            let interval = Duration::from_secs(1);
            older.restore_sample(SampleId { run: RunId(1), interval, seq }, second(1), &[1.0]);
            let mut ring = ring_of(1, Duration::from_hours(1));
            ring.begin(second(2), &[1.0]);
            ring.handle.prepend(&older);
            for seq in [0, 1, u64::MAX].map(Seq) {
                let resume = Some(Resume { run: RunId(1), seq });
                let mut cursor = ring.handle.cursor();
                cursor.seek(History::All, resume, 1);
                read_all(&mut cursor, &ALL);
                assert_eq!(cursor.run(), ring.handle.cursor().run());
            }
        }
    }

    #[test]
    fn notes_reach_subscribers_after_the_next_sample_and_late_ones_too() {
        let mut ring = ring(1, 10);
        let reads = |cursor: &mut Cursor, selection: &Selection| {
            let mut out = Vec::new();
            while matches!(
                cursor.read(selection, &mut out, Waker::noop()),
                ReadOutcome::Rows | ReadOutcome::Live
            ) {}
            String::from_utf8(out).unwrap()
        };
        let (mut plain, mut all) = (ring.handle.cursor(), ring.handle.cursor());
        reads(&mut plain, &Selection::PLAIN);
        reads(&mut all, &ALL);
        ring.publish_note(&Note::Bye(None));
        ring.push(second(2), &[2.0, 0.5]);
        assert_eq!(reads(&mut plain, &Selection::PLAIN), "2.00 0.50\n");
        assert_eq!(reads(&mut all, &ALL), "2.000 2 2.00 0.50\n# bye\n");
        assert_eq!(reads(&mut all, &ALL), "");
        let mut late = ring.handle.cursor();
        late.seek(History::All, None, 1);
        assert!(reads(&mut late, &ALL).ends_with("2.000 2 2.00 0.50\n# bye\n"));
    }

    #[test]
    fn a_closed_ring_is_read_to_its_end() {
        let ring = ring(3, 10);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        drop(ring);
        assert_eq!(read_all(&mut cursor, &ALL), ["1", "2", "3", "live", "closed"]);
    }

    /// Checks the row of a sample of eight columns.
    fn check_row(columns: Columns, expected: &str) {
        let values = [1.0, 2.5, f64::NAN, 4.0, 5.0, 6.25, 7.0, 8.0];
        let mut ring = ring_of(8, Duration::MAX);
        ring.begin(Time::from_millis(1500), &values);
        let mut out = Vec::new();
        let mut cursor = ring.handle.cursor();
        let selection = Selection { columns, every: 1, top: 0 };
        assert_eq!(cursor.read(&selection, &mut out, Waker::noop()), ReadOutcome::Live);
        assert_eq!(cursor.read(&selection, &mut out, Waker::noop()), ReadOutcome::LastRows);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_row_has_the_columns_of_the_selection() {
        check_row(Columns::Plain, "1.00 2.50 nan 4.00 5.00 6.25\n");
        check_row(Columns::All, "1.500 1 1.00 2.50 nan 4.00 5.00 6.25 7.00 8.00\n");
        check_row(Columns::Chosen([7, 0].into()), "1.500 1 8.00 1.00\n");
    }

    #[test]
    fn rows_come_in_bounded_batches_and_plain_ones_one_by_one() {
        let ring = ring(1000, 2000);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        let mut out = Vec::new();
        assert_eq!(cursor.read(&Selection::PLAIN, &mut out, Waker::noop()), ReadOutcome::Rows);
        assert_eq!(String::from_utf8_lossy(&out).lines().count(), 1);
        assert_eq!(cursor.read(&ALL, &mut out, Waker::noop()), ReadOutcome::Rows);
        assert!((BATCH_BYTES..BATCH_BYTES + 100).contains(&out.len()), "{}", out.len());
    }

    #[test]
    fn a_ring_holds_no_more_than_a_million_samples_however_long_its_history_is() {
        let ring = ring(1, u64::MAX);
        let mut state = ring.handle.lock();
        let samples = &mut state.samples;
        let mut push = |number: usize| {
            let time = Time::from_millis(1000 + number as i64);
            samples.push(time, "", &format!("{time} 1\n"));
            (samples.rows.len(), samples.tail())
        };
        let sizes: Vec<_> = (1..=SAMPLES_MAX).map(&mut push).collect();
        let oldest = sizes[0].1;
        assert_eq!(sizes[SAMPLES_MAX - 2..], [(SAMPLES_MAX, oldest), (SAMPLES_MAX, oldest.next())]);
    }

    /// Row lengths vary, so that the text is moved at every offset within a row.
    #[test]
    fn a_row_is_whole_wherever_the_text_begins() {
        let mut ring = ring(1, 7);
        let mut cursor = ring.handle.cursor();
        for number in 2..500 {
            let value = 10_f64.powi(number as i32 % 13);
            ring.push(second(number), &[value, 0.5]);
            cursor.seek(History::All, None, 1);
            let chosen = Selection { columns: Columns::Chosen([1, 0].into()), every: 1, top: 0 };
            for selection in [&ALL, &chosen] {
                cursor.seek(History::All, None, 1);
                let mut out = Vec::new();
                cursor.read(selection, &mut out, Waker::noop());
                let text = String::from_utf8(out).unwrap();
                let newest = text.lines().next_back().unwrap();
                let values = if *selection == ALL {
                    format!("{value:.2} 0.50")
                } else {
                    format!("0.50 {value:.2}")
                };
                assert_eq!(newest, format!("{number}.000 {number} {values}"));
            }
        }
    }

    /// Waker that counts its calls.
    #[derive(Default)]
    struct WakeCounter(AtomicUsize);

    impl Wake for WakeCounter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn waiting_readers_are_woken_once_for_a_sample_and_at_the_end() {
        let mut ring = ring(1, 10);
        let (mut waits, mut reads_on) = (ring.handle.cursor(), ring.handle.cursor());
        let (count, others) = (Arc::new(WakeCounter::default()), Arc::new(WakeCounter::default()));
        let (waker, others_waker) = (count.clone().into(), others.clone().into());
        while waits.read(&ALL, &mut Vec::new(), &waker) != ReadOutcome::Wait {}
        assert_eq!(waits.read(&ALL, &mut Vec::new(), &waker), ReadOutcome::Wait);
        assert_eq!(reads_on.read(&ALL, &mut Vec::new(), &others_waker), ReadOutcome::Live);
        ring.push(second(2), &[2.0, 0.5]);
        ring.push(second(3), &[3.0, 0.5]);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(others.0.load(Ordering::Relaxed), 0);
        assert_eq!(waits.read(&ALL, &mut Vec::new(), &waker), ReadOutcome::LastRows);
        drop(ring);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(waits.read(&ALL, &mut Vec::new(), &waker), ReadOutcome::Closed);
    }

    #[test]
    fn dropped_readers_are_not_woken_and_leave_nothing_behind() {
        let mut ring = ring(1, 10);
        let count = Arc::new(WakeCounter::default());
        for _ in 0..100 {
            let mut cursor = ring.handle.cursor();
            while cursor.read(&ALL, &mut Vec::new(), &count.clone().into()) != ReadOutcome::Wait {}
        }
        assert_eq!(Arc::strong_count(&count), 1);
        ring.push(second(2), &[2.0, 0.5]);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_newest_sample_stays_however_long_ago_it_was() {
        let mut ring = ring(5, 2);
        ring.push(second(100_000), &[6.0, 0.5]);
        let mut cursor = ring.handle.cursor();
        cursor.seek(History::All, None, 1);
        assert_eq!(read_all(&mut cursor, &ALL), ["6", "live"]);
    }

    #[test]
    fn times_increase_even_if_the_clock_does_not() {
        let mut ring = ring(1, 100);
        ring.push(second(1), &[2.0, 0.5]);
        ring.push(second(0), &[3.0, 0.5]);
        let times = times(&ring);
        assert_eq!(times, [1000, 1001, 1002].map(Time::from_millis));
    }

    /// Step of the property test.
    #[derive(Debug, Clone)]
    enum RingEvent {
        Push { after_ms: i64 },
        Read { reader: usize },
    }

    fn any_event() -> impl Strategy<Value = RingEvent> {
        prop_oneof![
            (0..3000_i64).prop_map(|after_ms| RingEvent::Push { after_ms }),
            (0..3_usize).prop_map(|reader| RingEvent::Read { reader }),
        ]
    }

    proptest! {
        #[test]
        fn each_reader_gets_every_sample_once_and_in_order_or_a_note_of_the_gap(
            events in prop::collection::vec(any_event(), 0..200),
            history_ms in 0..20_000_u64,
        ) {
            let mut ring = ring_of(1, Duration::from_millis(history_ms));
            ring.begin(Time::from_millis(0), &[1.0]);
            let mut readers = [(); 3].map(|()| (ring.handle.cursor(), 0_u64));
            for (cursor, _) in &mut readers {
                cursor.seek(History::All, None, 1);
            }
            let mut now_ms = 0;
            for event in events {
                match event {
                    RingEvent::Push { after_ms } => {
                        now_ms += after_ms;
                        ring.push(Time::from_millis(now_ms), &[1.0]);
                        let times = times(&ring);
                        let (oldest, newest) = (times.first().unwrap(), times.last().unwrap());
                        let span = newest.as_millis() - oldest.as_millis();
                        prop_assert!(span as u64 <= history_ms);
                    }
                    RingEvent::Read { reader } => {
                        let (cursor, last) = &mut readers[reader];
                        for outcome in read_all(cursor, &ALL).iter().filter(|met| *met != "live") {
                            let (from, to) = match outcome.strip_prefix("lost ") {
                                Some(lost) => lost.split_once('-').unwrap(),
                                None => (outcome.as_str(), outcome.as_str()),
                            };
                            prop_assert_eq!(from.parse::<u64>().unwrap(), *last + 1);
                            *last = to.parse().unwrap();
                        }
                        let samples = &ring.handle.lock().samples;
                        prop_assert_eq!(Seq(*last), samples.next_seq().previous());
                    }
                }
            }
        }
    }
}
