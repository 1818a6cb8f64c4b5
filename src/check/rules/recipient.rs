//! Who gets the message, in either dialect, and who sends a reply.

use super::{Subject, quoted};
use crate::message::{Code, Dialect, EmailAddress, Finding, Guid, MessageType, fields};

/// E12 names the recipient by address, E15 by objectGUID; UM kills a message whose recipient it cannot find.
pub(in crate::check) fn recipient(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let field = subject.header.dialect().recipient_field();
    let Some(value) = subject.get(field) else {
        if subject.kind.is_some_and(MessageType::has_recipient) {
            findings.push(subject.missing(Code::RecipientMissing, field));
        }
        return;
    };
    findings.extend(match subject.header.dialect() {
        Dialect::E12 => address(subject, &value),
        Dialect::E15 => object_guid(subject, &value),
    });
}

fn address(subject: &Subject<'_>, value: &str) -> Option<Finding> {
    let malformed = |message| Some(Finding::field(Code::RecipientMalformed, fields::RECIPIENT_ADDRESS, message));
    match EmailAddress::parse(value.trim()) {
        Err(_) => malformed(format!("RecipientAddress {} is no SMTP address", quoted(value))),
        Ok(_) if subject.is_garbled(value) => {
            let encoding = subject.header.encoding().name();
            malformed(format!("UM reads another address than {}, as the header is {encoding}", quoted(value)))
        }
        Ok(_) => None,
    }
}

fn object_guid(subject: &Subject<'_>, value: &str) -> Option<Finding> {
    let field = fields::RECIPIENT_OBJECT_GUID;
    let Some(guid) = Guid::parse(value.trim()) else {
        let message = format!("RecipientObjectGuid {} is no GUID", quoted(value));
        return Some(Finding::field(Code::RecipientMalformed, field, message));
    };
    if guid.is_nil() {
        return Some(Finding::field(Code::RecipientMalformed, field, "RecipientObjectGuid is all zeros: nobody"));
    }
    let unknown = subject.options.known_recipients.is_some_and(|known| !known.contains(&guid));
    unknown.then(|| Finding::field(Code::RecipientUnknown, field, format!("no mailbox in the directory has {guid}")))
}

/// A header of both dialects: each UM reads its own half, and the halves may name different people.
pub(in crate::check) fn dialect(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let present = |names: &[&'static str]| -> Vec<&'static str> {
        names.iter().copied().filter(|name| subject.get(name).is_some()).collect()
    };
    let old = present(&[fields::RECIPIENT_ADDRESS, fields::RECIPIENT_CULTURE, fields::NDR_REQUIRED]);
    let new = present(&[fields::RECIPIENT_OBJECT_GUID, fields::CULTURE_INFO]);
    if old.is_empty() || new.is_empty() {
        return;
    }
    let message = format!("{} (Exchange 2007/2010) stands beside {} (2013/2016)", old.join(", "), new.join(", "));
    findings.push(Finding::new(Code::DialectMixed, message));
}

/// A reply or a transcription request is sent for a mailbox: without its GUID, UM cannot tell whose.
pub(in crate::check) fn sender(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if !subject.is(&[MessageType::XsoVoiceMail, MessageType::PartnerTranscriptionRequest]) {
        return;
    }
    let field = fields::SENDER_OBJECT_GUID;
    match subject.get(field) {
        None => findings.push(subject.missing(Code::SenderInvalid, field)),
        Some(value) if Guid::parse(value.trim()).is_none_or(Guid::is_nil) => {
            let message = format!("SenderObjectGuid {} names nobody", quoted(&value));
            findings.push(Finding::field(Code::SenderInvalid, field, message));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::check::testing::{MISSED, VOICE, assert_voice, codes, message, voice_with, wav, with};
    use crate::check::{CheckOptions, at_rest};

    fn found(header: &str) -> Vec<Finding> {
        at_rest(&message(header), &CheckOptions::default())
    }

    #[test]
    fn an_object_guid_must_name_somebody() {
        let field = "RecipientObjectGuid";
        for bad in ["test@example.com", "00000000-0000-0000-0000-000000000000", "9d3f2b8e", "{}"] {
            assert_voice(field, Some(bad), Code::RecipientMalformed);
        }
        assert_voice(field, None, Code::RecipientMissing);
        for good in ["{9D3F2B8E-2C1D-4E5F-8A6B-7C8D9E0F1A2B}", "9d3f2b8e2c1d4e5f8a6b7c8d9e0f1a2b "] {
            assert_eq!(voice_with(field, Some(good)), []);
        }
    }

    #[test]
    fn an_address_must_be_one() {
        let field = "RecipientAddress";
        for bad in ["test", "test@", "a b@example.com", "a@example.com;b@example.com", "/o=x/cn=y"] {
            assert_eq!(codes(&found(&with(MISSED, field, Some(bad)))), [Code::RecipientMalformed], "{bad}");
        }
        assert_eq!(codes(&found(&with(MISSED, field, None))), [Code::RecipientMissing]);
    }

    #[test]
    fn an_address_that_um_would_read_as_another_is_an_error() {
        let ansi = |name: &str| -> Vec<u8> {
            with(MISSED, "RecipientAddress", Some(name)).chars().map(|letter| letter as u8).collect()
        };
        let findings = at_rest(&message(ansi("zoë@example.com")), &CheckOptions::default());
        assert_eq!(codes(&findings), [Code::RecipientMalformed, Code::EncodingAnsi]);
        assert_eq!(found(&with(MISSED, "RecipientAddress", Some("zoë@example.com"))), []);
    }

    #[test]
    fn a_directory_tells_whom_it_does_not_know() {
        let known: HashSet<_> = Guid::parse("9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b").into_iter().collect();
        let nobody = HashSet::new();
        let message = message(VOICE).with_audio(wav(12.0));
        assert_eq!(at_rest(&message, &CheckOptions { known_recipients: Some(&known) }), []);
        let findings = at_rest(&message, &CheckOptions { known_recipients: Some(&nobody) });
        assert_eq!(codes(&findings), [Code::RecipientUnknown]);
    }

    #[test]
    fn types_without_a_recipient_need_none() {
        assert_eq!(found("MessageType : OCSNotification\r\nOCSNotificationData : <x/>\r\n"), []);
    }

    #[test]
    fn two_dialects_in_one_header_are_told() {
        let findings = found(&format!("{MISSED}CultureInfo : nl-NL\r\n"));
        assert_eq!(codes(&findings), [Code::DialectMixed]);
        let guid = "RecipientObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n";
        let findings = found(&format!("{MISSED}{guid}"));
        assert_eq!(codes(&findings), [Code::CultureMissing, Code::DialectMixed]);
    }

    #[test]
    fn a_reply_needs_its_sender() {
        let reply = |sender: &str| {
            let text = with(VOICE, "MessageType", Some("XSOVoiceMail"));
            let message = message(format!("{text}MessageFilePath : C:\\x.msg\r\n{sender}"));
            codes(&at_rest(&message.with_audio(wav(12.0)).with_message_file(), &CheckOptions::default()))
        };
        assert_eq!(reply("SenderObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n"), []);
        assert_eq!(reply("SenderObjectGuid : 00000000-0000-0000-0000-000000000000\r\n"), [Code::SenderInvalid]);
        assert_eq!(reply(""), [Code::SenderInvalid]);
    }
}
