//! The header file as a file: its encoding, fields that occur twice, lines that are no fields.

use std::collections::HashMap;

use super::{Subject, quoted};
use crate::message::{Charset, Code, Finding, fields};

/// UM reads UTF-8, and UTF-16 with its mark; anything else it reads as broken UTF-8.
pub(in crate::check) fn encoding(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let encoding = subject.header.encoding();
    let name = encoding.name();
    let (code, message) = match encoding.charset {
        Charset::Utf8 if !encoding.byte_order_mark => return,
        Charset::Ansi => (Code::EncodingAnsi, format!("the header is stored in {name}: {}", lost_letters(subject))),
        Charset::Utf16Le | Charset::Utf16Be if !encoding.byte_order_mark => {
            (Code::EncodingUtf16Bare, format!("the header is {name}: UM finds no field in it"))
        }
        _ => (Code::EncodingUnusual, format!("the header is {name}; UM writes UTF-8 without BOM, but reads this too")),
    };
    findings.push(Finding::new(code, message));
}

fn lost_letters(subject: &Subject<'_>) -> String {
    let garbled = subject.header.fields().filter(|(_, value)| !value.is_ascii());
    let known: Vec<_> = garbled.map(|(name, _)| name).filter(|name| fields::rank(name).is_some()).take(4).collect();
    match known.as_slice() {
        [] => "UM loses its letters beyond ASCII".to_owned(),
        names => format!("UM loses letters of {}", names.join(", ")),
    }
}

/// Of a name that occurs twice the last counts; which one was meant, nobody knows.
pub(in crate::check) fn duplicates(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let mut values: HashMap<_, Vec<_>> = HashMap::new();
    for (name, value) in subject.header.fields() {
        values.entry(name).or_default().push(value);
    }
    values.retain(|_, values| values.windows(2).any(|pair| pair.first() != pair.last()));
    for field in fields::ORDER {
        if let Some(values) = values.remove(*field) {
            let last = values.last().map_or_else(String::new, |value| quoted(value));
            let message = format!("{field} stands {} times with different values; {last} counts", values.len());
            findings.push(Finding::field(Code::DuplicateField, *field, message));
        }
    }
    // Custom fields share one finding: a stranger's header may hold any number of them.
    if let Some(name) = values.keys().min() {
        let others = if values.len() > 1 { format!(" (and {} more)", values.len() - 1) } else { String::new() };
        let message = format!("the custom field {}{others} has different values; the last counts", quoted(name));
        findings.push(Finding::new(Code::DuplicateField, message));
    }
}

/// Lines that UM passes over, all in one finding.
pub(in crate::check) fn skipped_lines(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let mut skipped = subject.header.skipped_lines();
    let Some((number, text)) = skipped.next() else {
        return;
    };
    let others = match skipped.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("UM skips line {number} ({}){others}: no name or no value", quoted(&text));
    findings.push(Finding::new(Code::LineSkipped, message));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{MISSED, VOICE, codes, message, with};
    use crate::check::{CheckOptions, at_rest};

    fn found(bytes: impl AsRef<[u8]>) -> Vec<Finding> {
        at_rest(&message(bytes), &CheckOptions::default())
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn encodings_are_told_by_what_um_makes_of_them() {
        assert_eq!(found(MISSED), []);
        let named = |name: &str| with(MISSED, "RecipientName", Some(name));
        assert_eq!(found(named("Zoë")), []);
        assert_eq!(codes(&found(format!("\u{feff}{MISSED}"))), [Code::EncodingUnusual]);
        assert_eq!(codes(&found(utf16(&format!("\u{feff}{MISSED}")))), [Code::EncodingUnusual]);
        assert_eq!(codes(&found(utf16(MISSED))), [Code::EncodingUtf16Bare]);
        let ansi: Vec<u8> = named("Zoë ").chars().map(|letter| letter as u8).collect();
        let findings = found(ansi);
        assert_eq!(codes(&findings), [Code::EncodingAnsi]);
        assert!(findings[0].message.contains("RecipientName"), "{findings:?}");
    }

    #[test]
    fn duplicates_matter_where_they_differ() {
        assert_eq!(found(format!("{MISSED}CallId : 7066890-a00e70a\r\n")), []);
        let findings = found(format!("{MISSED}RecipientAddress : other@example.com\r\n"));
        assert_eq!(codes(&findings), [Code::DuplicateField]);
        assert_eq!(findings[0].field.as_deref(), Some("RecipientAddress"));
        assert!(findings[0].message.contains("\"other@example.com\" counts"), "{findings:?}");
        let findings = found(format!("{MISSED}B : 1\r\nB : 2\r\nA : 1\r\nA : 2\r\nA : 1\r\n"));
        assert_eq!(codes(&findings), [Code::DuplicateField]);
        assert!(findings[0].message.contains("\"A\" (and 1 more)"), "{findings:?}");
    }

    #[test]
    fn the_last_duplicate_is_the_one_that_is_judged() {
        let findings = found(format!("{MISSED}RecipientCulture : xx-XX\r\n"));
        assert_eq!(codes(&findings), [Code::CultureUnknown, Code::DuplicateField]);
        let findings = found(format!("RecipientCulture : xx-XX\r\n{MISSED}"));
        assert_eq!(codes(&findings), [Code::DuplicateField]);
    }

    #[test]
    fn skipped_lines_share_one_finding() {
        let findings = found(format!("{MISSED}\r\nhello\r\n : x\r\nSubject : \r\n"));
        assert_eq!(codes(&findings), [Code::LineSkipped]);
        let start = "UM skips line 10 (\"hello\") and 2 more";
        assert!(findings[0].message.starts_with(start), "{findings:?}");
        assert_eq!(found(format!("{VOICE}\r\n  \r\n")).iter().filter(|f| f.code == Code::LineSkipped).count(), 0);
    }
}
