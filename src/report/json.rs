//! One JSON object for a message or a result; the fields and their names are fixed in `docs/output.md`.

use serde::Serialize;

use crate::fsx;
use crate::message::fields::{Caller, Recipient};
use crate::message::{
    AudioCodec, Change, CopyOf, DeliveryResult, Dialect, Finding, Guid, Identity, Message, Outcome, Sha256Digest, State,
};

/// A value as one line of JSON that may be shown on a terminal: beside what JSON must escape, so is all that would
/// command it. A reader gets the same text.
///
/// # Errors
/// The value has no JSON form.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    if !text.contains(fsx::is_command) {
        return Ok(text);
    }
    // None of them can stand outside a string, and all are in the basic plane, which one escape can name.
    let escaped = text.chars().map(|character| match fsx::is_command(character) {
        true => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    });
    Ok(escaped.collect())
}

/// A message as `scan`, `show` and `check` report it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "message")]
pub struct MessageRow<'a> {
    /// The GUID of its files.
    pub guid: Option<Guid>,
    /// Its identity, where it was computed.
    pub id: Option<Identity>,
    /// Where it was found.
    pub source: &'a str,
    /// What it has of what its type needs.
    pub state: State,
    /// The type as the header spells it, known or not.
    pub message_type: Option<String>,
    /// The header's dialect.
    pub dialect: Option<Dialect>,
    /// Who it is for.
    pub recipient: Option<Recipient>,
    /// The culture as the header spells it.
    pub culture: Option<String>,
    /// Who called.
    pub caller: Option<Caller>,
    /// The SIP call id.
    pub call_id: Option<String>,
    /// When it was sent, in the UM server's local time.
    pub sent: Option<String>,
    /// Whole seconds, by the header.
    pub duration: Option<i32>,
    /// How often UM has picked it up; `null` where the field does not parse.
    pub processed_count: Option<i32>,
    /// The WAV.
    pub audio: Option<AudioRow<'a>>,
    /// What is wrong or remarkable.
    pub findings: &'a [Finding],
    /// Every copy that it was put together from; left out where there was but one.
    #[serde(skip_serializing_if = "<[CopyOf]>::is_empty")]
    pub copies: &'a [CopyOf],
}

/// A WAV as a message's row shows it.
#[derive(Debug, Serialize)]
pub struct AudioRow<'a> {
    /// Where it was found.
    pub source: &'a str,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Duration of the samples that are there.
    pub seconds: Option<f64>,
    /// How samples are stored.
    pub codec: Option<AudioCodec>,
    /// Samples a second.
    pub sample_rate: Option<u32>,
    /// Channels.
    pub channels: Option<u16>,
    /// SHA-256 of the whole file, where it was computed.
    pub sha256: Option<Sha256Digest>,
}

impl<'a> MessageRow<'a> {
    /// The row of a message, with its identity where it was computed.
    pub fn new(message: &'a Message, id: Option<Identity>) -> Self {
        let header = message.header.as_ref().map(|part| &part.header);
        let text = |name| header.and_then(|header| header.get(name)).map(|value| value.into_owned());
        Self {
            guid: message.guid,
            id,
            source: &message.label,
            state: message.state(),
            message_type: text(crate::message::fields::MESSAGE_TYPE),
            dialect: header.map(|header| header.dialect()),
            recipient: header.map(|header| header.recipient()),
            culture: header.and_then(|header| header.culture()),
            caller: header.map(|header| header.caller()),
            call_id: text(crate::message::fields::CALL_ID),
            sent: header.and_then(|header| header.sent_time()).map(|time| time.to_string()),
            duration: header.and_then(|header| header.duration()),
            processed_count: header.and_then(|header| header.processed_count()),
            audio: message.audio.as_ref().map(|audio| AudioRow {
                source: &audio.file.label,
                bytes: audio.file.size,
                seconds: audio.facts.as_ref().map(|facts| facts.seconds),
                codec: audio.facts.as_ref().map(|facts| facts.codec),
                sample_rate: audio.facts.as_ref().map(|facts| facts.sample_rate),
                channels: audio.facts.as_ref().map(|facts| facts.channels),
                sha256: audio.sha256,
            }),
            findings: &message.findings,
            copies: &message.copies,
        }
    }
}

/// What became of a message, as the commands that act report it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "result")]
pub struct ResultRow<'a> {
    /// The GUID of the message as it was found.
    pub guid: Option<Guid>,
    /// Its identity.
    pub id: Option<Identity>,
    /// Where it was found.
    pub source: &'a str,
    /// `inject`, `submit`, `export` or `edit`.
    pub action: &'a str,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it was not simply done.
    pub reason: Option<&'a str>,
    /// Where it went.
    pub target: Option<&'a str>,
    /// The GUID of the injected files.
    pub new_guid: Option<Guid>,
    /// The Internet Message-ID it was sent under.
    pub message_id: Option<&'a str>,
    /// The server's reply code.
    pub smtp_code: Option<u16>,
    /// How often delivery was tried in this run.
    pub attempts: u32,
    /// What was changed, old to new.
    pub changes: &'a [Change],
    /// The findings for which it was refused.
    pub findings: &'a [Finding],
}

impl<'a> ResultRow<'a> {
    /// The row of a result.
    pub fn new(action: &'a str, result: &'a DeliveryResult) -> Self {
        let receipt = result.receipt.as_ref();
        Self {
            guid: result.guid,
            id: result.identity,
            source: &result.label,
            action,
            outcome: result.outcome,
            reason: result.reason.as_deref(),
            target: receipt.map(|receipt| receipt.target.as_str()),
            new_guid: receipt.and_then(|receipt| receipt.new_guid),
            message_id: receipt.and_then(|receipt| receipt.message_id.as_deref()),
            smtp_code: receipt.and_then(|receipt| receipt.smtp_code),
            attempts: result.attempts,
            changes: &result.changes,
            findings: &result.findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_commands_no_terminal_and_means_the_same() {
        let text = "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{61c}\u{2028}\r\n \"Zo\u{eb}\"";
        let line = line(&text).unwrap();
        assert!(!line.contains(fsx::is_command), "{line:?}");
        assert!(line.contains("Zo\u{eb}"));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
