//! JSON Web Tokens, signed by whoever has the key. RFC 7519, and RFC 7515 for the signature.

mod key;
#[cfg_attr(not(feature = "tls"), path = "no_public.rs")]
mod public;

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::wire::json::Json;
pub use key::{Key, KeyError};

/// The claims of a token whose signature is right.
#[derive(Debug)]
pub struct Claims(String);

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

impl Claims {
    /// Checks the signature of a token. The key says by which algorithm, and a token that names another is refused.
    ///
    /// # Errors
    /// [`TokenError::Wrong`].
    pub fn of(token: &str, key: &Key) -> Result<Self, TokenError> {
        Self::signed(token, key).ok_or(TokenError::Wrong)
    }

    fn signed(token: &str, key: &Key) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let text = |part: &str| String::from_utf8(Base64UrlUnpadded::decode_vec(part).ok()?).ok();
        let header = text(header)?;
        let header = Json::parse(&header)?;
        // RFC 7515 section 4.1.11: what is critical and not known refuses the token
        let is_known = header.field("alg")?.text()? == key.algorithm() && header.field("crit").is_none();
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        (is_known && key.has_signed(signed.as_bytes(), &signature)).then_some(())?;
        let claims = text(claims)?;
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

#[cfg(test)]
mod tests;
