//! Any bytes may be called `.wav`: their facts stay inside the file, and nothing panics or reads for ever.

#![no_main]

use libfuzzer_sys::fuzz_target;
use umreplay::message::{AudioFacts, audio};

fuzz_target!(|input: (u32, &[u8])| {
    let (claimed, bytes) = input;
    let length = bytes.len() as u64;
    // An archive's word on a file's size need not be true: a second reading is told another size.
    for size in [length, u64::from(claimed)] {
        let mut reader = bytes;
        let Ok(facts) = AudioFacts::read(&mut reader, size) else {
            continue;
        };
        assert!(facts.seconds.is_finite() && facts.seconds >= 0.0);
        assert!(facts.data_offset.saturating_add(facts.data_bytes) <= size, "samples lie inside the file");
        let mut reader = bytes;
        if let Some(peaks) = audio::peaks(&mut reader, &facts, 40) {
            assert!(peaks.len() == 40 && peaks.iter().all(|peak| (0.0..=1.0).contains(peak)));
        }
    }
});
