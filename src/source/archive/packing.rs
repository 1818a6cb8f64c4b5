//! Single files that are packed as a stream: gzip, xz, Zstandard and bzip2.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::format::Bytes;
use crate::message::Content;

/// How many KiB a decoder may take for its dictionary or window; `xz -9` takes 64 MiB, `zstd --long` 128.
pub(super) const MEMORY_KIB: u32 = 256 << 10;
const BUFFER: usize = 64 << 10;

/// A stream's packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Xz,
    Zstandard,
    Bzip2,
}

impl Packing {
    /// The packing that some bytes begin as.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        // Zstandard files may begin with a frame that is to be skipped (RFC 8878, 3.1.2).
        const SKIPPED: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
        let mark = head.first_chunk().map(|chunk| u32::from_le_bytes(*chunk));
        match head {
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstandard),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => Some(Self::Bzip2),
            _ if mark.is_some_and(|mark| SKIPPED.contains(&mark)) => Some(Self::Zstandard),
            _ => None,
        }
    }
}

/// What a packed file holds, unpacked as it is read.
pub(super) struct Unpacked {
    packed: Bytes,
    packing: Packing,
}

impl Unpacked {
    pub(super) fn new(packed: Bytes, packing: Packing) -> Self {
        Self { packed, packing }
    }
}

impl Content for Unpacked {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        let reader = BufReader::with_capacity(BUFFER, self.packed.open()?);
        Ok(unpack(reader, self.packing))
    }
}

/// Unpacks a stream.
pub(super) fn unpack<'r>(reader: impl BufRead + Send + 'r, packing: Packing) -> Box<dyn Read + Send + 'r> {
    match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Packing::Xz => Box::new(XzReader::new_mem_limit(reader, true, MEMORY_KIB)),
        Packing::Zstandard => Box::new(Frames::new(reader)),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(reader)),
    }
}

/// Zstandard frames, one after the other; the decoder at hand reads one.
struct Frames<R> {
    reader: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(reader: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(u64::from(MEMORY_KIB) << 10);
        Self { reader, decoder, is_in_frame: false }
    }

    /// Begins the next frame; `false` at the end.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.reader.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.reader) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut self.reader.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(told), Some(computed)) if told != computed => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_in_frame && !self.begin()? {
                return Ok(0);
            }
            self.is_in_frame = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let decoded = self.decoder.decode_blocks(&mut self.reader, BlockDecodingStrategy::UptoBlocks(1));
                decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            match self.decoder.read(buffer)? {
                0 => {
                    self.check()?;
                    self.is_in_frame = false;
                }
                count => return Ok(count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        unpack(bytes, Packing::of(bytes).unwrap()).read_to_end(&mut out).map(|_| out)
    }

    /// `abc`, packed by the usual programs.
    const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03KLJ\x06\0\xc2A$5\x03\0\0\0";
    const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x19\0\0abc\x99\x09\x77\xad";

    #[test]
    fn several_members_are_one_stream() {
        assert_eq!(unpacked(&[GZIP, GZIP].concat()).unwrap(), b"abcabc");
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0...";
        assert_eq!(unpacked(&[skipped, ZSTD, skipped, ZSTD].concat()).unwrap(), b"abcabc");
        assert!(unpacked(&skipped[..9]).is_err());
    }

    #[test]
    fn checksums_are_checked_and_cuts_found() {
        let mut wrong = ZSTD.to_vec();
        *wrong.last_mut().unwrap() ^= 1;
        assert!(unpacked(&wrong).unwrap_err().to_string().contains("checksum"));
        for whole in [GZIP, ZSTD] {
            for length in 10..whole.len() {
                assert!(unpacked(&whole[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn windows_have_a_limit() {
        // A frame that asks for a window of 1 GiB.
        let error = unpacked(b"\x28\xb5\x2f\xfd\0\xa0\x01\0\0").unwrap_err();
        assert!(error.to_string().to_lowercase().contains("window"), "{error}");
    }

    #[test]
    fn packings_are_told_by_their_marks() {
        assert_eq!(Packing::of(b"BZh91AY&SY"), Some(Packing::Bzip2));
        assert_eq!(Packing::of(b"\xFD7zXZ\0"), Some(Packing::Xz));
        for other in [&b""[..], b"PK\x03\x04", b"BZhello", b"\x1f\x8b", b"RIFF"] {
            assert_eq!(Packing::of(other), None);
        }
    }
}
