//! Recovers and replays Exchange Unified Messaging voicemail queues.
//!
//! Data flows one way:
//!
//! ```text
//! source ──> message ──> check ──> edit ──> (check) ──> sink
//!                                   │                     │
//!                                 ledger <── what was seen, decided, delivered ──> report
//! ```
//!
//! - [`source`] finds files in folders and archives and pairs them into messages;
//! - [`message`] is the plain data: headers read and written losslessly, RIFF facts, identity, findings;
//! - [`check`] tells what UM would make of a message, [`edit`] changes headers: both are pure;
//! - [`sink`] delivers: into a voicemail folder, over SMTP, or as files;
//! - [`ledger`] remembers every intent and receipt, and is the only module that knows SQL;
//! - [`replay`] joins the stages into a plan and its execution, and nothing else does;
//! - [`report`] turns messages and results into JSON and CSV;
//! - [`lab`] makes queues and receives mail, for labs and tests;
//! - `commands`, `cli`, `config` and `ui` are the program around them; [`fsx`] is file system work done with care.

pub mod check;
pub mod edit;
pub mod fsx;
pub mod lab;
pub mod ledger;
pub mod message;
pub mod replay;
pub mod report;
pub mod select;
pub mod sink;
pub mod source;
