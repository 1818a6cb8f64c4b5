//! What the made queues promise: the same bytes for the same seed, UM's names and orders, and each damage as it says.

use std::collections::BTreeMap;

use super::*;
use crate::message::{AudioFacts, Header, fields};

fn options() -> GenerateOptions {
    GenerateOptions { count: 40, seconds: Some(0.3), ..GenerateOptions::default() }
}

type Files = BTreeMap<String, (Vec<u8>, Timestamp)>;

fn made(options: &GenerateOptions) -> (Generated, Files) {
    let folder = tempfile::tempdir().unwrap();
    let generated = generate(folder.path(), options, &|_| {}).unwrap();
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let modified = Timestamp::try_from(entry.metadata().unwrap().modified().unwrap()).unwrap();
        (entry.file_name().into_string().unwrap(), (fs::read(entry.path()).unwrap(), modified))
    });
    (generated, files.collect())
}

/// One message of a kind with a damage: it, its header, and its files.
fn damaged(kind: MessageType, dialect: Dialect, damage: Damage) -> (GeneratedMessage, Header, Files) {
    let (types, dialects, damages) = (vec![kind], vec![dialect], vec![damage]);
    let seconds = Some(2.0);
    let options = GenerateOptions { count: 1, types, dialects, damages, damaged_share: 1.0, seconds, ..options() };
    let (generated, files) = made(&options);
    let message = generated.messages.into_iter().next().unwrap();
    assert_eq!(message.damage, Some(damage));
    let header = files.iter().find(|(name, _)| name.to_lowercase().ends_with(".txt"));
    let header = Header::parse(header.map(|(_, (bytes, _))| bytes.clone()).unwrap_or_default());
    (message, header, files)
}

fn wav(files: &Files) -> &[u8] {
    &files.iter().find(|(name, _)| name.ends_with(".wav")).unwrap().1.0
}

#[test]
fn the_same_seed_makes_the_same_files() {
    let all = GenerateOptions { damages: Damage::ALL.to_vec(), damaged_share: 0.5, ..options() };
    let (generated, files) = made(&all);
    assert_eq!(made(&all).1, files);
    assert_ne!(made(&GenerateOptions { seed: 2, ..all }).1, files);
    let named: std::collections::BTreeSet<&String> = generated.messages.iter().flat_map(|made| &made.files).collect();
    assert_eq!(named, files.keys().collect());
    for message in &generated.messages {
        let wav = message.files.iter().find(|name| name.to_lowercase().ends_with(".wav"));
        assert_eq!(wav.map(|name| Sha256Digest::of(&files[name].0)), message.audio_sha256);
    }
}

#[test]
fn every_type_and_dialect_is_there_as_um_writes_it() {
    let (generated, files) = made(&options());
    for kind in MessageType::ALL {
        for dialect in [Dialect::E12, Dialect::E15] {
            let of_kind = |made: &&GeneratedMessage| (made.message_type, made.dialect) == (kind, dialect);
            let message = generated.messages.iter().find(of_kind).unwrap();
            let guid = message.guid.unwrap();
            let header = Header::parse(files[&format!("{guid}.txt")].0.clone());
            assert_eq!(header.message_type(), Some(kind));
            assert!(header.bytes().ends_with(b"\r\n"));
            assert_eq!(files.contains_key(&format!("{guid}.wav")), kind.carries_audio());
            assert_eq!(files.contains_key(&format!("{guid}.tif")), kind == MessageType::Fax);
            assert_eq!(files.contains_key(&format!("{guid}.msg")), kind == MessageType::XsoVoiceMail);
            assert_eq!(files.contains_key(&format!("{guid}.HealthCheck")), kind == MessageType::HealthCheck);
            if kind.has_recipient() {
                let mailbox = message.recipient.as_ref().unwrap();
                assert_eq!(header.dialect(), dialect);
                assert_eq!(header.recipient().name.as_deref(), Some(mailbox.name.as_str()));
                match dialect {
                    Dialect::E12 => assert_eq!(header.recipient().address.as_ref(), Some(&mailbox.address)),
                    Dialect::E15 => assert_eq!(header.recipient().object_guid, Some(mailbox.object_guid)),
                }
                assert!(header.culture().is_some() && header.get(fields::CALL_ID).is_some());
            }
            if kind.has_recipient() && dialect == Dialect::E15 {
                assert_eq!(header.sent_time(), Some(message.sent));
                assert!((0..=3).contains(&header.processed_count().unwrap()));
                assert!(header.message_id().is_some());
            }
            if kind.carries_audio() {
                assert_eq!(header.duration(), Some(1));
                let path = header.get(fields::ATTACHMENT_PATH).unwrap();
                assert!(path.ends_with(&format!(r"\voicemail\{guid}.wav")), "{path}");
                assert!(fields::CODECS.contains(&&*header.get(fields::CODEC).unwrap()));
            }
        }
    }
}

