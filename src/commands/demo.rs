//! `demo`: the main job from end to end on built-in samples, in a folder of its own, with a built-in SMTP receiver.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mail_parser::{MessageParser, MimeHeaders};

use super::{Context, judge};
use crate::check::{CheckOptions, explain};
use crate::cli::{ChangeArgs, DemoArgs, MailArgs};
use crate::config;
use crate::edit::{Directory, Edits, Repair, Target};
use crate::error::{CommandError, Exit};
use crate::fsx::{self, PathContext};
use crate::lab::sink::{LabSink, LabSinkOptions};
use crate::ledger::{Ledger, NewRun, RunCounts};
use crate::merge;
use crate::message::{DeliveryResult, Guid, Message, Outcome, Sha256Digest, Tally, fields};
use crate::replay::{self, Execution, Job, PlanOptions, Silent};
use crate::report::Summary;
use crate::sink::Sink;
use crate::sink::folder::{FolderOptions, FolderSink};
use crate::sink::smtp::{SmtpSink, Tls};
use crate::source;
use crate::ui::{DemoRow, clean, demo_table, kind_of_reason, print, reasons, summary_text};

include!(concat!(env!("OUT_DIR"), "/demo_samples.rs"));

/// Where the voicemail folder would lie on a UM server.
const EXCHANGE_PATH: &str = r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail";

pub(super) fn run(context: &Context, arguments: &DemoArgs) -> Result<Exit, CommandError> {
    let root = folder(arguments)?;
    unpack(&root)?;
    let sources = [root.join("live"), root.join("backup.zip")];
    print(&format!("1. Scanning {} and {}", sources[0].display(), sources[1].display()))?;
    let read = || -> Result<Vec<Message>, CommandError> {
        let inventory = source::read(&sources, &|_| {}).map_err(|error| CommandError::new("source", error))?;
        Ok(merge::merge(inventory.messages))
    };
    let mut messages = read()?;
    judge(&mut messages, &CheckOptions::default());
    let mut summary = Summary::default();
    messages.iter().for_each(|message| summary.add(message));
    print(&summary_text(&summary))?;

    let changes = ChangeArgs {
        map: Some(root.join("map.csv")),
        directory: Some(root.join("directory.csv")),
        ..ChangeArgs::default()
    };
    let edits = config::edits(&changes, Repair::usual())?;
    print("2. Injecting into an empty voicemail folder, recipients changed by map.csv")?;
    let injected = inject(context, &root, read()?, &edits)?;
    print("3. Submitting to the built-in SMTP receiver")?;
    let (submitted, mails) = submit(context, &root, read()?, &edits)?;
    print("4. Verifying what arrived, audio by SHA-256\n")?;
    let rows = verify(&root, read()?, &injected, &submitted, &mails, edits.directory.as_ref())?;
    let wrong =
        rows.iter().filter(|row| row.injected.starts_with("WRONG") || row.submitted.starts_with("WRONG")).count();
    print(&demo_table(&rows))?;
    print(&passed_over(&injected))?;
    print(&format!(
        "\nResults: {}\n  voicemail  what UM would pick up\n  mail       what arrived by SMTP, as .eml",
        root.display()
    ))?;
    match wrong {
        0 => Ok(Exit::Done),
        wrong => Err(CommandError::message("demo", format!("{wrong} messages did not arrive as they were sent"))),
    }
}

/// Makes the folder that the demo works in, and leaves there for looking at.
fn folder(arguments: &DemoArgs) -> Result<PathBuf, CommandError> {
    let failed = |error| CommandError::new("demo", error);
    let Some(folder) = &arguments.to else {
        let folder = tempfile::Builder::new().prefix("umreplay-demo-").tempdir();
        return Ok(folder.path("make a folder in", std::env::temp_dir()).map_err(failed)?.keep());
    };
    std::fs::create_dir_all(folder).path("make the folder", folder).map_err(failed)?;
    let mut entries = std::fs::read_dir(folder).path("read", folder).map_err(failed)?;
    match entries.next() {
        None => Ok(folder.clone()),
        Some(_) => Err(CommandError::message("demo", format!("{} is not empty", folder.display()))
            .hint("give a folder that is empty or does not exist yet")),
    }
}

