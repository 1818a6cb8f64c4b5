//! The content of one archive entry: found by its local header, unpacked as it is read, checked at its end.

use std::io::{self, BufReader, Read};

use flate2::bufread::DeflateDecoder;

use super::super::super::options::ArchivePassword;
use super::super::super::shared_file::{SharedFile, Window};
use super::super::DECRYPTION;
use super::crypto::Decrypted;
use super::record::{AesField, Entry, u16_at};
use crate::message::Content;

/// A local header without name and extra fields (4.3.7), in bytes.
const LOCAL_LENGTH: u64 = 30;
const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
/// Compressed bytes read at once, at most.
const BUFFER: u64 = 32 << 10;
/// Deflate cannot shrink further than 1032 to 1.
const DEFLATE_RATIO: u64 = 1032;

/// How an entry's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// As they are.
    Stored,
    /// Deflate.
    Deflated,
}

impl Method {
    /// The method of that number (4.4.5), `Err` with its name where it is none that is read here.
    pub(super) fn parse(number: u16) -> Result<Self, String> {
        Err(match number {
            0 => return Ok(Self::Stored),
            8 => return Ok(Self::Deflated),
            9 => "Deflate64".to_owned(),
            12 => "bzip2".to_owned(),
            14 => "LZMA".to_owned(),
            93 => "Zstandard".to_owned(),
            95 => "XZ".to_owned(),
            98 => "PPMd".to_owned(),
            other => format!("method {other}"),
        })
    }
}

/// One entry's bytes.
pub(super) struct EntryContent {
    archive: SharedFile,
    header_at: u64,
    compressed: u64,
    size: u64,
    crc: u32,
    method: Method,
    encryption: Option<Encryption>,
}

/// How an entry is encrypted, and with which password.
struct Encryption {
    aes: Option<AesField>,
    check: u8,
    password: ArchivePassword,
}

impl EntryContent {
    /// The content of an entry, read from its archive whenever it is opened.
    pub(super) fn new(archive: SharedFile, entry: &Entry, method: Method, password: Option<&ArchivePassword>) -> Self {
        let Entry { header_at, compressed, size, crc, aes, check, .. } = *entry;
        let password = password.filter(|_| entry.is_encrypted());
        let encryption = password.map(|password| Encryption { aes, check, password: password.clone() });
        Self { archive, header_at, compressed, size, crc, method, encryption }
    }

    /// Whether what the index says of sizes and place can be true.
    pub(super) fn is_plausible(&self) -> bool {
        let end = self.header_at.checked_add(LOCAL_LENGTH).and_then(|start| start.checked_add(self.compressed));
        let fits = end.is_some_and(|end| end <= self.archive.length());
        fits && match self.method {
            Method::Stored if self.encryption.is_some() => self.size <= self.compressed,
            Method::Stored => self.size == self.compressed,
            Method::Deflated => self.size <= self.compressed.saturating_mul(DEFLATE_RATIO),
        }
    }

    /// The bytes themselves, where they lie open in the archive.
    pub(super) fn in_place(&self) -> Option<SharedFile> {
        let is_open = self.method == Method::Stored && self.encryption.is_none() && self.is_plausible();
        let (_, start) = self.packed().ok().filter(|_| is_open)?;
        Some(self.archive.part(start, start.saturating_add(self.compressed)))
    }

    /// A window over the packed bytes, which follow a local header of their own length, and where they begin.
    fn packed(&self) -> io::Result<(Window, u64)> {
        let mut window = self.archive.window(self.header_at, self.header_at.saturating_add(LOCAL_LENGTH))?;
        let mut header = [0; LOCAL_LENGTH as usize];
        window.read_exact(&mut header).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("its place lies past the end of the archive"),
            _ => error,
        })?;
        if !header.starts_with(LOCAL_SIGNATURE) {
            return Err(damaged("it is not where the archive's index says"));
        }
        let length = |at| u16_at(&header, at).map_or(0, u64::from);
        let start = self.header_at + LOCAL_LENGTH + length(26) + length(28);
        Ok((window.moved(start, start.saturating_add(self.compressed)), start))
    }
}

impl Content for EntryContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let (window, _) = self.packed()?;
        let Some(encryption) = &self.encryption else {
            return Ok(self.unpacked(window, Some(self.crc), "its checksum is wrong"));
        };
        let password = encryption.password.reveal().as_bytes();
        let (decrypted, crc) = match encryption.aes {
            Some(field) => {
                let decrypted = Decrypted::aes(window, self.compressed, field, password)?;
                (decrypted, (!field.has_no_crc).then_some(self.crc))
            }
            None => (Decrypted::zipcrypto(window, encryption.check, password)?, Some(self.crc)),
        };
        Ok(self.unpacked(decrypted, crc, DECRYPTION))
    }
}

impl EntryContent {
    /// Unpacks bytes and checks them; a wrong checksum is told as `mismatch`.
    fn unpacked<'r>(
        &self,
        packed: impl Read + Send + 'r,
        crc: Option<u32>,
        mismatch: &'static str,
    ) -> Box<dyn Read + Send + 'r> {
        let capacity = usize::try_from(self.compressed.clamp(64, BUFFER)).unwrap_or_default();
        let packed = BufReader::with_capacity(capacity, packed);
        match self.method {
            Method::Stored => Box::new(Checked::new(packed, self.size, crc, mismatch)),
            Method::Deflated => Box::new(Checked::new(DeflateDecoder::new(packed), self.size, crc, mismatch)),
        }
    }
}

fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Passes bytes on, and fails where there are more, fewer or others than the index tells.
struct Checked<R> {
    inner: R,
    left: u64,
    crc: Option<u32>,
    computed: flate2::Crc,
    mismatch: &'static str,
}

impl<R> Checked<R> {
    fn new(inner: R, size: u64, crc: Option<u32>, mismatch: &'static str) -> Self {
        Self { inner, left: size, crc, computed: flate2::Crc::new(), mismatch }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| damaged("it is longer than the archive's index says"))?;
        self.computed.update(bytes);
        if bytes.is_empty() && self.left > 0 {
            return Err(damaged("it is shorter than the archive's index says"));
        }
        if bytes.is_empty() && self.crc.is_some_and(|crc| self.computed.sum() != crc) {
            return Err(damaged(self.mismatch));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    fn read(bytes: &[u8], size: u64, crc: u32) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let result = Checked::new(bytes, size, Some(crc), "its checksum is wrong").read_to_end(&mut out);
        result.map(|_| out).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_bytes_that_were_packed_come_out() {
        assert_eq!(read(b"abc", 3, crc(b"abc")).unwrap(), b"abc");
        assert!(read(b"abd", 3, crc(b"abc")).unwrap_err().contains("checksum"));
        assert!(read(b"ab", 3, crc(b"ab")).unwrap_err().contains("shorter"));
        assert!(read(b"abcd", 3, crc(b"abcd")).unwrap_err().contains("longer"));
        assert_eq!(read(b"", 0, 0).unwrap(), b"");
    }
}
