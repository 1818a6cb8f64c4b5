//! Sources: folders and archives of every make and in every state of repair.

mod corpus;
mod passwords;
mod streams;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use umreplay::message::{Code, HEADER_LIMIT, Message, Sha256Digest, State};
use umreplay::source::{self, ArchiveError, Inventory, SourceError};
use zip::write::{FileOptionExtension, FileOptions, SimpleFileOptions};
use zip::{CompressionMethod, ZipWriter};

const ONE: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11";
const TWO: &str = "46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c12";
const VOICE: &[u8] = b"MessageType : SMTPVoiceMail\r\nCallId : 7\r\nDuration : 1\r\n";
const MISSED: &[u8] = b"MessageType : MissedCall\r\nCallId : 8\r\n";

/// A second of PCM, the same for the same seed.
fn wav(seed: u8) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed.into());
    let samples: Vec<u8> = (0..16_000).map(|_| random.u8(..)).collect();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(8_000_u32.to_le_bytes());
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(bytes).unwrap();
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

fn add<T: FileOptionExtension>(
    zip: &mut ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    bytes: &[u8],
    options: FileOptions<'_, '_, T>,
) {
    zip.start_file(name, options).unwrap();
    zip.write_all(bytes).unwrap();
}

fn archive_with(entries: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    entries.iter().for_each(|(name, bytes)| add(&mut zip, name, bytes, options));
    zip.finish().unwrap().into_inner()
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    archive_with(entries, options())
}

/// Two messages, one with audio.
fn backup() -> Vec<u8> {
    archive(&[
        (&format!("voicemail/{ONE}.txt"), VOICE),
        (&format!("voicemail/{ONE}.wav"), &wav(1)),
        (&format!("voicemail/{TWO}.txt"), MISSED),
    ])
}

fn read(path: &Path) -> Result<Inventory, SourceError> {
    source::read(&[path.to_path_buf()], &|_| {})
}

fn read_bytes(bytes: &[u8]) -> Result<Inventory, SourceError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    write(&path, bytes);
    read(&path)
}

fn codes(message: &Message) -> Vec<Code> {
    message.findings.iter().map(|finding| finding.code).collect()
}

fn stems(inventory: &Inventory) -> Vec<&str> {
    inventory.messages.iter().map(|message| message.stem.as_str()).collect()
}

fn audio_bytes(message: &Message) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    message.audio.as_ref().unwrap().file.open().map_err(std::io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces the only place where `old` stands `count` times.
fn patch(bytes: &mut [u8], old: &[u8], new: &[u8], count: usize) {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(old)).collect();
    assert_eq!(places.len(), count, "of {old:?}");
    places.iter().for_each(|at| bytes[*at..*at + new.len()].copy_from_slice(new));
}

/// Where the records of the central directory begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"PK\x01\x02")).collect()
}

#[test]
fn a_folder_is_read_with_all_folders_in_it() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(&root.join(format!("{ONE}.TXT")), VOICE);
    write(&root.join(format!("{}.Wav", ONE.to_uppercase())), &wav(1));
    write(&root.join(format!("old/2016/{TWO}.txt")), MISSED);
    write(&root.join("old/2016/orphan.wav"), &wav(2));
    write(&root.join("old/holiday.txt"), MISSED);
    write(&root.join("README.txt"), b"Copied from the old server on Monday.\r\n");
    write(&root.join("empty.txt"), b"");
    write(&root.join("picture.tif"), b"II*\0");
    write(&root.join("setup.exe"), b"MZ");
    std::fs::create_dir(root.join("folder.txt")).unwrap();

    let inventory = read(root).unwrap();
    assert_eq!(inventory.problems, []);
    assert_eq!(inventory.other_files, 4);
    let states: Vec<_> = inventory.messages.iter().map(|m| (m.stem.as_str(), m.state())).collect();
    let expected =
        [(ONE, State::Complete), (TWO, State::Complete), ("orphan", State::NoHeader), ("holiday", State::Complete)];
    assert_eq!(states, expected);
    let pair = &inventory.messages[0];
    assert!(pair.label.ends_with(".TXT") && pair.audio.as_ref().unwrap().file.label.ends_with(".Wav"));
    assert_eq!(pair.guid.unwrap().to_string(), ONE);
    assert!(pair.modified().is_some());
    assert_eq!(inventory.messages[3].guid, None);
}

