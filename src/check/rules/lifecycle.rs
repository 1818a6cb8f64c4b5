//! How often UM has picked the message up, and when it was sent.

use super::{Subject, quoted};
use crate::message::{Code, Finding, MessageType, fields};

/// The pickup that finds this count raises it to 6 and deletes the message.
const KILLS: i32 = 5;

/// UM raises the count at each pickup; at 5 it demotes a voice message, at 6 it deletes any.
///
/// A count below zero is one that UM takes and raises like any other.
pub(in crate::check) fn processed_count(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let field = fields::PROCESSED_COUNT;
    let demoted_first = subject.is(&[MessageType::SmtpVoiceMail]);
    let Some(count) = subject.header.processed_count() else {
        let value = subject.get(field).map_or_else(String::new, |value| quoted(&value));
        findings.push(Finding::field(Code::ProcessedCountInvalid, field, format!("{field} {value} is no integer")));
        return;
    };
    let (code, fate) = match (KILLS.saturating_sub(count), demoted_first) {
        (..=0, _) => (Code::ProcessedCountKills, "the next pickup deletes the message"),
        (1, true) => (Code::ProcessedCountDemotes, "the next pickup makes it a missed call without its audio"),
        (2, true) => (Code::ProcessedCountLast, "the next pickup is the last that keeps the audio"),
        (1, false) => (Code::ProcessedCountLast, "the pickup after the next deletes the message"),
        _ => return,
    };
    findings.push(Finding::field(code, field, format!("{field} is {count}: {fate}")));
}

/// UM reads `MM/dd/yyyy HH:mm:ss` and kills what it cannot read; an absent time it does without.
pub(in crate::check) fn sent_time(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let field = fields::SENT_TIME;
    let Some(value) = subject.get(field) else {
        return;
    };
    // Our reader also takes 1/2/2016 and a year of zero, which .NET's exact format does not.
    let time = fields::parse_sent_time(&value).filter(|time| time.year() > 0);
    if time.is_none_or(|time| fields::format_sent_time(time) != value.trim()) {
        let message = format!("{field} {} is no time of the form MM/dd/yyyy HH:mm:ss", quoted(&value));
        findings.push(Finding::field(Code::SentTimeInvalid, field, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{MISSED, assert_voice, codes, message, voice_with};
    use crate::check::{CheckOptions, at_rest};

    #[test]
    fn the_count_of_a_voice_message_tells_its_fate() {
        for good in [None, Some("0"), Some("2"), Some("-1"), Some(" 1 "), Some("-2147483648")] {
            assert_eq!(voice_with("ProcessedCount", good), [], "{good:?}");
        }
        assert_voice("ProcessedCount", Some("3"), Code::ProcessedCountLast);
        assert_voice("ProcessedCount", Some("4"), Code::ProcessedCountDemotes);
        for dead in ["5", "6", "2147483647"] {
            assert_voice("ProcessedCount", Some(dead), Code::ProcessedCountKills);
        }
        for bad in ["x", "1.5", "2147483648", "0x1"] {
            assert_voice("ProcessedCount", Some(bad), Code::ProcessedCountInvalid);
        }
    }

    #[test]
    fn other_types_are_not_demoted() {
        let at = |count: u32| {
            codes(&at_rest(&message(format!("{MISSED}ProcessedCount : {count}\r\n")), &CheckOptions::default()))
        };
        assert_eq!(at(3), []);
        assert_eq!(at(4), [Code::ProcessedCountLast]);
        assert_eq!(at(5), [Code::ProcessedCountKills]);
    }

    #[test]
    fn a_sent_time_is_read_to_the_letter() {
        assert_eq!(voice_with("SentTime", None), []);
        for bad in [
            "23/12/2016 08:00:00",
            "2016-12-23T08:00:00",
            "12/23/2016",
            "1/2/2016 8:00:00",
            "12/23/2016 08:00:60",
            "12/23/2016  08:00:00",
            "02/30/2016 08:00:00",
            "12/23/0000 08:00:00",
            "12/23/2016 8:00:00 AM",
        ] {
            assert_voice("SentTime", Some(bad), Code::SentTimeInvalid);
        }
    }
}
