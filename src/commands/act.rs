//! What `inject`, `submit`, `export` and `edit` share: plan, ask, execute, report.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::Context;
use super::runs::ledger_error;
use crate::check::CheckOptions;
use crate::cli::{ActArgs, Format, FormatArgs};
use crate::config::{self, LedgerPlace};
use crate::edit::Edits;
use crate::error::{CommandError, Exit};
use crate::ledger::{Ledger, NewRun, RunCounts, RunId};
use crate::message::{Delivery, DeliveryResult, Message, Outcome, Receipt, Tally};
use crate::places::file_apart_from_messages;
use crate::replay::{
    self, Execution, Job, Plan, PlanOptions, Progress, Recovery, RecoveryCounts, ReplayError, Step, Waiting,
};
use crate::report::Summary;
use crate::report::json::ResultRow;
use crate::sink::{DeliveryError, Sink};
use crate::ui::{Output, Rows, clean};

/// Everything an acting command has worked out before it acts.
pub(super) struct Work<'a> {
    /// How to act.
    pub(super) act: &'a ActArgs,
    /// The form of results.
    pub(super) format: &'a FormatArgs,
    /// The messages that were selected.
    pub(super) messages: Vec<Message>,
    /// What to do with them.
    pub(super) job: Job,
    /// What to change.
    pub(super) edits: Edits,
    /// Where they go, for people and the ledger.
    pub(super) target: String,
    /// Send again what may have been delivered.
    pub(super) resend_uncertain: bool,
    /// What lies in the folder that an injection goes to.
    pub(super) waiting: Option<Waiting>,
}

/// Notes a folder of unfinished files before it is made.
pub(super) type Note<'a> = dyn FnMut(&Path) -> Result<(), CommandError> + 'a;

/// Does the work: `rehearse` is what a dry run tries on each delivery, `open` makes the sink of a real one.
pub(super) fn perform<S: Sink>(
    context: &Context,
    work: Work<'_>,
    rehearse: &dyn Fn(&Delivery) -> Result<Receipt, DeliveryError>,
    open: impl FnOnce(RunId, &mut Note<'_>) -> Result<S, CommandError>,
) -> Result<Exit, CommandError> {
    let mut ledger = open_ledger(context, work.act)?;
    let recovery = replay::look_back(&ledger).map_err(replay_error)?;
    let resolved = recovery.states();
    if !work.act.dry_run {
        settle(context, recovery, &mut ledger)?;
    }
    let known_recipients = work.edits.directory.as_ref().map(|directory| directory.guids().collect());
    let options = PlanOptions {
        job: work.job.clone(),
        edits: &work.edits,
        check: CheckOptions { known_recipients: known_recipients.as_ref() },
        again: work.act.again,
        resend_uncertain: work.resend_uncertain,
        resolved,
        waiting: work.waiting.as_ref(),
        now: (context.clock)(),
    };
    let mut summary = Summary::default();
    work.messages.iter().for_each(|message| summary.add(message));
    context.ui.begin("planning", Some(work.messages.len() as u64));
    let plan = replay::plan(work.messages, &options, &ledger, &|count| context.ui.advance(count));
    context.ui.end();
    let plan = plan.map_err(replay_error)?;
    let output = Output::open(work.format, Rows::Results, context.ui.page_style())?;
    let mut reporter = Reporter { output, job: &work.job, tally: Tally::default(), failed: None };
    let ended = if work.act.dry_run {
        rehearse_all(plan, rehearse, &mut reporter);
        Ok(())
    } else if plan.is_idle() {
        tell_idle(plan, &mut reporter);
        Ok(())
    } else if !context.ui.confirm(&question(&plan, &work.target), work.act.yes) {
        Err(CommandError::message("usage", "nothing was done: the question was not answered with yes"))
    } else {
        execute(context, plan, &mut ledger, work.target, open, &mut reporter)
    };
    // Whatever ended the run, what became of messages until then is told in full.
    let Reporter { output, tally, failed, .. } = reporter;
    summary.set_outcomes(&tally);
    if tally.total() == 0 {
        // Where nothing was told yet, an error is all there is to say.
        ended?;
        return output.finish(&summary).map(|()| Exit::Done);
    }
    let finished = output.finish(&summary);
    if work.format.format != Format::Text {
        context.ui.note(&tally_line(&tally));
    }
    ended?;
    finished?;
    match failed {
        Some(error) => Err(error),
        None if context.stop.load(Ordering::Relaxed) => Ok(Exit::Interrupted),
        None if tally.count(Outcome::Failed) + tally.count(Outcome::Uncertain) > 0 => Ok(Exit::SomeFailed),
        None => Ok(Exit::Done),
    }
}

/// Notes what became of the messages of a run that died, and says so.
fn settle(context: &Context, recovery: Recovery, ledger: &mut Ledger) -> Result<(), CommandError> {
    let RecoveryCounts { done, undone, unknown } = recovery.counts();
    if done + undone + unknown > 0 {
        context.ui.note(&format!(
            "an earlier run was cut off with {} messages on their way: {done} turn out to be done, {undone} not done, \
             and {unknown} cannot be told",
            done + undone + unknown
        ));
    }
    for left in recovery.settle(ledger, (context.clock)()).map_err(replay_error)? {
        context.ui.say(&format!("warning: {}", clean(&left)));
    }
    Ok(())
}

/// Prints results as they come. A report that cannot be written must not stop deliveries; it is told at the end.
struct Reporter<'a> {
    output: Output,
    job: &'a Job,
    tally: Tally,
    failed: Option<CommandError>,
}

