//! What an SMTP receiver does wrong on demand, as it is said on a command line.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use thiserror::Error;

/// Why a text is no fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} cannot be done: {reason}")]
pub struct FaultError {
    text: String,
    reason: String,
}

/// A point in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A client has connected: `connect` or `greeting`.
    Greeting,
    /// It said EHLO or HELO: `ehlo`.
    Ehlo,
    /// It wants to log in: `auth`.
    Auth,
    /// It named the sender: `mail` or `sender`.
    Mail,
    /// It named a recipient: `rcpt` or `recipient`.
    Recipient,
    /// It announced a mail: `data`.
    Data,
    /// The first bytes of the mail have come: `mid-data`.
    MidData,
    /// The mail is whole, and stored unless it is refused here: `before-reply` or `message`.
    BeforeReply,
    /// The mail was answered: `after-reply`.
    AfterReply,
}

impl Stage {
    fn parse(name: &str) -> Option<Self> {
        let stage = match name {
            "connect" | "greeting" => Self::Greeting,
            "ehlo" => Self::Ehlo,
            "auth" => Self::Auth,
            "mail" | "sender" => Self::Mail,
            "rcpt" | "recipient" => Self::Recipient,
            "data" => Self::Data,
            "mid-data" => Self::MidData,
            "before-reply" | "message" => Self::BeforeReply,
            "after-reply" => Self::AfterReply,
            _ => return None,
        };
        Some(stage)
    }

    /// What a server of Exchange's kind says when it refuses here.
    fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Greeting => (554, "5.7.1 No mail is taken from you"),
            Self::Ehlo => (501, "5.5.4 Invalid domain name"),
            Self::Auth => (535, "5.7.3 Authentication unsuccessful"),
            Self::Mail => (501, "5.1.7 Invalid address"),
            Self::Recipient => (550, "5.1.1 User unknown"),
            Self::Data => (554, "5.5.1 No mail is taken now"),
            Self::MidData | Self::BeforeReply | Self::AfterReply => (554, "5.6.0 The mail is refused"),
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This reply is given, and the step is not done.
    Reply(u16, String),
    /// The answer comes late.
    Delay(Duration),
    /// The connection is closed without another word.
    Drop,
}

/// How often it goes wrong, counted over all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each time.
    Always,
    /// The n-th time alone, from 1.
    Nth(u64),
    /// Each n-th time.
    Every(u64),
}

/// One thing that an SMTP receiver does wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where.
    pub stage: Stage,
    /// What.
    pub action: Action,
    /// How often.
    pub when: When,
    /// Only for recipients whose address matches.
    pub recipient: Option<GlobMatcher>,
}

impl Fault {
    /// Reads what to refuse: `STAGE[=GLOB][:CODE][:nth=N|:every=N]`, as in `recipient=*@old.example:450`.
    ///
    /// # Errors
    /// The text is no such fault.
    pub fn refuse(text: &str) -> Result<Self, FaultError> {
        let words = Words::of(text)?;
        let (code, reply) = words.stage.refusal();
        let (code, reply) = match words.code {
            Some(other) if other != code => (other, format!("{}.0.0 Refused on demand", other / 100)),
            _ => (code, reply.to_owned()),
        };
        if words.stage == Stage::AfterReply {
            return Err(refusal(text, "what is answered cannot be refused"));
        }
        let recipient = match words.value {
            None => None,
            Some(glob) => {
                let built = GlobBuilder::new(glob).case_insensitive(true).build();
                Some(built.map_err(|error| refusal(text, &error.to_string()))?.compile_matcher())
            }
        };
        Ok(Self { stage: words.stage, action: Action::Reply(code, reply), when: words.when, recipient })
    }

    /// Reads what to delay: `STAGE=MILLISECONDS[:nth=N|:every=N]`.
    ///
    /// # Errors
    /// The text is no such fault.
    pub fn delay(text: &str) -> Result<Self, FaultError> {
        let words = Words::of(text)?.without_code(text)?;
        let millis = words.value.and_then(|digits| digits.parse().ok());
        let millis = millis.ok_or_else(|| refusal(text, "a number of milliseconds is needed, as in data=500"))?;
        let action = Action::Delay(Duration::from_millis(millis));
        Ok(Self { stage: words.stage, action, when: words.when, recipient: None })
    }

