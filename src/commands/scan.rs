//! `scan`: every message, its state and findings, and the picture of the outage.

use jiff::tz::TimeZone;
use rayon::prelude::*;

use super::{Context, identities, judge, select};
use crate::check::CheckOptions;
use crate::cli::{Format, ScanArgs};
use crate::error::{CommandError, Exit};
use crate::replay::outlook;
use crate::report::json::MessageRow;
use crate::report::{Outlook, Picture, Summary};
use crate::ui::{Output, Rows};

pub(super) fn run(context: &Context, arguments: &ScanArgs) -> Result<Exit, CommandError> {
    let mut messages =
        select(context, &arguments.source.sources, &arguments.source.archives, &arguments.source.selection)?;
    judge(&mut messages, &CheckOptions::default());
    // An identity costs reading all audio; people looking at a table don't need it.
    let ids = match (arguments.format.format, &arguments.format.report) {
        (Format::Text, None) => vec![None; messages.len()],
        _ => identities(context, &mut messages),
    };
    let mut output = Output::open(&arguments.format, Rows::Messages, context.ui.page_style())?;
    let mut summary = Summary::default();
    for (message, id) in messages.iter().zip(ids) {
        output.message(&MessageRow::new(message, id))?;
        summary.add(message);
    }
    let outlooks: Vec<Outlook> = messages.par_iter().map(outlook).collect();
    let sources = arguments.source.sources.len();
    summary.picture = Some(Picture::new(messages.iter().zip(&outlooks), &TimeZone::system(), sources));
    output.finish(&summary)?;
    Ok(Exit::Done)
}
