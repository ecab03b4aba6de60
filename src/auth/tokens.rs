//! Tokens: where clients put them, and what they permit.

use std::sync::Arc;

use super::clock::Clock;
use super::key_sets::Source;
use super::query::parameter;
use super::state::State;
use super::{Action, Denial, Request};
use crate::conf::TokenKey;
use crate::hub::Name;
use crate::proto::jwt::{Claims, Key, TokenError};
use crate::proto::{AuthScheme, Credentials, Lack};
use crate::wire::json::Json;

/// The keys of a rule.
enum Keys<'a> {
    Own(&'a Key),
    Read(Arc<Key>),
    Set(Arc<Source>),
}

/// The schemes by which a token can be asked for. Players that know no Bearer send it as a password.
const SCHEMES: &[AuthScheme] = &[AuthScheme::Basic, AuthScheme::Bearer];

/// The token of a client: that of Bearer, `token` or `jwt` of the query, or a password that looks like one.
fn of(request: &Request<'_>, shown: &Credentials) -> Option<String> {
    match shown {
        Credentials::Token(token) => Some(token.to_string()),
        Credentials::Password { password, .. } if password.matches('.').count() == 2 => Some(password.to_string()),
        _ => of_query(request.query),
    }
}

/// A token in the query.
pub(super) fn of_query(query: &str) -> Option<String> {
    ["token", "jwt"].into_iter().find_map(|name| parameter(query, name))
}

/// Checks that a token permits what is asked for. In RTMP the credentials shown may be those of the query.
pub(super) fn check(
    state: &State,
    request: &Request<'_>,
    shown: &Credentials,
    key: TokenKey<'_>,
    claim: &str,
    clock: Clock,
) -> Result<(), Denial> {
    let lacks = |lack| Denial::Unauthenticated(lack, SCHEMES);
    let denied = |error| match error {
        TokenError::Wrong => lacks(Lack::Wrong),
        TokenError::Expired => Denial::Expired,
    };
    // a key that cannot be read takes no other way in, nor is it asked for
    let keys = Keys::of(state, key).ok_or(Denial::Unanswered)?;
    let token = of(request, shown).ok_or(lacks(Lack::Missing))?;
    let claims = keys.claims(&token)?.ok_or(lacks(Lack::Wrong))?;
    claims.hold_at(clock.now().ok_or(Denial::NoClock)?).map_err(denied)?;
    claims.claim(claim).is_some_and(|listed| permits(listed, request)).then_some(()).ok_or(Denial::Forbidden)
}

impl<'a> Keys<'a> {
    /// Those of a rule, once they were read.
    fn of(state: &State, key: TokenKey<'a>) -> Option<Self> {
        match key {
            TokenKey::Own(key) => Some(Self::Own(key)),
            TokenKey::File(file) => state.key(file).map(Self::Read),
            TokenKey::Set(url, ca) => state.key_sets.find(url, ca).filter(|set| set.is_there()).map(Self::Set),
        }
    }

    /// The claims of a token, if one of the keys has signed it.
    fn claims(&self, token: &str) -> Result<Option<Claims>, Denial> {
        let held;
        let key = match self {
            Self::Own(key) => key,
            Self::Read(key) => &**key,
            Self::Set(set) => {
                let Some(key) = set.key(token)? else { return Ok(None) };
                held = key;
                &*held
            }
        };
        Ok(Claims::of(token, key).ok())
    }
}

/// Checks that a list of permissions, or its text, has one for a request.
fn permits(listed: Json<'_>, request: &Request<'_>) -> bool {
    let text = listed.text();
    let listed = text.as_deref().map_or(Some(listed), Json::parse);
    let action = word(request.action);
    let is_it = |permission: Json<'_>| {
        let said = permission.field("action").and_then(Json::text);
        let path = permission.field("path").map_or(Some("".into()), Json::text);
        said.as_deref() == Some(action) && path.is_some_and(|path| is_at(&path, request.name))
    };
    listed.is_some_and(|listed| listed.items().any(is_it))
}

/// The action in MediaMTX's words.
pub(super) fn word(action: Action) -> &'static str {
    match action {
        Action::Publish => "publish",
        Action::Play => "read",
        Action::Read => "playback",
        Action::Api | Action::Control => "api",
        Action::Metrics => "metrics",
    }
}

/// Tells if a path leads to a stream: its last item is the name, whatever the app. An empty one is everything.
fn is_at(path: &str, name: Option<&Name>) -> bool {
    let last = path.trim_matches('/').rsplit('/').next().unwrap_or_default();
    path.is_empty() || name.is_some_and(|name| name.as_str() == last)
}
