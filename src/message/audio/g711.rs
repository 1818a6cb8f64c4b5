//! ITU-T G.711: A-law and mu-law, one byte a sample, to and from 16-bit samples.

/// What mu-law adds to a 14-bit magnitude, so that its segments start at powers of two.
const MULAW_BIAS: i16 = 0x21;

/// The largest 14-bit magnitude that mu-law can hold.
const MULAW_CLIP: i16 = 0x1FDE;

/// Decodes one A-law byte.
pub fn decode_alaw(byte: u8) -> i16 {
    // Every second bit is inverted on the line, so that silence does not look like a dead line.
    let code = byte ^ 0x55;
    let segment = (code >> 4) & 0x07;
    let mantissa = i16::from(code & 0x0F) << 4;
    let magnitude = match segment {
        0 => mantissa + 0x08,
        _ => (mantissa + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Encodes one sample as A-law.
pub fn encode_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x00, !sample) } else { (0x80, sample) };
    let segment = (16 - magnitude.leading_zeros()).saturating_sub(8);
    let mantissa = (magnitude >> (segment.max(1) + 3)) & 0x0F;
    (sign | (segment << 4) as u8 | mantissa as u8) ^ 0x55
}

/// Decodes one mu-law byte.
pub fn decode_mulaw(byte: u8) -> i16 {
    let code = !byte;
    let segment = (code >> 4) & 0x07;
    let mantissa = i16::from(code & 0x0F) << 1;
    let magnitude = (((mantissa + MULAW_BIAS) << segment) - MULAW_BIAS) << 2;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// Encodes one sample as mu-law.
pub fn encode_mulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0x00 };
    let magnitude = (sample >> 2).abs().min(MULAW_CLIP) + MULAW_BIAS;
    let segment = 10 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (segment + 1)) & 0x0F;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Sha256Digest;

    fn decoded(decode: fn(u8) -> i16) -> String {
        let samples: Vec<u8> = (0..=u8::MAX).flat_map(|byte| decode(byte).to_le_bytes()).collect();
        Sha256Digest::of(&samples).to_string()
    }

    fn encoded(encode: fn(i16) -> u8) -> String {
        let bytes: Vec<u8> = (i16::MIN..=i16::MAX).map(encode).collect();
        Sha256Digest::of(&bytes).to_string()
    }

    /// The digests are of the tables that CPython's `audioop` gives for every byte and every sample.
    #[test]
    fn every_byte_and_every_sample_is_coded_as_an_independent_coder_does() {
        assert_eq!(decoded(decode_mulaw), "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827");
        assert_eq!(decoded(decode_alaw), "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174");
        assert_eq!(encoded(encode_mulaw), "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a");
        assert_eq!(encoded(encode_alaw), "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b");
    }

    #[test]
    fn the_loudest_samples_keep_their_sign() {
        assert_eq!(decode_alaw(encode_alaw(i16::MAX)), 32256);
        assert_eq!(decode_alaw(encode_alaw(i16::MIN)), -32256);
        assert_eq!(decode_mulaw(encode_mulaw(i16::MAX)), 32124);
        assert_eq!(decode_mulaw(encode_mulaw(i16::MIN)), -32124);
    }
}
