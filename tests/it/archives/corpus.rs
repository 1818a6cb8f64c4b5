//! `samples/archives`: small archives with one damage each, and beside each what is read of it all the same.
//!
//! Run `the_corpus_is_complete` with `UMREPLAY_BLESS=1` to make them anew. What is expected stands here by hand.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use umreplay::message::Message;
use umreplay::source::{self, ArchivePassword, SourceOptions};
use zip::CompressionMethod;

use super::passwords::zipcrypto_zip;
use super::streams::{gzip, header, seven, tar, xz, zstd};
use super::{MISSED, ONE, TWO, VOICE, archive, archive_with, options, records, write};

/// The password of the samples that have one.
const PASSWORD: &str = "voicemail";

struct Sample {
    name: &'static str,
    bytes: Vec<u8>,
    expected: Value,
}

/// A tenth of a second of PCM.
fn wav() -> Vec<u8> {
    let samples: Vec<u8> = (0..1_600_u32).map(|at| (at * at / 7) as u8).collect();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + samples.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    bytes.extend((samples.len() as u32).to_le_bytes());
    bytes.extend(samples);
    bytes
}

fn names() -> [String; 3] {
    [format!("voicemail/{ONE}.txt"), format!("voicemail/{ONE}.wav"), format!("voicemail/{TWO}.txt")]
}

fn pair<T>(make: impl Fn(&[(&str, &[u8])]) -> T) -> T {
    let ([one, audio, two], wav) = (names(), wav());
    make(&[(&one, VOICE), (&audio, &wav), (&two, MISSED)])
}

fn tars(entries: &[(&str, &[u8])]) -> Vec<u8> {
    tar(entries)
}

/// What is expected: for each message its stem, state and codes; words of each problem; or words of the error.
fn expect(messages: &[(&str, &str, &[&str])], problems: &[&str]) -> Value {
    let messages: Vec<Value> =
        messages.iter().map(|(stem, state, codes)| json!({ "stem": stem, "state": state, "codes": codes })).collect();
    json!({ "messages": messages, "problems": problems })
}

const BOTH: [(&str, &str, &[&str]); 2] = [(ONE, "complete", &[]), (TWO, "complete", &[])];

fn sound() -> Value {
    expect(&BOTH, &[])
}

fn samples() -> Vec<Sample> {
    let sample = |name, bytes, expected| Sample { name, bytes, expected };
    let mut all = vec![
        sample("sound.zip", pair(archive), sound()),
        sample("sound.tar", pair(tars), sound()),
        sample("sound.tar.gz", gzip(&pair(tars)), sound()),
        sample("sound.tar.xz", xz(&pair(tars)), sound()),
        sample("sound.tar.zst", zstd(&pair(tars)), sound()),
        sample("sound.7z", pair(|entries| seven(entries, None)), sound()),
        sample("misnamed.txt", gzip(&pair(tars)), sound()),
        sample("nested.zip", archive(&[("monday/backup.tar.gz", &gzip(&pair(tars)))]), sound()),
        sample("encrypted.7z", pair(|entries| seven(entries, Some((PASSWORD, false)))), sound()),
        sample("encrypted-names.7z", pair(|entries| seven(entries, Some((PASSWORD, true)))), sound()),
        sample(
            "encrypted.zip",
            zipcrypto_zip(&names()[0], VOICE, PASSWORD.as_bytes()),
            expect(&[(ONE, "no_audio", &[])], &[]),
        ),
        sample(
            "other-password.zip",
            zipcrypto_zip(&names()[0], VOICE, b"another"),
            expect(&[(ONE, "unreadable", &["UM071"])], &[]),
        ),
        sample(
            "other-password.7z",
            pair(|entries| seven(entries, Some(("another", false)))),
            expect(&[(ONE, "unreadable", &["UM071"]), (TWO, "unreadable", &["UM071"])], &[]),
        ),
    ];
    all.extend(cut());
    all.extend(damaged());
    all.extend(hostile());
    all
}

