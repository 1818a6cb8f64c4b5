//! Copies of one message become one, in its best form: from the live folder, `badvoicemail`, and every backup.
//!
//! Files of one GUID are taken for copies of one message unless their contents contradict each other. The header and the
//! attachments may come from different copies. What is guessed nowhere: two contents under one GUID stay two messages.
//! Copies under different GUIDs (a message that was injected again) are left to the plan, which knows the ledger.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Read};

use rayon::prelude::*;

use crate::message::{
    AudioFile, Code, CopyOf, FileRef, Finding, Guid, Header, HeaderFile, Message, MessageType, State, fields,
};

/// Brings copies together. Each message stands where the first of its copies stood; the result is otherwise the same in
/// whatever order the sources were given.
///
/// Audio is read only where two recordings of one GUID have to be told apart.
pub fn merge(messages: Vec<Message>) -> Vec<Message> {
    let mut groups: Vec<Vec<Message>> = Vec::with_capacity(messages.len());
    let mut places: HashMap<Guid, usize> = HashMap::with_capacity(messages.len());
    for message in messages {
        match message.guid.and_then(|guid| places.get(&guid)).and_then(|place| groups.get_mut(*place)) {
            Some(group) => group.push(message),
            None => {
                if let Some(guid) = message.guid {
                    places.insert(guid, groups.len());
                }
                groups.push(vec![message]);
            }
        }
    }
    groups.into_par_iter().flat_map_iter(merge_group).collect()
}

/// Merges the files of one GUID into one message, or into as many as their contents are.
fn merge_group(mut group: Vec<Message>) -> Vec<Message> {
    if group.len() < 2 {
        return group;
    }
    // Headers first, so that a lone recording finds the message that it belongs to; then whatever order is the same
    // for every order of the sources.
    group.sort_by_cached_key(|message| (message.header.is_none(), message.audio.is_none(), message.label.clone()));
    let mut contents: Vec<Vec<Message>> = Vec::with_capacity(1);
    for mut message in group {
        let mut fitting = Vec::new();
        for (index, copies) in contents.iter_mut().enumerate() {
            if copies.iter_mut().all(|copy| agree(copy, &mut message)) {
                fitting.push(index);
            }
        }
        match (fitting.as_slice(), contents.len()) {
            // A recording that fits two messages belongs to neither for sure.
            ([only], _) => {
                if let Some(copies) = contents.get_mut(*only) {
                    copies.push(message);
                }
            }
            _ => contents.push(vec![message]),
        }
    }
    let count = contents.len();
    let mut merged: Vec<Message> = contents.into_iter().map(best_of).collect();
    if count > 1 {
        let labels: Vec<String> = merged.iter().map(|message| message.label.clone()).collect();
        for message in &mut merged {
            let others: Vec<&str> = labels.iter().map(String::as_str).filter(|label| *label != message.label).collect();
            let text =
                format!("other contents have the same GUID: {}; each is a message of its own", others.join(", "));
            message.findings.push(Finding::new(Code::GuidShared, text));
        }
    }
    merged
}

/// Whether two files of one GUID can be copies of one message: nothing in them contradicts that.
fn agree(one: &mut Message, other: &mut Message) -> bool {
    headers_agree(one, other) && audio_agrees(one, other)
}

/// Compares what neither a pickup nor an edit changes; what is missing, as in half a header, contradicts nothing.
fn headers_agree(one: &Message, other: &Message) -> bool {
    let (Some(one), Some(other)) = (&one.header, &other.header) else {
        return true;
    };
    [fields::CALL_ID, fields::MESSAGE_ID, fields::SENT_TIME].into_iter().all(|field| {
        match (one.header.get(field), other.header.get(field)) {
            (Some(first), Some(second)) => {
                let (first, second) = (first.trim().to_lowercase(), second.trim().to_lowercase());
                first == second
                    || is_cut_in(&one.header, field) && second.starts_with(&first)
                    || is_cut_in(&other.header, field) && first.starts_with(&second)
            }
            _ => true,
        }
    })
}

