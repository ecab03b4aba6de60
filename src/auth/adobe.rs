//! Adobe's authentication at `connect` of RTMP: who is asked for a user, and by which challenge.
//!
//! A client tells user and password of its URL in no other way, and says what it wants once it is let in, which is too
//! late to ask. So its program says whether it is a publisher. Nothing is kept of a client: a challenge is signed, holds for
//! its address and a minute, and the same is made for names that no rule has.

use std::net::IpAddr;
use std::time::Instant;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;

use super::request::Guest;
use super::state::State;
use super::verdict::Meeting;
use crate::conf::{Config, Demand, RtmpAuth, Stored};
use crate::net::{bits, network};
use crate::proto::scheme::RTMP;
use crate::proto::{Adobe, AdobeLogin, Credentials, NEEDS_USER, NO_SUCH_USER};

/// The seconds for which a challenge holds.
const LASTS: u32 = 60;
/// The bytes of a salt, and of the signature of a challenge.
const SALT: usize = 9;
const SIGNATURE: usize = 12;
/// The beginning of `flashVer` of publishers: "Flash Media Live Encoder".
const PUBLISHER: &str = "FMLE/";

/// The reply to a client that connects.
pub fn meet(state: &State, config: &Config, guest: &Guest<'_>) -> Meeting {
    meet_at(state, config, guest, Instant::now())
}

fn meet_at(state: &State, config: &Config, guest: &Guest<'_>, now: Instant) -> Meeting {
    if config.rtmp.auth == RtmpAuth::Url {
        return Meeting::Welcome;
    }
    let Some(login) = guest.login else {
        let shows_nothing = matches!(guest.credentials, Credentials::None) && !guest.app.contains('?');
        let is_asked = shows_nothing && needs_user(config, guest);
        return if is_asked { Meeting::Again(NEEDS_USER.into()) } else { Meeting::Welcome };
    };
    if !login.has_fit_name() {
        return Meeting::Again(NO_SUCH_USER.into());
    }
    let (second, from) = (state.seconds(now), network(guest.from));
    let salt = Base64UrlUnpadded::encode_string(state.sign(&[b"s", login.user.as_bytes()]).split_at(SALT).0);
    match &login.answer {
        Some(answer) if holds(state, login, from, second) => {
            Meeting::Known(Credentials::Adobe(Box::new(Adobe::new(&login.user, &salt, answer))))
        }
        _ => Meeting::Again(login.challenge(&salt, &challenge(state, login, from, second)).into()),
    }
}

/// True if what the client probably wants is a matter of users with plain passwords, whatever the stream.
fn needs_user(config: &Config, guest: &Guest<'_>) -> bool {
    let action = if guest.agent.starts_with(PUBLISHER) { "publish" } else { "play" };
    for rule in config.access.iter().filter(|rule| rule.may_be_about(&[action], RTMP.name, guest.from)) {
        match rule.demand() {
            Demand::User(_, Stored::Plain(_)) => return true,
            // it is about all streams: no other is reached
            Demand::Nothing | Demand::Leave if rule.is_about(&[action], RTMP.name, None, guest.from) => return false,
            _ => {}
        }
    }
    false
}

/// The challenge that a user has at an address in a second: that second, and the signature of all.
fn challenge(state: &State, login: &AdobeLogin, from: IpAddr, second: u32) -> String {
    let second = second.to_be_bytes();
    let signature = state.sign(&[b"c", &second, &bits(from).to_be_bytes(), login.user.as_bytes()]);
    Base64UrlUnpadded::encode_string(&[&second, signature.split_at(SIGNATURE).0].concat())
}

/// True if a client answers a challenge that holds.
fn holds(state: &State, login: &AdobeLogin, from: IpAddr, now: u32) -> bool {
    let Some(opaque) = login.answer.as_ref().map(|answer| &answer.opaque) else { return false };
    let mut bytes = [0; 4 + SIGNATURE];
    let second = match Base64UrlUnpadded::decode(opaque.as_bytes(), &mut bytes) {
        Ok([a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => return false,
    };
    let is_ours = challenge(state, login, from, second).as_bytes().ct_eq(opaque.as_bytes()).into();
    is_ours && now.wrapping_sub(second) <= LASTS
}

#[cfg(test)]
mod tests;
