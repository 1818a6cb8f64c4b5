//! The picture of an outage: whose messages there are and of which days, what UM is about to take, what lies in one
//! copy only, and what can be mended.
//!
//! UM's own probes and statistics are left out of it: they are nobody's messages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::message::{Code, EmailAddress, Message, MessageType, Recipient, State};

/// How many recipients are named; of the others there is only the number.
const NAMED: usize = 10;

/// What a replay could do for one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// The kinds of repair that fit it and are done unasked.
    pub usual: Vec<&'static str>,
    /// The kinds that fit it and have to be asked for.
    pub asked_for: Vec<&'static str>,
    /// Why UM would refuse it even so.
    pub refused: BTreeSet<Code>,
}

/// What several sources come to; see the module's text.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Picture {
    /// How many messages somebody is to get.
    pub messages: u64,
    /// Who they are for.
    pub recipients: Recipients,
    /// Messages by the day they were sent, else last changed.
    pub by_day: BTreeMap<Date, u64>,
    /// Messages of no known day.
    pub undated: u64,
    /// What UM is about to take.
    pub at_risk: AtRisk,
    /// How many copies there are; `None` where there is but one source, and nothing in it is a copy.
    pub copies: Option<Copies>,
    /// What can be mended.
    pub mending: Mending,
}

/// Who messages are for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Recipients {
    /// How many recipients there are.
    pub count: u64,
    /// Those with the most messages, the most first.
    pub top: Vec<RecipientCount>,
    /// Messages that name nobody.
    pub unnamed: u64,
}

/// One recipient's messages.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientCount {
    /// Who it is.
    pub recipient: Recipient,
    /// How many messages.
    pub messages: u64,
    /// How many of them UM is about to take.
    pub at_risk: u64,
}

/// Messages whose best copy UM has picked up so often that few pickups are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AtRisk {
    /// The next pickup is the last that keeps the audio.
    pub last_with_audio: u64,
    /// The next pickup takes the audio.
    pub loses_audio: u64,
    /// The pickup after the next deletes it; it has no audio to lose before.
    pub last: u64,
    /// The next pickup deletes it.
    pub deleted: u64,
}

/// How often messages are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copies {
    /// Messages that no more than one copy holds whole.
    pub single: u64,
    /// How many of them UM is about to take.
    pub single_at_risk: u64,
    /// Messages that several copies hold.
    pub several: u64,
}

/// What can be mended: messages by kind of repair, and by what no repair mends. A message may count several times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mending {
    /// Done unless told otherwise.
    pub usual: BTreeMap<&'static str, u64>,
    /// Done where `--repair` asks for it.
    pub asked_for: BTreeMap<&'static str, u64>,
    /// How many messages UM would refuse with every repair.
    pub refused: u64,
    /// These messages by every reason they have.
    pub reasons: BTreeMap<Code, u64>,
}

impl AtRisk {
    /// How many messages are at risk at all.
    pub fn total(&self) -> u64 {
        self.last_with_audio + self.loses_audio + self.last + self.deleted
    }

    /// Counts a message that was judged as it lies there, and tells whether it is at risk.
    fn add(&mut self, message: &Message) -> bool {
        let kind = message.header.as_ref().and_then(|part| part.header.message_type());
        let has_audio = kind == Some(MessageType::SmtpVoiceMail);
        let before = self.total();
        for finding in &message.findings {
            match finding.code {
                Code::ProcessedCountLast if has_audio => self.last_with_audio += 1,
                Code::ProcessedCountLast => self.last += 1,
                Code::ProcessedCountDemotes => self.loses_audio += 1,
                Code::ProcessedCountKills => self.deleted += 1,
                _ => {}
            }
        }
        self.total() > before
    }
}

impl Mending {
    fn add(&mut self, outlook: &Outlook) {
        for (counts, names) in [(&mut self.usual, &outlook.usual), (&mut self.asked_for, &outlook.asked_for)] {
            names.iter().for_each(|name| *counts.entry(name).or_default() += 1);
        }
        self.refused += u64::from(!outlook.refused.is_empty());
        outlook.refused.iter().for_each(|code| *self.reasons.entry(*code).or_default() += 1);
    }
}

