//! Turns a message into the mail that UM itself would have submitted: class, headers, body and one attachment.
//!
//! The rules are those of MS-OXOUM, MS-OXCMAIL, RFC 3458 and RFC 3803: Exchange files a mail as a voice message only if its
//! `Content-Class` says so, every attachment's type is one it knows, and nothing else is attached.
//!
//! The same delivery gives the same bytes at every try: boundaries and Message-ID come from the message's identity, the
//! date from its files. Sending the bytes is left to [`super::smtp`], writing them to [`super::directory`].

mod attachment;
mod body;
mod markup;
#[cfg(test)]
pub(in crate::sink) mod samples;
pub(in crate::sink) mod text;
mod wording;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lettre::message::header::{ContentTransferEncoding, ContentType, Headers};
use lettre::message::{MultiPart, SinglePart};
use thiserror::Error;

use self::attachment::Attachment;
use self::body::Body;
use self::text::{LIMIT, clean, mailbox, unstructured};
use self::wording::{Wording, wording};
use super::{DeliveryError, Failure};
use crate::fsx::{self, PathError};
use crate::message::{Caller, Delivery, EmailAddress, MessageType, fields};

/// What a mail needs beside the message.
#[derive(Clone, Debug)]
pub struct MimeOptions {
    /// The system sender: the envelope's sender and the `Sender` header. Without one it is UM's own, the Microsoft Exchange
    /// recipient, in the domain of the mail's recipient.
    pub sender: Option<EmailAddress>,
    /// The UM server's time zone, in which `SentTime` is written.
    pub time_zone: TimeZone,
    /// Whether private messages, which UM would have rights-protected, may be sent in clear.
    pub allow_private_in_clear: bool,
}

/// A mail ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The mail, with CRLF line ends, not yet dot-stuffed.
    pub bytes: Vec<u8>,
    /// Its Message-ID, angle brackets included.
    pub message_id: String,
    /// The envelope's sender.
    pub sender: EmailAddress,
    /// The envelope's only recipient.
    pub recipient: EmailAddress,
}

/// Why a message cannot be sent as mail.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MimeError {
    /// An XSOVoiceMail.
    #[error(
        "XSOVoiceMail: a reply or forward recorded by phone lies in a private form that only UM can send; it can be \
         injected with its .msg"
    )]
    Reply,
    /// A PartnerTranscriptionRequest.
    #[error(
        "PartnerTranscriptionRequest: it is on its way to a transcription partner, not to a mailbox; it can be injected, \
         or sent as SMTPVoiceMail once its type is changed"
    )]
    TranscriptionRequest,
    /// A HealthCheck or CDR.
    #[error("{}: it is UM's own and nobody's message", .0.name())]
    Internal(MessageType),
    /// An OCSNotification of anything else than a missed call.
    #[error("OCSNotification: its data does not tell of a missed call, and no other notification can be sent as mail")]
    Notification,
    /// A message with `Private`.
    #[error("it is private: UM would have protected it, and as mail it would be sent in clear")]
    Private,
    /// No SMTP address is known.
    #[error("the SMTP address of its recipient {0} is not known")]
    NoAddress(String),
    /// No sender was given, and the recipient's domain makes none.
    #[error("no sender can be made for {0}; give one with --sender")]
    NoSender(String),
    /// A voice message without its WAV.
    #[error("its header tells of a recording, but there is no WAV with it")]
    NoAudio,
    /// The WAV holds something else.
    #[error("{0} is not a WAV file")]
    NotWave(String),
    /// A fax without its `.tif`.
    #[error("the fax has no .tif with it")]
    NoFax,
    /// The attachment is there but cannot be read.
    #[error("its attachment cannot be sent")]
    Unreadable(#[source] PathError),
}

impl From<MimeError> for DeliveryError {
    fn from(error: MimeError) -> Self {
        let failure = match error {
            MimeError::Unreadable(_) => Failure::Transient,
            _ => Failure::Refused,
        };
        Self::new(failure, fsx::describe(&error))
    }
}

