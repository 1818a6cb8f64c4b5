//! One message before it is written: its fields exactly as UM orders them, and its attachments.

use fastrand::Rng;
use jiff::civil::DateTime;

use super::people::{Caller, Mailbox, caller, guid};
use super::wav::{self, WavFormat};
use super::{GenerateError, GenerateOptions};
use crate::lab::voice::voice;
use crate::message::fields::{self, format_sent_time};
use crate::message::{Dialect, Encoding, Guid, MessageType};

/// A harmless stand-in for the serialized object: base64 of a sentence that says so.
const CONTACT_INFO: &str = "VGhpcyBpcyBubyBzZXJpYWxpemVkIG9iamVjdCwgb25seSBhIHBsYWNlaG9sZGVyLg==";

/// What a message is to be, before chance decides the rest.
pub(super) struct Outline<'a> {
    pub(super) kind: MessageType,
    pub(super) dialect: Dialect,
    pub(super) sent: DateTime,
    pub(super) recipient: &'a Mailbox,
    pub(super) culture: String,
    pub(super) format: WavFormat,
}

/// A message as it is about to be written.
pub(super) struct Draft {
    pub(super) guid: Guid,
    pub(super) stem: String,
    pub(super) has_header: bool,
    pub(super) fields: Vec<(String, String)>,
    pub(super) line_end: &'static str,
    pub(super) encoding: Encoding,
    /// Header bytes that no fields make, in place of them.
    pub(super) raw_header: Option<Vec<u8>>,
    pub(super) capital_extensions: bool,
    pub(super) wav: Option<Vec<u8>>,
    pub(super) fax: Option<Vec<u8>>,
    pub(super) message_file: Option<Vec<u8>>,
    pub(super) health_check: bool,
}

impl Draft {
    /// Draws the rest of a message.
    pub(super) fn new(rng: &mut Rng, options: &GenerateOptions, outline: &Outline<'_>) -> Result<Self, GenerateError> {
        let guid = guid(rng);
        let kind = outline.kind;
        let mut draft = Self {
            guid,
            stem: guid.to_string(),
            has_header: true,
            fields: Vec::new(),
            line_end: "\r\n",
            encoding: Encoding::UM,
            raw_header: None,
            capital_extensions: false,
            wav: None,
            fax: None,
            message_file: None,
            health_check: kind == MessageType::HealthCheck,
        };
        let mut seconds = 0.0;
        if kind.carries_audio() {
            let length = options.seconds.unwrap_or_else(|| skewed_seconds(rng));
            let samples = voice(rng, length, options.sample_rate);
            seconds = samples.len() as f64 / f64::from(options.sample_rate);
            // UM writes no WAV for a message that lasts 0 seconds.
            draft.wav =
                (!samples.is_empty()).then(|| outline.format.encode(&samples, options.sample_rate)).transpose()?;
        }
        let pages = rng.u16(1..=3);
        if kind == MessageType::Fax {
            draft.fax = Some(wav::fax(rng, pages));
        }
        if kind == MessageType::XsoVoiceMail {
            // UM's private form is not public: bytes that nothing may depend on.
            draft.message_file = Some((0..512).map(|_| rng.u8(..)).collect());
        }
        draft.common(rng, outline);
        let path = |extension: &str| joined(&options.exchange_path, &format!("{}.{extension}", draft.stem));
        let own = own_fields(rng, outline, seconds, pages, &path);
        own.into_iter().for_each(|(name, value)| draft.add(name, value));
        Ok(draft)
    }

    /// The fields that every type shares, in the dialect's order.
    fn common(&mut self, rng: &mut Rng, outline: &Outline<'_>) {
        let Caller { number, name, display_name, address } = caller(rng);
        let recipient = outline.recipient;
        self.add(fields::MESSAGE_TYPE, Some(outline.kind.name()));
        match (outline.dialect, outline.kind.has_recipient()) {
            (Dialect::E12, true) => {
                self.add(fields::CALLER_ID, number);
                self.add(fields::NDR_REQUIRED, Some("False"));
                self.add(fields::RECIPIENT_NAME, Some(recipient.name.as_str()));
                self.add(fields::RECIPIENT_ADDRESS, Some(recipient.address.as_str()));
                // The missed call seen in the field names the caller by number alone.
                self.add(fields::CALLER_NAME, name.filter(|_| outline.kind != MessageType::MissedCall));
                self.add(fields::RECIPIENT_CULTURE, Some(outline.culture.as_str()));
                let id = format!("{:x}-{:x}-{:x}-{:x}", rng.u32(..), rng.u32(..) >> 4, rng.u16(..), rng.u32(..) >> 12);
                self.add(fields::CALL_ID, Some(format!("{id}-{:x}-{:x}", rng.u32(..), rng.u32(..) >> 12)));
            }
            (Dialect::E15, _) if outline.kind != MessageType::OcsNotification => {
                self.add(fields::PROCESSED_COUNT, Some(rng.u8(0..=3).to_string()));
                self.add(fields::MESSAGE_ID, Some(guid(rng).to_string()));
                self.add(fields::SENT_TIME, Some(format_sent_time(outline.sent)));
                if outline.kind.has_recipient() {
                    self.add(fields::CALLER_ID, number);
                    self.add(fields::RECIPIENT_NAME, Some(recipient.name.as_str()));
                    self.add(fields::RECIPIENT_OBJECT_GUID, Some(recipient.object_guid.to_string()));
                    self.add(fields::CALLER_NAME, name);
                    self.add(fields::CALLER_ID_DISPLAY_NAME, display_name);
                    self.add(fields::CALLER_ADDRESS, address);
                    self.add(fields::CULTURE_INFO, Some(outline.culture.as_str()));
                    self.add(fields::CALL_ID, Some(format!("{:016x}@192.0.2.{}", rng.u64(..), rng.u8(1..255))));
                    self.add(fields::CONTACT_INFO, one_in(rng, 6).then_some(CONTACT_INFO));
                }
                self.add(fields::TENANT_GUID, Some("00000000-0000-0000-0000-000000000000"));
            }
            _ => {}
        }
    }

