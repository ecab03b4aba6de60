//! The one place that decides whether a client may publish, play, read a file, or use the API. The answer may take
//! time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::core::Core;
use super::refusal::Refusal;
use crate::auth::{self, Action, Answer, Denial, PATIENCE, Request, Verdict};
use crate::hub::Name;
use crate::reactor::Timer;

/// The permission for one action. Without it nothing is published or played.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it was asked for"]
pub struct Leave {
    action: Action,
    name: Option<Name>,
}

impl Leave {
    /// The leave for an action of the server itself, for which the gatekeeper is not asked.
    pub(crate) fn own(action: Action, name: &Name) -> Self {
        Self { action, name: Some(name.clone()) }
    }

    /// The name of the stream, if the leave is for that action.
    ///
    /// # Errors
    /// The leave is for another action, or for no stream.
    pub fn to(&self, action: Action) -> Result<&Name, Refusal> {
        self.name.as_ref().filter(|_| self.action == action).ok_or(Denial::Forbidden.into())
    }
}

/// A request without a decision yet.
#[must_use = "it has to be polled"]
pub struct Asking {
    /// `None` once it was returned.
    leave: Option<Leave>,
    answer: Answer,
    limit: Option<Timer>,
}

impl Core {
    /// Asks whether a client may do something.
    pub fn ask(&self, request: &Request<'_>) -> Asking {
        let config = self.config();
        let answer = match self.admits(request) {
            Ok(()) => auth::rules(&self.auth, &config, request),
            Err(why) => Answer::Now(Err(why)),
        };
        let answer = match answer {
            Answer::Now(Err(why)) => Answer::Now(Err(why)),
            ruled => ruled.and(self.gatekeeper.ask(request)),
        };
        let limit = matches!(answer, Answer::Later(_)).then(|| Timer::after(PATIENCE));
        Asking { leave: Some(Leave { action: request.action, name: request.name.cloned() }), answer, limit }
    }

    /// True if a client that uses the API may do something besides, as far as that is known. It counts for nothing, and the
    /// gatekeeper is asked when it does it.
    #[cfg(feature = "api")]
    pub(crate) fn foretells(&self, request: &Request<'_>) -> bool {
        self.admits(request).is_ok() && auth::foretells(&self.auth, &self.config(), request)
    }
}

#[cfg(feature = "rtmp")]
impl Core {
    /// Asks a client of RTMP that connects for a user, if it may need one. What it may do is asked for later.
    pub(crate) fn meet(&self, guest: &auth::Guest<'_>) -> auth::Meeting {
        auth::meet(&self.auth, &self.config(), guest)
    }
}

impl Core {
    /// Tells if the address of a request is not refused. This machine may use the API all the same, so that it can take
    /// back what it has said.
    fn admits(&self, request: &Request<'_>) -> Verdict {
        let address = request.peer.ip().to_canonical();
        let is_operator = request.is_from_here() && matches!(request.action, Action::Api | Action::Control);
        if !is_operator && self.refuses(address) { Err(Denial::Forbidden) } else { Ok(()) }
    }
}

impl Asking {
    /// The answer if it is known, else the waiting request.
    pub fn now(mut self) -> Result<Result<Leave, Refusal>, Self> {
        match self.answer {
            Answer::Now(verdict) => Ok(self.give(verdict)),
            Answer::Later(_) => Err(self),
        }
    }

    fn give(&mut self, verdict: Verdict) -> Result<Leave, Refusal> {
        verdict.and(self.leave.take().ok_or(Denial::Forbidden)).map_err(Refusal::from)
    }
}

