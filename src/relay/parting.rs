//! The end of a connection by which all was sent.

use std::task::Poll;
use std::time::Duration;

use crate::reactor::Timer;
use smol::future::or;

use crate::net::{ALL, Conn, poll_in_turns};

/// Lets all bytes arrive: a socket that is closed with input unread drops the bytes that it has not
/// sent.
pub async fn see_off(conn: &mut Conn) {
    conn.finish();
    let seen = std::future::poll_fn(|cx| {
        poll_in_turns(cx, |cx| match conn.poll_read(cx, ALL, |data| Ok(data.len())) {
            Poll::Ready(Ok(received)) if !received.end => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            _ => Poll::Ready(Err(())),
        })
    });
    let late = async { _ = Timer::after(GOODBYE).await };
    or(seen, late).await;
}

/// The time that a peer is given to close its end.
const GOODBYE: Duration = Duration::from_secs(2);
