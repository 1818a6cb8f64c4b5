//! Deliveries for the sinks' unit tests.

use std::io::{self, Read};
use std::sync::Arc;

use jiff::Timestamp;

use super::MimeOptions;
use crate::message::audio::AudioCodec;
use crate::message::{
    AudioFacts, AudioFile, Content, Delivery, EmailAddress, FileRef, Guid, Header, HeaderFile, Identity, Message,
    MessageType, Sha256Digest,
};

pub(in crate::sink) const GUID: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";

pub(in crate::sink) const VOICE: &str = "MessageType : SMTPVoiceMail\r\nProcessedCount : 1\r\n\
    MessageID : 9B1C2D3E-0000-4000-8000-00000000000A\r\nSentTime : 12/23/2016 08:00:00\r\nCallerId : +31612345678\r\n\
    RecipientName : Zo\u{eb} de Vries\r\nRecipientAddress : zoe@example.com\r\nCallerNAme : Jan Jansen\r\n\
    CallerAddress : jan@example.org\r\nRecipientCulture : nl-NL\r\nCallId : 70-a0@10.0.0.1\r\n\
    AttachmentPath : C:\\voicemail\\x.wav\r\nDuration : 23\r\nCodec : Mp3\r\nImportant : True\r\nCallAnswering : True\r\n\
    Private : False\r\n";

struct Bytes(Vec<u8>);

impl Content for Bytes {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }
}

pub(in crate::sink) fn file(label: &str, bytes: &[u8], modified: Option<&str>) -> FileRef {
    let modified = modified.map(|text| text.parse::<Timestamp>().unwrap());
    FileRef::new(label.to_owned(), bytes.len() as u64, modified, Arc::new(Bytes(bytes.to_vec())))
}

pub(in crate::sink) fn audio(bytes: &[u8], seconds: f64) -> AudioFile {
    let facts = AudioFacts {
        codec: AudioCodec::Pcm,
        format_tag: 1,
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        block_align: 2,
        byte_rate: 16000,
        data_offset: 44,
        data_bytes: 0,
        declared_data_bytes: 0,
        cut_short: false,
        seconds,
    };
    AudioFile { file: file("x.wav", bytes, Some("2016-12-23T07:00:30Z")), facts: Some(facts), sha256: None }
}

/// A delivery of a header as it stands, with a WAV of any bytes where its type asks for one.
pub(in crate::sink) fn delivery(text: &str) -> Delivery {
    let header = Header::parse(text.as_bytes().to_vec());
    let message_type = header.message_type().unwrap_or(MessageType::Cdr);
    let wav: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let message = Message {
        guid: Guid::parse(GUID),
        stem: GUID.to_owned(),
        label: format!("{GUID}.txt"),
        header: Some(HeaderFile {
            file: file("x.txt", text.as_bytes(), Some("2016-12-24T09:00:00Z")),
            header: header.clone(),
        }),
        audio: (message_type == MessageType::SmtpVoiceMail).then(|| audio(&wav, 23.4)),
        fax: (message_type == MessageType::Fax).then(|| file("x.tif", b"II*\0", None)),
        message_file: None,
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    };
    let guid = Guid::parse(GUID).unwrap();
    let audio = message.audio.as_ref().map(|_| Sha256Digest::of(&wav));
    Delivery {
        identity: Identity::of(Some(&header), Some(guid), GUID, audio),
        recipient: header.recipient(),
        message_type,
        header,
        message,
        changes: Vec::new(),
        new_guid: guid,
        is_repeat: false,
        queue_time: Timestamp::UNIX_EPOCH,
    }
}

pub(in crate::sink) fn options() -> MimeOptions {
    MimeOptions {
        sender: Some(EmailAddress::parse("MicrosoftExchange329e@example.com").unwrap()),
        time_zone: jiff::tz::TimeZone::get("Europe/Amsterdam").unwrap(),
        allow_private_in_clear: false,
    }
}
