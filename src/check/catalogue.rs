//! What each finding means: its cause, what becomes of the message, and how to mend it.
//!
//! `docs/findings.md` is made of this list, and a test holds the two together.

use std::fmt::Write;

use crate::message::{Code, Level};

/// What a finding's code means, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// A few words that name it.
    pub title: &'static str,
    /// The header fields concerned, empty where it is about a file or the whole message.
    pub fields: &'static [&'static str],
    /// How a message comes to be so.
    pub cause: &'static str,
    /// What becomes of the message if nothing is done.
    pub consequence: &'static str,
    /// How to mend it, with a command where one helps.
    pub remedy: &'static str,
}

impl Explanation {
    const fn of(title: &'static str, cause: &'static str, consequence: &'static str, remedy: &'static str) -> Self {
        Self { title, fields: &[], cause, consequence, remedy }
    }

    const fn about(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }
}

const KILLED: &str = "UM refuses the header at the next pickup and deletes all files of the message.";

/// What a finding means and how to mend it.
#[must_use]
pub const fn explain(code: Code) -> Explanation {
    match code {
        Code::NameNotGuid => Explanation::of(
            "File name is no GUID",
            "Somebody renamed or copied the file: UM itself names every file by a GUID.",
            "UM deletes the header at the next pickup, and with it every file of the same name beside it.",
            "Inject it: every injected message gets a fresh GUID. `umreplay inject SOURCE --to FOLDER --exchange-path PATH`",
        ),
        Code::HeaderUnreadable => Explanation::of(
            "Header cannot be read",
            "The file is empty, damaged, too long or locked, or no line of it is a field.",
            KILLED,
            "Look for the same GUID in an older backup or in `badvoicemail`, and scan that one.",
        ),
        Code::EncodingAnsi => Explanation::of(
            "Header stored in ANSI",
            "The header was edited and saved in an ANSI code page, as Notepad did for long.",
            "UM reads it as broken UTF-8: names of people lose letters; an address or a path with such letters is another one.",
            "`--repair usual,ansi` reads it as Western Windows and writes UTF-8; for another code page, save the file as UTF-8 without BOM. ASCII values are not harmed.",
        ),
        Code::EncodingUtf16Bare => Explanation::of(
            "Header in UTF-16 without BOM",
            "An editor or a script wrote UTF-16 and left out the byte-order mark.",
            "UM finds no field in it, refuses the header and deletes all files of the message.",
            "`inject`, `submit` and `export` write UTF-8 by themselves; in place: `umreplay edit FOLDER --repair encoding`.",
        ),
        Code::EncodingUnusual => Explanation::of(
            "Header in an unusual encoding",
            "An editor or PowerShell wrote UTF-8 with BOM or UTF-16 with BOM. UM writes UTF-8 without BOM.",
            "Nothing: UM honours the byte-order mark.",
            "Nothing to do.",
        ),
        Code::DuplicateField => Explanation::of(
            "Field with two values",
            "A field was added by hand without removing the old one, or two headers were joined.",
            "UM takes the last one. If another was meant, the message may go to somebody else.",
            "Make sure which is right, and set it: `--set FIELD=VALUE` changes the one that counts.",
        ),
        Code::LineSkipped => Explanation::of(
            "Line without name or value",
            "A line broken by an editor, or a field without a value.",
            "UM passes over the line. If it was part of a longer value, that value is cut.",
            "Join the line with the one before, or set the field it stood for: `--set FIELD=VALUE`.",
        ),
        Code::TypeMissing => Explanation::of(
            "Message type missing",
            "The line was lost, or its name is misspelled: names of fields are read with case.",
            KILLED,
            "`umreplay inject SOURCE --to FOLDER --type-to SMTPVoiceMail`, or the type it was.",
        )
        .about(&["MessageType"]),
        Code::TypeUnknown => Explanation::of(
            "Message type unknown",
            "A misspelled type: case counts, and so do spaces behind it.",
            KILLED,
            "`umreplay inject SOURCE --to FOLDER --type-to SMTPVoiceMail`, or the type that the finding suggests.",
        )
        .about(&["MessageType"]),
        Code::CultureUnknown => Explanation::of(
            "Culture unknown to .NET",
            "A misspelled name (`nl_NL`), a language in words, or a culture that only newer Windows knows. umreplay goes by Windows Server 2012 R2.",
            KILLED,
            "`umreplay inject SOURCE --to FOLDER --culture-to nl-NL`, with the recipient's own culture.",
        )
        .about(&["CultureInfo", "RecipientCulture"]),
        Code::CultureNoPack => Explanation::of(
            "No UM language pack for the culture",
            "The culture is one that .NET knows, but Microsoft ships no UM language pack for it; or it names a language without a region.",
            "UM takes the message; its texts may come in another language.",
            "`--culture-to en-US`, with a culture whose pack the server has, if the texts matter.",
        )
        .about(&["CultureInfo", "RecipientCulture"]),
        Code::CultureMissing => Explanation::of(
            "Culture missing",
            "The line was lost, or stands under the other dialect's name.",
            "Headers seen in the field all have one. UM is not known to refuse a header without; it may fall back to the server's language.",
            "`--culture-to nl-NL`, with the recipient's own culture.",
        )
        .about(&["CultureInfo", "RecipientCulture"]),
        Code::RecipientMissing => Explanation::of(
            "Recipient missing",
            "The line was lost, or its name is misspelled. Exchange 2007/2010 names the recipient by `RecipientAddress`, 2013/2016 by `RecipientObjectGuid`.",
            KILLED,
            "`umreplay inject SOURCE --to FOLDER --recipient-to ADDRESS --directory MAILBOXES.csv`",
        )
        .about(&["RecipientAddress", "RecipientObjectGuid"]),
        Code::RecipientMalformed => Explanation::of(
            "Recipient malformed",
            "The value is no SMTP address or no GUID, is all zeros, or has letters that are lost in the header's encoding.",
            KILLED,
            "`umreplay inject SOURCE --to FOLDER --recipient-to ADDRESS --directory MAILBOXES.csv`",
        )
        .about(&["RecipientAddress", "RecipientObjectGuid"]),
        Code::RecipientUnknown => Explanation::of(
            "Recipient not in the directory",
            "The mailbox was removed or made anew, or the header comes from another forest: a lab has other GUIDs than production.",
            KILLED,
            "`--recipient-to ADDRESS` for one recipient, `--map FILE.csv` for many. If the directory file is old, export it again.",
        )
        .about(&["RecipientObjectGuid"]),
        Code::DialectMixed => Explanation::of(
            "Fields of both dialects",
            "Fields of Exchange 2007/2010 and of 2013/2016 stand in one header, after an edit by hand or a migration.",
            "Each UM reads its own half. If the halves name different people, who gets the message depends on the server.",
            "Leave out the half that the server does not read: `--unset RecipientAddress --unset RecipientCulture --unset NDRRequired`.",
        )
        .about(&["RecipientAddress", "RecipientCulture", "NDRRequired", "RecipientObjectGuid", "CultureInfo"]),
        Code::SenderInvalid => Explanation::of(
            "Sender missing or malformed",
            "A reply or a transcription request without the objectGUID of the mailbox it comes from.",
            "UM is not known to refuse it at pickup, but cannot tell on whose behalf to send it.",
            "`--set SenderObjectGuid=GUID`, with the objectGUID of the sender's mailbox.",
        )
        .about(&["SenderObjectGuid"]),
        Code::ProcessedCountInvalid => Explanation::of(
            "Pickup count is no integer",
            "An edit by hand, or a damaged file.",
            KILLED,
            "Inject it: every injected message starts at 0. In a live queue: `umreplay edit FOLDER --set ProcessedCount=0`",
        )
        .about(&["ProcessedCount"]),
        Code::ProcessedCountLast => Explanation::of(
            "Last pickup before a loss",
            "UM has tried so often that one try is left: 3 for a voice message, 4 for any other.",
            "After the next failed pickup, a voice message loses its audio, any other message is deleted.",
            "Copy the folder now. Then inject the copy, or `umreplay edit FOLDER --set ProcessedCount=0` while the service is stopped.",
        )
        .about(&["ProcessedCount"]),
        Code::ProcessedCountDemotes => Explanation::of(
            "Next pickup takes the audio",
            "UM has picked the voice message up four times without success.",
            "The next pickup makes it a missed call for good; the WAV stays behind without a header.",
            "Inject it: every injected message starts at 0. In a live queue, stop the service first: `umreplay edit FOLDER --set ProcessedCount=0`",
        )
        .about(&["ProcessedCount"]),
        Code::ProcessedCountKills => Explanation::of(
            "Next pickup deletes the message",
            "UM has picked the message up five times or more.",
            "The next pickup deletes all files of the message (event 1335).",
            "Inject it: every injected message starts at 0. In a live queue, stop the service first: `umreplay edit FOLDER --set ProcessedCount=0`",
        )
        .about(&["ProcessedCount"]),
        Code::SentTimeInvalid => Explanation::of(
            "Time sent cannot be read",
            "The time is not of the form `MM/dd/yyyy HH:mm:ss`, as after an edit in another country's order.",
            KILLED,
            "`--set \"SentTime=12/23/2016 08:00:00\"`, in the UM server's local time.",
        )
        .about(&["SentTime"]),
        Code::DurationMissing => Explanation::of(
            "Duration missing",
            "The line was lost, as in a header that UM turned into a missed call and somebody turned back.",
            KILLED,
            "`inject`, `submit` and `export` measure the WAV by themselves; in place: `umreplay edit FOLDER --repair duration`.",
        )
        .about(&["Duration"]),
        Code::DurationInvalid => Explanation::of(
            "Duration is no integer",
            "Fractions or a clock time were entered; UM reads whole seconds.",
            KILLED,
            "`inject`, `submit` and `export` measure the WAV by themselves; in place: `umreplay edit FOLDER --repair duration`.",
        )
        .about(&["Duration"]),
        Code::DurationDisagrees => Explanation::of(
            "Duration disagrees with the audio",
            "The WAV is another message's, is not whole, or the header was edited.",
            "UM goes by the header: it announces the wrong length, and at 0 or less it leaves the WAV out.",
            "Listen to the WAV. If it is the right one, `inject`, `submit` and `export` correct the length; in place: `umreplay edit FOLDER --repair duration`.",
        )
        .about(&["Duration"]),
        Code::CodecMissing => Explanation::of(
            "Codec missing",
            "The line was lost, as in a header that UM turned into a missed call and somebody turned back.",
            KILLED,
            "`--repair usual,codec` supposes Mp3 (UM's default since 2010); Exchange 2007's was Wma: `--set Codec=Wma`.",
        )
        .about(&["Codec"]),
        Code::CodecUnknown => Explanation::of(
            "Codec unknown",
            "UM knows Mp3, Wma, Gsm and G711. Another case counts as unknown, because UM is not known to take it.",
            KILLED,
            "`--set Codec=Mp3`",
        )
        .about(&["Codec"]),
        Code::AttachmentPathMissing => Explanation::of(
            "Path of the attachment missing",
            "The line was lost, or it says `null` although the header tells of a recording.",
            KILLED,
            "Inject it with the path as the UM server sees it: `umreplay inject SOURCE --to FOLDER --exchange-path PATH`",
        )
        .about(&["AttachmentPath"]),
        Code::AttachmentPathExtension => Explanation::of(
            "Path of the attachment has the wrong extension",
            "A recording must end in `.wav` in any case, a fax in exactly `.tif`.",
            KILLED,
            "Inject it with the path as the UM server sees it: `umreplay inject SOURCE --to FOLDER --exchange-path PATH`",
        )
        .about(&["AttachmentPath"]),
        Code::AttachmentPathElsewhere => Explanation::of(
            "Path names another file",
            "The files were copied under a new name, and the header still tells the old one.",
            "UM looks for the named file. If it is not there, all files of the message are deleted; if it is, another recording may be sent.",
            "Inject it, which writes the right path: `umreplay inject SOURCE --to FOLDER --exchange-path PATH`",
        )
        .about(&["AttachmentPath"]),
        Code::AttachmentAbsent => Explanation::of(
            "Attachment missing",
            "The WAV or TIFF is not beside the header, or the path to it has letters that are lost in the header's encoding.",
            KILLED,
            "Look for the same GUID in another backup, and scan that one; or put the missing file beside the header, in a copy of the folder.",
        )
        .about(&["AttachmentPath"]),
        Code::PagesMissing => Explanation::of(
            "Number of pages missing",
            "The line was lost.",
            KILLED,
            "`--set NumberOfPages=1`, with the fax's own number.",
        )
        .about(&["NumberOfPages"]),
        Code::PagesInvalid => Explanation::of(
            "Number of pages is no integer",
            "An edit by hand, or a damaged file.",
            KILLED,
            "`--set NumberOfPages=1`, with the fax's own number.",
        )
        .about(&["NumberOfPages"]),
        Code::BooleanInvalid => Explanation::of(
            "Neither True nor False",
            "`Yes`, `1` or the like was entered; .NET takes `True` and `False` in any case.",
            KILLED,
            "`--set Important=False`, with the field that the finding names.",
        )
        .about(&[
            "Important",
            "Private",
            "CallAnswering",
            "InComplete",
            "ProtectedReply",
            "PureInterpersonalMessage",
        ]),
        Code::MessageFileAbsent => Explanation::of(
            "Message file missing",
            "The `.msg` of a reply or forward is not beside the header, or the header does not name it.",
            "UM cannot send the reply. It is not known whether it refuses it at pickup; umreplay does not inject it.",
            "Look for the same GUID in another backup, and scan that one; or put the missing file beside the header, in a copy of the folder.",
        )
        .about(&["MessageFilePath"]),
        Code::Private => Explanation::of(
            "Private message",
            "The caller marked the message as private.",
            "Nothing for UM, which protects it. Submitted over SMTP it travels in clear.",
            "Inject it rather than submit it.",
        )
        .about(&["Private"]),
        Code::ContactInfoPresent => Explanation::of(
            "Serialized object in the header",
            "UM stored what it knew of the caller as a serialized .NET object.",
            "UM deserializes it. Nobody should feed it one from a backup that others could write to.",
            "Nothing to do: injection leaves it out, and UM resolves the caller again.",
        )
        .about(&["ContactInfo"]),
        Code::NoHeader => Explanation::of(
            "Audio without header",
            "UM demoted the message and left the WAV behind, or the header was lost.",
            "UM never looks at it: the recording stays where it is, and nobody hears it.",
            "Look for the header under the same GUID in an older backup or in `badvoicemail`, and put the two together in a folder of their own.",
        ),
        Code::Demoted => Explanation::of(
            "Demoted voice message",
            "After four failed tries UM turned the voice message into a missed call. The WAV is still there.",
            "The recipient gets a missed call; the recording is never delivered.",
            "`umreplay inject SOURCE --to FOLDER --exchange-path PATH` makes a voice message of it again (`--repair demoted`); `--type-to MissedCall` sends the missed call.",
        )
        .about(&["MessageType"]),
        Code::Internal => Explanation::of(
            "UM's own message",
            "A health check or call statistics: nobody's message.",
            "Nothing.",
            "Nothing to do: it is never delivered.",
        ),
        Code::AudioUnreadable => Explanation::of(
            "Audio cannot be read",
            "The WAV is empty, or is no RIFF WAVE.",
            "UM cannot encode it, tries for a day, and deletes the message.",
            "Look for the same GUID in another backup, and scan that one.",
        ),
        Code::AudioCutShort => Explanation::of(
            "Recording cut short",
            "The service or the disk failed while the message was recorded or copied: the lengths in the WAV disagree with the file.",
            "What is there is delivered, if UM's own reader takes the file.",
            "Name all backups as sources: a whole copy is taken before one cut short. If there is none, send what is there; `--repair usual,riff` corrects the lengths.",
        ),
        Code::AudioFormatUnusual => Explanation::of(
            "Unusual audio format",
            "Not UM's 16-bit PCM, mono, 8 or 16 kHz. G.711 and GSM at 8 kHz come from older queues and partner systems, and are told as info.",
            "G.711 and GSM are met in queues. For anything else, whether UM takes it is not known.",
            "Try one message before the rest: `umreplay inject SOURCE --to FOLDER --exchange-path PATH --limit 1`",
        ),
        Code::AudioEmpty => Explanation::of(
            "Audio without samples",
            "The caller's audio never arrived, or the file was cut off behind its headers.",
            "The recipient gets a voice message without sound.",
            "Look for the same GUID in another backup. If there is none, `--set Duration=0` sends it without a recording.",
        ),
        Code::EntryUnreadable => Explanation::of(
            "File cannot be read",
            "No permission, a lock, a bad sector, or a damaged archive.",
            "The file is passed over, and what it belongs to is judged without it.",
            "Read the folder with an account that may, or take another copy of the archive.",
        ),
        Code::EntryEncrypted => Explanation::of(
            "Archive entry is encrypted",
            "The archive was made with a password, and none was given or another.",
            "The entry is passed over, and what it belongs to is judged without it.",
            "Put the password into a file, and give that with `--archive-password-file FILE`.",
        ),
        Code::EntryDuplicate => Explanation::of(
            "Two files of one GUID and kind",
            "The names differ in case only, or the archive holds the same name twice.",
            "Each is a message of its own; none is left out.",
            "Compare the two with `umreplay show`, and keep one away if it is to be left out.",
        ),
        Code::GuidShared => Explanation::of(
            "Two contents under one GUID",
            "Files in different sources have the same GUID, but their calls, times or recordings differ.",
            "Each is a message of its own, and each is delivered.",
            "Compare them with `umreplay show`, and leave out the source whose message is not wanted.",
        ),
        Code::CopiesDisagree => Explanation::of(
            "Copies for different recipients",
            "Copies of one message name different recipients: one of them was edited.",
            "It is not delivered, since nobody but the administrator knows who is to get it.",
            "Give only the source whose recipient counts, or say who is to get it: `--guid GUID --recipient-to ADDRESS`.",
        ),
    }
}

