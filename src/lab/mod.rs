//! For labs without Exchange, and for tests: queues made from a seed, and an SMTP receiver that misbehaves on demand.

pub mod generate;
pub mod sink;
mod voice;
