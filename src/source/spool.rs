//! One temporary file without a name, for what must lie on disk to be read by position.
//!
//! Archives inside archives, and attachments on their way out of archives that can only be read from their start. The
//! system removes the file when the last user of it is gone, also after a crash.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::shared_file::SharedFile;

const BUFFER: usize = 64 << 10;

/// The temporary file; made when the first bytes come.
#[derive(Default)]
pub(super) struct Spool {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    end: u64,
}

/// Why something could not be put on the spool.
pub(super) enum SpoolError {
    /// It could not be read.
    Read(io::Error),
    /// The temporary file could not be written.
    Write(io::Error),
}

impl From<SpoolError> for io::Error {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Read(error) => error,
            SpoolError::Write(error) => {
                Self::new(error.kind(), format!("the temporary file for it could not be written: {error}"))
            }
        }
    }
}

impl Spool {
    /// Copies all bytes of a reader to the end of the file. What fails halfway is written over by the next.
    pub(super) fn append(&self, reader: &mut dyn Read) -> Result<SharedFile, SpoolError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(tempfile::tempfile().map_err(SpoolError::Write)?),
        };
        state.file = Some(Arc::clone(&file));
        let start = state.end;
        let mut end = start;
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SpoolError::Read(error)),
            };
            write_all_at(&file, buffer.get(..count).unwrap_or_default(), end).map_err(SpoolError::Write)?;
            end += count as u64;
        }
        state.end = end;
        Ok(SharedFile::of(file, start, end - start))
    }
}

fn write_all_at(file: &File, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = match write_at(file, bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes = bytes.get(count..).unwrap_or_default();
        position += count as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, position)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }

    fn append(spool: &Spool, reader: &mut dyn Read) -> io::Result<SharedFile> {
        spool.append(reader).map_err(io::Error::from)
    }

    #[test]
    fn pieces_stay_apart_and_what_failed_leaves_nothing() {
        let spool = Spool::default();
        let first = append(&spool, &mut &b"first"[..]).unwrap();
        let error = append(&spool, &mut b"half".chain(Failing)).err().unwrap();
        assert_eq!(error.to_string(), "bad sector");
        let long = vec![7; BUFFER * 2 + 1];
        let second = append(&spool, &mut long.as_slice()).unwrap();
        let empty = append(&spool, &mut io::empty()).unwrap();
        drop(spool);
        assert_eq!(first.bytes(0, 99).unwrap(), b"first");
        assert!(second.bytes(0, u64::MAX).unwrap() == long);
        assert_eq!(empty.length(), 0);
    }
}
