//! The fields of a header: their names, UM's order, and their values as .NET reads them.

use jiff::civil::DateTime;
use serde::Serialize;

use super::address::EmailAddress;
use super::guid::Guid;
use super::header::Header;

macro_rules! names {
    ($($constant:ident = $name:literal),* $(,)?) => {
        $(#[doc = concat!("The field `", $name, "`.")] pub const $constant: &str = $name;)*
        /// Every field that UM knows, in the order in which it writes them; E12's stand where E15's equivalents do.
        pub const ORDER: &[&str] = &[$($name),*];
    };
}

names! {
    MESSAGE_TYPE = "MessageType",
    PROCESSED_COUNT = "ProcessedCount",
    MESSAGE_ID = "MessageID",
    SENT_TIME = "SentTime",
    CALLER_ID = "CallerId",
    NDR_REQUIRED = "NDRRequired",
    RECIPIENT_NAME = "RecipientName",
    RECIPIENT_OBJECT_GUID = "RecipientObjectGuid",
    RECIPIENT_ADDRESS = "RecipientAddress",
    CALLER_NAME = "CallerNAme",
    CALLER_ID_DISPLAY_NAME = "CallerIdDisplayName",
    CALLER_ADDRESS = "CallerAddress",
    CULTURE_INFO = "CultureInfo",
    RECIPIENT_CULTURE = "RecipientCulture",
    CALL_ID = "CallId",
    CONTACT_INFO = "ContactInfo",
    TENANT_GUID = "TenantGuid",
    ATTACHMENT_PATH = "AttachmentPath",
    DURATION = "Duration",
    CODEC = "Codec",
    TRANSCRIPTION_DATA = "TranscriptionData",
    IN_COMPLETE = "InComplete",
    NUMBER_OF_PAGES = "NumberOfPages",
    OCS_NOTIFICATION_DATA = "OCSNotificationData",
    PARTNER_TRANSCRIPTION_CONTEXT = "PartnerTranscriptionContext",
    SENDER_OBJECT_GUID = "SenderObjectGuid",
    MESSAGE_FILE_PATH = "MessageFilePath",
    ATTACHMENT_NAME = "AttachmentName",
    CDR_DATA = "CDRData",
    IMPORTANT = "Important",
    CALL_ANSWERING = "CallAnswering",
    SUBJECT = "Subject",
    PRIVATE = "Private",
    PROTECTED_REPLY = "ProtectedReply",
    PURE_INTERPERSONAL_MESSAGE = "PureInterpersonalMessage",
}

/// The codecs that UM knows, as `Codec` names them.
pub const CODECS: &[&str] = &["Mp3", "Wma", "Gsm", "G711"];

/// The place of a field in UM's order, `None` for a custom one.
pub fn rank(name: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == name)
}

/// The kinds of header that UM writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum MessageType {
    /// A voice message.
    #[serde(rename = "SMTPVoiceMail")]
    SmtpVoiceMail,
    /// A call that left no message.
    MissedCall,
    /// A fax.
    Fax,
    /// A log entry of a call received.
    IncomingCallLog,
    /// A log entry of a call made.
    OutgoingCallLog,
    /// A notification from Office Communications Server.
    #[serde(rename = "OCSNotification")]
    OcsNotification,
    /// A reply or forward recorded by phone, with a `.msg` beside it.
    #[serde(rename = "XSOVoiceMail")]
    XsoVoiceMail,
    /// A voice message on its way to a transcription partner.
    PartnerTranscriptionRequest,
    /// Call statistics: nobody's message.
    #[serde(rename = "CDR")]
    Cdr,
    /// UM's own probe: nobody's message.
    HealthCheck,
}

impl MessageType {
    /// All types, in the order of the queue format.
    pub const ALL: [Self; 10] = [
        Self::SmtpVoiceMail,
        Self::MissedCall,
        Self::Fax,
        Self::IncomingCallLog,
        Self::OutgoingCallLog,
        Self::OcsNotification,
        Self::XsoVoiceMail,
        Self::PartnerTranscriptionRequest,
        Self::Cdr,
        Self::HealthCheck,
    ];

