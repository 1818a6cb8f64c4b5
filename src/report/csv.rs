//! The same rows as CSV, safe to open in a spreadsheet.

use std::io::{self, Write};

use super::json::{MessageRow, ResultRow};
use crate::fsx;

/// The columns of a message's row.
pub const MESSAGE_COLUMNS: &[&str] = &[
    "guid",
    "id",
    "source",
    "state",
    "message_type",
    "dialect",
    "recipient_name",
    "recipient_address",
    "recipient_object_guid",
    "culture",
    "caller_number",
    "caller_name",
    "caller_address",
    "call_id",
    "sent",
    "duration",
    "processed_count",
    "audio_source",
    "audio_bytes",
    "audio_seconds",
    "audio_codec",
    "audio_sha256",
    "findings",
];

/// The columns of a result's row.
pub const RESULT_COLUMNS: &[&str] = &[
    "guid",
    "id",
    "source",
    "action",
    "outcome",
    "reason",
    "target",
    "new_guid",
    "message_id",
    "smtp_code",
    "attempts",
    "changes",
    "findings",
];

/// Writes rows of one kind under their heading.
pub struct Writer<W: Write> {
    inner: csv::Writer<W>,
}

impl<W: Write> Writer<W> {
    /// Begins with the heading.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn new(output: W, columns: &[&str]) -> io::Result<Self> {
        let mut inner = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
        inner.write_record(columns).map_err(io_error)?;
        Ok(Self { inner })
    }

    /// Writes a message.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn message(&mut self, row: &MessageRow<'_>) -> io::Result<()> {
        let recipient = row.recipient.clone().unwrap_or_default();
        let caller = row.caller.clone().unwrap_or_default();
        let audio = row.audio.as_ref();
        let codes: Vec<String> = row.findings.iter().map(|finding| finding.code.to_string()).collect();
        self.record([
            text(row.guid),
            text(row.id),
            row.source.to_owned(),
            row.state.name().to_owned(),
            text(row.message_type.as_deref()),
            row.dialect.map(|dialect| format!("{dialect:?}")).unwrap_or_default(),
            text(recipient.name),
            text(recipient.address),
            text(recipient.object_guid),
            text(row.culture.as_deref()),
            text(caller.number),
            text(caller.name),
            text(caller.address),
            text(row.call_id.as_deref()),
            text(row.sent.as_deref()),
            text(row.duration),
            text(row.processed_count),
            text(audio.map(|audio| audio.source)),
            text(audio.map(|audio| audio.bytes)),
            text(audio.and_then(|audio| audio.seconds)),
            audio.and_then(|audio| audio.codec).map(|codec| format!("{codec:?}").to_lowercase()).unwrap_or_default(),
            text(audio.and_then(|audio| audio.sha256)),
            codes.join(" "),
        ])
    }

    /// Writes a result.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn result(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        let changes: Vec<String> = row
            .changes
            .iter()
            .map(|change| format!("{}: {} -> {}", change.field, value(&change.old), value(&change.new)))
            .collect();
        let codes: Vec<String> = row.findings.iter().map(|finding| finding.code.to_string()).collect();
        self.record([
            text(row.guid),
            text(row.id),
            row.source.to_owned(),
            row.action.to_owned(),
            row.outcome.name().to_owned(),
            text(row.reason),
            text(row.target),
            text(row.new_guid),
            text(row.message_id),
            text(row.smtp_code),
            row.attempts.to_string(),
            changes.join("; "),
            codes.join(" "),
        ])
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn record<const N: usize>(&mut self, cells: [String; N]) -> io::Result<()> {
        self.inner.write_record(cells.iter().map(|cell| guard(cell))).map_err(io_error)
    }
}

/// What the output said: as an [`io::Error`] of its own a CSV error would hide whether it was a closed pipe.
pub(super) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Keeps a spreadsheet from taking strangers' text for a formula: an apostrophe goes before what could begin one, at
/// the cell's beginning or after a semicolon, which ends a cell where the system's list separator is one. What would
/// command a terminal becomes visible.
///
/// A telephone number in international form (`+31612345678`) is no formula to worry about, but a spreadsheet would
/// make a number of it; the apostrophe keeps it as it is, too.
pub(super) fn guard(cell: &str) -> String {
    let mut guarded = String::with_capacity(cell.len());
    let mut begins = true;
    for character in fsx::visible(cell).chars() {
        if begins && matches!(character, '=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') {
            guarded.push('\'');
        }
        begins = character == ';' || begins && matches!(character, ' ' | '"');
        guarded.push(character);
    }
    guarded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_a_formula() {
        for text in ["=cmd|' /C calc'!A0", "+31612345678", "-1+1", "@SUM(A1)", "\u{ff1d}1"] {
            assert!(guard(text).starts_with('\''), "{text}");
        }
        assert_eq!(guard("5001"), "5001");
        assert_eq!(guard("a;=1"), "a;'=1");
        assert_eq!(guard("a; \"=1"), "a; \"'=1");
        assert_eq!(guard("a-1 = b+c"), "a-1 = b+c");
    }

    #[test]
    fn nothing_commands_a_terminal() {
        assert_eq!(guard("\t=1\r\n\u{1b}[2J"), "\\t=1\\r\\n\\u{1b}[2J");
    }
}
