//! Header files, read as UM reads them and written back byte for byte.
//!
//! A [`Header`] keeps the file's own bytes and remembers where each line's name and value lie, so that what is not
//! edited cannot change. What the values mean is left to [`super::fields`].

use std::borrow::Cow;
use std::ops::Range;

use thiserror::Error;

use super::encoding::{Charset, Encoding};
use super::fields;

/// Why a field cannot be given a value.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty or holds a space, a colon or a control character.
    #[error("{0:?} cannot be a field name: no spaces, colons or control characters")]
    Name(String),
    /// The value holds a line end or another control character.
    #[error("the value of {0} holds a control character, which would start a new line or be lost")]
    ControlCharacter(String),
    /// An empty value cannot be told from a missing field.
    #[error("the value of {0} is empty: leave the field out instead")]
    Empty(String),
    /// UM drops leading spaces and colons, so that the value would come out as another.
    #[error("the value of {0} begins with a space or a colon, which UM would drop")]
    LeadingSeparator(String),
    /// The file's encoding has no place for a character of the value.
    #[error("the value of {field} has a character that a header in {encoding} cannot hold")]
    Unencodable {
        /// The field to be set.
        field: String,
        /// The file's encoding.
        encoding: &'static str,
    },
    /// The file is torn, or its encoding would be taken for another, so that the edit would not take.
    #[error(
        "the value of {0} would not be read back: the header is cut off inside a character, or lacks a byte-order mark"
    )]
    NotReadBack(String),
}

/// One line: where its name, its value, and the line itself lie, line end included.
///
/// Hundreds of thousands of headers are in memory at once, so the places are 32 bits; no header is that long.
#[derive(Clone, Debug)]
struct Line {
    start: u32,
    name_end: u32,
    value_start: u32,
    value_end: u32,
    end: u32,
}

impl Line {
    fn name(&self) -> Range<usize> {
        self.start as usize..self.name_end as usize
    }

    fn value(&self) -> Range<usize> {
        self.value_start as usize..self.value_end as usize
    }

    fn whole(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    fn is_field(&self) -> bool {
        !self.name().is_empty() && !self.value().is_empty()
    }
}

/// A header file: its bytes, and its fields as UM reads them.
///
/// ```
/// use umreplay::message::Header;
/// let mut header = Header::parse(b"MessageType : MissedCall\r\nCallerId: 5001\r\n".to_vec());
/// assert_eq!(header.get("CallerId").as_deref(), Some("5001"));
/// header.set("CallerId", "+31612345678").unwrap();
/// assert_eq!(header.bytes(), b"MessageType : MissedCall\r\nCallerId: +31612345678\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct Header {
    bytes: Vec<u8>,
    encoding: Encoding,
    lines: Vec<Line>,
}

