//! One client's conversation with the receiver (RFC 5321, with 8BITMIME, SIZE, PIPELINING, SMTPUTF8, STARTTLS, AUTH).

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::content::Content;
use super::fault::Stage;
use super::line::{Line, Socket};
use super::store::Received;
use super::{Shared, Verdict};

/// The most recipients of one mail, as in Exchange's receive connectors.
const RECIPIENT_LIMIT: usize = 200;

/// Why a conversation ends.
enum End {
    /// In good order, or on demand.
    Done,
    /// The line broke, or the client was silent too long.
    Broken(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

pub(super) struct Session {
    shared: Arc<Shared>,
    line: Line,
    greeted: bool,
    logged_in: bool,
    sender: Option<String>,
    recipients: Vec<String>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, stream: Socket) -> Self {
        let line = Line::new(stream);
        Self { shared, line, greeted: false, logged_in: false, sender: None, recipients: Vec::new() }
    }

    /// Talks until the client hangs up or is hung up on.
    pub(super) fn run(mut self) {
        if let Err(End::Broken(error)) = self.talk() {
            let silent = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
            let reply = if silent { "421 4.4.1 Connection timed out\r\n" } else { "421 4.4.2 Connection dropped\r\n" };
            // The client may be gone; there is nobody else to tell.
            let _ = self.line.write(reply.as_bytes());
        }
    }

    fn talk(&mut self) -> Result<(), End> {
        if let Some(tls) = self.shared.tls.as_ref().filter(|_| self.shared.implicit_tls) {
            self.line.start_tls(Arc::clone(tls))?;
        }
        if self.pass(Stage::Greeting, None)? {
            self.reply("220 umreplay lab sink ESMTP")?;
        } else {
            return Err(End::Done);
        }
        while let Some(line) = self.line.read_line()? {
            if self.shared.stopping.load(Ordering::Relaxed) {
                self.reply("421 4.3.2 Service not available")?;
                return Err(End::Done);
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            self.command(&verb.to_ascii_uppercase(), rest.trim())?;
        }
        Ok(())
    }

    fn command(&mut self, verb: &str, rest: &str) -> Result<(), End> {
        match verb {
            "EHLO" | "HELO" => self.hello(verb == "EHLO", rest),
            "STARTTLS" => self.start_tls(),
            "AUTH" => self.auth(rest),
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => self.data(),
            "RSET" => {
                self.forget();
                self.reply("250 2.0.0 Resetting")
            }
            "NOOP" => self.reply("250 2.0.0 OK"),
            "VRFY" => self.reply("252 2.1.5 Cannot VRFY user"),
            "QUIT" => {
                self.reply("221 2.0.0 Service closing transmission channel")?;
                Err(End::Done)
            }
            _ => self.reply("500 5.3.3 Unrecognized command"),
        }
    }

    fn hello(&mut self, extended: bool, name: &str) -> Result<(), End> {
        if name.is_empty() {
            return self.reply("501 5.0.0 Invalid domain name");
        }
        if !self.pass(Stage::Ehlo, None)? {
            return Ok(());
        }
        self.forget();
        self.greeted = true;
        if !extended {
            return self.reply("250 umreplay lab sink");
        }
        let mut lines = vec!["umreplay lab sink".to_owned(), format!("SIZE {}", self.shared.size_limit)];
        lines.extend(["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"].map(str::to_owned));
        if self.offers_tls() {
            lines.push("STARTTLS".to_owned());
        }
        if self.offers_auth() {
            lines.push("AUTH LOGIN PLAIN".to_owned());
        }
        let last = lines.len() - 1;
        let reply: String = lines
            .iter()
            .enumerate()
            .map(|(position, line)| format!("250{}{line}\r\n", if position == last { ' ' } else { '-' }))
            .collect();
        Ok(self.line.write(reply.as_bytes())?)
    }

    fn offers_tls(&self) -> bool {
        self.shared.tls.is_some() && !self.line.is_encrypted()
    }

    /// As Exchange does, no login is offered in clear where the line could be encrypted.
    fn offers_auth(&self) -> bool {
        self.shared.login.is_some() && !self.offers_tls()
    }

    fn start_tls(&mut self) -> Result<(), End> {
        let Some(tls) = self.shared.tls.clone().filter(|_| self.offers_tls()) else {
            return self.reply("502 5.5.1 Command not implemented");
        };
        self.reply("220 2.0.0 SMTP server ready")?;
        self.line.start_tls(tls)?;
        self.forget();
        self.greeted = false;
        self.logged_in = false;
        Ok(())
    }

    fn auth(&mut self, rest: &str) -> Result<(), End> {
        let Some((user, secret)) = self.shared.login.clone().filter(|_| self.offers_auth()) else {
            return self.reply("502 5.5.1 Command not implemented");
        };
        if !self.pass(Stage::Auth, None)? {
            return Ok(());
        }
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let initial = (!initial.is_empty()).then(|| initial.to_owned());
        let right = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let answer = self.answer(initial, "")?;
                let parts = answer.as_deref().map(|bytes| bytes.split(|byte| *byte == 0).skip(1).collect::<Vec<_>>());
                parts.is_some_and(|parts| parts == [user.as_bytes(), secret.as_bytes()])
            }
            "LOGIN" => {
                let given_user = self.answer(initial, "VXNlcm5hbWU6")?;
                let given_secret = self.answer(None, "UGFzc3dvcmQ6")?;
                given_user.as_deref() == Some(user.as_bytes()) && given_secret.as_deref() == Some(secret.as_bytes())
            }
            _ => return self.reply("504 5.7.4 Unrecognized authentication type"),
        };
        self.logged_in = right;
        if right {
            self.reply("235 2.7.0 Authentication successful")
        } else {
            self.reply("535 5.7.3 Authentication unsuccessful")
        }
    }

