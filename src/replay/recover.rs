//! What became of the intents of a run that died: told from what lies where, before anything new is planned.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::ReplayError;
use crate::ledger::{Action, EntryId, EntryRow, EntryState, Intent, Ledger, RunId, Settlement};
use crate::message::{Receipt, Sha256Digest};
use crate::sink::folder::{self, Resolution};

/// What is known of the open intents of dead runs.
#[derive(Debug, Default)]
pub struct Recovery {
    known: Vec<(EntryRow, EntryState)>,
    unknown: usize,
    staging: Vec<(RunId, PathBuf)>,
}

/// Finds out what became of every open intent; changes nothing.
///
/// An injection stays open where one of its folders cannot be looked into now: a later run may be able to tell.
///
/// # Errors
/// The ledger cannot be read.
pub fn look_back(ledger: &Ledger) -> Result<Recovery, ReplayError> {
    let mut recovery = Recovery { staging: ledger.staging_folders()?, ..Recovery::default() };
    let mut needed = HashSet::new();
    for entry in ledger.open_intents()? {
        match state(&entry) {
            Some(state) => recovery.known.push((entry, state)),
            None => {
                recovery.unknown += 1;
                needed.insert(entry.run);
            }
        }
    }
    recovery.staging.retain(|(run, _)| !needed.contains(run));
    Ok(recovery)
}

fn state(entry: &EntryRow) -> Option<EntryState> {
    let intent = &entry.intent;
    match intent.action {
        Action::Inject => {
            let staged = Path::new(intent.staged.as_deref()?);
            match folder::resolve(Path::new(&intent.target), staged, intent.new_guid?) {
                Resolution::Delivered => Some(EntryState::Done),
                Resolution::NotDelivered => Some(EntryState::Failed),
                Resolution::Unknown => None,
            }
        }
        Action::Edit => edited(intent),
        // An export can be made again at any time.
        Action::Export => Some(EntryState::Failed),
        // The mail may have been sent, and nobody on this side will ever know.
        Action::Submit => Some(EntryState::Uncertain),
    }
}

/// Tells from a header file whether it was edited; `None` where it cannot be read now.
fn edited(intent: &Intent) -> Option<EntryState> {
    let now = match std::fs::read(&intent.source) {
        Ok(bytes) => Some(Sha256Digest::of(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(_) => return None,
    };
    Some(match now {
        Some(_) if now == intent.header_after => EntryState::Done,
        Some(_) if now == intent.header_before => EntryState::Failed,
        // UM has taken it, or written it anew since: it will never tell more.
        _ => EntryState::Uncertain,
    })
}

/// How many messages a dead run left in doubt, and what they turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCounts {
    /// It was done.
    pub done: usize,
    /// It was not.
    pub undone: usize,
    /// Nobody can tell.
    pub unknown: usize,
}

impl Recovery {
    /// How many intents were found to be what.
    pub fn counts(&self) -> RecoveryCounts {
        let count = |state| self.known.iter().filter(|(_, known)| *known == state).count();
        let (done, undone) = (count(EntryState::Done), count(EntryState::Failed));
        RecoveryCounts { done, undone, unknown: self.unknown + count(EntryState::Uncertain) }
    }

    /// What the intents turned out to be, for a plan that must not write.
    pub fn states(&self) -> HashMap<EntryId, EntryState> {
        self.known.iter().map(|(entry, state)| (entry.id, *state)).collect()
    }

    /// Notes what was found, and clears away what the dead run left.
    ///
    /// # Errors
    /// The ledger failed. What could not be cleared away is returned in words: it is in nobody's way but UM's, which
    /// deletes it.
    pub fn settle(self, ledger: &mut Ledger, now: Timestamp) -> Result<Vec<String>, ReplayError> {
        let mut left = Vec::new();
        let mut settlements = Vec::with_capacity(self.known.len());
        for (entry, state) in &self.known {
            let receipt = || Receipt {
                target: entry.intent.target.clone(),
                new_guid: entry.intent.new_guid,
                ..Receipt::default()
            };
            settlements.push(match state {
                EntryState::Done => Settlement::done(entry.id, receipt(), entry.attempts, now),
                EntryState::Uncertain => {
                    let reason = match entry.intent.action {
                        Action::Edit => "the run ended on the way, and the file is gone or was changed since",
                        _ => "the run ended before an answer was seen",
                    };
                    Settlement::undone(entry.id, EntryState::Uncertain, reason.to_owned(), None, entry.attempts, now)
                }
                _ => {
                    left.extend(withdraw(entry));
                    let reason = "the run ended before the message was delivered".to_owned();
                    Settlement::undone(entry.id, EntryState::Failed, reason, None, entry.attempts, now)
                }
            });
        }
        ledger.record_outcomes(&settlements)?;
        let mut gone = Vec::new();
        for (run, folder) in &self.staging {
            match folder::discard(folder) {
                Ok(()) => gone.push(*run),
                Err(error) => left.push(crate::fsx::describe(&error)),
            }
        }
        if !gone.is_empty() {
            ledger.forget_staging(&gone)?;
        }
        Ok(left)
    }
}

/// Takes the attachments of a message that was not delivered out of the target again.
fn withdraw(entry: &EntryRow) -> Option<String> {
    let (staged, guid) = (entry.intent.staged.as_deref()?, entry.intent.new_guid?);
    folder::withdraw(Path::new(&entry.intent.target), Path::new(staged), guid)
        .err()
        .map(|error| crate::fsx::describe(&error))
}
