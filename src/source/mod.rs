//! Where messages come from: folders and archives, and the pairing of their files.
//!
//! `folder` and `archive` list files, `pairing` brings those of one message together, and `reading` reads them. Nothing
//! is ever written. A message that cannot be read is still a message, with a finding that says why; what belongs to no
//! message is a [`Problem`]. What a message is worth to UM is left to `check`.

mod archive;
mod folder;
mod options;
mod pairing;
mod reading;
mod shared_file;
mod spool;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use thiserror::Error;

pub use self::archive::ArchiveError;
pub use self::options::{ArchivePassword, ByteSize, ByteSizeError, SourceOptions};
use self::pairing::{Found, Kind};
use self::reading::Outcome;
use self::spool::Spool;
use crate::fsx::{self, describe as explain};
use crate::message::{Finding, Message};

/// How many messages are read between two reports of progress.
const PROGRESS_STEP: usize = 500;
/// How many archives keep their file open; those beyond open it for each entry.
const OPEN_ARCHIVES: usize = 64;

/// How many files of a folder are read at once: on a disk or a share, reading is waiting, whatever the number of cores.
const FILE_THREADS: usize = 16;

/// Everything that the sources hold.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The messages, by source as given, then by path.
    pub messages: Vec<Message>,
    /// What could not be read and belongs to no message.
    pub problems: Vec<Problem>,
    /// Files that are no message's.
    pub other_files: usize,
}

/// Something in a source that could not be read, outside any message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: a path, or `archive!entry`.
    pub label: String,
    /// What is wrong with it.
    pub finding: Finding,
}

/// Why a source cannot be read at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is there.
    #[error("{path} does not exist")]
    Missing {
        /// The source as given.
        path: String,
    },
    /// The system refuses to read it.
    #[error("could not read {path}")]
    Unreadable {
        /// The source as given, or the folder that it lies in.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is a file of another sort.
    #[error("{path} is neither a folder, nor an archive that is read here, nor a file of a message")]
    NoSource {
        /// The source as given.
        path: String,
    },
    /// It is an archive of which nothing can be read.
    #[error("could not read the archive {path}")]
    Archive {
        /// The source as given.
        path: String,
        /// What is wrong with it.
        source: ArchiveError,
    },
}

impl SourceError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "check the path, and quote it if it has spaces",
            Self::Unreadable { .. } => "run as a user who may read it, or copy it to a place where you may",
            Self::NoSource { .. } => {
                "give the voicemail folder, an archive of it (zip, tar, 7z; packed with gzip, xz, zstd or bzip2), or one message's \
                 .txt or .wav; unpack other archives first"
            }
            Self::Archive { source: ArchiveError::CutShort, .. } => {
                "copy the archive again from where it came from, or mend it, if it is a zip: zip -FF damaged.zip --out mended.zip"
            }
            Self::Archive { source: ArchiveError::Encrypted | ArchiveError::WrongPassword, .. } => {
                "put the password into a file, and give that with --archive-password-file FILE"
            }
            Self::Archive { source: ArchiveError::Volume, .. } => {
                "join the volumes first: zip -s 0 first-volume.zip --out whole.zip"
            }
            Self::Archive { .. } => "copy the archive again from where it came from, or unpack it and give the folder",
        }
    }
}

/// Reads every message in the sources; folders with all that is in them, archives too.
///
/// `progress` is told now and then, from any thread, how many messages have been read so far.
///
/// # Errors
/// A source that is not there, is of no known sort, or cannot be read at all. What is wrong inside a source is a finding.
pub fn read(sources: &[PathBuf], progress: &(dyn Fn(usize) + Sync)) -> Result<Inventory, SourceError> {
    read_with(sources, &SourceOptions::default(), progress)
}

