//! Export as a set of pairs to keep, inject or hand over: `messages/<GUID>.txt` with its attachments, and a manifest
//! outside that folder, in a folder or in a zip archive.
//!
//! The same messages make the same bytes: nothing depends on the time of writing or on the order in which messages come.
//! The whole set is made ready in a folder of its own beside its place, and stands there whole or not at all: a file that
//! is there already with other contents, or that is no part of the set, ends the export before anything is placed.
//! What the headers are to say is left to the plan; here they are written as they are.

mod archive;
mod manifest;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{DeliveryError, Failure, Sink, Trace};
use crate::fsx::{self, PathContext, PathError};
use crate::message::{Delivery, FileRef, Guid, Receipt, Sha256Digest};
use manifest::Entry;

/// The folder of a set that holds the messages, and nothing else.
pub const MESSAGES: &str = "messages";
/// The file of a set that tells what it holds.
pub const MANIFEST: &str = "manifest.json";

/// Where a set is to stand.
#[derive(Clone, Debug)]
pub enum Place {
    /// In this folder, which is made where it is missing.
    Folder(PathBuf),
    /// In this archive.
    Zip(PathBuf),
}

impl Place {
    /// What is said of a message that has its place in the set.
    pub fn receipt(&self, guid: Guid) -> Receipt {
        let name = format!("{guid}.txt");
        let target = match self {
            Self::Folder(folder) => folder.join(MESSAGES).join(name).display().to_string(),
            Self::Zip(file) => format!("{}!{MESSAGES}/{name}", file.display()),
        };
        Receipt { target, new_guid: Some(guid), ..Receipt::default() }
    }

    /// The folder in which files are made ready: on the volume of the place.
    fn workshop(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Zip(file) => fsx::folder_of(file),
        }
    }
}

/// A set of messages that is being made.
#[derive(Debug)]
pub struct FilesSink {
    place: Place,
    staging: TempDir,
    stop: Arc<AtomicBool>,
    /// Set when the disk took no more: what was made ready until then is no whole set.
    broken: AtomicBool,
}

/// A message whose files lie in the staging folder under the names that they will have.
#[derive(Debug)]
pub struct Kept {
    guid: Guid,
    /// Its files, the header last.
    files: Vec<KeptFile>,
    entry: Entry,
}

/// One file of a set.
#[derive(Clone, Debug)]
struct KeptFile {
    name: String,
    size: u64,
    sha256: Sha256Digest,
    modified: Option<Timestamp>,
}

