//! What the stages hand on when a message is to go somewhere: changes, the delivery, its receipt.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::fields::Recipient;
use super::finding::Finding;
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
    /// Whether it was delivered before and is wanted once more, so that nothing may take it for the first one.
    pub is_repeat: bool,
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

/// What became of one message in a run, and why.
#[derive(Clone, Debug)]
pub struct DeliveryResult {
    /// The GUID of the message as it was found.
    pub guid: Option<Guid>,
    /// Its identity, where it could be told.
    pub identity: Option<Identity>,
    /// Where it was found.
    pub label: String,
    /// Who it was for, before any change.
    pub recipient: Recipient,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was left out, failed or is uncertain.
    pub reason: Option<String>,
    /// The findings for which it was refused.
    pub findings: Vec<Finding>,
    /// What was changed on it, old to new.
    pub changes: Vec<Change>,
    /// The sink's word, where it was delivered; for a planned delivery, what is known beforehand.
    pub receipt: Option<Receipt>,
    /// How often delivery was tried in this run.
    pub attempts: u32,
}

/// Counts of what became of messages.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Outcome, u64>);

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// How many had that outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.0.get(&outcome).copied().unwrap_or_default()
    }

    /// How many there were in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Every outcome that occurred, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.0.iter().map(|(outcome, count)| (*outcome, *count))
    }
}
