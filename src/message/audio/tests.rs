//! The WAVs that recorders, partner systems and crashes leave, and what is made out of them.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn facts(bytes: &[u8]) -> Result<AudioFacts, AudioError> {
    AudioFacts::read(&mut &bytes[..], bytes.len() as u64)
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
    [name, (body.len() as u32).to_le_bytes().as_slice(), body, pad].concat()
}

/// A `fmt ` body of `length` bytes.
fn format(tag: u16, channels: u16, rate: u32, bits: u16, length: usize) -> Vec<u8> {
    let block = if tag == 0x31 { 65 } else { channels * bits.div_ceil(8) };
    let byte_rate = if tag == 0x31 { 1625 } else { rate * u32::from(block) };
    let mut body = Vec::new();
    body.extend(tag.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend(byte_rate.to_le_bytes());
    body.extend(block.to_le_bytes());
    body.extend(bits.to_le_bytes());
    body.resize(length, 0);
    body
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"RIFF", (body.len() as u32 + 4).to_le_bytes().as_slice(), b"WAVE", &body].concat()
}

fn pcm(samples: usize) -> Vec<u8> {
    let data: Vec<u8> = (0..samples).flat_map(|index| ((index * 77) as i16).to_le_bytes()).collect();
    riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"data", &data)])
}

