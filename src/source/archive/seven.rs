//! 7z archives, through the `sevenz-rust2` crate: their index at once, their content block by block.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::ControlFlow;

use jiff::Timestamp;
use sevenz_rust2::{Archive, ArchiveEntry, Block, BlockDecoder, Error, NtTime, Password};

use super::super::options::ArchivePassword;
use super::super::shared_file::SharedFile;
use super::super::visible;
use super::ArchiveError;
use super::budget::Budget;
use super::header_size;
use super::packing::MEMORY_KIB;
use super::solid::{Each, Entry, Item};
use super::tar::EntryKind;
use crate::message::{Code, Finding};

/// The coder that encrypts, and those whose properties tell how much memory they take.
const AES: &[u8] = &[0x06, 0xF1, 0x07, 0x01];
const LZMA: &[u8] = &[0x03, 0x01, 0x01];
const LZMA2: &[u8] = &[0x21];
const PPMD: &[u8] = &[0x03, 0x04, 0x01];
/// Seconds from 1601, where Windows counts from, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

/// A 7z archive whose index has been read.
pub(super) struct SevenZip {
    archive: Archive,
    file: SharedFile,
    password: Password,
}

impl SevenZip {
    /// Reads an archive's index, which may be encrypted itself.
    pub(super) fn open(file: SharedFile, password: Option<&ArchivePassword>) -> Result<Self, ArchiveError> {
        header_size::check(&file)?;
        let has_password = password.is_some();
        let password = password.map_or_else(Password::empty, |password| Password::new(password.reveal()));
        let archive = Archive::read(&mut file.whole()?, &password).map_err(|error| match error {
            Error::PasswordRequired => ArchiveError::Encrypted,
            Error::MaybeBadPassword(_) if has_password => ArchiveError::WrongPassword,
            error => ArchiveError::Unreadable(explain(&error)),
        })?;
        Ok(Self { archive, file, password })
    }

