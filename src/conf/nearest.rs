//! The nearest known word to a misspelled one.

/// The name that differs by few letters.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (distance(word, name), name)).min()?;
    Some(near).filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 4).map(|(_, name)| name)
}

/// The number of letters to add, remove, change or swap with a neighbour to make one word from the other (optimal
/// string alignment).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().collect();
    let (mut two_above, mut above): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=other.len()).collect());
    let mut before = None;
    for (at, letter) in one.bytes().enumerate() {
        let mut row = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let of = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let changed = of(&above, column) + usize::from(letter != *wanted);
            let mut best = changed.min(of(&row, column) + 1).min(of(&above, column + 1) + 1);
            if let Some(left) = column.checked_sub(1)
                && before == Some(*wanted)
                && other.get(left) == Some(&letter)
            {
                best = best.min(of(&two_above, left) + 1);
            }
            row.push(best);
        }
        before = Some(letter);
        two_above = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        for (one, other, letters) in [
            ("max", "maxx", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("a", "a", 0),
            ("hsl", "hls", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
    }
}
