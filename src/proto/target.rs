//! The stream that a client's request names: app, name and query.

/// A stream as a client's request names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// All path items before the last; only for information.
    pub app: String,
    /// The last path item, unchanged: the key of the stream.
    pub name: String,
    /// The query without `?`; empty if there is none.
    pub query: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}/{}", self.app, self.name)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

impl Target {
    /// Joins the `app` of `connect` and the name of `publish` or `play`. Either may contain the query; the name may
    /// contain path items; the app may contain the whole path.
    pub fn new(app: &str, name: &str) -> Self {
        let (app, app_query) = cut(app);
        let (name, query) = cut(name);
        let path = [app, name].map(|part| part.trim_matches('/')).join("/");
        let path = path.trim_matches('/');
        let (app, name) = path.rsplit_once('/').unwrap_or(("", path));
        let app = app.strip_suffix("/_definst_").unwrap_or(app);
        let query = if query.is_empty() { app_query } else { query };
        Self { app: app.into(), name: name.into(), query: query.into() }
    }

    /// The same with at most `most` bytes of each part, for a target that is stored.
    #[must_use]
    pub fn cut(mut self, most: usize) -> Self {
        for part in [&mut self.app, &mut self.name, &mut self.query] {
            part.truncate(part.floor_char_boundary(most));
            part.shrink_to_fit();
        }
        self
    }

    /// The target of a URL, of which only the path and the query count.
    pub fn of_url(url: &str) -> Self {
        let path =
            url.split_once("://").map_or(url, |(_, rest)| rest.find(['/', '?']).map_or("", |at| rest.split_at(at).1));
        Self::new("", path)
    }
}

/// Splits off the query.
fn cut(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_clients_send() {
        let cases = [
            (("live", "test110"), ("live", "test110", "")),
            (("live/", "test110?a=b"), ("live", "test110", "a=b")),
            (("live?token=x", "test110"), ("live", "test110", "token=x")),
            (("live/_definst_", "test110"), ("live", "test110", "")),
            (("a/b", "c/test110"), ("a/b/c", "test110", "")),
            (("test110", ""), ("", "test110", "")),
            (("", ""), ("", "", "")),
        ];
        for ((app, name), (want_app, want_name, want_query)) in cases {
            let want = Target { app: want_app.into(), name: want_name.into(), query: want_query.into() };
            assert_eq!(Target::new(app, name), want);
        }
    }

    #[test]
    fn urls_without_and_with_everything() {
        for url in ["rtsp://h:5544/live/test110?a=b", "/live/test110?a=b", "live/test110/?a=b"] {
            let want = Target { app: "live".into(), name: "test110".into(), query: "a=b".into() };
            assert_eq!(Target::of_url(url), want, "{url}");
        }
        assert_eq!(Target::of_url("rtsp://h"), Target::default());
    }
}
