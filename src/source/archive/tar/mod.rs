//! Tar archives, read from the start to the end, from a file or out of a decompressor.
//!
//! Read here and not through the `tar` crate, because that gives up at the first damaged header. Here, the walk goes on
//! at the next block that is a header. Nothing but regular files is read: a link's target and a device are nobody's
//! voicemail.

pub(in crate::source) mod header;
mod pax;

use std::io::{self, Read, Seek, SeekFrom};

use jiff::Timestamp;

use self::header::{BLOCK, Block};
use self::pax::Extended;
use super::super::shared_file::Window;

/// The longest extended header or long name that is read, in bytes; paths are shorter.
const EXTENDED_LIMIT: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A file whose bytes follow.
    File,
    /// A file with holes left out.
    Sparse,
    /// A symbolic or hard link, to there.
    Link(String),
    /// A device, a pipe or the like.
    Device,
    /// A folder, or what an archiver notes for itself.
    Nothing,
}

/// An entry as its headers describe it.
#[derive(Debug)]
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) kind: EntryKind,
    /// Bytes of content.
    pub(super) size: u64,
    pub(super) modified: Option<Timestamp>,
    /// Where its content begins, from the archive's start.
    pub(super) data_at: u64,
}

/// What comes next in an archive.
#[derive(Debug)]
pub(super) enum Next {
    /// An entry; its content is read through the reader.
    Entry(TarEntry),
    /// A place where no header is, and how far the next one is, in words.
    Damage(String),
    /// The end; in order, or in words what is wrong with it.
    End(Result<(), String>),
}

/// Bytes that can be passed over.
pub(super) trait Skip: Read {
    /// Passes over so many bytes, fewer at the end; tells how many.
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        io::copy(&mut Read::take(self, count), &mut io::sink())
    }
}

impl Skip for Window {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let (here, end) = (self.stream_position()?, self.end());
        let there = here.saturating_add(count).min(end.max(here));
        self.seek(SeekFrom::Start(there))?;
        Ok(there - here)
    }
}

impl Skip for &[u8] {}

/// Reads a tar archive: [`TarReader::next`] for each entry, and in between its content, as far as wanted.
pub(super) struct TarReader<R> {
    inner: R,
    /// Bytes consumed of the archive.
    position: u64,
    /// Bytes of the present entry's content that are still to come.
    left: u64,
    /// Bytes behind the content that fill its last block.
    padding: u64,
    /// A block that was looked at ahead of its time.
    unread: Option<[u8; BLOCK]>,
    /// What reading ended with; nothing can be read after that.
    failure: Option<(io::ErrorKind, String)>,
    has_ended: bool,
}

