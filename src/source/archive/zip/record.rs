//! One record of a zip archive's central directory (APPNOTE.TXT 4.3.12): an entry's name, sizes, place and time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What a record begins with.
pub(super) const SIGNATURE: &[u8] = b"PK\x01\x02";
/// A record without name, extra fields and comment, in bytes.
const FIXED_LENGTH: usize = 46;
/// Seconds from 1601, where Windows counts from, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

const ZIP64_FIELD: u16 = 0x0001;
const NTFS_FIELD: u16 = 0x000A;
const EXTENDED_TIME_FIELD: u16 = 0x5455;
const UNICODE_PATH_FIELD: u16 = 0x7075;
const AES_FIELD: u16 = 0x9901;
/// The compression method that stands for AES, whose field has the real one.
const AES_METHOD: u16 = 99;
/// The flag of entries whose sizes stand behind them: their password is checked by the time.
const DESCRIPTOR_FLAG: u16 = 1 << 3;

/// The upper half of the code page in which old archivers write names (appendix D.1).
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// An entry as the index describes it; nothing of this is to be trusted before the data has been read.
pub(super) struct Entry {
    /// Its path in the archive, as written, in whatever way and with whatever separators.
    pub(super) name: String,
    /// General purpose flags (4.4.4).
    pub(super) flags: u16,
    /// Compression method (4.4.5).
    pub(super) method: u16,
    /// CRC-32 of the content.
    pub(super) crc: u32,
    /// Bytes in the archive.
    pub(super) compressed: u64,
    /// Bytes of content.
    pub(super) size: u64,
    /// Where its local header stands, from the file's start.
    pub(super) header_at: u64,
    /// Modification time.
    pub(super) modified: Option<Timestamp>,
    /// The last byte of ZipCrypto's header, once decrypted.
    pub(super) check: u8,
    /// How it is encrypted, where that is AES.
    pub(super) aes: Option<AesField>,
}

/// What WinZip's extra field tells of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AesField {
    /// 1, 2 or 3 for keys of 128, 192 or 256 bits.
    pub(super) strength: u8,
    /// Whether the checksum is left out (AE-2).
    pub(super) has_no_crc: bool,
}

impl Entry {
    /// Whether its data needs a password.
    pub(super) fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether it is a folder; Windows tools end those with a backslash.
    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with(['/', '\\'])
    }
}

/// Reads the record at the start of `bytes`, and tells its length; `None` where none stands there whole.
///
/// `prefix` bytes stand before the archive. Times without a zone are read in `zone`.
pub(super) fn read(bytes: &[u8], prefix: u64, zone: &TimeZone) -> Option<(Entry, usize)> {
    if !bytes.starts_with(SIGNATURE) {
        return None;
    }
    let flags = u16_at(bytes, 8)?;
    let name_length = usize::from(u16_at(bytes, 28)?);
    let extra_length = usize::from(u16_at(bytes, 30)?);
    let comment_length = usize::from(u16_at(bytes, 32)?);
    let (name, rest) = bytes.get(FIXED_LENGTH..)?.split_at_checked(name_length)?;
    let (extra, rest) = rest.split_at_checked(extra_length)?;
    rest.get(..comment_length)?;

    let mut entry = Entry {
        name: String::new(),
        flags,
        method: u16_at(bytes, 10)?,
        crc: u32_at(bytes, 16)?,
        compressed: u32_at(bytes, 20)?.into(),
        size: u32_at(bytes, 24)?.into(),
        header_at: u32_at(bytes, 42)?.into(),
        modified: None,
        check: 0,
        aes: None,
    };
    apply_zip64(&mut entry, extra);
    apply_aes(&mut entry, extra);
    let check = if flags & DESCRIPTOR_FLAG != 0 { u16_at(bytes, 12)?.into() } else { entry.crc >> 16 };
    entry.check = check.to_be_bytes().get(2).copied()?;
    entry.header_at = entry.header_at.checked_add(prefix)?;
    entry.name = unicode_path(name, extra).unwrap_or_else(|| decode_name(name, flags));
    entry.modified = modified(extra).or_else(|| dos_time(u16_at(bytes, 14)?, u16_at(bytes, 12)?, zone));
    Some((entry, FIXED_LENGTH + name_length + extra_length + comment_length))
}

