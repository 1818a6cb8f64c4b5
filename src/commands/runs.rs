//! `runs`: what earlier runs did, from the ledger.

use std::path::Path;

use super::Context;
use crate::cli::{Format, RunsArgs, RunsCommand, RunsListArgs};
use crate::config::{self, LedgerPlace};
use crate::error::{CommandError, Exit};
use crate::ledger::{EntryRow, Ledger, RunId, RunRow};
use crate::report::json;
use crate::report::runs::{EntryReport, RunReport};
use crate::ui::{Ui, clean, entries_table, print, runs_table, stdout_error};

pub(super) fn run(context: &Context, arguments: &RunsArgs) -> Result<Exit, CommandError> {
    match &arguments.command {
        RunsCommand::List(arguments) => {
            let runs = match open(&context.ui, arguments.ledger.as_deref())? {
                Some(ledger) => ledger.runs().map_err(ledger_error)?,
                None => Vec::new(),
            };
            print_runs(arguments, &runs)
        }
        RunsCommand::Show(arguments) => {
            let missing = || {
                CommandError::message("ledger", format!("the ledger has no run {}", arguments.run))
                    .hint("umreplay runs list shows which there are")
            };
            let ledger = open(&context.ui, arguments.list.ledger.as_deref())?.ok_or_else(missing)?;
            let runs = ledger.runs().map_err(ledger_error)?;
            let run = runs.into_iter().find(|run| run.id == RunId(arguments.run)).ok_or_else(missing)?;
            let entries = ledger.entries(run.id).map_err(ledger_error)?;
            print_entries(&arguments.list, &run, &entries)
        }
    }
}

fn open(ui: &Ui, path: Option<&Path>) -> Result<Option<Ledger>, CommandError> {
    match config::ledger_place(path)? {
        LedgerPlace::None => Ok(None),
        LedgerPlace::File(path) => {
            let ledger = Ledger::open_existing(&path).map_err(ledger_error)?;
            if ledger.is_none() {
                ui.note(&format!("there is no ledger {} yet", clean(&path.display().to_string())));
            }
            Ok(ledger)
        }
    }
}

pub(super) fn ledger_error(error: crate::ledger::LedgerError) -> CommandError {
    let hint = error.hint();
    CommandError::new("ledger", error).maybe_hint(hint)
}

fn print_runs(arguments: &RunsListArgs, runs: &[RunRow]) -> Result<Exit, CommandError> {
    let reports: Vec<_> = runs.iter().map(RunReport::new).collect();
    match arguments.format {
        Format::Text if runs.is_empty() => print("the ledger has no runs yet"),
        Format::Text => print(&runs_table(runs)),
        Format::Json => print_json(&serde_json::json!({ "runs": reports })),
        Format::Jsonl => reports.iter().try_for_each(print_json),
        Format::Csv => crate::report::runs::runs_csv(&reports, std::io::stdout()).or_else(stdout_error),
    }?;
    Ok(Exit::Done)
}

fn print_entries(arguments: &RunsListArgs, run: &RunRow, entries: &[EntryRow]) -> Result<Exit, CommandError> {
    let reports: Vec<_> = entries.iter().map(EntryReport::new).collect();
    match arguments.format {
        Format::Text => {
            print(&runs_table(std::slice::from_ref(run)))?;
            print(&entries_table(entries))
        }
        Format::Json => print_json(&serde_json::json!({ "run": RunReport::new(run), "entries": reports })),
        Format::Jsonl => reports.iter().try_for_each(print_json),
        Format::Csv => crate::report::runs::entries_csv(&reports, std::io::stdout()).or_else(stdout_error),
    }?;
    Ok(Exit::Done)
}

fn print_json(value: &impl serde::Serialize) -> Result<(), CommandError> {
    // Maps with string keys and plain values always serialize.
    print(&json::line(value).unwrap_or_default())
}
