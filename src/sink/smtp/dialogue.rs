//! Commands and replies over one line, plain or TLS.
//!
//! This is not lettre's client: that one flushes a mail's body and its final dot apart, tells neither how far it came
//! when the line broke nor whether a reply came before its question, and keeps what it read before STARTTLS. Here it is
//! known at every failure whether the server can have the mail.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use thiserror::Error;

use super::super::mime::text::clean;
use super::reply::{Reply, WORDS_LIMIT, parse_line};

/// The longest line and the most lines of a reply that are read; RFC 5321 allows 512 octets.
const LINE_LIMIT: usize = 4096;
const LINES_LIMIT: usize = 200;

/// What is written at once: one TLS record.
const CHUNK: usize = 16 << 10;

/// What ends a mail after its last line end.
const TERMINATOR: &[u8] = b".\r\n";

/// How long to look for the reason after a server hung up in the middle of a mail.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a dialogue cannot go on; the line is of no more use.
#[derive(Debug, Error)]
pub(super) enum LineError {
    #[error("the line broke: {0}")]
    Io(io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server did not answer within {} seconds", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the server does not speak SMTP: it sent {0:?}")]
    Garbage(String),
    #[error("the server spoke out of turn: {0:?}")]
    OutOfTurn(String),
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
}

/// A failure while a mail was being sent.
#[derive(Debug)]
pub(super) enum ContentError {
    /// The server cannot have the mail: its end was never handed over.
    NotSent(LineError),
    /// The server said why before the mail's end.
    Rejected(Reply),
    /// The server may have the mail.
    Unanswered(LineError),
}

/// Bytes that were not handed to the operating system, at least.
struct Unsent {
    remaining: usize,
    error: LineError,
}

/// A line to a server.
pub(super) struct Dialogue {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    inbox: Vec<u8>,
    timeout: Duration,
    /// When the server was last asked anything: its whole reply must come within the timeout from here.
    asked: Instant,
}

