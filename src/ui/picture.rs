//! The picture of an outage as people read it, 80 columns wide: what has nothing to say is left out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};

use jiff::civil::Date;

use super::page::{BOLD, column, counted};
use super::text::clean;
use crate::check;
use crate::message::Code;
use crate::report::{Copies, Mending, Picture, Recipients};

/// Up to so many messages need no list of recipients and days, where all is well with them.
const FEW: u64 = 20;

/// Most rows that a chart has.
const ROWS: usize = 31;

/// What the period is called that a day lies in.
type PeriodName = fn(Date) -> String;

/// Columns of the longest bar.
const BAR: u64 = 50;

/// Writes who the messages are for, and of which days they are.
pub(super) fn who_and_when(out: &mut dyn Write, picture: &Picture) -> io::Result<()> {
    if picture.messages <= FEW && picture.is_well() && picture.copies.is_none() {
        return Ok(());
    }
    recipients(out, &picture.recipients)?;
    days(out, picture)
}

/// Writes what is at risk, what lies in one copy only, and what can be mended.
pub(super) fn what_to_do(out: &mut dyn Write, picture: &Picture) -> io::Result<()> {
    at_risk(out, picture)?;
    if let Some(copies) = &picture.copies {
        in_one_copy(out, copies)?;
    }
    mending(out, &picture.mending)
}

