//! `submit` and `export`: what arrives, read back by an independent parser, and what is told when it does not.

use std::fs;
use std::path::PathBuf;

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};
use umreplay::lab::sink::{Fault, LabSink, LabSinkOptions};
use umreplay::message::Sha256Digest;

use crate::environment::{GUID, MISSED_CALL, Ran, TestEnv, contents};

const SENDER: &str = "MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com";

fn receiver(faults: Vec<Fault>) -> LabSink {
    LabSink::start(LabSinkOptions { faults, keep: true, ..LabSinkOptions::default() }).unwrap()
}

fn submit(env: &TestEnv, sink: &LabSink, source: &str, more: &[&str]) -> Ran {
    let server = sink.address().to_string();
    let mut words =
        vec!["submit", source, "--server", &server, "--tls", "none", "--sender", SENDER, "--format", "jsonl"];
    words.extend(more);
    env.run_words(&words)
}

fn header(mail: &Message<'_>, name: &'static str) -> Option<String> {
    match mail.header(name)? {
        HeaderValue::Text(text) => Some(text.trim().to_owned()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn the_missed_call_arrives_as_one_for_its_new_recipient() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let sink = receiver(Vec::new());
    let ran = submit(&env, &sink, "queue", &["--recipient-to", "new@example.com"]).ended(0);
    assert_eq!(ran.outcomes("done"), 1);
    let received = sink.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].sender, SENDER);
    assert_eq!(received[0].recipients, ["new@example.com"]);
    let mail = MessageParser::new().parse(&received[0].bytes).unwrap();
    assert_eq!(header(&mail, "Content-Class").as_deref(), Some("missedcall"));
    assert_eq!(header(&mail, "X-CallingTelephoneNumber").as_deref(), Some("612345678"));
    assert_eq!(header(&mail, "X-CallID").as_deref(), Some("7066890-a00e70a-13c4-55013-6826c-718b9f72-6826c"));
    assert_eq!(header(&mail, "X-Auto-Response-Suppress").as_deref(), Some("All"));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("new@example.com"));
    assert_eq!(mail.attachment_count(), 0);
    assert!(mail.date().is_some());
    let row = &ran.rows("result")[0];
    assert_eq!(row["message_id"].as_str().unwrap(), format!("<{}>", mail.message_id().unwrap()));
    assert_eq!(row["smtp_code"], 250);
}

#[test]
fn audio_arrives_as_it_was_queued_and_only_once() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 40 --type SMTPVoiceMail --seconds 0.5 --damaged-share 0 --directory-out d.csv")
        .ended(0);
    let sink = receiver(Vec::new());
    let flags = ["--directory", "d.csv", "--allow-private-in-clear", "--ledger", "job.sqlite"];
    let ran = submit(&env, &sink, "queue", &flags).ended(0);
    assert_eq!(ran.outcomes("done"), 40);
    let mut queued: Vec<_> = contents(&env.path("queue"))
        .into_iter()
        .filter(|(name, _)| name.ends_with(".wav"))
        .map(|(_, bytes)| Sha256Digest::of(&bytes).to_string())
        .collect();
    let mut arrived: Vec<_> = sink
        .received()
        .iter()
        .map(|mail| {
            let mail = MessageParser::new().parse(&mail.bytes).unwrap();
            assert_eq!(mail.attachment_count(), 1);
            let audio = mail.attachment(0).unwrap();
            let kind = audio.content_type().unwrap();
            assert_eq!((kind.ctype(), kind.subtype()), ("audio", Some("wav")));
            assert_eq!(header(&mail, "X-AttachmentOrder").as_deref(), audio.attachment_name());
            Sha256Digest::of(audio.contents()).to_string()
        })
        .collect();
    queued.sort();
    arrived.sort();
    assert_eq!(arrived, queued);

    let again = submit(&env, &sink, "queue", &flags).ended(0);
    assert_eq!((again.outcomes("done"), again.outcomes("skipped")), (0, 40));
    assert_eq!(sink.received().len(), 40);
}

