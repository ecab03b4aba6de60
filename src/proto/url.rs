//! URLs of streams on other servers: address, user and password.

mod reference;

use super::scheme::{FILE, RTSP};
use crate::wire::percent_encode;

/// A URL of the form `SCHEME://[USER[;AUTH=BASIC][:PASSWORD]@]HOST[:PORT][/PATH[?QUERY]]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// The scheme in lower case.
    pub scheme: String,
    /// The user name, decoded; empty if there is none.
    pub user: String,
    /// The password, decoded.
    pub password: String,
    /// `;AUTH=BASIC` after the user: the password may be sent in clear text to a server that asks for it. RFC 5092
    /// section 3.2 defines the notation.
    pub basic: bool,
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The port, if the URL contains one.
    pub port: Option<u16>,
    /// The path with its first slash and the query; may be empty.
    pub path: String,
}

impl Url {
    /// Parses a URL.
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("not a URL")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        // A password may contain any character, also a slash. The last @ before the end of the host ends it, or an
        // @ in the path if the text before it looks like a password.
        let end = match rest.split_at(end).0.contains('@') {
            true => end,
            false => rest
                .rfind('@')
                .filter(|at| rest.split_at(*at).0.contains(':') && looks_like_password(rest, *at))
                .map_or(end, |at| rest.split_at(at).1.find(['/', '?']).map_or(rest.len(), |slash| at + slash)),
        };
        let (authority, path) = rest.split_at(end);
        let (user_info, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let bare = user.len().checked_sub(BASIC.len()).and_then(|at| user.split_at_checked(at));
        let bare = bare.filter(|(_, end)| end.eq_ignore_ascii_case(BASIC)).map(|(bare, _)| bare);
        let (host, port) = split_port(host)?;
        if host.is_empty() {
            return Err("no host");
        }
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return Err("a space or control character");
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user: decode(bare.unwrap_or(user)),
            password: decode(password),
            basic: bare.is_some(),
            host: host.into(),
            port,
            path: path.into(),
        })
    }
}

impl Url {
    /// Parses the URL of a local file, `file:/PATH` or `file:///PATH`. RFC 8089.
    pub fn file(text: &str) -> Option<Self> {
        let path = text.strip_prefix("file:")?;
        let path = path.strip_prefix("//localhost").or_else(|| path.strip_prefix("//")).unwrap_or(path);
        let path = decode(path);
        let (user, password, host) = Default::default();
        let is_absolute = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
        is_absolute.then_some(Self { scheme: FILE.name.into(), user, password, basic: false, host, port: None, path })
    }

    /// The URL of the stream `name`, which replaces `{name}` in the path, or becomes its last item.
    pub fn of_stream(&self, name: &str) -> Self {
        let encodes = self.scheme().is_some_and(|scheme| scheme.encodes);
        let encoded = if encodes { percent_encode(name) } else { name.into() };
        let (items, query) = self.path.split_at(self.path.find('?').unwrap_or(self.path.len()));
        let path = match self.path.contains(NAME) {
            true => self.path.replace(NAME, &encoded),
            false => format!("{}/{encoded}{query}", items.trim_end_matches('/')),
        };
        Self { path, ..self.clone() }
    }

    /// True if the path may contain the end of a password: then the host may be a part of it too, and is not shown.
    pub fn may_cut_password(&self) -> bool {
        !self.is_file() && self.path.contains('@')
    }

    /// True if the path probably contains the end of a password, and not only an `@` of its own.
    pub fn probably_cuts_password(&self) -> bool {
        let (before_query, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let end = if before_query.is_empty() { &self.path } else { before_query };
        !self.user.is_empty() && end.contains('@')
    }

    /// Host and port, in the format of HTTP's field Host. RFC 9110 section 7.2.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{host}{port}")
    }

    /// Host and port in the log, where the rest may be secret.
    pub fn server(&self) -> String {
        match self.may_cut_password() {
            true => "...".into(),
            false => format!("{}:{}", self.host, self.server_port()),
        }
    }

    /// Path and query in ASCII, in the format of HTTP's request line. RFC 9112 section 3.2.1.
    pub fn request_target(&self) -> String {
        let (path, _) = self.path.split_once('#').unwrap_or((&self.path, ""));
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{slash}{}", percent_encode(path))
    }

    /// Scheme, host and port.
    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// The URL with user and password, as `parse` reads it.
    pub fn whole(&self) -> String {
        let basic = if self.basic { BASIC } else { "" };
        let password =
            if self.password.is_empty() { String::new() } else { format!(":{}", encode_all(&self.password)) };
        let user = format!("{}{basic}{password}", encode_all(&self.user));
        let at = if user.is_empty() { "" } else { "@" };
        format!("{}://{user}{at}{}{}", self.scheme, self.authority(), self.path)
    }

