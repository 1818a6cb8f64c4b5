//! The command line as clap reads it: structs and their help, no I/O.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Recovers and replays Exchange Unified Messaging voicemail queues.
///
/// Reading is the default: no command changes anything at its source, except `edit` on the folder it is given.
#[derive(Debug, Parser)]
#[command(name = "umreplay", version, propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to talk to the user.
    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 all done · 1 could not run · 2 usage · 3 some messages failed, were refused or \
have errors · 130 interrupted, ledger consistent";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List every message in folders and archives, its state and findings
    Scan(ScanArgs),
    /// Show one message in full: fields, audio facts, waveform, findings
    Show(ShowArgs),
    /// Validate; exit 3 if any error is found
    Check(CheckArgs),
    /// Change header files in place
    Edit(EditArgs),
    /// Put pairs back into a UM voicemail folder
    Inject(InjectArgs),
    /// Send messages as MIME voicemail over SMTP
    Submit(SubmitArgs),
    /// Write the same messages as files
    Export(ExportArgs),
    /// Show what earlier runs did
    Runs(RunsArgs),
    /// Make a queue, or receive SMTP, in a lab
    Lab(LabArgs),
    /// Run the main job from end to end on built-in samples, in a temporary folder
    Demo(DemoArgs),
    /// Print a completion file for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// How to talk to the user.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct TerminalArgs {
    /// Say less
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Show no progress bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_enum)]
    pub(crate) color: ColorWhen,
    /// Read profiles from this file [default: umreplay/config.toml in the user's configuration folder]
    #[arg(long, global = true, value_name = "FILE", env = "UMREPLAY_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Take options from this profile of the configuration file
    #[arg(long, global = true, value_name = "NAME", env = "UMREPLAY_PROFILE")]
    pub(crate) profile: Option<String>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The form of results on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// CSV with a heading
    Csv,
}

/// The form of results.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct FormatArgs {
    /// Print results in this form
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    pub(crate) format: Format,
    /// Also write results to this file; its extension (.json, .jsonl, .csv) tells the form
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Where messages come from, and which of them.
#[derive(Args, Clone, Debug)]
pub(crate) struct SourceArgs {
    /// Folders, archives (zip, tar, 7z, also packed and in each other), or single header files
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// How archives are read.
    #[command(flatten)]
    pub(crate) archives: ArchiveArgs,
    /// Which messages.
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
}

/// How archives are read.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Archives")]
pub(crate) struct ArchiveArgs {
    /// Read the password of encrypted archives from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) archive_password_file: Option<PathBuf>,
    /// Unpack at most so much of one archive, such as 40G [default: 64 times the archive's size, at least 1G]
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_unpacked: Option<String>,
    /// Read at most so many entries of one archive [default: 1000000]
    #[arg(long, value_name = "N")]
    pub(crate) max_entries: Option<u64>,
    /// Read archives in archives so deep; 1 reads none inside another [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(crate) max_depth: Option<u32>,
}

/// Which messages to work on; all conditions must hold.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub(crate) struct SelectionArgs {
    /// Only the message with this GUID (repeatable; a unique prefix will do)
    #[arg(long, value_name = "GUID")]
    pub(crate) guid: Vec<String>,
    /// Only recipients whose name, address or objectGUID matches (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) recipient: Vec<String>,
    /// Only callers whose number, name or address matches (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) caller: Vec<String>,
    /// Only this message type, such as SMTPVoiceMail (repeatable)
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) message_type: Vec<String>,
    /// Only this state: complete, no_audio, no_header, demoted, internal, unreadable (repeatable)
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Vec<String>,
    /// Only this culture, such as nl-NL (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) culture: Vec<String>,
    /// Only messages sent at or after this time (2016-12-23 or 2016-12-23T08:00:00, the UM server's local time)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only messages sent at or before this time; a date alone takes in the whole day
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only messages of at least so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) min_duration: Option<f64>,
    /// Only messages of at most so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_duration: Option<f64>,
    /// Only the first so many that match
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Only the GUIDs or ids in this file, one a line (- reads stdin)
    #[arg(long, value_name = "FILE")]
    pub(crate) ids_from: Option<PathBuf>,
}

