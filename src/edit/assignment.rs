//! `--set FIELD=VALUE` and `--unset FIELD`: any field, its value checked by what the field holds.

use thiserror::Error;

use crate::message::{Culture, EmailAddress, Guid, Header, MessageType, fields};

/// One field to be set or left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Gives the field a value.
    Set {
        /// The field's name.
        field: String,
        /// Its new value.
        value: String,
    },
    /// Leaves the field out.
    Unset {
        /// The field's name.
        field: String,
    },
}

/// Why an assignment makes no sense for any header.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentError {
    /// There is no `=`.
    #[error("{0:?} has no '=': write FIELD=VALUE")]
    NoEquals(String),
    /// The name is almost one that UM knows.
    #[error("{given:?} is not a field that UM knows, but {known:?} is (names have case)")]
    FieldCase {
        /// As typed.
        given: String,
        /// As UM spells it.
        known: &'static str,
    },
    /// The value is not what the field holds.
    #[error("{field} cannot be {value:?}: {expected}")]
    Value {
        /// The field.
        field: String,
        /// The value refused.
        value: String,
        /// What the field holds, and the nearest valid value where there is one.
        expected: String,
    },
    /// No header could hold the name or value.
    #[error(transparent)]
    Header(#[from] crate::message::HeaderError),
}

impl Assignment {
    /// The field concerned.
    pub fn field(&self) -> &str {
        match self {
            Self::Set { field, .. } | Self::Unset { field } => field,
        }
    }

    /// Reads `FIELD=VALUE`.
    ///
    /// # Errors
    /// The name or the value could not be right in any header.
    pub fn set(text: &str) -> Result<Self, AssignmentError> {
        let (field, value) = text.split_once('=').ok_or_else(|| AssignmentError::NoEquals(text.to_owned()))?;
        let field = checked_name(field)?;
        Header::parse(Vec::new()).set(&field, value)?;
        validate_value(&field, value)?;
        Ok(Self::Set { field, value: value.to_owned() })
    }

    /// Reads a field name.
    ///
    /// # Errors
    /// The name could not be right in any header.
    pub fn unset(field: &str) -> Result<Self, AssignmentError> {
        let field = checked_name(field)?;
        Header::parse(Vec::new()).set(&field, "x")?;
        Ok(Self::Unset { field })
    }
}

fn checked_name(given: &str) -> Result<String, AssignmentError> {
    match fields::ORDER.iter().find(|known| known.eq_ignore_ascii_case(given)) {
        Some(known) if *known != given => Err(AssignmentError::FieldCase { given: given.to_owned(), known }),
        _ => Ok(given.to_owned()),
    }
}

/// Checks a value by what UM reads in the field; a custom field takes anything.
///
/// # Errors
/// What the field holds, with the nearest valid value where there is one.
pub fn validate_value(field: &str, value: &str) -> Result<(), AssignmentError> {
    let number = "it holds a whole number";
    let expected = match field {
        fields::MESSAGE_TYPE if MessageType::parse(value).is_none() => {
            let names: Vec<_> = MessageType::ALL.into_iter().map(MessageType::name).collect();
            format!("it is one of {}", names.join(", "))
        }
        fields::RECIPIENT_ADDRESS | fields::CALLER_ADDRESS => match EmailAddress::parse(value) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
        fields::RECIPIENT_OBJECT_GUID | fields::SENDER_OBJECT_GUID | fields::TENANT_GUID | fields::MESSAGE_ID
            if Guid::parse(value).is_none() =>
        {
            "it holds a GUID".to_owned()
        }
        fields::CULTURE_INFO | fields::RECIPIENT_CULTURE if Culture::parse(value).is_none() => unknown_culture(value),
        fields::CODEC if !fields::CODECS.contains(&value) => format!("it is one of {}", fields::CODECS.join(", ")),
        fields::DURATION | fields::PROCESSED_COUNT | fields::NUMBER_OF_PAGES
            if fields::parse_integer(value).is_none_or(|number| number < 0) =>
        {
            number.to_owned()
        }
        fields::SENT_TIME if fields::parse_sent_time(value).is_none() => {
            "it holds a time as MM/dd/yyyy HH:mm:ss, such as 12/23/2016 08:00:00".to_owned()
        }
        fields::IMPORTANT
        | fields::PRIVATE
        | fields::CALL_ANSWERING
        | fields::IN_COMPLETE
        | fields::NDR_REQUIRED
        | fields::PROTECTED_REPLY
        | fields::PURE_INTERPERSONAL_MESSAGE
            if fields::parse_boolean(value).is_none() =>
        {
            "it is True or False".to_owned()
        }
        _ => return Ok(()),
    };
    Err(AssignmentError::Value { field: field.to_owned(), value: value.to_owned(), expected })
}

/// Why a culture's name is refused, with the nearest known ones.
pub fn unknown_culture(name: &str) -> String {
    let nearest = Culture::nearest(name, 3);
    match nearest.is_empty() {
        true => "it is no culture that .NET knows, such as nl-NL".to_owned(),
        false => format!("it is no culture that .NET knows; the nearest are {}", nearest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_assignments_are_taken() {
        for text in [
            "CallId=7=8",
            "RecipientAddress=a@example.com",
            "CultureInfo=nl-NL",
            "Codec=Mp3",
            "Important=true",
            "SentTime=12/23/2016 08:00:00",
            "X-Custom=anything: at all",
        ] {
            assert!(Assignment::set(text).is_ok(), "{text}");
        }
        assert!(Assignment::unset("ContactInfo").is_ok());
    }

    #[test]
    fn wrong_assignments_are_refused_before_any_message() {
        for text in [
            "CallId",
            "CallId=",
            "=x",
            "callid=7",
            "RecipientAddress=nobody",
            "RecipientObjectGuid=7",
            "CultureInfo=nl-XX",
            "Codec=mp3",
            "Duration=-1",
            "Duration=12s",
            "Important=yes",
            "SentTime=2016-12-23",
            "MessageType=Voicemail",
            "Subject=a\r\nb",
        ] {
            assert!(Assignment::set(text).is_err(), "{text}");
        }
    }
}
