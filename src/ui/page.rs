//! Results as people read them: a line a message, what is wrong below it, and what it comes to at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::picture;
use super::text::{clean, plain_table};
use crate::message::{Finding, Level, Outcome, State};
use crate::report::json::{MessageRow, ResultRow};
use crate::report::{FindingCounts, Summary};

pub(super) const BOLD: Style = Style::new().bold();

/// The width that a line of a message takes with its GUID in full and without findings.
const WIDE: usize = 116;

/// Longest value of a change that is shown whole, in characters.
const LONG_VALUE: usize = 64;

/// What a page shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PageStyle {
    /// Also what needs nobody's attention.
    pub(crate) verbose: bool,
    /// Of messages those that something is wrong with, and what it is.
    pub(crate) wrong_only: bool,
    /// Columns of the terminal, where it is one.
    pub(crate) width: Option<usize>,
}

/// A page that is being written.
pub(super) struct Page {
    out: Box<dyn Write>,
    style: PageStyle,
    /// The folder or archive whose messages are being listed.
    folder: String,
    /// Results that are counted and not listed, by reason.
    passed_over: BTreeMap<String, u64>,
}

impl Page {
    pub(super) fn new(out: Box<dyn Write>, style: PageStyle) -> Self {
        Self { out, style, folder: String::new(), passed_over: BTreeMap::new() }
    }

    /// One message in one line, below the folder that it lies in, and what is wrong with it where that was asked for.
    pub(super) fn message(&mut self, row: &MessageRow<'_>) -> io::Result<()> {
        let PageStyle { verbose, wrong_only, .. } = self.style;
        if wrong_only && !verbose && row.findings.iter().all(|finding| finding.level < Level::Warning) {
            return Ok(());
        }
        self.message_line(row)?;
        if verbose || wrong_only { self.findings(row) } else { Ok(()) }
    }

    fn message_line(&mut self, row: &MessageRow<'_>) -> io::Result<()> {
        let (folder, name) = split_label(row.source);
        if folder != self.folder {
            writeln!(self.out, "{BOLD}{}{BOLD:#}", clean(folder))?;
            folder.clone_into(&mut self.folder);
        }
        let narrow = self.style.width.is_some_and(|width| width < WIDE);
        let (id_width, who_width) = if narrow { (8, 16) } else { (36, 24) };
        let id = row.guid.map_or_else(|| name.to_owned(), |guid| guid.to_string());
        // The first digits tell a GUID, and are enough for `show`.
        let id = if row.guid.is_some() { id.get(..id_width).unwrap_or(&id) } else { &id };
        let duration = row.duration.map(|seconds| format!("{seconds} s")).unwrap_or_default();
        let style = state_style(row.state);
        write!(
            self.out,
            "  {}  {style}{}{style:#}  {}  {}  {duration:>5}  ",
            column(id, id_width),
            column(row.state.name(), 10),
            column(row.message_type.as_deref().unwrap_or("-"), 13),
            column(&sent(row), 16),
        )?;
        let codes: Vec<&Finding> = row.findings.iter().filter(|finding| finding.level >= Level::Warning).collect();
        if codes.is_empty() {
            return writeln!(self.out, "{}", column(&recipient(row), who_width).trim_end());
        }
        write!(self.out, "{}", column(&recipient(row), who_width))?;
        for finding in codes {
            let style = level_style(finding.level);
            write!(self.out, " {style}{}{style:#}", finding.code)?;
        }
        writeln!(self.out)
    }

    /// A message's findings in full; what is merely worth knowing only where more is to be said.
    fn findings(&mut self, row: &MessageRow<'_>) -> io::Result<()> {
        let least = if self.style.verbose { Level::Info } else { Level::Warning };
        let mut findings = row.findings.iter().filter(|finding| finding.level >= least);
        findings.try_for_each(|finding| finding_line(&mut self.out, finding))
    }

