//! The sizes of what there are many of. To grow one is a decision: change the
//! number here, and the plan's constants if need be.

use runnel::container::Packed;
use runnel::hub::{Publisher, Unit, Viewer};
use runnel::media::Frame;
use runnel::net::{Conn, Outlet};
#[cfg(feature = "rtsp")]
use runnel::proto::rtsp;
#[cfg(feature = "http")]
use runnel::proto::ws;
use runnel::proto::{http, rtmp};

use crate::meter::alone;

/// For each: the bytes that it may have on a 64-bit machine.
#[test]
fn of_frames_and_connections() {
    let _alone = alone(); // a failure is reported from the heap
    let sizes = [
        ("a frame", size_of::<Frame>(), 48),
        ("a packed frame", size_of::<Packed>(), 104),
        ("a unit", size_of::<Unit>(), 152),
        ("a viewer", size_of::<Viewer>(), 120),
        ("a publisher", size_of::<Publisher>(), 240),
        ("a connection", size_of::<Conn>(), 152),
        ("an outlet", size_of::<Outlet>(), 96),
        ("an RTMP machine", size_of::<rtmp::Server>(), 296),
        #[cfg(feature = "rtsp")]
        ("an RTSP machine", size_of::<rtsp::Server>(), 480),
        #[cfg(feature = "rtsp")]
        ("an RTSP client", size_of::<rtsp::Client>(), 696),
        ("an HTTP machine", size_of::<http::Server>(), 192),
        ("an HTTP client", size_of::<http::Client>(), 200),
        #[cfg(feature = "http")]
        ("a WebSocket machine", size_of::<ws::Server>(), 64),
    ];
    for (what, size, limit) in sizes {
        assert!(size <= limit, "{what} takes {size} bytes, and {limit} are planned");
    }
}
