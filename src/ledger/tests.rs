//! What the ledger promises: durable, whole, never mistaken for something else, and read without a trace.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::message::{Guid, Identity, Receipt, Sha256Digest};

const NOON: &str = "2026-11-20T12:00:00.123456789Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn identity(number: u32) -> Identity {
    format!("{number:032x}").parse().unwrap()
}

fn new_run() -> NewRun {
    NewRun {
        command: "inject".to_owned(),
        arguments: "inject backup.zip --to D:\\voicemail".to_owned(),
        version: "0.1.0".to_owned(),
        user: "root".to_owned(),
        host: "mx1".to_owned(),
        started: time(NOON),
    }
}

fn intent(number: u32) -> Intent {
    Intent {
        identity: identity(number),
        source_guid: Some(Guid::random()),
        source: format!("backup.zip!{number}.txt"),
        action: Action::Inject,
        target: "D:\\voicemail".to_owned(),
        new_guid: Some(Guid::random()),
        message_id: None,
        has_audio: true,
        recipient_before: Some("a@old.example".to_owned()),
        recipient_after: Some("a@new.example".to_owned()),
        changes: r#"[{"field":"ProcessedCount","old":"6","new":"0"}]"#.to_owned(),
        header_before: Some(Sha256Digest::of(b"before")),
        header_after: Some(Sha256Digest::of(b"after")),
        header_bytes: None,
        staged: Some("D:\\.umreplay-staging-1\\x.txt".to_owned()),
        noted: time(NOON),
    }
}

fn done(entry: EntryId) -> Settlement {
    let receipt = Receipt { target: "D:\\voicemail\\x.txt".to_owned(), ..Receipt::default() };
    Settlement::done(entry, receipt, 1, time(NOON))
}

