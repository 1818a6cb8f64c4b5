//! What a WAV's RIFF headers tell: format, length, and whether the recording was cut short.
//!
//! Recorders, partner systems and crashed servers write what no specification allows, so everything that can be made out
//! is made out, and only a file without RIFF, `fmt ` or `data` is refused. Samples are decoded for [`peaks`] alone;
//! what the facts mean for the message is left to `check`.

pub mod g711;
mod mend;
mod peaks;
mod riff;

use super::AudioFile;
use std::io::{self, Read};

use serde::Serialize;
use thiserror::Error;

pub use mend::mend;
pub use peaks::peaks;

/// Bytes of one GSM 6.10 block: two frames of 32.5 bytes, as Microsoft's codec packs them.
pub const GSM_BLOCK_BYTES: u64 = 65;

/// Samples in one GSM 6.10 block.
pub const GSM_BLOCK_SAMPLES: u64 = 320;

/// Why a file's audio facts cannot be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The file does not begin with `RIFF` (or `RF64`) and `WAVE`.
    #[error("the file is no RIFF WAVE")]
    NotRiff,
    /// No `fmt ` chunk comes before the samples or the file's end.
    #[error("the RIFF file has no `fmt ` chunk before its samples")]
    NoFormat,
    /// The `fmt ` chunk is shorter than the 14 bytes that name format, rate and block.
    #[error("the `fmt ` chunk has only {0} bytes")]
    ShortFormat(u64),
    /// The file ends without a `data` chunk.
    #[error("the RIFF file has no `data` chunk")]
    NoData,
    /// The file could not be read.
    #[error("the audio could not be read")]
    Read(#[source] io::Error),
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// Linear PCM.
    Pcm,
    /// ITU-T G.711 A-law.
    Alaw,
    /// ITU-T G.711 mu-law.
    Mulaw,
    /// GSM 6.10 in Microsoft's 65-byte blocks.
    Gsm,
    /// Any other format tag.
    Other,
}

impl AudioCodec {
    /// The codec of a format tag (`mmreg.h`).
    pub fn from_tag(format_tag: u16) -> Self {
        match format_tag {
            0x0001 => Self::Pcm,
            0x0006 => Self::Alaw,
            0x0007 => Self::Mulaw,
            0x0031 => Self::Gsm,
            _ => Self::Other,
        }
    }

    /// The codec's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcm => "pcm",
            Self::Alaw => "alaw",
            Self::Mulaw => "mulaw",
            Self::Gsm => "gsm",
            Self::Other => "other",
        }
    }
}

/// Facts about a WAV file, as its RIFF headers and its length tell them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AudioFacts {
    /// How samples are stored.
    pub codec: AudioCodec,
    /// The `fmt ` chunk's format tag, WAVE_FORMAT_EXTENSIBLE resolved.
    pub format_tag: u16,
    /// Channels, 1 for UM.
    pub channels: u16,
    /// Samples a second and channel.
    pub sample_rate: u32,
    /// Bits a sample, 0 for GSM.
    pub bits_per_sample: u16,
    /// Bytes in one block of all channels.
    pub block_align: u16,
    /// Bytes a second.
    pub byte_rate: u32,
    /// Where the samples begin, in bytes from the file's start.
    pub data_offset: u64,
    /// Bytes of samples that are there.
    pub data_bytes: u64,
    /// The `data` chunk's own length.
    pub declared_data_bytes: u32,
    /// Whether this is a recording cut short: the `data` chunk's length is 0 although samples follow, or it is unknown
    /// (0xFFFFFFFF), or past the file's end.
    pub cut_short: bool,
    /// Duration of the samples that are there, in seconds.
    pub seconds: f64,
}

/// Seconds by which `Duration` may be off before it is worth a word: one for rounding, and one more.
const DURATION_TOLERANCE: f64 = 2.0;

impl AudioFacts {
    /// Reads the headers of a WAV of `size` bytes from its start.
    ///
    /// Nothing is read past the start of the samples, but for a `data` chunk of length 0: only what follows it tells an
    /// empty recording from one whose length was never filled in. Memory stays bounded whatever a chunk claims.
    ///
    /// # Errors
    /// The file is no WAV, lacks a chunk, or cannot be read: see [`AudioError`].
    pub fn read(reader: &mut dyn Read, size: u64) -> Result<Self, AudioError> {
        riff::read(reader, size)
    }

    /// Whether a header's `Duration` fits the audio: rounding and a second more are forgiven, a silent second beside a
    /// recording is not.
    pub fn lasts(&self, duration: i32) -> bool {
        if duration <= 0 {
            return self.seconds < 1.0;
        }
        // Seconds that are no number contradict nothing.
        let difference = (f64::from(duration) - self.seconds).abs();
        difference.is_nan() || difference <= DURATION_TOLERANCE
    }

    /// The duration as `Duration` holds it: whole seconds, rounded.
    pub fn whole_seconds(&self) -> u32 {
        self.seconds.round() as u32
    }

    /// Bytes of one sample of all channels, `None` where samples have no length of their own.
    ///
    /// Channels and bits tell it; the block length stands in where they are zero, because hostile and merely sloppy
    /// headers state a block that fits neither.
    pub fn frame_bytes(&self) -> Option<u64> {
        let sample_bytes = match self.codec {
            AudioCodec::Pcm => u64::from(self.bits_per_sample.div_ceil(8)),
            AudioCodec::Alaw | AudioCodec::Mulaw => 1,
            AudioCodec::Gsm | AudioCodec::Other => return None,
        };
        let frame = sample_bytes * u64::from(self.channels);
        match (frame, u64::from(self.block_align)) {
            (0, 0) => None,
            (0, block) => Some(block),
            (frame, _) => Some(frame),
        }
    }

    /// The duration of so many bytes of samples in this format, in seconds; 0 where the header does not tell.
    ///
    /// Only whole samples and whole GSM blocks count.
    pub fn seconds_of(&self, data_bytes: u64) -> f64 {
        let samples = match self.codec {
            AudioCodec::Gsm => Some((data_bytes / GSM_BLOCK_BYTES).saturating_mul(GSM_BLOCK_SAMPLES)),
            _ => self.frame_bytes().and_then(|frame| data_bytes.checked_div(frame)),
        };
        match (samples, self.sample_rate, self.byte_rate) {
            (Some(samples), rate, _) if rate > 0 => samples as f64 / f64::from(rate),
            (_, _, rate) if rate > 0 => data_bytes as f64 / f64::from(rate),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
