//! From files to messages: what lies in one folder under one stem belongs together.
//!
//! UM takes `<stem>.*` as one message and compares without case. So does this module; two files of one stem and kind,
//! which only archives and case-sensitive file systems can hold, become two messages, so that neither is lost.

use std::collections::HashMap;

use super::has_extension;
use super::reading::Known;
use crate::message::{Code, FileRef, Finding};

/// What a file is to its message, told from its extension in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `.txt`
    Header,
    /// `.wav`
    Audio,
    /// `.tif`
    Fax,
    /// `.msg`
    MessageFile,
    /// `.HealthCheck`
    HealthCheck,
}

impl Kind {
    const EXTENSIONS: [(&'static str, Self); 5] = [
        ("txt", Self::Header),
        ("wav", Self::Audio),
        ("tif", Self::Fax),
        ("msg", Self::MessageFile),
        ("HealthCheck", Self::HealthCheck),
    ];

    /// Splits a file name into stem and kind, `None` where it is no file of a message.
    pub(super) fn split(name: &str) -> Option<(&str, Self)> {
        let (_, kind) = Self::EXTENSIONS.into_iter().find(|(extension, _)| has_extension(name, extension))?;
        name.rsplit_once('.').map(|(stem, _)| (stem, kind))
    }

    /// What an entry of an archive is to its message, by its path in any way of writing it.
    pub(super) fn of_a_message(path: &str) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        Self::split(name).map(|(_, kind)| kind)
    }
}

/// A file of a message, as a folder or archive lists it.
pub(super) struct Found {
    /// Number of the folder that it lies in, different for every folder and archive.
    pub(super) folder: u32,
    /// Its name without extension, as found.
    pub(super) stem: String,
    /// What it is to its message.
    pub(super) kind: Kind,
    /// The file.
    pub(super) file: FileRef,
    /// Why it cannot be read, where that is known without trying.
    pub(super) trouble: Option<Box<Finding>>,
    /// What reading it would show, where it has been read already.
    pub(super) known: Option<Known>,
    /// Whether it lies in an archive, where damage shows only when all of it is read.
    pub(super) is_archived: bool,
}

/// The files of one message, one of each kind at most.
#[derive(Default)]
pub(super) struct Parts {
    files: Vec<Found>,
    /// Set where other files claim the same place.
    pub(super) duplicate: Option<Finding>,
}

impl Parts {
    /// The stem and the place that the message is known by: the header's, else the first other file's.
    pub(super) fn name(&self) -> Option<(&str, &str)> {
        self.files.first().map(|found| (found.stem.as_str(), found.file.label.as_str()))
    }

    /// Takes the file of a kind out.
    pub(super) fn take(&mut self, kind: Kind) -> Option<Found> {
        let index = self.files.iter().position(|found| found.kind == kind)?;
        Some(self.files.remove(index))
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Whether there is a file of that kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.files.iter().any(|found| found.kind == kind)
    }

    /// Whether its header has been read already.
    pub(super) fn is_known(&self) -> bool {
        self.files.iter().any(|found| found.kind == Kind::Header && found.known.is_some())
    }

    fn has_stem(&self, stem: &str) -> bool {
        self.files.iter().any(|found| found.stem == stem)
    }
}

/// Brings the files of one stem in one folder together, in the order in which the first of each is listed.
pub(super) fn group(files: Vec<Found>) -> Vec<Vec<Found>> {
    let mut groups: Vec<Vec<Found>> = Vec::with_capacity(files.len() / 2);
    let mut places: HashMap<(u32, String), usize> = HashMap::with_capacity(files.len() / 2);
    for found in files {
        let place = *places.entry((found.folder, found.stem.to_lowercase())).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(found),
            None => {
                let mut group = Vec::with_capacity(2);
                group.push(found);
                groups.push(group);
            }
        }
    }
    groups
}