#[test]
fn files_of_one_stem_in_two_folders_are_two_messages() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join(format!("voicemail/{ONE}.txt")), VOICE);
    write(&folder.path().join(format!("badvoicemail/{ONE}.wav")), &wav(1));
    let states: Vec<_> = read(folder.path()).unwrap().messages.iter().map(Message::state).collect();
    assert_eq!(states, [State::NoHeader, State::NoAudio]);
}

#[test]
fn archives_in_a_folder_are_read_and_broken_ones_reported() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join("monday.ZIP"), &backup());
    write(&folder.path().join("tuesday.zip"), &backup()[..400]);
    write(&folder.path().join("wednesday.zip"), b"");
    write(&folder.path().join(format!("{TWO}.txt")), MISSED);
    let inventory = read(folder.path()).unwrap();
    assert_eq!(stems(&inventory), [TWO, ONE, TWO]);
    let problems: Vec<_> = inventory.problems.iter().map(|problem| problem.label.clone()).collect();
    assert!(problems[0].ends_with("tuesday.zip") && problems[1].ends_with("wednesday.zip"), "{problems:?}");
    assert!(inventory.problems[0].finding.message.contains("cut short"));
}

#[test]
fn hundreds_of_archives_need_no_hundreds_of_open_files() {
    let folder = TempDir::new().unwrap();
    for number in 0..200 {
        write(&folder.path().join(format!("{number:03}.zip")), &backup());
    }
    let inventory = read(folder.path()).unwrap();
    assert_eq!(inventory.messages.len(), 400);
    assert!(inventory.messages.iter().all(|message| message.findings.is_empty()));
    assert_eq!(audio_bytes(&inventory.messages[398]).unwrap(), wav(1));
}

#[test]
fn a_file_of_a_pair_stands_for_the_pair() {
    let folder = TempDir::new().unwrap();
    let wav_path = folder.path().join(format!("{ONE}.WAV"));
    write(&folder.path().join(format!("{ONE}.txt")), VOICE);
    write(&wav_path, &wav(1));
    write(&folder.path().join(format!("{TWO}.txt")), MISSED);
    write(&folder.path().join("notes.txt"), b"nothing known\r\n");
    for given in [folder.path().join(format!("{ONE}.txt")), wav_path] {
        let inventory = read(&given).unwrap();
        assert_eq!(stems(&inventory), [ONE]);
        assert_eq!(inventory.messages[0].state(), State::Complete);
    }
    assert_eq!(stems(&read(&folder.path().join("notes.txt")).unwrap()), ["notes"]);
}

#[test]
fn sources_that_are_none_stop_the_run_and_say_what_to_do() {
    let folder = TempDir::new().unwrap();
    let missing = read(&folder.path().join("missing")).unwrap_err();
    assert!(matches!(missing, SourceError::Missing { .. }), "{missing:?}");
    assert!(missing.to_string().contains("missing"));
    let other = folder.path().join("picture.jpg");
    write(&other, b"\xFF\xD8\xFF\xE0 rest of it");
    let error = read(&other).unwrap_err();
    assert!(matches!(error, SourceError::NoSource { .. }), "{error:?}");
    assert!(error.hint().contains("unpack"));
    for (name, begin) in [("backup.7z", &b"7z\xBC\xAF\x27\x1C rest of it"[..]), ("backup.rar", b"Rar!\x1A\x07\x01\0")] {
        let other = folder.path().join(name);
        write(&other, begin);
        let error = read(&other).unwrap_err();
        assert!(matches!(error, SourceError::Archive { .. }), "{error:?}");
        assert!(error.hint().contains("unpack") || error.hint().contains("copy"));
    }
    // Nothing is read of the others either: the user meant something else.
    let both = [folder.path().to_path_buf(), folder.path().join("missing")];
    assert!(source::read(&both, &|_| {}).is_err());
}

