//! Submission over SMTP (RFC 5321), one mail at a time on one connection that is used again.
//!
//! At every failure it is certain whether the server can have the mail:
//!
//! - before its end was handed over it cannot: the message was not delivered;
//! - a reply decides: 2xx is a receipt, 4xx and 5xx mean that the server did not take it;
//! - the end was handed over, but no reply came: nobody knows, and the message is *uncertain*.
//!
//! The mail is made by [`super::mime`]; what a failure means for the rest of the run is left to `replay`.

mod connection;
mod dialogue;
mod error;
mod reply;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use rustls::{ClientConfig, RootCertStore};

pub use self::error::{SmtpError, Trouble};

use self::connection::Connection;
use self::dialogue::{ContentError, LineError};
use self::reply::Reply;
use super::mime::{self, Mail, MimeOptions};
use super::{DeliveryError, Failure, Sink, Trace};
use crate::fsx;
use crate::message::{Delivery, EmailAddress, Receipt};

/// A usual wait for an answer. Exchange holds back its answer to a mail for up to 30 seconds while it makes a copy, and
/// a busy server for longer; giving up early makes a message uncertain.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(180);

/// How the line is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// In clear until STARTTLS, which the server must offer: port 25 and 587.
    StartTls,
    /// TLS from the first byte: port 465.
    Implicit,
    /// In clear throughout, a login's password included: for a line that can be trusted.
    None,
}

/// A name and its password. The password is never shown.
#[derive(Clone)]
pub struct Login {
    user: String,
    secret: String,
}

