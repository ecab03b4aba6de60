//! Requests to publish and to play, which wait for the decision.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::play::{Held, PlaySession};
use super::{Body, PLAYER, PUBLISHER, Role, Turn};
use crate::hub::Name;
use crate::net::{Close, Via};
use crate::proto::Target;
use crate::proto::rtp::RTP;
use crate::proto::rtsp;
use crate::proto::rtsp::sdp::Description;
use crate::proto::scheme::RTSP;
use crate::session::{
    Action, Asker, Asking, Denial, Entrant, Leave, MAX_URL, Refusal, Request, RtpIngest, RtpSender, Tracks,
};

/// A request without a decision yet.
pub(super) struct Asks {
    asking: Asking,
    target: Target,
    wish: Wish,
}

/// The object of a request.
pub(super) enum Wish {
    /// To publish these tracks, or tracks of codecs that cannot be received.
    Publish(Result<Tracks, Encodings>),
    /// To play, starting with this request.
    Play(Held),
}

/// The names of codecs in a description, for the log.
pub(super) struct Encodings(String);

impl Encodings {
    pub(super) fn of(description: &Description) -> Self {
        let formats = description.medias.iter().flat_map(|media| &media.formats);
        let named = formats.filter(|format| !format.encoding.is_empty()).take(4);
        let named: Vec<String> = named.map(|format| format.encoding.chars().take(32).collect()).collect();
        Self(if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) })
    }
}

impl Asks {
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Leave, Refusal>> {
        Future::poll(Pin::new(&mut self.asking), cx)
    }
}

impl Wish {
    fn action(&self) -> Action {
        match self {
            Self::Publish(_) => Action::Publish,
            Self::Play(_) => Action::Play,
        }
    }

    /// The prefix of the ids of such sessions.
    fn kind(&self) -> &'static str {
        match self {
            Self::Publish(_) => PUBLISHER,
            Self::Play(_) => PLAYER,
        }
    }
}

impl Body {
    /// Asks whether the client may have what it wants. It is answered after the decision.
    pub(super) fn ask(
        &mut self,
        machine: &mut rtsp::Server,
        target: Target,
        wish: Wish,
        now: Instant,
    ) -> Result<Turn, Close> {
        let credentials = machine.take_credentials();
        let Ok(name) = Name::of_url(&target.name) else {
            return self.answer(machine, &target, wish, Err(Refusal::Name), now);
        };
        let action = wish.action();
        let asking = self.server.core.ask(&Request {
            action,
            protocol: RTSP.name,
            form: (action == Action::Play).then_some(RTP.name),
            tls: self.tls,
            name: Some(&name),
            app: &target.app,
            query: &target.query,
            peer: self.peer,
            via: Via::Network,
            credentials: &credentials,
            agent: machine.agent(),
        });
        match asking.now() {
            Ok(answer) => {
                // a client that has to authenticate first keeps its role
                if !matches!(answer, Err(Refusal::Denied(Denial::Unauthenticated(..)))) {
                    self.role = Role::Guest;
                }
                self.answer(machine, &target, wish, answer, now)
            }
            Err(asking) => {
                self.role = Role::Asks(Box::new(Asks { asking, target: target.cut(MAX_URL), wish }));
                Ok(Turn::Held)
            }
        }
    }

    /// Acts on the decision.
    pub(super) fn decided(
        &mut self,
        machine: &mut rtsp::Server,
        answer: Result<Leave, Refusal>,
        now: Instant,
    ) -> Result<Turn, Close> {
        let Role::Asks(asks) = std::mem::replace(&mut self.role, Role::Guest) else { return Ok(Turn::None) };
        let Asks { target, wish, .. } = *asks;
        // its deadline was suspended meanwhile
        Ok(Turn::Guest.or(self.answer(machine, &target, wish, answer, now)?))
    }

    /// Starts the client's session, or refuses it with a line in the log.
    fn answer(
        &mut self,
        machine: &mut rtsp::Server,
        target: &Target,
        wish: Wish,
        answer: Result<Leave, Refusal>,
        now: Instant,
    ) -> Result<Turn, Close> {
        if let Err(why @ Refusal::Denied(Denial::Unauthenticated(lack, schemes))) = answer {
            if !why.is_question() {
                self.refused(target, why, "");
            }
            machine.challenge(lack, schemes)?;
            return Ok(Turn::None);
        }
        self.name_as(wish.kind());
        let mut encodings = String::new();
        let begun = answer.and_then(|leave| match wish {
            Wish::Publish(Ok(tracks)) => self.publish(machine, leave, target, tracks, now),
            Wish::Publish(Err(Encodings(named))) => {
                encodings = named;
                Err(Refusal::Codec)
            }
            Wish::Play(held) => self.play(leave, target, held),
        });
        begun.or_else(|why| self.refuse(machine, target, why, &encodings))
    }

    /// Sends the refusal to the client and logs it.
    fn refuse(&self, machine: &mut rtsp::Server, target: &Target, why: Refusal, more: &str) -> Result<Turn, Close> {
        self.refused(target, why, more);
        machine.deny(why.in_rtsp())?;
        Ok(Turn::Guest)
    }

    /// Makes the client a viewer; it is answered once the stream has begun.
    fn play(&mut self, leave: Leave, target: &Target, held: Held) -> Result<Turn, Refusal> {
        let (viewer, grant) = self.server.core.admit_player(leave, &self.entrant(target), &RTP)?;
        let sender = RtpSender::new((viewer.in_packets(), grant));
        let ends = (self.local, self.peer);
        self.role = Role::Play(Box::new(PlaySession::new(sender, held, ends, self.seat.clone())));
        Ok(Turn::Held)
    }

    fn publish(
        &mut self,
        machine: &mut rtsp::Server,
        leave: Leave,
        target: &Target,
        tracks: Tracks,
        now: Instant,
    ) -> Result<Turn, Refusal> {
        let (name, core) = (leave.to(Action::Publish)?.clone(), &self.server.core);
        let (publisher, mut grant) = core.admit_publisher(leave, &self.entrant(target), now)?;
        machine.charge_to(publisher.account().clone());
        grant.who.begins(&core.flood, &name, format_args!("publishes {name} (app {:?})", target.app));
        let mut publish = RtpIngest::new((publisher, grant), tracks, &self.config);
        publish.ingest.active = false;
        machine.accept();
        self.role = Role::Publish(Box::new(publish));
        Ok(Turn::Guest)
    }

    fn entrant<'a>(&'a self, target: &'a Target) -> Entrant<'a> {
        Entrant { asker: Asker::Session(&self.who), seat: self.seat.as_ref(), url: target }
    }
}
