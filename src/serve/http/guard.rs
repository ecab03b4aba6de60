//! The rule for browsers that reach the API. A page of another site must not read what the API tells (DNS rebinding:
//! the name of that site leads here), nor change anything (requests that a page makes without being able to read the
//! answer).

use std::net::SocketAddr;

use super::reply::{CORS, Field, Reply};
use super::routes::{Route, Table};
use crate::conf::Config;
use crate::net::{Client, Via};
use crate::proto::http::{Request, Status};
use crate::serve::{PER_PEER, Server};

/// The paths of the API on ports that serve other things too.
const GUARDED: &[&str] = &[
    #[cfg(feature = "api")]
    "/api/stat/",
    #[cfg(feature = "api")]
    "/api/ctrl/",
    #[cfg(feature = "api")]
    "/api/v1/",
    #[cfg(feature = "api")]
    "/v3/",
];

/// The reason why a request gets no answer of its row.
pub(super) enum Barred {
    /// It names a host that is not this server's.
    Misdirected,
    /// A page of another site asks for a change.
    CrossSite,
    /// The operator refuses its address.
    Address,
    /// A proxy passes on as many connections of its address as that may have.
    Crowded,
}

impl From<Barred> for Reply {
    fn from(why: Barred) -> Self {
        let (status, words) = match why {
            Barred::Misdirected => {
                (Status::MISDIRECTED, "the API answers to IP addresses, localhost, and the names in api.hosts")
            }
            Barred::CrossSite => {
                (Status::FORBIDDEN, "a page of another site asks for this, which api.origins does not list")
            }
            Barred::Address => return Status::FORBIDDEN.into(),
            Barred::Crowded => return Self::refuse(Status::UNAVAILABLE, PER_PEER).retry_after(5),
        };
        Self::refuse(status, words).without(CORS.0)
    }
}

/// Bars a request to the API that names another host. No browser comes by the Unix socket.
pub(super) fn check(table: &Table, config: &Config, client: Client, request: &Request) -> Result<(), Barred> {
    if client.via == Via::Socket {
        return Ok(());
    }
    let mut hosts = request.fields.values("host").peekable();
    let is_known = hosts.peek().is_some() && hosts.all(|host| is_own(config, host));
    if is_guarded(table, request) && !is_known { Err(Barred::Misdirected) } else { Ok(()) }
}

/// Bars a request from `peer` that a row may not answer. A page of another site reads a WebSocket whatever the fields of
/// the answer say, so that of the API is not for it either. An address that the operator refuses gets no answer on a
/// connection that was there either; where a row asks for a leave, that is decided with it.
pub(super) fn check_row(
    table: &Table,
    row: &Route,
    server: &Server,
    peer: SocketAddr,
    request: &Request,
) -> Result<(), Barred> {
    if row.wish.is_none() && server.core.refuses(peer.ip()) {
        return Err(Barred::Address);
    }
    let config = server.core.config();
    let is_sensitive = row.changes || request.websocket().is_some() && is_guarded(table, request);
    if is_sensitive && is_foreign(&config, request) { Err(Barred::CrossSite) } else { Ok(()) }
}

fn is_guarded(table: &Table, request: &Request) -> bool {
    table.is_guarded || GUARDED.iter().any(|start| request.path.starts_with(start))
}

/// True if a page of another site asks that is not listed. A browser that says neither the page's origin nor how near
/// that is, as it may be without TLS, can still say the page in `Referer`.
fn is_foreign(config: &Config, request: &Request) -> bool {
    let fields = &request.fields;
    let site = fields.get("sec-fetch-site");
    let is_elsewhere = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let referer = fields.get("referer").filter(|_| site.is_none()).map(origin_of);
    let Some(origin) = fields.get("origin").or(referer) else { return is_elsewhere };
    let host = origin.split_once("://").map(|(_, host)| host);
    let is_own = host.zip(fields.get("host")).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other));
    !is_listed(config, origin) && (is_elsewhere || !is_own)
}

/// The scheme and host of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + "://".len());
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    end.and_then(|end| url.get(..host + end)).unwrap_or(url)
}

/// The field that says which pages of other origins may read an answer: all may, but for the API's those that are
/// listed.
pub(super) fn origin(table: &Table, config: &Config, request: &Request) -> Option<Field> {
    if is_guarded(table, request) { listed_origin(config, request) } else { Some(CORS) }
}

/// The field that lets a page which is listed read an answer of the API.
pub(in crate::serve) fn listed_origin(config: &Config, request: &Request) -> Option<Field> {
    let origin = request.fields.get("origin").filter(|origin| is_listed(config, origin))?;
    Some((CORS.0, origin.to_string().into()))
}

fn is_listed(config: &Config, origin: &str) -> bool {
    config.api.origins.iter().any(|one| one.eq_ignore_ascii_case(origin))
}

/// True if a host with or without a port is this server's.
fn is_own(config: &Config, host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        let is_port = |rest: &str| rest.is_empty() || rest.starts_with(':');
        return literal
            .split_once(']')
            .is_some_and(|(address, rest)| is_port(rest) && address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name.parse::<std::net::Ipv4Addr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || config.api.hosts.iter().any(|one| one.eq_ignore_ascii_case(name))
}

#[cfg(all(test, feature = "api"))]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_literal_or_a_name_that_is_listed() {
        let config = Config::parse("test", "[api]\nhosts = [\"box.lan\"]\n").unwrap();
        for host in ["192.0.2.1", "192.0.2.1:8083", "[::1]:8083", "[2001:db8::1]", "LocalHost:1", "Box.lan:8083"] {
            assert!(is_own(&config, host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "box.lan.evil.example",
            "192.0.2.1.evil.example",
            "[evil]",
            "[::1].evil.example",
            "localhost.",
            "::1",
        ] {
            assert!(!is_own(&config, host), "{host}");
        }
    }
}