/// Archives whose end is missing.
fn cut() -> Vec<Sample> {
    let plain = pair(tars);
    let packed = gzip(&plain);
    let error = |word: &str| json!({ "error": word });
    let one_cut: &[(&str, &str, &[&str])] = &[(ONE, "complete", &["UM070"])];
    vec![
        Sample { name: "cut.zip", bytes: pair(archive)[..900].to_vec(), expected: error("cut short") },
        Sample {
            name: "cut-in-audio.tar",
            bytes: plain[..2_000].to_vec(),
            expected: expect(one_cut, &["as far as its entry 2"]),
        },
        Sample {
            name: "cut-in-header.tar",
            bytes: plain[..1_024 + 200].to_vec(),
            expected: expect(&[(ONE, "no_audio", &[])], &["as far as its entry 1"]),
        },
        Sample {
            name: "cut-without-end.tar",
            bytes: plain[..plain.len() - 1_024].to_vec(),
            expected: expect(&BOTH, &["end mark"]),
        },
        Sample {
            name: "cut-in-audio.tar.gz",
            bytes: packed[..packed.len() / 2].to_vec(),
            expected: expect(one_cut, &["as far as its entry 2"]),
        },
        Sample { name: "cut-at-once.tar.gz", bytes: packed[..30].to_vec(), expected: error("cut-at-once.tar.gz") },
        Sample {
            name: "cut.7z",
            bytes: pair(|entries| seven(entries, None))[..700].to_vec(),
            expected: error("cut short"),
        },
    ]
}

/// Archives with some bytes that are others.
fn damaged() -> Vec<Sample> {
    let mut zip_index = pair(archive);
    let record = records(&zip_index)[1];
    zip_index[record] = b'X';
    let mut zip_data = pair(|entries| archive_with(entries, options().compression_method(CompressionMethod::Stored)));
    let samples = zip_data.windows(4).position(|window| window == b"data").unwrap();
    zip_data[samples + 500] ^= 1;
    let mut tar_header = pair(tars);
    tar_header[1_024 + 3] ^= 1;
    let mut gzip_checksum = gzip(&pair(tars));
    let end = gzip_checksum.len();
    gzip_checksum[end - 8] ^= 1;
    let mut seven_data = pair(|entries| seven(entries, None));
    seven_data[32 + 400] ^= 0x55;
    let mut seven_index = pair(|entries| seven(entries, None));
    let end = seven_index.len();
    seven_index[end - 3] ^= 1;
    let huge_size = header(&names()[1], |header| header.size = *b"77777777777\0");
    let [one, _, two] = names();
    vec![
        Sample {
            name: "index-damaged.zip",
            bytes: zip_index,
            expected: expect(&[(ONE, "no_audio", &[]), BOTH[1]], &["index is damaged", "index tells of 3 entries"]),
        },
        Sample {
            name: "checksum.zip",
            bytes: zip_data,
            expected: expect(&[(ONE, "complete", &["UM070"]), BOTH[1]], &[]),
        },
        Sample {
            name: "header-damaged.tar",
            bytes: tar_header,
            expected: expect(&[(ONE, "no_audio", &[]), BOTH[1]], &["no header can be read at byte 1024"]),
        },
        Sample { name: "checksum.tar.gz", bytes: gzip_checksum, expected: expect(&BOTH, &["as far as its entry 3"]) },
        Sample {
            name: "data-damaged.7z",
            bytes: seven_data,
            expected: expect(&[(ONE, "complete", &["UM070"]), (TWO, "unreadable", &["UM002"])], &[]),
        },
        Sample { name: "index-damaged.7z", bytes: seven_index, expected: json!({ "error": "index-damaged.7z" }) },
        Sample {
            name: "absurd-size.tar",
            bytes: [tar(&[(&one, VOICE)])[..1_024].to_vec(), huge_size, tar(&[(&two, MISSED)])].concat(),
            expected: expect(&[(ONE, "complete", &["UM070"]), BOTH[1]], &[]),
        },
        Sample { name: "garbage.zip", bytes: VOICE.to_vec(), expected: json!({ "error": "none of the marks" }) },
        Sample { name: "empty.zip", bytes: Vec::new(), expected: json!({ "error": "empty" }) },
    ]
}

