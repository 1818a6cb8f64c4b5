//! From an address to a server that is ready for mail: TCP, greeting, EHLO, TLS, login.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Data, Ehlo, Mail as MailCommand, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::dialogue::{ContentError, Dialogue, LineError};
use super::reply::Reply;
use super::{Login, SmtpError, SmtpOptions, Tls};

/// The longest wait for a TCP connection; what takes longer is swallowed by a firewall.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that has said EHLO, is encrypted where it should be, and logged in.
pub(super) struct Connection {
    dialogue: Dialogue,
    extensions: Extensions,
}

/// What the server said it can do.
#[derive(Debug, Default, PartialEq)]
struct Extensions {
    start_tls: bool,
    smtp_utf8: bool,
    eight_bit: bool,
    /// The `SIZE` keyword, with its limit in bytes where it gives one.
    size: Option<Option<u64>>,
    plain: bool,
    login: bool,
}

impl Extensions {
    fn of(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "STARTTLS" => found.start_tls = true,
                "SMTPUTF8" => found.smtp_utf8 = true,
                "8BITMIME" => found.eight_bit = true,
                "SIZE" => {
                    let limit = words.next().and_then(|digits| digits.parse().ok());
                    found.size = Some(limit.filter(|limit| *limit > 0));
                }
                "AUTH" => words.for_each(|mechanism| match mechanism.to_ascii_uppercase().as_str() {
                    "PLAIN" => found.plain = true,
                    "LOGIN" => found.login = true,
                    _ => {}
                }),
                _ => {}
            }
        }
        found
    }
}

impl Connection {
    /// Connects, and goes as far as the first mail.
    ///
    /// # Errors
    /// See [`SmtpError`].
    pub(super) fn open(options: &SmtpOptions, tls: &Arc<ClientConfig>) -> Result<Self, SmtpError> {
        let server = options.server();
        let broken = |step| {
            let server = server.clone();
            move |error: LineError| SmtpError::Line { server, step, source: error.into() }
        };
        let stream = connect(options, &server)?;
        let dialogue = Dialogue::new(stream, options.timeout);
        let mut dialogue = dialogue.map_err(|source| SmtpError::Connect { server: server.clone(), source })?;
        let name = || ServerName::try_from(options.host.clone()).map_err(|_| SmtpError::HostName(options.host.clone()));
        if options.tls == Tls::Implicit {
            dialogue.start_tls(Arc::clone(tls), name()?).map_err(broken("the TLS handshake"))?;
        }
        let greeting = dialogue.reply().map_err(broken("the greeting"))?;
        expect(&server, "the connection", &greeting)?;
        let mut extensions = hello(&mut dialogue, options)?;
        if options.tls == Tls::StartTls {
            if !extensions.start_tls {
                return Err(SmtpError::NoStartTls { server });
            }
            let reply = dialogue.command(Starttls).map_err(broken("STARTTLS"))?;
            expect(&server, "STARTTLS", &reply)?;
            dialogue.start_tls(Arc::clone(tls), name()?).map_err(broken("the TLS handshake"))?;
            // What was offered in clear could be an attacker's words.
            extensions = hello(&mut dialogue, options)?;
        }
        let mut connection = Self { dialogue, extensions };
        if let Some(login) = &options.login {
            connection.log_in(&server, login)?;
        }
        Ok(connection)
    }

    fn log_in(&mut self, server: &str, login: &Login) -> Result<(), SmtpError> {
        let broken =
            |error: LineError| SmtpError::Line { server: server.to_owned(), step: "the login", source: error.into() };
        let refused = |reply: Reply| SmtpError::Login {
            server: server.to_owned(),
            user: login.user.clone(),
            reply: reply.to_string(),
        };
        // The challenges are always these two in this order; some servers word them in ways of their own.
        let (mechanism, challenges): (_, &[Option<&str>]) = match &self.extensions {
            Extensions { plain: true, .. } => (Mechanism::Plain, &[None]),
            Extensions { login: true, .. } => (Mechanism::Login, &[None, Some("Username:"), Some("Password:")]),
            _ => return Err(SmtpError::NoAuth { server: server.to_owned() }),
        };
        let credentials = Credentials::new(login.user.clone(), login.secret.clone());
        for (position, challenge) in challenges.iter().enumerate() {
            let command = Auth::new(mechanism, credentials.clone(), challenge.map(str::to_owned));
            // It fails only for challenges that the mechanism does not have.
            let command = command.map_err(|_| SmtpError::NoAuth { server: server.to_owned() })?;
            let reply = self.dialogue.command(command).map_err(broken)?;
            let is_last = position + 1 == challenges.len();
            let awaited = if is_last { reply.is_positive() } else { reply.code == 334 };
            if !awaited {
                return Err(refused(reply));
            }
        }
        Ok(())
    }