#[test]
fn fields_stand_in_ums_order() {
    let (generated, files) = made(&options());
    for message in &generated.messages {
        let header = Header::parse(files[&format!("{}.txt", message.stem)].0.clone());
        let names: Vec<String> = header.fields().map(|(name, _)| name.into_owned()).collect();
        let own = names.iter().position(|name| name == fields::ATTACHMENT_PATH || name == fields::SUBJECT);
        let common: Vec<usize> =
            names[..own.unwrap_or(names.len())].iter().filter_map(|name| fields::rank(name)).collect();
        assert!(common.is_sorted(), "{names:?}");
        assert_eq!(names[0], fields::MESSAGE_TYPE);
    }
    let missed = generated
        .messages
        .iter()
        .find(|made| (made.message_type, made.dialect) == (MessageType::MissedCall, Dialect::E12));
    let header = Header::parse(files[&format!("{}.txt", missed.unwrap().stem)].0.clone());
    let names: Vec<String> = header.fields().map(|(name, _)| name.into_owned()).collect();
    let seen_in_the_field = [
        "MessageType",
        "CallerId",
        "NDRRequired",
        "RecipientName",
        "RecipientAddress",
        "RecipientCulture",
        "CallId",
        "Important",
    ];
    assert_eq!(names, seen_in_the_field);
}

#[test]
fn modification_times_are_the_sent_times_in_order() {
    let (generated, files) = made(&options());
    assert!(generated.messages.windows(2).all(|pair| pair[0].sent < pair[1].sent));
    for message in &generated.messages {
        let expected = TimeZone::UTC.to_timestamp(message.sent).unwrap();
        assert!(message.files.iter().all(|name| files[name].1 == expected));
        assert!(message.files.last().unwrap().ends_with(".txt"));
    }
}

#[test]
fn names_of_many_scripts_are_met() {
    let (_, files) = made(&GenerateOptions { count: 200, types: vec![MessageType::MissedCall], ..options() });
    let text: String = files.values().map(|(bytes, _)| String::from_utf8(bytes.clone()).unwrap()).collect();
    for letter in ['ë', 'Ł', 'И', '山', '김', 'ل', 'נ', 'प', '🛠'] {
        assert!(text.contains(letter), "{letter}");
    }
}

#[test]
fn a_silent_message_has_no_wav() {
    let options =
        GenerateOptions { seconds: Some(0.0), types: vec![MessageType::SmtpVoiceMail], count: 2, ..options() };
    let (generated, files) = made(&options);
    assert_eq!(files.len(), 2);
    let header = Header::parse(files[&generated.messages[0].files[0]].0.clone());
    assert_eq!((header.duration(), header.get(fields::ATTACHMENT_PATH).as_deref()), (Some(0), Some("null")));
}

