//! What is known about mailboxes: a `Get-Mailbox | Export-Csv` file, read as administrators produce it.

use std::collections::HashMap;

use super::Target;
use super::table::{Table, TableError};
use crate::message::{EmailAddress, Guid};

/// One mailbox of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its primary SMTP address.
    pub address: EmailAddress,
    /// Its objectGUID, where the file has it.
    pub guid: Option<Guid>,
    /// Its display name, where the file has it.
    pub name: Option<String>,
}

/// More than one mailbox answers to a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// All mailboxes, found by objectGUID and by every one of their SMTP addresses.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    mailboxes: Vec<Mailbox>,
    // `None` marks a key that belongs to more than one mailbox: guessing would send to the wrong person.
    by_guid: HashMap<Guid, Option<usize>>,
    by_address: HashMap<String, Option<usize>>,
}

impl Directory {
    /// Reads a CSV file with the columns `PrimarySmtpAddress` and, if present, `Guid`, `DisplayName`, `EmailAddresses`.
    ///
    /// Other columns are passed over, and so are rows without an address.
    ///
    /// # Errors
    /// A column that is missing, or a cell that is no address or GUID, with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let table = Table::parse(bytes)?;
        let address = table.required("PrimarySmtpAddress")?;
        let guid = table.column("Guid");
        let name = table.column("DisplayName");
        let proxies = table.column("EmailAddresses");
        let mut directory = Self::default();
        for (line, row) in table.rows() {
            let cell =
                |column: Option<usize>| column.and_then(|column| row.get(column)).filter(|cell| !cell.is_empty());
            let Some(address) = cell(Some(address)) else {
                continue;
            };
            let wrong = |reason: String| TableError::Cell { line, reason };
            let address = EmailAddress::parse(address).map_err(|error| wrong(error.to_string()))?;
            let guid = match cell(guid) {
                Some(text) => Some(Guid::parse(text).ok_or_else(|| wrong(format!("{text:?} is no GUID")))?),
                None => None,
            };
            let mailbox = Mailbox { address, guid, name: cell(name).map(str::to_owned) };
            directory.add(mailbox, cell(proxies).unwrap_or_default());
        }
        Ok(directory)
    }

    fn add(&mut self, mailbox: Mailbox, proxies: &str) {
        let index = self.mailboxes.len();
        let mut addresses: Vec<String> = smtp_proxies(proxies).map(str::to_lowercase).collect();
        addresses.push(mailbox.address.key());
        addresses.sort();
        addresses.dedup();
        for address in addresses {
            self.by_address.entry(address).and_modify(|known| *known = None).or_insert(Some(index));
        }
        if let Some(guid) = mailbox.guid {
            self.by_guid.entry(guid).and_modify(|known| *known = None).or_insert(Some(index));
        }
        self.mailboxes.push(mailbox);
    }

    /// The mailbox that a GUID or an address (primary or proxy) stands for.
    ///
    /// # Errors
    /// More than one mailbox answers.
    pub fn find(&self, target: &Target) -> Result<Option<&Mailbox>, Ambiguous> {
        let found = match target {
            Target::Guid(guid) => self.by_guid.get(guid),
            Target::Address(address) => self.by_address.get(&address.key()),
        };
        match found {
            None => Ok(None),
            Some(None) => Err(Ambiguous),
            Some(Some(index)) => Ok(self.mailboxes.get(*index)),
        }
    }

    /// Every objectGUID that the directory knows.
    pub fn guids(&self) -> impl Iterator<Item = Guid> {
        self.by_guid.keys().copied()
    }
}

/// The SMTP addresses of an `EmailAddresses` cell, which PowerShell joins with spaces, commas or semicolons.
fn smtp_proxies(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([' ', ',', ';', '{', '}'])
        .filter_map(|proxy| proxy.split_once(':').filter(|(kind, _)| kind.eq_ignore_ascii_case("smtp")))
        .map(|(_, address)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "DisplayName,Guid,PrimarySmtpAddress,EmailAddresses,UMEnabled\r\n\
        Ann,46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11,ann@example.com,SMTP:ann@example.com smtp:Old.Ann@example.com EUM:5001;phone-context=x,True\r\n\
        Bob,46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12,bob@example.com,\"smtp:shared@example.com, SMTP:bob@example.com\",True\r\n\
        Cy,,cy@example.com,smtp:shared@example.com,True\r\n";

    fn find(text: &str) -> Result<Option<String>, Ambiguous> {
        let directory = Directory::parse(FILE.as_bytes()).unwrap();
        let found = directory.find(&Target::parse(text).unwrap());
        found.map(|mailbox| mailbox.map(|mailbox| mailbox.address.to_string()))
    }

    #[test]
    fn mailboxes_are_found_by_guid_and_by_every_address() {
        assert_eq!(find("46FFEE82-4EB0-4F8B-A0B1-6B2B2A1D7C11"), Ok(Some("ann@example.com".to_owned())));
        assert_eq!(find("OLD.ann@example.com"), Ok(Some("ann@example.com".to_owned())));
        assert_eq!(find("bob@example.com"), Ok(Some("bob@example.com".to_owned())));
        assert_eq!(find("dora@example.com"), Ok(None));
    }

    #[test]
    fn a_key_of_two_mailboxes_is_never_guessed() {
        assert_eq!(find("shared@example.com"), Err(Ambiguous));
    }

    #[test]
    fn wrong_cells_are_named_with_their_line() {
        let error = Directory::parse(b"PrimarySmtpAddress,Guid\na@example.com,\nb@example.com,7\n").unwrap_err();
        assert_eq!(error.to_string(), "line 3: \"7\" is no GUID");
        assert!(Directory::parse(b"Name\nx\n").is_err());
    }
}
