//! Findings: what is wrong or remarkable about a message, as data with a stable code.

use std::fmt;

use serde::Serialize;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// UM takes the message; somebody may want to know.
    Info,
    /// UM takes the message, but something is lost or about to be.
    Warning,
    /// UM refuses, demotes or deletes the message, or it cannot be read.
    Error,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $level:ident),* $(,)?) => {
        /// What a finding is about; the number behind `UM` never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number behind `UM`.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number),* }
            }

            /// How grave a finding of this code is.
            pub fn level(self) -> Level {
                match self { $(Self::$name => Level::$level),* }
            }
        }
    };
}

codes! {
    /// The file name is no GUID.
    NameNotGuid = 1 Error,
    /// The header could not be read or holds no field.
    HeaderUnreadable = 2 Error,
    /// The header is stored in ANSI, which UM reads as broken UTF-8.
    EncodingAnsi = 3 Warning,
    /// The header is UTF-16 without a byte-order mark.
    EncodingUtf16Bare = 4 Error,
    /// The header is encoded otherwise than UM writes, but UM reads it.
    EncodingUnusual = 5 Info,
    /// A field occurs more than once.
    DuplicateField = 6 Warning,
    /// A line is no field.
    LineSkipped = 7 Info,
    /// `MessageType` is missing.
    TypeMissing = 10 Error,
    /// `MessageType` is unknown.
    TypeUnknown = 11 Error,
    /// The culture is none that .NET knows.
    CultureUnknown = 12 Error,
    /// UM has no language pack for the culture.
    CultureNoPack = 13 Warning,
    /// The culture is missing.
    CultureMissing = 14 Warning,
    /// The recipient's field is missing.
    RecipientMissing = 15 Error,
    /// The recipient's field is malformed.
    RecipientMalformed = 16 Error,
    /// The recipient is not in the directory that was given.
    RecipientUnknown = 17 Error,
    /// The fields of both dialects stand in one header.
    DialectMixed = 18 Warning,
    /// The sender of a reply or a transcription request is missing or malformed.
    SenderInvalid = 19 Warning,
    /// `ProcessedCount` does not parse.
    ProcessedCountInvalid = 20 Error,
    /// The next pickup is the last that leaves the message as it is.
    ProcessedCountLast = 21 Warning,
    /// The next pickup takes the audio.
    ProcessedCountDemotes = 22 Error,
    /// The next pickup deletes the message.
    ProcessedCountKills = 23 Error,
    /// `SentTime` does not parse.
    SentTimeInvalid = 24 Error,
    /// `Duration` is missing.
    DurationMissing = 30 Error,
    /// `Duration` is no integer.
    DurationInvalid = 31 Error,
    /// `Duration` disagrees with the audio.
    DurationDisagrees = 32 Warning,
    /// `Codec` is missing.
    CodecMissing = 33 Error,
    /// `Codec` is unknown.
    CodecUnknown = 34 Error,
    /// `AttachmentPath` is missing.
    AttachmentPathMissing = 35 Error,
    /// `AttachmentPath` has another extension than the type wants.
    AttachmentPathExtension = 36 Error,
    /// `AttachmentPath` names another file than the one beside the header.
    AttachmentPathElsewhere = 37 Warning,
    /// The attachment is not beside the header.
    AttachmentAbsent = 38 Error,
    /// `NumberOfPages` is missing.
    PagesMissing = 39 Error,
    /// `NumberOfPages` is no integer.
    PagesInvalid = 40 Error,
    /// A boolean field is neither `True` nor `False`.
    BooleanInvalid = 41 Error,
    /// The message file of a reply or forward is not beside the header.
    MessageFileAbsent = 42 Error,
    /// The message is private and would travel in clear.
    Private = 43 Info,
    /// `ContactInfo` is present: a serialized object, left out at injection.
    ContactInfoPresent = 44 Info,
    /// Audio without a header.
    NoHeader = 50 Error,
    /// A missed-call header beside a WAV: a demoted voice message.
    Demoted = 51 Error,
    /// UM's own file: nobody's message.
    Internal = 52 Info,
    /// The audio file is no RIFF WAVE that can be read.
    AudioUnreadable = 60 Error,
    /// The recording was cut short: RIFF sizes disagree with the file.
    AudioCutShort = 61 Warning,
    /// The audio's format is none that UM writes.
    AudioFormatUnusual = 62 Warning,
    /// The audio holds no samples.
    AudioEmpty = 63 Warning,
    /// An entry of a folder or archive could not be read.
    EntryUnreadable = 70 Error,
    /// An archive entry is encrypted.
    EntryEncrypted = 71 Error,
    /// Two files of one folder have the same GUID and kind.
    EntryDuplicate = 72 Warning,
    /// Files of one GUID in different sources are different messages.
    GuidShared = 73 Warning,
    /// Copies of one message name different recipients.
    CopiesDisagree = 74 Warning,
}

impl Code {
    /// Reads a code as people write it: `UM012`, `um12`, `12`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = match text.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("um") => text.get(2..)?,
            _ => text,
        };
        let number: u16 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UM{:03}", self.number())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing found about one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// How grave it is.
    pub level: Level,
    /// The header field concerned, if one is.
    pub field: Option<String>,
    /// What was found, in a sentence with the value in it.
    pub message: String,
}

impl Finding {
    /// A finding about the message as a whole.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, level: code.level(), field: None, message: message.into() }
    }

    /// A finding about one field.
    pub fn field(code: Code, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_rise() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        assert_eq!(Code::CultureUnknown.to_string(), "UM012");
    }

    #[test]
    fn codes_are_read_as_people_write_them() {
        for text in ["UM012", "um12", "12", "Um0012", " 012 "] {
            assert_eq!(Code::parse(text), Some(Code::CultureUnknown), "{text}");
        }
        for text in ["", "UM", "UM999", "+12", "UM-12", "um 12", "UM12x", "é12", "99999999999999999999"] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
    }
}
