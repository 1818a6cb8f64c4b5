use std::io::Read;

use super::*;

/// A header block with the right checksum.
fn block(name: &str, flag: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..136].copy_from_slice(format!("{size:011o} ").as_bytes());
    block[156] = flag;
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn entry(name: &str, flag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = block(name, flag, content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// Everything an archive holds, in words; the content of files is read or passed over.
fn walk(bytes: &[u8], reads: bool) -> Vec<String> {
    let mut tar = TarReader::new(bytes);
    let mut seen = Vec::new();
    loop {
        match tar.next() {
            Ok(Next::Entry(entry)) => {
                let mut content = String::new();
                if reads && tar.read_to_string(&mut content).is_err() {
                    content = "cut".to_owned();
                }
                seen.push(format!("{} {:?} {} {content}", entry.name, entry.kind, entry.size));
            }
            Ok(Next::Damage(text)) => seen.push(text),
            Ok(Next::End(Ok(()))) => return seen,
            Ok(Next::End(Err(text))) => return [seen, vec![text]].concat(),
            Err(error) => return [seen, vec![error.to_string()]].concat(),
        }
    }
}

const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[test]
fn entries_come_in_order_whether_read_or_not() {
    let bytes = [entry("a", b'0', b"one"), entry("b/", b'5', b""), entry("c", 0, b"three"), END.to_vec()].concat();
    assert_eq!(walk(&bytes, true), ["a File 3 one", "b/ Nothing 0 ", "c File 5 three"]);
    assert_eq!(walk(&bytes, false), ["a File 3 ", "b/ Nothing 0 ", "c File 5 "]);
}

#[test]
fn headers_before_a_header_stand_in_for_it_alone() {
    let bytes = [
        entry("pax_global_header", b'g', b"19 comment=anything\n"),
        entry("@LongLink", b'L', b"long/name\0"),
        entry("x", b'x', b"11 size=90\n"),
        block("short", b'0', 3),
        vec![b'.'; BLOCK],
        entry("next", b'2', b""),
        END.to_vec(),
    ]
    .concat();
    let seen = walk(&bytes, false);
    assert_eq!(seen, ["long/name File 90 ", "next Link(\"\") 0 "]);
}

#[test]
fn garbage_is_passed_over_to_the_next_header() {
    let garbage = vec![b'?'; 3 * BLOCK];
    let bytes = [entry("a", b'0', b"one"), garbage.clone(), entry("b", b'0', b"two"), garbage].concat();
    let seen = walk(&bytes, true);
    assert_eq!(seen[0], "a File 3 one");
    assert_eq!(seen[1], "no header can be read at byte 1024; the next one is at 2560");
    assert_eq!(seen[2], "b File 3 two");
    assert_eq!(seen[3], "no header can be read at byte 3584, nor any behind it");
    // Behind the end, garbage is the rest of a tape.
    let bytes = [entry("a", b'0', b"one"), END.to_vec(), vec![b'?'; BLOCK], entry("b", b'0', b"two"), END.to_vec()];
    assert_eq!(walk(&bytes.concat(), true), ["a File 3 one", "b File 3 two"]);
}

#[test]
fn a_cut_is_told_wherever_it_is() {
    let whole = [entry("a", b'0', &[b'.'; 600]), END.to_vec()].concat();
    for (length, told) in [
        (100, "the archive ends inside a header"),
        (512, "the archive ends inside an entry"),
        (1111, "the archive ends inside an entry"),
        (1112, "its end mark is missing"),
        (1536, "its end mark is missing"),
    ] {
        assert_eq!(walk(&whole[..length], false).last().unwrap(), told, "{length}");
    }
    assert!(walk(&whole[..1000], true)[0].ends_with("cut"));
    assert_eq!(walk(&whole[..1537], true).last().unwrap(), "the archive ends inside a header");
}

#[test]
fn any_bytes_end() {
    let whole = [entry("a", b'L', b"x"), entry("b", b'0', b"two"), END.to_vec()].concat();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..3_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..9) {
            let at = random.usize(0..bytes.len());
            bytes[at] = random.u8(..);
        }
        walk(&bytes, random.bool());
    }
}
