//! Encrypted archives: read with the right password, and named with the wrong one or none.

use std::io::Cursor;

use umreplay::message::{Code, Sha256Digest, State};
use umreplay::source::{ArchiveError, ArchivePassword, Inventory, SourceError, SourceOptions};
use zip::{AesMode, CompressionMethod, ZipWriter};

use super::streams::{gzip, read_as, seven, tar};
use super::{MISSED, ONE, TWO, VOICE, add, audio_bytes, codes, options, patch, records, stems, wav};
use crate::environment::TestEnv;

fn with_password(password: &str) -> SourceOptions {
    SourceOptions { password: Some(ArchivePassword::new(password)), ..SourceOptions::default() }
}

/// A zip whose first message is encrypted and whose second is not.
fn aes_zip(mode: AesMode, method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = options().compression_method(method);
    let secret = options.with_aes_encryption(mode, "sesam é");
    add(&mut zip, &format!("{ONE}.txt"), VOICE, secret);
    add(&mut zip, &format!("{ONE}.wav"), &wav(1), secret);
    add(&mut zip, &format!("{TWO}.txt"), MISSED, options);
    zip.finish().unwrap().into_inner()
}

/// ZipCrypto as Info-ZIP does it.
struct ZipCrypto([u32; 3]);

impl ZipCrypto {
    fn new(password: &[u8]) -> Self {
        let mut state = Self([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.iter().for_each(|byte| state.update(*byte));
        state
    }

    fn step(crc: u32, byte: u8) -> u32 {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1)))
    }

    fn update(&mut self, byte: u8) {
        self.0[0] = Self::step(self.0[0], byte);
        self.0[1] = (self.0[1].wrapping_add(self.0[0] & 0xFF)).wrapping_mul(134_775_813).wrapping_add(1);
        self.0[2] = Self::step(self.0[2], (self.0[1] >> 24) as u8);
    }

    fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let one = |byte: &u8| {
            let temp = (self.0[2] | 2) & 0xFFFF;
            let mask = (temp.wrapping_mul(temp ^ 1) >> 8) as u8;
            self.update(*byte);
            byte ^ mask
        };
        plain.iter().map(one).collect()
    }
}

/// A stored zip of one entry, encrypted with ZipCrypto.
pub(super) fn zipcrypto_zip(name: &str, content: &[u8], password: &[u8]) -> Vec<u8> {
    let room = [&[0; 12][..], content].concat();
    let mut bytes = super::archive_with(&[(name, &room)], options().compression_method(CompressionMethod::Stored));
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let crc = crc.sum().to_le_bytes();
    let mut plain = [&[7; 11][..], &crc[3..], content].concat();
    plain = ZipCrypto::new(password).encrypt(&plain);
    let data = 30 + name.len();
    bytes[data..data + plain.len()].copy_from_slice(&plain);
    let record = records(&bytes)[0];
    for (at, flags) in [(0, 6), (record, 8)] {
        bytes[at + flags] |= 1;
        let crc_at = at + flags + 8;
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc);
        bytes[crc_at + 8..crc_at + 12].copy_from_slice(&(content.len() as u32).to_le_bytes());
    }
    bytes
}

fn read(bytes: &[u8], options: &SourceOptions) -> Inventory {
    read_as("backup", bytes, options).unwrap()
}

fn is_decrypted(inventory: &Inventory) {
    assert_eq!(stems(inventory), [ONE, TWO]);
    assert!(inventory.messages.iter().all(|message| message.findings.is_empty()), "{inventory:?}");
    assert_eq!(inventory.messages[0].audio.as_ref().unwrap().sha256, Some(Sha256Digest::of(&wav(1))));
    assert_eq!(audio_bytes(&inventory.messages[0]).unwrap(), wav(1));
}

#[test]
fn aes_in_zip_is_read_with_the_password() {
    for mode in [AesMode::Aes128, AesMode::Aes192, AesMode::Aes256] {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let bytes = aes_zip(mode, method);
            is_decrypted(&read(&bytes, &with_password("sesam é")));
            for wrong in ["sesam", "Sesam é"] {
                let inventory = read(&bytes, &with_password(wrong));
                assert_eq!(codes(&inventory.messages[0]), [Code::EntryEncrypted, Code::EntryEncrypted]);
                assert_eq!(inventory.messages[0].state(), State::Unreadable);
                let text = &inventory.messages[0].findings[0].message;
                assert!(text.contains(ONE) && text.contains("password is wrong") && !text.contains(wrong), "{text}");
                assert!(inventory.messages[1].findings.is_empty());
            }
            let inventory = read(&bytes, &SourceOptions::default());
            assert!(inventory.messages[0].findings[0].message.contains("--archive-password-file"));
        }
    }
}

#[test]
fn damage_to_what_is_encrypted_is_found() {
    let mut bytes = aes_zip(AesMode::Aes256, CompressionMethod::Stored);
    let place = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x03\x04").nth(1).unwrap().0;
    bytes[place + 9_000] ^= 1;
    let inventory = read(&bytes, &with_password("sesam é"));
    assert_eq!(codes(&inventory.messages[0]), [Code::EntryUnreadable]);
    assert!(inventory.messages[0].findings[0].message.contains("damaged"));
    assert!(audio_bytes(&inventory.messages[0]).is_err());
}

