//! Chunks of rows: the units in which a store allocates and frees memory.

use std::ops::Range;

use loadline_protocol::Seq;

use super::pyramid::{self, BRANCHING, Extremes, Pyramid};

/// Approximate number of values in a chunk: 256 KiB. A store then has at most a few hundred chunks,
/// and the unused parts of its first and last one are negligible.
const CHUNK_NUMBERS: usize = 1 << 15;

/// Numbers in a row besides its values: the time and the sequence number.
pub(super) const STAMP_NUMBERS: usize = 2;

/// Rows with a min/max pyramid for each column.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Rows that are samples: those before were dropped, those after are not written yet.
    pub(super) rows: Range<usize>,
    /// Number of the first sample. Numbers of consecutive samples of a store are consecutive.
    pub(super) number: i64,
    /// Milliseconds since the epoch, of all rows, unused ones included.
    pub(super) times: Box<[i64]>,
    /// 0 means none, as sequence numbers start at 1.
    pub(super) seqs: Box<[Seq]>,
    /// One bit per row, the lowest first: set if a gap lies before the row.
    gaps: Box<[u16]>,
    /// Column by column.
    values: Box<[f64]>,
    /// Blocks of the pyramids, column by column.
    blocks: Box<[Extremes]>,
}

/// Returns the binary logarithm of the number of rows in a chunk: at least that of [`BRANCHING`].
pub(super) fn rows_log2(columns: usize) -> u32 {
    (CHUNK_NUMBERS / (columns + STAMP_NUMBERS)).max(BRANCHING).ilog2()
}

impl Chunk {
    /// Allocates a chunk without samples. `rows` is a power of two and at least [`BRANCHING`].
    pub(super) fn new(rows: usize, columns: usize, number: i64) -> Chunk {
        let blocks = vec![Extremes::NONE; columns * pyramid::block_count(rows)];
        Chunk {
            rows: 0..0,
            number,
            times: vec![0; rows].into(),
            seqs: vec![Seq::default(); rows].into(),
            gaps: vec![0; rows / BRANCHING].into(),
            values: vec![0.0; columns * rows].into(),
            blocks: blocks.into(),
        }
    }

    /// Returns whether no further row fits.
    pub(super) fn is_full(&self) -> bool {
        self.rows.end == self.times.len()
    }

    /// Returns the time of the newest sample. There must be one.
    pub(super) fn newest_ms(&self) -> i64 {
        self.times[self.rows.end - 1]
    }

    /// Returns the row of a sample.
    pub(super) fn row_of(&self, number: i64) -> usize {
        self.rows.start + (number - self.number) as usize
    }

    /// Appends a row. The chunk must not be full.
    pub(super) fn push(&mut self, ms: i64, seq: Seq, gap: bool, values: &[f64]) {
        let rows = self.times.len();
        let at = self.rows.end;
        self.rows.end += 1;
        self.times[at] = ms;
        self.seqs[at] = seq;
        self.set_gap(at, gap);
        for (column, value) in self.values.chunks_exact_mut(rows).zip(values) {
            column[at] = *value;
        }
        if (at + 1).is_multiple_of(BRANCHING) {
            let blocks = self.blocks.chunks_exact_mut(pyramid::block_count(rows));
            for (blocks, column) in blocks.zip(self.values.chunks_exact(rows)) {
                pyramid::complete_blocks(blocks, column, at + 1);
            }
        }
    }

    /// Notes whether a gap lies before a row.
    pub(super) fn set_gap(&mut self, at: usize, gap: bool) {
        let bit = 1 << (at % BRANCHING);
        let gaps = &mut self.gaps[at / BRANCHING];
        *gaps = if gap { *gaps | bit } else { *gaps & !bit };
    }

    pub(super) fn has_gap(&self, at: usize) -> bool {
        self.gaps[at / BRANCHING] & (1 << (at % BRANCHING)) != 0
    }

    pub(super) fn value(&self, column: usize, at: usize) -> f64 {
        self.values[column * self.times.len() + at]
    }

    pub(super) fn column(&self, column: usize) -> Pyramid<'_> {
        let rows = self.times.len();
        let blocks = pyramid::block_count(rows);
        Pyramid {
            values: &self.values[column * rows..][..rows],
            blocks: &self.blocks[column * blocks..][..blocks],
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Chunk>()
            + size_of_val(&*self.times)
            + size_of_val(&*self.seqs)
            + size_of_val(&*self.gaps)
            + size_of_val(&*self.values)
            + size_of_val(&*self.blocks)
    }
}
