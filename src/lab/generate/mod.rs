//! Makes a queue of messages of chosen types, dialects and damages from a seed.
//!
//! The files are what UM writes: names, fields, order, line ends, attachments, and modification times in the order in
//! which the calls came. The same options give the same bytes on every machine, so that a test, a demo and a lab can
//! speak of the same message. What UM makes of a queue is left to `check`.

mod damage;
mod draft;
mod people;
mod wav;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fastrand::Rng;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;
use thiserror::Error;

pub use damage::Damage;
pub use people::{Mailbox, directory_csv};
pub use wav::WavFormat;

use crate::fsx::{PathContext, PathError};
use crate::message::{Dialect, Guid, MessageType, Sha256Digest};
use draft::{Draft, Outline};

/// How many messages are made between two reports of progress.
const BATCH: usize = 64;

/// The longest recording that is made, in seconds.
const MOST_SECONDS: f64 = 3600.0;

/// What queue to make.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// How many messages.
    pub count: usize,
    /// Their types, each as often as it is named here.
    pub types: Vec<MessageType>,
    /// Their dialects.
    pub dialects: Vec<Dialect>,
    /// Names of the cultures to draw from.
    pub cultures: Vec<String>,
    /// The damages, taken in turn.
    pub damages: Vec<Damage>,
    /// The share of messages with a damage, 0 to 1.
    pub damaged_share: f64,
    /// Seconds of audio in every recording; varied, most of them short, where `None`.
    pub seconds: Option<f64>,
    /// Samples a second: UM records 8000 or 16000.
    pub sample_rate: u32,
    /// The formats of the recordings, taken in turn.
    pub formats: Vec<WavFormat>,
    /// Decides everything that chance decides.
    pub seed: u64,
    /// `SentTime` of the first message; the others follow within minutes of each other.
    pub start: DateTime,
    /// The mailboxes to draw recipients from.
    pub recipients: Vec<Mailbox>,
    /// The folder's path as the UM server sees it, for `AttachmentPath`.
    pub exchange_path: String,
}

impl Default for GenerateOptions {
    /// A hundred sound messages as a busy server would have them, and some of every type.
    fn default() -> Self {
        let usual = [MessageType::SmtpVoiceMail; 6].into_iter().chain([MessageType::MissedCall; 4]);
        Self {
            count: 100,
            types: MessageType::ALL.into_iter().chain(usual).collect(),
            dialects: vec![Dialect::E12, Dialect::E15],
            cultures: ["en-US", "nl-NL", "de-DE", "fr-FR", "ja-JP"].map(str::to_owned).to_vec(),
            damages: Vec::new(),
            damaged_share: 0.0,
            seconds: None,
            sample_rate: 8000,
            formats: vec![WavFormat::Pcm16],
            seed: 1,
            start: DateTime::constant(2016, 12, 23, 8, 0, 0, 0),
            recipients: Mailbox::pool(24, 1),
            exchange_path: r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail".to_owned(),
        }
    }
}