#[test]
fn sources_stay_in_the_order_in_which_they_were_given() {
    let folder = TempDir::new().unwrap();
    let paths: Vec<PathBuf> = ["b.zip", "a.zip"].iter().map(|name| folder.path().join(name)).collect();
    write(&paths[0], &archive(&[(&format!("z/{TWO}.txt"), MISSED), (&format!("{ONE}.txt"), VOICE)]));
    write(&paths[1], &backup());
    let inventory = source::read(&paths, &|_| {}).unwrap();
    assert_eq!(stems(&inventory), [ONE, TWO, ONE, TWO]);
    assert!(inventory.messages[0].label.contains("b.zip!46ff"));
}

#[test]
fn an_archive_is_read_in_place() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    write(&path, &backup());
    let inventory = read(&path).unwrap();
    assert_eq!((inventory.other_files, inventory.problems.len()), (0, 0));
    let message = &inventory.messages[0];
    assert!(message.label.ends_with(&format!("backup.zip!voicemail/{ONE}.txt")), "{}", message.label);
    assert_eq!(message.state(), State::Complete);
    assert_eq!(message.header.as_ref().unwrap().header.bytes(), VOICE);
    let audio = message.audio.as_ref().unwrap();
    assert_eq!(audio.sha256, Some(Sha256Digest::of(&wav(1))));
    assert!(audio.facts.is_some());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_entry_opens_any_number_of_times_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        write(&path, &archive_with(&[("a.wav", &wav(1)), ("b.wav", &wav(2))], options().compression_method(method)));
        let messages = read(&path).unwrap().messages;
        std::thread::scope(|scope| {
            for number in 0..8 {
                let message = &messages[number % 2];
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(audio_bytes(message).unwrap(), wav(number as u8 % 2 + 1));
                    }
                });
            }
        });
    }
}

