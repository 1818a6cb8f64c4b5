//! Where messages go: a voicemail folder, an SMTP server, or files: mails, or a set of pairs.
//!
//! Every sink works in two steps, so that the ledger can hold the intent before the first byte is delivered: `stage`
//! does all that can fail without anyone seeing the message, `commit` makes it seen.

pub mod directory;
pub mod files;
pub mod folder;
pub mod mime;
pub mod replace;
pub mod smtp;

use thiserror::Error;

use crate::message::{Delivery, Receipt};

/// What a failed delivery means for the message and for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This message was not delivered, and trying again as it is would not help.
    Refused,
    /// This message was not delivered; a later try may succeed.
    Transient,
    /// The message may have been delivered: the answer was never seen.
    Uncertain,
    /// This message was not delivered, and no other can be: the disk is full, the target is gone, the server is away.
    Fatal,
}

/// Why a message was not (or perhaps not) delivered.
#[derive(Debug, Error)]
#[error("{reason}")]
pub struct DeliveryError {
    /// What it means.
    pub failure: Failure,
    /// What failed, in a sentence that names the thing and gives the cause.
    pub reason: String,
    /// The server's reply code, where a server refused.
    pub smtp_code: Option<u16>,
}

impl DeliveryError {
    /// An error without a reply code.
    pub fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into(), smtp_code: None }
    }
}

/// What is known of a staged message before it is delivered, for the ledger's note of intent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The Internet Message-ID it will be sent under.
    pub message_id: Option<String>,
    /// Where the staged file lies whose rename delivers the message.
    pub staged: Option<String>,
}

/// A place that takes messages.
pub trait Sink: Sync {
    /// A message made ready, not yet seen by anyone.
    type Staged: Send;

    /// How many messages may be staged under one durable note of intent before they are committed.
    ///
    /// A run that dies leaves at most so many messages in doubt.
    fn batch(&self) -> usize;

    /// Does everything that can fail before the message is seen.
    ///
    /// # Errors
    /// The message cannot be delivered, or the run cannot go on; nothing was delivered.
    fn stage(&self, delivery: &Delivery) -> Result<Self::Staged, DeliveryError>;

    /// What the ledger should know of a staged message.
    fn trace(&self, staged: &Self::Staged) -> Trace;

    /// Delivers a batch of staged messages; what it reports as delivered is durable. One result for each, in order.
    fn commit(&mut self, batch: Vec<Self::Staged>) -> Vec<Result<Receipt, DeliveryError>>;

    /// Ends the work in order: connections are closed, temporary folders removed.
    ///
    /// # Errors
    /// Something was left behind.
    fn finish(&mut self) -> Result<(), DeliveryError> {
        Ok(())
    }
}
