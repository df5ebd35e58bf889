//! Some rows side by side: the piece in which a store takes memory and gives it back.

use super::pyramid::{self, BRANCHING, Extremes, Pyramid};

/// Numbers in a chunk, about: 256 KiB. A store is then a few hundred chunks at most, and what of
/// its first and last one is not used does not count.
const CHUNK_NUMBERS: usize = 1 << 15;

/// Numbers of a row besides its values: the time and the sequence number.
pub(super) const STAMP_NUMBERS: usize = 2;

/// Rows with a pyramid above each column.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Milliseconds since the epoch.
    times: Box<[i64]>,
    /// The number of each sample; 0 where it has none, as numbers begin with 1.
    seqs: Box<[u64]>,
    /// A bit a row, the lowest first: whether a gap lies before it.
    gaps: Box<[u16]>,
    /// Column by column.
    values: Box<[f64]>,
    /// Column by column, as many for each.
    blocks: Box<[Extremes]>,
}

/// How many rows a chunk of so many columns has, as a power of two. What a pyramid needs is the
/// least.
pub(super) fn rows_log2(columns: usize) -> u32 {
    (CHUNK_NUMBERS / (columns + STAMP_NUMBERS)).max(BRANCHING).ilog2()
}

impl Chunk {
    /// Room for `rows` rows, which is a power of two and no less than [`BRANCHING`].
    pub(super) fn new(rows: usize, columns: usize) -> Chunk {
        let blocks = vec![Extremes::NONE; columns * pyramid::block_count(rows)];
        Chunk {
            times: vec![0; rows].into(),
            seqs: vec![0; rows].into(),
            gaps: vec![0; rows / BRANCHING].into(),
            values: vec![0.0; columns * rows].into(),
            blocks: blocks.into(),
        }
    }

    /// Writes the row at a place; those before it are written.
    pub(super) fn write_row(&mut self, at: usize, ms: i64, seq: u64, gap: bool, values: &[f64]) {
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

    /// The times of all rows for which there is room, milliseconds since the epoch.
    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    /// The number of a row; 0 where it has none.
    pub(super) fn seq(&self, at: usize) -> u64 {
        self.seqs[at]
    }

    /// Whether a gap lies before a row.
    pub(super) fn has_gap(&self, at: usize) -> bool {
        self.gaps[at / BRANCHING] & (1 << (at % BRANCHING)) != 0
    }

    /// The value of a row in a column.
    pub(super) fn value(&self, column: usize, at: usize) -> f64 {
        self.values[column * self.times.len() + at]
    }

    /// The pyramid of a column.
    pub(super) fn column(&self, column: usize) -> Pyramid<'_> {
        let rows = self.times.len();
        let blocks = pyramid::block_count(rows);
        Pyramid::new(
            &self.values[column * rows..][..rows],
            &self.blocks[column * blocks..][..blocks],
        )
    }

    /// How much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Chunk>()
            + size_of_val(&*self.times)
            + size_of_val(&*self.seqs)
            + size_of_val(&*self.gaps)
            + size_of_val(&*self.values)
            + size_of_val(&*self.blocks)
    }
}
