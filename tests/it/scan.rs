//! `scan`, `show` and `check`, and what every command makes of bad sources.

use serde_json::Value;

use crate::environment::{GUID, MISSED_CALL, TestEnv, contents};

#[test]
fn a_message_is_one_object_with_the_fixed_fields() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let ran = env.run("scan queue --format json").ended(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let message = &document["messages"][0];
    let fields: Vec<&String> = message.as_object().unwrap().keys().collect();
    let expected = [
        "type",
        "guid",
        "id",
        "source",
        "state",
        "message_type",
        "dialect",
        "recipient",
        "culture",
        "caller",
        "call_id",
        "sent",
        "duration",
        "processed_count",
        "audio",
        "findings",
    ];
    assert_eq!(fields, expected);
    assert_eq!(message["type"], "message");
    assert_eq!(message["guid"], GUID);
    assert_eq!(message["state"], "complete");
    assert_eq!(message["dialect"], "E12");
    assert_eq!(message["recipient"]["address"], "test@example.com");
    assert_eq!(message["culture"], "nl-NL");
    assert_eq!(message["caller"]["number"], "612345678");
    assert_eq!(document["summary"]["messages"], 1);
    assert_eq!(document["summary"]["by_state"]["complete"], 1);
    assert_eq!(document["summary"]["findings"], serde_json::json!({ "error": 0, "warning": 0, "info": 0 }));
}

/// A queue with every damage, and an older backup of a part of it.
fn outage() -> TestEnv {
    let env = TestEnv::new();
    let line = "lab generate live --count 80 --seconds 0.2 --damage all --damaged-share 0.7 --seed 3 --start";
    env.run(&format!("{line} 2016-12-22T08:00:00")).ended(0);
    env.folder("monday");
    for (index, (name, bytes)) in contents(&env.path("live")).into_iter().enumerate() {
        if index % 3 > 0 {
            let path = env.write(&format!("monday/{name}"), bytes);
            let file = std::fs::File::options().write(true).open(path).unwrap();
            let modified = std::fs::metadata(env.path("live").join(name)).unwrap().modified().unwrap();
            file.set_modified(modified).unwrap();
        }
    }
    env.run("lab generate tuesday --count 30 --seconds 0.2 --seed 4 --start 2016-12-27T08:00:00").ended(0);
    env
}

#[test]
fn several_sources_make_the_picture_of_an_outage() {
    let env = outage();
    let text = env.run("scan live monday tuesday").ended(0).stdout;
    let (_, picture) = text.split_once("\n\n").unwrap();
    assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    insta::assert_snapshot!("picture", picture);
    let backward = env.run("scan tuesday monday live").ended(0).stdout;
    assert_eq!(backward.split_once("\n\n").unwrap().1, picture);

    let summary = env.run("scan live monday tuesday --format jsonl").ended(0).rows("summary").remove(0);
    let picture = &summary["picture"];
    let sum = |counts: &Value| counts.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    let people = summary["messages"].as_u64().unwrap() - summary["by_state"]["internal"].as_u64().unwrap();
    assert_eq!(picture["messages"], people);
    assert_eq!(sum(&picture["by_day"]) + picture["undated"].as_u64().unwrap(), people);
    assert_eq!(picture["recipients"]["top"].as_array().unwrap().len(), 10);
    let copies = &picture["copies"];
    assert_eq!(copies["single"].as_u64().unwrap() + copies["several"].as_u64().unwrap(), people);
    for risk in ["last_with_audio", "loses_audio", "deleted"] {
        assert!(picture["at_risk"][risk].as_u64() > Some(0), "{picture}");
    }
    for (how, kind) in [("usual", "demoted"), ("asked_for", "riff"), ("asked_for", "codec"), ("reasons", "UM050")] {
        assert!(picture["mending"][how][kind].as_u64() > Some(0), "{kind}: {picture}");
    }
    let live = env.run("scan live --format json").ended(0);
    let live: Value = serde_json::from_str(&live.stdout).unwrap();
    assert!(live["summary"]["picture"]["copies"].is_null(), "one folder holds no copies");
}

#[test]
fn the_picture_foretells_what_an_injection_does() {
    let samples = std::path::absolute("samples/broken").unwrap();
    let env = TestEnv::new();
    env.folder("voicemail");
    for folder in std::fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
        let folder = folder.to_str().unwrap();
        let scan = env.run_words(&["scan", folder, "--format", "jsonl"]).ended(0);
        let picture = &scan.rows("summary")[0]["picture"];
        let inject = ["inject", folder, "--to", "voicemail", "--exchange-path", "C:\\UM", "--repair", "all"];
        let inject = env.run_words(&[&inject[..], &["-n", "--ledger", "none", "--format", "jsonl"]].concat());
        assert_eq!(picture["mending"]["refused"], inject.outcomes("failed"), "{folder}: {picture} {}", inject.stdout);
    }
}

