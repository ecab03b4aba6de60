//! Keys that check tokens.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::public::PublicKey;
use crate::wire::json::Json;

/// A key, which has one algorithm. Its `Debug` output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// HS256: a secret that signer and server share.
    Shared(Box<[u8]>),
    /// A public key.
    Public(PublicKey),
}

/// The reason why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is a key of another kind, or damaged, or too short.
    Unfit,
    /// It is a public key, which needs the feature `tls`.
    Feature,
}

/// The shortest secret, in bytes. RFC 7518 section 3.2.
const SHORTEST: usize = 32;

impl Key {
    /// Reads a public key in PEM, a key as a JWK, or a secret of 32 bytes or more.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        match text.trim() {
            pem if pem.starts_with("-----") => PublicKey::of_pem(pem).map(|key| Self(Kind::Public(key))),
            jwk if jwk.starts_with('{') => Self::of_jwk(Json::parse(jwk).ok_or(KeyError::Unfit)?),
            secret => Self::shared(secret.as_bytes()),
        }
    }

    /// RFC 7517 section 4, and RFC 7518 section 6.
    pub(super) fn of_jwk(jwk: Json<'_>) -> Result<Self, KeyError> {
        let bytes = |name: &str| Base64UrlUnpadded::decode_vec(&jwk.field(name)?.text()?).ok();
        let is_shared = jwk.field("kty").and_then(Json::text).as_deref() == Some("oct");
        let key = match is_shared {
            true => Self::shared(&bytes("k").ok_or(KeyError::Unfit)?)?,
            false => Self(Kind::Public(PublicKey::of_jwk(jwk, &bytes)?)),
        };
        let is_its_own = jwk.field("alg").is_none_or(|alg| alg.text().as_deref() == Some(key.algorithm()));
        is_its_own.then_some(key).ok_or(KeyError::Unfit)
    }

    fn shared(secret: &[u8]) -> Result<Self, KeyError> {
        (secret.len() >= SHORTEST).then(|| Self(Kind::Shared(secret.into()))).ok_or(KeyError::Unfit)
    }

    /// The name of its algorithm. RFC 7518 section 3.1, RFC 8037 section 3.1.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Kind::Shared(_) => "HS256",
            Kind::Public(key) => key.algorithm(),
        }
    }

    /// Checks that a signature is its own.
    pub fn has_signed(&self, said: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Kind::Shared(secret) => Hmac::<Sha256>::new_from_slice(secret)
                .is_ok_and(|mac| mac.chain_update(said).verify_slice(signature).is_ok()),
            Kind::Public(key) => key.has_signed(said, signature),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ..)", self.algorithm())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfit => {
                "is no secret of 32 bytes or more, and no public key (RSA, P-256 or Ed25519) in PEM or as a JWK"
            }
            Self::Feature => "is a public key: the program was built without the feature \"tls\"",
        })
    }
}

impl std::error::Error for KeyError {}
