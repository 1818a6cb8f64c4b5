//! What is to become of every message: delivered once, skipped, or refused, each with its reason.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::ReplayError;
use super::copies::{self, Name};
use super::history::History;
use super::keep;
use super::waiting::{Waiting, leave_what_waits};
use crate::check::{self, CheckOptions};
use crate::edit::{Draft, Edits, Purpose, QueuePlace, Repair, requeue};
use crate::fsx;
use crate::ledger::{Action, EntryId, EntryState, Ledger};
use crate::message::{
    AudioFile, Change, Code, Delivery, DeliveryResult, Finding, Guid, Header, Identity, Level, Message, MessageType,
    Outcome, Recipient, State, audio,
};

/// What a run does with messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Puts pairs back into a voicemail folder.
    Inject {
        /// The folder's path as the UM server sees it, where it is known.
        exchange_path: Option<String>,
    },
    /// Sends them over SMTP.
    Submit,
    /// Writes them as `.eml` files.
    Export,
    /// Writes them as pairs, a set to keep.
    Keep,
    /// Changes their header files in place.
    Edit,
}

impl Job {
    /// What the ledger calls it.
    pub fn action(&self) -> Action {
        match self {
            Self::Inject { .. } => Action::Inject,
            Self::Submit => Action::Submit,
            Self::Export | Self::Keep => Action::Export,
            Self::Edit => Action::Edit,
        }
    }
}

/// How to plan.
#[derive(Debug)]
pub struct PlanOptions<'a> {
    /// What to do.
    pub job: Job,
    /// What to change.
    pub edits: &'a Edits,
    /// What the rules need to know.
    pub check: CheckOptions<'a>,
    /// Deliver even what the ledger has as done.
    pub again: bool,
    /// Send again what may have been delivered.
    pub resend_uncertain: bool,
    /// What open intents of dead runs turned out to be, where the ledger does not say it yet.
    pub resolved: HashMap<EntryId, EntryState>,
    /// What waits in the folder that an injection goes to.
    pub waiting: Option<&'a Waiting>,
    /// The time of messages that have none.
    pub now: Timestamp,
}

/// One message and what is to become of it.
#[derive(Debug)]
pub enum Step {
    /// It is to be delivered.
    Deliver(Box<Delivery>),
    /// It is left as it is, for the reason in the result.
    Leave(Box<DeliveryResult>),
}

/// What is to become of every message, deliveries in the order of the queue.
#[derive(Debug)]
pub struct Plan {
    /// What the run does.
    pub job: Job,
    /// Every message once.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether nothing is to be delivered.
    pub fn is_idle(&self) -> bool {
        self.deliveries() == 0
    }

    /// How many messages are to be delivered.
    pub fn deliveries(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Deliver(_))).count()
    }
}

/// Decides what is to become of every message.
///
/// Reads audio for its hash, and the ledger; changes nothing.
///
/// # Errors
/// The ledger cannot be read, or the UM server's path of the folder is needed and not known.
pub fn plan(
    messages: Vec<Message>,
    options: &PlanOptions<'_>,
    ledger: &Ledger,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Plan, ReplayError> {
    let (names, mut steps): (Vec<Option<Name>>, Vec<Step>) = messages
        .into_par_iter()
        .map(|message| {
            let judged = (Name::of(&message), judge(message, options));
            advance(1);
            judged
        })
        .unzip();
    if steps.iter().any(|step| matches!(step, Step::Deliver(delivery) if lacks_path(delivery, &options.job))) {
        return Err(ReplayError::ExchangePathUnknown);
    }
    if options.job != Job::Edit {
        let history = match options.job.action().is_delivery() {
            true => History::read(&steps, options, ledger)?,
            false => History::default(),
        };
        copies::keep_one_copy(&mut steps, &names, &history, options);
        history.leave_what_is_done(&mut steps, options);
        leave_what_waits(&mut steps, options);
    }
    if options.job == Job::Keep {
        keep::name(&mut steps);
    }
    put_in_queue_order(&mut steps);
    Ok(Plan { job: options.job.clone(), steps })
}

/// Why a message is left as it is.
pub(super) struct Left {
    outcome: Outcome,
    reason: String,
    findings: Vec<Finding>,
    changes: Vec<Change>,
}

impl Left {
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, reason: reason.into(), findings: Vec::new(), changes: Vec::new() }
    }

    pub(super) fn in_doubt(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Uncertain, ..Self::skipped(reason) }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, ..Self::skipped(reason) }
    }

    pub(super) fn result(self, message: &Message, identity: Option<Identity>) -> Step {
        Step::Leave(Box::new(DeliveryResult {
            guid: message.guid,
            identity,
            label: message.label.clone(),
            recipient: original_recipient(message),
            outcome: self.outcome,
            reason: Some(self.reason),
            findings: self.findings,
            changes: self.changes,
            receipt: None,
            attempts: 0,
        }))
    }
}