    /// The type's name as the header spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmtpVoiceMail => "SMTPVoiceMail",
            Self::MissedCall => "MissedCall",
            Self::Fax => "Fax",
            Self::IncomingCallLog => "IncomingCallLog",
            Self::OutgoingCallLog => "OutgoingCallLog",
            Self::OcsNotification => "OCSNotification",
            Self::XsoVoiceMail => "XSOVoiceMail",
            Self::PartnerTranscriptionRequest => "PartnerTranscriptionRequest",
            Self::Cdr => "CDR",
            Self::HealthCheck => "HealthCheck",
        }
    }

    /// Reads a name exactly as UM does, with case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether messages of this type carry recorded audio in a WAV beside the header.
    pub fn carries_audio(self) -> bool {
        matches!(self, Self::SmtpVoiceMail | Self::XsoVoiceMail | Self::PartnerTranscriptionRequest)
    }

    /// Whether the message is UM's own and nobody's to deliver.
    pub fn is_internal(self) -> bool {
        matches!(self, Self::Cdr | Self::HealthCheck)
    }

    /// Whether the type has the common fields, the recipient among them.
    pub fn has_recipient(self) -> bool {
        !matches!(self, Self::OcsNotification | Self::Cdr | Self::HealthCheck)
    }
}

/// The two header dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Dialect {
    /// Exchange 2007 and 2010: the recipient is an SMTP address.
    E12,
    /// Exchange 2013 and 2016: the recipient is an objectGUID.
    E15,
}

impl Dialect {
    /// The field that names the recipient.
    pub fn recipient_field(self) -> &'static str {
        match self {
            Self::E12 => RECIPIENT_ADDRESS,
            Self::E15 => RECIPIENT_OBJECT_GUID,
        }
    }

    /// The field that names the culture.
    pub fn culture_field(self) -> &'static str {
        match self {
            Self::E12 => RECIPIENT_CULTURE,
            Self::E15 => CULTURE_INFO,
        }
    }
}

/// Who is to get the message, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// Display name.
    pub name: Option<String>,
    /// SMTP address: from an E12 header, a directory, or an edit.
    pub address: Option<EmailAddress>,
    /// The mailbox's objectGUID: from an E15 header, a directory, or an edit.
    pub object_guid: Option<Guid>,
}

/// Who called, as the header tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Number as dialled, or a SIP name.
    pub number: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address, where UM resolved the caller.
    pub address: Option<String>,
}

impl Header {
    /// The message type, `None` where it is missing or unknown.
    pub fn message_type(&self) -> Option<MessageType> {
        MessageType::parse(&self.get(MESSAGE_TYPE)?)
    }

    /// The dialect, told from the recipient's field, else the culture's, else E12's own `NDRRequired`.
    pub fn dialect(&self) -> Dialect {
        let has = |name| self.get(name).is_some();
        if has(RECIPIENT_OBJECT_GUID) {
            Dialect::E15
        } else if has(RECIPIENT_ADDRESS) {
            Dialect::E12
        } else if has(CULTURE_INFO) {
            Dialect::E15
        } else if has(RECIPIENT_CULTURE) || has(NDR_REQUIRED) {
            Dialect::E12
        } else {
            Dialect::E15
        }
    }

    /// The recipient as the header names it; an address or GUID that does not parse is left out.
    pub fn recipient(&self) -> Recipient {
        Recipient {
            name: self.owned(RECIPIENT_NAME),
            address: self.get(RECIPIENT_ADDRESS).and_then(|text| EmailAddress::parse(text.trim()).ok()),
            object_guid: self.get(RECIPIENT_OBJECT_GUID).and_then(|text| Guid::parse(text.trim())),
        }
    }

