//! Passwords and keys of rules as the configuration has them. Their `Debug` output does not contain them.

use std::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding};
use sha2::{Digest as _, Sha256};

use super::secret::{MASK, secret};
use super::value::Value;
use super::{MissingFeature, Wrong};
use crate::proto::Algorithm;
use crate::proto::jwt::{Key, KeyError};

/// A password, or its hash, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub enum Stored {
    /// The password itself.
    Plain(String),
    /// Its SHA-256: `"sha256:..."`, in base64 or hexadecimal digits.
    Sha256([u8; 32]),
    /// `"pbkdf2:ROUNDS:SALT:HASH"`, salt and hash in base64.
    Pbkdf2(Pbkdf2),
    /// The hash of name, realm and password that RTSP's Digest needs: `"ha1:..."`, 32 (MD5) or 64 (SHA-256) hexadecimal
    /// digits.
    Ha1(Algorithm, String),
}

/// A password as PBKDF2 with HMAC-SHA256 makes it. RFC 8018 section 5.2.
#[derive(Clone, PartialEq, Eq)]
pub struct Pbkdf2 {
    /// The number of rounds.
    pub rounds: u32,
    /// The salt.
    pub salt: Box<[u8]>,
    /// The derived key.
    pub hash: [u8; 32],
}

/// The most rounds: minutes on the slowest machine.
const MAX_ROUNDS: u32 = 10_000_000;

impl Stored {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("sha256", hash)) => bytes(hash)?.try_into().ok().map(Self::Sha256),
            Some(("pbkdf2", rest)) => Pbkdf2::parse(rest).map(Self::Pbkdf2),
            Some(("ha1", hash)) => {
                let algorithm = match base16ct::mixed::decode_vec(hash).ok()?.len() {
                    16 => Algorithm::Md5,
                    32 => Algorithm::Sha256,
                    _ => return None,
                };
                Some(Self::Ha1(algorithm, hash.into()))
            }
            _ => Some(Self::Plain(text.into())),
        }
    }
}

impl Pbkdf2 {
    fn parse(text: &str) -> Option<Self> {
        let (rounds, rest) = text.split_once(':')?;
        let (salt, hash) = rest.split_once(':')?;
        let rounds = rounds.parse().ok().filter(|rounds| (1..=MAX_ROUNDS).contains(rounds))?;
        let salt = bytes(salt).filter(|salt| (8..=64).contains(&salt.len()))?;
        Some(Self { rounds, salt: salt.into(), hash: bytes(hash)?.try_into().ok()? })
    }
}

impl fmt::Display for Pbkdf2 {
    /// As the configuration has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, salt, hash } = self;
        write!(f, "pbkdf2:{rounds}:{}:{}", Base64::encode_string(salt), Base64::encode_string(hash))
    }
}

/// A password as `sha256:` stores it.
pub fn stored_sha256(password: &str) -> String {
    format!("sha256:{}", Base64::encode_string(&Sha256::digest(password)))
}

/// The bytes of a text in hexadecimal digits or base64.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.len() == 64;
    let hex = || base16ct::mixed::decode_vec(text).ok();
    let base64 = || Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok();
    if is_hex { hex().or_else(base64) } else { base64() }
}

impl Value for Stored {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let expected = "a password, neither empty nor masked, or what \"runnel --hash\" or ha1: says of it";
        let text = secret(value.clone(), expected)?;
        Self::parse(&text).ok_or_else(|| Wrong::of_value(&value, expected).without_value())
    }
}

impl Value for Key {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let expected = "a secret of 32 bytes or more, or a public key (RSA, P-256 or Ed25519) in PEM or as a JWK";
        let text = secret(value.clone(), expected)?;
        Self::parse(&text).map_err(|error| match error {
            KeyError::Unfit => Wrong::of_value(&value, expected).without_value(),
            KeyError::Feature => Wrong::Feature(MissingFeature("tls")),
        })
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Pbkdf2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_stored_in_one_of_these_ways() {
        // printf secret | openssl dgst -sha256, and the same as base64
        let hex = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let base64 = "K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=";
        let [one, other] = [hex, base64].map(|hash| Stored::parse(&format!("sha256:{hash}")).unwrap());
        assert!(one == other && matches!(one, Stored::Sha256(_)));
        assert!(Stored::parse(&format!("sha256:{}", base64.trim_end_matches('='))) == Some(one));
        let text = format!("pbkdf2:1000:c2FsdHNhbHQ=:{base64}");
        let Some(Stored::Pbkdf2(stored)) = Stored::parse(&text) else { panic!("{text}") };
        assert_eq!((stored.rounds, &*stored.salt, stored.to_string()), (1000, &b"saltsalt"[..], text));
        assert!(matches!(Stored::parse(&format!("ha1:{}", &hex[..32])), Some(Stored::Ha1(Algorithm::Md5, _))));
        assert!(matches!(Stored::parse("se:cret"), Some(Stored::Plain(text)) if text == "se:cret"));
        for bad in [
            "sha256:",
            "sha256:c2FsdA==",
            "ha1:00",
            "pbkdf2:0:c2FsdHNhbHQ=:",
            "pbkdf2:99999999999:c2FsdHNhbHQ=:K7g",
            "pbkdf2:1",
        ] {
            assert!(Stored::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_masked_is_no_secret() {
        let read = |text: &str| Stored::read(text.into());
        for bad in ["", MASK, "sha256:secret"] {
            let why = read(bad).unwrap_err().to_string();
            assert!(why.starts_with("invalid value, expected a password") && !why.contains(":secret"), "{why}");
        }
        assert_eq!(format!("{:?}", read("secret").unwrap()), MASK);
    }
}
