//! What was typed, turned into validated settings: files read, values parsed, places found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use jiff::tz::TimeZone;

use crate::cli::{ArchiveArgs, ChangeArgs, MailArgs, SubmitArgs, TlsMode};
use crate::edit::{Assignment, Directory, Edits, RecipientMap, Repair, TableError, Target, unknown_culture};
use crate::error::CommandError;
use crate::fsx::PathContext;
use crate::message::{Culture, EmailAddress, Encoding, MessageType};
use crate::sink::mime::MimeOptions;
use crate::sink::smtp::{DEFAULT_TIMEOUT, Login, SmtpOptions, Tls};
use crate::source::{ArchivePassword, ByteSize, SourceOptions};

/// The largest map or directory that is read, in bytes.
const TABLE_LIMIT: u64 = 512 << 20;

/// Parses and reads everything that changes are made of; `usual` is mended where `--repair` does not say otherwise.
///
/// # Errors
/// A value that makes no sense, or a file that cannot be read.
pub(crate) fn edits(arguments: &ChangeArgs, usual: BTreeSet<Repair>) -> Result<Edits, CommandError> {
    let mut assignments = Vec::new();
    for text in &arguments.set {
        assignments.push(Assignment::set(text).map_err(CommandError::usage_of)?);
    }
    for field in &arguments.unset {
        assignments.push(Assignment::unset(field).map_err(CommandError::usage_of)?);
    }
    Ok(Edits {
        recipient: arguments.recipient_to.as_deref().map(Target::parse).transpose().map_err(CommandError::usage_of)?,
        map: arguments.map.as_deref().map(|path| table(path, RecipientMap::parse)).transpose()?,
        directory: directory(arguments.directory.as_deref())?,
        culture: arguments.culture_to.as_deref().map(culture).transpose()?,
        message_type: arguments.type_to.as_deref().map(message_type).transpose()?,
        assignments,
        repairs: repairs(&arguments.repair, usual)?,
    })
}

fn repairs(names: &[String], usual: BTreeSet<Repair>) -> Result<BTreeSet<Repair>, CommandError> {
    if names.is_empty() {
        return Ok(usual);
    }
    let mut chosen = BTreeSet::new();
    for name in names {
        match (name.as_str(), Repair::parse(name)) {
            (_, Some(repair)) => chosen.extend([repair]),
            ("all", _) => chosen.extend(Repair::ALL),
            ("usual", _) => chosen.extend(Repair::usual()),
            ("none", _) if names.len() == 1 => {}
            _ => {
                let known: Vec<_> = Repair::ALL.into_iter().map(Repair::name).collect();
                let hint = format!("it is none, usual, all, or some of {}", known.join(","));
                return Err(CommandError::usage(format!("{name:?} is no repair")).hint(hint));
            }
        }
    }
    Ok(chosen)
}

/// Reads a directory's CSV.
///
/// # Errors
/// The file cannot be read, or is no such CSV.
pub(crate) fn directory(path: Option<&Path>) -> Result<Option<Directory>, CommandError> {
    path.map(|path| table(path, Directory::parse)).transpose()
}

/// A table's error with the file it is in.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used")]
struct TableFileError {
    path: String,
    source: TableError,
}

fn table<T>(path: &Path, parse: impl Fn(&[u8]) -> Result<T, TableError>) -> Result<T, CommandError> {
    let size = std::fs::metadata(path).path("read", path).map_err(|error| CommandError::new("file", error))?.len();
    if size > TABLE_LIMIT {
        return Err(CommandError::message("file", format!("{} is too large for a table", path.display())));
    }
    let bytes = std::fs::read(path).path("read", path).map_err(|error| CommandError::new("file", error))?;
    parse(&bytes).map_err(|source| {
        CommandError::new("file", TableFileError { path: path.display().to_string(), source })
            .hint("docs/recovery.md shows what a map and a directory look like")
    })
}

fn culture(name: &str) -> Result<Culture, CommandError> {
    Culture::parse(name).ok_or_else(|| CommandError::usage(format!("culture {name:?}: {}", unknown_culture(name))))
}

/// Parses a message type's name, in any case.
///
/// # Errors
/// No type has that name.
pub(crate) fn message_type(name: &str) -> Result<MessageType, CommandError> {
    MessageType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<_> = MessageType::ALL.into_iter().map(MessageType::name).collect();
        CommandError::usage(format!("{name:?} is no message type")).hint(format!("it is one of {}", names.join(", ")))
    })
}

