//! File system work done with care: errors that name the path, writes that are whole or absent, joins that stay inside.

use std::borrow::Cow;
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

/// An error with its causes, in one line.
pub fn describe(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
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

/// Renames a file and never replaces another: if `to` exists, both stay as they are.
///
/// The file is at all times under exactly one of the two names, also for someone who looks after a crash. So this does
/// without the fallback of the `tempfile` crate, which links the new name before it removes the old one.
///
/// # Errors
/// `to` exists, lies on another volume, or the rename failed; the file then still has its old name.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    rename_no_replace(from, to)
}

#[cfg(target_os = "linux")]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows the flag (NFS does not).
        Err(Errno::INVAL | Errno::NOSYS) => rename_if_absent(from, to),
        other => other.map_err(io::Error::from),
    }
}

#[cfg(windows)]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    // A plain MoveFileEx without MOVEFILE_REPLACE_EXISTING; std's rename replaces.
    let mut path = tempfile::TempPath::try_from_path(from)?;
    path.disable_cleanup(true);
    path.persist_noclobber(to).map_err(|error| error.error)
}

#[cfg(not(any(target_os = "linux", windows)))]
fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    rename_if_absent(from, to)
}

/// Looks first, then renames: the best that plain POSIX offers without a second name.
#[cfg(not(windows))]
fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
        Err(error) => Err(error),
    }
}

/// Whether a folder lies on a network share, as far as the system tells.
#[cfg(target_os = "linux")]
pub fn is_on_network(folder: &Path) -> bool {
    // NFS, SMB and its successors, Plan 9 and FUSE, as statfs(2) names them.
    const NETWORK: [u32; 7] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x6573_5546, 0x5346_414F];
    rustix::fs::statfs(folder).is_ok_and(|system| NETWORK.contains(&(system.f_type as u32)))
}

/// Whether a folder lies on a network share, as far as the system tells.
#[cfg(not(target_os = "linux"))]
pub fn is_on_network(folder: &Path) -> bool {
    use std::path::{Component, Prefix};

    // A mapped drive comes out as the share that it stands for.
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let Some(Component::Prefix(prefix)) = resolved.components().next() else {
        return false;
    };
    matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
}

/// The folder a path lies in, `.` for a bare name.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether a character commands a terminal, breaks a line or turns the text around.
pub fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Strangers' text as it can be shown: characters that command a terminal or turn the text around become visible escapes.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let show = |character: char| match is_command(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(show).collect::<String>().into()
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
    fn a_rename_moves_whole_files_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        write_atomically(&path("a"), b"one").unwrap();
        write_atomically(&path("b"), b"two").unwrap();
        let refused = rename_new(&path("a"), &path("b")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(path("a")).unwrap(), b"one");
        assert_eq!(std::fs::read(path("b")).unwrap(), b"two");
        rename_new(&path("a"), &path("c")).unwrap();
        assert!(!path("a").exists());
        assert_eq!(std::fs::read(path("c")).unwrap(), b"one");
        assert_eq!(rename_new(&path("a"), &path("d")).unwrap_err().kind(), io::ErrorKind::NotFound);
        #[cfg(not(windows))]
        {
            assert_eq!(rename_if_absent(&path("b"), &path("c")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            rename_if_absent(&path("b"), &path("d")).unwrap();
            assert_eq!(std::fs::read(path("d")).unwrap(), b"two");
        }
    }

    #[test]
    fn a_local_folder_is_not_on_the_network() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_on_network(folder.path()));
        #[cfg(windows)]
        assert!(is_on_network(Path::new(r"\\server\share\folder")));
    }

    #[test]
    fn no_escape_sequence_is_shown() {
        assert_eq!(visible("Zoë\u{1b}[2J\r\n\u{202e}"), "Zoë\\u{1b}[2J\\r\\n\\u{202e}");
        assert!(matches!(visible("Zoë 日本"), Cow::Borrowed(_)));
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
