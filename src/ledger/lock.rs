//! Keeps two processes from working with one ledger at once.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::error::LedgerError;
use crate::fsx::{self, PathContext};

/// The ledger is this process's as long as this lives; a killed process loses it at once.
#[derive(Debug)]
pub(super) struct Lock {
    // Held, never read: closing it frees the lock.
    _file: File,
    holder: PathBuf,
}

impl Lock {
    /// Takes the lock of the ledger at `path` and leaves a line about its holder for others to read.
    ///
    /// The lock is a file of its own, since on Windows nobody else can read a locked one; for the same reason the line
    /// lies in a third file.
    pub(super) fn take(path: &Path, holder: &str) -> Result<Self, LedgerError> {
        let lock_path = beside(path, "lock");
        let holder_path = beside(path, "holder");
        let file = File::options().create(true).append(true).open(&lock_path).path("open the lock file", &lock_path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::InUse { path: path.to_owned(), holder: read_holder(&holder_path) });
            }
            Err(TryLockError::Error(source)) => Err(source).path("lock", &lock_path)?,
        }
        fsx::write_atomically(&holder_path, holder.as_bytes())?;
        Ok(Self { _file: file, holder: holder_path })
    }
}

/// Keeps writers out while a reader copies a ledger that nobody works with; `None` while somebody does.
pub(super) fn keep_out_writers(path: &Path) -> Option<Option<File>> {
    let Ok(file) = File::open(beside(path, "lock")) else {
        return Some(None);
    };
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => None,
        Ok(()) | Err(TryLockError::Error(_)) => Some(Some(file)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only the words: the lock file stays, since a process that waits may have it open already.
        let _ = fs::remove_file(&self.holder);
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The holder's words, with nothing in them that could upset a terminal.
fn read_holder(path: &Path) -> String {
    match fs::read(path) {
        Ok(bytes) if !bytes.is_empty() => {
            let text = String::from_utf8_lossy(&bytes);
            text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(300).collect()
        }
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let first = Lock::take(&path, "process 7 on mx1\u{1b}[2J").unwrap();
        let refused = Lock::take(&path, "process 8").unwrap_err();
        assert!(matches!(&refused, LedgerError::InUse { holder, .. } if holder == "process 7 on mx1 [2J"), "{refused}");
        drop(first);
        let second = Lock::take(&path, "process 8").unwrap();
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_words_of_a_killed_holder_do_not_keep_others_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        fsx::write_atomically(&beside(&path, "holder"), b"process 7").unwrap();
        fsx::write_atomically(&beside(&path, "lock"), b"").unwrap();
        assert!(Lock::take(&path, "process 8").is_ok());
    }
}
