//! One 512-byte header block of a tar archive: POSIX ustar, GNU tar and the old Unix form.

use jiff::Timestamp;

/// Bytes of a header block, and what everything in a tar archive is a multiple of.
pub(in crate::source) const BLOCK: usize = 512;

/// A header block as it stands; nothing of it is to be trusted before the data has been read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The path, without what long-name blocks before it say.
    pub(super) name: Vec<u8>,
    /// Bytes of content.
    pub(super) size: u64,
    /// Modification time.
    pub(super) modified: Option<Timestamp>,
    /// The type flag.
    pub(super) flag: u8,
    /// Where a link leads.
    pub(super) target: Vec<u8>,
}

impl Block {
    /// Reads a block, `None` where its checksum or a number in it is wrong.
    pub(super) fn read(bytes: &[u8; BLOCK]) -> Option<Self> {
        if !has_checksum(bytes) {
            return None;
        }
        let flag = field(bytes, 156, 1).first().copied()?;
        let is_ustar = field(bytes, 257, 6) == b"ustar\0";
        let mut name = text(field(bytes, 0, 100)).to_vec();
        let prefix = text(field(bytes, 345, 155));
        // GNU tar keeps other things in the place of the prefix, and has another mark.
        if is_ustar && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let size = match flag {
            // Links, folders and devices have no content, whatever size is written.
            b'1'..=b'6' => 0,
            _ => number(field(bytes, 124, 12))?,
        };
        let modified = number(field(bytes, 136, 12)).and_then(|seconds| i64::try_from(seconds).ok());
        Some(Self {
            name,
            size,
            modified: modified.and_then(|seconds| Timestamp::from_second(seconds).ok()),
            flag,
            target: text(field(bytes, 157, 100)).to_vec(),
        })
    }
}

/// Whether a block is a header by its checksum and, for what follows garbage, by its mark.
pub(super) fn is_marked_header(bytes: &[u8; BLOCK]) -> bool {
    field(bytes, 257, 5) == b"ustar" && has_checksum(bytes)
}

/// Whether some bytes begin as a tar archive does; its mark will do where the checksum is wrong.
pub(in crate::source) fn begins_as_tar(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block: &[u8; BLOCK]| {
        field(block, 257, 5) == b"ustar" || (has_checksum(block) && !block.starts_with(&[0]))
    })
}

/// The sum of all bytes, the checksum's own taken as spaces; old tars added up signed bytes.
fn has_checksum(bytes: &[u8; BLOCK]) -> bool {
    let Some(told) = number(field(bytes, 148, 8)) else {
        return false;
    };
    let (mut sum, mut signed) = (0_u64, 0_i64);
    for (at, byte) in bytes.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        sum += u64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    told == sum || i64::try_from(told) == Ok(signed)
}

fn field(bytes: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    bytes.get(at..at + length).unwrap_or_default()
}

/// A field's text up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or big-endian behind a byte of 0x80, as GNU writes what digits have no room for.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((0x80, rest)) => rest.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(256).and_then(|value| value.checked_add(u64::from(*byte)))
        }),
        _ => {
            let digits = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
            match digits {
                "" => Some(0),
                digits if digits.starts_with('+') => None,
                digits => u64::from_str_radix(digits, 8).ok(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"    12 \0"), Some(0o12));
        assert_eq!(number(b"777777777777"), Some(0o777_777_777_777));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        for wrong in [&b"9"[..], b"+7", b"-7", b"1 2", b"\xFF\xFF\xFF\xFF", &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_checksum_may_be_signed_and_must_be_right() {
        let mut block = [0; BLOCK];
        block[..2].copy_from_slice(b"\xE9a");
        let signed = i64::from(0xE9_u8.cast_signed()) + i64::from(b'a') + 8 * i64::from(b' ');
        for sum in [0xE9 + i64::from(b'a') + 8 * 32, signed] {
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            block[155] = b' ';
            assert_eq!(Block::read(&block).unwrap().name, b"\xE9a");
            assert!(begins_as_tar(&block) && !is_marked_header(&block));
        }
        block[2] ^= 1;
        assert_eq!(Block::read(&block), None);
        assert!(!begins_as_tar(&[0; BLOCK]) && !begins_as_tar(b"short"));
    }
}