impl Dialogue {
    /// A plain line over a connected stream.
    pub(super) fn new(stream: TcpStream, timeout: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, tls: None, inbox: Vec::new(), timeout, asked: Instant::now() })
    }

    /// Encrypts the line from here on.
    pub(super) fn start_tls(&mut self, config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<(), LineError> {
        // What came in clear before the handshake could be an attacker's, and would be taken for the server's.
        self.expect_silence()?;
        let mut tls = ClientConnection::new(config, name).map_err(LineError::Tls)?;
        tls.set_buffer_limit(None);
        self.asked = Instant::now();
        while tls.is_handshaking() {
            self.drain(&mut tls).map_err(|unsent| unsent.error)?;
            if tls.is_handshaking() {
                self.fill_tls(&mut tls)?;
            }
        }
        self.drain(&mut tls).map_err(|unsent| unsent.error)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// Sends a command, line end included, and reads the reply.
    pub(super) fn command(&mut self, command: impl Display) -> Result<Reply, LineError> {
        self.expect_silence()?;
        self.send(command.to_string().as_bytes()).map_err(|unsent| unsent.error)?;
        self.reply()
    }

    /// Sends a mail after a 354, dot-stuffed, and reads the reply to it.
    pub(super) fn content(&mut self, mail: &[u8]) -> Result<Reply, ContentError> {
        self.expect_silence().map_err(ContentError::NotSent)?;
        let wire = stuffed(mail);
        // The terminator goes with the mail's last bytes: apart it would cost a packet, and with Nagle 40 ms.
        let last = wire.len().saturating_sub(1) / CHUNK * CHUNK;
        let (body, end) = wire.split_at_checked(last).unwrap_or((&[], &wire));
        for chunk in body.chunks(CHUNK) {
            if let Err(unsent) = self.send(chunk) {
                return Err(self.last_words(unsent.error));
            }
        }
        match self.send(end) {
            Ok(()) => self.reply().map_err(ContentError::Unanswered),
            // Windows does not tell how much of a write that timed out was sent.
            Err(Unsent { error: error @ LineError::Silent(_), .. }) => Err(ContentError::Unanswered(error)),
            Err(unsent) if unsent.remaining >= TERMINATOR.len() => Err(self.last_words(unsent.error)),
            Err(unsent) => Err(ContentError::Unanswered(unsent.error)),
        }
    }

    /// Reads one reply.
    pub(super) fn reply(&mut self) -> Result<Reply, LineError> {
        let mut code = None;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let (number, more, words) = parse_line(&line).ok_or_else(|| garbage(&line))?;
            if lines.len() >= LINES_LIMIT || code.is_some_and(|code| code != number) {
                return Err(garbage(&line));
            }
            code = Some(number);
            lines.push(clean(&String::from_utf8_lossy(words), WORDS_LIMIT));
            if !more {
                let text = clean(&lines.join(" "), WORDS_LIMIT);
                return Ok(Reply { code: number, text, lines });
            }
        }
    }

    /// Says goodbye without waiting long.
    pub(super) fn quit(mut self) {
        self.timeout = LAST_WORDS;
        // Whatever the answer, the connection ends here.
        let _ = self.stream.set_write_timeout(Some(LAST_WORDS)).map(|()| self.command("QUIT\r\n"));
    }

    /// A server that hangs up in the middle of a mail has often said why, such as that it is too large.
    fn last_words(&mut self, error: LineError) -> ContentError {
        self.timeout = LAST_WORDS;
        self.asked = Instant::now();
        match self.reply() {
            Ok(reply) if reply.code >= 400 => ContentError::Rejected(reply),
            _ => ContentError::NotSent(error),
        }
    }

    /// A reply that lies there before its question would be taken for the answer to it, and every later one likewise.
    fn expect_silence(&self) -> Result<(), LineError> {
        if self.inbox.is_empty() {
            return Ok(());
        }
        Err(LineError::OutOfTurn(clean(&String::from_utf8_lossy(&self.inbox), WORDS_LIMIT)))
    }

    fn line(&mut self) -> Result<Vec<u8>, LineError> {
        loop {
            if let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') {
                let rest = self.inbox.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.inbox, rest);
                while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                    line.pop();
                }
                return Ok(line);
            }
            if self.inbox.len() > LINE_LIMIT {
                return Err(garbage(&self.inbox));
            }
            self.fill().map_err(|error| match error {
                // What an HTTP or TLS server says before it hangs up is worth telling.
                LineError::Closed if !self.inbox.is_empty() => garbage(&self.inbox),
                other => other,
            })?;
        }
    }

    fn fill(&mut self) -> Result<(), LineError> {
        let mut buffer = [0; CHUNK];
        let count = match self.tls.take() {
            None => self.read(&mut buffer)?,
            Some(mut tls) => {
                let count = self.read_decrypted(&mut tls, &mut buffer);
                self.tls = Some(tls);
                count?
            }
        };
        if count == 0 {
            return Err(LineError::Closed);
        }
        self.inbox.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }

    fn read_decrypted(&mut self, tls: &mut ClientConnection, buffer: &mut [u8]) -> Result<usize, LineError> {
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.fill_tls(tls)?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other.map_err(LineError::Io),
            }
        }
    }

    /// Takes what the server sent into the TLS session.
    fn fill_tls(&mut self, tls: &mut ClientConnection) -> Result<(), LineError> {
        let mut buffer = [0; CHUNK];
        let count = self.read(&mut buffer)?;
        let mut received = buffer.get(..count).unwrap_or_default();
        if received.is_empty() && tls.is_handshaking() {
            return Err(LineError::Closed);
        }
        loop {
            // An empty read tells the session that the line is closed.
            tls.read_tls(&mut received).map_err(LineError::Io)?;
            if let Err(error) = tls.process_new_packets() {
                // The alert that tells the server why.
                let _ = self.drain(tls);
                return Err(LineError::Tls(error));
            }
            if received.is_empty() {
                return Ok(());
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LineError> {
        loop {
            let left = self.timeout.saturating_sub(self.asked.elapsed());
            if left.is_zero() {
                return Err(LineError::Silent(self.timeout));
            }
            self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).map_err(LineError::Io)?;
            match self.stream.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io_error(error)),
            }
        }
    }

    /// Hands bytes to the operating system.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        let sent = match self.tls.take() {
            None => self.write(bytes),
            Some(mut tls) => {
                let taken = tls.writer().write_all(bytes).map_err(LineError::Io);
                let sent = match taken {
                    Ok(()) => self.drain(&mut tls),
                    Err(error) => Err(Unsent { remaining: bytes.len(), error }),
                };
                self.tls = Some(tls);
                sent
            }
        };
        self.asked = Instant::now();
        sent
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Unsent> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(Unsent { remaining: rest.len(), error: LineError::Closed }),
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Unsent { remaining: rest.len(), error: self.io_error(error) }),
            }
        }
        Ok(())
    }

    /// Hands the session's records to the operating system. A failure leaves the last record unfinished, so that the
    /// server cannot read any of it.
    fn drain(&mut self, tls: &mut ClientConnection) -> Result<(), Unsent> {
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(0) => return Err(Unsent { remaining: usize::MAX, error: LineError::Closed }),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Unsent { remaining: usize::MAX, error: self.io_error(error) }),
            }
        }
        Ok(())
    }

    fn io_error(&self, error: io::Error) -> LineError {
        match error.kind() {
            // Unix says the one, Windows the other.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => LineError::Silent(self.timeout),
            _ => LineError::Io(error),
        }
    }
}

