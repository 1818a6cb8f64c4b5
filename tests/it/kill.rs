//! Runs that are killed at random moments, again and again: nothing is lost, nothing arrives twice.
//!
//! The moments are drawn from a seed and spread over the length of a whole run. The counts are printed, so that it shows
//! how much was tried: `cargo test --test it kill -- --nocapture`.
#![allow(clippy::print_stdout, reason = "the counts show how much was tried")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use mail_parser::MessageParser;
use serde_json::Value;
use umreplay::lab::sink::{Fault, LabSink, LabSinkOptions};
use umreplay::ledger::{Action, Intent, Ledger, NewRun};
use umreplay::message::Guid;

use crate::environment::{TestEnv, contents};
use crate::pickup::{pickup, read, sha256};

const EXCHANGE: &str = r"C:\UM\voicemail";
/// How long each test goes on to begin anew, at about; the variable KILL_SECONDS asks for more.
fn time_box() -> Duration {
    let asked = std::env::var("KILL_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(4))
}

/// How often a message was met, by its call and its recording.
type Counts = BTreeMap<String, usize>;

/// Numbers that look random and are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    /// A moment between the start and a little past the end of a run that takes so long.
    fn moment(&mut self, length: Duration) -> Duration {
        Duration::from_micros(self.below(length.as_micros() as u64 * 11 / 10))
    }
}

/// A job that is begun with the same words until it ends by itself.
struct Job<'a> {
    env: &'a TestEnv,
    words: Vec<String>,
}

impl<'a> Job<'a> {
    fn new(env: &'a TestEnv, line: &str, more: &[&str]) -> Self {
        let words = line.split_whitespace().chain(more.iter().copied());
        Self { env, words: words.map(str::to_owned).collect() }
    }

    fn start(&self) -> Child {
        let rows = File::create(self.env.path("rows.jsonl")).unwrap();
        let told = File::create(self.env.path("told.txt")).unwrap();
        let mut command = self.env.command();
        command.args(&self.words).args(["--format", "jsonl"]).stdin(Stdio::null()).stdout(rows).stderr(told);
        command.spawn().unwrap()
    }

    /// What the last run said of each message.
    fn results(&self) -> Vec<Value> {
        let rows = fs::read_to_string(self.env.path("rows.jsonl")).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        rows.filter(|row| row["type"] == "result").collect()
    }

    fn told(&self) -> String {
        fs::read_to_string(self.env.path("told.txt")).unwrap()
    }

