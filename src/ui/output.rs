//! Results as they come, in the form that was asked for, to stdout and to a report file.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::page::{Page, PageStyle};
use crate::cli::{Format, FormatArgs};
use crate::error::CommandError;
use crate::fsx::{self, PathContext};
use crate::places;
use crate::report::Summary;
use crate::report::csv::{self, MESSAGE_COLUMNS, RESULT_COLUMNS};
use crate::report::json::{self, MessageRow, ResultRow};

/// What rows an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Messages.
    Messages,
    /// Results.
    Results,
}

/// One stream of rows in one form, begun by its first row: what fails before that has printed nothing.
struct Stream {
    waiting: Option<(Format, Rows, PageStyle, Box<dyn Write>)>,
    begun: Option<Form>,
}

impl Stream {
    fn new(format: Format, rows: Rows, style: PageStyle, out: Box<dyn Write>) -> Self {
        Self { waiting: Some((format, rows, style, out)), begun: None }
    }

    fn write(&mut self, row: &Row<'_, '_>) -> io::Result<()> {
        self.form()?.map_or(Ok(()), |form| form.write(row))
    }

    fn finish(mut self, summary: &Summary) -> io::Result<()> {
        self.form()?.map_or(Ok(()), |form| form.finish(summary))
    }

    fn form(&mut self) -> io::Result<Option<&mut Form>> {
        if let Some((format, rows, style, out)) = self.waiting.take() {
            self.begun = Some(Form::new(format, rows, style, out)?);
        }
        Ok(self.begun.as_mut())
    }
}

