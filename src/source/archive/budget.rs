//! How much one archive may still do, with all archives in it: bytes unpacked and entries listed.

use std::cell::Cell;
use std::io::{self, Read};

use super::super::options::SourceOptions;
use super::tar::Skip;

/// How much more than its own length an archive's content may be, and how much it may be whatever its length, in bytes.
///
/// Speech shrinks to a half; all the entries of an archive together hardly reach the one, and a bomb passes both.
const EXPANSION: u64 = 64;
const EXPANSION_FLOOR: u64 = 1 << 30;

/// What is left of the limits.
pub(super) struct Budget {
    unpacked: Cell<u64>,
    entries: Cell<u64>,
    max_unpacked: Option<u64>,
    max_entries: u64,
}

impl Budget {
    /// The budget of an archive of so many bytes.
    pub(super) fn new(options: &SourceOptions, length: u64) -> Self {
        let by_length = length.saturating_mul(EXPANSION).max(EXPANSION_FLOOR);
        Self {
            unpacked: Cell::new(options.max_unpacked.unwrap_or(by_length)),
            entries: Cell::new(options.max_entries),
            max_unpacked: options.max_unpacked,
            max_entries: options.max_entries,
        }
    }

    /// Takes room for so many bytes; nothing is taken where there is not enough.
    pub(super) fn take(&self, bytes: u64) -> Result<(), String> {
        let left = self.unpacked.get().checked_sub(bytes).ok_or_else(|| self.unpacked_text())?;
        self.unpacked.set(left);
        Ok(())
    }

    /// How many bytes may still be unpacked.
    pub(super) fn left(&self) -> u64 {
        self.unpacked.get()
    }

    /// Takes room for one entry.
    pub(super) fn take_entry(&self) -> Result<(), String> {
        let left = self.entries.get().checked_sub(1);
        let text =
            || format!("it has more than {} entries, and the rest is not read: see --max-entries", self.max_entries);
        self.entries.set(left.ok_or_else(text)?);
        Ok(())
    }

    /// Counts what is read of a stream against the budget.
    pub(super) fn meter<R>(&self, inner: R) -> Metered<'_, R> {
        Metered { inner, budget: self, taken: 0 }
    }

    fn unpacked_text(&self) -> String {
        match self.max_unpacked {
            Some(limit) => format!("more than {limit} bytes would be unpacked in all: see --max-unpacked"),
            None => format!("the archive would grow more than {EXPANSION}-fold, as a bomb does: see --max-unpacked"),
        }
    }
}

/// A reader that fails when the budget is used up.
pub(super) struct Metered<'b, R> {
    inner: R,
    budget: &'b Budget,
    taken: u64,
}

impl<R> Metered<'_, R> {
    /// Bytes read so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.budget.take(count as u64).map_err(|text| io::Error::new(io::ErrorKind::FileTooLarge, text))?;
        self.taken += count as u64;
        Ok(count)
    }
}

impl<R: Read> Skip for Metered<'_, R> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_where_the_budget_does() {
        let options = SourceOptions { max_unpacked: Some(10), max_entries: 1, ..SourceOptions::default() };
        let budget = Budget::new(&options, 1);
        let mut small = [0; 4];
        let mut meter = budget.meter(&b"12345678901"[..]);
        meter.read_exact(&mut small).unwrap();
        assert_eq!((meter.taken(), budget.left()), (4, 6));
        let error = io::copy(&mut meter, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("--max-unpacked"));
        budget.take_entry().unwrap();
        assert!(budget.take_entry().unwrap_err().contains("--max-entries"));
    }

    #[test]
    fn without_an_option_the_archives_length_counts() {
        let budget = Budget::new(&SourceOptions::default(), 1 << 30);
        assert_eq!(budget.left(), 64 << 30);
        assert_eq!(Budget::new(&SourceOptions::default(), 1).left(), 1 << 30);
        assert!(budget.take(u64::MAX).unwrap_err().contains("bomb"));
    }
}
