//! File system work done with care: errors that name the path, writes that are whole or absent, joins that stay inside.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failed operation on a file, with the path it failed on.
#[derive(Debug, Error)]
#[error("could not {verb} {path}")]
pub struct PathError {
    verb: &'static str,
    path: String,
    source: io::Error,
}

impl PathError {
    /// An error of doing `verb` on `path`.
    pub fn new(verb: &'static str, path: impl AsRef<Path>, source: io::Error) -> Self {
        Self { verb, path: path.as_ref().display().to_string(), source }
    }

    /// What the operating system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether nothing more can be written there: the disk is full, a quota is used up, or the medium is read-only.
    pub fn is_out_of_space(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        )
    }
}

/// Names the path in an I/O error.
pub trait PathContext<T> {
    /// Says that `verb` was tried on `path`.
    ///
    /// # Errors
    /// The same failure, as a [`PathError`].
    fn path(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T> PathContext<T> for io::Result<T> {
    fn path(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError::new(verb, path, source))
    }
}

/// Makes the names in a folder durable. Windows does so by itself and refuses the call.
///
/// # Errors
/// The folder cannot be opened or flushed.
pub fn sync_folder(folder: &Path) -> Result<(), PathError> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(folder).and_then(|handle| handle.sync_all()).path("flush", folder)
}

/// Writes a file whole or not at all: beside its place under another name, flushed, then renamed over it.
///
/// # Errors
/// What failed, on which path; the old file is then still there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let folder = folder_of(path);
    let mut file =
        tempfile::Builder::new().prefix(".umreplay-").tempfile_in(&folder).path("create a file in", &folder)?;
    io::Write::write_all(&mut file, bytes).path("write", path)?;
    file.as_file().sync_all().path("flush", path)?;
    file.persist(path).map_err(|error| error.error).path("write", path)?;
    sync_folder(&folder)
}

/// The folder a path lies in, `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Turns strangers' text into a file name that every system takes and that stays in its folder.
///
/// Separators, colons (a stream on NTFS), wildcards and control characters become `_`; so do a trailing dot or space,
/// and the device names of Windows get a `_` before them. Longer names are cut at 120 bytes.
pub fn safe_name(text: &str) -> String {
    let replaced: String = text
        .chars()
        .map(|character| match character {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            other if other.is_control() => '_',
            other => other,
        })
        .collect();
    let end = replaced.floor_char_boundary(120);
    let mut name = replaced.get(..end).unwrap_or_default().trim_start().to_owned();
    if name.ends_with(['.', ' ']) {
        name.pop();
        name.push('_');
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || ((stem.starts_with("COM") || stem.starts_with("LPT")) && stem.len() == 4);
    if device || name.is_empty() {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_stay_in_their_folder() {
        assert_eq!(safe_name("../../etc/passwd"), ".._.._etc_passwd");
        assert_eq!(safe_name("nul.txt"), "_nul.txt");
        assert_eq!(safe_name("a:b\u{1b}[2J"), "a_b_[2J");
        assert_eq!(safe_name(".."), "._");
        assert_eq!(safe_name(""), "_");
        assert_eq!(safe_name(&"é".repeat(100)).len(), 120);
    }

    #[test]
    fn a_write_replaces_whole_files_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
