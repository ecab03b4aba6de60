//! The part that all protocols share: permissions, the identity of sessions, the input of publishers, the output to
//! viewers, and the core.

mod admit;
mod ask;
mod blacklist;
mod connections;
mod core;
mod costs;
mod counters;
mod flood;
#[cfg(feature = "rtmp")]
mod flv_in;
mod ingest;
#[cfg(any(feature = "api", feature = "notify"))]
mod json;
mod list;
mod logins;
mod news;
#[cfg(feature = "http")]
mod overview;
#[cfg(not(feature = "api"))]
#[path = "no_persist.rs"]
mod persist;
#[cfg(feature = "api")]
mod persist;
#[cfg(feature = "record")]
mod question;
mod rates;
#[cfg(feature = "record")]
mod recorded;
#[cfg(not(feature = "record"))]
#[path = "no_recorded.rs"]
mod recorded;
mod refusal;
mod relays;
mod reloads;
#[cfg(feature = "rtsp")]
mod rtp_in;
#[cfg(feature = "rtsp")]
mod rtp_out;
#[cfg(all(test, any(feature = "rtmp", feature = "record")))]
pub(crate) mod said;
mod sender;
#[cfg(feature = "record")]
mod switches;
mod threads;
mod who;

pub use self::core::{Core, time_of_day};
pub use crate::auth::{Action, Answer, Denial, Gatekeeper, PATIENCE, Request, Verdict};
#[cfg(feature = "rtmp")]
pub(crate) use crate::auth::{Guest, Meeting};
pub use admit::{Asker, Entrant, Grant};
pub use ask::{Asking, Leave};
pub use blacklist::{BLACKLIST, Blacklist, TooManyAddresses};
pub use connections::GREETING;
#[cfg(feature = "rtsp")]
pub use connections::PORT_PAIRS;
pub use costs::COSTS;
pub use counters::Counters;
pub use flood::{Flood, Subject};
#[cfg(feature = "rtmp")]
pub use flv_in::FlvIn;
pub use ingest::{Ingest, Loss};
#[cfg(any(feature = "api", feature = "notify"))]
pub use json::JsonText;
pub use list::{Entry, MAX_URL, Part, Session};
pub use logins::{LOGIN_LASTS, LOGINS, Logins};
pub use news::{Connection, Fact, Finished, Missed, News, NewsReader, Refused, Segment, SessionNews};
#[cfg(feature = "http")]
pub use overview::{Charged, Company, SessionState};
#[cfg(feature = "api")]
pub use persist::PERSIST;
pub use persist::Persist;
#[cfg(feature = "record")]
pub use question::{Doomed, Found, Kept, MOST_TOLD, Question, Told};
pub use rates::Flow;
pub use recorded::Recorded;
#[cfg(feature = "record")]
pub use recorded::{Asked, Counts, List, recorded_stream};
pub use refusal::Refusal;
pub use relays::{
    MAX_RELAY_URL, NotAdded, NotRemoved, RELAYS_BY_API, Relay, RelayEntry, RelayList, RelayNumber, RelayRow,
    RelayState, Terms, Way,
};
pub use reloads::{Mistake, NoReload, ReloadNumber, Reloaded, Reloads};
#[cfg(feature = "rtsp")]
pub use rtp_in::{RtpIngest, Tracks, announced};
#[cfg(feature = "rtsp")]
pub use rtp_out::{MediaPath, RtpSender};
pub use sender::{Sender, Tail, sent_away};
#[cfg(feature = "record")]
pub use switches::{MAX_SWITCHED, Switch, Switches, Unswitched};
pub use who::{Ids, Who};
