//! Permission: the rules of the configuration, and the program that decides besides.
//!
//! A protocol makes a [`Request`] of what its client asks for and shows; the [`Verdict`] comes now or later. Sessions,
//! leaves and the waiting are `session`'s.

#[cfg(feature = "rtmp")]
#[cfg_attr(not(feature = "auth"), path = "no_adobe.rs")]
mod adobe;
#[cfg(feature = "auth")]
#[cfg_attr(not(feature = "http"), path = "no_callback.rs")]
mod callback;
#[cfg(feature = "auth")]
mod clock;
#[cfg(feature = "auth")]
mod failures;
#[cfg(feature = "auth")]
#[cfg_attr(not(feature = "tls"), path = "own_kdf.rs")]
mod kdf;
#[cfg(feature = "auth")]
#[cfg_attr(not(all(feature = "http", feature = "tls")), path = "no_key_sets.rs")]
mod key_sets;
#[cfg(feature = "auth")]
mod links;
mod means;
#[cfg(feature = "auth")]
mod query;
mod request;
#[cfg(feature = "auth")]
mod rules;
#[cfg_attr(not(feature = "auth"), path = "stateless.rs")]
mod state;
#[cfg(feature = "auth")]
mod tokens;
#[cfg(feature = "rtsp")]
mod users;
mod verdict;

use std::sync::Arc;

use crate::conf::Config;
use crate::net::Via;
#[cfg(feature = "rtmp")]
pub use adobe::meet;
#[cfg(all(feature = "auth", feature = "http"))]
pub use callback::CALLBACKS;
#[cfg(feature = "auth")]
pub use failures::FAILURES;
#[cfg(feature = "auth")]
pub use kdf::derive;
#[cfg(all(feature = "auth", feature = "http", feature = "tls"))]
pub use key_sets::KEY_SETS;
pub use means::Means;
#[cfg(feature = "rtmp")]
pub use request::Guest;
pub use request::{Action, Request};
#[cfg(feature = "auth")]
pub use state::PASSWORDS;
pub use state::State;
#[cfg(feature = "rtmp")]
pub use verdict::Meeting;
pub use verdict::{Answer, Denial, Gatekeeper, PATIENCE, Verdict};

/// A rule: its answer if it decides.
type Rule = fn(&Arc<State>, &Config, &Request<'_>) -> Option<Answer>;

/// The rules: the first that decides counts. Where none does, the client may.
const RULES: &[Rule] = &[
    socket,
    #[cfg(feature = "auth")]
    rules::rule,
    #[cfg(feature = "rtsp")]
    users::rule,
    control,
];

/// The same, for what is told beforehand.
const FORETOLD: &[Rule] = &[
    socket,
    #[cfg(feature = "auth")]
    rules::foretell,
    control,
];

/// The answer of the configuration.
pub fn rules(state: &Arc<State>, config: &Config, request: &Request<'_>) -> Answer {
    RULES.iter().find_map(|rule| rule(state, config, request)).unwrap_or(Answer::Now(Ok(())))
}

/// True if a client may use the API for something by what is known now: nothing is counted, asked or worked out for it.
pub fn foretells(state: &Arc<State>, config: &Config, request: &Request<'_>) -> bool {
    let answer = FORETOLD.iter().find_map(|rule| rule(state, config, request));
    matches!(answer, None | Some(Answer::Now(Ok(()))))
}

/// Lets clients of the Unix socket do everything: its mode says who they are.
fn socket(_: &Arc<State>, _: &Config, request: &Request<'_>) -> Option<Answer> {
    (request.via == Via::Socket).then_some(Answer::Now(Ok(())))
}

/// Lets only clients on this machine change its state.
fn control(_: &Arc<State>, _: &Config, request: &Request<'_>) -> Option<Answer> {
    let is_refused = request.action == Action::Control && !request.is_from_here();
    is_refused.then_some(Answer::Now(Err(Denial::Forbidden)))
}
