//! The GUID that names a message's files, read in every form in which .NET reads one.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// A GUID: the stem of a queued pair, a mailbox's objectGUID, or a `MessageID`.
///
/// ```
/// use umreplay::message::Guid;
/// let guid = Guid::parse("{46FFEE82-4EB0-4F8B-A0B1-6B2B2A1D7C11}").unwrap();
/// assert_eq!(guid.to_string(), "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11");
/// assert!(Guid::parse("holiday").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(Uuid);

impl Guid {
    /// Reads the forms N, D, B and P of .NET (`46ffee82…`, `46ffee82-…`, `{46ffee82-…}`, `(46ffee82-…)`), in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let hyphenated = match text.as_bytes() {
            [b'{', .., b'}'] | [b'(', .., b')'] => text.get(1..text.len() - 1)?,
            _ => text,
        };
        let wrapped = hyphenated.len() != text.len();
        let well_formed = hyphenated.len() == 36 || (hyphenated.len() == 32 && !wrapped);
        well_formed.then(|| Uuid::try_parse(hyphenated).ok().map(Self))?
    }

    /// Draws a new random GUID (version 4).
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Makes a version 4 GUID of 16 bytes, for queues that come from a seed.
    pub fn from_random_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Whether every bit is zero, as in an on-premises `TenantGuid`.
    pub fn is_nil(self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dotnet_form_is_one_guid() {
        let plain = Guid::parse("46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11").unwrap();
        for form in [
            "46FFEE82-4EB0-4F8B-A0B1-6B2B2A1D7C11",
            "46ffee824eb04f8ba0b16b2b2a1d7c11",
            "{46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11}",
            "(46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11)",
        ] {
            assert_eq!(Guid::parse(form), Some(plain), "{form}");
        }
    }

    #[test]
    fn what_dotnet_refuses_is_refused() {
        for text in [
            "",
            "{",
            "{}",
            "urn:uuid:46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11",
            "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c1",
            "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11 (1)",
            "{46ffee824eb04f8ba0b16b2b2a1d7c11}",
            "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7cé",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
