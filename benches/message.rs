//! What a scan does for every message: read a header, change a field, read a WAV's facts.

use divan::{Bencher, black_box, counter::BytesCount};
use umreplay::message::{AudioFacts, Header};

const HEADER: &str = "MessageType : SMTPVoiceMail\r\n\
    ProcessedCount : 3\r\n\
    MessageID : 7f0c1d0e-5a3b-4c55-9a0e-2f5a8c1b7d10\r\n\
    SentTime : 12/23/2016 08:00:00\r\n\
    CallerId : +31612345678\r\n\
    RecipientName : Zo\u{eb} de Vries\r\n\
    RecipientObjectGuid : 0d5f2c1a-93a4-4b43-8f64-7e0a4dd0c9b2\r\n\
    CultureInfo : nl-NL\r\n\
    CallId : 7066890-a00e70a-13c4-55013-6826c-718b9f72-6826c\r\n\
    TenantGuid : 00000000-0000-0000-0000-000000000000\r\n\
    AttachmentPath : C:\\V15\\UnifiedMessaging\\voicemail\\46ffee82-4eb0-4f8b-a0b1-6b2b2a1d7c11.wav\r\n\
    Duration : 12\r\n\
    Codec : Mp3\r\n\
    Important : False\r\n\
    CallAnswering : True\r\n\
    Private : False\r\n";

/// A WAV of 16-bit PCM, mono, 8 kHz, with so many bytes of silence.
fn wav(data_bytes: u32) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data_bytes).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend(8_000_u32.to_le_bytes());
    bytes.extend(16_000_u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(data_bytes.to_le_bytes());
    bytes.extend(std::iter::repeat_n(0, data_bytes as usize));
    bytes
}

fn main() {
    divan::main();
}

#[divan::bench]
fn parse_header(bencher: Bencher) {
    bencher
        .counter(BytesCount::of_str(HEADER))
        .with_inputs(|| HEADER.as_bytes().to_vec())
        .bench_values(|bytes| Header::parse(black_box(bytes)));
}

#[divan::bench]
fn edit_header(bencher: Bencher) {
    bencher
        .with_inputs(|| Header::parse(HEADER.as_bytes().to_vec()))
        .bench_refs(|header| header.set(black_box("ProcessedCount"), black_box("0")));
}

#[divan::bench]
fn read_audio_facts(bencher: Bencher) {
    let wav = wav(160_000);
    bencher.bench(|| AudioFacts::read(&mut black_box(wav.as_slice()), wav.len() as u64).ok());
}
