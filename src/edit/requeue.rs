//! What every header needs before it goes back into a queue, whoever asked for what else.

use super::Draft;
use crate::message::{Guid, HeaderError, MessageType, fields};

/// Where the pair will lie, as the UM server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// The voicemail folder's path on the UM server.
    pub folder: String,
    /// The GUID that will name the files.
    pub guid: Guid,
}

impl QueuePlace {
    /// The path of the file with this extension, as the UM server sees it.
    pub fn path(&self, extension: &str) -> String {
        let separator = if self.folder.contains('/') && !self.folder.contains('\\') { '/' } else { '\\' };
        let folder = self.folder.trim_end_matches(['/', '\\']);
        format!("{folder}{separator}{}.{extension}", self.guid)
    }
}

/// Resets the count, drops the serialized caller, and points at the attachments' new places.
///
/// A header without `ProcessedCount` counts as 0 and stays as it is. `audio` tells whether a WAV goes along.
///
/// # Errors
/// The header's encoding cannot hold the path.
pub fn requeue(draft: &mut Draft, kind: MessageType, place: &QueuePlace, audio: bool) -> Result<(), HeaderError> {
    if draft.header().processed_count() != Some(0) {
        draft.set(fields::PROCESSED_COUNT, "0")?;
    }
    draft.unset(fields::CONTACT_INFO)?;
    let attachment = match kind {
        MessageType::Fax => Some("tif"),
        _ if kind.carries_audio() && audio => Some("wav"),
        _ => None,
    };
    if let Some(extension) = attachment {
        draft.set(fields::ATTACHMENT_PATH, &place.path(extension))?;
    }
    let has_message_file = draft.header().get(fields::MESSAGE_FILE_PATH).is_some();
    if kind == MessageType::XsoVoiceMail || (kind == MessageType::PartnerTranscriptionRequest && has_message_file) {
        draft.set(fields::MESSAGE_FILE_PATH, &place.path("msg"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Header;

    fn place() -> QueuePlace {
        let guid = Guid::parse("46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11").unwrap();
        QueuePlace { folder: r"C:\UM\voicemail\".to_owned(), guid }
    }

    #[test]
    fn a_voice_message_is_reset_and_pointed_at_its_new_place() {
        let text = b"MessageType : SMTPVoiceMail\r\nProcessedCount : 3\r\nContactInfo : AAEA\r\nAttachmentPath : D:\\old.wav\r\n";
        let mut draft = Draft::new(Header::parse(text.to_vec()));
        requeue(&mut draft, MessageType::SmtpVoiceMail, &place(), true).unwrap();
        let expected = "MessageType : SMTPVoiceMail\r\nProcessedCount : 0\r\n\
            AttachmentPath : C:\\UM\\voicemail\\46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.wav\r\n";
        assert_eq!(draft.finish().0.bytes(), expected.as_bytes());
    }

    #[test]
    fn a_missed_call_without_a_count_stays_as_it_is() {
        let text = b"MessageType : MissedCall\r\nCallerId : 612345678\r\n";
        let mut draft = Draft::new(Header::parse(text.to_vec()));
        requeue(&mut draft, MessageType::MissedCall, &place(), false).unwrap();
        assert_eq!(draft.finish().0.bytes(), text);
    }

    #[test]
    fn unix_paths_keep_their_separator() {
        let place = QueuePlace { folder: "/lab/voicemail".to_owned(), ..place() };
        assert_eq!(place.path("wav"), "/lab/voicemail/46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.wav");
    }
}
