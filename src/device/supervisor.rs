//! Messages to systemd, if it is running: sd_notify(3).

use sd_notify::NotifyState;

/// A change of the program's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The server is ready.
    Ready,
    /// The server reads its configuration again.
    Reloading,
    /// The server is working (watchdog).
    Well,
    /// The server is stopping.
    Stopping,
}

/// Notifies the supervisor, if there is one.
pub fn tell(state: State) {
    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Well => sd_notify::notify(&[NotifyState::Watchdog]),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        State::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|time| sd_notify::notify(&[NotifyState::Reloading, time]))
        }
    };
    if let Err(error) = told {
        log::warn!("the supervisor cannot be told of {state:?}: {error}");
    }
}

/// True if the supervisor expects watchdog messages. One per second is often enough for a `WatchdogSec=` of 2 s and
/// more.
pub fn wants_pulse() -> bool {
    sd_notify::watchdog_enabled().is_some()
}
