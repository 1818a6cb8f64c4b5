//! Which messages a command is to work on.
//!
//! [`Criteria`] is what was asked for, in words; [`Selection::new`] checks it once, and [`Selection::matches`] tells of
//! each message whether it was meant. What was asked for must hold all at once; of several values of one kind, one must.
//! [`find`] looks for a single message by name.

mod names;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use thiserror::Error;

use self::names::{Known, Name, Names};
pub use self::names::{find, ids_in};
use crate::message::{Header, Identity, Message, MessageType, State, fields};

/// Why messages cannot be selected as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SelectError {
    /// A pattern is malformed.
    #[error("{pattern:?} is not a pattern")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A value is none of those that exist.
    #[error("{value:?} is not a {what}: there are {known}")]
    Unknown {
        /// What the value should be.
        what: &'static str,
        /// The value as given.
        value: String,
        /// All that there are.
        known: String,
    },
    /// A time cannot be read.
    #[error("{0:?} is not a time: write it as 2016-12-23 or 2016-12-23T08:00")]
    Time(String),
    /// Nothing lies between the bounds.
    #[error("no message can be selected: {0}")]
    Bounds(&'static str),
    /// An empty text names no message.
    #[error("an empty text names no message")]
    EmptyId,
    /// No message has the name.
    #[error("no message is called {id:?}")]
    NotFound {
        /// The name as given.
        id: String,
    },
    /// Several messages have the name.
    #[error("{id:?} is the name of {count} messages: {candidates}")]
    Ambiguous {
        /// The name as given.
        id: String,
        /// How many messages have it.
        count: usize,
        /// The first of them, with their places.
        candidates: String,
    },
}

/// What was asked for; what is empty or `None` asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// GUIDs, or how they begin.
    pub guids: Vec<String>,
    /// Patterns on the recipient's name, address and GUID.
    pub recipients: Vec<String>,
    /// Patterns on the caller's number, names and address.
    pub callers: Vec<String>,
    /// Message types by name.
    pub types: Vec<String>,
    /// States by name.
    pub states: Vec<String>,
    /// Patterns on the culture's name.
    pub cultures: Vec<String>,
    /// First moment, as the UM server's clock showed it.
    pub since: Option<String>,
    /// Last moment; a day without time of day is meant whole.
    pub until: Option<String>,
    /// Fewest seconds of audio.
    pub min_duration: Option<f64>,
    /// Most seconds of audio.
    pub max_duration: Option<f64>,
    /// Most messages.
    pub limit: Option<usize>,
    /// Names of messages as a list has them, see [`ids_in`]; an empty list selects nothing.
    pub ids: Option<Vec<String>>,
}

/// A checked selection.
#[derive(Debug)]
pub struct Selection {
    guids: Option<Names>,
    ids: Option<Names>,
    recipients: Option<GlobSet>,
    callers: Option<GlobSet>,
    cultures: Option<GlobSet>,
    types: Vec<MessageType>,
    states: Vec<State>,
    since: Option<DateTime>,
    until: Option<DateTime>,
    min_duration: Option<f64>,
    max_duration: Option<f64>,
    limit: Option<usize>,
    zone: TimeZone,
}

