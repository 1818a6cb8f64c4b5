//! What makes a message the same message in five backups, and after a re-injection under a new GUID.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::fields;
use super::file::Sha256Digest;
use super::guid::Guid;
use super::header::Header;

/// A message's identity: 128 bits, shown as 32 hexadecimal digits.
///
/// It is made of the `CallId` (else the `MessageID`, else the file's GUID) and the audio's SHA-256. Where there is no
/// audio, `MessageID` and `SentTime` stand in its place. Nothing that a pickup or an edit of recipient, culture, type or
/// place changes takes part, nor do line ends and encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity([u8; 16]);

impl Identity {
    /// The identity of a message with this header (if it has one), file name, and audio (if it has some).
    pub fn of(header: Option<&Header>, guid: Option<Guid>, stem: &str, audio: Option<Sha256Digest>) -> Self {
        let field = |name| header.and_then(|header| header.get(name)).map(|value| value.trim().to_owned());
        let message_id = field(fields::MESSAGE_ID);
        let key = match (field(fields::CALL_ID), &message_id, guid) {
            (Some(call), _, _) => format!("call {call}"),
            (None, Some(id), _) => format!("message {}", id.to_lowercase()),
            (None, None, Some(guid)) => format!("guid {guid}"),
            (None, None, None) => format!("name {}", stem.to_lowercase()),
        };
        let body = match audio {
            Some(digest) => format!("audio {digest}"),
            None => {
                let id = message_id.unwrap_or_default().to_lowercase();
                format!("message {id}\nsent {}", field(fields::SENT_TIME).unwrap_or_default())
            }
        };
        let digest: [u8; 32] = Sha256::digest(format!("umreplay 1\n{key}\n{body}")).into();
        let mut short = [0; 16];
        short.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        Self(short)
    }

    /// A GUID that belongs to this identity and is always the same: a name for a message that has none.
    pub fn guid(self) -> Guid {
        Guid::from_random_bytes(self.0)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Identity {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes()))
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(header: &[u8], guid: &str, audio: Option<&[u8]>) -> Identity {
        let header = Header::parse(header.to_vec());
        Identity::of(Some(&header), Guid::parse(guid), guid, audio.map(Sha256Digest::of))
    }

    const ONE: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
    const TWO: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12";

    #[test]
    fn what_pickups_and_edits_change_takes_no_part() {
        let before = identity(b"CallId : 7\r\nRecipientAddress : a@x.example\r\nProcessedCount : 3\r\n", ONE, None);
        let after = identity(b"ProcessedCount : 0\nRecipientAddress : b@x.example\nCallId : 7\n", TWO, None);
        assert_eq!(before, after);
    }

    #[test]
    fn other_calls_and_other_audio_are_other_messages() {
        let calls = [
            identity(b"CallId : 7", ONE, None),
            identity(b"CallId : 8", ONE, None),
            identity(b"CallId : 7", ONE, Some(b"a")),
            identity(b"CallId : 7", ONE, Some(b"b")),
            identity(b"CallId : 7\nMessageID : 1", ONE, None),
            identity(b"", ONE, None),
            identity(b"", TWO, None),
        ];
        let distinct: std::collections::HashSet<_> = calls.into_iter().collect();
        assert_eq!(distinct.len(), calls.len());
    }

    #[test]
    fn an_identity_is_read_back() {
        let identity = identity(b"CallId : 7", ONE, None);
        assert_eq!(identity.to_string().parse(), Ok(identity));
    }
}
