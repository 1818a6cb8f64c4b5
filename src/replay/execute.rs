//! Carries a plan out: intent before the first byte, receipt after, batch by batch.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rayon::prelude::*;

use super::plan::{Plan, Step};
use super::{Progress, ReplayError};
use crate::ledger::{Action, EntryId, EntryState, Intent, Ledger, RunId, Settlement};
use crate::message::{Delivery, DeliveryResult, Dialect, Outcome, Receipt, Recipient, Sha256Digest, Tally};
use crate::sink::{DeliveryError, Failure, Sink};

/// What an execution works with.
pub struct Execution<'a> {
    /// Where intents and receipts are noted.
    pub ledger: &'a mut Ledger,
    /// The run they belong to.
    pub run: RunId,
    /// Where messages go, for the ledger.
    pub target: String,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// Told how the work goes on.
    pub progress: &'a dyn Progress,
    /// Set when the work is to end in order.
    pub stop: &'a AtomicBool,
}

/// Does what the plan says, and tells `report` what became of each message.
///
/// When the sink can take no more, or `stop` is set, the rest is reported as not tried.
///
/// # Errors
/// The ledger failed; nothing is delivered without a note of intent.
pub fn execute<S: Sink>(
    plan: Plan,
    sink: &mut S,
    mut execution: Execution<'_>,
    report: &mut dyn FnMut(DeliveryResult),
) -> Result<Tally, ReplayError> {
    let mut tally = Tally::default();
    let mut tell = |result: DeliveryResult| {
        tally.add(result.outcome);
        report(result);
    };
    let action = plan.job.action();
    let mut deliveries = Vec::with_capacity(plan.deliveries());
    for step in plan.steps {
        match step {
            Step::Leave(result) => tell(*result),
            Step::Deliver(delivery) => deliveries.push(*delivery),
        }
    }
    execution.progress.begin(action.name(), Some(deliveries.len() as u64));
    let mut stopped: Option<String> = None;
    let mut deliveries = deliveries.into_iter();
    loop {
        let batch: Vec<Delivery> = deliveries.by_ref().take(sink.batch().max(1)).collect();
        if batch.is_empty() {
            break;
        }
        if stopped.is_none() && execution.stop.load(Ordering::Relaxed) {
            stopped = Some("interrupted".to_owned());
        }
        let count = batch.len() as u64;
        match &stopped {
            None => stopped = deliver_batch(batch, sink, action, &mut execution, &mut tell)?,
            Some(why) => batch.into_iter().for_each(|delivery| tell(not_tried(&delivery, why))),
        }
        execution.progress.advance(count);
    }
    execution.progress.end();
    Ok(tally)
}

/// Stages a batch, notes the intents, commits, notes the receipts. Returns why the run cannot go on, if so.
fn deliver_batch<S: Sink>(
    batch: Vec<Delivery>,
    sink: &mut S,
    action: Action,
    execution: &mut Execution<'_>,
    tell: &mut dyn FnMut(DeliveryResult),
) -> Result<Option<String>, ReplayError> {
    let staged: Vec<_> = {
        let sink: &S = sink;
        batch.into_par_iter().map(|delivery| (sink.stage(&delivery), delivery)).collect()
    };
    let mut fatal = None;
    let mut ready = Vec::with_capacity(staged.len());
    for (outcome, delivery) in staged {
        match outcome {
            Ok(staged) => ready.push((staged, delivery)),
            Err(error) => {
                note_fatal(&mut fatal, &error);
                tell(undelivered(&delivery, &error, 0));
            }
        }
    }
    let intents: Vec<Intent> =
        ready.iter().map(|(staged, delivery)| intent(staged, delivery, sink, action, execution)).collect();
    let entries = execution.ledger.record_intents(execution.run, &intents)?;
    let (staged, deliveries): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
    let outcomes = sink.commit(staged);
    let now = (execution.clock)();
    let mut settlements = Vec::with_capacity(entries.len());
    let mut results = Vec::with_capacity(entries.len());
    for ((outcome, delivery), entry) in outcomes.into_iter().zip(deliveries).zip(entries) {
        if let Err(error) = &outcome {
            note_fatal(&mut fatal, error);
        }
        settlements.push(settlement(entry, &outcome, now));
        results.push(match outcome {
            Ok(receipt) => delivered(&delivery, receipt),
            Err(error) => undelivered(&delivery, &error, 1),
        });
    }
    let noted = execution.ledger.record_outcomes(&settlements);
    // What was delivered is told also where it can no longer be noted: it is all the user has to go by then.
    results.into_iter().for_each(tell);
    noted?;
    Ok(fatal)
}

