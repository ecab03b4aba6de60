//! The rate of handshakes, whose computation is the largest that a connection can cause.

use std::time::Instant;

use crate::reactor::Timer;
use smol::lock::Mutex;

/// All handshakes of a server. They run one step at a time, and together take at most half of one core, so that streams
/// continue during any number of them.
#[derive(Debug, Default)]
pub struct HandshakeThrottle(Mutex<()>);

impl HandshakeThrottle {
    /// Runs one step when its turn comes.
    pub(crate) async fn step<T>(&self, step: impl FnOnce() -> T) -> T {
        let _turn = self.0.lock().await;
        let begun = Instant::now();
        let done = step();
        Timer::after(begun.elapsed()).await;
        done
    }
}