#[test]
fn names_of_entries_are_labels_and_nothing_else() {
    let names = [
        format!("C:\\Exchange\\voicemail\\{ONE}.txt"),
        format!("C:/Exchange/voicemail/{ONE}.WAV"),
        format!("../../etc/{TWO}.txt"),
        format!("/absolute/{TWO}.txt"),
        format!("\u{1b}[2J\r\n/{TWO}.txt"),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_directory("empty.txt/", options()).unwrap();
    let bodies: [&[u8]; 5] = [VOICE, &wav(1), MISSED, MISSED, MISSED];
    names.iter().zip(bodies).for_each(|(name, body)| add(&mut zip, name, body, options()));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    write(&path, &zip.finish().unwrap().into_inner());

    let inventory = read(&path).unwrap();
    assert_eq!((inventory.messages.len(), inventory.other_files), (4, 0));
    let pair = inventory.messages.iter().find(|message| message.stem == ONE).unwrap();
    assert_eq!(pair.state(), State::Complete);
    assert!(inventory.messages.iter().all(|message| !message.label.contains(char::is_control)));
    assert!(inventory.messages.iter().any(|message| message.label.contains("\\u{1b}[2J\\r\\n/")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn names_in_a_code_page_are_shown_in_letters() {
    let mut bytes = archive(&[("Zo?/a.wav", &wav(1))]);
    patch(&mut bytes, b"Zo?/", b"Zo\x89/", 2);
    assert!(read_bytes(&bytes).unwrap().messages[0].label.ends_with("!Zoë/a.wav"));
}

#[test]
fn an_empty_archive_holds_no_messages() {
    let inventory = read_bytes(&archive(&[])).unwrap();
    assert!(inventory.messages.is_empty() && inventory.problems.is_empty());
}

#[test]
fn bytes_before_and_behind_an_archive_do_no_harm() {
    let folder = TempDir::new().unwrap();
    let program = vec![b'M'; 3_333];
    let behind = [backup(), vec![0; 700]].concat();
    for (name, bytes) in [
        ("backup.exe", [program.clone(), backup()].concat()),
        ("backup.zip", [program.clone(), backup()].concat()),
        ("behind.zip", behind),
        ("both.zip", [program.clone(), archive(&[]), backup()].concat()),
    ] {
        let path = folder.path().join(name);
        write(&path, &bytes);
        let inventory = read(&path).unwrap();
        assert_eq!(stems(&inventory), [ONE, TWO], "{name}");
        assert!(inventory.messages.iter().all(|message| message.findings.is_empty()), "{name}");
        assert!(inventory.problems.is_empty(), "{name}");
    }
}

#[test]
fn an_archive_behind_another_is_read_and_the_other_told_of() {
    let stored = options().compression_method(CompressionMethod::Stored);
    let outer = archive_with(&[(&format!("{TWO}.txt"), MISSED), ("inner.zip", &backup())], stored);
    let inner_end = outer.windows(4).position(|window| window == b"PK\x05\x06").unwrap() + 22;
    for bytes in [[backup(), backup()].concat(), outer[..inner_end].to_vec()] {
        let inventory = read_bytes(&bytes).unwrap();
        assert_eq!(stems(&inventory), [ONE, TWO]);
        assert!(inventory.problems[0].finding.message.contains("another archive"), "{:?}", inventory.problems);
    }
}

#[test]
fn end_marks_in_the_comment_do_not_hide_the_archive() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, &format!("{ONE}.txt"), VOICE, options());
    let comment = [&b"PK\x05\x06"[..], &[0; 18], b"PK\x05\x06 and so on"].concat();
    zip.set_raw_comment(comment.into_boxed_slice()).unwrap();
    let inventory = read_bytes(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(stems(&inventory), [ONE]);
}

#[test]
fn more_entries_than_zip_can_count() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = options().compression_method(CompressionMethod::Stored);
    for number in 0..66_000_u32 {
        add(&mut zip, &format!("{number:08x}-4eb0-4f8b-a0b1-6b2b2a1d7c11.txt"), MISSED, stored);
    }
    let mut bytes = zip.finish().unwrap().into_inner();
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!((inventory.messages.len(), inventory.problems.len()), (66_000, 0));
    assert!(inventory.messages.iter().all(|message| message.state() == State::Complete));

    // Some writers let the count overflow and leave the Zip64 records out; those have the directory's place for it.
    let directory = records(&bytes)[0];
    let locator = (0..bytes.len()).rev().find(|at| bytes[*at..].starts_with(b"PK\x06\x07")).unwrap();
    let zip64 = (0..locator).rev().find(|at| bytes[*at..].starts_with(b"PK\x06\x06")).unwrap();
    bytes.truncate(zip64);
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &464_u16.to_le_bytes(), &464_u16.to_le_bytes()].concat();
    bytes.extend(end);
    bytes.extend((zip64 as u32 - directory as u32).to_le_bytes());
    bytes.extend((directory as u32).to_le_bytes());
    bytes.extend([0; 2]);
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!((inventory.messages.len(), inventory.problems.len()), (66_000, 0));
}

#[test]
fn zip64_entries_and_data_descriptors() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, &format!("{ONE}.txt"), VOICE, options().large_file(true));
    add(&mut zip, &format!("{ONE}.wav"), &wav(1), options().large_file(true));
    let inventory = read_bytes(&zip.finish().unwrap().into_inner()).unwrap();
    assert_eq!(inventory.messages[0].state(), State::Complete);
    assert!(inventory.messages[0].findings.is_empty());

    let mut streamed = ZipWriter::new_stream(Vec::new());
    streamed.start_file(format!("{ONE}.wav"), options()).unwrap();
    streamed.write_all(&wav(1)).unwrap();
    let bytes = streamed.finish().unwrap().into_inner();
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!(inventory.messages[0].audio.as_ref().unwrap().sha256, Some(Sha256Digest::of(&wav(1))));
}