fn recipients(out: &mut dyn Write, recipients: &Recipients) -> io::Result<()> {
    if recipients.count < 2 {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}{}{BOLD:#}  messages  at risk", column("By recipient", 61))?;
    for person in &recipients.top {
        let who = &person.recipient;
        let key =
            who.address.as_ref().map(ToString::to_string).or_else(|| who.object_guid.map(|guid| guid.to_string()));
        let name = column(who.name.as_deref().unwrap_or("-"), 21);
        let key = column(key.as_deref().unwrap_or_default(), 36);
        let at_risk = if person.at_risk > 0 { person.at_risk.to_string() } else { String::new() };
        let line = format!("  {name}  {key}  {:>8}  {at_risk:>7}", person.messages);
        writeln!(out, "{}", line.trim_end())?;
    }
    let named = recipients.top.len() as u64;
    if recipients.count > named {
        writeln!(out, "  and {} more", recipients.count - named)?;
    }
    if recipients.unnamed > 0 {
        writeln!(out, "  {}  {:>8}", column("nobody is named", 59), recipients.unnamed)?;
    }
    Ok(())
}

fn days(out: &mut dyn Write, picture: &Picture) -> io::Result<()> {
    let (unit, rows) = periods(&picture.by_day);
    if rows.len() < 2 {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}By {unit}{BOLD:#}")?;
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    for (period, count) in rows {
        // Rounded up: what is there is seen.
        let length = usize::try_from((count * BAR).div_ceil(most)).unwrap_or_default();
        writeln!(out, "  {period:<15}  {count:>7}  {}", "#".repeat(length))?;
    }
    match picture.undated {
        0 => Ok(()),
        undated => writeln!(out, "  {:<15}  {undated:>7}", "no day known"),
    }
}

/// The shortest periods that make no more than [`ROWS`] rows, and what one is called. Periods without messages have no row.
fn periods(by_day: &BTreeMap<Date, u64>) -> (&'static str, Vec<(String, u64)>) {
    let units: [(&str, PeriodName); 3] = [
        ("day", |day| day.to_string()),
        ("week", |day| {
            let monday = day.iso_week_date();
            format!("{:04}, week {:02}", monday.year(), monday.week())
        }),
        ("month", |day| format!("{:04}-{:02}", day.year(), day.month())),
    ];
    for (unit, name) in units {
        let rows = grouped(by_day, name);
        if rows.len() <= ROWS {
            return (unit, rows);
        }
    }
    let mut rows = grouped(by_day, |day| format!("{:04}", day.year()));
    // A clock that stood wrong can name any year.
    let earlier: u64 = rows.drain(..rows.len().saturating_sub(ROWS)).map(|(_, count)| count).sum();
    if earlier > 0 {
        rows.insert(0, ("earlier".to_owned(), earlier));
    }
    ("year", rows)
}

/// Counts by name of a period; days come in order, and so do the names.
fn grouped(by_day: &BTreeMap<Date, u64>, name: PeriodName) -> Vec<(String, u64)> {
    let mut rows: Vec<(String, u64)> = Vec::new();
    for (day, count) in by_day {
        let name = name(*day);
        match rows.last_mut() {
            Some((last, sum)) if *last == name => *sum += count,
            _ => rows.push((name, *count)),
        }
    }
    rows
}

fn at_risk(out: &mut dyn Write, picture: &Picture) -> io::Result<()> {
    let risk = &picture.at_risk;
    if risk.total() == 0 {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}At risk{BOLD:#}: {}, by the best copy of each", counted(risk.total(), "message"))?;
    let rows = [
        (risk.deleted, "the next pickup deletes it"),
        (risk.loses_audio, "the next pickup takes the audio"),
        (risk.last_with_audio, "the next pickup is the last that keeps the audio"),
        (risk.last, "the next pickup is the last that keeps the message"),
    ];
    rows.into_iter().filter(|(count, _)| *count > 0).try_for_each(|(count, text)| row(out, count, text))
}

fn in_one_copy(out: &mut dyn Write, copies: &Copies) -> io::Result<()> {
    let Copies { single, single_at_risk, several } = *copies;
    if single == 0 {
        return writeln!(out, "\n{BOLD}Copies{BOLD:#}: every message is there in several");
    }
    writeln!(out, "\n{BOLD}In one copy only{BOLD:#}: {single} of {}", counted(single + several, "message"))?;
    match single_at_risk {
        0 => Ok(()),
        count => row(out, count, "of these at risk"),
    }
}

fn mending(out: &mut dyn Write, mending: &Mending) -> io::Result<()> {
    if !mending.usual.is_empty() || !mending.asked_for.is_empty() {
        writeln!(out, "\n{BOLD}Can be mended{BOLD:#} by inject, submit and export")?;
    }
    for (name, count) in &mending.usual {
        row(out, *count, &format!("{name:<10} unasked"))?;
    }
    for (name, count) in &mending.asked_for {
        row(out, *count, &format!("{name:<10} with --repair usual,{name}"))?;
    }
    if mending.refused == 0 {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}Mended by no repair{BOLD:#}: {}", counted(mending.refused, "message"))?;
    for (code, count) in &mending.reasons {
        let title = column(check::explain(*code).title, 31);
        row(out, *count, &format!("{code} {title}  {}", way_out(*code)))?;
    }
    Ok(())
}

fn row(out: &mut dyn Write, count: u64, text: &(impl Display + ?Sized)) -> io::Result<()> {
    writeln!(out, "  {count:>7}  {}", clean(&text.to_string()).trim_end())
}

/// The option that helps where no repair does, short enough for a row.
fn way_out(code: Code) -> &'static str {
    match code {
        Code::NoHeader
        | Code::HeaderUnreadable
        | Code::AttachmentAbsent
        | Code::MessageFileAbsent
        | Code::AudioUnreadable => "add older backups as sources",
        Code::EntryEncrypted => "unpack it first",
        Code::TypeMissing | Code::TypeUnknown => "--type-to TYPE",
        Code::CultureUnknown | Code::CultureMissing => "--culture-to NAME",
        Code::RecipientMissing | Code::RecipientMalformed | Code::CopiesDisagree => "--recipient-to WHO",
        Code::RecipientUnknown => "--map FILE.csv",
        Code::SentTimeInvalid => "--unset SentTime",
        Code::DurationMissing | Code::DurationInvalid => "--set Duration=SECONDS",
        Code::CodecMissing | Code::CodecUnknown => "--set Codec=Mp3",
        Code::PagesMissing | Code::PagesInvalid => "--set NumberOfPages=N",
        Code::BooleanInvalid => "--set FIELD=False",
        _ => "check --explain CODE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{AtRisk, RecipientCount};

    fn days(count: i32, step: i32) -> BTreeMap<Date, u64> {
        let first = Date::constant(2016, 1, 1);
        (0..count).map(|index| (first + jiff::Span::new().days(index * step), 1)).collect()
    }

    #[test]
    fn a_chart_has_few_rows_and_loses_no_message() {
        for (count, step, unit) in
            [(0, 1, "day"), (31, 1, "day"), (32, 1, "week"), (300, 1, "month"), (40, 365, "year"), (9000, 300, "year")]
        {
            let days = days(count.min(9000), step);
            let (named, rows) = periods(&days);
            assert_eq!(named, unit, "{count} days, {step} apart");
            assert!(rows.len() <= ROWS + 1);
            assert_eq!(rows.iter().map(|(_, count)| count).sum::<u64>(), days.len() as u64);
        }
        let (_, rows) = periods(&days(32, 1));
        assert_eq!(rows[0], ("2015, week 53".to_owned(), 3));
    }

    #[test]
    fn it_fits_80_columns_whatever_strangers_wrote() {
        let recipient = crate::message::Recipient {
            name: Some("\u{1b}[31m日本語".repeat(40)),
            address: crate::message::EmailAddress::parse(&format!("{}@example.com", "a".repeat(60))).ok(),
            object_guid: None,
        };
        let people = Recipients {
            count: 12_345,
            top: vec![RecipientCount { recipient, messages: 1_234_567, at_risk: 999_999 }],
            unnamed: 7,
        };
        let picture = Picture {
            messages: 2_000_000,
            recipients: people,
            by_day: days(300, 1),
            undated: 3,
            at_risk: AtRisk { last_with_audio: 1, loses_audio: 2, last: 3, deleted: 4 },
            copies: Some(Copies { single: 1, single_at_risk: 1, several: 2 }),
            mending: Mending {
                usual: [("demoted", 1)].into(),
                asked_for: [("riff", 1)].into(),
                refused: 3,
                reasons: Code::ALL.iter().map(|code| (*code, 1)).collect(),
            },
        };
        let mut bytes = Vec::new();
        who_and_when(&mut bytes, &picture).unwrap();
        what_to_do(&mut bytes, &picture).unwrap();
        let text = String::from_utf8(bytes).unwrap().replace(&format!("{BOLD}"), "").replace(&format!("{BOLD:#}"), "");
        assert!(text.contains("and 12344 more"), "{text}");
        for line in text.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }

    #[test]
    fn a_small_folder_without_fault_needs_no_picture() {
        let mut bytes = Vec::new();
        let mut picture = Picture { messages: FEW, by_day: days(5, 1), ..Picture::default() };
        who_and_when(&mut bytes, &picture).unwrap();
        what_to_do(&mut bytes, &picture).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), "");
        picture.at_risk.deleted = 1;
        who_and_when(&mut bytes, &picture).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("2016-01-05"));
    }
}
