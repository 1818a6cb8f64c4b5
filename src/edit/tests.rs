//! Who gets a message: every way in which a header names its recipient, with every way to change it.

use std::io::{self, Read};
use std::sync::Arc;

use super::*;
use crate::message::{Content, FileRef, HeaderFile};

const ANN: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const BOB: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const DIRECTORY: &str = "PrimarySmtpAddress;Guid;EmailAddresses\n\
    ann@x.example;aaaaaaaa-0000-4000-8000-000000000001;smtp:ann@old.example smtp:desk@x.example\n\
    bob@x.example;bbbbbbbb-0000-4000-8000-000000000002;smtp:desk@x.example\n";

struct Nothing;

impl Content for Nothing {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(io::empty()))
    }
}

/// What `edits` make of a missed call whose recipient is named so: the header's GUID and address, and where mail goes.
fn edited(named: &[(&str, &str)], edits: &Edits, purpose: Purpose) -> Result<[Option<String>; 3], EditError> {
    let mut text = "MessageType : MissedCall\r\nCallId : 7\r\n".to_owned();
    named.iter().for_each(|(field, value)| text.push_str(&format!("{field} : {value}\r\n")));
    let header = Header::parse(text.into_bytes());
    let message = Message {
        guid: None,
        stem: String::new(),
        label: String::new(),
        header: Some(HeaderFile {
            file: FileRef::new(String::new(), 0, None, Arc::new(Nothing)),
            header: header.clone(),
        }),
        audio: None,
        fax: None,
        message_file: None,
        health_check: false,
        copies: Vec::new(),
        findings: Vec::new(),
    };
    let edited = edits.apply(&message, &header, purpose)?;
    let field = |name| edited.header.get(name).map(|value| value.into_owned());
    let address = edited.recipient.address.map(|address| address.to_string());
    Ok([field(fields::RECIPIENT_OBJECT_GUID), field(fields::RECIPIENT_ADDRESS), address])
}

/// The address that mail goes to.
fn mail(named: &[(&str, &str)], edits: &Edits) -> Option<String> {
    edited(named, edits, Purpose::Mail).ok().and_then(|[.., address]| address)
}

/// GUID and address in the header that is queued.
fn queued(named: &[(&str, &str)], edits: &Edits) -> Result<[Option<String>; 2], EditError> {
    edited(named, edits, Purpose::Queue).map(|[guid, address, _]| [guid, address])
}

fn directory() -> Option<Directory> {
    Some(Directory::parse(DIRECTORY.as_bytes()).unwrap())
}

fn map(from: &str, to: &str) -> Option<RecipientMap> {
    Some(RecipientMap::parse(format!("from,to\n{from},{to}\n").as_bytes()).unwrap())
}

fn to(target: &str) -> Option<Target> {
    Some(Target::parse(target).unwrap())
}

