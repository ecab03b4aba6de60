//! The reasons why a session goes on: its stream has a publisher, or viewers.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::RelayJob;
use crate::hub::{Interest, Reader};
use crate::net::Deadline;

/// The time after which a session ends if its stream has no viewers, or no publisher.
pub const UNNEEDED_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells if a stream has not needed its session for too long.
#[derive(Default)]
pub struct Need {
    since: Option<Instant>,
    deadline: Deadline,
}

impl Need {
    /// A session that is needed now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Updates whether the session is needed; false if it has not been for `UNNEEDED_TIMEOUT`.
    pub fn holds(&mut self, of_use: bool, now: Instant) -> bool {
        if of_use {
            self.since = None;
            return true;
        }
        now.saturating_duration_since(*self.since.get_or_insert(now)) < UNNEEDED_TIMEOUT
    }

    /// Updates whether the session is needed; ready once it has not been for `UNNEEDED_TIMEOUT`.
    pub fn poll_over(&mut self, cx: &mut Context<'_>, of_use: bool, now: Instant) -> Poll<()> {
        if !self.holds(of_use, now) {
            return Poll::Ready(());
        }
        self.deadline.poll(cx, self.since.map(|since| since + UNNEEDED_TIMEOUT)).map(drop)
    }
}

/// Tells if a stream has a publisher, by its events.
pub struct Presence {
    events: Reader,
    is_live: bool,
}

impl Presence {
    /// The stream of a job.
    pub fn of(job: &RelayJob) -> Self {
        let events = job.core.hub.events(Interest { name: Some(job.name.clone()), kinds: &[] });
        Self { events, is_live: job.is_live() }
    }

    /// True if the stream has a publisher; the task is woken by its next event.
    pub fn poll_live(&mut self, cx: &Context<'_>, job: &RelayJob) -> bool {
        while self.events.poll_news(cx).is_ready() {
            self.is_live = job.is_live();
        }
        self.is_live
    }
}

#[cfg(all(test, feature = "rtmp", feature = "rtsp"))]
mod tests {
    use std::future::poll_fn;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::task::Waker;

    use smol::future::or;

    use super::super::{Direction, Run, Sessions, rtmp, rtsp};
    use super::*;
    use crate::conf::Config;
    use crate::hub::{Name, Publisher};
    use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track};
    use crate::net::Conn;
    use crate::reactor::block_on;
    use crate::reactor::woken::Woken;
    use crate::session::Core;

    fn sound(publisher: &mut Publisher) {
        let params = Params { sample_rate: 8000, channels: 1, ..Params::default() };
        publisher.track(Track { id: 0, codec: Codec::Pcma, clock: Hz::MS, params });
        publisher.complete();
        let data = publisher.paid(&[7; 80]).unwrap();
        let frame = Frame { dts: Ticks(0), cts: 0, kind: Kind::Audio, track: 0, key: true, data };
        publisher.publish(frame, Instant::now()).unwrap();
        publisher.flush();
    }

    /// Polls a session until it waits for something else than its turn.
    #[track_caller]
    fn settle(run: &mut Run, woken: &Arc<Woken>) -> usize {
        let waker = Waker::from(woken.clone());
        loop {
            let times = woken.times();
            assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            if woken.times() == times {
                return times;
            }
        }
    }

    #[test]
    fn a_push_whose_stream_is_at_rest_is_woken_by_its_events_and_by_no_clock() {
        for (scheme, run) in [("rtmp", rtmp::push as fn(RelayJob, Conn) -> Run), ("rtsp", rtsp::push)] {
            // the kernel accepts, and nobody answers
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("{scheme}://{}/live/a", silent.local_addr().unwrap());
            let text = format!("profile = \"box\"\n[[push]]\nstream = \"a\"\nurl = \"{url}\"\n");
            let core = Core::new(Config::parse("test", &text).unwrap(), crate::registry::costs(), Arc::default());
            let name = Name::new("a").unwrap();
            let (mut publisher, _grant) = core.publish(&name, "TEST", Instant::now()).unwrap();
            sound(&mut publisher);
            let direction = Direction::Push(Sessions { prefix: "PUSH", run });
            let job = RelayJob::push(&core, direction, &core.config().push[0], name);
            block_on(async {
                let sizes = Core::viewer_sizes(&job.config);
                let conn = job.connect(sizes).await.unwrap();
                let (mut run, woken) = (run(job, conn), Arc::new(Woken::default()));
                let times = settle(&mut run, &woken);
                let beats = async {
                    for number in 0..3 {
                        poll_fn(|cx| core.cadence.poll_after(cx, number)).await;
                    }
                };
                or(beats, core.cadence.run(|| Duration::from_millis(1))).await;
                assert_eq!(woken.times(), times, "{scheme}");
                drop(publisher);
                assert!(woken.times() > times, "{scheme}");
                settle(&mut run, &woken);
            });
        }
    }

    #[test]
    fn a_session_ends_once_it_was_of_no_use_for_long_enough() {
        let (mut need, begun) = (Need::new(), Instant::now());
        let mut cx = Context::from_waker(Waker::noop());
        let mut is_over =
            |of_use, seconds| need.poll_over(&mut cx, of_use, begun + Duration::from_secs(seconds)).is_ready();
        assert!(!is_over(false, 0) && !is_over(false, 9) && !is_over(true, 10));
        assert!(!is_over(false, 11) && !is_over(false, 20) && is_over(false, 21));
    }
}
