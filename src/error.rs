//! The one error that ends a command: what failed on what, its causes, and hints with commands to paste.

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All done.
    Done = 0,
    /// It could not run.
    CouldNotRun = 1,
    /// The command line is wrong.
    Usage = 2,
    /// It ran to the end, but some messages failed, were refused or have errors.
    SomeFailed = 3,
    /// It was interrupted; the ledger is consistent.
    Interrupted = 130,
}

/// What stopped a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// What it concerns, in a word for programs: `source`, `ledger`, `auth`, `usage` …
    pub(crate) kind: &'static str,
    /// The exit code.
    pub(crate) exit: Exit,
    error: Box<dyn Error + Send + Sync>,
    hints: Vec<String>,
}

/// A plain sentence as an error.
#[derive(Debug)]
struct Sentence(String);

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Sentence {}

/// The error as JSON on stderr.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub(crate) struct ErrorRow<'a> {
    /// What it concerns.
    pub(crate) kind: &'a str,
    /// What failed on what.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hints: &'a [String],
}

impl CommandError {
    /// An error that kept the command from running.
    pub(crate) fn new(kind: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        Self { kind, exit: Exit::CouldNotRun, error: Box::new(error), hints: Vec::new() }
    }

    /// A sentence as an error that kept the command from running.
    pub(crate) fn message(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(kind, Sentence(message.into()))
    }

    /// A command line that makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::message("usage", message) }
    }

    /// A value on the command line that makes no sense.
    pub(crate) fn usage_of(error: impl Error + Send + Sync + 'static) -> Self {
        Self { exit: Exit::Usage, ..Self::new("usage", error) }
    }

    /// Adds advice, with a command to paste where one helps.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds advice if there is any.
    #[must_use]
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The error as JSON shows it.
    pub(crate) fn row(&self) -> ErrorRow<'_> {
        ErrorRow { kind: self.kind, message: self.error.to_string(), causes: self.causes(), hints: &self.hints }
    }

    /// Why it failed, outermost first, without what the error itself already says.
    fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let causes = self.causes();
        if !causes.is_empty() {
            write!(f, "\n\nCaused by:")?;
            causes.iter().try_for_each(|cause| write!(f, "\n  {cause}"))?;
        }
        if !self.hints.is_empty() {
            writeln!(f)?;
        }
        self.hints.iter().try_for_each(|hint| write!(f, "\nHint: {hint}"))
    }
}
