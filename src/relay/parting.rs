//! The end of a connection after everything was sent.

use std::task::Poll;
use std::time::Duration;

use crate::reactor::Timer;
use smol::future::or;

use crate::net::{Conn, FULL_READ, poll_in_turns};

/// Waits until the peer has received all bytes. A socket that is closed with unread input drops the bytes that it
/// has not sent.
pub async fn see_off(conn: &mut Conn) {
    conn.finish();
    let seen = std::future::poll_fn(|cx| {
        poll_in_turns(cx, |cx| match conn.poll_read(cx, FULL_READ, |data| Ok(data.len())) {
            Poll::Ready(Ok(received)) if !received.end => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            _ => Poll::Ready(Err(())),
        })
    });
    let late = async { _ = Timer::after(CLOSE_TIMEOUT).await };
    or(seen, late).await;
}

/// The time that a peer has to close its side.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
