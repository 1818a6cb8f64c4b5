//! Where a file's bytes are: a [`FileRef`] opens them as often as needed, wherever its source keeps them.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::fsx::PathError;

/// Bytes that can be read from the start any number of times.
pub trait Content: Send + Sync {
    /// Opens the bytes at their start.
    ///
    /// # Errors
    /// Whatever the file system or the archive reports.
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>>;

    /// The file's path, where it is a file of its own that could be replaced.
    fn path(&self) -> Option<&Path> {
        None
    }
}

/// A file found in a source, not yet read.
#[derive(Clone)]
pub struct FileRef {
    /// Where it was found, for people: a path, or `archive!entry`.
    pub label: String,
    /// Length in bytes, as its folder or archive tells.
    pub size: u64,
    /// Modification time, where the source keeps one.
    pub modified: Option<Timestamp>,
    content: Arc<dyn Content>,
}

impl FileRef {
    /// A file of a source.
    pub fn new(label: String, size: u64, modified: Option<Timestamp>, content: Arc<dyn Content>) -> Self {
        Self { label, size, modified, content }
    }

    /// Opens the file at its start.
    ///
    /// # Errors
    /// The file is gone, locked, damaged or encrypted.
    pub fn open(&self) -> Result<Box<dyn Read + Send + '_>, PathError> {
        self.content.open().map_err(|source| self.error(source))
    }

    /// The same file with other bytes at its start, as many as `head` has.
    pub fn with_head(&self, head: Vec<u8>) -> Self {
        let content = Arc::new(Headed { head, file: self.clone() });
        Self { content, ..self.clone() }
    }

    /// The file's path, where it is a file of its own and no entry of an archive.
    pub fn path(&self) -> Option<&Path> {
        self.content.path()
    }

    /// Reads the whole file, at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::open`], or the file is longer than `limit`.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, PathError> {
        // One byte more than is there, so that the end is found without growing.
        let mut bytes = Vec::with_capacity(usize::try_from(self.size.min(64 << 10)).unwrap_or_default() + 1);
        let mut reader = self.open()?.take(limit + 1);
        reader.read_to_end(&mut bytes).map_err(|source| self.error(source))?;
        if bytes.len() as u64 > limit {
            let reason = format!("it is longer than the {limit} bytes allowed here");
            return Err(self.error(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
        }
        Ok(bytes)
    }

    /// The SHA-256 of the whole file.
    ///
    /// # Errors
    /// As [`Self::open`], or while reading.
    pub fn sha256(&self) -> Result<Sha256Digest, PathError> {
        let mut hasher = Sha256::new();
        let mut reader = self.open()?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(Sha256Digest(hasher.finalize().into()))
    }

    /// An error of reading this file.
    pub fn error(&self, source: io::Error) -> PathError {
        PathError::new("read", &self.label, source)
    }
}

/// A file whose first bytes are replaced.
struct Headed {
    head: Vec<u8>,
    file: FileRef,
}

impl Content for Headed {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut rest = self.file.content.open()?;
        // The replaced bytes may span several reads; an archive's entry cannot seek.
        let length = self.head.len() as u64;
        let skipped = io::copy(&mut rest.by_ref().take(length), &mut io::sink())?;
        match skipped == length {
            true => Ok(Box::new(self.head.as_slice().chain(rest))),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl fmt::Debug for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileRef({} {} bytes)", self.label, self.size)
    }
}

/// A SHA-256 digest, shown in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Sha256Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
