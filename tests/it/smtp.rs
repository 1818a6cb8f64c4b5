//! Submission against the lab's receiver: what arrives, and what each failure means.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use umreplay::lab::sink::{Fault, LabSink, LabSinkOptions, TlsFiles};
use umreplay::message::audio::AudioCodec;
use umreplay::message::{
    AudioFacts, AudioFile, Content, Delivery, EmailAddress, FileRef, Guid, Header, Identity, Message, MessageType,
    Receipt, Sha256Digest,
};
use umreplay::sink::directory::EmlSink;
use umreplay::sink::mime::MimeOptions;
use umreplay::sink::smtp::{Login, SmtpError, SmtpOptions, SmtpSink, Tls};
use umreplay::sink::{DeliveryError, Failure, Sink};

struct Bytes(Vec<u8>);

impl Content for Bytes {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }
}

/// The n-th voice message, with so many bytes of "audio" full of lines that begin with dots.
fn delivery(number: usize, recipient: &str, size: usize) -> Delivery {
    let text = format!(
        "MessageType : SMTPVoiceMail\r\nSentTime : 12/23/2016 08:00:00\r\nCallerId : +3161234{number:04}\r\n\
         RecipientName : Test\r\nRecipientAddress : {recipient}\r\nRecipientCulture : nl-NL\r\nCallId : call-{number}\r\n\
         Duration : 2\r\nCodec : Mp3\r\nSubject : .dots\r\n"
    );
    let header = Header::parse(text.into_bytes());
    let audio: Vec<u8> = (0..=255).cycle().skip(number).take(size).collect();
    let facts = AudioFacts {
        codec: AudioCodec::Pcm,
        format_tag: 1,
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        block_align: 2,
        byte_rate: 16000,
        data_offset: 44,
        data_bytes: 0,
        declared_data_bytes: 0,
        cut_short: false,
        seconds: 2.0,
    };
    let guid = Guid::from_random_bytes((number as u128).to_be_bytes());
    let digest = Sha256Digest::of(&audio);
    let file = FileRef::new(format!("{guid}.wav"), audio.len() as u64, None, Arc::new(Bytes(audio)));
    let message = Message {
        guid: Some(guid),
        stem: guid.to_string(),
        label: format!("{guid}.txt"),
        header: None,
        audio: Some(AudioFile { file, facts: Some(facts), sha256: Some(digest) }),
        fax: None,
        message_file: None,
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    };
    Delivery {
        identity: Identity::of(Some(&header), Some(guid), &message.stem, Some(digest)),
        recipient: header.recipient(),
        message_type: MessageType::SmtpVoiceMail,
        message,
        header,
        changes: Vec::new(),
        new_guid: guid,
        is_repeat: false,
        queue_time: Timestamp::UNIX_EPOCH,
    }
}

fn mime() -> MimeOptions {
    MimeOptions {
        sender: Some(EmailAddress::parse("MicrosoftExchange329e@example.com").unwrap()),
        time_zone: TimeZone::UTC,
        allow_private_in_clear: false,
    }
}

fn options(server: SocketAddr) -> SmtpOptions {
    SmtpOptions {
        host: server.ip().to_string(),
        port: server.port(),
        tls: Tls::None,
        ca_file: None,
        login: None,
        hello_name: "um.example.com".to_owned(),
        mime: mime(),
        timeout: Duration::from_secs(20),
    }
}

fn lab(faults: Vec<Fault>) -> LabSink {
    LabSink::start(LabSinkOptions { keep: true, faults, ..LabSinkOptions::default() }).unwrap()
}

fn submit(sink: &mut SmtpSink, number: usize) -> Result<Receipt, DeliveryError> {
    submit_to(sink, number, "test@example.com")
}

fn submit_to(sink: &mut SmtpSink, number: usize, recipient: &str) -> Result<Receipt, DeliveryError> {
    let staged = sink.stage(&delivery(number, recipient, 3000))?;
    sink.commit(vec![staged]).remove(0)
}