    /// The largest mail that the server takes, in bytes, where it says so.
    pub(super) fn size_limit(&self) -> Option<u64> {
        self.extensions.size.flatten()
    }

    /// Whether the server takes addresses beyond ASCII.
    pub(super) fn takes_utf8(&self) -> bool {
        self.extensions.smtp_utf8 && self.extensions.eight_bit
    }

    /// Names the sender, and the mail's length where the server wants to know.
    pub(super) fn mail(&mut self, sender: Address, length: usize, utf8: bool) -> Result<Reply, LineError> {
        let mut parameters = Vec::new();
        if self.extensions.size.is_some() {
            parameters.push(MailParameter::Size(length));
        }
        if utf8 {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
            parameters.push(MailParameter::SmtpUtfEight);
        }
        self.dialogue.command(MailCommand::new(Some(sender), parameters))
    }

    /// Names the recipient.
    pub(super) fn recipient(&mut self, recipient: Address) -> Result<Reply, LineError> {
        self.dialogue.command(Rcpt::new(recipient, Vec::new()))
    }

    /// Announces the mail.
    pub(super) fn data(&mut self) -> Result<Reply, LineError> {
        self.dialogue.command(Data)
    }

    /// Sends the mail.
    pub(super) fn content(&mut self, mail: &[u8]) -> Result<Reply, ContentError> {
        self.dialogue.content(mail)
    }

    /// Gives up a transaction; tells whether the connection is good for another.
    pub(super) fn reset(&mut self) -> bool {
        self.dialogue.command(Rset).is_ok_and(|reply| reply.is_positive())
    }

    /// Ends the connection in good order.
    pub(super) fn quit(self) {
        self.dialogue.quit();
    }
}

fn connect(options: &SmtpOptions, server: &str) -> Result<TcpStream, SmtpError> {
    let resolved = (options.host.as_str(), options.port).to_socket_addrs();
    let addresses = resolved.map_err(|source| SmtpError::Resolve { server: server.to_owned(), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, options.timeout.min(CONNECT_TIMEOUT)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(SmtpError::Connect { server: server.to_owned(), source: last })
}

fn hello(dialogue: &mut Dialogue, options: &SmtpOptions) -> Result<Extensions, SmtpError> {
    let server = options.server();
    let name = ClientId::Domain(options.hello_name.clone());
    let reply = dialogue.command(Ehlo::new(name));
    let reply =
        reply.map_err(|error| SmtpError::Line { server: server.clone(), step: "EHLO", source: error.into() })?;
    expect(&server, "EHLO", &reply)?;
    Ok(Extensions::of(&reply))
}

fn expect(server: &str, step: &'static str, reply: &Reply) -> Result<(), SmtpError> {
    if reply.is_positive() {
        return Ok(());
    }
    Err(SmtpError::Refused { server: server.to_owned(), step, code: reply.code, reply: reply.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case() {
        let lines =
            ["STARTTLS greets you", "size 36700160", "AUTH NTLM login", "AUTH=PLAIN", "8BitMime", "smtputf8", ""];
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let extensions = Extensions::of(&Reply { code: 250, text: String::new(), lines });
        let expected = Extensions {
            start_tls: false,
            smtp_utf8: true,
            eight_bit: true,
            size: Some(Some(36_700_160)),
            plain: true,
            login: true,
        };
        assert_eq!(extensions, expected);
    }

    #[test]
    fn a_size_without_a_limit_is_no_limit() {
        for (line, expected) in [("SIZE", None), ("SIZE 0", None), ("SIZE many", None), ("SIZE 7", Some(7))] {
            let reply = Reply { code: 250, text: String::new(), lines: vec![String::new(), line.to_owned()] };
            assert_eq!(Extensions::of(&reply).size, Some(expected), "{line}");
        }
    }
}
