//! A week of an outage: seven daily backups of a queue that fills up, ages, is demoted and purged, copied while UM worked
//! on it. Whatever order they are given in, every voicemail comes out once, with its recording as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use umreplay::lab::generate::{GenerateOptions, generate};
use umreplay::message::{Dialect, MessageType};
use zip::write::SimpleFileOptions;

use crate::environment::{TestEnv, contents};
use crate::pickup::{pickup, read, sha256};

const DAYS: usize = 7;
const EXCHANGE: &str = r"C:\UM\voicemail";
/// The fields of a voice message that UM leaves out when it makes a missed call of it.
const VOICE_FIELDS: [&str; 3] = ["AttachmentPath", "Duration", "Codec"];

/// A message as it lies in the live folder: file names without GUID, and their bytes.
type Files = BTreeMap<&'static str, Vec<u8>>;

/// The live folder, and when each message was last written.
#[derive(Default)]
struct Queue(BTreeMap<String, (Files, SystemTime)>);

impl Queue {
    /// One pickup that the connector's fault brings to nothing: the rules of the queue format.
    fn fail_pickup(&mut self, now: SystemTime) {
        self.0.retain(|_, (files, modified)| {
            let header = String::from_utf8(files["txt"].clone()).unwrap();
            let count = read(header.as_bytes())["ProcessedCount"].parse::<u32>().unwrap() + 1;
            let is_demoted = count == 5 && read(header.as_bytes())["MessageType"] == "SMTPVoiceMail";
            let lines =
                header.lines().filter(|line| !is_demoted || !VOICE_FIELDS.iter().any(|name| line.starts_with(name)));
            let rewritten = lines.map(|line| match line.split_once(" : ") {
                Some(("ProcessedCount", _)) => format!("ProcessedCount : {count}\r\n"),
                Some(("MessageType", _)) if is_demoted => "MessageType : MissedCall\r\n".to_owned(),
                _ => format!("{line}\r\n"),
            });
            files.insert("txt", rewritten.collect::<String>().into_bytes());
            *modified = now;
            count < 6
        });
    }

    /// Copies the folder as a backup does that does not wait: some files are cut off, some not there yet.
    fn back_up(&self, day: usize) -> Vec<(String, Vec<u8>, SystemTime)> {
        let mut copied = Vec::new();
        for (guid, (files, modified)) in &self.0 {
            let number = usize::from_str_radix(&guid[..4], 16).unwrap();
            for (extension, bytes) in files {
                let turn = number * 3 + day + extension.len() + usize::from(*extension == "txt") * 2;
                let share = (number * 29 + day * 13) % 100;
                let kept = match turn % 5 {
                    0 => bytes.len() * share / 100,
                    2 if share < 40 => continue,
                    _ => bytes.len(),
                };
                copied.push((format!("{guid}.{extension}"), bytes[..kept].to_vec(), *modified));
            }
        }
        copied
    }
}