fn note_fatal(fatal: &mut Option<String>, error: &DeliveryError) {
    if error.failure == Failure::Fatal && fatal.is_none() {
        *fatal = Some(error.reason.clone());
    }
}

fn intent<S: Sink>(
    staged: &S::Staged,
    delivery: &Delivery,
    sink: &S,
    action: Action,
    execution: &Execution<'_>,
) -> Intent {
    let before = delivery.message.header.as_ref().map(|part| &part.header);
    let trace = sink.trace(staged);
    Intent {
        identity: delivery.identity,
        source_guid: delivery.message.guid,
        source: delivery.message.label.clone(),
        action,
        target: execution.target.clone(),
        new_guid: (action == Action::Inject).then_some(delivery.new_guid),
        message_id: trace.message_id,
        has_audio: delivery.message_type.carries_audio() && delivery.message.audio.is_some(),
        recipient_before: before.and_then(|header| recipient_key(&header.recipient(), header.dialect())),
        recipient_after: recipient_key(&delivery.recipient, delivery.header.dialect()),
        // Changes always serialize.
        changes: serde_json::to_string(&delivery.changes).unwrap_or_default(),
        header_before: before.map(|header| Sha256Digest::of(header.bytes())),
        header_after: Some(Sha256Digest::of(delivery.header.bytes())),
        // An edit can be undone from these; a delivery leaves its source as it is.
        header_bytes: before.filter(|_| action == Action::Edit).map(|header| header.bytes().to_vec()),
        staged: trace.staged,
        noted: (execution.clock)(),
    }
}

/// A recipient as the ledger names it: the address, or the GUID where that is all there is to an E15 header.
pub(super) fn recipient_key(recipient: &Recipient, dialect: Dialect) -> Option<String> {
    let address = recipient.address.as_ref().map(|address| address.key());
    let guid = recipient.object_guid.map(|guid| guid.to_string());
    match dialect {
        Dialect::E12 => address.or(guid),
        Dialect::E15 => guid.or(address),
    }
}

fn settlement(entry: EntryId, outcome: &Result<Receipt, DeliveryError>, now: Timestamp) -> Settlement {
    match outcome {
        Ok(receipt) => Settlement::done(entry, receipt.clone(), 1, now),
        Err(error) => {
            let state = match error.failure {
                Failure::Uncertain => EntryState::Uncertain,
                Failure::Refused | Failure::Transient | Failure::Fatal => EntryState::Failed,
            };
            Settlement::undone(entry, state, error.reason.clone(), error.smtp_code, 1, now)
        }
    }
}

fn result(delivery: &Delivery, outcome: Outcome, attempts: u32) -> DeliveryResult {
    let header = delivery.message.header.as_ref().map(|part| &part.header);
    DeliveryResult {
        guid: delivery.message.guid,
        identity: Some(delivery.identity),
        label: delivery.message.label.clone(),
        recipient: header.map(|header| header.recipient()).unwrap_or_default(),
        outcome,
        reason: None,
        findings: Vec::new(),
        changes: delivery.changes.clone(),
        receipt: None,
        attempts,
    }
}

fn delivered(delivery: &Delivery, receipt: Receipt) -> DeliveryResult {
    DeliveryResult { receipt: Some(receipt), ..result(delivery, Outcome::Done, 1) }
}

