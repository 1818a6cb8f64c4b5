//! The damages that a made message can have, one each: every cause for which UM refuses, demotes or misreads a message,
//! and every way in which crashes, editors and recorders spoil the files.

use fastrand::Rng;

use super::GenerateError;
use super::draft::Draft;
use super::people::guid;
use super::wav;
use crate::message::{AudioFacts, Charset, Code, Dialect, Encoding, MessageType, fields};

/// The messages that a damage can be done to.
#[derive(Clone, Copy)]
enum Fits {
    /// Every message.
    Any,
    /// Every type that names a recipient.
    Recipient,
    /// Those of E15 that have a count and a time.
    Counted,
    /// Types with audio or a fax.
    Attachment,
    /// Types with audio.
    Audio,
    /// Voice messages.
    Voice,
    /// Voice messages of E15, which have a count.
    CountedVoice,
    /// Voice messages and missed calls.
    Flagged,
    /// Faxes.
    Fax,
    /// Replies and forwards.
    Reply,
}

macro_rules! damages {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $fits:ident, [$($code:ident),*];)*) => {
        /// One thing wrong with a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Damage { $($(#[$doc])* $variant),* }

        impl Damage {
            /// All damages.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The damage's name on the command line; it does not change.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The findings that the damage must lead to; others may follow from them.
            pub fn codes(self) -> &'static [Code] {
                match self { $(Self::$variant => &[$(Code::$code),*]),* }
            }

            fn target(self) -> Fits {
                match self { $(Self::$variant => Fits::$fits),* }
            }
        }
    };
}