    /// The caller; the resolved name goes before the one that the telephone network sent.
    pub fn caller(&self) -> Caller {
        Caller {
            number: self.owned(CALLER_ID),
            name: self.owned(CALLER_NAME).or_else(|| self.owned(CALLER_ID_DISPLAY_NAME)),
            address: self.owned(CALLER_ADDRESS),
        }
    }

    /// The culture's name as written, by dialect.
    pub fn culture(&self) -> Option<String> {
        self.owned(self.dialect().culture_field())
    }

    /// Whole seconds of recorded audio.
    pub fn duration(&self) -> Option<i32> {
        parse_integer(&self.get(DURATION)?)
    }

    /// How often UM has picked the message up; an absent field counts as 0, `None` does not parse.
    pub fn processed_count(&self) -> Option<i32> {
        self.get(PROCESSED_COUNT).map_or(Some(0), |text| parse_integer(&text))
    }

    /// `SentTime` in the UM server's local time.
    pub fn sent_time(&self) -> Option<DateTime> {
        parse_sent_time(&self.get(SENT_TIME)?)
    }

    /// `MessageID` where it is a GUID.
    pub fn message_id(&self) -> Option<Guid> {
        Guid::parse(self.get(MESSAGE_ID)?.trim())
    }

    /// A boolean field, `None` where it is absent or not a .NET boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        parse_boolean(&self.get(name)?)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.into_owned())
    }
}

fn is_dotnet_space(character: char) -> bool {
    matches!(character, '\t'..='\r' | ' ')
}

/// Reads an integer as .NET's `Int32.Parse` does: white space around it, a sign, digits, 32 bits.
pub fn parse_integer(text: &str) -> Option<i32> {
    text.trim_matches(is_dotnet_space).parse().ok()
}

/// Reads a boolean as .NET's `Boolean.Parse` does: `True` or `False` in any case, white space around it.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let trimmed = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    if trimmed.eq_ignore_ascii_case("true") {
        Some(true)
    } else if trimmed.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Reads `MM/dd/yyyy HH:mm:ss`.
pub fn parse_sent_time(text: &str) -> Option<DateTime> {
    let text = text.trim_matches(is_dotnet_space);
    // jiff also takes single digits, which the fixed format does not.
    DateTime::strptime("%m/%d/%Y %H:%M:%S", text).ok().filter(|time| format_sent_time(*time) == text)
}

/// Writes a time as `SentTime` holds it.
pub fn format_sent_time(time: DateTime) -> String {
    time.strftime("%m/%d/%Y %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_booleans_and_times_are_read_as_dotnet_reads_them() {
        assert_eq!(parse_integer(" +12 "), Some(12));
        assert_eq!(parse_integer("12.5"), None);
        assert_eq!(parse_integer("2147483648"), None);
        assert_eq!(parse_boolean("TRUE "), Some(true));
        assert_eq!(parse_boolean("yes"), None);
        let time = parse_sent_time("12/23/2016 08:00:00").unwrap();
        assert_eq!(time.to_string(), "2016-12-23T08:00:00");
        assert_eq!(format_sent_time(time), "12/23/2016 08:00:00");
        for wrong in ["23/12/2016 08:00:00", "1/2/2016 8:00:00", "12/23/2016", "2016-12-23T08:00:00"] {
            assert_eq!(parse_sent_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_dialect_follows_the_recipients_field() {
        let dialect = |text: &str| Header::parse(text.as_bytes().to_vec()).dialect();
        assert_eq!(dialect("RecipientAddress : a@b.example"), Dialect::E12);
        assert_eq!(dialect("RecipientObjectGuid : x\nRecipientAddress : a"), Dialect::E15);
        assert_eq!(dialect("NDRRequired : False"), Dialect::E12);
        assert_eq!(dialect("MessageType : CDR"), Dialect::E15);
    }

    #[test]
    fn types_are_named_with_case() {
        for kind in MessageType::ALL {
            assert_eq!(MessageType::parse(kind.name()), Some(kind));
        }
        assert_eq!(MessageType::parse("smtpvoicemail"), None);
    }
}
