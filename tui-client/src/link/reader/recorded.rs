//! Rows of a recording: its runs may overlap, or be cut off in mid-line.

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::{Header, Line, Note, RunId, Schema, Seq};

/// Maximum number of blocks to compare rows with: 1,024, some 100 KiB with the default columns. A
/// row that is recorded again after more blocks is delivered again.
const BLOCKS_MAX: usize = 1024;

/// Start of a header.
const HEADER_START: &str = "# loadline/";

/// Delivered rows of a recording. A run may be recorded twice, for example with a longer history:
/// each row is delivered once. Rows with other columns or of another interval are other rows.
#[derive(Debug, Default)]
pub(super) struct RecordedRows {
    /// Finished blocks, oldest first.
    blocks: VecDeque<Block>,
    current: Option<Block>,
}

/// Consecutive rows below one header.
#[derive(Debug, Clone)]
struct Block {
    run: RunId,
    interval: Option<Duration>,
    columns: Schema,
    /// First and last sequence number; `None` before the first row.
    seqs: Option<(Seq, Seq)>,
}

impl RecordedRows {
    /// Begins a block. After a header without a run, no row is a repetition.
    pub(super) fn begin(&mut self, header: Option<&Header>, columns: &Schema) {
        self.end_block();
        let interval = header.and_then(|header| header.interval);
        let block = |run| Block { run, interval, columns: columns.clone(), seqs: None };
        self.current = header.and_then(|header| header.run).map(block);
        if self.current.is_none() {
            self.blocks.clear();
        }
    }

    /// Notes that rows of the current block are missing.
    pub(super) fn skip(&mut self) {
        let next = self.current.clone().map(|block| Block { seqs: None, ..block });
        self.end_block();
        self.current = next;
    }

    /// Notes a row. Returns false if the row was delivered before.
    pub(super) fn add(&mut self, seq: Option<Seq>) -> bool {
        let Some((block, seq)) = self.current.as_mut().zip(seq) else { return true };
        if self.blocks.iter().any(|earlier| earlier.repeats(block, seq)) {
            return false;
        }
        let first = block.seqs.map_or(seq, |(first, _)| first);
        block.seqs = Some((first, seq));
        true
    }

    fn end_block(&mut self) {
        let Some(block) = self.current.take().filter(|block| block.seqs.is_some()) else { return };
        if self.blocks.len() >= BLOCKS_MAX {
            self.blocks.pop_front();
        }
        self.blocks.push_back(block);
    }
}

impl Block {
    /// Returns whether a row of `other` is also a row of this block.
    fn repeats(&self, other: &Block, seq: Seq) -> bool {
        self.seqs.is_some_and(|(first, last)| (first..=last).contains(&seq))
            && (self.run, self.interval) == (other.run, other.interval)
            && self.columns == other.columns
    }
}

/// Returns the position of a header within a line: the line before it was cut off, and another run
/// was appended.
pub(super) fn header_after_cut(line: &str) -> Option<usize> {
    let at = line.rfind(HEADER_START).filter(|at| *at > 0)?;
    matches!(Line::parse(&line[at..]), Ok(Line::Note(Note::Header(_)))).then_some(at)
}
