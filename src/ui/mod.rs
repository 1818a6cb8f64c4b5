//! The only place that touches the terminal: streams, colours, progress bars, questions.
//!
//! Strangers' text passes through [`clean`] before it gets here, or is cleaned on the way out.

mod output;
mod page;
mod picture;
mod text;

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) use output::{Output, Rows, print, stdout_error};
pub(crate) use page::{PageStyle, kind_of_reason, reasons, summary_text};
pub(crate) use text::{DemoRow, clean, demo_table, describe_message, entries_table, explanation, runs_table};

use crate::cli::{ColorWhen, Format, TerminalArgs};
use crate::error::CommandError;
use crate::replay::Progress;

/// How this invocation talks to its user.
#[derive(Debug)]
pub(crate) struct Ui {
    quiet: bool,
    verbose: bool,
    progress: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Ui {
    /// Takes what was asked for; colours are decided for the whole process.
    pub(crate) fn new(arguments: &TerminalArgs) -> Self {
        match arguments.color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::AlwaysAnsi,
            ColorWhen::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        let progress = !arguments.no_progress && !arguments.quiet && io::stderr().is_terminal();
        Self { quiet: arguments.quiet, verbose: arguments.verbose, progress, bar: Mutex::new(None) }
    }

    /// How results are shown to people.
    pub(crate) fn page_style(&self) -> PageStyle {
        let told = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        // What goes into a file or another program is not cut to the terminal's width.
        let width = io::stdout().is_terminal().then(|| told().or_else(terminal)).flatten();
        PageStyle { verbose: self.verbose, width, wrong_only: false }
    }

    /// Says something on stderr, unless quiet was asked for.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says something on stderr whatever was asked for.
    pub(crate) fn say(&self, text: &str) {
        let bar = self.bar.lock().ok().and_then(|bar| bar.clone());
        let print = || {
            // There is nobody left to tell where stderr is closed.
            let _ = writeln!(anstream::stderr(), "{text}");
        };
        match bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Prints an error, as JSON where results are JSON.
    pub(crate) fn error(&self, error: &CommandError, format: Option<Format>) {
        self.say(&error_text(error, matches!(format, Some(Format::Json | Format::Jsonl))));
    }

    /// Asks before something is changed. Without a terminal nobody can be asked, and the command line stands.
    pub(crate) fn confirm(&self, question: &str, yes: bool) -> bool {
        if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return true;
        }
        let _ = write!(anstream::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes" | "Yes")
    }
}

/// An error as it is printed.
pub(crate) fn error_text(error: &CommandError, as_json: bool) -> String {
    match as_json {
        // Strings alone always serialize.
        true => crate::report::json::line(&error.row()).unwrap_or_default(),
        false => format!("error: {}", text::clean_lines(&error.to_string())),
    }
}

impl Progress for Ui {
    fn begin(&self, what: &str, total: Option<u64>) {
        if !self.progress {
            return;
        }
        let template = match total {
            Some(_) => "{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}",
            None => "{msg} {spinner} {human_pos} {per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()).with_style(style);
        bar.set_message(what.to_owned());
        if let Ok(mut place) = self.bar.lock() {
            *place = Some(bar);
        }
    }

    fn advance(&self, done: u64) {
        if let Ok(bar) = self.bar.lock()
            && let Some(bar) = bar.as_ref()
        {
            bar.inc(done);
        }
    }

    fn end(&self) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }
}
