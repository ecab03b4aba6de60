//! Answers in JSON, printed for people: lists as tables, objects as lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value. Members keep their order.
pub enum Told {
    /// A text, a number, or a word.
    Text(String),
    List(Vec<Told>),
    Object(Vec<(String, Told)>),
}

/// A table: the names of its columns, and the lines.
struct Table<'a> {
    columns: Vec<&'a str>,
    lines: Vec<Vec<String>>,
}

impl Told {
    /// Reads JSON.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// A member of an object, as a text.
    pub fn member(&self, name: &str) -> Option<String> {
        self.find(name).map(Self::in_short)
    }

    /// The number of items that a page of a list leaves out.
    pub fn missing(&self) -> Option<usize> {
        let Some(Self::List(items)) = self.find("items") else { return None };
        let total: usize = self.member("total")?.parse().ok()?;
        total.checked_sub(items.len()).filter(|missing| *missing > 0)
    }

    fn find(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The value in a cell of a table.
    fn in_short(&self) -> String {
        match self {
            Self::Text(text) => shown(text),
            Self::List(items) => items.iter().map(Self::in_short).collect::<Vec<_>>().join(","),
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| format!("{}={}", shown(name), value.in_short()))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// Writes members as lines, and lists of objects as tables. `above` has the names of the objects around them.
    fn write(&self, f: &mut fmt::Formatter<'_>, above: &str) -> fmt::Result {
        match self {
            Self::Text(text) => writeln!(f, "{above}{}", shown(text)),
            Self::List(items) => write_list(f, items),
            Self::Object(members) => members.iter().try_for_each(|(name, value)| {
                let name = shown(name);
                match value {
                    Self::List(items) if name == "items" && above.is_empty() => write_list(f, items),
                    Self::Text(_) if name == "total" && self.find("items").is_some() => Ok(()),
                    Self::List(items) if items.iter().any(|item| matches!(item, Self::Object(_))) => {
                        writeln!(f, "{above}{name}:")?;
                        write_list(f, items)
                    }
                    Self::Object(_) => value.write(f, &format!("{above}{name}.")),
                    _ => writeln!(f, "{:<20} {}", format!("{above}{name}"), value.in_short()),
                }
            }),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "")
    }
}

/// Writes a list: a table if it has objects, else a line for each item.
fn write_list(f: &mut fmt::Formatter<'_>, items: &[Told]) -> fmt::Result {
    if items.iter().any(|item| matches!(item, Told::Object(_))) {
        return write!(f, "{}", Table::of(items));
    }
    items.iter().try_for_each(|item| writeln!(f, "{}", item.in_short()))
}

impl<'a> Table<'a> {
    /// The table of a list of objects, whose columns are all their members.
    fn of(items: &'a [Told]) -> Self {
        let names = |item: &'a Told| match item {
            Told::Object(members) => members.as_slice(),
            _ => &[],
        };
        let mut columns: Vec<&str> = Vec::new();
        for (name, _) in items.iter().flat_map(names) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        let cell = |item: &Told, name: &str| item.member(name).filter(|text| !text.is_empty()).unwrap_or("-".into());
        let line = |item| columns.iter().map(|name| cell(item, name)).collect();
        let lines = items.iter().map(line).collect();
        Self { columns, lines }
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: Vec<_> = self.columns.iter().map(|name| shown(name).to_uppercase()).collect();
        let all = || std::iter::once(&head).chain(&self.lines);
        let width = |at| all().filter_map(|line| line.get(at)).map(|cell: &String| cell.chars().count()).max();
        let widths: Vec<_> = (0..head.len()).map(|at| width(at).unwrap_or(0)).collect();
        all().try_for_each(|line| {
            let cells: Vec<_> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())
        })
    }
}

/// A text without characters that a terminal would obey: clients choose names.
pub fn shown(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

/// Reads any value.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Told;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Told, E> {
        Ok(Told::Text(if value { "yes" } else { "no" }.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Told, E> {
        Ok(Told::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Told, E> {
        Ok(Told::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Told, E> {
        Ok(Told::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Told, E> {
        Ok(Told::Text(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Told, E> {
        Ok(Told::Text(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Told, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Told::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Told, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Told::Object(all))
    }
}