#[test]
fn an_export_holds_the_bytes_that_are_sent() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 10 --seconds 0.3 --damaged-share 0 --type SMTPVoiceMail --type MissedCall --type Fax --directory-out d.csv").ended(0);
    let sink = receiver(Vec::new());
    let flags = ["--directory", "d.csv", "--allow-private-in-clear"];
    submit(&env, &sink, "queue", &flags).ended(0);
    let mut words = vec!["export", "queue", "--to", "mail", "--layout", "eml", "--sender", SENDER];
    words.extend(flags);
    env.run_words(&words).ended(0);
    let mut sent: Vec<_> = sink.received().into_iter().map(|mail| mail.bytes.to_vec()).collect();
    let mut exported: Vec<_> = contents(&env.path("mail")).into_iter().map(|(_, bytes)| bytes).collect();
    sent.sort();
    exported.sort();
    assert_eq!(exported.len(), 10);
    assert!(exported == sent);
    env.run_words(&words).ended(0);
    assert_eq!(contents(&env.path("mail")).len(), 10, "a second export adds nothing");
}

#[test]
fn an_e15_message_without_an_address_is_refused_by_name() {
    let env = TestEnv::new();
    let header =
        format!("MessageType : MissedCall\r\nRecipientObjectGuid : {GUID}\r\nCultureInfo : nl-NL\r\nCallId : 1\r\n");
    env.write(&format!("queue/{GUID}.txt"), header);
    let sink = receiver(Vec::new());
    let ran = submit(&env, &sink, "queue", &[]).ended(3);
    let reason = ran.rows("result")[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(GUID) && reason.contains("--directory"), "{reason}");
    env.write("map.csv", format!("from,to\n{GUID},found@example.com\n"));
    submit(&env, &sink, "queue", &["--map", "map.csv"]).ended(0);
    assert_eq!(sink.received()[0].recipients, ["found@example.com"]);
}

#[test]
fn a_dropped_answer_is_uncertain_until_told_to_send_again() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let first = receiver(vec![Fault::drop("before-reply").unwrap()]);
    let ran = submit(&env, &first, "queue", &[]).ended(3);
    assert_eq!(ran.outcomes("uncertain"), 1);
    let sink = receiver(Vec::new());
    let ran = submit(&env, &sink, "queue", &[]).ended(3);
    assert_eq!(ran.outcomes("uncertain"), 1);
    assert_eq!(sink.received().len(), 0, "it may have been delivered, and nobody said to send it again");
    let ran = submit(&env, &sink, "queue", &["--resend-uncertain"]).ended(0);
    assert_eq!(ran.outcomes("done"), 1);
    let id = |mail: &[u8]| MessageParser::new().parse(mail).unwrap().message_id().unwrap().to_owned();
    assert_eq!(id(&sink.received()[0].bytes), id(&first.received()[0].bytes));
}

#[test]
fn one_refused_recipient_keeps_nobody_else_from_theirs() {
    let env = TestEnv::new();
    for (number, address) in ["a@example.com", "gone@example.com", "c@example.com"].iter().enumerate() {
        let header = MISSED_CALL.replace("test@example.com", address).replace("7066890", &number.to_string());
        env.write(&format!("queue/{}.txt", GUID.replace("46ff", &format!("46f{number}"))), header);
    }
    let sink = receiver(vec![Fault::refuse("recipient=gone@*:550").unwrap()]);
    let ran = submit(&env, &sink, "queue", &[]).ended(3);
    assert_eq!((ran.outcomes("done"), ran.outcomes("failed")), (2, 1));
    let failed = ran.rows("result").into_iter().find(|row| row["outcome"] == "failed").unwrap();
    assert_eq!(failed["smtp_code"], 550);
    // What failed is tried again, what is done is not.
    let sink = receiver(Vec::new());
    let ran = submit(&env, &sink, "queue", &[]).ended(0);
    assert_eq!((ran.outcomes("done"), ran.outcomes("skipped")), (1, 2));
}

