//! How a header file's bytes stand for text: the encodings met in the field, told apart as UM does or would not.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use serde::Serialize;

/// How the characters of a header file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Charset {
    /// UTF-8, what UM writes.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// The ANSI code page of Western Windows (cp1252): what Notepad saved before 2019.
    Ansi,
}

/// A header file's character set and whether a byte-order mark announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// How characters are stored.
    pub charset: Charset,
    /// Whether the file begins with a byte-order mark.
    pub byte_order_mark: bool,
}

impl Encoding {
    /// What UM writes: UTF-8 without a byte-order mark.
    pub const UM: Self = Self { charset: Charset::Utf8, byte_order_mark: false };

    /// Tells the encoding from a file's bytes.
    ///
    /// A byte-order mark decides. Without one, text whose every second byte is zero is UTF-16, text that is valid UTF-8
    /// (but for a character cut off by the end of the file) is UTF-8, and everything else is taken for ANSI.
    pub fn detect(bytes: &[u8]) -> Self {
        let marked = |charset| Self { charset, byte_order_mark: true };
        match bytes {
            [0xEF, 0xBB, 0xBF, ..] => return marked(Charset::Utf8),
            [0xFF, 0xFE, ..] => return marked(Charset::Utf16Le),
            [0xFE, 0xFF, ..] => return marked(Charset::Utf16Be),
            _ => {}
        }
        let charset = match (bare_utf16(bytes), std::str::from_utf8(bytes)) {
            (Some(charset), _) => charset,
            (None, Ok(_)) => Charset::Utf8,
            (None, Err(error)) if error.error_len().is_none() => Charset::Utf8,
            (None, Err(_)) => Charset::Ansi,
        };
        Self { charset, byte_order_mark: false }
    }

    /// The encoding's name for people.
    pub fn name(self) -> &'static str {
        match (self.charset, self.byte_order_mark) {
            (Charset::Utf8, false) => "UTF-8",
            (Charset::Utf8, true) => "UTF-8 with BOM",
            (Charset::Utf16Le, true) => "UTF-16LE",
            (Charset::Utf16Be, true) => "UTF-16BE",
            (Charset::Utf16Le, false) => "UTF-16LE without BOM",
            (Charset::Utf16Be, false) => "UTF-16BE without BOM",
            (Charset::Ansi, _) => "ANSI (Windows-1252)",
        }
    }

    /// Whether UM reads a file so encoded as it was meant: a UTF-16 file needs its mark, and ANSI is read as broken UTF-8.
    pub fn is_read_by_um(self) -> bool {
        match self.charset {
            Charset::Utf8 => true,
            Charset::Utf16Le | Charset::Utf16Be => self.byte_order_mark,
            Charset::Ansi => false,
        }
    }

    /// Length in bytes of the byte-order mark, 0 without one.
    pub fn mark_length(self) -> usize {
        match (self.byte_order_mark, self.charset) {
            (false, _) | (true, Charset::Ansi) => 0,
            (true, Charset::Utf8) => 3,
            (true, Charset::Utf16Le | Charset::Utf16Be) => 2,
        }
    }

    /// Bytes in one code unit: 2 for UTF-16, else 1.
    pub fn unit(self) -> usize {
        match self.charset {
            Charset::Utf16Le | Charset::Utf16Be => 2,
            Charset::Utf8 | Charset::Ansi => 1,
        }
    }

    /// Decodes bytes that hold whole characters; what cannot be decoded becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self.charset {
            Charset::Utf8 => String::from_utf8_lossy(bytes),
            Charset::Ansi => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            Charset::Utf16Le => decode_utf16(bytes, u16::from_le_bytes),
            Charset::Utf16Be => decode_utf16(bytes, u16::from_be_bytes),
        }
    }

    /// Encodes text without a mark; `None` where a character has no place in the encoding.
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        match self.charset {
            Charset::Utf8 => Some(Cow::Borrowed(text.as_bytes())),
            Charset::Ansi => {
                let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
                (!unmappable).then_some(bytes)
            }
            Charset::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Charset::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>()
        .into()
}

/// UTF-16 saved without its mark: the first line is field names, so ASCII letters alternate with zeros.
fn bare_utf16(bytes: &[u8]) -> Option<Charset> {
    let (pairs, _) = bytes.get(..bytes.len().min(32))?.as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    if pairs.iter().all(|[low, high]| *low != 0 && *high == 0) {
        Some(Charset::Utf16Le)
    } else if pairs.iter().all(|[high, low]| *low != 0 && *high == 0) {
        Some(Charset::Utf16Be)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(bytes: &[u8]) -> &'static str {
        Encoding::detect(bytes).name()
    }

    #[test]
    fn each_encoding_is_recognised() {
        assert_eq!(name(b"MessageType : CDR"), "UTF-8");
        assert_eq!(name("CallerNAme : Zo\u{eb}".as_bytes()), "UTF-8");
        assert_eq!(name(b"\xEF\xBB\xBFMessageType"), "UTF-8 with BOM");
        assert_eq!(name(b"\xFF\xFEM\0"), "UTF-16LE");
        assert_eq!(name(b"\xFE\xFF\0M"), "UTF-16BE");
        assert_eq!(name(b"M\0e\0s\0"), "UTF-16LE without BOM");
        assert_eq!(name(b"\0M\0e\0s"), "UTF-16BE without BOM");
        assert_eq!(name(b"CallerNAme : Zo\xEB "), "ANSI (Windows-1252)");
        assert_eq!(name(b""), "UTF-8");
        assert_eq!(name(&[0; 64]), "UTF-8");
    }

    #[test]
    fn utf8_cut_inside_a_character_stays_utf8() {
        assert_eq!(name(b"CallerNAme : Zo\xC3"), "UTF-8");
    }

    #[test]
    fn ansi_takes_what_it_has_and_nothing_else() {
        let ansi = Encoding::detect(b"\xEB ");
        assert_eq!(ansi.decode(b"Zo\xEB \x80"), "Zo\u{eb} \u{20ac}");
        assert_eq!(ansi.encode("Zo\u{eb}").unwrap().as_ref(), b"Zo\xEB");
        assert!(ansi.encode("\u{65e5}").is_none());
    }
}