/// Puts 64-bit numbers where the record has no room for them (4.5.3): only those, and in this order.
fn apply_zip64(entry: &mut Entry, extra: &[u8]) {
    let mut field = extra_field(extra, ZIP64_FIELD).unwrap_or_default();
    for number in [&mut entry.size, &mut entry.compressed, &mut entry.header_at] {
        if *number != u64::from(u32::MAX) {
            continue;
        }
        let Some(wide) = u64_at(field, 0) else {
            return;
        };
        *number = wide;
        field = field.get(8..).unwrap_or_default();
    }
}

/// Puts the real method in AES's place, where its field is there.
fn apply_aes(entry: &mut Entry, extra: &[u8]) {
    let Some(field) = extra_field(extra, AES_FIELD).filter(|_| entry.method == AES_METHOD) else {
        return;
    };
    if let (Some(version), Some(strength), Some(method)) = (u16_at(field, 0), field.get(4), u16_at(field, 5)) {
        entry.aes = Some(AesField { strength: *strength, has_no_crc: version == 2 });
        entry.method = method;
    }
}

/// The content of an extra field; one that is cut short ends the list, and is no reason to give the entry up.
fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let id = u16_at(extra, 0)?;
        let length = usize::from(u16_at(extra, 2)?);
        let (field, rest) = extra.get(4..)?.split_at_checked(length)?;
        if id == wanted {
            return Some(field);
        }
        extra = rest;
    }
}

/// The name in Info-ZIP's field (4.6.9), which counts while its checksum fits the name in the record.
fn unicode_path(name: &[u8], extra: &[u8]) -> Option<String> {
    let field = extra_field(extra, UNICODE_PATH_FIELD)?;
    let mut crc = flate2::Crc::new();
    crc.update(name);
    let fits = field.first() == Some(&1) && u32_at(field, 1) == Some(crc.sum());
    fits.then(|| field.get(5..))?.and_then(|path| String::from_utf8(path.to_vec()).ok())
}

/// Names are UTF-8 where a flag says so, and often without it; the rest is cp437.
fn decode_name(name: &[u8], flags: u16) -> String {
    const UTF8_FLAG: u16 = 1 << 11;
    match std::str::from_utf8(name) {
        Ok(text) => text.to_owned(),
        Err(_) if flags & UTF8_FLAG != 0 => String::from_utf8_lossy(name).into_owned(),
        Err(_) => name.iter().map(|byte| cp437(*byte)).collect(),
    }
}

fn cp437(byte: u8) -> char {
    let upper = byte.checked_sub(0x80).and_then(|index| CP437.chars().nth(index.into()));
    upper.unwrap_or(char::from(byte))
}

/// The modification time in UTC: NTFS's (4.5.5), else Info-ZIP's in whole seconds.
fn modified(extra: &[u8]) -> Option<Timestamp> {
    extra_field(extra, NTFS_FIELD).and_then(ntfs_time).or_else(|| {
        let field = extra_field(extra, EXTENDED_TIME_FIELD)?;
        let has_modified = field.first()? & 1 != 0;
        let seconds = has_modified.then(|| u32_at(field, 1))??;
        // A zero is what writers put that know no time.
        (seconds != 0).then(|| Timestamp::from_second(i64::from(seconds.cast_signed())).ok())?
    })
}

fn ntfs_time(field: &[u8]) -> Option<Timestamp> {
    let times = extra_field(field.get(4..)?, 1)?;
    let ticks = i64::try_from(u64_at(times, 0)?).ok().filter(|ticks| *ticks != 0)?;
    let nanoseconds = i32::try_from(ticks % 10_000_000 * 100).ok()?;
    Timestamp::new(ticks / 10_000_000 - WINDOWS_EPOCH, nanoseconds).ok()
}

