//! SMTP addresses, checked once where they enter.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// Why a text is not an SMTP address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is not an SMTP address: {reason}")]
pub struct AddressError {
    text: String,
    reason: String,
}

/// An SMTP address (RFC 5321 mailbox): syntax and lengths hold, internationalised parts are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks a text's syntax and its lengths (RFC 5321 section 4.5.3.1: 64 octets before the `@`, 254 in all).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let refuse = |reason: &str| AddressError { text: text.to_owned(), reason: reason.to_owned() };
        let (local, _) = text.rsplit_once('@').ok_or_else(|| refuse("it has no @"))?;
        if local.len() > 64 {
            return Err(refuse("more than 64 octets stand before the @"));
        }
        if text.len() > 254 {
            return Err(refuse("it is longer than 254 octets"));
        }
        if text.contains(|character: char| character.is_control() || character.is_whitespace()) {
            return Err(refuse("it holds a space or a control character"));
        }
        match lettre::Address::from_str(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(refuse(&error.to_string())),
        }
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// The address as a key: without case, as Exchange compares addresses.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["test@example.com", "zoë@bücher.example", "a.b+c@[127.0.0.1]", "o'neil@x.example"] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in ["", "test", "@example.com", "a b@example.com", "a@b@c", "a@example.com\r\nDATA", long.as_str()] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
