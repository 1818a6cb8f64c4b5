//! The first pass over an archive that can only be read from its start: what its messages need to be known is read here.

use std::io::{self, Read};
use std::sync::Arc;

use super::super::pairing::Kind;
use super::super::reading::{self, Known};
use super::super::spool::SpoolError;
use super::super::{explain, visible};
use super::format::{Bytes, Format, has_archive_name, head_of};
use super::level::Level;
use super::solid::{Entry, Solid};
use super::tar::EntryKind;
use super::{ArchiveError, Lister, UNKNOWN};
use crate::message::{Code, Finding};

/// Headers are shorter than this; of longer ones, which are junk, no more than the second number is kept in memory.
const USUAL_HEADER: u64 = 64 << 10;
const LONG_HEADERS_LIMIT: u64 = 64 << 20;

/// Takes the entries of one archive.
pub(super) struct Survey {
    archive: Arc<Solid>,
    /// Bytes of long headers that may still be kept.
    long_headers: u64,
}

impl Survey {
    pub(super) fn new(archive: Arc<Solid>) -> Self {
        Self { archive, long_headers: LONG_HEADERS_LIMIT }
    }

    /// Takes an entry, and reads as much of its content as is needed.
    pub(super) fn take(
        &mut self,
        lister: &mut Lister<'_, '_>,
        level: &mut Level,
        entry: Entry,
        content: &mut dyn Read,
    ) {
        if !matches!(entry.kind, EntryKind::File | EntryKind::Sparse) {
            level.special(lister, &entry.name, &entry.kind);
        } else if let Some(kind) = Kind::of_a_message(&entry.name) {
            self.part(lister, level, entry, kind, content);
        } else {
            self.other(lister, level, entry, content);
        }
    }

    fn part(
        &mut self,
        lister: &mut Lister<'_, '_>,
        level: &mut Level,
        entry: Entry,
        kind: Kind,
        content: &mut dyn Read,
    ) {
        let Entry { number, name, size, modified, .. } = entry;
        let (known, trouble) = match entry.trouble.or_else(|| sparse(&entry.kind, &name)) {
            Some(trouble) => (None, Some(trouble)),
            None => match self.known(kind, size, content) {
                Ok(known) => (Some(known), None),
                Err(error) => (None, Some(reading::unreadable_entry(&visible(&name), error.kind(), &error, true))),
            },
        };
        if kind == Kind::Header {
            lister.listing.count();
        }
        let content = self.archive.content(number, size);
        level.file(lister.listing, &name, size, modified, content, trouble, known);
    }

    fn known(&mut self, kind: Kind, size: u64, content: &mut dyn Read) -> io::Result<Known> {
        let known = reading::know(kind, content, size)?;
        if let Known::Header(bytes) = &known
            && bytes.len() as u64 > USUAL_HEADER
        {
            let left = self.long_headers.checked_sub(bytes.len() as u64);
            self.long_headers =
                left.ok_or_else(|| io::Error::other("the archive has too many headers of more than 64 KiB"))?;
        }
        Ok(known)
    }

    /// An entry that is no file of a message: an archive, which has to lie in a file, or nothing of interest.
    fn other(&self, lister: &mut Lister<'_, '_>, level: &mut Level, entry: Entry, content: &mut dyn Read) {
        let label = level.label_of(&entry.name);
        let is_named = has_archive_name(&entry.name);
        let head = match entry.trouble.or_else(|| sparse(&entry.kind, &entry.name)) {
            None => head_of(content).map_err(|error| Finding::new(Code::EntryUnreadable, error.to_string())),
            Some(trouble) => Err(trouble),
        };
        match head {
            Err(finding) if is_named => lister.report(&label, finding),
            Err(_) => lister.listing.other_files += 1,
            Ok(head) if Format::of(&head).is_some() => {
                if level.is_deepest(lister) {
                    return lister.problem(&label, explain(&ArchiveError::TooDeep(lister.listing.options.max_depth)));
                }
                match lister.listing.spool.append(&mut head.as_slice().chain(content)) {
                    Ok(file) => level.nest(&entry.name, Bytes::File(file)),
                    Err(SpoolError::Read(error)) => lister.problem(&label, error.to_string()),
                    Err(error) => lister.problem(&label, io::Error::from(error).to_string()),
                }
            }
            Ok(_) if is_named => lister.problem(&label, UNKNOWN),
            Ok(_) => lister.listing.other_files += 1,
        }
    }
}

/// Why an entry with holes is not read.
pub(super) fn sparse(kind: &EntryKind, name: &str) -> Option<Finding> {
    let text = || format!("{} is stored with its holes left out, which is not read here", visible(name));
    (*kind == EntryKind::Sparse).then(|| Finding::new(Code::EntryUnreadable, text()))
}
