//! The samples: made by `lab::generate`, each with what is expected of it beside it.
//!
//! Run `the_samples_are_what` with `UMREPLAY_BLESS=1` to make them anew; without it, that test holds what lies in
//! `samples/` against what the generator makes, byte for byte. Modification times are not compared: git keeps none.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use umreplay::lab::generate::{
    Damage, GenerateOptions, Generated, GeneratedMessage, Mailbox, WavFormat, directory_csv, generate,
};
use umreplay::message::{AudioFacts, Code, Dialect, EmailAddress, Header, MessageType, fields};

use MessageType::{Fax, HealthCheck, IncomingCallLog, MissedCall, OutgoingCallLog, SmtpVoiceMail, XsoVoiceMail};

/// Where UM keeps the queue of the samples.
const EXCHANGE_PATH: &str = r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail";

/// What the samples may weigh in all, in bytes.
const MOST_BYTES: u64 = 1_500_000;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn options(seed: u64, types: &[MessageType], dialects: &[Dialect]) -> GenerateOptions {
    GenerateOptions {
        count: types.len() * dialects.len(),
        types: types.to_vec(),
        dialects: dialects.to_vec(),
        seconds: Some(0.6),
        exchange_path: EXCHANGE_PATH.to_owned(),
        seed,
        ..GenerateOptions::default()
    }
}

fn make(folder: &Path, options: &GenerateOptions) -> Generated {
    generate(folder, options, &|_| {}).unwrap()
}

/// Makes a folder of samples with its `expected.json`.
fn sample(folder: &Path, options: &GenerateOptions) -> Generated {
    let generated = make(folder, options);
    expect(folder, &generated.messages);
    generated
}

fn expect(folder: &Path, messages: &[GeneratedMessage]) {
    let expected: BTreeMap<&str, Value> =
        messages.iter().map(|made| (made.stem.as_str(), expected(folder, made))).collect();
    write(&folder.join("expected.json"), serde_json::to_string_pretty(&expected).unwrap() + "\n");
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    File::create(path).unwrap().write_all(text.as_ref()).unwrap();
}

/// What a message is to be read as, by the queue format alone.
fn expected(folder: &Path, made: &GeneratedMessage) -> Value {
    let file = |extension: &str| {
        let name = made.files.iter().find(|name| name.to_lowercase().ends_with(extension))?;
        Some(fs::read(folder.join(name)).unwrap())
    };
    let header = file(".txt").map(Header::parse);
    let readable = header.as_ref().filter(|header| header.fields().next().is_some());
    let audio = file(".wav").and_then(|wav| AudioFacts::read(&mut wav.as_slice(), wav.len() as u64).ok());
    json!({
        "state": state(made),
        "type": readable.and_then(Header::message_type).map(MessageType::name),
        "dialect": readable.map(|header| format!("{:?}", header.dialect())),
        "damage": made.damage.map(Damage::name),
        "codes": codes(made, readable, audio.as_ref()),
        "codec": audio.as_ref().map(|facts| facts.codec.name()),
        "seconds": audio.as_ref().map(|facts| facts.seconds),
    })
}

fn state(made: &GeneratedMessage) -> &'static str {
    match made.damage {
        Some(Damage::EmptyHeader | Damage::ZeroHeader) => "unreadable",
        Some(Damage::NoHeader) => "no_header",
        Some(Damage::Demoted) => "demoted",
        Some(Damage::NoAudio | Damage::NoMessageFile) => "no_audio",
        _ if made.message_type.is_internal() => "internal",
        _ => "complete",
    }
}

