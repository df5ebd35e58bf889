//! Compressed samples of the ring: all but the newest.

use std::collections::VecDeque;

use loadline_protocol::Time;
use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::differences::{restore, take_differences};
use super::position::Position;
use super::rows::Rows;

/// Size of the rows and looks that are compressed together: 32 KiB. That takes less than 1 ms, once in about two
/// minutes. Larger chunks would hardly be smaller, and cost each reader more.
pub(super) const CHUNK_BYTES: usize = 32 * 1024;

/// Compression level. A higher one saves 1 % and costs twice the time.
const LEVEL: i32 = 4;

/// Number of chunks that are kept decompressed for readers: so many clients read history at different
/// times without decompressing a chunk twice.
pub(super) const UNPACKED_MAX: usize = 4;

/// Compressed samples of one or more runs, in chunks of about [`CHUNK_BYTES`].
#[derive(Default)]
pub(super) struct PackedRows {
    /// The oldest first, without gaps between their positions.
    chunks: VecDeque<Chunk>,
    /// Size of their rows and looks, decompressed.
    text_bytes: u64,
    /// Chunks that were read last, the latest one at the end.
    unpacked: Vec<Rows>,
    /// Buffer for the chunk that is being compressed, reused.
    deflated: Vec<u8>,
    /// Takes 300 KiB, from the first chunk on.
    compressor: Option<Box<CompressorOxide>>,
    decompressor: Box<DecompressorOxide>,
}

/// Compressed text of consecutive samples.
struct Chunk {
    /// Position of the first sample.
    first: Position,
    first_time: Time,
    last_time: Time,
    /// Size of the text, decompressed.
    text_bytes: usize,
    /// Size of the text as differences.
    differences_bytes: usize,
    deflated: Box<[u8]>,
}

impl PackedRows {
    /// Compresses the first `count` samples of `rows`, which follow those that are here.
    pub(super) fn push(&mut self, rows: &Rows, count: usize) {
        let text = rows.text_of_first(count);
        let flags = || create_comp_flags_from_zip_params(LEVEL, 0, 0);
        let compressor =
            self.compressor.get_or_insert_with(|| Box::new(CompressorOxide::new(flags())));
        compressor.reset();
        self.deflated.clear();
        let differences = take_differences(text);
        compress_to_output(compressor, &differences, TDEFLFlush::Finish, |bytes| {
            self.deflated.extend_from_slice(bytes);
            true
        });
        self.text_bytes += text.len() as u64;
        self.chunks.push_back(Chunk {
            first: rows.first,
            first_time: rows.time(0).unwrap_or_default(),
            last_time: rows.time(count - 1).unwrap_or_default(),
            text_bytes: text.len(),
            differences_bytes: differences.len(),
            deflated: self.deflated.as_slice().into(),
        });
        // Once in a while, to keep no memory for readers that are gone.
        self.unpacked.clear();
    }

    /// Removes and decompresses the oldest chunk.
    pub(super) fn pop_first(&mut self) -> Option<Rows> {
        let chunk = self.chunks.pop_front()?;
        self.unpacked.clear();
        self.text_bytes -= chunk.text_bytes as u64;
        Some(chunk.unpack(&mut self.decompressor))
    }

    /// Removes and decompresses the newest chunk. Its positions may be reused.
    pub(super) fn pop_last(&mut self) -> Option<Rows> {
        self.unpacked.clear();
        let chunk = self.chunks.pop_back()?;
        self.text_bytes -= chunk.text_bytes as u64;
        Some(chunk.unpack(&mut self.decompressor))
    }

    /// Removes the chunks whose samples are all before `time`. Returns whether there were any.
    pub(super) fn drop_before(&mut self, time: Time) -> bool {
        let older = self.chunks.partition_point(|chunk| chunk.last_time < time);
        let bytes = self.chunks.drain(..older).map(|chunk| chunk.text_bytes as u64);
        self.text_bytes -= bytes.sum::<u64>();
        if older > 0 {
            self.unpacked.clear();
        }
        older > 0
    }

    /// Adds the chunks that follow those that are here.
    pub(super) fn append(&mut self, newer: PackedRows) {
        self.text_bytes += newer.text_bytes;
        self.chunks.extend(newer.chunks);
    }

    /// Moves all positions by the difference of two.
    pub(super) fn shift(&mut self, from: Position, to: Position) {
        self.unpacked.clear();
        for chunk in &mut self.chunks {
            chunk.first.shift(from, to);
        }
    }

    /// Size of the compressed chunks in bytes, and the number of decompressed ones.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (u64, usize) {
        let bytes = self.chunks.iter().map(|chunk| chunk.deflated.len() as u64).sum();
        (bytes, self.unpacked.len())
    }

    /// Size of the rows and looks, decompressed.
    pub(super) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// Position of the first sample that is not before `time`. `None` if all samples are later.
    pub(super) fn first_since(&mut self, time: Time) -> Option<Position> {
        let later = self.chunks.partition_point(|chunk| chunk.first_time <= time);
        let rows = self.unpacked(later.checked_sub(1)?);
        Some(rows?.first_since(time))
    }

    /// Returns the chunk with the sample at a position.
    pub(super) fn get(&mut self, position: Position) -> Option<&Rows> {
        if self.unpacked.last().is_some_and(|rows| rows.holds(position)) {
            return self.unpacked.last();
        }
        let later = self.chunks.partition_point(|chunk| chunk.first <= position);
        self.unpacked(later.checked_sub(1)?).filter(|rows| rows.holds(position))
    }

    /// Decompresses a chunk, unless that is done. It is then the latest one of those.
    fn unpacked(&mut self, at: usize) -> Option<&Rows> {
        let chunk = self.chunks.get(at)?;
        let is_chunk = |rows: &Rows| rows.first == chunk.first;
        if let Some(at) = self.unpacked.iter().position(is_chunk) {
            self.unpacked[at..].rotate_left(1);
        } else {
            if self.unpacked.len() == UNPACKED_MAX {
                self.unpacked.remove(0);
            }
            self.unpacked.push(chunk.unpack(&mut self.decompressor));
        }
        self.unpacked.last()
    }
}

impl Chunk {
    fn unpack(&self, decompressor: &mut DecompressorOxide) -> Rows {
        let mut differences = vec![0; self.differences_bytes];
        decompressor.init();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (_, _, length) = decompress(decompressor, &self.deflated, &mut differences, 0, flags);
        assert_eq!(length, self.differences_bytes, "the chunk was compressed from these bytes");
        Rows::from_text(self.first, restore(&differences, self.text_bytes))
    }
}
