//! `inject`: what UM's pickup would make of what lies in the folder afterwards.

use std::collections::BTreeMap;
use std::fs;

use umreplay::message::Sha256Digest;

use crate::environment::{GUID, MISSED_CALL, TestEnv, contents};
use crate::pickup::pickup;

const EXCHANGE: &str = r"C:\UM\voicemail";

fn inject(env: &TestEnv, source: &str, more: &[&str]) -> crate::environment::Ran {
    let mut words = vec!["inject", source, "--to", "voicemail", "--exchange-path", EXCHANGE, "--format", "jsonl"];
    words.extend(more);
    env.run_words(&words)
}

#[test]
fn the_missed_call_is_injected_with_nothing_but_its_recipient_changed() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.folder("voicemail");
    let ran = inject(&env, "queue", &["--recipient-to", "new.person@example.com"]).ended(0);
    assert_eq!(ran.outcomes("done"), 1);
    let files = contents(&env.path("voicemail"));
    assert_eq!(files.len(), 1);
    let expected = MISSED_CALL.replace("test@example.com", "new.person@example.com");
    assert_eq!(String::from_utf8_lossy(&files[0].1), expected);
    assert_ne!(files[0].0, format!("{GUID}.txt"));
}

#[test]
fn two_thousand_mixed_messages_become_a_queue_that_um_accepts() {
    let env = TestEnv::new();
    env.folder("voicemail");
    env.run("lab generate queue --count 2000 --seconds 0.3 --seed 7 --damage all --damaged-share 0.4").ended(0);
    let before = contents(&env.path("queue"));
    let ran = inject(&env, "queue", &["--ledger", "job.sqlite"]).ended(3);
    assert_eq!(contents(&env.path("queue")), before, "the source has changed");

    let report = pickup(&env.path("voicemail"), EXCHANGE);
    assert_eq!(report.killed, []);
    assert_eq!(report.stray, Vec::<String>::new());
    let done: Vec<_> = ran.rows("result").into_iter().filter(|row| row["outcome"] == "done").collect();
    assert!(done.len() > 900, "only {} of 2000", done.len());
    assert_eq!(report.accepted.len(), done.len());
    assert_eq!(ran.rows("result").len(), 2000, "every message has one result");
    assert!(
        !env.path("")
            .read_dir()
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().contains("staging") })
    );

    let audio: BTreeMap<String, Vec<u8>> =
        before.into_iter().map(|(name, bytes)| (name.to_lowercase(), bytes)).collect();
    let accepted: BTreeMap<String, _> =
        report.accepted.iter().map(|taken| (taken.guid.to_lowercase(), taken)).collect();
    let mut with_audio = 0;
    for row in &done {
        let taken = accepted[row["new_guid"].as_str().unwrap()];
        let source = row["source"].as_str().unwrap().to_lowercase().replace('\\', "/");
        let source = source.rsplit_once('/').unwrap().1.replace(".txt", ".wav");
        if let Some(digest) = &taken.wav_sha256 {
            assert_eq!(*digest, Sha256Digest::of(&audio[&source]).to_string());
            with_audio += 1;
        }
    }
    assert!(with_audio > 400, "only {with_audio} with audio");

    let again = inject(&env, "queue", &["--ledger", "job.sqlite"]).ended(3);
    assert_eq!(again.outcomes("done"), 0);
    let skipped = again
        .rows("result")
        .iter()
        .filter(|row| row["reason"].as_str().is_some_and(|reason| reason.starts_with("done before")))
        .count();
    assert_eq!(skipped, done.len());
    assert_eq!(pickup(&env.path("voicemail"), EXCHANGE).accepted.len(), done.len());
}