impl Picture {
    /// Draws the picture of messages that were judged as they lie there, each with what a replay could do for it.
    ///
    /// `zone` tells the day of a message that has only a file's time; `sources` is how many sources were named.
    pub fn new<'a>(
        messages: impl IntoIterator<Item = (&'a Message, &'a Outlook)>,
        zone: &TimeZone,
        sources: usize,
    ) -> Self {
        let mut picture = Self::default();
        let mut copies = Copies::default();
        let mut people = HashMap::new();
        let mut has_copies = sources > 1;
        for (message, outlook) in messages {
            if message.state() == State::Internal {
                continue;
            }
            picture.messages += 1;
            let at_risk = picture.at_risk.add(message);
            match day(message, zone) {
                Some(day) => *picture.by_day.entry(day).or_default() += 1,
                None => picture.undated += 1,
            }
            match named(message) {
                Some((key, recipient)) => count(&mut people, key, recipient, at_risk),
                None => picture.recipients.unnamed += 1,
            }
            has_copies |= !message.copies.is_empty();
            let is_single = whole_copies(message) < 2;
            copies.single += u64::from(is_single);
            copies.single_at_risk += u64::from(is_single && at_risk);
            copies.several += u64::from(!is_single);
            picture.mending.add(outlook);
        }
        picture.copies = has_copies.then_some(copies);
        picture.recipients.count = people.len() as u64;
        picture.recipients.top = top(people);
        picture
    }

    /// Whether nothing is at risk and nothing to be mended.
    pub fn is_well(&self) -> bool {
        self.at_risk.total() == 0 && self.mending == Mending::default()
    }
}

/// The day of the call by the UM server's clock, else that on which the file was last changed.
fn day(message: &Message, zone: &TimeZone) -> Option<Date> {
    let sent = message.header.as_ref().and_then(|part| part.header.sent_time());
    sent.map(|time| time.date()).or_else(|| Some(zone.to_datetime(message.modified()?).date()))
}

/// What a recipient is known by, and who that is: the mailbox, else the address, else the name alone.
fn named(message: &Message) -> Option<(String, Recipient)> {
    let recipient = message.header.as_ref()?.header.recipient();
    let guid = recipient.object_guid.map(|guid| guid.to_string());
    // A kind before each, so that nobody's name is taken for another's address.
    let key = guid
        .map(|guid| format!("guid {guid}"))
        .or_else(|| recipient.address.as_ref().map(EmailAddress::key).map(|address| format!("address {address}")))
        .or_else(|| recipient.name.as_ref().map(|name| format!("name {name}")))?;
    Some((key, recipient))
}

fn count(people: &mut HashMap<String, RecipientCount>, key: String, recipient: Recipient, at_risk: bool) {
    let entry =
        people.entry(key).or_insert_with(|| RecipientCount { recipient: recipient.clone(), messages: 0, at_risk: 0 });
    entry.messages += 1;
    entry.at_risk += u64::from(at_risk);
    // Of several spellings always the same, in whatever order the messages come.
    if spelling(&recipient) < spelling(&entry.recipient) {
        entry.recipient = recipient;
    }
}

/// The lower, the better: with a name, with an address, then as they sort.
fn spelling(recipient: &Recipient) -> impl Ord + use<> {
    let address = recipient.address.as_ref().map(|address| address.as_str().to_owned());
    (recipient.name.is_none(), address.is_none(), recipient.name.clone(), address)
}

fn top(people: HashMap<String, RecipientCount>) -> Vec<RecipientCount> {
    let mut people: Vec<(String, RecipientCount)> = people.into_iter().collect();
    people.sort_by(|(one_key, one), (other_key, other)| {
        let rank = |person: &RecipientCount| (Reverse(person.messages), Reverse(person.at_risk));
        rank(one).cmp(&rank(other)).then_with(|| one_key.cmp(other_key))
    });
    people.into_iter().take(NAMED).map(|(_, person)| person).collect()
}