/// `docs/findings.md`: every code with its explanation.
#[must_use]
pub fn catalogue_markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for code in Code::ALL {
        let explanation = explain(*code);
        let level = match (code, code.level()) {
            (Code::AudioFormatUnusual, _) => "warning or info",
            (_, Level::Error) => "error",
            (_, Level::Warning) => "warning",
            (_, Level::Info) => "info",
        };
        let fields = match explanation.fields {
            [] => String::new(),
            fields => format!(" · `{}`", fields.join("`, `")),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {code}: {}\n\n{level}{fields}\n\n- **Cause.** {}\n- **If nothing is done.** {}\n- **Mend.** {}\n",
            explanation.title, explanation.cause, explanation.consequence, explanation.remedy
        );
    }
    page
}

const INTRODUCTION: &str = "\
# Findings

What `umreplay scan`, `show` and `check` say about a message. A code never changes its meaning. `umreplay check --explain UM012`
shows the same text. The rules behind them stand in [queue-format.md](queue-format.md).

| level | means |
|---|---|
| error | UM would delete the message, take its audio, or never deliver it; or it cannot be read. `inject` refuses it, `check` exits with 3 |
| warning | UM takes the message, but something is lost, doubtful, or about to happen |
| info | no fault |

`inject` judges the header as it would be written: with a fresh GUID, a count of 0 and all edits made. So a finding about the
name, or about the count, at rest does not keep a message from being injected.