/// The findings that the damage must lead to, and those that the message has without it.
fn codes(made: &GeneratedMessage, header: Option<&Header>, audio: Option<&AudioFacts>) -> Vec<String> {
    let mut codes: HashSet<Code> = made.damage.map(Damage::codes).unwrap_or_default().iter().copied().collect();
    if let Some(header) = header {
        let has = |name: &str, value: &str| header.get(name).is_some_and(|found| found == value);
        let own = [
            (Code::Internal, made.message_type.is_internal()),
            (Code::ContactInfoPresent, header.get(fields::CONTACT_INFO).is_some()),
            (Code::Private, has(fields::PRIVATE, "True")),
            (Code::ProcessedCountLast, has(fields::PROCESSED_COUNT, "3") && has(fields::MESSAGE_TYPE, "SMTPVoiceMail")),
        ];
        codes.extend(own.into_iter().filter(|(_, found)| *found).map(|(code, _)| code));
    }
    // UM writes 16-bit PCM alone; an empty recording has no format worth a word.
    let unusual =
        audio.is_some_and(|facts| facts.data_bytes > 0 && (facts.format_tag, facts.bits_per_sample) != (1, 16));
    if unusual {
        codes.insert(Code::AudioFormatUnusual);
    }
    let mut names: Vec<String> = codes.into_iter().map(|code| code.to_string()).collect();
    names.sort();
    names
}

fn good(folder: &Path) {
    sample(&folder.join("e12"), &options(12, &MessageType::ALL, &[Dialect::E12]));
    sample(&folder.join("e15"), &options(15, &MessageType::ALL, &[Dialect::E15]));
    let both = [Dialect::E12, Dialect::E15];
    let lf = GenerateOptions {
        damages: vec![Damage::Lf],
        damaged_share: 1.0,
        ..options(3, &[SmtpVoiceMail, MissedCall, Fax], &both)
    };
    sample(&folder.join("lf"), &lf);
    let formats = WavFormat::ALL.to_vec();
    let codecs = GenerateOptions { formats, ..options(4, &[SmtpVoiceMail; 5], &[Dialect::E15]) };
    sample(&folder.join("codecs"), &codecs);
    let wideband = GenerateOptions { sample_rate: 16000, ..options(5, &[SmtpVoiceMail], &[Dialect::E15]) };
    sample(&folder.join("16khz"), &wideband);
    let silent = GenerateOptions { seconds: Some(0.0), ..options(6, &[SmtpVoiceMail], &both) };
    sample(&folder.join("zero-seconds"), &silent);
}

/// A type that the damage can be done to, a voice message rather than another.
fn victim(damage: Damage) -> (MessageType, Dialect) {
    let all = MessageType::ALL.into_iter().flat_map(|kind| [(kind, Dialect::E15), (kind, Dialect::E12)]);
    all.into_iter().find(|(kind, dialect)| damage.fits(*kind, *dialect)).unwrap()
}

fn broken(folder: &Path) {
    for (index, damage) in Damage::ALL.iter().enumerate() {
        let (kind, dialect) = victim(*damage);
        let spoilt = GenerateOptions {
            damages: vec![*damage],
            damaged_share: 1.0,
            ..options(100 + index as u64, &[kind], &[dialect])
        };
        sample(&folder.join(damage.name()), &spoilt);
    }
}

