//! The rules of `[[access]]`: the first that is about a request decides.
//!
//! A rule with a demand is met, or the client is refused. Rules with demands that are about the same request are
//! alternatives: it is enough to meet one, so that several users may have one stream. The first rule without a demand
//! ends them, and is not reached by those who meet none.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq;

use super::callback::{self, Asked, Question};
use super::clock::Clock;
use super::links::{self, LinkError};
use super::query::parameter;
use super::state::{Slow, State, lock};
use super::{Action, Answer, Denial, Request, Verdict, tokens};
use crate::conf::{Access, Config, Demand, Pbkdf2, Stored};
use crate::hub::Name;
use crate::proto::AuthScheme::{Basic, Bearer, Digest};
use crate::proto::scheme::{RTMP, RTSP};
use crate::proto::{AuthScheme, Credentials, Lack, Secret};

/// The result of a demand on a request.
enum Proof {
    Met,
    Unmet(Denial),
    /// A thread has to find out.
    Slow(Box<Slow>),
    /// A server has to be asked.
    Asked(Box<Question>),
}

/// The checks of a client that take time, after all others.
#[derive(Default)]
struct Open {
    /// A password, before servers are asked.
    slow: Option<Box<Slow>>,
    questions: Vec<Question>,
}

/// Sets of schemes, by their bits: what is asked of a client is one of these.
const SETS: [&[AuthScheme]; 8] = [
    &[],
    &[Basic],
    &[Digest],
    &[Basic, Digest],
    &[Bearer],
    &[Basic, Bearer],
    &[Digest, Bearer],
    &[Basic, Digest, Bearer],
];

/// The longest password that waits for the thread, in bytes.
const MAX_PASSWORD: usize = 256;

/// The answer of the rules that are about a request.
pub(super) fn rule(state: &Arc<State>, config: &Config, request: &Request<'_>) -> Option<Answer> {
    let mut demands = demands(config, request).peekable();
    let from = request.peer.ip();
    Some(match demands.peek()? {
        Demand::Nothing => Answer::Now(Ok(())),
        Demand::Leave => Answer::Now(Err(Denial::Forbidden)),
        _ if lock(&state.failures).is_shut(from, Instant::now()) => Answer::Now(Err(Denial::TooMany)),
        _ => any_of(state, config, demands, request),
    })
}

/// The answer of the rules as far as it is known: nothing is counted, no server is asked, and a password that takes long
/// to check is right if it was so lately.
pub(super) fn foretell(state: &Arc<State>, config: &Config, request: &Request<'_>) -> Option<Answer> {
    let mut demands = demands(config, request).peekable();
    let is_met = |demand| matches!(prove(state, &demand, request, &shown(request), Clock::read()), Proof::Met);
    let may = match demands.peek()? {
        Demand::Nothing => true,
        _ if lock(&state.failures).is_shut(request.peer.ip(), Instant::now()) => false,
        _ => alternatives(demands).any(is_met),
    };
    Some(Answer::Now(if may { Ok(()) } else { Err(Denial::Forbidden) }))
}

/// The demands of the rules that are about a request.
fn demands<'a>(config: &'a Config, request: &Request<'_>) -> impl Iterator<Item = Demand<'a>> {
    let (from, name) = (request.peer.ip(), request.name.map(Name::as_str));
    let (action, protocol) = (request.action, request.protocol);
    // changes are for whom a rule lets in that names the API: one about everything opens none
    let names_it = move |rule: &&Access| action != Action::Control || rule.names("api");
    let is_about = move |rule: &&Access| rule.is_about(words(action), protocol, name, from) && names_it(rule);
    config.access.iter().filter(is_about).map(Access::demand)
}

/// The demands of which it is enough to meet one.
fn alternatives<'a>(demands: impl Iterator<Item = Demand<'a>>) -> impl Iterator<Item = Demand<'a>> {
    demands.take_while(|demand| !matches!(demand, Demand::Nothing | Demand::Leave))
}

/// The action in the configuration's words.
fn words(action: Action) -> &'static [&'static str] {
    match action {
        Action::Publish => &["publish"],
        Action::Play => &["play"],
        Action::Read => &["record"],
        Action::Api => &["api", "api:read"],
        Action::Control => &["api"],
        Action::Metrics => &["metrics"],
    }
}