/// A certificate for `localhost` and 127.0.0.1, signed by itself, as Exchange makes one at installation.
fn certificate(folder: &Path, implicit: bool) -> TlsFiles {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem"), implicit };
    write(&files.cert, made.cert.pem().as_bytes());
    write(&files.key, made.signing_key.serialize_pem().as_bytes());
    files
}

fn write(path: &Path, bytes: &[u8]) {
    umreplay::fsx::write_atomically(path, bytes).unwrap();
}

#[test]
fn mails_arrive_as_export_writes_them_on_one_connection() {
    let lab = lab(Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let mut smtp = SmtpSink::connect(options(lab.address())).unwrap();
    let mut export = EmlSink::new(folder.path(), mime()).unwrap();
    for number in 0..20 {
        // From nothing to several packets.
        let delivery = delivery(number, "test@example.com", number * 5000);
        let staged = smtp.stage(&delivery).unwrap();
        let receipt = smtp.commit(vec![staged]).remove(0).unwrap();
        assert_eq!(receipt.smtp_code, Some(250));
        assert_eq!(receipt.target, lab.address().to_string());
        assert!(receipt.reply.unwrap().contains("Queued"));

        let staged = export.stage(&delivery).unwrap();
        let exported = export.commit(vec![staged]).remove(0).unwrap();
        assert_eq!(exported.message_id, receipt.message_id);
        let received = lab.received().pop().unwrap();
        assert_eq!(received.sender, "MicrosoftExchange329e@example.com");
        assert_eq!(received.recipients, ["test@example.com"]);
        assert!(*received.bytes == *std::fs::read(exported.target).unwrap(), "mail {number} differs");
    }
    assert_eq!((lab.count(), lab.connections()), (20, 1));
}

#[test]
fn starttls_and_implicit_tls_with_both_logins() {
    for implicit in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate(folder.path(), implicit);
        let lab = LabSink::start(LabSinkOptions {
            keep: true,
            tls: Some(files.clone()),
            login: Some(("EXAMPLE\\um".to_owned(), "p\u{e4}ss w\u{f6}rd".to_owned())),
            ..LabSinkOptions::default()
        })
        .unwrap();
        let options = SmtpOptions {
            host: "localhost".to_owned(),
            tls: if implicit { Tls::Implicit } else { Tls::StartTls },
            ca_file: Some(files.cert),
            login: Some(Login::new("EXAMPLE\\um", "p\u{e4}ss w\u{f6}rd")),
            ..options(lab.address())
        };
        let mut sink = SmtpSink::connect(options.clone()).unwrap();
        for number in 0..3 {
            submit(&mut sink, number).unwrap();
        }
        let large = sink.stage(&delivery(9, "test@example.com", 3 << 20)).unwrap();
        let bytes = large.bytes.clone();
        sink.commit(vec![large]).remove(0).unwrap();
        assert!(*lab.received().pop().unwrap().bytes == *bytes);
        assert_eq!((lab.count(), lab.connections()), (4, 1));

        let wrong = SmtpOptions { login: Some(Login::new("EXAMPLE\\um", "other")), ..options.clone() };
        let error = SmtpSink::connect(wrong).unwrap_err();
        assert!(matches!(&error, SmtpError::Login { user, .. } if user == "EXAMPLE\\um"), "{error}");
        assert!(error.to_string().contains("535 5.7.3") && !error.to_string().contains("other"));
        assert!(error.hint().unwrap().contains("Get-ReceiveConnector"));

        let nobody = SmtpOptions { login: None, ..options };
        let mut sink = SmtpSink::connect(nobody).unwrap();
        let error = submit(&mut sink, 1).unwrap_err();
        assert_eq!((error.failure, error.smtp_code), (Failure::Fatal, Some(530)));
        assert!(error.reason.contains("--user"), "{}", error.reason);
    }
}