/// Overwrites the length of the chunk `name`.
fn with_length(mut bytes: Vec<u8>, name: &[u8; 4], length: u32) -> Vec<u8> {
    let at = bytes.windows(4).position(|window| window == name).unwrap() + 4;
    bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn hound_pcm(spec: hound::WavSpec, samples: &[i32]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

#[test]
fn what_hound_writes_is_read_as_hound_reads_it() {
    for (bits, rate, channels) in [(8, 8000, 1), (16, 8000, 1), (16, 16000, 2), (24, 44100, 2), (32, 8000, 1)] {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let bytes = hound_pcm(spec, &[1; 3210]);
        let facts = facts(&bytes).unwrap();
        let reader = hound::WavReader::new(bytes.as_slice()).unwrap();
        assert_eq!(facts.codec, AudioCodec::Pcm, "{bits} bits");
        assert_eq!((facts.channels, facts.sample_rate, facts.bits_per_sample), (channels, rate, bits));
        assert_eq!(facts.seconds, f64::from(reader.duration()) / f64::from(rate));
        assert!(!facts.cut_short);
    }
}

#[test]
fn every_codec_and_format_size_is_read() {
    for (tag, bits, codec, bytes, seconds) in [
        (1, 8, AudioCodec::Pcm, 8000, 1.0),
        (1, 16, AudioCodec::Pcm, 8000, 0.5),
        (6, 8, AudioCodec::Alaw, 8000, 1.0),
        (7, 8, AudioCodec::Mulaw, 8000, 1.0),
        (0x31, 0, AudioCodec::Gsm, 65 * 25, 1.0),
        (0x55, 0, AudioCodec::Other, 8000, 0.0),
    ] {
        for length in [16, 17, 18, 19, 20, 40, 41, 100] {
            let wav = riff(&[chunk(b"fmt ", &format(tag, 1, 8000, bits, length)), chunk(b"data", &vec![3; bytes])]);
            let facts = facts(&wav).unwrap();
            assert_eq!((facts.codec, facts.seconds, facts.cut_short), (codec, seconds, false), "{tag:#x} {length}");
            assert_eq!((facts.format_tag, facts.data_bytes), (tag, bytes as u64));
        }
    }
}

#[test]
fn the_oldest_format_chunk_has_its_bits_told_by_the_block() {
    let old = format(1, 2, 8000, 16, 16)[..14].to_vec();
    let facts = facts(&riff(&[chunk(b"fmt ", &old), chunk(b"data", &[0; 32000])])).unwrap();
    assert_eq!((facts.bits_per_sample, facts.seconds), (16, 1.0));
    let error = super::AudioFacts::read(&mut riff(&[chunk(b"fmt ", &old[..13])]).as_slice(), 34).unwrap_err();
    assert!(matches!(error, AudioError::ShortFormat(13)));
}

#[test]
fn extensible_is_resolved_by_its_guid() {
    let guid = |tag: u8| [tag, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
    let wav = |guid: &[u8]| {
        let body = [format(0xFFFE, 1, 8000, 8, 24), guid.to_vec()].concat();
        riff(&[chunk(b"fmt ", &body), chunk(b"data", &[0; 4000])])
    };
    assert_eq!(facts(&wav(&guid(7))).unwrap().codec, AudioCodec::Mulaw);
    assert_eq!(facts(&wav(&guid(1))).unwrap().format_tag, 1);
    assert_eq!(facts(&wav(&[1; 16])).unwrap().codec, AudioCodec::Other);
    assert_eq!(facts(&wav(&[])).unwrap().format_tag, 0xFFFE);
}

#[test]
fn chunks_before_the_samples_are_passed_over_padded_or_not() {
    let data = chunk(b"data", &[0; 1600]);
    let list = |pad: &[u8]| [b"LIST\x05\0\0\0INFOx".as_slice(), pad].concat();
    let unknown = |pad: &[u8]| [b"qqqq\x03\0\0\0abc".as_slice(), pad].concat();
    for before in [vec![], chunk(b"JUNK", &[7; 28]), list(&[0]), list(b""), list(b"?"), unknown(&[0]), unknown(b"")] {
        for after in [vec![], chunk(b"fact", &[0; 4]), list(&[0]), list(b""), unknown(b""), chunk(b"PAD ", &[1; 4001])]
        {
            let wav = riff(&[before.clone(), chunk(b"fmt ", &format(1, 1, 8000, 16, 18)), after.clone(), data.clone()]);
            let facts = facts(&wav).unwrap();
            assert_eq!((facts.seconds, facts.cut_short), (0.1, false), "{before:?} {after:?}");
            assert_eq!(facts.data_offset + 1600, wav.len() as u64);
        }
    }
}

#[test]
fn the_riff_length_does_not_matter() {
    for length in [0, 1, u32::MAX, 36] {
        assert_eq!(facts(&with_length(pcm(8000), b"RIFF", length)).unwrap().seconds, 1.0);
    }
}

#[test]
fn recordings_cut_short_last_as_long_as_what_is_there() {
    for length in [0, u32::MAX, 16001, 0x7FFF_FFFF] {
        let facts = facts(&with_length(pcm(8000), b"data", length)).unwrap();
        assert_eq!((facts.seconds, facts.cut_short, facts.data_bytes), (1.0, true, 16000), "{length:#x}");
        assert_eq!(facts.declared_data_bytes, length);
    }
    let facts = facts(&pcm(8000)[..44 + 8001]).unwrap();
    assert_eq!((facts.seconds, facts.cut_short), (0.5, true));
}

#[test]
fn silence_whose_length_was_never_filled_in_is_cut_short() {
    for (bits, silence) in [(16, 0), (8, 0x80), (8, 0x7F), (8, b'U')] {
        let wav = riff(&[chunk(b"fmt ", &format(1, 1, 8000, bits, 16)), chunk(b"data", &[silence; 16000])]);
        assert!(facts(&with_length(wav, b"data", 0)).unwrap().cut_short, "{silence}");
    }
}

#[test]
fn an_empty_recording_is_not_cut_short() {
    let head = [chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"data", b"")].concat();
    for after in [vec![], vec![0], chunk(b"LIST", b"INFOISFT"), chunk(b"Abcd", &[0; 9]), b"LIST\x40\0\0\0INFO".to_vec()]
    {
        let facts = facts(&riff(&[head.clone(), after.clone()])).unwrap();
        assert_eq!((facts.seconds, facts.cut_short, facts.data_bytes), (0.0, false, 0), "{after:?}");
    }
}

#[test]
fn what_follows_the_samples_is_not_counted() {
    let wav = [pcm(8000), chunk(b"LIST", &[0; 500]), vec![1, 2, 3]].concat();
    assert_eq!(facts(&wav).unwrap().seconds, 1.0);
}

#[test]
fn long_files_tell_their_length_in_ds64() {
    let ds64 = chunk(b"ds64", &[[0; 8], 800_u64.to_le_bytes(), [0; 8]].concat());
    let mut wav = riff(&[ds64, chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"data", &[0; 1600])]);
    wav[..4].copy_from_slice(b"RF64");
    let facts = facts(&with_length(wav, b"data", u32::MAX)).unwrap();
    assert_eq!((facts.data_bytes, facts.cut_short), (800, false));
}

#[test]
fn zeros_in_the_header_divide_nothing() {
    for zeroed in [10..12, 12..16, 16..20, 20..22, 22..24, 10..24, 8..24] {
        for tag in [1, 6, 7, 0x31, 0x55, 3] {
            let mut body = format(tag, 1, 8000, 16, 16);
            body[zeroed.start - 8..zeroed.end - 8].fill(0);
            body[..2].copy_from_slice(&tag.to_le_bytes());
            let wav = riff(&[chunk(b"fmt ", &body), chunk(b"data", &[9; 1000])]);
            let facts = facts(&wav).unwrap();
            assert!(facts.seconds.is_finite());
            let _ = peaks(&mut wav.as_slice(), &facts, 10);
        }
    }
}

#[test]
fn what_is_no_wav_is_refused_by_name() {
    let format = chunk(b"fmt ", &format(1, 1, 8000, 16, 16));
    assert!(matches!(facts(b""), Err(AudioError::NotRiff)));
    assert!(matches!(facts(b"RIFF\0\0\0\0AVI LIST"), Err(AudioError::NotRiff)));
    assert!(matches!(facts(&riff(&[])), Err(AudioError::NoFormat)));
    assert!(matches!(facts(&riff(&[chunk(b"data", &[0; 8])])), Err(AudioError::NoFormat)));
    assert!(matches!(facts(&riff(&[format])), Err(AudioError::NoData)));
}

#[test]
fn a_chunk_that_claims_gigabytes_costs_nothing() {
    let wav =
        with_length(riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"JUNK", &[0; 64])]), b"JUNK", u32::MAX);
    assert!(matches!(facts(&wav), Err(AudioError::NoData)));
    let wav = with_length(riff(&[chunk(b"fmt ", &[0; 64])]), b"fmt ", u32::MAX);
    assert!(matches!(facts(&wav), Err(AudioError::NoData)));
}