/// Why no queue could be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A list to draw from is empty.
    #[error("there are no {0} to draw from")]
    Nothing(&'static str),
    /// No message of the chosen types and dialects can have the damage.
    #[error("no message of the chosen types and dialects can have the damage {}", .0.name())]
    Unfit(Damage),
    /// The share is no share.
    #[error("the damaged share {0} is not between 0 and 1")]
    Share(f64),
    /// The recordings' length is not one.
    #[error("recordings of {0} seconds cannot be made: from 0 to 3600")]
    Seconds(f64),
    /// No recorder has the sample rate.
    #[error("a sample rate of {0} cannot be made: from 4000 to 48000")]
    SampleRate(u32),
    /// The times run past the calendar's end.
    #[error("so many messages after the first one's time leave the calendar")]
    Time(#[source] jiff::Error),
    /// A recording could not be put into a WAV.
    #[error("a recording could not be put into a WAV")]
    Wav(#[from] hound::Error),
    /// A file of that name is there already: the same seed was used for this folder before.
    #[error("{} exists already; choose another seed or folder", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] PathError),
}

/// A message that was made.
#[derive(Clone, Debug)]
pub struct GeneratedMessage {
    /// The GUID that names its files, `None` where the damage gave them another name.
    pub guid: Option<Guid>,
    /// The files' name without extension.
    pub stem: String,
    /// The files' names, the header last.
    pub files: Vec<String>,
    /// The type that the message was made as; a damage may have changed what its header says.
    pub message_type: MessageType,
    /// The dialect.
    pub dialect: Dialect,
    /// What is wrong with it.
    pub damage: Option<Damage>,
    /// Who it is for, `None` where its type names nobody.
    pub recipient: Option<Mailbox>,
    /// When it was sent, and modified, taken as UTC.
    pub sent: DateTime,
    /// SHA-256 of the WAV, where there is one.
    pub audio_sha256: Option<Sha256Digest>,
}

/// A queue that was made, in the order of its times.
#[derive(Clone, Debug, Default)]
pub struct Generated {
    /// Its messages.
    pub messages: Vec<GeneratedMessage>,
}

/// Makes the queue in `folder`, which is created where it is not there; `progress` hears how many messages stand.
///
/// Every header appears whole and after its attachments, as UM's pickup needs it.
///
/// # Errors
/// Options that cannot be met, before anything is written; or a file that could not be: see [`GenerateError`].
pub fn generate(
    folder: &Path,
    options: &GenerateOptions,
    progress: &dyn Fn(usize),
) -> Result<Generated, GenerateError> {
    let plan = plan(options)?;
    fs::create_dir_all(folder).path("create", folder)?;
    let mut generated = Generated::default();
    for batch in plan.chunks(BATCH) {
        let made: Result<Vec<_>, _> = batch.par_iter().map(|message| message.make(folder, options)).collect();
        generated.messages.extend(made?);
        progress(generated.messages.len());
    }
    Ok(generated)
}

/// A message that is to be made, with a generator of its own: messages are made side by side.
struct PlannedMessage<'a> {
    outline: Outline<'a>,
    damage: Option<Damage>,
    rng: Rng,
}

fn plan(options: &GenerateOptions) -> Result<Vec<PlannedMessage<'_>>, GenerateError> {
    validate(options)?;
    let mut rng = Rng::with_seed(options.seed);
    let kinds = kinds(&mut rng, options)?;
    let mut sent = options.start;
    let mut plan = Vec::with_capacity(options.count);
    for (index, (kind, dialect, damage)) in kinds.into_iter().enumerate() {
        let recipient = rng.choice(&options.recipients).ok_or(GenerateError::Nothing("recipients"))?;
        let culture = rng.choice(&options.cultures).ok_or(GenerateError::Nothing("cultures"))?.clone();
        let format = options.formats.get(index % options.formats.len()).copied().unwrap_or(WavFormat::Pcm16);
        let outline = Outline { kind, dialect, sent, recipient, culture, format };
        plan.push(PlannedMessage { outline, damage, rng: rng.fork() });
        // Even seconds: a zip archive keeps no others.
        let gap = SignedDuration::from_secs(2 * rng.i64(2..=300));
        sent = sent.checked_add(gap).map_err(GenerateError::Time)?;
    }
    Ok(plan)
}

fn validate(options: &GenerateOptions) -> Result<(), GenerateError> {
    let lists = [
        ("types", options.types.is_empty()),
        ("dialects", options.dialects.is_empty()),
        ("cultures", options.cultures.is_empty()),
        ("formats", options.formats.is_empty()),
        ("recipients", options.recipients.is_empty()),
        ("damages", options.damages.is_empty() && options.damaged_share > 0.0),
    ];
    if let Some((name, _)) = lists.into_iter().find(|(_, is_empty)| *is_empty) {
        return Err(GenerateError::Nothing(name));
    }
    if !(0.0..=1.0).contains(&options.damaged_share) {
        return Err(GenerateError::Share(options.damaged_share));
    }
    if let Some(seconds) = options.seconds.filter(|seconds| !(0.0..=MOST_SECONDS).contains(seconds)) {
        return Err(GenerateError::Seconds(seconds));
    }
    if !(4000..=48000).contains(&options.sample_rate) {
        return Err(GenerateError::SampleRate(options.sample_rate));
    }
    Ok(())
}