/// The answer of rules with demands, of which one has to be met.
fn any_of<'a>(
    state: &Arc<State>,
    config: &Config,
    demands: impl Iterator<Item = Demand<'a>>,
    request: &Request<'_>,
) -> Answer {
    let shown = shown(request);
    let (clock, from) = (Clock::read(), request.peer.ip());
    let (mut denial, mut open) = (None, Open::default());
    for demand in alternatives(demands) {
        match prove(state, &demand, request, &shown, clock) {
            // what was wrong before stays counted: a right password is no way to guess those of others
            Proof::Met => return Answer::Now(Ok(())),
            Proof::Unmet(other) => denial = Some(denial.map_or(other, |one| graver(one, other))),
            // one password is checked, that of the user if there is one
            Proof::Slow(other) if open.slow.as_ref().is_none_or(|one| !one.is_user) => open.slow = Some(other),
            Proof::Slow(_) => {}
            Proof::Asked(question) => open.questions.push(*question),
        }
    }
    let is_doubtful = denial.is_some_and(is_wrong) || open.slow.as_ref().is_some_and(|slow| !slow.is_user);
    if is_doubtful && open.questions.is_empty() && is_known(state, config, request, &shown, clock) {
        return Answer::Now(Err(Denial::Forbidden));
    }
    if open.slow.is_none() && open.questions.is_empty() {
        return Answer::Now(Err(counted(state, from, denial.unwrap_or(Denial::Forbidden))));
    }
    let wrongs = Wrongs { state: state.clone(), from, is_one: denial.is_some_and(is_wrong) };
    Answer::Later(Box::pin(find_out(wrongs, open, denial)))
}

/// True if what a client shows is right for a user of any rule: it may not, but it guesses nothing.
fn is_known(state: &Arc<State>, config: &Config, request: &Request<'_>, shown: &Credentials, clock: Clock) -> bool {
    let mut users = config.access.iter().map(Access::demand).filter(|demand| matches!(demand, Demand::User(..)));
    users.any(|demand| matches!(prove(state, &demand, request, shown, clock), Proof::Met))
}

/// Checks the password, and then asks one server after the other, until one of them is content.
async fn find_out(mut wrongs: Wrongs, open: Open, mut denial: Option<Denial>) -> Verdict {
    let has_slow = open.slow.is_some();
    if let Some(slow) = open.slow {
        // the thread counts what it finds wrong
        wrongs.is_one = false;
        let other = match wrongs.state.check(*slow, wrongs.from).await {
            Ok(true) => return Ok(()),
            Ok(false) => Denial::Unauthenticated(Lack::Wrong, SETS[1]),
            Err(why) if open.questions.is_empty() => return Err(why),
            Err(why) => why,
        };
        denial = Some(denial.map_or(other, |one| graver(other, one)));
    }
    for question in open.questions {
        match question.answer().await {
            Ok(()) => {
                wrongs.is_one = false;
                return Ok(());
            }
            Err(other) => denial = Some(denial.map_or(other, |one| graver(one, other))),
        }
    }
    let denial = denial.unwrap_or(Denial::Forbidden);
    wrongs.is_one = !has_slow && is_wrong(denial);
    Err(denial)
}

/// Counts what was shown as wrong when it is dropped: also where a client does not wait, who would else guess passwords
/// by the time that a refusal takes.
struct Wrongs {
    state: Arc<State>,
    from: IpAddr,
    is_one: bool,
}

impl Drop for Wrongs {
    fn drop(&mut self) {
        if self.is_one {
            lock(&self.state.failures).add(self.from, Instant::now());
        }
    }
}

/// Counts a denial of what was shown.
fn counted(state: &State, from: IpAddr, denial: Denial) -> Denial {
    if is_wrong(denial) {
        lock(&state.failures).add(from, Instant::now());
    }
    denial
}

fn is_wrong(denial: Denial) -> bool {
    matches!(denial, Denial::Unauthenticated(Lack::Wrong, _) | Denial::Unsigned(Lack::Wrong))
}

/// The credentials of a client: in RTMP also `user` and `pass` of the query.
fn shown(request: &Request<'_>) -> Credentials {
    let is_rtmp = request.protocol == RTMP.name && matches!(request.credentials, Credentials::None);
    let pair = ["user", "pass"].map(|name| parameter(request.query, name).filter(|_| is_rtmp));
    match pair {
        [Some(name), Some(password)] => Credentials::Password { name: name.into(), password: password.into() },
        _ => request.credentials.clone(),
    }
}