fn write_backup(env: &TestEnv, day: usize, files: &[(String, Vec<u8>, SystemTime)]) -> String {
    if day % 3 != 1 {
        for (name, bytes, modified) in files {
            let path = env.write(&format!("day{day}/voicemail/{name}"), bytes);
            File::options().write(true).open(path).unwrap().set_modified(*modified).unwrap();
        }
        return format!("day{day}");
    }
    let mut zip = zip::ZipWriter::new(File::create(env.path(&format!("day{day}.zip"))).unwrap());
    for (name, bytes, _) in files {
        let time = zip::DateTime::from_date_and_time(2016, 12, 20 + day as u8, 12, 0, 0).unwrap();
        zip.start_file(format!("voicemail/{name}"), SimpleFileOptions::default().last_modified_time(time)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    format!("day{day}.zip")
}

/// What was called in, and the backups of the week in their order.
struct Week {
    /// The hashes of all recordings.
    recordings: BTreeSet<String>,
    /// The `MessageID`s of all calls that were missed indeed.
    missed: BTreeSet<String>,
    backups: Vec<String>,
}

fn play(env: &TestEnv) -> Week {
    let options = GenerateOptions {
        count: 60,
        types: vec![MessageType::SmtpVoiceMail, MessageType::SmtpVoiceMail, MessageType::MissedCall],
        dialects: vec![Dialect::E15],
        exchange_path: EXCHANGE.to_owned(),
        seconds: Some(0.4),
        seed: 7,
        ..GenerateOptions::default()
    };
    let made = generate(&env.path("calls"), &options, &|_| {}).unwrap().messages;
    let calls = env.path("calls");
    let mut week = Week { recordings: BTreeSet::new(), missed: BTreeSet::new(), backups: Vec::new() };
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_482_192_000);
    let mut queue = Queue::default();
    let mut whole: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for day in 0..DAYS {
        let now = start + Duration::from_secs(86_400 * day as u64);
        // The last day brings no calls: what comes then has one copy alone, and where that is torn nothing helps.
        for message in made.iter().enumerate().filter(|(number, _)| number % (DAYS - 1) == day).map(|(_, made)| made) {
            queue.0.insert(message.stem.clone(), (arrived(&calls, &message.stem, &mut week), now));
        }
        for pickup in 0..=day % 2 {
            queue.fail_pickup(now + Duration::from_secs(3600 * (pickup as u64 + 1)));
        }
        let copied = queue.back_up(day);
        for (name, bytes, _) in &copied {
            let (stem, extension) = name.split_once('.').unwrap();
            let (extension, original) = queue.0[stem].0.get_key_value(extension).unwrap();
            if bytes == original {
                whole.entry(stem.to_owned()).or_default().insert(extension);
            }
        }
        week.backups.push(write_backup(env, day, &copied));
    }
    for message in &made {
        let parts = whole.get(&message.stem).map_or(0, BTreeSet::len);
        assert_eq!(parts, message.files.len(), "{}: some copy of every file is whole", message.stem);
    }
    assert!(queue.0.len() < made.len() / 2, "most are purged by the end");
    week
}

fn arrived(calls: &Path, stem: &str, week: &mut Week) -> Files {
    let header = String::from_utf8(fs::read(calls.join(format!("{stem}.txt"))).unwrap()).unwrap();
    let fields = read(header.as_bytes());
    let fresh = header.replace(&format!("ProcessedCount : {}", fields["ProcessedCount"]), "ProcessedCount : 0");
    let mut files = Files::from([("txt", fresh.into_bytes())]);
    let wav = calls.join(format!("{stem}.wav"));
    if wav.exists() {
        files.insert("wav", fs::read(&wav).unwrap());
        week.recordings.insert(sha256(&wav));
    } else {
        week.missed.insert(fields["MessageID"].clone());
    }
    files
}

#[test]
fn every_voicemail_of_the_week_comes_out_once() {
    let env = TestEnv::new();
    let week = play(&env);
    assert_eq!(week.recordings.len() + week.missed.len(), 60);
    let mut random = fastrand::Rng::with_seed(3);
    let mut reversed = week.backups.clone();
    reversed.reverse();
    let mut orders = vec![week.backups.clone(), reversed];
    for _ in 0..2 {
        let mut order = week.backups.clone();
        random.shuffle(&mut order);
        orders.push(order);
    }
    let mut sets = Vec::new();
    for (number, order) in orders.iter().enumerate() {
        let sources = order.join(" ");
        let target = env.folder(&format!("voicemail{number}"));
        let line =
            format!("inject {sources} --to voicemail{number} --exchange-path {EXCHANGE} --format jsonl --ledger none");
        let ran = env.run(&line);
        let mut failed = ran.rows("result");
        failed.retain(|row| row["outcome"] == "failed");
        assert!(failed.is_empty(), "{failed:#?}");
        let report = pickup(&target, EXCHANGE);
        report.assert_clean();
        let voices = report.accepted.iter().filter_map(|message| message.wav_sha256.clone());
        let mut voices: Vec<String> = voices.collect();
        voices.sort();
        assert_eq!(voices, week.recordings.iter().cloned().collect::<Vec<_>>(), "{sources}");
        let missed = report.accepted.iter().filter(|message| message.wav_sha256.is_none());
        let mut missed: Vec<String> = missed.map(|message| message.fields["MessageID"].clone()).collect();
        missed.sort();
        assert_eq!(missed, week.missed.iter().cloned().collect::<Vec<_>>(), "{sources}");
        ran.ended(0);
        env.run(&format!("export {sources} --to set{number} --layout files --ledger none --yes")).ended(0);
        sets.push(contents(&env.path(&format!("set{number}/messages"))));
    }
    assert!(sets.iter().all(|set| set == &sets[0]), "the set is the same whatever the order");
}
