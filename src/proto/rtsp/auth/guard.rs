//! The server's side.

use base64ct::{Base64Unpadded, Encoding};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Algorithm, Challenge};

/// An authentication scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The password itself. RFC 7617.
    Basic,
    /// A proof that the client knows the password. RFC 7616.
    Digest,
}

/// The result of checking a request's Authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Granted,
    /// It says nothing of a kind that is asked for.
    Missing,
    /// It knows the password, but answers a challenge that does not hold any
    /// more: [`Guard::renew`], and challenge again with `stale`.
    Stale,
    /// It is wrong.
    Denied,
}

/// Lets in the clients that know a password; made for one connection.
pub struct Guard {
    basic: bool,
    digest: bool,
    user: String,
    /// The hash of user and password as Basic sends them.
    plain: [u8; 32],
    /// H(A1) of either algorithm. RFC 7616 section 3.4.2.
    md5: String,
    sha256: String,
    seed: [u8; 16],
    counter: u32,
    nonce: String,
    /// The highest nc that came with the nonce.
    count: u32,
}

const REALM: &str = "runnel";

impl Guard {
    /// Asks for this user and password by one of these methods. Nobody can predict the
    /// challenges without `seed`.
    pub fn new(user: &str, password: &str, methods: &[Method], seed: [u8; 16]) -> Self {
        let secret = |algorithm: Algorithm| algorithm.hash(&[user, REALM, password]);
        let mut guard = Self {
            basic: methods.contains(&Method::Basic),
            digest: methods.contains(&Method::Digest),
            user: user.into(),
            plain: salted(seed, format!("{user}:{password}").as_bytes()),
            md5: secret(Algorithm::Md5),
            sha256: secret(Algorithm::Sha256),
            seed,
            counter: 0,
            nonce: String::new(),
            count: 0,
        };
        guard.renew();
        guard
    }

    /// Makes a new nonce; the one before it is stale from now on.
    pub fn renew(&mut self) {
        self.counter = self.counter.wrapping_add(1);
        let hash = salted(self.seed, &self.counter.to_be_bytes());
        self.nonce = base16ct::lower::encode_string(hash.first_chunk::<16>().unwrap_or(&[0; 16]));
        self.count = 0;
    }

    /// The values of the WWW-Authenticate fields, one field each.
    ///
    /// ffmpeg, live555 (VLC) and GStreamer keep the last Digest that they see and
    /// know only MD5: it comes behind SHA-256. Others keep the first and take it
    /// for MD5 without reading the algorithm: both have the same nonce, and an
    /// answer without algorithm counts as MD5. live555 reads realm, nonce and stale
    /// in this order, and nothing behind them; old clients cannot do qop, so MD5
    /// does not ask for it. Basic comes last, for some take what comes first.
    pub fn challenges(&self, stale: bool) -> Vec<String> {
        let stale = if stale { ", stale=true" } else { "" };
        let digest = format!("Digest realm=\"{REALM}\", nonce=\"{}\"{stale}", self.nonce);
        let mut all = Vec::new();
        if self.digest {
            all.push(format!("{digest}, algorithm=SHA-256, qop=\"auth\""));
            all.push(digest);
        }
        if self.basic {
            all.push(format!("Basic realm=\"{REALM}\""));
        }
        all
    }

    /// Judges what a request with this method and URL says in Authorization.
    pub fn check(&mut self, method: &str, uri: &str, authorization: Option<&str>) -> Verdict {
        let text = authorization.unwrap_or_default().trim();
        let (scheme, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if self.basic && scheme.eq_ignore_ascii_case("Basic") {
            self.check_basic(rest.trim())
        } else if self.digest && scheme.eq_ignore_ascii_case("Digest") {
            Challenge::parse_all(text).first().map_or(Verdict::Denied, |answer| self.check_digest(answer, method, uri))
        } else {
            Verdict::Missing
        }
    }

    /// RFC 7617 section 2.
    fn check_basic(&self, token: &str) -> Verdict {
        let Ok(plain) = Base64Unpadded::decode_vec(token.trim_end_matches('=')) else { return Verdict::Denied };
        // hashes, so that the time says nothing of the length either
        let same = salted(self.seed, &plain).ct_eq(&self.plain);
        if same.into() { Verdict::Granted } else { Verdict::Denied }
    }

    /// RFC 7616 sections 3.4 and 3.4.6.
    fn check_digest(&mut self, answer: &Challenge, method: &str, uri: &str) -> Verdict {
        let get = |name| answer.get(name).unwrap_or_default();
        let Some(algorithm) = Algorithm::parse(answer.get("algorithm")) else { return Verdict::Denied };
        let counted = match get("qop") {
            "" => None,
            "auth" => Some((get("nc"), get("cnonce"))),
            _ => return Verdict::Denied,
        };
        let secret = match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
        };
        let expected = algorithm.respond(secret, get("nonce"), counted, method, get("uri"));
        let same = equal(&get("response").to_ascii_lowercase(), &expected) & equal(get("username"), &self.user);
        if !bool::from(same) || get("realm") != REALM || !is_meant(uri, get("uri")) {
            return Verdict::Denied;
        }
        if get("nonce") != self.nonce {
            return Verdict::Stale;
        }
        if let Some((nc, _)) = counted {
            // an answer heard before, or a client that never counts: either gets
            // another challenge
            match u32::from_str_radix(nc, 16) {
                Ok(nc) if nc > self.count => self.count = nc,
                _ => return Verdict::Stale,
            }
        }
        Verdict::Granted
    }
}

/// Names the account, but not its password.
impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("user", &self.user).finish_non_exhaustive()
    }
}

fn salted(seed: [u8; 16], data: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(seed).chain_update(data).finalize().into()
}

fn equal(one: &str, other: &str) -> Choice {
    one.as_bytes().ct_eq(other.as_bytes())
}

/// Whether an answer for `said` may stand in a request for `uri`. Not only the
/// same text will do, for real clients are careless in these ways: a slash more or
/// less at the end; the path instead of the URL, or the reverse; and the URL of
/// the stream where a track is set up, which lacks the last part.
fn is_meant(uri: &str, said: &str) -> bool {
    let stream = uri.trim_end_matches('/').rsplit_once('/').map(|(stream, _)| stream);
    let stream = stream.filter(|stream| path(stream).unwrap_or(stream).starts_with('/'));
    !said.is_empty() && (alike(uri, said) || stream.is_some_and(|stream| alike(stream, said)))
}

fn alike(one: &str, other: &str) -> bool {
    let short = |url| str::strip_suffix(url, '/').unwrap_or(url);
    let (one, other) = (short(one), short(other));
    one == other || path(one) == Some(other) || path(other) == Some(one)
}

/// The path of a URL, with its query; `None` if it is no URL.
fn path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default())
}
