//! Each message once, to its own recipient: copies in several states, earlier runs, and what waits in the target.

use std::fs;

use umreplay::lab::sink::{Fault, LabSink, LabSinkOptions};

use crate::environment::{GUID, MISSED_CALL, Ran, TestEnv, contents};
use crate::pickup::pickup;

const EXCHANGE: &str = r"C:\UM\voicemail";

fn inject(env: &TestEnv, line: &str) -> Ran {
    env.folder("voicemail");
    env.run(&format!("inject {line} --to voicemail --exchange-path {EXCHANGE} --format jsonl"))
}

fn submit(env: &TestEnv, sink: &LabSink, line: &str) -> Ran {
    let server = sink.address();
    env.run(&format!("submit {line} --server {server} --tls none --sender um@example.com --format jsonl"))
}

fn receiver(faults: Vec<Fault>) -> LabSink {
    LabSink::start(LabSinkOptions { faults, keep: true, ..LabSinkOptions::default() }).unwrap()
}

/// The reason of the only result that has this outcome.
#[track_caller]
fn reason(ran: &Ran, outcome: &str) -> String {
    let rows = ran.rows("result");
    let found: Vec<_> = rows.iter().filter(|row| row["outcome"] == outcome).collect();
    assert_eq!(found.len(), 1, "{rows:#?}");
    found[0]["reason"].as_str().unwrap_or_default().to_owned()
}

fn outcomes(ran: &Ran) -> [usize; 4] {
    ["done", "skipped", "failed", "uncertain"].map(|outcome| ran.outcomes(outcome))
}

/// A voice message for `recipient` with a recording of so many samples, of which the file may hold less.
fn voice(env: &TestEnv, folder: &str, guid: &str, recipient: &str, samples: u32, there: u32) {
    let header = format!(
        "MessageType : SMTPVoiceMail\r\nProcessedCount : 1\r\nCallerId : 5001\r\nRecipientAddress : {recipient}\r\n\
         RecipientCulture : nl-NL\r\nCallId : 7\r\nAttachmentPath : {EXCHANGE}\\{guid}.wav\r\nDuration : 1\r\nCodec : Mp3\r\n"
    );
    env.write(&format!("{folder}/{guid}.txt"), header);
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples * 2).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(16000_u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((samples * 2).to_le_bytes());
    wav.extend((0..there * 2).map(|number| (number % 251) as u8));
    env.write(&format!("{folder}/{guid}.wav"), wav);
}

/// What UM leaves of that voice message at the fifth pickup, its recording gone.
fn demoted(env: &TestEnv, folder: &str, guid: &str, recipient: &str) {
    let header = format!(
        "MessageType : MissedCall\r\nProcessedCount : 5\r\nCallerId : 5001\r\nRecipientAddress : {recipient}\r\n\
         RecipientCulture : nl-NL\r\nCallId : 7\r\n"
    );
    env.write(&format!("{folder}/{guid}.txt"), header);
}

#[test]
fn a_second_recipient_of_a_call_is_done_once_it_was_delivered() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let other = GUID.replace("46ff", "57aa");
    env.write(&format!("queue/{other}.txt"), MISSED_CALL.replace("test@example.com", "other@example.com"));
    let first = inject(&env, "queue").ended(3);
    let failed = first.rows("result").into_iter().find(|row| row["outcome"] == "failed").unwrap();
    inject(&env, &format!("queue --guid {} --again", failed["guid"].as_str().unwrap())).ended(0);
    let ran = inject(&env, "queue").ended(0);
    assert_eq!(outcomes(&ran), [0, 2, 0, 0], "nobody is told to send it once more");
    assert_eq!(contents(&env.path("voicemail")).len(), 2);
}

#[test]
fn again_does_not_send_what_is_in_doubt() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let first = receiver(vec![Fault::drop("before-reply").unwrap()]);
    submit(&env, &first, "queue").ended(3);
    let sink = receiver(Vec::new());
    let ran = submit(&env, &sink, "queue --again").ended(3);
    assert_eq!(outcomes(&ran), [0, 0, 0, 1]);
    assert_eq!(sink.received().len(), 0);
}

#[test]
fn what_is_wanted_twice_gets_a_message_id_of_its_own() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let sink = receiver(Vec::new());
    let id = |ran: Ran| ran.rows("result")[0]["message_id"].as_str().unwrap().to_owned();
    let first = id(submit(&env, &sink, "queue").ended(0));
    let second = id(submit(&env, &sink, "queue --again").ended(0));
    assert_ne!(first, second, "Exchange would drop it without a word");
    let ids: Vec<String> =
        sink.received().iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect();
    assert!(ids[0].contains(&first) && ids[1].contains(&second));
    // Where nothing was delivered yet, there is nothing to tell it from.
    assert_eq!(id(submit(&env, &sink, "queue --again --ledger other.sqlite").ended(0)), first);
}

