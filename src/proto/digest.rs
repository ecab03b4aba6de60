//! The response to a Digest challenge. RFC 7616, and RFC 2617 for peers that do not support it.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::credentials::{Lack, REALM, Secret, is_same};

/// A hash algorithm. RFC 7616 section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

/// A proof that a client knows a password, without the password itself. It can be checked with the password or its
/// hash.
#[derive(Clone)]
pub struct Digest {
    algorithm: Algorithm,
    name: Box<str>,
    /// The input of the response's hash, without the secret before it.
    asked: Box<str>,
    response: Box<str>,
    /// It answers a challenge that is valid.
    is_fresh: bool,
}

impl Algorithm {
    /// The algorithm with this name; MD5 if there is no name.
    pub fn parse(name: Option<&str>) -> Option<Self> {
        match name.unwrap_or_default().to_ascii_uppercase().as_str() {
            "" | "MD5" => Some(Self::Md5),
            "SHA-256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// The hash of the parts, joined by colons, in hexadecimal digits.
    pub fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Self::Md5 => base16ct::lower::encode_string(&Md5::digest(text)),
            Self::Sha256 => base16ct::lower::encode_string(&Sha256::digest(text)),
        }
    }
}

impl Digest {
    /// A client's `response`: the hash of its secret and `asked`, joined by a colon. `is_fresh` states that its
    /// challenge is valid.
    pub fn new(algorithm: Algorithm, name: &str, asked: &str, response: &str, is_fresh: bool) -> Self {
        let response = response.to_ascii_lowercase().into();
        Self { algorithm, name: name.into(), asked: asked.into(), response, is_fresh }
    }

    /// The algorithm of the response. A secret that is stored as another hash cannot be checked with it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The user name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// RFC 7616 sections 3.4 and 3.4.6.
    pub(super) fn prove(&self, name: &str, secret: Secret<'_>) -> Result<(), Lack> {
        let secret = match secret {
            Secret::Password(password) => self.algorithm.hash(&[name, REALM, password]),
            Secret::Ha1(algorithm, hash) if algorithm == self.algorithm => hash.to_ascii_lowercase(),
            Secret::Ha1(..) | Secret::Sha256(_) => return Err(Lack::Wrong),
        };
        let expected = self.algorithm.hash(&[&secret, &self.asked]);
        match bool::from(is_same(&self.response, &expected) & is_same(&self.name, name)) {
            true if self.is_fresh => Ok(()),
            true => Err(Lack::Stale),
            false => Err(Lack::Wrong),
        }
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}