impl Login {
    /// A login as `DOMAIN\name` or `name@domain`.
    pub fn new(user: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { user: user.into(), secret: secret.into() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where to submit, and how.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// The server's name, as its certificate holds it, or its address.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the line is protected.
    pub tls: Tls,
    /// Certificates to trust beside the system's roots, in PEM form.
    pub ca_file: Option<PathBuf>,
    /// Who logs in; nobody where the server trusts this machine's address. The password goes over a line that is not
    /// encrypted only with [`Tls::None`].
    pub login: Option<Login>,
    /// What to call this machine in EHLO: a host name, or an address in brackets.
    pub hello_name: String,
    /// How mails are made.
    pub mime: MimeOptions,
    /// The longest wait for any one answer: see [`DEFAULT_TIMEOUT`].
    pub timeout: Duration,
}

impl SmtpOptions {
    /// Host and port, as messages name the server.
    fn server(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A server that takes messages as mail.
pub struct SmtpSink {
    options: SmtpOptions,
    tls: Arc<ClientConfig>,
    connection: Option<Connection>,
}

impl fmt::Debug for SmtpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSink").field("options", &self.options).finish_non_exhaustive()
    }
}

impl SmtpSink {
    /// Connects and logs in, so that what keeps every mail from being sent shows before the first.
    ///
    /// # Errors
    /// See [`SmtpError`], whose [`SmtpError::hint`] tells what to do.
    pub fn connect(options: SmtpOptions) -> Result<Self, SmtpError> {
        let harmless = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
        if options.hello_name.is_empty() || options.hello_name.len() > 255 || !options.hello_name.bytes().all(harmless)
        {
            return Err(SmtpError::HelloName(options.hello_name));
        }
        let tls = match options.tls {
            Tls::None => tls::trusting(RootCertStore::empty())?,
            Tls::StartTls | Tls::Implicit => tls::trusting(tls::roots(options.ca_file.as_deref())?)?,
        };
        let connection = Connection::open(&options, &tls)?;
        Ok(Self { options, tls, connection: Some(connection) })
    }

    /// Names the sender of a mail on the connection there is, or on a new one where the server has closed that in the
    /// meantime: nothing of the mail is lost or sent by that.
    fn begin(&mut self, mail: &Mail) -> Result<Connection, DeliveryError> {
        if let Some(mut connection) = self.connection.take() {
            match self.name_sender(&mut connection, mail) {
                Ok(()) => return Ok(connection),
                Err(Stop::Line(_)) => {}
                Err(Stop::Reply(reply)) if reply.code == 421 || reply.code == 503 => {}
                Err(stop) => return Err(self.sender_refused(Some(connection), mail, stop)),
            }
        }
        let mut connection = self.open()?;
        match self.name_sender(&mut connection, mail) {
            Ok(()) => Ok(connection),
            Err(stop) => Err(self.sender_refused(Some(connection), mail, stop)),
        }
    }

    fn open(&self) -> Result<Connection, DeliveryError> {
        Connection::open(&self.options, &self.tls).map_err(|error| {
            let hint = error.hint().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
            DeliveryError::new(Failure::Fatal, format!("{}{hint}", fsx::describe(&error)))
        })
    }

    fn name_sender(&self, connection: &mut Connection, mail: &Mail) -> Result<(), Stop> {
        let utf8 = !mail.bytes.is_ascii() || !mail.sender.as_str().is_ascii() || !mail.recipient.as_str().is_ascii();
        if utf8 && !connection.takes_utf8() {
            return Err(Stop::Unfit(
                "it has an address beyond ASCII, and the server does not take those (SMTPUTF8)".into(),
            ));
        }
        let length = mail.bytes.len();
        if let Some(limit) = connection.size_limit().filter(|limit| length as u64 > *limit) {
            return Err(Stop::Unfit(format!("it has {length} bytes, and the server takes {limit} at most")));
        }
        accept(connection.mail(address(&mail.sender)?, length, utf8))
    }

    /// Sends the mail, its sender named; tells the server's last reply.
    fn send(&self, connection: &mut Connection, mail: &Mail) -> Result<Reply, (Step, Stop)> {
        let recipient = address(&mail.recipient).map_err(|stop| (Step::Recipient, stop))?;
        accept(connection.recipient(recipient)).map_err(|stop| (Step::Recipient, stop))?;
        match connection.data() {
            Ok(reply) if reply.code == 354 => {}
            other => {
                accept(other).map_err(|stop| (Step::Data, stop))?;
                // A positive answer that is no go-ahead belongs to another question.
                return Err((Step::Data, Stop::Line(LineError::OutOfTurn("no 354 to DATA".to_owned()))));
            }
        }
        match connection.content(&mail.bytes) {
            Ok(reply) => Ok(reply),
            Err(ContentError::NotSent(error)) => Err((Step::Content, Stop::Line(error))),
            Err(ContentError::Rejected(reply)) => Err((Step::Content, Stop::Rejected(reply))),
            Err(ContentError::Unanswered(error)) => Err((Step::Answer, Stop::Line(error))),
        }
    }

    /// Keeps a connection for the next mail, where the failure left it good.
    fn keep(&mut self, connection: Option<Connection>, stop: &Stop, in_transaction: bool) {
        let usable = match stop {
            Stop::Line(_) | Stop::Rejected(_) => false,
            Stop::Reply(reply) => reply.code != 421,
            Stop::Unfit(_) => true,
        };
        if let Some(mut connection) = connection.filter(|_| usable)
            && (!in_transaction || connection.reset())
        {
            self.connection = Some(connection);
        }
    }

    fn sender_refused(&mut self, connection: Option<Connection>, mail: &Mail, stop: Stop) -> DeliveryError {
        self.keep(connection, &stop, false);
        let server = self.options.server();
        let sender = &mail.sender;
        match stop {
            Stop::Unfit(reason) => DeliveryError::new(Failure::Refused, reason),
            Stop::Line(error) => {
                let reason = format!("the line to {server} broke before the mail was sent: {error}");
                DeliveryError::new(Failure::Transient, reason)
            }
            Stop::Reply(reply) | Stop::Rejected(reply) => {
                let is_size = reply.code == 552 || reply.has_status("5.3.4") || reply.has_status("5.2.3");
                let (failure, hint) = match reply.code {
                    // The server's state, not the sender, is in the way.
                    400..=499 | 503 => (Failure::Transient, ""),
                    _ if is_size => (Failure::Refused, ""),
                    _ => (Failure::Fatal, sender_hint(&reply)),
                };
                let reason = format!("{server} refused the sender {sender}: {reply}{hint}");
                DeliveryError { failure, reason, smtp_code: Some(reply.code) }
            }
        }
    }

    fn not_sent(&mut self, connection: Connection, mail: &Mail, step: Step, stop: Stop) -> DeliveryError {
        let in_transaction = matches!(step, Step::Recipient | Step::Data);
        self.keep(Some(connection), &stop, in_transaction);
        let server = self.options.server();
        let (reply, what) = match stop {
            Stop::Unfit(reason) => return DeliveryError::new(Failure::Refused, reason),
            Stop::Line(error) if step == Step::Answer => {
                let reason = format!(
                    "{server} was sent the whole mail but never answered, so that it may have been delivered: {error}"
                );
                return DeliveryError::new(Failure::Uncertain, reason);
            }
            Stop::Line(error) => {
                let reason = format!("the line to {server} broke before the whole mail was sent: {error}");
                return DeliveryError::new(Failure::Transient, reason);
            }
            Stop::Reply(reply) | Stop::Rejected(reply) => match step {
                Step::Recipient => (reply, format!("the recipient {}", mail.recipient)),
                Step::Data | Step::Content | Step::Answer => (reply, format!("the mail to {}", mail.recipient)),
            },
        };
        let failure = if reply.code / 100 == 4 { Failure::Transient } else { Failure::Refused };
        DeliveryError { failure, reason: format!("{server} refused {what}: {reply}"), smtp_code: Some(reply.code) }
    }

    /// Sends one mail from sender to answer.
    fn submit(&mut self, mail: &Mail) -> Result<Receipt, DeliveryError> {
        let mut connection = self.begin(mail)?;
        let reply = match self.send(&mut connection, mail) {
            Ok(reply) => reply,
            Err((step, stop)) => return Err(self.not_sent(connection, mail, step, stop)),
        };
        match reply.code / 100 {
            2 => {
                self.connection = Some(connection);
                Ok(Receipt {
                    target: self.options.server(),
                    message_id: Some(mail.message_id.clone()),
                    smtp_code: Some(reply.code),
                    reply: Some(reply.text),
                    new_guid: None,
                })
            }
            4 | 5 => Err(self.not_sent(connection, mail, Step::Answer, Stop::Reply(reply))),
            // A 3xx asks for more when there is none.
            _ => {
                Err(self.not_sent(connection, mail, Step::Answer, Stop::Line(LineError::OutOfTurn(reply.to_string()))))
            }
        }
    }
}

impl Sink for SmtpSink {
    type Staged = Mail;

    fn batch(&self) -> usize {
        1
    }

    fn stage(&self, delivery: &Delivery) -> Result<Mail, DeliveryError> {
        Ok(mime::compose(delivery, &self.options.mime)?)
    }

    fn trace(&self, mail: &Mail) -> Trace {
        Trace { message_id: Some(mail.message_id.clone()), staged: None }
    }

    fn commit(&mut self, batch: Vec<Mail>) -> Vec<Result<Receipt, DeliveryError>> {
        batch.iter().map(|mail| self.submit(mail)).collect()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.quit();
        }
    }
}

/// How far a mail came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its recipient was named.
    Recipient,
    /// It was announced.
    Data,
    /// It was being sent: its end was not.
    Content,
    /// Its end was handed over.
    Answer,
}

