//! Editing in place: a header file is replaced whole, by rename, and only if it is still what was read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempPath;

use super::{DeliveryError, Failure, Sink, Trace, folder};
use crate::fsx::{self, PathContext, PathError};
use crate::message::{Delivery, Receipt};

/// Replaces header files of a folder.
///
/// New files are made in a folder beside it, never in it: killing a message deletes everything named after its GUID,
/// and UM would take what ends in `.txt` for a message.
#[derive(Debug)]
pub struct ReplaceSink {
    staging: PathBuf,
}

/// A new header, ready to take the old one's place.
#[derive(Debug)]
pub struct Replacement {
    new: TempPath,
    path: PathBuf,
    original: Vec<u8>,
}

impl ReplaceSink {
    /// Makes the staging folder beside `folder`, after `note` was told its place; `name` tells whose it is.
    ///
    /// # Errors
    /// There is no folder beside it, it cannot be made, or `note` failed.
    pub fn open<E: From<PathError>>(
        folder: &Path,
        name: &str,
        note: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, E> {
        // Without links and `..`, or the place beside it might be in it.
        let folder = fs::canonicalize(folder).path("find", folder)?;
        let no_parent = || PathError::new("work beside", &folder, io::ErrorKind::Unsupported.into());
        let parent = folder.parent().ok_or_else(no_parent)?;
        let staging = folder::staging_place(parent, name);
        note(&staging)?;
        fs::create_dir(&staging).path("make the folder", &staging)?;
        Ok(Self { staging })
    }

    fn write(&self, path: &Path, old: &fs::Metadata, delivery: &Delivery) -> Result<TempPath, PathError> {
        let mut file = tempfile::Builder::new().tempfile_in(&self.staging).path("make a file in", &self.staging)?;
        file.write_all(delivery.header.bytes()).path("write the new header of", path)?;
        // Its place in the queue is its modification time.
        let modified = old.modified().path("read the time of", path)?;
        file.as_file().set_modified(modified).path("set the time of the new header of", path)?;
        // A temporary file is its maker's alone, and UM has to read this one. Windows inherits rights from the folder.
        if cfg!(unix) {
            file.as_file().set_permissions(old.permissions()).path("set the rights of the new header of", path)?;
        }
        file.as_file().sync_all().path("flush the new header of", path)?;
        Ok(file.into_temp_path())
    }
}

impl Sink for ReplaceSink {
    type Staged = Replacement;

    fn batch(&self) -> usize {
        64
    }

    fn stage(&self, delivery: &Delivery) -> Result<Replacement, DeliveryError> {
        let refuse = |reason: &str| DeliveryError::new(Failure::Refused, reason);
        let header = delivery.message.header.as_ref().ok_or_else(|| refuse("it has no header to edit"))?;
        let path =
            header.file.path().ok_or_else(|| refuse("it lies in an archive, which is never changed"))?.to_path_buf();
        let old = fs::metadata(&path).path("look at", &path).map_err(failed)?;
        if old.permissions().readonly() {
            return Err(refuse(&format!(
                "{} is marked read-only; take the mark off to have it edited",
                path.display()
            )));
        }
        let new = self.write(&path, &old, delivery).map_err(failed)?;
        Ok(Replacement { new, path, original: header.header.bytes().to_vec() })
    }

    fn commit(&mut self, staged: Vec<Replacement>) -> Vec<Result<Receipt, DeliveryError>> {
        let results: Vec<_> = staged.into_iter().map(replace).collect();
        let folders: std::collections::BTreeSet<_> =
            results.iter().flatten().map(|(folder, _)| folder.clone()).collect();
        let flushed = folders.iter().try_for_each(|folder| fsx::sync_folder(folder));
        let flush_error = flushed.err().map(|error| fsx::describe(&error));
        results
            .into_iter()
            .map(|result| match (&flush_error, result) {
                (None, Ok((_, receipt))) => Ok(receipt),
                (Some(error), Ok(_)) => Err(DeliveryError::new(Failure::Uncertain, error.clone())),
                (_, Err(error)) => Err(error),
            })
            .collect()
    }

    fn trace(&self, staged: &Replacement) -> Trace {
        Trace { staged: Some(staged.new.display().to_string()), ..Trace::default() }
    }

    fn finish(&mut self) -> Result<(), DeliveryError> {
        folder::discard(&self.staging).map_err(failed)
    }
}

fn failed(error: PathError) -> DeliveryError {
    let failure = if error.is_out_of_space() { Failure::Fatal } else { Failure::Refused };
    DeliveryError::new(failure, fsx::describe(&error))
}

/// Puts the new header in the old one's place, if that is still what the change was made from.
fn replace(replacement: Replacement) -> Result<(PathBuf, Receipt), DeliveryError> {
    let Replacement { mut new, path, original } = replacement;
    let mut wait = Duration::from_millis(20);
    loop {
        still_is(&path, &original)?;
        match new.persist(&path) {
            Ok(()) => break,
            // UM or a virus scanner may hold the file open for a moment.
            Err(error) if cfg!(windows) && folder::is_held(&error.error) && wait < Duration::from_secs(1) => {
                new = error.path;
                std::thread::sleep(wait);
                wait *= 2;
            }
            Err(error) => return Err(failed(PathError::new("replace", &path, error.error))),
        }
    }
    let receipt = Receipt { target: path.display().to_string(), ..Receipt::default() };
    Ok((fsx::folder_of(&path), receipt))
}

/// Makes sure that a header is what the change was made from. To write one anew that UM has taken would queue it twice.
fn still_is(path: &Path, original: &[u8]) -> Result<(), DeliveryError> {
    let reason = match fs::read(path) {
        Ok(current) if current == original => return Ok(()),
        Ok(_) => format!("{} was changed by somebody else meanwhile; it stays as it is", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("{} is gone: UM or somebody else took it meanwhile", path.display())
        }
        Err(error) => return Err(failed(PathError::new("read", path, error))),
    };
    Err(DeliveryError::new(Failure::Transient, reason))
}

#[cfg(test)]
mod tests {
    use super::super::mime::samples::{VOICE, delivery};
    use super::*;
    use std::sync::Arc;

