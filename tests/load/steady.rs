//! A publisher and a viewer that get along, whatever others do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::peer::{Http, Rtmp, number};

/// They run on a thread of their own.
pub struct Steady {
    stop: SyncSender<()>,
    thread: JoinHandle<u32>,
    /// The longest that a picture has taken, in milliseconds.
    longest: Arc<AtomicU32>,
}

/// From one picture to the next.
const PACE: Duration = Duration::from_millis(10);
/// 800 kB a second: what nobody reads soon fills its socket.
const PICTURE: usize = 8000;

impl Steady {
    /// Publishes `name`, and watches it over HTTP.
    pub fn start(rtmp: SocketAddr, http: SocketAddr, name: &str) -> Self {
        let mut publisher = Rtmp::publisher(rtmp, name);
        publisher.picture(0, true, 0, PICTURE).unwrap();
        let mut viewer = Http::new(http);
        assert_eq!(viewer.open(&format!("/live/{name}.flv")).status, 200);
        assert_eq!(number(&viewer.picture()), 0);
        let (stop, stopped) = sync_channel(1);
        let longest = Arc::new(AtomicU32::new(0));
        let noted = longest.clone();
        let thread = std::thread::spawn(move || {
            let (mut count, mut going) = (0, true);
            while going {
                going = stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout);
                count += 1; // once more after the end of all the others
                let begun = Instant::now();
                publisher.picture(count * 10, count % 25 == 0, count, PICTURE).unwrap();
                assert_eq!(number(&viewer.picture()), count, "no picture is missing");
                noted.fetch_max(begun.elapsed().as_millis().max(1) as u32, Relaxed);
            }
            count
        });
        Self { stop, thread, longest }
    }

    /// True if every picture has arrived up to now.
    pub fn is_well(&self) -> bool {
        !self.thread.is_finished()
    }

    /// The longest that a picture has taken since the last call.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.swap(0, Relaxed).into())
    }

    /// Ends both; gives how many pictures went from one to the other.
    pub fn stop(self) -> u32 {
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
