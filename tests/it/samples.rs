//! Every sample is read as its `expected.json` says: as it lies there, with other line ends, and in every encoding.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use umreplay::check::{self, CheckOptions};
use umreplay::message::Message;
use umreplay::source;

use crate::environment::{TestEnv, contents};

/// Findings that tell how a file is encoded.
const ENCODING: [&str; 3] = ["UM003", "UM004", "UM005"];

fn queues() -> Vec<PathBuf> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut queues = Vec::new();
    for group in ["good", "broken"] {
        queues.extend(fs::read_dir(samples.join(group)).unwrap().map(|entry| entry.unwrap().path()));
    }
    queues.push(samples.join("demo").join("live"));
    queues.sort();
    assert!(queues.len() > 40, "only {} samples were found", queues.len());
    queues
}

fn read(folder: &Path) -> Vec<Message> {
    let mut messages = source::read(&[folder.to_path_buf()], &|_| {}).unwrap().messages;
    for message in &mut messages {
        message.findings = check::at_rest(message, &CheckOptions::default());
    }
    messages
}

fn codes(message: &Message) -> BTreeSet<String> {
    message.findings.iter().map(|finding| finding.code.to_string()).collect()
}

fn expected(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

#[test]
fn every_sample_is_read_as_expected() {
    for folder in queues() {
        let expected = expected(&folder);
        let messages = read(&folder);
        assert_eq!(messages.len(), expected.as_object().unwrap().len(), "{}", folder.display());
        for message in messages {
            let expected = &expected[&message.stem];
            let place = format!("{} {}", folder.display(), message.stem);
            assert_eq!(message.state().name(), expected["state"], "{place}");
            let header = message.header.as_ref().map(|part| &part.header);
            let kind = header.and_then(|header| header.message_type()).map(|kind| kind.name());
            assert_eq!(kind, expected["type"].as_str(), "{place}");
            let expected_codes: BTreeSet<String> =
                expected["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
            assert_eq!(codes(&message), expected_codes, "{place}");
            let facts = message.audio.as_ref().and_then(|audio| audio.facts.as_ref());
            assert_eq!(facts.map(|facts| facts.seconds), expected["seconds"].as_f64(), "{place}");
        }
    }
}

/// Writes a header's text in other line ends and encodings.
fn rewritings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |order: fn(u16) -> [u8; 2]| format!("\u{feff}{text}").encode_utf16().flat_map(order).collect();
    vec![
        ("LF", text.replace("\r\n", "\n").into_bytes()),
        ("CRLF", text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes()),
        ("UTF-8 with BOM", format!("\u{feff}{text}").into_bytes()),
        ("UTF-16LE", utf16(u16::to_le_bytes)),
        ("UTF-16BE", utf16(u16::to_be_bytes)),
    ]
}

#[test]
fn line_ends_and_encodings_change_nothing_but_their_own_finding() {
    let mut seen = 0;
    for folder in queues() {
        let originals = read(&folder);
        let files = contents(&folder);
        for original in &originals {
            let Some(part) = &original.header else { continue };
            let utf8 = part.header.to_utf8();
            let text = String::from_utf8_lossy(utf8.bytes()).into_owned();
            if text.contains('\u{fffd}') || text.contains('\0') || text.replace("\r\n", "").contains('\r') {
                continue;
            }
            for (name, bytes) in rewritings(&text) {
                let env = TestEnv::new();
                env.write(&format!("queue/{}.txt", original.stem), bytes);
                for (name, bytes) in &files {
                    let is_its = name.to_lowercase().starts_with(&original.stem.to_lowercase());
                    if is_its && !name.to_lowercase().ends_with(".txt") {
                        env.write(&format!("queue/{name}"), bytes);
                    }
                }
                let messages = read(&env.path("queue"));
                let [message] = messages.as_slice() else { panic!("{} messages", messages.len()) };
                let place = format!("{} {} in {name}", folder.display(), original.stem);
                assert_eq!(message.state(), original.state(), "{place}");
                let others = |message: &Message| -> BTreeSet<String> {
                    codes(message).into_iter().filter(|code| !ENCODING.contains(&code.as_str())).collect()
                };
                assert_eq!(others(message), others(original), "{place}");
                let header = &message.header.as_ref().unwrap().header;
                let fields = |header: &umreplay::message::Header| -> Vec<(String, String)> {
                    header.fields().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
                };
                assert_eq!(fields(header), fields(&utf8), "{place}");
                seen += 1;
            }
        }
    }
    assert!(seen > 200, "only {seen} were tried");
}
