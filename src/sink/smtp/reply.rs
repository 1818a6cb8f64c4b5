//! What a server says (RFC 5321 section 4.2).

use std::fmt;

/// The most characters of a server's words that are kept.
pub(super) const WORDS_LIMIT: usize = 400;

/// A server's reply: its code, and its words as one harmless line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
    /// Each line's words, for what EHLO lists.
    pub(super) lines: Vec<String>,
}

impl Reply {
    pub(super) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// Whether the text begins with this enhanced status code (RFC 3463).
    pub(super) fn has_status(&self, status: &str) -> bool {
        self.text.split(' ').next() == Some(status)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { write!(f, "{}", self.code) } else { write!(f, "{} {}", self.code, self.text) }
    }
}

/// Code, whether more lines follow, and words of one line of a reply.
pub(super) fn parse_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    let code: u16 =
        std::str::from_utf8(code).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    if !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, false, rest)),
        Some((b' ', words)) => Some((code, false, words)),
        Some((b'-', words)) => Some((code, true, words)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_replies_are_told_from_anything_else() {
        assert_eq!(parse_line(b"250-SIZE 1"), Some((250, true, &b"SIZE 1"[..])));
        assert_eq!(parse_line(b"354 "), Some((354, false, &b""[..])));
        assert_eq!(parse_line(b"421"), Some((421, false, &b""[..])));
        for line in ["", "25", "25x ok", "+25 ok", "2500 ok", "150 ok", "600 ok", "HTTP/1.1 200 OK"] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_status_is_a_whole_word() {
        let reply = Reply { code: 552, text: "5.3.4 too big".to_owned(), lines: Vec::new() };
        assert!(reply.has_status("5.3.4") && !reply.has_status("5.3"));
    }
}
