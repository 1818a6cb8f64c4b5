//! What lies where when the program is killed, or the disk fails, at any step.

use std::io::Read;
use std::sync::Arc;

use super::disk::{fail_in, step, steps_taken};
use super::*;
use crate::message::{AudioFile, Content, FileRef, Header, Identity, Message, MessageType, Recipient};

const MESSAGES: u32 = 4;

struct Memory(Vec<u8>);

impl Content for Memory {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }
}

/// A message with the number as its CallId: every third a missed call, the others voice messages.
fn delivery(number: u32) -> Delivery {
    let new_guid = Guid::random();
    let sound = (number % 3 != 2).then(|| format!("sound {number}").into_bytes());
    let text = match sound {
        Some(_) => format!(
            "MessageType : SMTPVoiceMail\r\nCallId : {number}\r\nAttachmentPath : C:\\q\\{new_guid}.wav\r\nDuration : 2\r\n"
        ),
        None => format!("MessageType : MissedCall\r\nCallId : {number}\r\n"),
    };
    let header = Header::parse(text.into_bytes());
    let audio = sound.map(|sound| AudioFile {
        file: FileRef::new(format!("{number}.wav"), sound.len() as u64, None, Arc::new(Memory(sound))),
        facts: None,
        sha256: None,
    });
    let message = Message {
        guid: None,
        stem: String::new(),
        label: String::new(),
        header: None,
        audio,
        fax: None,
        message_file: None,
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    };
    Delivery {
        message,
        identity: Identity::of(Some(&header), None, "", None),
        message_type: header.message_type().unwrap_or(MessageType::Cdr),
        header,
        recipient: Recipient::default(),
        changes: Vec::new(),
        new_guid,
        is_repeat: false,
        queue_time: "2016-12-23T08:00:00Z".parse().unwrap(),
    }
}

/// A folder with a voicemail folder in it; in memory where there is such a place, since these tests flush a lot.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir(folder.path().join("voicemail")).unwrap();
        Self(folder)
    }

    fn target(&self) -> PathBuf {
        self.0.path().join("voicemail")
    }

    fn sink(&self) -> FolderSink {
        FolderSink::open(&FolderOptions { target: self.target(), staging: None, run_name: "7".to_owned() }).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.target()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn staging_folders(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count() - 1
    }

    /// Takes every message as UM does, and gives their numbers; a header without its WAV would be a lost message.
    fn pick_up(&self) -> Vec<u32> {
        let headers = self.names().into_iter().filter(|name| name.ends_with(".txt"));
        let taken = headers.map(|name| {
            let path = self.target().join(name);
            let header = Header::parse(fs::read(&path).unwrap());
            let number = header.get("CallId").unwrap().parse().unwrap();
            if header.message_type() == Some(MessageType::SmtpVoiceMail) {
                let wav = path.with_extension("wav");
                assert_eq!(fs::read(&wav).unwrap(), format!("sound {number}").into_bytes());
                fs::remove_file(wav).unwrap();
            }
            fs::remove_file(path).unwrap();
            number
        });
        taken.collect()
    }
}

/// What a ledger would hold of one message.
struct Entry {
    number: u32,
    guid: Guid,
    staged: PathBuf,
    done: Option<bool>,
}

/// Injects messages two at a time and notes it, up to the step at which everything fails.
fn inject(place: &Place, numbers: &[u32], ledger: &mut Vec<Entry>) -> io::Result<()> {
    let mut sink = place.sink();
    for some in numbers.chunks(2) {
        let mut batch = Vec::new();
        let mut intents = Vec::new();
        for number in some {
            let staged = sink.stage(&delivery(*number)).map_err(io::Error::other)?;
            let path = PathBuf::from(sink.trace(&staged).staged.unwrap());
            intents.push(Entry { number: *number, guid: staged.guid, staged: path, done: None });
            batch.push(staged);
        }
        step()?;
        ledger.extend(intents);
        let results = sink.commit(batch);
        step()?;
        let open = ledger.iter_mut().filter(|entry| entry.done.is_none());
        open.zip(results).for_each(|(entry, result)| entry.done = Some(result.is_ok()));
    }
    step()?;
    sink.finish().map_err(io::Error::other)
}

