//! Tar and 7z, in every packing, in each other, whole and damaged.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use umreplay::message::{Code, Sha256Digest, State};
use umreplay::source::{self, Inventory, SourceError, SourceOptions};

use super::{MISSED, ONE, TWO, VOICE, archive, audio_bytes, codes, stems, wav, write};

type Entries<'e> = [(&'e str, &'e [u8])];

/// A tar archive as GNU tar writes it, with a modification time.
pub(super) fn tar(entries: &Entries<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mtime(1_482_480_000);
        header.set_mode(0o644);
        // Not through the crate's own checks: names are hostile here.
        let field = &mut header.as_old_mut().name;
        if name.len() <= field.len() {
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        } else {
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bzip2::read::BzEncoder::new(bytes, bzip2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

/// A solid 7z archive, encrypted where a password is given, and the names too if that is said.
pub(super) fn seven(entries: &Entries<'_>, password: Option<(&str, bool)>) -> Vec<u8> {
    use sevenz_rust2::encoder_options::{AesEncoderOptions, EncoderOptions};
    use sevenz_rust2::{ArchiveEntry, ArchiveWriter, EncoderConfiguration, EncoderMethod, SourceReader};
    let mut writer = ArchiveWriter::new(Cursor::new(Vec::new())).unwrap();
    let mut methods = vec![EncoderConfiguration::new(EncoderMethod::LZMA2)];
    if let Some((password, _)) = password {
        let aes = EncoderOptions::Aes(AesEncoderOptions::new(password.into()));
        methods.insert(0, EncoderConfiguration::new(EncoderMethod::AES256_SHA256).with_options(aes));
    }
    writer.set_content_methods(methods);
    writer.set_encrypt_header(password.is_some_and(|(_, hides_names)| hides_names));
    let files = entries.iter().map(|(name, _)| ArchiveEntry::new_file(name)).collect();
    let readers = entries.iter().map(|(_, bytes)| SourceReader::new(*bytes)).collect();
    writer.push_archive_entries(files, readers).unwrap();
    writer.finish().unwrap().into_inner()
}

fn pair() -> Vec<(String, Vec<u8>)> {
    vec![
        (format!("voicemail/{ONE}.txt"), VOICE.to_vec()),
        (format!("voicemail/{ONE}.wav"), wav(1)),
        (format!("voicemail/{TWO}.txt"), MISSED.to_vec()),
    ]
}

fn with<T>(entries: &[(String, Vec<u8>)], make: impl Fn(&Entries<'_>) -> T) -> T {
    let borrowed: Vec<(&str, &[u8])> = entries.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    make(&borrowed)
}

pub(super) fn read_as(name: &str, bytes: &[u8], options: &SourceOptions) -> Result<Inventory, SourceError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    write(&path, bytes);
    source::read_with(&[path], options, &|_| {})
}

fn read(bytes: &[u8]) -> Inventory {
    read_as("backup", bytes, &SourceOptions::default()).unwrap()
}

fn problems(inventory: &Inventory) -> Vec<&str> {
    inventory.problems.iter().map(|problem| problem.finding.message.as_str()).collect()
}

fn is_whole(inventory: &Inventory) {
    assert_eq!(stems(inventory), [ONE, TWO]);
    assert_eq!(problems(inventory), [""; 0]);
    assert!(inventory.messages.iter().all(|message| message.findings.is_empty()), "{inventory:?}");
    let message = &inventory.messages[0];
    assert_eq!(message.header.as_ref().unwrap().header.bytes(), VOICE);
    assert_eq!(message.audio.as_ref().unwrap().sha256, Some(Sha256Digest::of(&wav(1))));
}

#[test]
fn every_sort_of_archive_is_told_by_its_content() {
    let tar = with(&pair(), tar);
    let seven = with(&pair(), |entries| seven(entries, None));
    let folder = TempDir::new().unwrap();
    let kinds = [
        ("tar", tar.clone()),
        ("gz", gzip(&tar)),
        ("xz", xz(&tar)),
        ("zst", zstd(&tar)),
        ("bz2", bzip2(&tar)),
        ("7z", seven.clone()),
        ("zip.gz", gzip(&with(&pair(), archive))),
        ("7z.xz", xz(&seven)),
        ("two.gz", [gzip(&tar[..5000]), gzip(&tar[5000..])].concat()),
    ];
    for (kind, bytes) in kinds {
        for name in ["backup".to_owned(), "backup.zip".to_owned(), format!("backup.{kind}"), "backup.wav".to_owned()] {
            let path = folder.path().join(&name);
            write(&path, &bytes);
            let inventory =
                source::read(std::slice::from_ref(&path), &|_| {}).unwrap_or_else(|error| panic!("{name} {error:?}"));
            is_whole(&inventory);
            assert!(inventory.messages[0].label.ends_with(&format!("{name}!voicemail/{ONE}.txt")));
            // Later, from any thread, and more than once.
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| assert_eq!(audio_bytes(&inventory.messages[0]).unwrap(), wav(1), "{kind}"));
                }
            });
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn modification_times_come_along() {
    let message = &read(&gzip(&with(&pair(), tar))).messages[0];
    assert_eq!(message.modified().unwrap().to_string(), "2016-12-23T08:00:00Z");
}

#[test]
fn a_folder_full_of_archives_is_one_source() {
    let folder = TempDir::new().unwrap();
    let tar = with(&pair(), tar);
    for (name, bytes) in
        [("1.tgz", gzip(&tar)), ("2", xz(&tar)), ("3.tar", tar.clone()), ("log.txt.gz", gzip(b"a log"))]
    {
        write(&folder.path().join(name), &bytes);
    }
    write(&folder.path().join("4.7z"), &with(&pair(), |entries| seven(entries, None)));
    let inventory = source::read(&[folder.path().to_path_buf()], &|_| {}).unwrap();
    assert_eq!((inventory.messages.len(), inventory.other_files), (8, 1));
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    assert!(inventory.messages.iter().all(|message| message.state() == State::Complete));
}

#[test]
fn archives_are_read_inside_each_other() {
    let inner: Vec<(&str, Vec<u8>)> = vec![
        ("a.zip", with(&pair(), archive)),
        ("b.tar", with(&pair(), tar)),
        ("c.tgz", gzip(&with(&pair(), tar))),
        ("d.7z", with(&pair(), |entries| seven(entries, None))),
        ("e", xz(&with(&pair(), archive))),
    ];
    let all: Vec<(String, Vec<u8>)> = inner.into_iter().map(|(name, bytes)| (format!("old/{name}"), bytes)).collect();
    let outers = [with(&all, archive), with(&all, tar), gzip(&with(&all, tar)), with(&all, |all| seven(all, None))];
    for outer in outers {
        let inventory = read(&outer);
        assert_eq!(problems(&inventory), [""; 0]);
        assert_eq!(inventory.messages.len(), 10);
        for message in &inventory.messages {
            assert!(message.findings.is_empty(), "{message:?}");
            if message.stem == ONE {
                assert_eq!(audio_bytes(message).unwrap(), wav(1), "{}", message.label);
            }
        }
        assert!(inventory.messages[2].label.ends_with(&format!("backup!old/b.tar!voicemail/{ONE}.txt")));
    }
}

#[test]
fn depth_has_a_limit_that_can_be_raised() {
    let mut bytes = with(&pair(), archive);
    for level in 0..4 {
        bytes = match level % 2 {
            0 => gzip(&tar(&[("inner", &bytes), (&format!("{level}.txt"), MISSED)])),
            _ => archive(&[("inner.zip", &bytes), (&format!("{level}.txt"), MISSED)]),
        };
    }
    let inventory = read(&bytes);
    assert_eq!(stems(&inventory), ["3", "2", "1"]);
    assert!(problems(&inventory)[0].contains("--max-depth"), "{:?}", inventory.problems);
    let deep = SourceOptions { max_depth: 5, ..SourceOptions::default() };
    assert_eq!(read_as("backup", &bytes, &deep).unwrap().messages.len(), 6);
    let flat = SourceOptions { max_depth: 1, ..SourceOptions::default() };
    assert_eq!(stems(&read_as("backup", &bytes, &flat).unwrap()), ["3"]);

    // A file that is packed again and again ends as well.
    let mut bytes = with(&pair(), tar);
    for _ in 0..50 {
        bytes = gzip(&bytes);
    }
    assert!(read_as("backup.gz", &bytes, &SourceOptions::default()).unwrap_err().to_string().contains("backup.gz"));
}

#[test]
fn only_what_is_still_wanted_is_unpacked_for_delivery() {
    let inventory =
        read(&gzip(&tar(&[(&format!("{ONE}.wav"), &wav(1)), (&format!("{TWO}.wav"), &wav(2)), ("c.wav", &wav(3))])));
    let mut messages = inventory.messages;
    let dropped = messages.remove(1);
    let kept_file = dropped.audio.as_ref().unwrap().file.clone();
    drop(dropped);
    assert_eq!(audio_bytes(&messages[1]).unwrap(), wav(3));
    assert_eq!(audio_bytes(&messages[0]).unwrap(), wav(1));
    assert_eq!(kept_file.sha256().unwrap(), Sha256Digest::of(&wav(2)));
}

#[test]
fn bombs_end_at_the_limit_and_the_rest_is_shown() {
    let zeros = vec![0; 3 << 20];
    let bytes = gzip(&tar(&[(&format!("{ONE}.txt"), VOICE), ("zeros", &zeros), (&format!("{TWO}.txt"), MISSED)]));
    let tight = SourceOptions { max_unpacked: Some(1 << 20), ..SourceOptions::default() };
    let inventory = read_as("backup", &bytes, &tight).unwrap();
    assert_eq!(stems(&inventory), [ONE]);
    assert!(problems(&inventory)[0].contains("--max-unpacked"), "{:?}", inventory.problems);
    assert_eq!(read(&bytes).messages.len(), 2);

    let bytes = seven(&[(&format!("{ONE}.txt"), VOICE), ("zeros", &zeros), (&format!("{TWO}.txt"), MISSED)], None);
    let inventory = read_as("backup", &bytes, &tight).unwrap();
    assert_eq!(stems(&inventory), [ONE, TWO]);
    assert!(inventory.messages[1].findings[0].message.contains("--max-unpacked"), "{:?}", inventory.messages[1]);

    let few = SourceOptions { max_entries: 2, ..SourceOptions::default() };
    for bytes in
        [with(&pair(), archive), with(&pair(), tar), gzip(&with(&pair(), tar)), with(&pair(), |e| seven(e, None))]
    {
        let inventory = read_as("backup", &bytes, &few).unwrap();
        assert_eq!(stems(&inventory), [ONE]);
        assert!(problems(&inventory)[0].contains("--max-entries"), "{:?}", inventory.problems);
    }
}

#[test]
fn a_stream_cut_short_anywhere_loses_nothing_that_was_there() {
    let sound = with(&pair(), tar);
    let packed = gzip(&sound);
    for length in (1..packed.len()).rev().step_by(331) {
        let cut = &packed[..length];
        let inventory = match read_as("backup.tgz", cut, &SourceOptions::default()) {
            Ok(inventory) => inventory,
            Err(error) => {
                assert!(length < 1500, "{length}: {error}");
                continue;
            }
        };
        let text = problems(&inventory)[0];
        assert!(text.contains("as far as its entry"), "{length}: {text}");
        let whole = inventory.messages.iter().filter(|message| message.findings.is_empty()).count();
        assert!(whole > 0 || inventory.messages.iter().any(|message| !message.findings.is_empty()), "{length}");
        if inventory.messages[0].audio.is_some() {
            let is_cut = codes(&inventory.messages[0]) == [Code::EntryUnreadable];
            assert_eq!(audio_bytes(&inventory.messages[0]).is_err(), is_cut, "{length}");
        }
    }
    // Without packing, each length tells by itself what is missing.
    for length in (513..sound.len()).rev().step_by(97) {
        let Ok(inventory) = read_as("backup.tar", &sound[..length], &SourceOptions::default()) else { continue };
        let findings = inventory.messages.iter().map(|message| message.findings.len()).sum::<usize>();
        let is_only_padding = length >= sound.len() - 1024;
        assert!(is_only_padding || findings + inventory.problems.len() > 0, "{length}: {inventory:?}");
    }
}

#[test]
fn a_damaged_header_costs_one_entry() {
    let mut bytes = with(&pair(), tar);
    bytes[3] ^= 1;
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let inventory = read(&bytes);
        assert_eq!(stems(&inventory), [ONE, TWO]);
        assert_eq!(inventory.messages[0].state(), State::NoHeader);
        assert!(problems(&inventory)[0].contains("no header can be read at byte 0"), "{:?}", inventory.problems);
    }
    let mut bytes = with(&pair(), tar);
    bytes[1024 + 3] ^= 1;
    let inventory = read(&bytes);
    assert_eq!(stems(&inventory), [ONE, TWO]);
    assert_eq!(inventory.messages[0].state(), State::NoAudio);
}

/// A header block with other fields than usual.
pub(super) fn header(name: &str, change: impl Fn(&mut tar::GnuHeader)) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    change(header.as_gnu_mut().unwrap());
    header.set_cksum();
    header.as_bytes().to_vec()
}