impl Selection {
    /// Checks what was asked for; modification times are read in `zone`, the UM server's.
    ///
    /// # Errors
    /// A pattern, name, time or bound that makes no sense.
    pub fn new(criteria: &Criteria, zone: TimeZone) -> Result<Self, SelectError> {
        let Criteria { min_duration, max_duration, limit, .. } = *criteria;
        let since = criteria.since.as_deref().map(|text| parse_time(text, false)).transpose()?;
        let until = criteria.until.as_deref().map(|text| parse_time(text, true)).transpose()?;
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            return Err(SelectError::Bounds("the first time is after the last"));
        }
        if [min_duration, max_duration].into_iter().flatten().any(|seconds| !seconds.is_finite() || seconds < 0.0) {
            return Err(SelectError::Bounds("a duration is a number of seconds from 0"));
        }
        if min_duration.zip(max_duration).is_some_and(|(min, max)| min > max) {
            return Err(SelectError::Bounds("the least duration is above the most"));
        }
        let guids = (!criteria.guids.is_empty()).then(|| Names::new(&criteria.guids)).transpose()?;
        Ok(Self {
            guids,
            ids: criteria.ids.as_deref().map(Names::new).transpose()?,
            recipients: patterns(&criteria.recipients)?,
            callers: patterns(&criteria.callers)?,
            cultures: patterns(&criteria.cultures)?,
            types: known("message type", &criteria.types, &MessageType::ALL, MessageType::name)?,
            states: known("state", &criteria.states, &State::ALL, State::name)?,
            since,
            until,
            min_duration,
            max_duration,
            limit,
            zone,
        })
    }

    /// The most messages to take, of those that match.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Whether [`Self::matches`] needs to know identities, which takes reading all audio.
    pub fn needs_identity(&self) -> bool {
        self.ids.as_ref().is_some_and(Names::may_be_identities)
    }

    /// Whether a message was meant. Without its identity, it is known by GUID and file name only.
    pub fn matches(&self, message: &Message, identity: Option<&Identity>) -> bool {
        let header = message.header.as_ref().map(|part| &part.header);
        self.guids.as_ref().is_none_or(|names| names.are_of(message, None))
            && self.ids.as_ref().is_none_or(|names| names.are_of(message, identity))
            && (self.states.is_empty() || self.states.contains(&message.state()))
            && (self.types.is_empty() || self.matches_type(header))
            && matches_field(self.recipients.as_ref(), header, &recipient_names)
            && matches_field(self.callers.as_ref(), header, &caller_names)
            && matches_field(self.cultures.as_ref(), header, &|header| header.culture().into_iter().collect())
            && self.matches_duration(message)
            && self.matches_time(message)
    }

    /// The names in lists that are no message's, so that a slip of the pen is not taken for a message left out.
    pub fn unknown_ids<'a>(
        &self,
        messages: impl IntoIterator<Item = (&'a Message, Option<&'a Identity>)>,
    ) -> Vec<String> {
        let mut unknown: Vec<&Name> = [&self.guids, &self.ids].into_iter().flatten().flat_map(Names::all).collect();
        if unknown.is_empty() {
            return Vec::new();
        }
        let known = Known::of(messages);
        unknown.retain(|name| !known.has(name));
        unknown.into_iter().map(|name| name.text().to_owned()).collect()
    }

    fn matches_type(&self, header: Option<&Header>) -> bool {
        header.and_then(Header::message_type).is_some_and(|kind| self.types.contains(&kind))
    }

    /// Seconds as recorded, else as the header tells; a message without audio has none.
    fn matches_duration(&self, message: &Message) -> bool {
        if self.min_duration.is_none() && self.max_duration.is_none() {
            return true;
        }
        let recorded = message.audio.as_ref().and_then(|audio| audio.facts.as_ref()).map(|facts| facts.seconds);
        let told = || message.header.as_ref().and_then(|part| part.header.duration()).map(f64::from);
        recorded.or_else(told).is_some_and(|seconds| {
            self.min_duration.is_none_or(|min| seconds >= min) && self.max_duration.is_none_or(|max| seconds <= max)
        })
    }

    fn matches_time(&self, message: &Message) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let sent = message.header.as_ref().and_then(|part| part.header.sent_time());
        let modified = || message.modified().map(|time| self.zone.to_datetime(time));
        sent.or_else(modified).is_some_and(|time| {
            self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until)
        })
    }
}

fn matches_field(patterns: Option<&GlobSet>, header: Option<&Header>, values: &dyn Fn(&Header) -> Vec<String>) -> bool {
    let Some(patterns) = patterns else {
        return true;
    };
    header.is_some_and(|header| values(header).iter().any(|value| patterns.is_match(value.to_lowercase())))
}

/// The recipient's fields as written, so that malformed ones can be selected too, and the GUID as it should be.
fn recipient_names(header: &Header) -> Vec<String> {
    let mut names = values(header, &[fields::RECIPIENT_NAME, fields::RECIPIENT_ADDRESS, fields::RECIPIENT_OBJECT_GUID]);
    names.extend(header.recipient().object_guid.map(|guid| guid.to_string()));
    names
}

fn caller_names(header: &Header) -> Vec<String> {
    let all = [fields::CALLER_ID, fields::CALLER_NAME, fields::CALLER_ID_DISPLAY_NAME, fields::CALLER_ADDRESS];
    values(header, &all)
}

fn values(header: &Header, names: &[&str]) -> Vec<String> {
    names.iter().filter_map(|name| header.get(name)).map(|value| value.trim().to_owned()).collect()
}

