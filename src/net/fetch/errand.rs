//! A request that follows redirections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::Conn;
use super::super::dial::{dial_any, look_up};
use super::super::reach::Reach;
use super::{Dialer, Download, Failure, Limits, Request};
use crate::proto::http::{Client, Method, Outgoing, Then, basic};
use crate::proto::scheme::REQUESTS;
use crate::proto::{Error, Url};

/// The request, as it is sent next.
pub(super) struct Errand<'a> {
    method: Method,
    url: Url,
    fields: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
    /// The network of the server that has redirected it.
    reach: Option<Reach>,
}

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 12 << 10;
/// The longest URL of a redirection, in bytes.
const MAX_URL: usize = 2048;
/// The longest time to connect to one address. It is at most half of the whole time, so that another address can be
/// tried.
const MAX_CONNECT: Duration = Duration::from_secs(10);
const NEARER: Failure = Failure::Redirect("it redirects to an address that is nearer to this server than its own");
/// The header fields that are sent to another server after a redirection; others may be secrets.
const FORWARDED: [&str; 5] = ["accept", "accept-language", "if-modified-since", "if-none-match", "range"];

impl<'a> Errand<'a> {
    pub(super) fn new(request: &Request<'a>) -> Self {
        let Request { method, url, fields, body } = *request;
        Self { method, url: url.clone(), fields: fields.to_vec(), body, reach: None }
    }