#[test]
fn the_samples_are_not_read() {
    struct Head<'a>(&'a [u8]);
    impl Read for Head<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Err(io::Error::other("read too far")) } else { self.0.read(buffer) }
        }
    }
    let head = pcm(4_000_000);
    let facts = AudioFacts::read(&mut Head(&head[..8192]), head.len() as u64).unwrap();
    assert_eq!(facts.seconds, 500.0);
}

fn loudness(bytes: &[u8], columns: usize) -> Option<Vec<f32>> {
    peaks(&mut &bytes[..], &facts(bytes).unwrap(), columns)
}

#[test]
fn peaks_are_the_loudest_sample_of_each_span() {
    let samples = [0, 16384, -32768, 100, 0, 0, 8192, -8192];
    let data: Vec<u8> = samples.iter().flat_map(|sample: &i16| sample.to_le_bytes()).collect();
    let expected = vec![0.5, 1.0, 0.0, 0.25];
    let plain = riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"data", &data)]);
    assert!(hound::WavReader::new(plain.as_slice()).is_ok());
    assert_eq!(loudness(&plain, 4).unwrap(), expected);
    // The same samples as hound refuses them: an unusual `fmt ` size, an odd tail, a length never filled in.
    let unusual = riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 20)), chunk(b"data", &data)]);
    let odd = riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), chunk(b"data", &[data.as_slice(), &[127]].concat())]);
    let unfilled = with_length(plain.clone(), b"data", 0);
    for wav in [&unusual, &odd, &unfilled] {
        assert_eq!(loudness(wav, 4).unwrap(), expected);
    }
    assert!(hound::WavReader::new(unusual.as_slice()).is_err() && hound::WavReader::new(odd.as_slice()).is_err());
    assert_eq!(loudness(&plain, 0).unwrap(), Vec::<f32>::new());
}

