//! How alike two short texts are, for suggestions when a name is misspelled.

/// Longer texts are no slip of the pen, and comparing them would cost time that a stranger's header must not get.
const LONGEST: usize = 64;

/// The fewest letters to insert, remove, replace or swap with their neighbour that turn one text into the other;
/// `usize::MAX` where one is longer than any name.
pub(crate) fn edit_distance(left: &str, right: &str) -> usize {
    if left.len() > LONGEST || right.len() > LONGEST {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (line, letter) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&row, column) + usize::from(letter != *other);
            let mut best = replaced.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let swapped = column > 0 && previous == Some(*other) && right.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&above, column - 1) + 1);
            }
            next.push(best);
        }
        above = std::mem::replace(&mut row, next);
        previous = Some(letter);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// The name that a misspelled one stands for: the same but for case and spaces around it, else at most two slips away.
pub(crate) fn nearest_name(text: &str, names: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let wanted = text.trim().to_lowercase();
    let (distance, name) = names
        .into_iter()
        .map(|name| (edit_distance(&wanted, &name.to_lowercase()), name))
        .min_by_key(|(distance, _)| *distance)?;
    let slips = if name.len() > 4 { 2 } else { 1 };
    (distance <= slips).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips() {
        assert_eq!(edit_distance("", ""), 0);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("nl-nl", "nl-be"), 2);
        assert_eq!(edit_distance("mp3", "pm3"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("é", "e"), 1);
        assert_eq!(edit_distance(&"a".repeat(65), "a"), usize::MAX);
    }

    #[test]
    fn a_slip_finds_its_name_and_nonsense_none() {
        let near = |text: &str| nearest_name(text, ["Mp3", "Wma", "Gsm", "G711"]);
        assert_eq!(near("MP3 "), Some("Mp3"));
        assert_eq!(near("G.711"), Some("G711"));
        assert_eq!(near("Opus"), None);
        assert_eq!(near(""), None);
    }
}
