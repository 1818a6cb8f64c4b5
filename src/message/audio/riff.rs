//! Walks a RIFF file's chunks, as a stream, up to its samples.

use std::io::{self, BufReader, Read};

use super::{AudioCodec, AudioError, AudioFacts};

/// Enough of a `fmt ` chunk to hold WAVE_FORMAT_EXTENSIBLE.
const FORMAT_BYTES: usize = 40;

/// The tag that sends the reader on to a GUID.
const EXTENSIBLE: u16 = 0xFFFE;

/// What follows the format tag in the GUID of a `SubFormat` that stands for one.
const SUBFORMAT_TAIL: &[u8] = &[0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The chunks met in WAVs, to tell a chunk's start from samples and from a pad byte.
const KNOWN: &[&[u8; 4]] = &[
    b"fmt ", b"data", b"fact", b"LIST", b"JUNK", b"junk", b"PAD ", b"FLLR", b"bext", b"iXML", b"cue ", b"smpl",
    b"inst", b"PEAK", b"id3 ", b"ID3 ", b"_PMX", b"DISP", b"plst", b"ds64", b"chna", b"axml", b"wavl", b"slnt",
    b"INFO", b"levl", b"cart", b"acid", b"strc", b"afsp",
];

/// Reads the facts; see [`AudioFacts::read`].
pub(super) fn read(reader: &mut dyn Read, size: u64) -> Result<AudioFacts, AudioError> {
    // Small: what is read ahead of the samples is read for nothing.
    let mut chunks = Chunks { reader: BufReader::with_capacity(4096, reader).take(size), size };
    let start = chunks.bytes(12)?;
    if !matches!(start.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) || start.get(8..) != Some(b"WAVE".as_slice()) {
        return Err(AudioError::NotRiff);
    }
    let mut format = None;
    let mut long_data_bytes = None;
    let mut next = chunks.next(false)?;
    while let Some(chunk) = next {
        if chunk.is(b"data") {
            let format = format.ok_or(AudioError::NoFormat)?;
            return chunks.finish(format, chunk.length, long_data_bytes);
        }
        let wanted = if chunk.is(b"fmt ") || chunk.is(b"ds64") { FORMAT_BYTES } else { 0 };
        let body = chunks.body(&chunk, wanted)?;
        if chunk.is(b"fmt ") && format.is_none() {
            format = Some(Format::parse(&body)?);
        } else if chunk.is(b"ds64") {
            long_data_bytes = body.get(8..).and_then(|rest| rest.first_chunk()).copied().map(u64::from_le_bytes);
        }
        next = chunks.next(chunk.length % 2 == 1)?;
    }
    Err(if format.is_some() { AudioError::NoData } else { AudioError::NoFormat })
}

/// A chunk's name and the length that it claims.
struct Chunk {
    name: [u8; 4],
    length: u32,
}

impl Chunk {
    fn is(&self, name: &[u8; 4]) -> bool {
        self.name == *name
    }
}

/// The rest of the file, its length counted down.
struct Chunks<R> {
    reader: io::Take<R>,
    size: u64,
}

impl<R: Read> Chunks<R> {
    /// Bytes between here and the file's end.
    fn left(&self) -> u64 {
        self.reader.limit()
    }

    /// At most `count` bytes; fewer at the file's end.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, AudioError> {
        let mut bytes = Vec::with_capacity(count);
        self.reader.by_ref().take(count as u64).read_to_end(&mut bytes).map_err(AudioError::Read)?;
        Ok(bytes)
    }

    /// The next chunk's name and length, `None` where no whole one follows.
    fn next(&mut self, after_odd: bool) -> Result<Option<Chunk>, AudioError> {
        let mut start = self.bytes(8)?;
        if after_odd && is_padded(&start) {
            start.remove(0);
            start.extend(self.bytes(1)?);
        }
        let (Some(name), Some(length)) = (start.first_chunk(), start.last_chunk().filter(|_| start.len() == 8)) else {
            return Ok(None);
        };
        Ok(Some(Chunk { name: *name, length: u32::from_le_bytes(*length) }))
    }

    /// Reads past a chunk's body and returns the first `wanted` bytes of it.
    fn body(&mut self, chunk: &Chunk, wanted: usize) -> Result<Vec<u8>, AudioError> {
        let length = u64::from(chunk.length);
        let body = self.bytes(wanted.min(usize::try_from(length).unwrap_or(wanted)))?;
        let rest = length.saturating_sub(body.len() as u64);
        io::copy(&mut self.reader.by_ref().take(rest), &mut io::sink()).map_err(AudioError::Read)?;
        Ok(body)
    }

    /// Tells the facts, standing at the samples' first byte.
    fn finish(mut self, format: Format, declared: u32, long: Option<u64>) -> Result<AudioFacts, AudioError> {
        let there = self.left();
        let data_offset = self.size - there;
        let claimed = match (declared, long) {
            (u32::MAX, Some(long)) => long,
            _ => u64::from(declared),
        };
        let cut_short = if declared == 0 { !self.only_chunks_follow()? } else { claimed > there };
        let data_bytes = if cut_short { there } else { claimed };
        let mut facts = AudioFacts {
            codec: AudioCodec::from_tag(format.tag),
            format_tag: format.tag,
            channels: format.channels,
            sample_rate: format.sample_rate,
            bits_per_sample: format.bits_per_sample,
            block_align: format.block_align,
            byte_rate: format.byte_rate,
            data_offset,
            data_bytes,
            declared_data_bytes: declared,
            cut_short,
            seconds: 0.0,
        };
        facts.seconds = facts.seconds_of(data_bytes);
        Ok(facts)
    }

    /// Whether an empty `data` chunk is followed by nothing but further chunks, so that it is truly empty.
    ///
    /// Samples never look like that: the first chunk must be one that is known, or fit the file to its last byte.
    fn only_chunks_follow(&mut self) -> Result<bool, AudioError> {
        let mut known = false;
        let mut after_odd = false;
        while self.left() > 0 {
            // A pad byte, or too little for a chunk or for samples worth the name.
            let too_little = self.left() < 2;
            let Some(chunk) = self.next(after_odd)? else {
                return Ok(known || too_little);
            };
            known |= KNOWN.contains(&&chunk.name);
            let fits = u64::from(chunk.length) <= self.left() && is_name(&chunk.name);
            if !known && !fits {
                return Ok(false);
            }
            self.body(&chunk, 0)?;
            after_odd = chunk.length % 2 == 1;
        }
        Ok(true)
    }
}

