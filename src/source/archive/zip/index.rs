//! The index at the end of a zip file: which entries it has and where they lie.
//!
//! Read here and not through the `zip` crate, because that keeps one entry of a name, gives up the whole archive for one
//! damaged record, and hides the fields that hold modification times in UTC. Here, entries of one name are all kept, and
//! behind a damaged record the walk goes on at the next one. Section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.

use std::io;

use jiff::tz::TimeZone;

use super::super::super::shared_file::SharedFile;
use super::super::ArchiveError;
use super::record::{self, Entry, u16_at, u32_at, u64_at};

/// The end record without its comment (4.3.16), in bytes.
const END_LENGTH: u64 = 22;
/// The longest comment that may follow the end record, in bytes.
const COMMENT_LIMIT: u64 = 0xFFFF;
/// The Zip64 locator (4.3.15), right before the end record, in bytes.
const LOCATOR_LENGTH: u64 = 20;
/// The Zip64 end record (4.3.14) without extensible data, in bytes.
const ZIP64_END_LENGTH: u64 = 56;
/// How many end marks are tried, so that a comment full of them costs no time.
const END_CANDIDATES: usize = 64;
/// The largest index that is read, in bytes: ten million entries.
const INDEX_LIMIT: u64 = 1 << 30;

const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const ZIP64_END_SIGNATURE: &[u8] = b"PK\x06\x06";

/// What an archive's index tells.
pub(super) struct Index {
    /// Every entry whose record could be read, in the index's order.
    pub(super) entries: Vec<Entry>,
    /// What is wrong with the index itself, in sentences for people.
    pub(super) damage: Vec<String>,
}

/// Where the central directory lies, as one end record tells.
struct Directory {
    start: u64,
    end: u64,
    /// How many bytes stand before the archive, such as a self-extractor's program.
    prefix: u64,
    entries: u64,
    /// Whether `entries` is a 16-bit number, which some writers let overflow.
    is_short_count: bool,
}

