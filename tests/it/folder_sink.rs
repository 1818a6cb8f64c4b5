//! Injection judged by a pickup that was written independently of it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;
use umreplay::fsx::write_atomically;
use umreplay::message::{
    AudioFile, Content, Delivery, FileRef, Guid, Header, Identity, Message, MessageType, Receipt, Recipient,
    Sha256Digest,
};
use umreplay::sink::folder::{FolderError, FolderOptions, FolderSink, Staged};
use umreplay::sink::{DeliveryError, Failure, Sink};

use crate::pickup::{PickupReport, pickup, read, sha256};

const EXCHANGE: &str = r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail";
const COMMON: &str = "ProcessedCount : 0\r\nSentTime : 12/23/2016 08:00:00\r\nRecipientName : Zo\u{eb}\r\n\
    RecipientObjectGuid : 0cd2b0bb-7b0c-4cd2-8a5e-0d6a3f5f3b10\r\nCultureInfo : nl-NL\r\n";

/// Bytes in memory, that may end in an error.
struct Memory {
    bytes: Vec<u8>,
    breaks: bool,
}

impl Content for Memory {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        match self.breaks {
            false => Ok(Box::new(self.bytes.as_slice())),
            true => Ok(Box::new(self.bytes.as_slice().chain(Broken))),
        }
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("bad sector"))
    }
}

fn file(bytes: &[u8]) -> FileRef {
    let content = Memory { bytes: bytes.to_vec(), breaks: false };
    FileRef::new("backup.zip!old.wav".to_owned(), bytes.len() as u64, None, Arc::new(content))
}

fn audio(bytes: &[u8]) -> AudioFile {
    AudioFile { file: file(bytes), facts: None, sha256: None }
}

/// A delivery of that type, with a header as `edit` hands it on and the attachments that the type has.
fn delivery(kind: MessageType, minute: i64) -> Delivery {
    let new_guid = Guid::random();
    let path = |extension| format!("{EXCHANGE}\\{new_guid}.{extension}");
    let voice = format!("AttachmentPath : {}\r\nDuration : 3\r\nCodec : Mp3\r\n", path("wav"));
    let own = match kind {
        MessageType::SmtpVoiceMail | MessageType::PartnerTranscriptionRequest => voice,
        MessageType::XsoVoiceMail => format!("{voice}MessageFilePath : {}\r\n", path("msg")),
        MessageType::Fax => format!("AttachmentPath : {}\r\nNumberOfPages : 1\r\n", path("tif")),
        _ => String::new(),
    };
    let header = format!("MessageType : {}\r\nCallId : {minute}\r\n{COMMON}{own}", kind.name());
    let header = Header::parse(header.into_bytes());
    let message = Message {
        guid: None,
        stem: "old".to_owned(),
        label: "backup.zip!old.txt".to_owned(),
        header: None,
        audio: kind.carries_audio().then(|| audio(format!("RIFF {new_guid}").as_bytes())),
        fax: (kind == MessageType::Fax).then(|| file(b"II*\0")),
        message_file: (kind == MessageType::XsoVoiceMail).then(|| file(b"reply")),
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    };
    Delivery {
        identity: Identity::of(Some(&header), Some(new_guid), "old", None),
        message,
        header,
        message_type: kind,
        recipient: Recipient::default(),
        changes: Vec::new(),
        new_guid,
        is_repeat: false,
        queue_time: "2016-12-23T08:00:00.5Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute),
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("voicemail")).unwrap();
        Self(folder)
    }

    fn target(&self) -> PathBuf {
        self.0.path().join("voicemail")
    }

    fn sink(&self) -> FolderSink {
        FolderSink::open(&self.options()).unwrap()
    }

    fn options(&self) -> FolderOptions {
        FolderOptions { target: self.target(), staging: None, run_name: "run 7/..".to_owned() }
    }

    fn pickup(&self) -> PickupReport {
        pickup(&self.target(), EXCHANGE)
    }
}

fn stage_all(sink: &FolderSink, deliveries: &[Delivery]) -> Vec<Staged> {
    deliveries.par_iter().map(|delivery| sink.stage(delivery).unwrap()).collect()
}

