//! The ledger's operations on runs and entries.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::FromSqlError;
use rusqlite::{OptionalExtension, Row, Statement, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::Ledger;
use super::error::{LedgerContext, LedgerError};
use super::rows::{EntryId, EntryRow, Intent, NewRun, Prior, RunCounts, RunId, RunRow, Settlement};
use super::text::{Text, optional_text, text};
use crate::message::{Guid, Identity, Receipt};

/// How many identities are asked for in one query.
const LOOKUP: usize = 4096;

const ENTRY_COLUMNS: &str = "id, run, identity, source_guid, source, action, target, new_guid, message_id, \
    recipient_before, recipient_after, changes, header_before, header_after, staged, noted, state, reason, smtp_code, \
    reply, attempts, settled, has_audio";

impl Ledger {
    /// Notes that a run begins.
    ///
    /// # Errors
    /// The database failed.
    pub fn begin_run(&mut self, run: &NewRun) -> Result<RunId, LedgerError> {
        let insert =
            "INSERT INTO run (command, arguments, version, user, host, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let NewRun { command, arguments, version, user, host, started } = run;
        let values = params![command, arguments, version, user, host, Text(*started)];
        self.connection.execute(insert, values).ledger("write to", &self.path)?;
        Ok(RunId(self.connection.last_insert_rowid()))
    }

    /// Notes that a run came to its end, in good order.
    ///
    /// # Errors
    /// The database failed.
    pub fn end_run(&mut self, run: RunId, ended: Timestamp, counts: RunCounts) -> Result<(), LedgerError> {
        let update = "UPDATE run SET ended = ?2, done = ?3, skipped = ?4, failed = ?5, uncertain = ?6 WHERE id = ?1";
        let RunCounts { done, skipped, failed, uncertain } = counts;
        let [done, skipped, failed, uncertain] = [done, skipped, failed, uncertain].map(u64::cast_signed);
        let values = params![run.0, Text(ended), done, skipped, failed, uncertain];
        self.connection.execute(update, values).ledger("write to", &self.path)?;
        Ok(())
    }

    /// Notes the folder that a run is about to make for its unfinished files, so that a later run can clear it away.
    ///
    /// # Errors
    /// The database failed, and the folder must not be made.
    pub fn note_staging(&mut self, run: RunId, folder: &Path) -> Result<(), LedgerError> {
        let update = "UPDATE run SET staging = ?2 WHERE id = ?1";
        let values = params![run.0, folder.display().to_string()];
        self.connection.execute(update, values).ledger("write to", &self.path)?;
        Ok(())
    }

    /// Notes that the folders of these runs are gone.
    ///
    /// # Errors
    /// The database failed.
    pub fn forget_staging(&mut self, runs: &[RunId]) -> Result<(), LedgerError> {
        let runs: Vec<i64> = runs.iter().map(|run| run.0).collect();
        let update = "UPDATE run SET staging = NULL WHERE id IN (SELECT value FROM json_each(?1))";
        self.connection.execute(update, [serde_json::json!(runs).to_string()]).ledger("write to", &self.path)?;
        Ok(())
    }

    /// The folders of unfinished files that were noted and are not known to be gone.
    ///
    /// # Errors
    /// The database failed.
    pub fn staging_folders(&self) -> Result<Vec<(RunId, PathBuf)>, LedgerError> {
        let select = "SELECT id, staging FROM run WHERE staging IS NOT NULL ORDER BY id";
        let folder = |row: &Row<'_>| Ok((RunId(row.get(0)?), PathBuf::from(row.get::<_, String>(1)?)));
        let read = || self.connection.prepare(select)?.query_map([], folder)?.collect::<Result<_, _>>();
        read().ledger("read", &self.path)
    }

    /// Every run, oldest first.
    ///
    /// # Errors
    /// The database failed, or holds what is none of ours.
    pub fn runs(&self) -> Result<Vec<RunRow>, LedgerError> {
        let select = "SELECT id, command, arguments, version, user, host, started, ended, done, skipped, failed, \
                      uncertain FROM run ORDER BY id";
        let read = || self.connection.prepare(select)?.query_map([], run_row)?.collect::<Result<_, _>>();
        read().ledger("read", &self.path)
    }

    /// Every entry of a run, in the order in which the intents were noted.
    ///
    /// # Errors
    /// The database failed, or holds what is none of ours.
    pub fn entries(&self, run: RunId) -> Result<Vec<EntryRow>, LedgerError> {
        self.select_entries("run = ?1", [run.0])
    }

    /// Every intent without a settlement. Before a run begins, these are what dead runs left in doubt.
    ///
    /// # Errors
    /// The database failed, or holds what is none of ours.
    pub fn open_intents(&self) -> Result<Vec<EntryRow>, LedgerError> {
        self.select_entries("state = 'intent'", [])
    }

    /// The header's bytes as they were before an edit in place, where the entry has kept them.
    ///
    /// # Errors
    /// The database failed.
    pub fn header_bytes(&self, entry: EntryId) -> Result<Option<Vec<u8>>, LedgerError> {
        let select = "SELECT header_bytes FROM entry WHERE id = ?1";
        let bytes = self.connection.query_row(select, [entry.0], |row| row.get(0)).optional();
        bytes.map(Option::flatten).ledger("read", &self.path)
    }

    /// Notes what is about to be done, durably and all or nothing; the entries come in the order of the intents.
    ///
    /// # Errors
    /// The database failed, and nothing was noted: nothing may be delivered.
    pub fn record_intents(&mut self, run: RunId, intents: &[Intent]) -> Result<Vec<EntryId>, LedgerError> {
        self.settle_and_intend(&[], run, intents)
    }

    /// Notes what became of intents, durably and all or nothing.
    ///
    /// # Errors
    /// The database failed, and the intents stay open.
    pub fn record_outcomes(&mut self, settlements: &[Settlement]) -> Result<(), LedgerError> {
        self.settle_and_intend(settlements, RunId(0), &[]).map(drop)
    }

    /// Notes what became of earlier intents and what is about to be done next, in one commit.
    ///
    /// # Errors
    /// The database failed, and nothing was noted.
    pub fn settle_and_intend(
        &mut self,
        settlements: &[Settlement],
        run: RunId,
        intents: &[Intent],
    ) -> Result<Vec<EntryId>, LedgerError> {
        let mut write = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            settle(&transaction, settlements)?;
            let entries = intend(&transaction, run, intents)?;
            transaction.commit()?;
            Ok(entries)
        };
        write().ledger("write to", &self.path)
    }

    /// Every earlier delivery of these messages, oldest first; those without one are left out. Exports and edits are no
    /// deliveries.
    ///
    /// # Errors
    /// The database failed, or holds what is none of ours.
    pub fn priors(&self, identities: &[Identity]) -> Result<HashMap<Identity, Vec<Prior>>, LedgerError> {
        let mut priors: HashMap<Identity, Vec<Prior>> = HashMap::new();
        for some in identities.chunks(LOOKUP) {
            for prior in self.deliveries("identity", some)? {
                priors.entry(prior.identity).or_default().push(prior);
            }
        }
        Ok(priors)
    }

    /// Every earlier delivery of files of these names, and every injection that gave files these names.
    ///
    /// A copy that was cut short, or what UM made of a message, has another identity but the same name.
    ///
    /// # Errors
    /// The database failed, or holds what is none of ours.
    pub fn priors_by_guid(&self, guids: &[Guid]) -> Result<HashMap<Guid, Vec<Prior>>, LedgerError> {
        let mut priors: HashMap<Guid, Vec<Prior>> = HashMap::new();
        for some in guids.chunks(LOOKUP) {
            for prior in self.deliveries("source_guid", some)? {
                prior.source_guid.into_iter().for_each(|guid| priors.entry(guid).or_default().push(prior.clone()));
            }
            for prior in self.deliveries("new_guid", some)? {
                prior.new_guid.into_iter().for_each(|guid| priors.entry(guid).or_default().push(prior.clone()));
            }
        }
        Ok(priors)
    }

    /// The deliveries that have one of these values in a column, oldest first.
    fn deliveries(&self, column: &str, values: &[impl Serialize]) -> Result<Vec<Prior>, LedgerError> {
        let select = format!(
            "SELECT identity, id, run, action, state, target, recipient_after, new_guid, message_id, \
             coalesce(settled, noted), source_guid, recipient_before, staged, has_audio FROM entry \
             WHERE {column} IN (SELECT value FROM json_each(?1)) ORDER BY id"
        );
        let read = || {
            let asked = serde_json::to_string(values).map_err(|error| FromSqlError::Other(error.into()))?;
            let mut statement = self.connection.prepare(&select)?;
            statement.query_map([asked], prior_row)?.collect::<Result<Vec<_>, _>>()
        };
        let mut priors = read().ledger("read", &self.path)?;
        priors.retain(|prior| prior.action.is_delivery());
        Ok(priors)
    }

    fn select_entries(&self, which: &str, values: impl rusqlite::Params) -> Result<Vec<EntryRow>, LedgerError> {
        let select = format!("SELECT {ENTRY_COLUMNS} FROM entry WHERE {which} ORDER BY id");
        let read = || self.connection.prepare(&select)?.query_map(values, entry_row)?.collect::<Result<_, _>>();
        read().ledger("read", &self.path)
    }
}

