//! The WAV itself: whether it can be read, is whole, and is what the header says.

use super::{Moment, Subject};
use crate::message::audio::AudioCodec;
use crate::message::{AudioFacts, Code, Finding, Level, Message, fields};

/// Judges the WAV against its header.
///
/// At rest any WAV is judged, because it may be all that is left of a message. For a pickup only one that UM would use.
pub(in crate::check) fn of_header(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let used = subject.carries_audio() && !subject.is_silent();
    let duration = subject.header.duration().filter(|_| subject.carries_audio());
    if used || subject.moment == Moment::AtRest {
        recording(subject.message, duration, findings);
    }
    if subject.carries_audio() && subject.is_silent() {
        findings.extend(dropped(subject));
    }
}

/// A recording that UM will not look at, because the header says that there is none.
fn dropped(subject: &Subject<'_>) -> Option<Finding> {
    let facts = subject.message.audio.as_ref()?.facts.as_ref()?;
    let duration = subject.header.duration()?;
    (!facts.lasts(duration)).then(|| {
        let text =
            format!("Duration is {duration}, so UM leaves out the WAV, which lasts {:.1} seconds", facts.seconds);
        Finding::field(Code::DurationDisagrees, fields::DURATION, text)
    })
}

/// Judges the WAV of a message, with the duration that its header tells, if it does.
pub(in crate::check) fn recording(message: &Message, duration: Option<i32>, findings: &mut Vec<Finding>) {
    let Some(audio) = &message.audio else {
        return;
    };
    let Some(facts) = &audio.facts else {
        let what = if audio.file.size == 0 { "the WAV is empty" } else { "the WAV is no RIFF WAVE that can be read" };
        findings.push(Finding::new(Code::AudioUnreadable, what));
        return;
    };
    if facts.data_bytes == 0 || facts.seconds <= 0.0 {
        if duration.is_none_or(|seconds| seconds > 0) {
            findings.push(Finding::new(Code::AudioEmpty, "the WAV holds no samples"));
        }
        return;
    }
    findings.extend(format(facts));
    findings.extend(length(facts, duration.filter(|seconds| *seconds > 0)));
}

/// UM writes linear PCM, 16 bits, mono, 8 or 16 kHz.
///
/// Telephone codecs at their own rate come from older releases and partner systems and are taken; the rest is a guess.
fn format(facts: &AudioFacts) -> Option<Finding> {
    let one_channel = facts.channels == 1;
    let level = match (facts.codec, facts.sample_rate, facts.bits_per_sample) {
        (AudioCodec::Pcm, 8000 | 16000, 16) if one_channel => return None,
        (AudioCodec::Alaw | AudioCodec::Mulaw | AudioCodec::Gsm, 8000, _) if one_channel => Level::Info,
        _ => Level::Warning,
    };
    let codec = match facts.codec {
        AudioCodec::Pcm => format!("{}-bit PCM", facts.bits_per_sample),
        AudioCodec::Alaw => "G.711 A-law".to_owned(),
        AudioCodec::Mulaw => "G.711 mu-law".to_owned(),
        AudioCodec::Gsm => "GSM 6.10".to_owned(),
        AudioCodec::Other => format!("of format 0x{:04x}", facts.format_tag),
    };
    let (channels, rate) = (facts.channels, facts.sample_rate);
    let text =
        format!("the WAV is {codec}, {channels} channel(s), {rate} Hz; UM writes 16-bit PCM, mono, 8000 or 16000 Hz");
    Some(Finding { level, ..Finding::new(Code::AudioFormatUnusual, text) })
}