fn patterns(texts: &[String]) -> Result<Option<GlobSet>, SelectError> {
    if texts.is_empty() {
        return Ok(None);
    }
    let refused = |pattern: &str, source| SelectError::Pattern { pattern: pattern.to_owned(), source };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        // Lower case on both sides, as globset ignores the case of ASCII letters only. A backslash escapes everywhere,
        // so that the same command does the same on Windows.
        let glob = GlobBuilder::new(&text.to_lowercase()).backslash_escape(true).build();
        set.add(glob.map_err(|error| refused(text, error))?);
    }
    set.build().map(Some).map_err(|error| refused(&texts.join(" "), error))
}

fn known<T: Copy>(
    what: &'static str,
    texts: &[String],
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Vec<T>, SelectError> {
    let find = |text: &String| all.iter().copied().find(|one| name(*one).eq_ignore_ascii_case(text));
    let unknown = |text: &String| SelectError::Unknown {
        what,
        value: text.clone(),
        known: all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", "),
    };
    texts.iter().map(|text| find(text).ok_or_else(|| unknown(text))).collect()
}

/// Reads a day, or a day and a time of day; a day is its first moment, or its last.
fn parse_time(text: &str, is_end: bool) -> Result<DateTime, SelectError> {
    let trimmed = text.trim();
    let unreadable = || SelectError::Time(text.to_owned());
    if trimmed.contains(['T', 't', ' ']) {
        return trimmed.parse().map_err(|_| unreadable());
    }
    let day: Date = trimmed.parse().map_err(|_| unreadable())?;
    let time = if is_end { jiff::civil::Time::MAX } else { jiff::civil::Time::MIN };
    Ok(day.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AudioFile, HeaderFile};
    use names::tests::{ONE, TWO, file, message};

    const VOICE: &str = "MessageType : SMTPVoiceMail\nSentTime : 12/23/2016 08:00:00\nCallerId : +31612345678\n\
        RecipientName : Zo\u{eb} Jansen\nRecipientAddress : Zoe@Example.COM\nCallerNAme : Piet\nRecipientCulture : nl-NL\nDuration : 12\n";

    fn voice() -> Message {
        let header = Header::parse(VOICE.as_bytes().to_vec());
        let audio = Some(AudioFile { file: file(), facts: None, sha256: None });
        Message { header: Some(HeaderFile { file: file(), header }), audio, ..message(ONE) }
    }

    fn selects(criteria: &Criteria) -> bool {
        Selection::new(criteria, TimeZone::UTC).unwrap().matches(&voice(), None)
    }

    fn list(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn nothing_asked_for_is_everything() {
        assert!(selects(&Criteria::default()));
        let bare = Selection::new(&Criteria::default(), TimeZone::UTC).unwrap();
        assert!(bare.matches(&message("x"), None));
        assert!(!bare.needs_identity());
    }

    #[test]
    fn patterns_have_no_case_and_cover_the_whole_value() {
        for (pattern, expected) in [
            ("zoe@example.com", true),
            ("*@EXAMPLE.com", true),
            ("zo\u{cb}*", true),
            ("example.com", false),
            ("*piet*", false),
        ] {
            assert_eq!(selects(&Criteria { recipients: list(pattern), ..Criteria::default() }), expected, "{pattern}");
        }
        for (pattern, expected) in [("+31*", true), ("piet", true), ("5001", false), ("{5001,piet}", true)] {
            assert_eq!(selects(&Criteria { callers: list(pattern), ..Criteria::default() }), expected, "{pattern}");
        }
        assert!(selects(&Criteria { cultures: list("NL-nl"), ..Criteria::default() }));
        assert!(!selects(&Criteria { cultures: list("nl"), ..Criteria::default() }));
    }

    #[test]
    fn a_malformed_recipient_can_be_selected() {
        let text = format!("RecipientAddress : not an address\nRecipientObjectGuid : {{{}}}", ONE.to_uppercase());
        let header = Header::parse(text.into_bytes());
        let message = Message { header: Some(HeaderFile { file: file(), header }), ..message(TWO) };
        for pattern in ["not an*", ONE] {
            let criteria = Criteria { recipients: list(pattern), ..Criteria::default() };
            assert!(Selection::new(&criteria, TimeZone::UTC).unwrap().matches(&message, None), "{pattern}");
        }
    }

    #[test]
    fn all_that_is_asked_for_must_hold() {
        let wanted = Criteria { types: list("smtpvoicemail"), states: list("complete"), ..Criteria::default() };
        assert!(selects(&wanted));
        assert!(!selects(&Criteria { callers: list("5001"), ..wanted.clone() }));
        assert!(selects(&Criteria { types: vec!["Fax".to_owned(), "SMTPVoiceMail".to_owned()], ..wanted.clone() }));
        assert!(!selects(&Criteria { states: list("no_audio"), ..wanted }));
    }

    #[test]
    fn days_are_meant_whole() {
        let between = |since: &str, until: &str| Criteria {
            since: Some(since.to_owned()),
            until: Some(until.to_owned()),
            ..Criteria::default()
        };
        assert!(selects(&between("2016-12-23", "2016-12-23")));
        assert!(selects(&between("2016-12-23T08:00", "2016-12-23 08:00:00")));
        assert!(!selects(&between("2016-12-23T08:01", "2016-12-24")));
        assert!(!selects(&between("2016-12-01", "2016-12-23T07:59")));
    }

    #[test]
    fn without_a_sent_time_the_modification_time_counts_in_the_servers_zone() {
        let mut file = file();
        file.modified = Some("2016-12-23T23:30:00Z".parse().unwrap());
        let message = Message { audio: Some(AudioFile { file, facts: None, sha256: None }), ..message(ONE) };
        let criteria = Criteria { since: Some("2016-12-24".to_owned()), ..Criteria::default() };
        let ahead = TimeZone::fixed(jiff::tz::offset(1));
        assert!(Selection::new(&criteria, ahead).unwrap().matches(&message, None));
        assert!(!Selection::new(&criteria, TimeZone::UTC).unwrap().matches(&message, None));
    }

    #[test]
    fn durations_bound_messages_that_have_one() {
        let within = |min, max| Criteria { min_duration: min, max_duration: max, ..Criteria::default() };
        assert!(selects(&within(Some(12.0), Some(12.0))));
        assert!(!selects(&within(Some(12.5), None)));
        assert!(!selects(&within(None, Some(11.9))));
        let selection = Selection::new(&within(None, Some(60.0)), TimeZone::UTC).unwrap();
        assert!(!selection.matches(&message(ONE), None));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |criteria: Criteria| Selection::new(&criteria, TimeZone::UTC).unwrap_err().to_string();
        assert!(refused(Criteria { recipients: list("[a"), ..Criteria::default() }).contains("[a"));
        assert!(
            refused(Criteria { types: list("Voice"), ..Criteria::default() }).contains("SMTPVoiceMail, MissedCall")
        );
        assert!(refused(Criteria { states: list("lost"), ..Criteria::default() }).contains("no_audio"));
        let since = Some("23-12-2016".to_owned());
        assert!(refused(Criteria { since, ..Criteria::default() }).contains("23-12-2016"));
        assert!(refused(Criteria { guids: list(" "), ..Criteria::default() }).contains("empty"));
        let criteria = Criteria { min_duration: Some(2.0), max_duration: Some(1.0), ..Criteria::default() };
        assert!(refused(criteria).contains("duration"));
    }

    #[test]
    fn lists_name_messages_by_guid_beginning_identity_and_file() {
        let identity: Identity = "00112233445566778899aabbccddeeff".parse().unwrap();
        for (id, expected) in [
            (ONE.to_uppercase(), true),
            (format!("{{{ONE}}}"), true),
            (ONE.replace('-', ""), true),
            ("46ffee82-4eb0".to_owned(), true),
            (TWO.to_owned(), false),
            (identity.to_string(), true),
            ("001122".to_owned(), true),
            ("112233".to_owned(), false),
        ] {
            let criteria = Criteria { ids: Some(vec!["holiday".to_owned(), id.clone()]), ..Criteria::default() };
            let selection = Selection::new(&criteria, TimeZone::UTC).unwrap();
            // Only a GUID has hyphens, and to know that one no audio needs to be read.
            assert_eq!(selection.needs_identity(), !id.contains('-'), "{id}");
            assert_eq!(selection.matches(&message(ONE), Some(&identity)), expected, "{id}");
            assert!(selection.matches(&message("Holiday"), None));
        }
        assert!(!selects(&Criteria { ids: Some(Vec::new()), ..Criteria::default() }));
    }

    #[test]
    fn names_of_no_message_are_told() {
        let ids = [ONE, "46ff", "dead", "holiday", "Party"].map(str::to_owned).to_vec();
        let criteria = Criteria { ids: Some(ids), guids: list(TWO), ..Criteria::default() };
        let selection = Selection::new(&criteria, TimeZone::UTC).unwrap();
        let messages = [message(ONE), message("party")];
        let unknown = selection.unknown_ids(messages.iter().map(|message| (message, None)));
        assert_eq!(unknown, [TWO, "dead", "holiday"]);
    }
}
