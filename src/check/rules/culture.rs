//! The culture, in either dialect: .NET must know it, and UM should have its language.

use super::{Subject, quoted, suggestion};
use crate::message::{Code, Culture, Finding, MessageType, fields};

/// Both culture fields are judged where both stand, because the header may go to a server of either dialect.
pub(in crate::check) fn culture(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let own = subject.header.dialect().culture_field();
    if subject.get(own).is_none() && subject.kind.is_some_and(MessageType::has_recipient) {
        findings.push(subject.missing(Code::CultureMissing, own));
    }
    for field in [fields::CULTURE_INFO, fields::RECIPIENT_CULTURE] {
        findings.extend(subject.get(field).and_then(|name| judge(field, &name)));
    }
}

fn judge(field: &'static str, name: &str) -> Option<Finding> {
    let Some(culture) = Culture::parse(name) else {
        let meant = suggestion(&Culture::nearest(name, 3));
        let message = format!("{field} {} is no culture that .NET knows{meant}", quoted(name));
        return Some(Finding::field(Code::CultureUnknown, field, message));
    };
    if culture.has_um_pack() {
        return None;
    }
    let packs: Vec<_> = culture.packs_of_language().collect();
    let others = if packs.is_empty() { String::new() } else { format!("; it has {}", packs.join(", ")) };
    let message = format!("UM has no language pack for {culture}{others}");
    Some(Finding::field(Code::CultureNoPack, field, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{MISSED, assert_voice, codes, message, voice_with, with};
    use crate::check::{CheckOptions, at_rest};

    #[test]
    fn a_culture_that_dotnet_does_not_know_kills() {
        for bad in ["nl_NL", "xx-XX", "Dutch", "nl-NL "] {
            assert_voice("CultureInfo", Some(bad), Code::CultureUnknown);
        }
        assert!(voice_with("CultureInfo", Some("nl_NL"))[0].message.contains("did you mean nl-NL"));
        assert_eq!(voice_with("CultureInfo", Some("NL-nl")), []);
    }

    #[test]
    fn a_culture_without_a_language_pack_is_told() {
        assert_voice("CultureInfo", Some("nl"), Code::CultureNoPack);
        assert_voice("CultureInfo", Some("sr-Latn-RS"), Code::CultureNoPack);
        assert!(voice_with("CultureInfo", Some("en-IE"))[0].message.contains("it has en-AU, en-CA"));
    }

    #[test]
    fn a_missing_culture_is_told_in_each_dialect() {
        assert_voice("CultureInfo", None, Code::CultureMissing);
        let findings = at_rest(&message(with(MISSED, "RecipientCulture", None)), &CheckOptions::default());
        assert_eq!(codes(&findings), [Code::CultureMissing]);
        assert_eq!(findings[0].field.as_deref(), Some("RecipientCulture"));
    }

    #[test]
    fn the_other_dialects_culture_counts_too() {
        let findings = at_rest(&message(format!("{MISSED}CultureInfo : xx-XX\r\n")), &CheckOptions::default());
        assert_eq!(codes(&findings), [Code::CultureUnknown, Code::DialectMixed]);
    }
}