/// Why a mail went no further.
enum Stop {
    /// The line is of no more use.
    Line(LineError),
    /// The server said no.
    Reply(Reply),
    /// The server said no in the middle of the mail, and hung up.
    Rejected(Reply),
    /// The server could not take it, and was not asked.
    Unfit(String),
}

fn accept(reply: Result<Reply, LineError>) -> Result<(), Stop> {
    match reply {
        Ok(reply) if reply.is_positive() => Ok(()),
        // A question instead of an answer: the server is somewhere else in the dialogue.
        Ok(reply) if reply.code < 400 => Err(Stop::Line(LineError::OutOfTurn(reply.to_string()))),
        Ok(reply) => Err(Stop::Reply(reply)),
        Err(error) => Err(Stop::Line(error)),
    }
}

fn address(address: &EmailAddress) -> Result<Address, Stop> {
    address.as_str().parse().map_err(|error| Stop::Unfit(format!("{address} cannot be said in SMTP: {error}")))
}

/// What to do when the server takes no mail from this sender.
fn sender_hint(reply: &Reply) -> &'static str {
    match reply.code {
        530 => {
            " (hint: log in with --user, or let the connector take this machine: Set-ReceiveConnector NAME \
            -PermissionGroups AnonymousUsers)"
        }
        501 => {
            " (hint: give --sender an address in full, such as the one of: Get-Recipient -Filter \"Name -like \
            'MicrosoftExchange*'\" | Format-List PrimarySmtpAddress)"
        }
        _ => {
            " (hint: give --sender an address that the login may send as, or let it send as any: Get-ReceiveConnector \
            NAME | Add-ADPermission -User USER -ExtendedRights ms-Exch-SMTP-Accept-Any-Sender)"
        }
    }
}