/// Makes the mail for a delivery.
///
/// A voice message's class depends on `CallAnswering`, and only `False` makes it other than a call answered for an absent
/// user. The audio goes as it is, as `audio/wav` even for GSM 6.10, as UM itself says. A message without `SentTime` and
/// without the times of its files gets no `Date`; the first server adds one.
///
/// # Errors
/// The message cannot be sent as mail: see [`MimeError`].
pub fn compose(delivery: &Delivery, options: &MimeOptions) -> Result<Mail, MimeError> {
    let class = content_class(delivery)?;
    if is_private(delivery) && !options.allow_private_in_clear {
        return Err(MimeError::Private);
    }
    let recipient =
        delivery.recipient.address.clone().ok_or_else(|| MimeError::NoAddress(recipient_label(delivery)))?;
    let sender = options.sender.clone().or_else(|| system_sender(&recipient));
    let sender = sender.ok_or_else(|| MimeError::NoSender(recipient.to_string()))?;
    let facts = Facts::of(delivery, options);
    let attachment = Attachment::of(delivery, &facts)?;

    let message_id = message_id(delivery, &sender);
    let mut headers = address_headers(&facts, &sender, &recipient);
    identity_headers(&mut headers, &facts, &message_id);
    voice_headers(&mut headers, delivery, &facts, class, attachment.as_ref());

    let mut bytes = headers.to_string().into_bytes();
    bytes.extend_from_slice(b"MIME-Version: 1.0\r\n");
    bytes.extend_from_slice(&parts(delivery, &facts, attachment).formatted());
    Ok(Mail { bytes, message_id, sender, recipient })
}

/// What the header tells, made harmless, and what follows from it.
struct Facts {
    kind: MessageType,
    caller: Caller,
    recipient_name: Option<String>,
    culture: Option<String>,
    sent: Option<Zoned>,
    /// Whole seconds of a voice message.
    seconds: Option<u32>,
    /// Pages of a fax.
    pages: Option<u32>,
    subject: String,
    wording: &'static Wording,
}

impl Facts {
    fn of(delivery: &Delivery, options: &MimeOptions) -> Self {
        let header = &delivery.header;
        let kind = delivery.message_type;
        let caller = header.caller();
        let caller = Caller { number: shown(caller.number), name: shown(caller.name), address: shown(caller.address) };
        let culture = header.culture().map(|name| name.trim().to_owned()).filter(|name| is_language_tag(name));
        let wording = wording(culture.as_deref());
        let seconds = (kind == MessageType::SmtpVoiceMail).then(|| seconds(delivery));
        let pages = header.get(fields::NUMBER_OF_PAGES).and_then(|text| fields::parse_integer(&text));
        let pages = pages.filter(|_| kind == MessageType::Fax).and_then(|count| u32::try_from(count).ok());
        let original = shown(header.get(fields::SUBJECT).map(|subject| subject.into_owned()));
        let mut facts = Self {
            kind,
            caller,
            recipient_name: shown(delivery.recipient.name.clone()),
            culture,
            sent: sent(delivery, options),
            seconds,
            pages,
            subject: String::new(),
            wording,
        };
        facts.subject = clean(&wording.subject(kind, facts.amount().as_deref(), original.as_deref()), LIMIT);
        facts
    }

    /// `23 seconds` or `3 pages`.
    fn amount(&self) -> Option<String> {
        let seconds = self.seconds.map(|count| self.wording.seconds(count));
        seconds.or_else(|| self.pages.map(|count| self.wording.pages(count)))
    }
}

/// A header field's text as a mail shows it; `None` where nothing is left.
fn shown(value: Option<String>) -> Option<String> {
    value.map(|text| clean(&text, LIMIT)).filter(|text| !text.is_empty())
}