fn inject(sink: &mut FolderSink, deliveries: &[Delivery]) -> Vec<Result<Receipt, DeliveryError>> {
    let staged = stage_all(sink, deliveries);
    sink.commit(staged)
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_type_goes_in_whole_and_in_order() {
    let place = Place::new();
    let kinds = MessageType::ALL.into_iter().cycle().take(150);
    let deliveries: Vec<Delivery> = (0..).zip(kinds).map(|(minute, kind)| delivery(kind, minute)).collect();
    let mut sink = place.sink();
    // Against the order of the queue, so that it is the times that count.
    for batch in deliveries.rchunks(sink.batch()) {
        for (delivery, result) in batch.iter().zip(inject(&mut sink, batch)) {
            let receipt = result.unwrap();
            assert_eq!(receipt.new_guid, Some(delivery.new_guid));
            let header = fs::read(&receipt.target).unwrap();
            assert_eq!(header, delivery.header.bytes());
        }
    }
    sink.finish().unwrap();

    let report = place.pickup();
    report.assert_clean();
    let guids: Vec<String> = report.accepted.iter().map(|message| message.guid.clone()).collect();
    assert_eq!(guids, deliveries.iter().map(|delivery| delivery.new_guid.to_string()).collect::<Vec<_>>());
    for (message, delivery) in report.accepted.iter().zip(&deliveries) {
        let sound = delivery.message.audio.as_ref().map(|audio| audio.file.sha256().unwrap().to_string());
        assert_eq!(message.wav_sha256, sound);
        assert_eq!(Timestamp::try_from(message.modified).unwrap(), delivery.queue_time);
        assert_eq!(message.fields["MessageType"], delivery.message_type.name());
        for name in &message.files {
            let modified = fs::metadata(place.target().join(name)).unwrap().modified().unwrap();
            assert_eq!(Timestamp::try_from(modified).unwrap(), delivery.queue_time, "{name}");
        }
    }
    assert_eq!(names(place.0.path()), ["voicemail"]);
}

#[test]
fn at_no_moment_is_there_anything_to_kill() {
    let place = Place::new();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut scans = 0;
            while !is_done.load(Ordering::Relaxed) {
                for name in names(&place.target()) {
                    let path = place.target().join(&name);
                    let extension = path.extension().unwrap().to_str().unwrap();
                    assert!(["txt", "wav"].contains(&extension), "{name}");
                    if extension == "txt" {
                        assert_eq!(read(&fs::read(&path).unwrap())["Codec"], "Mp3");
                        assert!(fs::read(path.with_extension("wav")).unwrap().starts_with(b"RIFF"));
                    }
                }
                scans += 1;
            }
            scans
        });
        let mut sink = place.sink();
        for batch in 0..8 {
            let deliveries: Vec<Delivery> =
                (0..16).map(|number| delivery(MessageType::SmtpVoiceMail, batch * 16 + number)).collect();
            assert!(inject(&mut sink, &deliveries).iter().all(Result::is_ok));
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(watcher.join().unwrap() > 1);
    });
    place.pickup().assert_clean();
}

#[test]
fn existing_files_are_never_touched() {
    for extension in ["txt", "wav", "TXT", "HealthCheck", "bak"] {
        let place = Place::new();
        let deliveries = [delivery(MessageType::SmtpVoiceMail, 0), delivery(MessageType::SmtpVoiceMail, 1)];
        let theirs = format!("{}.{extension}", deliveries[0].new_guid);
        write_atomically(&place.target().join(&theirs), b"theirs").unwrap();
        let mut sink = place.sink();
        let results = inject(&mut sink, &deliveries);
        let refused = results[0].as_ref().unwrap_err();
        assert_eq!(refused.failure, Failure::Refused, "{refused}");
        assert!(results[1].is_ok());
        assert_eq!(fs::read(place.target().join(&theirs)).unwrap(), b"theirs");
        assert_eq!(names(&place.target()).len(), 3, "{:?}", names(&place.target()));
    }
}

#[test]
fn a_file_that_appears_after_the_start_is_not_touched_either() {
    for extension in ["txt", "wav"] {
        let place = Place::new();
        let mut sink = place.sink();
        let deliveries = [delivery(MessageType::SmtpVoiceMail, 0)];
        let staged = stage_all(&sink, &deliveries);
        let theirs = place.target().join(format!("{}.{extension}", deliveries[0].new_guid));
        write_atomically(&theirs, b"theirs").unwrap();
        assert_eq!(sink.commit(staged)[0].as_ref().unwrap_err().failure, Failure::Refused);
        assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
        assert_eq!(names(&place.target()).len(), 1);
    }
}