/// What to change on the way.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Changes")]
pub(crate) struct ChangeArgs {
    /// Set a header field (repeatable)
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<String>,
    /// Leave a header field out (repeatable)
    #[arg(long, value_name = "FIELD")]
    pub(crate) unset: Vec<String>,
    /// Give every selected message to this recipient (an SMTP address or an objectGUID)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "map")]
    pub(crate) recipient_to: Option<String>,
    /// New recipients by old ones: a CSV file with the columns from,to (addresses or objectGUIDs)
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) map: Option<PathBuf>,
    /// Set the culture, such as nl-NL
    #[arg(long, value_name = "NAME")]
    pub(crate) culture_to: Option<String>,
    /// Set the message type, such as SMTPVoiceMail
    #[arg(long, value_name = "TYPE")]
    pub(crate) type_to: Option<String>,
    /// What is known about mailboxes: the CSV of Get-Mailbox | Export-Csv
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) directory: Option<PathBuf>,
    /// What to mend: demoted, duration, encoding (the usual ones), riff, ansi, codec (only when asked for); or all, usual,
    /// none. `edit` mends nothing unless told to
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub(crate) repair: Vec<String>,
}

/// How to act.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Safety")]
pub(crate) struct ActArgs {
    /// Print what would be done, and do nothing
    #[arg(short = 'n', long, visible_alias = "what-if")]
    pub(crate) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Where to remember what was done; `none` remembers nothing [default: in the user's state folder]
    #[arg(long, value_name = "FILE|none", env = "UMREPLAY_LEDGER")]
    pub(crate) ledger: Option<PathBuf>,
    /// Do again what the ledger has as done; not what is in doubt
    #[arg(long)]
    pub(crate) again: bool,
}

/// Arguments of `scan`.
#[derive(Args, Debug)]
pub(crate) struct ScanArgs {
    /// Where messages come from.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The message's GUID, or a unique prefix of it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Folders, archives (zip, tar, 7z, also packed and in each other), or single header files
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// How archives are read.
    #[command(flatten)]
    pub(crate) archives: ArchiveArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Folders, archives (zip, tar, 7z, also packed and in each other), or single header files
    #[arg(required_unless_present = "explain", value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// How archives are read.
    #[command(flatten)]
    pub(crate) archives: ArchiveArgs,
    /// Tell what a finding means and how to mend it
    #[arg(long, value_name = "CODE", conflicts_with = "sources")]
    pub(crate) explain: Option<String>,
    /// What is known about mailboxes: the CSV of Get-Mailbox | Export-Csv
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) directory: Option<PathBuf>,
    /// Which messages.
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `edit`.
#[derive(Args, Debug)]
pub(crate) struct EditArgs {
    /// The folder whose header files are changed in place
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Which messages.
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// What to change.
    #[command(flatten)]
    pub(crate) changes: ChangeArgs,
    /// How to act.
    #[command(flatten)]
    pub(crate) act: ActArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Arguments of `inject`.
#[derive(Args, Debug)]
pub(crate) struct InjectArgs {
    /// Where messages come from.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The voicemail folder to put the pairs into
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// That folder's path as the UM server sees it, for AttachmentPath
    #[arg(long, value_name = "PATH")]
    pub(crate) exchange_path: Option<String>,
    /// Where to make files ready: on the same volume, outside the voicemail folder [default: beside it]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) staging: Option<PathBuf>,
    /// Deliver again what may have been delivered before
    #[arg(long)]
    pub(crate) resend_uncertain: bool,
    /// What to change.
    #[command(flatten)]
    pub(crate) changes: ChangeArgs,
    /// How to act.
    #[command(flatten)]
    pub(crate) act: ActArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What a mail needs that the queue does not hold.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mail")]
pub(crate) struct MailArgs {
    /// The UM server's time zone, such as Europe/Amsterdam, in which SentTime is read [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// Send messages marked private too, although nothing protects them on the way
    #[arg(long)]
    pub(crate) allow_private_in_clear: bool,
}

/// Arguments of `submit`.
#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    /// Where messages come from.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The server to send to; without a port: 587 for starttls, 465 for implicit, 25 for none
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) server: String,
    /// How the connection is protected
    #[arg(long, value_name = "HOW", default_value = "starttls", value_enum)]
    pub(crate) tls: TlsMode,
    /// Trust the certificates in this PEM file, beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Log in as this user; the password comes from one of the next two, from UMREPLAY_PASSWORD, or from a prompt
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from the first line that this command prints
    #[arg(long, value_name = "CMD", requires = "user", conflicts_with = "password_file")]
    pub(crate) password_command: Option<String>,
    /// Send again what may have been delivered before, under the same Message-ID
    #[arg(long)]
    pub(crate) resend_uncertain: bool,
    /// The envelope sender, such as an address that the login may send as [default: the Microsoft Exchange recipient,
    /// UM's own sender, in each recipient's domain]
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    pub(crate) sender: Option<String>,
    /// What a mail needs.
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    /// What to change.
    #[command(flatten)]
    pub(crate) changes: ChangeArgs,
    /// How to act.
    #[command(flatten)]
    pub(crate) act: ActArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    /// STARTTLS, required
    Starttls,
    /// TLS from the first byte
    Implicit,
    /// Nothing: also the password, if there is one, travels in clear
    None,
}

/// Arguments of `export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Where messages come from.
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The folder to write to, made if it is missing; for `--layout zip` the archive
    #[arg(long, value_name = "DIR|FILE.zip")]
    pub(crate) to: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    pub(crate) layout: Layout,
    /// The sender that mails name [default: the Microsoft Exchange recipient, UM's own sender, in each recipient's domain]
    #[arg(long, value_name = "ADDRESS", help_heading = "Mail")]
    pub(crate) sender: Option<String>,
    /// What a mail needs.
    #[command(flatten)]
    pub(crate) mail: MailArgs,
    /// What to change.
    #[command(flatten)]
    pub(crate) changes: ChangeArgs,
    /// How to act.
    #[command(flatten)]
    pub(crate) act: ActArgs,
    /// The form of results.
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What `export` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// One .eml file a message, the same bytes as submit sends
    Eml,
    /// A set to keep, inject or hand over: repaired pairs in DIR/messages, told of in DIR/manifest.json
    Files,
    /// The same set in one .zip archive
    Zip,
}

