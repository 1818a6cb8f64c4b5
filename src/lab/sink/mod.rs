//! An SMTP receiver on loopback that writes .eml files and refuses, delays or drops on demand.
//!
//! For labs without Exchange, for the demo, and for tests. It delivers nothing anywhere. Mails are written exactly as
//! they came; their envelopes go to `envelopes.jsonl` beside them.

mod content;
mod fault;
mod line;
mod session;
mod store;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

pub use self::fault::{Action, Fault, FaultError, Stage, When};
pub use self::store::Received;

use self::line::Socket;
use self::session::Session;
use self::store::Store;
use crate::fsx::PathError;

/// The most connections at a time; further ones are turned away with a 421.
const CONNECTION_LIMIT: usize = 200;

/// Certificate and key of a receiver, in PEM form.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, and those of its issuers behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// TLS from the first byte, instead of STARTTLS.
    pub implicit: bool,
}

/// How a receiver listens and misbehaves.
#[derive(Clone, Debug)]
pub struct LabSinkOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Allows other addresses than loopback, from where anyone could send.
    pub listen_any: bool,
    /// Where mails are written, if anywhere.
    pub out: Option<PathBuf>,
    /// Whether mails are kept in memory for [`LabSink::received`].
    pub keep: bool,
    /// The only name and password that may send, if a login is needed.
    pub login: Option<(String, String)>,
    /// Certificate and key, if TLS is offered.
    pub tls: Option<TlsFiles>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The largest mail taken, in bytes.
    pub size_limit: usize,
    /// How long a client may be silent.
    pub idle_timeout: Duration,
    /// What time it is, for the envelopes; without it they have none.
    pub clock: Option<fn() -> Timestamp>,
}

impl Default for LabSinkOptions {
    /// Any free port of 127.0.0.1, in clear, without login, faults or files; 36 MB as Exchange's default connectors.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            listen_any: false,
            out: None,
            keep: false,
            login: None,
            tls: None,
            faults: Vec::new(),
            size_limit: 36 << 20,
            idle_timeout: Duration::from_secs(300),
            clock: None,
        }
    }
}

/// Why a receiver could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabSinkError {
    /// The address can be reached from elsewhere.
    #[error("{0} is not a loopback address, so that anyone who reaches this machine could send to it")]
    NotLoopback(SocketAddr),
    /// The address is taken, or not this machine's.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The folder for mails cannot be used.
    #[error("received mails could not be stored")]
    Store(#[source] PathError),
    /// A file holds no certificate or key.
    #[error("{} holds no {what} in PEM form", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// Certificate and key do not fit.
    #[error("TLS cannot be offered with this certificate and key")]
    Tls(#[source] rustls::Error),
}

/// What a stage's faults come to.
enum Verdict {
    Go,
    Refuse(u16, String),
    HangUp,
}

/// What all conversations share.
struct Shared {
    login: Option<(String, String)>,
    tls: Option<Arc<ServerConfig>>,
    implicit_tls: bool,
    size_limit: usize,
    idle_timeout: Duration,
    /// Each fault, and how often its stage was reached.
    faults: Vec<(Fault, AtomicU64)>,
    store: Mutex<Store>,
    stopping: AtomicBool,
    connections: AtomicU64,
    /// Open connections by number, to be closed when stopping.
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Shared {
    /// What happens at a stage: how long it takes, and how it ends.
    fn verdict(&self, stage: Stage, recipients: &[String]) -> (Duration, Verdict) {
        let mut delay = Duration::ZERO;
        let mut verdict = Verdict::Go;
        for (fault, count) in self.faults.iter().filter(|(fault, _)| fault.stage == stage) {
            let concerned = |glob: &globset::GlobMatcher| recipients.iter().any(|address| glob.is_match(address));
            if !fault.recipient.as_ref().is_none_or(concerned) {
                continue;
            }
            let count = count.fetch_add(1, Ordering::Relaxed) + 1;
            if fault.is_due(count) {
                match &fault.action {
                    Action::Delay(time) => delay += *time,
                    Action::Drop => verdict = Verdict::HangUp,
                    Action::Reply(code, text) => verdict = Verdict::Refuse(*code, text.clone()),
                }
            }
        }
        (delay, verdict)
    }

    /// Waits, but not longer than the receiver runs.
    fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end && !self.stopping.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10).min(time));
        }
    }

    fn add(&self, received: Received) -> Result<u64, PathError> {
        let mut store = lock(&self.store);
        store.add(received)?;
        Ok(store.count())
    }
}

/// A thread that panicked leaves mails that are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running receiver; dropped, it stops.
pub struct LabSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl LabSink {
    /// Starts to listen.
    ///
    /// # Errors
    /// See [`LabSinkError`].
    pub fn start(options: LabSinkOptions) -> Result<Self, LabSinkError> {
        let address = options.listen;
        if !address.ip().is_loopback() && !options.listen_any {
            return Err(LabSinkError::NotLoopback(address));
        }
        let tls = options.tls.as_ref().map(server_config).transpose()?;
        let store = Store::open(&options).map_err(LabSinkError::Store)?;
        let failed = |source| LabSinkError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            login: options.login,
            tls,
            implicit_tls: options.tls.is_some_and(|files| files.implicit),
            size_limit: options.size_limit,
            idle_timeout: options.idle_timeout,
            faults: options.faults.into_iter().map(|fault| (fault, AtomicU64::new(0))).collect(),
            store: Mutex::new(store),
            stopping: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            open: Mutex::new(HashMap::new()),
        });
        let listening = Arc::clone(&shared);
        let listener = thread::spawn(move || listen(&listener, &listening));
        Ok(Self { address, shared, listener: Some(listener) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many mails it has taken.
    pub fn count(&self) -> u64 {
        lock(&self.shared.store).count()
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The mails it has taken, in order; none without [`LabSinkOptions::keep`].
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.store).received()
    }

    /// Closes all connections and waits until nothing runs any more.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        self.shared.stopping.store(true, Ordering::Relaxed);
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // The listener waits for a connection: give it one.
        let mut own = self.address;
        match own {
            SocketAddr::V4(address) if address.ip().is_unspecified() => own.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(address) if address.ip().is_unspecified() => own.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        if TcpStream::connect_timeout(&own, Duration::from_secs(1)).is_ok() {
            let _ = listener.join();
        }
    }
}

