//! What goes out for a URL: a server knows an application and the name of a stream in it.

use crate::proto::Url;

/// Whom a client asks, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `app` of `connect`.
    pub app: String,
    /// `tcUrl` of `connect`: the URL of the application.
    pub tc_url: String,
    /// What is published or played, with the query that belongs to it.
    pub name: String,
}

/// Where servers listen if the URL does not say. RTMP 1.0 appendix.
pub const PORT: u16 = 1935;
/// The same under TLS.
pub const PORT_TLS: u16 = 443;

impl Address {
    /// `name` in the application `app` of the server at `origin`, a URL without a path.
    pub fn new(origin: &str, app: &str, name: &str) -> Self {
        Self { app: app.into(), tc_url: format!("{origin}/{app}"), name: name.into() }
    }

    /// Cuts a URL as encoders do; a port that is the usual one is not said.
    pub fn of(url: &Url) -> Self {
        let usual = if url.scheme == "rtmps" { PORT_TLS } else { PORT };
        let port = url.port.filter(|port| *port != usual);
        let origin = Url { port, path: String::new(), ..url.clone() }.target();
        let (app, name) = cut(&url.path);
        Self::new(&origin, app, name)
    }
}

/// The application and the name in it. The last item of the path is the name, as
/// librtmp and SRS have it, unless one of them has a prefix such as `mp4:`, which
/// begins a name with folders of its own. A query behind the first item, with a
/// slash in it, is the application's; another one is the name's. One item alone is
/// an application, as ffmpeg has it.
fn cut(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    let (items, query) = path.split_once('?').map_or((path, None), |(items, query)| (items, Some(query)));
    let at = match query {
        // behind the last slash before a second query
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

/// The slash before the first item, behind the first of all, that has a colon.
fn prefixed(items: &str) -> Option<usize> {
    let first = items.find('/')?;
    let colon = items.split_at(first).1.find(':')? + first;
    items.split_at(colon).0.rfind('/')
}

#[cfg(test)]
mod tests;