#[test]
fn a_copy_of_what_waits_in_the_target_is_not_queued_beside_it() {
    let env = TestEnv::new();
    for folder in ["voicemail", "backup"] {
        voice(&env, folder, GUID, "a@example.com", 8000, 8000);
    }
    let before = contents(&env.path("voicemail"));
    let ran = inject(&env, "backup").ended(0);
    assert!(reason(&ran, "skipped").contains("waits in the target folder"), "{ran:?}");
    assert_eq!(contents(&env.path("voicemail")), before);
    inject(&env, "backup --again").ended(0);
    assert_eq!(contents(&env.path("voicemail")).len(), 4);
}

#[test]
fn a_copy_of_what_um_is_about_to_delete_is_queued() {
    for count in ["4", "5"] {
        let env = TestEnv::new();
        for folder in ["voicemail", "backup"] {
            voice(&env, folder, GUID, "a@example.com", 8000, 8000);
        }
        let header = env.path(&format!("voicemail/{GUID}.txt"));
        let text = fs::read_to_string(&header).unwrap().replace("Count : 1", &format!("Count : {count}"));
        fs::write(&header, text).unwrap();
        assert_eq!(outcomes(&inject(&env, "backup").ended(0)), [1, 0, 0, 0]);
        assert_eq!(pickup(&env.path("voicemail"), EXCHANGE).accepted.len(), 1);
    }
}

#[test]
fn a_folder_is_not_injected_into_itself() {
    let env = TestEnv::new();
    env.write(&format!("voicemail/{GUID}.txt"), MISSED_CALL);
    env.folder("voicemail/deeper");
    for source in ["voicemail", "voicemail/deeper/.."] {
        for more in ["", "--again"] {
            let ran = inject(&env, &format!("{source} {more}")).ended(2);
            assert!(ran.stderr.contains("umreplay edit"), "{ran:?}");
        }
    }
    assert_eq!(contents(&env.path("voicemail/deeper")), []);
    assert_eq!(env.path("voicemail").read_dir().unwrap().count(), 2);
}

#[test]
fn of_a_whole_recording_and_one_cut_short_the_whole_one_goes() {
    for sources in ["whole short", "short whole"] {
        let env = TestEnv::new();
        voice(&env, "whole", GUID, "a@example.com", 8000, 8000);
        voice(&env, "short", GUID, "a@example.com", 8000, 3000);
        assert_eq!(outcomes(&inject(&env, sources).ended(0)), [1, 0, 0, 0]);
        let wav = contents(&env.path("voicemail")).into_iter().find(|(name, _)| name.ends_with("wav")).unwrap();
        assert_eq!(wav.1.len(), 16044);
    }
}

#[test]
fn two_recordings_of_one_name_are_not_guessed_at() {
    let env = TestEnv::new();
    voice(&env, "one", GUID, "a@example.com", 8000, 8000);
    voice(&env, "two", GUID, "a@example.com", 9000, 9000);
    let ran = inject(&env, "one two").ended(3);
    assert!(reason(&ran, "failed").contains("differs from it"), "{ran:?}");
    assert_eq!(ran.outcomes("done"), 1);
}

#[test]
fn a_copy_that_lacks_its_recording_is_no_loss() {
    let env = TestEnv::new();
    voice(&env, "whole", GUID, "a@example.com", 8000, 8000);
    voice(&env, "torn", GUID, "a@example.com", 8000, 8000);
    fs::remove_file(env.path(&format!("torn/{GUID}.wav"))).unwrap();
    assert_eq!(outcomes(&inject(&env, "torn whole").ended(0)), [1, 0, 0, 0]);
    assert_eq!(pickup(&env.path("voicemail"), EXCHANGE).accepted.len(), 1);
}

#[test]
fn what_an_earlier_run_made_of_a_message_counts_in_every_state() {
    let start = || {
        let env = TestEnv::new();
        voice(&env, "whole", GUID, "a@example.com", 8000, 8000);
        voice(&env, "short", GUID, "a@example.com", 8000, 3000);
        demoted(&env, "missed", GUID, "a@example.com");
        env
    };
    let env = start();
    inject(&env, "whole").ended(0);
    assert!(reason(&inject(&env, "missed").ended(0), "skipped").starts_with("done before, with its recording"));
    assert!(reason(&inject(&env, "short").ended(3), "failed").contains("another copy of it was delivered"));
    assert_eq!(contents(&env.path("voicemail")).len(), 2);

    let env = start();
    inject(&env, "missed").ended(0);
    assert_eq!(outcomes(&inject(&env, "whole").ended(0)), [1, 0, 0, 0], "the recording has still to come");

    // Without a call or an id of its own, an injected message is known by the name that it was given.
    let env = start();
    env.write(&format!("bare/{GUID}.txt"), MISSED_CALL.replace("CallId", "X-Other"));
    inject(&env, "bare").ended(0);
    let sink = receiver(Vec::new());
    assert_eq!(outcomes(&submit(&env, &sink, "voicemail").ended(0)), [0, 1, 0, 0]);
}
