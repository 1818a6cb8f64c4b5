//! What became of an injection whose run died before it noted the outcome, and tidying up after such a run.

use std::io;
use std::path::Path;

use super::{ATTACHMENTS, HEADER, disk, file_name, is_staging_name};
use crate::fsx::{PathContext, PathError};
use crate::message::Guid;

/// What became of a message that was about to be injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Its header reached the target, where it still is or from where UM has taken it.
    Delivered,
    /// Its header never left the staging folder; what of it did is to be [`withdraw`]n.
    NotDelivered,
    /// It cannot be told: the staging folder is gone, or one of the two cannot be looked into.
    Unknown,
}

/// Tells from what lies where whether a message was delivered.
///
/// - Its header is in the target: delivered.
/// - Else its header is in the staging folder: not delivered, since a rename moves it at once or not at all.
/// - Else, if the staging folder is there with none of the message's files: delivered and taken by UM, since nothing but
///   the renames into the target take files out of a staging folder, the header's last.
/// - Else nobody knows: an orderly end of the run removed the folder, or somebody was at work there.
///
/// `staged_header` is what the ledger has from [`Sink::trace`](crate::sink::Sink::trace).
pub fn resolve(target: &Path, staged_header: &Path, new_guid: Guid) -> Resolution {
    let Some(staging) = staged_header.parent() else {
        return Resolution::Unknown;
    };
    let in_target = disk::is_present(&target.join(file_name(new_guid, HEADER)));
    let in_staging = disk::is_present(staged_header);
    match (in_target, in_staging) {
        (Ok(true), _) => Resolution::Delivered,
        // The target may be gone, but the header did not go with it.
        (_, Ok(true)) => Resolution::NotDelivered,
        (Ok(false), Ok(false)) if target.is_dir() && has_left(staging, new_guid) => Resolution::Delivered,
        _ => Resolution::Unknown,
    }
}

/// Whether a staging folder is there and none of the message's attachments in it.
fn has_left(staging: &Path, guid: Guid) -> bool {
    let is_away = |extension| disk::is_present(&staging.join(file_name(guid, extension))).is_ok_and(|there| !there);
    staging.is_dir() && ATTACHMENTS.into_iter().all(is_away)
}

/// Takes the attachments of a message that was [not delivered](Resolution::NotDelivered) out of the target.
///
/// Its header stays in the staging folder, so that the message resolves to the same until the outcome is noted.
///
/// # Errors
/// One could not be removed and lies in the target without a header.
pub fn withdraw(target: &Path, staged_header: &Path, new_guid: Guid) -> Result<(), PathError> {
    match staged_header.parent() {
        Some(staging) => take_out(target, staging, new_guid, &ATTACHMENTS),
        None => Ok(()),
    }
}

/// Removes those attachments from the target that came from the staging folder, and no others.
pub(super) fn take_out(target: &Path, staging: &Path, guid: Guid, extensions: &[&str]) -> Result<(), PathError> {
    for extension in extensions {
        let name = file_name(guid, extension);
        let staged = staging.join(&name);
        let is_staged = disk::is_present(&staged).path("look for", &staged)?;
        let placed = target.join(&name);
        if !is_staged {
            disk::remove(&placed).path("remove", &placed)?;
        }
    }
    Ok(())
}

/// Removes a dead run's staging folder and all that is in it. Only for when every outcome is noted.
///
/// The folder is renamed first. So at no time is there a staging folder that headers are missing from although they were
/// not delivered, and a message whose outcome was not noted after all is in doubt, not lost.
///
/// # Errors
/// The folder is none of ours, or could not be removed.
pub fn discard(staging: &Path) -> Result<(), PathError> {
    let Some(name) = staging.file_name().filter(|name| is_staging_name(name)) else {
        return Err(PathError::new("remove", staging, io::ErrorKind::InvalidInput.into()));
    };
    let mut done_with = name.to_owned();
    done_with.push(".done");
    let done_with = staging.with_file_name(done_with);
    if disk::is_present(staging).path("look for", staging)? {
        disk::rename(staging, &done_with).path("rename", staging)?;
    }
    if disk::is_present(&done_with).path("look for", &done_with)? {
        disk::remove_folder(&done_with).path("remove", &done_with)?;
    }
    Ok(())
}
