//! Export as `.eml` files: the same bytes as submission would send.
//!
//! A file appears whole under its name or not at all, and never takes the place of another.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::mime::{self, Mail, MimeOptions};
use super::{DeliveryError, Failure, Sink, Trace};
use crate::fsx::{self, PathContext, PathError};
use crate::message::{Delivery, Receipt};

/// Messages staged under one note of intent: an export can be repeated without harm, so that the disk sets the pace.
const BATCH: usize = 64;

/// A folder that takes messages as `.eml` files.
#[derive(Debug)]
pub struct EmlSink {
    folder: PathBuf,
    options: MimeOptions,
}

/// A mail written beside its place under a temporary name.
#[derive(Debug)]
pub struct StagedEml {
    file: TempPath,
    length: u64,
    message_id: String,
    /// Names to try in turn: the message's own, and one that no other message can have.
    names: [String; 2],
}

impl EmlSink {
    /// Exports into a folder, which is made where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(folder: impl Into<PathBuf>, options: MimeOptions) -> Result<Self, PathError> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).path("create the folder", &folder)?;
        Ok(Self { folder, options })
    }

    fn write(&self, mail: &Mail) -> Result<TempPath, PathError> {
        let mut file = tempfile::Builder::new()
            .prefix(".umreplay-")
            .suffix(".tmp")
            .tempfile_in(&self.folder)
            .path("create a file in", &self.folder)?;
        file.write_all(&mail.bytes).path("write", file.path())?;
        file.as_file().sync_all().path("flush", file.path())?;
        // Closed here: a batch of open files could reach the system's limit.
        Ok(file.into_temp_path())
    }
}

impl Sink for EmlSink {
    type Staged = StagedEml;

    fn batch(&self) -> usize {
        BATCH
    }

    fn stage(&self, delivery: &Delivery) -> Result<StagedEml, DeliveryError> {
        let mail = mime::compose(delivery, &self.options)?;
        let file = self.write(&mail).map_err(fatal)?;
        let message = &delivery.message;
        let stem = message.guid.map_or_else(|| fsx::safe_name(&message.stem), |guid| guid.to_string());
        let names = [format!("{stem}.eml"), format!("{stem}-{}.eml", delivery.identity)];
        Ok(StagedEml { file, length: mail.bytes.len() as u64, message_id: mail.message_id, names })
    }

    fn trace(&self, staged: &StagedEml) -> Trace {
        Trace { message_id: Some(staged.message_id.clone()), staged: None }
    }

    fn commit(&mut self, batch: Vec<StagedEml>) -> Vec<Result<Receipt, DeliveryError>> {
        let results: Vec<_> = batch.into_iter().map(|staged| self.place(staged)).collect();
        match fsx::sync_folder(&self.folder) {
            Ok(()) => results,
            Err(error) => {
                let reason = fsx::describe(&error);
                results.into_iter().map(|_| Err(DeliveryError::new(Failure::Fatal, reason.clone()))).collect()
            }
        }
    }
}

impl EmlSink {
    /// Gives a staged file its name.
    fn place(&self, staged: StagedEml) -> Result<Receipt, DeliveryError> {
        let mut file = staged.file;
        for name in &staged.names {
            let path = self.folder.join(name);
            let receipt = || Receipt {
                target: path.display().to_string(),
                message_id: Some(staged.message_id.clone()),
                ..Receipt::default()
            };
            match file.persist_noclobber(&path) {
                Ok(()) => return Ok(receipt()),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => file = error.path,
                Err(error) => return Err(fatal(PathError::new("rename a file to", &path, error.error))),
            }
            if is_same(&path, &file, staged.length).map_err(fatal)? {
                return Ok(receipt());
            }
        }
        let [_, last] = &staged.names;
        let path = self.folder.join(last);
        Err(DeliveryError::new(Failure::Refused, format!("{} is there already, with other contents", path.display())))
    }
}

/// A folder that does not take one file takes no other.
fn fatal(error: PathError) -> DeliveryError {
    DeliveryError::new(Failure::Fatal, fsx::describe(&error))
}

/// Whether a file already holds what was to be exported.
fn is_same(existing: &Path, staged: &Path, length: u64) -> Result<bool, PathError> {
    let found = std::fs::metadata(existing).path("read", existing)?;
    if !found.is_file() || found.len() != length {
        return Ok(false);
    }
    let found = std::fs::read(existing).path("read", existing)?;
    Ok(found == std::fs::read(staged).path("read", staged)?)
}

