//! Injection into a UM voicemail folder, by the queue format to the letter.
//!
//! A message is written and flushed in a *staging folder* on the target's volume, outside the target: no file but those
//! of whole messages is ever seen there, and a rename that never replaces brings each to its place. Of a batch, first all
//! attachments go in and the folder is flushed, then all headers, in the order of the queue, and it is flushed again. So
//! whenever a header is in the target, also after a power cut, its WAV is there.
//!
//! **After a kill.** The one way for a header out of a staging folder is the rename into the target: files are deleted
//! there only before their intent is noted, and at the end of a run the whole folder is renamed away before anything in
//! it is removed. So an intent without a receipt can be [resolved](resolve()) from what lies where. For that, a staged
//! header is on the disk when [`Sink::stage`] returns, and [`FolderSink::finish`] comes after the last outcome was noted.
//!
//! Making the header fit (GUID, paths, count) is left to `edit`; that it names the files staged with it is made sure here.

mod disk;
mod resolve;
mod stage;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{DeliveryError, Failure, Sink, Trace};
use crate::fsx::{self, PathContext, PathError};
use crate::message::{Delivery, Guid, Receipt};

pub(super) use disk::is_held;
pub use resolve::{Resolution, discard, resolve, withdraw};
pub use stage::Staged;

/// The extension of a header.
const HEADER: &str = "txt";
/// The extensions of attachments, as UM writes them.
const ATTACHMENTS: [&str; 3] = ["wav", "tif", "msg"];
/// What else may lie under a message's GUID.
const HEALTH_CHECK: &str = "HealthCheck";
/// How the names of staging folders begin.
const STAGING_PREFIX: &str = ".umreplay-staging-";
/// How many messages share the waits for the disk.
const BATCH: usize = 64;

/// Where and how to inject.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// The voicemail folder, as this machine sees it.
    pub target: PathBuf,
    /// The folder to make the staging folder in; `None` for the target's parent. It must be on the target's volume, and
    /// files made in it must come out with rights that let UM read and delete them.
    pub staging: Option<PathBuf>,
    /// Part of the staging folder's name, so that an administrator can tell whose it is.
    pub run_name: String,
}

/// Why a folder cannot be injected into.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The target cannot be reached.
    #[error("the target {path} cannot be opened")]
    Target {
        /// The target as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target is a file.
    #[error("the target {0} is not a folder")]
    NotAFolder(PathBuf),
    /// The target is a staging folder.
    #[error("the target {0} is a staging folder of umreplay, not a voicemail folder")]
    TargetIsStaging(PathBuf),
    /// The target has no folder beside which files could be staged.
    #[error("the target {0} is the root of a volume or share, so that nothing can be staged beside it")]
    NoParent(PathBuf),
    /// UM would see the staged files.
    #[error("the staging folder {0} is the target, or lies in it, where UM would see half-written files")]
    StagingInTarget(PathBuf),
    /// No rename can bring a file from there to the target.
    #[error("the staging folder {0} is on another volume than the target")]
    OtherVolume(PathBuf),
    /// The staging folder cannot be made.
    #[error("no staging folder can be made in {path}")]
    Staging {
        /// Where it was to be made.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target cannot be listed, or the staging folder not be flushed.
    #[error(transparent)]
    File(#[from] PathError),
}

impl FolderError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Target { .. } | Self::NotAFolder(_) | Self::TargetIsStaging(_) => Some(
                "give --to the UM server's voicemail folder, such as \
                 'C:\\Program Files\\Microsoft\\Exchange Server\\V15\\UnifiedMessaging\\voicemail'",
            ),
            Self::NoParent(_) | Self::StagingInTarget(_) | Self::OtherVolume(_) | Self::Staging { .. } => {
                Some("give a folder on the same volume, outside the target, with --staging DIR")
            }
            Self::File(_) => None,
        }
    }
}

/// A voicemail folder that takes messages.
#[derive(Debug)]
pub struct FolderSink {
    /// The target without links, so that it stays the same place whatever happens to them.
    target: PathBuf,
    /// The target as receipts name it: absolute, else as it was typed.
    shown: PathBuf,
    staging: PathBuf,
    /// The GUIDs under which any file lay in the target at the start, whatever its extension.
    occupied: HashSet<Guid>,
}

impl FolderSink {
    /// Looks at the target, and makes the run's own staging folder.
    ///
    /// # Errors
    /// The target is no folder or cannot be listed, or nothing can be staged; [`FolderError::hint`] says what to do.
    pub fn open(options: &FolderOptions) -> Result<Self, FolderError> {
        Self::open_noted(options, |_| Ok(()))
    }

    /// As [`FolderSink::open`], but has the staging folder's place noted before it makes it, so that no kill can leave
    /// one behind that nobody knows of.
    ///
    /// # Errors
    /// As above, or `note` failed.
    pub fn open_noted<E: From<FolderError>>(
        options: &FolderOptions,
        note: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (target, parent, occupied) = Self::look(options)?;
        let staging = staging_place(&parent, &options.run_name);
        note(&staging)?;
        make_staging(&staging, &target)?;
        let shown = std::path::absolute(&options.target).unwrap_or_else(|_| options.target.clone());
        Ok(Self { target, shown, staging, occupied })
    }

