//! Sets of public keys, as identity servers publish them. RFC 7517 section 5.

use std::fmt;
use std::sync::Arc;

use super::{Header, Key};
use crate::wire::json::Json;

/// Keys with their ids; an id is empty where the set gives none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<(Box<str>, Arc<Key>)>);

/// The reason why a text is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// It is no JSON, or has no list of keys.
    Damaged,
    /// None of its keys checks signatures by an algorithm that is known here.
    Empty,
    /// It has more than [`KeySet::MOST`] that do.
    TooMany,
}

impl KeySet {
    /// The most keys.
    pub const MOST: usize = 16;
    /// The longest id of a key, in bytes.
    const MAX_ID: usize = 128;

    /// Reads a set. Keys of other kinds are passed over, and so are secrets, which nobody publishes.
    ///
    /// # Errors
    /// There is none, or it has too many keys.
    pub fn parse(text: &str) -> Result<Self, SetError> {
        let set = Json::parse(text).and_then(|all| all.field("keys")).ok_or(SetError::Damaged)?;
        let keys: Vec<_> = set.items().filter_map(Self::one).take(Self::MOST + 1).collect();
        match keys.len() {
            0 => Err(SetError::Empty),
            1..=Self::MOST => Ok(Self(keys)),
            _ => Err(SetError::TooMany),
        }
    }

    /// RFC 7517 sections 4.2 and 4.5.
    fn one(jwk: Json<'_>) -> Option<(Box<str>, Arc<Key>)> {
        let text = |name: &str| jwk.field(name).map(|value| value.text().unwrap_or_default());
        let signs = text("use").is_none_or(|purpose| purpose == "sig");
        let id = text("kid").unwrap_or_default();
        let is_one = signs && id.len() <= Self::MAX_ID && text("kty").as_deref() != Some("oct");
        let key = is_one.then(|| Key::of_jwk(jwk).ok()).flatten()?;
        Some((id.as_ref().into(), Arc::new(key)))
    }

    /// The key that a token names. One that names none is checked with the only key that there is.
    pub fn find(&self, header: &Header) -> Option<&Arc<Key>> {
        let alone = || if let [(_, key)] = self.0.as_slice() { Some(key) } else { None };
        let Some(id) = &header.key_id else { return alone() };
        let named = self.0.iter().find(|(own, key)| **own == **id && key.algorithm() == header.algorithm);
        let has_ids = self.0.iter().any(|(own, _)| !own.is_empty());
        named.map(|(_, key)| key).or_else(|| if has_ids { None } else { alone() })
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "it answers with something else than a JSON Web Key Set",
            Self::Empty => "it has no public key of RSA, P-256 or Ed25519 for signatures",
            Self::TooMany => "it has more than 16 keys",
        })
    }
}

impl std::error::Error for SetError {}