pub(super) fn original_recipient(message: &Message) -> Recipient {
    message.header.as_ref().map(|part| part.header.recipient()).unwrap_or_default()
}

/// Decides about one message by itself.
fn judge(mut message: Message, options: &PlanOptions<'_>) -> Step {
    let identity = match message.identity() {
        Ok(identity) => identity,
        Err(error) => return Left::refused(fsx::describe(&error)).result(&message, None),
    };
    match prepare(&message, options) {
        Ok(Prepared { header, message_type, recipient, changes, new_guid, audio }) => {
            if options.job == Job::Keep {
                message.findings.extend(check::for_pickup(&message, &header, &options.check));
            }
            Step::Deliver(Box::new(Delivery {
                identity,
                header,
                message_type,
                recipient,
                changes,
                new_guid,
                is_repeat: false,
                queue_time: message.modified().unwrap_or(options.now),
                message: Message { audio: audio.or(message.audio), ..message },
            }))
        }
        Err(left) => left.result(&message, Some(identity)),
    }
}

/// What a message is to be delivered as.
struct Prepared {
    header: Header,
    message_type: MessageType,
    recipient: Recipient,
    changes: Vec<Change>,
    new_guid: Guid,
    /// The recording with mended sizes, where they were wrong.
    audio: Option<AudioFile>,
}

/// Edits one message and lets the rules judge the result.
fn prepare(message: &Message, options: &PlanOptions<'_>) -> Result<Prepared, Left> {
    let found = message.state();
    let Some(header) = message.header.as_ref().map(|part| &part.header) else {
        return Err(without_header(message, found));
    };
    match found {
        State::Internal => return Err(Left::skipped("it is UM's own file, nobody's message")),
        State::Unreadable => return Err(without_header(message, found)),
        State::Demoted if stays_demoted(message, options) => {
            let reason = "UM made a missed call of this voice message, and delivering that would leave its audio behind; \
                make it a voice message again with --type-to SMTPVoiceMail, or confirm with --type-to MissedCall";
            return Err(Left::refused(reason));
        }
        _ => {}
    }
    let undecided = message.findings.iter().find(|finding| finding.code == Code::CopiesDisagree);
    if let Some(finding) = undecided.filter(|_| options.edits.recipient.is_none()) {
        let left = Left::refused(format!("{}; say who is to get it", finding.message));
        return Err(Left { findings: vec![finding.clone()], ..left });
    }
    let purpose = match options.job {
        Job::Inject { .. } | Job::Keep | Job::Edit => Purpose::Queue,
        Job::Submit | Job::Export => Purpose::Mail,
    };
    let found_header = header.clone();
    let edited = options.edits.apply(message, header, purpose).map_err(|error| Left::refused(error.to_string()))?;
    let mut draft = Draft::resume(edited.header, edited.changes);
    let new_guid = Guid::random();
    if let (Job::Inject { exchange_path }, Some(kind)) = (&options.job, draft.header().message_type()) {
        let folder = exchange_path.clone().unwrap_or_default();
        requeue(&mut draft, kind, &QueuePlace { folder, guid: new_guid }, message.audio.is_some())
            .map_err(|error| Left::refused(error.to_string()))?;
    }
    let audio = mended_audio(message, &mut draft, options)?;
    let (header, changes) = draft.finish();
    let refusal = match options.job {
        Job::Inject { .. } => refused_by_um(message, &header, &options.check),
        Job::Submit | Job::Export => lacks_attachment(message, &header),
        // Whatever UM would make of it: a set to keep holds it as it is.
        Job::Keep => None,
        Job::Edit if changes.is_empty() => Some(Left::skipped("nothing to change")),
        Job::Edit => made_worse(message, &found_header, &header, &options.check),
    };
    let stand_in = (options.job == Job::Keep).then(|| keep::stand_in_type(message));
    let Some(message_type) = header.message_type().or(stand_in).filter(|_| refusal.is_none()) else {
        let left = refusal.unwrap_or_else(|| Left::refused("its MessageType is missing or unknown"));
        return Err(Left { changes, ..left });
    };
    Ok(Prepared { header, message_type, recipient: edited.recipient, changes, new_guid, audio })
}