damages! {
    /// The attachment is missing.
    NoAudio = "no-audio", Attachment, [AttachmentAbsent];
    /// The header is missing.
    NoHeader = "no-header", Audio, [NoHeader];
    /// UM made a missed call of it, and the WAV stayed behind.
    Demoted = "demoted", CountedVoice, [Demoted, ProcessedCountKills];
    /// The files are not named by a GUID.
    NameNotGuid = "name-not-guid", Recipient, [NameNotGuid];
    /// The next pickup is the last that keeps the audio.
    Count3 = "count-3", CountedVoice, [ProcessedCountLast];
    /// The next pickup takes the audio.
    Count4 = "count-4", CountedVoice, [ProcessedCountDemotes];
    /// The next pickup deletes the message.
    Count5 = "count-5", Counted, [ProcessedCountKills];
    /// `ProcessedCount` is no number.
    CountGarbage = "count-garbage", Counted, [ProcessedCountInvalid];
    /// `MessageType` is one that UM does not know, for its case.
    TypeUnknown = "type-unknown", Recipient, [TypeUnknown];
    /// `MessageType` is missing.
    TypeMissing = "type-missing", Recipient, [TypeMissing];
    /// The culture is none that .NET knows.
    CultureUnknown = "culture-unknown", Recipient, [CultureUnknown];
    /// The culture is missing.
    CultureMissing = "culture-missing", Recipient, [CultureMissing];
    /// .NET knows the culture, but UM has no language pack for it.
    CultureNoPack = "culture-no-pack", Recipient, [CultureNoPack];
    /// The recipient's field is missing.
    NoRecipient = "no-recipient", Recipient, [RecipientMissing];
    /// The recipient's field is no address or GUID.
    RecipientMalformed = "recipient-malformed", Recipient, [RecipientMalformed];
    /// The recipient is in no directory.
    RecipientUnknown = "recipient-unknown", Recipient, [];
    /// The recipient is named as both dialects name one.
    DialectMixed = "dialect-mixed", Recipient, [DialectMixed];
    /// `SentTime` is written in another order.
    SentTimeGarbage = "senttime-garbage", Counted, [SentTimeInvalid];
    /// `Duration` is missing.
    DurationMissing = "duration-missing", Voice, [DurationMissing];
    /// `Duration` is no number.
    DurationGarbage = "duration-garbage", Voice, [DurationInvalid];
    /// `Duration` is a minute more than the audio lasts.
    DurationWrong = "duration-wrong", Voice, [DurationDisagrees];
    /// `Codec` is one that UM does not know.
    CodecUnknown = "codec-unknown", Voice, [CodecUnknown];
    /// `Codec` is missing.
    CodecMissing = "codec-missing", Voice, [CodecMissing];
    /// `AttachmentPath` is missing.
    PathMissing = "path-missing", Voice, [AttachmentPathMissing];
    /// `AttachmentPath` does not end in `.wav`.
    PathNotWav = "path-not-wav", Voice, [AttachmentPathExtension];
    /// `AttachmentPath` names another file.
    PathElsewhere = "path-elsewhere", Voice, [AttachmentPathElsewhere];
    /// A fax's `AttachmentPath` ends in `.TIF`, which UM refuses.
    PathNotTif = "path-not-tif", Fax, [AttachmentPathExtension];
    /// `NumberOfPages` is missing.
    PagesMissing = "pages-missing", Fax, [PagesMissing];
    /// `NumberOfPages` is no number.
    PagesGarbage = "pages-garbage", Fax, [PagesInvalid];
    /// The `.msg` of a reply or forward is missing.
    NoMessageFile = "no-message-file", Reply, [MessageFileAbsent];
    /// `Important` is no boolean.
    BooleanGarbage = "boolean-garbage", Flagged, [BooleanInvalid];
    /// Saved in the code page of Western Windows.
    Ansi = "ansi", Recipient, [EncodingAnsi];
    /// Saved as UTF-16, low byte first.
    Utf16Le = "utf16le", Recipient, [EncodingUnusual];
    /// Saved as UTF-16, high byte first.
    Utf16Be = "utf16be", Recipient, [EncodingUnusual];
    /// Saved as UTF-8 with a byte-order mark.
    Utf8Bom = "utf8-bom", Recipient, [EncodingUnusual];
    /// Saved as UTF-16 without a byte-order mark.
    Utf16Bare = "utf16-bare", Recipient, [EncodingUtf16Bare];
    /// A field occurs twice; the last is the true one.
    DuplicateField = "duplicate-field", Recipient, [DuplicateField];
    /// A line that is no field.
    JunkLine = "junk-line", Recipient, [LineSkipped];
    /// The header ends inside the recipient.
    HalfHeader = "half-header", Voice,
        [RecipientMalformed, CultureMissing, DurationMissing, CodecMissing, AttachmentPathMissing];
    /// The header has no bytes.
    EmptyHeader = "empty-header", Any, [HeaderUnreadable];
    /// The header is all zeros, as after a power cut.
    ZeroHeader = "zero-header", Any, [HeaderUnreadable];
    /// The recording ends before its time.
    WavCutShort = "wav-cut-short", Audio, [AudioCutShort];
    /// The recording's length was never filled in.
    WavDataZero = "wav-data-zero", Audio, [AudioCutShort];
    /// The recording's length is the unknown one.
    WavDataMax = "wav-data-max", Audio, [AudioCutShort];
    /// The recording ends in half a sample, without a pad byte.
    WavOddTail = "wav-odd-tail", Audio, [];
    /// The recording holds no samples.
    WavSilent = "wav-no-samples", Audio, [AudioEmpty];
    /// The recording is 24-bit stereo.
    WavStereo = "wav-stereo", Audio, [AudioFormatUnusual];
    /// The recording is no WAV.
    WavGarbage = "wav-garbage", Audio, [AudioUnreadable];
    /// The recording has no bytes.
    WavEmpty = "wav-empty", Audio, [AudioUnreadable];
    /// The extensions are in capitals.
    MixedCaseExtension = "mixed-case-extension", Any, [];
    /// Lines end in CR alone.
    LoneCr = "lone-cr", Any, [];
    /// Lines end in LF alone.
    Lf = "lf", Any, [];
    /// A reply or forward does not say who sends it.
    SenderMissing = "sender-missing", Reply, [SenderInvalid];
}

