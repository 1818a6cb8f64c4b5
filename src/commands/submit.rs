//! `submit`: messages go out over SMTP.

use super::act::{Work, perform};
use super::{Context, select};
use crate::cli::SubmitArgs;
use crate::config;
use crate::edit::Repair;
use crate::error::{CommandError, Exit};
use crate::message::{Delivery, Receipt};
use crate::replay::Job;
use crate::sink::mime;
use crate::sink::smtp::{SmtpError, SmtpSink};

pub(super) fn run(context: &Context, arguments: &SubmitArgs) -> Result<Exit, CommandError> {
    let edits = config::edits(&arguments.changes, Repair::usual())?;
    let mime_options = config::mime_options(arguments.sender.as_deref(), &arguments.mail)?;
    let messages = select(context, &arguments.source.sources, &arguments.source.archives, &arguments.source.selection)?;
    let target = arguments.server.clone();
    let work = Work {
        act: &arguments.act,
        format: &arguments.format,
        messages,
        job: Job::Submit,
        edits,
        target: target.clone(),
        resend_uncertain: arguments.resend_uncertain,
        waiting: None,
    };
    let rehearse = |delivery: &Delivery| {
        let mail = mime::compose(delivery, &mime_options)?;
        Ok(Receipt { target: target.clone(), message_id: Some(mail.message_id), ..Receipt::default() })
    };
    perform(context, work, &rehearse, |_, _| {
        SmtpSink::connect(config::smtp_options(arguments)?).map_err(|error| {
            let hint = error.hint();
            CommandError::new(kind(&error), error).maybe_hint(hint)
        })
    })
}

fn kind(error: &SmtpError) -> &'static str {
    match error {
        SmtpError::Login { .. } | SmtpError::NoAuth { .. } => "auth",
        _ => "server",
    }
}
