//! Splits what the API server sends into stamped lines.

use std::hash::{DefaultHasher, Hasher};
use std::io;

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::jiff::Timestamp;

use super::dedupe::Mark;
use super::line::KEPT;

/// One line as kubelet sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawLine {
    /// Kubelet's stamp, as sent; absent where kubelet itself speaks.
    pub(super) stamp: Option<(String, Timestamp)>,
    /// The beginning of the text, as much as may be shown.
    pub(super) text: Vec<u8>,
    /// Length of the whole text.
    pub(super) length: u64,
    /// Hash of the whole text.
    pub(super) hash: u64,
    /// `false` where the stream ended within the line.
    pub(super) is_whole: bool,
}

impl RawLine {
    /// What the line is told apart by, where it has a stamp.
    pub(super) fn mark(&self) -> Option<Mark> {
        let (_, stamp) = self.stamp.as_ref()?;
        Some(Mark { stamp: *stamp, text: self.hash })
    }
}

/// Reads lines of any length without keeping more than the beginning of each.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
}

/// What of a line has been read so far.
#[derive(Default)]
struct Partial {
    head: Vec<u8>,
    /// Bytes after the stamp.
    text: Vec<u8>,
    stamp: Option<Option<(String, Timestamp)>>,
    hasher: DefaultHasher,
    length: u64,
}

/// An RFC 3339 stamp with nanoseconds and an offset is shorter.
const LONGEST_STAMP: usize = 40;

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    ///
    /// The connection broke; what was read of a line is dropped, it will come again.
    pub(super) async fn next(&mut self) -> io::Result<Option<RawLine>> {
        let mut partial = Partial::default();
        loop {
            let bytes = self.source.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(partial.end(false));
            }
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    partial.take(&bytes[..end]);
                    self.source.consume_unpin(end + 1);
                    return Ok(partial.end(true));
                }
                None => {
                    let length = bytes.len();
                    partial.take(bytes);
                    self.source.consume_unpin(length);
                }
            }
        }
    }
}

impl Partial {
    fn take(&mut self, bytes: &[u8]) {
        if self.stamp.is_some() {
            return self.take_text(bytes);
        }
        self.head.extend_from_slice(bytes);
        let space = self.head.iter().position(|byte| *byte == b' ');
        if space.is_some() || self.head.len() > LONGEST_STAMP {
            self.split(space);
        }
    }

    fn split(&mut self, space: Option<usize>) {
        let head = std::mem::take(&mut self.head);
        let stamp = space.and_then(|space| {
            let text = std::str::from_utf8(&head[..space]).ok()?;
            Some((text.to_owned(), text.parse().ok()?))
        });
        let begin = if stamp.is_some() { space.map_or(0, |space| space + 1) } else { 0 };
        let begin = begin.min(head.len());
        self.stamp = Some(stamp);
        self.take_text(&head[begin..]);
    }

    fn take_text(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
        self.length += bytes.len() as u64;
        let room = KEPT.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(mut self, is_whole: bool) -> Option<RawLine> {
        if self.stamp.is_none() {
            if self.head.is_empty() && !is_whole {
                return None;
            }
            // An empty line may come as its stamp alone.
            let head = self.head.len();
            let is_stamp =
                std::str::from_utf8(&self.head).is_ok_and(|text| text.parse::<Timestamp>().is_ok());
            self.split(is_stamp.then_some(head));
        }
        Some(RawLine {
            stamp: self.stamp.flatten(),
            hash: self.hasher.finish(),
            text: self.text,
            length: self.length,
            is_whole,
        })
    }
}