    /// Starts and kills it until it ends by itself; tells how often it was killed, and its exit code.
    ///
    /// `meanwhile` is called in the middle of a run's life and after its death.
    fn run(&self, random: &mut Random, length: Duration, mut meanwhile: impl FnMut(&mut Random)) -> (usize, i32) {
        let mut kills = 0;
        loop {
            let moment = random.moment(length);
            let mut child = self.start();
            let begun = Instant::now();
            let mut is_young = true;
            while begun.elapsed() < moment && child.try_wait().unwrap().is_none() {
                if is_young && begun.elapsed() > moment / 2 {
                    is_young = false;
                    meanwhile(random);
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            if let Some(status) = child.try_wait().unwrap() {
                return (kills, status.code().expect("it ended by itself"));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            meanwhile(random);
        }
    }
}

fn generate(env: &TestEnv, count: usize) {
    let line = format!(
        "lab generate queue --count {count} --seconds 0.2 --seed 11 --damaged-share 0 --dialect E12 \
         --type SMTPVoiceMail --type MissedCall --type Fax"
    );
    env.run(&line).ended(0);
}

/// What a message is known by wherever it lies: the program's own idea of it is left out of this.
fn key(fields: &BTreeMap<String, String>, wav: Option<String>) -> String {
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    format!("{} {} {}", field("CallId"), field("MessageID"), wav.unwrap_or_default())
}

/// Every message of a folder that was generated.
fn messages(folder: &Path) -> Counts {
    let mut counts = Counts::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let wav = path.with_extension("wav");
            let wav = wav.exists().then(|| sha256(&wav));
            *counts.entry(key(&read(&fs::read(&path).unwrap()), wav)).or_default() += 1;
        }
    }
    counts
}

/// Takes some messages out of the folder as UM does, and counts them.
fn take(folder: &Path, taken: &mut Counts, mut chosen: impl FnMut() -> bool) {
    for message in pickup(folder, EXCHANGE).accepted {
        if chosen() {
            *taken.entry(key(&message.fields, message.wav_sha256)).or_default() += 1;
            message.files.iter().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        }
    }
}

#[track_caller]
fn assert_no_staging(folder: &Path) {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let left: Vec<String> = names.filter(|name| name.contains("staging")).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Begins anew with other folders and ledgers until the time is up; each time all must have arrived once.
fn inject(name: &str, seed: u64, is_um_awake: bool) {
    let env = TestEnv::new();
    generate(&env, 150);
    let source = contents(&env.path("queue"));
    let expected = messages(&env.path("queue"));
    let job = |round: usize| {
        env.folder(&format!("{round}/voicemail"));
        let line = format!("inject queue --to {round}/voicemail --ledger {round}/ledger --exchange-path {EXCHANGE}");
        Job::new(&env, &line, &[])
    };
    let begun = Instant::now();
    let undisturbed = Instant::now();
    assert_eq!(job(0).start().wait().unwrap().code(), Some(0));
    let length = undisturbed.elapsed();

    let mut random = Random(seed);
    let (mut rounds, mut all_kills, mut early) = (0, 0, 0);
    while rounds < 3 || begun.elapsed() < time_box() {
        rounds += 1;
        let folder = env.path(&format!("{rounds}/voicemail"));
        let job = job(rounds);
        let mut taken = Counts::new();
        let (kills, code) = job.run(&mut random, length, |random| {
            if is_um_awake {
                take(&folder, &mut taken, || random.below(3) > 0);
            }
        });
        all_kills += kills;
        early += taken.values().sum::<usize>();
        assert_eq!(code, 0, "{}", job.told());
        assert_eq!(job.results().len(), 150);

        pickup(&folder, EXCHANGE).assert_clean();
        take(&folder, &mut taken, || true);
        assert!(taken == expected, "{:?}", difference(&expected, &taken));
        assert_eq!(contents(&folder), []);
        assert_no_staging(&env.path(&rounds.to_string()));
    }
    assert!(contents(&env.path("queue")) == source, "the source has changed");
    println!("{name}: {rounds} jobs of 150, {all_kills} kills, {early} messages taken between them, {length:?} a run");
}

fn difference<'a>(expected: &'a Counts, found: &'a Counts) -> Vec<(&'a String, Option<&'a usize>)> {
    let keys = expected.keys().chain(found.keys());
    keys.map(|key| (key, found.get(key))).filter(|(key, count)| expected.get(*key) != *count).collect()
}

#[test]
fn an_edit_killed_at_any_moment_changes_each_header_whole_or_not_at_all() {
    let env = TestEnv::new();
    generate(&env, 150);
    let source = env.path("queue");
    let before = contents(&source);
    let times = |folder: &Path| -> BTreeMap<String, SystemTime> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let time = |entry: &fs::DirEntry| entry.metadata().unwrap().modified().unwrap();
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), time(&entry))).collect()
    };
    let copy = |round: usize| {
        let folder = env.folder(&format!("{round}/queue"));
        for entry in fs::read_dir(&source).unwrap().map(|entry| entry.unwrap()) {
            let to = folder.join(entry.file_name());
            fs::copy(entry.path(), &to).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            File::options().append(true).open(to).unwrap().set_modified(modified).unwrap();
        }
        folder
    };
    let job =
        |round: usize| Job::new(&env, &format!("edit {round}/queue --set CallerId=5001 --ledger {round}/ledger"), &[]);
    let begun = Instant::now();
    let expected = copy(0);
    let undisturbed = Instant::now();
    assert_eq!(job(0).start().wait().unwrap().code(), Some(0));
    let length = undisturbed.elapsed();
    let edited = contents(&expected);
    let is_edited = |name: &str, bytes: &[u8]| !name.ends_with("txt") || read(bytes)["CallerId"] == "5001";
    assert!(edited.iter().all(|(name, bytes)| is_edited(name, bytes)));
    assert_eq!(times(&expected), times(&source));

    let mut random = Random(4);
    let (mut rounds, mut all_kills) = (0, 0);
    while rounds < 2 || begun.elapsed() < time_box() {
        rounds += 1;
        let folder = copy(rounds);
        let (kills, code) = job(rounds).run(&mut random, length, |_| {
            let found = contents(&folder);
            assert_eq!(found.len(), before.len(), "a file of ours, or one too few");
            let whole = found.iter().zip(&before).zip(&edited).all(|((found, old), new)| found == old || found == new);
            assert!(whole, "a header is neither the old one nor the new one");
        });
        all_kills += kills;
        assert_eq!(code, 0, "{}", job(rounds).told());
        assert!(contents(&folder) == edited);
        assert_eq!(times(&folder), times(&source));
        assert_no_staging(&env.path(&rounds.to_string()));
    }
    println!("edit: {rounds} jobs of 150, {all_kills} kills, {length:?} a run");
}