    /// What the client gave with the command, else its answer to a challenge; `None` where it is no base64.
    fn answer(&mut self, initial: Option<String>, challenge: &str) -> Result<Option<Vec<u8>>, End> {
        let text = match initial {
            Some(text) => text.into_bytes(),
            None => {
                self.reply(&format!("334 {challenge}"))?;
                self.line.read_line()?.ok_or(End::Done)?
            }
        };
        Ok(decode_base64(&text))
    }

    fn mail(&mut self, rest: &str) -> Result<(), End> {
        if !self.greeted || self.sender.is_some() {
            return self.reply("503 5.5.2 Bad sequence of commands");
        }
        if self.shared.login.is_some() && !self.logged_in {
            return self.reply("530 5.7.57 Client was not authenticated to send mail");
        }
        let Some((sender, parameters)) = path(rest, "FROM:") else {
            return self.reply("501 5.5.4 Invalid arguments");
        };
        if sender.is_empty() {
            return self.reply("501 5.1.7 Invalid address");
        }
        let sizes = parameters.split_whitespace().filter_map(|word| word.get(..5).zip(word.get(5..)));
        let size = sizes.filter(|(name, _)| name.eq_ignore_ascii_case("SIZE=")).find_map(|(_, size)| size.parse().ok());
        if size.is_some_and(|size: usize| size > self.shared.size_limit) {
            return self.reply("552 5.3.4 Message size exceeds fixed maximum message size");
        }
        if self.pass(Stage::Mail, None)? {
            self.sender = Some(sender.to_owned());
            self.reply("250 2.1.0 Sender OK")?;
        }
        Ok(())
    }

    fn recipient(&mut self, rest: &str) -> Result<(), End> {
        if self.sender.is_none() {
            return self.reply("503 5.5.2 Need mail command");
        }
        let Some((recipient, _)) = path(rest, "TO:").filter(|(recipient, _)| !recipient.is_empty()) else {
            return self.reply("501 5.5.4 Invalid arguments");
        };
        if self.recipients.len() >= RECIPIENT_LIMIT {
            return self.reply("452 4.5.3 Too many recipients");
        }
        if self.pass(Stage::Recipient, Some(recipient))? {
            self.recipients.push(recipient.to_owned());
            self.reply("250 2.1.5 Recipient OK")?;
        }
        Ok(())
    }

