//! Chunks of rows: the units in which a store allocates and frees memory.

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
    /// Allocates a chunk. `rows` is a power of two and at least [`BRANCHING`].
    pub(super) fn new(rows: usize, columns: usize) -> Chunk {
        let blocks = vec![Extremes::NONE; columns * pyramid::block_count(rows)];
        Chunk {
            times: vec![0; rows].into(),
            seqs: vec![Seq::default(); rows].into(),
            gaps: vec![0; rows / BRANCHING].into(),
            values: vec![0.0; columns * rows].into(),
            blocks: blocks.into(),
        }
    }

    /// Writes the row at an index. All rows before it must have been written.
    pub(super) fn write_row(&mut self, at: usize, ms: i64, seq: Seq, gap: bool, values: &[f64]) {
        let rows = self.times.len();
        self.times[at] = ms;
        self.seqs[at] = seq;
        let bit = 1 << (at % BRANCHING);
        let gaps = &mut self.gaps[at / BRANCHING];
        *gaps = if gap { *gaps | bit } else { *gaps & !bit };
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