#[test]
fn absurd_sizes_do_not_hide_what_follows() {
    let absurd = |size: u64| {
        header(&format!("{ONE}.wav"), |header| {
            header.size = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header.size[4..].copy_from_slice(&size.to_be_bytes());
        })
    };
    for size in [1 << 40, u64::MAX] {
        let bytes = [absurd(size), tar(&[(&format!("{TWO}.txt"), MISSED)])].concat();
        for bytes in [bytes.clone(), gzip(&bytes)] {
            let inventory = read(&bytes);
            assert_eq!(stems(&inventory), [ONE, TWO]);
            assert_eq!(codes(&inventory.messages[0]), [Code::EntryUnreadable]);
            assert!(audio_bytes(&inventory.messages[0]).is_err());
            assert!(inventory.messages[1].findings.is_empty());
        }
    }
    // A name of a gigabyte.
    let long = header("././@LongLink", |header| {
        header.typeflag = *b"L";
        header.size = *b"10000000000\0";
    });
    let inventory = read(&[long, tar(&[(&format!("{TWO}.txt"), MISSED)])].concat());
    assert_eq!(stems(&inventory), [TWO]);
    assert!(problems(&inventory)[0].contains("for a name"));
}

#[test]
fn links_and_devices_are_told_of_and_not_followed() {
    let link = |flag: u8| {
        header(&format!("{ONE}.wav"), |header| {
            header.typeflag = [flag];
            header.linkname[..11].copy_from_slice(b"/etc/shadow");
        })
    };
    for flag in [b'1', b'2', b'3', b'6'] {
        let inventory = read(&[link(flag), tar(&[(&format!("{ONE}.txt"), VOICE)])].concat());
        assert_eq!(inventory.messages[0].state(), State::NoAudio);
        assert!(inventory.problems[0].label.ends_with(&format!("{ONE}.wav")));
        assert_eq!(problems(&inventory)[0].contains("/etc/shadow"), flag <= b'2');
    }
    let sparse = header(&format!("{ONE}.wav"), |header| header.typeflag = *b"S");
    let inventory = read(&[sparse, tar(&[(&format!("{ONE}.txt"), VOICE)])].concat());
    assert_eq!(codes(&inventory.messages[0]), [Code::EntryUnreadable]);
}

