//! What comes between DATA and the final dot (RFC 5321 section 4.5.2).

/// A mail that is being received: dots unstuffed, ended by nothing but CRLF, dot, CRLF.
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Whether bytes beyond the limit were thrown away.
    pub(super) is_too_large: bool,
    limit: usize,
    at: At,
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Dot,
    DotReturn,
    Middle,
    Return,
    End,
}

impl Content {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), is_too_large: false, limit, at: At::Start }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.at == At::End
    }

    /// Takes bytes up to the mail's end; tells how many.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        for (position, byte) in bytes.iter().enumerate() {
            self.at = match (self.at, byte) {
                (At::Start, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotReturn,
                (At::DotReturn, b'\n') => At::End,
                (at, byte) => {
                    if at == At::DotReturn {
                        self.push(b'\r');
                    }
                    self.push(*byte);
                    match (at, byte) {
                        (At::Return | At::DotReturn, b'\n') => At::Start,
                        (_, b'\r') => At::Return,
                        _ => At::Middle,
                    }
                }
            };
            if self.is_whole() {
                return position + 1;
            }
        }
        bytes.len()
    }

    fn push(&mut self, byte: u8) {
        if self.bytes.len() < self.limit {
            self.bytes.push(byte);
        } else {
            self.is_too_large = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(wire: &[u8], step: usize) -> (Vec<u8>, bool, usize) {
        let mut content = Content::new(100);
        let mut used = 0;
        for chunk in wire.chunks(step) {
            used += content.take(chunk);
            if content.is_whole() {
                break;
            }
        }
        (content.bytes.clone(), content.is_whole(), used)
    }

    #[test]
    fn a_mail_is_unstuffed_whatever_the_packets() {
        let wire = b"a\r\n..b\r\n...\r\n.\r\nQUIT\r\n";
        for step in 1..=wire.len() {
            assert_eq!(received(wire, step), (b"a\r\n.b\r\n..\r\n".to_vec(), true, 16), "{step}");
        }
        assert_eq!(received(b".\r\n", 1), (Vec::new(), true, 3));
    }

    #[test]
    fn nothing_else_ends_a_mail() {
        for wire in ["a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r\n.\r\r\n", "a.\r\n"] {
            assert!(!received(wire.as_bytes(), 9).1, "{wire:?}");
        }
        assert_eq!(received(b"\r\n.\r\r\n.\r\n", 2), (b"\r\n\r\r\n".to_vec(), true, 9));
    }

    #[test]
    fn a_mail_beyond_the_limit_is_read_to_its_end() {
        let mut content = Content::new(4);
        content.take(b"123456\r\n.\r\n");
        assert!(content.is_whole() && content.is_too_large);
    }
}
