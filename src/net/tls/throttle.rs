//! Handshakes, whose mathematics is the most that one connection can ask for.

use std::time::Instant;

use crate::reactor::Timer;
use smol::lock::Mutex;

/// All handshakes of a server. They go on one step at a time, and together take half
/// of one core at most: streams go on beside any number of them.
#[derive(Debug, Default)]
pub struct HandshakeThrottle(Mutex<()>);

impl HandshakeThrottle {
    /// Does one step when it is time.
    pub(crate) async fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        let _turn = self.0.lock().await;
        let begun = Instant::now();
        let done = step();
        Timer::after(begun.elapsed()).await;
        done
    }
}