impl<R: Skip> TarReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, position: 0, left: 0, padding: 0, unread: None, failure: None, has_ended: false }
    }

    /// Gives the underlying reader back.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    /// Does not believe the present entry's size: looks for the next header where its content would begin.
    pub(super) fn distrust_size(&mut self) {
        (self.left, self.padding) = (0, 0);
    }

    /// Goes on to the next entry.
    ///
    /// # Errors
    /// The archive cannot be read further.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        self.skip_content()?;
        let mut extended = Extended::default();
        loop {
            let Some(bytes) = self.block()? else {
                return Ok(Next::End(if self.has_ended { Ok(()) } else { Err("its end mark is missing".to_owned()) }));
            };
            if bytes.iter().all(|byte| *byte == 0) {
                self.has_ended = true;
                continue;
            }
            // Behind the end mark stands the rest of a tape's record, and sometimes another archive.
            if self.has_ended && !header::is_marked_header(&bytes) {
                continue;
            }
            let Some(block) = Block::read(&bytes) else {
                return self.resume();
            };
            self.has_ended = false;
            (self.left, self.padding) = (block.size, (BLOCK as u64 - block.size % BLOCK as u64) % BLOCK as u64);
            match block.flag {
                b'x' | b'X' | b'L' | b'K' => {
                    if block.size > EXTENDED_LIMIT {
                        self.distrust_size();
                        return Ok(Next::Damage(format!(
                            "the header before byte {} claims {} bytes for a name, which is more than the {EXTENDED_LIMIT} \
                             that are read",
                            self.position, block.size
                        )));
                    }
                    let content = self.content()?;
                    extended.take(block.flag, &content);
                }
                // Of all files that follow: comments, and nothing that is needed here.
                b'g' => self.skip_content()?,
                _ => return Ok(Next::Entry(self.entry(block, &extended))),
            }
        }
    }

    fn entry(&mut self, block: Block, extended: &Extended) -> TarEntry {
        let name = extended.name.as_deref().unwrap_or(&block.name);
        let kind = match block.flag {
            b'1' | b'2' => {
                let target = extended.target.as_deref().unwrap_or(&block.target);
                EntryKind::Link(String::from_utf8_lossy(target).into_owned())
            }
            b'3' | b'4' | b'6' => EntryKind::Device,
            b'S' => EntryKind::Sparse,
            b'5' | b'D' | b'V' | b'M' | b'N' | b'A' | b'I' => EntryKind::Nothing,
            // The old form has no flag for folders, only a slash at the end.
            _ if name.ends_with(b"/") => EntryKind::Nothing,
            _ if extended.is_sparse => EntryKind::Sparse,
            _ => EntryKind::File,
        };
        if let (Some(size), false) = (extended.size, matches!(block.flag, b'1'..=b'6')) {
            (self.left, self.padding) = (size, (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64);
        }
        TarEntry {
            name: String::from_utf8_lossy(name).into_owned(),
            kind,
            size: self.left,
            modified: extended.modified.or(block.modified),
            data_at: self.position,
        }
    }

    /// Looks for the next header behind a place where none is.
    fn resume(&mut self) -> io::Result<Next> {
        let damaged_at = self.position - BLOCK as u64;
        while let Some(bytes) = self.block()? {
            if header::is_marked_header(&bytes) {
                self.position -= BLOCK as u64;
                self.unread = Some(bytes);
                let text = format!("no header can be read at byte {damaged_at}; the next one is at {}", self.position);
                return Ok(Next::Damage(text));
            }
        }
        self.has_ended = true;
        Ok(Next::Damage(format!("no header can be read at byte {damaged_at}, nor any behind it")))
    }

    /// The next block, `None` at the end.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if let Some(bytes) = self.unread.take() {
            self.position += BLOCK as u64;
            return Ok(Some(bytes));
        }
        let mut bytes = [0; BLOCK];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.pull(rest)? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(self.fail(io::ErrorKind::UnexpectedEof.into(), "the archive ends inside a header")),
                count => filled += count,
            }
        }
        Ok(Some(bytes))
    }

    /// All of the present entry's content, which is short.
    fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        self.skip_content()?;
        Ok(content)
    }

    fn skip_content(&mut self) -> io::Result<()> {
        self.failed()?;
        let wanted = self.left.saturating_add(self.padding);
        let result = self.inner.skip(wanted);
        let skipped = result.map_err(|error| self.fail(error, ""))?;
        self.position = self.position.saturating_add(skipped);
        let in_content = skipped < self.left;
        (self.left, self.padding) = (0, 0);
        match in_content {
            true => Err(self.fail(io::ErrorKind::UnexpectedEof.into(), "the archive ends inside an entry")),
            false => Ok(()),
        }
    }

    fn pull(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.failed()?;
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error, "")),
            }
        }
    }

    fn failed(&self) -> io::Result<()> {
        match &self.failure {
            Some((kind, text)) => Err(io::Error::new(*kind, text.clone())),
            None => Ok(()),
        }
    }

    /// Notes an error, so that it comes again whatever is asked for next.
    fn fail(&mut self, error: io::Error, text: &str) -> io::Error {
        let text = if text.is_empty() { error.to_string() } else { text.to_owned() };
        self.failure = Some((error.kind(), text.clone()));
        io::Error::new(error.kind(), text)
    }
}

impl<R: Skip> Read for TarReader<R> {
    /// Reads the present entry's content.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        match self.pull(buffer.get_mut(..wanted).unwrap_or_default())? {
            0 => Err(self.fail(io::ErrorKind::UnexpectedEof.into(), "the archive ends inside it")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests;