    /// The URL with `MASK` for what may be a secret: the password, the query, and the last item of the path, which is a
    /// key with RTMP and may be one with HTTP.
    pub fn masked(&self) -> String {
        if self.is_file() {
            return self.to_string();
        }
        if self.may_cut_password() {
            return format!("{}://{MASK}", self.scheme);
        }
        let (path, has_query) = self.path.split_once('?').map_or((self.path.as_str(), false), |(path, _)| (path, true));
        let is_keyed = !self.scheme.starts_with(RTSP.name);
        let last = path.rfind('/').map_or(0, |at| at + 1);
        let (folder, item) = path.split_at(last);
        let item = if is_keyed && !item.is_empty() { MASK } else { item };
        let query = if has_query { "?********" } else { "" };
        let user = match (self.user.is_empty(), self.password.is_empty()) {
            (true, true) => String::new(),
            (_, true) => format!("{}@", percent_encode(&self.user)),
            _ => format!("{}:{MASK}@", percent_encode(&self.user)),
        };
        format!("{}://{user}{}{folder}{item}{query}", self.scheme, self.authority())
    }

    /// The URL without user and password, as it is sent.
    pub fn target(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }
}

/// The remedy for a password with characters that separate the parts of a URL.
macro_rules! encode {
    () => {
        "in a password write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F"
    };
}
/// The remedy for a URL that cannot be read.
pub const ENCODE: &str = encode!();
/// The text about a URL whose password is probably cut.
pub const CUT: &str = concat!("has an @ after the host, so its password may be cut: ", encode!());
/// The text that stands for secrets wherever they are shown.
pub const MASK: &str = "********";
/// The placeholder for the stream's name.
const NAME: &str = "{name}";
/// The mark after a user whose password may be sent in clear text.
const BASIC: &str = ";AUTH=BASIC";
/// The maximum number of characters of a URL that are logged.
const MAX_LOGGED: usize = 200;

/// True if the text before the `@` at `at` begins like `user:password` and not like `host:port`.
fn looks_like_password(rest: &str, at: usize) -> bool {
    let before = rest.split_at(at).0;
    let after_colon = before.split_once(':').map_or("", |(_, after)| after);
    let port = after_colon.split(['/', '?']).next().unwrap_or_default();
    port.parse::<u16>().is_err()
}

fn split_port(host: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (name, after) = rest.split_once(']').ok_or("a bracket that is not closed")?;
            match after.strip_prefix(':') {
                None if !after.is_empty() => return Err("a port without a colon"),
                port => (name, port.unwrap_or_default()),
            }
        }
        None => host.rsplit_once(':').unwrap_or((host, "")),
    };
    if name.contains(['[', ']']) {
        return Err("a bracket in the host");
    }
    if port.is_empty() {
        return Ok((name, None));
    }
    port.parse().map(|port| (name, Some(port))).map_err(|_| "the port is not a number")
}

