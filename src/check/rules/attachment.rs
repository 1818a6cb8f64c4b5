//! The files that a type needs beside its header, and what the header says of them.

use super::{Moment, Subject, quoted};
use crate::message::{Code, Finding, MessageType, fields};

/// What a type's `AttachmentPath` must end in.
struct Wanted {
    extension: &'static str,
    /// UM compares a fax's extension with case, a recording's without.
    exact: bool,
    /// Whether UM looks for the file at all.
    needed: bool,
}

fn wanted(subject: &Subject<'_>) -> Option<Wanted> {
    match subject.kind? {
        MessageType::Fax => Some(Wanted { extension: ".tif", exact: true, needed: true }),
        kind if kind.carries_audio() => Some(Wanted { extension: ".wav", exact: false, needed: !subject.is_silent() }),
        _ => None,
    }
}

/// `AttachmentPath` must stand there, and name a file of the right kind where UM looks for one.
pub(in crate::check) fn path(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let Some(wanted) = wanted(subject) else {
        return;
    };
    let field = fields::ATTACHMENT_PATH;
    let Some(path) = subject.get(field) else {
        findings.push(subject.missing(Code::AttachmentPathMissing, field));
        return;
    };
    if !wanted.needed {
        return;
    }
    let name = file_name(&path);
    let extension = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
    let fits = extension == wanted.extension || (!wanted.exact && extension.eq_ignore_ascii_case(wanted.extension));
    let own_name = format!("{}{}", subject.message.stem, wanted.extension);
    let (code, message) = if path.trim() == "null" {
        (Code::AttachmentPathMissing, format!("{field} is null, which stands for no file"))
    } else if !fits {
        let case = if wanted.exact { ", with this case" } else { "" };
        (Code::AttachmentPathExtension, format!("{field} {} does not end in {}{case}", quoted(&path), wanted.extension))
    } else if subject.is_garbled(&path) {
        let encoding = subject.header.encoding().name();
        (
            Code::AttachmentAbsent,
            format!("UM looks for another file than {}, as the header is {encoding}", quoted(&path)),
        )
    } else if subject.moment == Moment::AtRest && !name.eq_ignore_ascii_case(&own_name) {
        (Code::AttachmentPathElsewhere, format!("{field} names {}, and not {}", quoted(name), quoted(&own_name)))
    } else {
        return;
    };
    findings.push(Finding::field(code, field, message));
}

/// What stands behind the last separator, as Windows cuts paths on any system.
fn file_name(path: &str) -> &str {
    path.rsplit(['\\', '/', ':']).next().unwrap_or(path)
}

/// The file must lie beside the header.
pub(in crate::check) fn file(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let message = subject.message;
    let (absent, what) = match subject.kind {
        Some(MessageType::Fax) => (message.fax.is_none(), "TIFF"),
        Some(_) => (message.audio.is_none(), "WAV"),
        None => return,
    };
    if absent && wanted(subject).is_some_and(|wanted| wanted.needed) {
        let text = format!("the {what} is not beside the header");
        findings.push(Finding::new(Code::AttachmentAbsent, text));
    }
}

/// A fax tells its number of pages.
pub(in crate::check) fn pages(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if !subject.is(&[MessageType::Fax]) {
        return;
    }
    let field = fields::NUMBER_OF_PAGES;
    match subject.get(field) {
        None => findings.push(subject.missing(Code::PagesMissing, field)),
        Some(value) if fields::parse_integer(&value).is_none() => {
            let message = format!("{field} {} is no integer", quoted(&value));
            findings.push(Finding::field(Code::PagesInvalid, field, message));
        }
        Some(_) => {}
    }
}

