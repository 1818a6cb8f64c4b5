//! Changes to headers: pure, from a message and the changes asked for to a header with a before and after.
//!
//! What the changes come from is parsed here too ([`Directory`], [`RecipientMap`], [`Assignment`]), so that a wrong
//! value is refused before any message is touched. Whether UM would take the result is left to `check`.

mod assignment;
mod directory;
mod draft;
mod map;
mod repair;
mod requeue;
mod table;

use std::collections::BTreeSet;

use thiserror::Error;

pub use assignment::{Assignment, AssignmentError, unknown_culture, validate_value};
pub use directory::{Directory, Mailbox};
pub use draft::Draft;
pub use map::RecipientMap;
pub use repair::Repair;
pub use requeue::{QueuePlace, requeue};
pub use table::TableError;

use crate::message::{
    Change, Culture, Dialect, EmailAddress, Guid, Header, HeaderError, Message, MessageType, Recipient, fields,
};

/// Who is to get a message instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An SMTP address.
    Address(EmailAddress),
    /// A mailbox's objectGUID.
    Guid(Guid),
}

impl Target {
    /// Reads a GUID or an address.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str) -> Result<Self, crate::message::AddressError> {
        match Guid::parse(text) {
            Some(guid) => Ok(Self::Guid(guid)),
            None => EmailAddress::parse(text).map(Self::Address),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Guid(guid) => guid.fmt(f),
        }
    }
}

/// What the edited message is for, which decides how its recipient must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A queued header: the recipient stands in the dialect's own field.
    Queue,
    /// Mail: the recipient is an SMTP address, whatever the dialect.
    Mail,
}

/// Every change that was asked for, parsed and valid.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// One recipient for all.
    pub recipient: Option<Target>,
    /// New recipients by old ones.
    pub map: Option<RecipientMap>,
    /// What is known about mailboxes.
    pub directory: Option<Directory>,
    /// A culture for all.
    pub culture: Option<Culture>,
    /// A message type for all.
    pub message_type: Option<MessageType>,
    /// Fields set or left out, in the order given; they come last.
    pub assignments: Vec<Assignment>,
    /// What is mended, before anything else is changed.
    pub repairs: BTreeSet<Repair>,
}

/// Why a message cannot be changed as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    /// The header has no usable recipient.
    #[error("{field} is missing or malformed, so nobody is named to get it; give --recipient-to or --set {field}=…")]
    NoRecipient {
        /// The dialect's recipient field.
        field: &'static str,
    },
    /// An E15 header is to be sent as mail, and no address is known for its mailbox.
    #[error(
        "no SMTP address is known for mailbox {0}; give --directory FILE.csv, or --map FILE.csv with an address for it"
    )]
    NoAddress(Guid),
    /// An E15 header is to get an address, and no GUID is known for it.
    #[error(
        "this header names mailboxes by objectGUID, and none is known for {0}; give the GUID, or --directory FILE.csv"
    )]
    NoGuid(EmailAddress),
    /// An E12 header is to get a GUID, and no address is known for it.
    #[error(
        "this header names mailboxes by SMTP address, and none is known for {0}; give the address, or --directory FILE.csv"
    )]
    NoAddressForGuid(Guid),
    /// A field that names the recipient was set beside another that still names somebody.
    #[error(
        "{set} was set, but {other} still names somebody, and which of the two counts depends on the server; \
         use --recipient-to, or set or unset {other} as well"
    )]
    TwoRecipients {
        /// The field that was set.
        set: &'static str,
        /// The field that was left.
        other: &'static str,
    },
    /// The directory has two mailboxes for one key.
    #[error("{0} stands for more than one mailbox in the directory")]
    Ambiguous(String),
    /// The new type needs audio, and there is none.
    #[error("{0} needs audio, and there is none beside this header")]
    NeedsAudio(&'static str),
    /// The header cannot hold a value.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// A message's header after all changes.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The changed header.
    pub header: Header,
    /// Who is to get it, completed from the directory.
    pub recipient: Recipient,
    /// What was changed, old to new, in the order it was done.
    pub changes: Vec<Change>,
}

