//! Links that their query proves: lal's, ours, and nginx's.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::clock::Clock;
use super::query::parameter;
use super::{Action, Request};
use crate::conf::VARIABLES;
use crate::container::FORMS;
use crate::proto::Lack;

/// The reason why a link proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    /// Its signature is missing or wrong.
    Lack(Lack),
    /// It has expired.
    Expired,
    /// Nobody knows whether it has: the clock is not set.
    NoClock,
}

/// The bytes of the signature of a link.
const SIGNATURE: usize = 16;

/// Checks `lal_secret`: the MD5 of `key` and the stream's name in hexadecimal digits, or `written` itself.
pub(super) fn lal(request: &Request<'_>, key: Option<&str>, written: Option<&str>) -> Result<(), LinkError> {
    let given = parameter(request.query, "lal_secret").ok_or(LinkError::Lack(Lack::Missing))?;
    let hash = |key: &str| {
        let name = request.name.map(|name| name.as_str())?;
        Some(base16ct::lower::encode_string(&Md5::new().chain_update(key).chain_update(name).finalize()))
    };
    let is_hash = key.and_then(hash).is_some_and(|hash| is_same(&given.to_ascii_lowercase(), &hash));
    let is_written = written.is_some_and(|written| is_same(&given, written));
    (is_hash | is_written).then_some(()).ok_or(LinkError::Lack(Lack::Wrong))
}

/// Checks `rx`, `ra` and `rs`: when it expires, what it permits, and the HMAC-SHA256 of both, of the path, and perhaps of
/// the address.
pub(super) fn signed(request: &Request<'_>, key: &str, clock: Clock) -> Result<(), LinkError> {
    let [expiry, action, signature] = ["rx", "ra", "rs"].map(|name| parameter(request.query, name));
    let (Some(expiry), Some(action), Some(signature)) = (expiry, action, signature) else {
        return Err(LinkError::Lack(Lack::Missing));
    };
    let permits = match request.action {
        Action::Publish => "p",
        Action::Play | Action::Read => "r",
        Action::Api | Action::Control | Action::Metrics => return Err(LinkError::Lack(Lack::Wrong)),
    };
    let said = format!("v1\n{action}\n{}\n{expiry}", path(request));
    let made = |said: String| Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok().map(|mac| mac.chain_update(said));
    let is_made = |said| {
        made(said).is_some_and(|mac| {
            let whole = mac.finalize().into_bytes();
            let signature = Base64UrlUnpadded::decode_vec(&signature).unwrap_or_default();
            whole.get(..SIGNATURE).is_some_and(|own| own.ct_eq(&signature).into())
        })
    };
    let is_right = is_made(said.clone()) | is_made(format!("{said}\n{}", request.peer.ip()));
    (is_right && action == permits).then_some(()).ok_or(LinkError::Lack(Lack::Wrong))?;
    expires(&expiry, clock)
}

/// Checks `md5` and `expires` as nginx's `secure_link` does with `secure_link_md5 EXPRESSION`.
pub(super) fn secure_link(request: &Request<'_>, expression: &str, clock: Clock) -> Result<(), LinkError> {
    let [expiry, signature] = ["expires", "md5"].map(|name| parameter(request.query, name));
    let [of_expiry, of_uri, of_address] = VARIABLES;
    let has_expiry = expression.contains(of_expiry);
    let signature = signature.filter(|_| expiry.is_some() || !has_expiry).ok_or(LinkError::Lack(Lack::Missing))?;
    let expiry = expiry.unwrap_or_default();
    // what is put in may look like a variable
    let mut said = String::with_capacity(expression.len() + 128);
    let mut rest = expression;
    while let Some((before, from)) = rest.find('$').map(|at| rest.split_at(at)) {
        said.push_str(before);
        let values = [(of_expiry, expiry.clone()), (of_uri, uri(request)), (of_address, request.peer.ip().to_string())];
        let found = values.into_iter().find_map(|(name, value)| Some((from.strip_prefix(name)?, value)));
        let Some((behind, value)) = found else { return Err(LinkError::Lack(Lack::Wrong)) };
        said.push_str(&value);
        rest = behind;
    }
    said.push_str(rest);
    let given = Base64UrlUnpadded::decode_vec(signature.trim_end_matches('=')).unwrap_or_default();
    bool::from(Md5::digest(said).ct_eq(&given)).then_some(()).ok_or(LinkError::Lack(Lack::Wrong))?;
    if has_expiry { expires(&expiry, clock) } else { Ok(()) }
}

/// Checks that a time in seconds since 1970 has not come.
fn expires(expiry: &str, clock: Clock) -> Result<(), LinkError> {
    let end: u64 = expiry.parse().map_err(|_| LinkError::Lack(Lack::Wrong))?;
    let now = clock.now().ok_or(LinkError::NoClock)?;
    if now.as_secs() < end { Ok(()) } else { Err(LinkError::Expired) }
}

/// App and stream as in the URL; of a file the whole path.
pub(super) fn path(request: &Request<'_>) -> String {
    match request.name {
        Some(name) if request.action != Action::Read && request.app.is_empty() => name.to_string(),
        Some(name) if request.action != Action::Read => format!("{}/{name}", request.app),
        _ => request.app.into(),
    }
}

/// The path of the URL, as nginx knows it: with the extension of what is played over HTTP.
fn uri(request: &Request<'_>) -> String {
    let form = FORMS.iter().copied().find(|form| form.all().any(|form| Some(form.name) == request.form));
    let extension = match (request.protocol, form) {
        ("hls", _) => "m3u8",
        ("http" | "ws", Some(form)) => form.extension,
        _ => "",
    };
    let dot = if extension.is_empty() { "" } else { "." };
    format!("/{}{dot}{extension}", path(request))
}

/// Compares two texts; the time that it takes does not say where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests;
