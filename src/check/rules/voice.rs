//! What types with a recording need: a duration and a codec.

use super::{Subject, quoted, suggestion};
use crate::message::{Code, Finding, fields, similar};

/// Whole seconds; UM looks for a WAV only where they are more than none.
pub(in crate::check) fn duration(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if !subject.carries_audio() {
        return;
    }
    let field = fields::DURATION;
    match (subject.get(field), subject.header.duration()) {
        (None, _) => {
            let mut finding = subject.missing(Code::DurationMissing, field);
            finding.message.push_str(&length(subject));
            findings.push(finding);
        }
        (Some(value), None) => {
            let message = format!("{field} {} is no whole number of seconds{}", quoted(&value), length(subject));
            findings.push(Finding::field(Code::DurationInvalid, field, message));
        }
        (Some(_), Some(_)) => {}
    }
}

fn length(subject: &Subject<'_>) -> String {
    let facts = subject.message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
    facts.map_or_else(String::new, |facts| format!("; the WAV lasts {:.1} seconds", facts.seconds))
}

/// What the WAV is to be encoded to.
///
/// Whether UM compares names without case is not known, so only its own spellings are taken.
pub(in crate::check) fn codec(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if !subject.carries_audio() {
        return;
    }
    let field = fields::CODEC;
    let Some(value) = subject.get(field) else {
        findings.push(subject.missing(Code::CodecMissing, field));
        return;
    };
    if !fields::CODECS.contains(&value.as_ref()) {
        let meant = similar::nearest_name(&value, fields::CODECS.iter().copied());
        let hint = suggestion(meant.as_slice());
        let message = format!("{field} {} is none of {}{hint}", quoted(&value), fields::CODECS.join(", "));
        findings.push(Finding::field(Code::CodecUnknown, field, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{MISSED, VOICE, assert_voice, codes, message, voice_with, wav, with};
    use crate::check::{CheckOptions, at_rest};

    #[test]
    fn a_duration_is_whole_seconds() {
        assert_voice("Duration", None, Code::DurationMissing);
        for bad in ["12.5", "twelve", "00:00:12", "99999999999"] {
            assert_voice("Duration", Some(bad), Code::DurationInvalid);
        }
        assert!(voice_with("Duration", None)[0].message.contains("lasts 12.0 seconds"));
        assert_eq!(voice_with("Duration", Some(" +12 ")), []);
    }

    #[test]
    fn a_codec_is_one_that_um_knows() {
        assert_voice("Codec", None, Code::CodecMissing);
        for bad in ["mp3", "Opus", "G.711", "Mp3 "] {
            assert_voice("Codec", Some(bad), Code::CodecUnknown);
        }
        assert!(voice_with("Codec", Some("mp3"))[0].message.contains("did you mean Mp3?"));
        for good in fields::CODECS {
            assert_eq!(voice_with("Codec", Some(good)), []);
        }
    }

    #[test]
    fn other_types_need_neither() {
        assert_eq!(at_rest(&message(MISSED), &CheckOptions::default()), []);
        let request = with(VOICE, "MessageType", Some("PartnerTranscriptionRequest"));
        let request = format!("{request}SenderObjectGuid : 9d3f2b8e-2c1d-4e5f-8a6b-7c8d9e0f1a2b\r\n");
        let bare = with(&with(&request, "Duration", None), "Codec", None);
        let found = |text: String| codes(&at_rest(&message(text).with_audio(wav(12.0)), &CheckOptions::default()));
        assert_eq!(found(request), []);
        assert_eq!(found(bare), [Code::DurationMissing, Code::CodecMissing]);
    }
}
