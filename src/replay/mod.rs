//! Joins the stages: [`plan`] decides what is to become of every message, [`execute`] does it.
//!
//! A dry run and a real run share the plan; only the real one executes it. Nothing else knows source, check, edit,
//! sink and ledger at once.

mod copies;
mod execute;
mod history;
mod keep;
mod outlook;
mod plan;
mod recover;
mod waiting;

use thiserror::Error;

pub use execute::{Execution, execute, rehearsed};
pub use outlook::outlook;
pub use plan::{Job, Plan, PlanOptions, Step, plan};
pub use recover::{Recovery, RecoveryCounts, look_back};
pub use waiting::Waiting;

use crate::ledger::LedgerError;

/// Told how work goes on; the terminal's bar implements it, and so does silence.
pub trait Progress: Sync {
    /// A part of the work begins, with so many messages to do (`None`: not known yet).
    fn begin(&self, what: &str, total: Option<u64>);
    /// So many messages of the part are done.
    fn advance(&self, done: u64);
    /// The part is over.
    fn end(&self);
}

/// Work without anybody watching.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}

/// Why a run could not be planned or carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The path of the voicemail folder on the UM server is needed and not known.
    #[error("AttachmentPath must hold the folder's path as the UM server sees it, and that is not known")]
    ExchangePathUnknown,
    /// The ledger failed, so that nothing may be delivered any more.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
}

impl ReplayError {
    /// What to do about it, with a command to paste.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ExchangePathUnknown => Some(
                r#"give it: --exchange-path "C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail""#
                    .to_owned(),
            ),
            Self::Ledger(_) => None,
        }
    }
}
