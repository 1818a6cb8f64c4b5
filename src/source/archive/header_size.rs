//! How large a 7z archive's index becomes: it is packed itself, and must not be a bomb.
//!
//! `sevenz-rust2` unpacks an index of any size. So the sizes it claims are read first, and nothing else of it: 7zFormat.txt
//! of the LZMA SDK names the parts.

use super::super::shared_file::SharedFile;
use super::ArchiveError;

/// The largest index that is read, in bytes: about two hundred thousand entries.
const LIMIT: u64 = 32 << 20;
const START_LENGTH: u64 = 32;

/// Refuses an archive whose index is or becomes too large.
pub(super) fn check(file: &SharedFile) -> Result<(), ArchiveError> {
    let start = file.bytes(0, START_LENGTH)?;
    let number =
        |at: usize| start.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes));
    let (Some(offset), Some(size)) = (number(12), number(20)) else {
        return Err(ArchiveError::CutShort);
    };
    if size > LIMIT {
        return Err(ArchiveError::IndexTooLarge(size));
    }
    let at = START_LENGTH.saturating_add(offset);
    if at.saturating_add(size) > file.length() {
        return Err(ArchiveError::CutShort);
    }
    let index = file.bytes(at, at + size)?;
    match index.split_first() {
        Some((0x17, rest)) => match largest(&mut Numbers(rest)) {
            None => Err(ArchiveError::Damaged("its description makes no sense")),
            Some(size) if size > LIMIT => Err(ArchiveError::IndexTooLarge(size)),
            Some(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The largest of the sizes that an index claims to be unpacked to.
fn largest(index: &mut Numbers<'_>) -> Option<u64> {
    let mut part = index.byte()?;
    if part == 0x06 {
        index.pack_info()?;
        part = index.byte()?;
    }
    if part != 0x07 || index.byte()? != 0x0B {
        return None;
    }
    let folders = index.number()?;
    // Definitions kept elsewhere are read by nobody.
    if index.byte()? != 0 {
        return None;
    }
    let mut outputs = 0_u64;
    for _ in 0..folders {
        outputs = outputs.checked_add(index.folder()?)?;
    }
    if index.byte()? != 0x0C {
        return None;
    }
    let mut largest = 0;
    for _ in 0..outputs {
        largest = largest.max(index.number()?);
    }
    Some(largest)
}

/// Reads an index's numbers from its start.
struct Numbers<'i>(&'i [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    /// A number whose first byte tells by its leading ones how many bytes follow, lowest first.
    fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let mut value = 0;
        for index in 0..8 {
            let mask = 0x80_u8 >> index;
            if first & mask == 0 {
                let high = u64::from(first & (mask - 1));
                return Some(value | high << (8 * index));
            }
            value |= u64::from(self.byte()?) << (8 * index);
        }
        Some(value)
    }

    fn pack_info(&mut self) -> Option<()> {
        self.number()?;
        let streams = self.number()?;
        loop {
            match self.byte()? {
                0x00 => return Some(()),
                0x09 => {
                    for _ in 0..streams {
                        self.number()?;
                    }
                }
                0x0A => {
                    let mut defined = streams;
                    if self.byte()? == 0 {
                        defined = 0;
                        for _ in 0..streams.div_ceil(8) {
                            defined += u64::from(self.byte()?.count_ones());
                        }
                    }
                    self.skip(defined.checked_mul(4)?)?;
                }
                _ => return None,
            }
        }
    }

    /// One folder, which is a chain of coders; tells how many outputs it has.
    fn folder(&mut self) -> Option<u64> {
        let coders = self.number()?;
        let (mut inputs, mut outputs) = (0_u64, 0_u64);
        for _ in 0..coders {
            let flags = self.byte()?;
            self.skip(u64::from(flags & 0x0F))?;
            let is_complex = flags & 0x10 != 0;
            inputs = inputs.checked_add(if is_complex { self.number()? } else { 1 })?;
            outputs = outputs.checked_add(if is_complex { self.number()? } else { 1 })?;
            if flags & 0x20 != 0 {
                let length = self.number()?;
                self.skip(length)?;
            }
        }
        let pairs = outputs.checked_sub(1)?;
        for _ in 0..pairs {
            self.number()?;
            self.number()?;
        }
        let packed = inputs.checked_sub(pairs)?;
        if packed > 1 {
            for _ in 0..packed {
                self.number()?;
            }
        }
        Some(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of an archive as 7-Zip writes it, packed with LZMA to 0x6A bytes.
    const INDEX: &[u8] =
        b"\x06\x81\x36\x01\x09\x5d\x00\x07\x0b\x01\x00\x01\x23\x03\x01\x01\x05\x5d\x00\x10\x00\x00\x0c\x6a\x0a\x01\x12\x34\x56\x78\x00\x00";

    #[test]
    fn the_size_of_an_index_is_found() {
        assert_eq!(largest(&mut Numbers(INDEX)), Some(0x6A));
        for length in 0..24 {
            assert_eq!(largest(&mut Numbers(&INDEX[..length])), None, "{length}");
        }
    }

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        let number = |bytes: &[u8]| Numbers(bytes).number();
        assert_eq!(number(&[0x7F]), Some(0x7F));
        assert_eq!(number(&[0x81, 0x36]), Some(0x136));
        assert_eq!(number(&[0xC1, 0x02, 0x03]), Some(0x1_0302));
        assert_eq!(number(&[0xFF, 1, 0, 0, 0, 0, 0, 0, 0x80]), Some(1 << 63 | 1));
        assert_eq!(number(&[0xFF, 1]), None);
    }

    #[test]
    fn counts_that_cannot_be_end_at_the_last_byte() {
        assert_eq!(largest(&mut Numbers(b"\x06\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x09\x01")), None);
        assert_eq!(largest(&mut Numbers(b"\x07\x0b\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\x00\x01")), None);
    }
}
