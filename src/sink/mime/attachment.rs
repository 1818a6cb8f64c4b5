//! The one attachment of a voice message or fax: its bytes as they are, its type, and its name.

use lettre::message::SinglePart;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, Header, HeaderName, HeaderValue};

use super::text::ready;
use super::{Facts, MimeError};
use crate::fsx;
use crate::message::{Delivery, FileRef, MessageType};

/// The largest attachment that is read, in bytes: three hours of UM's 16 kHz recordings, and more than any server takes.
const SIZE_LIMIT: u64 = 384 << 20;

/// The most bytes of a caller's name or number in a file name, so that what follows it is never cut off.
const CALLER_LIMIT: usize = 48;

/// An attachment, read whole.
pub(super) struct Attachment {
    pub(super) file_name: String,
    content_type: &'static str,
    seconds: Option<u32>,
    bytes: Vec<u8>,
}

impl Attachment {
    /// Reads the attachment that the type asks for; types other than voice and fax must go without, or lose their class.
    ///
    /// # Errors
    /// It is missing, unreadable, or something else than it should be.
    pub(super) fn of(delivery: &Delivery, facts: &Facts) -> Result<Option<Self>, MimeError> {
        match facts.kind {
            MessageType::SmtpVoiceMail => Self::voice(delivery, facts),
            MessageType::Fax => {
                let file = delivery.message.fax.as_ref().ok_or(MimeError::NoFax)?;
                Self::read(file, "image/tiff", "tif", facts).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn voice(delivery: &Delivery, facts: &Facts) -> Result<Option<Self>, MimeError> {
        // Only an explicit duration of nothing lets a voice message go without its recording.
        let silent = delivery.header.duration().is_some_and(|seconds| seconds <= 0);
        match &delivery.message.audio {
            None if silent => Ok(None),
            None => Err(MimeError::NoAudio),
            Some(audio) if audio.facts.is_none() => Err(MimeError::NotWave(audio.file.label.clone())),
            Some(audio) => Self::read(&audio.file, "audio/wav", "wav", facts).map(Some),
        }
    }

    fn read(file: &FileRef, content_type: &'static str, extension: &str, facts: &Facts) -> Result<Self, MimeError> {
        let bytes = file.read(SIZE_LIMIT).map_err(MimeError::Unreadable)?;
        Ok(Self { file_name: file_name(facts, extension), content_type, seconds: facts.seconds, bytes })
    }

    /// The attachment as a part of the mail.
    pub(super) fn into_part(self) -> SinglePart {
        let part = SinglePart::builder().header(MediaType(self.content_type)).header(ContentTransferEncoding::Base64);
        let mut part = match self.file_name.is_ascii() {
            true => part.header(PlainDisposition(self.file_name)),
            false => part.header(ContentDisposition::attachment(&self.file_name)),
        };
        if let Some(seconds) = self.seconds {
            part = part.header(ContentDuration(seconds));
        }
        part.body(self.bytes)
    }
}

/// `+31612345678 (23 seconds) Voice Mail.wav`.
fn file_name(facts: &Facts, extension: &str) -> String {
    let caller = &facts.caller;
    let known = [&caller.number, &caller.name, &caller.address].into_iter().flatten().next();
    let known = known.map_or(facts.wording.anonymous, String::as_str);
    let short = known.get(..known.floor_char_boundary(CALLER_LIMIT)).unwrap_or_default().trim_end();
    let stem = facts.wording.attachment(facts.kind, short, facts.amount().as_deref());
    format!("{}.{extension}", fsx::safe_name(&stem))
}

/// `Content-Type` without parameters: a `name` beside the disposition's would only be a second chance to differ.
#[derive(Clone)]
struct MediaType(&'static str);

impl Header for MediaType {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Type")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        ["audio/wav", "image/tiff"].into_iter().find(|known| *known == text).map(Self).ok_or_else(|| text.into())
    }

    fn display(&self) -> HeaderValue {
        ready("Content-Type", self.0, self.0.to_owned())
    }
}

/// `Content-Disposition` with an ASCII file name in one quoted string, on a line of its own.
///
/// lettre would cut a long name into parts by RFC 2231, which is right, but not every client puts such parts together.
#[derive(Clone)]
struct PlainDisposition(String);

impl Header for PlainDisposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let name = text.strip_prefix("attachment;").and_then(|rest| rest.trim().strip_prefix("filename=\""));
        let name = name.and_then(|rest| rest.strip_suffix('"')).ok_or_else(|| text.to_owned())?;
        Ok(Self(name.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        // A safe file name has neither quotes nor backslashes.
        let line = format!("attachment;\r\n filename=\"{}\"", self.0);
        ready("Content-Disposition", &self.0, line)
    }
}

/// `Content-Duration`, in whole seconds (RFC 3803).
#[derive(Clone)]
struct ContentDuration(u32);

impl Header for ContentDuration {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Duration")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.parse()?))
    }

    fn display(&self) -> HeaderValue {
        let seconds = self.0.to_string();
        ready("Content-Duration", &seconds, seconds.clone())
    }
}
