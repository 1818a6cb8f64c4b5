//! The mail read back by an independent parser.

use std::collections::BTreeSet;

use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::samples::{VOICE, audio, delivery, file, options};
use super::*;

const MISSED: &str = "MessageType : MissedCall\r\nCallerId : 612345678\r\nNDRRequired : False\r\nRecipientName : Test\r\n\
    RecipientAddress : test@example.com\r\nRecipientCulture : nl-NL\r\n\
    CallId : 7066890-a00e70a-13c4-55013-6826c-718b9f72-6826c\r\nImportant : False\r\n";

fn composed(delivery: &Delivery) -> Mail {
    compose(delivery, &options()).unwrap()
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(composed(delivery).bytes).unwrap()
}

fn refused(text: &str) -> MimeError {
    compose(&delivery(text), &options()).unwrap_err()
}

/// Unfolded header fields in order, read with nothing but RFC 5322's rules.
fn header_fields(mail: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    unfolded
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn field(mail: &[u8], name: &str) -> Option<String> {
    let mut values = header_fields(mail).into_iter().filter(|(field, _)| field == name);
    let value = values.next().map(|(_, value)| value);
    assert!(values.next().is_none(), "{name} twice");
    value
}

fn names(mail: &[u8]) -> BTreeSet<String> {
    header_fields(mail).into_iter().map(|(name, _)| name).collect()
}

/// Every line ends in CRLF, stays below RFC 5322's limit, and is ASCII.
fn assert_is_clean(mail: &[u8]) {
    assert!(mail.is_ascii());
    assert!(mail.ends_with(b"\r\n"));
    let text = std::str::from_utf8(mail).unwrap();
    for line in text.split("\r\n") {
        assert!(line.len() <= 998 && !line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

#[test]
fn a_voice_message_is_what_um_would_have_sent() {
    let delivery = delivery(VOICE);
    let mail = composed(&delivery);
    assert_is_clean(&mail.bytes);
    assert_eq!(mail.message_id, "<9b1c2d3e-0000-4000-8000-00000000000a@example.com>");
    assert_eq!(mail.sender.as_str(), "MicrosoftExchange329e@example.com");
    assert_eq!(mail.recipient.as_str(), "zoe@example.com");

    let expected = [
        ("From", "Jan Jansen <jan@example.org>"),
        ("Sender", "MicrosoftExchange329e@example.com"),
        ("To", "=?utf-8?Q?Zo=C3=AB_de_Vries?= <zoe@example.com>"),
        ("Subject", "Voice Mail (23 seconds)"),
        ("Date", "Fri, 23 Dec 2016 08:00:00 +0100"),
        ("Message-ID", "<9b1c2d3e-0000-4000-8000-00000000000a@example.com>"),
        ("Content-Class", "voice-ca"),
        ("X-CallingTelephoneNumber", "+31612345678"),
        ("X-VoiceMessageSenderName", "Jan Jansen"),
        ("X-VoiceMessageDuration", "23"),
        ("X-AttachmentOrder", "+31612345678 (23 seconds) Voice Mail.wav"),
        ("X-CallID", "70-a0@10.0.0.1"),
        ("Message-Context", "voice-message"),
        ("X-Auto-Response-Suppress", "All"),
        ("Importance", "High"),
        ("Content-Language", "nl-NL"),
        ("MIME-Version", "1.0"),
    ];
    let fields = header_fields(&mail.bytes);
    let (last, fields) = fields.split_last().unwrap();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(fields, expected);
    assert!(last.0 == "Content-Type" && last.1.starts_with("multipart/mixed; boundary="), "{last:?}");
}

#[test]
fn a_voice_message_has_two_bodies_and_one_recording() {
    let delivery = delivery(VOICE);
    let mail = composed(&delivery);
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(parsed.parts.len(), 5);
    assert_eq!(parsed.part(1).unwrap().content_type().unwrap().subtype(), Some("alternative"));
    let plain = parsed.body_text(0).unwrap();
    for expected in ["Caller: Jan Jansen", "Number: +31612345678", "Time: 2016-12-23 08:00", "Duration: 23 seconds"] {
        assert!(plain.contains(expected), "{expected} in {plain}");
    }
    assert!(parsed.body_html(0).unwrap().contains("<td>Jan Jansen</td>"));

    assert_eq!(parsed.attachment_count(), 1);
    let part = parsed.attachment(0).unwrap();
    let content_type = part.content_type().unwrap();
    assert_eq!((content_type.ctype(), content_type.subtype()), ("audio", Some("wav")));
    assert_eq!(part.attachment_name(), field(&mail.bytes, "X-AttachmentOrder").as_deref());
    let original = delivery.message.audio.as_ref().unwrap().file.read(9999).unwrap();
    assert_eq!(part.contents(), original);
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.contains("\r\nContent-Duration: 23\r\n"));
}

#[test]
fn the_missed_call_of_the_queue_format() {
    let mail = composed(&delivery(MISSED));
    let get = |name| field(&mail.bytes, name);
    assert_eq!(get("Content-Class").as_deref(), Some("missedcall"));
    assert_eq!(get("Subject").as_deref(), Some("Missed Call"));
    assert_eq!(get("From").as_deref(), Some("612345678 <MicrosoftExchange329e@example.com>"));
    assert_eq!(get("To").as_deref(), Some("Test <test@example.com>"));
    assert_eq!(get("X-CallID").as_deref(), Some("7066890-a00e70a-13c4-55013-6826c-718b9f72-6826c"));
    // Without SentTime and WAV, the header file's own time.
    assert_eq!(get("Date").as_deref(), Some("Sat, 24 Dec 2016 10:00:00 +0100"));
    let absent =
        ["Importance", "Message-Context", "X-AttachmentOrder", "X-VoiceMessageDuration", "X-VoiceMessageSenderName"];
    assert!(absent.iter().all(|name| get(name).is_none()));
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(parsed.attachment_count(), 0);
    assert_eq!(mail.message_id, format!("<{}@example.com>", delivery(MISSED).identity));
}

#[test]
fn each_type_has_its_class() {
    let class = |text: &str| field(text_of(text).as_bytes(), "Content-Class").unwrap();
    fn text_of(header: &str) -> String {
        text(&delivery(header))
    }
    let to = "RecipientAddress : a@b.example\r\n";
    assert_eq!(class(VOICE), "voice-ca");
    assert_eq!(class(&VOICE.replace("CallAnswering : True", "CallAnswering : fALSE ")), "voice");
    assert_eq!(class(&VOICE.replace("CallAnswering : True\r\n", "")), "voice-ca");
    assert_eq!(class(&VOICE.replace("CallAnswering : True", "CallAnswering : maybe")), "voice-ca");
    assert_eq!(class(&format!("MessageType : Fax\r\nNumberOfPages : 3\r\n{to}")), "fax-ca");
    assert_eq!(class(&format!("MessageType : IncomingCallLog\r\n{to}")), "voice-uc");
    assert_eq!(class(&format!("MessageType : OutgoingCallLog\r\n{to}")), "voice-uc");
    let missed = format!("MessageType : OCSNotification\r\nOCSNotificationData : <Event type=\"missed\"/>\r\n{to}");
    assert_eq!(class(&missed), "missedcall");
}

#[test]
fn a_fax_carries_its_pages() {
    let mut delivery =
        delivery("MessageType : Fax\r\nCallerId : 5001\r\nNumberOfPages : 3\r\nRecipientAddress : a@b.example\r\n");
    let mail = composed(&delivery);
    assert_eq!(field(&mail.bytes, "X-FaxNumberOfPages").as_deref(), Some("3"));
    assert_eq!(field(&mail.bytes, "Message-Context").as_deref(), Some("fax-message"));
    assert_eq!(field(&mail.bytes, "Subject").as_deref(), Some("Fax (3 pages)"));
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    let part = parsed.attachment(0).unwrap();
    assert_eq!(part.content_type().unwrap().ctype(), "image");
    assert_eq!(part.attachment_name(), Some("5001 (3 pages) Fax.tif"));
    assert_eq!(part.contents(), b"II*\0");
    delivery.message.fax = None;
    assert!(matches!(compose(&delivery, &options()), Err(MimeError::NoFax)));
}

#[test]
fn what_cannot_be_mail_is_refused_by_name() {
    let to = "RecipientAddress : a@b.example\r\n";
    let kind = |name: &str| refused(&format!("MessageType : {name}\r\n{to}"));
    assert!(matches!(kind("XSOVoiceMail"), MimeError::Reply));
    assert!(matches!(kind("PartnerTranscriptionRequest"), MimeError::TranscriptionRequest));
    assert!(matches!(kind("CDR"), MimeError::Internal(MessageType::Cdr)));
    assert!(matches!(kind("HealthCheck"), MimeError::Internal(MessageType::HealthCheck)));
    assert!(matches!(kind("OCSNotification"), MimeError::Notification));
    assert!(matches!(refused(&VOICE.replace("zoe@", "")), MimeError::NoAddress(name) if name == "Zo\u{eb} de Vries"));
    for private in ["True", "TRUE ", "yes", "1"] {
        assert!(matches!(
            refused(&VOICE.replace("Private : False", &format!("Private : {private}"))),
            MimeError::Private
        ));
    }
}

#[test]
fn private_messages_are_marked_where_they_are_allowed() {
    let private = delivery(&VOICE.replace("Private : False", "Private : True"));
    let mail = compose(&private, &MimeOptions { allow_private_in_clear: true, ..options() }).unwrap();
    assert_eq!(field(&mail.bytes, "Sensitivity").as_deref(), Some("Private"));
}

#[test]
fn a_recording_that_should_be_there_must_be_there() {
    let mut none = delivery(VOICE);
    none.message.audio = None;
    assert!(matches!(compose(&none, &options()), Err(MimeError::NoAudio)));
    none.header = delivery(&VOICE.replace("Duration : 23", "Duration : x")).header;
    assert!(matches!(compose(&none, &options()), Err(MimeError::NoAudio)));
    none.header = delivery(&VOICE.replace("Duration : 23", "Duration : 0")).header;
    let mail = composed(&none);
    assert_eq!(field(&mail.bytes, "X-VoiceMessageDuration").as_deref(), Some("0"));
    assert_eq!(field(&mail.bytes, "X-AttachmentOrder"), None);

    let mut noise = delivery(VOICE);
    noise.message.audio.as_mut().unwrap().facts = None;
    assert!(matches!(compose(&noise, &options()), Err(MimeError::NotWave(name)) if name == "x.wav"));
}

#[test]
fn an_unreadable_recording_may_be_readable_later() {
    struct Gone;
    impl crate::message::Content for Gone {
        fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }
    let mut gone = delivery(VOICE);
    let content = std::sync::Arc::new(Gone);
    gone.message.audio.as_mut().unwrap().file = crate::message::FileRef::new("x.wav".into(), 1, None, content);
    let error = DeliveryError::from(compose(&gone, &options()).unwrap_err());
    assert_eq!(error.failure, Failure::Transient);
    assert!(error.reason.contains("could not read x.wav: "), "{}", error.reason);
}

#[test]
fn a_damaged_duration_gives_way_to_the_recording() {
    for (damaged, expected) in [("1e3", "23"), ("-5", "23"), ("99999999999", "23"), (" +7 ", "7")] {
        let mail = composed(&delivery(&VOICE.replace("Duration : 23", &format!("Duration : {damaged}"))));
        assert_eq!(field(&mail.bytes, "X-VoiceMessageDuration").as_deref(), Some(expected), "{damaged}");
    }
    for seconds in [f64::NAN, f64::INFINITY, -3.0] {
        let mut odd = delivery(&VOICE.replace("Duration : 23\r\n", ""));
        odd.message.audio = Some(audio(b"RIFF", seconds));
        let told = field(&composed(&odd).bytes, "X-VoiceMessageDuration").unwrap();
        assert!(told.bytes().all(|byte| byte.is_ascii_digit()), "{told}");
    }
}

#[test]
fn dates_are_read_in_the_servers_zone() {
    let date = |sent: &str| field(&composed(&delivery(&VOICE.replace("12/23/2016 08:00:00", sent))).bytes, "Date");
    assert_eq!(date("07/01/2016 12:00:00").as_deref(), Some("Fri, 1 Jul 2016 12:00:00 +0200"));
    // The hour that does not exist, and the one that exists twice.
    assert_eq!(date("03/27/2016 02:30:00").as_deref(), Some("Sun, 27 Mar 2016 03:30:00 +0200"));
    assert_eq!(date("10/30/2016 02:30:00").as_deref(), Some("Sun, 30 Oct 2016 02:30:00 +0200"));
    // What is no time gives way to the WAV's.
    for damaged in ["23/12/2016 08:00:00", "01/01/0001 00:00:00", "soon"] {
        assert_eq!(date(damaged).as_deref(), Some("Fri, 23 Dec 2016 08:00:30 +0100"), "{damaged}");
    }
    let mut timeless = delivery(MISSED);
    timeless.message.header.as_mut().unwrap().file = file("x.txt", b"", None);
    assert_eq!(field(&composed(&timeless).bytes, "Date"), None);
}

#[test]
fn the_caller_is_named_as_well_as_known() {
    let from = |text: &str| field(&composed(&delivery(text)).bytes, "From").unwrap();
    let unresolved = VOICE.replace("CallerAddress : jan@example.org\r\n", "");
    assert_eq!(from(&unresolved), "Jan Jansen <MicrosoftExchange329e@example.com>");
    let number = unresolved.replace("CallerNAme : Jan Jansen\r\n", "");
    assert_eq!(from(&number), "+31612345678 <MicrosoftExchange329e@example.com>");
    let nobody = number.replace("CallerId : +31612345678\r\n", "");
    assert_eq!(from(&nobody), "Anonymous <MicrosoftExchange329e@example.com>");
    let garbled = VOICE.replace("jan@example.org", "jan@x@y");
    assert_eq!(from(&garbled), "Jan Jansen <MicrosoftExchange329e@example.com>");
    let foreign = VOICE.replace("jan@example.org", "jan@b\u{fc}cher.example");
    assert_eq!(from(&foreign), "Jan Jansen <MicrosoftExchange329e@example.com>");
}

#[test]
fn subjects_and_transcripts_are_shown() {
    let header = format!(
        "{VOICE}Subject : Re: lunch\r\nTranscriptionData : <ASR><Text>call</Text><Text>&lt;b&gt;</Text></ASR>\r\n"
    );
    let mail = composed(&delivery(&header));
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(parsed.subject(), Some("Voice Mail (23 seconds): Re: lunch"));
    assert!(parsed.body_text(0).unwrap().contains("Preview:\r\ncall <b>"));
    assert!(parsed.body_html(0).unwrap().contains("<blockquote>call &lt;b&gt;</blockquote>"));
}

#[test]
fn the_same_delivery_gives_the_same_bytes() {
    assert_eq!(composed(&delivery(VOICE)), composed(&delivery(VOICE)));
    let mut moved = delivery(VOICE);
    moved.new_guid = crate::message::Guid::random();
    moved.queue_time = "2020-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(composed(&delivery(VOICE)), composed(&moved));
}

#[test]
fn hostile_values_stay_values() {
    let hostile = [
        "a\u{d}Bcc: evil@example.com",
        "a\u{85}Bcc: evil@example.com\u{2028}Bcc: evil@example.com",
        "\" <evil@example.com>, \"",
        "=?utf-8?q?a=0D=0ABcc:_evil@example.com?=",
        "\u{202e}fdp.exe\u{0}\u{7}",
        "../../../etc/passwd",
        "<script>alert(1)</script>&amp;",
        "NUL",
        "--=_umreplay",
        ".",
        &"x".repeat(100_000),
        &"\u{65e5}\u{672c} ".repeat(10_000),
    ];
    let expected = names(&composed(&delivery(VOICE)).bytes);
    for value in hostile {
        let mut bad = delivery(VOICE);
        // UTF-16 lets CR and LF through nowhere, but a value set in memory may hold anything that a header can.
        for name in [fields::CALLER_ID, fields::CALLER_NAME, fields::CALL_ID, fields::RECIPIENT_NAME, fields::SUBJECT] {
            let text = format!("{name} : {value}\n");
            let header = [bad.header.bytes(), text.as_bytes()].concat();
            bad.header = crate::message::Header::parse(header);
        }
        bad.recipient.name = Some(format!("{value}\r\n{value}"));
        let mail = composed(&bad);
        assert_is_clean(&mail.bytes);
        assert_eq!(names(&mail.bytes), expected, "{value}");
        let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
        assert!(parsed.bcc().is_none());
        assert_eq!(parsed.to().unwrap().iter().count(), 1);
        assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("jan@example.org"));
        assert!(!parsed.body_html(0).unwrap().contains("<script"));
        let name = parsed.attachment(0).unwrap().attachment_name().unwrap();
        assert!(name.ends_with(" Voice Mail.wav") && name.len() <= 128, "{name}");
        assert!(!name.contains(['/', '\\', '\u{202e}']));
    }
}

proptest! {
    #[test]
    fn any_strings_give_one_recording_and_the_known_headers(
        values in prop::collection::vec("\\PC{0,40}|[\\x00-\\x7f]{0,300}|[=?_\"<>,;:\u{2028}\u{202e}é日\r\n ]{0,40}", 8),
        wav in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut any = delivery(VOICE);
        let fields = [
            fields::CALLER_ID, fields::CALLER_NAME, fields::CALLER_ADDRESS, fields::CALL_ID, fields::SUBJECT,
            fields::RECIPIENT_CULTURE, fields::SENT_TIME, fields::TRANSCRIPTION_DATA,
        ];
        for (name, value) in fields.iter().zip(&values) {
            let line = format!("{name} : {value}\r\n");
            any.header = crate::message::Header::parse([any.header.bytes(), line.as_bytes()].concat());
        }
        any.message.audio = Some(audio(&wav, 1.0));
        any.recipient.name = values.first().cloned();
        let mut known = names(&composed(&delivery(VOICE)).bytes);
        // A stray field of the strings may take the place of one of the sample's.
        known.extend(["Sensitivity".to_owned()]);
        let mail = match compose(&any, &options()) {
            Ok(mail) => mail,
            Err(error) => {
                prop_assert!(matches!(error, MimeError::Private), "{}", error);
                return Ok(());
            }
        };
        assert_is_clean(&mail.bytes);
        let found = names(&mail.bytes);
        prop_assert!(found.is_subset(&known), "{:?}", found);
        for needed in ["From", "Sender", "To", "Subject", "Date", "Message-ID", "Content-Class", "X-AttachmentOrder", "MIME-Version"] {
            prop_assert!(found.contains(needed), "{} in {:?}", needed, found);
        }
        let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
        prop_assert_eq!(parsed.parts.len(), 5);
        prop_assert_eq!(parsed.attachment_count(), 1);
        let part = parsed.attachment(0).unwrap();
        prop_assert_eq!(part.contents(), wav.as_slice());
        let order = parsed.header("X-AttachmentOrder").map(|value| value.as_text().unwrap_or_default().to_owned());
        let order = order.map(|text| MessageParser::default().parse(format!("Subject: {text}\r\n\r\n").as_bytes()).unwrap().subject().unwrap().to_owned());
        prop_assert_eq!(part.attachment_name(), order.as_deref());
        prop_assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("zoe@example.com"));
    }
}