#[test]
fn more_columns_than_samples_leave_no_gaps() {
    let wav = riff(&[chunk(b"fmt ", &format(1, 1, 8000, 8, 16)), chunk(b"data", &[0, 255])]);
    assert_eq!(loudness(&wav, 4).unwrap(), vec![1.0, 1.0, 0.9921875, 0.9921875]);
}

#[test]
fn every_sample_format_has_peaks_but_gsm_and_strangers() {
    let wav = |tag, channels, bits, data: &[u8]| {
        riff(&[chunk(b"fmt ", &format(tag, channels, 8000, bits, 18)), chunk(b"data", data)])
    };
    let half = |sample: i16| [g711::encode_alaw(sample), g711::encode_mulaw(sample)];
    assert!((loudness(&wav(6, 1, 8, &half(16384)[..1]), 1).unwrap()[0] - 0.5).abs() < 0.02);
    assert!((loudness(&wav(7, 1, 8, &half(16384)[1..]), 1).unwrap()[0] - 0.5).abs() < 0.02);
    assert_eq!(loudness(&wav(1, 1, 24, &[0, 0, 0x40]), 1).unwrap(), vec![0.5]);
    assert_eq!(loudness(&wav(1, 2, 16, &[0, 0x40, 0, 0, 0, 0, 0, 0xE0]), 2).unwrap(), vec![0.5, 0.25]);
    assert_eq!(loudness(&wav(0x31, 1, 0, &[0xD2; 65]), 4), None);
    assert_eq!(loudness(&wav(0x55, 1, 0, &[0; 65]), 4), None);
}

#[test]
fn an_odd_chunk_before_the_samples_does_not_lead_hound_astray() {
    let data: Vec<u8> = [0x4000_i16; 100].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let odd = chunk(b"LIST", b"INFOx");
    let wav = riff(&[chunk(b"fmt ", &format(1, 1, 8000, 16, 16)), odd, chunk(b"data", &data)]);
    assert_eq!(loudness(&wav, 2).unwrap(), vec![0.5, 0.5]);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = facts(&bytes);
    }

    #[test]
    fn any_damage_to_a_wav_is_survived(
        edits in prop::collection::vec((0_usize..120, any::<u8>()), 1..12),
        cut in 0_usize..400,
        size in prop_oneof![Just(None), any::<u64>().prop_map(Some)],
    ) {
        let mut wav = riff(&[
            chunk(b"fmt ", &format(1, 1, 8000, 16, 40)), chunk(b"LIST", b"INFOx"), chunk(b"data", &[1; 300]),
        ]);
        for (at, byte) in edits {
            wav[at] = byte;
        }
        wav.truncate(cut);
        let size = size.unwrap_or(wav.len() as u64);
        if let Ok(facts) = AudioFacts::read(&mut wav.as_slice(), size) {
            prop_assert!(facts.seconds.is_finite() && facts.seconds >= 0.0);
            prop_assert!(facts.data_offset + facts.data_bytes <= size);
            let _ = peaks(&mut wav.as_slice(), &facts, 16);
        }
    }

    #[test]
    fn a_truncated_wav_never_lasts_longer_than_what_is_there(
        cut in 0_usize..700,
        tag in prop_oneof![Just((1_u16, 16_u16)), Just((1, 8)), Just((6, 8)), Just((7, 8)), Just((0x31, 0))],
        declared in prop_oneof![Just(None), Just(Some(0)), Just(Some(u32::MAX)), any::<u32>().prop_map(Some)],
    ) {
        let mut wav = riff(&[
            chunk(b"fmt ", &format(tag.0, 1, 8000, tag.1, 18)), chunk(b"fact", &[0; 4]), chunk(b"data", &[0xD5; 650]),
        ]);
        if let Some(length) = declared {
            wav = with_length(wav, b"data", length);
        }
        wav.truncate(cut);
        if let Ok(facts) = facts(&wav) {
            let there = wav.len() as f64 - facts.data_offset as f64;
            let most = match tag {
                (0x31, _) => (there / 65.0).floor() * 320.0 / 8000.0,
                (_, bits) => there / f64::from(bits / 8) / 8000.0,
            };
            prop_assert!(facts.seconds <= most, "{} of {most}", facts.seconds);
        }
    }
}
