//! Pure rules: what UM would make of a message, told as findings before UM gets to see it.
//!
//! [`at_rest`] judges a message as it lies in its folder or archive, [`for_pickup`] a header that is about to be injected.
//! [`explain`] tells what a finding means and how to mend it. Reading files is left to `source`, mending to `edit`.
//!
//! Where the queue format leaves open whether UM takes something, the rules say that it does not: a message refused here
//! can be mended, one that UM deletes cannot.

mod catalogue;
mod rules;
#[cfg(test)]
mod testing;

use std::cmp::Reverse;
use std::collections::HashSet;

pub use catalogue::{Explanation, catalogue_markdown, explain};

use crate::message::{Code, Finding, Guid, Header, Message, State};
use rules::{Moment, Subject, audio};

/// What is known beside the message itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions<'a> {
    /// The objectGUIDs of all mailboxes, where a directory was given; a recipient outside it is an error then.
    pub known_recipients: Option<&'a HashSet<Guid>>,
}

/// Everything that is wrong or remarkable about a message as it lies there.
///
/// What was found while reading it is included. The gravest findings come first, then they go by code and field; no cause
/// is told twice.
pub fn at_rest(message: &Message, options: &CheckOptions<'_>) -> Vec<Finding> {
    let mut findings = message.findings.clone();
    match &message.header {
        Some(part) => findings.extend(judge(message, &part.header, Moment::AtRest, options)),
        None => without_header(message, &mut findings),
    }
    let has_header = message.header.is_some() || message.state() == State::Unreadable;
    if has_header && message.guid.is_none() {
        let stem = rules::quoted(&message.stem);
        findings.push(Finding::new(Code::NameNotGuid, format!("the file name {stem} is no GUID")));
    }
    arranged(findings)
}

/// Everything that UM would object to if the message were injected with this header, edits included.
///
/// It is judged under a fresh GUID: the name it has now does not matter, nor what was found while reading it. Of
/// `AttachmentPath`, only presence and extension count, because the file it names is written beside the header; whether
/// there is one to write is judged by what the message has. A finding of [`Level::Error`](crate::message::Level::Error)
/// means that UM would delete the message or lose its audio, so it must not be injected.
pub fn for_pickup(message: &Message, header: &Header, options: &CheckOptions<'_>) -> Vec<Finding> {
    arranged(judge(message, header, Moment::Pickup, options))
}

fn judge(message: &Message, header: &Header, moment: Moment, options: &CheckOptions<'_>) -> Vec<Finding> {
    let subject = Subject { message, header, kind: header.message_type(), moment, options };
    let mut findings = Vec::new();
    match message.state_with(header) {
        State::Unreadable => {
            findings.push(Finding::new(Code::HeaderUnreadable, "the header holds no field"));
        }
        State::Internal => {
            let kind = subject.kind.map_or("internal", |kind| kind.name());
            findings.push(Finding::new(Code::Internal, format!("{kind} is UM's own message, and nobody's to deliver")));
        }
        _ => rules::ALL.iter().for_each(|rule| rule(&subject, &mut findings)),
    }
    findings
}

fn without_header(message: &Message, findings: &mut Vec<Finding>) {
    match message.state() {
        State::NoHeader => {
            let what = match (&message.audio, &message.fax) {
                (Some(_), _) => "a WAV",
                (None, Some(_)) => "a fax image",
                (None, None) => "a message file",
            };
            findings.push(Finding::new(Code::NoHeader, format!("{what} without a header: nobody knows whose it is")));
        }
        State::Internal => findings.push(Finding::new(Code::Internal, "UM's own probe, and nobody's to deliver")),
        _ => {}
    }
    audio::recording(message, None, findings);
}