#[test]
fn a_small_healthy_folder_has_a_short_summary() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let text = env.run("scan queue").ended(0).stdout;
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn bad_sources_are_clear_errors() {
    let env = TestEnv::new();
    env.folder("empty");
    env.write("text.txt", "just a text\n");
    env.write("broken.zip", b"PK\x03\x04 this is no archive".as_slice());
    for source in ["nowhere", "empty", "broken.zip"] {
        for command in ["scan", "check", "scan --format json"] {
            let ran = env.run(&format!("{command} {source}")).ended(1);
            assert!(ran.stderr.contains(source), "{command} {source}: {}", ran.stderr);
            assert_eq!(ran.stdout, "");
        }
    }
    let ran = env.run("scan nowhere --format jsonl").ended(1);
    let error: Value = serde_json::from_str(ran.stderr.trim()).unwrap();
    assert_eq!(error["type"], "error");
    assert_eq!(error["kind"], "source");
    env.run("scan").ended(2);
    env.run("scan queue --no-such-option").ended(2);
    env.run("dance").ended(2);
}

#[test]
fn check_tells_errors_by_its_exit_code() {
    let env = TestEnv::new();
    env.write(&format!("good/{GUID}.txt"), MISSED_CALL);
    env.run("check good").ended(0);
    env.write(&format!("bad/{GUID}.txt"), MISSED_CALL.replace("nl-NL", "xx-XX"));
    let ran = env.run("check bad").ended(3);
    assert!(ran.stdout.contains("UM012"), "{}", ran.stdout);
    let ran = env.run("check bad --format jsonl").ended(3);
    let finding = &ran.rows("message")[0]["findings"][0];
    assert_eq!(finding["code"], "UM012");
    assert_eq!(finding["level"], "error");
    assert_eq!(finding["field"], "RecipientCulture");
    let ran = env.run("check --explain UM012").ended(0);
    assert!(ran.stdout.contains("UM012"));
    env.run("check --explain UM999").ended(2);
    let ran = env.run("check --explain UM012 --format jsonl").ended(0);
    assert_eq!(ran.rows("explanation")[0]["code"], "UM012");
}

#[test]
fn show_finds_by_prefix_and_shows_fields_and_waveform() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 3 --type SMTPVoiceMail --seconds 1 --damaged-share 0").ended(0);
    let ran = env.run("scan queue --format jsonl").ended(0);
    let guid = ran.rows("message")[0]["guid"].as_str().unwrap().to_owned();
    let ran = env.run(&format!("show {} queue", &guid[..13])).ended(0);
    assert!(ran.stdout.contains("Waveform"), "{}", ran.stdout);
    assert!(ran.stdout.contains("MessageType"));
    let ran = env.run(&format!("show {guid} queue --format json")).ended(0);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["messages"][0]["audio"]["codec"], "pcm");
    env.run("show ffffffff-0000 queue").ended(1);
}

#[test]
fn strangers_text_reaches_neither_terminal_nor_spreadsheet() {
    let env = TestEnv::new();
    let hostile = MISSED_CALL.replace("RecipientName : Test", "RecipientName : =HYPERLINK()\u{1b}[2J\u{202e}");
    env.write(&format!("queue/{GUID}.txt"), hostile);
    for command in ["scan queue", &format!("show {GUID} queue"), "check queue", "scan queue --color always"] {
        let ran = env.run(command);
        assert!(!ran.stdout.contains("\u{1b}[2J") && !ran.stdout.contains('\u{202e}'), "{command}: {}", ran.stdout);
    }
    let ran = env.run("scan queue --format csv").ended(0);
    assert!(ran.stdout.contains("'=HYPERLINK"), "{}", ran.stdout);
}

#[test]
fn selection_narrows_what_is_seen() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 40 --seconds 0.1 --damaged-share 0").ended(0);
    let count = |more: &str| env.run(&format!("scan queue --format jsonl {more}")).ended(0).rows("message").len();
    let all = count("");
    let voice = count("--type SMTPVoiceMail");
    assert!(voice > 0 && voice < all);
    assert_eq!(count("--limit 5"), 5);
    assert_eq!(count("--state complete") + count("--state internal"), all);
    let ran = env.run("scan queue --format jsonl --limit 2").ended(0);
    let ids: Vec<_> = ran.rows("message").iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    env.write("ids.txt", ids.join("\n"));
    assert_eq!(count("--ids-from ids.txt"), 2);
    env.run("scan queue --type Nonsense").ended(2);
    env.run("scan queue --since yesterday").ended(2);
    env.run("scan queue --min-duration nan").ended(2);
    env.run("scan queue --max-duration=-1").ended(2);
    env.run("lab generate other --count 18446744073709551615").ended(2);
}
