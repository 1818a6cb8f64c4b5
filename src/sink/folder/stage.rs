//! Staging: a message's files, written and flushed where nobody looks for them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{HEADER, disk, file_name};
use crate::fsx::{self, PathContext, PathError};
use crate::message::{Delivery, FileRef, Guid, MessageType, Sha256Digest, fields};
use crate::sink::{DeliveryError, Failure};

/// A message whose files lie in the staging folder, whole and flushed.
#[derive(Debug)]
pub struct Staged {
    pub(super) guid: Guid,
    pub(super) header: PathBuf,
    /// The extensions of the attachments staged with it.
    pub(super) attachments: Vec<&'static str>,
}

/// A file that messages of a type carry beside the header.
struct Attachment<'a> {
    extension: &'static str,
    /// The header's field that must name it.
    field: &'static str,
    file: Option<&'a FileRef>,
    sha256: Option<Sha256Digest>,
    /// Whether UM looks for it.
    is_needed: bool,
}

/// Writes a message's files into the staging folder; if that fails, none of them stays.
pub(super) fn stage(staging: &Path, delivery: &Delivery) -> Result<Staged, DeliveryError> {
    let guid = delivery.new_guid;
    let time = file_time(delivery.queue_time);
    let mut half = HalfStaged { paths: Vec::new() };
    let mut attachments = Vec::new();
    for attachment in carried(delivery) {
        if let Some(source) = attachment.source(delivery)? {
            let path = staging.join(file_name(guid, attachment.extension));
            half.copy(source, attachment.sha256, &path, time)?;
            attachments.push(attachment.extension);
        }
    }
    let header = staging.join(file_name(guid, HEADER));
    half.write(delivery.header.bytes(), &header, time)?;
    // The note of intent comes next. After a power cut, a staged header that is not there counts as delivered.
    disk::sync_folder(staging).map_err(unwritten)?;
    half.paths.clear();
    Ok(Staged { guid, header, attachments })
}

/// What messages of this type carry.
fn carried(delivery: &Delivery) -> Vec<Attachment<'_>> {
    let Delivery { message, header, .. } = delivery;
    let wav = Attachment {
        extension: "wav",
        field: fields::ATTACHMENT_PATH,
        file: message.audio.as_ref().map(|audio| &audio.file),
        sha256: message.audio.as_ref().and_then(|audio| audio.sha256),
        // Only an explicit zero says that nothing was recorded.
        is_needed: header.duration().is_none_or(|seconds| seconds > 0),
    };
    let tif = || {
        let file = message.fax.as_ref();
        Attachment { extension: "tif", field: fields::ATTACHMENT_PATH, file, sha256: None, is_needed: true }
    };
    let msg = |is_needed| {
        let file = message.message_file.as_ref();
        Attachment { extension: "msg", field: fields::MESSAGE_FILE_PATH, file, sha256: None, is_needed }
    };
    match delivery.message_type {
        MessageType::SmtpVoiceMail => vec![wav],
        MessageType::XsoVoiceMail => vec![wav, msg(true)],
        MessageType::PartnerTranscriptionRequest => vec![wav, msg(false)],
        MessageType::Fax => vec![tif()],
        _ => Vec::new(),
    }
}

impl<'a> Attachment<'a> {
    /// The file to copy, if there is one, after a look at what the header says of it: a header that names another file,
    /// or one that is not there, makes UM delete the message.
    fn source(&self, delivery: &Delivery) -> Result<Option<&'a FileRef>, DeliveryError> {
        let name = file_name(delivery.new_guid, self.extension);
        let path = delivery.header.get(self.field).filter(|path| path != "null");
        let named = path.as_deref().and_then(|path| path.rsplit(['\\', '/']).next());
        let is_named = named.is_some_and(|last| last.eq_ignore_ascii_case(&name));
        let refuse = |reason| Err(DeliveryError::new(Failure::Refused, reason));
        match self.file {
            Some(file) if is_named => Ok(Some(file)),
            Some(_) if path.is_none() && !self.is_needed => Ok(None),
            Some(_) => refuse(format!("the header's {} does not name {name}, as which the file goes in", self.field)),
            None if self.is_needed => refuse(format!("the message has no .{} file", self.extension)),
            None => Ok(None),
        }
    }
}

/// The files of a message that is not staged whole yet; what is left of them when this is dropped is removed.
struct HalfStaged {
    paths: Vec<PathBuf>,
}

impl HalfStaged {
    fn create(&mut self, path: &Path) -> Result<File, DeliveryError> {
        let file = disk::create(path).path("create", path).map_err(unwritten)?;
        self.paths.push(path.to_path_buf());
        Ok(file)
    }

    fn write(&mut self, bytes: &[u8], path: &Path, time: SystemTime) -> Result<(), DeliveryError> {
        let mut file = self.create(path)?;
        file.write_all(bytes).path("write", path).map_err(unwritten)?;
        seal(&file, path, bytes.len() as u64, time)
    }

    /// Copies a file, and makes sure that it is still what was looked at.
    fn copy(
        &mut self,
        source: &FileRef,
        sha256: Option<Sha256Digest>,
        path: &Path,
        time: SystemTime,
    ) -> Result<(), DeliveryError> {
        let refused = |reason: String| DeliveryError::new(Failure::Refused, reason);
        let unread = |error: PathError| refused(fsx::describe(&error));
        // Never more than was promised: what grows while it is read is refused below.
        let mut reader = source.open().map_err(unread)?.take(source.size.saturating_add(1));
        let mut file = self.create(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut copied: u64 = 0;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(source.error(error))),
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            hasher.update(bytes);
            file.write_all(bytes).path("write", path).map_err(unwritten)?;
            copied += count as u64;
        }
        if copied != source.size {
            let reason = format!("{} has changed since it was read: it had {} bytes", source.label, source.size);
            return Err(refused(reason));
        }
        if sha256.is_some_and(|expected| expected != Sha256Digest(hasher.finalize().into())) {
            return Err(refused(format!("{} has changed since it was read: its SHA-256 is another", source.label)));
        }
        seal(&file, path, copied, time)
    }
}

impl Drop for HalfStaged {
    fn drop(&mut self) {
        for path in &self.paths {
            // What cannot be removed now goes with the staging folder.
            let _ = disk::remove(path);
        }
    }
}

/// Gives a written file its time, flushes it, and makes sure that all of it is there.
fn seal(file: &File, path: &Path, length: u64, time: SystemTime) -> Result<(), DeliveryError> {
    let sealed = file.set_modified(time).and_then(|()| disk::sync(file)).and_then(|()| file.metadata());
    let written = sealed.path("flush", path).map_err(unwritten)?.len();
    if written == length {
        return Ok(());
    }
    let reason = format!("{} has {written} bytes after {length} were written", path.display());
    Err(DeliveryError::new(Failure::Fatal, reason))
}

/// What it means that a file could not be staged: what stops one from being written stops all, but for two cases.
pub(super) fn unwritten(error: PathError) -> DeliveryError {
    let failure = match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::FileTooLarge => Failure::Refused,
        _ => Failure::Fatal,
    };
    DeliveryError::new(failure, fsx::describe(&error))
}

/// A time that every file system and every Windows function takes: years 1980 to 2107, the range of FAT.
fn file_time(time: Timestamp) -> SystemTime {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_199;
    let seconds = time.as_second().clamp(FIRST, LAST).unsigned_abs();
    let nanoseconds = time.subsec_nanosecond().unsigned_abs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds.into())
}
