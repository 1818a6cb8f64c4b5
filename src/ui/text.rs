//! Tables and descriptions for people. Strangers' text is cleaned here, so that no escape sequence reaches a terminal.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::page::{BOLD, column, finding_line};
use crate::check::Explanation;
pub(crate) use crate::fsx::visible as clean;
use crate::ledger::{EntryRow, NewRun, RunRow};
use crate::message::{Code, Guid, Message};
use crate::report::json::MessageRow;

/// Text of several lines, each made harmless.
pub(super) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// A table without lines, for summaries.
pub(super) fn plain_table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(heading.to_vec());
    table
}

/// Earlier runs as a table.
pub(crate) fn runs_table(runs: &[RunRow]) -> String {
    let mut table = plain_table(&["run", "started", "command", "by", "done", "skipped", "failed", "uncertain"]);
    for run in runs {
        let mut cells = vec![
            run.id.0.to_string(),
            run.begun.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            clean(&run.begun.command).into_owned(),
            clean(&who(&run.begun)).into_owned(),
        ];
        match run.ended {
            Some((_, counts)) => {
                let counts = [counts.done, counts.skipped, counts.failed, counts.uncertain];
                cells.extend(counts.map(|count| count.to_string()));
            }
            None => cells.push("not ended in order".to_owned()),
        }
        table.add_row(cells);
    }
    lines(&table)
}

/// Who ran it, and where; some services have no user's name.
fn who(run: &NewRun) -> String {
    match run.user.as_str() {
        "" => run.host.clone(),
        user => format!("{user}@{}", run.host),
    }
}

/// A run's entries as a table.
pub(crate) fn entries_table(entries: &[EntryRow]) -> String {
    let mut table = plain_table(&["guid", "state", "to", "target"]);
    for entry in entries {
        let target = entry.intent.new_guid.map_or_else(
            || entry.intent.message_id.clone().unwrap_or_else(|| entry.intent.target.clone()),
            |guid| guid.to_string(),
        );
        let reason = entry.reason.as_deref().map(|reason| format!("  {reason}")).unwrap_or_default();
        table.add_row([
            entry.intent.source_guid.map(|guid| guid.to_string()).unwrap_or_default(),
            entry.state.name().to_owned(),
            clean(entry.intent.recipient_after.as_deref().unwrap_or_default()).into_owned(),
            clean(&format!("{target}{reason}")).into_owned(),
        ]);
    }
    lines(&table)
}

/// One delivered message as the demo's closing table shows it.
#[derive(Debug)]
pub(crate) struct DemoRow {
    /// The GUID of the message as it was found.
    pub(crate) guid: Option<Guid>,
    /// Who it was for, and is for now.
    pub(crate) recipient: String,
    /// What was found of it in the voicemail folder.
    pub(crate) injected: String,
    /// What was found of it in the mail.
    pub(crate) submitted: String,
}

/// What the demo verified, as a table.
pub(crate) fn demo_table(rows: &[DemoRow]) -> String {
    let mut table = plain_table(&["message", "recipient", "injected", "mailed"]);
    for row in rows {
        let guid = row.guid.map(|guid| guid.to_string()).unwrap_or_default();
        let short = |text: &str, width| column(text, width).trim_end().to_owned();
        let guid = guid.get(..8).unwrap_or_default();
        table.add_row([guid, &short(&row.recipient, 30), &short(&row.injected, 34), &short(&row.submitted, 21)]);
    }
    lines(&table)
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// What a finding means and how to mend it.
pub(crate) fn explanation(code: Code, explanation: &Explanation) -> String {
    format!(
        "{BOLD}{code}{BOLD:#}  {}\n\n{}\n\nIf nothing is done: {}\n\nTo mend it: {}",
        explanation.title, explanation.cause, explanation.consequence, explanation.remedy
    )
}

/// One message in full.
pub(crate) fn describe_message(row: &MessageRow<'_>, message: &Message, peaks: Option<&[f32]>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<12} {}", clean(value));
        }
    };
    line("GUID", &row.guid.map(|guid| guid.to_string()).unwrap_or_default());
    line("Id", &row.id.map(|id| id.to_string()).unwrap_or_default());
    line("State", row.state.name());
    line("Source", row.source);
    if let Some(part) = &message.header {
        line("Encoding", part.header.encoding().name());
    }
    if let Some(audio) = &message.audio {
        line("Audio", &audio.file.label);
        if let Some(facts) = &audio.facts {
            let bits =
                if facts.bits_per_sample > 0 { format!(" {}-bit", facts.bits_per_sample) } else { String::new() };
            let cut = if facts.cut_short { ", cut short" } else { "" };
            line(
                "",
                &format!(
                    "{:.1} s, {:?}{bits}, {} Hz, {} channel{}, {} bytes{cut}",
                    facts.seconds,
                    facts.codec,
                    facts.sample_rate,
                    facts.channels,
                    if facts.channels == 1 { "" } else { "s" },
                    audio.file.size,
                ),
            );
        }
        line("SHA-256", &audio.sha256.map(|digest| digest.to_string()).unwrap_or_default());
    }
    for copy in &message.copies {
        let count = copy.processed_count.map(|count| format!(", count {count}")).unwrap_or_default();
        let gives = match (copy.gives_header, copy.gives_audio) {
            (true, true) => ", taken",
            (true, false) => ", header taken",
            (false, true) => ", audio taken",
            (false, false) => "",
        };
        line("Copy", &format!("{} ({}{count}{gives})", copy.label, copy.state.name()));
    }
    if let Some(peaks) = peaks {
        line("Waveform", &waveform(peaks));
    }
    if let Some(part) = &message.header {
        let _ = writeln!(text, "\n{BOLD}Fields{BOLD:#}");
        for (name, value) in part.header.fields() {
            let _ = writeln!(text, "  {:<22} {}", clean(&name), clean(&value));
        }
    }
    let _ = writeln!(text, "\n{BOLD}Findings{BOLD:#}");
    if row.findings.is_empty() {
        let _ = writeln!(text, "  none");
    }
    let mut findings = Vec::new();
    for finding in row.findings {
        // Writing to a Vec cannot fail.
        let _ = finding_line(&mut findings, finding);
    }
    text.push_str(&String::from_utf8_lossy(&findings));
    text
}

/// Peaks as a line of blocks.
fn waveform(peaks: &[f32]) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let block = |peak: &f32| {
        // Speech is far below full scale most of the time: the square root shows it.
        let height = (peak.clamp(0.0, 1.0).sqrt() * 8.0).ceil() as usize;
        BLOCKS.get(height).copied().unwrap_or('█')
    };
    peaks.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_flat_and_noise_is_high() {
        assert_eq!(waveform(&[0.0, 1.0]), " █");
    }
}
