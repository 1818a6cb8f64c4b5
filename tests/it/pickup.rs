//! UM's pickup, played from the queue format alone: what it would take of a folder, what it would kill and why.
//!
//! Shares no code with the program, so that a rule misread there does not pass here. Reads only; nothing is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

/// A message that UM takes with all that belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    /// The stem of its files, in lower case.
    pub(crate) guid: String,
    /// Its fields, the last of duplicates.
    pub(crate) fields: BTreeMap<String, String>,
    /// SHA-256 of its WAV in lower-case hexadecimal.
    pub(crate) wav_sha256: Option<String>,
    /// The names of its files, the header's first.
    pub(crate) files: Vec<String>,
    /// Modification time of its header.
    pub(crate) modified: SystemTime,
}

/// What a scan of the folder makes of it.
#[derive(Debug, Default)]
pub(crate) struct PickupReport {
    /// Messages taken, in the order in which they are: oldest header first.
    pub(crate) accepted: Vec<Accepted>,
    /// Headers of voice messages that come out as missed calls, their audio lost.
    pub(crate) demoted: Vec<String>,
    /// Headers killed, and why.
    pub(crate) killed: Vec<(String, String)>,
    /// Names of all files (and folders) that belong to no message taken.
    pub(crate) stray: Vec<String>,
}

impl PickupReport {
    /// Fails unless everything in the folder belongs to a message that is taken.
    pub(crate) fn assert_clean(&self) {
        assert!(
            self.killed.is_empty() && self.demoted.is_empty() && self.stray.is_empty(),
            "killed {:?}\ndemoted {:?}\nstray {:?}",
            self.killed,
            self.demoted,
            self.stray
        );
    }
}

/// Scans a folder that UM knows as `exchange_path`.
pub(crate) fn pickup(folder: &Path, exchange_path: &str) -> PickupReport {
    let names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let place = Place { folder, exchange_path, names: &names };
    let mut headers: Vec<(SystemTime, &String)> = names
        .iter()
        // On Windows the pattern *.txt also matches longer extensions that begin so.
        .filter(|name| extension(name).to_ascii_lowercase().starts_with("txt"))
        .map(|name| (fs::metadata(folder.join(name)).unwrap().modified().unwrap(), name))
        .collect();
    headers.sort();

    let mut report = PickupReport::default();
    for (modified, name) in headers {
        match judge(&place, name, modified) {
            Ok(Verdict::Taken(message)) => report.accepted.push(message),
            Ok(Verdict::Demoted) => report.demoted.push(name.clone()),
            Err(reason) => report.killed.push((name.clone(), reason)),
        }
    }
    // A kill takes every file of that stem with it.
    let dead: BTreeSet<String> = report.killed.iter().map(|(name, _)| stem(name).to_ascii_lowercase()).collect();
    let (lost, taken) = report.accepted.into_iter().partition(|message: &Accepted| dead.contains(&message.guid));
    report.accepted = taken;
    let lost: Vec<Accepted> = lost;
    report.killed.extend(lost.into_iter().map(|message| (message.files[0].clone(), "its stem was killed".to_owned())));

    let owned: BTreeSet<&String> = report.accepted.iter().flat_map(|message| &message.files).collect();
    report.stray = names.iter().filter(|name| !owned.contains(name)).cloned().collect();
    report.stray.sort();
    report
}

struct Place<'a> {
    folder: &'a Path,
    exchange_path: &'a str,
    names: &'a [String],
}

impl Place<'_> {
    /// The file here that UM finds under a path of its own, compared without case.
    fn find(&self, path: &str) -> Option<&String> {
        let root = self.exchange_path.trim_end_matches(['\\', '/']);
        let head = path.get(..root.len())?;
        let name = path.get(root.len()..)?.strip_prefix(['\\', '/'])?;
        let is_here = head.eq_ignore_ascii_case(root) && !name.contains(['\\', '/']);
        let found = self.names.iter().find(|entry| entry.eq_ignore_ascii_case(name));
        found.filter(|found| is_here && self.folder.join(found).is_file())
    }
}

enum Verdict {
    Taken(Accepted),
    Demoted,
}