/// What a mail needs beyond the queue.
///
/// # Errors
/// An address or a time zone that makes no sense.
pub(crate) fn mime_options(sender: Option<&str>, arguments: &MailArgs) -> Result<MimeOptions, CommandError> {
    let sender = sender.map(EmailAddress::parse).transpose().map_err(|error| {
        CommandError::usage_of(error)
            .hint("UM's own is MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@<default domain>")
    })?;
    let time_zone = match &arguments.timezone {
        None => TimeZone::system(),
        Some(name) => TimeZone::get(name).map_err(|_| {
            CommandError::usage(format!("{name:?} is no time zone"))
                .hint("write an IANA name, such as --timezone Europe/Amsterdam")
        })?,
    };
    Ok(MimeOptions { sender, time_zone, allow_private_in_clear: arguments.allow_private_in_clear })
}

/// How to reach the server.
///
/// # Errors
/// A server name or a password that cannot be had.
pub(crate) fn smtp_options(arguments: &SubmitArgs) -> Result<SmtpOptions, CommandError> {
    let tls = match arguments.tls {
        TlsMode::Starttls => Tls::StartTls,
        TlsMode::Implicit => Tls::Implicit,
        TlsMode::None => Tls::None,
    };
    let (host, port) = server(&arguments.server, tls)?;
    let login = match &arguments.user {
        None => None,
        Some(user) => Some(Login::new(user, password(arguments, user)?)),
    };
    let mime = mime_options(arguments.sender.as_deref(), &arguments.mail)?;
    Ok(SmtpOptions { ca_file: arguments.ca_file.clone(), login, ..plain_smtp(host, port, tls, mime) })
}

/// A server that trusts this machine without a login.
pub(crate) fn plain_smtp(host: String, port: u16, tls: Tls, mime: MimeOptions) -> SmtpOptions {
    SmtpOptions {
        host,
        port,
        tls,
        ca_file: None,
        login: None,
        hello_name: hello_name(),
        mime,
        timeout: DEFAULT_TIMEOUT,
    }
}

/// This machine's name where EHLO can say it, else an address literal (RFC 5321 section 4.1.4).
fn hello_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let usable =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    if usable { name } else { "[127.0.0.1]".to_owned() }
}

/// Reads `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
fn server(text: &str, tls: Tls) -> Result<(String, u16), CommandError> {
    let wrong = || CommandError::usage(format!("{text:?} is no server")).hint("write HOST or HOST:PORT");
    let default = match tls {
        Tls::StartTls => 587,
        Tls::Implicit => 465,
        Tls::None => 25,
    };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| wrong()))?;
    if host.is_empty()
        || port == 0
        || host.contains(|character: char| character.is_whitespace() || character.is_control())
    {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// How archives are read.
///
/// # Errors
/// A size that is none, or the password's file cannot be read or is empty.
pub(crate) fn source_options(arguments: &ArchiveArgs) -> Result<SourceOptions, CommandError> {
    let defaults = SourceOptions::default();
    let size =
        arguments.max_unpacked.as_deref().map(str::parse::<ByteSize>).transpose().map_err(CommandError::usage_of)?;
    Ok(SourceOptions {
        max_unpacked: size.map(|size| size.0),
        max_entries: arguments.max_entries.unwrap_or(defaults.max_entries),
        max_depth: arguments.max_depth.unwrap_or(defaults.max_depth),
        password: arguments.archive_password_file.as_deref().map(archive_password).transpose()?,
    })
}

fn archive_password(path: &Path) -> Result<ArchivePassword, CommandError> {
    let text = std::fs::read_to_string(path)
        .path("read the password in", path)
        .map_err(|error| CommandError::new("auth", error))?;
    // Notepad writes a byte-order mark.
    let password = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    if password.is_empty() {
        let message = format!("the first line of {} is empty: no password is there", path.display());
        return Err(CommandError::message("auth", message));
    }
    Ok(ArchivePassword::new(password))
}

/// The password, from where it was said to be; never from the command line.
fn password(arguments: &SubmitArgs, user: &str) -> Result<String, CommandError> {
    let wrong = |message: String| CommandError::message("auth", message);
    let password = if let Some(path) = &arguments.password_file {
        let bytes = std::fs::read(path).path("read the password in", path);
        first_line(&bytes.map_err(|error| CommandError::new("auth", error))?)
    } else if let Some(command) = &arguments.password_command {
        let output = shell(command)
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::inherit())
            .output()
            .path("run", command)
            .map_err(|error| CommandError::new("auth", error))?;
        if !output.status.success() {
            return Err(wrong(format!("the password command ended with {}", output.status)));
        }
        first_line(&output.stdout)
    } else if let Ok(password) = std::env::var("UMREPLAY_PASSWORD") {
        password
    } else {
        rpassword::prompt_password(format!("Password of {user}: ")).map_err(|_| {
            wrong(format!("no password for {user} was given, and there is no terminal to ask on"))
                .hint("use --password-file FILE, --password-command CMD, or the variable UMREPLAY_PASSWORD")
        })?
    };
    if password.is_empty() {
        return Err(wrong(format!("the password of {user} is empty")));
    }
    Ok(password)
}

