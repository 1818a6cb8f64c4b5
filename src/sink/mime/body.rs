//! The text that a recipient reads: who called, when, for how long, and what was said; once plain, once as HTML.

use jiff::Zoned;

use super::markup;
use super::text::{self, clean};
use super::wording::Wording;
use crate::message::{Caller, Header, fields};

/// The most characters of a transcript that are shown: far more than anyone says in a voice message.
const TRANSCRIPT_LIMIT: usize = 32_000;

/// What the body says.
pub(super) struct Body {
    title: String,
    rows: Vec<(&'static str, String)>,
    transcript: Option<(&'static str, String)>,
}

impl Body {
    /// Gathers what is known; `amount` is the row that tells the duration or the pages.
    pub(super) fn new(
        title: String,
        wording: &'static Wording,
        caller: &Caller,
        sent: Option<&Zoned>,
        amount: Option<(&'static str, String)>,
        header: &Header,
    ) -> Self {
        let row = |label, value: &Option<String>| value.clone().map(|value| (label, value));
        let time = sent.map(|sent| (wording.time, sent.strftime("%Y-%m-%d %H:%M").to_string()));
        let rows = [
            row(wording.caller, &caller.name),
            row(wording.number, &caller.number),
            row(wording.address, &caller.address),
            time,
            amount,
        ];
        let transcript = header.get(fields::TRANSCRIPTION_DATA).and_then(|xml| markup::transcript(&xml));
        let transcript = transcript.map(|words| clean(&words, TRANSCRIPT_LIMIT)).filter(|words| !words.is_empty());
        Self {
            title,
            rows: rows.into_iter().flatten().collect(),
            transcript: transcript.map(|words| (wording.transcript, words)),
        }
    }

    /// The body as plain text with LF line ends.
    pub(super) fn plain(&self) -> String {
        let mut body = format!("{}\n\n", self.title);
        for (label, value) in &self.rows {
            body.push_str(&format!("{label}: {value}\n"));
        }
        if let Some((label, words)) = &self.transcript {
            body.push_str(&format!("\n{label}:\n{words}\n"));
        }
        body
    }

    /// The body as HTML with LF line ends.
    pub(super) fn html(&self) -> String {
        let title = text::escape_html(&self.title);
        let mut body = format!(
            "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body \
             style=\"font-family:Segoe UI,Tahoma,sans-serif\">\n<p><b>{title}</b></p>\n<table>\n"
        );
        for (label, value) in &self.rows {
            let value = text::escape_html(value);
            body.push_str(&format!("<tr><td>{label}:</td><td>{value}</td></tr>\n"));
        }
        body.push_str("</table>\n");
        if let Some((label, words)) = &self.transcript {
            let words = text::escape_html(words);
            body.push_str(&format!("<p>{label}:</p>\n<blockquote>{words}</blockquote>\n"));
        }
        body.push_str("</body></html>\n");
        body
    }
}
