//! Strangers' text in mail headers: made harmless, then encoded so that no reader can take it for anything else.
//!
//! lettre's own encoder is not used for these values: it passes control characters and `=?` through, which some readers
//! decode even inside quotes, and it does not break words longer than a line.

use std::fmt::Write;

use lettre::message::header::{HeaderName, HeaderValue};

/// The most characters of a stranger's text that a header or a body line shows.
pub(super) const LIMIT: usize = 255;

/// RFC 2047's longest encoded word, and its longest line with one.
const WORD: usize = 75;
const LINE: usize = 76;
const WORD_START: &str = "=?utf-8?Q?";
const WORD_END: &str = "?=";

/// Makes strangers' text one harmless line of at most `limit` characters.
///
/// Line ends and runs of white space become one space. Control characters go, and so do the invisible ones that reorder
/// or hide text: a name must not be able to pass for another by them.
pub(in crate::sink) fn clean(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter_map(|character| match character {
            space if space.is_whitespace() => Some(' '),
            hidden if hidden.is_control() || is_invisible(hidden) => None,
            other => Some(other),
        })
        .collect();
    let words: Vec<&str> = visible.split(' ').filter(|word| !word.is_empty()).collect();
    let short: String = words.join(" ").chars().take(limit).collect();
    short.trim_end().to_owned()
}

/// Marks and overrides of writing direction, and characters without width. Joiners stay: names in Arabic and Indian
/// scripts need them.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Escapes text for HTML, between tags and in quoted attributes.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A header of free text, folded or in encoded words (RFC 2047); `value` must be [`clean`].
pub(super) fn unstructured(name: &'static str, value: &str) -> HeaderValue {
    let used = name.len() + 2;
    let encoded = if is_plain(value) { fold(value, used) } else { encoded_words(value, used) };
    ready(name, value, encoded)
}

/// A header that holds one mailbox, with a display name where there is one; `display_name` must be [`clean`].
pub(super) fn mailbox(name: &'static str, display_name: Option<&str>, address: &str) -> HeaderValue {
    let used = name.len() + 2;
    let phrase = match display_name {
        None => return ready(name, address, address.to_owned()),
        Some(words) if is_plain(words) => quoted(words),
        Some(words) => encoded_words(words, used),
    };
    // Folded before the address where need be, so that a long name and a long address both stay below 998 octets.
    let last_line = phrase.rsplit_once("\r\n").map_or(used + phrase.len(), |(_, line)| line.len());
    let fold = if last_line + address.len() + 3 > LINE { "\r\n" } else { "" };
    ready(name, address, format!("{phrase}{fold} <{address}>"))
}

/// A header whose value is made here, of printable ASCII in short lines.
pub(super) fn ready(name: &'static str, raw: &str, encoded: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), raw.to_owned(), encoded)
}

/// Whether every reader takes the text as it stands.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains("=?")
}

/// Breaks lines before words; [`LIMIT`] keeps a single word below 998 octets.
fn fold(value: &str, mut used: usize) -> String {
    let mut folded = String::with_capacity(value.len() + 8);
    for (position, word) in value.split(' ').enumerate() {
        let first = position == 0;
        if !first && used + 1 + word.len() > LINE {
            folded.push_str("\r\n");
            used = 0;
        }
        if !first {
            folded.push(' ');
            used += 1;
        }
        folded.push_str(word);
        used += word.len();
    }
    folded
}

fn quoted(words: &str) -> String {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'+' | b'-');
    if words.bytes().all(simple) {
        return words.to_owned();
    }
    let escaped = words.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// Encoded words, each of whole characters, with only those octets left bare that may stand bare in a display name.
fn encoded_words(text: &str, used: usize) -> String {
    let mut encoded = String::new();
    let mut room = LINE.saturating_sub(used).min(WORD);
    let mut word = String::from(WORD_START);
    for character in text.chars() {
        let piece = encoded_character(character);
        if word.len() + piece.len() + WORD_END.len() > room && word.len() > WORD_START.len() {
            encoded.push_str(&word);
            encoded.push_str(WORD_END);
            encoded.push_str("\r\n ");
            word.truncate(WORD_START.len());
            room = WORD;
        }
        word.push_str(&piece);
    }
    encoded.push_str(&word);
    encoded.push_str(WORD_END);
    encoded
}

fn encoded_character(character: char) -> String {
    if character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '/' | '!' | '*') {
        return character.to_string();
    }
    if character == ' ' {
        return "_".to_owned();
    }
    let mut buffer = [0; 4];
    let mut piece = String::with_capacity(12);
    for byte in character.encode_utf8(&mut buffer).bytes() {
        // Writing to a string cannot fail.
        let _ = write!(piece, "={byte:02X}");
    }
    piece
}

#[cfg(test)]
mod tests {
    use lettre::message::header::Headers;
    use mail_parser::MessageParser;
    use proptest::prelude::*;

    use super::*;

    fn written(value: HeaderValue) -> String {
        let mut headers = Headers::new();
        headers.insert_raw(value);
        headers.to_string()
    }

    #[test]
    fn text_becomes_one_harmless_line() {
        assert_eq!(clean(" a\r\nBcc:\tb\u{2028}c\u{85}d  ", 99), "a Bcc: b c d");
        assert_eq!(clean("Jan\u{202e}gpj\u{200f}\u{0}\u{1b}[2J\u{feff}", 99), "Jangpj[2J");
        assert_eq!(clean("می\u{200c}خواهم", 99), "می\u{200c}خواهم");
        assert_eq!(clean("ab cd", 3), "ab");
        assert_eq!(clean("\u{0}\r\n", 9), "");
    }

    #[test]
    fn plain_text_stays_readable() {
        assert_eq!(written(unstructured("Subject", "Voice Mail (23 seconds)")), "Subject: Voice Mail (23 seconds)\r\n");
        assert_eq!(written(mailbox("To", None, "a@b.example")), "To: a@b.example\r\n");
        assert_eq!(written(mailbox("To", Some("+31612345678"), "a@b.example")), "To: +31612345678 <a@b.example>\r\n");
        assert_eq!(
            written(mailbox("To", Some("O\"Neil, <x@y>"), "a@b.example")),
            "To: \"O\\\"Neil, <x@y>\" <a@b.example>\r\n"
        );
    }

    #[test]
    fn what_looks_encoded_is_encoded() {
        let header = written(unstructured("Subject", "=?utf-8?q?a=0D=0ABcc:_b?="));
        assert!(header.starts_with("Subject: =?utf-8?Q?=3D=3Futf-8=3Fq=3F"), "{header}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_in_short_lines(text in "\\PC{0,300}|[a-z =?\"\\\\]{0,300}|[éß日𝄞 ]{0,300}|a{250,300}") {
            let cleaned = clean(&text, LIMIT);
            prop_assume!(!cleaned.is_empty());
            let mail = written(unstructured("Subject", &cleaned)) + &written(mailbox("To", Some(&cleaned), "a@b.example"));
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            prop_assert!(mail.is_ascii());
            let mail = mail + "\r\n";
            let parsed = MessageParser::default().parse(mail.as_bytes()).unwrap();
            prop_assert_eq!(parsed.headers().len(), 2);
            prop_assert_eq!(parsed.subject(), Some(cleaned.as_str()));
            let to = parsed.to().and_then(|to| to.first()).unwrap();
            prop_assert_eq!(to.name(), Some(cleaned.as_str()));
            prop_assert_eq!(to.address(), Some("a@b.example"));
        }
    }
}
