//! Sets to keep: the same bytes every time, the same messages when read again, nothing in their way replaced.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use umreplay::message::Sha256Digest;

use crate::environment::{GUID, MISSED_CALL, Ran, TestEnv, contents};
use crate::pickup::pickup;

const EXCHANGE: &str = r"C:\UM\voicemail";

fn export(env: &TestEnv, line: &str) -> Ran {
    env.run(&format!("export {line} --yes --format jsonl --ledger none"))
}

fn manifest(env: &TestEnv, path: &str) -> Value {
    serde_json::from_slice(&fs::read(env.path(path)).unwrap()).unwrap()
}

/// Three backups with copies of one queue in several states, one of them a zip.
fn backups(env: &TestEnv) {
    env.run("lab generate monday --count 25 --seconds 0.3 --seed 4").ended(0);
    env.folder("tuesday");
    for (name, bytes) in contents(&env.path("monday")) {
        let text = String::from_utf8_lossy(&bytes).replace("ProcessedCount : 0", "ProcessedCount : 3");
        let bytes = if name.ends_with(".txt") { text.into_bytes() } else { bytes };
        env.write(&format!("tuesday/{name}"), bytes);
    }
    env.run("lab generate extra --count 5 --seconds 0.3 --seed 5").ended(0);
    export(env, "extra --to extra.zip --layout zip").ended(0);
}

/// The identities of the messages in a source, UM's own apart.
fn identities(env: &TestEnv, sources: &str) -> BTreeSet<String> {
    let rows = env.run(&format!("scan {sources} --format jsonl")).rows("message");
    let messages = rows.into_iter().filter(|row| row["state"] != "internal");
    let seen: Vec<String> = messages.map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(distinct.len(), seen.len(), "a message is there twice");
    distinct
}

#[test]
fn a_set_has_the_same_bytes_however_it_was_made() {
    let env = TestEnv::new();
    backups(&env);
    for (run, sources) in
        ["monday tuesday extra.zip", "extra.zip tuesday monday", "tuesday extra.zip monday"].iter().enumerate()
    {
        export(&env, &format!("{sources} --to {run} --layout files")).ended(0);
        export(&env, &format!("{sources} --to {run}.zip --layout zip")).ended(0);
        let files = |run: usize| contents(&env.path(&format!("{run}/messages")));
        assert!(files(run) == files(0));
        assert_eq!(manifest(&env, &format!("{run}/manifest.json")), manifest(&env, "0/manifest.json"));
        assert!(fs::read(env.path(&format!("{run}.zip"))).unwrap() == fs::read(env.path("0.zip")).unwrap());
        assert_eq!(fs::read_dir(env.path(&run.to_string())).unwrap().count(), 2, "nothing is left beside the set");
    }
    // Once more to the same place: nothing to do, and nothing wrong.
    export(&env, "monday tuesday extra.zip --to 0 --layout files").ended(0);
    export(&env, "monday tuesday extra.zip --to 0.zip --layout zip").ended(0);
}

#[test]
fn a_set_holds_every_message_once_and_can_be_injected() {
    let env = TestEnv::new();
    backups(&env);
    export(&env, "monday tuesday extra.zip --to set --layout files").ended(0);
    export(&env, "monday tuesday extra.zip --to set.zip --layout zip").ended(0);
    let found = identities(&env, "monday tuesday extra.zip");
    assert!(found.len() > 20);
    for set in ["set", "set/messages", "set.zip", "set set.zip"] {
        assert_eq!(identities(&env, set), found, "{set}");
    }
    for set in ["set", "set.zip"] {
        let target = env.folder(&format!("voicemail-of-{set}"));
        let line =
            format!("inject {set} --to voicemail-of-{set} --exchange-path {EXCHANGE} --format jsonl --ledger none");
        assert_eq!(env.run(&line).ended(0).outcomes("done"), found.len());
        let report = pickup(&target, EXCHANGE);
        report.assert_clean();
        assert_eq!(report.accepted.len(), found.len());
    }
}

#[test]
fn times_are_kept_in_a_folder_and_in_an_archive() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 6 --seconds 0.3 --type SMTPVoiceMail").ended(0);
    export(&env, "queue --to set --layout files").ended(0);
    export(&env, "queue --to set.zip --layout zip").ended(0);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let times = |source: &str| {
        let found = umreplay::source::read(&[env.path(source)], &|_| {}).unwrap().messages;
        found.into_iter().map(|message| (message.guid, message.modified())).collect::<BTreeSet<_>>()
    };
    for (name, bytes) in contents(&env.path("queue")) {
        let kept = env.path(&format!("set/messages/{name}"));
        assert_eq!(modified(&kept), modified(&env.path(&format!("queue/{name}"))), "{name}");
        assert!(fs::read(kept).unwrap() == bytes);
    }
    assert_eq!(times("set.zip"), times("queue"));
    assert!(times("queue").iter().all(|(_, time)| time.is_some()));
}

