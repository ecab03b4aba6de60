//! The client's side.

use std::cmp::Reverse;

use base64ct::{Base64, Encoding};

use super::{Challenge, asked, quote};
use crate::proto::Algorithm;

/// Answers the challenges of a server.
pub struct Answer {
    user: String,
    password: String,
    cnonce: String,
    /// The number of requests that used the nonce: nc.
    count: u32,
    digest: Option<Digest>,
}

/// The parameters of a Digest challenge. RFC 7616 section 3.3.
struct Digest {
    algorithm: Algorithm,
    /// The algorithm's name in the server's spelling; old servers send none.
    named: Option<String>,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// The server offers qop=auth, which some servers then require.
    counted: bool,
    stale: bool,
}

impl Answer {
    /// Chooses the strongest of the challenges in the WWW-Authenticate fields. Basic is allowed only if the
    /// password may be sent. `None` if no challenge can be answered.
    pub fn new<'a>(
        challenges: impl Iterator<Item = &'a str>,
        user: &str,
        password: &str,
        may_tell: bool,
        cnonce_seed: u64,
    ) -> Option<Self> {
        let all = challenges.flat_map(Challenge::parse_all);
        let known = all.filter_map(|challenge| match challenge.is("Basic") {
            true => may_tell.then_some(None),
            false => Digest::read(&challenge).map(Some),
        });
        // the first of several with the same algorithm
        let digest = known.min_by_key(|digest| Reverse(digest.as_ref().map(|digest| digest.algorithm)))?;
        Some(Self {
            user: user.into(),
            password: password.into(),
            cnonce: format!("{cnonce_seed:016x}"),
            count: 0,
            digest,
        })
    }

    /// True if the server only requires a new nonce, and accepted the password.
    pub fn is_stale(&self) -> bool {
        self.digest.as_ref().is_some_and(|digest| digest.stale)
    }

    /// The value of Authorization for a request with this method and URL.
    pub fn authorization(&mut self, method: &str, uri: &str) -> String {
        let Some(digest) = &self.digest else {
            return format!("Basic {}", Base64::encode_string(format!("{}:{}", self.user, self.password).as_bytes()));
        };
        self.count = self.count.wrapping_add(1);
        let nc = format!("{:08x}", self.count);
        let counted = digest.counted.then_some((nc.as_str(), self.cnonce.as_str()));
        let Digest { algorithm, named, realm, nonce, opaque, .. } = digest;
        let secret = algorithm.hash(&[&self.user, realm, &self.password]);
        let response = algorithm.hash(&[&secret, &asked(*algorithm, nonce, counted, method, uri)]);
        let texts = [("username", self.user.as_str()), ("realm", realm), ("nonce", nonce), ("uri", uri)];
        let mut parts: Vec<_> = texts.iter().map(|(name, text)| format!("{name}={}", quote(text))).collect();
        parts.push(format!("response=\"{response}\""));
        parts.extend(named.as_ref().map(|named| format!("algorithm={named}")));
        parts.extend(opaque.as_ref().map(|opaque| format!("opaque={}", quote(opaque))));
        parts.extend(counted.map(|(nc, cnonce)| format!("qop=auth, nc={nc}, cnonce=\"{cnonce}\"")));
        format!("Digest {}", parts.join(", "))
    }

    /// Replaces the cnonce by that of an example.
    #[cfg(test)]
    pub(super) fn with_cnonce(mut self, cnonce: &str) -> Self {
        self.cnonce = cnonce.into();
        self
    }
}

/// True if one of the challenges asks for the password itself.
pub(in crate::proto::rtsp) fn asks_for_basic<'a>(challenges: impl Iterator<Item = &'a str>) -> bool {
    challenges.flat_map(Challenge::parse_all).any(|challenge| challenge.is("Basic"))
}

impl Digest {
    /// Reads a Digest challenge; `None` if it cannot be answered.
    fn read(challenge: &Challenge) -> Option<Self> {
        let text = |name| challenge.get(name).map(str::to_string);
        let qop = challenge.get("qop").unwrap_or_default();
        let counted = qop.split([',', ' ']).any(|word| word.trim().eq_ignore_ascii_case("auth"));
        // auth-int is not supported: it needs the body
        if !challenge.is("Digest") || !counted && !qop.trim().is_empty() {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::parse(challenge.get("algorithm"))?,
            named: text("algorithm").filter(|name| !name.is_empty()),
            realm: text("realm").unwrap_or_default(),
            nonce: text("nonce")?,
            opaque: text("opaque"),
            counted,
            stale: challenge.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

/// Shows the user, but not the password.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("user", &self.user).finish_non_exhaustive()
    }
}