/// As [`read`], with other limits, or a password.
///
/// # Errors
/// As [`read`].
pub fn read_with(
    sources: &[PathBuf],
    options: &SourceOptions,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Inventory, SourceError> {
    let mut inventory = Inventory::default();
    let mut archives = 0;
    let counter = Counter { done: AtomicUsize::new(0), progress };
    let spool = Arc::new(Spool::default());
    let waiting = rayon::ThreadPoolBuilder::new().num_threads(FILE_THREADS).build().ok();
    for source in sources {
        let mut listing = Listing::new(options, Arc::clone(&spool), &counter);
        listing.archives = archives;
        list(source, &mut listing)?;
        archives = listing.archives;
        inventory.problems.append(&mut listing.problems);
        inventory.other_files += listing.other_files;
        let Listing { files, is_asked_for, is_archive, .. } = listing;
        let read_files = || -> Vec<Outcome> {
            pairing::group(files)
                .into_par_iter()
                .flat_map_iter(pairing::split)
                .map(|parts| {
                    if !parts.is_known() {
                        counter.count();
                    }
                    reading::read(parts, is_asked_for)
                })
                .collect()
        };
        // An archive takes computing, and the usual threads do; the small files of a folder are a matter of waiting.
        let outcomes = match &waiting {
            Some(pool) if !is_archive => pool.install(read_files),
            _ => read_files(),
        };
        inventory.messages.reserve(outcomes.len());
        outcomes.into_iter().for_each(|outcome| inventory.add(outcome));
    }
    progress(inventory.messages.len());
    Ok(inventory)
}

/// Counts the messages read, and tells now and then.
struct Counter<'p> {
    done: AtomicUsize,
    progress: &'p (dyn Fn(usize) + Sync),
}

impl Counter<'_> {
    fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(PROGRESS_STEP) {
            (self.progress)(done);
        }
    }
}

impl Inventory {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Message(message) => self.messages.push(*message),
            Outcome::Other(files) => self.other_files += files,
            Outcome::Problem(problem) => self.problems.push(problem),
        }
    }
}

/// What one source lists, before anything is read.
struct Listing<'r> {
    options: &'r SourceOptions,
    spool: Arc<Spool>,
    counter: &'r Counter<'r>,
    files: Vec<Found>,
    problems: Vec<Problem>,
    other_files: usize,
    folders: u32,
    archives: usize,
    /// Whether the source is an archive itself.
    is_archive: bool,
    /// Whether the user named the file, so that it is a message's whatever it looks like.
    is_asked_for: bool,
}

impl<'r> Listing<'r> {
    fn new(options: &'r SourceOptions, spool: Arc<Spool>, counter: &'r Counter<'r>) -> Self {
        Self {
            options,
            spool,
            counter,
            files: Vec::new(),
            problems: Vec::new(),
            other_files: 0,
            folders: 0,
            archives: 0,
            is_archive: false,
            is_asked_for: false,
        }
    }

    /// Counts a message that is read while it is listed.
    fn count(&self) {
        self.counter.count();
    }

    /// A number for one more folder.
    fn new_folder(&mut self) -> u32 {
        self.folders += 1;
        self.folders
    }

    /// Whether one more archive may keep its file open.
    fn may_keep_open(&mut self) -> bool {
        self.archives += 1;
        self.archives <= OPEN_ARCHIVES
    }
}

/// Finds out what a source is, and lists it.
fn list(path: &Path, listing: &mut Listing<'_>) -> Result<(), SourceError> {
    let shown = || visible(&path.display().to_string());
    let metadata = fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: shown() },
        _ => SourceError::Unreadable { path: shown(), source },
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if metadata.is_dir() {
        return folder::list(path, listing);
    }
    if !metadata.is_file() {
        return Err(SourceError::NoSource { path: shown() });
    }
    let is_archive = archive::is_named_as_archive(&name) || archive::begins_as_archive(path);
    if let (false, Some((stem, _))) = (is_archive, Kind::split(&name)) {
        listing.is_asked_for = true;
        return folder::list_pair(path, stem, listing);
    }
    listing.is_archive = true;
    let keep_open = listing.may_keep_open();
    archive::list(path, keep_open, listing).map_err(|source| match source {
        ArchiveError::Io(source) => SourceError::Unreadable { path: shown(), source },
        // Other files are tried as well: a self-extracting archive begins with a program.
        _ if !is_archive => SourceError::NoSource { path: shown() },
        source => SourceError::Archive { path: shown(), source },
    })
}

/// Whether a file name has an extension, in any case.
fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(extension))
}

/// Strangers' names as they can be shown.
fn visible(name: &str) -> String {
    fsx::visible(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_have_no_case() {
        assert!(has_extension("a.ZIP", "zip"));
        assert!(!has_extension("zip", "zip"));
        assert!(!has_extension("a.zip.txt", "zip"));
    }
}
