//! A file a subcommand: arguments in, an exit code out. What several of them share is here.

mod act;
mod check;
mod completions;
mod demo;
mod edit;
mod export;
mod inject;
mod lab;
mod runs;
mod scan;
mod show;
mod submit;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rayon::prelude::*;

use crate::check::CheckOptions;
use crate::cli::{ArchiveArgs, Cli, Command, Format, RunsCommand, SelectionArgs};
use crate::config;
use crate::error::{CommandError, Exit};
use crate::fsx::PathContext;
use crate::merge;
use crate::message::{Identity, Message};
use crate::replay::Progress;
use crate::select::{Criteria, Selection, ids_in};
use crate::source::{self, SourceError};
use crate::ui::{Ui, clean};

/// What every command needs besides its arguments.
#[derive(Debug)]
pub(crate) struct Context {
    /// How to talk to the user.
    pub(crate) ui: Ui,
    /// The time.
    pub(crate) clock: fn() -> Timestamp,
    /// Set when the user wants the work to end in order.
    pub(crate) stop: Arc<AtomicBool>,
}

/// Runs the command that was asked for.
///
/// # Errors
/// What kept it from running.
pub(crate) fn run(context: &Context, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Scan(arguments) => scan::run(context, arguments),
        Command::Show(arguments) => show::run(context, arguments),
        Command::Check(arguments) => check::run(context, arguments),
        Command::Edit(arguments) => edit::run(context, arguments),
        Command::Inject(arguments) => inject::run(context, arguments),
        Command::Submit(arguments) => submit::run(context, arguments),
        Command::Export(arguments) => export::run(context, arguments),
        Command::Runs(arguments) => runs::run(context, arguments),
        Command::Lab(arguments) => lab::run(context, arguments),
        Command::Demo(arguments) => demo::run(context, arguments),
        Command::Completions(arguments) => completions::completions(arguments),
        Command::Man => completions::man(),
    }
}

/// The form of results that a command line asks for, so that its errors come in the same form.
pub(crate) fn format_of(cli: &Cli) -> Option<Format> {
    match &cli.command {
        Command::Scan(arguments) => Some(arguments.format.format),
        Command::Show(arguments) => Some(arguments.format.format),
        Command::Check(arguments) => Some(arguments.format.format),
        Command::Edit(arguments) => Some(arguments.format.format),
        Command::Inject(arguments) => Some(arguments.format.format),
        Command::Submit(arguments) => Some(arguments.format.format),
        Command::Export(arguments) => Some(arguments.format.format),
        Command::Runs(arguments) => Some(match &arguments.command {
            RunsCommand::List(arguments) => arguments.format,
            RunsCommand::Show(arguments) => arguments.list.format,
        }),
        _ => None,
    }
}

/// Reads the sources, and makes one message of its copies.
fn read_merged(context: &Context, sources: &[PathBuf], archives: &ArchiveArgs) -> Result<Vec<Message>, CommandError> {
    let messages = read_sources(context, sources, archives)?;
    let found = messages.len();
    let merged = merge::merge(messages);
    if merged.len() < found {
        context.ui.note(&format!("{} messages, put together from {found} copies", merged.len()));
    }
    Ok(merged)
}

/// Reads the messages that lie in a folder, if there are any; what cannot be read there is nobody's concern now.
fn read_quietly(folder: &Path) -> Result<Vec<Message>, CommandError> {
    let read = source::read(&[folder.to_path_buf()], &|_| {});
    read.map(|inventory| inventory.messages).map_err(source_error)
}

