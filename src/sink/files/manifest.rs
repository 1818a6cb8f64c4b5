//! What a set holds, for people and programs: where every message came from, and what was changed on it.

use jiff::Timestamp;
use serde::Serialize;

use super::{KeptFile, MESSAGES};
use crate::fsx::is_command;
use crate::message::{Change, Delivery, Finding, Guid, Identity, Recipient};

/// The manifest, its messages sorted by GUID.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    messages: Vec<&'a Entry>,
}

/// One message of the set.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    guid: Guid,
    id: Identity,
    /// The name of its files where it was found.
    found_as: String,
    sources: Vec<String>,
    message_type: Option<&'static str>,
    recipient: Recipient,
    files: Vec<FileEntry>,
    changes: Vec<Change>,
    findings: Vec<Finding>,
}

/// One file of a message.
#[derive(Debug, Serialize)]
struct FileEntry {
    name: String,
    size: u64,
    sha256: String,
    modified: Option<Timestamp>,
}

impl Entry {
    /// Tells of a message and its files, the header first.
    pub(super) fn new(delivery: &Delivery, files: &[KeptFile]) -> Self {
        let message = &delivery.message;
        let mut sources: Vec<String> = message.copies.iter().map(|copy| copy.label.clone()).collect();
        if sources.is_empty() {
            sources.push(message.label.clone());
        }
        sources.sort();
        let file = |file: &KeptFile| FileEntry {
            name: format!("{MESSAGES}/{}", file.name),
            size: file.size,
            sha256: file.sha256.to_string(),
            modified: file.modified,
        };
        Self {
            guid: delivery.new_guid,
            id: delivery.identity,
            found_as: message.stem.clone(),
            sources,
            message_type: delivery.header.message_type().map(|kind| kind.name()),
            recipient: delivery.recipient.clone(),
            files: files.iter().rev().map(file).collect(),
            changes: delivery.changes.clone(),
            findings: message.findings.clone(),
        }
    }
}

/// The manifest's bytes, harmless on a terminal too.
pub(super) fn bytes<'a>(entries: impl Iterator<Item = &'a Entry>) -> serde_json::Result<Vec<u8>> {
    let manifest = Manifest { kind: "manifest", version: 1, messages: entries.collect() };
    let text = serde_json::to_string_pretty(&manifest)?;
    // What is left of control characters stands within strings, but for the line ends between them.
    let escape = |character: char| match is_command(character) && character != '\n' {
        true => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    };
    Ok((text.chars().map(escape).collect::<String>() + "\n").into_bytes())
}