type Kind = (MessageType, Dialect, Option<Damage>);

/// Every type in both dialects as evenly as the count allows, in an order by chance, and the damages spread over them.
fn kinds(rng: &mut Rng, options: &GenerateOptions) -> Result<Vec<Kind>, GenerateError> {
    let pairs = || options.types.iter().flat_map(|kind| options.dialects.iter().map(move |dialect| (*kind, *dialect)));
    let mut kinds: Vec<Kind> = (0..options.count)
        .zip(options.types.iter().cycle())
        .map(|(index, kind)| {
            // One step further at every round, so that each type meets each dialect.
            let turn = index + index / options.types.len();
            let dialect = options.dialects.get(turn % options.dialects.len()).copied().unwrap_or(Dialect::E15);
            (*kind, dialect, None)
        })
        .collect();
    rng.shuffle(&mut kinds);
    let damaged = (options.count as f64 * options.damaged_share).round() as usize;
    let mut places: Vec<usize> = (0..options.count).collect();
    rng.shuffle(&mut places);
    for (place, damage) in places.into_iter().zip(options.damages.iter().cycle()).take(damaged) {
        let fitting: Vec<_> = pairs().filter(|(kind, dialect)| damage.fits(*kind, *dialect)).collect();
        let Some(slot) = kinds.get_mut(place) else {
            continue;
        };
        let (kind, dialect) = match *slot {
            (kind, dialect, _) if damage.fits(kind, dialect) => (kind, dialect),
            _ => rng.choice(fitting).ok_or(GenerateError::Unfit(*damage))?,
        };
        *slot = (kind, dialect, Some(*damage));
    }
    Ok(kinds)
}

impl PlannedMessage<'_> {
    fn make(&self, folder: &Path, options: &GenerateOptions) -> Result<GeneratedMessage, GenerateError> {
        let mut rng = self.rng.clone();
        let outline = &self.outline;
        let mut draft = Draft::new(&mut rng, options, outline)?;
        if let Some(damage) = self.damage {
            damage.apply(&mut draft, &mut rng, outline.dialect)?;
        }
        let modified = TimeZone::UTC.to_timestamp(outline.sent).map_err(GenerateError::Time)?;
        let files = write(folder, &draft, modified)?;
        Ok(GeneratedMessage {
            guid: Guid::parse(&draft.stem),
            audio_sha256: draft.wav.as_deref().map(Sha256Digest::of),
            stem: draft.stem,
            files,
            message_type: outline.kind,
            dialect: outline.dialect,
            damage: self.damage,
            recipient: outline.kind.has_recipient().then(|| outline.recipient.clone()),
            sent: outline.sent,
        })
    }
}

/// Writes a message's files, the header last and by rename: a running UM may be watching the folder.
fn write(folder: &Path, draft: &Draft, modified: Timestamp) -> Result<Vec<String>, GenerateError> {
    let mut names = Vec::new();
    for (name, bytes) in draft.attachments() {
        create(&folder.join(&name), bytes, modified)?;
        names.push(name);
    }
    if let Some(bytes) = draft.header_bytes() {
        let name = draft.header_name();
        let path = folder.join(&name);
        if path.try_exists().path("look for", &path)? {
            return Err(GenerateError::Exists(path));
        }
        // Not `<GUID>.*`, and no extension that begins with `txt`: UM takes either for its own.
        let unfinished = folder.join(format!("umreplay-{}.part", draft.guid));
        let written = create(&unfinished, &bytes, modified)
            .and_then(|()| fs::rename(&unfinished, &path).path("rename a file to", &path).map_err(GenerateError::from));
        if written.is_err() {
            // The error that matters is the first one.
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        names.push(name);
    }
    Ok(names)
}

fn create(path: &Path, bytes: &[u8], modified: Timestamp) -> Result<(), GenerateError> {
    let mut file = match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(GenerateError::Exists(path.to_path_buf()));
        }
        file => file.path("create", path)?,
    };
    file.write_all(bytes).path("write", path)?;
    file.set_modified(SystemTime::from(modified)).path("set the time of", path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