/// Whether the bytes after an odd chunk begin with its pad byte, which some writers leave out.
fn is_padded(bytes: &[u8]) -> bool {
    let known =
        |at: usize| bytes.get(at..at + 4).is_some_and(|name| KNOWN.iter().any(|known| known.as_slice() == name));
    match bytes.first() {
        None => false,
        Some(0) => true,
        Some(_) if known(0) => false,
        Some(_) if known(1) => true,
        Some(_) => !bytes.get(..4).is_some_and(is_name),
    }
}

/// Whether four bytes could name a chunk: printable ASCII, not beginning with a space.
fn is_name(name: &[u8]) -> bool {
    name.first() != Some(&b' ') && name.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// The `fmt ` chunk.
struct Format {
    tag: u16,
    channels: u16,
    sample_rate: u32,
    byte_rate: u32,
    block_align: u16,
    bits_per_sample: u16,
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, AudioError> {
        let short = || AudioError::ShortFormat(body.len() as u64);
        let word = |at: usize| body.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u16::from_le_bytes);
        let double = |at: usize| body.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
        let mut format = Self {
            tag: word(0).ok_or_else(short)?,
            channels: word(2).ok_or_else(short)?,
            sample_rate: double(4).ok_or_else(short)?,
            byte_rate: double(8).ok_or_else(short)?,
            block_align: word(12).ok_or_else(short)?,
            // The oldest form ends before the bits; the block then tells them.
            bits_per_sample: 0,
        };
        format.bits_per_sample = word(14).unwrap_or_else(|| format.block_bits());
        if format.tag == EXTENSIBLE && body.get(26..FORMAT_BYTES) == Some(SUBFORMAT_TAIL) {
            format.tag = word(24).unwrap_or(EXTENSIBLE);
        }
        Ok(format)
    }

    fn block_bits(&self) -> u16 {
        self.block_align.checked_div(self.channels).and_then(|bytes| bytes.checked_mul(8)).unwrap_or(0)
    }
}
