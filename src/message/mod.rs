//! A queued message and the plain data that the stages hand on: findings, changes, deliveries, receipts.
//!
//! Everything here is about one message. Where files come from is left to `source`, what is wrong with them to `check`,
//! changing them to `edit`, and where they go to `sink`.

mod address;
pub mod audio;
mod culture;
mod delivery;
mod encoding;
pub mod fields;
mod file;
mod finding;
mod guid;
mod header;
mod identity;
pub(crate) mod similar;

use jiff::Timestamp;
use serde::Serialize;

pub use address::{AddressError, EmailAddress};
pub use audio::{AudioCodec, AudioFacts};
pub use culture::Culture;
pub use delivery::{Change, Delivery, DeliveryResult, Outcome, Receipt, Tally};
pub use encoding::{Charset, Encoding};
pub use fields::{Caller, Dialect, MessageType, Recipient};
pub use file::{Content, FileRef, Sha256Digest};
pub use finding::{Code, Finding, Level};
pub use guid::Guid;
pub use header::{Header, HeaderError};
pub use identity::Identity;

use crate::fsx::PathError;

/// The largest header file that is read, in bytes; UM's own stay below 64 KiB.
pub const HEADER_LIMIT: u64 = 4 << 20;

/// What a message has of what its type needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All that the type needs is there.
    Complete,
    /// A header without the attachment that its type needs.
    NoAudio,
    /// Audio without a header.
    NoHeader,
    /// A missed-call header beside a WAV: a voice message that UM demoted.
    Demoted,
    /// UM's own probe or statistics: nobody's message.
    Internal,
    /// The header could not be read, or holds no field.
    Unreadable,
}

impl State {
    /// All states, in the order in which summaries show them.
    pub const ALL: [Self; 6] =
        [Self::Complete, Self::NoAudio, Self::NoHeader, Self::Demoted, Self::Internal, Self::Unreadable];

    /// The state's name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::NoAudio => "no_audio",
            Self::NoHeader => "no_header",
            Self::Demoted => "demoted",
            Self::Internal => "internal",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A header file that was read.
#[derive(Clone, Debug)]
pub struct HeaderFile {
    /// Where it was found.
    pub file: FileRef,
    /// What it says.
    pub header: Header,
}

/// A WAV file and what its RIFF headers tell.
#[derive(Clone, Debug)]
pub struct AudioFile {
    /// Where it was found.
    pub file: FileRef,
    /// Its facts, `None` where it is no RIFF WAVE.
    pub facts: Option<AudioFacts>,
    /// SHA-256 of the whole file, once it was needed.
    pub sha256: Option<Sha256Digest>,
}

/// One message as it was found: its files, and what reading them showed.
#[derive(Clone, Debug)]
pub struct Message {
    /// The GUID that names its files, `None` where the name is none.
    pub guid: Option<Guid>,
    /// The name of its files without extension, as found.
    pub stem: String,
    /// Where it was found: the header's place, else the first other file's.
    pub label: String,
    /// The header, where there is one that could be read.
    pub header: Option<HeaderFile>,
    /// The WAV.
    pub audio: Option<AudioFile>,
    /// A fax's `.tif`.
    pub fax: Option<FileRef>,
    /// A reply's or forward's `.msg`.
    pub message_file: Option<FileRef>,
    /// Whether a `<GUID>.HealthCheck` lies beside it.
    pub health_check: bool,
    /// What was found while reading; `check` adds to it.
    pub findings: Vec<Finding>,
    /// Every copy that it was put together from; empty where there was but one.
    pub copies: Vec<CopyOf>,
}

/// One copy of a message, as it lay in a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CopyOf {
    /// Where it was found.
    #[serde(rename = "source")]
    pub label: String,
    /// What it has of what its type needs.
    pub state: State,
    /// How often UM had picked it up.
    pub processed_count: Option<i32>,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Length of its WAV in bytes, where it has one that can be read.
    pub audio_bytes: Option<u64>,
    /// Whether the message's header is this copy's.
    pub gives_header: bool,
    /// Whether the message's audio is this copy's.
    pub gives_audio: bool,
}

impl Message {
    /// What the message has of what its type needs.
    pub fn state(&self) -> State {
        let Some(HeaderFile { header, .. }) = &self.header else {
            return match (self.has_unreadable_header(), self.health_check) {
                (true, _) => State::Unreadable,
                (false, true) => State::Internal,
                (false, false) => State::NoHeader,
            };
        };
        self.state_with(header)
    }

    /// The state that the message would have if its header were another, such as an edited one.
    pub fn state_with(&self, header: &Header) -> State {
        if header.fields().next().is_none() {
            return State::Unreadable;
        }
        let Some(kind) = header.message_type() else {
            return State::Complete;
        };
        // A duration that does not parse says nothing about the audio; only an explicit zero does.
        let silent = header.duration().is_some_and(|seconds| seconds <= 0);
        let lacks_audio = self.audio.is_none() && !silent;
        match kind {
            _ if kind.is_internal() => State::Internal,
            MessageType::MissedCall if self.audio.is_some() => State::Demoted,
            MessageType::SmtpVoiceMail | MessageType::PartnerTranscriptionRequest if lacks_audio => State::NoAudio,
            MessageType::XsoVoiceMail if lacks_audio || self.message_file.is_none() => State::NoAudio,
            MessageType::Fax if self.fax.is_none() => State::NoAudio,
            _ => State::Complete,
        }
    }

    /// Modification time of the header, else of the audio: UM's place in the queue.
    pub fn modified(&self) -> Option<Timestamp> {
        let header = self.header.as_ref().and_then(|part| part.file.modified);
        header.or_else(|| self.audio.as_ref().and_then(|part| part.file.modified))
    }

    /// Length of the WAV in bytes, `None` where there is none that can be read.
    pub fn audio_bytes(&self) -> Option<u64> {
        self.audio.as_ref().filter(|audio| audio.facts.is_some()).map(|audio| audio.file.size)
    }

    /// The audio's SHA-256, read from the file the first time.
    ///
    /// # Errors
    /// The audio could not be read.
    pub fn audio_sha256(&mut self) -> Result<Option<Sha256Digest>, PathError> {
        let Some(audio) = &mut self.audio else {
            return Ok(None);
        };
        let digest = match audio.sha256 {
            Some(digest) => digest,
            None => audio.file.sha256()?,
        };
        audio.sha256 = Some(digest);
        Ok(Some(digest))
    }

    /// What makes this the same message in every backup: see [`Identity`].
    ///
    /// # Errors
    /// The audio could not be read.
    pub fn identity(&mut self) -> Result<Identity, PathError> {
        let audio = self.audio_sha256()?;
        Ok(Identity::of(self.header.as_ref().map(|part| &part.header), self.guid, &self.stem, audio))
    }

    fn has_unreadable_header(&self) -> bool {
        let unreadable = |finding: &Finding| matches!(finding.code, Code::HeaderUnreadable | Code::EntryEncrypted);
        self.findings.iter().any(unreadable)
    }
}
