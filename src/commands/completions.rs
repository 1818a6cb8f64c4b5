//! `completions` and `man`: files for shells and for `man`, made from the command line itself.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::{CommandError, Exit};
use crate::ui::stdout_error;

pub(super) fn completions(arguments: &CompletionsArgs) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "umreplay", &mut script);
    print(&script)
}

pub(super) fn man() -> Result<Exit, CommandError> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| CommandError::new("output", error))?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<Exit, CommandError> {
    let mut out = io::stdout();
    out.write_all(bytes).and_then(|()| out.flush()).or_else(stdout_error)?;
    Ok(Exit::Done)
}
