//! Credentials with which clients authenticate, independent of the protocol that carries them.

use base64ct::{Base64Unpadded, Encoding};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::adobe::Adobe;
use super::digest::{Algorithm, Digest};

/// Credentials that a client sent. They are no longer than the message that carried them, and their `Debug` output
/// does not contain them.
#[derive(Clone, Default)]
pub enum Credentials {
    /// No credentials, or none of a known scheme.
    #[default]
    None,
    /// A name and a password in clear text.
    Password {
        /// The name; may be empty.
        name: Box<str>,
        /// The password; may be empty.
        password: Box<str>,
    },
    /// A token.
    Token(Box<str>),
    /// A proof that the client knows the password of a name.
    Digest(Box<Digest>),
    /// The same in Adobe's way, for RTMP.
    Adobe(Box<Adobe>),
    /// Credentials that prove nothing: they are malformed, or do not belong to the request that carried them.
    Damaged(AuthScheme),
}

/// An authentication scheme. RFC 7235 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// A name and a password in clear. RFC 7617.
    Basic,
    /// A proof that the client knows the password. RFC 7616; in RTMP Adobe's.
    Digest,
    /// A token. RFC 6750.
    Bearer,
}

/// The stored secret of a name.
#[derive(Clone, Copy)]
pub enum Secret<'a> {
    /// The password itself.
    Password(&'a str),
    /// `H(name:realm:password)` in hexadecimal digits, for [`REALM`]. RFC 7616 section 3.4.2.
    Ha1(Algorithm, &'a str),
    /// The SHA-256 of the password, which proves no Digest.
    Sha256(&'a [u8; 32]),
}

/// The reason why credentials are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There are none of an allowed scheme.
    Missing,
    /// They are right, but answer a challenge that is no longer valid.
    Stale,
    /// They are wrong.
    Wrong,
}

/// The realm of all challenges. RFC 7235 section 2.2.
pub const REALM: &str = "runnel";

/// A static value to borrow when there are no credentials.
pub static NO_CREDENTIALS: Credentials = Credentials::None;

impl Credentials {
    /// Reads an `Authorization` field with Basic or Bearer; [`Self::None`] if the field is missing or uses another
    /// scheme.
    pub fn of_field(value: Option<&str>) -> Self {
        let value = value.unwrap_or_default().trim();
        let (scheme, rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        match rest.trim() {
            text if scheme.eq_ignore_ascii_case("Basic") => {
                Self::of_basic(text).unwrap_or(Self::Damaged(AuthScheme::Basic))
            }
            "" if scheme.eq_ignore_ascii_case("Bearer") => Self::Damaged(AuthScheme::Bearer),
            token if scheme.eq_ignore_ascii_case("Bearer") => Self::Token(token.into()),
            _ => Self::None,
        }
    }

    /// RFC 7617 section 2.
    fn of_basic(text: &str) -> Option<Self> {
        let plain = Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok()?;
        let (name, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
        Some(Self::Password { name: name.into(), password: password.into() })
    }

    /// The scheme of the credentials.
    pub fn scheme(&self) -> Option<AuthScheme> {
        match self {
            Self::None => None,
            Self::Password { .. } => Some(AuthScheme::Basic),
            Self::Token(_) => Some(AuthScheme::Bearer),
            Self::Digest(_) | Self::Adobe(_) => Some(AuthScheme::Digest),
            Self::Damaged(scheme) => Some(*scheme),
        }
    }

    /// The name in the credentials; empty if they have none.
    pub fn name(&self) -> &str {
        match self {
            Self::Password { name, .. } => name,
            Self::Digest(digest) => digest.name(),
            Self::Adobe(adobe) => adobe.name(),
            Self::None | Self::Token(_) | Self::Damaged(_) => "",
        }
    }

    /// Checks that the client knows the secret of `name`, by one of these schemes. The time that this takes reveals
    /// nothing about the secret.
    ///
    /// # Errors
    /// The reason why the proof failed.
    pub fn prove(&self, name: &str, secret: Secret<'_>, schemes: &[AuthScheme]) -> Result<(), Lack> {
        if !self.scheme().is_some_and(|own| schemes.contains(&own)) {
            return Err(Lack::Missing);
        }
        match self {
            Self::Password { name: own, password } => {
                let right = match secret {
                    // a name in the configuration may contain a colon
                    Secret::Password(known) => is_same(&format!("{own}:{password}"), &format!("{name}:{known}")),
                    Secret::Ha1(algorithm, known) => {
                        let given = algorithm.hash(&[own, REALM, password]);
                        is_same(&given, &known.to_ascii_lowercase()) & is_same(own, name)
                    }
                    Secret::Sha256(known) => Sha256::digest(&**password)[..].ct_eq(known) & is_same(own, name),
                };
                bool::from(right).then_some(()).ok_or(Lack::Wrong)
            }
            Self::Digest(digest) => digest.prove(name, secret),
            Self::Adobe(adobe) => adobe.prove(name, secret),
            Self::None | Self::Token(_) | Self::Damaged(_) => Err(Lack::Wrong),
        }
    }
}

/// Tells if two texts are equal. It compares hashes, so that the time does not reveal the length either.
pub(super) fn is_same(one: &str, other: &str) -> Choice {
    Sha256::digest(one).ct_eq(&Sha256::digest(other))
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.scheme() {
            None => f.write_str("None"),
            Some(scheme) => write!(f, "{scheme:?}(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::digest::Algorithm::{Md5, Sha256};
    use AuthScheme::{Basic, Bearer};

    const SECRET: Secret<'_> = Secret::Password("p:a\"ss");

    fn of(value: &str) -> Credentials {
        Credentials::of_field(Some(value))
    }

    #[test]
    fn fields_are_read_as_clients_write_them() {
        for value in ["Basic dXNlcjpwOmEic3M=", " basic   dXNlcjpwOmEic3M ", "BASIC\tdXNlcjpwOmEic3M=="] {
            let given = of(value);
            assert!(
                matches!(&given, Credentials::Password { name, password } if &**name == "user" && &**password == "p:a\"ss")
            );
            assert_eq!((given.name(), given.scheme()), ("user", Some(Basic)));
        }
        assert!(matches!(of("bearer  a.b.c "), Credentials::Token(token) if &*token == "a.b.c"));
        for value in ["", "Negotiate x", "Digest username=\"user\"", "dXNlcjpwOmEic3M="] {
            assert!(matches!(of(value), Credentials::None), "{value}");
        }
        assert!(matches!(Credentials::of_field(None), Credentials::None));
        for value in ["Basic", "Basic %", "Basic dXNlcg==", "Basic /////w=="] {
            assert!(matches!(of(value), Credentials::Damaged(Basic)), "{value}");
        }
        assert!(matches!(of("Bearer"), Credentials::Damaged(Bearer)));
    }

    #[test]
    fn a_password_is_proved_by_itself_whatever_is_stored_of_it() {
        let right = of("Basic dXNlcjpwOmEic3M=");
        let stored =
            [Md5, Sha256].map(|algorithm| (algorithm, algorithm.hash(&["user", REALM, "p:a\"ss"]).to_uppercase()));
        for secret in [SECRET, Secret::Ha1(stored[0].0, &stored[0].1), Secret::Ha1(stored[1].0, &stored[1].1)] {
            assert_eq!(right.prove("user", secret, &[Bearer, Basic]), Ok(()));
            assert_eq!(right.prove("other", secret, &[Basic]), Err(Lack::Wrong));
            assert_eq!(right.prove("user", secret, &[Bearer]), Err(Lack::Missing));
            for (value, lack) in [
                ("Basic dXNlcjpwOmEic3N=", Lack::Wrong),
                ("Basic dXNlcjo=", Lack::Wrong),
                ("Basic Og==", Lack::Wrong),
                ("Basic", Lack::Wrong),
                ("Bearer p:a\"ss", Lack::Missing),
                ("", Lack::Missing),
            ] {
                assert_eq!(of(value).prove("user", secret, &[Basic]), Err(lack), "{value}");
            }
        }
        assert_eq!(right.prove("user:p", Secret::Password("a\"ss"), &[Basic]), Ok(()), "a name with a colon");
        assert_eq!(of("Bearer x").prove("", Secret::Password("x"), &[Bearer]), Err(Lack::Wrong));
    }

    #[test]
    fn nothing_of_them_is_shown() {
        let all = ["Basic dXNlcjpwOmEic3M=", "Bearer a.b.c", "Basic %", ""].map(|value| format!("{:?}", of(value)));
        assert_eq!(all, ["Basic(..)", "Bearer(..)", "Basic(..)", "None"]);
    }
}
