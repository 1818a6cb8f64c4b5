//! Ledger rows for other programs: runs and their entries.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;

use super::csv::{guard, io_error};
use crate::ledger::{EntryRow, RunRow};
use crate::message::{Guid, Identity, Sha256Digest};

/// One run.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "run")]
pub struct RunReport<'a> {
    run: i64,
    command: &'a str,
    arguments: &'a str,
    version: &'a str,
    user: &'a str,
    host: &'a str,
    started: Timestamp,
    ended: Option<Timestamp>,
    done: Option<u64>,
    skipped: Option<u64>,
    failed: Option<u64>,
    uncertain: Option<u64>,
}

impl<'a> RunReport<'a> {
    /// The report of a run.
    pub fn new(row: &'a RunRow) -> Self {
        let counts = row.ended.map(|(_, counts)| counts);
        Self {
            run: row.id.0,
            command: &row.begun.command,
            arguments: &row.begun.arguments,
            version: &row.begun.version,
            user: &row.begun.user,
            host: &row.begun.host,
            started: row.begun.started,
            ended: row.ended.map(|(ended, _)| ended),
            done: counts.map(|counts| counts.done),
            skipped: counts.map(|counts| counts.skipped),
            failed: counts.map(|counts| counts.failed),
            uncertain: counts.map(|counts| counts.uncertain),
        }
    }
}

/// One entry of a run.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "entry")]
pub struct EntryReport<'a> {
    run: i64,
    guid: Option<Guid>,
    id: Identity,
    source: &'a str,
    action: &'a str,
    state: &'a str,
    reason: Option<&'a str>,
    target: &'a str,
    new_guid: Option<Guid>,
    message_id: Option<&'a str>,
    smtp_code: Option<u16>,
    reply: Option<&'a str>,
    attempts: u32,
    recipient_before: Option<&'a str>,
    recipient_after: Option<&'a str>,
    changes: serde_json::Value,
    header_before: Option<Sha256Digest>,
    header_after: Option<Sha256Digest>,
    noted: Timestamp,
    settled: Option<Timestamp>,
}

impl<'a> EntryReport<'a> {
    /// The report of an entry.
    pub fn new(row: &'a EntryRow) -> Self {
        let intent = &row.intent;
        Self {
            run: row.run.0,
            guid: intent.source_guid,
            id: intent.identity,
            source: &intent.source,
            action: intent.action.name(),
            state: row.state.name(),
            reason: row.reason.as_deref(),
            target: &intent.target,
            new_guid: intent.new_guid,
            message_id: intent.message_id.as_deref(),
            smtp_code: row.smtp_code,
            reply: row.reply.as_deref(),
            attempts: row.attempts,
            recipient_before: intent.recipient_before.as_deref(),
            recipient_after: intent.recipient_after.as_deref(),
            // The ledger keeps them as JSON.
            changes: serde_json::from_str(&intent.changes).unwrap_or_default(),
            header_before: intent.header_before,
            header_after: intent.header_after,
            noted: intent.noted,
            settled: row.settled,
        }
    }
}

/// Writes runs as CSV.
///
/// # Errors
/// The output cannot be written.
pub fn runs_csv(reports: &[RunReport<'_>], out: impl Write) -> io::Result<()> {
    write_csv(reports, out)
}

/// Writes entries as CSV.
///
/// # Errors
/// The output cannot be written.
pub fn entries_csv(reports: &[EntryReport<'_>], out: impl Write) -> io::Result<()> {
    write_csv(reports, out)
}

/// The fields of the JSON form are the columns; a list of reports without any has no heading to give.
fn write_csv(reports: &[impl Serialize], out: impl Write) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    for (index, report) in reports.iter().enumerate() {
        let serde_json::Value::Object(fields) = serde_json::to_value(report)? else {
            continue;
        };
        if index == 0 {
            writer.write_record(fields.keys()).map_err(io_error)?;
        }
        writer
            .write_record(fields.values().map(|value| match value {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => guard(text),
                other => guard(&other.to_string()),
            }))
            .map_err(io_error)?;
    }
    writer.flush()
}
