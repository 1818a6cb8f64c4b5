//! Where results go, what may stand in their way, and what must not get into them.

use std::process::Stdio;

use serde_json::Value;

use crate::environment::{GUID, MISSED_CALL, TestEnv, contents};

const INJECT: &str = "inject queue --to voicemail --exchange-path C:\\voicemail --ledger ledger.db";

fn queue() -> TestEnv {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.folder("voicemail");
    env
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_stops_no_delivery() {
    let env = queue();
    let run = |line: &str| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = env.command().args(line.split_whitespace()).stdout(full).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let reading = ["scan queue", "scan queue --format json", "check queue --format csv", "check --explain UM012"];
    for line in reading.iter().copied().chain([&*format!("show {GUID} queue"), "runs list", "completions bash", INJECT])
    {
        let (code, stderr) = run(line);
        assert_eq!(code, Some(1), "{line}: {stderr}");
        assert!(stderr.contains("could not write to stdout"), "{line}: {stderr}");
    }
    assert_eq!(contents(&env.path("voicemail")).len(), 1);
    assert!(env.run("runs show 1 --ledger ledger.db").ended(0).stdout.contains("done"));
}

#[test]
fn a_reader_that_goes_away_stops_no_delivery() {
    let env = queue();
    env.run("lab generate many --count 60 --type MissedCall --dialect E12").ended(0);
    let gone = |line: &str| {
        let mut child = env.command().args(line.split_whitespace()).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    for line in ["scan many", "scan many --format json", "check many --format csv", "completions bash", "man"] {
        assert_eq!(gone(line), Some(0), "{line}");
    }
    assert_eq!(gone(&INJECT.replace("queue", "many")), Some(0));
    assert_eq!(contents(&env.path("voicemail")).len(), 60);
}

#[test]
fn what_could_not_begin_prints_no_half_document() {
    let env = queue();
    for format in ["json", "jsonl", "csv"] {
        let line = format!("submit queue --server 127.0.0.1:9 --tls none --sender um@example.com --format {format}");
        assert_eq!(env.run(&line).ended(1).stdout, "", "{format}");
    }
}

#[test]
fn a_wrong_command_line_is_told_as_json_too() {
    let env = queue();
    for line in ["scan queue --frobnicate --format json", "scan --format=jsonl", "scan q --format json --profile none"]
    {
        let ran = env.run(line);
        let error: Value = serde_json::from_str(ran.stderr.trim()).expect(&ran.stderr);
        assert_eq!(error["type"], "error", "{line}");
        assert_eq!(ran.code == 2, error["kind"] == "usage", "{line}: {error}");
    }
}

#[test]
fn people_see_what_needs_them_and_a_count_of_the_rest() {
    let env = queue();
    env.run(INJECT).ended(0);
    let ran = env.run(INJECT).ended(0);
    assert_eq!(ran.stdout, "\n1 message: 1 skipped (1 done before)\n-v lists what was skipped\n");
    assert!(env.run(&format!("{INJECT} -v")).ended(0).stdout.contains("done before: inject to"));
    env.write("private/46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12.txt", format!("{MISSED_CALL}ContactInfo : AAAA\r\n"));
    assert!(!env.run("check private").ended(0).stdout.contains("UM044"));
    assert!(env.run("check private -v").ended(0).stdout.contains("UM044"));
    assert!(env.run("scan private --guid ffff").ended(0).stderr.contains("none of 1 messages"));
}

#[test]
fn nothing_is_put_among_the_messages_that_are_read() {
    let env = queue();
    let before = contents(&env.path("queue"));
    for line in [
        "inject queue --to queue --exchange-path C:\\q",
        "inject . --to voicemail --exchange-path C:\\q",
        "inject queue/../queue --to ./queue --exchange-path C:\\q",
        "inject queue --to voicemail --exchange-path C:\\q --report voicemail/report.json",
        "inject queue --to voicemail --exchange-path C:\\q --ledger voicemail/ledger.db",
        "scan queue --report queue/report.csv",
        "edit queue --culture-to de-DE --report queue/report.txt",
        "export queue --to queue --layout eml --sender um@example.com",
    ] {
        let ran = env.run(line).ended(2);
        assert!(ran.stderr.contains("Hint: "), "{line}: {}", ran.stderr);
    }
    assert_eq!(contents(&env.path("queue")), before);
    assert_eq!(contents(&env.path("voicemail")), []);
}

#[test]
fn earlier_runs_are_told_in_every_form() {
    let env = queue();
    env.run(&format!("{INJECT} --culture-to de-DE")).ended(0);
    let ran = env.run("runs show 1 --ledger ledger.db --format jsonl").ended(0);
    assert_eq!(ran.rows("entry")[0]["changes"][0]["new"], "de-DE");
    let ran = env.run("runs show 1 --ledger ledger.db --format csv").ended(0);
    assert!(ran.stdout.contains("\"\"new\"\":\"\"de-DE\"\""), "{}", ran.stdout);
    let ran = env.run("runs list --ledger no-such.db").ended(0);
    assert!(ran.stderr.contains("no-such.db"), "{}", ran.stderr);
    assert!(!env.path("no-such.db").exists());
}

#[test]
fn the_ledger_keeps_no_command_that_tells_a_password() {
    let env = queue();
    let words = "submit queue --server 127.0.0.1:9 --tls none --sender um@example.com --user um --ledger ledger.db";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend(["--password-command", "echo hunter2"]);
    env.run_words(&words).ended(1);
    let ran = env.run("runs list --ledger ledger.db --format jsonl").ended(0);
    assert!(ran.stdout.contains("--password-command [...]"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("hunter2"));
}

#[test]
fn no_form_of_output_commands_a_terminal() {
    let env = TestEnv::new();
    let evil = "=x\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{61c}\u{2028};=y";
    let names =
        ["MessageType", "CallerId", "RecipientName", "RecipientAddress", "RecipientCulture", "CallId", "Subject"];
    for (index, name) in names.iter().enumerate() {
        let plain = MISSED_CALL.lines().filter(|line| !line.starts_with(&format!("{name} ")));
        let header: String = plain.map(|line| format!("{line}\r\n")).collect();
        env.write(
            &format!("queue/46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c{index:02}.txt"),
            format!("{header}{name} : {evil}\r\n"),
        );
    }
    env.folder("voicemail");
    let commands = [
        "scan queue -v",
        "check queue -v",
        "show 46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c02 queue",
        INJECT,
        "export queue --to mails --layout eml --sender um@example.com -n",
        "runs show 1 --ledger ledger.db",
    ];
    for command in commands {
        for format in ["text", "json", "jsonl", "csv"] {
            let ran = env.run(&format!("{command} --format {format}"));
            let text = ran.stdout.replace('\n', "") + &ran.stderr.replace('\n', "");
            let bad = |c: char| c.is_control() || matches!(c, '\u{61c}' | '\u{2028}' | '\u{202e}');
            assert!(!text.contains(bad), "{command} {format}: {text:?}");
            assert!(format != "csv" || !text.contains(",=x") && !text.contains(";=y"), "{command}: {text}");
        }
    }
}
