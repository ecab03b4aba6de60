//! JSON Web Tokens, signed by whoever has the key. RFC 7519, and RFC 7515 for the signature.

mod key;
#[cfg_attr(not(feature = "tls"), path = "no_public.rs")]
mod public;
mod set;

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::wire::json::Json;
pub use key::{Key, KeyError};
pub use set::{KeySet, SetError};

/// The claims of a token whose signature is right.
#[derive(Debug)]
pub struct Claims(String);

/// The head of a token, of which nothing is proved. RFC 7515 section 4.
#[derive(Debug)]
pub struct Header {
    /// The name of the algorithm.
    pub algorithm: String,
    /// The id of the key, if it names one.
    pub key_id: Option<String>,
}

/// The reason why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is none, or none that the key has signed, or lacks a time at which it expires.
    Wrong,
    /// It does not hold any more, or not yet.
    Expired,
}

/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 2 << 10;
/// The most by which clocks may differ, in seconds.
const LEEWAY: f64 = 60.0;

impl Header {
    /// Reads the head of a token. What is critical is not known here, and refuses it: RFC 7515 section 4.1.11.
    pub fn of(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let text = decoded(token.split_once('.')?.0)?;
        let all = Json::parse(&text)?;
        let word = |name| Some(all.field(name)?.text()?.into_owned());
        all.field("crit").is_none().then_some(())?;
        Some(Self { algorithm: word("alg")?, key_id: word("kid") })
    }
}

impl Claims {
    /// Checks the signature of a token. The key says by which algorithm, and a token that names another is refused.
    ///
    /// # Errors
    /// [`TokenError::Wrong`].
    pub fn of(token: &str, key: &Key) -> Result<Self, TokenError> {
        Self::signed(token, key).ok_or(TokenError::Wrong)
    }

    fn signed(token: &str, key: &Key) -> Option<Self> {
        let is_known = Header::of(token)?.algorithm == key.algorithm();
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        (is_known && key.has_signed(signed.as_bytes(), &signature)).then_some(())?;
        let claims = decoded(claims)?;
        Json::parse(&claims)?.is_object().then_some(Self(claims))
    }

    /// Checks that they hold at a time, counted from 1970.
    ///
    /// # Errors
    /// They do not, or do not say until when.
    pub fn hold_at(&self, now: Duration) -> Result<(), TokenError> {
        let time = |name| match self.claim(name).map(Json::number) {
            Some(None) => Err(TokenError::Wrong),
            time => Ok(time.flatten()),
        };
        let now = now.as_secs_f64();
        let (ends, begins) = (time("exp")?.ok_or(TokenError::Wrong)?, time("nbf")?);
        // a time that is no number compares as false
        let holds = now < ends + LEEWAY && begins.is_none_or(|begins| begins <= now + LEEWAY);
        if holds { Ok(()) } else { Err(TokenError::Expired) }
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<Json<'_>> {
        Json::parse(&self.0)?.field(name)
    }
}

fn decoded(part: &str) -> Option<String> {
    String::from_utf8(Base64UrlUnpadded::decode_vec(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
