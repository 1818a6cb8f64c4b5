//! Integration tests, a file a command or stage, in one binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod archives;
mod environment;
mod folder_sink;
mod generate;
mod pickup;
mod smtp;