impl Damage {
    /// Reads [`Self::name`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|damage| damage.name() == name)
    }

    /// Whether a message of this type and dialect can have the damage.
    pub fn fits(self, kind: MessageType, dialect: Dialect) -> bool {
        let is_voice = kind == MessageType::SmtpVoiceMail;
        let is_e15 = dialect == Dialect::E15;
        match self.target() {
            Fits::Any => true,
            Fits::Recipient => kind.has_recipient(),
            Fits::Counted => is_e15 && kind.has_recipient(),
            Fits::Attachment => kind.carries_audio() || kind == MessageType::Fax,
            Fits::Audio => kind.carries_audio(),
            Fits::Voice => is_voice,
            Fits::CountedVoice => is_voice && is_e15,
            Fits::Flagged => is_voice || kind == MessageType::MissedCall,
            Fits::Fax => kind == MessageType::Fax,
            Fits::Reply => kind == MessageType::XsoVoiceMail,
        }
    }

    /// Does the damage.
    pub(super) fn apply(self, draft: &mut Draft, rng: &mut Rng, dialect: Dialect) -> Result<(), GenerateError> {
        let recipient = dialect.recipient_field();
        let culture = dialect.culture_field();
        match self {
            Self::NoAudio => (draft.wav, draft.fax) = (None, None),
            Self::NoHeader => draft.has_header = false,
            Self::Demoted => demote(draft),
            Self::NameNotGuid => draft.rename(format!("voicemail {} (copy)", rng.u16(100..1000))),
            Self::Count3 => draft.set(fields::PROCESSED_COUNT, "3"),
            Self::Count4 => draft.set(fields::PROCESSED_COUNT, "4"),
            Self::Count5 => draft.set(fields::PROCESSED_COUNT, "5"),
            Self::CountGarbage => draft.set(fields::PROCESSED_COUNT, "1.5"),
            Self::TypeUnknown => {
                let lower = draft.get(fields::MESSAGE_TYPE).unwrap_or_default().to_lowercase();
                draft.set(fields::MESSAGE_TYPE, lower);
            }
            Self::TypeMissing => draft.remove(fields::MESSAGE_TYPE),
            Self::CultureUnknown => draft.set(culture, "nl-Nederland"),
            Self::CultureMissing => draft.remove(culture),
            Self::CultureNoPack => draft.set(culture, "cs-CZ"),
            Self::NoRecipient => draft.remove(recipient),
            Self::RecipientMalformed => draft.set(recipient, "Reception desk"),
            Self::RecipientUnknown => match dialect {
                Dialect::E12 => draft.set(recipient, format!("left.{}@example.com", rng.u16(100..1000))),
                Dialect::E15 => draft.set(recipient, guid(rng).to_string()),
            },
            Self::DialectMixed => {
                let (other, value) = match dialect {
                    Dialect::E12 => (fields::RECIPIENT_OBJECT_GUID, guid(rng).to_string()),
                    Dialect::E15 => (fields::RECIPIENT_ADDRESS, "test@example.com".to_owned()),
                };
                draft.insert_before(recipient, other, value);
            }
            Self::SentTimeGarbage => draft.set(fields::SENT_TIME, "2016-12-23 08:00"),
            Self::DurationMissing => draft.remove(fields::DURATION),
            Self::DurationGarbage => draft.set(fields::DURATION, "twelve"),
            Self::DurationWrong => {
                let seconds = draft.get(fields::DURATION).and_then(fields::parse_integer).unwrap_or(0);
                draft.set(fields::DURATION, (seconds + 60).to_string());
            }
            Self::CodecUnknown => draft.set(fields::CODEC, "Opus"),
            Self::CodecMissing => draft.remove(fields::CODEC),
            Self::PathMissing => draft.remove(fields::ATTACHMENT_PATH),
            Self::PathNotWav => draft.replace_in_path(".wav", ".mp3"),
            Self::PathNotTif => draft.replace_in_path(".tif", ".TIF"),
            Self::PathElsewhere => {
                let other = guid(rng).to_string();
                let stem = draft.stem.clone();
                draft.replace_in_path(&stem, &other);
            }
            Self::PagesMissing => draft.remove(fields::NUMBER_OF_PAGES),
            Self::PagesGarbage => draft.set(fields::NUMBER_OF_PAGES, "two"),
            Self::NoMessageFile => draft.message_file = None,
            Self::SenderMissing => draft.remove(fields::SENDER_OBJECT_GUID),
            Self::BooleanGarbage => draft.set(fields::IMPORTANT, "yes"),
            Self::Ansi => {
                // Without a letter beyond ASCII the file would be as good as UTF-8.
                draft.set(fields::RECIPIENT_NAME, "Zoë Müller");
                draft.encoding = Encoding { charset: Charset::Ansi, byte_order_mark: false };
            }
            Self::Utf16Le => draft.encoding = Encoding { charset: Charset::Utf16Le, byte_order_mark: true },
            Self::Utf16Be => draft.encoding = Encoding { charset: Charset::Utf16Be, byte_order_mark: true },
            Self::Utf8Bom => draft.encoding = Encoding { charset: Charset::Utf8, byte_order_mark: true },
            Self::Utf16Bare => draft.encoding = Encoding { charset: Charset::Utf16Le, byte_order_mark: false },
            Self::DuplicateField => {
                draft.insert_before(fields::RECIPIENT_NAME, fields::RECIPIENT_NAME, "Nobody".to_owned());
            }
            Self::JunkLine => draft.insert_before(recipient, "------8<------", String::new()),
            Self::HalfHeader => draft.raw_header = Some(half(draft, recipient)),
            Self::EmptyHeader => draft.raw_header = Some(Vec::new()),
            Self::ZeroHeader => draft.raw_header = draft.header_bytes().map(|bytes| vec![0; bytes.len()]),
            Self::MixedCaseExtension => draft.capital_extensions = true,
            Self::LoneCr => draft.line_end = "\r",
            Self::Lf => draft.line_end = "\n",
            _ => {
                if let Some(bytes) = draft.wav.take() {
                    draft.wav = Some(self.spoil_wav(bytes, rng)?);
                }
            }
        }
        Ok(())
    }

    /// Does a damage to the WAV's bytes.
    fn spoil_wav(self, mut bytes: Vec<u8>, rng: &mut Rng) -> Result<Vec<u8>, GenerateError> {
        let Ok(facts) = AudioFacts::read(&mut bytes.as_slice(), bytes.len() as u64) else {
            return Ok(bytes);
        };
        let start = usize::try_from(facts.data_offset).unwrap_or(usize::MAX);
        let declare = |bytes: &mut Vec<u8>, length: u32| {
            let field = bytes.get_mut(start.saturating_sub(4)..start);
            field.into_iter().for_each(|field| field.copy_from_slice(&length.to_le_bytes()));
        };
        match self {
            Self::WavCutShort => bytes.truncate(start + facts.data_bytes as usize * 2 / 5),
            Self::WavDataZero => declare(&mut bytes, 0),
            Self::WavDataMax => declare(&mut bytes, u32::MAX),
            Self::WavOddTail => {
                bytes.truncate(start + facts.data_bytes as usize);
                // One byte more than whole samples, or whole samples of one byte each, odd in number.
                let tail = if bytes.len().is_multiple_of(2) { 1 } else { 2 };
                bytes.extend((0..tail).map(|_| 0x55));
                declare(&mut bytes, facts.declared_data_bytes + tail);
            }
            Self::WavSilent => {
                bytes.truncate(start);
                declare(&mut bytes, 0);
            }
            Self::WavStereo => {
                let samples = bytes.get(start..).unwrap_or_default().as_chunks::<2>().0;
                let both = samples.iter().flat_map(|sample| [i32::from(i16::from_le_bytes(*sample)) << 8; 2]);
                return Ok(wav::pcm(both, 2, 24, facts.sample_rate)?);
            }
            Self::WavGarbage => rng.fill(&mut bytes),
            Self::WavEmpty => bytes.clear(),
            _ => {}
        }
        Ok(bytes)
    }
}

