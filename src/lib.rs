//! runnel, a live streaming server that fits in a router.
//!
//! Publishers send live streams; viewers receive them in the form that they ask for. Memory is planned at start and
//! never exceeded.
//!
//! # Seven sentences
//!
//! 1. A viewer owns a cursor, not a queue: a number in the stream's ring, and a socket.
//! 2. A buffer is paid for before it exists; the lease lives inside the `Bytes`,
//!    so that the last holder refunds it.
//! 3. Protocols are machines: bytes in; events and bytes to send out. No sockets,
//!    no clocks, no tasks inside.
//! 4. A frame is packed once per form, lazily, by the first viewer that needs it;
//!    all viewers of a form send the same bytes.
//! 5. Forms times transports: a new container is one file and one table row.
//! 6. Every limit is a number in one table, whose worst case is summed at start.
//! 7. A panic means a bug; no input panics.
//!
//! # The map
//!
//! Arrows point down: a module uses those above it in this list.
//!
//! | module | what is there |
//! |---|---|
//! | [`budget`] | accounts, leases, blocks, the plan |
//! | [`wire`] | bytes, bits, checksums |
//! | [`reactor`] | sockets and timers that wake tasks, and what drives them |
//! | [`disk`] | work that may wait for a disk, or for a name to be looked up |
//! | [`media`] | time, tracks, frames, NAL units |
//! | [`codec`] | decoder records, and what frames say of themselves |
//! | [`container`] | FLV, MPEG-TS, MP4, AMF, playlists; the table of forms |
//! | [`proto`] | RTMP, RTSP with RTP, HTTP and WebSocket as machines |
//! | [`hub`] | streams, rings, publishers, viewers |
//! | [`hls`] | a viewer that cuts segments |
//! | [`net`] | sockets, writes that viewers share, deadlines, requests to other servers |
//! | [`conf`] | the configuration, and what a line of its plan is |
//! | [`device`] | log, watchdog, user, limits |
//! | `listing` | playlists on a disk, which recordings and HLS keep |
//! | [`auth`] | who may do what: rules, credentials, tokens |
//! | [`session`] | what all protocols share: the core, the one place to ask who may do what, a publisher's and a viewer's side |
//! | `lal` | lal's JSON: streams, sessions, times |
//! | [`serve`] | the glue: what a machine reports goes to the hub by way of `session` |
//! | [`relay`] | streams from elsewhere, and to elsewhere |
//! | `record` | streams that are written to files |
//! | `notify` | what happens here, told to other servers and to commands |
//! | [`registry`] | the table of protocols: listeners, URL schemes, relays, lines of the plan |
//!
//! # One frame's way
//!
//! Socket → [`proto::Machine`] → a leased block → [`media::Frame`] →
//! [`hub::Publisher::publish`] → a slot in the ring → [`hub::Viewer::poll_next`]
//! takes the packed [`hub::Unit`], or packs it now → [`net::Outlet`] → one `writev`.
//!
//! # In another program
//!
//! The server runs inside another program, which publishes frames of its own, reads those of any stream, and decides
//! which clients may do so. Its frames are charged to the plan like all others, and frames that it reads stay charged
//! to their stream while they are held.
//!
//! ```no_run
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! `[[access]]` is asked before the program's own gatekeeper, which has to agree. Tables of the configuration that have
//! the server do something by itself need what runs them: [`relay::Relays`] for `[[pull]]` and `[[push]]`,
//! `record::Recorder` for `[[record]]`, `notify::Notifier` for `[[notify]]` and `[[exec]]`, as the program has them in
//! `src/bin/runnel/rest.rs`.
//!
//! `examples/protocol.rs` adds a protocol with a port and a line of the plan of its own, and a form in which it sends
//! streams.
//!
//! # Words
//!
//! *Publish* and *play*: clients connect to the server. *Pull* and *push*: the server connects to others. A **stream**
//! has **tracks**; a track has **frames**; a **form** is a way to pack them (FLV, TS, MP4, RTMP); a **unit** is a
//! packed slot. An **account** is a budget, a **lease** a part of it that is held, a **block** a buffer with its lease.

pub mod auth;
pub mod budget;
pub mod codec;
pub mod conf;
pub mod container;
pub mod device;
pub mod disk;
#[cfg(feature = "http")]
pub mod hls;
pub mod hub;
#[cfg(any(feature = "api", feature = "notify"))]
pub mod lal;
#[cfg(feature = "record")]
pub mod listing;
pub mod media;
pub mod net;
#[cfg(feature = "notify")]
pub mod notify;
pub mod proto;
pub mod reactor;
#[cfg(feature = "record")]
pub mod record;
pub mod registry;
pub mod relay;
pub mod serve;
pub mod session;
pub mod wire;