#[test]
fn names_are_labels_whatever_they_are() {
    let names = [
        format!("/etc/{ONE}.txt"),
        format!("../../{ONE}.wav"),
        format!("C:\\voicemail\\{TWO}.txt"),
        "a\u{1b}[2J.wav".into(),
    ];
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), VOICE)).collect();
    for bytes in [tar(&entries), gzip(&tar(&entries)), seven(&entries, None)] {
        let inventory = read(&bytes);
        assert_eq!(inventory.messages.len(), 4);
        assert!(inventory.messages.iter().all(|message| !message.label.contains(char::is_control)));
    }
}

#[test]
fn long_names_and_two_of_one_name_are_kept() {
    let deep = format!("{}{ONE}.txt", "voicemail/".repeat(30));
    let bytes = tar(&[(&deep, VOICE), (&format!("{TWO}.txt"), MISSED), (&format!("{TWO}.txt"), VOICE)]);
    for bytes in [bytes.clone(), gzip(&bytes)] {
        let inventory = read(&bytes);
        assert_eq!(inventory.messages.len(), 3);
        let label = &inventory.messages.iter().find(|message| message.stem == ONE).unwrap().label;
        assert!(label.ends_with(&deep));
        let doubles = inventory.messages.iter().filter(|message| codes(message) == [Code::EntryDuplicate]).count();
        assert_eq!(doubles, 2);
    }
}

