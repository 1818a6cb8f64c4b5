//! Zip archives: read in place by their index, and nothing of it believed before it was read.

mod content;
mod crypto;
mod index;
mod record;

use std::sync::Arc;

use jiff::tz::TimeZone;

use self::content::{EntryContent, Method};
use self::record::Entry;
use super::super::pairing::Kind;
use super::super::shared_file::SharedFile;
use super::super::visible;
use super::format::Bytes;
use super::level::Level;
use super::{ArchiveError, Lister};
use crate::message::{Code, Finding};

/// Lists what a zip archive holds.
///
/// # Errors
/// The archive's index cannot be read at all.
pub(super) fn list(lister: &mut Lister<'_, '_>, level: &mut Level, file: &SharedFile) -> Result<(), ArchiveError> {
    let index = index::read(file, &TimeZone::system())?;
    for damage in index.damage {
        lister.problem(&level.label, damage);
    }
    for entry in &index.entries {
        if entry.is_folder() {
            continue;
        }
        if let Err(text) = lister.budget.take_entry() {
            lister.problem(&level.label, text);
            break;
        }
        add(lister, level, file, entry);
    }
    Ok(())
}

fn add(lister: &mut Lister<'_, '_>, level: &mut Level, file: &SharedFile, entry: &Entry) {
    let method = Method::parse(entry.method);
    let password = lister.listing.options.password.as_ref();
    let usable = method.as_ref().map_or(Method::Stored, |method| *method);
    let content = EntryContent::new(file.clone(), entry, usable, password);
    let trouble = trouble(entry, method, &content, password.is_some());
    if Kind::of_a_message(&entry.name).is_some() {
        let trouble = trouble.or_else(|| {
            let text = lister.budget.take(entry.size).err()?;
            Some(Finding::new(Code::EntryUnreadable, format!("{} is not unpacked: {text}", visible(&entry.name))))
        });
        let content = Arc::new(content);
        level.file(lister.listing, &entry.name, entry.size, entry.modified, content, trouble, None);
        return;
    }
    let bytes = match content.in_place() {
        Some(part) => Bytes::File(part),
        None => Bytes::Stream(Arc::new(content)),
    };
    level.other(lister, &entry.name, bytes, trouble);
}

/// Why an entry cannot be read, where the index tells.
fn trouble(
    entry: &Entry,
    method: Result<Method, String>,
    content: &EntryContent,
    has_password: bool,
) -> Option<Finding> {
    let name = visible(&entry.name);
    if entry.is_encrypted() && !has_password {
        return Some(super::encrypted(&name));
    }
    let reason = match method {
        Err(method) => {
            format!("{name} is packed with {method}, which is not read here: only stored and deflated are")
        }
        Ok(_) if !content.is_plausible() => {
            format!("{name} is damaged: the archive's index gives it a size or place that cannot be")
        }
        Ok(_) => return None,
    };
    Some(Finding::new(Code::EntryUnreadable, reason))
}