/// Reads an archive's index; times without a zone are read in `zone`.
pub(super) fn read(file: &SharedFile, zone: &TimeZone) -> Result<Index, ArchiveError> {
    if file.length() == 0 {
        return Err(ArchiveError::Empty);
    }
    let tail_start = file.length().saturating_sub(END_LENGTH + COMMENT_LIMIT);
    let tail = file.bytes(tail_start, file.length())?;
    let mut first_error = None;
    // From the end: a mark inside packed data comes earlier, and one inside the comment fails the checks.
    for at in marks(&tail, END_SIGNATURE).rev().take(END_CANDIDATES) {
        let end_record = tail.get(at..).unwrap_or_default();
        match read_at_end(file, end_record, tail_start + at as u64, zone) {
            Ok(index) => return Ok(index),
            Err(ArchiveError::Io(error)) => return Err(error.into()),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let without_end = || match begins_as_zip(file) {
        Ok(true) => ArchiveError::CutShort,
        Ok(false) => ArchiveError::Unknown,
        Err(error) => error.into(),
    };
    Err(first_error.unwrap_or_else(without_end))
}

/// Whether a file begins as a zip archive does.
fn begins_as_zip(file: &SharedFile) -> io::Result<bool> {
    let head = file.bytes(0, 4)?;
    Ok(head == LOCAL_SIGNATURE || head == END_SIGNATURE)
}

fn read_at_end(file: &SharedFile, end_record: &[u8], at: u64, zone: &TimeZone) -> Result<Index, ArchiveError> {
    let directory = find_directory(file, end_record, at)?;
    if directory.end - directory.start > INDEX_LIMIT {
        return Err(ArchiveError::Damaged("it is longer than 1 GiB"));
    }
    let bytes = file.bytes(directory.start, directory.end)?;
    let mut index = walk(&bytes, &directory, zone);
    let should_have_entries = directory.entries > 0 || (at > 0 && begins_as_zip(file)?);
    if index.entries.is_empty() && should_have_entries {
        return Err(ArchiveError::Damaged("no entry can be found in it"));
    }
    // A program may stand before an archive. An archive before it is joined to it, or is cut short and holds it.
    if directory.prefix > 0 && begins_as_zip(file)? {
        let text = format!("the first {} bytes are of another archive, whose index is missing", directory.prefix);
        index.damage.push(text);
    }
    Ok(index)
}

/// Checks an end record and finds the directory that it tells of.
fn find_directory(file: &SharedFile, end_record: &[u8], at: u64) -> Result<Directory, ArchiveError> {
    const SHORT: ArchiveError = ArchiveError::Damaged("its end record is cut short");
    let disk = u16_at(end_record, 4).ok_or(SHORT)?;
    let directory_disk = u16_at(end_record, 6).ok_or(SHORT)?;
    let entries_here = u16_at(end_record, 8).ok_or(SHORT)?;
    let entries = u16_at(end_record, 10).ok_or(SHORT)?;
    let size = u32_at(end_record, 12).ok_or(SHORT)?;
    let offset = u32_at(end_record, 16).ok_or(SHORT)?;
    if let Some(directory) = find_zip64_directory(file, at)? {
        return Ok(directory);
    }
    let is_volume_number = |number| number != 0 && number != u16::MAX;
    if is_volume_number(disk) || is_volume_number(directory_disk) || entries_here != entries {
        return Err(ArchiveError::Volume);
    }
    locate(file, at, size.into(), offset.into(), entries.into(), true)
}

/// Finds the directory by the Zip64 records before the end record, `None` where there are none.
fn find_zip64_directory(file: &SharedFile, end_at: u64) -> Result<Option<Directory>, ArchiveError> {
    let Some(locator_at) = end_at.checked_sub(LOCATOR_LENGTH) else {
        return Ok(None);
    };
    let locator = file.bytes(locator_at, end_at)?;
    if !locator.starts_with(LOCATOR_SIGNATURE) {
        return Ok(None);
    }
    // Bytes before the archive shift it, so that the place told may be too early; the usual place is right before.
    let told = u64_at(&locator, 8).unwrap_or(u64::MAX);
    for at in [told, locator_at.saturating_sub(ZIP64_END_LENGTH)] {
        if at >= locator_at {
            continue;
        }
        let record = file.bytes(at, at + ZIP64_END_LENGTH)?;
        if !record.starts_with(ZIP64_END_SIGNATURE) {
            continue;
        }
        let (Some(entries_here), Some(entries)) = (u64_at(&record, 24), u64_at(&record, 32)) else { continue };
        let (Some(size), Some(offset)) = (u64_at(&record, 40), u64_at(&record, 48)) else { continue };
        if entries_here != entries {
            return Err(ArchiveError::Volume);
        }
        return locate(file, at, size, offset, entries, false).map(Some);
    }
    Err(ArchiveError::Damaged("its Zip64 end record is missing"))
}

/// Places the directory: right before its end record, else where the record says.
fn locate(
    file: &SharedFile,
    end: u64,
    size: u64,
    offset: u64,
    entries: u64,
    is_short_count: bool,
) -> Result<Directory, ArchiveError> {
    let before_end = end.checked_sub(size).filter(|start| *start >= offset);
    for start in before_end.into_iter().chain([offset]) {
        let begins = start < end && file.bytes(start, start + 4)? == record::SIGNATURE;
        if begins || (entries == 0 && start == end) {
            return Ok(Directory { start, end, prefix: start - offset, entries, is_short_count });
        }
    }
    Err(ArchiveError::Damaged("it is not where the end record says"))
}

/// Reads every record between the directory's start and end.
fn walk(bytes: &[u8], directory: &Directory, zone: &TimeZone) -> Index {
    let mut entries = Vec::new();
    let mut damaged_places = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some((entry, length)) = record::read(rest, directory.prefix, zone) {
            entries.push(entry);
            at += length;
            continue;
        }
        // What follows the last record, such as a digital signature (4.3.13), is no damage.
        let next = marks(rest.get(1..).unwrap_or_default(), record::SIGNATURE).next();
        if next.is_some() || rest.starts_with(record::SIGNATURE) {
            damaged_places += 1;
        }
        let Some(next) = next else { break };
        at += 1 + next;
    }
    let mut damage = Vec::new();
    if damaged_places > 0 {
        damage.push(format!("the index is damaged, places: {damaged_places}; entries may be missing"));
    }
    let found = entries.len() as u64;
    let told = if directory.is_short_count { found & !0xFFFF | directory.entries } else { directory.entries };
    if told > found {
        damage.push(format!("the index tells of {} entries, and {found} can be read", directory.entries));
    }
    Index { entries, damage }
}

/// Every place where a four-byte mark stands.
fn marks<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl DoubleEndedIterator<Item = usize> + 'a {
    bytes.windows(4).enumerate().filter(move |(_, window)| *window == mark).map(|(at, _)| at)
}
