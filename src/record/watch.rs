//! Begins and ends recordings as publishers come and go, when it is told: events of the hub, and changes of recordings.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use smol::future::or;

use super::{Running, State, lock};
use crate::hub::{EventKind, Reader};
use crate::reactor::Timer;
use crate::session::Core;

/// The time without a publisher after which a file is closed: a publisher that returns later begins another file.
pub(super) const CLOSE_DELAY: Duration = Duration::from_secs(1);
/// The interval between checks for what nobody tells of: a card that is inserted, a disk that answers again, a place
/// or memory that others have left. The mount table is not read more often.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Watches until it is dropped.
pub(super) async fn watch(core: Arc<Core>, state: Arc<Mutex<State>>, mut events: Reader) {
    let mut looked = Instant::now();
    loop {
        let due = lock(&state).next_look(looked);
        let timer = async {
            match due {
                Some(due) => drop(Timer::at(due).await),
                None => std::future::pending().await,
            }
            None
        };
        let changed = async {
            core.recorded.changed().await;
            None
        };
        // last, because events may arrive continuously; `None` if some were missed
        let event = or(or(timer, changed), std::future::poll_fn(|cx| events.poll_next(cx))).await;
        let mut state = lock(&state);
        match event {
            Some(event) if event.kind == EventKind::Published => {
                if let Some(stream) = core.hub.find(&event.name) {
                    state.let_go(&core);
                    state.left_out += state.attend(&core, &stream);
                }
            }
            Some(event) if event.kind == EventKind::Unpublished => {
                state.note_left(&core, Instant::now());
                state.let_go(&core);
            }
            Some(_) => {}
            None => {
                state.look(&core);
                looked = Instant::now();
            }
        }
    }
}

impl State {
    /// The time at which everything is checked, if nothing is told before; `None` if nothing is due. The last check was
    /// at `looked`.
    pub(super) fn next_look(&self, looked: Instant) -> Option<Instant> {
        let closes = self.sessions.iter().filter_map(|one| Some(one.left? + CLOSE_DELAY));
        let is_untold = self.left_out > 0 || !self.disks.are_settled() || self.sessions.iter().any(Running::needs_card);
        closes.chain(is_untold.then_some(looked + CHECK_INTERVAL)).min()
    }

    /// Notes which recordings have streams without a publisher.
    pub(super) fn note_left(&mut self, core: &Core, now: Instant) {
        for one in &mut self.sessions {
            let is_live = core.hub.find(&one.recording.stream).is_some_and(|stream| stream.is_live());
            one.left = (!is_live).then(|| one.left.unwrap_or(now));
        }
    }
}

impl Running {
    /// True if it waits for its card, or fails and may be without one.
    fn needs_card(&self) -> bool {
        self.task.is_none() || self.rule.mounted && self.recording.fails()
    }
}
