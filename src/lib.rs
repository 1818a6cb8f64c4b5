//! Recovers and replays Exchange Unified Messaging voicemail queues.
//!
//! Data flows one way:
//!
//! ```text
//! source ──> message ──> check ──> edit ──> (check) ──> sink
//!                                   │                     │
//!                                 ledger <── what was seen, decided, delivered ──> report
//! ```
//!
//! - [`source`] finds files in folders and archives and pairs them into messages;
//! - [`merge`] makes one message, in its best form, of its copies in several sources;
//! - [`message`] is the plain data: headers read and written losslessly, RIFF facts, identity, findings;
//! - [`check`] tells what UM would make of a message, [`edit`] changes headers: both are pure;
//! - [`sink`] delivers: into a voicemail folder, over SMTP, or as files;
//! - [`ledger`] remembers every intent and receipt, and is the only module that knows SQL;
//! - [`replay`] joins the stages into a plan and its execution, and nothing else does;
//! - [`report`] turns messages and results into JSON and CSV;
//! - [`lab`] makes queues and receives mail, for labs and tests;
//! - `commands`, `cli`, `config` and `ui` are the program around them; [`fsx`] is file system work done with care.

pub mod check;
pub mod edit;
pub mod fsx;
pub mod lab;
pub mod ledger;
pub mod merge;
pub mod message;
pub mod replay;
pub mod report;
pub mod select;
pub mod sink;
pub mod source;

mod cli;
mod commands;
mod config;
mod error;
mod places;
mod profile;
mod ui;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser};

use crate::cli::Cli;
use crate::commands::Context;
use crate::error::{CommandError, Exit};
use crate::ui::Ui;

/// Runs the program with these arguments, the program's name first.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let wants_json = asks_for_json(&arguments);
    let arguments = match profile::with_profile(Cli::command(), arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            tell_early(&error, wants_json);
            return exit_code(error.exit);
        }
    };
    let wants_json = asks_for_json(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && wants_json => {
            let text = error.render().to_string();
            let text = text.trim().strip_prefix("error: ").unwrap_or(&text).to_owned();
            tell_early(&CommandError::usage(text), true);
            return exit_code(Exit::Usage);
        }
        Err(error) => {
            // Help and version go to stdout and are no failure. A closed stream ends the printing.
            let _ = error.print();
            return exit_code(if error.use_stderr() { Exit::Usage } else { Exit::Done });
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let context = Context { ui: Ui::new(&cli.terminal), clock: now, stop: Arc::clone(&stop) };
    let outcome = stop_in_order(stop).and_then(|()| commands::run(&context, &cli.command));
    match outcome {
        Ok(exit) => exit_code(exit),
        Err(error) => {
            context.ui.error(&error, commands::format_of(&cli));
            exit_code(error.exit)
        }
    }
}

/// Whether a command line that may be wrong asks for results as JSON.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let is_json = |value: &str| matches!(value, "json" | "jsonl");
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    words.windows(2).any(|pair| matches!(pair, ["--format", value] if is_json(value)))
        || words.iter().any(|word| word.strip_prefix("--format=").is_some_and(is_json))
}

/// Prints an error of the command line itself, when there is no terminal set up to go by yet.
fn tell_early(error: &CommandError, as_json: bool) {
    // There is nobody left to tell where stderr is closed.
    let _ = writeln!(anstream::stderr(), "{}", ui::error_text(error, as_json));
}

/// The first Ctrl-C lets the work end in order; the second one ends the program.
fn stop_in_order(stop: Arc<AtomicBool>) -> Result<(), CommandError> {
    let handler = move || {
        if stop.swap(true, Ordering::Relaxed) {
            #[allow(clippy::exit, reason = "asked for twice: the ledger holds every intent, so nothing is lost")]
            std::process::exit(Exit::Interrupted as i32);
        }
    };
    ctrlc::set_handler(handler).map_err(|error| CommandError::new("signal", error))
}

#[allow(clippy::disallowed_methods, reason = "the one place where the time comes from")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}
