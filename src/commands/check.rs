//! `check`: what UM would make of every message, and what a finding means.

use super::{Context, identities, judge, select};
use crate::check::{self, CheckOptions};
use crate::cli::{CheckArgs, Format};
use crate::config;
use crate::error::{CommandError, Exit};
use crate::message::{Code, Level};
use crate::report::Summary;
use crate::report::json::MessageRow;
use crate::ui::{Output, PageStyle, Rows, explanation, print};

pub(super) fn run(context: &Context, arguments: &CheckArgs) -> Result<Exit, CommandError> {
    if let Some(code) = &arguments.explain {
        return explain(code, arguments.format.format);
    }
    let directory = config::directory(arguments.directory.as_deref())?;
    let mut messages = select(context, &arguments.sources, &arguments.archives, &arguments.selection)?;
    let known_recipients = directory.map(|directory| directory.guids().collect());
    judge(&mut messages, &CheckOptions { known_recipients: known_recipients.as_ref() });
    let ids = match (arguments.format.format, &arguments.format.report) {
        (Format::Text, None) => vec![None; messages.len()],
        _ => identities(context, &mut messages),
    };
    // People want to see what is wrong, programs and reports every message.
    let style = PageStyle { wrong_only: true, ..context.ui.page_style() };
    let mut output = Output::open(&arguments.format, Rows::Messages, style)?;
    let mut summary = Summary::default();
    for (message, id) in messages.iter().zip(ids) {
        let row = MessageRow::new(message, id);
        output.message(&row)?;
        summary.add(message);
    }
    output.finish(&summary)?;
    let errors = messages.iter().flat_map(|message| &message.findings).any(|finding| finding.level == Level::Error);
    Ok(if errors { Exit::SomeFailed } else { Exit::Done })
}

fn explain(code: &str, format: Format) -> Result<Exit, CommandError> {
    let code = Code::parse(code).ok_or_else(|| {
        CommandError::usage(format!("{code:?} is no finding's code")).hint("docs/findings.md lists them all")
    })?;
    let text = check::explain(code);
    match format {
        Format::Json | Format::Jsonl => print(
            &serde_json::json!({
                "type": "explanation",
                "code": code.to_string(),
                "title": text.title,
                "cause": text.cause,
                "consequence": text.consequence,
                "remedy": text.remedy,
            })
            .to_string(),
        ),
        Format::Text | Format::Csv => print(&explanation(code, &text)),
    }?;
    Ok(Exit::Done)
}
