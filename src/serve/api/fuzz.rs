//! The bodies of requests to the API, for the fuzzer.

use super::lal::{Address, Kick, Refused, parse};
use super::mediamtx::config;
use super::pulls::{Pull, Stop};
use crate::session::Relay;

/// The number of changes for which a body has the fields, and the pull that it asks for.
pub fn understand_body(body: &[u8]) -> (usize, Option<Relay>) {
    let pull = parse::<Pull>(body).and_then(|pull| pull.wanted().ok().map(|(_, relay, _)| relay));
    let others = [
        parse::<Kick>(body).is_some(),
        parse::<Refused>(body).is_some(),
        parse::<Address>(body).is_some(),
        parse::<Stop>(body).is_some(),
        config::is_understood(body),
    ];
    (others.into_iter().chain([pull.is_some()]).filter(|has| *has).count(), pull)
}
