//! What a set to keep needs beyond other plans: a name of its own for every message, and room for what UM would refuse.

use std::collections::BTreeMap;

use super::plan::Step;
use crate::message::{Delivery, Guid, Identity, Message, MessageType};

/// Names every message of the set: by its own GUID, or by one made of its identity where it has none, or where another
/// message has the same. The same messages get the same names, in whatever order they were found.
pub(super) fn name(steps: &mut [Step]) {
    let mut owners: BTreeMap<Guid, Identity> = BTreeMap::new();
    for delivery in steps.iter().filter_map(delivery) {
        if let Some(guid) = delivery.message.guid {
            let owner = owners.entry(guid).or_insert(delivery.identity);
            *owner = delivery.identity.min(*owner);
        }
    }
    for step in steps {
        let Step::Deliver(delivery) = step else { continue };
        let own = delivery.message.guid.filter(|guid| owners.get(guid) == Some(&delivery.identity));
        delivery.new_guid = own.unwrap_or_else(|| delivery.identity.guid());
    }
}

fn delivery(step: &Step) -> Option<&Delivery> {
    match step {
        Step::Deliver(delivery) => Some(delivery),
        Step::Leave(_) => None,
    }
}

/// What a message is taken for whose header tells no type, when copies are compared: what its files suggest.
pub(super) fn stand_in_type(message: &Message) -> MessageType {
    match (&message.audio, &message.fax) {
        (Some(_), _) => MessageType::SmtpVoiceMail,
        (None, Some(_)) => MessageType::Fax,
        (None, None) => MessageType::IncomingCallLog,
    }
}
