//! What the stages hand on when a message is to go somewhere: changes, the delivery, its receipt.

use jiff::Timestamp;
use serde::Serialize;

use super::fields::Recipient;
use super::guid::Guid;
use super::header::Header;
use super::identity::Identity;
use super::{Message, MessageType};

/// One field's change, old to new; `None` means absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The header field, or `address` for a delivery address that no header field holds.
    pub field: String,
    /// The value before.
    pub old: Option<String>,
    /// The value after.
    pub new: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Delivered, with a receipt.
    Done,
    /// Would be delivered: a dry run.
    Planned,
    /// Left out, for the reason given.
    Skipped,
    /// Not delivered, for the reason given.
    Failed,
    /// Sent, but the answer was never seen.
    Uncertain,
}

impl Outcome {
    /// All outcomes, in the order in which summaries show them.
    pub const ALL: [Self; 5] = [Self::Done, Self::Planned, Self::Skipped, Self::Failed, Self::Uncertain];

    /// The outcome's name in JSON and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Planned => "planned",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Uncertain => "uncertain",
        }
    }

    /// Reads [`Self::name`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A message on its way into a sink: what was found, and what it is to be delivered as.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message as found; its attachments are delivered as they are.
    pub message: Message,
    /// Its identity, the same for every copy.
    pub identity: Identity,
    /// The header to deliver, all changes made.
    pub header: Header,
    /// The header's type.
    pub message_type: MessageType,
    /// Who is to get it: the header's recipient, completed by directory and edits.
    pub recipient: Recipient,
    /// What was changed, old to new.
    pub changes: Vec<Change>,
    /// The GUID that names the delivered files, fresh for every injection.
    pub new_guid: Guid,
    /// Modification time for the delivered header, so that the order in the queue stays.
    pub queue_time: Timestamp,
}

/// A sink's word that it has the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Where it is now: a path, or the server.
    pub target: String,
    /// The GUID of the injected files.
    pub new_guid: Option<Guid>,
    /// The Internet Message-ID it was sent under.
    pub message_id: Option<String>,
    /// The server's reply code.
    pub smtp_code: Option<u16>,
    /// The server's words, if any.
    pub reply: Option<String>,
}
