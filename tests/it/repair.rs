//! Repairs on the way: what is mended unasked, what has to be asked for, and that UM takes the result.

use std::fs;
use std::path::Path;

use umreplay::message::AudioFacts;

use crate::environment::{Ran, TestEnv, contents};
use crate::pickup::pickup;

const EXCHANGE: &str = r"C:\UM\voicemail";

fn inject(env: &TestEnv, damage: &str, repair: Option<&str>) -> Ran {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join("broken").join(damage);
    let source = std::path::absolute(source).unwrap();
    let target = env.folder(&format!("{damage}-{}", repair.unwrap_or("usual")));
    let mut words = vec!["inject", source.to_str().unwrap(), "--to", target.to_str().unwrap()];
    words.extend(["--exchange-path", EXCHANGE, "--format", "jsonl", "--ledger", "none"]);
    if let Some(kinds) = repair {
        words.extend(["--repair", kinds]);
    }
    env.run_words(&words)
}

#[test]
fn what_guesses_nothing_is_mended_unasked_and_shown() {
    let env = TestEnv::new();
    for (damage, field) in [
        ("demoted", "MessageType"),
        ("duration-wrong", "Duration"),
        ("duration-missing", "Duration"),
        ("duration-garbage", "Duration"),
        ("utf16-bare", "encoding"),
    ] {
        let ran = inject(&env, damage, None).ended(0);
        assert_eq!(ran.outcomes("done"), 1, "{damage}");
        let changes = ran.rows("result")[0]["changes"].to_string();
        assert!(changes.contains(&format!("\"field\":\"{field}\"")), "{damage}: {changes}");
        let report = pickup(&env.path(&format!("{damage}-usual")), EXCHANGE);
        assert_eq!((report.accepted.len(), report.killed.len()), (1, 0), "{damage}: {:?}", report.killed);
    }
}

#[test]
fn a_recording_cut_short_keeps_every_sample() {
    let env = TestEnv::new();
    for damage in ["wav-cut-short", "wav-data-max", "wav-data-zero"] {
        let ran = inject(&env, damage, Some("riff")).ended(0);
        assert!(ran.stdout.contains("\"field\":\"RIFF\""), "{damage}: {}", ran.stdout);
        assert_eq!(pickup(&env.path(&format!("{damage}-riff")), EXCHANGE).accepted.len(), 1, "{damage}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/broken/wav-cut-short");
    let wav = |folder: &Path| -> Vec<u8> {
        let files = contents(folder).into_iter();
        files.filter(|(name, _)| name.ends_with(".wav")).map(|(_, bytes)| bytes).next().unwrap()
    };
    let (before, after) = (wav(&folder), wav(&env.path("wav-cut-short-riff")));
    let facts = AudioFacts::read(&mut after.as_slice(), after.len() as u64).unwrap();
    assert!(!facts.cut_short);
    assert_eq!(before.len(), after.len());
    let start = facts.data_offset as usize;
    assert_eq!(before[start..], after[start..]);
}

#[test]
fn what_guesses_has_to_be_asked_for() {
    let env = TestEnv::new();
    assert!(!inject(&env, "wav-cut-short", None).ended(0).stdout.contains("RIFF"));
    inject(&env, "codec-missing", None).ended(3);
    inject(&env, "codec-missing", Some("codec")).ended(0);
    let ran = inject(&env, "ansi", None).ended(0);
    assert!(!ran.stdout.contains("\"field\":\"encoding\""));
    let ran = inject(&env, "ansi", Some("usual,ansi")).ended(0);
    assert!(ran.stdout.contains("\"field\":\"encoding\""));
    let files = contents(&env.path("ansi-usual,ansi"));
    assert!(files.iter().any(|(name, bytes)| name.ends_with(".txt") && std::str::from_utf8(bytes).is_ok()));
}

#[test]
fn nothing_is_mended_where_that_is_wanted() {
    let env = TestEnv::new();
    for damage in ["demoted", "duration-missing", "utf16-bare"] {
        let ran = inject(&env, damage, Some("none")).ended(3);
        assert_eq!(ran.outcomes("failed"), 1, "{damage}");
        assert_eq!(fs::read_dir(env.path(&format!("{damage}-none"))).unwrap().count(), 0);
    }
    inject(&env, "demoted", Some("everything")).ended(2);
}

#[test]
fn edit_mends_in_place_when_told_to() {
    let env = TestEnv::new();
    env.run(
        "lab generate queue --count 12 --seconds 0.5 --damage duration-wrong --damaged-share 1 --type SMTPVoiceMail",
    )
    .ended(0);
    let ran = env.run("edit queue --repair duration --format jsonl").ended(0);
    assert_eq!(ran.outcomes("done"), 12);
    env.run("check queue --format jsonl").ended(0);
    let ran = env.run("scan queue --format jsonl").ended(0);
    assert!(ran.rows("message").iter().all(|row| row["duration"] == 1), "{}", ran.stdout);
}
