//! The ledger's tables, how older files become newer ones, and how a database is recognised as a ledger.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::{LedgerContext, LedgerError};

/// Marks the file as a ledger (`PRAGMA application_id`, "UMRE"), so that no other program's database gets our tables.
const APPLICATION_ID: i64 = 0x554D_5245;

/// The steps from each version to the next; the version is the number of steps taken. Never change one that was released.
const MIGRATIONS: &[&str] = &[VERSION_1];

// Times are RFC 3339 in UTC, identities, GUIDs and digests are text: readable in any SQLite browser during an outage, and
// the same in any other database.
const VERSION_1: &str = "
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    arguments TEXT NOT NULL,
    version TEXT NOT NULL,
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT,
    done INTEGER,
    skipped INTEGER,
    failed INTEGER,
    uncertain INTEGER,
    staging TEXT
);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    identity TEXT NOT NULL,
    source_guid TEXT,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    new_guid TEXT,
    message_id TEXT,
    has_audio INTEGER NOT NULL,
    recipient_before TEXT,
    recipient_after TEXT,
    changes TEXT NOT NULL,
    header_before TEXT,
    header_after TEXT,
    header_bytes BLOB,
    staged TEXT,
    noted TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    smtp_code INTEGER,
    reply TEXT,
    attempts INTEGER NOT NULL,
    settled TEXT
);
CREATE INDEX entry_by_identity ON entry (identity);
CREATE INDEX entry_by_source_guid ON entry (source_guid);
CREATE INDEX entry_by_new_guid ON entry (new_guid);
CREATE INDEX entry_by_run ON entry (run);
CREATE INDEX entry_open ON entry (id) WHERE state = 'intent';
";

/// What a database file is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A ledger of this version.
    Current,
    /// A new file, or a ledger of an older version.
    Behind,
}

/// Tells whether a database is a ledger that this program can work with; reads only.
pub(super) fn examine(connection: &Connection, path: &Path) -> Result<Standing, LedgerError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).ledger("read", path);
    let tables = "SELECT count(*) FROM sqlite_schema";
    let known = MIGRATIONS.len() as i64;
    let version = number("user_version")?;
    let is_ours = number("application_id")? == APPLICATION_ID;
    let is_empty = connection.query_row(tables, [], |row| row.get::<_, i64>(0)).ledger("read", path)? == 0;
    let is_new = is_empty && version == 0;
    if !is_ours && !is_new {
        return Err(LedgerError::NotALedger { path: path.to_owned() });
    }
    match version {
        found if found > known => Err(LedgerError::Newer { path: path.to_owned(), found, known }),
        found if found == known => Ok(Standing::Current),
        0.. => Ok(Standing::Behind),
        _ => Err(LedgerError::NotALedger { path: path.to_owned() }),
    }
}

/// Takes the steps that the file has not seen yet, each whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let taken = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).ledger("read", path)?;
    let missing = MIGRATIONS.iter().zip(1_i64..).filter(|(_, version)| *version > taken);
    for (step, version) in missing {
        let apply = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()
        };
        apply(connection).ledger("set up", path)?;
    }
    Ok(())
}
