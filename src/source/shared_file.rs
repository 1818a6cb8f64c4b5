//! One open file read at many places at once, without a cursor to quarrel about.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A file, or a part of one, that is read by position from any number of threads.
#[derive(Clone)]
pub(super) struct SharedFile {
    place: Place,
    start: u64,
    length: u64,
}

#[derive(Clone)]
enum Place {
    /// One handle for all.
    Open(Arc<File>),
    /// A handle for each window.
    Path(Arc<Path>),
}

impl SharedFile {
    /// Opens a file and notes its length.
    ///
    /// With `keep_open` the one handle serves all reads. Without, each window opens its own: a folder may hold more
    /// archives than a process may hold handles.
    pub(super) fn open(path: &Path, keep_open: bool) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let place = if keep_open { Place::Open(Arc::new(file)) } else { Place::Path(path.into()) };
        Ok(Self { place, start: 0, length })
    }

    /// The bytes of an open file from `start` on.
    pub(super) fn of(file: Arc<File>, start: u64, length: u64) -> Self {
        Self { place: Place::Open(file), start, length }
    }

    /// Length in bytes when the file was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes from `start` to `end`, or to the end of the file where that comes first, as a file of their own.
    pub(super) fn part(&self, start: u64, end: u64) -> Self {
        let start = start.min(self.length);
        let length = end.min(self.length).saturating_sub(start);
        Self { place: self.place.clone(), start: self.start + start, length }
    }

    /// A reader over the bytes from `start` to `end`, or to the end of the file where that comes first.
    pub(super) fn window(&self, start: u64, end: u64) -> io::Result<Window> {
        let file = match &self.place {
            Place::Open(file) => Arc::clone(file),
            Place::Path(path) => Arc::new(File::open(path)?),
        };
        let window = Window { file, base: self.start, length: self.length, position: 0, end: 0 };
        Ok(window.moved(start, end))
    }

    /// A reader over all of it.
    pub(super) fn whole(&self) -> io::Result<Window> {
        self.window(0, self.length)
    }

    /// The bytes from `start` to `end`, fewer where the file ends before.
    pub(super) fn bytes(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.window(start, end)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A part of a [`SharedFile`], read from its start to its end.
pub(super) struct Window {
    file: Arc<File>,
    /// Where the shared file begins in the file on disk.
    base: u64,
    length: u64,
    /// Next byte to be read, from the start of the shared file.
    position: u64,
    end: u64,
}

impl Window {
    /// The same file from `start` to `end`, through the handle that is open already.
    pub(super) fn moved(self, start: u64, end: u64) -> Self {
        Self { position: start, end: end.min(self.length), ..self }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.end.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let count = read_at(&self.file, buffer.get_mut(..wanted).unwrap_or_default(), self.base + self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        crate::fsx::write_atomically(&path, b"0123456789").unwrap();
        for keep_open in [true, false] {
            let file = SharedFile::open(&path, keep_open).unwrap();
            assert_eq!(file.length(), 10);
            let mut first = file.window(0, 4).unwrap();
            let mut second = file.window(4, 99).unwrap();
            let mut pair = [0; 2];
            first.read_exact(&mut pair).unwrap();
            assert_eq!(&pair, b"01");
            let mut rest = Vec::new();
            second.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"456789");
            first.read_exact(&mut pair).unwrap();
            assert_eq!(&pair, b"23");
            assert_eq!(first.read(&mut pair).unwrap(), 0);
            assert_eq!(file.bytes(8, u64::MAX).unwrap(), b"89");
            assert_eq!(file.bytes(50, 60).unwrap(), b"");
            let part = file.part(2, 8).part(1, 99);
            assert_eq!((part.length(), part.bytes(0, 99).unwrap()), (5, b"34567".to_vec()));
            assert_eq!(part.bytes(1, 3).unwrap(), b"45");
            let mut whole = part.whole().unwrap();
            assert_eq!(whole.seek(SeekFrom::End(-2)).unwrap(), 3);
            rest.clear();
            whole.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"67");
            assert!(whole.seek(SeekFrom::Current(-9)).is_err());
            assert_eq!(file.part(50, 60).length(), 0);
        }
    }
}