    /// The target, the folder to make the staging folder in, and what lies in the target; changes nothing.
    fn look(options: &FolderOptions) -> Result<(PathBuf, PathBuf, HashSet<Guid>), FolderError> {
        let typed = &options.target;
        let target = fs::canonicalize(typed).map_err(|source| FolderError::Target { path: typed.clone(), source })?;
        if !target.is_dir() {
            return Err(FolderError::NotAFolder(typed.clone()));
        }
        if target.components().any(|part| is_staging_name(part.as_os_str())) {
            return Err(FolderError::TargetIsStaging(typed.clone()));
        }
        let parent = match &options.staging {
            Some(folder) => {
                fs::canonicalize(folder).map_err(|source| FolderError::Staging { path: folder.clone(), source })?
            }
            None => target.parent().ok_or_else(|| FolderError::NoParent(typed.clone()))?.to_path_buf(),
        };
        if parent.starts_with(&target) {
            return Err(FolderError::StagingInTarget(parent));
        }
        let occupied = occupied(&target)?;
        Ok((target, parent, occupied))
    }

    /// The run's staging folder.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// Brings a message's attachments into the target.
    fn place_attachments(&self, staged: &Staged) -> Result<(), DeliveryError> {
        if let Some(name) = self.occupant(staged.guid) {
            let reason = format!("{name} exists in {} already", self.shown.display());
            return Err(DeliveryError::new(Failure::Refused, reason));
        }
        for extension in &staged.attachments {
            self.rename(staged.guid, extension).map_err(|error| self.failed_rename(staged, extension, &error))?;
        }
        Ok(())
    }

    /// Brings a message's header into the target, and with it the message.
    fn place_header(&self, staged: &Staged) -> Result<(), DeliveryError> {
        let Err(error) = self.rename(staged.guid, HEADER) else {
            return Ok(());
        };
        // A share may report an error for a rename that it made. What lies where tells.
        let placed = self.target.join(file_name(staged.guid, HEADER));
        match (disk::is_present(&placed), disk::is_present(&staged.header)) {
            (_, Ok(true)) => Err(self.failed_rename(staged, HEADER, &error)),
            (Ok(true), Ok(false)) => Ok(()),
            _ => {
                let reason = format!("{}.txt may or may not be in {}: {error}", staged.guid, self.shown.display());
                Err(DeliveryError::new(Failure::Uncertain, reason))
            }
        }
    }

    fn rename(&self, guid: Guid, extension: &str) -> io::Result<()> {
        let name = file_name(guid, extension);
        disk::rename(&self.staging.join(&name), &self.target.join(&name))
    }

    /// The name of a file that lies in the target under the GUID, if any does.
    fn occupant(&self, guid: Guid) -> Option<String> {
        if self.occupied.contains(&guid) {
            return Some(file_name(guid, "*"));
        }
        let extensions = ATTACHMENTS.into_iter().chain([HEADER, HEALTH_CHECK]);
        extensions
            .map(|extension| file_name(guid, extension))
            .find(|name| disk::is_present(&self.target.join(name)).is_ok_and(|there| there))
    }

    /// What a failed rename means, of which it is known that it was not made.
    fn failed_rename(&self, staged: &Staged, extension: &str, error: &io::Error) -> DeliveryError {
        use io::ErrorKind as Kind;

        let name = file_name(staged.guid, extension);
        let target = self.shown.display();
        let (failure, why) = match error.kind() {
            Kind::AlreadyExists => (Failure::Refused, String::new()),
            _ if !self.target.is_dir() => (Failure::Fatal, ", since the folder is gone".to_owned()),
            _ if !self.staging.is_dir() => (Failure::Fatal, ", since the staging folder is gone".to_owned()),
            Kind::CrossesDevices => {
                (Failure::Fatal, "; give a folder on the target's volume with --staging DIR".to_owned())
            }
            Kind::NotFound => (Failure::Refused, ", since the staged file is gone".to_owned()),
            Kind::PermissionDenied | Kind::StorageFull | Kind::QuotaExceeded | Kind::ReadOnlyFilesystem => {
                (Failure::Fatal, String::new())
            }
            _ => (Failure::Transient, String::new()),
        };
        DeliveryError::new(failure, format!("could not bring {name} into {target}{why}: {error}"))
    }

    /// Takes the attachments of a message that was not delivered out of the target again.
    fn take_back(&self, staged: &Staged, error: &mut DeliveryError) {
        if let Err(left) = resolve::take_out(&self.target, &self.staging, staged.guid, &staged.attachments) {
            error.reason =
                format!("{}; and what is there of it could not be taken back: {}", error.reason, fsx::describe(&left));
        }
    }