impl Reporter<'_> {
    fn tell(&mut self, result: &DeliveryResult) {
        self.tally.add(result.outcome);
        let row = ResultRow::new(self.job.action().name(), result);
        if let Err(error) = self.output.result(&row) {
            self.failed.get_or_insert(error);
        }
    }
}

fn rehearse_all(
    plan: Plan,
    rehearse: &dyn Fn(&Delivery) -> Result<Receipt, DeliveryError>,
    reporter: &mut Reporter<'_>,
) {
    for step in plan.steps {
        let result = match step {
            Step::Leave(result) => *result,
            Step::Deliver(delivery) => replay::rehearsed(&delivery, rehearse(&delivery)),
        };
        reporter.tell(&result);
    }
}

fn tell_idle(plan: Plan, reporter: &mut Reporter<'_>) {
    for step in plan.steps {
        if let Step::Leave(result) = step {
            reporter.tell(&result);
        }
    }
}

/// What is asked before anything is done.
fn question(plan: &Plan, target: &str) -> String {
    let left = |outcome| {
        let is_so = |step: &&Step| matches!(step, Step::Leave(result) if result.outcome == outcome);
        plan.steps.iter().filter(is_so).count()
    };
    let (action, deliveries) = (plan.job.action(), plan.deliveries());
    let (skipped, refused, uncertain) = (left(Outcome::Skipped), left(Outcome::Failed), left(Outcome::Uncertain));
    let left = [(skipped, "skipped"), (refused, "refused"), (uncertain, "uncertain")];
    let left: Vec<String> =
        left.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let left = if left.is_empty() { String::new() } else { format!(" ({})", left.join(", ")) };
    format!("{action} {deliveries} of {} messages{left}: {}?", plan.steps.len(), clean(target))
}

