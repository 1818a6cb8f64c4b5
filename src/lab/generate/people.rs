//! Invented people: mailboxes that receive, and callers. Numbers are those that regulators keep free for fiction.

use fastrand::Rng;

use crate::message::{EmailAddress, Guid};

/// Display name and the address's local part; the names of many scripts, and those that need care in a header or CSV.
const PEOPLE: &[(&str, &str)] = &[
    ("Test", "test"),
    ("Zoë van Dijk", "zoe.vandijk"),
    ("Jürgen Müller", "juergen.mueller"),
    ("Łucja Wiśniewska", "lucja.wisniewska"),
    ("O'Neil, Pat (Sales)", "pat.oneil"),
    ("Renée Lefèvre", "renee.lefevre"),
    ("Ирина Соколова", "irina.sokolova"),
    ("山田 花子", "hanako.yamada"),
    ("Søren Ødegård", "soren.odegard"),
    ("Ana Núñez", "ana.nunez"),
    ("김하늘", "haneul.kim"),
    ("王小雨", "xiaoyu.wang"),
    ("ليلى الحربي", "layla.alharbi"),
    ("Ελένη Παπαδάκη", "eleni.papadaki"),
    ("נועה לוי", "noa.levi"),
    ("प्रिया नायर", "priya.nair"),
    ("Nguyễn Thị Hoa", "hoa.nguyen"),
    ("Service Desk 🛠", "servicedesk"),
];

const DOMAINS: &[&str] = &["example.com", "example.org", "north.example"];

/// A mailbox that messages are for, as a directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Display name.
    pub name: String,
    /// Primary SMTP address.
    pub address: EmailAddress,
    /// The objectGUID, by which E15 headers name it.
    pub object_guid: Guid,
    /// Other SMTP addresses.
    pub aliases: Vec<EmailAddress>,
}

impl Mailbox {
    /// A pool of so many different mailboxes, the same for the same seed.
    pub fn pool(count: usize, seed: u64) -> Vec<Self> {
        let mut rng = Rng::with_seed(seed);
        PEOPLE
            .iter()
            .cycle()
            .enumerate()
            .map_while(|(index, person)| Self::new(&mut rng, index, *person))
            .take(count)
            .collect()
    }

    fn new(rng: &mut Rng, index: usize, (name, local): (&str, &str)) -> Option<Self> {
        let round = index / PEOPLE.len();
        let numbered = |text: &str| if round == 0 { text.to_owned() } else { format!("{text}{}", round + 1) };
        let domain = DOMAINS.get(index % DOMAINS.len())?;
        let address = EmailAddress::parse(&format!("{}@{domain}", numbered(local))).ok()?;
        let alias = EmailAddress::parse(&format!("{}@voice.example", numbered(&local.replace('.', "")))).ok()?;
        let name = if round == 0 { name.to_owned() } else { format!("{name} {}", round + 1) };
        Some(Self { name, address, object_guid: guid(rng), aliases: vec![alias] })
    }
}

/// The mailboxes as `Get-Mailbox | Select … | Export-Csv` writes them: every value quoted, CRLF.
///
/// Columns: `PrimarySmtpAddress`, `Guid`, `DisplayName`, and `EmailAddresses`, the proxy addresses in one value, the
/// primary one with `SMTP:` in capitals.
pub fn directory_csv(pool: &[Mailbox]) -> String {
    let line = |values: [&str; 4]| format!("\"{}\"\r\n", values.map(|value| value.replace('"', "\"\"")).join("\",\""));
    let mut csv = line(["PrimarySmtpAddress", "Guid", "DisplayName", "EmailAddresses"]);
    for mailbox in pool {
        let mut proxies = format!("SMTP:{}", mailbox.address);
        mailbox.aliases.iter().for_each(|alias| proxies.push_str(&format!(" smtp:{alias}")));
        csv.push_str(&line([mailbox.address.as_str(), &mailbox.object_guid.to_string(), &mailbox.name, &proxies]));
    }
    csv
}

/// Somebody who calls, as the header tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// Number as dialled, or a SIP name; empty for a withheld number.
    pub(super) number: Option<String>,
    /// The name that a directory gave.
    pub(super) name: Option<String>,
    /// The name that the telephone network sent.
    pub(super) display_name: Option<String>,
    /// E-mail address.
    pub(super) address: Option<String>,
}

/// Draws a caller: a colleague, a number from outside, or nobody known.
pub(super) fn caller(rng: &mut Rng) -> Caller {
    let number = |rng: &mut Rng| match rng.u8(0..5) {
        0 => format!("+120255501{:02}", rng.u8(0..100)),
        1 => format!("+447700900{:03}", rng.u16(0..1000)),
        2 => format!("+4930231254{:02}", rng.u8(0..100)),
        3 => format!("+33199001{:03}", rng.u16(0..1000)),
        _ => format!("61255501{:02}", rng.u8(0..100)),
    };
    match rng.u8(0..10) {
        0..=3 => {
            let (name, local) = rng.choice(PEOPLE).copied().unwrap_or_default();
            let number =
                if rng.bool() { format!("5{:03}", rng.u16(0..1000)) } else { format!("{local}@voice.example") };
            let address = Some(format!("{local}@example.net"));
            Caller { number: Some(number), name: Some(name.to_owned()), display_name: Some(name.to_owned()), address }
        }
        4..=7 => Caller { number: Some(number(rng)), ..Caller::default() },
        8 => {
            let display_name = rng.choice(["HOTEL LES TROIS ÉPIS", "Anonymous", "Praxis Dr. Grün"]).map(str::to_owned);
            Caller { number: Some(number(rng)), display_name, ..Caller::default() }
        }
        _ => Caller { number: Some("Anonymous".to_owned()), ..Caller::default() },
    }
}

/// A GUID drawn from the seed.
pub(super) fn guid(rng: &mut Rng) -> Guid {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    Guid::from_random_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_of_different_mailboxes_at_domains_of_nobody() {
        let pool = Mailbox::pool(100, 1);
        assert_eq!(pool.len(), 100);
        assert_eq!(pool, Mailbox::pool(100, 1));
        let addresses: std::collections::HashSet<String> = pool.iter().map(|mailbox| mailbox.address.key()).collect();
        assert_eq!(addresses.len(), 100);
        for mailbox in &pool {
            let domain = mailbox.address.domain();
            assert!(domain.ends_with(".example") || ["example.com", "example.org"].contains(&domain), "{domain}");
        }
    }

    #[test]
    fn the_directory_is_a_csv_of_every_mailbox() {
        let pool = Mailbox::pool(18, 1);
        let csv = directory_csv(&pool);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["PrimarySmtpAddress", "Guid", "DisplayName", "EmailAddresses"]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 18);
        for (row, mailbox) in rows.iter().zip(&pool) {
            assert_eq!(&row[0], mailbox.address.as_str());
            assert_eq!(Guid::parse(&row[1]), Some(mailbox.object_guid));
            assert_eq!(&row[2], mailbox.name);
            assert!(row[3].starts_with(&format!("SMTP:{} smtp:", mailbox.address)));
        }
    }
}