    /// One result, its reason and its changes. What is left out with good reason is counted only.
    pub(super) fn result(&mut self, row: &ResultRow<'_>) -> io::Result<()> {
        if row.outcome == Outcome::Skipped && !self.style.verbose {
            *self.passed_over.entry(kind_of_reason(row.reason.unwrap_or_default())).or_default() += 1;
            return Ok(());
        }
        let guid = row.guid.map_or_else(|| row.source.to_owned(), |guid| guid.to_string());
        let style = outcome_style(row.outcome);
        write!(self.out, "{}  {style}{}{style:#}", column(&guid, 36), column(row.outcome.name(), 9))?;
        if let Some(new) = row.new_guid {
            write!(self.out, "  as {new}")?;
        }
        if let Some(id) = row.message_id {
            write!(self.out, "  as {}", clean(id))?;
        }
        if let Some(reason) = row.reason {
            write!(self.out, "  {}", clean(reason))?;
        }
        writeln!(self.out)?;
        for change in row.changes {
            let value = |value: &Option<String>| match value {
                None => "(none)".to_owned(),
                Some(value) if self.style.verbose => clean(value).into_owned(),
                Some(value) => abbreviated(&clean(value)),
            };
            writeln!(self.out, "    {}: {} → {}", clean(&change.field), value(&change.old), value(&change.new))?;
        }
        // The reason often is the first finding.
        let told = |finding: &&Finding| row.reason.is_some_and(|reason| reason.contains(&finding.code.to_string()));
        let mut rest = row.findings.iter().filter(|finding| !told(finding));
        rest.try_for_each(|finding| finding_line(&mut self.out, finding))
    }

    /// Lets readers see what was written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What it all comes to: outcomes where something was done, else what was found.
    pub(super) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if summary.outcomes.is_empty() {
            if let Some(picture) = &summary.picture {
                picture::who_and_when(&mut self.out, picture)?;
            }
            write!(self.out, "\n{}", summary_text(summary))?;
            if let Some(picture) = &summary.picture {
                picture::what_to_do(&mut self.out, picture)?;
            }
            return match summary.findings.error + summary.findings.warning > 0 {
                true => writeln!(self.out, "\numreplay check --explain CODE tells what a finding means and what to do"),
                false => Ok(()),
            };
        }
        let count = summary.messages;
        let outcomes: Vec<String> = summary
            .outcomes
            .iter()
            .map(|(name, count)| match *name {
                "skipped" if !self.passed_over.is_empty() => {
                    format!("{count} skipped ({})", reasons(&self.passed_over))
                }
                _ => format!("{count} {name}"),
            })
            .collect();
        writeln!(self.out, "\n{BOLD}{}{BOLD:#}: {}", counted(count, "message"), outcomes.join(", "))?;
        if !self.passed_over.is_empty() {
            writeln!(self.out, "-v lists what was skipped")?;
        }
        Ok(())
    }
}

/// How many were passed over for which reason.
pub(crate) fn reasons(passed_over: &BTreeMap<String, u64>) -> String {
    let reasons: Vec<String> = passed_over.iter().map(|(kind, count)| format!("{count} {}", clean(kind))).collect();
    reasons.join(", ")
}

/// Counts of what was found, what matters first.
pub(crate) fn summary_text(summary: &Summary) -> String {
    let mut table = plain_table(&["", "", ""]);
    let mut rows = |name: &str, counts: Vec<(&str, u64)>| {
        for (index, (what, count)) in counts.into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            table.add_row([name.to_owned(), column(what, 30).trim_end().to_owned(), count.to_string()]);
        }
    };
    rows("state", summary.by_state.iter().map(|(name, count)| (*name, *count)).collect());
    rows("type", summary.by_type.iter().map(|(name, count)| (name.as_str(), *count)).collect());
    let FindingCounts { error, warning, info } = summary.findings;
    let levels = [("error", error), ("warning", warning), ("info", info)];
    rows("findings", levels.into_iter().filter(|(_, count)| *count > 0).collect());
    let body: String = table.lines().skip(1).map(|line| format!("{}\n", line.trim_end())).collect();
    format!("{BOLD}{}{BOLD:#}\n{body}", counted(summary.messages, "message"))
}

/// A number with its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A place and the name in it.
fn split_label(label: &str) -> (&str, &str) {
    label.rfind(['/', '\\', '!']).and_then(|at| Some((label.get(..at)?, label.get(at + 1..)?))).unwrap_or(("", label))
}

/// To the minute: seconds help nobody to tell messages apart in a list.
fn sent(row: &MessageRow<'_>) -> String {
    let Some(sent) = &row.sent else {
        return "-".to_owned();
    };
    sent.get(..16).unwrap_or(sent).replace('T', " ")
}

