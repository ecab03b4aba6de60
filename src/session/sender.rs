//! The output to a viewer, the same for every protocol that sends shared units.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::admit::Grant;
use crate::hub::Name;
use crate::hub::{Dismissal, Next, Pressed, Viewer};
use crate::net::{BATCH, Close, Conn, Outlet};

/// A viewer, and what is being sent to it.
pub struct Sender {
    viewer: Viewer,
    outlet: Outlet,
    /// The leave to play, and the session.
    pub grant: Grant,
}

impl Sender {
    /// Sends the units of `viewer` through `outlet`.
    pub fn new((viewer, grant): (Viewer, Grant), outlet: Outlet) -> Self {
        Self { viewer, outlet, grant }
    }

    /// Ends the viewer; the batch that is partly sent remains to be finished.
    pub fn into_tail(self) -> Tail {
        Tail::new(self.viewer, self.outlet, self.grant)
    }

    /// True if all units taken are sent.
    pub fn is_idle(&self) -> bool {
        self.outlet.is_empty()
    }

    /// The number of bytes sent.
    pub fn moved(&self) -> u64 {
        self.viewer.moved()
    }

    /// Its stream.
    pub fn name(&self) -> &Name {
        self.viewer.stream().name()
    }

    /// Logs the reason why it ends.
    pub fn ends(&mut self, why: impl std::fmt::Display) {
        let Self { viewer, grant, .. } = self;
        grant.who.ends(format_args!("stops playing {}: {why}", viewer.stream().name()), viewer.moved());
    }

    /// Sends control bytes between batches, and batches as the stream provides them. True if everything is sent and the
    /// stream has nothing more, or if the socket accepts no more; false if another turn is due.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        conn: &mut Conn,
        control: &mut Vec<u8>,
        slow: Duration,
    ) -> Result<bool, Close> {
        send(&mut self.viewer, &mut self.outlet, cx, conn, control, slow)
    }
}

/// The rest of a batch for a viewer that takes no more units: a message is never cut.
#[derive(Default)]
pub struct Tail(Option<(Viewer, Outlet, Grant)>);

impl Tail {
    /// The unsent rest in `outlet`.
    pub fn new(viewer: Viewer, outlet: Outlet, grant: Grant) -> Self {
        Self(Some((viewer, outlet, grant)).filter(|(_, outlet, _)| !outlet.is_empty()))
    }

    /// True if all of it is sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Ready once all of it is sent.
    pub fn poll(&mut self, cx: &mut Context<'_>, conn: &mut Conn, slow: Duration) -> Poll<Result<(), Close>> {
        if let Some((viewer, outlet, _)) = &mut self.0 {
            ready!(poll_rest(viewer, outlet, cx, conn, slow))?;
            self.0 = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Sends the units that a viewer has taken; ready when that is done. Until then the viewer holds them, and may have to
/// drop some.
pub fn poll_rest(
    viewer: &mut Viewer,
    outlet: &mut Outlet,
    cx: &mut Context<'_>,
    conn: &mut Conn,
    slow: Duration,
) -> Poll<Result<(), Close>> {
    let sent = conn.poll_outlet(cx, outlet, slow, |bytes| viewer.sent(bytes));
    if outlet.is_empty() {
        viewer.let_go();
    } else if sent.is_pending() {
        must_go(viewer, outlet, cx)?;
    }
    sent
}

/// Fails if a viewer has to be closed: the operator ends it, or memory is needed that its unsent units hold. Before
/// that it drops the units that it has not begun; a viewer that is sent packets also drops the rest of the unit that it
/// has begun.
pub fn must_go(viewer: &mut Viewer, outlet: &mut Outlet, cx: &Context<'_>) -> Result<(), Close> {
    let skips = match viewer.poll_pressed(cx, Instant::now()).map_err(sent_away)? {
        Pressed::No => return Ok(()),
        Pressed::GiveUp => outlet.give_up(),
        Pressed::Go if outlet.cut() => true,
        Pressed::Go => return Err(Close::Slow),
    };
    viewer.gave_up(outlet.units().first(), outlet.len(), skips);
    Ok(())
}

/// The reason for the close of a dismissed publisher or viewer.
pub fn sent_away(why: Dismissal) -> Close {
    match why {
        Dismissal::GaveWay => Close::refused("nobody publishes it, and others need the place"),
        Dismissal::Replaced => Close::Replaced,
        Dismissal::Kicked => Close::Kicked,
    }
}

/// The same as [`Sender::poll`], without a `Sender`.
pub fn send(
    viewer: &mut Viewer,
    outlet: &mut Outlet,
    cx: &mut Context<'_>,
    conn: &mut Conn,
    control: &mut Vec<u8>,
    slow: Duration,
) -> Result<bool, Close> {
    if !outlet.is_empty() && poll_rest(viewer, outlet, cx, conn, slow)?.is_pending() {
        return Ok(true);
    }
    if conn.poll_send(cx, control, slow)?.is_pending() {
        return Ok(true);
    }
    match outlet.fill(|units| viewer.poll_next(cx, units, BATCH)) {
        Poll::Ready(Next::Units) => {}
        Poll::Ready(Next::Head) => return Err(Close::Changed),
        Poll::Ready(Next::Dismissed(why)) => return Err(sent_away(why)),
        Poll::Pending => return Ok(true),
    }
    Ok(poll_rest(viewer, outlet, cx, conn, slow)?.is_pending() || viewer.is_waiting())
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::conf::Config;
    use crate::container::FLV;
    use crate::hub::{Name, Unit};
    use crate::media::Ticks;
    use crate::session::{Action, Asker, Core, Entrant, Leave};
    use std::net::SocketAddr;

    #[test]
    fn who_is_still_sent_the_rest_has_its_place_of_its_address() {
        let text = "profile = \"box\"\nviewers.max = 4\nconnections.per_peer = 25\n";
        let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Default::default());
        let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let seats = [(); 2].map(|()| core.peers.seat(peer.ip()).unwrap());
        let (name, asker) = (Name::new("a").unwrap(), Asker::Guest("FLVSUB", Some(peer)));
        let play = |seat| {
            let leave = Leave::own(Action::Play, &name);
            core.admit_player(leave, &Entrant { asker, seat: Some(seat), url: &"" }, &FLV).ok()
        };
        let (idle, mut busy) = (Outlet::default(), Outlet::default());
        busy.fill(|units| units.push(Unit::whole("a picture".into(), Ticks(0))));
        let rest = Sender::new(play(&seats[0]).unwrap(), busy).into_tail();
        assert!(!rest.is_empty() && play(&seats[1]).is_none());
        drop(rest);
        let nothing = Sender::new(play(&seats[1]).unwrap(), idle).into_tail();
        assert!(nothing.is_empty() && play(&seats[0]).is_some());
    }
}
