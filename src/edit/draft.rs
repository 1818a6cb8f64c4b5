//! A header under change, which notes every difference as it is made.

use std::fmt::Display;

use crate::message::{Change, Header, HeaderError};

/// A header and what was changed on it so far.
#[derive(Clone, Debug)]
pub struct Draft {
    header: Header,
    changes: Vec<Change>,
}

impl Draft {
    /// Begins with a header as it was found.
    pub fn new(header: Header) -> Self {
        Self { header, changes: Vec::new() }
    }

    /// Goes on with a header on which changes were made already.
    pub fn resume(header: Header, changes: Vec<Change>) -> Self {
        Self { header, changes }
    }

    /// The header as it stands.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether a field has another value than at the start.
    pub fn changed(&self, field: &str) -> bool {
        self.changes.iter().any(|change| change.field == field)
    }

    /// Gives a field a value; nothing is noted where it has that value already.
    ///
    /// # Errors
    /// The header cannot hold the value.
    pub fn set(&mut self, field: &str, value: &str) -> Result<(), HeaderError> {
        let old = self.header.get(field).map(|old| old.into_owned());
        if old.as_deref() != Some(value) {
            self.header.set(field, value)?;
            self.note(field, old, &Some(value));
        }
        Ok(())
    }

    /// Rewrites the header as UM would: in UTF-8 without a byte-order mark.
    pub fn convert_to_utf8(&mut self) {
        let old = self.header.encoding();
        self.header = self.header.to_utf8();
        self.note("encoding", Some(old.name().to_owned()), &Some(self.header.encoding().name()));
    }

    /// Leaves a field out.
    ///
    /// # Errors
    /// The rest of the header would be read as something else.
    pub fn unset(&mut self, field: &str) -> Result<(), HeaderError> {
        let old = self.header.get(field).map(|old| old.into_owned());
        if self.header.unset(field)? && old.is_some() {
            self.note(field, old, &None::<&str>);
        }
        Ok(())
    }

    /// Notes a change; two of one field become one, and one that leads back to the start none.
    pub fn note(&mut self, field: &str, old: Option<String>, new: &Option<impl Display>) {
        let new = new.as_ref().map(ToString::to_string);
        match self.changes.iter_mut().find(|change| change.field == field) {
            Some(earlier) => earlier.new = new,
            None => self.changes.push(Change { field: field.to_owned(), old, new }),
        }
        self.changes.retain(|change| change.old != change.new);
    }

    /// The header and its changes.
    pub fn finish(self) -> (Header, Vec<Change>) {
        (self.header, self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_field_are_one_from_first_to_last() {
        let mut draft = Draft::new(Header::parse(b"CallId : 1\r\nSubject : a\r\n".to_vec()));
        draft.set("CallId", "2").unwrap();
        draft.set("CallId", "3").unwrap();
        draft.set("Subject", "b").unwrap();
        draft.set("Subject", "a").unwrap();
        draft.unset("Absent").unwrap();
        let (header, changes) = draft.finish();
        let change = Change { field: "CallId".to_owned(), old: Some("1".to_owned()), new: Some("3".to_owned()) };
        assert_eq!(changes, [change]);
        assert_eq!(header.bytes(), b"CallId : 3\r\nSubject : a\r\n");
    }
}
