//! New recipients by old ones: a CSV file with the columns `from` and `to`.

use std::collections::HashMap;

use super::Target;
use super::table::{Table, TableError};
use crate::message::{EmailAddress, Guid};

/// A map from old recipients to new ones.
#[derive(Clone, Debug, Default)]
pub struct RecipientMap {
    by_guid: HashMap<Guid, Target>,
    by_address: HashMap<String, Target>,
}

impl RecipientMap {
    /// Reads a CSV file with the columns `from` and `to`, each an SMTP address or an objectGUID.
    ///
    /// # Errors
    /// A column that is missing or unknown, a cell that is neither, or one `from` with two different `to`, with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let table = Table::parse(bytes)?;
        table.only(&["from", "to"])?;
        let (from, to) = (table.required("from")?, table.required("to")?);
        let mut map = Self::default();
        for (line, row) in table.rows() {
            let target = |column| {
                let cell: &str = row.get(column).unwrap_or_default();
                Target::parse(cell).map_err(|error| TableError::Cell { line, reason: error.to_string() })
            };
            let (from, to) = (target(from)?, target(to)?);
            let earlier = match &from {
                Target::Guid(guid) => map.by_guid.insert(*guid, to.clone()),
                Target::Address(address) => map.by_address.insert(address.key(), to.clone()),
            };
            if earlier.is_some_and(|earlier| earlier != to) {
                let reason = format!("{from} stands on an earlier line with another new recipient");
                return Err(TableError::Cell { line, reason });
            }
        }
        Ok(map)
    }

    /// The new recipient of a mailbox known by GUID, by address, or by both; its GUID goes first.
    pub fn target(&self, guid: Option<Guid>, address: Option<&EmailAddress>) -> Option<&Target> {
        let by_guid = guid.and_then(|guid| self.by_guid.get(&guid));
        by_guid.or_else(|| address.and_then(|address| self.by_address.get(&address.key())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guid_goes_before_the_address() {
        let file = b"to,from\nx@example.com,a@example.com\ny@example.com,46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11\n";
        let map = RecipientMap::parse(file).unwrap();
        let address = EmailAddress::parse("A@Example.com").unwrap();
        let guid = Guid::parse("46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11");
        let target = |guid, address| map.target(guid, address).map(ToString::to_string);
        assert_eq!(target(None, Some(&address)).as_deref(), Some("x@example.com"));
        assert_eq!(target(guid, Some(&address)).as_deref(), Some("y@example.com"));
        assert_eq!(target(None, None), None);
    }

    #[test]
    fn contradictions_and_wrong_cells_are_errors_with_their_line() {
        let twice = RecipientMap::parse(b"from,to\na@x.example,b@x.example\nA@x.example,c@x.example\n").unwrap_err();
        assert!(twice.to_string().starts_with("line 3: "), "{twice}");
        assert!(RecipientMap::parse(b"from,to\na@x.example,\n").is_err());
        assert!(RecipientMap::parse(b"from,to,note\n").is_err());
        assert!(RecipientMap::parse(b"from;to\na@x.example;b@x.example\n").is_ok());
    }
}