#[test]
fn a_target_that_vanishes_stops_the_run_and_loses_nothing() {
    let place = Place::new();
    let mut sink = place.sink();
    let deliveries: Vec<Delivery> = (0..3).map(|minute| delivery(MessageType::SmtpVoiceMail, minute)).collect();
    assert!(inject(&mut sink, &deliveries[..1])[0].is_ok());
    let staged = stage_all(&sink, &deliveries[1..]);
    fs::remove_dir_all(place.target()).unwrap();
    let results = sink.commit(staged);
    for result in &results {
        assert_eq!(result.as_ref().unwrap_err().failure, Failure::Fatal);
    }
    assert!(results[0].as_ref().unwrap_err().reason.contains("the folder is gone"));
    assert!(results[1].as_ref().unwrap_err().reason.starts_with("not tried"));
    for delivery in &deliveries[1..] {
        assert!(sink.staging().join(format!("{}.txt", delivery.new_guid)).is_file());
    }
    let staging = sink.staging().to_owned();
    fs::remove_dir_all(&staging).unwrap();
    assert_eq!(sink.stage(&deliveries[0]).unwrap_err().failure, Failure::Fatal);
}

#[test]
fn a_source_that_changed_is_refused_and_leaves_nothing() {
    let place = Place::new();
    let sink = place.sink();
    let with = |bytes: &[u8], size: u64, breaks: bool, expected: &[u8]| {
        let content = Arc::new(Memory { bytes: bytes.to_vec(), breaks });
        let mut changed = delivery(MessageType::SmtpVoiceMail, 0);
        let file = FileRef::new("old.wav".to_owned(), size, None, content);
        changed.message.audio = Some(AudioFile { file, facts: None, sha256: Some(Sha256Digest::of(expected)) });
        sink.stage(&changed)
    };
    for (bytes, size, breaks) in
        [(b"soonds".as_slice(), 6, false), (b"soun", 6, false), (b"soundsound", 6, false), (b"sou", 6, true)]
    {
        let refused = with(bytes, size, breaks, b"sounds").unwrap_err();
        assert_eq!(refused.failure, Failure::Refused);
        assert!(refused.reason.contains("old.wav"), "{refused}");
        assert!(names(sink.staging()).is_empty());
    }
    assert!(with(b"sounds", 6, false, b"sounds").is_ok());
    assert!(place.pickup().stray.is_empty());
}

#[test]
fn what_um_would_kill_for_its_files_is_refused() {
    let place = Place::new();
    let sink = place.sink();
    let refuse = |spoil: &dyn Fn(&mut Delivery)| {
        let mut spoilt = delivery(MessageType::XsoVoiceMail, 0);
        spoil(&mut spoilt);
        let refused = sink.stage(&spoilt).unwrap_err();
        assert_eq!(refused.failure, Failure::Refused);
        assert!(names(sink.staging()).is_empty());
        refused.reason
    };
    assert!(refuse(&|it| it.message.audio = None).contains("no .wav"));
    assert!(refuse(&|it| it.message.message_file = None).contains("no .msg"));
    assert!(refuse(&|it| it.header.set("AttachmentPath", r"C:\old.wav").unwrap()).contains("AttachmentPath"));
    assert!(refuse(&|it| it.header.set("AttachmentPath", "null").unwrap()).contains("AttachmentPath"));
    assert!(refuse(&|it| assert!(it.header.unset("MessageFilePath").unwrap())).contains("MessageFilePath"));
    assert!(refuse(&|it| it.new_guid = Guid::random()).contains("AttachmentPath"));
}

#[test]
fn only_what_the_type_carries_goes_in() {
    let place = Place::new();
    let mut sink = place.sink();
    let mut missed = delivery(MessageType::MissedCall, 0);
    missed.message.audio = Some(audio(b"of a demoted message"));
    let mut silent = delivery(MessageType::SmtpVoiceMail, 1);
    silent.header.set("Duration", "0").unwrap();
    silent.header.set("AttachmentPath", "null").unwrap();
    let mut silent_too = delivery(MessageType::SmtpVoiceMail, 2);
    silent_too.header.set("Duration", "0").unwrap();
    silent_too.message.audio = None;
    assert!(inject(&mut sink, &[missed, silent, silent_too]).iter().all(Result::is_ok));
    place.pickup().assert_clean();
    assert_eq!(names(&place.target()).len(), 3);
}