/// A live folder, a backup of an earlier day that overlaps with it, a directory, and a map to new addresses.
fn demo(folder: &Path) {
    let both = [Dialect::E12, Dialect::E15];
    let pool = Mailbox::pool(12, 1);
    let part = |seed: u64, seconds: f64, start: &str, types: &[MessageType]| GenerateOptions {
        count: types.len(),
        seconds: Some(seconds),
        start: start.parse().unwrap(),
        recipients: pool.clone(),
        ..options(seed, types, &both)
    };
    let gone_types = [SmtpVoiceMail, SmtpVoiceMail, SmtpVoiceMail, MissedCall];
    let gone = part(21, 1.2, "2016-12-22T15:40:00", &gone_types);
    let kept = part(22, 2.4, "2016-12-22T17:05:00", &[SmtpVoiceMail, MissedCall, SmtpVoiceMail, IncomingCallLog]);
    let fresh_types =
        [SmtpVoiceMail, MissedCall, SmtpVoiceMail, Fax, XsoVoiceMail, OutgoingCallLog, HealthCheck, SmtpVoiceMail];
    let fresh = GenerateOptions {
        damages: vec![Damage::CodecMissing],
        damaged_share: 1.0 / 8.0,
        ..part(23, 1.7, "2016-12-23T08:00:00", &fresh_types)
    };
    let scratch = tempfile::tempdir().unwrap();
    let backup = scratch.path();
    let gone = make(backup, &gone);
    let kept_in_backup = make(backup, &kept);
    let mut earlier = gone.messages;
    earlier.extend(kept_in_backup.messages);
    write(&folder.join("backup.zip"), zipped(backup, &earlier));
    let live = folder.join("live");
    let mut messages = make(&live, &kept).messages;
    messages.iter().for_each(|made| pick_up_once_more(&live, made));
    messages.extend(make(&live, &fresh).messages);
    assert_eq!(messages.iter().filter(|made| made.damage.is_some()).count(), 1);
    expect(&live, &messages);
    let moved = moved(&messages, &pool);
    let new = moved.iter().map(|(_, new)| new.clone());
    write(&folder.join("directory.csv"), directory_csv(&pool.into_iter().chain(new).collect::<Vec<_>>()));
    let rows: String = moved.iter().map(|(old, new)| format!("{},{}\r\n", old.address, new.address)).collect();
    write(&folder.join("map.csv"), format!("from,to\r\n{rows}"));
}

/// The service was restarted after the backup: the same message, picked up once more.
fn pick_up_once_more(folder: &Path, made: &GeneratedMessage) {
    let path = folder.join(made.files.last().unwrap());
    let mut header = Header::parse(fs::read(&path).unwrap());
    if header.get(fields::PROCESSED_COUNT).is_some_and(|count| count != "3") {
        let count = header.processed_count().unwrap() + 1;
        header.set(fields::PROCESSED_COUNT, &count.to_string()).unwrap();
        write(&path, header.bytes());
    }
}

/// Three recipients of voice messages, and the mailboxes in another domain that they have moved to.
fn moved(messages: &[GeneratedMessage], pool: &[Mailbox]) -> Vec<(Mailbox, Mailbox)> {
    let voice = messages.iter().filter(|made| made.message_type == SmtpVoiceMail && made.damage.is_none());
    let mut recipients: Vec<Mailbox> = voice.filter_map(|made| made.recipient.clone()).collect();
    recipients.dedup();
    // The first of another pool's mailboxes lend their objectGUIDs.
    let others = Mailbox::pool(pool.len(), 2);
    let moved = recipients.into_iter().take(3).zip(others).map(|(old, other)| {
        let (local, _) = old.address.as_str().split_once('@').unwrap();
        let address = EmailAddress::parse(&format!("{local}@moved.example")).unwrap();
        let new = Mailbox { address, object_guid: other.object_guid, aliases: Vec::new(), name: old.name.clone() };
        (old, new)
    });
    moved.collect()
}