#[test]
fn an_injection_killed_at_any_moment_brings_each_message_once() {
    inject("inject", 1, false);
}

#[test]
fn what_um_takes_between_two_kills_is_not_injected_again() {
    inject("inject beside UM", 2, true);
}

#[test]
fn a_submission_killed_at_any_moment_never_sends_twice() {
    let env = TestEnv::new();
    let count = 60;
    generate(&env, count);
    let job = |round: usize, sink: &LabSink, more: &[&str]| {
        let line = format!(
            "submit queue --server {} --tls none --sender um@example.com --allow-private-in-clear --ledger {round}.ledger",
            sink.address()
        );
        Job::new(&env, &line, more)
    };
    // Answers take their time, so that kills come between the end of a mail and its answer.
    let receiver = || {
        let faults = vec![Fault::delay("before-reply=4").unwrap()];
        LabSink::start(LabSinkOptions { keep: true, faults, ..LabSinkOptions::default() }).unwrap()
    };
    let begun = Instant::now();
    let undisturbed = Instant::now();
    assert_eq!(job(0, &receiver(), &[]).start().wait().unwrap().code(), Some(0));
    let length = undisturbed.elapsed();

    let mut random = Random(3);
    let (mut rounds, mut all_kills, mut all_uncertain, mut arrived) = (0, 0, 0, 0);
    while rounds < 3 || begun.elapsed() < time_box() {
        rounds += 1;
        let sink = receiver();
        let first = job(rounds, &sink, &[]);
        let (kills, code) = first.run(&mut random, length, |_| {});
        all_kills += kills;
        let uncertain = uncertain(&first.results());
        assert_eq!(code, if uncertain.is_empty() { 0 } else { 3 }, "{}", first.told());
        assert_eq!(first.results().len(), count);
        let received = received(&sink);
        assert!(received.values().all(|times| *times == 1), "{received:?}");
        assert!(received.len() + uncertain.len() >= count, "{} and {}", received.len(), uncertain.len());
        all_uncertain += uncertain.len();
        arrived += uncertain.iter().filter(|id| received.contains_key(*id)).count();

        let again = job(rounds, &sink, &["--resend-uncertain"]);
        assert_eq!(again.start().wait().unwrap().code(), Some(0), "{}", again.told());
        for (id, times) in self::received(&sink) {
            let before = received.get(&id).copied().unwrap_or_default();
            assert_eq!(times, before + usize::from(uncertain.contains(&id)), "{id}");
        }
        assert_eq!(self::received(&sink).len(), count);
    }
    println!(
        "submit: {rounds} jobs of {count}, {all_kills} kills, {all_uncertain} uncertain of which {arrived} had arrived, \
         {length:?} a run"
    );
}