fn unpack(root: &Path) -> Result<(), CommandError> {
    let write = |path: &Path, bytes: &[u8]| {
        let folder = fsx::folder_of(path);
        std::fs::create_dir_all(&folder).path("make the folder", &folder)?;
        fsx::write_atomically(path, bytes)
    };
    let voicemail = root.join("voicemail");
    std::fs::create_dir_all(&voicemail)
        .path("make the folder", &voicemail)
        .and_then(|()| SAMPLES.iter().try_for_each(|(name, bytes)| write(&root.join(name), bytes)))
        .map_err(|error| CommandError::new("demo", error))
}

fn inject(
    context: &Context,
    root: &Path,
    messages: Vec<Message>,
    edits: &Edits,
) -> Result<Vec<DeliveryResult>, CommandError> {
    let target = root.join("voicemail");
    let options = FolderOptions { target: target.clone(), staging: None, run_name: "demo".to_owned() };
    let sink = FolderSink::open(&options).map_err(|error| CommandError::new("target", error))?;
    let job = Job::Inject { exchange_path: Some(EXCHANGE_PATH.to_owned()) };
    deliver(context, job, messages, edits, sink, target.display().to_string())
}

fn submit(
    context: &Context,
    root: &Path,
    messages: Vec<Message>,
    edits: &Edits,
) -> Result<(Vec<DeliveryResult>, Vec<Vec<u8>>), CommandError> {
    let receiver =
        LabSink::start(LabSinkOptions { out: Some(root.join("mail")), keep: true, ..LabSinkOptions::default() })
            .map_err(|error| CommandError::new("demo", error))?;
    let address = receiver.address();
    let mime = config::mime_options(
        Some("MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.com"),
        &MailArgs { timezone: Some("Europe/Amsterdam".to_owned()), allow_private_in_clear: false },
    )?;
    let options = config::plain_smtp(address.ip().to_string(), address.port(), Tls::None, mime);
    let sink = SmtpSink::connect(options).map_err(|error| CommandError::new("demo", error))?;
    let results = deliver(context, Job::Submit, messages, edits, sink, address.to_string())?;
    let mails = receiver.received().into_iter().map(|mail| mail.bytes.to_vec()).collect();
    receiver.stop();
    Ok((results, mails))
}

fn deliver<S: Sink>(
    context: &Context,
    job: Job,
    messages: Vec<Message>,
    edits: &Edits,
    mut sink: S,
    target: String,
) -> Result<Vec<DeliveryResult>, CommandError> {
    let failed = |error| CommandError::new("demo", error);
    let mut ledger = Ledger::in_memory().map_err(super::runs::ledger_error)?;
    let options = PlanOptions {
        job,
        edits,
        check: CheckOptions::default(),
        again: false,
        resend_uncertain: false,
        resolved: HashMap::new(),
        waiting: None,
        now: (context.clock)(),
    };
    let plan = replay::plan(messages, &options, &ledger, &|_| {}).map_err(failed)?;
    let begun = NewRun {
        command: "demo".to_owned(),
        arguments: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: String::new(),
        host: String::new(),
        started: (context.clock)(),
    };
    let run = ledger.begin_run(&begun).map_err(super::runs::ledger_error)?;
    let execution =
        Execution { ledger: &mut ledger, run, target, clock: context.clock, progress: &Silent, stop: &context.stop };
    let mut results = Vec::new();
    let tally: Tally =
        replay::execute(plan, &mut sink, execution, &mut |result| results.push(result)).map_err(failed)?;
    sink.finish().map_err(|error| CommandError::new("demo", error))?;
    let counts = RunCounts {
        done: tally.count(Outcome::Done),
        skipped: tally.count(Outcome::Skipped),
        failed: tally.count(Outcome::Failed),
        uncertain: tally.count(Outcome::Uncertain),
    };
    ledger.end_run(run, (context.clock)(), counts).map_err(super::runs::ledger_error)?;
    Ok(results)
}

