//! Messages and results as JSON and CSV: the shapes that other programs hang on.

pub mod csv;
pub mod json;
mod picture;
pub mod runs;
mod summary;

pub use picture::{AtRisk, Copies, Mending, Outlook, Picture, RecipientCount, Recipients};
pub use summary::{FindingCounts, Summary};
