//! Archives that can only be read from their start: tar in a stream, and 7z.
//!
//! One pass lists such an archive and reads what its messages need to be known. A file of it that is delivered later is
//! found by a second pass: the first one to be opened brings all others along that are still wanted, as far as then known,
//! and they wait in the [`Spool`]. So two passes do for any number of files, in memory that does not grow with them.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;

use super::super::shared_file::SharedFile;
use super::super::spool::{Spool, SpoolError};
use super::super::visible;
use super::budget::Budget;
use super::format::Bytes;
use super::seven::SevenZip;
use super::tar::{EntryKind, Next, Skip, TarReader};
use crate::message::{Code, Content, Finding};

/// An entry that a pass comes to.
pub(super) struct Entry {
    /// Its number in the archive, the same in every pass.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) kind: EntryKind,
    /// Bytes of content, as the archive tells.
    pub(super) size: u64,
    pub(super) modified: Option<Timestamp>,
    /// Why it cannot be read, where that is known.
    pub(super) trouble: Option<Finding>,
}

/// What a pass comes to.
pub(super) enum Item<'r> {
    /// An entry, and its content.
    Entry(Entry, &'r mut dyn Read),
    /// A place that cannot be read, in words; the pass goes on behind it.
    Damage(String),
}

/// What is done with an item; breaking ends the pass.
pub(super) type Each<'e> = dyn FnMut(Item<'_>) -> ControlFlow<()> + 'e;

/// An archive that is read in passes.
pub(super) struct Solid {
    kind: SolidKind,
    spool: Arc<Spool>,
    /// The largest size that an entry may claim and be believed.
    credible: u64,
    /// Bytes that the first pass unpacked; the second needs no more.
    unpacked: AtomicU64,
    wanted: Mutex<Vec<Weak<Ticket>>>,
    fetched: Mutex<Option<Fetched>>,
}

pub(super) enum SolidKind {
    Tar(Bytes),
    SevenZip(Box<SevenZip>),
}

/// What an entry's content holds as long as somebody may want it.
struct Ticket {
    number: u64,
    size: u64,
}

/// What the second pass brought: each entry's content or why there is none.
type Fetched = Result<HashMap<u64, Result<SharedFile, Failure>>, Failure>;

#[derive(Clone)]
struct Failure(io::ErrorKind, String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.kind(), error.to_string())
    }
}

impl From<Failure> for io::Error {
    fn from(Failure(kind, text): Failure) -> Self {
        Self::new(kind, text)
    }
}

/// One entry's content.
struct SolidContent {
    archive: Arc<Solid>,
    ticket: Arc<Ticket>,
}

impl Solid {
    pub(super) fn new(kind: SolidKind, spool: Arc<Spool>, credible: u64) -> Arc<Self> {
        let (unpacked, wanted, fetched) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Arc::new(Self { kind, spool, credible, unpacked, wanted, fetched })
    }

    /// The content of an entry, for later.
    pub(super) fn content(self: &Arc<Self>, number: u64, size: u64) -> Arc<dyn Content> {
        let ticket = Arc::new(Ticket { number, size });
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&ticket));
        Arc::new(SolidContent { archive: Arc::clone(self), ticket })
    }

    /// Reads the archive from start to end; all that is unpacked counts against the budget.
    ///
    /// # Errors
    /// Why it cannot be read further; what came before has been handed on.
    pub(super) fn pass(&self, budget: &Budget, each: &mut Each<'_>) -> io::Result<()> {
        match &self.kind {
            SolidKind::Tar(bytes) => {
                let mut tar = TarReader::new(budget.meter(bytes.open()?));
                let result = tar_pass(&mut tar, self.credible, each);
                self.unpacked.store(tar.into_inner().taken(), Ordering::Relaxed);
                result
            }
            SolidKind::SevenZip(archive) => archive.pass(Some(budget), &|_| true, each),
        }
    }

    /// Puts all entries on the spool that somebody still holds.
    fn fetch(&self) -> Fetched {
        let mut wanted: HashMap<u64, u64> = HashMap::new();
        {
            let mut tickets = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.extend(tickets.drain(..).filter_map(|ticket| ticket.upgrade()).map(|t| (t.number, t.size)));
        }
        let mut left = wanted.len();
        let mut fetched = HashMap::with_capacity(left);
        let mut full = None;
        let mut each = |item: Item<'_>| {
            let Item::Entry(entry, content) = item else { return ControlFlow::Continue(()) };
            if wanted.get(&entry.number).is_none_or(|size| *size != entry.size) {
                return ControlFlow::Continue(());
            }
            let piece = match entry.trouble {
                Some(finding) => Err(Failure(io::ErrorKind::InvalidData, finding.message)),
                None => match self.spool.append(content) {
                    Ok(file) => Ok(file),
                    Err(SpoolError::Read(error)) => Err(error.into()),
                    Err(error) => {
                        full = Some(Failure::from(io::Error::from(error)));
                        return ControlFlow::Break(());
                    }
                },
            };
            fetched.insert(entry.number, piece);
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let passed = match &self.kind {
            SolidKind::Tar(bytes) => bytes.open().and_then(|stream| {
                let stream = stream.take(self.unpacked.load(Ordering::Relaxed));
                tar_pass(&mut TarReader::new(stream), self.credible, &mut each)
            }),
            SolidKind::SevenZip(archive) => archive.pass(None, &|number| wanted.contains_key(&number), &mut each),
        };
        match (full, passed) {
            (Some(failure), _) => Err(failure),
            // What was fetched before stays of use.
            (None, Err(error)) if fetched.is_empty() => Err(error.into()),
            _ => Ok(fetched),
        }
    }
}

impl Content for SolidContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut fetched = self.archive.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let pieces = fetched.get_or_insert_with(|| self.archive.fetch()).as_ref().map_err(|failure| failure.clone())?;
        match pieces.get(&self.ticket.number) {
            Some(Ok(piece)) => Ok(Box::new(piece.whole()?)),
            Some(Err(failure)) => Err(failure.clone().into()),
            None => Err(io::Error::other("it is no longer in the archive, which changed or is damaged before it")),
        }
    }
}

impl<R: Read> Skip for io::Take<R> {}

/// Hands on what a tar archive holds; an entry that claims more than `credible` bytes is not believed.
fn tar_pass<R: Skip>(tar: &mut TarReader<R>, credible: u64, each: &mut Each<'_>) -> io::Result<()> {
    let mut number = 0;
    loop {
        let flow = match tar.next()? {
            Next::End(Ok(())) => return Ok(()),
            Next::End(Err(text)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)),
            Next::Damage(text) => each(Item::Damage(text)),
            Next::Entry(entry) => {
                number += 1;
                let trouble = (entry.size > credible).then(|| {
                    tar.distrust_size();
                    let text = format!(
                        "{} claims {} bytes, more than may be unpacked: see --max-unpacked",
                        entry.name, entry.size
                    );
                    Finding::new(Code::EntryUnreadable, visible(&text))
                });
                let entry = Entry {
                    number,
                    name: entry.name,
                    kind: entry.kind,
                    size: entry.size,
                    modified: entry.modified,
                    trouble,
                };
                each(Item::Entry(entry, tar))
            }
        };
        if flow.is_break() {
            return Ok(());
        }
    }
}
