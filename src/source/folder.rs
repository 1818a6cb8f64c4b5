//! Folders as a source, and single files given by name.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use walkdir::{DirEntry, WalkDir};

use super::{ArchiveError, Found, Kind, Listing, Problem, SourceError, archive, visible};
use crate::fsx;
use crate::message::{Code, Content, FileRef, Finding};

/// The bytes of a file on disk.
struct PathContent(PathBuf);

impl Content for PathContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(File::open(&self.0)?))
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.0)
    }
}

/// Lists the messages' files in a folder and all folders in it, and in the zip archives there.
///
/// What cannot be read is reported and passed over. Links are reported and not followed: they may lead out of the
/// folder, or in a circle.
///
/// # Errors
/// The folder itself cannot be read.
pub(super) fn list(root: &Path, listing: &mut Listing<'_>) -> Result<(), SourceError> {
    let mut folders: HashMap<PathBuf, u32> = HashMap::new();
    for entry in WalkDir::new(root).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.depth() == 0 => {
                return Err(SourceError::Unreadable { path: visible_path(root), source: cause(error) });
            }
            Err(error) => {
                let path = error.path().unwrap_or(root).to_path_buf();
                report(listing, &path, &cause(error));
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        let parent = entry.path().parent().unwrap_or(root);
        let folder = match folders.get(parent) {
            Some(number) => *number,
            None => {
                let number = listing.new_folder();
                folders.insert(parent.to_path_buf(), number);
                number
            }
        };
        add(&entry, folder, listing);
    }
    Ok(())
}

/// Lists the pair that a file belongs to: the file and what lies beside it under the same stem.
///
/// # Errors
/// The file's folder cannot be read.
pub(super) fn list_pair(path: &Path, stem: &str, listing: &mut Listing<'_>) -> Result<(), SourceError> {
    let folder = fsx::folder_of(path);
    let unreadable = |source| SourceError::Unreadable { path: visible_path(&folder), source };
    let number = listing.new_folder();
    let wanted = stem.to_lowercase();
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name());
    }
    names.sort();
    for name in names {
        let Some((found, kind)) = name.to_str().and_then(Kind::split) else { continue };
        let sibling = path.with_file_name(&name);
        match fs::metadata(&sibling) {
            _ if found.to_lowercase() != wanted => {}
            Ok(metadata) if metadata.is_file() => {
                listing.files.push(found_file(sibling, found.to_owned(), kind, &metadata, number));
            }
            Ok(_) => {}
            Err(error) => report(listing, &sibling, &error),
        }
    }
    Ok(())
}

fn add(entry: &DirEntry, folder: u32, listing: &mut Listing<'_>) {
    let name = entry.file_name().to_string_lossy();
    let part = Kind::split(&name);
    let is_named = archive::is_named_as_archive(&name);
    let is_archive = |path: &Path| is_named || archive::begins_as_archive(path);
    if entry.file_type().is_symlink() {
        report_link(entry, listing);
    } else if !entry.file_type().is_file() || (part.is_none() && !is_archive(entry.path())) {
        listing.other_files += 1;
    } else if let Some((stem, kind)) = part {
        match entry.metadata() {
            Ok(metadata) => {
                listing.files.push(found_file(entry.path().to_path_buf(), stem.to_owned(), kind, &metadata, folder));
            }
            Err(error) => report(listing, entry.path(), &error),
        }
    } else {
        let keep_open = listing.may_keep_open();
        match archive::list(entry.path(), keep_open, listing) {
            Ok(()) => {}
            // A packed log, say.
            Err(ArchiveError::NotPacked) => listing.other_files += 1,
            Err(error) => report(listing, entry.path(), &error),
        }
    }
}

/// A link may stand for a message's file or for a folder full of them; others are none of our business.
fn report_link(entry: &DirEntry, listing: &mut Listing<'_>) {
    let name = entry.file_name().to_string_lossy();
    let is_folder = fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
    if is_folder || Kind::split(&name).is_some() || archive::is_named_as_archive(&name) {
        let reason = "it is a link, and links are not followed: give what it leads to as a source";
        let finding = Finding::new(Code::EntryUnreadable, reason);
        listing.problems.push(Problem { label: visible_path(entry.path()), finding });
    } else {
        listing.other_files += 1;
    }
}

fn found_file(path: PathBuf, stem: String, kind: Kind, metadata: &Metadata, folder: u32) -> Found {
    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    let file = FileRef::new(visible_path(&path), metadata.len(), modified, Arc::new(PathContent(path)));
    Found { folder, stem, kind, file, trouble: None, known: None, is_archived: false }
}

/// What the system said, without the path that walkdir puts before it.
fn cause(error: walkdir::Error) -> io::Error {
    let text = error.to_string();
    error.into_io_error().unwrap_or_else(|| io::Error::other(text))
}

fn report(listing: &mut Listing<'_>, path: &Path, error: &(dyn Error + 'static)) {
    let finding = Finding::new(Code::EntryUnreadable, super::explain(error));
    listing.problems.push(Problem { label: visible_path(path), finding });
}

fn visible_path(path: &Path) -> String {
    visible(&path.display().to_string())
}