impl Edits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.recipient.is_none()
            && self.map.is_none()
            && self.culture.is_none()
            && self.message_type.is_none()
            && self.assignments.is_empty()
            && self.repairs.is_empty()
    }

    /// Makes the changes on a copy of the message's header.
    ///
    /// # Errors
    /// A change that this header cannot take: see [`EditError`]. The message itself is never touched.
    pub fn apply(&self, message: &Message, header: &Header, purpose: Purpose) -> Result<Edited, EditError> {
        let mut draft = Draft::new(header.clone());
        repair::repair(&mut draft, message, &self.repairs)?;
        let addressed = self.address(&mut draft, purpose)?;
        if let Some(culture) = &self.culture {
            draft.set(draft.header().dialect().culture_field(), culture.as_str())?;
        }
        if let Some(message_type) = self.message_type {
            change_type(&mut draft, message, message_type)?;
        }
        for assignment in &self.assignments {
            match assignment {
                Assignment::Set { field, value } => draft.set(field, value)?,
                Assignment::Unset { field } => draft.unset(field)?,
            }
        }
        if purpose == Purpose::Queue {
            self.name_one_recipient(&draft)?;
        }
        let recipient = self.recipient_of(&mut draft, addressed, purpose)?;
        let (header, changes) = draft.finish();
        Ok(Edited { header, recipient, changes })
    }

    /// A header may name its recipient in both dialects. A server reads one of them: an assignment must not change that
    /// which it does not read, nor leave the other with somebody else in it.
    fn name_one_recipient(&self, draft: &Draft) -> Result<(), EditError> {
        let is_set = |name: &str| {
            let assigned =
                |assignment: &Assignment| matches!(assignment, Assignment::Set { field, .. } if field == name);
            draft.changed(name) && self.assignments.iter().any(assigned)
        };
        let remains = |name: &str| draft.header().get(name).is_some() && !draft.changed(name);
        let fields = [fields::RECIPIENT_ADDRESS, fields::RECIPIENT_OBJECT_GUID];
        let [address, guid] = fields;
        match [(address, guid), (guid, address)].into_iter().find(|(set, other)| is_set(set) && remains(other)) {
            Some((set, other)) => Err(EditError::TwoRecipients { set, other }),
            None => Ok(()),
        }
    }

    /// Gives the header its new recipient; returns the address that mail is to go to where an edit named one.
    fn address(&self, draft: &mut Draft, purpose: Purpose) -> Result<Option<EmailAddress>, EditError> {
        let Some(target) = self.target(&draft.header().recipient())? else {
            return Ok(None);
        };
        let mailbox = self.mailbox(&target)?;
        let address = match &target {
            Target::Address(address) => Some(address.clone()),
            Target::Guid(_) => mailbox.map(|mailbox| mailbox.address.clone()),
        };
        let guid = match &target {
            Target::Guid(guid) => Some(*guid),
            Target::Address(_) => mailbox.and_then(|mailbox| mailbox.guid),
        };
        let has_address = draft.header().get(fields::RECIPIENT_ADDRESS).is_some();
        let dialect = draft.header().dialect();
        match (dialect, guid) {
            (Dialect::E15, Some(guid)) => draft.set(fields::RECIPIENT_OBJECT_GUID, &guid.to_string())?,
            (Dialect::E15, None) if purpose == Purpose::Queue => {
                return Err(
                    address.map_or(EditError::NoRecipient { field: dialect.recipient_field() }, EditError::NoGuid)
                );
            }
            _ => {}
        }
        match (&address, &target) {
            (Some(address), _) if dialect == Dialect::E12 || has_address => {
                draft.set(fields::RECIPIENT_ADDRESS, address.as_str())?;
            }
            (None, Target::Guid(guid)) if dialect == Dialect::E12 => return Err(EditError::NoAddressForGuid(*guid)),
            // The address that stood beside the old GUID is somebody else's.
            (None, Target::Guid(_)) if draft.changed(fields::RECIPIENT_OBJECT_GUID) => {
                draft.unset(fields::RECIPIENT_ADDRESS)?;
            }
            _ => {}
        }
        if let Some(name) = mailbox.and_then(|mailbox| mailbox.name.as_deref()) {
            draft.set(fields::RECIPIENT_NAME, name)?;
        }
        Ok(address)
    }

    /// The new recipient that the edits name for this one, `None` where it stays.
    fn target(&self, recipient: &Recipient) -> Result<Option<Target>, EditError> {
        if let Some(target) = &self.recipient {
            return Ok(Some(target.clone()));
        }
        let Some(map) = &self.map else {
            return Ok(None);
        };
        let known = match (recipient.object_guid, &recipient.address) {
            (Some(guid), _) => self.mailbox(&Target::Guid(guid))?,
            (None, Some(address)) => self.mailbox(&Target::Address(address.clone()))?,
            (None, None) => None,
        };
        let guid = recipient.object_guid.or_else(|| known.and_then(|mailbox| mailbox.guid));
        // Beside a GUID that the directory knows, an address counts only if it is that mailbox's.
        let told = recipient.address.as_ref().filter(|address| match (recipient.object_guid, known) {
            (Some(_), Some(mailbox)) => {
                self.mailbox(&Target::Address((*address).clone())).is_ok_and(|found| found == Some(mailbox))
            }
            _ => true,
        });
        let primary = known.map(|mailbox| &mailbox.address);
        Ok(map.target(guid, told).or_else(|| map.target(None, primary)).cloned())
    }

    fn mailbox(&self, target: &Target) -> Result<Option<&Mailbox>, EditError> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        directory.find(target).map_err(|_| EditError::Ambiguous(target.to_string()))
    }

    /// Who gets the message as it now stands; for mail, an address is found or the message refused.
    fn recipient_of(
        &self,
        draft: &mut Draft,
        addressed: Option<EmailAddress>,
        purpose: Purpose,
    ) -> Result<Recipient, EditError> {
        let mut recipient = draft.header().recipient();
        if purpose == Purpose::Queue || !draft.header().message_type().is_some_and(MessageType::has_recipient) {
            recipient.address = addressed.or(recipient.address);
            return Ok(recipient);
        }
        let in_header = recipient.address.clone();
        let assigned = |name: &str| self.assignments.iter().any(|assignment| assignment.field() == name);
        // What was typed last counts, and an address that stood beside another GUID is nobody's any more.
        let addressed = match (assigned(fields::RECIPIENT_ADDRESS), assigned(fields::RECIPIENT_OBJECT_GUID)) {
            (true, _) => in_header.clone(),
            (false, true) => None,
            (false, false) => addressed,
        };
        let stale = draft.changed(fields::RECIPIENT_OBJECT_GUID) && !draft.changed(fields::RECIPIENT_ADDRESS);
        let from_directory = match recipient.object_guid {
            Some(guid) => self.mailbox(&Target::Guid(guid))?.map(|mailbox| mailbox.address.clone()),
            None => None,
        };
        let known = addressed.or(from_directory).or_else(|| in_header.clone().filter(|_| !stale));
        recipient.address = match (known, recipient.object_guid) {
            (Some(address), _) => Some(address),
            (None, Some(guid)) => return Err(EditError::NoAddress(guid)),
            (None, None) => {
                return Err(EditError::NoRecipient { field: draft.header().dialect().recipient_field() });
            }
        };
        if recipient.address != in_header {
            draft.note("address", in_header.map(|address| address.to_string()), &recipient.address);
        }
        Ok(recipient)
    }
}

/// Changes the type, with the fields that the new one needs from the audio or must not have.
fn change_type(draft: &mut Draft, message: &Message, message_type: MessageType) -> Result<(), EditError> {
    draft.set(fields::MESSAGE_TYPE, message_type.name())?;
    if message_type.carries_audio() {
        let audio = message.audio.as_ref().ok_or(EditError::NeedsAudio(message_type.name()))?;
        if let (None, Some(facts)) = (draft.header().duration(), &audio.facts) {
            draft.set(fields::DURATION, &facts.whole_seconds().to_string())?;
        }
        if draft.header().get(fields::CODEC).is_none() {
            draft.set(fields::CODEC, repair::USUAL_CODEC)?;
        }
    } else if message_type == MessageType::MissedCall {
        for field in [fields::ATTACHMENT_PATH, fields::DURATION, fields::CODEC] {
            draft.unset(field)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