/// Whether a header stops in the middle of a line, in whatever encoding: UM ends every line.
fn is_cut(header: &Header) -> bool {
    !header.bytes().iter().rev().take(2).any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Whether a header stops in the middle of this field, so that its value may be the beginning of one.
fn is_cut_in(header: &Header, field: &str) -> bool {
    is_cut(header) && header.fields().last().is_some_and(|(name, _)| name == field)
}

/// Compares recordings; one that is damaged, or the beginning of the other, contradicts nothing.
fn audio_agrees(one: &mut Message, other: &mut Message) -> bool {
    let damaged = |message: &Message| message.audio.as_ref().is_none_or(|audio| audio.facts.is_none());
    if damaged(one) || damaged(other) {
        return true;
    }
    match (one.audio_sha256(), other.audio_sha256()) {
        (Ok(Some(first)), Ok(Some(second))) if first == second => true,
        (Ok(_), Ok(_)) => match (&one.audio, &other.audio) {
            (Some(one), Some(other)) => is_cut_off(one, other) && same_samples(&one.file, &other.file).unwrap_or(false),
            _ => true,
        },
        _ => true,
    }
}

/// Whether the shorter of two recordings tells that something is missing: two whole ones are two recordings, however alike.
fn is_cut_off(one: &AudioFile, other: &AudioFile) -> bool {
    let shorter = if one.file.size <= other.file.size { one } else { other };
    shorter.facts.as_ref().is_some_and(|facts| facts.cut_short)
}

/// Whether one file is the beginning of the other, but for the 44 bytes in which a recorder notes the length at the end.
fn same_samples(one: &FileRef, other: &FileRef) -> io::Result<bool> {
    const HEAD: u64 = 44;
    let shorter = one.size.min(other.size);
    if shorter <= HEAD {
        return Ok(false);
    }
    let open = |file: &FileRef| -> io::Result<Vec<u8>> {
        // Voice messages are short; two of them fit into memory, and only where they have to be told apart.
        let mut bytes = Vec::new();
        file.open().map_err(io::Error::other)?.take(shorter).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let (one, other) = (open(one)?, open(other)?);
    Ok(one.len() == other.len() && one.get(HEAD as usize..) == other.get(HEAD as usize..))
}

/// One message of the best parts of its copies.
fn best_of(mut copies: Vec<Message>) -> Message {
    if copies.len() == 1 {
        return copies.remove(0);
    }
    let header = best(&copies, |copy| copy.header.as_ref().map(|part| (header_rank(copy, part), copy.label.clone())));
    let audio = best(&copies, |copy| copy.audio.as_ref().map(|audio| (audio_rank(audio), copy.label.clone())));
    let fax = best(&copies, |copy| copy.fax.as_ref().map(|file| (Reverse(file.size), copy.label.clone())));
    let message_file =
        best(&copies, |copy| copy.message_file.as_ref().map(|file| (Reverse(file.size), copy.label.clone())));
    let listed: Vec<CopyOf> = copies
        .iter()
        .enumerate()
        .map(|(index, copy)| CopyOf {
            label: copy.label.clone(),
            state: copy.state(),
            processed_count: copy.header.as_ref().and_then(|part| part.header.processed_count()),
            modified: copy.modified(),
            audio_bytes: copy.audio_bytes(),
            gives_header: header == Some(index),
            gives_audio: audio == Some(index),
        })
        .collect();
    let main = header.or(audio).unwrap_or_default();
    let take_audio = audio.and_then(|index| copies.get(index)).and_then(|copy| copy.audio.clone());
    let take_fax = fax.and_then(|index| copies.get(index)).and_then(|copy| copy.fax.clone());
    let take_file = message_file.and_then(|index| copies.get(index)).and_then(|copy| copy.message_file.clone());
    let mut parts = vec![main];
    parts.extend(audio.filter(|audio| *audio != main));
    let findings =
        parts.into_iter().filter_map(|index| copies.get(index)).flat_map(|copy| copy.findings.clone()).collect();
    let disagreement = disagreement(&copies);
    let health_check = copies.iter().any(|copy| copy.health_check);
    let mut message = copies.swap_remove(main);
    message.audio = take_audio;
    message.fax = take_fax;
    message.message_file = take_file;
    message.health_check = health_check;
    message.findings = findings;
    message.findings.extend(disagreement);
    message.copies = listed;
    message
}

/// Copies that were edited differently: who is to get the message must not be guessed.
fn disagreement(copies: &[Message]) -> Option<Finding> {
    let named: Vec<(String, bool)> = copies
        .iter()
        .filter_map(|copy| copy.header.as_ref())
        .filter_map(|part| {
            let field = part.header.dialect().recipient_field();
            let recipient = part.header.get(field)?.trim().to_lowercase();
            Some((recipient, is_cut_in(&part.header, field)))
        })
        .collect();
    let is_beginning = |text: &str| named.iter().any(|(other, _)| other.len() > text.len() && other.starts_with(text));
    let kept = named.iter().filter(|(recipient, is_cut)| !(*is_cut && is_beginning(recipient)));
    let mut named: Vec<String> = kept.map(|(recipient, _)| recipient.clone()).collect();
    named.sort();
    named.dedup();
    let text = format!("copies of this message name different recipients: {}", named.join(", "));
    (named.len() > 1).then(|| Finding::new(Code::CopiesDisagree, text))
}

fn best<K: Ord>(copies: &[Message], rank: impl Fn(&Message) -> Option<K>) -> Option<usize> {
    let ranked = copies.iter().enumerate().filter_map(|(index, copy)| Some((rank(copy)?, index)));
    ranked.min().map(|(_, index)| index)
}

/// The lower, the better: whole, not demoted, with the lowest count, newest. A header without its end is not whole, and has
/// fewer fields than the same one with it.
fn header_rank(copy: &Message, part: &HeaderFile) -> impl Ord + use<> {
    let header = &part.header;
    let recipient = header.recipient();
    let kind = header.message_type();
    let is_whole = kind.is_some_and(|kind| {
        let addressed = recipient.address.is_some() || recipient.object_guid.is_some() || !kind.has_recipient();
        !is_cut(header)
            && addressed
            && (!kind.carries_audio() || (header.duration().is_some() && header.get(fields::CODEC).is_some()))
    });
    let is_demoted = kind == Some(MessageType::MissedCall);
    (
        matches!(copy.state(), State::Unreadable),
        kind.is_none(),
        !is_whole,
        is_demoted,
        Reverse(lasting_fields(header)),
        header.processed_count().unwrap_or(i32::MAX),
        Reverse(part.file.modified),
        part.header.bytes().to_vec(),
    )
}

/// How many fields a header has, but for those that come and go while a message waits.
fn lasting_fields(header: &Header) -> usize {
    let comes_and_goes = [fields::PROCESSED_COUNT, fields::CONTACT_INFO];
    header.fields().filter(|(name, _)| !comes_and_goes.contains(&name.as_ref())).count()
}

/// The lower, the better: understood, whole, longest, newest.
fn audio_rank(audio: &AudioFile) -> impl Ord + use<> {
    let facts = audio.facts.as_ref();
    (
        facts.is_none(),
        facts.is_none_or(|facts| facts.cut_short),
        Reverse(facts.map_or(0, |facts| facts.data_bytes)),
        Reverse(audio.file.modified),
        audio.sha256.map(|digest| digest.0),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::message::{AudioFacts, Content};

    struct Bytes(Vec<u8>);

    impl Content for Bytes {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(self.0.as_slice()))
        }
    }

    const GUID: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";

    fn file(label: &str, bytes: &[u8], seconds: i64) -> FileRef {
        let modified = Some(Timestamp::from_second(seconds).unwrap());
        FileRef::new(label.to_owned(), bytes.len() as u64, modified, Arc::new(Bytes(bytes.to_vec())))
    }

    fn wav(samples: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
        bytes.extend((samples.len() as u32).to_le_bytes());
        bytes.extend(samples);
        bytes
    }

    fn message(source: &str, seconds: i64, header: Option<&str>, audio: Option<&[u8]>) -> Message {
        let header = header.map(|text| HeaderFile {
            file: file(&format!("{source}/{GUID}.txt"), text.as_bytes(), seconds),
            header: Header::parse(text.as_bytes().to_vec()),
        });
        let audio = audio.map(|bytes| AudioFile {
            file: file(&format!("{source}/{GUID}.wav"), bytes, seconds),
            facts: AudioFacts::read(&mut &bytes[..], bytes.len() as u64).ok(),
            sha256: None,
        });
        Message {
            guid: Guid::parse(GUID),
            stem: GUID.to_owned(),
            label: format!("{source}/{GUID}"),
            header,
            audio,
            fax: None,
            message_file: None,
            health_check: false,
            findings: Vec::new(),
            copies: Vec::new(),
        }
    }

    fn voice(call: &str, count: i32) -> String {
        format!(
            "MessageType : SMTPVoiceMail\r\nProcessedCount : {count}\r\nRecipientAddress : a@example.com\r\n\
             CallId : {call}\r\nDuration : 1\r\nCodec : Mp3\r\n"
        )
    }

    fn missed(call: &str) -> String {
        format!(
            "MessageType : MissedCall\r\nProcessedCount : 5\r\nRecipientAddress : a@example.com\r\nCallId : {call}\r\n"
        )
    }

    /// Merges in every rotation, and checks that the order of the sources does not matter.
    fn merged(messages: &[Message]) -> Vec<Message> {
        let shape = |messages: &[Message]| {
            let mut shape: Vec<_> = messages
                .iter()
                .map(|message| (message.label.clone(), message.audio.as_ref().map(|audio| audio.file.label.clone())))
                .collect();
            shape.sort();
            shape
        };
        let result = merge(messages.to_vec());
        for turn in 1..messages.len() {
            let mut other = messages.to_vec();
            other.rotate_left(turn);
            assert_eq!(shape(&merge(other)), shape(&result));
        }
        result
    }

    #[test]
    fn the_lowest_count_wins_and_all_copies_are_listed() {
        let audio = wav(&[7; 800]);
        let copies = [
            message("tuesday", 2, Some(&voice("1", 3)), Some(&audio)),
            message("monday", 1, Some(&voice("1", 1)), Some(&audio)),
            message("live", 3, Some(&missed("1")), Some(&audio)),
        ];
        let merged = merged(&copies);
        assert_eq!(merged.len(), 1);
        assert!(merged[0].label.starts_with("monday/"));
        assert_eq!(merged[0].state(), State::Complete);
        assert_eq!(merged[0].copies.len(), 3);
        assert_eq!(merged[0].copies.iter().filter(|copy| copy.gives_header).count(), 1);
    }

    #[test]
    fn header_and_audio_come_together_from_different_copies() {
        let audio = wav(&[7; 800]);
        let copies = [message("bad", 1, Some(&voice("1", 5)), None), message("live", 2, None, Some(&audio))];
        let merged = merged(&copies);
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].state(), State::Complete);
        assert!(merged[0].audio.as_ref().unwrap().file.label.starts_with("live/"));
    }

    #[test]
    fn a_header_cut_off_anywhere_gives_way_to_the_whole_one() {
        let audio = wav(&[7; 800]);
        let voice = voice("call-1", 1).replace("RecipientAddress", "MessageID : 4711\r\nRecipientAddress");
        // What UM made of it later is whole too, and can be mended.
        for whole in [voice.replace("Count : 1", "Count : 3"), missed("call-1")] {
            for end in 1..voice.len() {
                let copies =
                    [message("a", 9, Some(&voice[..end]), Some(&audio)), message("b", 1, Some(&whole), Some(&audio))];
                let merged = merged(&copies);
                assert_eq!(merged.len(), 1, "{:?}", &voice[..end]);
                let is_cut_well = voice[..end].ends_with("\r") && voice.len() - end == 1;
                assert!(is_cut_well || merged[0].label.starts_with("b/"), "{:?}", &voice[..end]);
                assert!(merged[0].findings.is_empty(), "{:?}", &voice[..end]);
            }
        }
    }

    #[test]
    fn a_half_copied_recording_gives_way_to_the_whole_one() {
        let audio = wav(&[7; 800]);
        let half = &audio[..500];
        let copies =
            [message("a", 9, Some(&voice("1", 0)), Some(half)), message("b", 1, Some(&voice("1", 1)), Some(&audio))];
        let merged = merged(&copies);
        assert_eq!(merged.len(), 1);
        assert!(merged[0].label.starts_with("a/"));
        assert!(merged[0].audio.as_ref().unwrap().file.label.starts_with("b/"));
    }

    #[test]
    fn different_contents_stay_two_messages() {
        let calls = [
            message("a", 1, Some(&voice("1", 0)), Some(&wav(&[7; 800]))),
            message("b", 2, Some(&voice("2", 0)), Some(&wav(&[7; 800]))),
            message("c", 3, Some(&voice("1", 0)), Some(&wav(&[8; 800]))),
        ];
        let merged = merged(&calls);
        assert_eq!(merged.len(), 3);
        for message in merged {
            assert!(message.findings.iter().any(|finding| finding.code == Code::GuidShared));
        }
    }

    #[test]
    fn a_recording_that_fits_two_messages_is_given_to_none() {
        let copies = [
            message("a", 1, Some(&voice("1", 0)), None),
            message("b", 2, Some(&voice("2", 0)), None),
            message("c", 3, None, Some(&wav(&[7; 800]))),
        ];
        let merged = merged(&copies);
        assert_eq!(merged.len(), 3);
        assert_eq!(merged.iter().filter(|message| message.state() == State::NoHeader).count(), 1);
    }

    #[test]
    fn copies_for_different_people_are_told() {
        let edited = voice("1", 0).replace("a@", "b@");
        let copies = [message("a", 1, Some(&voice("1", 0)), None), message("b", 2, Some(&edited), None)];
        let merged = merged(&copies);
        assert_eq!(merged.len(), 1);
        assert!(merged[0].findings.iter().any(|finding| finding.code == Code::CopiesDisagree));
    }

    #[test]
    fn other_guids_and_names_are_left_alone() {
        let other = Message { guid: None, ..message("a", 1, Some(&voice("1", 0)), None) };
        assert_eq!(merge(vec![other.clone(), other]).len(), 2);
    }
}