    /// Sends the request once.
    pub(super) async fn ask(&mut self, dialer: Dialer<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
        let Self { method, url, fields, body, reach } = self;
        if !is_request(url) {
            return Err(Failure::Request("not a URL of HTTP".into()));
        }
        let mut client = Client::new(&url.authority(), MAX_HEAD, limits.account.clone());
        let password = (!url.user.is_empty() || !url.password.is_empty()).then(|| basic(&url.user, &url.password));
        let password = password.as_ref().map(|password| ("Authorization", password.as_str()));
        // no compressed bodies
        let usual = [("Accept-Encoding", "identity")].into_iter().chain(password);
        let missing = usual.filter(|(name, _)| !fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
        let fields: Vec<_> = fields.iter().copied().chain(missing).collect();
        let target = url.request_target();
        client.ask(&Outgoing { method: *method, target: &target, fields: &fields, body, then: Then::Close })?;
        let room = dialer.watch.make_room(|| (!dialer.gate.is_full()).then_some(()));
        room.ok_or(Failure::Limit(Error::limit("connections.spare is reached")))?;
        let unreachable = |error: io::Error| Failure::Unreachable(error.into());
        let addresses = look_up(&url.host, url.server_port()).await.map_err(unreachable)?;
        let addresses = within(*reach, addresses)?;
        let connect = MAX_CONNECT.min(limits.time / 2);
        let conn = dial_any(&addresses, dialer.sizes, dialer.gate, dialer.watch, connect).await.map_err(unreachable)?;
        let found = Reach::of_peer(conn.peer().ip(), conn.local().map_err(unreachable)?.ip());
        if reach.is_some_and(|before| found < before) {
            return Err(NEARER);
        }
        *reach = Some(found);
        let conn = if url.is_tls() { seal(conn, url, dialer, limits.time).await? } else { conn };
        Download::begin(conn, client, url.clone()).await
    }

    /// Follows a redirection: from here on the request goes to `location`. RFC 9110 section 15.4.
    pub(super) fn moves(&mut self, status: u16, location: &str) -> Result<(), Failure> {
        let to = self.url.join(location).ok().filter(|to| is_request(to) && to.target().len() <= MAX_URL);
        let to = to.ok_or(Failure::Redirect("it redirects to a URL that cannot be used"))?;
        if self.url.is_tls() && !to.is_tls() {
            return Err(Failure::Redirect("it redirects from https to http"));
        }
        let is_repeated = status != 303 && (self.method != Method::Post || matches!(status, 307 | 308));
        if !is_repeated && self.method != Method::Head {
            (self.method, self.body) = (Method::Get, &[]);
            self.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        }
        if !to.is_of_origin(&self.url) {
            if !self.body.is_empty() {
                return Err(Failure::Redirect("it redirects to another server, to which the body is not sent"));
            }
            self.fields.retain(|(name, _)| FORWARDED.iter().any(|harmless| name.eq_ignore_ascii_case(harmless)));
        }
        self.url = to;
        Ok(())
    }
}

/// The addresses to which a server at that distance may redirect. A remote server must not make this one send requests
/// that only this one can, to its own ports or to its local network.
fn within(reach: Option<Reach>, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Failure> {
    let Some(reach) = reach else { return Ok(addresses) };
    let found = addresses.len();
    addresses.retain(|address| Reach::of(address.ip()) >= reach);
    if addresses.is_empty() && found > 0 {
        return Err(NEARER);
    }
    Ok(addresses)
}

fn is_request(url: &Url) -> bool {
    url.scheme().is_some_and(|scheme| REQUESTS.contains(&scheme))
}

#[cfg(feature = "tls")]
async fn seal(conn: Conn, url: &Url, dialer: Dialer<'_>, limit: Duration) -> Result<Conn, Failure> {
    Ok(conn.sealed_to(dialer.trust, &url.host, dialer.throttle, limit).await?)
}

#[cfg(not(feature = "tls"))]
async fn seal(_: Conn, _: &Url, _: Dialer<'_>, _: Duration) -> Result<Conn, Failure> {
    Err(Failure::Request("this program has no TLS".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The redirected method, URL and number of fields, or the reason for the refusal.
    fn moved(from: &str, method: Method, status: u16, to: &str) -> Result<(Method, String, usize), String> {
        let fields = &[("Accept", "a"), ("Cookie", "b"), ("Content-Type", "c"), ("X-Key", "d")];
        let (url, body) = (Url::parse(from).unwrap(), if method == Method::Post { &b"body"[..] } else { b"" });
        let mut errand = Errand::new(&Request { method, url: &url, fields, body });
        errand.moves(status, to).map_err(|why| why.to_string())?;
        let Errand { method, url, fields, body, .. } = errand;
        assert_eq!(body.is_empty(), method != Method::Post);
        let user = if url.user.is_empty() { String::new() } else { format!("{}@", url.user) };
        Ok((method, user + &url.target(), fields.len()))
    }

    #[test]
    fn a_redirection_takes_along_what_the_next_server_may_know() {
        use Method::*;
        let from = "https://u:p@h/a/b?c";
        for (method, status, to, expected) in [
            (Get, 302, "x", (Get, "u@https://h/a/x", 4)),
            (Head, 301, "/x", (Head, "u@https://h/x", 4)),
            (Head, 303, "/x", (Head, "u@https://h/x", 4)),
            (Post, 307, "/x", (Post, "u@https://h/x", 4)),
            (Post, 308, "https://h:443/x", (Post, "u@https://h/x", 4)),
            (Post, 302, "/x", (Get, "u@https://h/x", 3)),
            (Post, 303, "/x", (Get, "u@https://h/x", 3)),
            (Get, 302, "https://h:8443/x", (Get, "https://h:8443/x", 1)),
            (Get, 302, "//v:w@g/x", (Get, "https://g/x", 1)),
            (Post, 302, "//g/x", (Get, "https://g/x", 1)),
        ] {
            let (to_method, url, fields) = expected;
            assert_eq!(
                moved(from, method, status, to),
                Ok((to_method, url.into(), fields)),
                "{method:?} {status} {to}"
            );
        }
        let url = (Get, "https://h/x".to_string(), 1);
        assert_eq!(moved("http://h/a", Get, 301, "https://h/x"), Ok(url), "TLS is better");
    }

    #[test]
    fn nobody_redirects_to_what_is_nearer_than_itself() {
        let all =
            ["127.0.0.1", "169.254.169.254", "192.168.1.1", "192.0.2.1", "::1", "fe80::1", "fd00::1", "2001:db8::1"];
        let all = all.map(|ip| SocketAddr::new(ip.parse().unwrap(), 80));
        let reached = |from: Option<Reach>| -> Vec<usize> {
            (0..all.len()).filter(|&at| within(from, vec![all[at]]).is_ok_and(|left| left == [all[at]])).collect()
        };
        assert_eq!(reached(None), [0, 1, 2, 3, 4, 5, 6, 7], "the first address is whoever asks's own affair");
        assert_eq!(reached(Some(Reach::Machine)), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(reached(Some(Reach::Link)), [1, 2, 3, 5, 6, 7]);
        assert_eq!(reached(Some(Reach::Site)), [2, 3, 6, 7]);
        assert_eq!(reached(Some(Reach::World)), [3, 7]);
        assert_eq!(within(Some(Reach::World), all.to_vec()), Ok(vec![all[3], all[7]]), "the others are not tried");
        let why = within(Some(Reach::World), vec![all[0]]).unwrap_err().to_string();
        assert_eq!(why, "it redirects to an address that is nearer to this server than its own");
        assert_eq!(within(Some(Reach::World), Vec::new()), Ok(Vec::new()));
    }

    #[test]
    fn some_redirections_are_not_followed() {
        use Method::*;
        let long = "x".repeat(3000);
        for (method, to, why) in [
            (Get, "http://h/x", "it redirects from https to http"),
            (Get, "file:///etc/passwd", "it redirects to a URL that cannot be used"),
            (Get, "rtsp://h/x", "it redirects to a URL that cannot be used"),
            (Get, "mailto:a", "it redirects to a URL that cannot be used"),
            (Get, "https://:1/", "it redirects to a URL that cannot be used"),
            (Get, &long, "it redirects to a URL that cannot be used"),
            (Post, "//g/x", "it redirects to another server, to which the body is not sent"),
        ] {
            assert_eq!(moved("https://u:p@h/a", method, 307, to), Err(why.into()), "{to}");
        }
    }
}
