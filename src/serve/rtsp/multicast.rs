//! A stream that is sent to a group: once, for any number of listeners.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use smol::Task;
use smol::channel::{Receiver, bounded};
use smol::stream::Stream as _;

use super::super::Server;
use super::CAST;
use crate::conf::Config;
use crate::hub::{Name, Ticket, Viewer};
use crate::media::Kind;
use crate::net::Seat;
use crate::proto::rtp::RTP;
use crate::session::{Action, Core, Grant, Leave, MediaPath, RtpSender, Subject, Who};

/// The streams that are sent to a group, with the local address for each.
#[derive(Default)]
pub(crate) struct MulticastGroups(Mutex<HashMap<(Name, Ipv4Addr), Weak<MulticastGroup>>>);

/// A cast to a group; it ends when the last listening session drops it.
pub(super) struct MulticastGroup {
    /// The group, and the number of routers that packets may pass.
    pub(super) to: (Ipv4Addr, u8),
    /// The ports for RTP of pictures and of sound; RTCP is sent to the next port.
    ports: [Option<u16>; 2],
    /// The session that sends.
    pub(super) ticket: Ticket,
    _task: Task<()>,
    /// Closed at the end of the cast.
    over: Receiver<Infallible>,
}

/// A session that listens to a cast.
pub(super) struct Listener {
    _cast: Arc<MulticastGroup>,
    over: Pin<Box<Receiver<Infallible>>>,
}

/// The number of casts of one peer in a row that are logged: it may start and stop any number.
const LOGGED_CASTS: u32 = 5;

impl MulticastGroup {
    /// The cast of a stream, started now if there is none, for the session in `seat` with these local and peer
    /// addresses. The ports count for its address while the cast lasts. `None` if there is no room for it.
    pub(super) fn join(
        server: &Arc<Server>,
        config: &Config,
        name: &Name,
        (local, peer): (SocketAddr, SocketAddr),
        seat: Option<&Seat>,
    ) -> Option<Arc<Self>> {
        let to = (config.rtsp.multicast.group()?, config.rtsp.multicast_ttl);
        let IpAddr::V4(local) = local.ip() else { return None };
        let mut all = server.groups.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, cast| cast.strong_count() > 0);
        let running = all.get(&(name.clone(), local)).and_then(Weak::upgrade);
        if let Some(cast) = running.filter(|cast| !cast.is_over() && cast.to == to) {
            return Some(cast);
        }
        let admitted = server.core.admit_cast(Leave::own(Action::Play, name), CAST, &RTP).ok()?;
        let told = || server.core.flood.passes("multicast", Subject::Peer(peer.ip()), LOGGED_CASTS);
        let cast = Arc::new(Self::begin(server, config, admitted, to, local, (seat, &told))?);
        all.insert((name.clone(), local), Arc::downgrade(&cast));
        Some(cast)
    }

    fn begin(
        server: &Server,
        config: &Config,
        admitted: (Viewer, Grant),
        to: (Ipv4Addr, u8),
        local: Ipv4Addr,
        (seat, told): (Option<&Seat>, &dyn Fn() -> bool),
    ) -> Option<Self> {
        let (group, ttl) = to;
        let (who, ticket) = (admitted.1.who.clone(), admitted.1.ticket());
        let mut sender = RtpSender::new(admitted);
        let mut ports = [None; 2];
        for (kind, port) in [Kind::Video, Kind::Audio].into_iter().zip(&mut ports) {
            let pair = server.core.udp.pair((local, 0).into(), Core::viewer_sizes(config), seat)?;
            pair.send_to_groups(local, ttl).ok()?;
            *port = Some(pair.port());
            let to = |port| SocketAddr::new(group.into(), port);
            let (rtp, rtcp) = (to(pair.port()), to(pair.port() + 1));
            sender.set_path(kind, MediaPath::Udp { pair, rtp, rtcp });
        }
        let level = if told() { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "{who} is sent to the group {group}");
        let (task, over) = Self::send(&server.core, sender, who, (group, level));
        Some(Self { to, ports, ticket, _task: task, over })
    }

    /// Starts the task that sends. The receiver is closed at its end.
    fn send(
        core: &Core,
        mut sender: RtpSender,
        who: Who,
        (group, level): (Ipv4Addr, log::Level),
    ) -> (Task<()>, Receiver<Infallible>) {
        let (lasts, over) = bounded(1);
        let task = core.executor.spawn(async move {
            let _lasts = lasts;
            let begun = std::future::poll_fn(|cx| match sender.poll_dismissed(cx) {
                Poll::Ready(why) => Poll::Ready(Err(why)),
                Poll::Pending => sender.poll_offers(cx).map(|_| Ok(())),
            });
            let why = match begun.await {
                Ok(()) => std::future::poll_fn(|cx| sender.poll_alone(cx)).await,
                Err(why) => why,
            };
            log::log!(level, "{who} is no longer sent to the group {group}: {why}");
        });
        (task, over)
    }

    /// True if the cast has ended.
    fn is_over(&self) -> bool {
        self.over.is_closed()
    }

    /// The ports for packets of a kind.
    pub(super) fn ports(&self, kind: Kind) -> Option<(u16, u16)> {
        let [video, audio] = self.ports;
        let port = if kind == Kind::Video { video } else { audio };
        port.map(|port| (port, port + 1))
    }
}

impl Listener {
    pub(super) fn new(cast: Arc<MulticastGroup>) -> Self {
        let over = Box::pin(cast.over.clone());
        Self { _cast: cast, over }
    }

    /// Ready once the cast has ended.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.over.as_mut().poll_next(cx).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::reactor::woken::Woken;

    #[test]
    fn all_who_listen_are_woken_when_the_cast_is_kicked() {
        let config = Config::parse("test", "profile = \"box\"\n").unwrap();
        let core = Core::new(config, crate::registry::costs(), Arc::default());
        let leave = Leave::own(Action::Play, &Name::new("a").unwrap());
        let admitted = core.admit_cast(leave, CAST, &RTP).unwrap();
        let (who, ticket) = (admitted.1.who.clone(), admitted.1.ticket());
        let to = (Ipv4Addr::new(239, 255, 42, 42), 1);
        // without ports: emulators of a processor refuse sockets that send to groups
        let (task, over) = MulticastGroup::send(&core, RtpSender::new(admitted), who, (to.0, log::Level::Debug));
        let cast = Arc::new(MulticastGroup { to, ports: [None; 2], ticket, _task: task, over });
        let mut listeners = [Listener::new(cast.clone()), Listener::new(cast.clone())];
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        while core.executor.try_tick() {}
        assert!(listeners.iter_mut().all(|listener| listener.poll_over(&mut cx).is_pending()));
        assert!(!cast.is_over());
        assert!(core.kick(ticket));
        while core.executor.try_tick() {}
        assert_eq!(woken.times(), 2);
        assert!(listeners.iter_mut().all(|listener| listener.poll_over(&mut cx).is_ready()));
        assert!(cast.is_over(), "another begins");
    }
}