/// Compares what arrived with what was in the sources.
fn verify(
    root: &Path,
    mut messages: Vec<Message>,
    injected: &[DeliveryResult],
    submitted: &[DeliveryResult],
    mails: &[Vec<u8>],
    directory: Option<&Directory>,
) -> Result<Vec<DemoRow>, CommandError> {
    let mut audio = HashMap::new();
    for message in &mut messages {
        let digest = message.audio_sha256().map_err(|error| CommandError::new("demo", error))?;
        audio.insert(message.label.clone(), digest);
    }
    let arrived: HashMap<String, Option<Sha256Digest>> = mails.iter().filter_map(|mail| audio_of(mail)).collect();
    let mails: HashMap<&str, &DeliveryResult> =
        submitted.iter().map(|result| (result.label.as_str(), result)).collect();
    let rows = injected.iter().filter(|result| result.outcome != Outcome::Skipped).map(|result| {
        let expected = audio.get(&result.label).copied().flatten();
        let verdict = |found: Option<Sha256Digest>| match (expected, found) {
            (Some(expected), Some(found)) if expected == found => "yes, audio equal".to_owned(),
            (None, None) => "yes".to_owned(),
            _ => "WRONG audio".to_owned(),
        };
        let in_folder = |guid: Guid| {
            let bytes = std::fs::read(root.join("voicemail").join(format!("{guid}.wav"))).ok();
            verdict(bytes.map(|bytes| Sha256Digest::of(&bytes)))
        };
        let mail = mails.get(result.label.as_str());
        let in_mail = |id: &str| match arrived.get(id) {
            Some(found) => verdict(*found),
            None => "WRONG: nothing arrived".to_owned(),
        };
        DemoRow {
            guid: result.guid,
            recipient: recipient(result, directory),
            injected: told(result, result.receipt.as_ref().and_then(|receipt| receipt.new_guid).map(in_folder)),
            submitted: mail.map_or_else(String::new, |mail| {
                let id = mail.receipt.as_ref().and_then(|receipt| receipt.message_id.as_deref());
                told(mail, id.map(in_mail))
            }),
        }
    });
    Ok(rows.collect())
}

/// The verdict on a delivered message, else why it was not delivered, in a few words.
fn told(result: &DeliveryResult, verdict: Option<String>) -> String {
    match (result.outcome, verdict, result.findings.first()) {
        (Outcome::Done, Some(verdict), _) => verdict,
        (_, _, Some(finding)) => format!("refused: {} {}", finding.code, explain(finding.code).title),
        _ => {
            let reason = result.reason.as_deref().unwrap_or_default();
            clean(&format!("refused: {}", reason.split(':').next().unwrap_or_default())).into_owned()
        }
    }
}

/// What is not in the table, in a line.
fn passed_over(results: &[DeliveryResult]) -> String {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for result in results.iter().filter(|result| result.outcome == Outcome::Skipped) {
        *kinds.entry(kind_of_reason(result.reason.as_deref().unwrap_or_default())).or_default() += 1;
    }
    format!("\nNot listed, skipped: {}", reasons(&kinds))
}

/// Who a message was for, and where it goes now if that was changed.
fn recipient(result: &DeliveryResult, directory: Option<&Directory>) -> String {
    let name = result.recipient.name.clone();
    let was = name.or_else(|| result.recipient.address.as_ref().map(ToString::to_string)).unwrap_or_default();
    let fields = [fields::RECIPIENT_ADDRESS, fields::RECIPIENT_OBJECT_GUID];
    let change = result.changes.iter().find(|change| fields.contains(&change.field.as_str()));
    let target = change.and_then(|change| Target::parse(change.new.as_deref()?).ok());
    let mailbox = target.and_then(|target| directory?.find(&target).ok()?);
    let domain = mailbox.and_then(|mailbox| Some(format!(" → {}", mailbox.address.as_str().split_once('@')?.1)));
    clean(&format!("{was}{}", domain.unwrap_or_default())).into_owned()
}

/// A mail's Message-ID and the SHA-256 of its audio, read by an independent parser.
fn audio_of(mail: &[u8]) -> Option<(String, Option<Sha256Digest>)> {
    let parsed = MessageParser::new().parse(mail)?;
    let id = format!("<{}>", parsed.message_id()?);
    let audio = parsed.attachments().find(|part| part.content_type().is_some_and(|kind| kind.ctype() == "audio"));
    Some((id, audio.map(|part| Sha256Digest::of(part.contents()))))
}
