//! Servers that are asked whether a client may. Each has its own connections and its own queue, so that one that hangs
//! holds up nobody else.

mod answer;
mod body;
mod desk;
mod known;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::means::Means;
use super::state::{State, lock};
use super::{Action, Denial, Request, Verdict};
use crate::budget::BlockMut;
use crate::conf::{Authority, Config, Cost};
use crate::net::fetch::Contact;
use crate::net::random;
use crate::proto::{AuthScheme, Credentials, Lack};
use answer::Ruling;
use body::Said;
use desk::{Desk, Joined};
use known::{Known, MOST_KNOWN, Mark};

/// The servers that were asked.
pub(super) struct Desks {
    means: Means,
    desks: Mutex<Vec<Arc<Desk>>>,
    /// The key of the digests by which answers are remembered.
    seed: [u8; 32],
}

/// An answer that is known already, or the question.
pub(super) enum Asked {
    Known(Verdict),
    Open(Box<Question>),
}

/// A question that is to be asked.
pub(super) struct Question {
    desk: Arc<Desk>,
    mark: Mark,
    body: Bytes,
    terms: Terms,
}

/// The meaning of an answer for a client.
#[derive(Clone, Copy)]
struct Terms {
    /// It has shown credentials.
    has_shown: bool,
    /// It is let in where there is no answer.
    fails_open: bool,
}

/// The schemes by which credentials are asked for. A Digest cannot be passed on.
const SCHEMES: &[AuthScheme] = &[AuthScheme::Basic, AuthScheme::Bearer];
/// The bytes of a task that asks, and of its connection.
const TASK: usize = 16 << 10;
/// The bytes of the heads of a request and its answer.
const HEADS: usize = 8 << 10;
/// The bytes of a question's body; some are longer.
const BODY: usize = 768;

/// Servers that are asked: what is sent to each and waits for it, and the answers that are remembered.
pub static CALLBACKS: Cost = Cost {
    what: "callbacks: servers that are asked",
    keys: &[],
    count: |all: &Config| all.authorities().len(),
    user: |all| {
        let (at_once, open) = (all.questions(), all.open_questions());
        at_once * TASK + held(at_once, open) + open * desk::FLIGHT + MOST_KNOWN * size_of::<Known>()
    },
    kernel: |all| all.questions() * Contact::SIZES.of_stream(),
};

/// The bytes that the account of one server is for.
fn held(at_once: usize, open: usize) -> usize {
    at_once * (HEADS + answer::LONGEST) + open * BODY
}

impl Desks {
    pub(super) fn new(means: Means) -> Self {
        Self { means, desks: Mutex::default(), seed: random::bytes() }
    }

    /// Forgets the servers that no rule asks any more.
    pub(super) fn keep(&self, config: &Config) {
        let asked = config.authorities();
        lock(&self.desks).retain(|desk| asked.iter().any(|authority| desk.is_for(authority)));
    }

    fn of(&self, authority: &Authority<'_>) -> Arc<Desk> {
        let mut desks = lock(&self.desks);
        if let Some(desk) = desks.iter().find(|desk| desk.is_for(authority)) {
            return desk.clone();
        }
        let desk = Arc::new(Desk::new(authority, &self.means));
        desks.push(desk.clone());
        desk
    }

    /// The digest of all that an answer may depend on but the client's program.
    fn mark(&self, said: &Said<'_>) -> Mark {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.seed) else { return Mark::default() };
        let address = said.request.peer.ip().to_canonical().to_string();
        let Request { protocol, query, .. } = *said.request;
        let parts = [said.action(), protocol, &said.path, &address, query, said.user, said.password, &said.token];
        for part in parts {
            mac.update(&part.len().to_le_bytes());
            mac.update(part.as_bytes());
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        whole.first_chunk().copied().unwrap_or_default()
    }
}

/// Asks a server, unless its answer is known. It is `fails_open` for players alone.
pub(super) fn ask(
    state: &State,
    authority: &Authority<'_>,
    fails_open: bool,
    request: &Request<'_>,
    shown: &Credentials,
) -> Asked {
    let said = Said::new(request, shown);
    let terms = Terms { has_shown: said.has_credentials(), fails_open: fails_open && request.action == Action::Play };
    let (desk, mark) = (state.desks.of(authority), state.desks.mark(&said));
    if let Some(ruling) = desk.known(&mark) {
        return Asked::Known(terms.verdict(Some(ruling)));
    }
    let Some(body) = said.body(authority.format) else { return Asked::Known(Err(Denial::Forbidden)) };
    match BlockMut::copy(&desk.account, body.as_bytes()) {
        Ok(body) => Asked::Open(Box::new(Question { desk, mark, body, terms })),
        Err(_) => Asked::Known(terms.unasked(&desk)),
    }
}

impl Question {
    /// The answer.
    pub(super) async fn answer(self) -> Verdict {
        let Self { desk, mark, body, terms } = self;
        match desk.join(mark, body) {
            Joined::Known(ruling) => terms.verdict(Some(ruling)),
            Joined::Flight(flight) => terms.verdict(flight.landing().await),
            Joined::Full => terms.unasked(&desk),
        }
    }
}

impl Terms {
    fn verdict(self, ruling: Option<Ruling>) -> Verdict {
        let lack = if self.has_shown { Lack::Wrong } else { Lack::Missing };
        match ruling {
            Some(Ruling::Allow) => Ok(()),
            Some(Ruling::Deny) => Err(Denial::Forbidden),
            Some(Ruling::Challenge) => Err(Denial::Unauthenticated(lack, SCHEMES)),
            None if self.fails_open => Ok(()),
            None => Err(Denial::Unanswered),
        }
    }

    /// The verdict where there is no room for the question: many at once must not let anybody in while the server answers.
    fn unasked(self, desk: &Desk) -> Verdict {
        if desk.is_failing() { self.verdict(None) } else { Err(Denial::Unanswered) }
    }
}