/// Why a set cannot be placed.
#[derive(Debug, thiserror::Error)]
enum SetError {
    /// A file of the name is there.
    #[error("{} is there already, with other contents; nothing was written: export to a new place", .0.display())]
    Differs(PathBuf),
    /// What is there is no part of the set.
    #[error("{} is no part of this set; nothing was written: export to a new place", .0.display())]
    Foreign(PathBuf),
    /// The user stopped the run.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// Not every message could be made ready.
    #[error("the set could not be made ready; nothing was written")]
    Broken,
    /// The archive could not be written.
    #[error("the archive could not be written")]
    Zip(#[from] zip::result::ZipError),
    /// The manifest could not be made.
    #[error("the manifest could not be made")]
    Manifest(#[from] serde_json::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
}

impl FilesSink {
    /// Makes the place's folder where it is missing, and one in it to make files ready in; `stop` ends the work.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn open(place: Place, stop: Arc<AtomicBool>) -> Result<Self, PathError> {
        let folder = place.workshop();
        fs::create_dir_all(&folder).path("create the folder", &folder)?;
        let staging =
            tempfile::Builder::new().prefix(".umreplay-").tempdir_in(&folder).path("create a folder in", &folder)?;
        Ok(Self { place, staging, stop, broken: AtomicBool::new(false) })
    }

    /// Writes and flushes a file that waits for its place.
    fn keep(&self, name: String, from: &mut dyn Read, modified: Option<Timestamp>) -> Result<KeptFile, DeliveryError> {
        let path = self.staging.path().join(&name);
        let mut file = File::create_new(&path).path("create", &path).map_err(fatal)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        let mut size = 0;
        loop {
            let bytes = next(from, &mut buffer)
                .map_err(|error| DeliveryError::new(Failure::Refused, format!("could not read {name}: {error}")))?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            file.write_all(bytes).path("write", &path).map_err(fatal)?;
            size += bytes.len() as u64;
        }
        if let Some(time) = modified {
            file.set_modified(SystemTime::from(time)).path("set the time of", &path).map_err(fatal)?;
        }
        file.sync_all().path("flush", &path).map_err(fatal)?;
        Ok(KeptFile { name, size, sha256: Sha256Digest(hasher.finalize().into()), modified })
    }

    /// Copies an attachment, and makes sure that it is what was looked at.
    fn copy(&self, name: String, source: &FileRef, known: Option<Sha256Digest>) -> Result<KeptFile, DeliveryError> {
        let refused = |reason: String| DeliveryError::new(Failure::Refused, reason);
        let mut reader = source.open().map_err(|error| refused(fsx::describe(&error)))?.take(source.size + 1);
        let kept = self.keep(name, &mut reader, source.modified)?;
        match kept.size == source.size && known.is_none_or(|known| known == kept.sha256) {
            true => Ok(kept),
            false => Err(refused(format!("{} changed while it was read", source.label))),
        }
    }

    /// Writes all files of a message into the staging folder.
    fn make_ready(&self, delivery: &Delivery) -> Result<Kept, DeliveryError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(DeliveryError::new(Failure::Transient, SetError::Interrupted.to_string()));
        }
        let guid = delivery.new_guid;
        let message = &delivery.message;
        let audio = message.audio.as_ref();
        let attachments = [
            ("wav", audio.map(|audio| &audio.file), audio.and_then(|audio| audio.sha256)),
            ("tif", message.fax.as_ref(), None),
            ("msg", message.message_file.as_ref(), None),
        ];
        let mut files = Vec::new();
        for (extension, source, known) in attachments {
            if let Some(source) = source {
                files.push(self.copy(format!("{guid}.{extension}"), source, known)?);
            }
        }
        let modified = message.header.as_ref().and_then(|part| part.file.modified).or_else(|| message.modified());
        files.push(self.keep(format!("{guid}.txt"), &mut delivery.header.bytes(), modified)?);
        let entry = Entry::new(delivery, &files);
        Ok(Kept { guid, files, entry })
    }

    fn place_set(&self, batch: &[Kept]) -> Result<(), SetError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(SetError::Interrupted);
        }
        if self.broken.load(Ordering::Relaxed) {
            return Err(SetError::Broken);
        }
        let mut kept: Vec<&Kept> = batch.iter().collect();
        kept.sort_by_key(|kept| kept.guid);
        let manifest = self.staging.path().join(MANIFEST);
        let bytes = manifest::bytes(kept.iter().map(|kept| &kept.entry))?;
        fsx::write_atomically(&manifest, &bytes)?;
        match &self.place {
            Place::Folder(folder) => self.place_folder(folder, &manifest, &kept),
            Place::Zip(file) => self.place_archive(file, &bytes, &kept),
        }
    }

    fn place_folder(&self, folder: &Path, manifest: &Path, kept: &[&Kept]) -> Result<(), SetError> {
        let messages = folder.join(MESSAGES);
        fs::create_dir_all(&messages).path("create the folder", &messages)?;
        let names: BTreeSet<&str> = kept.iter().flat_map(|kept| &kept.files).map(|file| file.name.as_str()).collect();
        for entry in fs::read_dir(&messages).path("list", &messages)? {
            let name = entry.path("list", &messages)?.file_name();
            if !name.to_str().is_some_and(|name| names.contains(name)) {
                return Err(SetError::Foreign(messages.join(name)));
            }
        }
        // Attachments, then headers, so that somebody who watches the folder finds no header without its audio.
        let files = |is_header: bool| names.iter().filter(move |name| name.ends_with(".txt") == is_header);
        let mut moves: Vec<(PathBuf, PathBuf)> =
            files(false).chain(files(true)).map(|name| (self.staging.path().join(name), messages.join(name))).collect();
        moves.push((manifest.to_path_buf(), folder.join(MANIFEST)));
        let mut missing = Vec::with_capacity(moves.len());
        for (from, to) in moves {
            match is_there(&from, &to)? {
                true => {}
                false => missing.push((from, to)),
            }
        }
        for (from, to) in missing {
            rename(&from, &to)?;
        }
        fsx::sync_folder(&messages)?;
        Ok(fsx::sync_folder(folder)?)
    }

    fn place_archive(&self, file: &Path, manifest: &[u8], kept: &[&Kept]) -> Result<(), SetError> {
        let unfinished = self.staging.path().join("set.zip");
        archive::write(&unfinished, self.staging.path(), manifest, kept)?;
        if !is_there(&unfinished, file)? {
            rename(&unfinished, file)?;
        }
        Ok(fsx::sync_folder(&fsx::folder_of(file))?)
    }
}

