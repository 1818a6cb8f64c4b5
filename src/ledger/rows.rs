//! What the ledger takes and gives, in the program's own types: runs, intents, settlements, entries.

use std::fmt;

use jiff::Timestamp;

use crate::message::{Guid, Identity, Receipt, Sha256Digest};

/// A run's number in its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// An entry's number in its ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub i64);

/// A run that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The subcommand.
    pub command: String,
    /// What was typed. Never a secret: the caller leaves those out.
    pub arguments: String,
    /// The program's version.
    pub version: String,
    /// Who started it.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// When.
    pub started: Timestamp,
}

/// How many messages of a run ended how.
///
/// Messages that are skipped have no entry: a second run over a big queue would add a row for each message that was
/// done before, and say nothing that the first run's entry does not. They are only counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Delivered.
    pub done: u64,
    /// Left out.
    pub skipped: u64,
    /// Not delivered.
    pub failed: u64,
    /// Perhaps delivered.
    pub uncertain: u64,
}

/// A run as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// How it began.
    pub begun: NewRun,
    /// When it ended and with which counts; `None` for a run that was killed, or still goes on.
    pub ended: Option<(Timestamp, RunCounts)>,
}

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$variant_doc])* $variant),* }

        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in the ledger and in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Reads [`Self::name`] back.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// What is done to a message.
    Action {
        /// Queued anew in a voicemail folder.
        Inject = "inject",
        /// Sent over SMTP.
        Submit = "submit",
        /// Written as a file.
        Export = "export",
        /// Its header changed in place.
        Edit = "edit",
    }
}

impl Action {
    /// Whether it brings the message to its mailbox, so that it must not be done twice.
    pub fn is_delivery(self) -> bool {
        matches!(self, Self::Inject | Self::Submit)
    }
}

named! {
    /// How far an entry has come.
    EntryState {
        /// Begun, with no receipt. If its run is dead, nobody knows whether it was delivered.
        Intent = "intent",
        /// Delivered, with a receipt.
        Done = "done",
        /// Not delivered.
        Failed = "failed",
        /// Sent, but the answer was never seen.
        Uncertain = "uncertain",
    }
}

impl EntryState {
    /// How much an entry in this state tells: done outweighs what is in doubt, and that outweighs failed.
    pub fn weight(self) -> u8 {
        match self {
            Self::Done => 2,
            Self::Intent | Self::Uncertain => 1,
            Self::Failed => 0,
        }
    }
}

/// What is about to be done to one message, noted before the first byte is seen by anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The message.
    pub identity: Identity,
    /// The GUID of its files where they were found.
    pub source_guid: Option<Guid>,
    /// Where it was found, for people.
    pub source: String,
    /// What is to be done.
    pub action: Action,
    /// Where it goes: a folder, a server, a file.
    pub target: String,
    /// The GUID that names the injected files.
    pub new_guid: Option<Guid>,
    /// The Internet Message-ID it is sent under.
    pub message_id: Option<String>,
    /// Whether a recording goes with it.
    pub has_audio: bool,
    /// The recipient as found.
    pub recipient_before: Option<String>,
    /// The recipient it is delivered to.
    pub recipient_after: Option<String>,
    /// The changes of its header, as JSON text.
    pub changes: String,
    /// SHA-256 of the header as found.
    pub header_before: Option<Sha256Digest>,
    /// SHA-256 of the header as delivered.
    pub header_after: Option<Sha256Digest>,
    /// The header's own bytes before an edit in place, so that the edit can be undone.
    ///
    /// Rows read back leave them out: ask [`super::Ledger::header_bytes`] for those of one entry.
    pub header_bytes: Option<Vec<u8>>,
    /// Where the staged header lies, from where an injection's last rename takes it.
    pub staged: Option<String>,
    /// When this was noted.
    pub noted: Timestamp,
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The entry of the intent.
    pub entry: EntryId,
    /// How it ended.
    pub state: EntryState,
    /// The sink's receipt; what it names replaces what the intent named.
    pub receipt: Option<Receipt>,
    /// Why it was not, or perhaps not, delivered.
    pub reason: Option<String>,
    /// The server's reply code.
    pub smtp_code: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it ended.
    pub settled: Timestamp,
}

impl Settlement {
    /// The message was delivered.
    pub fn done(entry: EntryId, receipt: Receipt, attempts: u32, settled: Timestamp) -> Self {
        let smtp_code = receipt.smtp_code;
        Self { entry, state: EntryState::Done, receipt: Some(receipt), reason: None, smtp_code, attempts, settled }
    }

    /// The message was not, or perhaps not, delivered.
    pub fn undone(
        entry: EntryId,
        state: EntryState,
        reason: String,
        smtp_code: Option<u16>,
        attempts: u32,
        settled: Timestamp,
    ) -> Self {
        Self { entry, state, receipt: None, reason: Some(reason), smtp_code, attempts, settled }
    }
}

/// One message in one run: the intent, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Its number.
    pub id: EntryId,
    /// The run.
    pub run: RunId,
    /// The intent, with target, GUID and Message-ID as the receipt has them.
    pub intent: Intent,
    /// How far it has come.
    pub state: EntryState,
    /// Why it was not, or perhaps not, delivered.
    pub reason: Option<String>,
    /// The server's reply code.
    pub smtp_code: Option<u16>,
    /// The server's words.
    pub reply: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it ended.
    pub settled: Option<Timestamp>,
}

/// An earlier delivery of a message, or an attempt at one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prior {
    /// The entry that tells it.
    pub entry: EntryId,
    /// The message.
    pub identity: Identity,
    /// Whether a recording went with it.
    pub has_audio: bool,
    /// The run.
    pub run: RunId,
    /// Injected or submitted.
    pub action: Action,
    /// How far it came; an intent of a dead run is in doubt as [`EntryState::Uncertain`] is.
    pub state: EntryState,
    /// Where it went.
    pub target: String,
    /// The GUID of the files it was made from.
    pub source_guid: Option<Guid>,
    /// Who it was for before any change.
    pub recipient_before: Option<String>,
    /// To whom.
    pub recipient: Option<String>,
    /// Where the staged header lay, from where an injection's last rename took it.
    pub staged: Option<String>,
    /// The GUID of the injected files.
    pub new_guid: Option<Guid>,
    /// The Internet Message-ID it was sent under.
    pub message_id: Option<String>,
    /// When it ended, else when the intent was noted.
    pub time: Timestamp,
}
