//! HTTP requests to other servers, under TLS or not: one connection each. RFC 9110, RFC 9112.

mod contact;
mod download;
mod errand;
mod failure;
#[cfg_attr(not(feature = "tls"), path = "fetch/no_seals.rs")]
mod seals;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::reactor::Timer;
use smol::future::or;

use super::{Gate, SocketSizes, Watch};
#[cfg(feature = "tls")]
use super::{HandshakeThrottle, Trust};
use crate::budget::Account;
use crate::proto::Url;
use crate::proto::http::Method;
pub use contact::Contact;
pub use download::{Download, Fetched};
use errand::Errand;
pub use failure::{Failure, Trouble};

/// A request. Its `Debug` shows no field values: they may be credentials.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The URL, `http` or `https`. Its user and password are sent by Basic authentication. RFC 7617.
    pub url: &'a Url,
    /// More fields, as [`Outgoing`](crate::proto::http::Outgoing) has them.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url, fields, body } = self;
        let names = fields.iter().map(|(name, _)| name);
        write!(f, "{method:?} {url:?} {:?}, {} bytes", names.collect::<Vec<_>>(), body.len())
    }
}

/// The limits of a request.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// The time from the lookup of the name to the end of the answer, or to the end of its head for [`open`].
    pub time: Duration,
    /// The bytes of the body; [`open`] ignores this.
    pub body: usize,
    /// The most redirections that are followed, up to [`MAX_REDIRECTS`]. None leads from https to http, or to an
    /// address that is nearer to this server (itself, its link, a private network) than the server that redirects. With
    /// 0, a redirection is returned like any other answer.
    pub redirects: usize,
    /// The account for the request, the head of the answer, and its body as it arrives.
    pub account: &'a Account,
}

/// The resources of a connection to another server.
#[derive(Clone, Copy)]
pub struct Dialer<'a> {
    /// The gate whose places the connections take.
    pub gate: &'a Gate,
    /// Closes the connection when the server stops.
    pub watch: &'a Watch,
    /// The buffer sizes of its socket.
    pub sizes: SocketSizes,
    /// The certificates that are trusted.
    #[cfg(feature = "tls")]
    pub trust: &'a Trust,
    /// Limits the rate of handshakes.
    #[cfg(feature = "tls")]
    pub throttle: &'a HandshakeThrottle,
}

/// The most redirections that are followed.
pub const MAX_REDIRECTS: usize = 5;

/// Sends a request and waits for the whole answer, whatever its status is.
///
/// ```no_run
/// use std::time::Duration;
///
/// use runnel::budget::Account;
/// use runnel::net::fetch::{Dialer, Failure, Limits, Request, fetch};
/// use runnel::proto::{Url, http::Method};
///
/// async fn ask_for_keys(dialer: Dialer<'_>, account: &Account) -> Result<Vec<u8>, Failure> {
///     let url = Url::parse("https://login.example/keys").map_err(|why| Failure::Request(why.into()))?;
///     let request = Request { method: Method::Get, url: &url, fields: &[("Accept", "application/json")], body: &[] };
///     let limits = Limits { time: Duration::from_secs(3), body: 64 << 10, redirects: 2, account };
///     let fetched = fetch(&request, dialer, &limits).await?;
///     assert!(fetched.response.is_success());
///     Ok(fetched.body.to_vec())
/// }
/// ```
///
/// # Errors
/// There is no answer, or none within the limits.
pub async fn fetch(request: &Request<'_>, dialer: Dialer<'_>, limits: &Limits<'_>) -> Result<Fetched, Failure> {
    let whole = async { follow(request, dialer, limits).await?.whole(limits.body, limits.account).await };
    in_time(limits.time, whole).await
}

/// Sends a request and waits for the head of the answer: the body arrives later, and may have no end.
///
/// # Errors
/// There is no answer, or none within the limits.
pub async fn open(request: &Request<'_>, dialer: Dialer<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
    in_time(limits.time, follow(request, dialer, limits)).await
}

async fn in_time<T>(time: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = async {
        Timer::after(time).await;
        Err(Failure::Late)
    };
    or(work, late).await
}

/// The answer, after all redirections.
async fn follow(request: &Request<'_>, dialer: Dialer<'_>, limits: &Limits<'_>) -> Result<Download, Failure> {
    let redirects = limits.redirects.min(MAX_REDIRECTS);
    let mut errand = Errand::new(request);
    for _ in 0..redirects {
        let download = errand.ask(dialer, limits).await?;
        match download.response.location() {
            Some(location) => errand.moves(download.response.status, location)?,
            None => return Ok(download),
        }
    }
    let download = errand.ask(dialer, limits).await?;
    match download.response.location() {
        Some(_) if redirects > 0 => Err(Failure::Redirect("it redirects too often")),
        _ => Ok(download),
    }
}