#[test]
fn zipcrypto_is_read_with_the_password() {
    let bytes = zipcrypto_zip(&format!("{ONE}.txt"), VOICE, b"sesam");
    let inventory = read(&bytes, &with_password("sesam"));
    assert_eq!(inventory.messages[0].header.as_ref().unwrap().header.bytes(), VOICE);
    let mut refused = 0;
    for number in 0..300 {
        let inventory = read(&bytes, &with_password(&format!("wrong {number}")));
        // One byte tells the password: now and then a wrong one passes it, and never the checksum.
        assert!(!inventory.messages[0].findings.is_empty() && inventory.messages[0].header.is_none());
        refused += usize::from(codes(&inventory.messages[0]) == [Code::EntryEncrypted]);
    }
    assert!((280..300).contains(&refused), "{refused}");
    let mut damaged = bytes;
    patch(&mut damaged, b"PK\x01\x02", b"PK\x01\x02", 1);
    damaged[30 + 40 + 20] ^= 1;
    assert_eq!(codes(&read(&damaged, &with_password("sesam")).messages[0]), [Code::HeaderUnreadable]);
}

#[test]
fn encrypted_7z_is_read_with_the_password() {
    let (one, two, audio) = (format!("{ONE}.txt"), format!("{TWO}.txt"), format!("{ONE}.wav"));
    let sound = wav(1);
    let entries = [(one.as_str(), VOICE), (audio.as_str(), sound.as_slice()), (two.as_str(), MISSED)];
    for has_names in [true, false] {
        let bytes = seven(&entries, Some(("sesam é", !has_names)));
        is_decrypted(&read(&bytes, &with_password("sesam é")));
        is_decrypted(&read(&gzip(&tar(&[("inner", &bytes)])), &with_password("sesam é")));
        if has_names {
            for options in [with_password("wrong"), SourceOptions::default()] {
                let inventory = read(&bytes, &options);
                assert_eq!(stems(&inventory), [ONE, TWO]);
                for message in &inventory.messages {
                    assert!(codes(message).iter().all(|code| *code == Code::EntryEncrypted), "{message:?}");
                    assert!(!message.findings.is_empty());
                }
            }
        } else {
            let SourceError::Archive { source, .. } = read_as("backup", &bytes, &SourceOptions::default()).unwrap_err()
            else {
                panic!()
            };
            assert!(matches!(source, ArchiveError::Encrypted), "{source:?}");
            let error = read_as("backup", &bytes, &with_password("wrong")).unwrap_err();
            assert!(error.hint().contains("--archive-password-file"), "{error:?}");
        }
    }
}

#[test]
fn no_wrong_password_yields_a_part_of_a_message() {
    let (one, audio, sound) = (format!("{ONE}.txt"), format!("{ONE}.wav"), wav(1));
    for number in 0..40 {
        let bytes = seven(&[(audio.as_str(), &sound), (one.as_str(), VOICE)], Some(("sesam", false)));
        let inventory = read(&bytes, &with_password(&format!("wrong {number}")));
        assert_eq!(codes(&inventory.messages[0]), [Code::EntryEncrypted, Code::EntryEncrypted], "{inventory:?}");
    }
}

#[test]
fn the_password_comes_from_a_file_and_is_never_shown() {
    let env = TestEnv::new();
    env.write("backup.zip", aes_zip(AesMode::Aes256, CompressionMethod::Deflated));
    env.write("right", "\u{feff}sesam é\r\nsecond line\n");
    env.write("wrong", "hush-hush\n");
    env.write("empty", "\n");
    let ran = env.run("scan backup.zip --archive-password-file right --format jsonl").ended(0);
    assert_eq!(ran.rows("message").iter().filter(|row| row["state"] == "complete").count(), 2, "{}", ran.stdout);
    let ran = env.run("-v scan backup.zip --archive-password-file wrong --format jsonl").ended(0);
    assert!(ran.stdout.contains("password is wrong"), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hush"));
    let ran = env.run("scan backup.zip --archive-password-file empty").ended(1);
    assert!(ran.stderr.contains("no password is there"), "{}", ran.stderr);
    let ran = env.run("check backup.zip --archive-password-file missing").ended(1);
    assert!(ran.stderr.contains("missing"), "{}", ran.stderr);
    env.run("show 46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11 backup.zip --archive-password-file right").ended(0);
}

#[test]
fn limits_are_raised_by_options() {
    let env = TestEnv::new();
    let inner = super::backup();
    env.write("backup.tgz", gzip(&tar(&[("inner.zip", &inner), (&format!("{TWO}.txt"), MISSED)])));
    let messages = |line: &str| env.run(line).ended(0).rows("message").len();
    assert_eq!(messages("scan backup.tgz --format jsonl"), 2, "one message lies in both");
    assert_eq!(messages("scan backup.tgz --format jsonl --max-depth 1"), 1);
    assert_eq!(messages("scan backup.tgz --format jsonl --max-entries 2"), 1);
    let ran = env.run("scan backup.tgz --format jsonl --max-unpacked 10K").ended(1);
    assert!(ran.stderr.contains("--max-unpacked"), "{}", ran.stderr);
    env.run("scan backup.tgz --max-unpacked lots").ended(2);
    env.run("scan backup.tgz --max-depth 0").ended(2);
}
