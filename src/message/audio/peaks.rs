//! How loud a recording is over its length, for a waveform.

use std::io::{self, BufReader, Cursor, Read};

use hound::WavReader;

use super::g711::{decode_alaw, decode_mulaw};
use super::{AudioCodec, AudioFacts};

/// The most bytes of headers that are kept for hound to read.
const HEAD_LIMIT: u64 = 1 << 20;

/// The recording's peak in each of `columns` equal spans: 0 is silence, 1 full scale, the loudest channel counts.
///
/// Reads the WAV from its start, to which `facts` belong. A span without samples, because the recording is empty or ends
/// early, is silent. `None` for what has no samples to look at: GSM, and formats that UM does not know.
pub fn peaks(reader: &mut dyn Read, facts: &AudioFacts, columns: usize) -> Option<Vec<f32>> {
    let decode = decoder(facts)?;
    let frames = facts.data_bytes / facts.frame_bytes()?;
    let mut peaks = Peaks { columns: vec![0.0; columns], frames };
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let mut head = Vec::new();
    reader.by_ref().take(facts.data_offset.min(HEAD_LIMIT)).read_to_end(&mut head).ok()?;
    if let Some(scale) = hound_scale(&head, facts) {
        let samples = WavReader::new(Cursor::new(head).chain(reader)).ok()?.into_samples::<i32>();
        // What hound cannot read of a damaged recording stays silent.
        let samples = samples.map_while(Result::ok).map(|sample| sample as f32 / scale);
        peaks.fill(samples, facts.channels.max(1).into());
    } else {
        let headers_left = facts.data_offset.saturating_sub(head.len() as u64);
        io::copy(&mut reader.by_ref().take(headers_left), &mut io::sink()).ok()?;
        let samples = Samples { reader: reader.take(facts.data_bytes), bytes: decode.bytes, decode: decode.sample };
        peaks.fill(samples, (facts.frame_bytes()? / decode.bytes as u64).max(1));
    }
    Some(peaks.columns)
}

/// How a sample's bytes become a number from -1 to 1.
struct Decoder {
    bytes: usize,
    sample: fn(&[u8]) -> f32,
}

fn decoder(facts: &AudioFacts) -> Option<Decoder> {
    // All little-endian: the last byte is the highest.
    let (bytes, sample): (usize, fn(&[u8]) -> f32) = match (facts.codec, facts.bits_per_sample.div_ceil(8)) {
        (AudioCodec::Pcm, 1) => (1, |bytes| bytes.first().map_or(0.0, |byte| (f32::from(*byte) - 128.0) / 128.0)),
        (AudioCodec::Pcm, bytes @ 2..=4) => (bytes.into(), |bytes| {
            let high = bytes.last_chunk().copied().map_or(0, i16::from_le_bytes);
            f32::from(high) / 32768.0
        }),
        (AudioCodec::Alaw, _) => (1, |bytes| bytes.first().map_or(0.0, |byte| f32::from(decode_alaw(*byte)) / 32768.0)),
        (AudioCodec::Mulaw, _) => {
            (1, |bytes| bytes.first().map_or(0.0, |byte| f32::from(decode_mulaw(*byte)) / 32768.0))
        }
        _ => return None,
    };
    Some(Decoder { bytes, sample })
}

/// Full scale of hound's samples, `None` where hound would refuse the recording or read it otherwise than its facts say.
///
/// hound takes no odd tails, no unusual `fmt ` sizes and no recordings cut short, and trusts the `data` length.
fn hound_scale(head: &[u8], facts: &AudioFacts) -> Option<f32> {
    if facts.codec != AudioCodec::Pcm || facts.cut_short {
        return None;
    }
    let reader = WavReader::new(head).ok()?;
    let spec = reader.spec();
    let agrees = spec.channels == facts.channels && spec.bits_per_sample == facts.bits_per_sample;
    let whole_sample = u64::from(facts.bits_per_sample.div_ceil(8)) * u64::from(facts.channels);
    // Headers left over: hound took other bytes for the samples' start.
    let same_start = reader.into_inner().is_empty() && u64::from(facts.block_align) == whole_sample;
    (agrees && same_start).then(|| 2_f32.powi(i32::from(spec.bits_per_sample.min(32)) - 1))
}

/// Samples decoded one after the other; ends at the first that is not whole.
struct Samples<R> {
    reader: R,
    bytes: usize,
    decode: fn(&[u8]) -> f32,
}

impl<R: Read> Iterator for Samples<R> {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        let mut buffer = [0; 4];
        let bytes = buffer.get_mut(..self.bytes)?;
        self.reader.read_exact(bytes).ok()?;
        Some((self.decode)(bytes))
    }
}

/// The columns as they fill.
struct Peaks {
    columns: Vec<f32>,
    frames: u64,
}

impl Peaks {
    fn fill(&mut self, samples: impl Iterator<Item = f32>, channels: u64) {
        let count = self.columns.len() as u64;
        // The column that begins with or before this frame: a short recording gives several columns one frame.
        let column = |frame: u64| u128::from(frame) * u128::from(count) / u128::from(self.frames.max(1));
        for (index, sample) in samples.enumerate() {
            let frame = index as u64 / channels;
            if frame >= self.frames {
                break;
            }
            let first = usize::try_from(column(frame)).unwrap_or(usize::MAX);
            let last = usize::try_from(column(frame + 1)).unwrap_or(usize::MAX).max(first.saturating_add(1));
            for peak in self.columns.iter_mut().take(last).skip(first) {
                *peak = peak.max(sample.abs().min(1.0));
            }
        }
    }
}
