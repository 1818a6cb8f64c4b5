//! Archives as a source: told by their content, read without unpacking anything to a named file.
//!
//! Names of entries are labels and are never opened as paths. What is encrypted, packed in a way that is not read here
//! or impossible is listed with the reason, so that its message shows up. Two ways of reading:
//!
//! - *in place*: zip, and tar in a file. An entry is a window of the file, opened whenever it is needed.
//! - *in passes*: tar in a stream, and 7z. See [`solid`].
//!
//! An archive inside an archive is read in place where its bytes lie open, out of the stream where that does, and else
//! from a temporary file without a name.

mod budget;
mod format;
mod header_size;
mod level;
mod packing;
mod seven;
mod solid;
mod survey;
mod tar;
mod window;
mod zip;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use thiserror::Error;

use self::budget::Budget;
use self::format::{Bytes, Format, has_archive_name};
use self::level::Level;
use self::packing::Unpacked;
use self::seven::SevenZip;
use self::solid::{Entry, Item, Solid, SolidKind};
use self::survey::{Survey, sparse};
use self::tar::{EntryKind, Next, TarReader};
use self::window::WindowContent;
use super::pairing::Kind;
use super::shared_file::SharedFile;
use super::{Listing, Problem, visible};
use crate::message::{Code, Finding};

const UNKNOWN: &str = "it has the name of an archive, and is none that is read here: unpack it and give the folder";
/// What readers say, with [`io::ErrorKind::PermissionDenied`], of bytes that a password does not fit.
const DECRYPTION: &str = "the password is wrong, or it is damaged";

