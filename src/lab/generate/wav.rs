//! Attachments: WAVs in the formats met in queues, and the pages of a fax.

use std::io::Cursor;

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::message::audio::g711::{encode_alaw, encode_mulaw};
use crate::message::audio::{GSM_BLOCK_BYTES, GSM_BLOCK_SAMPLES};

/// How a made WAV holds its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WavFormat {
    /// 16-bit linear PCM, what UM records.
    Pcm16,
    /// 8-bit linear PCM.
    Pcm8,
    /// G.711 A-law.
    Alaw,
    /// G.711 mu-law.
    Mulaw,
    /// GSM 6.10 in Microsoft's 65-byte blocks; see [`WavFormat::encode`] for what they hold.
    Gsm,
}

impl WavFormat {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Pcm16, Self::Pcm8, Self::Alaw, Self::Mulaw, Self::Gsm];

    /// The format's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcm16 => "pcm16",
            Self::Pcm8 => "pcm8",
            Self::Alaw => "alaw",
            Self::Mulaw => "mulaw",
            Self::Gsm => "gsm",
        }
    }

    /// Reads [`Self::name`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// A WAV file of mono samples.
    ///
    /// GSM is coded without prediction: every frame is valid and any decoder plays it, but it sounds rougher than a
    /// telephone would make it. A last block that is not full is filled with silence.
    ///
    /// # Errors
    /// hound could not write the file: more than 4 GiB.
    pub fn encode(self, samples: &[i16], sample_rate: u32) -> Result<Vec<u8>, hound::Error> {
        match self {
            Self::Pcm16 => pcm16(samples, sample_rate),
            Self::Pcm8 => pcm(samples.iter().map(|sample| i32::from(*sample >> 8)), 1, 8, sample_rate),
            Self::Alaw => Ok(g711(6, samples, sample_rate, encode_alaw)),
            Self::Mulaw => Ok(g711(7, samples, sample_rate, encode_mulaw)),
            Self::Gsm => Ok(gsm(samples, sample_rate)),
        }
    }
}

/// A PCM WAV as UM records it, by hound's quick path.
fn pcm16(samples: &[i16], sample_rate: u32) -> Result<Vec<u8>, hound::Error> {
    let spec = WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::with_capacity(samples.len() * 2 + 44));
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    let mut quick = writer.get_i16_writer(samples.len() as u32);
    samples.iter().for_each(|sample| quick.write_sample(*sample));
    quick.flush()?;
    writer.finalize()?;
    Ok(bytes.into_inner())
}

/// A PCM WAV of interleaved samples.
pub(super) fn pcm(
    samples: impl Iterator<Item = i32>,
    channels: u16,
    bits_per_sample: u16,
    sample_rate: u32,
) -> Result<Vec<u8>, hound::Error> {
    let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec)?;
    for sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(bytes.into_inner())
}

fn g711(tag: u16, samples: &[i16], sample_rate: u32, encode: fn(i16) -> u8) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().map(|sample| encode(*sample)).collect();
    let format = Format { tag, sample_rate, byte_rate: sample_rate, block: 1, bits: 8, extra: &[] };
    riff(&format, samples.len(), &data)
}

fn gsm(samples: &[i16], sample_rate: u32) -> Vec<u8> {
    let data: Vec<u8> = excitation(samples).chunks(GSM_BLOCK_SAMPLES as usize).flat_map(gsm_block).collect();
    let byte_rate = (u64::from(sample_rate) * GSM_BLOCK_BYTES / GSM_BLOCK_SAMPLES) as u32;
    let samples_in_block = (GSM_BLOCK_SAMPLES as u16).to_le_bytes();
    let format =
        Format { tag: 0x31, sample_rate, byte_rate, block: GSM_BLOCK_BYTES as u16, bits: 0, extra: &samples_in_block };
    riff(&format, samples.len(), &data)
}