#[test]
fn a_server_that_cannot_be_used_is_a_clear_error() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let gone = receiver(Vec::new());
    let server = gone.address().to_string();
    gone.stop();
    let line = format!("submit queue --server {server} --tls none --sender {SENDER}");
    let ran = env.run(&line).ended(1);
    assert!(ran.stderr.contains("Caused by:") && ran.stderr.contains("Hint:"), "{}", ran.stderr);
    let sink = LabSink::start(LabSinkOptions {
        login: Some(("um".to_owned(), "right".to_owned())),
        ..LabSinkOptions::default()
    })
    .unwrap();
    env.write("password.txt", "wrong\n");
    let words = ["--user", "um", "--password-file", "password.txt"];
    let ran = submit(&env, &sink, "queue", &words).ended(1);
    assert!(ran.stderr.contains("\"kind\":\"auth\""), "{}", ran.stderr);
    assert!(!ran.stderr.contains("wrong"), "the password is shown: {}", ran.stderr);
    env.write("password.txt", "right\n");
    submit(&env, &sink, "queue", &words).ended(0);
    env.run("submit queue --server x --tls none --sender nobody").ended(2);
    env.run("submit queue --tls none --sender a@example.com").ended(2);
}

#[test]
fn private_messages_are_not_sent_in_clear_unasked() {
    let env = TestEnv::new();
    let private = format!("{MISSED_CALL}Private : True\r\n");
    env.write(&format!("queue/{GUID}.txt"), private);
    let sink = receiver(Vec::new());
    submit(&env, &sink, "queue", &[]).ended(3);
    let ran = submit(&env, &sink, "queue", &["--dry-run"]).ended(3);
    assert_eq!(ran.outcomes("failed"), 1, "the dry run tells the same");
    submit(&env, &sink, "queue", &["--allow-private-in-clear"]).ended(0);
}

#[test]
fn strangers_text_cannot_leave_its_header() {
    let env = TestEnv::new();
    let hostile =
        MISSED_CALL.replace("RecipientName : Test", "RecipientName : Test\u{2028}Bcc: x@example.org\u{85}\u{1b}[2J");
    env.write(&format!("queue/{GUID}.txt"), hostile);
    let sink = receiver(Vec::new());
    submit(&env, &sink, "queue", &[]).ended(0);
    let received = sink.received();
    let mail = MessageParser::new().parse(&received[0].bytes).unwrap();
    assert!(mail.bcc().is_none());
    assert_eq!(received[0].recipients.len(), 1);
}

#[test]
fn runs_tell_what_was_done() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let sink = receiver(Vec::new());
    submit(&env, &sink, "queue", &["--ledger", "job.sqlite", "--recipient-to", "new@example.com"]).ended(0);
    let ran = env.run("runs list --ledger job.sqlite --format jsonl").ended(0);
    let runs = ran.rows("run");
    assert_eq!((runs.len(), &runs[0]["done"]), (1, &1.into()));
    let ran = env.run("runs show 1 --ledger job.sqlite --format jsonl").ended(0);
    let entry = &ran.rows("entry")[0];
    assert_eq!(entry["guid"], GUID);
    assert_eq!(entry["state"], "done");
    assert_eq!(
        (entry["recipient_before"].as_str(), entry["recipient_after"].as_str()),
        (Some("test@example.com"), Some("new@example.com"))
    );
    env.run("runs list --ledger job.sqlite").ended(0);
    env.run("runs show 1 --ledger job.sqlite").ended(0);
    env.run("runs show 7 --ledger job.sqlite").ended(1);
    let none: Vec<PathBuf> = fs::read_dir(env.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(none.iter().all(|path| !path.to_string_lossy().ends_with("-journal")));
}