fn recipient(row: &MessageRow<'_>) -> String {
    let recipient = row.recipient.clone().unwrap_or_default();
    recipient
        .name
        .or_else(|| recipient.address.map(|address| address.to_string()))
        .or_else(|| recipient.object_guid.map(|guid| guid.to_string()))
        .unwrap_or_default()
}

/// What a reason is before it names particular messages or runs.
pub(crate) fn kind_of_reason(reason: &str) -> String {
    let kind = reason.split([':', ',']).next().unwrap_or_default();
    let kind = kind.strip_prefix("it is ").unwrap_or(kind);
    kind.split(" of ").next().unwrap_or_default().to_owned()
}

/// A long value with its middle left out: what tells paths and blobs apart stands at their ends.
fn abbreviated(value: &str) -> String {
    let count = value.chars().count();
    if count <= LONG_VALUE {
        return value.to_owned();
    }
    // A file name of a GUID with its extension is 40 characters long.
    let (head, tail) = (LONG_VALUE - 46, 45);
    value.chars().take(head).chain(['…']).chain(value.chars().skip(count - tail)).collect()
}

pub(super) fn finding_line(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    let style = level_style(finding.level);
    // Most messages begin with the field's name.
    let field = finding.field.as_deref().filter(|field| !finding.message.starts_with(field));
    let field = field.map(|field| format!("{}: ", clean(field))).unwrap_or_default();
    writeln!(out, "    {style}{}{style:#} {field}{}", finding.code, clean(&finding.message))
}

/// Fills or cuts text to a width on the terminal.
pub(super) fn column(text: &str, width: usize) -> String {
    let text = clean(text);
    let mut kept = text.into_owned();
    if kept.width() > width {
        while kept.width() >= width && kept.pop().is_some() {}
        kept.push('…');
    }
    let missing = width.saturating_sub(kept.width());
    kept + &" ".repeat(missing)
}

fn level_style(level: Level) -> Style {
    match level {
        Level::Error => AnsiColor::Red.on_default(),
        Level::Warning => AnsiColor::Yellow.on_default(),
        Level::Info => AnsiColor::Cyan.on_default(),
    }
}

fn state_style(state: State) -> Style {
    match state {
        State::Complete => AnsiColor::Green.on_default(),
        State::Internal => Style::new().dimmed(),
        State::NoAudio | State::NoHeader | State::Demoted | State::Unreadable => AnsiColor::Red.on_default(),
    }
}

fn outcome_style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Done | Outcome::Planned => AnsiColor::Green.on_default(),
        Outcome::Skipped => Style::new().dimmed(),
        Outcome::Failed => AnsiColor::Red.on_default(),
        Outcome::Uncertain => AnsiColor::Yellow.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_their_width_whatever_is_in_them() {
        for text in ["", "a", "日本語日本語", "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", "\u{1b}\u{1b}"]
        {
            assert_eq!(column(text, 5).width(), 5, "{text}");
        }
        assert_eq!(column("Zoë van Dijk", 5), "Zoë …");
    }

    #[test]
    fn reasons_are_counted_by_kind() {
        assert_eq!(kind_of_reason("duplicate of a.zip!b, demoted"), "duplicate");
        assert_eq!(kind_of_reason("done before: inject to x in run 1"), "done before");
        assert_eq!(kind_of_reason("it is UM's own file, nobody's message"), "UM's own file");
    }

    #[test]
    fn the_ends_of_long_values_are_kept() {
        let path = r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail\052ab917-5f5d-46e5-bcee-bad85b6fc524.wav";
        let short = abbreviated(path);
        assert_eq!(short.chars().count(), LONG_VALUE);
        assert!(short.starts_with(r"C:\Program") && short.ends_with(r"\052ab917-5f5d-46e5-bcee-bad85b6fc524.wav"));
        assert_eq!(abbreviated("short"), "short");
    }

    #[test]
    fn a_label_is_a_place_and_a_name() {
        assert_eq!(split_label("a/b.zip!voicemail/x.txt"), ("a/b.zip!voicemail", "x.txt"));
        assert_eq!(split_label("b.zip!x.txt"), ("b.zip", "x.txt"));
        assert_eq!(split_label(r"D:\rescue\x.txt"), (r"D:\rescue", "x.txt"));
        assert_eq!(split_label("x.txt"), ("", "x.txt"));
    }
}
