//! Which of several copies of one message goes: copies are known by their identity, and by the name of their files.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;

use super::history::History;
use super::plan::{Left, PlanOptions, Step, original_recipient};
use crate::message::{Delivery, DeliveryResult, EmailAddress, Guid, Message, MessageType, Outcome, Recipient, fields};

/// What a message is called: the GUID of its files, and the call.
///
/// Two files of one name and call are states of one file. One may be cut short, or lack its recording, and then has
/// another identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    guid: Guid,
    call: Option<String>,
}

impl Name {
    /// The message's name, `None` where its files are not called by a GUID or there is no header.
    pub(super) fn of(message: &Message) -> Option<Self> {
        message.header.as_ref()?;
        Some(Self { guid: message.guid?, call: call(message) })
    }
}

/// The call that a message came of, as far as its header tells.
pub(super) fn call(message: &Message) -> Option<String> {
    let header = &message.header.as_ref()?.header;
    let value = header.get(fields::CALL_ID).or_else(|| header.get(fields::MESSAGE_ID))?;
    Some(value.trim().to_lowercase())
}

/// Of several copies of one message keeps the best.
pub(super) fn keep_one_copy(steps: &mut [Step], names: &[Option<Name>], history: &History, options: &PlanOptions<'_>) {
    keep_one_of_an_identity(steps, history, options);
    keep_one_of_a_name(steps, names);
}

/// The copy that stays, as the others' reasons tell of it.
struct Kept {
    index: usize,
    label: String,
    recipient: Recipient,
}

fn keep_one_of_an_identity(steps: &mut [Step], history: &History, options: &PlanOptions<'_>) {
    let kept = best(steps, |_, delivery| Some(delivery.identity), age);
    let voices: HashMap<Guid, String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Deliver(delivery) if delivery.message_type.carries_audio() => {
                Some((delivery.message.guid?, delivery.message.label.clone()))
            }
            _ => None,
        })
        .collect();
    // A missed call of a voice message's name is what UM made of that: the same file, later and without audio.
    let voice = |delivery: &Delivery| match delivery.message_type {
        MessageType::MissedCall => delivery.message.guid.and_then(|guid| voices.get(&guid)),
        _ => None,
    };
    for (index, step) in steps.iter_mut().enumerate() {
        match step {
            Step::Deliver(delivery) => {
                let copy_of = kept.get(&delivery.identity).filter(|kept| kept.index != index);
                let left = match (voice(delivery), copy_of) {
                    (Some(voice), _) => Left::skipped(format!("duplicate of {voice}, demoted")),
                    (None, Some(kept)) => copy(delivery, kept, history, options),
                    (None, None) => continue,
                };
                *step = left.result(&delivery.message, Some(delivery.identity));
            }
            Step::Leave(result) => {
                let better = result.identity.and_then(|identity| kept.get(&identity));
                pass_over(result, better);
            }
        }
    }
}

/// Why a copy of a message does not go.
fn copy(delivery: &Delivery, kept: &Kept, history: &History, options: &PlanOptions<'_>) -> Left {
    if same_person(&original_recipient(&delivery.message), &kept.recipient) {
        return Left::skipped(format!("duplicate of {}", kept.label));
    }
    // One call, two recipients: neither a copy to drop nor one to send unasked, unless that was done already.
    history.own(delivery, options).unwrap_or_else(|| {
        Left::refused(format!(
            "it looks like a copy of {}, but is for another recipient; \
             if it is a message of its own, deliver it alone with --guid and --again",
            kept.label
        ))
    })
}

fn keep_one_of_a_name(steps: &mut [Step], names: &[Option<Name>]) {
    let name = |index: usize| names.get(index).cloned().flatten();
    let kept = best(steps, |index, _| name(index), |delivery| (wholeness(delivery), age(delivery)));
    for (index, step) in steps.iter_mut().enumerate() {
        let better = name(index).and_then(|name| kept.get(&name)).filter(|kept| kept.index != index);
        match (step, better) {
            (Step::Leave(result), better) => pass_over(result, better),
            (Step::Deliver(_), None) => {}
            (step @ Step::Deliver(_), Some(kept)) => {
                let Step::Deliver(delivery) = &*step else { continue };
                let is_damaged = has_audio(delivery) && wholeness(delivery).0;
                let left = match is_damaged && same_person(&original_recipient(&delivery.message), &kept.recipient) {
                    true => Left::skipped(format!("damaged duplicate of {}", kept.label)),
                    false => Left::refused(format!(
                        "it has the name and the call of {}, but differs from it in more than a pickup changes; \
                         if it is a message of its own, deliver it alone, from its own source, with --again",
                        kept.label
                    )),
                };
                *step = left.result(&delivery.message, Some(delivery.identity));
            }
        }
    }
}

/// A message that cannot be delivered is no loss where a better copy is.
fn pass_over(result: &mut DeliveryResult, better: Option<&Kept>) {
    if let Some(kept) = better.filter(|_| result.outcome == Outcome::Failed)
        && same_person(&result.recipient, &kept.recipient)
    {
        result.outcome = Outcome::Skipped;
        result.reason = Some(format!("damaged duplicate of {}", kept.label));
    }
}

/// The delivery with the lowest rank for every key.
fn best<K: std::hash::Hash + Eq, R: Ord>(
    steps: &[Step],
    key: impl Fn(usize, &Delivery) -> Option<K>,
    rank: impl Fn(&Delivery) -> R,
) -> HashMap<K, Kept> {
    let mut best: HashMap<K, (R, usize, &Delivery)> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let Step::Deliver(delivery) = step else { continue };
        let Some(key) = key(index, delivery) else { continue };
        let rank = rank(delivery);
        if best.get(&key).is_none_or(|(known, ..)| rank < *known) {
            best.insert(key, (rank, index, delivery));
        }
    }
    let kept = |index, delivery: &Delivery| Kept {
        index,
        label: delivery.message.label.clone(),
        recipient: original_recipient(&delivery.message),
    };
    best.into_iter().map(|(key, (_, index, delivery))| (key, kept(index, delivery))).collect()
}

/// The less UM has done to a copy, the better.
fn age(delivery: &Delivery) -> (i32, Reverse<Option<Timestamp>>, String) {
    let header = delivery.message.header.as_ref().map(|part| &part.header);
    let count = header.and_then(|header| header.processed_count()).unwrap_or(i32::MAX);
    (count, Reverse(delivery.message.modified()), delivery.message.label.clone())
}

/// Whether the recording is damaged, and how much of it there is: less than another's is better.
fn wholeness(delivery: &Delivery) -> (bool, Reverse<u64>) {
    let facts = delivery.message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
    (facts.is_none_or(|facts| facts.cut_short), Reverse(facts.map_or(0, |facts| facts.data_bytes)))
}

/// Whether a recording goes with a delivery.
pub(super) fn has_audio(delivery: &Delivery) -> bool {
    delivery.message_type.carries_audio() && delivery.message.audio.is_some()
}

pub(super) fn same_person(one: &Recipient, other: &Recipient) -> bool {
    let key = |recipient: &Recipient| {
        let address = recipient.address.as_ref().map(EmailAddress::key);
        (recipient.object_guid, address)
    };
    key(one) == key(other)
}