fn settle(transaction: &Transaction<'_>, settlements: &[Settlement]) -> rusqlite::Result<()> {
    let mut update = transaction.prepare(
        "UPDATE entry SET state = ?2, reason = ?3, smtp_code = ?4, reply = ?5, attempts = ?6, settled = ?7, \
         target = coalesce(?8, target), new_guid = coalesce(?9, new_guid), message_id = coalesce(?10, message_id) \
         WHERE id = ?1",
    )?;
    for settlement in settlements {
        let Settlement { entry, state, receipt, reason, smtp_code, attempts, settled } = settlement;
        let Receipt { target, new_guid, message_id, reply, .. } = receipt.clone().unwrap_or_default();
        let named = Some(target).filter(|target| !target.is_empty());
        let changed = update.execute(params![
            entry.0,
            Text(*state),
            reason,
            smtp_code,
            reply,
            attempts,
            Text(*settled),
            named,
            new_guid.map(Text),
            message_id,
        ])?;
        if changed != 1 {
            return Err(rusqlite::Error::StatementChangedRows(changed));
        }
    }
    Ok(())
}

fn intend(transaction: &Transaction<'_>, run: RunId, intents: &[Intent]) -> rusqlite::Result<Vec<EntryId>> {
    let mut insert = transaction.prepare(
        "INSERT INTO entry (run, identity, source_guid, source, action, target, new_guid, message_id, \
         recipient_before, recipient_after, changes, header_before, header_after, header_bytes, staged, noted, has_audio, \
         state, attempts) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 'intent', 0)",
    )?;
    intents.iter().map(|intent| insert_intent(&mut insert, run, intent)).collect()
}