fn garbage(bytes: &[u8]) -> LineError {
    LineError::Garbage(clean(&String::from_utf8_lossy(bytes), 80))
}

/// A mail as it goes over the line: dots at a line's start doubled, the terminator after it.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(mail.len() + mail.len() / 64 + 8);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(TERMINATOR);
    wire
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A line to a server that sends its parts one after the other, without waiting to be asked, and hangs up.
    fn line_to(parts: &[&[u8]]) -> Dialogue {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for part in parts {
                stream.write_all(&part).unwrap();
                thread::sleep(Duration::from_millis(30));
            }
        });
        Dialogue::new(TcpStream::connect(address).unwrap(), Duration::from_millis(400)).unwrap()
    }

    #[test]
    fn replies_are_read_whole_and_harmless() {
        let mut line = line_to(&[b"250-mail.exa", b"mple\x1b[2J\r\n250-SIZE 10\r\n250 \xffOK\r\n", b"250\n"]);
        let reply = line.reply().unwrap();
        assert_eq!(reply.code, 250);
        assert_eq!(reply.lines, ["mail.example[2J", "SIZE 10", "\u{fffd}OK"]);
        assert_eq!(reply.to_string(), "250 mail.example[2J SIZE 10 \u{fffd}OK");
        assert_eq!(line.reply().unwrap().to_string(), "250");
        assert!(matches!(line.reply(), Err(LineError::Closed)));
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for bad in [
            "HTTP/1.1 400 Bad Request\r\n",
            "25\r\n",
            "250+x\r\n",
            "999 x\r\n",
            "150 x\r\n",
            "250-a\r\n550 b\r\n",
            "\r\n",
            "x",
        ] {
            let error = line_to(&[bad.as_bytes()]).reply().unwrap_err();
            assert!(matches!(error, LineError::Garbage(_)), "{bad} {error}");
        }
        let endless = vec![b'2'; 3 * LINE_LIMIT];
        assert!(matches!(line_to(&[&endless]).reply(), Err(LineError::Garbage(text)) if text.len() == 80));
        let many = "250-x\r\n".repeat(LINES_LIMIT + 1);
        assert!(matches!(line_to(&[many.as_bytes()]).reply(), Err(LineError::Garbage(_))));
    }

    #[test]
    fn a_server_that_trickles_does_not_hold_the_line() {
        let trickle: Vec<&[u8]> = vec![b"2"; 100];
        let started = Instant::now();
        assert!(matches!(line_to(&trickle).reply(), Err(LineError::Silent(_))));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_reply_before_its_question_is_not_taken_for_the_answer() {
        let mut line = line_to(&[b"354 go\r\n250 done\r\n"]);
        assert_eq!(line.reply().unwrap().code, 354);
        assert!(
            matches!(line.content(b"x\r\n"), Err(ContentError::NotSent(LineError::OutOfTurn(text))) if text == "250 done")
        );
        assert!(matches!(line.command("NOOP\r\n"), Err(LineError::OutOfTurn(_))));
    }

    #[test]
    fn dots_are_stuffed_and_the_mail_is_ended() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\nc.\r\n"), b"a\r\n..\r\n...b\r\nc.\r\n.\r\n");
        assert_eq!(stuffed(b".a"), b"..a\r\n.\r\n");
        assert_eq!(stuffed(b""), b".\r\n");
    }
}
