//! The server's side.

use sha2::{Digest as _, Sha256};

use super::{Challenge, asked};
use crate::proto::{Algorithm, AuthScheme, Credentials, Digest, REALM};

/// Challenges the client of one connection, and reads its responses.
pub struct Challenger {
    seed: [u8; 16],
    counter: u32,
    /// The current nonce; empty before the first challenge.
    nonce: String,
    /// The highest nc received with the nonce.
    count: u32,
}

/// The credentials of a request.
#[derive(Debug, Default)]
pub struct Given {
    /// The credentials.
    pub credentials: Credentials,
    /// The nc that counts as used if the credentials are accepted; 0 if there is none.
    count: u32,
}

impl Challenger {
    /// A challenger. Its nonces cannot be predicted without `seed`.
    pub fn new(seed: [u8; 16]) -> Self {
        Self { seed, counter: 0, nonce: String::new(), count: 0 }
    }

    /// Makes a new nonce; the previous one is stale from now on.
    pub fn renew(&mut self) {
        self.counter = self.counter.wrapping_add(1);
        let hash = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
        self.nonce = base16ct::lower::encode_string(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
        self.count = 0;
    }

    /// The values of the WWW-Authenticate fields, one field each.
    ///
    /// ffmpeg, live555 (VLC) and GStreamer keep the last Digest and support only MD5, so it comes after SHA-256.
    /// Other clients keep the first and assume MD5 without reading the algorithm. Therefore both have the same
    /// nonce, and a response without algorithm counts as MD5. live555 reads realm, nonce and stale in this order,
    /// and nothing after them. Old clients do not support qop, so MD5 does not ask for it. Basic comes last,
    /// because some clients take the first.
    pub fn challenges(&mut self, schemes: &[AuthScheme], stale: bool) -> Vec<String> {
        if stale || self.nonce.is_empty() {
            self.renew();
        }
        let stale = if stale { ", stale=true" } else { "" };
        let digest = format!("Digest realm=\"{REALM}\", nonce=\"{}\"{stale}", self.nonce);
        let all = [
            (AuthScheme::Digest, format!("{digest}, algorithm=SHA-256, qop=\"auth\"")),
            (AuthScheme::Digest, digest),
            (AuthScheme::Bearer, format!("Bearer realm=\"{REALM}\"")),
            (AuthScheme::Basic, format!("Basic realm=\"{REALM}\"")),
        ];
        all.into_iter().filter(|(scheme, _)| schemes.contains(scheme)).map(|(_, text)| text).collect()
    }

    /// Reads the Authorization of a request with this method and URL.
    pub fn read(&self, method: &str, uri: &str, authorization: Option<&str>) -> Given {
        let text = authorization.unwrap_or_default().trim();
        if !text.split(char::is_whitespace).next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Digest")) {
            return Given { credentials: Credentials::of_field(authorization), count: 0 };
        }
        let answer = Challenge::parse_all(text).into_iter().next();
        let damaged = Given { credentials: Credentials::Damaged(AuthScheme::Digest), count: 0 };
        answer.and_then(|answer| self.read_digest(&answer, method, uri)).unwrap_or(damaged)
    }

    /// Reads a Digest response; `None` if it does not belong to the request or cannot be checked. RFC 7616 section
    /// 3.4.
    fn read_digest(&self, answer: &Challenge, method: &str, uri: &str) -> Option<Given> {
        let get = |name| answer.get(name).unwrap_or_default();
        let algorithm = Algorithm::parse(answer.get("algorithm"))?;
        let counted = match get("qop") {
            "" => None,
            "auth" => Some((get("nc"), get("cnonce"))),
            _ => return None,
        };
        if get("realm") != REALM || !is_valid_for(uri, get("uri")) {
            return None;
        }
        // a replayed response, or a client that never counts: either gets a new challenge
        let count = counted.map(|(nc, _)| u32::from_str_radix(nc, 16).unwrap_or(0));
        let is_fresh =
            !self.nonce.is_empty() && get("nonce") == self.nonce && count.is_none_or(|count| count > self.count);
        let asked = asked(algorithm, get("nonce"), counted, method, get("uri"));
        let digest = Digest::new(algorithm, get("username"), &asked, get("response"), is_fresh);
        let count = count.filter(|_| is_fresh).unwrap_or(0);
        Some(Given { credentials: Credentials::Digest(Box::new(digest)), count })
    }

    /// Marks the nc as used: the credentials were accepted.
    pub fn used(&mut self, given: &Given) {
        self.count = self.count.max(given.count);
    }
}

/// True if a response for the URL `said` is valid in a request for `uri`. Clients deviate in these ways: an
/// additional or missing slash at the end; the path instead of the URL, or the reverse; in SETUP of a track, the
/// URL of the stream, which lacks the last part.
fn is_valid_for(uri: &str, said: &str) -> bool {
    let stream = uri.trim_end_matches('/').rsplit_once('/').map(|(stream, _)| stream);
    let stream = stream.filter(|stream| path(stream).unwrap_or(stream).starts_with('/'));
    !said.is_empty() && (alike(uri, said) || stream.is_some_and(|stream| alike(stream, said)))
}

fn alike(one: &str, other: &str) -> bool {
    let short = |url| str::strip_suffix(url, '/').unwrap_or(url);
    let (one, other) = (short(one), short(other));
    one == other || path(one) == Some(other) || path(other) == Some(one)
}

/// The path of a URL, with its query; `None` if it is not a URL.
fn path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default())
}
