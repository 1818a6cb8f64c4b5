//! What headers before a header add to it: pax records (POSIX.1-2001) and GNU's long names.

use jiff::Timestamp;

use super::header::text;

/// What stands in for the fields of the next header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) name: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<Timestamp>,
    pub(super) is_sparse: bool,
}

impl Extended {
    /// Adds what a header of this type flag holds.
    pub(super) fn take(&mut self, flag: u8, content: &[u8]) {
        match flag {
            b'L' => self.name = Some(text(content).to_vec()),
            b'K' => self.target = Some(text(content).to_vec()),
            _ => records(content).for_each(|(key, value)| self.set(key, value)),
        }
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let number = || std::str::from_utf8(value).ok();
        match key {
            b"path" if !self.is_sparse => self.name = Some(text(value).to_vec()),
            b"linkpath" => self.target = Some(text(value).to_vec()),
            b"size" => self.size = number().and_then(|size| size.parse().ok()),
            b"mtime" => self.modified = number().and_then(time),
            b"GNU.sparse.name" => {
                self.is_sparse = true;
                self.name = Some(text(value).to_vec());
            }
            _ if key.starts_with(b"GNU.sparse.") => self.is_sparse = true,
            _ => {}
        }
    }
}

/// The records `LENGTH KEY=VALUE\n`, up to the first that is none.
fn records(mut content: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(content.get(..space)?).ok()?.parse().ok()?;
        let (record, rest) = content.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        content = rest;
        Some((record.get(..equals)?, record.get(equals + 1..)?))
    })
}

/// Seconds since 1970 with a fraction, as in `1482480000.25`.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i32 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    let sign = if seconds.starts_with('-') { -1 } else { 1 };
    Timestamp::new(seconds.parse().ok()?, sign * nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(content: &[u8]) -> Extended {
        let mut extended = Extended::default();
        extended.take(b'x', content);
        extended
    }

    #[test]
    fn records_stand_in_for_fields() {
        let extended = taken(b"16 path=a/b.txt\n25 mtime=1482480000.2500\n12 size=70\n\n");
        assert_eq!(extended.name.as_deref(), Some(&b"a/b.txt"[..]));
        assert_eq!(extended.size, None);
        assert_eq!(extended.modified.unwrap().to_string(), "2016-12-23T08:00:00.25Z");
        assert_eq!(taken(b"11 size=70\n").size, Some(70));
        assert!(taken(b"22 GNU.sparse.major=1\n").is_sparse);
    }

    #[test]
    fn what_is_no_record_ends_the_list() {
        for wrong in
            [&b"99 path=a\n"[..], b"10 path=a/", b"path=a\n", b"0 path=a\n", b"3 path=a\n", b"", b" ", b"9 path-a\n"]
        {
            assert_eq!(taken(wrong), Extended::default(), "{wrong:?}");
        }
        assert_eq!(time("1.x"), None);
        assert_eq!(time("999999999999999999999"), None);
        assert_eq!(time("-1.5").unwrap().to_string(), "1969-12-31T23:59:58.5Z");
    }
}
