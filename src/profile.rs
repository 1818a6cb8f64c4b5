//! Profiles: options that a TOML file gives where the command line does not.
//!
//! A profile's keys are the long options. They are put behind what was typed and parsed with it, so that a value is
//! checked the same wherever it comes from.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use etcetera::BaseStrategy;
use toml::{Table, Value};

use crate::error::CommandError;
use crate::fsx::PathContext;

/// The profile that counts where none is named.
const DEFAULT: &str = "default";

/// The command line with the profile's options added.
///
/// # Errors
/// The file or the profile is not there, or holds what is no option.
pub(crate) fn with_profile(mut command: Command, typed: Vec<OsString>) -> Result<Vec<OsString>, CommandError> {
    // Building hands the global options down to every subcommand.
    command.build();
    let command = &command;
    // What is missing may be in the profile, and what is wrong is told by the parse that counts.
    let Ok(matches) = command.clone().ignore_errors(true).try_get_matches_from(&typed) else {
        return Ok(typed);
    };
    let (leaf, leaf_matches) = leaf(command, &matches);
    let value = |name: &str| leaf_matches.try_get_raw(name).ok().flatten().and_then(|mut values| values.next());
    let Some((path, profile)) = profile(value("config"), value("profile"))? else {
        return Ok(typed);
    };
    let mut added = Vec::new();
    for (key, value) in &profile {
        if !is_option_somewhere(command, key) {
            let message = format!("{}: {key:?} is no option of any command", path.display());
            return Err(CommandError::message("config", message));
        }
        let argument = leaf.get_arguments().find(|argument| argument.get_long() == Some(key));
        let typed = argument.is_some_and(|argument| {
            let source = leaf_matches.value_source(argument.get_id().as_str());
            matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
        });
        if let Some(argument) = argument.filter(|_| !typed) {
            added.extend(words(key, value, argument.get_action()).ok_or_else(|| {
                let message = format!("{}: {key} cannot be {value}", path.display());
                CommandError::message("config", message)
            })?);
        }
    }
    let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
    let (before, after) = typed.split_at(end);
    Ok(before.iter().cloned().chain(added).chain(after.iter().cloned()).collect())
}

/// The innermost subcommand that was named.
fn leaf<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    let inner = matches.subcommand().and_then(|(name, inner)| Some((command.find_subcommand(name)?, inner)));
    inner.map_or((command, matches), |(command, matches)| leaf(command, matches))
}

/// Finds the profile: the one that was named, else the default one if there is any.
fn profile(config: Option<&OsStr>, name: Option<&OsStr>) -> Result<Option<(PathBuf, Table)>, CommandError> {
    let path = match config {
        Some(path) => Some(PathBuf::from(path)),
        None => {
            etcetera::choose_base_strategy().ok().map(|dirs| dirs.config_dir().join("umreplay").join("config.toml"))
        }
    };
    let Some(path) = path.filter(|path| config.is_some() || name.is_some() || path.is_file()) else {
        return Ok(None);
    };
    let text =
        std::fs::read_to_string(&path).path("read", &path).map_err(|error| CommandError::new("config", error))?;
    let wanted = name.unwrap_or(OsStr::new(DEFAULT)).to_string_lossy();
    let found = parse(&path, &text)?.remove(wanted.as_ref());
    match found {
        Some(profile) => Ok(Some((path, profile))),
        None if name.is_none() => Ok(None),
        None => {
            let message = format!("{} has no [profile.{wanted}]", path.display());
            Err(CommandError::message("config", message))
        }
    }
}

/// The file's profiles by name.
fn parse(path: &Path, text: &str) -> Result<std::collections::HashMap<String, Table>, CommandError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        profile: std::collections::HashMap<String, Table>,
    }
    let wrong = |error: toml::de::Error| CommandError::message("config", format!("{}: {error}", path.display()));
    toml::from_str::<File>(text).map(|file| file.profile).map_err(wrong)
}

fn is_option_somewhere(command: &Command, key: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some(key))
        || command.get_subcommands().any(|inner| is_option_somewhere(inner, key))
}

/// A key and its value as words of a command line; `None` where such a value makes none.
fn words(key: &str, value: &Value, action: &ArgAction) -> Option<Vec<OsString>> {
    let flag = matches!(action, ArgAction::SetTrue);
    let word = |text: String| OsString::from(format!("--{key}={text}"));
    match value {
        Value::Boolean(on) if flag => Some(if *on { vec![format!("--{key}").into()] } else { Vec::new() }),
        _ if flag => None,
        Value::String(text) => Some(vec![word(text.clone())]),
        Value::Integer(number) => Some(vec![word(number.to_string())]),
        Value::Float(number) => Some(vec![word(number.to_string())]),
        Value::Array(values) => {
            values.iter().map(|value| words(key, value, action)).collect::<Option<Vec<_>>>().map(|words| words.concat())
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn expand(config: &str, typed: &str) -> Result<Vec<String>, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        crate::fsx::write_atomically(&path, config.as_bytes()).unwrap();
        let mut words: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        words.insert(1, format!("--config={}", path.display()).into());
        let expanded = with_profile(Cli::command(), words)?;
        Ok(expanded.into_iter().skip(2).map(|word| word.into_string().unwrap()).collect())
    }

    const CONFIG: &str = "[profile.default]\nsender = \"um@example.com\"\nlimit = 5\nset = [\"A=1\", \"B=2\"]\n\
        again = true\ntls = \"none\"\n[profile.other]\nserver = \"other\"\n";

    #[test]
    fn a_profile_gives_what_was_not_typed() {
        let words = expand(CONFIG, "umreplay submit queue --server s --tls implicit").unwrap();
        let expected =
            "submit queue --server s --tls implicit --again --limit=5 --sender=um@example.com --set=A=1 --set=B=2";
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn a_command_takes_only_its_own_options() {
        assert_eq!(expand(CONFIG, "umreplay scan -- queue").unwrap(), ["scan", "--limit=5", "--", "queue"]);
    }

    #[test]
    fn what_is_no_option_is_an_error() {
        assert!(expand("[profile.default]\ncolour = \"red\"\n", "umreplay scan queue").is_err());
        assert!(expand("[profile.default]\nagain = \"yes\"\n", "umreplay submit queue").is_err());
        assert!(expand("[profiles.default]\n", "umreplay scan queue").is_err());
        assert!(expand(CONFIG, "umreplay scan queue --profile nobody").is_err());
        assert!(expand("", "umreplay scan queue").is_ok());
    }
}