#[test]
fn a_login_takes_whichever_mechanism_there_is() {
    for (offered, script) in [
        ("AUTH LOGIN", vec!["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"]),
        ("AUTH PLAIN LOGIN", vec!["235 ok"]),
        // Challenges in a server's own words, and none at all.
        ("AUTH=LOGIN", vec!["334 bmFtZT8=", "334 ", "235 ok"]),
    ] {
        let greeting = ["220 hi".to_owned(), format!("250-hi\r\n250 {offered}")];
        let replies = greeting.into_iter().chain(script.into_iter().map(str::to_owned));
        let (address, said) = scripted(replies.collect());
        let login = Some(Login::new("user", "secret"));
        drop(SmtpSink::connect(SmtpOptions { login, ..options(address) }).unwrap());
        let said = said.join().unwrap();
        let expected: &[&str] = if offered.contains("PLAIN") {
            &["AUTH PLAIN AHVzZXIAc2VjcmV0"]
        } else {
            &["AUTH LOGIN", "dXNlcg==", "c2VjcmV0"]
        };
        assert_eq!(said.get(1..=expected.len()).unwrap(), expected);
    }
}

/// A server that gives these replies, one a command, and tells the commands.
fn scripted(replies: Vec<String>) -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = Vec::new();
        for reply in replies {
            stream.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                line.push(byte[0]);
            }
            said.push(String::from_utf8(line).unwrap().trim_end().to_owned());
        }
        said
    });
    (address, server)
}

#[test]
fn a_certificate_that_is_not_trusted_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate(folder.path(), false);
    let lab = LabSink::start(LabSinkOptions { tls: Some(files.clone()), ..LabSinkOptions::default() }).unwrap();
    let options = SmtpOptions { host: "localhost".to_owned(), tls: Tls::StartTls, ..options(lab.address()) };
    // Some machines of a lab have no root at all: that is told, too.
    let error = SmtpSink::connect(options.clone()).unwrap_err();
    assert!(matches!(error, SmtpError::Line { .. } | SmtpError::NoRoots), "{error:?}");
    assert!(error.hint().unwrap().contains("--ca-file"), "{error}");

    let other = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["mail.example.com".to_owned()]).unwrap();
    let wrong = TlsFiles { cert: other.path().join("c.pem"), key: other.path().join("k.pem"), implicit: false };
    write(&wrong.cert, made.cert.pem().as_bytes());
    write(&wrong.key, made.signing_key.serialize_pem().as_bytes());
    let lab = LabSink::start(LabSinkOptions { tls: Some(wrong.clone()), ..LabSinkOptions::default() }).unwrap();
    let misnamed = SmtpOptions { ca_file: Some(wrong.cert), port: lab.address().port(), ..options };
    let error = SmtpSink::connect(misnamed).unwrap_err();
    assert!(error.hint().unwrap().contains("--server NAME"), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("mail.example.com"), "{cause}");
}