/// What the coder sends of the samples: the treble raised, which decoders lower again; low enough for every third sample
/// to do; and at half the level, as decoders double it.
fn excitation(samples: &[i16]) -> Vec<i16> {
    /// The recommendation's weighting filter, in 1/8192.
    const WEIGHTS: [f32; 11] = [-134.0, -374.0, 0.0, 2054.0, 5741.0, 8192.0, 5741.0, 2054.0, 0.0, -374.0, -134.0];

    let before = std::iter::once(&0).chain(samples);
    let treble = samples.iter().zip(before).map(|(now, last)| f32::from(*now) - 0.86 * f32::from(*last));
    let margin = || std::iter::repeat_n(0.0, WEIGHTS.len() / 2);
    let raised: Vec<f32> = margin().chain(treble).chain(margin()).collect();
    let weighted = |span: &[f32]| span.iter().zip(WEIGHTS).map(|(sample, weight)| sample * weight).sum::<f32>();
    raised.windows(WEIGHTS.len()).map(|span| (weighted(span) / 8192.0 / 2.0) as i16).collect()
}

struct Format<'a> {
    tag: u16,
    sample_rate: u32,
    byte_rate: u32,
    block: u16,
    bits: u16,
    extra: &'a [u8],
}

/// A RIFF file with the `fact` chunk that every format but PCM has.
fn riff(format: &Format<'_>, samples: usize, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(data.len() + 64);
    body.extend(format.tag.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(format.sample_rate.to_le_bytes());
    body.extend(format.byte_rate.to_le_bytes());
    body.extend(format.block.to_le_bytes());
    body.extend(format.bits.to_le_bytes());
    body.extend((format.extra.len() as u16).to_le_bytes());
    body.extend(format.extra);
    let chunks =
        [chunk(b"fmt ", &body), chunk(b"fact", &(samples as u32).to_le_bytes()), chunk(b"data", data)].concat();
    [b"RIFF", (chunks.len() as u32 + 4).to_le_bytes().as_slice(), b"WAVE", &chunks].concat()
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let pad: &[u8] = if body.len() % 2 == 1 { &[0] } else { &[] };
    [name, (body.len() as u32).to_le_bytes().as_slice(), body, pad].concat()
}

/// Two frames of GSM 6.10 as Microsoft packs them: 260 bits each, low bits first, without the magic nibble `D` that a
/// frame has in a `.gsm` file (libgsm's `WAV49`).
fn gsm_block(samples: &[i16]) -> [u8; GSM_BLOCK_BYTES as usize] {
    /// The eight log area ratios, with their bits, that stand for a filter that changes nothing.
    const FLAT: [(u16, u32); 8] = [(32, 6), (32, 6), (20, 5), (11, 5), (8, 4), (5, 4), (3, 3), (2, 3)];
    /// The shortest lag.
    const LAG: u16 = 40;

    let mut bits = Bits::default();
    for frame in 0..2 {
        FLAT.into_iter().for_each(|(code, width)| bits.push(code, width));
        for part in 0..4 {
            let from = (frame * 160 + part * 40).min(samples.len());
            let span = samples.get(from..(from + 40).min(samples.len())).unwrap_or_default();
            // Every third sample is sent, scaled to the loudest.
            let sent: Vec<i16> = (0..13).map(|index| span.get(index * 3).copied().unwrap_or(0)).collect();
            let loudest = sent.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0).min(0x7FFF);
            let exponent = (16 - (loudest >> 9).leading_zeros()) as u16;
            let level = (loudest >> (exponent + 5)) + (exponent << 3);
            for (code, width) in [(LAG, 7), (0, 2), (0, 2), (level, 6)] {
                bits.push(code, width);
            }
            for sample in sent {
                bits.push(pulse(sample, loudest), 3);
            }
        }
    }
    bits.bytes
}

/// A sample as one of eight odd multiples of an eighth of the loudest.
fn pulse(sample: i16, loudest: u16) -> u16 {
    let loudest = i32::from(loudest.max(1));
    // Rounded down on both sides of 0: a bias would grow into a hum when the decoder lowers the treble again.
    ((i32::from(sample) + loudest) * 4 / loudest).clamp(0, 7) as u16
}

/// Bits packed low first into one block.
struct Bits {
    bytes: [u8; GSM_BLOCK_BYTES as usize],
    count: usize,
}

impl Default for Bits {
    fn default() -> Self {
        Self { bytes: [0; GSM_BLOCK_BYTES as usize], count: 0 }
    }
}

impl Bits {
    fn push(&mut self, code: u16, width: u32) {
        for bit in 0..width {
            if let Some(byte) = self.bytes.get_mut(self.count / 8) {
                *byte |= ((code >> bit & 1) as u8) << (self.count % 8);
            }
            self.count += 1;
        }
    }
}

