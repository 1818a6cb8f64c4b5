//! The two things that are read out of XML in header fields: a transcript's text, and whether a call was missed.
//!
//! A scanner, not a parser: what the fields hold comes from a queue that may be damaged, entities are never expanded
//! beyond the five of XML and character numbers, and nothing is fetched.

use std::borrow::Cow;

/// A piece of XML text in document order.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    /// A start tag: local name, the rest of the tag, and whether it is also the end tag.
    Start { name: &'a str, attributes: &'a str, empty: bool },
    /// An end tag's local name.
    End(&'a str),
    /// Character data.
    Text(Cow<'a, str>),
}

/// Walks over the pieces; an unfinished tag ends the walk.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(xml: &'a str) -> Self {
        Self { rest: xml }
    }

    /// Takes everything before `end`, and drops `end` itself.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    /// Takes a tag's inside; a `>` in quotes does not end it.
    fn tag(&mut self) -> Option<&'a str> {
        let mut quote = None;
        for (position, character) in self.rest.char_indices() {
            match (quote, character) {
                (None, '>') => {
                    let inside = self.rest.get(..position)?;
                    self.rest = self.rest.get(position + 1..)?;
                    return Some(inside);
                }
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), close) if open == close => quote = None,
                _ => {}
            }
        }
        None
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            } else if let Some(rest) = self.rest.strip_prefix("<!--") {
                self.rest = rest;
                self.until("-->")?;
            } else if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                self.rest = rest;
                return self.until("]]>").map(|text| Piece::Text(Cow::Borrowed(text)));
            } else if let Some(rest) = self.rest.strip_prefix('<') {
                self.rest = rest;
                match self.tag()? {
                    tag if tag.starts_with(['?', '!']) => {}
                    tag => return Some(read_tag(tag)),
                }
            } else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                return Some(Piece::Text(decode(text)));
            }
        }
    }
}

fn read_tag(tag: &str) -> Piece<'_> {
    if let Some(name) = tag.strip_prefix('/') {
        return Piece::End(local(name.trim()));
    }
    let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
    let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    Piece::Start { name: local(name), attributes, empty }
}

/// A name without its namespace prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let entity = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        match entity {
            Some((character, after)) => {
                decoded.push(character);
                rest = after;
            }
            None => {
                decoded.push('&');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// The words of a `TranscriptionData`, `None` where it has none.
///
/// UM puts each word into an element of its own; `Information` and `ErrorInformation` hold its remarks about the
/// recogniser, which are not the caller's words.
pub(super) fn transcript(xml: &str) -> Option<String> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    let mut remark: Option<&str> = None;
    for piece in Pieces::of(xml) {
        match piece {
            Piece::Start { name: name @ ("Information" | "ErrorInformation"), empty: false, .. } => {
                remark.get_or_insert(name);
            }
            Piece::End(name) if remark == Some(name) => remark = None,
            Piece::Text(text) if remark.is_none() && !text.trim().is_empty() => words.push(text),
            _ => {}
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// Whether an `OCSNotificationData` tells of a missed call: by an element's name, its text, or an attribute's value.
pub(super) fn is_missed_call(xml: &str) -> bool {
    Pieces::of(xml).any(|piece| match piece {
        Piece::Start { name, attributes, .. } => says_missed_call(name) || values(attributes).any(says_missed_call),
        Piece::Text(text) => says_missed_call(&text),
        Piece::End(_) => false,
    })
}

/// The quoted values of a tag's attributes.
fn values(attributes: &str) -> impl Iterator<Item = &str> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        let start = rest.find(['"', '\''])?;
        let quote = rest.get(start..)?.chars().next()?;
        let (value, after) = rest.get(start + 1..)?.split_once(quote)?;
        rest = after;
        Some(value)
    })
}

/// Compares whole words, so that neither `dismissed` nor a caller called `Missed Calls Ltd` counts.
fn says_missed_call(text: &str) -> bool {
    let letters: String = text.chars().filter(|character| character.is_alphanumeric()).collect();
    ["missed", "missedcall"].iter().any(|word| letters.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_transcript_is_the_callers_words_alone() {
        let xml = "<?xml version=\"1.0\"?><evm:ASR lang=\"en-US\" c=\"0.6 > 0.5\"><!-- a > b --><Information lang=\"x\">By \
            <b>Speech</b></Information><Text id=\"T0\">Hi</Text><Break wt=\"high\"/><Feature><Text>Jan &amp; \
            Co&#x2E;</Text></Feature><![CDATA[<b>]]></evm:ASR>";
        assert_eq!(transcript(xml).as_deref(), Some("Hi Jan & Co. <b>"));
    }

    #[test]
    fn a_transcript_without_words_is_none() {
        for xml in ["", "<ASR/>", "<ASR><Information>x</Information></ASR>", "<ASR> <Break/> </ASR>", "<"] {
            assert_eq!(transcript(xml), None, "{xml}");
        }
        assert_eq!(transcript("call me &bogus; &#xD800;").as_deref(), Some("call me &bogus; &#xD800;"));
        assert_eq!(transcript("<Information/><Text>a</Text>").as_deref(), Some("a"));
    }

    #[test]
    fn missed_calls_are_told_by_name_text_or_attribute() {
        for xml in [
            "<UserNotification><Event type=\"missed\"/></UserNotification>",
            "<n:Event kind='Missed Call' />",
            "<Event>MissedCall</Event>",
            "<MissedCall from=\"sip:a@x.example\"></MissedCall>",
        ] {
            assert!(is_missed_call(xml), "{xml}");
        }
        for xml in [
            "",
            "<Event type=\"answered\"/>",
            "<Event type=\"dismissed\"/>",
            "<Event missed=\"False\"/>",
            "<Event type=\"missed",
        ] {
            assert!(!is_missed_call(xml), "{xml}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_the_walk(text in "[<>/!?\\[\\]CDATA&;#x\"'a\\- é]{0,80}") {
            let _ = transcript(&text);
            let _ = is_missed_call(&text);
        }
    }
}