/// A reply or forward needs its `.msg`, a transcription request only where it names one.
pub(in crate::check) fn message_file(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let field = fields::MESSAGE_FILE_PATH;
    let path = subject.get(field).filter(|path| path.trim() != "null");
    let needed = match subject.kind {
        Some(MessageType::XsoVoiceMail) => true,
        Some(MessageType::PartnerTranscriptionRequest) => path.is_some(),
        _ => false,
    };
    if needed && path.is_none() {
        findings.push(subject.missing(Code::MessageFileAbsent, field));
    } else if needed && subject.message.message_file.is_none() {
        findings.push(Finding::field(Code::MessageFileAbsent, field, "the message file is not beside the header"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{FAX, STEM, VOICE, assert_voice, codes, message, pickup_with, voice_with, wav, with};
    use crate::check::{CheckOptions, at_rest, for_pickup};
    use crate::message::Message;

    const SENDER: &str = "SenderObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n";

    fn found(message: &Message) -> Vec<Code> {
        codes(&at_rest(message, &CheckOptions::default()))
    }

    #[test]
    fn a_recordings_path_must_be_a_wav_in_any_case() {
        assert_voice("AttachmentPath", None, Code::AttachmentPathMissing);
        assert_voice("AttachmentPath", Some("null"), Code::AttachmentPathMissing);
        for bad in ["C:\\v\\x.mp3", "C:\\v\\x", "C:\\v.wav\\x", "C:\\v\\x.wav ", "C:\\v\\x.wav.", "NULL"] {
            assert_voice("AttachmentPath", Some(bad), Code::AttachmentPathExtension);
        }
        for good in ["C:\\v\\{}.wav", "/v/{}.WAV", "\\\\server\\share\\{}.Wav", "C:{}.wav", "{}.wav"] {
            let path = good.replace("{}", &STEM.to_uppercase());
            assert_eq!(voice_with("AttachmentPath", Some(&path)), [], "{path}");
        }
    }

    #[test]
    fn a_path_to_another_file_matters_until_injection_rewrites_it() {
        let other = Some("C:\\old\\11111111-1111-1111-1111-111111111111.wav");
        assert_eq!(codes(&voice_with("AttachmentPath", other)), [Code::AttachmentPathElsewhere]);
        assert_eq!(pickup_with("AttachmentPath", other), []);
    }

    #[test]
    fn a_recording_must_be_there() {
        let silent = message(VOICE);
        assert_eq!(found(&silent), [Code::AttachmentAbsent]);
        let header = silent.header.clone().unwrap().header;
        assert_eq!(codes(&for_pickup(&silent, &header, &CheckOptions::default())), [Code::AttachmentAbsent]);
    }

    #[test]
    fn without_a_duration_no_recording_is_looked_for() {
        for none in ["0", "-1"] {
            let text = with(&with(VOICE, "Duration", Some(none)), "AttachmentPath", Some("null"));
            assert_eq!(found(&message(&text)), [], "{none}");
            let text = with(&text, "AttachmentPath", None);
            assert_eq!(found(&message(&text)), [Code::AttachmentPathMissing], "{none}");
        }
    }

    #[test]
    fn a_path_that_um_would_read_as_another_is_an_error() {
        let text = with(VOICE, "AttachmentPath", Some(&format!("C:\\Zoë\\{STEM}.wav")));
        let ansi: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        let message = message(ansi).with_audio(wav(12.0));
        assert_eq!(found(&message), [Code::AttachmentAbsent, Code::EncodingAnsi]);
        let utf8 = message.header.clone().unwrap().header.to_utf8();
        assert_eq!(for_pickup(&message, &utf8, &CheckOptions::default()), []);
    }

    #[test]
    fn a_fax_needs_its_image_and_pages() {
        assert_eq!(found(&message(FAX).with_fax()), []);
        assert_eq!(found(&message(FAX)), [Code::AttachmentAbsent]);
        let change = |field: &str, value: Option<&str>| found(&message(with(FAX, field, value)).with_fax());
        assert_eq!(change("NumberOfPages", None), [Code::PagesMissing]);
        assert_eq!(change("NumberOfPages", Some("two")), [Code::PagesInvalid]);
        assert_eq!(change("AttachmentPath", None), [Code::AttachmentPathMissing]);
        assert_eq!(change("AttachmentPath", Some(&format!("{STEM}.TIF"))), [Code::AttachmentPathExtension]);
        assert_eq!(change("AttachmentPath", Some(&format!("{STEM}.tiff"))), [Code::AttachmentPathExtension]);
        assert_eq!(change("AttachmentPath", Some("other.tif")), [Code::AttachmentPathElsewhere]);
        assert_eq!(change("Duration", Some("0")), []);
    }

    #[test]
    fn a_reply_needs_its_message_file() {
        let reply = with(VOICE, "MessageType", Some("XSOVoiceMail")) + SENDER;
        let named = format!("{reply}MessageFilePath : C:\\v\\{STEM}.msg\r\n");
        let with_audio = |text: &str| message(text).with_audio(wav(12.0));
        assert_eq!(found(&with_audio(&named).with_message_file()), []);
        assert_eq!(found(&with_audio(&named)), [Code::MessageFileAbsent]);
        assert_eq!(found(&with_audio(&reply).with_message_file()), [Code::MessageFileAbsent]);
        assert_eq!(found(&message(&named).with_message_file()), [Code::AttachmentAbsent]);
    }

    #[test]
    fn a_transcription_request_needs_only_the_message_file_that_it_names() {
        let request = with(VOICE, "MessageType", Some("PartnerTranscriptionRequest")) + SENDER;
        let named = format!("{request}MessageFilePath : C:\\v\\{STEM}.msg\r\n");
        assert_eq!(found(&message(&request).with_audio(wav(12.0))), []);
        assert_eq!(found(&message(&named).with_audio(wav(12.0))), [Code::MessageFileAbsent]);
        assert_eq!(found(&message(&named).with_audio(wav(12.0)).with_message_file()), []);
    }
}