/// Sorts findings and drops what is told twice, keeping what was said first.
fn arranged(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|left, right| {
        let key = |finding: &Finding| (Reverse(finding.level), finding.code);
        key(left).cmp(&key(right)).then_with(|| left.field.cmp(&right.field))
    });
    let mut told = HashSet::new();
    findings.retain(|finding| {
        // Several entries of one message may fail, each for itself; any other code is about one thing of the message.
        let many = matches!(finding.code, Code::EntryUnreadable | Code::EntryEncrypted | Code::EntryDuplicate);
        told.insert((finding.code, finding.field.clone(), many.then(|| finding.message.clone())))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::testing::{VOICE, codes, message, wav, with};
    use super::*;
    use crate::message::Level;

    #[test]
    fn a_good_message_has_no_finding() {
        let message = message(VOICE).with_audio(wav(12.0));
        assert_eq!(at_rest(&message, &CheckOptions::default()), []);
        let header = &message.header.as_ref().unwrap().header;
        assert_eq!(for_pickup(&message, header, &CheckOptions::default()), []);
    }

    #[test]
    fn the_gravest_comes_first_and_nothing_twice() {
        let text = with(&with(VOICE, "Private", Some("True")), "CultureInfo", Some("nl_NL"));
        let text = with(&text, "Duration", Some("40"));
        let mut message = message(&text).with_audio(wav(12.0));
        for _ in 0..2 {
            message.findings.push(Finding::new(Code::EntryDuplicate, "two WAVs: b.wav"));
            message.findings.push(Finding::new(Code::EntryDuplicate, "two WAVs: c.wav"));
            message.findings.push(Finding::field(Code::CultureUnknown, "CultureInfo", "told while reading"));
        }
        let findings = at_rest(&message, &CheckOptions::default());
        let levels: Vec<_> = findings.iter().map(|finding| finding.level).collect();
        assert!(levels.is_sorted_by(|left, right| left >= right), "{levels:?}");
        assert_eq!(
            codes(&findings),
            [Code::CultureUnknown, Code::DurationDisagrees, Code::EntryDuplicate, Code::EntryDuplicate, Code::Private]
        );
        assert_eq!(findings[0].message, "told while reading");
    }

    #[test]
    fn a_name_that_is_no_guid_kills_at_rest_but_not_under_a_fresh_one() {
        let mut message = message(VOICE).with_audio(wav(12.0));
        message.guid = None;
        message.stem = "holiday".to_owned();
        let codes_at_rest = codes(&at_rest(&message, &CheckOptions::default()));
        assert_eq!(codes_at_rest, [Code::NameNotGuid, Code::AttachmentPathElsewhere]);
        let header = message.header.clone().unwrap().header;
        assert_eq!(for_pickup(&message, &header, &CheckOptions::default()), []);
    }

    #[test]
    fn files_without_a_header_are_told() {
        let mut orphan = message(VOICE).with_audio(wav(12.0));
        orphan.header = None;
        assert_eq!(codes(&at_rest(&orphan, &CheckOptions::default())), [Code::NoHeader]);
        orphan.guid = None;
        assert_eq!(codes(&at_rest(&orphan, &CheckOptions::default())), [Code::NoHeader]);
        orphan.audio = None;
        orphan.health_check = true;
        assert_eq!(codes(&at_rest(&orphan, &CheckOptions::default())), [Code::Internal]);
    }

    #[test]
    fn a_header_without_fields_is_unreadable() {
        for text in ["", "\r\n\r\n", "hello\r\n"] {
            assert_eq!(codes(&at_rest(&message(text), &CheckOptions::default())), [Code::HeaderUnreadable]);
        }
        let mut locked = message("");
        locked.header = None;
        locked.findings.push(Finding::new(Code::HeaderUnreadable, "locked"));
        assert_eq!(codes(&at_rest(&locked, &CheckOptions::default())), [Code::HeaderUnreadable]);
    }

    #[test]
    fn ums_own_messages_need_nothing() {
        for kind in ["CDR", "HealthCheck"] {
            let message = message(format!("MessageType : {kind}\r\nProcessedCount : 9\r\nCultureInfo : x\r\n"));
            assert_eq!(codes(&at_rest(&message, &CheckOptions::default())), [Code::Internal]);
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic() {
        for seed in 0..200_u64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = format!("{VOICE}X : 1\r\n").into_bytes();
            for _ in 0..random.usize(1..20) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            let message = message(&bytes);
            for finding in at_rest(&message, &CheckOptions::default()) {
                assert_eq!(finding.level, finding.level.max(Level::Info));
                assert!(!finding.message.contains(char::is_control), "{finding:?}");
                assert!(finding.message.len() < 1000);
            }
        }
    }
}
