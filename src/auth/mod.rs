//! Who may do what: the rules of the configuration, and the program that decides besides.
//!
//! A protocol makes a [`Request`] of what its client asks for and shows; the [`Verdict`] comes now or later. Sessions,
//! leaves and the waiting are `session`'s.

mod request;
#[cfg(feature = "rtsp")]
mod users;
mod verdict;

pub use request::{Action, Request};
pub use verdict::{Answer, Denial, Gatekeeper, PATIENCE, Verdict};

use crate::conf::Config;

/// A rule of the configuration.
type Rule = fn(&Config, &Request<'_>) -> Verdict;

/// The rules that are checked before the gatekeeper: the first that refuses a request decides.
const RULES: &[Rule] = &[
    control,
    #[cfg(feature = "rtsp")]
    users::rule,
];

/// Lets only clients on this machine change its state: nothing in the configuration says yet who else may.
fn control(_: &Config, request: &Request<'_>) -> Verdict {
    let is_refused = request.action == Action::Control && !request.peer.ip().to_canonical().is_loopback();
    if is_refused { Err(Denial::Forbidden) } else { Ok(()) }
}

/// The decision of the configuration.
pub fn rules(config: &Config, request: &Request<'_>) -> Verdict {
    RULES.iter().try_for_each(|rule| rule(config, request))
}
