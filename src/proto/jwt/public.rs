//! Public keys: RS256, ES256, EdDSA.

use base64ct::{Base64, Encoding};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::KeyError;
use crate::wire::json::Json;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// RS256, with modulus and exponent. RFC 7518 section 3.3.
    Rsa(Box<[u8]>, Box<[u8]>),
    /// ES256, with an uncompressed point. RFC 7518 section 3.4.
    P256(Box<[u8]>),
    /// EdDSA. RFC 8037.
    Ed25519(Box<[u8]>),
}

/// The algorithm identifiers of a SubjectPublicKeyInfo, without their head. RFC 3279 section 2.3.1, RFC 5480 section 2.1.1,
/// RFC 8410 section 3.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const ED25519_ID: &[u8] = b"\x06\x03\x2b\x65\x70";
/// The tags of DER.
const INTEGER: u8 = 2;
const BITS: u8 = 3;
const SEQUENCE: u8 = 0x30;

impl PublicKey {
    /// The algorithm's name.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(..) => "RS256",
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    pub(super) fn has_signed(&self, said: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rsa(n, e) => RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, said, signature),
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(said, signature),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(said, signature),
        };
        verified.is_ok()
    }

    /// A key in PEM, `PUBLIC KEY`. RFC 7468 section 13, RFC 5280 section 4.1.
    pub(super) fn of_pem(pem: &str) -> Result<Self, KeyError> {
        Self::in_pem(pem).ok_or(KeyError::Unfit)
    }

    fn in_pem(pem: &str) -> Option<Self> {
        let inside = pem.strip_prefix("-----BEGIN PUBLIC KEY-----")?.split_once("-----END PUBLIC KEY-----")?.0;
        let der = Base64::decode_vec(&inside.split_ascii_whitespace().collect::<String>()).ok()?;
        let mut info = element(&mut &*der, SEQUENCE)?;
        let algorithm = element(&mut info, SEQUENCE)?;
        let [0, key @ ..] = element(&mut info, BITS)? else { return None };
        match algorithm {
            RSA => {
                let mut pair = element(&mut &*key, SEQUENCE)?;
                let number = element(&mut pair, INTEGER)?;
                Some(Self::rsa(number, element(&mut pair, INTEGER)?))
            }
            P256 => Self::p256(key.into()),
            ED25519_ID => Self::ed25519(key.into()),
            _ => None,
        }
    }

    /// RFC 7518 section 6, RFC 8037 section 2.
    pub(super) fn of_jwk(jwk: Json<'_>, bytes: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Self, KeyError> {
        Self::in_jwk(jwk, bytes).ok_or(KeyError::Unfit)
    }

    fn in_jwk(jwk: Json<'_>, bytes: &dyn Fn(&str) -> Option<Vec<u8>>) -> Option<Self> {
        let curve = jwk.field("crv").and_then(Json::text);
        match (&*jwk.field("kty")?.text()?, curve.as_deref()) {
            ("RSA", _) => Some(Self::rsa(&bytes("n")?, &bytes("e")?)),
            ("EC", Some("P-256")) => Self::p256([&[4][..], &bytes("x")?, &bytes("y")?].concat()),
            ("OKP", Some("Ed25519")) => Self::ed25519(bytes("x")?),
            _ => None,
        }
    }

    fn rsa(number: &[u8], exponent: &[u8]) -> Self {
        let [number, exponent] = [number, exponent].map(|number| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number.get(zeros..).unwrap_or_default().into()
        });
        Self::Rsa(number, exponent)
    }

    fn p256(point: Vec<u8>) -> Option<Self> {
        (point.len() == 65 && point.first() == Some(&4)).then(|| Self::P256(point.into()))
    }

    fn ed25519(point: Vec<u8>) -> Option<Self> {
        (point.len() == 32).then(|| Self::Ed25519(point.into()))
    }
}

/// Takes an element of DER with this tag from the front of `der`, and gives its contents.
fn element<'a>(der: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[own, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest))?,
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    *der = rest;
    (own == tag).then_some(inside)
}
