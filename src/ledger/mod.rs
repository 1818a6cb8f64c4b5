//! What earlier runs saw, decided and delivered; the only module that knows SQL.
//!
//! The ledger is what keeps a message from being sent twice: an *intent* is on the disk before anyone can see the first
//! byte of a delivery, its *settlement* (with the receipt) right after. An intent without a settlement, of a run that is
//! dead, is in doubt. What to do about it is left to `replay`.
//!
//! One process works with a ledger at a time, which a lock file beside it ensures; dry runs read it without the lock.
//!
//! The file is an SQLite database with `synchronous=FULL`. During a run it has a write-ahead log, which takes one flush a
//! commit where a rollback journal takes four: on a disk that flushes in 4 ms, 330 commits a second against 50, and a
//! submission commits once a message. On a network share, where a log would need memory that two machines cannot share,
//! it has a rollback journal instead; `TRUNCATE`, since after a commit in `DELETE` mode a power cut may bring the journal
//! back. At rest the file has neither, so that reading it leaves nothing beside it.

mod entries;
mod error;
mod lock;
mod rows;
mod schema;
mod text;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

pub use error::LedgerError;
pub use rows::{Action, EntryId, EntryRow, EntryState, Intent, NewRun, Prior, RunCounts, RunId, RunRow, Settlement};

use crate::fsx::{self, PathContext, folder_of};
use error::LedgerContext;
use lock::Lock;
use schema::Standing;

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    // Both are held until the connection is closed: fields are dropped in this order.
    _copy: Option<TempDir>,
    lock: Option<Lock>,
}

impl Ledger {
    /// Opens a ledger for a run, and makes the file and its folder where they are missing.
    ///
    /// `holder` is what another process is told that finds the ledger in use: who has it, on which machine, since when.
    ///
    /// # Errors
    /// Another process has it, it is no ledger, a newer umreplay wrote it, or the disk says no.
    pub fn open(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        let path = &without_link(path);
        let folder = folder_of(path);
        fs::create_dir_all(&folder).path("create the folder", &folder)?;
        let lock = Lock::take(path, holder)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // Looked at before anything is written: a file that is no ledger stays as it is.
        let standing = schema::examine(&connection, path)?;
        prepare(&connection, &folder).ledger("set up", path)?;
        if standing == Standing::Behind {
            schema::migrate(&mut connection, path)?;
        }
        Ok(Self { connection, path: path.to_owned(), _copy: None, lock: Some(lock) })
    }

    /// Opens a ledger to read what is in it, without a lock and without writing anything beside it; `None` where there
    /// is none yet.
    ///
    /// A ledger that cannot be read as it lies there, because it is of an older version or its last run was killed, is
    /// read from a copy in the temporary folder.
    ///
    /// # Errors
    /// It is no ledger, a newer umreplay wrote it, or the disk says no.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, LedgerError> {
        let path = &without_link(path);
        match fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error).path("open the ledger", path)?,
        }
        if has_leftovers(path)
            && let Some(_kept_out) = lock::keep_out_writers(path)
        {
            return Self::open_copy(path).map(Some);
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        match schema::examine(&connection, path)? {
            Standing::Current => Ok(Some(Self { connection, path: path.to_owned(), _copy: None, lock: None })),
            Standing::Behind => Self::open_copy(path).map(Some),
        }
    }

    /// A ledger that remembers nothing beyond this process.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let path = PathBuf::from("in memory");
        let mut connection = Connection::open_in_memory().ledger("open", &path)?;
        schema::migrate(&mut connection, &path)?;
        Ok(Self { connection, path, _copy: None, lock: None })
    }

    fn open_copy(path: &Path) -> Result<Self, LedgerError> {
        let folder = tempfile::tempdir().path("create a temporary folder for a copy of", path)?;
        let copy = folder.path().join("ledger");
        fs::copy(path, &copy).path("copy", path)?;
        for suffix in LEFTOVERS {
            let leftover = with_suffix(path, suffix);
            if leftover.exists() {
                fs::copy(&leftover, with_suffix(&copy, suffix)).path("copy", &leftover)?;
            }
        }
        let mut connection = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if schema::examine(&connection, path)? == Standing::Behind {
            schema::migrate(&mut connection, path)?;
        }
        Ok(Self { connection, path: path.to_owned(), _copy: Some(folder), lock: None })
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // Puts the log away. If it fails, the next run finds everything in the log.
            let _ = self.connection.pragma_update(None, "journal_mode", "DELETE");
        }
    }
}

/// The file that a link leads to: the lock and the log lie beside that one, whatever name it is asked for by.
fn without_link(path: &Path) -> PathBuf {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    match is_link {
        true => fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
        false => path.to_path_buf(),
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, LedgerError> {
    let connection =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).ledger("open", path)?;
    // A dry run may be reading; a commit waits for it.
    connection.busy_timeout(Duration::from_secs(10)).ledger("open", path)?;
    Ok(connection)
}

fn prepare(connection: &Connection, folder: &Path) -> rusqlite::Result<()> {
    let journal = if fsx::is_on_network(folder) { "TRUNCATE" } else { "WAL" };
    connection.pragma_update(None, "journal_mode", journal)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")
}

/// What a killed run leaves beside its ledger, with the last commits or the way back to them.
const LEFTOVERS: [&str; 2] = ["-wal", "-journal"];

fn has_leftovers(path: &Path) -> bool {
    LEFTOVERS.iter().any(|suffix| fs::metadata(with_suffix(path, suffix)).is_ok_and(|file| file.len() > 0))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
