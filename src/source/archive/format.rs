//! What sort of archive some bytes are, told from the bytes alone, and where those bytes are.

use std::io::{self, Read};
use std::sync::Arc;

use super::super::shared_file::SharedFile;
use super::packing::Packing;
use super::tar::header::{BLOCK, begins_as_tar};
use crate::message::Content;

/// How many bytes tell what a file is: a tar header is the longest.
const HEAD: u64 = BLOCK as u64;

/// A sort of archive that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Tar,
    SevenZip,
    /// A single file, which may be a tar archive.
    Packed(Packing),
}

impl Format {
    /// What some bytes begin as; `None` for what is no archive or hides its beginning.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => Some(Self::SevenZip),
            _ if begins_as_tar(head) => Some(Self::Tar),
            _ => Packing::of(head).map(Self::Packed),
        }
    }
}

/// The bytes of an archive.
#[derive(Clone)]
pub(super) enum Bytes {
    /// In a file, to be read at any place.
    File(SharedFile),
    /// Out of another archive or a packed file, to be read from the start.
    Stream(Arc<dyn Content>),
}

impl Bytes {
    pub(super) fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        match self {
            Self::File(file) => Ok(Box::new(file.whole()?)),
            Self::Stream(content) => content.open(),
        }
    }

    /// What the bytes begin as.
    pub(super) fn format(&self) -> io::Result<Option<Format>> {
        head_of(&mut *self.open()?).map(|head| Format::of(&head))
    }
}

/// The first bytes, as many as it takes to tell what they are.
pub(super) fn head_of(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(BLOCK);
    match reader.take(HEAD).read_to_end(&mut head) {
        // What is cut short or damaged after a few bytes is still of a sort.
        Err(error) if head.is_empty() => Err(error),
        _ => Ok(head),
    }
}

/// Whether a file's name says that it is an archive, of those read here or others.
pub(super) fn has_archive_name(name: &str) -> bool {
    const EXTENSIONS: [&str; 17] = [
        "zip", "tar", "gz", "tgz", "xz", "txz", "zst", "tzst", "bz2", "tbz", "tbz2", "7z", "cab", "rar", "lzh", "arj",
        "lzma",
    ];
    EXTENSIONS.iter().any(|extension| super::super::has_extension(name, extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_are_told_by_their_first_bytes() {
        assert_eq!(Format::of(b"PK\x03\x04rest"), Some(Format::Zip));
        assert_eq!(Format::of(b"7z\xBC\xAF\x27\x1C"), Some(Format::SevenZip));
        assert_eq!(Format::of(b"\x1f\x8b\x08"), Some(Format::Packed(Packing::Gzip)));
        for other in [&b""[..], b"PK", b"MZ", &[0; 512], b"MessageType : MissedCall"] {
            assert_eq!(Format::of(other), None, "{other:?}");
        }
        assert!(has_archive_name("a.TAR") && !has_archive_name("zip") && !has_archive_name("a.wav"));
    }
}