/// Turns a voice message into what UM leaves of it at the fifth pickup.
fn demote(draft: &mut Draft) {
    let kept = [fields::SUBJECT, fields::IMPORTANT].map(|name| (name, draft.get(name).map(str::to_owned)));
    let voice = [fields::ATTACHMENT_PATH, fields::DURATION, fields::CODEC, fields::TRANSCRIPTION_DATA];
    let rest = [fields::CALL_ANSWERING, fields::PRIVATE, fields::SUBJECT, fields::IMPORTANT];
    voice.iter().chain(&rest).for_each(|name| draft.remove(name));
    draft.set(fields::MESSAGE_TYPE, MessageType::MissedCall.name());
    draft.set(fields::PROCESSED_COUNT, "5");
    kept.into_iter().for_each(|(name, value)| draft.add(name, value));
}

/// The header as far as the middle of the recipient.
fn half(draft: &Draft, recipient: &str) -> Vec<u8> {
    let mut bytes = draft.header_bytes().unwrap_or_default();
    let value = draft.get(recipient).unwrap_or_default();
    let line = format!("{recipient} : {value}");
    let at = bytes.windows(line.len()).position(|window| window == line.as_bytes()).unwrap_or(0);
    // Before the @ of an address: the rest of it must not be an address too.
    let half = value.find('@').unwrap_or(value.len()) / 2;
    bytes.truncate(at + line.len() - value.len() + half);
    bytes
}