/// A recording cut short with RIFF sizes that fit, noted as a change.
fn mended_audio(message: &Message, draft: &mut Draft, options: &PlanOptions<'_>) -> Result<Option<AudioFile>, Left> {
    let is_voice = draft.header().message_type().is_some_and(MessageType::carries_audio);
    let wanted = is_voice && options.job != Job::Edit && options.edits.repairs.contains(&Repair::Riff);
    let Some(found) = message.audio.as_ref().filter(|_| wanted) else {
        return Ok(None);
    };
    let mended = audio::mend(found).map_err(|error| Left::refused(fsx::describe(&error)))?;
    if let (Some(old), Some(new)) = (&found.facts, mended.as_ref().and_then(|mended| mended.facts.as_ref())) {
        let size = |bytes: u32| format!("{bytes} bytes of samples");
        draft.note("RIFF", Some(size(old.declared_data_bytes)), &Some(size(new.declared_data_bytes)));
    }
    Ok(mended)
}

/// Whether a demoted message would be delivered as the missed call that UM made of it, its audio left behind unasked.
fn stays_demoted(message: &Message, options: &PlanOptions<'_>) -> bool {
    let audible = message.audio.as_ref().is_some_and(|audio| audio.facts.is_some());
    let mended = options.edits.repairs.contains(&Repair::Demoted) && audible;
    !matches!(options.job, Job::Edit | Job::Keep) && options.edits.message_type.is_none() && !mended
}

fn without_header(message: &Message, state: State) -> Left {
    let reason = match state {
        State::Internal => return Left::skipped("it is UM's own file, nobody's message"),
        State::NoHeader => "it is audio without a header, so nobody is named to get it".to_owned(),
        _ => "its header cannot be read".to_owned(),
    };
    Left { findings: errors(message.findings.clone()), ..Left::refused(reason) }
}

fn refused_by_um(message: &Message, header: &Header, options: &CheckOptions<'_>) -> Option<Left> {
    let findings = errors(check::for_pickup(message, header, options));
    let first = findings.first()?;
    let more = match findings.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let reason = format!("UM would refuse it: {} {}{more}", first.code, first.message);
    Some(Left { findings, ..Left::refused(reason) })
}

/// An edit must not make UM refuse what it would have taken; what was wrong before may stay wrong.
fn made_worse(message: &Message, before: &Header, after: &Header, options: &CheckOptions<'_>) -> Option<Left> {
    let known: Vec<_> = errors(check::for_pickup(message, before, options));
    let is_new =
        |finding: &Finding| !known.iter().any(|known| (known.code, &known.field) == (finding.code, &finding.field));
    let findings: Vec<_> = errors(check::for_pickup(message, after, options)).into_iter().filter(is_new).collect();
    let first = findings.first()?;
    let reason = format!("UM would delete it after this change, or lose its audio: {} {}", first.code, first.message);
    Some(Left { findings, ..Left::refused(reason) })
}

fn lacks_attachment(message: &Message, header: &Header) -> Option<Left> {
    (message.state_with(header) == State::NoAudio)
        .then(|| Left::refused("the attachment that its type needs is not beside its header"))
}

fn errors(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| finding.level == Level::Error).collect()
}

fn lacks_path(delivery: &Delivery, job: &Job) -> bool {
    matches!(job, Job::Inject { exchange_path: None })
        && (delivery.message_type.carries_audio() && delivery.message.audio.is_some()
            || delivery.message_type == MessageType::Fax)
}

/// Sorts deliveries as UM would take them: by modification time, then by `SentTime`, then by name.
///
/// The delivered headers' modification times are made strictly ascending, so that the order survives.
fn put_in_queue_order(steps: &mut [Step]) {
    steps.sort_by_cached_key(|step| match step {
        Step::Leave(_) => None,
        Step::Deliver(delivery) => {
            let sent = delivery.header.sent_time().and_then(|time| time.to_zoned(TimeZone::UTC).ok());
            let sent = sent.map(|time| time.timestamp());
            Some((delivery.queue_time, sent, delivery.message.label.clone()))
        }
    });
    let mut latest: Option<Timestamp> = None;
    for step in steps {
        let Step::Deliver(delivery) = step else {
            continue;
        };
        if let Some(latest) = latest.filter(|latest| delivery.queue_time <= *latest) {
            delivery.queue_time = latest.saturating_add(Duration::from_millis(1)).unwrap_or(latest);
        }
        latest = Some(delivery.queue_time);
    }
}