/// The first line in any encoding that editors and PowerShell write, as `>` writes UTF-16 there.
fn first_line(bytes: &[u8]) -> String {
    let encoding = Encoding::detect(bytes);
    let text = encoding.decode(bytes.get(encoding.mark_length()..).unwrap_or_default());
    text.lines().next().unwrap_or_default().to_owned()
}

fn shell(command: &str) -> std::process::Command {
    let (program, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut shell = std::process::Command::new(program);
    shell.arg(flag).arg(command);
    shell
}

/// Where the ledger lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LedgerPlace {
    /// Nowhere: nothing is remembered.
    None,
    /// In this file.
    File(PathBuf),
}

/// Finds the ledger: as told, else in the user's state folder.
///
/// # Errors
/// The user has no home.
pub(crate) fn ledger_place(argument: Option<&Path>) -> Result<LedgerPlace, CommandError> {
    match argument {
        Some(path) if path.as_os_str() == "none" => Ok(LedgerPlace::None),
        Some(path) => Ok(LedgerPlace::File(path.to_path_buf())),
        None => {
            let strategy = etcetera::choose_base_strategy().map_err(|error| {
                CommandError::new("ledger", error)
                    .hint("say where the ledger is to lie: --ledger FILE, or --ledger none")
            })?;
            let state = strategy.state_dir().unwrap_or_else(|| strategy.cache_dir());
            Ok(LedgerPlace::File(state.join("umreplay").join("ledger.sqlite")))
        }
    }
}

/// The voicemail folder's path as the UM server sees it: as told, or the folder itself where it is on a local drive of
/// this Windows machine.
pub(crate) fn exchange_path(argument: Option<&str>, folder: &Path) -> Option<String> {
    match argument {
        Some(path) => Some(path.to_owned()),
        None if cfg!(windows) => {
            let path = std::path::absolute(folder).ok()?;
            let text = path.to_str()?;
            let drive = text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && text.get(1..3) == Some(r":\");
            drive.then(|| text.to_owned())
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_their_port() {
        let parsed = |text| server(text, Tls::StartTls).ok();
        assert_eq!(parsed("mail.example.com"), Some(("mail.example.com".to_owned(), 587)));
        assert_eq!(parsed("127.0.0.1:25"), Some(("127.0.0.1".to_owned(), 25)));
        assert_eq!(parsed("[::1]:2525"), Some(("::1".to_owned(), 2525)));
        assert_eq!(parsed("::1"), Some(("::1".to_owned(), 587)));
        for wrong in ["", ":25", "a:b", "a:0", "a:70000", "a b"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_password_is_read_as_editors_write_it() {
        let utf16: Vec<u8> = "\u{feff}p\u{e4}ss w\r\nx".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in ["p\u{e4}ss w\nx".as_bytes(), "\u{feff}p\u{e4}ss w\r\n".as_bytes(), b"p\xe4ss w\n", &utf16] {
            assert_eq!(first_line(bytes), "p\u{e4}ss w");
        }
        assert_eq!(first_line(b""), "");
    }

    #[test]
    fn a_ledger_can_be_none() {
        assert_eq!(ledger_place(Some(Path::new("none"))).unwrap(), LedgerPlace::None);
    }
}
