//! RTSP: playing and publishing.

mod key;
mod lane;
mod ports;
mod publish;
mod view;

pub use publish::Publish;
pub use view::{View, watch_datagrams};

use runnel::proto::rtsp::ClientEvent;

use crate::failed::Failed;

/// The reason why a session ends with this event, if it does.
fn end(event: ClientEvent) -> Option<String> {
    match event {
        ClientEvent::Refused(status, phrase) => Some(format!("{status} {phrase}")),
        ClientEvent::Moved(to) => Some(format!("the stream is at {to}")),
        ClientEvent::Ended => Some("the server has ended the session".into()),
        _ => None,
    }
}

/// Only the end of a session matters.
fn not_ended(event: ClientEvent) -> Result<(), Failed> {
    end(event).map_or(Ok(()), |why| Err(Failed::server(why)))
}