#[test]
fn joined_tars_and_old_tars_are_read() {
    let one = tar(&[(&format!("{ONE}.txt"), VOICE)]);
    let two = tar(&[(&format!("{TWO}.txt"), MISSED)]);
    let joined = read(&[one.clone(), vec![0; 9000 / 512 * 512], two].concat());
    assert_eq!(stems(&joined), [ONE, TWO]);
    assert!(joined.problems.is_empty());
    let mut old = one.clone();
    old[257..265].fill(0);
    old[148..156].fill(b' ');
    let sum: u32 = old[..512].iter().map(|byte| u32::from(*byte)).sum();
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(stems(&read(&old)), [ONE]);
    let without_end = read(&one[..one.len() - 1024]);
    assert_eq!(stems(&without_end), [ONE]);
    assert!(problems(&without_end)[0].contains("end mark"));
}

#[test]
fn one_flipped_bit_in_7z_never_passes_for_sound() {
    let sound = seven(&[(&format!("{ONE}.txt"), VOICE), (&format!("{TWO}.txt"), MISSED)], None);
    for bit in (0..sound.len() * 8).step_by(3) {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(inventory) = read_as("backup.7z", &bytes, &SourceOptions::default()) else { continue };
        for message in inventory.messages.iter().filter(|message| message.findings.is_empty()) {
            let header = message.header.as_ref().unwrap().header.bytes();
            assert!(header == VOICE || header == MISSED, "bit {bit}");
        }
    }
}