#[test]
fn times_that_no_file_can_have_are_bent_not_refused() {
    let place = Place::new();
    let mut sink = place.sink();
    let mut deliveries = [delivery(MessageType::MissedCall, 0), delivery(MessageType::MissedCall, 1)];
    deliveries[0].queue_time = Timestamp::MIN;
    deliveries[1].queue_time = Timestamp::MAX;
    assert!(inject(&mut sink, &deliveries).iter().all(Result::is_ok));
    let report = place.pickup();
    report.assert_clean();
    assert_eq!(report.accepted[0].guid, deliveries[0].new_guid.to_string());
}

#[test]
fn places_that_cannot_be_injected_into_are_refused_with_a_hint() {
    let place = Place::new();
    let open = |target: PathBuf, staging: Option<PathBuf>| {
        let error = FolderSink::open(&FolderOptions { target, staging, run_name: String::new() }).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
        error
    };
    let target = place.target();
    assert!(matches!(open(target.join("none"), None), FolderError::Target { .. }));
    let file = place.0.path().join("file");
    write_atomically(&file, b"").unwrap();
    assert!(matches!(open(file, None), FolderError::NotAFolder(_)));
    let root = target.ancestors().last().unwrap().to_path_buf();
    assert!(matches!(open(root, None), FolderError::NoParent(_)));
    assert!(matches!(open(target.clone(), Some(target.clone())), FolderError::StagingInTarget(_)));
    let inside = target.join("inside");
    fs::create_dir(&inside).unwrap();
    assert!(matches!(open(target.clone(), Some(inside)), FolderError::StagingInTarget(_)));
    assert!(matches!(open(target.clone(), Some(target.join("none"))), FolderError::Staging { .. }));
    let mut sink = place.sink();
    assert!(matches!(open(sink.staging().to_owned(), None), FolderError::TargetIsStaging(_)));
    sink.finish().unwrap();
    assert_eq!(names(place.0.path()).len(), 2);
}

#[test]
fn a_staging_folder_may_be_named_and_must_be_on_the_same_volume() {
    let place = Place::new();
    let named = place.0.path().join("elsewhere");
    fs::create_dir(&named).unwrap();
    let mut sink = FolderSink::open(&FolderOptions { staging: Some(named.clone()), ..place.options() }).unwrap();
    assert!(sink.staging().starts_with(named.canonicalize().unwrap()));
    assert!(inject(&mut sink, &[delivery(MessageType::SmtpVoiceMail, 0)])[0].is_ok());
    sink.finish().unwrap();
    assert!(names(&named).is_empty());
    place.pickup().assert_clean();

    #[cfg(target_os = "linux")]
    {
        use std::os::linux::fs::MetadataExt;
        let device = |path: &Path| fs::metadata(path).map(|facts| facts.st_dev()).ok();
        let memory = Path::new("/dev/shm");
        if device(memory).is_none() || device(memory) == device(&place.target()) {
            return;
        }
        let refused = FolderSink::open(&FolderOptions { staging: Some(memory.to_owned()), ..place.options() });
        assert!(matches!(refused, Err(FolderError::OtherVolume(_))));
    }
}

#[cfg(unix)]
#[test]
fn a_target_that_takes_no_files_stops_the_run() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    let mut sink = place.sink();
    fs::set_permissions(place.target(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::File::create_new(place.target().join("probe")).is_ok() {
        // Nothing is read-only to root.
        return;
    }
    let results = inject(&mut sink, &[delivery(MessageType::SmtpVoiceMail, 0), delivery(MessageType::MissedCall, 1)]);
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.failure == Failure::Fatal)));
    assert!(names(&place.target()).is_empty());
}

#[test]
fn audio_comes_out_as_it_went_in() {
    let place = Place::new();
    let mut sink = place.sink();
    let sound: Vec<u8> = (0..1_000_003_u32).map(|number| (number % 251) as u8).collect();
    let mut long = delivery(MessageType::SmtpVoiceMail, 0);
    long.message.audio = Some(audio(&sound));
    assert!(inject(&mut sink, std::slice::from_ref(&long))[0].is_ok());
    let wav = place.target().join(format!("{}.wav", long.new_guid));
    assert_eq!(sha256(&wav), Sha256Digest::of(&sound).to_string());
}