/// What a stream has begun.
enum Form {
    Text(Page),
    Json { out: Box<dyn Write>, first: bool },
    Jsonl(Box<dyn Write>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

/// A row of either kind.
enum Row<'r, 'm> {
    Message(&'r MessageRow<'m>),
    Result(&'r ResultRow<'m>),
}

impl Form {
    fn new(format: Format, rows: Rows, style: PageStyle, mut out: Box<dyn Write>) -> io::Result<Self> {
        Ok(match format {
            Format::Text => Self::Text(Page::new(out, style)),
            Format::Json => {
                let name = match rows {
                    Rows::Messages => "messages",
                    Rows::Results => "results",
                };
                write!(out, "{{\"{name}\":[")?;
                Self::Json { out, first: true }
            }
            Format::Jsonl => Self::Jsonl(out),
            Format::Csv => {
                let columns = match rows {
                    Rows::Messages => MESSAGE_COLUMNS,
                    Rows::Results => RESULT_COLUMNS,
                };
                Self::Csv(Box::new(csv::Writer::new(out, columns)?))
            }
        })
    }

    fn write(&mut self, row: &Row<'_, '_>) -> io::Result<()> {
        let json = |row: &Row<'_, '_>| match row {
            Row::Message(row) => json::line(row),
            Row::Result(row) => json::line(row),
        };
        match (self, row) {
            (Self::Text(page), Row::Message(row)) => page.message(row),
            (Self::Text(page), Row::Result(row)) => page.result(row),
            (Self::Json { out, first }, row) => {
                let comma = if *first { "" } else { "," };
                *first = false;
                write!(out, "{comma}\n{}", json(row)?)
            }
            (Self::Jsonl(out), row) => writeln!(out, "{}", json(row)?),
            (Self::Csv(out), Row::Message(row)) => out.message(row),
            (Self::Csv(out), Row::Result(row)) => out.result(row),
        }
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        match self {
            Self::Text(page) => page.summary(summary)?,
            Self::Json { out, .. } => writeln!(out, "\n],\"summary\":{}}}", json::line(summary)?)?,
            Self::Jsonl(out) => writeln!(out, "{}", json::line(summary)?)?,
            Self::Csv(_) => {}
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Text(page) => page.flush(),
            Self::Json { out, .. } | Self::Jsonl(out) => out.flush(),
            Self::Csv(out) => out.flush(),
        }
    }
}

/// Where a command's rows go.
///
/// A closed stdout (`| head`) ends the printing, not the work. Neither does a full disk, but that is told at the end.
pub(crate) struct Output {
    screen: Option<Stream>,
    lost: Option<io::Error>,
    rows: Rows,
    report: Option<(Stream, tempfile::TempPath, std::path::PathBuf)>,
}

impl Output {
    /// Opens stdout and, if asked for, the report file.
    ///
    /// # Errors
    /// The report file cannot be made, would lie among messages, or its extension tells no form.
    pub(crate) fn open(format: &FormatArgs, rows: Rows, style: PageStyle) -> Result<Self, CommandError> {
        let screen: Box<dyn Write> = Box::new(BufWriter::new(anstream::stdout()));
        let screen = Some(Stream::new(format.format, rows, style, screen));
        let report = format.report.as_deref().map(|path| open_report(path, rows)).transpose()?;
        Ok(Self { screen, lost: None, rows, report })
    }

    /// Writes a message.
    ///
    /// # Errors
    /// The report file cannot be written.
    pub(crate) fn message(&mut self, row: &MessageRow<'_>) -> Result<(), CommandError> {
        self.write(&Row::Message(row))
    }

    /// Writes a result.
    ///
    /// # Errors
    /// The report file cannot be written.
    pub(crate) fn result(&mut self, row: &ResultRow<'_>) -> Result<(), CommandError> {
        self.write(&Row::Result(row))
    }

    fn write(&mut self, row: &Row<'_, '_>) -> Result<(), CommandError> {
        if let Some(mut screen) = self.screen.take() {
            // What is done is seen at once; what is only read comes in one go.
            let flush = |screen: &mut Stream| screen.form()?.map_or(Ok(()), Form::flush);
            let written = screen.write(row).and_then(|()| match self.rows {
                Rows::Results => flush(&mut screen),
                Rows::Messages => Ok(()),
            });
            match written {
                Ok(()) => self.screen = Some(screen),
                Err(error) => self.lost = Some(error),
            }
        }
        if let Some((stream, _, path)) = &mut self.report {
            stream.write(row).path("write", path).map_err(report_error)?;
        }
        Ok(())
    }

    /// Writes the summary and puts the report file in its place.
    ///
    /// # Errors
    /// The report file, or stdout, cannot be written.
    pub(crate) fn finish(self, summary: &Summary) -> Result<(), CommandError> {
        let lost = self.screen.map_or(Ok(()), |screen| screen.finish(summary)).err().or(self.lost);
        if let Some((stream, temporary, path)) = self.report {
            stream.finish(summary).path("write", &path).map_err(report_error)?;
            temporary.persist(&path).map_err(|error| error.error).path("write", &path).map_err(report_error)?;
        }
        lost.map_or(Ok(()), stdout_error)
    }
}

/// Prints a line on stdout.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = anstream::stdout();
    writeln!(out, "{text}").and_then(|()| out.flush()).or_else(stdout_error)
}

/// Tells an error of stdout; a reader that went away has seen enough.
///
/// # Errors
/// Any other.
pub(crate) fn stdout_error(error: io::Error) -> Result<(), CommandError> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(CommandError::new("output", fsx::PathError::new("write to", "stdout", error))),
    }
}

fn report_error(error: fsx::PathError) -> CommandError {
    CommandError::new("report", error)
}

fn open_report(path: &Path, rows: Rows) -> Result<(Stream, tempfile::TempPath, std::path::PathBuf), CommandError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let format = match extension.to_ascii_lowercase().as_str() {
        "json" => Format::Json,
        "jsonl" => Format::Jsonl,
        "csv" => Format::Csv,
        "txt" => Format::Text,
        _ => {
            let message = format!("the name of the report {} tells no form", path.display());
            return Err(CommandError::usage(message).hint("end it in .json, .jsonl, .csv or .txt"));
        }
    };
    places::file_apart_from_messages("report", path, None)?;
    let folder = fsx::folder_of(path);
    let file = tempfile::Builder::new()
        .prefix(".umreplay-")
        .tempfile_in(&folder)
        .path("create the report in", &folder)
        .map_err(report_error)?;
    let (file, temporary) = file.into_parts();
    let stream = Stream::new(format, rows, PageStyle::default(), Box::new(BufWriter::new(file)));
    Ok((stream, temporary, path.to_path_buf()))
}
