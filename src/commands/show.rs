//! `show`: one message in full.

use super::{Context, identities, judge, read_merged};
use crate::check::CheckOptions;
use crate::cli::{Format, ShowArgs};
use crate::error::{CommandError, Exit};
use crate::message::{Message, audio};
use crate::report::Summary;
use crate::report::json::MessageRow;
use crate::select;
use crate::ui::{Output, Rows, describe_message, print};

/// Columns of the waveform.
const COLUMNS: usize = 72;

pub(super) fn run(context: &Context, arguments: &ShowArgs) -> Result<Exit, CommandError> {
    let messages = read_merged(context, &arguments.sources, &arguments.archives)?;
    let found = select::find(&messages, &arguments.id).map_err(|error| {
        CommandError::new("selection", error).hint("umreplay scan SOURCE lists every message with its GUID")
    })?;
    let mut found: Vec<Message> = found.into_iter().cloned().collect();
    // So that of an archive only what is shown is unpacked.
    drop(messages);
    judge(&mut found, &CheckOptions::default());
    let ids = identities(context, &mut found);
    if arguments.format.format == Format::Text && arguments.format.report.is_none() {
        for (message, id) in found.iter().zip(ids) {
            let row = MessageRow::new(message, id);
            print(&describe_message(&row, message, peaks(message).as_deref()))?;
        }
        return Ok(Exit::Done);
    }
    let mut output = Output::open(&arguments.format, Rows::Messages, context.ui.page_style())?;
    let mut summary = Summary::default();
    for (message, id) in found.iter().zip(ids) {
        output.message(&MessageRow::new(message, id))?;
        summary.add(message);
    }
    output.finish(&summary)?;
    Ok(Exit::Done)
}

fn peaks(message: &Message) -> Option<Vec<f32>> {
    let file = message.audio.as_ref()?;
    let mut reader = file.file.open().ok()?;
    audio::peaks(&mut reader, file.facts.as_ref()?, COLUMNS)
}