    /// Reads the blocks with an entry whose number is wanted, and hands on each entry.
    pub(super) fn pass(
        &self,
        budget: Option<&Budget>,
        is_wanted: &dyn Fn(u64) -> bool,
        each: &mut Each<'_>,
    ) -> io::Result<()> {
        let mut is_seen = vec![false; self.archive.files.len()];
        for (index, block) in self.archive.blocks.iter().enumerate() {
            let map = &self.archive.stream_map;
            let Some(start) = map.block_first_file_index.get(index).copied() else { continue };
            let mut source = self.file.whole()?;
            let decoder = BlockDecoder::new(1, index, &self.archive, &self.password, &mut source);
            let count = decoder.entry_count();
            if !(start..start + count).any(|number| is_wanted(number as u64)) {
                continue;
            }
            let flow = self.read_block(block, decoder, start, budget, &mut is_seen, each)?;
            if flow.is_break() {
                return Ok(());
            }
        }
        for (number, entry) in self.archive.files.iter().enumerate() {
            if is_seen.get(number) == Some(&false)
                && is_wanted(number as u64)
                && each(Item::Entry(self.entry(number, entry, None), &mut io::empty())).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    fn read_block(
        &self,
        block: &Block,
        decoder: BlockDecoder<'_, super::super::shared_file::Window>,
        start: usize,
        budget: Option<&Budget>,
        is_seen: &mut [bool],
        each: &mut Each<'_>,
    ) -> io::Result<ControlFlow<()>> {
        let mut number = start;
        let end = start + decoder.entry_count();
        let is_encrypted = block.coders.iter().any(|coder| coder.encoder_method_id() == AES);
        let mut flow = ControlFlow::Continue(());
        let mut mark = |number: usize| {
            if let Some(seen) = is_seen.get_mut(number) {
                *seen = true;
            }
        };
        let failure = RefCell::new(None);
        let result = if let Some(text) = unfit(block) {
            Err(Error::Unsupported(text.into()))
        } else if is_encrypted && self.password.is_empty() {
            Err(Error::PasswordRequired)
        } else {
            decoder.for_each_entries(&mut |entry, content| {
                mark(number);
                let left = if entry.has_stream { entry.size } else { 0 };
                let mut content = Readable { inner: content, left, budget, failure: &failure, is_encrypted };
                flow = each(Item::Entry(self.entry(number, entry, None), &mut content));
                number += 1;
                if flow.is_continue() && failure.borrow().is_none() {
                    // What was not read counts too; an error is noted.
                    let _ = io::copy(&mut content, &mut io::sink());
                }
                // Behind bytes that cannot be decoded nothing of the block can; a wrong checksum is one entry's.
                failure.borrow_mut().take_if(|failure| !failure.is_final);
                Ok(flow.is_continue() && failure.borrow().is_none())
            })
        };
        if flow.is_break() || (result.is_ok() && number == end) {
            return Ok(flow);
        }
        let cause = match &result {
            Ok(_) => failure.take().map_or_else(|| "its block ends before it".to_owned(), |failure| failure.text),
            Err(error) => explain(error),
        };
        while number < end && flow.is_continue() {
            let Some(entry) = self.archive.files.get(number) else { break };
            mark(number);
            let name = visible(&entry.name);
            let finding = match (is_encrypted, &result) {
                (true, Err(Error::PasswordRequired)) => super::encrypted(&name),
                (true, _) => super::wrong_password(&name),
                (false, _) => Finding::new(Code::EntryUnreadable, format!("{name} cannot be read: {cause}")),
            };
            flow = each(Item::Entry(self.entry(number, entry, Some(finding)), &mut io::empty()));
            number += 1;
        }
        Ok(flow)
    }

    fn entry(&self, number: usize, entry: &ArchiveEntry, trouble: Option<Finding>) -> Entry {
        // The upper half holds what Unix keeps: 0xA for a symbolic link.
        let mode = if entry.windows_attributes & 0x8000 != 0 { entry.windows_attributes >> 28 } else { 0 };
        let kind = match mode {
            _ if entry.is_directory || entry.is_anti_item => EntryKind::Nothing,
            0xA => EntryKind::Link("elsewhere".to_owned()),
            0x1 | 0x2 | 0x6 | 0xC => EntryKind::Device,
            _ => EntryKind::File,
        };
        Entry {
            number: number as u64,
            name: entry.name.clone(),
            kind,
            size: if entry.has_stream { entry.size } else { 0 },
            modified: entry.has_last_modified_date.then_some(entry.last_modified_date).and_then(time),
            trouble,
        }
    }
}

fn time(time: NtTime) -> Option<Timestamp> {
    let ticks = i64::try_from(u64::from(time)).ok()?;
    let nanoseconds = i32::try_from(ticks % 10_000_000 * 100).ok()?;
    Timestamp::new(ticks / 10_000_000 - WINDOWS_EPOCH, nanoseconds).ok()
}

/// Why a block is not decoded: a dictionary of more memory than is given to one.
fn unfit(block: &Block) -> Option<String> {
    let properties = |coder: &sevenz_rust2::Coder| coder.properties().to_vec();
    let kib = block.coders.iter().map(|coder| match (coder.encoder_method_id(), properties(coder).as_slice()) {
        (LZMA | PPMD, [_, size @ ..]) => size.first_chunk().map_or(0, |size| u32::from_le_bytes(*size) >> 10),
        (LZMA2, [bits @ 0..=39, ..]) => (2 | u32::from(bits & 1)) << (bits / 2 + 1),
        (LZMA2, [_, ..]) => u32::MAX,
        _ => 0,
    });
    let most = kib.max().filter(|kib| *kib > MEMORY_KIB)?;
    Some(format!("its dictionary of {most} KiB is larger than the {MEMORY_KIB} KiB that are allowed"))
}

/// An error of the crate, which shows them only as Rust does.
fn explain(error: &Error) -> String {
    match error {
        Error::ChecksumVerificationFailed => "its checksum is wrong".to_owned(),
        Error::NextHeaderCrcMismatch => "the checksum of its index is wrong".to_owned(),
        Error::Io(error, _) | Error::MaybeBadPassword(error) => explain_io(error),
        Error::Other(text) | Error::Unsupported(text) => text.to_string(),
        Error::UnsupportedCompressionMethod(method) => format!("its packing {method} is not read here"),
        Error::UnsupportedVersion { major, minor } => format!("its version {major}.{minor} is not known"),
        Error::PasswordRequired => "it is encrypted".to_owned(),
        _ => "its index makes no sense".to_owned(),
    }
}

fn explain_io(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => explain(inner),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
        None => error.to_string(),
    }
}

/// What ended the reading of an entry.
struct Failure {
    /// Whether nothing behind it can be read either.
    is_final: bool,
    text: String,
}

/// An entry's content with the crate's errors in words, counted against the budget.
struct Readable<'r, 'b> {
    inner: &'r mut dyn Read,
    /// Bytes still to come; the crate does not mind when they do not.
    left: u64,
    budget: Option<&'b Budget>,
    failure: &'b RefCell<Option<Failure>>,
    is_encrypted: bool,
}

impl Readable<'_, '_> {
    fn fail(&self, kind: io::ErrorKind, is_final: bool, text: String) -> io::Error {
        self.failure.replace(Some(Failure { is_final, text: text.clone() }));
        io::Error::new(kind, text)
    }
}

impl Read for Readable<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(0) if self.left > 0 && !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        let count = match read {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
                let is_checksum = matches!(inner, Some(Error::ChecksumVerificationFailed));
                let (kind, text) = match self.is_encrypted {
                    true => (io::ErrorKind::PermissionDenied, super::DECRYPTION.to_owned()),
                    false => (io::ErrorKind::InvalidData, explain_io(&error)),
                };
                return Err(self.fail(kind, !is_checksum, text));
            }
        };
        self.left = self.left.saturating_sub(count as u64);
        match self.budget.map(|budget| budget.take(count as u64)) {
            Some(Err(text)) => Err(self.fail(io::ErrorKind::FileTooLarge, true, text)),
            _ => Ok(count),
        }
    }
}