fn content_class(delivery: &Delivery) -> Result<&'static str, MimeError> {
    let header = &delivery.header;
    match delivery.message_type {
        MessageType::SmtpVoiceMail if header.boolean(fields::CALL_ANSWERING) == Some(false) => Ok("voice"),
        MessageType::SmtpVoiceMail => Ok("voice-ca"),
        MessageType::MissedCall => Ok("missedcall"),
        MessageType::Fax => Ok("fax-ca"),
        MessageType::IncomingCallLog | MessageType::OutgoingCallLog => Ok("voice-uc"),
        MessageType::OcsNotification => {
            let missed = header.get(fields::OCS_NOTIFICATION_DATA).is_some_and(|xml| markup::is_missed_call(&xml));
            if missed { Ok("missedcall") } else { Err(MimeError::Notification) }
        }
        MessageType::XsoVoiceMail => Err(MimeError::Reply),
        MessageType::PartnerTranscriptionRequest => Err(MimeError::TranscriptionRequest),
        internal @ (MessageType::Cdr | MessageType::HealthCheck) => Err(MimeError::Internal(internal)),
    }
}

/// What is not plainly `False` counts as private: a damaged field must not give a secret away.
fn is_private(delivery: &Delivery) -> bool {
    delivery.header.get(fields::PRIVATE).is_some_and(|value| fields::parse_boolean(&value) != Some(false))
}

fn recipient_label(delivery: &Delivery) -> String {
    let guid = delivery.recipient.object_guid.map(|guid| guid.to_string());
    let known: Vec<String> = [shown(delivery.recipient.name.clone()), guid].into_iter().flatten().collect();
    if known.is_empty() { "(unnamed)".to_owned() } else { known.join(" ") }
}

/// The header's `Duration`; where it is missing or no number of seconds, the length of the recording.
fn seconds(delivery: &Delivery) -> u32 {
    let told = delivery.header.duration().and_then(|seconds| u32::try_from(seconds).ok());
    let facts = delivery.message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
    // `as` saturates, and turns what is no number into 0.
    told.unwrap_or_else(|| facts.map_or(0, |facts| facts.seconds.round() as u32))
}

/// When the message was left, in the UM server's zone. In the hour that a change of clocks skips, or repeats, the offset
/// from before the change counts.
fn sent(delivery: &Delivery, options: &MimeOptions) -> Option<Zoned> {
    let told = delivery.header.sent_time().filter(|time| time.year() >= 1900);
    let told = told.and_then(|time| time.to_zoned(options.time_zone.clone()).ok());
    told.or_else(|| Some(file_time(delivery)?.to_zoned(options.time_zone.clone())))
}

fn file_time(delivery: &Delivery) -> Option<Timestamp> {
    let message = &delivery.message;
    let audio = message.audio.as_ref().and_then(|audio| audio.file.modified);
    let fax = message.fax.as_ref().and_then(|file| file.modified);
    audio.or(fax).or_else(|| message.header.as_ref().and_then(|part| part.file.modified))
}

/// The address that every Exchange organisation has for the Microsoft Exchange recipient, UM's own sender.
fn system_sender(recipient: &EmailAddress) -> Option<EmailAddress> {
    EmailAddress::parse(&format!("MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@{}", recipient.domain())).ok()
}

/// `<MessageID@domain of the sender>`; the identity stands for a `MessageID` that is missing or no GUID.
///
/// Exchange drops a second mail with the Message-ID of an earlier one. So one that is wanted twice gets a new one.
fn message_id(delivery: &Delivery, sender: &EmailAddress) -> String {
    let left = delivery.header.message_id().map(|guid| guid.to_string());
    let left = left.unwrap_or_else(|| delivery.identity.to_string());
    let left = if delivery.is_repeat { delivery.new_guid.to_string() } else { left };
    let domain = sender.domain();
    let domain = if domain.is_ascii() && !domain.is_empty() { domain } else { "umreplay.invalid" };
    format!("<{left}@{domain}>")
}