fn undelivered(delivery: &Delivery, error: &DeliveryError, attempts: u32) -> DeliveryResult {
    let outcome = match error.failure {
        Failure::Uncertain => Outcome::Uncertain,
        Failure::Refused | Failure::Transient | Failure::Fatal => Outcome::Failed,
    };
    let receipt = error.smtp_code.map(|code| Receipt { smtp_code: Some(code), ..Receipt::default() });
    DeliveryResult { reason: Some(error.reason.clone()), receipt, ..result(delivery, outcome, attempts) }
}

/// What a dry run says of a delivery after trying what can be tried without delivering it.
pub fn rehearsed(delivery: &Delivery, rehearsal: Result<Receipt, DeliveryError>) -> DeliveryResult {
    match rehearsal {
        Ok(receipt) => DeliveryResult { receipt: Some(receipt), ..result(delivery, Outcome::Planned, 0) },
        Err(error) => undelivered(delivery, &error, 0),
    }
}

fn not_tried(delivery: &Delivery, why: &str) -> DeliveryResult {
    DeliveryResult { reason: Some(format!("not tried: {why}")), ..result(delivery, Outcome::Failed, 0) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::check::CheckOptions;
    use crate::edit::Edits;
    use crate::ledger::NewRun;
    use crate::replay::{Job, PlanOptions, Silent, plan};
    use crate::sink::Trace;

    /// A sink that delivers, and breaks the ledger while it does.
    struct Breaking(std::path::PathBuf);

    impl Sink for Breaking {
        type Staged = ();

        fn batch(&self) -> usize {
            1
        }

        fn stage(&self, _: &Delivery) -> Result<(), DeliveryError> {
            Ok(())
        }

        fn trace(&self, (): &()) -> Trace {
            Trace::default()
        }

        fn commit(&mut self, batch: Vec<()>) -> Vec<Result<Receipt, DeliveryError>> {
            rusqlite::Connection::open(&self.0).unwrap().execute_batch("DROP TABLE entry").unwrap();
            batch.iter().map(|()| Ok(Receipt::default())).collect()
        }
    }

    #[test]
    fn what_was_delivered_is_told_also_when_the_ledger_fails_then() {
        let folder = tempfile::tempdir().unwrap();
        for (number, guid) in
            ["46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11", "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12"].iter().enumerate()
        {
            let header = format!("MessageType : MissedCall\r\nRecipientAddress : a@x.example\r\nCallId : {number}\r\n");
            crate::fsx::write_atomically(&folder.path().join(format!("{guid}.txt")), header.as_bytes()).unwrap();
        }
        let messages = crate::source::read(&[folder.path().to_path_buf()], &|_| {}).unwrap().messages;
        let path = folder.path().join("ledger");
        let mut ledger = Ledger::open(&path, "test").unwrap();
        let options = PlanOptions {
            job: Job::Submit,
            edits: &Edits::default(),
            check: CheckOptions::default(),
            again: false,
            resend_uncertain: false,
            resolved: HashMap::new(),
            waiting: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let plan = plan(messages, &options, &ledger, &|_| {}).unwrap();
        let begun = NewRun {
            command: String::new(),
            arguments: String::new(),
            version: String::new(),
            user: String::new(),
            host: String::new(),
            started: Timestamp::UNIX_EPOCH,
        };
        let run = ledger.begin_run(&begun).unwrap();
        let stop = AtomicBool::new(false);
        let execution = Execution {
            ledger: &mut ledger,
            run,
            target: String::new(),
            clock: || Timestamp::UNIX_EPOCH,
            progress: &Silent,
            stop: &stop,
        };
        let mut told = Vec::new();
        let failed = execute(plan, &mut Breaking(path), execution, &mut |result| told.push(result.outcome));
        assert!(matches!(failed, Err(ReplayError::Ledger(_))));
        assert_eq!(told, [Outcome::Done], "the second was not tried");
    }
}
