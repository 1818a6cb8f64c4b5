//! The program itself: help, errors and dry runs as people see them, completions, profiles, the demo, the lab.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::environment::{GUID, MISSED_CALL, TestEnv, contents};

const COMMANDS: [&str; 12] = [
    "scan",
    "show",
    "check",
    "edit",
    "inject",
    "submit",
    "export",
    "runs list",
    "runs show",
    "lab generate",
    "lab sink",
    "demo",
];

#[test]
fn help_is_as_it_was() {
    let env = TestEnv::new();
    insta::assert_snapshot!("help", env.normalise(&env.run("--help").ended(0).stdout));
    for command in COMMANDS {
        let name = format!("help {command}").replace(' ', "_");
        insta::assert_snapshot!(name, env.normalise(&env.run(&format!("{command} --help")).ended(0).stdout));
    }
}

#[test]
fn errors_name_the_thing_its_cause_and_a_way_out() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.write("map.csv", "from,to\nnobody,x@example.com\n");
    env.write("folder/file", "");
    let mut all = String::new();
    for line in [
        "scan nowhere",
        "scan folder",
        "show ffff queue",
        "check --explain UM999",
        "edit queue",
        "edit queue --map map.csv",
        "edit queue --culture-to nl_NL",
        "edit queue --set Duration=long",
        "inject queue --to nowhere",
        "submit queue --server x:0 --sender a@example.com",
        "submit queue --server x --sender nobody",
        "export queue --to mail --layout eml --sender a@example.com --timezone Nowhere/Town",
        "lab generate out --damage bent",
        "scan queue --config nothing.toml",
    ] {
        let ran = env.run(line);
        all.push_str(&format!("$ umreplay {line}\n[{}] {}\n", ran.code, ran.stderr));
    }
    insta::assert_snapshot!("errors", systems_words_apart(&env.normalise(&all)));
}

/// What the system says differs between systems.
fn systems_words_apart(text: &str) -> String {
    let line = |line: &str| match line.contains("(os error ") {
        true => "  [what the system says]\n".to_owned(),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn a_dry_run_reads_like_a_plan() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let line = "export queue --to mail --layout eml --sender um@example.com --recipient-to new@example.com -n";
    insta::assert_snapshot!("plan", env.normalise(&env.run(line).ended(0).stdout));
    assert!(!env.path("mail").exists());
}

#[test]
fn shells_get_their_files() {
    let env = TestEnv::new();
    assert!(env.run("completions powershell").ended(0).stdout.contains("umreplay"));
    assert!(env.run("completions bash").ended(0).stdout.contains("--exchange-path"));
    assert!(env.run("man").ended(0).stdout.contains("umreplay"));
    assert!(env.run("--version").ended(0).stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_profile_stands_in_for_options() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.write("config.toml", "[profile.default]\nformat = \"jsonl\"\nsender = \"um@example.com\"\nlayout = \"eml\"\n");
    let ran = env.run("export queue --to mail --config config.toml").ended(0);
    assert_eq!(ran.outcomes("done"), 1);
}

#[test]
fn the_demo_delivers_and_verifies() {
    let env = TestEnv::new();
    let ran = env.run("demo --to results").ended(0);
    assert!(!ran.stdout.contains("WRONG"), "{}", ran.stdout);
    assert!(ran.stdout.matches("yes, audio equal").count() >= 10, "{}", ran.stdout);
    assert!(contents(&env.path("results/voicemail")).len() > 10);
    let refused: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("refused")).collect();
    assert_eq!(refused.len(), 2, "the damaged message, and the one that cannot be mailed: {refused:?}");
    assert!(
        refused.iter().any(|line| line.contains("UM033")) && refused.iter().any(|line| line.contains("XSOVoiceMail"))
    );
    let table = ran.stdout.lines().skip_while(|line| !line.starts_with(" message"));
    assert!(table.take_while(|line| !line.is_empty()).all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    env.run("demo --to results").ended(1);
}

#[test]
fn a_lab_sink_takes_what_is_submitted_and_ends_by_itself() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let words = ["lab", "sink", "inbox", "--listen", "127.0.0.1:0", "--messages", "1"];
    let mut sink = env.command().args(words).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(sink.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let address = line.split([' ', ',']).nth(2).unwrap().to_owned();
    let submit = format!("submit queue --server {address} --tls none --sender um@example.com");
    env.run(&submit).ended(0);
    assert!(sink.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let files = contents(&env.path("inbox"));
    assert!(files.iter().any(|(name, _)| name.ends_with(".eml")), "{files:?}");
    assert!(files.iter().any(|(name, bytes)| name == "envelopes.jsonl" && !bytes.is_empty()));
}

#[test]
fn a_report_is_written_whole_beside_what_is_printed() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 5 --seconds 0.1").ended(0);
    for (name, sign) in
        [("report.json", "\"summary\""), ("report.jsonl", "\"type\":\"message\""), ("report.csv", "guid,id")]
    {
        env.run(&format!("scan queue --report {name}")).ended(0);
        let text = std::fs::read_to_string(env.path(name)).unwrap();
        assert!(text.contains(sign), "{name}: {text}");
    }
    env.run("scan queue --report report.docx").ended(2);
    env.run("scan queue --report nowhere/report.json").ended(1);
}
