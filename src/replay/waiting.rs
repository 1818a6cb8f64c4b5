//! What waits in the target folder already: to inject it once more would bring it twice.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::copies::{call, same_person};
use super::plan::{Left, PlanOptions, Step, original_recipient};
use crate::check::{self, CheckOptions};
use crate::fsx::folder_of;
use crate::message::{Delivery, Level, Message, State};

/// A voicemail folder and the messages that lie in it.
#[derive(Debug)]
pub struct Waiting {
    folder: PathBuf,
    messages: Vec<Message>,
}

impl Waiting {
    /// Of these messages, found in and below the folder, those that UM sees there.
    pub fn new(folder: &Path, mut messages: Vec<Message>) -> Self {
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let mut places = Places::new(&folder);
        messages.retain(|message| places.has(message));
        Self { folder, messages }
    }
}

/// Leaves out what lies in the target, and what waits there already in another copy.
pub(super) fn leave_what_waits(steps: &mut [Step], options: &PlanOptions<'_>) {
    let Some(waiting) = options.waiting else { return };
    let mut queue: HashMap<Option<String>, Vec<Message>> = HashMap::new();
    for message in waiting.messages.iter().filter(|message| will_be_delivered(message, &options.check)) {
        queue.entry(call(message)).or_default().push(message.clone());
    }
    let mut places = Places::new(&waiting.folder);
    for step in steps {
        let Step::Deliver(delivery) = step else { continue };
        let left = match places.has(&delivery.message) {
            true => Some(Left::refused(
                "it lies in the target folder: UM has it in its queue already, and injected beside itself it would arrive twice",
            )),
            false if options.again => None,
            false => twin(&mut queue, delivery).map(|label| {
                Left::skipped(format!(
                    "it waits in the target folder already, as {label}; should UM give up on that one, run again"
                ))
            }),
        };
        if let Some(left) = left {
            *step = left.result(&delivery.message, Some(delivery.identity));
        }
    }
}

/// Whether UM's next pickup brings the message whole to its mailbox. One that it would delete or demote is worth restoring.
fn will_be_delivered(message: &Message, options: &CheckOptions<'_>) -> bool {
    let findings = check::at_rest(message, options);
    message.state() == State::Complete && findings.iter().all(|finding| finding.level != Level::Error)
}

/// The waiting message that is the same one for the same person.
fn twin(queue: &mut HashMap<Option<String>, Vec<Message>>, delivery: &Delivery) -> Option<String> {
    let recipients = [original_recipient(&delivery.message), delivery.header.recipient()];
    let is_twin = |message: &mut Message| {
        let waits_for = original_recipient(message);
        let is_same_person = recipients.iter().any(|recipient| same_person(recipient, &waits_for));
        // Reading the recordings comes last: it takes longest.
        is_same_person && message.identity().is_ok_and(|identity| identity == delivery.identity)
    };
    let candidates = queue.get_mut(&call(&delivery.message))?;
    candidates.iter_mut().find_map(|message| is_twin(message).then(|| message.label.clone()))
}

/// Tells which files lie in a folder itself, however its path is spelled.
struct Places<'a> {
    folder: &'a Path,
    known: HashMap<PathBuf, bool>,
}

impl<'a> Places<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, known: HashMap::new() }
    }

    fn has(&mut self, message: &Message) -> bool {
        let Some(path) = message.header.as_ref().and_then(|part| part.file.path()) else {
            return false;
        };
        let parent = folder_of(path);
        let folder = self.folder;
        *self
            .known
            .entry(parent)
            .or_insert_with_key(|parent| fs::canonicalize(parent).is_ok_and(|found| found == folder))
    }
}
