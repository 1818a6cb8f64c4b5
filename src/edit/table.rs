//! CSV files as administrators make them: any order of columns, comma or semicolon, UTF-8, UTF-16 or ANSI.

use std::collections::HashSet;

use thiserror::Error;

use crate::message::Encoding;

/// Why a CSV file cannot be used; every line is counted from 1, the heading's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file is empty.
    #[error("it has no heading line")]
    Empty,
    /// A column is missing.
    #[error("it has no column {0}")]
    ColumnMissing(&'static str),
    /// A column occurs twice.
    #[error("the column {0} occurs twice")]
    ColumnTwice(String),
    /// A column has no meaning here.
    #[error("the column {0} has no meaning here")]
    ColumnUnknown(String),
    /// A line is no CSV.
    #[error("line {line} is not CSV")]
    Csv {
        /// The line's number.
        line: u64,
        /// What the CSV reader says.
        source: csv::Error,
    },
    /// A cell has a wrong value.
    #[error("line {line}: {reason}")]
    Cell {
        /// The line's number.
        line: u64,
        /// What is wrong, with the value.
        reason: String,
    },
}

/// A CSV file's rows, with their columns found by name.
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<(u64, csv::StringRecord)>,
}

impl Table {
    /// Reads a file's bytes; `#TYPE` lines of PowerShell's `Export-Csv` are passed over.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let encoding = Encoding::detect(bytes);
        let text = encoding.decode(bytes.get(encoding.mark_length()..).unwrap_or_default());
        let skipped: u64 = text.lines().take_while(|line| is_preamble(line)).count() as u64;
        let body: String = text.split_inclusive('\n').skip(skipped as usize).collect();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator(&body))
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(body.as_bytes());
        let mut rows = Vec::new();
        let mut lines = LineCounter { body: &body, at: 0, line: skipped + 1 };
        for record in reader.records() {
            let record = record.map_err(|source| {
                let line = lines.line_of(source.position());
                TableError::Csv { line, source }
            })?;
            let line = lines.line_of(record.position());
            if record.iter().any(|cell| !cell.is_empty()) {
                rows.push((line, record));
            }
        }
        let mut rows = rows.into_iter();
        let (_, heading) = rows.next().ok_or(TableError::Empty)?;
        let columns: Vec<String> = heading.iter().map(str::to_owned).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(name.to_ascii_lowercase())) {
            return Err(TableError::ColumnTwice(twice.clone()));
        }
        Ok(Self { columns, rows: rows.collect() })
    }

    /// The place of a column, its name compared without case.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// The place of a column that must be there.
    pub(super) fn required(&self, name: &'static str) -> Result<usize, TableError> {
        self.column(name).ok_or(TableError::ColumnMissing(name))
    }

    /// Refuses any column besides these.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), TableError> {
        match self.columns.iter().find(|column| !known.iter().any(|name| name.eq_ignore_ascii_case(column))) {
            Some(unknown) => Err(TableError::ColumnUnknown(unknown.clone())),
            None => Ok(()),
        }
    }

    /// The rows with their line numbers.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, &csv::StringRecord)> {
        self.rows.iter().map(|(line, record)| (*line, record))
    }
}

/// Counts lines as an editor does; the CSV reader gives a record the place where it began to look for it, which may be
/// some blank lines earlier.
struct LineCounter<'a> {
    body: &'a str,
    at: usize,
    line: u64,
}

impl LineCounter<'_> {
    fn line_of(&mut self, position: Option<&csv::Position>) -> u64 {
        let begun = position.map_or(self.at, |position| position.byte() as usize);
        let rest = self.body.get(begun..).unwrap_or_default();
        let start = begun + (rest.len() - rest.trim_start_matches(['\r', '\n']).len());
        let passed = self.body.as_bytes().get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}

fn is_preamble(line: &str) -> bool {
    line.starts_with("#TYPE") || line.trim().is_empty()
}

/// The separator of the heading line: what occurs there more often.
fn separator(text: &str) -> u8 {
    let heading = text.lines().next().unwrap_or_default();
    let count = |separator: char| heading.matches(separator).count();
    [(',', b','), (';', b';'), ('\t', b'\t')]
        .into_iter()
        .rev()
        .max_by_key(|(separator, _)| count(*separator))
        .map_or(b',', |(_, byte)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
        let table = Table::parse(bytes).unwrap();
        table.rows().map(|(_, row)| row.iter().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn separators_encodings_and_preambles_are_recognised() {
        let expected = vec![vec!["a".to_owned(), "b, c".to_owned()]];
        let utf16: Vec<u8> = "\u{feff}from,to\r\na,\"b, c\"\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [
            b"from,to\na,\"b, c\"\n".as_slice(),
            b"#TYPE Selected.Mailbox\r\n\"from\";\"to\"\r\n\"a\";\"b, c\"\r\n\r\n",
            b"\xEF\xBB\xBFfrom\tto\na\tb, c",
            &utf16,
        ] {
            assert_eq!(cells(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let table = Table::parse(b"#TYPE x\nfrom,to\n\na,b\n\"c\nd\",e\nf,g\n").unwrap();
        let lines: Vec<u64> = table.rows().map(|(line, _)| line).collect();
        assert_eq!(lines, [4, 5, 7]);
    }

    #[test]
    fn headings_are_checked() {
        assert!(matches!(Table::parse(b""), Err(TableError::Empty)));
        assert!(matches!(Table::parse(b"from,FROM\n"), Err(TableError::ColumnTwice(_))));
        let table = Table::parse(b"From,x\n").unwrap();
        assert!(table.required("from").is_ok());
        assert!(table.only(&["from"]).is_err());
    }
}