fn prove(state: &State, demand: &Demand<'_>, request: &Request<'_>, shown: &Credentials, clock: Clock) -> Proof {
    let links = |checked: Result<(), LinkError>| checked.map_err(Denial::from);
    let checked = match demand {
        Demand::User(name, Stored::Pbkdf2(stored)) => return prove_slowly(state, name, stored, shown),
        Demand::User(name, stored) => prove_user(name, stored, shown, request.protocol),
        Demand::Lal(key, written) => {
            links(links::lal(request, key.map(|key| &*key.0), written.map(|written| &*written.0)))
        }
        Demand::Signed(key) => links(links::signed(request, &key.0, clock)),
        Demand::SecureLink(expression) => links(links::secure_link(request, &expression.0, clock)),
        Demand::Token(key, claim) => tokens::check(state, request, shown, *key, claim, clock),
        Demand::Callback(authority, fails_open) => {
            return match callback::ask(state, authority, *fails_open, request, shown) {
                Asked::Known(verdict) => verdict.map_or_else(Proof::Unmet, |()| Proof::Met),
                Asked::Open(question) => Proof::Asked(question),
            };
        }
        Demand::Nothing | Demand::Leave => Err(Denial::Forbidden),
    };
    checked.map_or_else(Proof::Unmet, |()| Proof::Met)
}

/// Checks a password by what is stored of it, which takes no time.
fn prove_user(name: &str, stored: &Stored, shown: &Credentials, protocol: &str) -> Result<(), Denial> {
    let (secret, can_digest) = match stored {
        Stored::Plain(password) => (Secret::Password(password), true),
        Stored::Ha1(algorithm, hash) => (Secret::Ha1(*algorithm, hash), true),
        Stored::Sha256(hash) => (Secret::Sha256(hash), false),
        Stored::Pbkdf2(_) => return Err(Denial::Forbidden),
    };
    // an answer in Adobe's way
    let can_digest = can_digest && (protocol == RTSP.name || matches!(shown, Credentials::Adobe(_)));
    let schemes = if can_digest { SETS[3] } else { SETS[1] };
    shown.prove(name, secret, schemes).map_err(|lack| Denial::Unauthenticated(lack, schemes))
}

fn prove_slowly(state: &State, name: &str, stored: &Pbkdf2, shown: &Credentials) -> Proof {
    let Credentials::Password { name: own, password } = shown else {
        let is_damaged = matches!(shown, Credentials::Damaged(Basic));
        let lack = if is_damaged { Lack::Wrong } else { Lack::Missing };
        return Proof::Unmet(Denial::Unauthenticated(lack, SETS[1]));
    };
    if password.len() > MAX_PASSWORD {
        return Proof::Unmet(Denial::Unauthenticated(Lack::Wrong, SETS[1]));
    }
    let is_user = own.as_bytes().ct_eq(name.as_bytes()).into();
    if is_user && state.knows(&state.mark(stored, password), Instant::now()) {
        return Proof::Met;
    }
    Proof::Slow(Box::new(Slow { stored: stored.clone(), password: password.clone(), is_user }))
}

/// Of two denials that which says more; the schemes of both are asked for. A client picks one of them: where a hash can be
/// checked by Basic alone, Digest is not offered, as it would never do for that user.
fn graver(one: Denial, other: Denial) -> Denial {
    let (most, least) = if weight(one) >= weight(other) { (one, other) } else { (other, one) };
    match (most, least) {
        (Denial::Unauthenticated(lack, schemes), Denial::Unauthenticated(_, more)) => {
            let [schemes, more] = [bits(schemes), bits(more)];
            let is_basic_alone = |bits| bits & 3 == 1;
            let digest = if is_basic_alone(schemes) || is_basic_alone(more) { 2 } else { 0 };
            Denial::Unauthenticated(lack, SETS[(schemes | more) & !digest])
        }
        _ => most,
    }
}

fn weight(denial: Denial) -> u8 {
    match denial {
        Denial::Unsigned(Lack::Missing | Lack::Stale) => 0,
        // a key that cannot be read takes no other way in
        Denial::Unanswered => 1,
        Denial::Unauthenticated(Lack::Missing, _) => 2,
        Denial::Unauthenticated(Lack::Stale, _) => 3,
        Denial::Forbidden | Denial::TooMany => 4,
        Denial::NoClock => 5,
        Denial::Expired => 6,
        Denial::Unsigned(Lack::Wrong) => 7,
        Denial::Unauthenticated(Lack::Wrong, _) => 8,
    }
}

/// The bits of schemes in [`SETS`].
fn bits(schemes: &[AuthScheme]) -> usize {
    schemes.iter().fold(0, |bits, scheme| {
        bits | match scheme {
            Basic => 1,
            Digest => 2,
            Bearer => 4,
        }
    })
}

impl From<LinkError> for Denial {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Lack(lack) => Self::Unsigned(lack),
            LinkError::Expired => Self::Expired,
            LinkError::NoClock => Self::NoClock,
        }
    }
}

#[cfg(test)]
mod tests;