#[test]
fn the_manifest_tells_where_messages_come_from_and_what_was_changed() {
    let env = TestEnv::new();
    let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/broken/demoted");
    let mut found = contents(&broken);
    found.retain(|(name, _)| name.ends_with(".txt") || name.ends_with(".wav"));
    let words = |to: &str| -> Vec<String> {
        let words = ["export", broken.to_str().unwrap(), "--to", to, "--layout", "files", "--ledger", "none"];
        words.map(str::to_owned).to_vec()
    };
    let run = |words: &[String]| env.run_words(&words.iter().map(String::as_str).collect::<Vec<_>>());
    run(&words("set")).ended(0);
    let manifest = manifest(&env, "set/manifest.json");
    let [message] = manifest["messages"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    assert_eq!(message["sources"].as_array().unwrap().len(), 1);
    assert!(message["changes"].to_string().contains(r#""new":"SMTPVoiceMail""#), "{message}");
    for file in message["files"].as_array().unwrap() {
        let bytes = fs::read(env.path("set").join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], Sha256Digest::of(&bytes).to_string());
    }
    assert_eq!(message["files"].as_array().unwrap().len(), found.len());
    // Unrepaired, the pair is kept as UM left it.
    run(&[words("as-found"), vec!["--repair".to_owned(), "none".to_owned()]].concat()).ended(0);
    let bytes = |files: Vec<(String, Vec<u8>)>| files.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>();
    assert!(bytes(contents(&env.path("as-found/messages"))) == bytes(found));
}

#[test]
fn what_um_would_refuse_is_kept_and_what_nobody_can_read_is_named() {
    let env = TestEnv::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/broken");
    let mut kept = 0;
    for damage in fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
        let name = damage.file_name().unwrap().to_str().unwrap();
        let words = ["export", damage.to_str().unwrap(), "--to", name, "--layout", "files", "--ledger", "none"];
        let ran = env.run_words(&[&words[..], &["--format", "jsonl"]].concat());
        if ["no-header", "empty-header", "zero-header"].contains(&name) {
            assert_eq!(ran.outcomes("failed"), 1, "{name}: {}", ran.stdout);
            continue;
        }
        ran.ended(0);
        let message = &manifest(&env, &format!("{name}/manifest.json"))["messages"][0];
        let is_sound = message["findings"].as_array().unwrap().iter().all(|finding| finding["level"] != "error");
        kept += usize::from(!is_sound);
        assert_eq!(
            contents(&env.path(name).join("messages")).len(),
            message["files"].as_array().unwrap().len(),
            "{name}"
        );
    }
    assert!(kept > 15, "{kept} would be refused by UM");
}

#[test]
fn two_messages_of_one_name_and_one_without_get_names_of_their_own() {
    let env = TestEnv::new();
    env.write(&format!("a/{GUID}.txt"), MISSED_CALL);
    env.write(&format!("b/{GUID}.txt"), MISSED_CALL.replace("CallId : 7", "CallId : 8"));
    env.write("c/holiday.txt", MISSED_CALL.replace("CallId : 7", "CallId : 9"));
    export(&env, "a b c --to set --layout files").ended(0);
    let names: Vec<String> = contents(&env.path("set/messages")).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&format!("{GUID}.txt")), "{names:?}");
    assert_eq!(identities(&env, "set"), identities(&env, "a b c"));
    export(&env, "c b a --to other --layout files").ended(0);
    assert_eq!(contents(&env.path("set/messages")), contents(&env.path("other/messages")));
}

#[test]
fn an_e15_message_needs_no_address() {
    let env = TestEnv::new();
    let header = format!("MessageType : MissedCall\r\nRecipientObjectGuid : {GUID}\r\nCallId : 1\r\n");
    env.write(&format!("queue/{GUID}.txt"), &header);
    export(&env, "queue --to set --layout files").ended(0);
    assert_eq!(contents(&env.path("set/messages")), [(format!("{GUID}.txt"), header.into_bytes())]);
    assert_eq!(manifest(&env, "set/manifest.json")["messages"][0]["recipient"]["object_guid"], GUID);
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let other = GUID.replace("46ff", "57aa");
    env.write(&format!("queue/{other}.txt"), MISSED_CALL.replace("CallId : 7", "CallId : 8"));
    for taken in [format!("set/messages/{GUID}.txt"), "set/messages/foreign".to_owned(), "set/manifest.json".to_owned()]
    {
        let taken = env.write(&taken, "mine");
        let ran = export(&env, "queue --to set --layout files").ended(3);
        assert_eq!(ran.outcomes("failed"), 2);
        assert!(ran.stdout.contains("nothing was written"), "{}", ran.stdout);
        assert_eq!(fs::read(&taken).unwrap(), b"mine");
        let left =
            walkdir::WalkDir::new(env.path("set")).into_iter().filter(|entry| entry.as_ref().unwrap().path().is_file());
        assert_eq!(left.count(), 1, "{}", taken.display());
        fs::remove_file(taken).unwrap();
    }
    env.write("set.zip", "mine");
    export(&env, "queue --to set.zip --layout zip").ended(3);
    assert_eq!(fs::read(env.path("set.zip")).unwrap(), b"mine");
    export(&env, "queue --to queue/deeper --layout files").ended(2);
    export(&env, "queue --to queue/set.zip --layout zip").ended(2);
    assert_eq!(contents(&env.path("queue")).len(), 2);
}

#[test]
fn an_export_is_no_delivery_and_a_dry_run_writes_nothing() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let dry = env.run("export queue --to set --layout files --dry-run --format jsonl").ended(0);
    assert_eq!(dry.outcomes("planned"), 1);
    assert!(!env.path("set").exists());
    for to in ["one", "two"] {
        let ran = env.run(&format!("export queue --to {to} --layout files --format jsonl")).ended(0);
        assert_eq!(ran.outcomes("done"), 1);
    }
    env.folder("voicemail");
    let line = "inject queue --to voicemail --exchange-path C:\\UM\\voicemail --format jsonl";
    assert_eq!(env.run(line).ended(0).outcomes("done"), 1);
    let ran = env.run("export queue --to three --layout files --format jsonl").ended(0);
    assert_eq!(ran.outcomes("done"), 1);
}

#[test]
fn without_a_sender_mails_name_ums_own() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    export(&env, "queue --to mails --layout eml").ended(0);
    let mail = fs::read_to_string(env.path(&format!("mails/{GUID}.eml"))).unwrap();
    assert!(mail.contains("Sender: MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com\r\n"), "{mail}");
}
