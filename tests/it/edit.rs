//! `edit`: header files changed in place.

use crate::environment::{GUID, MISSED_CALL, TestEnv, contents};

#[test]
fn only_the_fields_that_were_asked_for_change() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.run("edit queue --recipient-to new@example.com --culture-to de-DE").ended(0);
    let expected = MISSED_CALL.replace("test@example.com", "new@example.com").replace("nl-NL", "de-DE");
    let files = contents(&env.path("queue"));
    assert_eq!(files, [(format!("{GUID}.txt"), expected.into_bytes())]);
}

#[test]
fn an_edit_does_not_change_the_identity() {
    let env = TestEnv::new();
    env.run("lab generate queue --count 30 --seconds 0.1 --damaged-share 0 --dialect E12").ended(0);
    let ids = || -> Vec<_> {
        let ran = env.run("scan queue --format jsonl").ended(0);
        ran.rows("message").iter().map(|row| (row["guid"].clone(), row["id"].clone())).collect()
    };
    let before = ids();
    env.run("edit queue --recipient-to new@example.com --culture-to de-DE --set CallerId=5001 --ledger none");
    assert_eq!(ids(), before);
    let ran = env.run("scan queue --format jsonl");
    assert!(ran.rows("message").iter().any(|row| row["recipient"]["address"] == "new@example.com"));
}

#[test]
fn wrong_values_are_refused_before_anything_changes() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    for words in [
        ["edit", "queue", "--culture-to", "nl-XX"],
        ["edit", "queue", "--recipient-to", "nobody"],
        ["edit", "queue", "--set", "Important=yes"],
        ["edit", "queue", "--type-to", "Voicemail"],
        ["edit", "queue", "--set", "Subject=a\r\nRecipientAddress : b@example.com"],
    ] {
        let ran = env.run_words(&words).ended(2);
        assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    }
    env.run("edit queue").ended(2);
    assert_eq!(contents(&env.path("queue")), [(format!("{GUID}.txt"), MISSED_CALL.into())]);
}

#[test]
fn an_e15_header_takes_an_address_only_through_the_directory() {
    let env = TestEnv::new();
    let header =
        format!("MessageType : MissedCall\r\nRecipientObjectGuid : {GUID}\r\nCultureInfo : nl-NL\r\nCallId : 1\r\n");
    env.write(&format!("queue/{GUID}.txt"), &header);
    let ran = env.run("edit queue --recipient-to new@example.com").ended(3);
    assert!(ran.stdout.contains("--directory"), "{}", ran.stdout);
    let other = "57ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
    env.write("mailboxes.csv", format!("PrimarySmtpAddress;Guid\r\nnew@example.com;{other}\r\n"));
    env.run("edit queue --recipient-to new@example.com --directory mailboxes.csv").ended(0);
    let files = contents(&env.path("queue"));
    assert_eq!(
        String::from_utf8_lossy(&files[0].1),
        header.replace(&format!("Guid : {GUID}"), &format!("Guid : {other}"))
    );
}

#[test]
fn a_map_changes_whom_it_names_and_nobody_else() {
    let env = TestEnv::new();
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    let other = GUID.replace("46ff", "57aa");
    let kept = MISSED_CALL.replace("test@example.com", "kept@example.com").replace("7066890", "8");
    env.write(&format!("queue/{other}.txt"), &kept);
    env.write("map.csv", "from,to\nTEST@example.com,new@example.com\n");
    let ran = env.run("edit queue --map map.csv --format jsonl").ended(0);
    assert_eq!((ran.outcomes("done"), ran.outcomes("skipped")), (1, 1));
    let files = contents(&env.path("queue"));
    assert_eq!(files[0].1, MISSED_CALL.replace("test@example.com", "new@example.com").into_bytes());
    assert_eq!(files[1].1, kept.into_bytes());
}

#[test]
fn an_edit_that_would_make_um_delete_a_message_is_refused() {
    let env = TestEnv::new();
    // A demoted voice message: as a voice message again it would need an AttachmentPath, which only an injection knows.
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL);
    env.run("lab generate voices --count 1 --type SMTPVoiceMail --seconds 0.1 --damaged-share 0").ended(0);
    let wav = contents(&env.path("voices")).into_iter().find(|(name, _)| name.ends_with(".wav")).unwrap();
    env.write(&format!("queue/{GUID}.wav"), wav.1);
    let before = contents(&env.path("queue"));
    for more in ["--type-to SMTPVoiceMail", "--unset RecipientAddress", "--unset MessageType", "--type-to Fax"] {
        let ran = env.run(&format!("edit queue {more} --format jsonl")).ended(3);
        assert_eq!(ran.outcomes("failed"), 1, "{more}");
        assert_eq!(contents(&env.path("queue")), before, "{more}");
    }
    // What was wrong before does not keep the rest from being mended.
    env.write(&format!("queue/{GUID}.txt"), MISSED_CALL.replace("nl-NL", "nl-XX"));
    env.run("edit queue --recipient-to new@example.com").ended(0);
}

#[test]
fn other_folders_than_the_queue_are_left_clean() {
    let env = TestEnv::new();
    env.write(&format!("um/queue/{GUID}.txt"), MISSED_CALL);
    env.run("edit um/queue --set CallerId=5001").ended(0);
    assert_eq!(std::fs::read_dir(env.path("um")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(env.path("um/queue")).unwrap().count(), 1);
}