fn zipped(folder: &Path, messages: &[GeneratedMessage]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for made in messages {
        let [year, month, day] = [made.sent.year(), made.sent.month().into(), made.sent.day().into()];
        let [hour, minute, second] = [made.sent.hour(), made.sent.minute(), made.sent.second()].map(|part| part as u8);
        let time =
            zip::DateTime::from_date_and_time(year as u16, month as u8, day as u8, hour, minute, second).unwrap();
        for name in &made.files {
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated)
                .last_modified_time(time);
            zip.start_file(format!("voicemail/{name}"), options).unwrap();
            zip.write_all(&fs::read(folder.join(name)).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// Every file below a folder by its path with `/`; of an archive the entries, as a packer's bytes change with its version.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file())
    {
        let parts = entry.path().strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap());
        let name = parts.collect::<Vec<_>>().join("/");
        if !name.ends_with(".zip") {
            files.insert(name, fs::read(entry.path()).unwrap());
            continue;
        }
        let mut archive = zip::ZipArchive::new(File::open(entry.path()).unwrap()).unwrap();
        for index in 0..archive.len() {
            let mut part = archive.by_index(index).unwrap();
            let mut bytes = format!("{:?}\n", part.last_modified()).into_bytes();
            part.read_to_end(&mut bytes).unwrap();
            files.insert(format!("{name}!{}", part.name().unwrap()), bytes);
        }
    }
    files
}

#[test]
fn the_samples_are_what_the_generator_makes() {
    let made = tempfile::tempdir().unwrap();
    for (name, make) in [("good", good as fn(&Path)), ("broken", broken), ("demo", demo)] {
        let folder = made.path().join(name);
        fs::create_dir(&folder).unwrap();
        make(&folder);
        if std::env::var_os("UMREPLAY_BLESS").is_some() {
            bless(&folder, &samples().join(name));
        }
        let (there, made) = (tree(&samples().join(name)), tree(&folder));
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&there), names(&made), "run with UMREPLAY_BLESS=1");
        for (path, bytes) in made {
            assert!(there[&path] == bytes, "samples/{name}/{path} differs: run with UMREPLAY_BLESS=1");
        }
    }
}

fn bless(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn the_samples_are_small_and_each_has_its_line() {
    let files = walkdir::WalkDir::new(samples()).into_iter().map(|entry| entry.unwrap().metadata().unwrap());
    let bytes: u64 = files.filter(|metadata| metadata.is_file()).map(|metadata| metadata.len()).sum();
    assert!((1..MOST_BYTES).contains(&bytes), "{bytes} bytes");
    let readme = fs::read_to_string(samples().join("README.md")).unwrap();
    for name in ["good", "broken"] {
        for entry in fs::read_dir(samples().join(name)).unwrap() {
            let name = format!("{name}/{}", entry.unwrap().file_name().into_string().unwrap());
            assert!(readme.contains(&format!("| `{name}` |")), "{name} has no line in samples/README.md");
        }
    }
}

#[test]
fn every_finding_that_a_message_alone_can_have_has_a_sample() {
    // Of the directory and of folders and archives as a whole: no single message shows them.
    let elsewhere = ["UM017", "UM070", "UM071", "UM072", "UM073", "UM074"];
    let folders = ["good", "broken", "demo"].map(|name| tree(&samples().join(name)));
    let expected = folders.into_iter().flatten().filter(|(name, _)| name.ends_with("expected.json"));
    let text: String = expected.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    for code in Code::ALL.iter().map(Code::to_string).filter(|code| !elsewhere.contains(&code.as_str())) {
        assert!(text.contains(&code), "no sample leads to {code}");
    }
}

#[test]
fn the_demo_has_what_it_shows() {
    let live = tree(&samples().join("demo/live"));
    let stem = |name: &str| name.rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    let headers = |files: &BTreeMap<String, Vec<u8>>| -> HashSet<String> {
        files.keys().filter(|name| name.ends_with(".txt")).map(|name| stem(name)).collect()
    };
    let demo = tree(&samples().join("demo"));
    let backup: BTreeMap<_, _> =
        demo.into_iter().filter(|(name, _)| name.starts_with("backup.zip!voicemail/")).collect();
    let (live_stems, backup_stems) = (headers(&live), headers(&backup));
    assert_eq!(live_stems.len(), 12);
    assert_eq!(live_stems.intersection(&backup_stems).count(), 4);
    assert_eq!(backup_stems.difference(&live_stems).count(), 4);
    let mut directory = csv::Reader::from_path(samples().join("demo/directory.csv")).unwrap();
    let addresses: HashSet<String> = directory.records().map(|row| row.unwrap()[0].to_owned()).collect();
    let mut map = csv::Reader::from_path(samples().join("demo/map.csv")).unwrap();
    let moved: Vec<String> = map.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert!(moved.len() == 3 && moved.iter().all(|address| addresses.contains(address)));
    assert!(live.iter().any(|(name, bytes)| name.ends_with(".txt") && !bytes.is_ascii()));
}