#[test]
fn encrypted_entries_are_named_and_the_rest_is_read() {
    let mut bytes = backup();
    let records = records(&bytes);
    bytes[records[0] + 8] |= 1;
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!(inventory.messages[0].state(), State::Unreadable);
    assert_eq!(codes(&inventory.messages[0]), [Code::EntryEncrypted]);
    assert!(inventory.messages[0].findings[0].message.contains(ONE));
    assert!(inventory.messages[1].findings.is_empty());

    let mut bytes = backup();
    bytes[records[1] + 8] |= 1;
    let message = &read_bytes(&bytes).unwrap().messages[0];
    assert_eq!(codes(message), [Code::EntryEncrypted]);
    assert!(message.header.is_some() && message.audio.as_ref().unwrap().facts.is_none());

    let mut bytes = archive(&[("notes.txt", b"unknown"), ("notes.pdf", b"unknown")]);
    let at: Vec<usize> = self::records(&bytes);
    at.iter().for_each(|at| bytes[at + 8] |= 1);
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!((inventory.messages.len(), inventory.other_files), (0, 1));
    assert_eq!(inventory.problems[0].finding.code, Code::EntryEncrypted);
}

#[test]
fn other_methods_are_named() {
    let mut bytes = backup();
    let at = records(&bytes)[1];
    bytes[at + 10] = 14;
    let message = &read_bytes(&bytes).unwrap().messages[0];
    assert_eq!(codes(message), [Code::EntryUnreadable]);
    assert!(message.findings[0].message.contains("LZMA"));
}

#[test]
fn two_entries_of_one_name_are_both_shown() {
    let mut bytes =
        archive(&[(&format!("{ONE}.txt"), VOICE), (&format!("{ONE}.wav"), &wav(1)), (&format!("{TWO}.txt"), MISSED)]);
    patch(&mut bytes, format!("{TWO}.txt").as_bytes(), format!("{ONE}.txt").as_bytes(), 2);
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!(inventory.messages.len(), 2);
    for message in &inventory.messages {
        assert_eq!(codes(message), [Code::EntryDuplicate]);
    }
    assert_eq!(inventory.messages[0].state(), State::Complete);
    assert_eq!(inventory.messages[1].header.as_ref().unwrap().header.bytes(), MISSED);
}

#[test]
fn a_damaged_entry_is_its_messages_finding() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let sound = archive_with(
            &[(&format!("{ONE}.txt"), VOICE), (&format!("{ONE}.wav"), &wav(1)), (&format!("{TWO}.txt"), MISSED)],
            options().compression_method(method),
        );
        let locals: Vec<usize> = (0..sound.len()).filter(|at| sound[*at..].starts_with(b"PK\x03\x04")).collect();

        let mut bytes = sound.clone();
        bytes[locals[1] + 9_000] ^= 0x10;
        let inventory = read_bytes(&bytes).unwrap();
        assert_eq!(codes(&inventory.messages[0]), [Code::EntryUnreadable], "{method:?}");
        assert!(audio_bytes(&inventory.messages[0]).is_err());
        assert!(inventory.messages[1].findings.is_empty());

        let mut bytes = sound.clone();
        bytes[locals[0] + 30 + 40 + 5] ^= 0x10;
        let inventory = read_bytes(&bytes).unwrap();
        assert_eq!(codes(&inventory.messages[0]), [Code::HeaderUnreadable], "{method:?}");
        assert_eq!(inventory.messages[0].state(), State::Unreadable);
        assert!(inventory.messages[0].audio.as_ref().unwrap().facts.is_some());

        let mut bytes = sound.clone();
        bytes[locals[2]] = b'X';
        let inventory = read_bytes(&bytes).unwrap();
        assert_eq!(inventory.messages[1].state(), State::Unreadable);
        assert!(inventory.messages[0].findings.is_empty());
    }
}

