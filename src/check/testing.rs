//! Messages for tests, held in memory.

use std::io::{self, Cursor, Read};
use std::sync::Arc;

use super::{CheckOptions, at_rest, for_pickup};
use crate::message::audio::AudioCodec;
use crate::message::{
    AudioFacts, AudioFile, Code, Content, FileRef, Finding, Guid, Header, HeaderFile, Level, Message,
};

pub(crate) const STEM: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";

/// A voice message without fault, of the newer dialect.
pub(crate) const VOICE: &str = "MessageType : SMTPVoiceMail\r\n\
    ProcessedCount : 0\r\n\
    MessageID : 1b671a64-40d5-491e-99b0-da01ff1f3341\r\n\
    SentTime : 12/23/2016 08:00:00\r\n\
    CallerId : +31612345678\r\n\
    RecipientName : Test\r\n\
    RecipientObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n\
    CultureInfo : nl-NL\r\n\
    CallId : 7066890\r\n\
    AttachmentPath : C:\\V15\\UnifiedMessaging\\voicemail\\46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.wav\r\n\
    Duration : 12\r\n\
    Codec : Mp3\r\n\
    Important : False\r\n\
    CallAnswering : True\r\n\
    Private : False\r\n";

/// A missed call without fault, of the older dialect.
pub(crate) const MISSED: &str = "MessageType : MissedCall\r\nCallerId : 612345678\r\nNDRRequired : False\r\n\
    RecipientName : Test\r\nRecipientAddress : test@example.com\r\nRecipientCulture : nl-NL\r\n\
    CallId : 7066890-a00e70a\r\nImportant : False\r\n";

/// A fax without fault.
pub(crate) const FAX: &str = "MessageType : Fax\r\nRecipientObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n\
    CultureInfo : nl-NL\r\nAttachmentPath : D:\\voicemail\\46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.tif\r\n\
    InComplete : False\r\nNumberOfPages : 2\r\n";

struct Memory(Vec<u8>);

impl Content for Memory {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Cursor::new(&self.0)))
    }
}

pub(crate) fn file(extension: &str, bytes: &[u8]) -> FileRef {
    FileRef::new(format!("{STEM}.{extension}"), bytes.len() as u64, None, Arc::new(Memory(bytes.to_vec())))
}

/// A message of this header alone.
pub(crate) fn message(header: impl AsRef<[u8]>) -> Message {
    let bytes = header.as_ref();
    Message {
        guid: Guid::parse(STEM),
        stem: STEM.to_owned(),
        label: format!("{STEM}.txt"),
        header: Some(HeaderFile { file: file("txt", bytes), header: Header::parse(bytes.to_vec()) }),
        audio: None,
        fax: None,
        message_file: None,
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    }
}

impl Message {
    pub(crate) fn with_audio(mut self, facts: Option<AudioFacts>) -> Self {
        self.audio = Some(AudioFile { file: file("wav", b"RIFF"), facts, sha256: None });
        self
    }

    pub(crate) fn with_fax(mut self) -> Self {
        self.fax = Some(file("tif", b"II*\0"));
        self
    }

    pub(crate) fn with_message_file(mut self) -> Self {
        self.message_file = Some(file("msg", b"x"));
        self
    }
}

/// PCM as UM records it, of so many seconds.
pub(crate) fn wav(seconds: f64) -> Option<AudioFacts> {
    let bytes = (seconds * 16000.0) as u64;
    Some(AudioFacts {
        codec: AudioCodec::Pcm,
        format_tag: 1,
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        block_align: 2,
        byte_rate: 16000,
        data_offset: 44,
        data_bytes: bytes,
        declared_data_bytes: bytes as u32,
        cut_short: false,
        seconds,
    })
}

pub(crate) fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

/// The header with one field's value replaced, or the field left out.
pub(crate) fn with(header: &str, field: &str, value: Option<&str>) -> String {
    let lines = header.lines().filter_map(|line| match (line.split_once(" : "), value) {
        (Some((name, _)), Some(value)) if name == field => Some(format!("{name} : {value}\r\n")),
        (Some((name, _)), None) if name == field => None,
        _ => Some(format!("{line}\r\n")),
    });
    lines.collect()
}

/// What is found at rest in a voice message with a WAV of 12 seconds and this change to its header.
pub(crate) fn voice_with(field: &str, value: Option<&str>) -> Vec<Finding> {
    at_rest(&message(with(VOICE, field, value)).with_audio(wav(12.0)), &CheckOptions::default())
}

/// The same, judged for injection.
pub(crate) fn pickup_with(field: &str, value: Option<&str>) -> Vec<Finding> {
    let message = message(with(VOICE, field, value)).with_audio(wav(12.0));
    let header = message.header.clone().unwrap().header;
    for_pickup(&message, &header, &CheckOptions::default())
}

/// Asserts that a change to a good voice message gives this one finding, at rest and for injection alike.
pub(crate) fn assert_voice(field: &str, value: Option<&str>, code: Code) {
    for findings in [voice_with(field, value), pickup_with(field, value)] {
        assert_eq!(codes(&findings), [code], "{field} {value:?}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.level == code.level() && finding.level > Level::Info));
    }
}