fn undone(entry: EntryId, state: EntryState) -> Settlement {
    Settlement::undone(entry, state, "the target is gone".to_owned(), None, 1, time(NOON))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep").join("ledger.db");
    (folder, path)
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_killed_run_leaves_its_intents_open() {
    let (_folder, path) = place();
    let intents = [intent(1), intent(2), intent(3)];
    let mut ledger = Ledger::open(&path, "test").unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    let entries = ledger.record_intents(run, &intents).unwrap();
    ledger.record_outcomes(&[done(entries[0])]).unwrap();
    drop(ledger);

    let mut ledger = Ledger::open(&path, "test").unwrap();
    assert_eq!(ledger.runs().unwrap(), [RunRow { id: run, begun: new_run(), ended: None }]);
    let open = ledger.open_intents().unwrap();
    assert_eq!(open.iter().map(|row| row.id).collect::<Vec<_>>(), entries[1..]);
    assert_eq!(open[0].intent, intents[1]);
    let next = ledger.begin_run(&new_run()).unwrap();
    assert!(next > run);
    let counts = RunCounts { done: 1, skipped: 2, failed: 3, uncertain: 4 };
    ledger.end_run(next, time(NOON), counts).unwrap();
    assert_eq!(ledger.runs().unwrap()[1].ended, Some((time(NOON), counts)));
}

#[test]
fn a_receipt_names_what_the_intent_could_not_know() {
    let mut ledger = Ledger::in_memory().unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    let submit = Intent { action: Action::Submit, new_guid: None, staged: None, ..intent(1) };
    let entry = ledger.record_intents(run, std::slice::from_ref(&submit)).unwrap()[0];
    let receipt = Receipt {
        target: String::new(),
        new_guid: None,
        message_id: Some("x@mx1".to_owned()),
        smtp_code: Some(250),
        reply: Some("2.6.0 queued".to_owned()),
    };
    ledger.record_outcomes(&[Settlement::done(entry, receipt, 2, time(NOON))]).unwrap();
    let row = ledger.entries(run).unwrap().remove(0);
    assert_eq!(row.intent, Intent { message_id: Some("x@mx1".to_owned()), ..submit });
    assert_eq!((row.state, row.smtp_code, row.attempts), (EntryState::Done, Some(250), 2));
    assert_eq!(row.reply.as_deref(), Some("2.6.0 queued"));
    assert_eq!(row.settled, Some(time(NOON)));
}

#[test]
fn a_commit_is_whole_or_absent() {
    let mut ledger = Ledger::in_memory().unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    let entry = ledger.record_intents(run, &[intent(1)]).unwrap()[0];
    let unknown = EntryId(entry.0 + 1);
    assert!(ledger.settle_and_intend(&[done(entry), done(unknown)], run, &[intent(2)]).is_err());
    assert_eq!(ledger.open_intents().unwrap().len(), 1);
    assert_eq!(ledger.entries(run).unwrap().len(), 1);
    assert_eq!(ledger.settle_and_intend(&[done(entry)], run, &[intent(2), intent(3)]).unwrap().len(), 2);
    assert_eq!(ledger.open_intents().unwrap().len(), 2);
}

#[test]
fn an_entry_needs_its_run() {
    let (_folder, path) = place();
    let mut ledger = Ledger::open(&path, "test").unwrap();
    assert!(ledger.record_intents(RunId(7), &[intent(1)]).is_err());
}

#[test]
fn earlier_deliveries_are_found_and_other_actions_are_not() {
    use EntryState::{Done, Failed, Intent as Open, Uncertain};
    let cases: &[&[(Action, EntryState)]] = &[
        &[],
        &[(Action::Export, Done), (Action::Edit, Done)],
        &[(Action::Submit, Uncertain), (Action::Inject, Open), (Action::Inject, Failed)],
        &[(Action::Inject, Done), (Action::Edit, Done), (Action::Submit, Done)],
    ];
    let mut ledger = Ledger::in_memory().unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    let mut expected = Vec::new();
    for (number, earlier) in (0..).zip(cases) {
        let intents: Vec<Intent> =
            earlier.iter().map(|(action, _)| Intent { action: *action, ..intent(number) }).collect();
        let entries = ledger.record_intents(run, &intents).unwrap();
        for (entry, (_, state)) in entries.iter().zip(*earlier) {
            match state {
                Open => {}
                Done => ledger.record_outcomes(&[done(*entry)]).unwrap(),
                other => ledger.record_outcomes(&[undone(*entry, *other)]).unwrap(),
            }
        }
        let deliveries = entries.into_iter().zip(*earlier).filter(|(_, (action, _))| action.is_delivery());
        expected.push(deliveries.map(|(entry, (_, state))| (entry, *state)).collect::<Vec<_>>());
    }
    let all: Vec<Identity> = (0..cases.len() as u32).map(identity).collect();
    let priors = ledger.priors(&all).unwrap();
    for (identity, expected) in all.iter().zip(expected) {
        let found = priors.get(identity).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(found.iter().map(|prior| (prior.entry, prior.state)).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn many_identities_are_looked_up_at_once() {
    let mut ledger = Ledger::in_memory().unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    let intents: Vec<Intent> = (0..10_000).map(intent).collect();
    ledger.record_intents(run, &intents).unwrap();
    let asked: Vec<Identity> = (5_000..15_000).map(identity).collect();
    assert_eq!(ledger.priors(&asked).unwrap().len(), 5_000);
}

#[test]
fn only_one_process_works_with_a_ledger_and_others_may_read() {
    let (_folder, path) = place();
    assert!(Ledger::open_existing(&path).unwrap().is_none());
    assert!(!path.parent().unwrap().exists(), "a dry run made the folder");
    let mut ledger = Ledger::open(&path, "inject, process 7 on mx1").unwrap();
    let refused = Ledger::open(&path, "second").unwrap_err();
    assert!(refused.to_string().ends_with("is in use by inject, process 7 on mx1"), "{refused}");
    let run = ledger.begin_run(&new_run()).unwrap();
    ledger.record_intents(run, &[intent(1)]).unwrap();
    let before = names(&path);
    let reader = Ledger::open_existing(&path).unwrap().unwrap();
    assert_eq!(reader.open_intents().unwrap().len(), 1);
    // The writer goes on while a reader has the file open.
    ledger.record_intents(run, &[intent(2)]).unwrap();
    assert_eq!(reader.open_intents().unwrap().len(), 2);
    drop(reader);
    assert_eq!(names(&path), before);
}

#[test]
fn a_reader_writes_nothing() {
    let (_folder, path) = place();
    let mut ledger = Ledger::open(&path, "test").unwrap();
    ledger.begin_run(&new_run()).unwrap();
    drop(ledger);
    let state = || (names(&path), fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
    let before = state();
    let mut reader = Ledger::open_existing(&path).unwrap().unwrap();
    assert_eq!(reader.runs().unwrap().len(), 1);
    assert!(reader.begin_run(&new_run()).is_err());
    drop(reader);
    assert_eq!(state(), before);
}

#[test]
fn files_that_are_no_ledger_are_refused_and_left_alone() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let foreign = path.with_extension("foreign");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mailbox (id)").unwrap();
    let foreign = fs::read(foreign).unwrap();
    for content in [b"these are not the bytes of a database".to_vec(), vec![0; 5000], foreign] {
        fsx::write_atomically(&path, &content).unwrap();
        assert!(matches!(Ledger::open(&path, "test"), Err(LedgerError::NotALedger { .. })));
        assert!(matches!(Ledger::open_existing(&path), Err(LedgerError::NotALedger { .. })));
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_damaged_ledger_is_an_error_not_a_panic() {
    let (_folder, path) = place();
    let mut ledger = Ledger::open(&path, "test").unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    ledger.record_intents(run, &(0..200).map(intent).collect::<Vec<_>>()).unwrap();
    ledger.connection.execute_batch("UPDATE entry SET state = 'lost', noted = 7 WHERE id = 100").unwrap();
    assert!(ledger.entries(run).is_err());
    drop(ledger);
    let bytes = fs::read(&path).unwrap();
    for cut in (0..bytes.len()).step_by(509) {
        fsx::write_atomically(&path, &bytes[..cut]).unwrap();
        if let Ok(Some(ledger)) = Ledger::open_existing(&path) {
            let _ = (ledger.runs(), ledger.entries(run), ledger.priors(&[identity(1)]));
        }
    }
}

#[test]
fn a_newer_ledger_is_refused_politely() {
    let (_folder, path) = place();
    let ledger = Ledger::open(&path, "test").unwrap();
    ledger.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(ledger);
    for refused in [Ledger::open(&path, "test").err(), Ledger::open_existing(&path).err()] {
        assert!(refused.unwrap().to_string().contains("has version 99"));
    }
}

#[test]
fn an_empty_file_becomes_a_ledger_but_not_in_a_dry_run() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fsx::write_atomically(&path, b"").unwrap();
    let reader = Ledger::open_existing(&path).unwrap().unwrap();
    assert!(reader.runs().unwrap().is_empty());
    drop(reader);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    let mut ledger = Ledger::open(&path, "test").unwrap();
    assert!(ledger.begin_run(&new_run()).is_ok());
}

/// What lies on the disk if the process is killed now, under another name.
fn killed(path: &Path) -> PathBuf {
    let killed = path.with_file_name("killed.db");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _ = fs::copy(with_suffix(path, suffix), with_suffix(&killed, suffix));
    }
    killed
}

#[test]
fn a_run_killed_inside_a_commit_is_read_without_a_trace_and_rolled_back() {
    for journal in ["WAL", "TRUNCATE"] {
        let (_folder, path) = place();
        let mut ledger = Ledger::open(&path, "test").unwrap();
        ledger.connection.pragma_update(None, "journal_mode", journal).unwrap();
        let run = ledger.begin_run(&new_run()).unwrap();
        ledger.record_intents(run, &[intent(1)]).unwrap();
        // A small cache makes the transaction spill to the disk before it is committed.
        ledger.connection.execute_batch("PRAGMA cache_size = 0; BEGIN IMMEDIATE").unwrap();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                    INSERT INTO run SELECT NULL, 'x', 'x', 'x', 'x', 'x', 'x', NULL, 0, 0, 0, 0, NULL FROM n";
        ledger.connection.execute_batch(fill).unwrap();
        let killed = killed(&path);
        ledger.connection.execute_batch("ROLLBACK").unwrap();
        drop(ledger);

        let before = (names(&killed), fs::read(&killed).unwrap());
        let reader = Ledger::open_existing(&killed).unwrap().unwrap();
        assert!(reader._copy.is_some(), "nothing was left to recover in {journal} mode: the test shows nothing");
        assert_eq!((reader.runs().unwrap().len(), reader.open_intents().unwrap().len()), (1, 1));
        drop(reader);
        assert_eq!((names(&killed), fs::read(&killed).unwrap()), before);
        let ledger = Ledger::open(&killed, "test").unwrap();
        assert_eq!((ledger.runs().unwrap().len(), ledger.open_intents().unwrap().len()), (1, 1));
    }
}

#[test]
fn what_was_committed_before_a_kill_is_there_after_it() {
    let (_folder, path) = place();
    let mut ledger = Ledger::open(&path, "test").unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    for number in 0..20 {
        ledger.record_intents(run, &[intent(number)]).unwrap();
    }
    let killed = killed(&path);
    assert_eq!(Ledger::open_existing(&killed).unwrap().unwrap().open_intents().unwrap().len(), 20);
    assert_eq!(Ledger::open(&killed, "test").unwrap().open_intents().unwrap().len(), 20);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_ledger_is_the_same_ledger() {
    let (_folder, path) = place();
    let link = path.with_file_name("link.db");
    let mut ledger = Ledger::open(&path, "process 7").unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    ledger.record_intents(run, &[intent(1)]).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(Ledger::open(&link, "process 8"), Err(LedgerError::InUse { .. })));
    assert_eq!(Ledger::open_existing(&link).unwrap().unwrap().open_intents().unwrap().len(), 1);
}

#[test]
fn a_ledger_at_rest_is_one_file() {
    let (_folder, path) = place();
    let mut ledger = Ledger::open(&path, "test").unwrap();
    ledger.begin_run(&new_run()).unwrap();
    drop(ledger);
    assert_eq!(names(&path), ["ledger.db", "ledger.db.lock"]);
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let mut ledger = Ledger::in_memory().unwrap();
    let run = ledger.begin_run(&new_run()).unwrap();
    ledger.connection.pragma_update(None, "max_page_count", 20).unwrap();
    let full = Intent { header_bytes: Some(vec![7; 1 << 20]), ..intent(1) };
    assert!(ledger.record_intents(run, &[full]).unwrap_err().is_out_of_space());
    assert!(!ledger.record_outcomes(&[done(EntryId(9))]).unwrap_err().is_out_of_space());
    assert!(ledger.entries(run).unwrap().is_empty());
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("\0".to_owned()), Just("'; DROP TABLE entry; --".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_and_bytes_come_back(
        texts in prop::collection::vec(any_text(), 8),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        seconds in -62_135_596_800_i64..253_402_207_200,
        number in any::<u32>(),
    ) {
        let text = |index: usize| texts[index].clone();
        let mut ledger = Ledger::in_memory().unwrap();
        let noted = Timestamp::from_second(seconds).unwrap();
        let begun = NewRun { command: text(0), arguments: text(1), version: text(2), user: text(3), host: text(4), started: noted };
        let run = ledger.begin_run(&begun).unwrap();
        let intent = Intent {
            source: text(0), target: text(1), message_id: Some(text(2)), recipient_before: Some(text(3)),
            recipient_after: Some(text(4)), changes: text(5), staged: Some(text(6)), header_bytes: Some(bytes.clone()),
            noted, ..intent(number)
        };
        let entry = ledger.record_intents(run, std::slice::from_ref(&intent)).unwrap()[0];
        ledger.record_outcomes(&[Settlement::undone(entry, EntryState::Failed, text(7), Some(550), number, noted)]).unwrap();
        let row = ledger.entries(run).unwrap().remove(0);
        prop_assert_eq!(&row.intent, &Intent { header_bytes: None, ..intent });
        prop_assert_eq!(row.reason, Some(text(7)));
        prop_assert_eq!((row.smtp_code, row.attempts, row.settled), (Some(550), number, Some(noted)));
        prop_assert_eq!(ledger.header_bytes(entry).unwrap(), Some(bytes));
        prop_assert_eq!(&ledger.runs().unwrap()[0].begun, &begun);
    }
}
