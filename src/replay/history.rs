//! What earlier runs did with the messages of a plan, and what follows from that.

use std::collections::HashMap;

use super::ReplayError;
use super::copies::has_audio;
use super::execute::recipient_key;
use super::plan::{Left, PlanOptions, Step};
use crate::ledger::{EntryState, Ledger, Prior};
use crate::message::{Delivery, Guid, Identity};

/// The earlier deliveries of the messages of a plan.
#[derive(Debug, Default)]
pub(super) struct History {
    by_identity: HashMap<Identity, Vec<Prior>>,
    by_guid: HashMap<Guid, Vec<Prior>>,
}

impl History {
    /// Asks the ledger for every message that is to be delivered.
    pub(super) fn read(steps: &[Step], options: &PlanOptions<'_>, ledger: &Ledger) -> Result<Self, ReplayError> {
        let deliveries = || {
            steps.iter().filter_map(|step| match step {
                Step::Deliver(delivery) => Some(delivery),
                Step::Leave(_) => None,
            })
        };
        let identities: Vec<Identity> = deliveries().map(|delivery| delivery.identity).collect();
        let guids: Vec<Guid> = deliveries().filter_map(|delivery| delivery.message.guid).collect();
        let mut history = Self { by_identity: ledger.priors(&identities)?, by_guid: ledger.priors_by_guid(&guids)? };
        let found = history.by_identity.values_mut().chain(history.by_guid.values_mut());
        for prior in found.flatten() {
            prior.state = options.resolved.get(&prior.entry).copied().unwrap_or(prior.state);
        }
        Ok(history)
    }

    /// Leaves out what an earlier run delivered, or may have.
    pub(super) fn leave_what_is_done(&self, steps: &mut [Step], options: &PlanOptions<'_>) {
        for step in steps {
            let Step::Deliver(delivery) = step else { continue };
            match self.earlier(delivery, options) {
                Some(left) => *step = left.result(&delivery.message, Some(delivery.identity)),
                None => delivery.is_repeat = self.is_done(delivery),
            }
        }
    }

    /// What earlier deliveries mean for this one; `None`: nothing.
    fn earlier(&self, delivery: &Delivery, options: &PlanOptions<'_>) -> Option<Left> {
        let known = self.of_identity(delivery);
        let left = match known.iter().any(|prior| !is_for_another(prior, delivery)) {
            true => self.own(delivery, options),
            false => gravest(known.iter()).filter(|_| !options.again).map(|prior| {
                Left::refused(format!(
                    "one message of the same call was delivered before ({}), but to another recipient; \
                     if this is a message of its own, deliver it alone with --guid and --again",
                    what(prior)
                ))
            }),
        };
        left.or_else(|| self.of_the_same_name(delivery, options))
    }

    /// What earlier deliveries of the very same message mean, to whoever it is for.
    pub(super) fn own(&self, delivery: &Delivery, options: &PlanOptions<'_>) -> Option<Left> {
        let own = self.of_identity(delivery).iter().filter(|prior| !is_for_another(prior, delivery));
        let prior = gravest(own)?;
        match prior.state {
            EntryState::Failed => None,
            EntryState::Done if options.again => None,
            EntryState::Done => Some(Left::skipped(format!("done before: {}", what(prior)))),
            EntryState::Uncertain | EntryState::Intent if options.resend_uncertain => None,
            EntryState::Uncertain | EntryState::Intent => Some(in_doubt(prior)),
        }
    }

    /// What earlier deliveries mean that had the same files, but another recording or none.
    fn of_the_same_name(&self, delivery: &Delivery, options: &PlanOptions<'_>) -> Option<Left> {
        let guid = delivery.message.guid?;
        let known = self.by_guid.get(&guid).map(Vec::as_slice).unwrap_or_default();
        let prior = gravest(known.iter().filter(|prior| prior.identity != delivery.identity))?;
        let what = what(prior);
        let is_ours = prior.new_guid == Some(guid);
        match (prior.has_audio, has_audio(delivery)) {
            _ if options.again => None,
            // Only a missed call went out so far.
            (false, true) => None,
            (true, false) if prior.state == EntryState::Done => {
                Some(Left::skipped(format!("done before, with its recording: {what}")))
            }
            _ if is_ours && prior.state == EntryState::Done => Some(Left::skipped(format!("done before: {what}"))),
            _ => Some(Left::refused(format!(
                "another copy of it was delivered before ({what}), which differed in more than a pickup changes; \
                 if this is a message of its own, deliver it alone with --guid and --again"
            ))),
        }
    }

    /// Whether it was delivered before, so that this is a wanted second time.
    fn is_done(&self, delivery: &Delivery) -> bool {
        let by_guid = delivery.message.guid.and_then(|guid| self.by_guid.get(&guid));
        let known = self.of_identity(delivery).iter().chain(by_guid.into_iter().flatten());
        known.into_iter().any(|prior| prior.state == EntryState::Done)
    }

    fn of_identity(&self, delivery: &Delivery) -> &[Prior] {
        self.by_identity.get(&delivery.identity).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The delivery that tells most, unless none came about.
fn gravest<'a>(priors: impl Iterator<Item = &'a Prior>) -> Option<&'a Prior> {
    let told = priors.filter(|prior| prior.state != EntryState::Failed);
    told.max_by_key(|prior| (prior.state.weight(), prior.entry))
}

fn what(prior: &Prior) -> String {
    format!("{} to {} in run {}", prior.action, prior.target, prior.run.0)
}

fn in_doubt(prior: &Prior) -> Left {
    let sign = prior.message_id.clone().or_else(|| prior.new_guid.map(|guid| guid.to_string()));
    let sign = sign.map(|sign| format!(" for {sign}")).unwrap_or_default();
    Left::in_doubt(format!(
        "it may have been delivered ({}), but the answer was never seen; look{sign} at the other end, \
         then deliver it with --resend-uncertain if it is not there",
        what(prior)
    ))
}

/// Whether an earlier delivery was of another message: another file, for somebody who neither was nor became its recipient.
fn is_for_another(prior: &Prior, delivery: &Delivery) -> bool {
    let Some(header) = delivery.message.header.as_ref().map(|part| &part.header) else {
        return false;
    };
    let guid = delivery.message.guid;
    let same_file = guid.is_some() && (guid == prior.source_guid || guid == prior.new_guid);
    let recipient = recipient_key(&header.recipient(), header.dialect());
    let known = recipient == prior.recipient_before || recipient == prior.recipient;
    !same_file && !known && recipient.is_some()
}