/// A fax: a TIFF of so many small black-and-white pages.
pub(super) fn fax(rng: &mut fastrand::Rng, pages: u16) -> Vec<u8> {
    const WIDTH: u32 = 128;
    const HEIGHT: u32 = 64;
    const STRIP: u32 = WIDTH / 8 * HEIGHT;

    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    for page in 0..pages {
        let strip_at = bytes.len() as u32 + 2 + 9 * 12 + 4;
        let next = if page + 1 < pages { strip_at + STRIP } else { 0 };
        let entries: [(u16, u32); 9] = [
            (254, 2),
            (256, WIDTH),
            (257, HEIGHT),
            (258, 1),
            (259, 1),
            (262, 0),
            (273, strip_at),
            (278, HEIGHT),
            (279, STRIP),
        ];
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(value.to_le_bytes());
        }
        bytes.extend(next.to_le_bytes());
        // Lines of "text": dashes on every other band of rows.
        for row in 0..HEIGHT {
            let ink = row % 8 < 4 && row > 4;
            bytes.extend((0..WIDTH / 8).map(|_| if ink { rng.u8(..) } else { 0 }));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AudioFacts;
    use crate::message::audio::{AudioCodec, peaks};

    fn samples() -> Vec<i16> {
        crate::lab::voice::voice(&mut fastrand::Rng::with_seed(7), 2.0, 8000)
    }

    #[test]
    fn every_format_is_read_back_with_its_length() {
        for (format, codec) in [
            (WavFormat::Pcm16, AudioCodec::Pcm),
            (WavFormat::Pcm8, AudioCodec::Pcm),
            (WavFormat::Alaw, AudioCodec::Alaw),
            (WavFormat::Mulaw, AudioCodec::Mulaw),
            (WavFormat::Gsm, AudioCodec::Gsm),
        ] {
            let wav = format.encode(&samples(), 8000).unwrap();
            let facts = AudioFacts::read(&mut wav.as_slice(), wav.len() as u64).unwrap();
            assert_eq!((facts.codec, facts.seconds, facts.cut_short), (codec, 2.0, false));
            assert_eq!(WavFormat::parse(format.name()), Some(format));
            let loudness = peaks(&mut wav.as_slice(), &facts, 20);
            assert_eq!(loudness.is_none(), format == WavFormat::Gsm);
        }
    }

    #[test]
    fn all_formats_hold_the_same_voice() {
        let loudness = |format: WavFormat| {
            let wav = format.encode(&samples(), 8000).unwrap();
            let facts = AudioFacts::read(&mut wav.as_slice(), wav.len() as u64).unwrap();
            peaks(&mut wav.as_slice(), &facts, 50).unwrap()
        };
        let plain = loudness(WavFormat::Pcm16);
        for format in [WavFormat::Pcm8, WavFormat::Alaw, WavFormat::Mulaw] {
            let close = loudness(format).iter().zip(&plain).all(|(one, other)| (one - other).abs() < 0.02);
            assert!(close, "{format:?}");
        }
    }

    #[test]
    fn gsm_silence_is_the_silence_of_the_recommendation() {
        // The codes 32 32 20 11 8 5 3 2 of a filter that changes nothing, 40 0 0 0 of a silent span, then 4s, low bits first.
        assert_eq!(gsm_block(&[])[..9], [0x20, 0x48, 0x17, 0xD6, 0x84, 0x02, 0x80, 0x24, 0x49]);
        assert_eq!(WavFormat::Gsm.encode(&[0; 321], 8000).unwrap().len(), 12 + 28 + 12 + 8 + 130);
    }

    #[test]
    fn a_fax_has_its_pages() {
        let tiff = fax(&mut fastrand::Rng::with_seed(1), 3);
        let double = |at: usize| u32::from_le_bytes(tiff[at..at + 4].try_into().unwrap()) as usize;
        let mut at = double(4);
        let mut pages = 0;
        while at != 0 {
            assert_eq!(tiff[at..at + 2], [9, 0]);
            at = double(at + 2 + 9 * 12);
            pages += 1;
        }
        assert_eq!(pages, 3);
    }
}