/// MS-DOS date and time (4.4.6): local to wherever the archive was written, in steps of two seconds.
fn dos_time(date: u16, time: u16, zone: &TimeZone) -> Option<Timestamp> {
    let part = |number: u16, shift: u16, bits: u16| i8::try_from(number >> shift & ((1 << bits) - 1)).ok();
    let year = 1980 + i16::try_from(date >> 9).ok()?;
    let (month, day) = (part(date, 5, 4)?, part(date, 0, 5)?);
    let (hour, minute, second) = (part(time, 11, 5)?, part(time, 5, 6)?, part(time, 0, 5)? * 2);
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

/// The little-endian number at a place, `None` past the end.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

/// As [`u16_at`], of four bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

/// As [`u16_at`], of eight bytes.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UTC: TimeZone = TimeZone::UTC;

    fn field(id: u16, content: &[u8]) -> Vec<u8> {
        [&id.to_le_bytes()[..], &(content.len() as u16).to_le_bytes(), content].concat()
    }

    #[test]
    fn the_code_page_has_its_128_characters() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(decode_name(b"Zo\x89.txt", 0), "Zoë.txt");
        assert_eq!(decode_name("Zoë.txt".as_bytes(), 0), "Zoë.txt");
        assert_eq!(decode_name(b"Zo\x89.txt", 1 << 11), "Zo\u{fffd}.txt");
    }

    #[test]
    fn times_are_read_from_the_best_field() {
        let mut times = vec![0; 4];
        times.extend(field(1, &[116_444_736_005_000_000_u64.to_le_bytes(), [0; 8], [0; 8]].concat()));
        let ntfs = field(NTFS_FIELD, &times);
        let unix = field(EXTENDED_TIME_FIELD, &[&[1][..], &7_u32.to_le_bytes()].concat());
        let both = [unix.clone(), ntfs].concat();
        assert_eq!(modified(&both).unwrap().to_string(), "1970-01-01T00:00:00.5Z");
        assert_eq!(modified(&unix).unwrap().to_string(), "1970-01-01T00:00:07Z");
        assert_eq!(modified(&field(EXTENDED_TIME_FIELD, &[2, 7, 0, 0, 0])), None);
        assert_eq!(modified(&field(NTFS_FIELD, &[0; 9])), None);
        assert_eq!(modified(&unix[..7]), None);
    }

    #[test]
    fn dos_times_are_local() {
        let date = (2016 - 1980) << 9 | 12 << 5 | 23;
        let time = 8 << 11 | 30 << 5 | 5;
        assert_eq!(dos_time(date, time, &UTC).unwrap().to_string(), "2016-12-23T08:30:10Z");
        let ahead = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(dos_time(date, time, &ahead).unwrap().to_string(), "2016-12-23T07:30:10Z");
        assert_eq!(dos_time(0, 0, &UTC), None);
        assert_eq!(dos_time(0xFFFF, 0xFFFF, &UTC), None);
    }

    #[test]
    fn a_unicode_path_counts_while_it_belongs_to_the_name() {
        let mut crc = flate2::Crc::new();
        crc.update(b"old");
        let path = [&[1][..], &crc.sum().to_le_bytes(), "neë".as_bytes()].concat();
        let extra = field(UNICODE_PATH_FIELD, &path);
        assert_eq!(unicode_path(b"old", &extra).as_deref(), Some("neë"));
        assert_eq!(unicode_path(b"other", &extra), None);
    }

    #[test]
    fn only_numbers_without_room_are_taken_from_zip64() {
        let mut record = vec![0; FIXED_LENGTH];
        record[..4].copy_from_slice(SIGNATURE);
        record[20..24].copy_from_slice(&5_u32.to_le_bytes());
        record[24..28].copy_from_slice(&u32::MAX.to_le_bytes());
        record[42..46].copy_from_slice(&u32::MAX.to_le_bytes());
        let extra = field(ZIP64_FIELD, &[(1_u64 << 33).to_le_bytes(), (1_u64 << 34).to_le_bytes()].concat());
        record[30..32].copy_from_slice(&(extra.len() as u16).to_le_bytes());
        record.extend(extra);
        let (entry, length) = read(&record, 10, &UTC).unwrap();
        assert_eq!((entry.size, entry.compressed, entry.header_at), (1 << 33, 5, (1 << 34) + 10));
        assert_eq!(length, record.len());
        for cut in 0..record.len() {
            assert!(read(&record[..cut], 0, &UTC).is_none(), "{cut}");
        }
    }
}