    /// Appends a field that has a value.
    pub(super) fn add(&mut self, name: &str, value: Option<impl Into<String>>) {
        self.fields.extend(value.map(|value| (name.to_owned(), value.into())));
    }

    /// A field's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Changes a field that is there.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        if let Some((_, old)) = self.fields.iter_mut().find(|(field, _)| field == name) {
            *old = value.into();
        }
    }

    /// Removes a field.
    pub(super) fn remove(&mut self, name: &str) {
        self.fields.retain(|(field, _)| field != name);
    }

    /// Puts a field before another that is there.
    pub(super) fn insert_before(&mut self, other: &str, name: &str, value: String) {
        if let Some(at) = self.fields.iter().position(|(field, _)| field == other) {
            self.fields.insert(at, (name.to_owned(), value));
        }
    }

    /// Names the files otherwise, in the header too.
    pub(super) fn rename(&mut self, stem: String) {
        let old = std::mem::replace(&mut self.stem, stem.clone());
        for (_, value) in &mut self.fields {
            *value = value.replace(&old, &stem);
        }
    }

    /// Changes a part of `AttachmentPath`.
    pub(super) fn replace_in_path(&mut self, old: &str, new: &str) {
        let path = self.get(fields::ATTACHMENT_PATH).unwrap_or_default().replace(old, new);
        self.set(fields::ATTACHMENT_PATH, path);
    }

    /// The header file's bytes, `None` where there is none.
    pub(super) fn header_bytes(&self) -> Option<Vec<u8>> {
        if !self.has_header {
            return None;
        }
        if let Some(raw) = &self.raw_header {
            return Some(raw.clone());
        }
        let mark = if self.encoding.byte_order_mark { "\u{feff}" } else { "" };
        let lines = self.fields.iter().map(|(name, value)| match value.as_str() {
            "" => format!("{name}{}", self.line_end),
            value => format!("{name} : {value}{}", self.line_end),
        });
        let text: String = std::iter::once(mark.to_owned()).chain(lines).collect();
        // Only what an ANSI page lacks cannot be encoded: such a letter is lost, as Notepad loses it.
        let encode = |text: &str| self.encoding.encode(text).map(|bytes| bytes.into_owned());
        let each =
            || text.chars().flat_map(|letter| encode(&letter.to_string()).unwrap_or_else(|| b"?".to_vec())).collect();
        Some(encode(&text).unwrap_or_else(each))
    }

    /// Every file but the header: its name and bytes.
    pub(super) fn attachments(&self) -> Vec<(String, &[u8])> {
        let name = |extension: &str| format!("{}.{}", self.stem, self.cased(extension));
        let parts = [("wav", &self.wav), ("tif", &self.fax), ("msg", &self.message_file)];
        let mut files: Vec<_> =
            parts.iter().filter_map(|(extension, bytes)| Some((name(extension), bytes.as_deref()?))).collect();
        if self.health_check {
            files.push((format!("{}.HealthCheck", self.stem), b""));
        }
        files
    }

    /// The header file's name.
    pub(super) fn header_name(&self) -> String {
        format!("{}.{}", self.stem, self.cased("txt"))
    }

    fn cased(&self, extension: &str) -> String {
        if self.capital_extensions { extension.to_ascii_uppercase() } else { extension.to_owned() }
    }
}

