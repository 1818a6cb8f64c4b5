//! `inject`: pairs go back into a UM voicemail folder.

use super::act::{Work, absolute, keep_folder_clean, perform};
use super::{Context, read_quietly, select};
use crate::cli::InjectArgs;
use crate::config;
use crate::edit::Repair;
use crate::error::{CommandError, Exit};
use crate::message::Receipt;
use crate::places;
use crate::replay::{Job, Waiting};
use crate::sink::folder::{FolderError, FolderOptions, FolderSink};

pub(super) fn run(context: &Context, arguments: &InjectArgs) -> Result<Exit, CommandError> {
    let edits = config::edits(&arguments.changes, Repair::usual())?;
    if !arguments.to.is_dir() {
        return Err(CommandError::message("target", format!("{} is no folder that is there", arguments.to.display()))
            .hint("give the voicemail folder: --to FOLDER"));
    }
    places::target_apart_from(&arguments.source.sources, &arguments.to)?;
    keep_folder_clean(&arguments.to, &arguments.act, &arguments.format)?;
    let messages = select(context, &arguments.source.sources, &arguments.source.archives, &arguments.source.selection)?;
    let waiting = Waiting::new(&arguments.to, read_quietly(&arguments.to)?);
    let target = absolute(&arguments.to);
    let work = Work {
        act: &arguments.act,
        format: &arguments.format,
        messages,
        job: Job::Inject { exchange_path: config::exchange_path(arguments.exchange_path.as_deref(), &arguments.to) },
        edits,
        target: target.clone(),
        resend_uncertain: arguments.resend_uncertain,
        waiting: Some(waiting),
    };
    let rehearse = |delivery: &crate::message::Delivery| {
        Ok(Receipt { target: target.clone(), new_guid: Some(delivery.new_guid), ..Receipt::default() })
    };
    perform(context, work, &rehearse, |run, note| {
        let options = FolderOptions {
            target: arguments.to.clone(),
            staging: arguments.staging.clone(),
            run_name: format!("{}-{}", run.0, std::process::id()),
        };
        FolderSink::open_noted(&options, note)
    })
}

impl From<FolderError> for CommandError {
    fn from(error: FolderError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::new("target", error).maybe_hint(hint)
    }
}
