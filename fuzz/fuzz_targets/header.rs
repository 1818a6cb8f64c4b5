//! Any bytes are a header file: they come out as they went in, and an edit is read back and changes no other field.

#![no_main]

use libfuzzer_sys::fuzz_target;
use umreplay::message::Header;

fn fields_but(header: &Header, name: &str) -> Vec<(String, String)> {
    header
        .fields()
        .filter(|(field, _)| field != name)
        .map(|(field, value)| (field.into_owned(), value.into_owned()))
        .collect()
}

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (name, value, bytes) = input;
    let mut header = Header::parse(bytes.to_vec());
    assert_eq!(header.bytes(), bytes, "parse and write is the identity");
    let _ = header.to_utf8().fields().count();
    let _ = (header.message_type(), header.duration());

    let others = fields_but(&header, name);
    if header.set(name, value).is_ok() {
        assert_eq!(header.get(name).as_deref(), Some(value), "an edit is read back");
        assert_eq!(fields_but(&header, name), others, "an edit changes no other field");
    } else {
        assert_eq!(header.bytes(), bytes, "a refused edit changes nothing");
    }
    if header.unset(name).is_ok() {
        assert_eq!(header.get(name), None);
        assert_eq!(fields_but(&header, name), others, "a removal changes no other field");
    }
});
