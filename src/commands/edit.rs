//! `edit`: header files change in place.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::act::{Work, absolute, keep_folder_clean, perform};
use super::{Context, keep_selected, read_sources};
use crate::cli::{ArchiveArgs, EditArgs};
use crate::config;
use crate::error::{CommandError, Exit};
use crate::fsx::PathError;
use crate::message::{Delivery, Receipt};
use crate::replay::Job;
use crate::sink::replace::ReplaceSink;

pub(super) fn run(context: &Context, arguments: &EditArgs) -> Result<Exit, CommandError> {
    let edits = config::edits(&arguments.changes, BTreeSet::new())?;
    if edits.is_empty() {
        return Err(CommandError::usage("nothing to change was given")
            .hint("say what: --recipient-to, --map, --culture-to, --type-to, --set, --unset or --repair"));
    }
    if !arguments.folder.is_dir() {
        return Err(CommandError::message("source", format!("{} is no folder", arguments.folder.display()))
            .hint("edit works on a folder of header files; take an archive apart first, or change on the way with inject or submit"));
    }
    keep_folder_clean(&arguments.folder, &arguments.act, &arguments.format)?;
    let target = absolute(&arguments.folder);
    // The ledger finds a file again by its place, from whatever folder it is asked.
    let files = read_sources(context, &[PathBuf::from(&target)], &ArchiveArgs::default())?;
    let messages = keep_selected(context, files, &arguments.selection)?;
    let work = Work {
        act: &arguments.act,
        format: &arguments.format,
        messages,
        job: Job::Edit,
        edits,
        target: target.clone(),
        resend_uncertain: false,
        waiting: None,
    };
    let rehearse = |delivery: &Delivery| Ok(Receipt { target: delivery.message.label.clone(), ..Receipt::default() });
    perform(context, work, &rehearse, |run, note| {
        let name = format!("{}-{}", run.0, std::process::id());
        ReplaceSink::open(&arguments.folder, &name, note)
    })
}

impl From<PathError> for CommandError {
    fn from(error: PathError) -> Self {
        Self::new("target", error)
    }
}
