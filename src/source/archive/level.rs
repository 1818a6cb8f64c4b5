//! One archive's part of a listing: the files of its messages, and the archives in it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::pairing::{Found, Kind};
use super::super::reading::Known;
use super::super::{Listing, visible};
use super::Lister;
use super::format::{Bytes, has_archive_name};
use super::tar::EntryKind;
use crate::message::{Content, FileRef, Finding};

/// What one archive lists.
pub(super) struct Level {
    /// The archive's label.
    pub(super) label: String,
    depth: u32,
    folders: HashMap<String, u32>,
    files: Vec<(String, Found)>,
    nested: Vec<Nested>,
}

/// An archive inside the archive.
pub(super) struct Nested {
    pub(super) label: String,
    pub(super) bytes: Bytes,
}

impl Level {
    pub(super) fn new(label: String, depth: u32) -> Self {
        Self { label, depth, folders: HashMap::new(), files: Vec::new(), nested: Vec::new() }
    }

    /// Whether archives in this one are no longer read.
    pub(super) fn is_deepest(&self, lister: &Lister<'_, '_>) -> bool {
        self.depth >= lister.listing.options.max_depth
    }

    /// An entry's label.
    pub(super) fn label_of(&self, name: &str) -> String {
        format!("{}!{}", self.label, visible(name))
    }

    /// Adds a file of a message.
    #[expect(clippy::too_many_arguments, reason = "all that an archive tells of an entry")]
    pub(super) fn file(
        &mut self,
        listing: &mut Listing<'_>,
        name: &str,
        size: u64,
        modified: Option<Timestamp>,
        content: Arc<dyn Content>,
        trouble: Option<Finding>,
        known: Option<Known>,
    ) {
        let (path, file_name) = name.rsplit_once(['/', '\\']).unwrap_or(("", name));
        let Some((stem, kind)) = Kind::split(file_name) else { return };
        let path = path.replace('\\', "/");
        let folder = *self.folders.entry(path).or_insert_with(|| listing.new_folder());
        let file = FileRef::new(self.label_of(name), size, modified, content);
        let trouble = trouble.map(Box::new);
        let found = Found { folder, stem: stem.to_owned(), kind, file, trouble, known, is_archived: true };
        // Folder by folder, whichever separator the writer used.
        self.files.push((name.replace(['/', '\\'], "\0"), found));
    }

    /// Adds an entry that is no file of a message: an archive, or nothing of interest.
    pub(super) fn other(&mut self, lister: &mut Lister<'_, '_>, name: &str, bytes: Bytes, trouble: Option<Finding>) {
        let label = self.label_of(name);
        let is_named = has_archive_name(name);
        match trouble {
            Some(finding) if is_named => lister.report(&label, finding),
            Some(_) => lister.listing.other_files += 1,
            None => match bytes.format() {
                Ok(Some(_)) => self.nest(name, bytes),
                Ok(None) if is_named => lister.problem(&label, super::UNKNOWN),
                Err(error) if is_named => lister.problem(&label, error.to_string()),
                _ => lister.listing.other_files += 1,
            },
        }
    }

    /// Adds an entry that is no regular file: told of where it stands in a message's place.
    pub(super) fn special(&self, lister: &mut Lister<'_, '_>, name: &str, kind: &EntryKind) {
        let matters = Kind::of_a_message(name).is_some() || has_archive_name(name);
        match kind {
            EntryKind::Link(target) if matters => {
                let text = format!("it is a link to {}, and links are not followed", visible(target));
                lister.problem(&self.label_of(name), text);
            }
            EntryKind::Device if matters => {
                lister.problem(&self.label_of(name), "it is a device or pipe, which holds no message");
            }
            EntryKind::Nothing => {}
            _ => lister.listing.other_files += 1,
        }
    }

    /// The files, sorted by path and for one name in the archive's order, and the archives.
    pub(super) fn finish(mut self) -> (impl Iterator<Item = Found>, Vec<Nested>) {
        self.files.sort_by(|(one, _), (other, _)| one.cmp(other));
        (self.files.into_iter().map(|(_, found)| found), self.nested)
    }

    /// Adds an archive that was found in a stream.
    pub(super) fn nest(&mut self, name: &str, bytes: Bytes) {
        let label = self.label_of(name);
        self.nested.push(Nested { label, bytes });
    }
}