/// Why an archive cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// Nothing in the file looks like an archive that is read here.
    #[error("it has none of the marks of an archive that is read here")]
    Unknown,
    /// It is a packed file, and what is packed in it is no archive.
    #[error("what is packed in it is no archive")]
    NotPacked,
    /// The file begins as an archive, but its end is not there.
    #[error("its index, which stands at the end, is missing: the file was cut short or is still being copied")]
    CutShort,
    /// The index is there and makes no sense.
    #[error("its index is damaged: {0}")]
    Damaged(&'static str),
    /// The index would take more memory than is given to it.
    #[error("its index is of {0} bytes, more than is read")]
    IndexTooLarge(u64),
    /// One volume of a split archive.
    #[error("it is one volume of a split archive")]
    Volume,
    /// Not even the names in it can be read without a password.
    #[error("it is encrypted, names and all")]
    Encrypted,
    /// The password does not fit.
    #[error("its index cannot be decrypted: {DECRYPTION}")]
    WrongPassword,
    /// Nothing of it could be read.
    #[error("nothing of it can be read: {0}")]
    Unreadable(String),
    /// It lies deeper in other archives than is allowed.
    #[error("archives inside each other deeper than {0} are not read: see --max-depth")]
    TooDeep(u32),
    /// The system could not read the file.
    #[error("it could not be read")]
    Io(#[from] io::Error),
}

/// Whether a file is an archive, going by its first bytes.
pub(super) fn begins_as_archive(path: &Path) -> bool {
    let begins = |file| Bytes::File(file).format();
    SharedFile::open(path, false).and_then(begins).is_ok_and(|format| format.is_some())
}

/// Whether a file's name says that it is an archive.
pub(super) fn is_named_as_archive(name: &str) -> bool {
    has_archive_name(name)
}

/// Lists the messages' files in an archive, and in all archives in it.
///
/// # Errors
/// Nothing of the archive can be read.
pub(super) fn list(path: &Path, keep_open: bool, listing: &mut Listing<'_>) -> Result<(), ArchiveError> {
    let file = SharedFile::open(path, keep_open)?;
    let budget = Rc::new(Budget::new(listing.options, file.length()));
    let label = visible(&path.display().to_string());
    Lister { listing, budget }.archive(Bytes::File(file), label, 1)
}

fn encrypted(name: &str) -> Finding {
    Finding::new(Code::EntryEncrypted, format!("{name} is encrypted in the archive: see --archive-password-file"))
}

fn wrong_password(name: &str) -> Finding {
    Finding::new(Code::EntryEncrypted, format!("{name} cannot be decrypted: {DECRYPTION}"))
}

/// Lists archives of one source file.
struct Lister<'l, 'o> {
    listing: &'l mut Listing<'o>,
    budget: Rc<Budget>,
}

impl Lister<'_, '_> {
    fn report(&mut self, label: &str, finding: Finding) {
        self.listing.problems.push(Problem { label: label.to_owned(), finding });
    }

    fn problem(&mut self, label: &str, text: impl Into<String>) {
        self.report(label, Finding::new(Code::EntryUnreadable, text));
    }

    /// Lists an archive that lies so deep, the outermost 1 deep.
    fn archive(&mut self, bytes: Bytes, label: String, depth: u32) -> Result<(), ArchiveError> {
        if depth > self.listing.options.max_depth {
            return Err(ArchiveError::TooDeep(self.listing.options.max_depth));
        }
        let mut level = Level::new(label, depth);
        let listed = self.level(&mut level, bytes, depth);
        let (files, nested) = level.finish();
        self.listing.files.extend(files);
        for inner in nested {
            match self.archive(inner.bytes, inner.label.clone(), depth + 1) {
                Ok(()) => {}
                Err(ArchiveError::NotPacked) => self.listing.other_files += 1,
                Err(error) => self.problem(&inner.label, super::explain(&error)),
            }
        }
        listed
    }

    fn level(&mut self, level: &mut Level, bytes: Bytes, depth: u32) -> Result<(), ArchiveError> {
        match (bytes.format()?, bytes) {
            (Some(Format::Packed(packing)), bytes) => {
                let unpacked = Bytes::Stream(Arc::new(Unpacked::new(bytes, packing)));
                match unpacked.format()? {
                    // Nobody packs twice; each time counts as an archive, so that this ends.
                    Some(Format::Packed(_)) => self.archive(unpacked, level.label.clone(), depth + 1),
                    Some(_) => self.level(level, unpacked, depth),
                    None => Err(ArchiveError::NotPacked),
                }
            }
            (Some(Format::Tar), Bytes::File(file)) => self.tar(level, &file),
            (Some(Format::Tar), bytes) => self.solid(level, SolidKind::Tar(bytes)),
            (Some(Format::SevenZip), bytes) => {
                let file = self.on_disk(bytes)?;
                let archive = SevenZip::open(file, self.listing.options.password.as_ref())?;
                self.solid(level, SolidKind::SevenZip(Box::new(archive)))
            }
            // A self-extracting zip begins with a program.
            (Some(Format::Zip), bytes) | (None, bytes) => {
                let file = self.on_disk(bytes)?;
                zip::list(self, level, &file)
            }
        }
    }

    /// The bytes in a file, where they can be read at any place.
    fn on_disk(&mut self, bytes: Bytes) -> io::Result<SharedFile> {
        match bytes {
            Bytes::File(file) => Ok(file),
            Bytes::Stream(content) => {
                let mut content = self.budget.meter(content.open()?);
                self.listing.spool.append(&mut content).map_err(io::Error::from)
            }
        }
    }

    /// Lists a tar archive whose entries are windows of a file.
    fn tar(&mut self, level: &mut Level, file: &SharedFile) -> Result<(), ArchiveError> {
        let mut tar = TarReader::new(file.whole()?);
        let mut count = 0_u64;
        let end = loop {
            match tar.next() {
                Ok(Next::Damage(text)) => self.problem(&level.label, text),
                Ok(Next::End(end)) => break end,
                Err(error) => break Err(error.to_string()),
                Ok(Next::Entry(entry)) => {
                    if let Err(text) = self.budget.take_entry() {
                        break Err(text);
                    }
                    count += 1;
                    let part = file.part(entry.data_at, entry.data_at.saturating_add(entry.size));
                    let is_cut = part.length() < entry.size;
                    let name = visible(&entry.name);
                    let trouble = is_cut.then(|| {
                        // The size may be what is wrong: what follows is looked at all the same.
                        tar.distrust_size();
                        let text = format!("{name} is cut short: of {} bytes {} are there", entry.size, part.length());
                        Finding::new(Code::EntryUnreadable, text)
                    });
                    let entry = Entry {
                        number: count,
                        name: entry.name,
                        kind: entry.kind,
                        size: entry.size,
                        modified: entry.modified,
                        trouble,
                    };
                    self.window(level, entry, part);
                }
            }
        };
        self.ended(level, count, end)
    }

    fn window(&mut self, level: &mut Level, entry: Entry, part: SharedFile) {
        if !matches!(entry.kind, EntryKind::File | EntryKind::Sparse) {
            level.special(self, &entry.name, &entry.kind);
        } else if Kind::of_a_message(&entry.name).is_some() {
            let trouble = entry.trouble.or_else(|| sparse(&entry.kind, &entry.name));
            let content = Arc::new(WindowContent { part, size: entry.size });
            level.file(self.listing, &entry.name, entry.size, entry.modified, content, trouble, None);
        } else {
            level.other(self, &entry.name, Bytes::File(part), entry.trouble);
        }
    }

    /// Lists an archive in one pass, and reads what is to be known of its messages on the way.
    fn solid(&mut self, level: &mut Level, kind: SolidKind) -> Result<(), ArchiveError> {
        let credible = self.budget.left();
        let archive = Solid::new(kind, Arc::clone(&self.listing.spool), credible);
        let mut count = 0;
        let mut end = Ok(());
        let mut survey = Survey::new(Arc::clone(&archive));
        let budget = Rc::clone(&self.budget);
        let passed = archive.pass(&budget, &mut |item| {
            let (entry, content) = match item {
                Item::Damage(text) => {
                    self.problem(&level.label, text);
                    return ControlFlow::Continue(());
                }
                Item::Entry(entry, content) => (entry, content),
            };
            if let Err(text) = budget.take_entry() {
                end = Err(text);
                return ControlFlow::Break(());
            }
            count += 1;
            survey.take(self, level, entry, content);
            ControlFlow::Continue(())
        });
        let end = end.and(passed.map_err(|error| error.to_string()));
        self.ended(level, count, end)
    }

    /// What is said of an archive whose reading ended.
    fn ended(&mut self, level: &Level, count: u64, end: Result<(), String>) -> Result<(), ArchiveError> {
        match end {
            Err(text) if count == 0 => Err(ArchiveError::Unreadable(text)),
            Err(text) => {
                self.problem(&level.label, format!("it was read as far as its entry {count}: {text}"));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}
