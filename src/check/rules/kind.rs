//! The message type, and voice messages that UM has turned into missed calls.

use super::{Subject, quoted, suggestion};
use crate::message::{Code, Finding, MessageType, State, fields, similar};

/// Without a type that UM knows, to the letter, it knows nothing about the message.
pub(in crate::check) fn message_type(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    match (subject.get(fields::MESSAGE_TYPE), subject.kind) {
        (_, Some(_)) => {}
        (None, None) => findings.push(subject.missing(Code::TypeMissing, fields::MESSAGE_TYPE)),
        (Some(name), None) => {
            let meant = similar::nearest_name(&name, MessageType::ALL.into_iter().map(MessageType::name));
            let what = if meant.is_some_and(|meant| meant.eq_ignore_ascii_case(name.trim())) {
                "is not exactly as UM spells it, case and spaces included"
            } else {
                "is no type that UM knows"
            };
            let message = format!("MessageType {} {what}{}", quoted(&name), suggestion(meant.as_slice()));
            findings.push(Finding::field(Code::TypeUnknown, fields::MESSAGE_TYPE, message));
        }
    }
}

/// A missed call has no recording: one that lies beside it is a voice message's, and would never be delivered.
pub(in crate::check) fn demoted(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if subject.message.state_with(subject.header) != State::Demoted {
        return;
    }
    let facts = subject.message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
    let length = facts.map_or_else(String::new, |facts| format!(" of {:.1} seconds", facts.seconds));
    let message = format!("a missed call with a WAV{length} beside it: a voice message that UM demoted");
    findings.push(Finding::field(Code::Demoted, fields::MESSAGE_TYPE, message));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{MISSED, assert_voice, codes, message, voice_with, wav};
    use crate::check::{CheckOptions, at_rest, for_pickup};

    #[test]
    fn types_are_judged_to_the_letter() {
        for name in ["smtpvoicemail", "SMTPVoiceMail ", "VoiceMail", "SMTPVoiceMai", "日本"] {
            assert_voice("MessageType", Some(name), Code::TypeUnknown);
        }
        assert!(voice_with("MessageType", Some("smtpvoicemail "))[0].message.contains("did you mean SMTPVoiceMail?"));
        assert!(!voice_with("MessageType", Some("日本"))[0].message.contains("did you mean"));
        assert_voice("MessageType", None, Code::TypeMissing);
    }

    #[test]
    fn a_misspelled_field_name_is_told() {
        let text = MISSED.replace("MessageType", "Messagetype");
        let findings = at_rest(&message(text), &CheckOptions::default());
        assert_eq!(codes(&findings), [Code::TypeMissing]);
        assert!(findings[0].message.contains("\"Messagetype\" is there"), "{findings:?}");
    }

    #[test]
    fn a_missed_call_beside_audio_is_a_demoted_voice_message() {
        let demoted = message(MISSED).with_audio(wav(9.5));
        let findings = at_rest(&demoted, &CheckOptions::default());
        assert_eq!(codes(&findings), [Code::Demoted]);
        assert!(findings[0].message.contains("9.5 seconds"));
        let header = demoted.header.clone().unwrap().header;
        assert_eq!(codes(&for_pickup(&demoted, &header, &CheckOptions::default())), [Code::Demoted]);
        assert_eq!(at_rest(&message(MISSED), &CheckOptions::default()), []);
    }
}
