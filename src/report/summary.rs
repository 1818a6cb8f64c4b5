//! Counts of messages, findings and outcomes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Picture;
use crate::message::{Level, Message, Outcome, Tally, fields};

/// Findings by level, every level always there.
#[derive(Debug, Default, Serialize)]
pub struct FindingCounts {
    /// What UM would refuse, demote or delete for.
    pub error: u64,
    /// What is in danger or looks wrong.
    pub warning: u64,
    /// What is worth knowing.
    pub info: u64,
}

impl FindingCounts {
    fn of(&mut self, level: Level) -> &mut u64 {
        match level {
            Level::Error => &mut self.error,
            Level::Warning => &mut self.warning,
            Level::Info => &mut self.info,
        }
    }
}

/// What a whole command saw or did, as the last object of its output.
#[derive(Debug, Default, Serialize)]
#[serde(tag = "type", rename = "summary")]
pub struct Summary {
    /// How many messages there were.
    pub messages: u64,
    /// Messages by state.
    pub by_state: BTreeMap<&'static str, u64>,
    /// Messages by type as the header spells it; `none` where there is no type.
    pub by_type: BTreeMap<String, u64>,
    /// Findings by level.
    pub findings: FindingCounts,
    /// Results by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// The picture of the outage, where the command draws one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
}

impl Summary {
    /// Counts a message with its findings.
    pub fn add(&mut self, message: &Message) {
        self.messages += 1;
        *self.by_state.entry(message.state().name()).or_default() += 1;
        let header = message.header.as_ref().map(|part| &part.header);
        let kind = header.and_then(|header| header.get(fields::MESSAGE_TYPE));
        *self.by_type.entry(kind.map_or_else(|| "none".to_owned(), |kind| kind.into_owned())).or_default() += 1;
        for finding in &message.findings {
            *self.findings.of(finding.level) += 1;
        }
    }

    /// Takes the outcomes of a run.
    pub fn set_outcomes(&mut self, tally: &Tally) {
        self.outcomes = tally.iter().map(|(outcome, count)| (outcome.name(), count)).collect();
    }

    /// How many had an outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.name()).copied().unwrap_or_default()
    }
}