#[test]
fn lengths_vary_and_are_mostly_short() {
    let voice = vec![MessageType::SmtpVoiceMail];
    let options = GenerateOptions { seconds: None, types: voice, count: 60, sample_rate: 4000, ..options() };
    let (_, files) = made(&options);
    let lengths: Vec<f64> = files
        .iter()
        .filter(|(name, _)| name.ends_with(".wav"))
        .map(|(_, (bytes, _))| AudioFacts::read(&mut bytes.as_slice(), bytes.len() as u64).unwrap().seconds)
        .collect();
    assert!(lengths.iter().all(|seconds| (1.0..=30.0).contains(seconds)));
    assert!(lengths.iter().filter(|seconds| **seconds < 10.0).count() > 30);
    assert!(lengths.iter().any(|seconds| *seconds > 15.0));
}

#[test]
fn options_that_cannot_be_met_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("queue");
    let refused = |options: GenerateOptions| generate(&target, &options, &|_| {}).unwrap_err().to_string();
    assert!(refused(GenerateOptions { types: vec![], ..options() }).contains("types"));
    assert!(refused(GenerateOptions { recipients: vec![], ..options() }).contains("recipients"));
    assert!(refused(GenerateOptions { damaged_share: 0.5, ..options() }).contains("damages"));
    assert!(refused(GenerateOptions { damaged_share: f64::NAN, ..options() }).contains("NaN"));
    assert!(refused(GenerateOptions { seconds: Some(f64::INFINITY), ..options() }).contains("inf"));
    assert!(refused(GenerateOptions { sample_rate: 0, ..options() }).contains("sample rate"));
    assert!(refused(GenerateOptions { start: DateTime::MAX, ..options() }).contains("calendar"));
    let unfit = GenerateOptions {
        types: vec![MessageType::Fax],
        damages: vec![Damage::CodecMissing],
        damaged_share: 1.0,
        ..options()
    };
    assert!(refused(unfit).contains("codec-missing"));
    assert!(!target.exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_unfinished_stays() {
    let folder = tempfile::tempdir().unwrap();
    let missed = GenerateOptions { types: vec![MessageType::MissedCall], count: 3, ..options() };
    generate(folder.path(), &missed, &|_| {}).unwrap();
    assert!(matches!(generate(folder.path(), &missed, &|_| {}), Err(GenerateError::Exists(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn progress_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let heard = std::cell::RefCell::new(Vec::new());
    let options = GenerateOptions { count: 100, seconds: Some(0.01), ..options() };
    generate(folder.path(), &options, &|made| heard.borrow_mut().push(made)).unwrap();
    assert_eq!(*heard.borrow(), [64, 100]);
}

#[test]
fn damages_keep_to_their_share_and_come_in_turn() {
    let damages = vec![Damage::CodecMissing, Damage::PagesMissing, Damage::EmptyHeader];
    let (generated, _) = made(&GenerateOptions { damages: damages.clone(), damaged_share: 0.3, ..options() });
    for damage in damages {
        assert_eq!(generated.messages.iter().filter(|made| made.damage == Some(damage)).count(), 4);
    }
}

#[test]
fn damages_have_names_and_can_be_done_somewhere() {
    for damage in Damage::ALL {
        assert_eq!(Damage::parse(damage.name()), Some(*damage));
        assert!(
            damage.name().chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        );
        let fits = |kind| [Dialect::E12, Dialect::E15].into_iter().any(|dialect| damage.fits(kind, dialect));
        assert!(MessageType::ALL.into_iter().any(fits), "{}", damage.name());
    }
}

#[test]
fn every_damage_changes_something_and_leaves_the_other_files_alone() {
    for damage in Damage::ALL {
        let kinds = MessageType::ALL.into_iter().flat_map(|kind| [(kind, Dialect::E12), (kind, Dialect::E15)]);
        for (kind, dialect) in kinds.filter(|(kind, dialect)| damage.fits(*kind, *dialect)) {
            let (types, dialects) = (vec![kind], vec![dialect]);
            let sound = GenerateOptions { count: 1, types, dialects, ..options() };
            let spoilt = GenerateOptions { damages: vec![*damage], damaged_share: 1.0, ..sound.clone() };
            let (before, after) = (made(&sound).1, made(&spoilt).1);
            // Chance may have given the sound one a count of 3 too.
            assert!(before != after || *damage == Damage::Count3, "{} {kind:?} {dialect:?}", damage.name());
            let spoils_audio = damage.name().starts_with("wav-");
            for (name, content) in after {
                let other = name.ends_with(".txt") == spoils_audio;
                assert!(!other || before.get(&name).is_none_or(|old| *old == content), "{} {name}", damage.name());
            }
        }
    }
}

#[test]
fn header_damages_are_as_named() {
    let voice = |damage| damaged(MessageType::SmtpVoiceMail, Dialect::E15, damage);
    let field = |damage, name: &str| voice(damage).1.get(name).map(|value| value.into_owned());
    for (damage, name) in [
        (Damage::TypeMissing, fields::MESSAGE_TYPE),
        (Damage::CultureMissing, fields::CULTURE_INFO),
        (Damage::NoRecipient, fields::RECIPIENT_OBJECT_GUID),
        (Damage::DurationMissing, fields::DURATION),
        (Damage::CodecMissing, fields::CODEC),
        (Damage::PathMissing, fields::ATTACHMENT_PATH),
    ] {
        assert_eq!(field(damage, name), None);
    }
    assert_eq!(voice(Damage::TypeUnknown).1.message_type(), None);
    assert_eq!(voice(Damage::Count3).1.processed_count(), Some(3));
    assert_eq!(voice(Damage::Count4).1.processed_count(), Some(4));
    assert_eq!(voice(Damage::Count5).1.processed_count(), Some(5));
    assert_eq!(voice(Damage::CountGarbage).1.processed_count(), None);
    assert_eq!(voice(Damage::SentTimeGarbage).1.sent_time(), None);
    assert_eq!(voice(Damage::DurationGarbage).1.duration(), None);
    assert_eq!(voice(Damage::DurationWrong).1.duration(), Some(62));
    assert_eq!(voice(Damage::BooleanGarbage).1.boolean(fields::IMPORTANT), None);
    assert_eq!(voice(Damage::RecipientMalformed).1.recipient().object_guid, None);
    assert!(!fields::CODECS.contains(&field(Damage::CodecUnknown, fields::CODEC).unwrap().as_str()));
    assert!(field(Damage::PathNotWav, fields::ATTACHMENT_PATH).unwrap().ends_with(".mp3"));
    let (message, header, _) = voice(Damage::PathElsewhere);
    assert!(!header.get(fields::ATTACHMENT_PATH).unwrap().contains(&message.stem));
    let (message, header, files) = voice(Damage::NameNotGuid);
    assert!(message.guid.is_none() && header.get(fields::ATTACHMENT_PATH).unwrap().contains(&message.stem));
    assert!(files.keys().all(|name| name.starts_with(&message.stem)));
    assert_eq!(voice(Damage::DialectMixed).1.dialect(), Dialect::E15);
    assert!(field(Damage::DialectMixed, fields::RECIPIENT_ADDRESS).is_some());
    let (message, header, _) = voice(Damage::DuplicateField);
    assert_eq!(header.occurrences(fields::RECIPIENT_NAME), 2);
    assert_eq!(header.recipient().name, message.recipient.map(|mailbox| mailbox.name));
    let fax = |damage| damaged(MessageType::Fax, Dialect::E12, damage).1;
    assert_eq!(fax(Damage::PagesMissing).get(fields::NUMBER_OF_PAGES), None);
    assert_eq!(fax(Damage::PagesGarbage).get(fields::NUMBER_OF_PAGES).as_deref(), Some("two"));
    assert!(fax(Damage::PathNotTif).get(fields::ATTACHMENT_PATH).unwrap().ends_with(".TIF"));
}

#[test]
fn file_damages_are_as_named() {
    let voice = |damage| damaged(MessageType::SmtpVoiceMail, Dialect::E15, damage);
    let extensions = |files: &Files| -> Vec<String> {
        files.keys().map(|name| name.rsplit('.').next().unwrap().to_owned()).collect()
    };
    assert_eq!(extensions(&voice(Damage::NoAudio).2), ["txt"]);
    assert_eq!(extensions(&voice(Damage::NoHeader).2), ["wav"]);
    assert_eq!(extensions(&voice(Damage::MixedCaseExtension).2), ["TXT", "WAV"]);
    assert_eq!(extensions(&damaged(MessageType::XsoVoiceMail, Dialect::E15, Damage::NoMessageFile).2), ["txt", "wav"]);
    let (_, header, files) = voice(Damage::Demoted);
    assert_eq!(header.message_type(), Some(MessageType::MissedCall));
    assert_eq!(header.get(fields::DURATION), None);
    assert_eq!(extensions(&files), ["txt", "wav"]);
    assert!(voice(Damage::EmptyHeader).1.bytes().is_empty());
    let zeros = voice(Damage::ZeroHeader).1;
    assert!(zeros.bytes().len() > 200 && zeros.bytes().iter().all(|byte| *byte == 0));
    for dialect in [Dialect::E12, Dialect::E15] {
        let half = damaged(MessageType::SmtpVoiceMail, dialect, Damage::HalfHeader).1;
        assert!(half.get(dialect.recipient_field()).is_some());
        let recipient = half.recipient();
        assert!(recipient.address.is_none() && recipient.object_guid.is_none());
    }
}

#[test]
fn encodings_and_line_ends_are_as_named() {
    for (damage, name) in [
        (Damage::Ansi, "ANSI (Windows-1252)"),
        (Damage::Utf16Le, "UTF-16LE"),
        (Damage::Utf16Be, "UTF-16BE"),
        (Damage::Utf8Bom, "UTF-8 with BOM"),
        (Damage::Utf16Bare, "UTF-16LE without BOM"),
    ] {
        let header = damaged(MessageType::MissedCall, Dialect::E12, damage).1;
        assert_eq!(header.encoding().name(), name);
        assert_eq!(header.message_type(), Some(MessageType::MissedCall));
    }
    for (damage, end) in [(Damage::LoneCr, '\r'), (Damage::Lf, '\n')] {
        let header = damaged(MessageType::Fax, Dialect::E15, damage).1;
        let text = std::str::from_utf8(header.bytes()).unwrap().to_owned();
        assert!(text.ends_with(end) && !text.contains("\r\n"));
        assert_eq!(header.message_type(), Some(MessageType::Fax));
    }
}

#[test]
fn wav_damages_are_as_named() {
    let facts = |damage| {
        let (_, header, files) = damaged(MessageType::SmtpVoiceMail, Dialect::E15, damage);
        assert_eq!(header.duration(), Some(2));
        AudioFacts::read(&mut wav(&files), wav(&files).len() as u64)
    };
    for damage in [Damage::WavDataZero, Damage::WavDataMax] {
        let facts = facts(damage).unwrap();
        assert_eq!((facts.cut_short, facts.seconds), (true, 2.0));
    }
    let cut = facts(Damage::WavCutShort).unwrap();
    assert_eq!((cut.cut_short, cut.seconds), (true, 0.8));
    let odd = facts(Damage::WavOddTail).unwrap();
    assert_eq!((odd.data_bytes % 2, odd.cut_short, odd.seconds), (1, false, 2.0));
    let silent = facts(Damage::WavSilent).unwrap();
    assert_eq!((silent.data_bytes, silent.cut_short), (0, false));
    let stereo = facts(Damage::WavStereo).unwrap();
    assert_eq!((stereo.channels, stereo.bits_per_sample, stereo.seconds), (2, 24, 2.0));
    assert!(facts(Damage::WavGarbage).is_err() && facts(Damage::WavEmpty).is_err());
}