impl Header {
    /// Reads any bytes; what is no field stays in place, unread.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let encoding = Encoding::detect(&bytes);
        let lines = split_lines(&bytes, encoding);
        Self { bytes, encoding, lines }
    }

    /// The file's bytes, edits included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How the file is encoded.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The value that UM would use: the last one of that name, compared with case.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let line = self.lines.get(self.position(name)?)?;
        Some(self.text(line.value()))
    }

    /// Every field in file order, earlier duplicates included; lines without a name or a value are passed over.
    pub fn fields(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.lines.iter().filter(|line| line.is_field()).map(|line| (self.text(line.name()), self.text(line.value())))
    }

    /// Lines that UM skips although they are not blank, numbered from 1: those without a name or without a value.
    pub fn skipped_lines(&self) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
        let numbered = self.lines.iter().enumerate();
        let skipped = numbered.filter(|(_, line)| !line.is_field());
        skipped
            .map(|(index, line)| (index + 1, self.text(line.start as usize..line.value_end as usize)))
            .filter(|(_, text)| !text.trim().is_empty())
    }

    /// How often a field of that name stands in the file with a value.
    pub fn occurrences(&self, name: &str) -> usize {
        self.fields().filter(|(field, _)| field == name).count()
    }

    /// Gives a field a value, touching no byte outside the value's own.
    ///
    /// An existing field changes in place; a new one gets a line of its own, in UM's order, with the file's line end.
    ///
    /// # Errors
    /// A name or value that the file could not hold, or that UM would read back as another: see [`HeaderError`].
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        validate(name, value)?;
        let encoded = |text: &str| {
            let bytes = self.encoding.encode(text).map(Cow::into_owned);
            bytes.ok_or_else(|| HeaderError::Unencodable { field: name.to_owned(), encoding: self.encoding.name() })
        };
        let existing = self.position(name).or_else(|| self.empty_position(name));
        let (range, replacement) = match existing.and_then(|index| self.lines.get(index)) {
            Some(line) if !line.value().is_empty() => (line.value(), encoded(value)?),
            Some(line) => (line.name().end..line.value().end, encoded(&format!(" : {value}"))?),
            None => {
                let (at, text) = self.new_line(name, value);
                (at..at, encoded(&text)?)
            }
        };
        let edited = self.spliced(range, &replacement);
        if edited.encoding != self.encoding && !edited.bytes.is_ascii() {
            // The new bytes would make UM, or us, take the whole file for another encoding.
            return Err(HeaderError::Unencodable { field: name.to_owned(), encoding: self.encoding.name() });
        }
        if edited.get(name).as_deref() != Some(value) {
            return Err(HeaderError::NotReadBack(name.to_owned()));
        }
        *self = edited;
        Ok(())
    }

    /// Removes every line of that name, so that no earlier duplicate takes the place of the last; tells whether any was.
    ///
    /// # Errors
    /// The line was all that told the file's encoding, so that the rest would be read as something else.
    pub fn unset(&mut self, name: &str) -> Result<bool, HeaderError> {
        let mut edited = Cow::Borrowed(&*self);
        while let Some(index) = edited.position(name).or_else(|| edited.empty_position(name)) {
            let Some(line) = edited.lines.get(index) else {
                break;
            };
            edited = Cow::Owned(edited.spliced(line.whole(), &[]));
        }
        let Cow::Owned(edited) = edited else {
            return Ok(false);
        };
        let same_units = edited.encoding.unit() == self.encoding.unit() && edited.bytes.is_ascii();
        if edited.encoding != self.encoding && !same_units && !edited.bytes.is_empty() {
            return Err(HeaderError::NotReadBack(name.to_owned()));
        }
        *self = edited;
        Ok(true)
    }

    /// The same fields and lines as UM writes them: UTF-8 without a byte-order mark.
    pub fn to_utf8(&self) -> Self {
        let text = self.encoding.decode(self.bytes.get(self.encoding.mark_length()..).unwrap_or_default());
        Self::parse(text.into_owned().into_bytes())
    }

    fn text(&self, range: Range<usize>) -> Cow<'_, str> {
        self.encoding.decode(self.bytes.get(range).unwrap_or_default())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.lines.iter().rposition(|line| !line.value().is_empty() && self.is_named(line, name))
    }

    /// A line that has the name but no value, which UM skips.
    fn empty_position(&self, name: &str) -> Option<usize> {
        self.lines.iter().rposition(|line| line.value().is_empty() && self.is_named(line, name))
    }

    fn is_named(&self, line: &Line, name: &str) -> bool {
        !line.name().is_empty() && self.text(line.name()) == name
    }

    /// Where a new field goes, and its line: after the nearest field that UM writes before it, else at the end.
    fn new_line(&self, name: &str, value: &str) -> (usize, String) {
        let line_end = self.line_end();
        let rank = fields::rank(name);
        let before = self.lines.iter().rposition(|line| {
            rank.is_none_or(|rank| fields::rank(&self.text(line.name())).is_some_and(|other| other < rank))
        });
        match before.and_then(|index| self.lines.get(index)) {
            Some(line) if self.has_line_end(line) => (line.whole().end, format!("{name} : {value}{line_end}")),
            Some(line) => (line.whole().end, format!("{line_end}{name} : {value}")),
            None => (self.encoding.mark_length(), format!("{name} : {value}{line_end}")),
        }
    }

    fn has_line_end(&self, line: &Line) -> bool {
        let ending = self.text(line.whole());
        ending.ends_with(['\r', '\n'])
    }

    fn line_end(&self) -> &'static str {
        let first = self.lines.first().map(|line| self.text(line.whole()));
        match first.as_deref() {
            Some(text) if text.ends_with("\r\n") => "\r\n",
            Some(text) if text.ends_with('\n') => "\n",
            Some(text) if text.ends_with('\r') => "\r",
            _ => "\r\n",
        }
    }

    fn spliced(&self, range: Range<usize>, replacement: &[u8]) -> Self {
        let head = self.bytes.get(..range.start).unwrap_or_default();
        let tail = self.bytes.get(range.end..).unwrap_or_default();
        Self::parse([head, replacement, tail].concat())
    }
}

fn validate(name: &str, value: &str) -> Result<(), HeaderError> {
    let separator = |character: char| character == ' ' || character == ':';
    if name.is_empty() || name.contains(separator) || name.contains(char::is_control) {
        Err(HeaderError::Name(name.to_owned()))
    } else if value.is_empty() {
        Err(HeaderError::Empty(name.to_owned()))
    } else if value.contains(char::is_control) {
        Err(HeaderError::ControlCharacter(name.to_owned()))
    } else if value.starts_with(separator) {
        Err(HeaderError::LeadingSeparator(name.to_owned()))
    } else {
        Ok(())
    }
}

