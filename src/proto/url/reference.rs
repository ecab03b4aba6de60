//! References to URLs, in redirects and playlists. RFC 3986 section 5.

use super::Url;

/// The parts of a reference, without its fragment. RFC 3986 section 4.1.
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    /// The query with its question mark.
    query: &'a str,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Self {
        let (text, _) = text.split_once('#').unwrap_or((text, ""));
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (Some(authority), rest)
            }
            None => (None, rest),
        };
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        Self { scheme, authority, path, query }
    }
}

/// True if a text is a valid scheme. RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    let others = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(others)
}

impl Url {
    /// Resolves a reference against this URL. User and password are kept only for the same server, scheme and port;
    /// those in the reference are dropped.
    ///
    /// # Errors
    /// The reason why the reference cannot be resolved.
    pub fn join(&self, reference: &str) -> Result<Self, &'static str> {
        if reference.chars().any(char::is_control) {
            return Err("a control character");
        }
        let reference = Reference::parse(reference);
        let elsewhere = match (reference.scheme, reference.authority) {
            (Some(_), None) => return Err("not a URL"),
            (None, None) => return Ok(Self { path: self.merge(&reference), ..self.clone() }),
            (scheme, Some(authority)) => {
                let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                Self::parse(&format!("{}://{host}", scheme.unwrap_or(&self.scheme)))?
            }
        };
        let path = without_dots(reference.path) + reference.query;
        Ok(match elsewhere.is_of_origin(self) {
            true => Self { path, ..self.clone() },
            false => Self { path, ..elsewhere },
        })
    }

    /// Path and query of a reference that consists only of these. RFC 3986 section 5.2.2.
    fn merge(&self, reference: &Reference<'_>) -> String {
        let (own, _) = self.path.split_once('#').unwrap_or((&self.path, ""));
        let (items, _) = own.split_at(own.find('?').unwrap_or(own.len()));
        match (reference.path, reference.query) {
            ("", "") => own.into(),
            ("", query) => format!("{items}{query}"),
            (path, query) if path.starts_with('/') => without_dots(path) + query,
            (path, query) => {
                let (folder, _) = items.rsplit_once('/').unwrap_or_default();
                without_dots(&format!("{folder}/{path}")) + query
            }
        }
    }
}

/// A path with `.` and `..` items resolved. RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut items: Vec<&str> = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(item) = rest.next() {
        let is_last = rest.peek().is_none();
        match item {
            "." => {}
            ".." => _ = items.pop(),
            item => {
                items.push(item);
                continue;
            }
        }
        // the path of a folder ends with a slash
        items.extend(is_last.then_some(""));
    }
    format!("/{}", items.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_references_of_the_specification() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("HTTPS://g:1/./x:y@z", "https://g:1/x:y@z"),
        ] {
            assert_eq!(base.join(reference).unwrap().target(), expected, "{reference}");
        }
        for reference in ["g:h", "mailto:a@b", "http://", "http:///x", "//h:x/", "/a\rb", "http://a b/"] {
            assert!(base.join(reference).is_err(), "{reference}");
        }
        assert_eq!(Url::parse("http://a").unwrap().join("g").unwrap().target(), "http://a/g");
    }

    #[test]
    fn a_password_stays_with_its_server() {
        let base = Url::parse("https://u:p@h/a").unwrap();
        for same in ["b", "/b", "//h/b", "https://H:443/b", "https://h/b", "https://other:x@h/b"] {
            assert_eq!((base.join(same).unwrap().user, base.join(same).unwrap().password), ("u".into(), "p".into()));
        }
        for other in ["http://h/b", "https://h:444/b", "//g/b", "https://other:x@g/b", "https://h@g/b"] {
            let url = base.join(other).unwrap();
            assert_eq!((url.user.as_str(), url.password.as_str()), ("", ""), "{other}");
        }
    }
}
