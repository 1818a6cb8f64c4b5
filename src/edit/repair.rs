//! Repairs: what an outage did to a message and what its own parts suffice to mend.
//!
//! Nothing is made up, and no recording's bytes are touched, without being asked for: [`Repair::ASKED_FOR`].

use std::collections::BTreeSet;

use super::Draft;
use crate::message::{Charset, HeaderError, Message, MessageType, audio, fields};

/// The codec of a message that tells none: what Exchange 2010 and later encode to unless told otherwise.
pub(super) const USUAL_CODEC: &str = "Mp3";

/// One kind of damage that can be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Repair {
    /// A missed call beside its WAV becomes the voice message again that UM demoted.
    Demoted,
    /// `Duration` is missing, wrong, or disagrees with the audio.
    Duration,
    /// The RIFF sizes of a recording cut short are those of what is there; samples stay as they are.
    Riff,
    /// UTF-16 without a byte-order mark, which UM cannot read, becomes UTF-8.
    Encoding,
    /// ANSI becomes UTF-8, read as the code page of Western Windows: another code page would give other letters.
    Ansi,
    /// A voice message without `Codec` gets the usual one.
    Codec,
}

impl Repair {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Demoted, Self::Duration, Self::Riff, Self::Encoding, Self::Ansi, Self::Codec];

    /// The kinds that have to be asked for: they suppose what the message does not tell, or change a recording's bytes.
    pub const ASKED_FOR: [Self; 3] = [Self::Riff, Self::Ansi, Self::Codec];

    /// The kind's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demoted => "demoted",
            Self::Duration => "duration",
            Self::Riff => "riff",
            Self::Encoding => "encoding",
            Self::Ansi => "ansi",
            Self::Codec => "codec",
        }
    }

    /// Reads [`Self::name`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|repair| repair.name() == name)
    }

    /// The kinds that would change something on this message, each taken by itself.
    pub fn possible(message: &Message) -> BTreeSet<Self> {
        Self::ALL.into_iter().filter(|kind| kind.is_possible(message)).collect()
    }

    fn is_possible(self, message: &Message) -> bool {
        let Some(part) = &message.header else {
            return false;
        };
        let mut draft = Draft::new(part.header.clone());
        if self != Self::Riff {
            return repair(&mut draft, message, &BTreeSet::from([self])).is_ok() && !draft.finish().1.is_empty();
        }
        // A demoted message has a recording again once it is mended.
        let is_voice = repair(&mut draft, message, &Self::usual()).is_ok()
            && draft.header().message_type().is_some_and(MessageType::carries_audio);
        is_voice && message.audio.as_ref().is_some_and(|found| audio::mend(found).is_ok_and(|mended| mended.is_some()))
    }

    /// What is done unless told otherwise.
    pub fn usual() -> BTreeSet<Self> {
        Self::ALL.into_iter().filter(|repair| !Self::ASKED_FOR.contains(repair)).collect()
    }
}

/// Mends a header with the kinds chosen; every change is noted on the draft. The audio is left to [`Repair::Riff`]'s owner.
///
/// # Errors
/// The header cannot hold a mended value.
pub(super) fn repair(draft: &mut Draft, message: &Message, chosen: &BTreeSet<Repair>) -> Result<(), HeaderError> {
    let chosen = |repair| chosen.contains(&repair);
    let encoding = draft.header().encoding();
    let unreadable = match encoding.charset {
        Charset::Ansi => chosen(Repair::Ansi),
        Charset::Utf16Le | Charset::Utf16Be => chosen(Repair::Encoding) && !encoding.is_read_by_um(),
        Charset::Utf8 => false,
    };
    if unreadable {
        draft.convert_to_utf8();
    }
    let facts = message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
    let demoted = draft.header().message_type() == Some(MessageType::MissedCall);
    if demoted && chosen(Repair::Demoted) && facts.is_some() {
        draft.set(fields::MESSAGE_TYPE, MessageType::SmtpVoiceMail.name())?;
        if draft.header().get(fields::CODEC).is_none() {
            draft.set(fields::CODEC, USUAL_CODEC)?;
        }
    }
    let is_voice = draft.header().message_type().is_some_and(MessageType::carries_audio);
    if let Some(facts) = facts.filter(|_| is_voice) {
        let disagrees = draft.header().duration().is_none_or(|duration| !facts.lasts(duration));
        // A demoted message needs its duration back whatever else is chosen.
        if disagrees && (chosen(Repair::Duration) || demoted) {
            draft.set(fields::DURATION, &facts.whole_seconds().max(1).to_string())?;
        }
    }
    if is_voice && chosen(Repair::Codec) && draft.header().get(fields::CODEC).is_none() {
        draft.set(fields::CODEC, USUAL_CODEC)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_some_have_to_be_asked_for() {
        for repair in Repair::ALL {
            assert_eq!(Repair::parse(repair.name()), Some(repair));
        }
        assert!(!Repair::usual().contains(&Repair::Ansi));
        assert!(Repair::usual().contains(&Repair::Demoted));
    }
}