impl Future for Asking {
    type Output = Result<Leave, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answer, limit, .. } = &mut *self;
        let verdict = match answer {
            Answer::Now(verdict) => *verdict,
            Answer::Later(answer) => match answer.as_mut().poll(cx) {
                Poll::Ready(verdict) => verdict,
                Poll::Pending if limit.as_mut().is_some_and(|limit| Pin::new(limit).poll(cx).is_ready()) => {
                    Err(Denial::Unanswered)
                }
                Poll::Pending => return Poll::Pending,
            },
        };
        // the future is not polled again
        self.answer = Answer::Now(Err(Denial::Forbidden));
        Poll::Ready(self.give(verdict))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;
    use std::time::Duration;

    use super::*;
    use crate::auth::Gatekeeper;
    use crate::conf::Config;
    use crate::net::Via;
    use crate::proto::Credentials;

    fn guarded(gatekeeper: impl Gatekeeper + 'static) -> Arc<Core> {
        Core::guarded(
            Config::parse("test", "profile = \"tiny\"\n").unwrap(),
            crate::registry::costs(),
            Arc::default(),
            gatekeeper,
        )
    }

    fn ask(core: &Core, action: Action, name: &str, query: &str) -> Asking {
        ask_from("192.0.2.1:9", core, action, name, query)
    }

    fn ask_from(peer: &str, core: &Core, action: Action, name: &str, query: &str) -> Asking {
        let (name, peer) = (Name::new(name).unwrap(), peer.parse().unwrap());
        let (protocol, form, via) = ("rtmp", None, Via::Network);
        let (name, app, credentials) = (Some(&name), "live", &Credentials::None);
        core.ask(&Request { action, protocol, form, tls: false, name, app, query, peer, via, credentials, agent: "" })
    }

    fn poll(asking: &mut Asking) -> Poll<Result<Leave, Refusal>> {
        Pin::new(asking).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn everybody_may_where_nobody_decides() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let leave = ask(&core, Action::Publish, "a", "").now().ok().unwrap().unwrap();
        assert_eq!(leave.to(Action::Publish).unwrap().as_str(), "a");
    }

    #[test]
    fn changes_by_the_api_come_from_this_machine() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let may = |peer, action| ask_from(peer, &core, action, "a", "").now().ok().unwrap().is_ok();
        for (peer, is_here) in [
            ("127.0.0.1:9", true),
            ("127.0.0.2:9", true),
            ("[::1]:9", true),
            ("[::ffff:127.0.0.1]:9", true),
            ("192.0.2.1:9", false),
            ("[2001:db8::1]:9", false),
        ] {
            assert_eq!(may(peer, Action::Control), is_here, "{peer}");
            assert!(may(peer, Action::Api), "{peer} may read");
        }
    }

    #[test]
    fn an_address_that_the_operator_refuses_gets_nothing_but_this_machine_its_api() {
        let core =
            Core::new(Config::parse("test", "profile = \"tiny\"\n").unwrap(), crate::registry::costs(), Arc::default());
        let may = |peer, action| ask_from(peer, &core, action, "a", "").now().ok().unwrap().is_ok();
        let refuse = |address: &str| core.blacklist.add(address.parse().unwrap(), PATIENCE, std::time::Instant::now());
        assert!(may("192.0.2.1:9", Action::Play));
        assert_eq!((refuse("192.0.2.1"), refuse("127.0.0.1")), (Ok(()), Ok(())));
        for action in [Action::Publish, Action::Play, Action::Read, Action::Api] {
            assert!(!may("192.0.2.1:9", action) && may("192.0.2.2:9", action), "{action:?}");
        }
        assert!(!may("127.0.0.1:9", Action::Play) && may("127.0.0.1:9", Action::Control));
    }

    #[test]
    fn a_gatekeeper_decides_by_the_request() {
        let core = guarded(|request: &Request<'_>| {
            let is_known = request.query == "key=1" || request.action == Action::Play;
            Answer::Now(if is_known { Ok(()) } else { Err(Denial::Forbidden) })
        });
        let asked = |action, query| poll(&mut ask(&core, action, "a", query)).map_ok(|leave| leave.action);
        assert_eq!(asked(Action::Publish, "key=1"), Poll::Ready(Ok(Action::Publish)));
        assert_eq!(asked(Action::Publish, ""), Poll::Ready(Err(Denial::Forbidden.into())));
        assert_eq!(asked(Action::Play, ""), Poll::Ready(Ok(Action::Play)));
    }

    #[test]
    fn an_answer_is_waited_for_and_forgotten_with_who_asked() {
        let (answers, answer) = smol::channel::bounded::<()>(1);
        let core = guarded(move |_: &Request<'_>| {
            let answer = answer.clone();
            Answer::Later(Box::pin(async move { answer.recv().await.map_err(|_| Denial::Forbidden) }))
        });
        let mut first = ask(&core, Action::Play, "a", "").now().err().unwrap();
        let second = ask(&core, Action::Play, "b", "");
        assert_eq!((poll(&mut first), answers.receiver_count()), (Poll::Pending, 3));
        drop(second);
        assert_eq!(answers.receiver_count(), 2);
        answers.try_send(()).unwrap();
        assert_eq!(poll(&mut first).map_ok(|leave| leave.name), Poll::Ready(Ok(Name::new("a").ok())));
        assert_eq!(poll(&mut first), Poll::Ready(Err(Denial::Forbidden.into())), "a leave is given once");
    }

    #[test]
    fn who_is_not_answered_is_refused() {
        let core = guarded(|_: &Request<'_>| Answer::Later(Box::pin(std::future::pending())));
        let mut asking = ask(&core, Action::Play, "a", "");
        assert_eq!(poll(&mut asking), Poll::Pending);
        asking.limit = Some(Timer::after(Duration::ZERO));
        assert_eq!(smol::block_on(asking), Err(Denial::Unanswered.into()));
    }

    #[test]
    fn a_leave_is_for_what_was_asked() {
        let leave = Leave::own(Action::Play, &Name::new("a").unwrap());
        assert_eq!(leave.to(Action::Publish), Err(Denial::Forbidden.into()));
    }
}