    /// Reads where to hang up: `STAGE[:nth=N|:every=N]`.
    ///
    /// # Errors
    /// The text is no such fault.
    pub fn drop(text: &str) -> Result<Self, FaultError> {
        let words = Words::of(text)?.without_code(text)?;
        if words.value.is_some() {
            return Err(refusal(text, "a drop takes no value"));
        }
        Ok(Self { stage: words.stage, action: Action::Drop, when: words.when, recipient: None })
    }

    /// Whether it goes wrong when the stage is reached for the `count`-th time, from 1.
    pub(super) fn is_due(&self, count: u64) -> bool {
        match self.when {
            When::Always => true,
            When::Nth(n) => count == n,
            When::Every(n) => count.is_multiple_of(n),
        }
    }
}

/// The parts of a fault's text.
struct Words<'a> {
    stage: Stage,
    value: Option<&'a str>,
    code: Option<u16>,
    when: When,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Result<Self, FaultError> {
        let mut rest = text;
        let mut code = None;
        let mut when = When::Always;
        // From the right, and only what is known: a glob may hold colons.
        while let Some((before, word)) = rest.rsplit_once(':') {
            let counted = |digits: &str| digits.parse().ok().filter(|count| *count > 0);
            if let Some(digits) = word.strip_prefix("nth=") {
                when = counted(digits).map(When::Nth).ok_or_else(|| refusal(text, "nth counts from 1"))?;
            } else if let Some(digits) = word.strip_prefix("every=") {
                when = counted(digits).map(When::Every).ok_or_else(|| refusal(text, "every counts from 1"))?;
            } else if let Some(number) = word.parse::<u16>().ok().filter(|number| (400..600).contains(number)) {
                code = Some(number);
            } else {
                break;
            }
            rest = before;
        }
        let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
        let stages = "the stages are connect, ehlo, auth, mail, rcpt, data, mid-data, before-reply, after-reply";
        let stage = Stage::parse(name).ok_or_else(|| refusal(text, stages))?;
        Ok(Self { stage, value, code, when })
    }

    fn without_code(self, text: &str) -> Result<Self, FaultError> {
        if self.code.is_some() { Err(refusal(text, "only a refusal has a reply code")) } else { Ok(self) }
    }
}

fn refusal(text: &str, reason: &str) -> FaultError {
    FaultError { text: text.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read() {
        let fault = Fault::refuse("recipient=*@old.example:450:every=3").unwrap();
        assert_eq!((fault.stage, fault.when), (Stage::Recipient, When::Every(3)));
        assert_eq!(fault.action, Action::Reply(450, "4.0.0 Refused on demand".to_owned()));
        let glob = fault.recipient.unwrap();
        assert!(glob.is_match("Zoe@OLD.example") && !glob.is_match("zoe@new.example"));
        assert_eq!(
            Fault::refuse("auth").unwrap().action,
            Action::Reply(535, "5.7.3 Authentication unsuccessful".into())
        );
        assert!(
            matches!(Fault::refuse("sender").unwrap().action, Action::Reply(501, text) if text.starts_with("5.1.7"))
        );
        assert!(Fault::refuse("recipient=*@[IPv6:::1]").unwrap().recipient.unwrap().is_match("a@1"));
    }

    #[test]
    fn delays_and_drops_are_read() {
        let fault = Fault::delay("data=500:nth=2").unwrap();
        assert_eq!((fault.stage, fault.when), (Stage::Data, When::Nth(2)));
        assert_eq!(fault.action, Action::Delay(Duration::from_millis(500)));
        let fault = Fault::drop("before-reply:every=10").unwrap();
        assert_eq!((fault.stage, fault.action, fault.when), (Stage::BeforeReply, Action::Drop, When::Every(10)));
        let due: Vec<u64> = (1..=30).filter(|count| Fault::drop("data:every=10").unwrap().is_due(*count)).collect();
        assert_eq!(due, [10, 20, 30]);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for text in ["", "lunch", "data:nth=0", "data:every=x", "after-reply", "recipient=[", "data:200"] {
            assert!(Fault::refuse(text).is_err(), "{text}");
        }
        for text in ["data", "data=soon", "data=5:550", "=5"] {
            assert!(Fault::delay(text).is_err(), "{text}");
        }
        for text in ["data=5", "data:550", "nth=1"] {
            assert!(Fault::drop(text).is_err(), "{text}");
        }
    }
}
