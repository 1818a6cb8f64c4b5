//! Every word that a recipient reads, in one place, chosen by the recipient's culture.

use crate::message::MessageType;

/// The words for one language.
#[derive(Debug)]
pub(super) struct Wording {
    voice_mail: &'static str,
    missed_call: &'static str,
    fax: &'static str,
    incoming_call: &'static str,
    outgoing_call: &'static str,
    second: &'static str,
    seconds: &'static str,
    page: &'static str,
    pages: &'static str,
    /// Who called, where nothing is known.
    pub(super) anonymous: &'static str,
    /// Labels of the body's lines.
    pub(super) caller: &'static str,
    /// The caller's number.
    pub(super) number: &'static str,
    /// The caller's e-mail address.
    pub(super) address: &'static str,
    /// When the call came.
    pub(super) time: &'static str,
    /// How long the recording is.
    pub(super) duration: &'static str,
    /// How many pages a fax has.
    pub(super) page_count: &'static str,
    /// Heading of the transcript.
    pub(super) transcript: &'static str,
}

static ENGLISH: Wording = Wording {
    voice_mail: "Voice Mail",
    missed_call: "Missed Call",
    fax: "Fax",
    incoming_call: "Incoming Call",
    outgoing_call: "Outgoing Call",
    second: "second",
    seconds: "seconds",
    page: "page",
    pages: "pages",
    anonymous: "Anonymous",
    caller: "Caller",
    number: "Number",
    address: "E-mail",
    time: "Time",
    duration: "Duration",
    page_count: "Pages",
    transcript: "Preview",
};

/// The words for a culture: English where there are none in its language, as for every culture so far.
pub(super) fn wording(_culture: Option<&str>) -> &'static Wording {
    &ENGLISH
}

impl Wording {
    /// What the message is: `Voice Mail`.
    pub(super) fn kind(&self, kind: MessageType) -> &'static str {
        match kind {
            MessageType::MissedCall | MessageType::OcsNotification => self.missed_call,
            MessageType::Fax => self.fax,
            MessageType::IncomingCallLog => self.incoming_call,
            MessageType::OutgoingCallLog => self.outgoing_call,
            _ => self.voice_mail,
        }
    }

    /// How long: `23 seconds`.
    pub(super) fn seconds(&self, count: u32) -> String {
        counted(count, self.second, self.seconds)
    }

    /// How many pages: `3 pages`.
    pub(super) fn pages(&self, count: u32) -> String {
        counted(count, self.page, self.pages)
    }

    /// What the message is and how much: `Voice Mail (23 seconds)`, with the original subject after it.
    pub(super) fn subject(&self, kind: MessageType, amount: Option<&str>, original: Option<&str>) -> String {
        let mut subject = self.kind(kind).to_owned();
        if let Some(amount) = amount {
            subject = format!("{subject} ({amount})");
        }
        match original {
            Some(original) => format!("{subject}: {original}"),
            None => subject,
        }
    }

    /// The attachment's name without extension: `+31612345678 (23 seconds) Voice Mail`.
    pub(super) fn attachment(&self, kind: MessageType, caller: &str, amount: Option<&str>) -> String {
        match amount {
            Some(amount) => format!("{caller} ({amount}) {}", self.kind(kind)),
            None => format!("{caller} {}", self.kind(kind)),
        }
    }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_and_names_are_what_users_know() {
        let english = wording(Some("en-US"));
        let voice = MessageType::SmtpVoiceMail;
        assert_eq!(english.subject(voice, Some(&english.seconds(23)), None), "Voice Mail (23 seconds)");
        assert_eq!(english.subject(voice, Some(&english.seconds(1)), Some("Hi")), "Voice Mail (1 second): Hi");
        assert_eq!(english.subject(MessageType::MissedCall, None, None), "Missed Call");
        assert_eq!(english.subject(MessageType::Fax, Some(&english.pages(3)), None), "Fax (3 pages)");
        assert_eq!(
            english.attachment(voice, "+31612345678", Some(&english.seconds(23))),
            "+31612345678 (23 seconds) Voice Mail"
        );
    }
}
