//! The outcomes of requests: `{"error_code":0,"desp":"succ","data":...}`.

use std::fmt;

use serde::{Serialize, Serializer};

/// An outcome: lal's number and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// There is no such path.
    NoPage,
    /// There is no stream of that name.
    NoGroup,
    /// A parameter is missing or wrong.
    NoParameter,
    /// There is no such session.
    NoSession,
    /// The relay could not begin, for that reason.
    NoPull(&'static str),
    /// lal has no such outcome: a table is full, or has no such entry.
    Other(&'static str),
}

/// An answer: an outcome, and its data unless there is none.
#[derive(Serialize)]
struct Reply<'a, T> {
    error_code: u16,
    desp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

/// `"data":null`.
pub(super) struct Null;

impl Outcome {
    /// The number.
    pub fn code(&self) -> u16 {
        match self {
            Self::Done => 0,
            Self::NoPage => 404,
            Self::NoGroup => 1001,
            Self::NoParameter => 1002,
            Self::NoSession => 1003,
            Self::NoPull(_) => 2001,
            Self::Other(_) => 2100,
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Done => "succ",
            Self::NoPage => "page not found, check this document out: lal",
            Self::NoGroup => "group not found",
            Self::NoParameter => "param missing",
            Self::NoSession => "session not found",
            Self::NoPull(why) | Self::Other(why) => why,
        }
    }

    /// The answer without data.
    pub fn alone(&self) -> String {
        self.json(None::<()>)
    }

    /// The answer with `data`.
    pub fn with(&self, data: &impl Serialize) -> String {
        self.json(Some(data))
    }

    /// The answer of one that has no data, where others have some.
    pub fn with_null(&self) -> String {
        self.with(&Null)
    }

    /// The answer up to its data, which follow, and a brace.
    pub fn before_data(&self) -> String {
        let alone = self.alone();
        format!("{},\"data\":", alone.strip_suffix('}').unwrap_or(&alone))
    }

    fn json(&self, data: Option<impl Serialize>) -> String {
        let reply = Reply { error_code: self.code(), desp: self.words(), data };
        serde_json::to_string(&reply).unwrap_or_default()
    }
}

impl Serialize for Null {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_lals_keys_in_their_order() {
        assert_eq!(
            Outcome::NoPage.alone(),
            r#"{"error_code":404,"desp":"page not found, check this document out: lal"}"#
        );
        assert_eq!(Outcome::NoGroup.with_null(), r#"{"error_code":1001,"desp":"group not found","data":null}"#);
        assert_eq!(Outcome::Done.with(&7), r#"{"error_code":0,"desp":"succ","data":7}"#);
        assert_eq!(Outcome::Done.before_data(), r#"{"error_code":0,"desp":"succ","data":"#);
    }
}
