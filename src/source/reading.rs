//! From the files of one message to the message: its header read and parsed, its audio looked at.

use std::error::Error;
use std::io::{self, BufReader, Read};

use sha2::{Digest, Sha256};

use super::pairing::{Found, Kind, Parts};
use super::{Problem, explain};
use crate::message::{
    AudioFacts, AudioFile, Code, FileRef, Finding, Guid, HEADER_LIMIT, Header, HeaderFile, Message, Sha256Digest,
    fields,
};

/// What some files turned out to be.
pub(super) enum Outcome {
    /// A message.
    Message(Box<Message>),
    /// So many files that have a message's extension and are none's, such as a `readme.txt`.
    Other(usize),
    /// A file that may be part of a message, but nobody can tell.
    Problem(Problem),
}

/// What reading a file showed, before it is known which message it belongs to.
pub(super) enum Known {
    /// All of a header.
    Header(Vec<u8>),
    /// A recording's facts, or why there are none, and the digest where all of it was read.
    Audio(Facts, Option<Sha256Digest>),
    /// Nothing but that it can be read to its end.
    Whole,
}

/// Reads from its start to its end what is to be known of a file that comes by only once.
///
/// # Errors
/// It cannot be read, or is a header of absurd length.
pub(super) fn know(kind: Kind, reader: &mut dyn Read, size: u64) -> io::Result<Known> {
    match kind {
        Kind::Header => {
            let mut bytes = Vec::new();
            reader.take(HEADER_LIMIT + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > HEADER_LIMIT {
                let reason = format!("it is longer than the {HEADER_LIMIT} bytes allowed here");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
            }
            Ok(Known::Header(bytes))
        }
        Kind::Audio => audio_facts(reader, size, true).map(|(facts, digest)| Known::Audio(facts, digest)),
        Kind::Fax | Kind::MessageFile | Kind::HealthCheck => {
            io::copy(reader, &mut io::sink())?;
            Ok(Known::Whole)
        }
    }
}

/// Reads a message. What cannot be read becomes a finding; `is_asked_for` takes any file for a message's.
pub(super) fn read(mut parts: Parts, is_asked_for: bool) -> Outcome {
    let count = parts.count();
    let Some((stem, label)) = parts.name() else {
        return Outcome::Other(count);
    };
    let (stem, label) = (stem.to_owned(), label.to_owned());
    let guid = Guid::parse(&stem);
    // A recording is worth something whatever its name; texts, pictures and mails are lying about everywhere.
    let is_named = guid.is_some() || parts.has(Kind::Audio) || is_asked_for;
    let header = parts.take(Kind::Header);
    if !is_named && header.as_ref().is_none_or(|found| found.file.size > HEADER_LIMIT) {
        return Outcome::Other(count);
    }
    let mut findings: Vec<Finding> = parts.duplicate.take().into_iter().collect();
    let header = header.and_then(|found| read_header(found, &mut findings));
    if !is_named && !header.as_ref().is_some_and(|part| names_a_known_field(&part.header)) {
        let unread = findings.into_iter().find(|finding| finding.code != Code::EntryDuplicate && header.is_none());
        return unread.map_or(Outcome::Other(count), |finding| Outcome::Problem(Problem { label, finding }));
    }
    let message = Message {
        guid,
        stem,
        label,
        header,
        audio: parts.take(Kind::Audio).map(|found| read_audio(found, &mut findings)),
        fax: parts.take(Kind::Fax).map(|found| look_at(found, &mut findings)),
        message_file: parts.take(Kind::MessageFile).map(|found| look_at(found, &mut findings)),
        health_check: parts.has(Kind::HealthCheck),
        copies: Vec::new(),
        findings,
    };
    Outcome::Message(Box::new(message))
}

fn names_a_known_field(header: &Header) -> bool {
    header.fields().any(|(name, _)| fields::ORDER.iter().any(|known| known.eq_ignore_ascii_case(&name)))
}

fn read_header(found: Found, findings: &mut Vec<Finding>) -> Option<HeaderFile> {
    if let Some(trouble) = found.trouble {
        findings.push(unreadable_header(*trouble));
        return None;
    }
    let read = match found.known {
        Some(Known::Header(bytes)) => Ok(bytes),
        _ => found.file.read(HEADER_LIMIT),
    };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            let trouble = unreadable_entry(&found.file.label, error.kind(), &error, found.is_archived);
            findings.push(match trouble.code {
                Code::EntryEncrypted => trouble,
                _ => {
                    let text = format!("the header cannot be read: {}", cause_of(&error));
                    Finding::new(Code::HeaderUnreadable, text)
                }
            });
            return None;
        }
    };
    let header = Header::parse(bytes);
    if header.fields().next().is_none() {
        let what = match header.bytes() {
            [] => "it is empty",
            bytes if bytes.iter().all(|byte| *byte == 0) => "it holds nothing but zeros",
            _ => "no line of it is a field",
        };
        findings.push(Finding::new(Code::HeaderUnreadable, format!("the header says nothing: {what}")));
    }
    Some(HeaderFile { file: found.file, header })
}

/// A header that is known to be unreadable is found as such, unless it is encrypted: that can be mended.
fn unreadable_header(trouble: Finding) -> Finding {
    if trouble.code == Code::EntryEncrypted {
        return trouble;
    }
    Finding::new(Code::HeaderUnreadable, format!("the header cannot be read: {}", trouble.message))
}