    fn data(&mut self) -> Result<(), End> {
        if self.recipients.is_empty() {
            return self.reply("503 5.5.2 Need rcpt command");
        }
        if !self.pass(Stage::Data, None)? {
            self.forget();
            return Ok(());
        }
        self.reply("354 Start mail input; end with <CRLF>.<CRLF>")?;
        let content = self.content()?;
        let received = Received {
            sender: self.sender.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            bytes: content.bytes.into(),
        };
        if content.is_too_large {
            return self.reply("552 5.3.4 Message size exceeds fixed maximum message size");
        }
        let (delay, verdict) = self.shared.verdict(Stage::BeforeReply, &received.recipients);
        if let Verdict::Refuse(code, text) = verdict {
            self.shared.sleep(delay);
            return self.reply(&format!("{code} {text}"));
        }
        let recipients = received.recipients.clone();
        let stored = self.shared.add(received);
        self.shared.sleep(delay);
        if let Verdict::HangUp = verdict {
            return Err(End::Done);
        }
        match stored {
            Ok(number) => self.reply(&format!("250 2.6.0 Queued mail {number} for delivery"))?,
            Err(_) => self.reply("452 4.3.1 Insufficient system resources")?,
        }
        let (delay, verdict) = self.shared.verdict(Stage::AfterReply, &recipients);
        self.shared.sleep(delay);
        if let Verdict::HangUp = verdict { Err(End::Done) } else { Ok(()) }
    }

    fn content(&mut self) -> Result<Content, End> {
        let mut content = Content::new(self.shared.size_limit);
        let mut is_first = true;
        loop {
            let unread = self.line.unread()?;
            if unread.is_empty() {
                return Err(End::Done);
            }
            let used = content.take(unread);
            self.line.consume(used);
            if std::mem::take(&mut is_first) && !self.pass(Stage::MidData, None)? {
                return Err(End::Done);
            }
            if content.is_whole() {
                return Ok(content);
            }
        }
    }

    /// Lets a stage's faults have their way; whether it goes on. A refusal has been said then, and after that of a
    /// greeting nothing else is.
    fn pass(&mut self, stage: Stage, recipient: Option<&str>) -> Result<bool, End> {
        let recipients: Vec<String> = match recipient {
            Some(one) => vec![one.to_owned()],
            None => self.recipients.clone(),
        };
        let (delay, verdict) = self.shared.verdict(stage, &recipients);
        self.shared.sleep(delay);
        match verdict {
            Verdict::Go => Ok(true),
            Verdict::HangUp => Err(End::Done),
            Verdict::Refuse(code, text) => {
                self.reply(&format!("{code} {text}"))?;
                if code == 421 { Err(End::Done) } else { Ok(false) }
            }
        }
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    fn reply(&mut self, text: &str) -> Result<(), End> {
        Ok(self.line.write(format!("{text}\r\n").as_bytes())?)
    }
}

/// The address and the parameters of `FROM:<a@b> SIZE=1`; the colon may have a space after it, as many clients send.
fn path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (word, rest) = rest.split_at_checked(keyword.len())?;
    let inside = rest.trim_start().strip_prefix('<').filter(|_| word.eq_ignore_ascii_case(keyword))?;
    let mut is_quoted = false;
    let end = inside.find(|character| {
        is_quoted ^= character == '"';
        character == '>' && !is_quoted
    })?;
    Some((inside.get(..end)?, inside.get(end + 1..)?))
}

/// Decodes base64 with or without padding (RFC 4648).
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bits = 0_u32;
    let mut count = 0;
    for character in text.iter().filter(|byte| **byte != b'=') {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count & 0xFF) as u8);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_out() {
        assert_eq!(path("FROM:<a@b> SIZE=1", "FROM:"), Some(("a@b", " SIZE=1")));
        assert_eq!(path("from: <\"a>b\"@c>", "FROM:"), Some(("\"a>b\"@c", "")));
        assert_eq!(path("FROM:a@b", "FROM:"), None);
        assert_eq!(path("TO:<a@b", "TO:"), None);
        assert_eq!(path("é", "TO:"), None);
    }

    #[test]
    fn base64_is_decoded() {
        assert_eq!(decode_base64(b"AHVzZXIAcMOkc3M="), Some("\0user\0p\u{e4}ss".as_bytes().to_vec()));
        assert_eq!(decode_base64(b"*"), None);
    }
}
