//! Culture names that .NET knows, and the near misses that people type.
//!
//! UM makes a `CultureInfo` of a header's culture and kills the message when .NET throws. Which names .NET knows is up to
//! the Windows below it. The table holds what Windows Server 2012 R2 knows, the newest one that every release of UM with
//! the `CultureInfo` field runs on. Windows Server 2016 knows more, and even takes any well-formed name (`xx-XX`); such
//! a name counts as unknown here, because any older server would delete the message for it.
//!
//! The invariant culture, whose name is empty, is left out: a header field without a value is no field.

mod names;

use std::cmp::Reverse;
use std::fmt;

use serde::Serialize;

use super::similar;
use names::NAMES;

/// The cultures for which Microsoft ships a UM language pack, sorted.
const PACKS: &[&str] = &[
    "ca-ES", "da-DK", "de-DE", "en-AU", "en-CA", "en-GB", "en-IN", "en-US", "es-ES", "es-MX", "fi-FI", "fr-CA",
    "fr-FR", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ru-RU", "sv-SE", "zh-CN",
    "zh-HK", "zh-TW",
];

/// The name of a culture that .NET knows, neutral (`nl`) or specific (`nl-NL`), in its canonical spelling.
///
/// ```
/// use umreplay::message::Culture;
/// assert_eq!(Culture::parse("NL-nl").unwrap().as_str(), "nl-NL");
/// assert!(Culture::parse("nl_NL").is_none());
/// assert_eq!(Culture::nearest("nl_NL", 1), ["nl-NL"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Culture(&'static str);

impl Culture {
    /// Reads a name as .NET does: in any case, but with no space around it.
    pub fn parse(name: &str) -> Option<Self> {
        let wanted = name.to_ascii_lowercase();
        let index = NAMES.binary_search_by(|known| known.to_ascii_lowercase().as_str().cmp(wanted.as_str())).ok()?;
        NAMES.get(index).copied().map(Self)
    }

    /// The name as .NET spells it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether Microsoft ships a UM language pack for exactly this culture; never for a neutral one.
    pub fn has_um_pack(self) -> bool {
        PACKS.contains(&self.0)
    }

    /// The cultures of the same language for which Microsoft ships a UM language pack.
    pub fn packs_of_language(self) -> impl Iterator<Item = &'static str> {
        PACKS.iter().copied().filter(move |pack| language(pack) == language(self.0))
    }

    /// Up to `count` known names that a misspelled one may stand for, the likeliest first.
    ///
    /// Recognised are `_` or a space for the hyphen, language and region swapped, a slip of up to two letters, and a
    /// region that the language does not have. Names with a UM language pack go before others.
    pub fn nearest(name: &str, count: usize) -> Vec<&'static str> {
        let wanted = normalised(name);
        let mut near: Vec<_> = NAMES.iter().filter_map(|known| Some((cost(&wanted, known)?, *known))).collect();
        near.sort_by_key(|(cost, known)| (*cost, Reverse(PACKS.contains(known)), *known));
        near.into_iter().take(count).map(|(_, known)| known).collect()
    }
}

impl fmt::Display for Culture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn language(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

fn normalised(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', ' '], "-")
}

/// How far a known name is from what was typed, `None` where it is no near miss.
fn cost(wanted: &str, known: &str) -> Option<usize> {
    let known = known.to_lowercase();
    if wanted == known.replace('_', "-") {
        return Some(0);
    }
    if wanted.split_once('-').is_some_and(|(region, language)| known == format!("{language}-{region}")) {
        return Some(1);
    }
    let same_language = language(wanted) == language(&known);
    let distance = similar::edit_distance(wanted, &known);
    let slips = if wanted.len() > 3 { 2 } else { 1 };
    match (distance <= slips, same_language) {
        (true, true) => Some(2 * distance),
        (true, false) => Some(2 * distance + 1),
        (false, true) if known.contains('-') => Some(8),
        (false, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_without_case_so_that_every_name_is_found() {
        for name in NAMES {
            assert_eq!(Culture::parse(name).map(Culture::as_str), Some(*name));
            assert_eq!(Culture::parse(&name.to_uppercase()).map(Culture::as_str), Some(*name));
        }
        assert!(NAMES.len() > 400);
    }

    #[test]
    fn every_language_pack_is_a_culture() {
        for pack in PACKS {
            assert!(Culture::parse(pack).is_some_and(Culture::has_um_pack), "{pack}");
        }
        assert!(!Culture::parse("nl").unwrap().has_um_pack());
        assert!(!Culture::parse("nl-BE").unwrap().has_um_pack());
    }

    #[test]
    fn names_of_every_shape_are_known() {
        for name in [
            "zh-Hans",
            "zh-CHS",
            "sr-Latn-RS",
            "az-Cyrl-AZ",
            "ca-ES-valencia",
            "es-ES_tradnl",
            "en-029",
            "es-419",
            "quz-BO",
            "qut-GT",
            "tzm-Latn-DZ",
            "de",
            "fil-PH",
            "mn-Mong-CN",
        ] {
            assert!(Culture::parse(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_dotnet_refuses_is_unknown() {
        for name in ["", "xx-XX", "nl_NL", "nl-NL ", " nl-NL", "nl-", "Dutch", "nl-NL-x", "1043", "nl-NL\0", "ñl-NL"] {
            assert!(Culture::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn near_misses_are_told() {
        let first = |name| Culture::nearest(name, 1);
        assert_eq!(first("nl_NL"), ["nl-NL"]);
        assert_eq!(first("nl-NL "), ["nl-NL"]);
        assert_eq!(first("US-en"), ["en-US"]);
        assert_eq!(first("NL nl"), ["nl-NL"]);
        assert_eq!(first("nlNL"), ["nl-NL"]);
        assert_eq!(first("nl-NLD"), ["nl-NL"]);
        assert_eq!(first("es-ES-tradnl"), ["es-ES_tradnl"]);
        assert_eq!(Culture::nearest("de-XX", 5).first(), Some(&"de-DE"));
        assert_eq!(Culture::nearest("pt-Latn-BR", 2), ["pt-BR", "pt-PT"]);
    }

    #[test]
    fn nothing_is_near_to_nonsense() {
        for name in ["", "Klingon", "xx-XX", "日本語日本語", &"a".repeat(100_000)] {
            assert_eq!(Culture::nearest(name, 3), Vec::<&str>::new());
        }
        assert_eq!(Culture::nearest("nl_NL", 0), Vec::<&str>::new());
    }
}
