//! Requests to read the configuration again, which the program follows: one at a time. The program says what came of
//! each, and shows its keys.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::conf::{Changes, Keys};

/// A mistake because of which nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, if it is that of one.
    pub key: Option<String>,
    /// The line of the file, if it is known.
    pub line: Option<NonZeroUsize>,
    /// The reason, with its remedy.
    pub text: String,
}

/// The result of a request.
pub type Reloaded = Result<Changes, Vec<Mistake>>;

/// The number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadNumber(u32);

/// The reason why nothing is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReload {
    /// The program follows no requests.
    Unfollowed,
    /// Another request is not done.
    Busy,
}

/// The requests, and the keys of the configuration.
#[derive(Default)]
pub struct Reloads(Mutex<State>);

#[derive(Default)]
struct State {
    /// The keys of the program; `None` if it follows no requests.
    keys: Option<Arc<Keys>>,
    last: u32,
    request: Request,
    /// Wakes the program.
    follower: Option<Waker>,
}

/// The last request.
#[derive(Default)]
enum Request {
    #[default]
    None,
    /// The program has not begun.
    Waits(Option<Waker>),
    /// The program reads.
    Runs(Option<Waker>),
    /// The result, unless it was told.
    Done(Option<Reloaded>),
}

impl Reloads {
    /// Shows the keys of the program, which follows requests from here on.
    pub fn show(&self, keys: Arc<Keys>) {
        self.lock().keys = Some(keys);
    }

    /// The keys of the program, if it shows them.
    pub fn keys(&self) -> Option<Arc<Keys>> {
        self.lock().keys.clone()
    }

    /// Asks the program to read its configuration again.
    pub fn ask(&self) -> Result<ReloadNumber, NoReload> {
        let mut state = self.lock();
        if state.keys.is_none() {
            return Err(NoReload::Unfollowed);
        }
        if matches!(state.request, Request::Waits(_) | Request::Runs(_)) {
            return Err(NoReload::Busy);
        }
        state.last = state.last.wrapping_add(1);
        state.request = Request::Waits(None);
        state.follower.take().into_iter().for_each(Waker::wake);
        Ok(ReloadNumber(state.last))
    }

    /// The result of a request, once; `None` if another took its place.
    pub fn poll_done(&self, number: ReloadNumber, cx: &Context<'_>) -> Poll<Option<Reloaded>> {
        let mut state = self.lock();
        if number.0 != state.last {
            return Poll::Ready(None);
        }
        match &mut state.request {
            Request::None => Poll::Ready(None),
            Request::Done(result) => Poll::Ready(result.take()),
            Request::Waits(asker) | Request::Runs(asker) => {
                *asker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready once somebody asks, for the program, which then reads.
    pub fn poll_asked(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        match &mut state.request {
            Request::Waits(asker) => {
                state.request = Request::Runs(asker.take());
                Poll::Ready(())
            }
            _ => {
                state.follower = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Says what came of the request that runs.
    pub fn report(&self, result: Reloaded) {
        let mut state = self.lock();
        if let Request::Runs(asker) = &mut state.request {
            asker.take().into_iter().for_each(Waker::wake);
            state.request = Request::Done(Some(result));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_is_followed_and_told_what_came_of_it() {
        let (reloads, cx) = (Reloads::default(), Context::from_waker(Waker::noop()));
        assert_eq!(reloads.ask(), Err(NoReload::Unfollowed));
        reloads.show(Arc::new(Keys::parse("test", "").unwrap().1));
        assert_eq!(reloads.poll_asked(&cx), Poll::Pending);
        let number = reloads.ask().unwrap();
        assert_eq!((reloads.ask(), reloads.poll_done(number, &cx)), (Err(NoReload::Busy), Poll::Pending));
        assert_eq!(reloads.poll_asked(&cx), Poll::Ready(()));
        assert_eq!((reloads.poll_asked(&cx), reloads.ask()), (Poll::Pending, Err(NoReload::Busy)));
        let changes = Changes { live: vec!["viewers.slow".into()], restart: vec![] };
        reloads.report(Ok(changes.clone()));
        assert_eq!(reloads.poll_done(number, &cx), Poll::Ready(Some(Ok(changes))));
        let next = reloads.ask().unwrap();
        assert_eq!((reloads.poll_done(number, &cx), reloads.poll_done(next, &cx)), (Poll::Ready(None), Poll::Pending));
    }
}
