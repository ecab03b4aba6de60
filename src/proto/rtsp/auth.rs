//! Authentication with Basic and Digest, which RTSP takes from HTTP. RFC 7617, RFC 7616, and RFC 2617 for peers
//! that do not support it.

mod answer;
mod challenger;

pub use answer::Answer;
pub(super) use answer::asks_for_basic;
pub use challenger::{Challenger, Given};

use crate::proto::Algorithm;

/// The maximum number of challenges in one field, and of parameters in one challenge, that are read.
const MAX_CHALLENGES: usize = 8;
const MAX_PARAMETERS: usize = 32;

/// A scheme with its parameters: a challenge, or the response to it. RFC 7235 section 2.1.
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of the parameter `name`, which must be in lower case.
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// All challenges in a field's value. A word without `=` begins a challenge; commas may be missing.
    fn parse_all(text: &str) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if rest.is_empty() {
                return all;
            }
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '=')).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            if let Some(behind) = behind.trim_start().strip_prefix('=') {
                let (value, behind) = parameter_value(behind.trim_start());
                rest = behind;
                if let Some(last) = all.last_mut().filter(|last| last.parameters.len() < MAX_PARAMETERS) {
                    last.parameters.push((word.to_ascii_lowercase(), value));
                }
            } else {
                rest = behind;
                if all.len() == MAX_CHALLENGES {
                    return all;
                }
                all.push(Self { scheme: word.into(), parameters: Vec::new() });
            }
        }
    }
}

/// Splits off a token or a quoted string. RFC 9110 section 5.6.4.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(text.len());
        let (value, behind) = text.split_at(end);
        return (value.into(), behind);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    (value, chars.as_str())
}

/// A quoted string, without control characters, which could end the line. RFC 9110 section 5.6.4.
fn quote(text: &str) -> String {
    let text = text.replace(char::is_control, "");
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The input of the response's hash after the secret; `counted` contains nc and cnonce of qop=auth. RFC 7616
/// section 3.4.1, and RFC 2069 without qop.
fn asked(algorithm: Algorithm, nonce: &str, counted: Option<(&str, &str)>, method: &str, uri: &str) -> String {
    let request = algorithm.hash(&[method, uri]);
    match counted {
        Some((nc, cnonce)) => [nonce, nc, cnonce, "auth", &request].join(":"),
        None => [nonce, &request].join(":"),
    }
}

#[cfg(test)]
mod tests;