/// Encodes everything that could separate parts of a URL.
fn encode_all(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Decodes percent codes; invalid codes stay unchanged.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// For logs: without user, password and query, without the last item of the path (it may be a key), and with
/// limited length. If the path contains an `@`, a password may end there and the host may be a part of it, so
/// neither is shown.
impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_file() {
            return write!(f, "{}:{}", self.scheme, self.path);
        }
        if self.may_cut_password() {
            return write!(f, "{}://...", self.scheme);
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let folder = path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or_default();
        let mut said = self.origin() + folder;
        if let Some((end, _)) = said.char_indices().nth(MAX_LOGGED) {
            said.truncate(end);
        }
        write!(f, "{said}...")
    }
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_their_parts() {
        let url = Url::parse("RTSP://admin:p%40ss@10.0.0.7:8554/a/b?x=1").unwrap();
        assert_eq!((url.scheme.as_str(), url.user.as_str(), url.password.as_str()), ("rtsp", "admin", "p@ss"));
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("10.0.0.7", Some(8554), "/a/b?x=1"));
        assert_eq!(url.target(), "rtsp://10.0.0.7:8554/a/b?x=1");
        assert_eq!(url.to_string(), "rtsp://10.0.0.7:8554/a/...");
        let url = Url::parse("rtmp://[::1]/live/a").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.target().as_str()), ("::1", None, "rtmp://[::1]/live/a"));
        let url = Url::parse("rtsp://cam").unwrap();
        assert_eq!((url.host.as_str(), url.path.as_str()), ("cam", ""));
    }

    #[test]
    fn a_whole_url_is_read_as_it_was() {
        for text in [
            "rtsp://us%40er;AUTH=BASIC:p%3A%2F%25%C3%A9@10.0.0.7:554/a?b=c",
            "rtmp://[::1]/live/KEY?x=y@z",
            "rtsp://:p@h/a",
            "rtsp://u@h",
            "rtsp://u:p@h/w@10.0.0.5/a",
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(Url::parse(&url.whole()).as_ref(), Ok(&url), "{text}: {}", url.whole());
        }
    }

    #[test]
    fn what_may_be_secret_is_masked() {
        for (url, expected) in [
            ("rtsp://admin:p%40ss@10.0.0.7:8554/a/101", "rtsp://admin:********@10.0.0.7:8554/a/101"),
            ("rtsp://admin;AUTH=BASIC:p@h/a?k=1", "rtsp://admin:********@h/a?********"),
            ("rtsp://:p@h/a", "rtsp://:********@h/a"),
            ("rtsp://admin@h/a", "rtsp://admin@h/a"),
            ("rtmp://[::1]/live/KEY?x=y", "rtmp://[::1]/live/********?********"),
            ("rtmp://h/app?secret=x/KEY", "rtmp://h/********?********"),
            ("rtsp://u:p@h/w@10.0.0.5/a", "rtsp://********"),
            ("rtmp://h", "rtmp://h"),
        ] {
            assert_eq!(Url::parse(url).unwrap().masked(), expected);
        }
    }

    #[test]
    fn a_stream_has_its_name_in_the_path() {
        for (url, expected) in [
            ("rtmp://h/live", "rtmp://h/live/a\u{e9}"),
            ("rtmp://h/live/?key=1/2", "rtmp://h/live/a\u{e9}?key=1/2"),
            ("rtmp://h/live/x-{name}?of={name}", "rtmp://h/live/x-a\u{e9}?of=a\u{e9}"),
            ("rtsps://u:p@h:1/b", "rtsps://h:1/b/a%C3%A9"),
            ("rtsp://h", "rtsp://h/a%C3%A9"),
        ] {
            assert_eq!(Url::parse(url).unwrap().of_stream("a\u{e9}").target(), expected);
        }
    }

    #[test]
    fn files_are_on_this_machine_and_have_absolute_paths() {
        for text in ["file:/a/b c.mp4", "file:///a/b%20c.mp4", "file://localhost/a/b%20c.mp4"] {
            let url = Url::file(text).unwrap();
            assert_eq!((url.path.as_str(), url.to_string().as_str()), ("/a/b c.mp4", "file:/a/b c.mp4"));
        }
        for text in ["", "/a", "file:", "file:a", "file://host/a", "file:/", "file:/a/", "file:/a%00", "files:/a"] {
            assert!(Url::file(text).is_none(), "{text}");
        }
    }

    #[test]
    fn passwords_hold_what_people_choose() {
        for (text, password, host) in [
            ("rtsp://u:a@b@h/p", "a@b", "h"),
            ("rtsp://u:a/b?c@h:1/p", "a/b?c", "h"),
            ("rtsp://u:a:b%zz@h/p", "a:b%zz", "h"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.user.as_str(), url.password.as_str(), url.host.as_str()), ("u", password, host), "{text}");
            assert!(url.path == "/p", "{text}");
        }
        let url = Url::parse("rtsp://h:554/a@b").unwrap();
        assert_eq!((url.host.as_str(), url.path.as_str()), ("h", "/a@b"));
    }

    #[test]
    fn no_part_of_a_password_is_logged_wherever_it_was_cut() {
        for text in ["rtsp://u:a@b/c@h/p", "rtsp://u:12/x@h/p", "rtsp://u:a@b?c@h/p", "rtsp://u:p@h/p?k=x@y"] {
            assert_eq!(Url::parse(text).unwrap().to_string(), "rtsp://...", "{text}");
        }
        let cuts = |text: &str| Url::parse(text).unwrap().probably_cuts_password();
        assert!(["rtsp://u:p@ss/w@h/s", "rtsp://u:a@b?c@h/p"].into_iter().all(cuts));
        assert!(!["rtsp://u:p%40ss%2Fw@h/s", "rtsp://h:554/a@b", "rtsp://u:p@h/p?k=x@y"].into_iter().any(cuts));
        let long = format!("rtsp://{}/a/b", "h".repeat(1000));
        assert!(Url::parse(&long).unwrap().to_string().len() < 210);
    }

    #[test]
    fn the_user_says_whether_the_password_may_be_told() {
        for (text, user, basic) in [
            ("rtsp://u:p@h/", "u", false),
            ("rtsp://u;AUTH=BASIC:p@h/", "u", true),
            ("rtsp://u;auth=basic:p@h/", "u", true),
            ("rtsp://u;AUTH=BASIC@h/", "u", true),
            ("rtsp://u%3bAUTH=BASIC:p@h/", "u;AUTH=BASIC", false),
            ("rtsp://u:p;AUTH=BASIC@h/", "u", false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.user.as_str(), url.basic), (user, basic), "{text}");
            assert!(!url.target().contains("BASIC"));
        }
    }

    #[test]
    fn what_is_no_url() {
        for text in ["", "host/path", "rtsp://", "rtsp:///a", "rtsp://h:x/", "rtsp://[::1/a", "rtsp://h/a b"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
        for text in ["rtsp://[::1]8554/a", "rtsp://[::1]h:8554/a", "rtsp://::1]:8554/a", "rtsp://[[::1]:8554/a"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