const TYPES: [&str; 10] = [
    "SMTPVoiceMail",
    "MissedCall",
    "Fax",
    "IncomingCallLog",
    "OutgoingCallLog",
    "OCSNotification",
    "XSOVoiceMail",
    "PartnerTranscriptionRequest",
    "CDR",
    "HealthCheck",
];

/// Names that .NET knows: UM's language packs, and a few that have none.
const CULTURES: &str = "ca-ES da-DK de-DE en-AU en-CA en-GB en-IN en-US es-ES es-MX fi-FI fr-CA fr-FR it-IT ja-JP ko-KR \
    nb-NO nl-NL pl-PL pt-BR pt-PT ru-RU sv-SE zh-CN zh-HK zh-TW \
    de-AT de-CH en-IE en-NZ en-ZA es-AR fr-BE fr-CH it-CH nl-BE cs-CZ hu-HU tr-TR el-GR uk-UA he-IL ar-SA \
    de en es fr it nl pt";

fn judge(place: &Place<'_>, name: &str, modified: SystemTime) -> Result<Verdict, String> {
    if !extension(name).eq_ignore_ascii_case("txt") {
        return Err("a longer extension that *.txt matches".to_owned());
    }
    if !is_guid(stem(name)) {
        return Err("its name is no GUID".to_owned());
    }
    let fields = read(&fs::read(place.folder.join(name)).map_err(|error| error.to_string())?);
    let field = |name: &str| fields.get(name).map(String::as_str);
    let kind = field("MessageType").ok_or("no MessageType")?;
    if !TYPES.contains(&kind) {
        return Err(format!("MessageType {kind}"));
    }
    let count = field("ProcessedCount").map_or(Ok(0), integer)?;
    if count >= 5 {
        return Err(format!("ProcessedCount {count}"));
    }
    field("SentTime").map_or(Ok(()), time)?;
    for culture in ["CultureInfo", "RecipientCulture"].into_iter().filter_map(field) {
        if !CULTURES.split_whitespace().any(|known| known.eq_ignore_ascii_case(culture)) {
            return Err(format!("culture {culture}"));
        }
    }
    ["Important", "Private", "CallAnswering", "InComplete"].into_iter().filter_map(field).try_for_each(boolean)?;
    if !["OCSNotification", "CDR", "HealthCheck"].contains(&kind) {
        recipient(field("RecipientObjectGuid"), field("RecipientAddress"))?;
    }
    let mut files = vec![name.to_owned()];
    let mut wav_sha256 = None;
    match kind {
        "SMTPVoiceMail" | "XSOVoiceMail" | "PartnerTranscriptionRequest" => {
            let duration = integer(field("Duration").ok_or("no Duration")?)?;
            let path = field("AttachmentPath").ok_or("no AttachmentPath")?;
            let codec = field("Codec").ok_or("no Codec")?;
            if !["Mp3", "Wma", "Gsm", "G711"].contains(&codec) {
                return Err(format!("Codec {codec}"));
            }
            if duration > 0 && !path.to_ascii_lowercase().ends_with(".wav") {
                return Err(format!("AttachmentPath {path} is no .wav"));
            }
            let wav = place.find(path);
            if duration > 0 && wav.is_none() {
                return Err(format!("AttachmentPath {path} does not exist"));
            }
            wav_sha256 = wav.map(|wav| sha256(&place.folder.join(wav)));
            files.extend(wav.cloned());
        }
        "Fax" => {
            integer(field("NumberOfPages").ok_or("no NumberOfPages")?)?;
            let path = field("AttachmentPath").ok_or("no AttachmentPath")?;
            if !path.ends_with(".tif") {
                return Err(format!("AttachmentPath {path} is no .tif"));
            }
            files.push(place.find(path).ok_or(format!("AttachmentPath {path} does not exist"))?.clone());
        }
        _ => {}
    }
    if kind == "XSOVoiceMail" || (kind == "PartnerTranscriptionRequest" && field("MessageFilePath").is_some()) {
        let path = field("MessageFilePath").ok_or("no MessageFilePath")?;
        files.push(place.find(path).ok_or(format!("MessageFilePath {path} does not exist"))?.clone());
    }
    if count == 4 && kind == "SMTPVoiceMail" {
        return Ok(Verdict::Demoted);
    }
    Ok(Verdict::Taken(Accepted { guid: stem(name).to_ascii_lowercase(), fields, wav_sha256, files, modified }))
}