fn set(text: &str) -> Vec<Assignment> {
    vec![Assignment::set(text).unwrap()]
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const E12: (&str, &str) = (fields::RECIPIENT_ADDRESS, "ann@x.example");
const E15: (&str, &str) = (fields::RECIPIENT_OBJECT_GUID, ANN);

#[test]
fn a_guid_goes_before_an_address_that_is_another_mailboxs() {
    // UM reads the GUID, so the message is Ann's, and the map speaks of Bob.
    let mixed = [E15, (fields::RECIPIENT_ADDRESS, "bob@x.example")];
    let edits = Edits { map: map("bob@x.example", "new@x.example"), directory: directory(), ..Edits::default() };
    assert_eq!(mail(&mixed, &edits), some("ann@x.example"));
    let edits = Edits { map: map("ann@x.example", "new@x.example"), directory: directory(), ..Edits::default() };
    assert_eq!(mail(&mixed, &edits), some("new@x.example"));
}

#[test]
fn a_map_finds_a_mailbox_by_the_address_in_the_header_and_by_its_primary_one() {
    let old = (fields::RECIPIENT_ADDRESS, "ann@old.example");
    for named in [vec![old], vec![E15, old]] {
        for from in ["ann@old.example", "ann@x.example", ANN] {
            let edits = Edits { map: map(from, "new@x.example"), directory: directory(), ..Edits::default() };
            assert_eq!(mail(&named, &edits), some("new@x.example"), "{named:?} {from}");
        }
    }
}

#[test]
fn an_ambiguous_address_is_never_guessed() {
    let edits = Edits { map: map("desk@x.example", "new@x.example"), directory: directory(), ..Edits::default() };
    let desk = [(fields::RECIPIENT_ADDRESS, "desk@x.example")];
    assert!(matches!(edited(&desk, &edits, Purpose::Mail), Err(EditError::Ambiguous(_))));
    let edits = Edits { recipient: to("desk@x.example"), directory: directory(), ..Edits::default() };
    assert!(matches!(edited(&[E15], &edits, Purpose::Queue), Err(EditError::Ambiguous(_))));
    // Beside a GUID it says nothing.
    let edits = Edits { map: map("desk@x.example", "new@x.example"), directory: directory(), ..Edits::default() };
    assert_eq!(mail(&[E15, desk[0]], &edits), some("ann@x.example"));
}

#[test]
fn an_assignment_cannot_leave_two_people_in_a_queued_header() {
    let two = |named: &[(&str, &str)], text: &str| {
        let edits = Edits { assignments: set(text), ..Edits::default() };
        matches!(queued(named, &edits), Err(EditError::TwoRecipients { .. }))
    };
    let by_address = "RecipientAddress=bob@x.example";
    let by_guid = format!("RecipientObjectGuid={BOB}");
    assert!(two(&[E15], by_address) && two(&[E15, E12], by_address));
    assert!(two(&[E12], &by_guid) && two(&[E15, E12], &by_guid));
    assert!(!two(&[E12], by_address) && !two(&[E15], &by_guid));
    // What stands there already changes nobody.
    assert!(!two(&[E15, E12], "RecipientAddress=ann@x.example"));

    let both = Edits { assignments: [set(by_address), set(&by_guid)].concat(), ..Edits::default() };
    assert_eq!(queued(&[E15, E12], &both).unwrap(), [some(BOB), some("bob@x.example")]);
    // A mail has one address: the one that was typed.
    assert_eq!(mail(&[E15], &Edits { assignments: set(by_address), ..Edits::default() }), some("bob@x.example"));
    let edits = Edits { assignments: set(&by_guid), directory: directory(), ..Edits::default() };
    assert_eq!(mail(&[E15, E12], &edits), some("bob@x.example"));
    assert_eq!(
        mail(&[E15, E12], &Edits { assignments: set(&by_guid), ..Edits::default() }),
        None,
        "Ann's is not Bob's"
    );
}

#[test]
fn a_new_guid_takes_the_old_address_with_it() {
    let edits = Edits { recipient: to(BOB), ..Edits::default() };
    assert_eq!(queued(&[E15, E12], &edits).unwrap(), [some(BOB), None]);
    assert_eq!(mail(&[E15, E12], &edits), None);
    let edits = Edits { recipient: to(BOB), directory: directory(), ..Edits::default() };
    assert_eq!(queued(&[E15, E12], &edits).unwrap(), [some(BOB), some("bob@x.example")]);
    assert_eq!(mail(&[E15, E12], &edits), some("bob@x.example"));
}

#[test]
fn what_was_typed_last_counts_for_mail() {
    let edits = Edits {
        recipient: to("bob@x.example"),
        directory: directory(),
        assignments: set("RecipientAddress=carl@x.example"),
        ..Edits::default()
    };
    assert_eq!(mail(&[E12], &edits), some("carl@x.example"));
    assert_eq!(mail(&[E15], &edits), some("carl@x.example"));
    let unset = vec![Assignment::unset(fields::RECIPIENT_ADDRESS).unwrap()];
    assert_eq!(mail(&[E12], &Edits { assignments: unset, ..Edits::default() }), None);
    let unset = vec![Assignment::unset(fields::RECIPIENT_OBJECT_GUID).unwrap()];
    assert_eq!(
        mail(&[E15, E12], &Edits { assignments: unset, ..Edits::default() }),
        None,
        "nobody said that it is Ann's"
    );
}
