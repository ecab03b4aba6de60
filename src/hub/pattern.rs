//! Patterns of stream names.

use super::{InvalidName, Name};

/// True if `text` is a pattern and not a name; `Err` if no name matches it.
pub fn is_pattern(text: &str) -> Result<bool, InvalidName> {
    let wild = |c| matches!(c, '*' | '?');
    // with a letter in place of each wildcard, the text has to be a name
    Name::new(&text.replace(wild, "x")).map(|_| text.contains(wild))
}

/// True if `name` matches `pattern`: `*` matches any characters, `?` one.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // the last star in the pattern, and the end of the text in the name that it matches so far
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

/// True if a name can match both patterns.
pub fn have_common(one: &str, other: &str) -> bool {
    let other: Vec<char> = other.chars().collect();
    // whether the rest of `one` and the rest of `other` from each position on can match the same text
    let mut below: Vec<bool> = (0..=other.len()).map(|at| other.iter().skip(at).all(|c| *c == '*')).collect();
    for mine in one.chars().rev() {
        let mut right = mine == '*' && below.last() == Some(&true);
        let mut row = vec![right];
        for (theirs, pair) in other.iter().zip(below.windows(2)).rev() {
            let [down, across] = *pair else { return false };
            right = if mine == '*' || *theirs == '*' {
                // the star ends here, or matches one more
                down || right
            } else {
                across && (mine == '?' || *theirs == '?' || mine == *theirs)
            };
            row.push(right);
        }
        row.reverse();
        below = row;
    }
    below.first() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_names() {
        for (text, pattern) in [("a", Ok(false)), ("*", Ok(true)), ("c?m-*", Ok(true))] {
            assert_eq!(is_pattern(text), pattern, "{text}");
        }
        for text in ["", ".*", "a/*", "* "] {
            assert_eq!(is_pattern(text), Err(InvalidName), "{text}");
        }
    }

    #[test]
    fn patterns_that_have_a_name_in_common() {
        for (one, other) in [
            ("a", "a"),
            ("*", "*"),
            ("*", "cam"),
            ("cam*", "*1"),
            ("a?c", "?b?"),
            ("*a*b", "b*a?"),
            ("a*", "*a"),
            ("a**", "a"),
        ] {
            assert!(have_common(one, other) && have_common(other, one), "{one} {other}");
        }
        for (one, other) in
            [("a", "b"), ("a*", "b*"), ("?", "ab"), ("*a", "*b"), ("a?", "a"), ("a*b*c", "a*d"), ("ab", "a")]
        {
            assert!(!have_common(one, other) && !have_common(other, one), "{one} {other}");
        }
        let long = "*a".repeat(64);
        assert!(!have_common(&format!("{long}x"), &format!("{long}y")));
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name) in
            [("*", "a"), ("cam*", "cam"), ("cam*", "cam12"), ("?am", "cam"), ("*a*b*", "xaxxbx"), ("a", "a")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("cam*", "xcam"), ("?", "ab"), ("", "a"), ("a*b", "abc"), ("*a*b*", "ba")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
