//! What a WAV's RIFF headers tell: format, length, and whether the recording was cut short.

use serde::Serialize;

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
    /// Whether the `data` chunk's length is 0, unknown or past the file's end although samples follow: a recording cut short.
    pub cut_short: bool,
    /// Duration of the samples that are there, in seconds.
    pub seconds: f64,
}
