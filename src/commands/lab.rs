//! `lab`: queues made from a seed, and an SMTP receiver.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Context;
use crate::cli::{DialectName, GenerateArgs, LabArgs, LabCommand, SinkArgs};
use crate::config;
use crate::error::{CommandError, Exit};
use crate::fsx::{self, PathContext};
use crate::lab::generate::{Damage, GenerateOptions, WavFormat, directory_csv, generate};
use crate::lab::sink::{Fault, LabSink, LabSinkOptions, TlsFiles};
use crate::message::{Culture, Dialect};
use crate::replay::Progress;

pub(super) fn run(context: &Context, arguments: &LabArgs) -> Result<Exit, CommandError> {
    match &arguments.command {
        LabCommand::Generate(arguments) => make_queue(context, arguments),
        LabCommand::Sink(arguments) => receive(context, arguments),
    }
}

fn make_queue(context: &Context, arguments: &GenerateArgs) -> Result<Exit, CommandError> {
    let options = generate_options(arguments)?;
    must_be_empty(&arguments.out)?;
    context.ui.begin("making messages", Some(options.count as u64));
    let done = std::cell::Cell::new(0);
    let made = generate(&arguments.out, &options, &|count| {
        context.ui.advance((count - done.replace(count)) as u64);
    });
    context.ui.end();
    let made = made.map_err(|error| CommandError::new("lab", error))?;
    if let Some(path) = &arguments.directory_out {
        let csv = directory_csv(&options.recipients);
        fsx::write_atomically(path, csv.as_bytes()).map_err(|error| CommandError::new("lab", error))?;
    }
    let damaged = made.messages.iter().filter(|message| message.damage.is_some()).count();
    context.ui.note(&format!(
        "made {} messages in {}, {damaged} of them damaged",
        made.messages.len(),
        arguments.out.display()
    ));
    Ok(Exit::Done)
}

fn generate_options(arguments: &GenerateArgs) -> Result<GenerateOptions, CommandError> {
    let mut options = GenerateOptions {
        count: arguments.count as usize,
        seconds: arguments.seconds,
        seed: arguments.seed,
        sample_rate: arguments.sample_rate,
        start: arguments.start,
        exchange_path: arguments.exchange_path.clone(),
        damages: damages(&arguments.damage)?,
        ..GenerateOptions::default()
    };
    if !options.damages.is_empty() {
        options.damaged_share = arguments.damaged_share;
    }
    if !arguments.message_type.is_empty() {
        let types = arguments.message_type.iter().map(|name| config::message_type(name));
        options.types = types.collect::<Result<_, _>>()?;
    }
    if !arguments.dialect.is_empty() {
        let dialect = |name: &DialectName| match name {
            DialectName::E12 => Dialect::E12,
            DialectName::E15 => Dialect::E15,
        };
        options.dialects = arguments.dialect.iter().map(dialect).collect();
    }
    if !arguments.culture.is_empty() {
        let known = |name: &String| match Culture::parse(name) {
            Some(culture) => Ok(culture.as_str().to_owned()),
            None => Err(CommandError::usage(format!("{name:?} is no culture that .NET knows"))),
        };
        options.cultures = arguments.culture.iter().map(known).collect::<Result<_, _>>()?;
    }
    if !arguments.audio_format.is_empty() {
        let format = |name: &String| {
            let names: Vec<_> = WavFormat::ALL.into_iter().map(WavFormat::name).collect();
            WavFormat::parse(name).ok_or_else(|| {
                CommandError::usage(format!("{name:?} is no audio format"))
                    .hint(format!("it is one of {}", names.join(", ")))
            })
        };
        options.formats = arguments.audio_format.iter().map(format).collect::<Result<_, _>>()?;
    }
    Ok(options)
}

fn damages(names: &[String]) -> Result<Vec<Damage>, CommandError> {
    if names.iter().any(|name| name == "all") {
        return Ok(Damage::ALL.to_vec());
    }
    let damage = |name: &String| {
        Damage::parse(name).ok_or_else(|| {
            let known: Vec<_> = Damage::ALL.iter().map(|damage| damage.name()).collect();
            CommandError::usage(format!("{name:?} is no damage"))
                .hint(format!("it is all, or one of {}", known.join(", ")))
        })
    };
    names.iter().map(damage).collect()
}

/// A queue made into somebody's folder could not be told from what was there.
fn must_be_empty(folder: &Path) -> Result<(), CommandError> {
    let mut entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).path("read", folder).map_err(|error| CommandError::new("lab", error)),
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(CommandError::message("lab", format!("{} is not empty", folder.display()))
            .hint("give a folder that is empty or does not exist yet")),
    }
}

fn receive(context: &Context, arguments: &SinkArgs) -> Result<Exit, CommandError> {
    let sink = LabSink::start(sink_options(context, arguments)?).map_err(|error| CommandError::new("lab", error))?;
    // Scripts wait for this line; a closed stdout must not end the receiver.
    let mut out = anstream::stdout();
    let _ = writeln!(out, "listening on {}, writing to {}", sink.address(), arguments.out.display());
    let _ = out.flush();
    let enough = |count: u64| arguments.messages.is_some_and(|most| count >= most);
    while !context.stop.load(Ordering::Relaxed) && !enough(sink.count()) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let count = sink.count();
    sink.stop();
    context.ui.note(&format!("received {count} messages in {}", arguments.out.display()));
    Ok(if context.stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Done })
}

fn sink_options(context: &Context, arguments: &SinkArgs) -> Result<LabSinkOptions, CommandError> {
    let login = match &arguments.login {
        None => None,
        Some(text) => {
            let (user, password) =
                text.split_once(':').ok_or_else(|| CommandError::usage("--login is NAME:PASSWORD"))?;
            Some((user.to_owned(), password.to_owned()))
        }
    };
    let tls = arguments.cert.clone().zip(arguments.key.clone());
    let tls = tls.map(|(cert, key)| TlsFiles { cert, key, implicit: arguments.implicit_tls });
    let mut faults = Vec::new();
    for (parse, texts) in [
        (Fault::refuse as fn(&str) -> _, &arguments.refuse),
        (Fault::delay, &arguments.delay),
        (Fault::drop, &arguments.drop),
    ] {
        for text in texts {
            faults.push(parse(text).map_err(CommandError::usage_of)?);
        }
    }
    Ok(LabSinkOptions {
        listen: arguments.listen,
        listen_any: arguments.listen_any,
        out: Some(arguments.out.clone()),
        login,
        tls,
        faults,
        clock: Some(context.clock),
        ..LabSinkOptions::default()
    })
}
