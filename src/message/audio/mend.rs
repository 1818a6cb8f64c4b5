//! A recording cut short gets RIFF sizes that fit what is there; its samples stay as they are.

use std::io::Read;

use super::AudioFile;
use crate::fsx::PathError;

/// The same recording with sizes that fit; `None` where nothing is wrong with them, or no 32 bits can hold them.
///
/// # Errors
/// The recording's head cannot be read.
pub fn mend(audio: &AudioFile) -> Result<Option<AudioFile>, PathError> {
    let Some(facts) = audio.facts.as_ref().filter(|facts| facts.cut_short) else {
        return Ok(None);
    };
    let riff_size = u32::try_from(audio.file.size.saturating_sub(8));
    let (Ok(riff_size), Ok(data_size)) = (riff_size, u32::try_from(facts.data_bytes)) else {
        return Ok(None);
    };
    let mut head = Vec::new();
    let mut reader = audio.file.open()?.take(facts.data_offset);
    reader.read_to_end(&mut head).map_err(|error| audio.file.error(error))?;
    let place = head.len().saturating_sub(4);
    let sized = head.starts_with(b"RIFF") && head.len() as u64 == facts.data_offset;
    match (sized, head.get_mut(4..8).map(|size| size.copy_from_slice(&riff_size.to_le_bytes()))) {
        (true, Some(())) => {}
        _ => return Ok(None),
    }
    if let Some(size) = head.get_mut(place..) {
        size.copy_from_slice(&data_size.to_le_bytes());
    }
    let mut facts = facts.clone();
    facts.cut_short = false;
    facts.declared_data_bytes = data_size;
    Ok(Some(AudioFile { file: audio.file.with_head(head), facts: Some(facts), sha256: None }))
}