#[test]
fn the_queues_order_survives() {
    let env = TestEnv::new();
    env.folder("voicemail");
    env.run("lab generate queue --count 60 --seconds 0.1 --seed 3 --type SMTPVoiceMail --damaged-share 0").ended(0);
    let ran = inject(&env, "queue", &[]).ended(0);
    let time = |name: String| fs::metadata(env.path(&name)).unwrap().modified().unwrap();
    let mut pairs: Vec<_> = ran
        .rows("result")
        .iter()
        .map(|row| {
            let guid = |field: &str| row[field].as_str().unwrap().to_owned();
            (time(format!("queue/{}.txt", guid("guid"))), time(format!("voicemail/{}.txt", guid("new_guid"))))
        })
        .collect();
    assert_eq!(pairs.len(), 60);
    pairs.sort();
    assert!(pairs.is_sorted_by(|one, next| one.1 < next.1));
}

#[test]
fn a_path_that_cannot_be_known_is_asked_for() {
    if cfg!(windows) {
        // There the folder's own path is known.
        return;
    }
    let env = TestEnv::new();
    env.folder("voicemail");
    env.run("lab generate queue --count 1 --type SMTPVoiceMail --damaged-share 0").ended(0);
    let ran = env.run("inject queue --to voicemail").ended(1);
    assert!(ran.stderr.contains("--exchange-path"), "{}", ran.stderr);
    assert_eq!(contents(&env.path("voicemail")), []);
}

#[test]
fn a_dry_run_changes_nothing_and_shows_each_change() {
    let env = TestEnv::new();
    env.folder("voicemail");
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let words = ["inject", "queue", "--to", "voicemail", "--dry-run", "--recipient-to", "new@example.com"];
    let ran = env.run_words(&words).ended(0);
    assert!(ran.stdout.contains("RecipientAddress: test@example.com → new@example.com"), "{}", ran.stdout);
    assert!(ran.stdout.contains("planned"));
    let mut names: Vec<_> = fs::read_dir(env.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["queue", "voicemail"]);
    assert_eq!(contents(&env.path("voicemail")), []);
}

#[test]
fn targets_that_cannot_be_are_refused_before_anything_is_read() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let ran = env.run("inject queue --to nowhere").ended(1);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    env.write("file", "x");
    env.run("inject queue --to file").ended(1);
}

#[test]
fn one_message_in_two_sources_is_injected_once() {
    let env = TestEnv::new();
    env.folder("voicemail");
    env.write(&format!("monday/{GUID}.txt"), MISSED_CALL);
    let later = MISSED_CALL.replace("Important : False\r\n", "Important : False\n");
    env.write(&format!("tuesday/{GUID}.txt"), later);
    let ran = env.run("inject monday tuesday --to voicemail --format jsonl").ended(0);
    assert_eq!((ran.outcomes("done"), ran.outcomes("skipped")), (1, 0));
    assert_eq!(contents(&env.path("voicemail")).len(), 1);
    let other = GUID.replace("46ff", "57aa");
    env.write(&format!("again/{other}.txt"), MISSED_CALL);
    env.folder("lab");
    let ran = env.run("inject monday again --to lab --format jsonl --ledger none").ended(0);
    assert_eq!((ran.outcomes("done"), ran.outcomes("skipped")), (1, 1));
}

#[test]
fn one_call_for_two_people_is_never_guessed_at() {
    let env = TestEnv::new();
    env.folder("voicemail");
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let other = GUID.replace("46ff", "57aa");
    env.write(&format!("queue/{other}.txt"), MISSED_CALL.replace("test@example.com", "other@example.com"));
    let ran = env.run("inject queue --to voicemail --format jsonl").ended(3);
    assert_eq!((ran.outcomes("done"), ran.outcomes("failed")), (1, 1));
    let failed = ran.rows("result").into_iter().find(|row| row["outcome"] == "failed").unwrap();
    let guid = failed["guid"].as_str().unwrap();
    let ran = env.run(&format!("inject queue --to voicemail --guid {guid} --format jsonl")).ended(3);
    assert_eq!(ran.outcomes("failed"), 1);
    let ran = env.run(&format!("inject queue --to voicemail --guid {guid} --again --format jsonl")).ended(0);
    assert_eq!(ran.outcomes("done"), 1);
}