/// Cuts the bytes into lines as .NET's `StreamReader` does: at CR, LF and CRLF.
fn split_lines(bytes: &[u8], encoding: Encoding) -> Vec<Line> {
    const SPACE: u16 = 0x20;
    const COLON: u16 = 0x3A;
    const CR: u16 = 0x0D;
    const LF: u16 = 0x0A;

    let unit = encoding.unit();
    let at = |position: usize| -> Option<u16> {
        let first = u16::from(*bytes.get(position)?);
        match encoding.charset {
            Charset::Utf8 | Charset::Ansi => Some(first),
            Charset::Utf16Le => Some(first | u16::from(*bytes.get(position + 1)?) << 8),
            Charset::Utf16Be => Some(first << 8 | u16::from(*bytes.get(position + 1)?)),
        }
    };
    let scan = |mut position: usize, stop: &dyn Fn(u16) -> bool| {
        while at(position).is_some_and(|code| !stop(code)) {
            position += unit;
        }
        position
    };
    let separator = |code: u16| code == SPACE || code == COLON;
    let line_end = |code: u16| code == CR || code == LF;

    let mut lines = Vec::with_capacity(24);
    // A file of 4 GiB and more is no header: what lies beyond is not looked at.
    let place = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);
    let mut start = encoding.mark_length().min(bytes.len());
    while start < bytes.len().min(u32::MAX as usize) {
        let name_end = scan(start, &|code| separator(code) || line_end(code));
        let value_start = scan(name_end, &|code| !separator(code));
        let value_end = scan(value_start, &line_end);
        let mut end = value_end;
        match at(value_end) {
            Some(CR) if at(value_end + unit) == Some(LF) => end += 2 * unit,
            Some(_) => end += unit,
            // Half a UTF-16 unit at the very end belongs to the last line.
            None => end = bytes.len(),
        }
        lines.push(Line {
            start: place(start),
            name_end: place(name_end),
            value_start: place(value_start),
            value_end: place(value_end),
            end: place(end),
        });
        start = end;
    }
    lines.shrink_to_fit();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MISSED: &str = "MessageType : MissedCall\r\nCallerId : 612345678\r\nNDRRequired : False\r\nRecipientName : Test\r\n\
        RecipientAddress : test@example.com\r\nRecipientCulture : nl-NL\r\nImportant : False\r\n";

    fn header(text: &str) -> Header {
        Header::parse(text.as_bytes().to_vec())
    }

    fn value(text: &str, name: &str) -> Option<String> {
        header(text).get(name).map(Cow::into_owned)
    }

    #[test]
    fn a_line_is_cut_at_the_first_run_of_spaces_and_colons() {
        for line in ["CallId : a:b c ", "CallId: a:b c ", "CallId a:b c ", "CallId :: : a:b c "] {
            assert_eq!(value(line, "CallId").as_deref(), Some("a:b c "), "{line}");
        }
    }

    #[test]
    fn lines_without_name_or_value_are_skipped() {
        let header = header("CallId\r\nCallId : \r\n\r\n   \r\n : x\r\nA : b\r\n");
        assert_eq!(header.fields().count(), 1);
        let skipped: Vec<_> = header.skipped_lines().map(|(number, text)| (number, text.into_owned())).collect();
        assert_eq!(skipped, [(1, "CallId".into()), (2, "CallId : ".into()), (5, " : x".into())]);
    }

    #[test]
    fn the_last_duplicate_wins_and_names_have_case() {
        assert_eq!(value("A : 1\nA : 2\na : 3\nA : ", "A").as_deref(), Some("2"));
    }

    #[test]
    fn lone_carriage_returns_end_lines() {
        assert_eq!(value("A : 1\rB : 2", "B").as_deref(), Some("2"));
    }

    #[test]
    fn setting_changes_the_last_duplicate_only() {
        let mut header = header("A : 1\r\nA  :  2\r\n");
        header.set("A", "3").unwrap();
        assert_eq!(header.bytes(), b"A : 1\r\nA  :  3\r\n");
        assert!(header.unset("A").unwrap());
        assert_eq!(header.bytes(), b"");
    }

    #[test]
    fn a_new_field_takes_its_place_in_ums_order() {
        let mut header = header(MISSED);
        header.set("ProcessedCount", "0").unwrap();
        let text = String::from_utf8(header.bytes().to_vec()).unwrap();
        assert!(text.starts_with("MessageType : MissedCall\r\nProcessedCount : 0\r\nCallerId"), "{text}");
    }

    #[test]
    fn a_new_field_after_a_last_line_without_end_gets_a_line_of_its_own() {
        let mut header = header("MessageType : Fax\nX-Custom : 1");
        header.set("X-Other", "2").unwrap();
        assert_eq!(header.bytes(), b"MessageType : Fax\nX-Custom : 1\nX-Other : 2");
    }

    #[test]
    fn an_empty_field_is_filled_in_place() {
        for empty in ["Subject", "Subject:", "Subject : "] {
            let mut header = header(&format!("MessageType : Fax\r\n{empty}\r\nImportant : True\r\n"));
            header.set("Subject", "hello").unwrap();
            assert_eq!(header.bytes(), b"MessageType : Fax\r\nSubject : hello\r\nImportant : True\r\n");
        }
    }

    #[test]
    fn what_would_be_read_back_differently_is_refused() {
        let mut header = header(MISSED);
        for (name, value) in [
            ("Subject", "a\r\nRecipientAddress : evil@example.org"),
            ("Subject", ""),
            ("Subject", ": a"),
            ("Sub ject", "a"),
            ("", "a"),
        ] {
            assert!(header.set(name, value).is_err(), "{name} {value}");
        }
        assert_eq!(header.bytes(), MISSED.as_bytes());
    }

    #[test]
    fn every_encoding_is_edited_in_itself() {
        for big_endian in [false, true] {
            let encode = |text: &str| -> Vec<u8> {
                let order = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
                format!("\u{feff}{text}").encode_utf16().flat_map(order).collect()
            };
            let mut header = Header::parse(encode("CallerNAme : Zo\u{eb}\r\nCallId : 1\r\n"));
            assert_eq!(header.get("CallerNAme").as_deref(), Some("Zo\u{eb}"));
            header.set("CallerNAme", "\u{65e5}").unwrap();
            assert_eq!(header.bytes(), encode("CallerNAme : \u{65e5}\r\nCallId : 1\r\n"));
        }
        let mut ansi = Header::parse(b"CallerNAme : Zo\xEB\r\n".to_vec());
        assert!(ansi.set("CallerNAme", "\u{65e5}").is_err());
        assert_eq!(ansi.to_utf8().bytes(), "CallerNAme : Zo\u{eb}\r\n".as_bytes());
    }

    #[test]
    fn an_edit_that_would_not_take_is_refused() {
        let torn = b"\xFF\xFEA\0 \x001\0\x0D".to_vec();
        let unmarked: Vec<u8> = "CallerId : 1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, name, value) in [(torn, "B", "2"), (unmarked, "MessageType", "\u{4e2d}")] {
            let mut header = Header::parse(bytes.clone());
            assert_eq!(header.set(name, value), Err(HeaderError::NotReadBack(name.to_owned())));
            assert_eq!(header.bytes(), bytes);
        }
    }

    fn any_line() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-z]{1,8} : [a-z:é日 ]{0,12}",
            "[ :A-Za-z]{0,10}",
            Just("MessageType : SMTPVoiceMail".to_owned()),
            Just("CallId : 12:34".to_owned()),
        ]
    }

    fn any_file() -> impl Strategy<Value = String> {
        let line = (any_line(), prop_oneof![Just("\r\n"), Just("\n"), Just("\r")]);
        prop::collection::vec(line, 0..12)
            .prop_map(|lines| lines.into_iter().flat_map(|(text, end)| [text, end.to_owned()]).collect())
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_as_they_went_in(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let header = Header::parse(bytes.clone());
            let _ = header.fields().count();
            prop_assert_eq!(header.bytes(), bytes.as_slice());
        }

        #[test]
        fn an_edit_of_any_bytes_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut header = Header::parse(bytes);
            if header.set("Duration", "12").is_ok() {
                prop_assert!(header.get("Duration").is_some_and(|value| value == "12"));
            }
        }

        #[test]
        fn an_edit_changes_only_its_field(text in any_file(), value in "[a-z][a-z :]{0,9}") {
            let mut edited = header(&text);
            let others = |header: &Header| -> Vec<(String, String)> {
                header.fields().filter(|(name, _)| name != "CallId")
                    .map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
            };
            let before = others(&edited);
            edited.set("CallId", &value).unwrap();
            prop_assert_eq!(others(&edited), before);
            prop_assert!(edited.get("CallId").is_some_and(|read| read == value));
            let old = text.as_bytes();
            let new = edited.bytes();
            let shared_head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            let shared_tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
            let unexplained = old.len().saturating_sub(shared_head + shared_tail);
            let replaced = header(&text).get("CallId").map_or(3, |old| old.len());
            prop_assert!(unexplained <= replaced, "{unexplained} bytes of {text:?} changed");
        }
    }
}
