//! Values that the ledger keeps as text, and how they are read back.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Row, ToSql};

use super::rows::{Action, EntryState};
use crate::message::{Guid, Identity, Sha256Digest};

/// A value that the ledger keeps as text.
pub(super) struct Text<T>(pub(super) T);

impl<T: Stored> ToSql for Text<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.store().into())
    }
}

impl<T: Stored> FromSql for Text<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        T::load(value.as_str()?).map(Self).ok_or(FromSqlError::InvalidType)
    }
}

/// A column that must hold such a value.
pub(super) fn text<T: Stored>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get(column).map(|Text(value)| value)
}

/// A column that may hold such a value.
pub(super) fn optional_text<T: Stored>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<Text<T>>>(column).map(|found| found.map(|Text(value)| value))
}

/// How a type of the program is written as text, and read back.
pub(super) trait Stored: Sized {
    /// The text.
    fn store(&self) -> String;
    /// The value of a text that [`Self::store`] wrote.
    fn load(text: &str) -> Option<Self>;
}

macro_rules! stored {
    ($($type:ty: $load:expr;)*) => {$(
        impl Stored for $type {
            fn store(&self) -> String {
                self.to_string()
            }

            fn load(text: &str) -> Option<Self> {
                let load: fn(&str) -> Option<Self> = $load;
                load(text)
            }
        }
    )*};
}

stored! {
    Timestamp: |text| text.parse().ok();
    Identity: |text| Identity::from_str(text).ok();
    Guid: Guid::parse;
    Sha256Digest: parse_digest;
    Action: Action::parse;
    EntryState: EntryState::parse;
}

fn parse_digest(text: &str) -> Option<Sha256Digest> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Sha256Digest(digest))
}