/// Arguments of `runs`.
#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    /// What to show.
    #[command(subcommand)]
    pub(crate) command: RunsCommand,
}

/// What to show of earlier runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List earlier runs
    List(RunsListArgs),
    /// Show one run's messages
    Show(RunsShowArgs),
}

/// Arguments of `runs list`.
#[derive(Args, Debug)]
pub(crate) struct RunsListArgs {
    /// The ledger to read [default: in the user's state folder]
    #[arg(long, value_name = "FILE", env = "UMREPLAY_LEDGER")]
    pub(crate) ledger: Option<PathBuf>,
    /// The form of results
    #[arg(long, value_name = "FORM", default_value = "text", value_enum)]
    pub(crate) format: Format,
}

/// Arguments of `runs show`.
#[derive(Args, Debug)]
pub(crate) struct RunsShowArgs {
    /// The run's number
    #[arg(value_name = "RUN")]
    pub(crate) run: i64,
    /// Which ledger, and the form of results.
    #[command(flatten)]
    pub(crate) list: RunsListArgs,
}

/// Arguments of `lab`.
#[derive(Args, Debug)]
pub(crate) struct LabArgs {
    /// What to do in the lab.
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

/// What to do in the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Make a queue of messages from a seed
    Generate(GenerateArgs),
    /// Receive SMTP on loopback and write .eml files; refuse, delay or drop on demand
    Sink(SinkArgs),
}

