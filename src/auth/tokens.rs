//! Tokens: where clients put them, and what they permit.

use super::clock::Clock;
use super::query::parameter;
use super::{Action, Denial, Request};
use crate::hub::Name;
use crate::proto::jwt::{Claims, Key, TokenError};
use crate::proto::{AuthScheme, Credentials, Lack};
use crate::wire::json::Json;

/// The schemes by which a token can be asked for. Players that know no Bearer send it as a password.
const SCHEMES: &[AuthScheme] = &[AuthScheme::Basic, AuthScheme::Bearer];

/// The token of a client: that of Bearer, `token` or `jwt` of the query, or a password that looks like one.
fn of(request: &Request<'_>, shown: &Credentials) -> Option<String> {
    match shown {
        Credentials::Token(token) => Some(token.to_string()),
        Credentials::Password { password, .. } if password.matches('.').count() == 2 => Some(password.to_string()),
        _ => ["token", "jwt"].into_iter().find_map(|name| parameter(request.query, name)),
    }
}

/// Checks that a token permits what is asked for. In RTMP the credentials shown may be those of the query.
pub(super) fn check(
    request: &Request<'_>,
    shown: &Credentials,
    key: &Key,
    claim: &str,
    clock: Clock,
) -> Result<(), Denial> {
    let lacks = |lack| Denial::Unauthenticated(lack, SCHEMES);
    let denied = |error| match error {
        TokenError::Wrong => lacks(Lack::Wrong),
        TokenError::Expired => Denial::Expired,
    };
    let token = of(request, shown).ok_or(lacks(Lack::Missing))?;
    let claims = Claims::of(&token, key).map_err(denied)?;
    claims.hold_at(clock.now().ok_or(Denial::NoClock)?).map_err(denied)?;
    claims.claim(claim).is_some_and(|listed| permits(listed, request)).then_some(()).ok_or(Denial::Forbidden)
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
fn word(action: Action) -> &'static str {
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