impl Sink for FilesSink {
    type Staged = Kept;

    /// All at once: half a set is none.
    fn batch(&self) -> usize {
        usize::MAX
    }

    fn stage(&self, delivery: &Delivery) -> Result<Kept, DeliveryError> {
        let kept = self.make_ready(delivery);
        if kept.as_ref().is_err_and(|error| error.failure == Failure::Fatal) {
            self.broken.store(true, Ordering::Relaxed);
        }
        kept
    }

    fn trace(&self, _: &Kept) -> Trace {
        Trace::default()
    }

    fn commit(&mut self, batch: Vec<Kept>) -> Vec<Result<Receipt, DeliveryError>> {
        if batch.is_empty() {
            return Vec::new();
        }
        let placed = self.place_set(&batch).map_err(|error| fsx::describe(&error));
        let result = |kept: Kept| match &placed {
            Ok(()) => Ok(self.place.receipt(kept.guid)),
            Err(reason) => Err(DeliveryError::new(Failure::Fatal, reason.clone())),
        };
        batch.into_iter().map(result).collect()
    }
}

/// A folder that does not take one file takes no other.
fn fatal(error: PathError) -> DeliveryError {
    DeliveryError::new(Failure::Fatal, fsx::describe(&error))
}

fn rename(from: &Path, to: &Path) -> Result<(), SetError> {
    fsx::rename_new(from, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => SetError::Differs(to.to_path_buf()),
        _ => PathError::new("rename a file to", to, error).into(),
    })
}

/// Whether a file stands in its place already; one with other contents is an error.
fn is_there(ready: &Path, place: &Path) -> Result<bool, SetError> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(PathError::new("read", place, error).into()),
        Ok(found) if !found.is_file() => return Err(SetError::Differs(place.to_path_buf())),
        Ok(_) => {}
    }
    match digest(ready)? == digest(place)? {
        true => Ok(true),
        false => Err(SetError::Differs(place.to_path_buf())),
    }
}

fn digest(path: &Path) -> Result<[u8; 32], PathError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).path("read", path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match next(&mut file, &mut buffer).path("read", path)? {
            [] => break,
            bytes => hasher.update(bytes),
        }
    }
    Ok(hasher.finalize().into())
}

/// The next bytes of a file, none at its end.
fn next<'a>(from: &mut dyn Read, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match from.read(buffer) {
            Ok(count) => return Ok(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mime::samples::{VOICE, delivery};
    use super::*;

    #[test]
    fn half_a_set_is_not_placed() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::Folder(folder.path().join("set"));
        let stop = Arc::new(AtomicBool::new(false));
        let mut sink = FilesSink::open(place.clone(), Arc::clone(&stop)).unwrap();
        let kept = sink.stage(&delivery(VOICE)).unwrap();
        // The same name again, as a disk that takes no more.
        assert_eq!(sink.stage(&delivery(VOICE)).unwrap_err().failure, Failure::Fatal);
        assert!(sink.commit(vec![kept]).remove(0).is_err());

        let mut sink = FilesSink::open(place, Arc::clone(&stop)).unwrap();
        let kept = sink.stage(&delivery(VOICE)).unwrap();
        stop.store(true, Ordering::Relaxed);
        assert!(sink.commit(vec![kept]).remove(0).is_err());
        assert!(!folder.path().join("set").join(MESSAGES).exists());
    }
}
