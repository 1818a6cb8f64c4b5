//! Bytes that lie open in a file: an entry of a tar archive.

use std::io::{self, Read};

use super::super::shared_file::SharedFile;
use crate::message::Content;

/// The content of an entry that is a part of a file.
pub(super) struct WindowContent {
    /// What is there of it.
    pub(super) part: SharedFile,
    /// Bytes that it should have.
    pub(super) size: u64,
}

impl Content for WindowContent {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        if self.part.length() < self.size {
            let text = format!("it is cut short: of {} bytes {} are there", self.size, self.part.length());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        Ok(Box::new(self.part.whole()?))
    }
}