fn insert_intent(insert: &mut Statement<'_>, run: RunId, intent: &Intent) -> rusqlite::Result<EntryId> {
    let values = params![
        run.0,
        Text(intent.identity),
        intent.source_guid.map(Text),
        intent.source,
        Text(intent.action),
        intent.target,
        intent.new_guid.map(Text),
        intent.message_id,
        intent.recipient_before,
        intent.recipient_after,
        intent.changes,
        intent.header_before.map(Text),
        intent.header_after.map(Text),
        intent.header_bytes,
        intent.staged,
        Text(intent.noted),
        intent.has_audio,
    ];
    insert.insert(values).map(EntryId)
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let count = |index| row.get::<_, Option<i64>>(index).map(|number| number.unwrap_or_default().cast_unsigned());
    let ended = match row.get(7)? {
        Some(Text(ended)) => {
            let counts = RunCounts { done: count(8)?, skipped: count(9)?, failed: count(10)?, uncertain: count(11)? };
            Some((ended, counts))
        }
        None => None,
    };
    let begun = NewRun {
        command: row.get(1)?,
        arguments: row.get(2)?,
        version: row.get(3)?,
        user: row.get(4)?,
        host: row.get(5)?,
        started: text(row, 6)?,
    };
    Ok(RunRow { id: RunId(row.get(0)?), begun, ended })
}

fn entry_row(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    let intent = Intent {
        identity: text(row, 2)?,
        source_guid: optional_text(row, 3)?,
        source: row.get(4)?,
        action: text(row, 5)?,
        target: row.get(6)?,
        new_guid: optional_text(row, 7)?,
        message_id: row.get(8)?,
        has_audio: row.get(22)?,
        recipient_before: row.get(9)?,
        recipient_after: row.get(10)?,
        changes: row.get(11)?,
        header_before: optional_text(row, 12)?,
        header_after: optional_text(row, 13)?,
        header_bytes: None,
        staged: row.get(14)?,
        noted: text(row, 15)?,
    };
    Ok(EntryRow {
        id: EntryId(row.get(0)?),
        run: RunId(row.get(1)?),
        intent,
        state: text(row, 16)?,
        reason: row.get(17)?,
        smtp_code: row.get(18)?,
        reply: row.get(19)?,
        attempts: row.get(20)?,
        settled: optional_text(row, 21)?,
    })
}

fn prior_row(row: &Row<'_>) -> rusqlite::Result<Prior> {
    Ok(Prior {
        identity: text(row, 0)?,
        has_audio: row.get(13)?,
        entry: EntryId(row.get(1)?),
        run: RunId(row.get(2)?),
        action: text(row, 3)?,
        state: text(row, 4)?,
        target: row.get(5)?,
        recipient: row.get(6)?,
        new_guid: optional_text(row, 7)?,
        message_id: row.get(8)?,
        time: text(row, 9)?,
        source_guid: optional_text(row, 10)?,
        recipient_before: row.get(11)?,
        staged: row.get(12)?,
    })
}