/// Reads every message of the sources, each copy by itself.
fn read_sources(context: &Context, sources: &[PathBuf], archives: &ArchiveArgs) -> Result<Vec<Message>, CommandError> {
    let options = config::source_options(archives)?;
    context.ui.begin("reading", None);
    let told = AtomicUsize::new(0);
    let read = source::read_with(sources, &options, &|count| {
        let before = told.fetch_max(count, Ordering::Relaxed);
        context.ui.advance(count.saturating_sub(before) as u64);
    });
    context.ui.end();
    let inventory = read.map_err(source_error)?;
    for problem in &inventory.problems {
        let finding = &problem.finding;
        context.ui.say(&format!("warning: {} {}: {}", finding.code, clean(&problem.label), clean(&finding.message)));
    }
    if inventory.messages.is_empty() {
        let names: Vec<_> = sources.iter().map(|source| source.display().to_string()).collect();
        let message = format!("there are no voicemail messages in {}", clean(&names.join(", ")));
        return Err(CommandError::message("source", message)
            .hint("a message is a <GUID>.txt with its <GUID>.wav, as in UnifiedMessaging\\voicemail"));
    }
    Ok(inventory.messages)
}

fn source_error(error: SourceError) -> CommandError {
    let hint = error.hint();
    CommandError::new("source", error).hint(hint)
}

/// Reads the sources, makes one message of its copies, and keeps what was selected.
fn select(
    context: &Context,
    sources: &[PathBuf],
    archives: &ArchiveArgs,
    arguments: &SelectionArgs,
) -> Result<Vec<Message>, CommandError> {
    keep_selected(context, read_merged(context, sources, archives)?, arguments)
}

/// Keeps what was selected.
fn keep_selected(
    context: &Context,
    mut messages: Vec<Message>,
    arguments: &SelectionArgs,
) -> Result<Vec<Message>, CommandError> {
    let selection = selection(arguments)?;
    let count = messages.len();
    let ids = match selection.needs_identity() {
        true => identities(context, &mut messages),
        false => vec![None; messages.len()],
    };
    for unknown in selection.unknown_ids(messages.iter().zip(ids.iter().map(Option::as_ref))) {
        context.ui.say(&format!("warning: no message is called {}", clean(&unknown)));
    }
    let mut ids = ids.into_iter();
    messages.retain(|message| selection.matches(message, ids.next().flatten().as_ref()));
    messages.truncate(selection.limit().unwrap_or(usize::MAX));
    if messages.is_empty() {
        context.ui.say(&format!("warning: none of {count} messages is one that was asked for"));
    }
    Ok(messages)
}

fn selection(arguments: &SelectionArgs) -> Result<Selection, CommandError> {
    let ids = match &arguments.ids_from {
        None => None,
        Some(path) => Some(ids_in(&read_file(path)?)),
    };
    let criteria = Criteria {
        guids: arguments.guid.clone(),
        recipients: arguments.recipient.clone(),
        callers: arguments.caller.clone(),
        types: arguments.message_type.clone(),
        states: arguments.state.clone(),
        cultures: arguments.culture.clone(),
        since: arguments.since.clone(),
        until: arguments.until.clone(),
        min_duration: arguments.min_duration,
        max_duration: arguments.max_duration,
        limit: arguments.limit,
        ids,
    };
    Selection::new(&criteria, TimeZone::system()).map_err(CommandError::usage_of)
}

/// Reads a file, or stdin for `-`.
fn read_file(path: &Path) -> Result<Vec<u8>, CommandError> {
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        false => std::fs::read(path),
    };
    read.path("read", path).map_err(|error| CommandError::new("file", error))
}

/// The identities of messages, which takes reading their audio; `None` where it cannot be read.
fn identities(context: &Context, messages: &mut [Message]) -> Vec<Option<Identity>> {
    context.ui.begin("hashing audio", Some(messages.len() as u64));
    let identities = messages
        .par_iter_mut()
        .map(|message| {
            context.ui.advance(1);
            message.identity().ok()
        })
        .collect();
    context.ui.end();
    identities
}

/// Lets the rules judge every message as it lies there.
fn judge(messages: &mut [Message], options: &CheckOptions<'_>) {
    messages.par_iter_mut().for_each(|message| message.findings = crate::check::at_rest(message, options));
}