impl Drop for LabSink {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes connections until the receiver stops, then waits for their ends.
fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut sessions: Vec<JoinHandle<()>> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::Relaxed) {
            break;
        }
        sessions.retain(|session| !session.is_finished());
        match stream {
            Ok(stream) if sessions.len() < CONNECTION_LIMIT => {
                let shared = Arc::clone(shared);
                sessions.push(thread::spawn(move || serve(shared, stream)));
            }
            Ok(mut stream) => {
                let _ = io::Write::write_all(&mut stream, b"421 4.3.2 Too many connections\r\n");
            }
            // Out of handles: some will be closed soon.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    for session in sessions {
        let _ = session.join();
    }
}

fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
    let handle = stream.try_clone();
    if let (Ok(handle), Ok(socket)) = (handle, Socket::new(stream, Arc::clone(&shared))) {
        lock(&shared.open).insert(number, handle);
        // Whoever stops the receiver either found the handle, or had said so before.
        if !shared.stopping.load(Ordering::Relaxed) {
            Session::new(Arc::clone(&shared), socket).run();
        }
    }
    if let Some(handle) = lock(&shared.open).remove(&number) {
        let _ = handle.shutdown(Shutdown::Both);
    }
}

fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, LabSinkError> {
    let not_pem = |path: &Path, what| {
        let path = path.to_owned();
        move |source| LabSinkError::NotPem { path, what, source }
    };
    let certificates = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(not_pem(&files.cert, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(not_pem(&files.key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(LabSinkError::Tls)?.with_no_client_auth().with_single_cert(certificates, key);
    Ok(Arc::new(config.map_err(LabSinkError::Tls)?))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    /// Sends everything at once, and reads all replies until the receiver hangs up.
    fn pipelined(sink: &LabSink, commands: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(sink.address()).unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
        BufReader::new(stream).lines().map_while(Result::ok).collect()
    }

    fn codes(replies: &[String]) -> Vec<&str> {
        replies.iter().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| &line[..3]).collect()
    }

    #[test]
    fn pipelined_commands_are_answered_in_order() {
        let sink = LabSink::start(LabSinkOptions { keep: true, ..LabSinkOptions::default() }).unwrap();
        let replies = pipelined(
            &sink,
            "EHLO me\r\nMAIL FROM:<a@b.example> SIZE=20\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f.example>\r\nDATA\r\n\
             ..x\r\n\n.\n\r\n.\r\nNOOP\r\nBOGUS\r\nRCPT TO:<x@y>\r\nMAIL FROM:<>\r\nQUIT\r\n",
        );
        assert_eq!(
            codes(&replies),
            ["220", "250", "250", "250", "250", "354", "250", "250", "500", "503", "501", "221"]
        );
        let received = sink.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].sender, "a@b.example");
        assert_eq!(received[0].recipients, ["c@d.example", "e@f.example"]);
        assert_eq!(*received[0].bytes, *b".x\r\n\n.\n\r\n");
    }

    #[test]
    fn too_large_a_mail_is_refused_twice_over() {
        let sink = LabSink::start(LabSinkOptions { size_limit: 10, ..LabSinkOptions::default() }).unwrap();
        let replies = pipelined(
            &sink,
            "EHLO me\r\nMAIL FROM:<a@b> SIZE=11\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n123456789\r\n.\r\nQUIT\r\n",
        );
        assert_eq!(codes(&replies), ["220", "250", "552", "250", "250", "354", "552", "221"]);
        assert_eq!(sink.count(), 0);
    }

    #[test]
    fn only_loopback_is_listened_on_unless_asked() {
        let listen: SocketAddr = "0.0.0.0:0".parse().unwrap();
        let refused = LabSink::start(LabSinkOptions { listen, ..LabSinkOptions::default() });
        assert!(matches!(refused, Err(LabSinkError::NotLoopback(_))));
        LabSink::start(LabSinkOptions { listen, listen_any: true, ..LabSinkOptions::default() }).unwrap().stop();
    }

    #[test]
    fn it_stops_with_clients_connected_and_delays_running() {
        let faults = vec![Fault::delay("ehlo=60000").unwrap()];
        let sink = LabSink::start(LabSinkOptions { faults, ..LabSinkOptions::default() }).unwrap();
        let idle = TcpStream::connect(sink.address()).unwrap();
        let mut busy = TcpStream::connect(sink.address()).unwrap();
        busy.write_all(b"EHLO me\r\n").unwrap();
        while sink.connections() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        let started = Instant::now();
        sink.stop();
        assert!(started.elapsed() < Duration::from_secs(5));
        drop(idle);
    }

    #[test]
    fn a_silent_client_is_sent_away() {
        let idle_timeout = Duration::from_millis(50);
        let sink = LabSink::start(LabSinkOptions { idle_timeout, ..LabSinkOptions::default() }).unwrap();
        assert_eq!(codes(&pipelined(&sink, "NOOP\r\n")), ["220", "250", "421"]);
    }
}
