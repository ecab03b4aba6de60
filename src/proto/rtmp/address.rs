//! The parts of an RTMP URL: an application, and the name of a stream in it.

use crate::container::amf::Value;
use crate::proto::Url;
use crate::proto::scheme::RTMP;

/// The stream that a client publishes or plays, as its requests name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `app` of `connect`.
    pub app: String,
    /// `tcUrl` of `connect`: the URL of the application.
    pub tc_url: String,
    /// The name of the stream, including its query.
    pub name: String,
}

impl Address {
    /// `name` in the application `app` of the server at `origin`, a URL without a path.
    pub fn new(origin: &str, app: &str, name: &str) -> Self {
        Self { app: app.into(), tc_url: format!("{origin}/{app}"), name: name.into() }
    }

    /// Splits a URL as encoders do. A default port is left out.
    pub fn of(url: &Url) -> Self {
        let usual = url.scheme().unwrap_or(&RTMP).port;
        let port = url.port.filter(|port| *port != usual);
        let origin = Url { port, path: String::new(), ..url.clone() }.target();
        let (app, name) = cut(&url.path);
        Self::new(&origin, app, name)
    }

    /// The URL to which `ex` of a refusal redirects. `redirect` is the URL of an application, in which the name
    /// stays the same, or a whole URL. SRS also sends the whole URL as `redirect2`.
    pub(super) fn moved(&self, ex: &Value, at_connect: bool) -> Option<String> {
        let text = |name| ex.member(name).and_then(Value::as_text).filter(|text| !text.is_empty());
        let code = ex.member("code").and_then(Value::as_number);
        let to = text("redirect2").or_else(|| text("redirect")).filter(|_| code == Some(REDIRECT))?;
        let there = Url::parse(to).map(|url| Self::of(&url)).unwrap_or_default();
        let bare = |name: &str| name.split('?').next().unwrap_or_default().to_string();
        let whole = text("redirect2").is_some() || !at_connect || bare(&there.name) == bare(&self.name);
        Some(match whole && !there.name.is_empty() {
            true => to.into(),
            false => format!("{}/{}", to.trim_end_matches('/'), self.name),
        })
    }

    /// The parts that must not be logged: the name, and the queries with their values.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let queries = [&self.app, &self.name].map(|text| text.split_once('?').map_or("", |(_, query)| query));
        let pairs = queries.into_iter().flat_map(|query| query.split('&'));
        let values = pairs.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let name = self.name.split('?').next().unwrap_or_default();
        [&*self.name, name].into_iter().chain(queries).chain(values)
    }

    /// A server's text for the log, on one line and of limited length. Secrets of this address that it repeats are
    /// replaced.
    pub(super) fn redact(&self, said: &str) -> String {
        let mut secrets: Vec<_> = self.secrets().filter(|secret| secret.len() >= MIN_SECRET).collect();
        // the longest first, because it may contain another
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let said = secrets.into_iter().fold(said.to_string(), |said, secret| said.replace(secret, "..."));
        let mut line = String::new();
        for c in said.chars().take(MAX_LOGGED) {
            match c {
                '\'' | '"' => line.push(c),
                _ => line.extend(c.escape_debug()),
            }
        }
        line
    }
}

/// Splits a path into the application and the name in it.
///
/// The last item of the path is the name, as in librtmp and SRS. An item with a prefix such as `mp4:` begins a name
/// that contains slashes. A query after the first item that contains a slash belongs to the application; any other
/// query belongs to the name. A single item is an application, as in ffmpeg.
fn cut(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    let (items, query) = path.split_once('?').map_or((path, None), |(items, query)| (items, Some(query)));
    let at = match query {
        // the last slash before a second query
        Some(query) if !items.contains('/') => {
            let own = query.split('?').next().unwrap_or_default();
            own.rfind('/').map(|at| items.len() + 1 + at)
        }
        Some(_) => prefixed(items).or_else(|| items.rfind('/')),
        None => prefixed(items).or_else(|| items.trim_end_matches('/').rfind('/')),
    };
    let (app, name) = at.map_or((path, ""), |at| path.split_at(at));
    let name = if query.is_none() { name.trim_end_matches('/') } else { name };
    (app.trim_end_matches('/'), name.strip_prefix('/').unwrap_or(name))
}

/// The slash before the first item with a colon, not counting the first of all items.
fn prefixed(items: &str) -> Option<usize> {
    let first = items.find('/')?;
    let colon = items.split_at(first).1.find(':')? + first;
    items.split_at(colon).0.rfind('/')
}

/// `ex.code` of a redirect: HTTP's 302.
const REDIRECT: f64 = 302.0;
/// The minimum length of a secret: shorter texts are parts of many words.
const MIN_SECRET: usize = 4;
/// The maximum number of characters of a server's text that are logged.
const MAX_LOGGED: usize = 200;

#[cfg(test)]
mod tests;