#[test]
fn no_starttls_no_mail_and_no_login_in_clear() {
    let lab = LabSink::start(LabSinkOptions {
        login: Some(("user".to_owned(), "secret".to_owned())),
        ..LabSinkOptions::default()
    })
    .unwrap();
    let login = Some(Login::new("user", "secret"));
    let wanted = SmtpOptions { tls: Tls::StartTls, login: login.clone(), ..options(lab.address()) };
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(certificate(folder.path(), false).cert);
    let error = SmtpSink::connect(SmtpOptions { ca_file, ..wanted }).unwrap_err();
    assert!(matches!(error, SmtpError::NoStartTls { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("--tls none"));
    // In clear where it was said so.
    submit(&mut SmtpSink::connect(SmtpOptions { login, ..options(lab.address()) }).unwrap(), 1).unwrap();
}

#[test]
fn what_came_in_clear_behind_starttls_is_not_believed() {
    let replies = ["220 hi", "250-hi\r\n250 STARTTLS", "220 go\r\n250-forged\r\n250 AUTH PLAIN"];
    let (address, _server) = scripted(replies.map(str::to_owned).to_vec());
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(certificate(folder.path(), false).cert);
    let error = SmtpSink::connect(SmtpOptions { tls: Tls::StartTls, ca_file, ..options(address) }).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("out of turn"), "{cause}");
}

#[test]
fn where_there_is_no_server_that_is_said() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = SmtpSink::connect(options(closed)).unwrap_err();
    assert!(matches!(error, SmtpError::Connect { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("Test-NetConnection 127.0.0.1"));
    // The cause is told once, by the source.
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(!error.to_string().contains(&cause));

    let error =
        SmtpSink::connect(SmtpOptions { host: "no-such-host.invalid".to_owned(), ..options(closed) }).unwrap_err();
    assert!(matches!(error, SmtpError::Resolve { .. }), "{error:?}");

    for (greeting, expected) in [
        ("HTTP/1.1 400 Bad Request", "does not speak SMTP"),
        ("554 5.7.1 go \u{1b}[31maway", "refused the connection: 554 5.7.1 go [31maway"),
        ("421 4.3.2 busy", "refused the connection: 421"),
    ] {
        let (address, _server) = scripted(vec![greeting.to_owned()]);
        let error = SmtpSink::connect(options(address)).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let text = format!("{error}: {cause}");
        assert!(text.contains(expected), "{text}");
        assert!(error.hint().is_some(), "{text}");
    }

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(200);
    let error = SmtpSink::connect(SmtpOptions { timeout, ..options(silent.local_addr().unwrap()) }).unwrap_err();
    assert!(error.hint().unwrap().contains("--tls implicit"), "{error:?}");

    let named = SmtpOptions { hello_name: "me\r\nMAIL FROM:<x@y>".to_owned(), ..options(closed) };
    assert!(matches!(SmtpSink::connect(named), Err(SmtpError::HelloName(_))));
}

#[test]
fn each_refusal_means_what_it_should() {
    for (fault, failure, code) in [
        ("sender", Failure::Fatal, 501),
        ("sender:450", Failure::Transient, 450),
        ("sender:552", Failure::Refused, 552),
        ("recipient", Failure::Refused, 550),
        ("recipient:450", Failure::Transient, 450),
        ("data", Failure::Refused, 554),
        ("data:451", Failure::Transient, 451),
        ("message", Failure::Refused, 554),
        ("message:452", Failure::Transient, 452),
        ("message:421", Failure::Transient, 421),
    ] {
        let lab = lab(vec![Fault::refuse(&format!("{fault}:nth=2")).unwrap()]);
        let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
        submit(&mut sink, 1).unwrap();
        let error = submit(&mut sink, 2).unwrap_err();
        assert_eq!((error.failure, error.smtp_code), (failure, Some(code)), "{fault} {error}");
        assert!(error.reason.contains(&format!(": {code} ")), "{error}");
        submit(&mut sink, 3).unwrap();
        assert_eq!(lab.count(), 2, "{fault}");
        // A server that says 421 closes the connection.
        assert_eq!(lab.connections(), if code == 421 { 2 } else { 1 }, "{fault}");
    }
}

#[test]
fn the_sender_of_an_unconfigured_server_gets_a_hint() {
    let lab = lab(vec![Fault::refuse("sender").unwrap()]);
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    let error = submit(&mut sink, 1).unwrap_err();
    assert!(error.reason.contains("refused the sender MicrosoftExchange329e@example.com: 501 5.1.7"), "{error}");
    assert!(error.reason.contains("--sender"), "{error}");
}

#[test]
fn one_refused_recipient_does_not_stop_the_others() {
    let lab = lab(vec![Fault::refuse("recipient=*@gone.example").unwrap()]);
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    let mut refused = 0;
    for number in 0..30 {
        let recipient = if number % 3 == 0 { "old@GONE.example" } else { "test@example.com" };
        match submit_to(&mut sink, number, recipient) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!((error.failure, error.smtp_code), (Failure::Refused, Some(550)));
                assert!(error.reason.contains("the recipient old@GONE.example: 550 5.1.1"), "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((refused, lab.count(), lab.connections()), (10, 20, 1));
}

#[test]
fn each_broken_line_means_what_it_should() {
    for (stage, failure) in [
        ("rcpt", Some(Failure::Transient)),
        ("data", Some(Failure::Transient)),
        ("before-reply", Some(Failure::Uncertain)),
        // The mail is answered; the line is found broken at the next one, and opened anew.
        ("after-reply", None),
    ] {
        let lab = lab(vec![Fault::drop(&format!("{stage}:nth=2")).unwrap()]);
        let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
        submit(&mut sink, 1).unwrap();
        let second = submit(&mut sink, 2);
        assert_eq!(second.as_ref().err().map(|error| error.failure), failure, "{stage} {second:?}");
        submit(&mut sink, 3).unwrap();
        let stored = if failure == Some(Failure::Transient) { 2 } else { 3 };
        assert_eq!((lab.count(), lab.connections()), (stored, 2), "{stage}");
    }
}

#[test]
fn a_line_found_broken_is_opened_once_before_the_mail() {
    // A drop at MAIL looks like a connection that the server has closed while idle: the message goes on the next.
    let lab = lab(vec![Fault::drop("mail:nth=2").unwrap()]);
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    submit(&mut sink, 1).unwrap();
    submit(&mut sink, 2).unwrap();
    assert_eq!((lab.count(), lab.connections()), (2, 2));
}

#[test]
fn a_server_that_drops_every_sender_does_not_hold_us() {
    let lab = lab(vec![Fault::drop("mail").unwrap()]);
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    let error = submit(&mut sink, 1).unwrap_err();
    assert_eq!(error.failure, Failure::Transient);
    assert_eq!((lab.count(), lab.connections()), (0, 2));
}

#[test]
fn a_line_dropped_inside_a_large_mail_leaves_nothing_delivered() {
    for tls in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let files = certificate(folder.path(), true);
        let lab = LabSink::start(LabSinkOptions {
            tls: tls.then(|| files.clone()),
            faults: vec![Fault::drop("mid-data:nth=1").unwrap()],
            ..LabSinkOptions::default()
        })
        .unwrap();
        let options = SmtpOptions {
            tls: if tls { Tls::Implicit } else { Tls::None },
            ca_file: tls.then_some(files.cert),
            ..options(lab.address())
        };
        let mut sink = SmtpSink::connect(options).unwrap();
        // More than the buffers of both ends hold, so that its end cannot have been handed over.
        let large = sink.stage(&delivery(1, "test@example.com", 24 << 20)).unwrap();
        let error = sink.commit(vec![large]).remove(0).unwrap_err();
        assert_eq!(error.failure, Failure::Transient, "{error}");
        assert_eq!(lab.count(), 0);
        submit(&mut sink, 2).unwrap();
        assert_eq!(lab.count(), 1);
    }
}

#[test]
fn a_line_dropped_after_a_small_mail_left_is_uncertain() {
    // The whole mail is in the buffers when the server hangs up: nobody can know how much it read.
    let lab = lab(vec![Fault::drop("mid-data").unwrap()]);
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    let error = submit(&mut sink, 1).unwrap_err();
    assert_eq!(error.failure, Failure::Uncertain, "{error}");
    assert_eq!(error.smtp_code, None);
}

#[test]
fn an_answer_that_comes_too_late_is_uncertain() {
    let lab = lab(vec![Fault::delay("before-reply=600:nth=1").unwrap()]);
    let timeout = Duration::from_millis(200);
    let mut sink = SmtpSink::connect(SmtpOptions { timeout, ..options(lab.address()) }).unwrap();
    let error = submit(&mut sink, 1).unwrap_err();
    assert_eq!(error.failure, Failure::Uncertain, "{error}");
    assert!(error.reason.contains("may have been delivered"), "{error}");
    // The late answer belongs to the old connection.
    let receipt = submit(&mut sink, 2).unwrap();
    assert!(receipt.reply.unwrap().contains("mail 2"));
    assert_eq!(lab.count(), 2);
}

#[test]
fn a_slow_server_is_waited_for() {
    let delays = ["connect=50", "ehlo=50", "mail=50", "rcpt=50", "data=50", "mid-data=50", "before-reply=50"];
    let lab = lab(delays.iter().map(|delay| Fault::delay(delay).unwrap()).collect());
    let started = Instant::now();
    submit(&mut SmtpSink::connect(options(lab.address())).unwrap(), 1).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(7 * 50));
}

#[test]
fn a_connection_closed_while_idle_is_opened_again() {
    let idle_timeout = Duration::from_millis(60);
    let lab = LabSink::start(LabSinkOptions { idle_timeout, ..LabSinkOptions::default() }).unwrap();
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    submit(&mut sink, 1).unwrap();
    // Windows adds half a second to every timeout.
    thread::sleep(Duration::from_millis(900));
    submit(&mut sink, 2).unwrap();
    assert_eq!((lab.count(), lab.connections()), (2, 2));
}

#[test]
fn a_server_that_went_away_ends_the_run() {
    let lab = lab(Vec::new());
    let address = lab.address();
    let mut sink = SmtpSink::connect(options(address)).unwrap();
    submit(&mut sink, 1).unwrap();
    lab.stop();
    let error = submit(&mut sink, 2).unwrap_err();
    assert_eq!(error.failure, Failure::Fatal, "{error}");
    assert!(error.reason.contains(&format!("could not connect to {address}")), "{error}");
    assert!(error.reason.contains("hint: "), "{error}");
}

#[test]
fn a_mail_beyond_the_servers_limit_is_not_even_begun() {
    let lab = LabSink::start(LabSinkOptions { size_limit: 50_000, ..LabSinkOptions::default() }).unwrap();
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    let large = sink.stage(&delivery(1, "test@example.com", 60_000)).unwrap();
    let error = sink.commit(vec![large]).remove(0).unwrap_err();
    assert_eq!(error.failure, Failure::Refused);
    assert!(error.reason.contains("the server takes 50000 at most"), "{error}");
    submit(&mut sink, 2).unwrap();
    assert_eq!((lab.count(), lab.connections()), (1, 1));
}

#[test]
fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let lab = lab(Vec::new());
    let mut sink = SmtpSink::connect(options(lab.address())).unwrap();
    submit_to(&mut sink, 1, "zo\u{eb}@b\u{fc}cher.example").unwrap();
    assert_eq!(lab.received()[0].recipients, ["zo\u{eb}@b\u{fc}cher.example"]);

    let (address, _server) =
        scripted(vec!["220 hi".to_owned(), "250-hi\r\n250 8BITMIME".to_owned(), "221 bye".to_owned()]);
    let mut sink = SmtpSink::connect(options(address)).unwrap();
    let error = submit_to(&mut sink, 1, "zo\u{eb}@example.com").unwrap_err();
    assert_eq!(error.failure, Failure::Refused);
    assert!(error.reason.contains("SMTPUTF8"), "{error}");
}

#[test]
fn a_server_out_of_step_is_never_believed() {
    let start = ["220 hi", "250 hi"];
    for (script, failure) in [
        // Two replies to one command: what follows would be taken for the answer to the next.
        (vec!["250 ok\r\n250 ok"], Failure::Transient),
        (vec!["250 ok", "250 ok", "250 ok"], Failure::Transient),
        (vec!["250 ok", "250 ok", "354 go\r\n250 queued already"], Failure::Transient),
        (vec!["354 go"], Failure::Fatal),
        (vec!["250 ok", "250 ok", "354 go", "354 more"], Failure::Uncertain),
        (vec!["250 ok", "250 ok", "354 go", "hello"], Failure::Uncertain),
    ] {
        let replies: Vec<String> = start.iter().chain(&script).map(|reply| (*reply).to_owned()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            drop(listener);
            for reply in replies {
                stream.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
                read_turn(&mut stream);
            }
        });
        let mut sink = SmtpSink::connect(options(address)).unwrap();
        let error = submit(&mut sink, 1).unwrap_err();
        assert_eq!(error.failure, failure, "{script:?} {error}");
        drop(sink);
        server.join().unwrap();
    }
}

/// Reads a command, or a mail to its end.
fn read_turn(stream: &mut TcpStream) {
    let mut buffer = [0; 65536];
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut turn = Vec::new();
    while let Ok(count) = stream.read(&mut buffer) {
        turn.extend_from_slice(&buffer[..count]);
        let is_mail = turn.len() > 1000;
        if count == 0 || (!is_mail && turn.ends_with(b"\r\n")) || turn.ends_with(b"\r\n.\r\n") {
            return;
        }
    }
}
