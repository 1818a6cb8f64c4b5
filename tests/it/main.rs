//! Integration tests, a file a command or stage, in one binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "tests may write files as they like")]

mod architecture;
mod archives;
mod edit;
mod environment;
mod export;
mod folder_sink;
mod generate;
mod inject;
mod kill;
mod once;
mod output;
mod pickup;
mod program;
mod repair;
mod samples;
mod scan;
mod smtp;
mod submit;
mod week;
