//! Why there is no connection to a server, and what to do about it.

use std::io;
use std::path::PathBuf;

use rustls::CertificateError;
use thiserror::Error;

use super::dialogue::LineError;
use crate::fsx::PathError;

/// Why no mail can be submitted at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SmtpError {
    /// The name for EHLO is none.
    #[error("{0:?} cannot be said in EHLO: a host name or an address in brackets is needed")]
    HelloName(String),
    /// The server's name is none that a certificate could hold.
    #[error("{0:?} is not a host name")]
    HostName(String),
    /// The file of roots cannot be read.
    #[error("the certificates to trust are not there")]
    CaFile(#[source] PathError),
    /// The file of roots holds no PEM certificate.
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate to trust is damaged.
    #[error("a certificate in {} cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// Neither the system nor a file names a root.
    #[error("this system trusts no certificate authority at all")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    TlsSettings(#[source] rustls::Error),
    /// The server's name has no address.
    #[error("the address of {server} could not be found")]
    Resolve {
        /// Host and port.
        server: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No TCP connection.
    #[error("could not connect to {server}")]
    Connect {
        /// Host and port.
        server: String,
        /// What the system said.
        source: io::Error,
    },
    /// The line broke, or what came over it was no SMTP.
    #[error("the conversation with {server} broke off at {step}")]
    Line {
        /// Host and port.
        server: String,
        /// What was awaited: `the greeting`.
        step: &'static str,
        /// What happened.
        source: Trouble,
    },
    /// The server refused a step on the way to the first mail.
    #[error("{server} refused {step}: {reply}")]
    Refused {
        /// Host and port.
        server: String,
        /// What was refused: `the connection`.
        step: &'static str,
        /// The server's reply code.
        code: u16,
        /// The server's reply, code and words.
        reply: String,
    },
    /// STARTTLS is wanted but not offered.
    #[error("{server} does not offer STARTTLS")]
    NoStartTls {
        /// Host and port.
        server: String,
    },
    /// A login is wanted but neither LOGIN nor PLAIN is offered.
    #[error("{server} offers neither LOGIN nor PLAIN to log in with")]
    NoAuth {
        /// Host and port.
        server: String,
    },
    /// The login was refused.
    #[error("{server} refused the login of {user}: {reply}")]
    Login {
        /// Host and port.
        server: String,
        /// Who tried.
        user: String,
        /// The server's reply, code and words.
        reply: String,
    },
}

/// What broke a line.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct Trouble(LineError);

impl From<LineError> for Trouble {
    fn from(error: LineError) -> Self {
        Self(error)
    }
}

impl SmtpError {
    /// What to do about it, with a command to paste.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::HelloName(_) => "leave the name out, or give this machine's full name".to_owned(),
            Self::HostName(_) => "give the server as a name: --server mail.example.com:25".to_owned(),
            Self::CaFile(_) | Self::NoCertificate { .. } | Self::Certificate { .. } | Self::NoRoots => {
                "write the server's certificate to a file and trust it: openssl s_client -starttls smtp -connect \
                 HOST:25 -showcerts </dev/null | openssl x509 -out server.pem, then --ca-file server.pem"
                    .to_owned()
            }
            Self::TlsSettings(_) => return None,
            Self::Resolve { server, .. } => {
                format!("check the name, or give an address: Resolve-DnsName {}", host(server))
            }
            Self::Connect { server, source } => connect_hint(server, source),
            Self::Line { server, source, .. } => line_hint(server, &source.0)?,
            Self::Refused { code, .. } => refused_hint(*code)?,
            Self::NoStartTls { .. } => {
                "give the server a certificate (Enable-ExchangeCertificate -Services SMTP), or send \
                in clear where the line can be trusted: --tls none"
                    .to_owned()
            }
            Self::NoAuth { .. } => {
                "leave out --user where the connector trusts this machine's address, or let the connector \
                take logins: Set-ReceiveConnector NAME -AuthMechanism Tls,BasicAuth,BasicAuthRequireTLS"
                    .to_owned()
            }
            Self::Login { .. } => {
                "check name and password, the name as DOMAIN\\name or name@domain, and that the connector \
                takes such logins: Get-ReceiveConnector | Format-List Name,Bindings,AuthMechanism,PermissionGroups"
                    .to_owned()
            }
        };
        Some(hint)
    }
}

fn connect_hint(server: &str, source: &io::Error) -> String {
    let (host, port) = (host(server), port(server));
    let test = format!("Test-NetConnection {host} -Port {port}");
    match source.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "nothing listens there: Exchange takes mail on port 25, and with a login on 587 (--server {host}:587); {test}"
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("a firewall may swallow it, or the server is down: {test}")
        }
        _ => format!("check that the server can be reached from here: {test}"),
    }
}

fn line_hint(server: &str, error: &LineError) -> Option<String> {
    let host = host(server);
    let hint = match error {
        LineError::Tls(rustls::Error::InvalidCertificate(problem)) => certificate_hint(server, problem),
        LineError::Tls(_) => format!("the port may not speak TLS at once: --server {host}:587 --tls starttls"),
        LineError::Garbage(_) | LineError::Silent(_) | LineError::Closed => format!(
            "port {} may speak TLS at once (--tls implicit) or be no mail server's; Exchange takes mail on port 25 and 587: \
             Test-NetConnection {host} -Port 25",
            port(server)
        ),
        LineError::Io(_) | LineError::OutOfTurn(_) => return None,
    };
    Some(hint)
}

fn certificate_hint(server: &str, problem: &CertificateError) -> String {
    let show = format!("openssl s_client -starttls smtp -connect {server} -showcerts </dev/null");
    match problem {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("give the server by the name that its certificate holds: --server NAME; {show}")
        }
        CertificateError::UnknownIssuer => format!(
            "trust the certificate by a file, after looking at it: {show} | openssl x509 -out server.pem, then \
             --ca-file server.pem"
        ),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => format!(
            "check this machine's clock, and renew the server's certificate: Get-ExchangeCertificate | Format-List \
             Subject,NotAfter,Services; {show}"
        ),
        _ => format!("look at the certificate: {show}"),
    }
}

fn refused_hint(code: u16) -> Option<String> {
    let hint = match code {
        421 => {
            "the server has no room now; try again later: Get-ReceiveConnector | Format-List Name,MaxInboundConnection*"
        }
        500..=599 => {
            "the connector that answers may not take this machine: Get-ReceiveConnector | Format-List \
             Name,Bindings,RemoteIPRanges,PermissionGroups"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn host(server: &str) -> &str {
    server.rsplit_once(':').map_or(server, |(host, _)| host)
}

fn port(server: &str) -> &str {
    server.rsplit_once(':').map_or("25", |(_, port)| port)
}