/// The fields of a header file as UM reads them.
pub(crate) fn read(bytes: &[u8]) -> BTreeMap<String, String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let mut fields = BTreeMap::new();
    for line in text.split(['\r', '\n']) {
        let end = line.find([' ', ':']).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let value = rest.trim_start_matches([' ', ':']);
        if !name.is_empty() && !value.is_empty() {
            fields.insert(name.to_owned(), value.to_owned());
        }
    }
    fields
}

fn recipient(guid: Option<&str>, address: Option<&str>) -> Result<(), String> {
    match (guid, address) {
        (Some(guid), _) if is_guid(guid.trim()) => Ok(()),
        (Some(guid), _) => Err(format!("RecipientObjectGuid {guid}")),
        (None, Some(address)) if address.contains('@') => Ok(()),
        (None, Some(address)) => Err(format!("RecipientAddress {address}")),
        (None, None) => Err("no recipient".to_owned()),
    }
}

fn is_guid(text: &str) -> bool {
    let inner = match text.as_bytes() {
        [b'{', .., b'}'] | [b'(', .., b')'] => &text[1..text.len() - 1],
        [_, ..] if text.len() == 32 => return text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        _ => text,
    };
    let groups: Vec<&str> = inner.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn integer(text: &str) -> Result<i32, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no integer"))
}

fn boolean(text: &str) -> Result<(), String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "false" => Ok(()),
        _ => Err(format!("{text:?} is no boolean")),
    }
}

