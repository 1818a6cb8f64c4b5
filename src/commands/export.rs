//! `export`: the same messages as files, be it as mails or as a set to keep.

use std::sync::Arc;

use super::act::{Work, absolute, keep_folder_clean, perform};
use super::{Context, select};
use crate::cli::{ExportArgs, Layout};
use crate::config;
use crate::edit::Repair;
use crate::error::{CommandError, Exit};
use crate::message::{Delivery, Receipt};
use crate::places;
use crate::replay::Job;
use crate::sink::directory::EmlSink;
use crate::sink::files::{self, FilesSink, Place};
use crate::sink::mime;

pub(super) fn run(context: &Context, arguments: &ExportArgs) -> Result<Exit, CommandError> {
    match arguments.layout {
        Layout::Eml => mails(context, arguments),
        Layout::Files => set(context, arguments, Place::Folder(arguments.to.clone())),
        Layout::Zip => set(context, arguments, Place::Zip(arguments.to.clone())),
    }
}

/// Work that puts the selected messages at the place given.
fn work<'a>(context: &Context, arguments: &'a ExportArgs, job: Job) -> Result<Work<'a>, CommandError> {
    let source = &arguments.source;
    Ok(Work {
        act: &arguments.act,
        format: &arguments.format,
        edits: config::edits(&arguments.changes, Repair::usual())?,
        messages: select(context, &source.sources, &source.archives, &source.selection)?,
        job,
        target: absolute(&arguments.to),
        resend_uncertain: false,
        waiting: None,
    })
}

fn mails(context: &Context, arguments: &ExportArgs) -> Result<Exit, CommandError> {
    let mime_options = config::mime_options(arguments.sender.as_deref(), &arguments.mail)?;
    refuse_queue(arguments, "mails")?;
    let work = work(context, arguments, Job::Export)?;
    let target = work.target.clone();
    let rehearse = |delivery: &Delivery| {
        let mail = mime::compose(delivery, &mime_options)?;
        Ok(Receipt { target: target.clone(), message_id: Some(mail.message_id), ..Receipt::default() })
    };
    let options = mime_options.clone();
    perform(context, work, &rehearse, |_, _| {
        EmlSink::new(&arguments.to, options).map_err(|error| CommandError::new("target", error))
    })
}

fn set(context: &Context, arguments: &ExportArgs, place: Place) -> Result<Exit, CommandError> {
    let wrong = match &place {
        Place::Folder(folder) => folder.is_file().then(|| format!("{} is a file, not a folder", folder.display())),
        Place::Zip(file) => file.is_dir().then(|| format!("{} is a folder, not an archive", file.display())),
    };
    if let Some(wrong) = wrong {
        return Err(CommandError::usage(wrong).hint("--layout files writes to a folder, --layout zip to a file"));
    }
    match &place {
        Place::Folder(folder) => {
            refuse_queue(arguments, "set")?;
            keep_folder_clean(&folder.join(files::MESSAGES), &arguments.act, &arguments.format)?;
        }
        Place::Zip(file) => places::file_apart_from_messages("archive", file, None)?,
    }
    // The next run would find every message twice, and the set would not be the same again.
    places::target_apart_from(&arguments.source.sources, &arguments.to)?;
    let work = work(context, arguments, Job::Keep)?;
    let rehearse = |delivery: &Delivery| Ok(place.receipt(delivery.new_guid));
    perform(context, work, &rehearse, |_, _| {
        FilesSink::open(place.clone(), Arc::clone(&context.stop)).map_err(|error| CommandError::new("target", error))
    })
}

/// Files among the messages of a queue would be taken for parts of it.
fn refuse_queue(arguments: &ExportArgs, example: &str) -> Result<(), CommandError> {
    if !places::holds_messages(&arguments.to) {
        return Ok(());
    }
    let message = format!(
        "{} holds voicemail messages: files beside them would be taken for parts of the queue",
        arguments.to.display()
    );
    Err(CommandError::usage(message).hint(format!("give a folder of its own: --to {example}")))
}