    use crate::message::{Content, FileRef, Header};

    struct OnDisk(PathBuf);

    impl Content for OnDisk {
        fn open(&self) -> io::Result<Box<dyn io::Read + Send + '_>> {
            Ok(Box::new(fs::File::open(&self.0)?))
        }

        fn path(&self) -> Option<&Path> {
            Some(&self.0)
        }
    }

    /// A folder `um/voicemail` with one header that is to be edited.
    struct Place {
        root: tempfile::TempDir,
        header: PathBuf,
        delivery: Delivery,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("um").join("voicemail");
            fs::create_dir_all(&folder).unwrap();
            let header = folder.join("46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.txt");
            fsx::write_atomically(&header, VOICE.as_bytes()).unwrap();
            let mut delivery = delivery(VOICE);
            delivery.header.set("CultureInfo", "de-DE").unwrap();
            let content = Arc::new(OnDisk(header.clone()));
            let part = delivery.message.header.as_mut().unwrap();
            part.file = FileRef::new(header.display().to_string(), VOICE.len() as u64, None, content);
            part.header = Header::parse(VOICE.into());
            Self { root, header, delivery }
        }

        fn folder(&self) -> PathBuf {
            self.root.path().join("um").join("voicemail")
        }

        fn sink(&self) -> ReplaceSink {
            ReplaceSink::open::<PathError>(&self.folder(), "7", |_| Ok(())).unwrap()
        }
    }

    #[test]
    fn the_staging_folder_is_never_in_the_folder() {
        let place = Place::new();
        fs::create_dir(place.folder().join("deeper")).unwrap();
        let beside = fs::canonicalize(place.root.path().join("um")).unwrap();
        for spelling in ["", ".", "deeper/.."] {
            let mut told = PathBuf::new();
            let note = |path: &Path| {
                told = path.to_owned();
                assert!(!path.exists(), "it is noted first");
                Ok::<_, PathError>(())
            };
            let mut sink = ReplaceSink::open(&place.folder().join(spelling), "7", note).unwrap();
            assert_eq!(told, sink.staging);
            assert_eq!(sink.staging.parent(), Some(beside.as_path()), "{spelling}");
            sink.finish().unwrap();
            assert!(!told.exists());
        }
    }

    #[test]
    fn what_um_took_meanwhile_is_not_written_anew() {
        let place = Place::new();
        let mut sink = place.sink();
        let staged = sink.stage(&place.delivery).unwrap();
        fs::remove_file(&place.header).unwrap();
        let error = sink.commit(vec![staged]).remove(0).unwrap_err();
        assert_eq!(error.failure, Failure::Transient);
        assert!(error.reason.contains("is gone"), "{}", error.reason);
        assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0);
    }

    #[test]
    fn what_somebody_changed_meanwhile_stays() {
        let place = Place::new();
        let mut sink = place.sink();
        let staged = sink.stage(&place.delivery).unwrap();
        fsx::write_atomically(&place.header, b"MessageType : MissedCall\r\n").unwrap();
        let error = sink.commit(vec![staged]).remove(0).unwrap_err();
        assert!(error.reason.contains("changed by somebody else"), "{}", error.reason);
        assert_eq!(fs::read(&place.header).unwrap(), b"MessageType : MissedCall\r\n");
    }

    #[test]
    fn a_read_only_header_is_refused() {
        let place = Place::new();
        let mut rights = fs::metadata(&place.header).unwrap().permissions();
        rights.set_readonly(true);
        fs::set_permissions(&place.header, rights.clone()).unwrap();
        let error = place.sink().stage(&place.delivery).unwrap_err();
        assert_eq!(error.failure, Failure::Refused);
        assert!(error.reason.contains("read-only"), "{}", error.reason);
        #[allow(clippy::permissions_set_readonly_false, reason = "the folder is removed next")]
        rights.set_readonly(false);
        fs::set_permissions(&place.header, rights).unwrap();
    }

    #[test]
    fn rights_and_time_are_kept() {
        let place = Place::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&place.header, fs::Permissions::from_mode(0o664)).unwrap();
        }
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_482_476_400);
        fs::File::options().write(true).open(&place.header).unwrap().set_modified(time).unwrap();
        let before = fs::metadata(&place.header).unwrap();
        let mut sink = place.sink();
        let staged = sink.stage(&place.delivery).unwrap();
        sink.commit(vec![staged]).remove(0).unwrap();
        assert_eq!(fs::read(&place.header).unwrap(), place.delivery.header.bytes());
        let after = fs::metadata(&place.header).unwrap();
        assert_eq!(after.modified().unwrap(), time);
        assert_eq!(after.permissions(), before.permissions());
        assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 1);
    }
}