Options such as `--set FIELD=VALUE`, `--culture-to`, `--type-to` and `--recipient-to` work with `inject`, `submit`, `export` and
`edit`. Try each with `--dry-run` first: it shows every change, old to new.
";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;
    use crate::fsx;
    use crate::message::fields;

    #[test]
    fn every_code_is_explained_in_its_own_words() {
        let mut titles = HashSet::new();
        for code in Code::ALL {
            let explanation = explain(*code);
            assert!(titles.insert(explanation.title), "{code} shares its title");
            for text in [explanation.title, explanation.cause, explanation.consequence, explanation.remedy] {
                assert!(text.len() > 5 && !text.contains('\n'), "{code}: {text}");
            }
            for field in explanation.fields {
                assert!(fields::rank(field).is_some(), "{code} names {field}");
            }
        }
    }

    /// `UMREPLAY_BLESS=1 cargo test` writes the page anew.
    #[test]
    fn the_page_of_findings_is_up_to_date() {
        let page = catalogue_markdown();
        if std::env::var_os("UMREPLAY_BLESS").is_some() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join("findings.md");
            fsx::write_atomically(&path, page.as_bytes()).unwrap();
        } else {
            // Git on Windows may have checked the page out with CRLF.
            let kept = include_str!("../../docs/findings.md").replace("\r\n", "\n");
            assert!(kept == page, "docs/findings.md is out of date: run the tests with UMREPLAY_BLESS=1");
        }
    }
}
