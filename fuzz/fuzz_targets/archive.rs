//! Any bytes as an archive: nothing panics, nothing grows without bound, and what is delivered is what was read.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use umreplay::source::{self, ArchivePassword, SourceOptions};

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let options = SourceOptions {
        max_unpacked: Some(4 << 20),
        max_entries: 1_000,
        password: Some(ArchivePassword::new("voicemail")),
        ..SourceOptions::default()
    };
    let Ok(inventory) = source::read_with(&[file.path().to_path_buf()], &options, &|_| {}) else { return };
    for audio in inventory.messages.iter().filter_map(|message| message.audio.as_ref()) {
        if let (Ok(delivered), Some(known)) = (audio.file.sha256(), audio.sha256) {
            assert_eq!(delivered, known, "{}", audio.file.label);
        }
    }
});
