//! The receiver's end of a line: buffered reads, plain or TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Shared;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// The longest command line that is taken, in bytes.
const LINE_LIMIT: usize = 16 << 10;

/// How long a read waits before it looks whether the receiver stops: closing a socket from another thread does not wake a
/// reader everywhere.
const LOOK: Duration = Duration::from_millis(100);

/// A client's socket whose reads end when the client is silent for too long, or the receiver stops.
pub(super) struct Socket {
    stream: TcpStream,
    shared: Arc<Shared>,
}

impl Socket {
    /// Takes a connection's socket and sets its time-outs.
    pub(super) fn new(stream: TcpStream, shared: Arc<Shared>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK.min(shared.idle_timeout)))?;
        stream.set_write_timeout(Some(shared.idle_timeout))?;
        Ok(Self { stream, shared })
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()?, shared: Arc::clone(&self.shared) })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let started = Instant::now();
        loop {
            match self.stream.read(buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.shared.stopping.load(Ordering::Relaxed) {
                        return Ok(0);
                    }
                    if started.elapsed() >= self.shared.idle_timeout {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

/// A line to a client.
pub(super) struct Line {
    stream: Stream,
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    used: usize,
}

impl Line {
    pub(super) fn new(stream: Socket) -> Self {
        Self { stream: Stream::Plain(stream), buffer: Vec::new(), used: 0 }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Encrypts the line; what the client sent in clear behind STARTTLS is thrown away.
    pub(super) fn start_tls(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        if let Stream::Plain(plain) = &self.stream {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(session, plain.try_clone()?);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock)?;
            }
            self.stream = Stream::Tls(Box::new(stream));
            self.buffer.clear();
            self.used = 0;
        }
        Ok(())
    }

    /// One line without its end; `None` when the client has hung up.
    pub(super) fn read_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let unread = self.buffer.get(self.used..).unwrap_or_default();
            if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line = unread.get(..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
                self.used += end + 1;
                return Ok(Some(line));
            }
            if unread.len() > LINE_LIMIT {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            if self.fill()?.is_empty() {
                return Ok(None);
            }
        }
    }

    /// What has come and is not used up; waits for more where there is none, and is empty when the client has hung up.
    pub(super) fn unread(&mut self) -> io::Result<&[u8]> {
        if self.used >= self.buffer.len() { self.fill() } else { Ok(self.buffer.get(self.used..).unwrap_or_default()) }
    }

    /// Uses up the first `count` bytes of [`Self::unread`].
    pub(super) fn consume(&mut self, count: usize) {
        self.used += count;
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Adds what comes next to the buffer, and returns that.
    fn fill(&mut self) -> io::Result<&[u8]> {
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        let old = self.buffer.len();
        self.buffer.resize(old + CHUNK, 0);
        let target = self.buffer.get_mut(old..).unwrap_or_default();
        let count = loop {
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(target),
                Stream::Tls(stream) => stream.read(target),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + *count.as_ref().unwrap_or(&0));
        count.map(|_| self.buffer.get(old..).unwrap_or_default())
    }
}