#[test]
fn a_7z_stream_that_ends_early_passes_for_nothing() {
    let mut bytes = with(&pair(), |entries| seven(entries, None));
    // The first byte of packed data tells LZMA2 what follows: nothing.
    bytes[32] = 0;
    let inventory = read(&bytes);
    assert_eq!(codes(&inventory.messages[0]), [Code::HeaderUnreadable, Code::EntryUnreadable]);
    assert_eq!(codes(&inventory.messages[1]), [Code::HeaderUnreadable]);
}

#[test]
fn random_damage_to_streams_ends_and_does_not_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let tar = with(&pair(), tar);
    let sound =
        [gzip(&tar), xz(&tar), zstd(&tar), bzip2(&tar), tar.clone(), with(&pair(), |entries| seven(entries, None))];
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("backup.zip");
    for round in 0..600 {
        let mut bytes = sound[round % sound.len()].clone();
        for _ in 0..random.usize(1..6) {
            let near = if random.bool() { 600.min(bytes.len()) } else { bytes.len() };
            let at = random.usize(0..near);
            bytes[at] = random.u8(..);
        }
        write(&path, &bytes);
        look(&path);
    }
}

fn look(path: &Path) {
    let Ok(inventory) = source::read(&[path.to_path_buf()], &|_| {}) else { return };
    for message in &inventory.messages {
        let digest = message.audio.as_ref().and_then(|audio| audio.file.sha256().ok());
        let known = message.audio.as_ref().and_then(|audio| audio.sha256);
        assert!(digest.is_none() || known.is_none() || digest == known, "{}", message.label);
    }
}