/// How many copies hold all of the message, the recording as it was taken included.
fn whole_copies(message: &Message) -> usize {
    let state = message.state();
    let lacks = |copy: State| matches!(copy, State::NoAudio | State::NoHeader | State::Unreadable) && copy != state;
    message.copies.iter().filter(|copy| !lacks(copy.state) && copy.audio_bytes == message.audio_bytes()).count()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::message::{Content, CopyOf, FileRef, Finding, Header, HeaderFile};

    struct Nothing;

    impl Content for Nothing {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(io::empty()))
        }
    }

    /// A message changed last just before midnight of New Year's Eve in UTC.
    fn message(header: &str) -> Message {
        let modified = Some("2016-12-31T23:30:00Z".parse::<Timestamp>().unwrap());
        let file = FileRef::new("x.txt".to_owned(), 1, modified, Arc::new(Nothing));
        Message {
            guid: None,
            stem: "x".to_owned(),
            label: "x.txt".to_owned(),
            header: Some(HeaderFile { file, header: Header::parse(header.as_bytes().to_vec()) }),
            audio: None,
            fax: None,
            message_file: None,
            health_check: false,
            findings: Vec::new(),
            copies: Vec::new(),
        }
    }

    fn with(header: &str, code: Code) -> Message {
        Message { findings: vec![Finding::new(code, "")], ..message(header) }
    }

    fn picture(messages: &[Message], sources: usize) -> Picture {
        let outlook = Outlook::default();
        Picture::new(messages.iter().map(|message| (message, &outlook)), &TimeZone::UTC, sources)
    }

    fn copy(state: State, audio_bytes: Option<u64>) -> CopyOf {
        CopyOf {
            label: String::new(),
            state,
            processed_count: None,
            modified: None,
            audio_bytes,
            gives_header: false,
            gives_audio: false,
        }
    }

    const VOICE: &str = "MessageType : SMTPVoiceMail\r\n";
    const MISSED: &str = "MessageType : MissedCall\r\n";

    #[test]
    fn what_the_next_pickup_takes_is_told_apart() {
        let picture = picture(
            &[
                with(VOICE, Code::ProcessedCountLast),
                with(VOICE, Code::ProcessedCountDemotes),
                with(MISSED, Code::ProcessedCountLast),
                with(VOICE, Code::ProcessedCountKills),
                with(MISSED, Code::ProcessedCountKills),
                with(VOICE, Code::Private),
                with("MessageType : CDR\r\n", Code::ProcessedCountKills),
            ],
            1,
        );
        assert_eq!(picture.at_risk, AtRisk { last_with_audio: 1, loses_audio: 1, last: 1, deleted: 2 });
        assert_eq!(picture.messages, 6);
        assert!(!picture.is_well());
    }

    #[test]
    fn a_day_is_that_of_the_call_else_of_the_file() {
        let sent = message("MessageType : MissedCall\r\nSentTime : 12/23/2016 23:59:59\r\n");
        let mut undated = message(MISSED);
        undated.header.as_mut().unwrap().file.modified = None;
        let messages = [sent, message(MISSED), undated];
        let outlook = Outlook::default();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let picture = Picture::new(messages.iter().map(|message| (message, &outlook)), &zone, 1);
        let days: Vec<String> = picture.by_day.keys().map(ToString::to_string).collect();
        assert_eq!(days, ["2016-12-23", "2017-01-01"]);
        assert_eq!(picture.undated, 1);
    }

    #[test]
    fn recipients_are_ranked_and_known_by_their_mailbox() {
        let to = |name: &str, address: &str| {
            message(&format!("{MISSED}RecipientName : {name}\r\nRecipientAddress : {address}\r\n"))
        };
        let mut messages: Vec<Message> = (0..12).map(|index| to("Same", &format!("{index:02}@example.com"))).collect();
        messages.push(to("Other", "11@EXAMPLE.com"));
        messages.push(message("MessageType : MissedCall\r\n"));
        let forward = picture(&messages, 1).recipients;
        assert_eq!((forward.count, forward.top.len(), forward.unnamed), (12, NAMED, 1));
        assert_eq!(forward.top[0].messages, 2);
        assert_eq!(forward.top[0].recipient.name.as_deref(), Some("Other"));
        messages.reverse();
        let backward = picture(&messages, 1).recipients;
        assert_eq!(serde_json::to_string(&forward).unwrap(), serde_json::to_string(&backward).unwrap());
    }

    #[test]
    fn a_copy_that_lacks_something_is_none() {
        let mut twice = message(MISSED);
        twice.copies = vec![copy(State::Complete, None), copy(State::Complete, None)];
        let mut half = with(MISSED, Code::ProcessedCountKills);
        half.copies = vec![copy(State::Complete, None), copy(State::NoHeader, None), copy(State::Complete, Some(9))];
        assert_eq!(picture(&[message(MISSED)], 1).copies, None);
        assert_eq!(picture(&[message(MISSED)], 2).copies.unwrap().single, 1);
        let copies = picture(&[message(MISSED), twice, half], 1).copies.unwrap();
        assert_eq!(copies, Copies { single: 2, single_at_risk: 1, several: 1 });
    }

    #[test]
    fn what_can_be_mended_is_counted_by_kind_and_reason() {
        let message = message(MISSED);
        let one = Outlook { usual: vec!["demoted"], asked_for: vec!["riff"], refused: [].into() };
        let other = Outlook { refused: [Code::NoHeader, Code::PagesMissing].into(), ..Outlook::default() };
        let picture = Picture::new([(&message, &one), (&message, &one), (&message, &other)], &TimeZone::UTC, 1);
        assert_eq!((picture.mending.usual["demoted"], picture.mending.asked_for["riff"]), (2, 2));
        assert_eq!((picture.mending.refused, picture.mending.reasons.len()), (1, 2));
    }
}
