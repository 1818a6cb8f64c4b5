//! A set as a zip archive whose bytes depend on its files alone.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zip::write::{ExtendedFileOptions, FileOptions};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Kept, MANIFEST, MESSAGES, SetError};
use crate::fsx::PathContext;

/// Info-ZIP's extended timestamp: UTC, which the two-second local time of DOS is not.
const EXTENDED_TIME_FIELD: u16 = 0x5455;
/// What it holds: the time of modification only.
const MODIFIED: u8 = 1;

/// Writes and flushes the archive of what lies in `staging`: the manifest, then the messages' files in the order given.
pub(super) fn write(path: &Path, staging: &Path, manifest: &[u8], kept: &[&Kept]) -> Result<(), SetError> {
    let file = File::create_new(path).path("create", path)?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    zip.start_file(MANIFEST, options(None, manifest.len() as u64)?)?;
    zip.write_all(manifest).path("write", path)?;
    for kept in kept.iter().flat_map(|kept| &kept.files) {
        let source = staging.join(&kept.name);
        let mut bytes = File::open(&source).path("read", &source)?;
        zip.start_file(format!("{MESSAGES}/{}", kept.name), options(kept.modified, kept.size)?)?;
        io::copy(&mut bytes, &mut zip).path("write", path)?;
    }
    let file = zip.finish()?.into_inner().map_err(io::IntoInnerError::into_error).path("write", path)?;
    file.sync_all().path("flush", path)?;
    Ok(())
}

fn options(
    modified: Option<Timestamp>,
    size: u64,
) -> Result<FileOptions<'static, 'static, ExtendedFileOptions>, SetError> {
    let mut options = FileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .unix_permissions(0o644)
        .large_file(size >= u64::from(u32::MAX) / 2)
        .last_modified_time(modified.and_then(dos_time).unwrap_or_default());
    if let Some(seconds) = modified.and_then(|time| i32::try_from(time.as_second()).ok()) {
        let mut data = vec![MODIFIED];
        data.extend(seconds.to_le_bytes());
        options.add_extra_field(EXTENDED_TIME_FIELD, data, false)?;
    }
    Ok(options)
}

/// The time in UTC, so that the bytes do not depend on where they are written; readers go by the extended one.
fn dos_time(time: Timestamp) -> Option<DateTime> {
    let civil = time.to_zoned(TimeZone::UTC).datetime();
    let small = |number: i8| u8::try_from(number).ok();
    let year = u16::try_from(civil.year()).ok()?;
    let (month, day) = (small(civil.month())?, small(civil.day())?);
    let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
    DateTime::from_date_and_time(year, month, day, hour, minute, second).ok()
}