/// A run that died with four messages on their way: the first still staged with its WAV in the target already, the
/// second in the target, the third taken by UM, the fourth submitted without an answer.
fn dead_run(env: &TestEnv) {
    env.run("lab generate queue --count 4 --seconds 0.1 --seed 5 --damaged-share 0 --dialect E12 --type SMTPVoiceMail")
        .ended(0);
    let target = env.folder("deep/voicemail");
    let staging = env.folder("deep/.umreplay-staging-1-7-x");
    let time = "2026-11-02T08:00:00Z".parse().unwrap();
    let mut ledger = Ledger::open(&env.path("ledger"), "a run that died").unwrap();
    let text = String::new;
    let begun =
        NewRun { command: text(), arguments: text(), version: text(), user: text(), host: text(), started: time };
    let run = ledger.begin_run(&begun).unwrap();
    ledger.note_staging(run, &staging).unwrap();
    let messages = umreplay::source::read(&[env.path("queue")], &|_| {}).unwrap().messages;
    for (number, mut message) in messages.into_iter().enumerate() {
        let guid = Guid::random();
        let staged = staging.join(format!("{guid}.txt"));
        match number {
            0 => {
                fs::write(&staged, "MessageType : SMTPVoiceMail").unwrap();
                fs::write(target.join(format!("{guid}.wav")), "RIFF").unwrap();
            }
            1 => fs::write(target.join(format!("{guid}.txt")), "MessageType : SMTPVoiceMail").unwrap(),
            _ => {}
        }
        let action = if number == 3 { Action::Submit } else { Action::Inject };
        let intent = Intent {
            identity: message.identity().unwrap(),
            source_guid: message.guid,
            source: message.label.clone(),
            action,
            target: target.display().to_string(),
            new_guid: (action == Action::Inject).then_some(guid),
            message_id: (action == Action::Submit).then(|| "<7@example.com>".to_owned()),
            has_audio: true,
            recipient_before: message.header.and_then(|part| part.header.recipient().address).map(|found| found.key()),
            recipient_after: None,
            changes: text(),
            header_before: None,
            header_after: None,
            header_bytes: None,
            staged: (action == Action::Inject).then(|| staged.display().to_string()),
            noted: time,
        };
        ledger.record_intents(run, &[intent]).unwrap();
    }
}

#[test]
fn a_dead_run_is_understood_from_another_folder_for_another_target_and_by_a_rehearsal() {
    let env = TestEnv::new();
    dead_run(&env);
    env.folder("elsewhere/voicemail");
    let run = |more: &[&str]| {
        let words = ["inject", "../queue", "--to", "voicemail", "--exchange-path", EXCHANGE, "--ledger", "../ledger"];
        let mut command = env.command();
        command.current_dir(env.path("elsewhere")).args(words).args(["--format", "jsonl"]).args(more);
        let output = command.output().unwrap();
        let rows = String::from_utf8(output.stdout).unwrap();
        let rows =
            rows.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()).filter(|row| row["type"] == "result");
        let mut outcomes: Vec<String> = rows.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect();
        outcomes.sort();
        (outcomes, String::from_utf8(output.stderr).unwrap())
    };
    let ledger = fs::read(env.path("ledger")).unwrap();
    let (outcomes, _) = run(&["--dry-run"]);
    assert_eq!(outcomes, ["planned", "skipped", "skipped", "uncertain"]);
    assert!(fs::read(env.path("ledger")).unwrap() == ledger, "a rehearsal writes nothing");
    assert_eq!(contents(&env.path("deep/voicemail")).len(), 2);
    assert!(env.path("deep/.umreplay-staging-1-7-x").exists());

    let (outcomes, told) = run(&[]);
    assert_eq!(outcomes, ["done", "skipped", "skipped", "uncertain"]);
    assert!(
        told.contains("4 messages on their way: 2 turn out to be done, 1 not done, and 1 cannot be told"),
        "{told}"
    );
    assert_no_staging(&env.path("deep"));
    assert_no_staging(&env.path("elsewhere"));
    let left = contents(&env.path("deep/voicemail"));
    assert!(left.len() == 1 && left[0].0.ends_with(".txt"), "a WAV was left without its header");
    pickup(&env.path("elsewhere/voicemail"), EXCHANGE).assert_clean();

    let (outcomes, told) = run(&[]);
    assert_eq!(outcomes, ["skipped", "skipped", "skipped", "uncertain"]);
    assert!(!told.contains("cut off"), "that was told before: {told}");
}

/// How often each mail arrived, by Message-ID.
fn received(sink: &LabSink) -> Counts {
    let mut counts = Counts::new();
    for mail in sink.received() {
        let id = MessageParser::new().parse(&mail.bytes).unwrap().message_id().unwrap().to_owned();
        *counts.entry(id).or_default() += 1;
    }
    counts
}

/// The Message-IDs that a run told to be uncertain, read from the words in which it told so.
fn uncertain(results: &[Value]) -> Vec<String> {
    let uncertain = results.iter().filter(|row| row["outcome"] == "uncertain");
    let reasons = uncertain.map(|row| row["reason"].as_str().unwrap().to_owned());
    reasons.map(|reason| reason.split(['<', '>']).nth(1).expect(&reason).to_owned()).collect()
}
