//! The texts by which messages are named: GUIDs, how they begin, identities, and file names.

use std::collections::HashSet;

use super::SelectError;
use crate::message::{Encoding, Guid, Identity, Message};

/// How many candidates an error names.
const CANDIDATES: usize = 10;

/// The names in a list, one a line; empty lines and those that begin with `#` are passed over.
///
/// The list may be in any encoding that a header may have: PowerShell's `>` writes UTF-16.
pub fn ids_in(list: &[u8]) -> Vec<String> {
    let encoding = Encoding::detect(list);
    let text = encoding.decode(list.get(encoding.mark_length()..).unwrap_or_default());
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Finds the message that a GUID, the beginning of one, a file name without extension, or a place stands for; several
/// where copies of one GUID were found in several places.
///
/// # Errors
/// No message, or more than one, is called so.
pub fn find<'a>(messages: &'a [Message], id: &str) -> Result<Vec<&'a Message>, SelectError> {
    let name = Name::parse(id)?;
    let whole: Vec<&Message> = messages.iter().filter(|message| name.is_of(message)).collect();
    let found = match whole.is_empty() {
        true => messages.iter().filter(|message| name.begins(message)).collect(),
        false => whole,
    };
    match found.as_slice() {
        [] => Err(SelectError::NotFound { id: name.text }),
        [first, others @ ..] if others.iter().all(|other| first.guid.is_some() && other.guid == first.guid) => {
            Ok(found)
        }
        several => {
            let count = several.len();
            let mut candidates: Vec<&str> = several.iter().take(CANDIDATES).map(|m| m.label.as_str()).collect();
            if count > CANDIDATES {
                candidates.push("…");
            }
            Err(SelectError::Ambiguous { id: name.text, count, candidates: candidates.join(", ") })
        }
    }
}

/// A text that stands for a message.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// As given, without space around it.
    text: String,
    /// In lower case, as file names are compared.
    lower: String,
    /// Its hexadecimal digits without the ornaments of a GUID, `None` where it has other characters or too many.
    hex: Option<String>,
}

impl Name {
    fn parse(text: &str) -> Result<Self, SelectError> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(SelectError::EmptyId);
        }
        let lower = text.to_lowercase();
        let bare = lower.trim_start_matches(['{', '(']).trim_end_matches(['}', ')']).replace('-', "");
        let is_hex = (1..=32).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(Self { text, lower, hex: is_hex.then_some(bare) })
    }

    /// As given, without space around it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn is_of(&self, message: &Message) -> bool {
        let is_guid = self.hex.is_some() && message.guid.map(hex_of) == self.hex;
        is_guid || message.stem.to_lowercase() == self.lower || message.label == self.text
    }

    fn begins(&self, message: &Message) -> bool {
        let guid = message.guid.map(hex_of);
        self.hex.as_ref().zip(guid).is_some_and(|(hex, guid)| guid.starts_with(hex.as_str()))
    }
}

fn hex_of(guid: Guid) -> String {
    guid.to_string().replace('-', "")
}

/// Many names, looked up at once: a list may hold a hundred thousand.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Vec<Name>,
    guids: HashSet<Guid>,
    identities: HashSet<Identity>,
    guid_beginnings: Vec<String>,
    identity_beginnings: Vec<String>,
    stems: HashSet<String>,
}

impl Names {
    /// Sorts texts by what they can stand for.
    pub(super) fn new(texts: &[String]) -> Result<Self, SelectError> {
        let mut names = Self::default();
        for text in texts {
            let name = Name::parse(text)?;
            // A GUID has as many digits as an identity, but only a GUID is written with hyphens.
            let may_be_identity = !name.text.contains('-');
            if let Some(hex) = &name.hex {
                let is_whole = hex.len() == 32;
                if is_whole {
                    names.guids.extend(Guid::parse(hex));
                } else {
                    names.guid_beginnings.push(hex.clone());
                }
                if may_be_identity && is_whole {
                    names.identities.extend(hex.parse::<Identity>());
                } else if may_be_identity {
                    names.identity_beginnings.push(hex.clone());
                }
            }
            names.stems.insert(name.lower.clone());
            names.all.push(name);
        }
        Ok(names)
    }

    /// All of them, in the order given.
    pub(super) fn all(&self) -> impl Iterator<Item = &Name> {
        self.all.iter()
    }

    /// Whether one of them may stand for an identity.
    pub(super) fn may_be_identities(&self) -> bool {
        !self.identities.is_empty() || !self.identity_beginnings.is_empty()
    }