/// Finds out what a dead run did, notes it, and tidies up.
fn resume(place: &Place, ledger: &mut [Entry]) -> io::Result<()> {
    for entry in ledger.iter_mut().filter(|entry| entry.done.is_none()) {
        let resolution = resolve(&place.target(), &entry.staged, entry.guid);
        assert_ne!(resolution, Resolution::Unknown);
        if resolution == Resolution::NotDelivered {
            withdraw(&place.target(), &entry.staged, entry.guid).map_err(io::Error::other)?;
        }
        step()?;
        entry.done = Some(resolution == Resolution::Delivered);
    }
    let stagings: Vec<&Path> = ledger.iter().filter_map(|entry| entry.staged.parent()).collect();
    stagings.into_iter().try_for_each(|staging| discard(staging).map_err(io::Error::other))
}

fn undone(ledger: &[Entry]) -> Vec<u32> {
    let is_done = |number| ledger.iter().any(|entry| entry.number == number && entry.done == Some(true));
    (0..MESSAGES).filter(|number| !is_done(*number)).collect()
}

/// Kills a run after `first` steps and the resume after `second`; tells whether each came to its end.
fn killed_twice(first: usize, second: usize, is_um_awake: bool) -> (bool, bool) {
    let place = Place::new();
    let mut ledger = Vec::new();
    let mut arrived = Vec::new();
    let mut pick_up = || arrived.extend(if is_um_awake { place.pick_up() } else { Vec::new() });

    fail_in(first..usize::MAX);
    let run = inject(&place, &undone(&[]), &mut ledger).is_ok();
    pick_up();
    fail_in(second..usize::MAX);
    let resumed = resume(&place, &mut ledger).is_ok();
    pick_up();
    fail_in(0..0);
    resume(&place, &mut ledger).unwrap();
    inject(&place, &undone(&ledger), &mut ledger).unwrap();

    arrived.extend(place.pick_up());
    arrived.sort_unstable();
    assert_eq!(arrived, (0..MESSAGES).collect::<Vec<_>>(), "killed after {first} steps, then after {second}");
    assert!(place.names().is_empty(), "{:?} stay behind", place.names());
    (run, resumed)
}

#[test]
fn a_run_killed_at_any_step_delivers_each_message_once() {
    for is_um_awake in [false, true] {
        let mut first = 0;
        while !killed_twice(first, usize::MAX, is_um_awake).0 {
            first += 1;
        }
        assert!(first > 30, "only {first} steps were seen");
    }
}

#[test]
fn a_resume_killed_at_any_step_delivers_each_message_once() {
    for is_um_awake in [false, true] {
        for first in (0..60).step_by(3) {
            let mut second = 0;
            while !killed_twice(first, second, is_um_awake).1 {
                second += 1;
            }
        }
    }
}

#[test]
fn a_step_that_fails_costs_no_more_than_its_message() {
    let mut failing = 0;
    loop {
        let place = Place::new();
        let mut sink = place.sink();
        fail_in(failing..failing + 1);
        let staged: Vec<_> = (0..MESSAGES).map(|number| (number, sink.stage(&delivery(number)))).collect();
        let (numbers, batch): (Vec<u32>, Vec<Staged>) =
            staged.into_iter().filter_map(|(number, staged)| Some((number, staged.ok()?))).unzip();
        let results = sink.commit(batch);
        let is_past = steps_taken() <= failing;
        fail_in(0..0);
        sink.finish().unwrap();
        let is_in_doubt = |result: &Result<Receipt, DeliveryError>| {
            result.as_ref().is_err_and(|error| error.failure == Failure::Uncertain)
        };
        let mut arrived = place.pick_up();
        arrived.sort_unstable();
        let expected = numbers.iter().zip(&results).filter(|(_, result)| result.is_ok() || is_in_doubt(result));
        assert_eq!(arrived, expected.map(|(number, _)| *number).collect::<Vec<_>>(), "step {failing} failed");
        assert!(place.names().is_empty(), "step {failing} failed and left {:?}", place.names());
        assert_eq!(place.staging_folders(), 0);
        if is_past {
            assert!(results.iter().all(Result::is_ok) && results.len() == MESSAGES as usize);
            return;
        }
        failing += 1;
    }
}

