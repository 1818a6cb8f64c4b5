//! What the user allows and knows: limits against archives made to harm, and the password of encrypted ones.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How sources are read.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// How many bytes one archive, with all archives in it, may unpack to; `None` goes by the archive's own size.
    pub max_unpacked: Option<u64>,
    /// How many entries one archive may have, with all archives in it.
    pub max_entries: u64,
    /// How deep archives may lie in each other; 1 reads none inside another.
    pub max_depth: u32,
    /// The password of encrypted archives.
    pub password: Option<ArchivePassword>,
}

impl SourceOptions {
    /// Entries of one archive unless told otherwise: half a million messages.
    pub const MAX_ENTRIES: u64 = 1_000_000;
    /// Archives inside each other unless told otherwise.
    pub const MAX_DEPTH: u32 = 3;
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { max_unpacked: None, max_entries: Self::MAX_ENTRIES, max_depth: Self::MAX_DEPTH, password: None }
    }
}

/// A password, never shown.
#[derive(Clone)]
pub struct ArchivePassword(String);

impl ArchivePassword {
    /// Takes a password as it is typed.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// The password itself, for whoever decrypts.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ArchivePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArchivePassword(…)")
    }
}

/// A number of bytes as people write it: `40G`, `500 MiB`, `1073741824`. Units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// What is no number of bytes.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a size is a whole number of bytes, or of K, M, G or T, such as 40G")]
pub struct ByteSizeError;

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or(ByteSizeError)?;
        let unit = unit.trim_start().to_ascii_uppercase();
        let power = match unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit) {
            "" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            _ => return Err(ByteSizeError),
        };
        let number: u64 = number.parse().map_err(|_| ByteSizeError)?;
        number.checked_mul(1 << (10 * power)).map(Self).ok_or(ByteSizeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("12", 12), ("1k", 1 << 10), ("40G", 40 << 30), ("5 MiB", 5 << 20), ("2TB", 2 << 40)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1X", "99999999999T", "1 2", "é"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = SourceOptions { password: Some(ArchivePassword::new("secret")), ..SourceOptions::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