fn execute<S: Sink>(
    context: &Context,
    plan: Plan,
    ledger: &mut Ledger,
    target: String,
    open: impl FnOnce(RunId, &mut Note<'_>) -> Result<S, CommandError>,
    reporter: &mut Reporter<'_>,
) -> Result<(), CommandError> {
    let run = ledger.begin_run(&new_run(context, &plan)).map_err(ledger_error)?;
    let opened = open(run, &mut |folder| ledger.note_staging(run, folder).map_err(ledger_error));
    let mut sink = match opened {
        Ok(sink) => sink,
        Err(error) => {
            // The sink's own error says why; that the empty run could not be ended adds nothing.
            let _ = ledger.end_run(run, (context.clock)(), RunCounts::default());
            return Err(error);
        }
    };
    let execution = Execution { ledger, run, target, clock: context.clock, progress: &context.ui, stop: &context.stop };
    let executed = replay::execute(plan, &mut sink, execution, &mut |result| reporter.tell(&result));
    context.ui.end();
    let tally = executed.map_err(replay_error)?;
    match sink.finish() {
        Ok(()) => ledger.forget_staging(&[run]).map_err(ledger_error)?,
        // Every message has its outcome. What is left lies where nobody looks, and the next run clears it away.
        Err(error) => context.ui.say(&format!("warning: {}; the next run tries again", clean(&error.reason))),
    }
    let counts = RunCounts {
        done: tally.count(Outcome::Done),
        skipped: tally.count(Outcome::Skipped),
        failed: tally.count(Outcome::Failed),
        uncertain: tally.count(Outcome::Uncertain),
    };
    ledger.end_run(run, (context.clock)(), counts).map_err(ledger_error)
}

fn new_run(context: &Context, plan: &Plan) -> NewRun {
    let arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let variable = |names: [&str; 2]| names.into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    NewRun {
        command: plan.job.action().name().to_owned(),
        arguments: without_secrets(arguments).join(" "),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: variable(["USER", "USERNAME"]),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        started: (context.clock)(),
    }
}

/// A command line as it may be kept. No option takes a password, but a command that prints one may hold it.
fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    const OPTION: &str = "--password-command";
    let mut is_command = false;
    let hide = |word: String| {
        let hidden = if is_command { Some("[...]".to_owned()) } else { None };
        is_command = word == OPTION && hidden.is_none();
        let with_value = word.strip_prefix(OPTION).is_some_and(|rest| rest.starts_with('='));
        hidden.unwrap_or(if with_value { format!("{OPTION}=[...]") } else { word })
    };
    words.map(hide).collect()
}

/// Opens the ledger; a dry run reads what is there and writes nothing.
fn open_ledger(context: &Context, act: &ActArgs) -> Result<Ledger, CommandError> {
    let opened = match config::ledger_place(act.ledger.as_deref())? {
        LedgerPlace::None => Ledger::in_memory(),
        LedgerPlace::File(path) if act.dry_run => {
            Ledger::open_existing(&path).and_then(|ledger| ledger.map_or_else(Ledger::in_memory, Ok))
        }
        LedgerPlace::File(path) => Ledger::open(&path, &holder(context)),
    };
    opened.map_err(ledger_error)
}

fn holder(context: &Context) -> String {
    format!(
        "process {} on {}, since {}",
        std::process::id(),
        gethostname::gethostname().to_string_lossy(),
        (context.clock)().strftime("%Y-%m-%d %H:%M:%SZ")
    )
}

fn replay_error(error: ReplayError) -> CommandError {
    let (kind, hint) = match &error {
        ReplayError::ExchangePathUnknown => ("usage", error.hint()),
        ReplayError::Ledger(source) => ("ledger", source.hint()),
    };
    CommandError::new(kind, error).maybe_hint(hint)
}

fn tally_line(tally: &Tally) -> String {
    let counts: Vec<String> = tally.iter().map(|(outcome, count)| format!("{count} {}", outcome.name())).collect();
    counts.join(", ")
}

/// Makes sure that neither report nor ledger comes to lie in the folder that messages go to.
pub(super) fn keep_folder_clean(folder: &Path, act: &ActArgs, format: &FormatArgs) -> Result<(), CommandError> {
    if let Some(report) = &format.report {
        file_apart_from_messages("report", report, Some(folder))?;
    }
    match config::ledger_place(act.ledger.as_deref())? {
        LedgerPlace::File(ledger) => file_apart_from_messages("ledger", &ledger, Some(folder)),
        LedgerPlace::None => Ok(()),
    }
}

/// A path as the ledger keeps it: absolute, so that it means the same in another folder.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_prints_a_password_is_not_kept() {
        let kept = |line: &str| without_secrets(line.split(' ').map(str::to_owned)).join(" ");
        assert_eq!(kept("submit q --password-command echo --again"), "submit q --password-command [...] --again");
        assert_eq!(kept("submit --password-command=secret q"), "submit --password-command=[...] q");
        assert_eq!(kept("submit --password-command --password-command x"), "submit --password-command [...] x");
        assert_eq!(kept("submit q --password-file pw"), "submit q --password-file pw");
    }
}
