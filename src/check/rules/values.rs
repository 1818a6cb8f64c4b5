//! Other values: booleans, and fields that somebody may want to know of.

use super::{Subject, quoted};
use crate::message::{Code, Finding, MessageType, fields};

/// UM parses these as .NET booleans.
///
/// Which type parses which is not known for certain, so a bad one counts in every type.
const BOOLEANS: &[&str] = &[fields::IMPORTANT, fields::PRIVATE, fields::CALL_ANSWERING, fields::IN_COMPLETE];

/// A reply's own booleans.
const REPLY_BOOLEANS: &[&str] = &[fields::PROTECTED_REPLY, fields::PURE_INTERPERSONAL_MESSAGE];

/// `True` or `False` in any case: anything else throws.
pub(in crate::check) fn booleans(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let own = if subject.is(&[MessageType::XsoVoiceMail]) { REPLY_BOOLEANS } else { &[] };
    for field in BOOLEANS.iter().chain(own) {
        if let Some(value) = subject.get(field).filter(|value| fields::parse_boolean(value).is_none()) {
            let message = format!("{field} {} is neither True nor False", quoted(&value));
            findings.push(Finding::field(Code::BooleanInvalid, *field, message));
        }
    }
}

/// Things that are no fault.
pub(in crate::check) fn remarkable(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if subject.header.boolean(fields::PRIVATE) == Some(true) {
        let message = "the message is private: UM would protect it, SMTP carries it in clear";
        findings.push(Finding::field(Code::Private, fields::PRIVATE, message));
    }
    if let Some(value) = subject.get(fields::CONTACT_INFO) {
        let message = format!("ContactInfo holds a serialized object of {} characters", value.chars().count());
        findings.push(Finding::field(Code::ContactInfoPresent, fields::CONTACT_INFO, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{FAX, VOICE, assert_voice, codes, message, voice_with, wav, with};
    use crate::check::{CheckOptions, at_rest};

    #[test]
    fn booleans_are_read_as_dotnet_reads_them() {
        for field in ["Important", "Private", "CallAnswering"] {
            for bad in ["yes", "1", "Truee"] {
                assert_voice(field, Some(bad), Code::BooleanInvalid);
            }
            assert_eq!(voice_with(field, Some("fALSE ")), []);
            assert_eq!(voice_with(field, None), []);
        }
        let fax = message(with(FAX, "InComplete", Some("no"))).with_fax();
        assert_eq!(codes(&at_rest(&fax, &CheckOptions::default())), [Code::BooleanInvalid]);
    }

    #[test]
    fn a_replys_own_booleans_count_in_replies_alone() {
        let text = format!("{VOICE}ProtectedReply : maybe\r\n");
        let found = |text: &str| codes(&at_rest(&message(text).with_audio(wav(12.0)), &CheckOptions::default()));
        assert_eq!(found(&text), []);
        assert!(found(&with(&text, "MessageType", Some("XSOVoiceMail"))).contains(&Code::BooleanInvalid));
    }

    #[test]
    fn what_is_no_fault_is_told_as_such() {
        assert_eq!(codes(&voice_with("Private", Some("TRUE"))), [Code::Private]);
        let message = message(format!("{VOICE}ContactInfo : AAEAAAD/////\r\n")).with_audio(wav(12.0));
        assert_eq!(codes(&at_rest(&message, &CheckOptions::default())), [Code::ContactInfoPresent]);
    }
}
