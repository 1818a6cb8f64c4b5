//! What was received: in memory, and as files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::LabSinkOptions;
use crate::fsx::{self, PathContext, PathError};

/// A mail as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The envelope's sender.
    pub sender: String,
    /// The envelope's recipients, in the order in which they were named.
    pub recipients: Vec<String>,
    /// The mail, dots unstuffed and nothing added.
    pub bytes: Arc<[u8]>,
}

/// A line of `envelopes.jsonl`.
#[derive(Serialize)]
struct Envelope<'a> {
    file: &'a str,
    sender: &'a str,
    recipients: &'a [String],
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

/// Takes mails one at a time.
pub(super) struct Store {
    kept: Option<Vec<Received>>,
    files: Option<Files>,
    clock: Option<fn() -> Timestamp>,
    count: u64,
}

struct Files {
    folder: PathBuf,
    envelopes_path: PathBuf,
    envelopes: File,
    next: u64,
}

impl Store {
    pub(super) fn open(options: &LabSinkOptions) -> Result<Self, PathError> {
        let files = options.out.as_deref().map(Files::open).transpose()?;
        Ok(Self { kept: options.keep.then(Vec::new), files, clock: options.clock, count: 0 })
    }

    pub(super) fn add(&mut self, received: Received) -> Result<(), PathError> {
        if let Some(files) = &mut self.files {
            files.add(&received, self.clock.map(|clock| clock()))?;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(received);
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.kept.clone().unwrap_or_default()
    }
}

impl Files {
    fn open(folder: &Path) -> Result<Self, PathError> {
        fs::create_dir_all(folder).path("create the folder", folder)?;
        let envelopes_path = folder.join("envelopes.jsonl");
        let envelopes = OpenOptions::new().append(true).create(true).open(&envelopes_path);
        let envelopes = envelopes.path("open", &envelopes_path)?;
        // Earlier runs' mails keep their numbers.
        let mut next = 1;
        for entry in fs::read_dir(folder).path("read", folder)? {
            let name = entry.path("read", folder)?.file_name();
            let number = name.to_str().and_then(|name| name.split_once('-')?.0.parse::<u64>().ok());
            next = next.max(number.unwrap_or(0).saturating_add(1));
        }
        Ok(Self { folder: folder.to_owned(), envelopes_path, envelopes, next })
    }

    fn add(&mut self, received: &Received, time: Option<Timestamp>) -> Result<(), PathError> {
        let id = message_id(&received.bytes).unwrap_or_else(|| "no-message-id".to_owned());
        let file = format!("{:06}-{}.eml", self.next, fsx::safe_name(&id));
        fsx::write_atomically(&self.folder.join(&file), &received.bytes)?;
        self.next += 1;
        let envelope = Envelope {
            file: &file,
            sender: &received.sender,
            recipients: &received.recipients,
            bytes: received.bytes.len(),
            time: time.map(|time| time.to_string()),
        };
        let mut line = serde_json::to_vec(&envelope).map_err(Into::into).path("write", &self.envelopes_path)?;
        line.push(b'\n');
        self.envelopes.write_all(&line).path("write", &self.envelopes_path)
    }
}

/// The Message-ID in the header block, without its angle brackets.
fn message_id(mail: &[u8]) -> Option<String> {
    let lines = mail.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (name, value) = line.split_at_checked("Message-ID:".len())?;
        let value = String::from_utf8_lossy(value).trim().trim_matches(['<', '>']).to_owned();
        (name.eq_ignore_ascii_case(b"Message-ID:") && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: &[u8]) -> Received {
        Received { sender: "a@b.example".into(), recipients: vec!["c@d.example".into()], bytes: bytes.into() }
    }

    #[test]
    fn mails_become_files_with_their_envelopes() {
        let folder = tempfile::tempdir().unwrap();
        let options = LabSinkOptions {
            out: Some(folder.path().to_owned()),
            clock: Some(|| Timestamp::UNIX_EPOCH),
            ..LabSinkOptions::default()
        };
        let mail = b"Subject: x\r\nmessage-id: <../a:b@c>\r\n\r\nMessage-ID: no\r\n";
        Store::open(&options).unwrap().add(received(mail)).unwrap();
        Store::open(&options).unwrap().add(received(b"\r\nMessage-ID: <no>\r\n")).unwrap();
        let names = ["000001-.._a_b@c.eml", "000002-no-message-id.eml"];
        assert_eq!(fs::read(folder.path().join(names[0])).unwrap(), mail);
        assert!(folder.path().join(names[1]).exists());
        let envelopes = fs::read_to_string(folder.path().join("envelopes.jsonl")).unwrap();
        assert_eq!(
            envelopes.lines().next(),
            Some(
                r#"{"file":"000001-.._a_b@c.eml","sender":"a@b.example","recipients":["c@d.example"],"bytes":54,"time":"1970-01-01T00:00:00Z"}"#
            )
        );
        assert_eq!(envelopes.lines().count(), 2);
    }
}