#[cfg(test)]
mod tests {
    use super::super::mime::samples::{GUID, VOICE, delivery, options};
    use super::*;
    use crate::message::Identity;

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn export(sink: &mut EmlSink, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let staged = sink.stage(delivery)?;
        sink.commit(vec![staged]).remove(0)
    }

    #[test]
    fn a_message_becomes_a_file_with_the_mails_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new").join("export");
        let mut sink = EmlSink::new(&target, options()).unwrap();
        let delivery = delivery(VOICE);
        let receipt = export(&mut sink, &delivery).unwrap();
        let name = format!("{GUID}.eml");
        assert_eq!(files(&target), [name.as_str()]);
        assert_eq!(receipt.target, target.join(&name).display().to_string());
        let mail = mime::compose(&delivery, &options()).unwrap();
        assert_eq!(receipt.message_id, Some(mail.message_id));
        assert_eq!(std::fs::read(target.join(name)).unwrap(), mail.bytes);
    }

    #[test]
    fn nothing_is_seen_before_the_commit_and_nothing_stays_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let sink = EmlSink::new(folder.path(), options()).unwrap();
        let staged = sink.stage(&delivery(VOICE)).unwrap();
        assert!(files(folder.path()).iter().all(|name| name.ends_with(".tmp")));
        drop(staged);
        assert!(files(folder.path()).is_empty());
    }

    #[test]
    fn what_is_exported_is_not_exported_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = EmlSink::new(folder.path(), options()).unwrap();
        let first = export(&mut sink, &delivery(VOICE)).unwrap();
        assert_eq!(export(&mut sink, &delivery(VOICE)).unwrap(), first);
        assert_eq!(files(folder.path()).len(), 1);
    }

    #[test]
    fn another_file_of_the_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = EmlSink::new(folder.path(), options()).unwrap();
        let taken = folder.path().join(format!("{GUID}.eml"));
        fsx::write_atomically(&taken, b"mine").unwrap();
        let delivery = delivery(VOICE);
        let receipt = export(&mut sink, &delivery).unwrap();
        assert!(receipt.target.ends_with(&format!("{GUID}-{}.eml", delivery.identity)), "{}", receipt.target);
        assert_eq!(std::fs::read(&taken).unwrap(), b"mine");

        fsx::write_atomically(Path::new(&receipt.target), b"mine too").unwrap();
        let error = export(&mut sink, &delivery).unwrap_err();
        assert_eq!(error.failure, Failure::Refused);
        assert_eq!(files(folder.path()).len(), 2);
    }

    #[test]
    fn two_messages_may_share_a_guid() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = EmlSink::new(folder.path(), options()).unwrap();
        let one = delivery(VOICE);
        let mut other = delivery(&VOICE.replace("70-a0", "80-b0"));
        other.identity = Identity::of(Some(&other.header), None, "other", None);
        let staged = [sink.stage(&one).unwrap(), sink.stage(&other).unwrap()];
        let targets: Vec<String> =
            sink.commit(staged.into()).into_iter().map(|result| result.unwrap().target).collect();
        assert_ne!(targets.first(), targets.last());
        assert_eq!(files(folder.path()).len(), 2);
    }

    #[test]
    fn a_name_of_strangers_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("in");
        let mut sink = EmlSink::new(&target, options()).unwrap();
        let mut odd = delivery(VOICE);
        odd.message.guid = None;
        odd.message.stem = "../../nul:x".to_owned();
        export(&mut sink, &odd).unwrap();
        assert_eq!(files(folder.path()), ["in"]);
        assert_eq!(files(&target).len(), 1);
    }

    #[test]
    fn a_folder_that_vanished_ends_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("gone");
        let mut sink = EmlSink::new(&target, options()).unwrap();
        let staged = sink.stage(&delivery(VOICE)).unwrap();
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(sink.commit(vec![staged]).remove(0).unwrap_err().failure, Failure::Fatal);
        let error = sink.stage(&delivery(VOICE)).unwrap_err();
        assert_eq!(error.failure, Failure::Fatal);
        assert!(error.reason.contains("gone"), "{}", error.reason);
    }

    #[test]
    fn what_cannot_be_mail_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sink = EmlSink::new(folder.path(), options()).unwrap();
        let error = sink.stage(&delivery("MessageType : CDR\r\n")).unwrap_err();
        assert_eq!(error.failure, Failure::Refused);
        assert!(error.reason.starts_with("CDR: "), "{}", error.reason);
        assert!(files(folder.path()).is_empty());
    }
}