#[test]
fn a_damaged_record_costs_one_entry_and_is_told() {
    let mut bytes = backup();
    let at = records(&bytes)[1];
    bytes[at] = b'X';
    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!(stems(&inventory), [ONE, TWO]);
    assert_eq!(inventory.messages[0].state(), State::NoAudio);
    let problems: Vec<_> = inventory.problems.iter().map(|problem| problem.finding.message.as_str()).collect();
    assert_eq!(
        problems,
        ["the index is damaged, places: 1; entries may be missing", "the index tells of 3 entries, and 2 can be read"]
    );
}

#[test]
fn damage_to_extra_fields_costs_nothing_but_the_time() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut options = options().into_full_options();
    options.add_extra_field(0x5455, [&[1][..], &1_482_480_000_u32.to_le_bytes()].concat(), true).unwrap();
    add(&mut zip, &format!("{ONE}.txt"), MISSED, options);
    let mut bytes = zip.finish().unwrap().into_inner();
    let time = |bytes: &[u8]| read_bytes(bytes).unwrap().messages[0].modified();
    assert_eq!(time(&bytes).unwrap().to_string(), "2016-12-23T08:00:00Z");
    let field = bytes.windows(2).rposition(|window| window == b"UT").unwrap();
    bytes[field + 2] = 0xFF;
    assert_eq!(read_bytes(&bytes).unwrap().messages[0].state(), State::Complete);
    assert_ne!(time(&bytes).map(|time| time.to_string()).as_deref(), Some("2016-12-23T08:00:00Z"));
}

#[test]
fn an_archive_cut_short_anywhere_is_refused_in_words() {
    let whole = backup();
    assert_eq!(read_bytes(&whole).unwrap().messages.len(), 2);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    // The last two bytes tell that no comment follows: without them nothing is missing.
    let needed = whole.len() - 2;
    for length in (0..needed).filter(|length| *length < 200 || whole.len() - length < 500 || length % 97 == 0) {
        write(&path, &whole[..length]);
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("backup.zip"), "{error}");
        let SourceError::Archive { source, .. } = &error else { panic!("{length}: {error:?}") };
        match length {
            0 => assert!(matches!(source, ArchiveError::Empty)),
            1..4 => assert!(matches!(source, ArchiveError::Unknown)),
            _ if length < whole.len() - 22 + 4 => assert!(matches!(source, ArchiveError::CutShort), "{length}"),
            _ => assert!(matches!(source, ArchiveError::Damaged(_)), "{length}"),
        }
        assert!(!error.hint().is_empty());
    }
}

#[test]
fn one_flipped_bit_never_loses_a_message_in_silence() {
    let sound = archive(&[(&format!("{ONE}.txt"), VOICE), (&format!("{TWO}.txt"), MISSED)]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    let all: BTreeSet<&[u8]> = [VOICE, MISSED].into();
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        write(&path, &bytes);
        let Ok(inventory) = read(&path) else { continue };
        let headers: BTreeSet<&[u8]> = inventory
            .messages
            .iter()
            .filter(|message| message.findings.is_empty())
            .filter_map(|message| Some(message.header.as_ref()?.header.bytes()))
            .collect();
        // What is shown as sound is sound; what is missing there is told, or lies among the other files by its name.
        assert!(headers.is_subset(&all), "bit {bit}");
        let told = inventory.messages.iter().map(|message| message.findings.len()).sum::<usize>()
            + inventory.problems.len()
            + inventory.other_files;
        assert!(headers == all || told > 0, "bit {bit}: {inventory:?}");
    }
}