/// Arguments of `lab generate`.
#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    /// The folder to make the queue in; must be empty or missing
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// How many messages
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) count: u32,
    /// Only this message type (repeatable) [default: all, voice messages most]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) message_type: Vec<String>,
    /// Only this dialect [default: both]
    #[arg(long, value_name = "DIALECT")]
    pub(crate) dialect: Vec<DialectName>,
    /// Only this culture (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) culture: Vec<String>,
    /// Damage some messages in this way (repeatable); `all` takes every way, an unknown one lists them
    #[arg(long, value_name = "DAMAGE")]
    pub(crate) damage: Vec<String>,
    /// The share of messages that --damage is done to, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    pub(crate) damaged_share: f64,
    /// Format of the recordings: pcm16, pcm8, alaw, mulaw, gsm (repeatable) [default: pcm16]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) audio_format: Vec<String>,
    /// Samples a second: 8000 or 16000
    #[arg(long, value_name = "HZ", default_value_t = 8000)]
    pub(crate) sample_rate: u32,
    /// SentTime of the first message
    #[arg(long, value_name = "TIME", default_value = "2016-12-23T08:00:00")]
    pub(crate) start: jiff::civil::DateTime,
    /// The folder's path as the UM server sees it, for AttachmentPath
    #[arg(
        long,
        value_name = "PATH",
        default_value = r"C:\Program Files\Microsoft\Exchange Server\V15\UnifiedMessaging\voicemail"
    )]
    pub(crate) exchange_path: String,
    /// Seconds of audio in every voice message [default: varied]
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,
    /// The seed: the same one makes the same queue
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Also write the mailboxes of the recipients as a Get-Mailbox CSV
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) directory_out: Option<PathBuf>,
}

/// A header dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectName {
    /// Exchange 2007 and 2010
    #[value(name = "E12", alias = "e12")]
    E12,
    /// Exchange 2013 and 2016
    #[value(name = "E15", alias = "e15")]
    E15,
}

/// Arguments of `lab sink`.
#[derive(Args, Debug)]
pub(crate) struct SinkArgs {
    /// The folder to write .eml files to
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:2525")]
    pub(crate) listen: SocketAddr,
    /// Listen on other than loopback addresses too
    #[arg(long)]
    pub(crate) listen_any: bool,
    /// Require this login, as NAME:PASSWORD (for labs: the password is plain to see)
    #[arg(long, value_name = "NAME:PASSWORD")]
    pub(crate) login: Option<String>,
    /// The certificate (PEM) for STARTTLS
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Speak TLS from the first byte instead of STARTTLS
    #[arg(long, requires = "cert")]
    pub(crate) implicit_tls: bool,
    /// Refuse at a stage: STAGE[=GLOB][:CODE][:nth=N|:every=N], as in recipient=*@old.example:450 (repeatable)
    #[arg(long, value_name = "FAULT")]
    pub(crate) refuse: Vec<String>,
    /// Answer late at a stage: STAGE=MILLISECONDS[:nth=N|:every=N] (repeatable)
    #[arg(long, value_name = "FAULT")]
    pub(crate) delay: Vec<String>,
    /// Hang up at a stage: STAGE[:nth=N|:every=N], as in before-reply:nth=3 (repeatable); the stages are connect, ehlo, auth,
    /// mail, rcpt, data, mid-data, before-reply, after-reply
    #[arg(long, value_name = "FAULT")]
    pub(crate) drop: Vec<String>,
    /// Stop after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) messages: Option<u64>,
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Leave the results in this folder [default: a new temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}
