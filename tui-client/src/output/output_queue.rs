//! Text that waits for a slow reader. Rows are received meanwhile, and recorded with their times.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Maximum of text that waits: 4 MiB, an hour of 10 rows a second. With more, sources are not read, and an
/// agent keeps the rows.
const QUEUED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Writer with a queue. **Invariant:** the first `written_count` bytes of `writing` are written.
pub(super) struct OutputQueue<W> {
    out: W,
    writing: String,
    written_count: usize,
    /// Text to write next. Both strings are kept to reuse their memory.
    queued: String,
    is_flushed: bool,
}

impl<W: AsyncWrite + Unpin> OutputQueue<W> {
    pub(super) fn new(out: W) -> OutputQueue<W> {
        let (writing, queued) = (String::new(), String::new());
        OutputQueue { out, writing, written_count: 0, queued, is_flushed: true }
    }

    /// Queues `text`, and leaves it empty.
    pub(super) fn push(&mut self, text: &mut String) {
        self.is_flushed &= text.is_empty();
        if self.queued.is_empty() {
            std::mem::swap(&mut self.queued, text);
        } else {
            self.queued.push_str(text);
        }
        text.clear();
    }

    pub(super) fn is_full(&self) -> bool {
        self.queued.len() >= QUEUED_BYTES_MAX
    }

    /// Returns whether all text is written.
    pub(super) fn is_empty(&self) -> bool {
        self.is_flushed
    }

    /// Writes all text. Cancel safe: the next call continues.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        loop {
            let unwritten = &self.writing.as_bytes()[self.written_count..];
            if !unwritten.is_empty() {
                match self.out.write(unwritten).await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    count => self.written_count += count,
                }
            } else if !self.queued.is_empty() {
                self.writing.clear();
                self.written_count = 0;
                std::mem::swap(&mut self.writing, &mut self.queued);
            } else {
                self.out.flush().await?;
                self.is_flushed = true;
                return Ok(());
            }
        }
    }
}
