//! The rules, by topic: each takes a header of a message that is somebody's, and adds what it finds.

pub(super) mod attachment;
pub(super) mod audio;
pub(super) mod culture;
pub(super) mod file;
pub(super) mod kind;
pub(super) mod lifecycle;
pub(super) mod recipient;
pub(super) mod values;
pub(super) mod voice;

use std::borrow::Cow;

use super::CheckOptions;
use crate::message::{Charset, Code, Finding, Header, Message, MessageType, fields, similar};

/// When a header is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// As it lies in its source.
    AtRest,
    /// As it would be injected.
    Pickup,
}

/// What a rule judges.
pub(super) struct Subject<'a> {
    /// The message whose files count.
    pub(super) message: &'a Message,
    /// The header to judge, which may be an edited one.
    pub(super) header: &'a Header,
    /// The header's type, `None` where UM would not know it.
    pub(super) kind: Option<MessageType>,
    /// Whether the message lies where it was found or is about to be injected.
    pub(super) moment: Moment,
    /// What is known beside the message.
    pub(super) options: &'a CheckOptions<'a>,
}

pub(super) type Rule = fn(&Subject<'_>, &mut Vec<Finding>);

/// Every rule for headers of messages that are somebody's.
pub(super) const ALL: &[Rule] = &[
    file::encoding,
    file::duplicates,
    file::skipped_lines,
    kind::message_type,
    kind::demoted,
    recipient::recipient,
    recipient::dialect,
    recipient::sender,
    culture::culture,
    lifecycle::processed_count,
    lifecycle::sent_time,
    voice::duration,
    voice::codec,
    attachment::path,
    attachment::file,
    attachment::pages,
    attachment::message_file,
    values::booleans,
    values::remarkable,
    audio::of_header,
];

impl Subject<'_> {
    /// The value that UM would use.
    fn get(&self, field: &str) -> Option<Cow<'_, str>> {
        self.header.get(field)
    }

    fn is(&self, kinds: &[MessageType]) -> bool {
        self.kind.is_some_and(|kind| kinds.contains(&kind))
    }

    fn carries_audio(&self) -> bool {
        self.kind.is_some_and(MessageType::carries_audio)
    }

    /// Whether `Duration` says that there is no recording; UM then looks at no WAV.
    fn is_silent(&self) -> bool {
        self.header.duration().is_some_and(|seconds| seconds <= 0)
    }

    /// Whether UM reads this value's letters wrongly because the header is stored in ANSI.
    fn is_garbled(&self, value: &str) -> bool {
        self.header.encoding().charset == Charset::Ansi && !value.is_ascii()
    }

    /// A finding of a missing field, which tells of a misspelled name that may be meant for it.
    fn missing(&self, code: Code, field: &'static str) -> Finding {
        let hint = match self.misspelling_of(field) {
            Some(name) => format!("; {} is there, but UM knows only the exact name", quoted(&name)),
            None => String::new(),
        };
        Finding::field(code, field, format!("{field} is missing{hint}"))
    }

    fn misspelling_of(&self, field: &str) -> Option<String> {
        let wanted = field.to_lowercase();
        let slips = if field.len() > 5 { 2 } else { 1 };
        // A stranger's header may hold a hundred thousand fields; UM's own ones stay below 40.
        let mut names = self.header.fields().take(200).map(|(name, _)| name.into_owned());
        names
            .find(|name| fields::rank(name).is_none() && similar::edit_distance(&name.to_lowercase(), &wanted) <= slips)
    }
}

/// A stranger's value in quotes: cut at 60 characters, and with nothing in it that a terminal would obey.
pub(super) fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    let mut text = String::from("\"");
    for character in value.chars().take(LONGEST) {
        // Beside control characters, those that turn the direction of text or cannot be seen.
        let invisible = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || invisible {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    if value.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text.push('"');
    text
}

/// `; did you mean X or Y?`, or nothing.
fn suggestion(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_values_cannot_reach_a_terminal() {
        assert_eq!(quoted("a\u{1b}[2J\u{202e}\0"), r#""a\u{1b}[2J\u{202e}\u{0}""#);
        assert_eq!(quoted(r"C:\voicemail"), r#""C:\voicemail""#);
        assert_eq!(quoted(&"é".repeat(61)).chars().count(), 63);
    }
}
