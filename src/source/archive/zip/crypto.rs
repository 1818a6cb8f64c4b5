//! Encrypted entries: WinZip's AES and the old ZipCrypto.
//!
//! AES as WinZip specifies it (AE-1, AE-2): a salt and two bytes to check the password by, then AES in counter mode, then ten
//! bytes of HMAC-SHA1 over what is encrypted. ZipCrypto is section 6.1 of APPNOTE.TXT.

use std::io::{self, Read};

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::super::DECRYPTION;
use super::record::AesField;

const ITERATIONS: u32 = 1000;
const CODE_LENGTH: u64 = 10;
const BLOCK: usize = 16;
const ZIPCRYPTO_HEADER: usize = 12;

/// A password that does not fit, in the way that readers of archives tell it.
pub(super) fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, DECRYPTION)
}

/// Decrypts what is read through it.
pub(super) enum Decrypted<R> {
    Aes(Box<AesReader<R>>),
    ZipCrypto(Keys, R),
}

impl<R: Read> Decrypted<R> {
    /// Begins to decrypt so many bytes with AES.
    pub(super) fn aes(mut inner: R, length: u64, field: AesField, password: &[u8]) -> io::Result<Self> {
        let key_length = match field.strength {
            1 => 16,
            2 => 24,
            3 => 32,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "its sort of AES is not known")),
        };
        let mut salt = [0; 16];
        let salt = salt.get_mut(..key_length / 2).unwrap_or_default();
        let mut check = [0; 2];
        inner.read_exact(salt)?;
        inner.read_exact(&mut check)?;
        let overhead = salt.len() as u64 + check.len() as u64 + CODE_LENGTH;
        let left = length.checked_sub(overhead).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut derived = [0; 66];
        let derived = derived.get_mut(..2 * key_length + 2).unwrap_or_default();
        pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, ITERATIONS, derived);
        let (key, rest) = derived.split_at(key_length);
        let (code_key, expected) = rest.split_at(key_length);
        if expected != check {
            return Err(refused());
        }
        let cipher = Cipher::new(key).ok_or_else(refused)?;
        let code = <Hmac<Sha1> as KeyInit>::new_from_slice(code_key).map_err(|_| refused())?;
        Ok(Self::Aes(Box::new(AesReader {
            inner,
            left,
            cipher,
            counter: 0,
            stream: Block::default(),
            used: BLOCK,
            code: Some(code),
        })))
    }

    /// Begins to decrypt with ZipCrypto; `check` is what the password is checked by.
    pub(super) fn zipcrypto(mut inner: R, check: u8, password: &[u8]) -> io::Result<Self> {
        let mut keys = Keys::new(password);
        let mut header = [0; ZIPCRYPTO_HEADER];
        inner.read_exact(&mut header)?;
        header.iter_mut().for_each(|byte| *byte = keys.decrypt(*byte));
        match header.last() == Some(&check) {
            true => Ok(Self::ZipCrypto(keys, inner)),
            false => Err(refused()),
        }
    }
}

impl<R: Read> Read for Decrypted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Aes(reader) => reader.read(buffer),
            Self::ZipCrypto(keys, inner) => {
                let count = inner.read(buffer)?;
                buffer.iter_mut().take(count).for_each(|byte| *byte = keys.decrypt(*byte));
                Ok(count)
            }
        }
    }
}

enum Cipher {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::Aes128),
            24 => Aes192Enc::new_from_slice(key).ok().map(Self::Aes192),
            _ => Aes256Enc::new_from_slice(key).ok().map(Self::Aes256),
        }
    }

    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Aes128(cipher) => cipher.encrypt_block(block),
            Self::Aes192(cipher) => cipher.encrypt_block(block),
            Self::Aes256(cipher) => cipher.encrypt_block(block),
        }
    }
}

/// Decrypts AES in counter mode, and checks the code at the end.
pub(super) struct AesReader<R> {
    inner: R,
    /// Encrypted bytes still to come.
    left: u64,
    cipher: Cipher,
    /// Blocks used so far; WinZip counts from 1, lowest byte first.
    counter: u128,
    stream: Block,
    /// Bytes of `stream` that are used up.
    used: usize,
    /// Taken when the code has been checked.
    code: Option<Hmac<Sha1>>,
}

impl<R: Read> AesReader<R> {
    fn decrypt(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == BLOCK {
                self.counter += 1;
                self.stream = self.counter.to_le_bytes().into();
                self.cipher.encrypt(&mut self.stream);
                self.used = 0;
            }
            *byte ^= self.stream.get(self.used).copied().unwrap_or_default();
            self.used += 1;
        }
    }

    fn check(&mut self) -> io::Result<()> {
        let Some(code) = self.code.take() else { return Ok(()) };
        let mut told = [0; CODE_LENGTH as usize];
        self.inner.read_exact(&mut told)?;
        code.verify_truncated_left(&told)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its authentication code is wrong: it is damaged"))
    }
}

impl<R: Read> Read for AesReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        let count = if wanted == 0 { 0 } else { self.inner.read(buffer)? };
        if wanted > 0 && count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = buffer.get_mut(..count).unwrap_or_default();
        if let Some(code) = &mut self.code {
            code.update(bytes);
        }
        self.decrypt(bytes);
        self.left -= count as u64;
        // Right after the last byte: who unpacks may not ask for more.
        if self.left == 0 {
            self.check()?;
        }
        Ok(count)
    }
}

/// ZipCrypto's state.
pub(super) struct Keys([u32; 3]);

impl Keys {
    fn new(password: &[u8]) -> Self {
        let mut keys = Self([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.iter().for_each(|byte| keys.update(*byte));
        keys
    }

    fn update(&mut self, plain: u8) {
        let [first, second, third] = self.0;
        let first = crc32(first, plain);
        let second = second.wrapping_add(first & 0xFF).wrapping_mul(0x0808_8405).wrapping_add(1);
        let [.., high] = second.to_le_bytes();
        self.0 = [first, second, crc32(third, high)];
    }

    fn decrypt(&mut self, byte: u8) -> u8 {
        let [_, _, third] = self.0;
        let key = third | 2;
        let [_, mask, ..] = key.wrapping_mul(key ^ 1).to_le_bytes();
        let plain = byte ^ mask;
        self.update(plain);
        plain
    }
}

/// One step of the CRC-32.
fn crc32(crc: u32, byte: u8) -> u32 {
    let [low, ..] = crc.to_le_bytes();
    CRC_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default() ^ (crc >> 8)
}

const CRC_TABLE: [u32; 256] = crc_table();

#[expect(clippy::indexing_slicing, reason = "computed while compiling")]
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 != 0 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_step_is_the_usual_one() {
        assert_eq!(crc32(0xFFFF_FFFF, b'a') ^ 0xFFFF_FFFF, 0xE8B7_BE43);
    }

    #[test]
    fn what_is_too_short_for_its_frame_is_refused() {
        let field = AesField { strength: 3, has_no_crc: true };
        assert!(Decrypted::aes(&[0; 18][..], 18, field, b"x").is_err());
        assert!(Decrypted::aes(&[0; 9][..], 99, field, b"x").is_err());
        assert!(Decrypted::aes(&[0; 99][..], 99, AesField { strength: 4, ..field }, b"x").is_err());
        assert!(Decrypted::zipcrypto(&[0; 11][..], 0, b"x").is_err());
    }
}