/// Archives made to harm.
fn hostile() -> Vec<Sample> {
    let [one, _, two] = names();
    let up = format!("../../../../{ONE}.txt");
    let root = format!("/etc/cron.d/{TWO}.txt");
    let paths: &[(&str, &[u8])] = &[(&up, MISSED), (&root, MISSED)];
    let found = expect(&[BOTH[1], BOTH[0]], &[]);
    let link = |flag: u8| {
        header(&names()[1], |header| {
            header.typeflag = [flag];
            header.linkname[..11].copy_from_slice(b"/etc/shadow");
        })
    };
    let with_link = |flag| [tar(&[(&one, VOICE)])[..1_024].to_vec(), link(flag), tar(&[(&two, MISSED)])].concat();
    let no_audio = |word: &str| expect(&[(ONE, "no_audio", &[]), BOTH[1]], &[word]);
    let zeros = vec![0; 12 << 20];
    let bomb = gzip_best(&tar(&[(&one, MISSED), ("zeros", &zeros), (&two, MISSED)]));
    let mut deep = tar(&[(&two, MISSED)]);
    for _ in 0..5 {
        deep = archive(&[("deeper.zip", &deep)]);
    }
    let mut quine = pair(tars);
    for _ in 0..20 {
        quine = gzip(&quine);
    }
    vec![
        Sample { name: "paths.zip", bytes: archive(paths), expected: found.clone() },
        Sample { name: "paths.tar", bytes: tar(paths), expected: found.clone() },
        Sample { name: "paths.7z", bytes: seven(paths, None), expected: found },
        Sample { name: "symlink.tar", bytes: with_link(b'2'), expected: no_audio("link to /etc/shadow") },
        Sample { name: "hardlink.tar", bytes: with_link(b'1'), expected: no_audio("link to /etc/shadow") },
        Sample { name: "device.tar", bytes: with_link(b'3'), expected: no_audio("device") },
        Sample {
            name: "duplicate.tar",
            bytes: tar(&[(&two, MISSED), (&two, VOICE)]),
            expected: expect(&[(TWO, "complete", &["UM072"]), (TWO, "no_audio", &["UM072"])], &[]),
        },
        Sample { name: "bomb.tar.gz", bytes: bomb, expected: expect(&[BOTH[0]], &["--max-unpacked"]) },
        Sample { name: "deep.zip", bytes: deep, expected: expect(&[], &["--max-depth"]) },
        Sample { name: "packed-again-and-again.gz", bytes: quine, expected: json!({ "error": "again-and-again" }) },
    ]
}

fn gzip_best(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::best()).read_to_end(&mut packed).unwrap();
    packed
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join("archives")
}

fn beside(name: &str) -> PathBuf {
    folder().join(format!("{name}.expected.json"))
}

#[test]
fn the_corpus_is_complete() {
    let samples = samples();
    if std::env::var_os("UMREPLAY_BLESS").is_some() {
        let _ = fs::remove_dir_all(folder());
        for sample in &samples {
            write(&folder().join(sample.name), &sample.bytes);
            let text = serde_json::to_string_pretty(&sample.expected).unwrap() + "\n";
            write(&beside(sample.name), text.as_bytes());
        }
    }
    let readme = fs::read_to_string(folder().parent().unwrap().join("README.md")).unwrap();
    let mut wanted = BTreeSet::new();
    for sample in &samples {
        wanted.extend([sample.name.to_owned(), format!("{}.expected.json", sample.name)]);
        let there = fs::read_to_string(beside(sample.name)).unwrap_or_else(|_| panic!("{}", sample.name));
        assert_eq!(serde_json::from_str::<Value>(&there).unwrap(), sample.expected, "run with UMREPLAY_BLESS=1");
        assert!(readme.contains(&format!("| `archives/{}` |", sample.name)), "{} has no line", sample.name);
    }
    let there = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn every_damaged_archive_is_read_as_expected() {
    // Enough for every sample but the bomb.
    let options = SourceOptions {
        max_unpacked: Some(8 << 20),
        password: Some(ArchivePassword::new(PASSWORD)),
        ..SourceOptions::default()
    };
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".json") {
            continue;
        }
        seen += 1;
        let expected: Value = serde_json::from_slice(&fs::read(beside(&name)).unwrap()).unwrap();
        let inventory = match source::read_with(&[entry], &options, &|_| {}) {
            Ok(inventory) => inventory,
            Err(error) => {
                let text = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
                assert!(text.contains(expected["error"].as_str().unwrap_or("no error")), "{name}: {text}");
                continue;
            }
        };
        let messages: Vec<Value> = inventory.messages.iter().map(row).collect();
        assert_eq!(Value::from(messages), expected["messages"], "{name} {inventory:?}");
        let problems: Vec<&str> = inventory.problems.iter().map(|problem| problem.finding.message.as_str()).collect();
        let words = expected["problems"].as_array().unwrap();
        assert_eq!(problems.len(), words.len(), "{name}: {problems:?}");
        for (problem, word) in problems.iter().zip(words) {
            assert!(problem.contains(word.as_str().unwrap()), "{name}: {problem}");
        }
        for message in &inventory.messages {
            delivers_what_was_read(&name, message);
        }
    }
    assert!(seen > 35, "only {seen} were found");
}

fn row(message: &Message) -> Value {
    let codes: BTreeSet<String> = message.findings.iter().map(|finding| finding.code.to_string()).collect();
    json!({ "stem": message.stem, "state": message.state().name(), "codes": codes })
}

/// A recording that passed for sound comes out whole, and no other does.
fn delivers_what_was_read(name: &str, message: &Message) {
    let Some(audio) = &message.audio else { return };
    match (audio.file.sha256(), audio.sha256) {
        (Ok(delivered), known) => assert_eq!(Some(delivered), known, "{name} {}", message.label),
        (Err(_), known) => assert_eq!(known, None, "{name} {}", message.label),
    }
}