#[test]
fn random_damage_ends_and_does_not_panic() {
    let sound = backup();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1_500 {
        let mut bytes = sound.clone();
        // Mostly in the index, where the numbers are.
        for _ in 0..random.usize(1..8) {
            let from = if random.u8(..) < 200 { bytes.len() - 500 } else { 0 };
            let at = random.usize(from..bytes.len());
            bytes[at] = random.u8(..);
        }
        write(&path, &bytes);
        if let Ok(inventory) = read(&path) {
            for message in &inventory.messages {
                let _ = message.audio.as_ref().map(|audio| audio.file.sha256());
            }
        }
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    // Thousands of entries at one place, each of a size that deflate could just reach.
    let mut bytes = archive(&[(&format!("{ONE}.wav"), &wav(1)), (&format!("{TWO}.txt"), MISSED)]);
    let records = records(&bytes);
    let end = bytes.len() - 22;
    let mut bomb = bytes[records[0]..records[1]].to_vec();
    bomb[24..28].copy_from_slice(&(16_000_000_u32).to_le_bytes());
    let rest = bytes[records[1]..end].to_vec();
    bytes.truncate(records[0]);
    let count = 4_000_u16;
    for number in 0..count {
        let name = format!("{number:08x}-4eb0-4f8b-a0b1-6b2b2a1d7c11.wav");
        bomb[46..46 + name.len()].copy_from_slice(name.as_bytes());
        bytes.extend(&bomb);
    }
    bytes.extend(rest);
    let size = bytes.len() - records[0];
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([(count + 1).to_le_bytes(), (count + 1).to_le_bytes()].concat());
    bytes.extend((size as u32).to_le_bytes());
    bytes.extend((records[0] as u32).to_le_bytes());
    bytes.extend([0; 2]);

    let inventory = read_bytes(&bytes).unwrap();
    assert_eq!(inventory.messages.len(), usize::from(count) + 1);
    let findings = inventory.messages.iter().flat_map(|message| &message.findings);
    let refused = findings.filter(|finding| finding.message.contains("bomb")).count();
    assert!((3_000..3_990).contains(&refused), "{refused}");
    // What is small enough is read all the same.
    assert!(inventory.messages.last().unwrap().findings.is_empty());
}

#[test]
fn headers_are_no_longer_than_headers_are() {
    let long = vec![b'x'; HEADER_LIMIT as usize + 1];
    let message = &read_bytes(&archive(&[(&format!("{ONE}.txt"), &long)])).unwrap().messages[0];
    assert_eq!((message.state(), codes(message)), (State::Unreadable, vec![Code::HeaderUnreadable]));

    let mut bytes = archive(&[(&format!("{ONE}.txt"), &long)]);
    let at = records(&bytes)[0];
    bytes[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
    let message = &read_bytes(&bytes).unwrap().messages[0];
    assert_eq!((message.state(), codes(message)), (State::Unreadable, vec![Code::HeaderUnreadable]));
}

#[test]
fn headers_without_a_word_are_kept_and_found_unreadable() {
    for (body, word) in [(&b""[..], "empty"), (&[0; 700], "zeros"), (b"\xFF\xD8\xFF\xE0", "field")] {
        let bytes = archive(&[(&format!("{ONE}.txt"), body)]);
        let message = &read_bytes(&bytes).unwrap().messages[0];
        assert_eq!((message.state(), codes(message)), (State::Unreadable, vec![Code::HeaderUnreadable]));
        assert!(message.findings[0].message.contains(word), "{}", message.findings[0].message);
        assert_eq!(message.header.as_ref().unwrap().header.bytes(), body);
    }
}

#[test]
fn audio_that_is_none_is_kept_and_found_unreadable() {
    let bytes = archive(&[(&format!("{ONE}.txt"), VOICE), (&format!("{ONE}.wav"), b"no audio")]);
    let message = &read_bytes(&bytes).unwrap().messages[0];
    assert_eq!(codes(message), [Code::AudioUnreadable]);
    assert_eq!(audio_bytes(message).unwrap(), b"no audio");
}

#[test]
fn faxes_replies_and_probes_are_paired() {
    let names = [format!("{ONE}.Tif"), format!("{ONE}.txt"), format!("{TWO}.MSG"), format!("{TWO}.HealthCheck")];
    let bytes = archive(&[(&names[0], b"II*\0"), (&names[1], MISSED), (&names[2], b"m"), (&names[3], b"")]);
    let messages = read_bytes(&bytes).unwrap().messages;
    assert_eq!(messages.len(), 2);
    assert!(messages[0].fax.is_some() && messages[0].header.is_some());
    assert!(messages[1].message_file.is_some() && messages[1].health_check);
}

#[test]
fn an_archive_in_an_archive_is_read() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let outer = archive_with(&[("old/inner.zip", &backup())], options().compression_method(method));
        let inventory = read_bytes(&outer).unwrap();
        assert_eq!(stems(&inventory), [ONE, TWO]);
        assert!(inventory.problems.is_empty() && inventory.messages[0].findings.is_empty());
        assert!(inventory.messages[0].label.contains(&format!("backup.zip!old/inner.zip!voicemail/{ONE}.txt")));
    }
}