    fn flush_target(&self) -> Result<(), PathError> {
        disk::sync_renames(&self.target, &self.staging)
    }
}

impl Sink for FolderSink {
    type Staged = Staged;

    fn batch(&self) -> usize {
        BATCH
    }

    fn stage(&self, delivery: &Delivery) -> Result<Staged, DeliveryError> {
        stage::stage(&self.staging, delivery)
    }

    fn trace(&self, staged: &Staged) -> Trace {
        Trace { staged: Some(staged.header.display().to_string()), message_id: None }
    }

    fn commit(&mut self, batch: Vec<Staged>) -> Vec<Result<Receipt, DeliveryError>> {
        let mut results: Vec<Result<(), DeliveryError>> = batch.iter().map(|_| Ok(())).collect();
        for_each(&batch, &mut results, |staged| self.place_attachments(staged));
        // A header must not outlive its WAV in a power cut, so the WAVs are made to last first.
        let flushed = match batch.iter().any(|staged| !staged.attachments.is_empty()) {
            true => self.flush_target(),
            false => Ok(()),
        };
        for_each(&batch, &mut results, |staged| match &flushed {
            Ok(()) => self.place_header(staged),
            Err(error) => Err(DeliveryError::new(Failure::Fatal, fsx::describe(error))),
        });
        for (staged, result) in batch.iter().zip(&mut results) {
            match result {
                Err(error) if error.failure != Failure::Uncertain => self.take_back(staged, error),
                _ => {}
            }
        }
        if let Err(error) = self.flush_target() {
            let reason = format!("the message is in place, but may not survive a power cut: {}", fsx::describe(&error));
            let delivered = results.iter_mut().filter(|result| result.is_ok());
            delivered.for_each(|result| *result = Err(DeliveryError::new(Failure::Uncertain, reason.clone())));
        }
        batch.iter().zip(results).map(|(staged, result)| result.map(|()| self.receipt(staged))).collect()
    }

    /// Removes the staging folder with whatever was staged and not delivered. What is in doubt after it stays in doubt.
    fn finish(&mut self) -> Result<(), DeliveryError> {
        discard(&self.staging).map_err(|error| DeliveryError::new(Failure::Refused, fsx::describe(&error)))
    }
}

impl FolderSink {
    fn receipt(&self, staged: &Staged) -> Receipt {
        let target = self.shown.join(file_name(staged.guid, HEADER)).display().to_string();
        Receipt { target, new_guid: Some(staged.guid), ..Receipt::default() }
    }
}

/// Takes a step with every message that has come so far, until one fails for good; the rest fails with it.
fn for_each(
    batch: &[Staged],
    results: &mut [Result<(), DeliveryError>],
    step: impl Fn(&Staged) -> Result<(), DeliveryError>,
) {
    let mut fatal: Option<String> = None;
    for (staged, result) in batch.iter().zip(results).filter(|(_, result)| result.is_ok()) {
        *result = match &fatal {
            Some(reason) => Err(DeliveryError::new(Failure::Fatal, format!("not tried: {reason}"))),
            None => step(staged),
        };
        if let Err(error) = result
            && error.failure == Failure::Fatal
            && fatal.is_none()
        {
            fatal = Some(error.reason.clone());
        }
    }
}

/// A place for a staging folder that no other run has.
pub(super) fn staging_place(parent: &Path, run_name: &str) -> PathBuf {
    parent.join(fsx::safe_name(&format!("{STAGING_PREFIX}{run_name}-{}", Guid::random())))
}

/// Makes the staging folder. Nothing but an orderly end removes it: what lies in it tells a later run what was delivered.
fn make_staging(staging: &Path, target: &Path) -> Result<(), FolderError> {
    let parent = fsx::folder_of(staging);
    fs::create_dir(staging).map_err(|source| FolderError::Staging { path: parent.clone(), source })?;
    if is_other_volume(staging, target) {
        let _ = fs::remove_dir(staging);
        return Err(FolderError::OtherVolume(parent));
    }
    Ok(fsx::sync_folder(&parent)?)
}

fn is_staging_name(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(STAGING_PREFIX)
}

fn occupied(target: &Path) -> Result<HashSet<Guid>, PathError> {
    let mut guids = HashSet::new();
    for entry in fs::read_dir(target).path("list", target)? {
        let name = entry.path("list", target)?.file_name();
        let name = name.to_string_lossy();
        let stem = name.split('.').next().unwrap_or_default();
        guids.extend(Guid::parse(stem));
    }
    Ok(guids)
}

#[cfg(unix)]
fn is_other_volume(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let device = |path| fs::metadata(path).map(|facts: fs::Metadata| facts.dev()).ok();
    device(one) != device(other)
}

/// Windows tells the volume of a path only at the first rename, which then fails for good.
#[cfg(not(unix))]
fn is_other_volume(_one: &Path, _other: &Path) -> bool {
    false
}

fn file_name(guid: Guid, extension: &str) -> String {
    format!("{guid}.{extension}")
}

#[cfg(test)]
mod tests;
