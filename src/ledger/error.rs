//! What can go wrong with a ledger.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::fsx::PathError;

/// Why the ledger cannot be used. Every one of them ends the run: without its ledger it must not deliver.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// A file beside or around the ledger failed.
    #[error(transparent)]
    File(#[from] PathError),
    /// The file is something else.
    #[error("{path} is not a ledger of umreplay, and is left as it is")]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// A newer umreplay wrote it.
    #[error(
        "the ledger {path} has version {found} and this umreplay knows versions up to {known}: use the newer umreplay \
         that wrote it"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another process works with it.
    #[error("the ledger {path} is in use by {holder}")]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who, in that process's own words.
        holder: String,
    },
    /// The database failed.
    #[error("could not {verb} the ledger {path}")]
    Database {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl LedgerError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotALedger { .. } => Some("give another file: --ledger FILE".to_owned()),
            Self::InUse { .. } => {
                Some("wait for it to end, or use another ledger for another job: --ledger FILE".to_owned())
            }
            _ if self.is_out_of_space() => Some(
                "make room where the ledger lies, then run the same command again: it finds out what became of the \
                 messages that were on their way, and skips what is done"
                    .to_owned(),
            ),
            Self::File(_) | Self::Newer { .. } | Self::Database { .. } => None,
        }
    }

    /// Whether nothing more can be written: the disk is full, a quota used up, or the medium read-only.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::File(error) => error.is_out_of_space(),
            Self::Database { source, .. } => {
                matches!(
                    source.sqlite_error_code(),
                    Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::ReadOnly)
                )
            }
            _ => false,
        }
    }
}

/// Names the ledger in a database error.
pub(super) trait LedgerContext<T> {
    /// Says that `verb` was tried on the ledger at `path`.
    fn ledger(self, verb: &'static str, path: &Path) -> Result<T, LedgerError>;
}

impl<T> LedgerContext<T> for rusqlite::Result<T> {
    fn ledger(self, verb: &'static str, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => LedgerError::NotALedger { path: path.to_owned() },
            _ => LedgerError::Database { verb, path: path.to_owned(), source },
        })
    }
}