#[cfg(unix)]
#[test]
fn links_are_told_of_and_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("queue");
    let outside = folder.path().join("outside");
    write(&outside.join(format!("{TWO}.txt")), MISSED);
    write(&root.join(format!("{ONE}.txt")), VOICE);
    symlink(&root, root.join("loop")).unwrap();
    symlink(&outside, root.join("out")).unwrap();
    symlink(outside.join(format!("{TWO}.txt")), root.join(format!("{TWO}.txt"))).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    let inventory = read(&root).unwrap();
    assert_eq!(stems(&inventory), [ONE]);
    assert_eq!((inventory.problems.len(), inventory.other_files), (3, 1));
    // A source that is a link itself was meant.
    symlink(&root, folder.path().join("link")).unwrap();
    assert_eq!(stems(&read(&folder.path().join("link")).unwrap()), [ONE]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_reported_and_passed_over() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let (closed, header) = (folder.path().join("closed"), folder.path().join(format!("{ONE}.txt")));
    write(&closed.join(format!("{ONE}.txt")), VOICE);
    write(&header, VOICE);
    write(&folder.path().join(format!("{TWO}.txt")), MISSED);
    for path in [&closed, &header] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o0)).unwrap();
    }
    let is_barred = File::open(&header).is_err();
    let inventory = read(folder.path());
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    // Nothing is closed to root.
    if is_barred {
        let inventory = inventory.unwrap();
        assert_eq!(
            inventory.messages.iter().map(Message::state).collect::<Vec<_>>(),
            [State::Unreadable, State::Complete]
        );
        assert!(inventory.problems[0].label.ends_with("closed"));
        assert_eq!(inventory.problems.len(), 1);
    }
}

#[cfg(unix)]
#[test]
fn doubles_in_a_folder_with_case_are_both_shown() {
    let folder = TempDir::new().unwrap();
    write(&folder.path().join(format!("{ONE}.txt")), VOICE);
    write(&folder.path().join(format!("{ONE}.TXT")), MISSED);
    let inventory = read(folder.path()).unwrap();
    // On a file system without case the second write went to the first file.
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(inventory.messages.len(), files);
    assert!(files == 1 || inventory.messages.iter().all(|message| codes(message) == [Code::EntryDuplicate]));
}

#[test]
fn progress_counts_up_to_the_number_of_messages() {
    let folder = TempDir::new().unwrap();
    for number in 0..1_200 {
        write(&folder.path().join(format!("{number:08x}-4eb0-4f8b-a0b1-6b2b2a1d7c11.txt")), MISSED);
    }
    let seen = std::sync::Mutex::new(Vec::new());
    source::read(&[folder.path().to_path_buf()], &|count| seen.lock().unwrap().push(count)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.last(), Some(&1_200));
    assert!((2..10).contains(&seen.len()), "{seen:?}");
}
