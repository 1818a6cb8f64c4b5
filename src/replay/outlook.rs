//! What a replay could do for a message, without planning one: the repairs that fit it, and what they leave wrong.

use std::collections::BTreeSet;

use crate::check::{self, CheckOptions};
use crate::edit::{Draft, Edits, Purpose, QueuePlace, Repair, requeue};
use crate::message::{Code, Guid, Header, Level, Message, State};
use crate::report::Outlook;

/// The repairs that fit a message, and why UM would refuse it even with all of them.
///
/// The message is judged by the findings it has already; what injection sets right on its own, such as the count, is
/// wrong no longer.
pub fn outlook(message: &Message) -> Outlook {
    let (asked_for, usual): (BTreeSet<_>, BTreeSet<_>) =
        Repair::possible(message).into_iter().partition(|repair| Repair::ASKED_FOR.contains(repair));
    let names = |repairs: BTreeSet<Repair>| repairs.into_iter().map(Repair::name).collect();
    Outlook { usual: names(usual), asked_for: names(asked_for), refused: refused(message) }
}

fn refused(message: &Message) -> BTreeSet<Code> {
    match (message.state(), &message.header) {
        (State::Internal, _) => BTreeSet::new(),
        (State::NoHeader, _) => BTreeSet::from([Code::NoHeader]),
        (State::Unreadable, _) | (_, None) => {
            let encrypted = message.findings.iter().any(|finding| finding.code == Code::EntryEncrypted);
            BTreeSet::from([if encrypted { Code::EntryEncrypted } else { Code::HeaderUnreadable }])
        }
        (_, Some(part)) => still_wrong(message, &part.header),
    }
}

fn still_wrong(message: &Message, found: &Header) -> BTreeSet<Code> {
    let Some(header) = mended(message, found) else {
        return BTreeSet::from([Code::HeaderUnreadable]);
    };
    let findings = check::for_pickup(message, &header, &CheckOptions::default());
    let mut codes: BTreeSet<Code> =
        findings.into_iter().filter(|finding| finding.level == Level::Error).map(|finding| finding.code).collect();
    // Nothing but audio that tells nothing keeps a demoted message from being mended.
    if codes.remove(&Code::Demoted) || message.state_with(&header) == State::Demoted {
        codes.insert(Code::AudioUnreadable);
    }
    // Who is to get it is not guessed, though UM would take either copy.
    codes.extend(message.findings.iter().map(|finding| finding.code).filter(|code| *code == Code::CopiesDisagree));
    codes
}

/// The header as an injection with every repair would write it; `None` where it cannot hold that.
fn mended(message: &Message, found: &Header) -> Option<Header> {
    let edits = Edits { repairs: Repair::ALL.into_iter().collect(), ..Edits::default() };
    let edited = edits.apply(message, found, Purpose::Queue).ok()?;
    let mut draft = Draft::resume(edited.header, edited.changes);
    if let Some(kind) = draft.header().message_type() {
        // Any place will do: nothing is written there.
        let place = QueuePlace { folder: String::new(), guid: Guid::from_random_bytes([0; 16]) };
        requeue(&mut draft, kind, &place, message.audio.is_some()).ok()?;
    }
    Some(draft.finish().0)
}