/// The type's own fields, in UM's order.
fn own_fields(
    rng: &mut Rng,
    outline: &Outline<'_>,
    seconds: f64,
    pages: u16,
    path: &dyn Fn(&str) -> String,
) -> Vec<(&'static str, Option<String>)> {
    let boolean = |value: bool| Some(if value { "True" } else { "False" }.to_owned());
    let is_e15 = outline.dialect == Dialect::E15;
    let usual = if is_e15 { "Mp3" } else { "Wma" };
    let codec = if one_in(rng, 4) { rng.choice(fields::CODECS.iter().copied()).unwrap_or(usual) } else { usual };
    // Whole seconds, and 0 only where there is no audio.
    let duration = if seconds > 0.0 { seconds.round().max(1.0) as u64 } else { 0 };
    let important = boolean(one_in(rng, 8));
    let private = boolean(one_in(rng, 12));
    let note =
        one_in(rng, 5).then(|| rng.choice(["Terugbellen", "Ihr Rückruf", "RE: 見積もり"]).map(str::to_owned)).flatten();
    let transcript = (is_e15 && one_in(rng, 3)).then(|| transcription(&outline.culture));
    let audio = vec![
        (fields::ATTACHMENT_PATH, Some(if duration > 0 { path("wav") } else { "null".to_owned() })),
        (fields::DURATION, Some(duration.to_string())),
        (fields::CODEC, Some(codec.to_owned())),
    ];
    let voice = |call_answering: bool| {
        let rest = match outline.dialect {
            Dialect::E12 => vec![(fields::IMPORTANT, important.clone())],
            Dialect::E15 => vec![
                (fields::TRANSCRIPTION_DATA, transcript.clone()),
                (fields::IMPORTANT, important.clone()),
                (fields::CALL_ANSWERING, boolean(call_answering)),
                (fields::SUBJECT, note.clone()),
                (fields::PRIVATE, private.clone()),
            ],
        };
        [audio.clone(), rest].concat()
    };
    match outline.kind {
        MessageType::SmtpVoiceMail => voice(!one_in(rng, 5)),
        MessageType::MissedCall if is_e15 => vec![(fields::SUBJECT, note), (fields::IMPORTANT, important)],
        MessageType::MissedCall => vec![(fields::IMPORTANT, important)],
        MessageType::Fax => vec![
            (fields::ATTACHMENT_PATH, Some(path("tif"))),
            (fields::IN_COMPLETE, boolean(one_in(rng, 8))),
            (fields::NUMBER_OF_PAGES, Some(pages.to_string())),
        ],
        MessageType::OcsNotification => vec![(fields::OCS_NOTIFICATION_DATA, Some(notification(outline)))],
        MessageType::XsoVoiceMail => {
            let own = vec![
                (fields::SENDER_OBJECT_GUID, Some(guid(rng).to_string())),
                (fields::MESSAGE_FILE_PATH, Some(path("msg"))),
                (fields::ATTACHMENT_NAME, Some(format!("Voice Message ({duration} seconds).wav"))),
                (fields::PRIVATE, private),
                (fields::PROTECTED_REPLY, boolean(false)),
                (fields::PURE_INTERPERSONAL_MESSAGE, boolean(one_in(rng, 2))),
            ];
            [audio, own].concat()
        }
        MessageType::PartnerTranscriptionRequest => {
            let own = vec![
                (fields::PARTNER_TRANSCRIPTION_CONTEXT, Some(format!("{:016x}", rng.u64(..)))),
                (fields::SENDER_OBJECT_GUID, Some(guid(rng).to_string())),
            ];
            [voice(true), own].concat()
        }
        MessageType::Cdr => vec![(fields::CDR_DATA, Some(statistics(rng, outline)))],
        MessageType::IncomingCallLog | MessageType::OutgoingCallLog | MessageType::HealthCheck => Vec::new(),
    }
}

fn transcription(culture: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><ASR lang=\"{culture}\" confidence=\"0.41\" recognitionResult=\"partial\">\
         <Text id=\"1\">please call back: it is about tomorrow</Text></ASR>"
    )
}

fn notification(outline: &Outline<'_>) -> String {
    format!(
        "<UserNotification><User>{}</User><Time>{}Z</Time><Template>RtcDefault</Template>\
         <Event type=\"missed\"><From>sip:zoe.vandijk@voice.example</From><Subject /></Event></UserNotification>",
        outline.recipient.address, outline.sent
    )
}

fn statistics(rng: &mut Rng, outline: &Outline<'_>) -> String {
    let seconds = rng.u16(1..300);
    format!("<CDRData><CallStartTime>{}</CallStartTime><CallDuration>{seconds}</CallDuration></CDRData>", outline.sent)
}

/// 1 to 30 seconds, most of them short.
fn skewed_seconds(rng: &mut Rng) -> f64 {
    let share = rng.f64();
    1.0 + 29.0 * share * share * share
}

fn one_in(rng: &mut Rng, count: u8) -> bool {
    rng.u8(0..count) == 0
}

/// A path below UM's folder, as the UM server writes it: Windows, whatever this machine is.
fn joined(folder: &str, name: &str) -> String {
    format!("{}\\{name}", folder.trim_end_matches(['\\', '/']))
}