/// `MM/dd/yyyy HH:mm:ss`, on a day that was.
fn time(text: &str) -> Result<(), String> {
    let wrong = || format!("{text:?} is no time");
    let shape: String = text.trim().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "00/00/0000 00:00:00" {
        return Err(wrong());
    }
    let numbers: Vec<u32> = text.trim().split(['/', ' ', ':']).map(|digits| digits.parse().unwrap()).collect();
    let [month, day, year, hour, minute, second] = numbers[..] else {
        return Err(wrong());
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let is_time = year > 0 && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if is_time { Ok(()) } else { Err(wrong()) }
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(crate) fn sha256(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

mod tests {
    use super::*;
    use umreplay::fsx::write_atomically;

    const GUID: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
    const EXCHANGE: &str = r"C:\UM\voicemail";

    /// A good header of the type, and what lies beside it.
    fn good(kind: &str) -> (String, Vec<&'static str>) {
        let voice = format!("AttachmentPath : {EXCHANGE}\\{GUID}.wav\r\nDuration : 3\r\nCodec : Mp3\r\n");
        let (own, beside) = match kind {
            "SMTPVoiceMail" => (voice + "Private : False\r\nCallAnswering : True\r\n", vec!["wav"]),
            "XSOVoiceMail" => (voice + &format!("MessageFilePath : {EXCHANGE}\\{GUID}.msg\r\n"), vec!["wav", "msg"]),
            "PartnerTranscriptionRequest" => (voice, vec!["wav"]),
            "Fax" => {
                let fax =
                    format!("AttachmentPath : {EXCHANGE}\\{GUID}.tif\r\nNumberOfPages : 1\r\nInComplete : False\r\n");
                (fax, vec!["tif"])
            }
            _ => (String::new(), vec![]),
        };
        let common =
            "ProcessedCount : 0\r\nSentTime : 02/29/2016 08:00:00\r\nCultureInfo : nl-NL\r\nImportant : False\r\n";
        let recipient = "RecipientObjectGuid : 0cd2b0bb-7b0c-4cd2-8a5e-0d6a3f5f3b10\r\n";
        (format!("MessageType : {kind}\r\n{common}{recipient}{own}"), beside)
    }

    fn picked_up(stem: &str, header: &str, beside: &[&str]) -> PickupReport {
        let folder = tempfile::tempdir().unwrap();
        write_atomically(&folder.path().join(format!("{stem}.txt")), header.as_bytes()).unwrap();
        for extension in beside {
            write_atomically(&folder.path().join(format!("{stem}.{extension}")), b"attachment").unwrap();
        }
        pickup(folder.path(), EXCHANGE)
    }

    #[test]
    fn every_type_is_taken_with_its_files() {
        for kind in TYPES {
            let (header, beside) = good(kind);
            let report = picked_up(GUID, &header, &beside);
            report.assert_clean();
            assert_eq!(report.accepted[0].files.len(), 1 + beside.len(), "{kind}");
            assert_eq!(report.accepted[0].fields["MessageType"], kind);
        }
        let missed = "MessageType : MissedCall\nRecipientAddress : test@example.com\nRecipientCulture : nl-NL\n";
        picked_up(GUID, missed, &[]).assert_clean();
    }

    #[test]
    fn every_cause_of_refusal_kills() {
        let damages = [
            ("SMTPVoiceMail", "MessageType : SMTPVoiceMail", "MessageType : smtpvoicemail"),
            ("SMTPVoiceMail", "MessageType : SMTPVoiceMail", ""),
            ("MissedCall", "CultureInfo : nl-NL", "CultureInfo : nl-XX"),
            ("SMTPVoiceMail", "Duration : 3", ""),
            ("SMTPVoiceMail", "Duration : 3", "Duration : 3.5"),
            ("SMTPVoiceMail", "AttachmentPath", "AttachmentPat"),
            ("SMTPVoiceMail", ".wav", ".mp3"),
            ("SMTPVoiceMail", "7c11.wav", "7c12.wav"),
            ("SMTPVoiceMail", EXCHANGE, r"C:\UM\badvoicemail"),
            ("SMTPVoiceMail", EXCHANGE, r"C:\UM\voicemail\deeper"),
            ("SMTPVoiceMail", "Codec : Mp3", ""),
            ("SMTPVoiceMail", "Codec : Mp3", "Codec : Ogg"),
            ("SMTPVoiceMail", "Private : False", "Private : no"),
            ("SMTPVoiceMail", "CallAnswering : True", "CallAnswering : 1"),
            ("MissedCall", "Important : False", "Important : Nein"),
            ("Fax", "InComplete : False", "InComplete : -"),
            ("Fax", "NumberOfPages : 1", ""),
            ("Fax", ".tif", ".TIF"),
            ("Fax", "7c11.tif", "7c12.tif"),
            ("XSOVoiceMail", ".msg", ".nope"),
            ("MissedCall", "RecipientObjectGuid : 0", "RecipientObjectGuid : x"),
            ("MissedCall", "RecipientObjectGuid", "RecipientGuid"),
            ("MissedCall", "ProcessedCount : 0", "ProcessedCount : zero"),
            ("MissedCall", "ProcessedCount : 0", "ProcessedCount : 5"),
            ("MissedCall", "SentTime : 02/29/2016", "SentTime : 02/29/2015"),
            ("MissedCall", "SentTime : 02/29/2016", "SentTime : 2016-02-29"),
        ];
        for (kind, part, damage) in damages {
            let (header, beside) = good(kind);
            let damaged = header.replace(part, damage);
            assert_ne!(header, damaged);
            let report = picked_up(GUID, &damaged, &beside);
            assert_eq!((report.accepted.len(), report.killed.len()), (0, 1), "{part} -> {damage}");
            assert_eq!(report.stray.len(), 1 + beside.len());
        }
        let (header, beside) = good("SMTPVoiceMail");
        assert_eq!(picked_up("holiday", &header, &beside).killed.len(), 1);
        assert_eq!(picked_up(GUID, &header, &[]).killed.len(), 1);
        assert_eq!(picked_up(GUID, &header.replace("Count : 0", "Count : 4"), &beside).demoted.len(), 1);
    }

    #[test]
    fn what_belongs_to_no_message_is_stray() {
        let (header, _) = good("MissedCall");
        assert_eq!(picked_up(GUID, &header, &["wav"]).stray, [format!("{GUID}.wav")]);
        assert_eq!(picked_up(GUID, &header, &["bak", "TXTtmp"]).accepted.len(), 0);
    }

    #[test]
    fn lines_are_cut_as_um_cuts_them() {
        let fields = read(b"\xEF\xBB\xBFA : 1\nB:2\rC ::  3 : 4 \r\n: x\nD :\nA : 5\nlonely\n");
        let expected = [("A", "5"), ("B", "2"), ("C", "3 : 4 ")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(read(b"\xFF\xFEA\0:\0b\0")["A"], "b");
    }
}
