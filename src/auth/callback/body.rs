//! The body of a question: MediaMTX's, or SRS's.

use std::borrow::Cow;

use super::super::{Request, links, tokens};
use crate::conf::Format;
use crate::net::random;
use crate::proto::Credentials;
use crate::wire::json::push_text;

/// The description of a client.
pub(super) struct Said<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) path: String,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    /// That of Bearer, or of the query.
    pub(super) token: Cow<'a, str>,
}

/// The longest texts of a client that are passed on, in bytes.
const LONGEST: usize = 4 << 10;
/// The longest body.
const MAX_BODY: usize = 6 << 10;
/// The name of the one virtual host, as SRS has it.
const VHOST: &str = "__defaultVhost__";

impl<'a> Said<'a> {
    pub(super) fn new(request: &'a Request<'a>, shown: &'a Credentials) -> Self {
        let (user, password) = match shown {
            Credentials::Password { name, password } => (&**name, &**password),
            _ => ("", ""),
        };
        let token = match shown {
            Credentials::Token(token) => Cow::Borrowed(&**token),
            _ => tokens::of_query(request.query).unwrap_or_default().into(),
        };
        Self { request, path: links::path(request), user, password, token }
    }

    /// True if it has shown a user or a token.
    pub(super) fn has_credentials(&self) -> bool {
        [self.user, self.password, &*self.token].iter().any(|part| !part.is_empty())
    }

    /// The action in MediaMTX's words.
    pub(super) fn action(&self) -> &'static str {
        tokens::word(self.request.action)
    }

    /// The body; `None` if the client says too much.
    pub(super) fn body(&self, format: Format) -> Option<String> {
        let Request { query, agent, .. } = *self.request;
        let said = [&*self.path, self.user, self.password, &self.token, query, agent];
        let is_short = said.iter().map(|part| part.len()).sum::<usize>() <= LONGEST;
        let body = is_short.then(|| if format == Format::Srs { self.of_srs() } else { self.of_mediamtx() })?;
        (body.len() <= MAX_BODY).then_some(body)
    }

    fn of_mediamtx(&self) -> String {
        let Request { peer, protocol, query, agent, .. } = *self.request;
        object(&[
            ("ip", Some(&peer.ip().to_canonical().to_string())),
            ("user", Some(self.user)),
            ("password", Some(self.password)),
            ("token", Some(&self.token)),
            ("action", Some(self.action())),
            ("path", Some(&self.path)),
            ("protocol", Some(protocol)),
            ("id", None),
            ("query", Some(query)),
            ("userAgent", Some(agent)),
        ])
    }

    fn of_srs(&self) -> String {
        let Request { peer, app, query, name, .. } = *self.request;
        let param = if query.is_empty() { String::new() } else { format!("?{query}") };
        let stream = name.map_or("", |name| name.as_str());
        let plays = self.action() != "publish";
        let all = [
            ("server_id", Some("runnel")),
            ("service_id", Some("")),
            ("action", Some(if plays { "on_play" } else { "on_publish" })),
            ("client_id", Some(&*format!("{:016x}", random::number()))),
            ("ip", Some(&*peer.ip().to_canonical().to_string())),
            ("vhost", Some(VHOST)),
            ("app", Some(app)),
            ("tcUrl", Some(&*format!("rtmp://{VHOST}/{app}"))),
            ("stream", Some(stream)),
            ("param", Some(&*param)),
            ("stream_url", Some(&*format!("/{app}/{stream}"))),
            ("stream_id", Some("")),
            ("pageUrl", Some("")),
        ];
        // the last is on_play's alone
        object(all.get(..all.len() - usize::from(!plays)).unwrap_or_default())
    }
}

/// An object of texts, and of what is null.
fn object(fields: &[(&str, Option<&str>)]) -> String {
    let mut out = String::with_capacity(512);
    for (at, (name, value)) in fields.iter().enumerate() {
        out.push(if at == 0 { '{' } else { ',' });
        push_text(&mut out, name);
        out.push(':');
        match value {
            Some(text) => push_text(&mut out, text),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out
}