/// A cut recording is shorter than its header says for that very reason, so it is told once.
fn length(facts: &AudioFacts, duration: Option<i32>) -> Option<Finding> {
    let seconds = facts.seconds;
    if facts.cut_short {
        let whole = duration.map_or_else(String::new, |duration| format!(" of {duration}"));
        return Some(Finding::new(
            Code::AudioCutShort,
            format!("the recording was cut short: {seconds:.1}{whole} seconds are there"),
        ));
    }
    let duration = duration.filter(|duration| *duration > 0 && !facts.lasts(*duration))?;
    let text = format!("Duration is {duration}, but the WAV lasts {seconds:.1} seconds");
    Some(Finding::field(Code::DurationDisagrees, fields::DURATION, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{FAX, VOICE, codes, message, wav, with};
    use crate::check::{CheckOptions, at_rest, for_pickup};

    fn found(duration: &str, facts: Option<AudioFacts>) -> Vec<Code> {
        let message = message(with(VOICE, "Duration", Some(duration))).with_audio(facts);
        codes(&at_rest(&message, &CheckOptions::default()))
    }

    fn changed(change: impl Fn(&mut AudioFacts)) -> Option<AudioFacts> {
        let mut facts = wav(12.0).unwrap();
        change(&mut facts);
        Some(facts)
    }

    #[test]
    fn a_duration_may_be_rounded_but_not_wrong() {
        for near in [10.0, 11.01, 12.99, 14.0] {
            assert_eq!(found("12", wav(near)), [], "{near}");
        }
        for far in [9.9, 14.1, 300.0] {
            assert_eq!(found("12", wav(far)), [Code::DurationDisagrees], "{far}");
        }
        assert_eq!(found("12", changed(|facts| facts.seconds = f64::NAN)), []);
    }

    #[test]
    fn a_recording_that_um_leaves_out_is_told() {
        assert_eq!(found("0", wav(1.0)), [Code::DurationDisagrees]);
        assert_eq!(found("-5", wav(60.0)), [Code::DurationDisagrees]);
        assert_eq!(found("0", wav(0.2)), []);
        assert_eq!(found("0", wav(0.0)), []);
    }

    #[test]
    fn a_wav_that_cannot_be_read_is_an_error_where_it_is_used() {
        assert_eq!(found("12", None), [Code::AudioUnreadable]);
        assert_eq!(found("0", None), [Code::AudioUnreadable]);
        let silent = message(with(VOICE, "Duration", Some("0"))).with_audio(None);
        let header = silent.header.clone().unwrap().header;
        assert_eq!(for_pickup(&silent, &header, &CheckOptions::default()), []);
        let fax = message(FAX).with_fax().with_audio(None);
        let header = fax.header.clone().unwrap().header;
        assert_eq!(for_pickup(&fax, &header, &CheckOptions::default()), []);
    }

    #[test]
    fn one_cause_has_one_code() {
        assert_eq!(found("12", wav(0.0)), [Code::AudioEmpty]);
        let cut = changed(|facts| (facts.cut_short, facts.seconds) = (true, 3.0));
        assert_eq!(found("12", cut.clone()), [Code::AudioCutShort]);
        let message = message(VOICE).with_audio(cut);
        assert!(at_rest(&message, &CheckOptions::default())[0].message.contains("3.0 of 12 seconds"));
    }

    #[test]
    fn formats_are_told_by_how_far_they_are_from_ums() {
        let level = |facts| {
            let message = message(VOICE).with_audio(facts);
            let findings = at_rest(&message, &CheckOptions::default());
            assert!(findings.iter().all(|finding| finding.code == Code::AudioFormatUnusual), "{findings:?}");
            findings.first().map(|finding| finding.level)
        };
        assert_eq!(level(changed(|facts| facts.sample_rate = 16000)), None);
        for codec in [AudioCodec::Alaw, AudioCodec::Mulaw, AudioCodec::Gsm] {
            assert_eq!(level(changed(|facts| facts.codec = codec)), Some(Level::Info));
        }
        assert_eq!(level(changed(|facts| facts.channels = 2)), Some(Level::Warning));
        assert_eq!(level(changed(|facts| facts.bits_per_sample = 8)), Some(Level::Warning));
        assert_eq!(level(changed(|facts| facts.sample_rate = 44100)), Some(Level::Warning));
        assert_eq!(level(changed(|facts| facts.codec = AudioCodec::Other)), Some(Level::Warning));
    }
}