/// Splits a group into messages: one, but where two files are of the same kind.
///
/// A second file goes to the message that spells its stem alike, so that `a.txt` and `a.wav` stay together beside
/// `A.TXT` and `A.WAV`. Nothing is given to two messages: which header a recording belongs to must not be guessed.
pub(super) fn split(mut group: Vec<Found>) -> Vec<Parts> {
    group.sort_by_key(|found| found.kind);
    let mut all: Vec<Parts> = Vec::with_capacity(1);
    for found in group {
        let free = |parts: &Parts| !parts.has(found.kind);
        let alike = all.iter().position(|parts| free(parts) && parts.has_stem(&found.stem));
        let place = alike.or_else(|| all.iter().position(free));
        match place.and_then(|place| all.get_mut(place)) {
            Some(parts) => parts.files.push(found),
            None => all.push(Parts { files: vec![found], duplicate: None }),
        }
    }
    mark_duplicates(&mut all);
    all
}

fn mark_duplicates(all: &mut [Parts]) {
    let labels: Vec<String> = all.iter().filter_map(|parts| parts.name()).map(|(_, label)| label.to_owned()).collect();
    if labels.len() < 2 {
        return;
    }
    for (index, parts) in all.iter_mut().enumerate() {
        let others: Vec<&str> =
            labels.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, label)| label.as_str()).collect();
        let text = format!("another file has the same name: {}; each is shown as a message", others.join(", "));
        parts.duplicate = Some(Finding::new(Code::EntryDuplicate, text));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::sync::Arc;

    use super::*;
    use crate::message::Content;

    struct Nothing;

    impl Content for Nothing {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(io::empty()))
        }
    }

    fn found(folder: u32, name: &str) -> Found {
        let (stem, kind) = Kind::split(name).unwrap();
        let file = FileRef::new(format!("{folder}/{name}"), 0, None, Arc::new(Nothing));
        Found { folder, stem: stem.to_owned(), kind, file, trouble: None, known: None, is_archived: false }
    }

    fn paired(names: &[(u32, &str)]) -> Vec<Vec<String>> {
        let groups = group(names.iter().map(|(folder, name)| found(*folder, name)).collect());
        let parts = groups.into_iter().flat_map(split);
        parts.map(|parts| parts.files.into_iter().map(|found| found.file.label).collect()).collect()
    }

    #[test]
    fn kinds_are_told_without_case() {
        assert_eq!(Kind::split("a.TXT"), Some(("a", Kind::Header)));
        assert_eq!(Kind::split("a.b.Wav"), Some(("a.b", Kind::Audio)));
        assert_eq!(Kind::split("a.healthcheck"), Some(("a", Kind::HealthCheck)));
        for other in ["a", "txt", "a.txttmp", "a.txt.bak", "é", "a.", ""] {
            assert_eq!(Kind::split(other), None, "{other}");
        }
    }

    #[test]
    fn a_pair_is_one_stem_in_one_folder_in_any_case() {
        let pairs = paired(&[(1, "A.wav"), (1, "b.txt"), (2, "a.txt"), (1, "a.TXT")]);
        assert_eq!(pairs, [vec!["1/a.TXT", "1/A.wav"], vec!["1/b.txt"], vec!["2/a.txt"]]);
    }

    #[test]
    fn doubles_stay_with_their_own_and_none_is_lost() {
        let pairs = paired(&[(1, "A.TXT"), (1, "A.WAV"), (1, "a.txt"), (1, "a.wav")]);
        assert_eq!(pairs, [["1/A.TXT", "1/A.WAV"], ["1/a.txt", "1/a.wav"]]);
        let pairs = paired(&[(1, "A.TXT"), (1, "a.txt"), (1, "a.wav")]);
        assert_eq!(pairs, [vec!["1/A.TXT"], vec!["1/a.txt", "1/a.wav"]]);
        let pairs = paired(&[(1, "a.txt"), (1, "a.txt"), (1, "a.txt"), (1, "a.wav")]);
        assert_eq!(pairs, [vec!["1/a.txt", "1/a.wav"], vec!["1/a.txt"], vec!["1/a.txt"]]);
    }

    #[test]
    fn doubles_name_each_other() {
        let files = vec![found(1, "A.TXT"), found(1, "a.txt")];
        let all: Vec<_> = group(files).into_iter().flat_map(split).collect();
        assert!(all[0].duplicate.as_ref().unwrap().message.contains("1/a.txt"));
        assert!(all[1].duplicate.as_ref().unwrap().message.contains("1/A.TXT"));
    }
}
