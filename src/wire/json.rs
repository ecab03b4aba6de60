//! Values of a JSON text, read where they stand. RFC 8259.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter;

/// A value whose text is valid.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

/// The most lists and objects inside each other.
const DEPTH: usize = 16;

impl<'a> Json<'a> {
    /// Reads a text that is one value; `None` if it is not, or nested too deeply.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut scan = Scan(text);
        scan.blank();
        let value = scan.value(DEPTH)?;
        scan.blank();
        scan.0.is_empty().then_some(Self(value))
    }

    /// The value of a field of an object; `None` if there is none, or more than one.
    pub fn field(self, name: &str) -> Option<Self> {
        let mut found = self.fields().filter(|(own, _)| own == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// True if it is an object with a field of this name, once or more often.
    pub fn has(self, name: &str) -> bool {
        self.fields().any(|(own, _)| own == name)
    }

    fn fields(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        let mut scan = Scan(self.0.strip_prefix('{').unwrap_or_default());
        iter::from_fn(move || {
            scan.next();
            let name = scan.string()?;
            scan.blank();
            scan.eat(":")?;
            scan.blank();
            Some((unescaped(name)?, Self(scan.value(DEPTH)?)))
        })
    }

    /// The values of a list; none if it is not one.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let mut scan = Scan(self.0.strip_prefix('[').unwrap_or_default());
        iter::from_fn(move || {
            scan.next();
            scan.value(DEPTH).map(Self)
        })
    }

    /// The text, if it is one.
    pub fn text(self) -> Option<Cow<'a, str>> {
        unescaped(self.0.strip_prefix('"')?.strip_suffix('"')?)
    }

    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        let is_number = self.0.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        is_number.then(|| self.0.parse().ok()).flatten()
    }

    /// True if it is `true`.
    pub fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// True if it is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }
}

/// The rest of a text.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    /// Goes on to the next value of a valid list or object.
    fn next(&mut self) {
        self.blank();
        let _ = self.eat(",");
        self.blank();
    }

    /// Takes a value, and gives its text.
    fn value(&mut self, depth: usize) -> Option<&'a str> {
        let start = self.0;
        match start.chars().next()? {
            '"' => self.string().map(drop)?,
            '{' => self.list("}", depth, |scan, depth| {
                scan.string()?;
                scan.blank();
                scan.eat(":")?;
                scan.blank();
                scan.value(depth).map(drop)
            })?,
            '[' => self.list("]", depth, |scan, depth| scan.value(depth).map(drop))?,
            '-' | '0'..='9' => {
                let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let (number, rest) = start.split_at(start.find(|c| !is_part(c)).unwrap_or(start.len()));
                number.parse::<f64>().ok()?;
                self.0 = rest;
            }
            _ => ["true", "false", "null"].into_iter().find_map(|word| self.eat(word))?,
        }
        start.get(..start.len() - self.0.len())
    }

    /// Takes what stands between a bracket and `end`.
    fn list(&mut self, end: &str, depth: usize, item: fn(&mut Self, usize) -> Option<()>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.0 = self.0.get(1..)?;
        self.blank();
        if self.eat(end).is_some() {
            return Some(());
        }
        loop {
            item(self, depth)?;
            self.blank();
            if self.eat(end).is_some() {
                return Some(());
            }
            self.eat(",")?;
            self.blank();
        }
    }

    /// Takes a string, and gives what stands between its quotes.
    fn string(&mut self) -> Option<&'a str> {
        self.eat("\"")?;
        let (start, mut is_escaped) = (self.0, false);
        for (at, c) in start.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    self.0 = start.get(at + 1..)?;
                    let inside = start.get(..at)?;
                    return unescaped(inside).map(|_| inside);
                }
                '\0'..'\x20' => return None,
                _ => {}
            }
        }
        None
    }
}

/// Appends a text as a string with its quotes. RFC 8259 section 7.
pub fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..'\x20' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The text of the inside of a string, without escapes. RFC 8259 section 7.
fn unescaped(inside: &str) -> Option<Cow<'_, str>> {
    if !inside.contains('\\') {
        return Some(inside.into());
    }
    let (mut chars, mut out) = (inside.chars(), String::with_capacity(inside.len()));
    while let Some(c) = chars.next() {
        let said = match c {
            '\\' => match chars.next()? {
                c @ ('"' | '\\' | '/') => c,
                'b' => '\x08',
                'f' => '\x0c',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => unicode(&mut chars)?,
                _ => return None,
            },
            c => c,
        };
        out.push(said);
    }
    Some(out.into())
}

/// A character behind `\u`, which may take two such codes.
fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let mut code = || (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?));
    let first = code()?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first);
    }
    if (chars.next()?, chars.next()?) != ('\\', 'u') {
        return None;
    }
    let second = (0..4).try_fold(0, |code, _| Some(code << 4 | chars.next()?.to_digit(16)?))?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_wherever_they_stand() {
        let all =
            Json::parse(r#" {"a":[1, {"b":"}"}],"exp" : 1.5e3 ,"n":null,"s":"\u00e9\ud83d\ude00\n\"","t":true} "#)
                .unwrap();
        assert_eq!(all.field("exp").and_then(Json::number), Some(1500.0));
        assert_eq!(all.field("s").and_then(Json::text).as_deref(), Some("é😀\n\""));
        let items: Vec<_> = all.field("a").unwrap().items().collect();
        assert_eq!((items.len(), items[1].field("b").and_then(Json::text).as_deref()), (2, Some("}")));
        assert!(all.field("b").is_none() && all.field("n").unwrap().text().is_none() && all.is_object());
        assert_eq!(Json::parse("[]").unwrap().items().count(), 0);
        assert!(Json::parse(r#"{"a":1,"a":2}"#).unwrap().field("a").is_none(), "two say two things");
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        for text in ["", "a\"b\\c/\n\0\u{1f}\u{7f}", "é😀"] {
            let mut said = String::new();
            push_text(&mut said, text);
            assert_eq!(Json::parse(&said).unwrap().text().as_deref(), Some(text), "{said}");
        }
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        for bad in [
            "",
            "{",
            "}",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "tru",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "-",
            "1e",
            "+1",
            "1 1",
            "\"\\ud800\\u0041\"",
            "{\"a\":1,}",
            "nan",
        ] {
            assert!(Json::parse(bad).is_none(), "{bad}");
        }
        assert!(Json::parse(&"[".repeat(9999)).is_none());
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&deep(DEPTH)).is_some() && Json::parse(&deep(DEPTH + 1)).is_none());
    }
}