#[test]
fn what_may_not_survive_a_power_cut_is_in_doubt() {
    let place = Place::new();
    let mut sink = place.sink();
    let staged = sink.stage(&delivery(0)).unwrap();
    fail_in(3..4);
    let results = sink.commit(vec![staged]);
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.failure, Failure::Uncertain, "{error}");
    assert_eq!(place.pick_up(), [0]);
}

#[test]
fn what_cannot_be_taken_back_is_said() {
    let place = Place::new();
    let mut sink = place.sink();
    let message = delivery(0);
    let staged = sink.stage(&message).unwrap();
    // The WAV goes in, the folder is flushed; then neither can the header, nor the WAV be taken out again.
    fail_in(2..4);
    let results = sink.commit(vec![staged]);
    let reason = &results[0].as_ref().unwrap_err().reason;
    assert!(reason.contains("could not be taken back"), "{reason}");
    assert!(reason.contains(&format!("{}.wav", message.new_guid)), "{reason}");
    assert_eq!(place.names(), [format!("{}.wav", message.new_guid)]);
}

#[test]
fn a_full_disk_stops_the_run_and_a_large_file_only_itself() {
    let failure = |kind: io::ErrorKind| stage::unwritten(PathError::new("write", "x", kind.into())).failure;
    assert_eq!(failure(io::ErrorKind::StorageFull), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::QuotaExceeded), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::ReadOnlyFilesystem), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::FileTooLarge), Failure::Refused);

    let place = Place::new();
    let sink = place.sink();
    let staged = sink.stage(&delivery(0)).unwrap();
    let failure = |kind: io::ErrorKind| sink.failed_rename(&staged, HEADER, &kind.into()).failure;
    assert_eq!(failure(io::ErrorKind::StorageFull), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::PermissionDenied), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::CrossesDevices), Failure::Fatal);
    assert_eq!(failure(io::ErrorKind::AlreadyExists), Failure::Refused);
    assert_eq!(failure(io::ErrorKind::TimedOut), Failure::Transient);
}

#[test]
fn a_staging_folder_gone_or_disturbed_tells_nothing() {
    let place = Place::new();
    let mut sink = place.sink();
    let staged = sink.stage(&delivery(0)).unwrap();
    let (guid, header) = (staged.guid, staged.header.clone());
    let resolution = || resolve(&place.target(), &header, guid);
    assert_eq!(resolution(), Resolution::NotDelivered);
    fs::rename(&header, header.with_extension("bak")).unwrap();
    assert_eq!(resolution(), Resolution::Unknown, "its WAV is still staged");
    fs::rename(header.with_extension("bak"), &header).unwrap();
    assert!(sink.commit(vec![staged])[0].is_ok());
    assert_eq!(resolution(), Resolution::Delivered);
    assert_eq!(place.pick_up(), [0]);
    assert_eq!(resolution(), Resolution::Delivered);
    sink.finish().unwrap();
    assert_eq!(resolution(), Resolution::Unknown);
    assert_eq!(resolve(&place.target(), Path::new("/"), guid), Resolution::Unknown);
}

#[test]
fn a_staging_folder_is_away_before_anything_in_it_is_removed() {
    let place = Place::new();
    let sink = place.sink();
    let staging = sink.staging().to_owned();
    let staged = sink.stage(&delivery(0)).unwrap();
    fail_in(1..2);
    assert!(discard(&staging).is_err());
    assert_eq!(resolve(&place.target(), &staged.header, staged.guid), Resolution::Unknown);
    assert!(discard(&staging).is_ok());
    assert_eq!(place.staging_folders(), 0);
}

#[test]
fn only_staging_folders_are_discarded() {
    let place = Place::new();
    for other in [place.target(), PathBuf::from("/"), place.0.path().join("..")] {
        assert!(discard(&other).is_err());
    }
    assert!(place.target().is_dir());
    assert!(discard(&place.0.path().join(format!("{STAGING_PREFIX}gone"))).is_ok());
}