    /// Whether one of them is the message's.
    pub(super) fn are_of(&self, message: &Message, identity: Option<&Identity>) -> bool {
        let begins = |hex: String, beginnings: &[String]| beginnings.iter().any(|start| hex.starts_with(start));
        let is_guid = |guid| self.guids.contains(&guid) || begins(hex_of(guid), &self.guid_beginnings);
        let is_identity = |identity: &Identity| {
            self.identities.contains(identity) || begins(identity.to_string(), &self.identity_beginnings)
        };
        message.guid.is_some_and(is_guid)
            || identity.is_some_and(is_identity)
            || self.stems.contains(&message.stem.to_lowercase())
    }
}

/// All the names that messages have.
#[derive(Default)]
pub(super) struct Known {
    /// GUIDs and identities, sorted.
    hex: Vec<String>,
    stems: HashSet<String>,
}

impl Known {
    /// Collects the names of messages, and their identities where those are known.
    pub(super) fn of<'a>(messages: impl IntoIterator<Item = (&'a Message, Option<&'a Identity>)>) -> Self {
        let mut known = Self::default();
        for (message, identity) in messages {
            known.hex.extend(message.guid.map(hex_of));
            known.hex.extend(identity.map(Identity::to_string));
            known.stems.insert(message.stem.to_lowercase());
        }
        known.hex.sort_unstable();
        known
    }

    /// Whether a message has the name, or one that begins so.
    pub(super) fn has(&self, name: &Name) -> bool {
        let begins = |hex: &String| {
            let at = self.hex.partition_point(|known| known < hex);
            self.hex.get(at).is_some_and(|known| known.starts_with(hex.as_str()))
        };
        self.stems.contains(&name.lower) || name.hex.as_ref().is_some_and(begins)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{self, Read};
    use std::sync::Arc;

    use super::*;
    use crate::message::{Content, FileRef};

    pub(in crate::select) const ONE: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
    pub(in crate::select) const TWO: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12";

    struct Nothing;

    impl Content for Nothing {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(io::empty()))
        }
    }

    pub(in crate::select) fn file() -> FileRef {
        FileRef::new("file".to_owned(), 0, None, Arc::new(Nothing))
    }

    /// A message of which only the name is known.
    pub(in crate::select) fn message(stem: &str) -> Message {
        Message {
            guid: Guid::parse(stem),
            stem: stem.to_owned(),
            label: format!("backup.zip!{stem}.txt"),
            header: None,
            audio: None,
            fax: None,
            message_file: None,
            health_check: false,
            copies: Vec::new(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn a_message_is_found_by_its_name_or_how_that_begins() {
        let messages = [message(ONE), message(TWO), message("46ff"), message("Holiday")];
        let found = |id: &str| find(&messages, id).map(|found| found[0].stem.clone());
        assert_eq!(found(&ONE.to_uppercase()).unwrap(), ONE);
        assert_eq!(found(&format!("{{{TWO}}}")).unwrap(), TWO);
        assert_eq!(found(TWO).unwrap(), TWO);
        assert_eq!(found("holiday").unwrap(), "Holiday");
        // A whole name goes before the beginning of another.
        assert_eq!(found("46ff").unwrap(), "46ff");
        assert!(matches!(found("dead"), Err(SelectError::NotFound { .. })));
        assert!(matches!(found("  "), Err(SelectError::EmptyId)));
        let error = found("46ffee82-").unwrap_err();
        assert!(matches!(error, SelectError::Ambiguous { count: 2, .. }));
        assert!(error.to_string().contains(&format!("backup.zip!{TWO}.txt")), "{error}");
    }

    #[test]
    fn copies_in_two_sources_are_all_found() {
        let messages = [message(ONE), message(ONE)];
        assert_eq!(find(&messages, ONE).unwrap().len(), 2);
        let elsewhere = Message { label: "elsewhere".to_owned(), ..message(ONE) };
        assert_eq!(find(&[message(ONE), elsewhere], "elsewhere").unwrap()[0].label, "elsewhere");
    }

    #[test]
    fn lists_are_read_in_every_encoding() {
        let text = "# the stuck ones\r\n\r\n 46ff \r\nholiday";
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for bytes in [text.as_bytes(), &utf16, format!("\u{feff}{text}").as_bytes()] {
            assert_eq!(ids_in(bytes), ["46ff", "holiday"]);
        }
        assert!(ids_in(b"").is_empty());
    }
}