fn read_audio(found: Found, findings: &mut Vec<Finding>) -> AudioFile {
    let Found { file, trouble, known, is_archived, .. } = found;
    if let Some(trouble) = trouble {
        findings.push(*trouble);
        return AudioFile { file, facts: None, sha256: None };
    }
    let read = match known {
        Some(Known::Audio(facts, digest)) => Ok((facts, digest)),
        _ => open_audio(&file, is_archived),
    };
    let (facts, sha256) = match read {
        Ok((Ok(facts), digest)) => (Some(facts), digest),
        Ok((Err(reason), digest)) => {
            findings.push(Finding::new(Code::AudioUnreadable, format!("the audio cannot be understood: {reason}")));
            (None, digest)
        }
        Err(error) => {
            findings.push(unreadable_entry(&file.label, error.kind(), &error, is_archived));
            (None, None)
        }
    };
    AudioFile { file, facts, sha256 }
}

pub(super) type Facts = Result<AudioFacts, String>;

/// Reads a WAV's facts, and from an archive the rest as well: only then does damage show. The digest comes with it.
fn open_audio(file: &FileRef, is_archived: bool) -> io::Result<(Facts, Option<Sha256Digest>)> {
    let mut reader = file.open().map_err(|error| io::Error::new(error.kind(), cause_of(&error)))?;
    audio_facts(&mut *reader, file.size, is_archived)
}

fn audio_facts(reader: &mut dyn Read, size: u64, to_the_end: bool) -> io::Result<(Facts, Option<Sha256Digest>)> {
    let mut reader = Hashing { inner: BufReader::with_capacity(4096, reader), hasher: Sha256::new(), error: None };
    let facts = AudioFacts::read(&mut reader, size).map_err(|error| explain(&error));
    if to_the_end && reader.error.is_none() {
        io::copy(&mut reader, &mut io::sink())?;
    }
    match reader.error {
        Some(error) => Err(error),
        None => Ok((facts, to_the_end.then(|| Sha256Digest(reader.hasher.finalize().into())))),
    }
}

/// A file that is delivered as it is; in an archive it is read through, as its damage shows only then.
fn look_at(found: Found, findings: &mut Vec<Finding>) -> FileRef {
    let Found { file, trouble, known, is_archived, .. } = found;
    if let Some(trouble) = trouble {
        findings.push(*trouble);
    } else if is_archived
        && known.is_none()
        && let Err(error) = file.sha256()
    {
        findings.push(unreadable_entry(&file.label, error.kind(), &error, is_archived));
    }
    file
}

/// The finding about a file that failed to be read; in an archive, what may not be read is what a password does not fit.
pub(super) fn unreadable_entry(
    label: &str,
    kind: io::ErrorKind,
    error: &(dyn Error + 'static),
    is_archived: bool,
) -> Finding {
    match kind {
        io::ErrorKind::PermissionDenied if is_archived => {
            Finding::new(Code::EntryEncrypted, format!("{label} cannot be decrypted: {}", cause_of(error)))
        }
        _ => Finding::new(Code::EntryUnreadable, format!("{label} cannot be read: {}", cause_of(error))),
    }
}

/// The causes of an error without its own text, where that only names the file.
fn cause_of(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), explain)
}

/// Hashes what is read through it, and keeps the error that reading ended with.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    error: Option<io::Error>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        match &result {
            Ok(count) => self.hasher.update(buffer.get(..*count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.error = Some(io::Error::new(error.kind(), error.to_string())),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::pairing;
    use super::*;
    use crate::message::{Content, State};

    /// A file that another program has locked.
    struct Locked;

    impl Content for Locked {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "locked"))
        }
    }

    /// A file on a disk that fails after a while.
    struct Failing;

    impl Content for Failing {
        fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
            Ok(Box::new(io::repeat(b'R').take(4).chain(FailingReader)))
        }
    }

    struct FailingReader;

    impl Read for FailingReader {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }

    const GUID: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";

    fn found(stem: &str, kind: Kind, size: u64, content: impl Content + 'static) -> Found {
        let file = FileRef::new(format!("queue/{stem}"), size, None, Arc::new(content));
        Found { folder: 1, stem: stem.to_owned(), kind, file, trouble: None, known: None, is_archived: false }
    }

    fn read_one(files: Vec<Found>) -> Outcome {
        read(pairing::split(files).remove(0), false)
    }

    #[test]
    fn what_cannot_be_read_is_found_with_the_cause() {
        let files = vec![found(GUID, Kind::Header, 9, Locked), found(GUID, Kind::Audio, 90, Failing)];
        let Outcome::Message(message) = read_one(files) else { panic!() };
        assert_eq!(message.state(), State::Unreadable);
        let texts: Vec<_> = message.findings.iter().map(|finding| (finding.code, finding.message.as_str())).collect();
        let header = "the header cannot be read: locked";
        let audio = "queue/46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11 cannot be read: bad sector";
        assert_eq!(texts, [(Code::HeaderUnreadable, header), (Code::EntryUnreadable, audio)]);
        assert!(message.audio.is_some());
    }

    #[test]
    fn a_text_that_cannot_be_read_is_a_problem_where_nothing_tells_that_it_is_a_header() {
        let Outcome::Problem(problem) = read_one(vec![found("notes", Kind::Header, 9, Locked)]) else { panic!() };
        assert_eq!(problem.label, "queue/notes");
        assert_eq!(problem.finding.code, Code::HeaderUnreadable);
        let long = found("log", Kind::Header, HEADER_LIMIT + 1, Locked);
        assert!(matches!(read_one(vec![long]), Outcome::Other(1)));
        let pictures = vec![found("a", Kind::Fax, 9, Locked), found("a", Kind::MessageFile, 9, Locked)];
        assert!(matches!(read_one(pictures), Outcome::Other(2)));
    }
}
