//! The only way to the hub, for sessions with a leave to publish or to play.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::ask::Leave;
use super::core::Core;
use super::list::{Entry, Part};
use super::refusal::Refusal;
use super::who::Who;
use crate::auth::Action;
use crate::container::Form;
use crate::hub::{Name, Publisher, Refused, Ticket, Viewer};
use crate::net::{Claim, Seat, Use};

/// A client that enters with a leave.
pub struct Entrant<'a> {
    /// The session or the peer that has asked.
    pub asker: Asker<'a>,
    /// Its connection's share of the limits of its address; `None` for the server itself.
    pub seat: Option<&'a Arc<Seat>>,
    /// The URL of the client's request, or of the server's own.
    pub url: &'a dyn Display,
}

/// The session or the peer that has asked.
#[derive(Clone, Copy)]
pub enum Asker<'a> {
    /// A session that has an id.
    Session(&'a Who),
    /// A session without an id, which gets one once it may play, or when it asks to publish: the prefix of that id, and
    /// its peer.
    Guest(&'static str, Option<SocketAddr>),
}

/// A session that publishes or plays, which ends when it is dropped.
#[must_use = "the session ends when it is dropped"]
pub struct Grant {
    /// The session, with its stream.
    pub who: Who,
    /// The place of its address.
    _use: Option<Use>,
    /// Its place in the list.
    entry: Entry,
}

impl Core {
    /// Admits a publisher.
    pub fn admit_publisher(
        &self,
        leave: Leave,
        entrant: &Entrant<'_>,
        now: Instant,
    ) -> Result<(Publisher, Grant), Refusal> {
        let name = leave.to(Action::Publish)?.clone();
        let taken = entrant.take(Claim::Publisher)?;
        let who = entrant.who(self).of(&name);
        let publisher = self.hub.publish(&name, &who.to_string(), now)?;
        let grant = self.grant(who, &name, Part::Publishes, entrant.url, taken);
        Ok((publisher.coming_from(entrant.customer()).of(grant.ticket()), grant))
    }

    /// Admits a player of the given form.
    pub fn admit_player(
        &self,
        leave: Leave,
        entrant: &Entrant<'_>,
        form: &'static Form,
    ) -> Result<(Viewer, Grant), Refusal> {
        let name = leave.to(Action::Play)?.clone();
        let taken = entrant.take(Claim::Viewer)?;
        let viewer = self.hub.play(&name, form)?;
        let viewer = if entrant.seat.is_some() { viewer.giving_way(entrant.customer()) } else { viewer };
        let who = entrant.who(self).of(&name);
        let grant = self.grant(who, &name, Part::Plays(form.name), entrant.url, taken);
        Ok((viewer.of(grant.who.id(), grant.ticket()), grant))
    }

    /// Admits a session whose id begins with `kind` as the sender of a stream to players that are admitted already.
    pub fn admit_cast(
        &self,
        leave: Leave,
        kind: &'static str,
        form: &'static Form,
    ) -> Result<(Viewer, Grant), Refusal> {
        let name = leave.to(Action::Play)?.clone();
        let viewer = self.hub.cast(&name, form)?;
        let grant = self.grant(self.who(kind).of(&name), &name, Part::Plays(form.name), &"", None);
        Ok((viewer.of(grant.who.id(), grant.ticket()), grant))
    }

    /// Lets the program itself publish, without asking. The id of its session begins with `kind`.
    pub fn publish(&self, name: &Name, kind: &'static str, now: Instant) -> Result<(Publisher, Grant), Refusal> {
        self.admit_publisher(Leave::own(Action::Publish, name), &Entrant::of_program(kind), now)
    }

    /// Lets the program itself play, without asking. The id of its session begins with `kind`.
    pub fn play(&self, name: &Name, kind: &'static str, form: &'static Form) -> Result<(Viewer, Grant), Refusal> {
        self.admit_player(Leave::own(Action::Play, name), &Entrant::of_program(kind), form)
    }

    fn grant(&self, who: Who, name: &Name, part: Part, url: &dyn Display, taken: Option<Use>) -> Grant {
        let entry = self.list.enter(&who, name, part, url);
        Grant { who, _use: taken, entry }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.entry.moved(self.who.moved());
    }
}

impl Grant {
    /// The ticket of the session in this part.
    pub fn ticket(&self) -> Ticket {
        self.entry.ticket()
    }
}

impl Entrant<'_> {
    /// The program itself, which has no address.
    fn of_program(kind: &'static str) -> Self {
        Self { asker: Asker::Guest(kind, None), seat: None, url: &"" }
    }

    /// Takes a place of its address.
    fn take(&self, what: Claim) -> Result<Option<Use>, Refused> {
        self.seat.map(|seat| seat.take(what).ok_or(Refused::Peer)).transpose()
    }

    fn who(&self, core: &Core) -> Who {
        match self.asker {
            Asker::Session(who) => who.clone(),
            Asker::Guest(kind, None) => core.who(kind),
            Asker::Guest(kind, Some(peer)) => core.who(kind).at(peer),
        }
    }

    fn customer(&self) -> Option<u128> {
        self.seat.and_then(|seat| seat.customer())
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;
    use crate::conf::Config;
    use crate::container::FLV;

    #[test]
    fn an_address_has_its_part_and_has_it_again_when_a_grant_ends() {
        let text = "profile = \"box\"\nviewers.max = 4\nstreams.max = 1\nconnections.per_peer = 50\n";
        let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Arc::default());
        let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let seats: Vec<_> = (0..4).map(|_| core.peers.seat(peer.ip()).unwrap()).collect();
        let (name, asker) = (Name::new("a").unwrap(), Asker::Guest("FLVPUBSUB", Some(peer)));
        let play = |seat| {
            core.admit_player(Leave::own(Action::Play, &name), &Entrant { asker, seat: Some(seat), url: &"" }, &FLV)
        };
        let mut playing: Vec<_> = seats.iter().filter_map(|seat| play(seat).ok()).collect();
        assert_eq!(playing.len(), 2);
        let (viewer, grant) = playing.remove(0);
        drop(viewer);
        assert_eq!(play(&seats[2]).err(), Some(Refusal::Hub(Refused::Peer)), "the leave goes on");
        drop(grant);
        assert!(play(&seats[2]).is_ok());
    }

    #[test]
    fn a_request_that_is_refused_takes_no_place_from_the_session_that_goes_on() {
        let text = "profile = \"box\"\nviewers.max = 4\nstreams.max = 1\nconnections.per_peer = 50\n";
        let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Arc::default());
        let peer: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let seats: Vec<_> = (0..3).map(|_| core.peers.seat(peer.ip()).unwrap()).collect();
        let (name, asker) = (Name::new("a").unwrap(), Asker::Guest("FLVPUBSUB", None));
        let play = |seat| core.admit_player(Leave::own(Action::Play, &name), &Entrant { asker, seat, url: &"" }, &FLV);
        let _playing: Vec<_> = seats[..2].iter().map(|seat| play(Some(seat)).ok().unwrap()).collect();
        let others: Vec<_> = (0..2).map(|_| play(None).ok().unwrap()).collect();
        assert!(play(Some(&seats[0])).is_err(), "there are four");
        drop(others);
        assert_eq!(play(Some(&seats[2])).err(), Some(Refusal::Hub(Refused::Peer)), "both play still");
    }

    #[test]
    fn an_address_leaves_streams_to_publish_to_others() {
        let text = "profile = \"box\"\nstreams.max = 4\nconnections.per_peer = 50\n";
        let core = Core::new(Config::parse("test", text).unwrap(), crate::registry::costs(), Arc::default());
        let asker = Asker::Guest("FLVPUB", None);
        let publish = |seat, name| {
            let leave = Leave::own(Action::Publish, &Name::new(name).unwrap());
            core.admit_publisher(leave, &Entrant { asker, seat, url: &"" }, Instant::now())
        };
        let seats: Vec<_> = (0..3).map(|_| core.peers.seat("192.0.2.1".parse().unwrap()).unwrap()).collect();
        let first = publish(Some(&seats[0]), "a").ok().unwrap();
        let (publisher, grant) = publish(Some(&seats[1]), "b").ok().unwrap();
        assert_eq!(publish(Some(&seats[2]), "c").err(), Some(Refusal::Hub(Refused::Peer)));
        let other = core.peers.seat("192.0.2.2".parse().unwrap()).unwrap();
        assert!(publish(Some(&other), "c").is_ok());
        drop(publisher);
        assert_eq!(publish(Some(&seats[2]), "c").err(), Some(Refusal::Hub(Refused::Peer)), "the leave goes on");
        drop(grant);
        assert!(publish(Some(&seats[2]), "c").is_ok());
        drop(first);
    }
}