fn is_language_tag(name: &str) -> bool {
    (2..=20).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `From` is the caller's own address where it is known, else the caller's name or number on the system sender's.
fn address_headers(facts: &Facts, sender: &EmailAddress, recipient: &EmailAddress) -> Headers {
    let caller = &facts.caller;
    let name = caller.name.as_deref().or(caller.number.as_deref());
    let address = caller.address.as_deref().filter(|text| text.is_ascii());
    let address = address.and_then(|text| EmailAddress::parse(text).ok());
    let from = match &address {
        Some(address) => mailbox("From", name, address.as_str()),
        None => {
            let name = name.or(caller.address.as_deref()).unwrap_or(facts.wording.anonymous);
            mailbox("From", Some(name), sender.as_str())
        }
    };
    let mut headers = Headers::new();
    headers.insert_raw(from);
    headers.insert_raw(mailbox("Sender", None, sender.as_str()));
    headers.insert_raw(mailbox("To", facts.recipient_name.as_deref(), recipient.as_str()));
    headers
}

fn identity_headers(headers: &mut Headers, facts: &Facts, message_id: &str) {
    headers.insert_raw(unstructured("Subject", &facts.subject));
    let date = facts.sent.as_ref().and_then(|sent| jiff::fmt::rfc2822::to_string(sent).ok());
    if let Some(date) = date {
        headers.insert_raw(text::ready("Date", &date, date.clone()));
    }
    headers.insert_raw(text::ready("Message-ID", message_id, message_id.to_owned()));
}

fn voice_headers(
    headers: &mut Headers,
    delivery: &Delivery,
    facts: &Facts,
    class: &'static str,
    attachment: Option<&Attachment>,
) {
    let header = &delivery.header;
    let mut add = |name, value: Option<&str>| {
        if let Some(value) = value {
            headers.insert_raw(unstructured(name, value));
        }
    };
    let flag = |name, text: &'static str| (header.boolean(name) == Some(true)).then_some(text);
    add("Content-Class", Some(class));
    add("X-CallingTelephoneNumber", facts.caller.number.as_deref());
    add("X-VoiceMessageSenderName", facts.caller.name.as_deref());
    add("X-VoiceMessageDuration", facts.seconds.map(|count| count.to_string()).as_deref());
    add("X-AttachmentOrder", attachment.map(|part| part.file_name.as_str()));
    add("X-CallID", shown(header.get(fields::CALL_ID).map(|id| id.into_owned())).as_deref());
    add("X-FaxNumberOfPages", facts.pages.map(|count| count.to_string()).as_deref());
    add("Message-Context", context(facts.kind));
    add("X-Auto-Response-Suppress", Some("All"));
    add("Importance", flag(fields::IMPORTANT, "High"));
    add("Sensitivity", is_private(delivery).then_some("Private"));
    add("Content-Language", facts.culture.as_deref());
}

/// RFC 3458 names voice and fax messages, and nothing like a missed call.
fn context(kind: MessageType) -> Option<&'static str> {
    match kind {
        MessageType::SmtpVoiceMail => Some("voice-message"),
        MessageType::Fax => Some("fax-message"),
        _ => None,
    }
}

fn parts(delivery: &Delivery, facts: &Facts, attachment: Option<Attachment>) -> MultiPart {
    let amount_label = if facts.kind == MessageType::Fax { facts.wording.page_count } else { facts.wording.duration };
    let amount = facts.amount().map(|amount| (amount_label, amount));
    let body =
        Body::new(facts.subject.clone(), facts.wording, &facts.caller, facts.sent.as_ref(), amount, &delivery.header);
    // `=_` cannot occur in quoted-printable or base64, so that no text can end a part early.
    let boundary = |name: &str| format!("=_umreplay-{}-{name}", delivery.identity);
    let text = MultiPart::alternative()
        .boundary(boundary("text"))
        .singlepart(text_part(ContentType::TEXT_PLAIN, body.plain()))
        .singlepart(text_part(ContentType::TEXT_HTML, body.html()));
    match attachment {
        None => text,
        Some(attachment) => {
            MultiPart::mixed().boundary(boundary("mixed")).multipart(text).singlepart(attachment.into_part())
        }
    }
}

fn text_part(content_type: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(content_type).header(ContentTransferEncoding::QuotedPrintable).body(text)
}

#[cfg(test)]
mod tests;
