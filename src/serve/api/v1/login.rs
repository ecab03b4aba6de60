//! Logins: a page shows credentials once, and a cookie stands for them from then on.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::reply::{done, object, refuse};
use crate::proto::Credentials;
use crate::proto::http::Status;
use crate::serve::http::{Answer, Exchange, Field, LOGIN, Wish};
use crate::session::{Action, LOGIN_LASTS};

/// The longest body, in bytes.
pub(in crate::serve) const MAX_BODY: usize = 2 << 10;

/// The credentials of a login: a user with a password, or a token.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Shown {
    Password { user: Box<str>, password: Box<str> },
    Token { token: Box<str> },
}

#[derive(Serialize)]
struct Begun<'a> {
    user: &'a str,
}

/// Who the client is, and what it may do.
#[derive(Serialize)]
struct Known<'a> {
    user: &'a str,
    may_change: bool,
}

/// `GET /api/v1/login`, for those who may read by the API.
pub(in crate::serve) fn tell(exchange: Exchange) -> Answer {
    let shown = exchange.shown();
    let may_change = exchange.foretells(Action::Control, &shown);
    // nobody has checked a name that no rule asks for
    let user = if exchange.config.access.is_empty() { "" } else { shown.name() };
    object(&exchange, &Known { user, may_change })
}

/// `POST /api/v1/login`: `{"user":"NAME","password":"TEXT"}` or `{"token":"TEXT"}`. It is for those who may read by the
/// API.
pub(in crate::serve) fn begin(exchange: Exchange) -> Answer {
    let credentials = match serde_json::from_slice(&exchange.request.body) {
        Ok(Shown::Password { user: name, password }) => Credentials::Password { name, password },
        Ok(Shown::Token { token }) => Credentials::Token(token),
        Err(_) => return refuse(&exchange, Status::BAD_REQUEST, "the body: user and password, or token"),
    };
    let shown = credentials.clone();
    exchange.decide_by(Wish::Path(Action::Api, None), &shown, move |exchange, decided| match decided {
        Ok(_) => keep(&exchange, &credentials),
        Err(why) => match exchange.turn_down(why) {
            Answer::Now(reply) => reply.without("WWW-Authenticate").into(),
            other => other,
        },
    })
}

/// `DELETE /api/v1/login`.
pub(in crate::serve) fn end(exchange: Exchange) -> Answer {
    if let Some(id) = exchange.login() {
        exchange.server.core.logins.end(id, Instant::now());
    }
    with(done(&exchange), cookie(&exchange, "", 0))
}

fn keep(exchange: &Exchange, credentials: &Credentials) -> Answer {
    if exchange.config.access.is_empty() {
        // nothing asks for credentials
        return object(exchange, &Begun { user: "" });
    }
    let Some(id) = exchange.server.core.logins.begin(credentials, Instant::now()) else {
        return refuse(exchange, Status::BAD_REQUEST, "the user and password, or the token, have more than 512 bytes");
    };
    with(object(exchange, &Begun { user: credentials.name() }), cookie(exchange, &id, LOGIN_LASTS.as_secs()))
}

/// No script reads the cookie, and pages of other sites do not send it.
fn cookie(exchange: &Exchange, id: &str, seconds: u64) -> Field {
    let secure = if exchange.tls { "; Secure" } else { "" };
    let text = format!("{LOGIN}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    ("Set-Cookie", text.into())
}

fn with(answer: Answer, field: Field) -> Answer {
    match answer {
        Answer::Now(reply) => reply.with([field]).into(),
        other => other,
    }
}
