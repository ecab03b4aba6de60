//! Pulling and pushing by RTSP.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::future::or;

use super::see_off;
use super::{End, Need, Presence, RelayJob, Run, UNNEEDED_TIMEOUT};
use crate::hub::Doubt;
use crate::media::Kind;
use crate::net::random;
use crate::net::{Close, Conn, Deadline, FULL_READ, SHORT_READ, at_port, canonical, poll_in_turns};
use crate::proto::Machine;
use crate::proto::rtp::RTP;
use crate::proto::rtsp::sdp::Description;
use crate::proto::rtsp::{Client, ClientEvent, Lower, Purpose, Transport, packet_header};
use crate::session::{Core, GREETING, MediaPath, Refusal, RtpIngest, RtpSender, announced};

/// Pulls a stream.
pub(crate) fn pull(job: RelayJob, conn: Conn) -> Run {
    let client = client(&job, Purpose::Play);
    let mut pull = Pull { job, conn, client, deadline: Deadline::default(), publish: None, need: Need::new() };
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| pull.poll(cx)).await;
        (
            end.of("RTSP", pull.client.is_answered()),
            pull.publish.as_ref().map_or(0, |publish| publish.ingest.publisher.moved()),
        )
    })
}

/// Pushes a stream.
pub(crate) fn push(job: RelayJob, conn: Conn) -> Run {
    Box::pin(async move {
        let mut sender = match job.play(&RTP) {
            Ok((viewer, grant)) => RtpSender::new((viewer.in_packets().from_oldest(), grant)),
            Err(why) => return (Close::from(why).into(), 0),
        };
        let offered = std::future::poll_fn(|cx| sender.poll_offers(cx).map(|offers| !offers.is_empty()));
        let late = async {
            Timer::after(UNNEEDED_TIMEOUT).await;
            false
        };
        if !or(offered, late).await {
            return (End::from(Close::refused("it has no track that RTSP carries")), 0);
        }
        let local = conn.local().map_or(conn.peer().ip(), |local| local.ip());
        let (sdp, tracks) = (sender.description(local), sender.offers().len());
        let client = client(&job, Purpose::Publish { sdp, tracks });
        let presence = Presence::of(&job);
        let mut push = Push {
            job,
            conn,
            client,
            deadline: Deadline::default(),
            sender,
            started: false,
            pair: None,
            need: Need::new(),
            presence,
        };
        let end = std::future::poll_fn(|cx| push.poll(cx)).await;
        if push.job.once {
            leave(&mut push.conn, &mut push.client);
            see_off(&mut push.conn).await;
        }
        (end.of("RTSP", push.client.is_answered()), push.sender.moved())
    })
}

fn client(job: &RelayJob, purpose: Purpose) -> Client {
    let lower = if job.udp && job.config.rtsp.udp { Lower::Udp } else { Lower::Tcp };
    let seed = random::number();
    let greeting = job.core.greetings.account().child("greeting", GREETING);
    Client::new(&job.url, purpose, lower, seed, greeting, Instant::now())
}

/// Ends the session at the server, which may allow few sessions and notice the end late.
fn leave(conn: &mut Conn, client: &mut Client) {
    client.teardown();
    let _ = conn.poll_send(&mut Context::from_waker(Waker::noop()), client.transmit(), Duration::ZERO);
}

struct Pull {
    job: RelayJob,
    conn: Conn,
    client: Client,
    deadline: Deadline,
    /// The publisher, once the stream is described.
    publish: Option<Box<RtpIngest>>,
    need: Need,
}

impl Drop for Pull {
    fn drop(&mut self) {
        leave(&mut self.conn, &mut self.client);
    }
}

impl Pull {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let now = Instant::now();
        let Self { job, conn, client, publish, need, .. } = self;
        let core = &job.core;
        let _ = conn.poll_send(cx, client.transmit(), job.config.viewers.slow.0)?;
        if let Some(publish) = publish {
            ready!(publish.poll_turn(cx, conn, client.transmit(), core))?;
            let is_watched = !job.on_demand || publish.ingest.publisher.stream().is_watched();
            if need.poll_over(cx, is_watched, now).is_ready() {
                return Poll::Ready(Err(End::Closed(Close::Done)));
            }
        }
        self.poll_input(cx, now)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), End>> {
        let Self { conn, client, deadline, publish, .. } = self;
        let mut news = Vec::new();
        let bytes = ready!(conn.poll_drive(cx, FULL_READ, (client, deadline), |_, event| {
            match (event, publish.as_mut()) {
                // at once, because packets may follow that answer directly
                (ClientEvent::Started(begin), Some(publish)) => {
                    publish.begin_at(&begin);
                    publish.record();
                    news.push(ClientEvent::Started(begin));
                }
                (ClientEvent::Packet { channel, data }, Some(publish)) => publish.interleaved(channel, &data, now)?,
                (ClientEvent::Lost { channel, refusal }, Some(publish)) => publish.lost(channel, refusal),
                (ClientEvent::Packet { .. } | ClientEvent::Lost { .. }, None) => {}
                (event, _) => news.push(event),
            }
            Ok(())
        }))?;
        // handling an event may cause further events
        let mut news = VecDeque::from(news);
        while let Some(event) = news.pop_front().or_else(|| self.client.event()) {
            self.on_event(event, now)?;
        }
        let Self { job, conn, client, publish, .. } = self;
        if let Some(publish) = publish {
            publish.hears_noise(client.noise());
            publish.handed_over(conn, client.transmit(), bytes, &job.core, now);
        }
        Poll::Ready(Ok(()))
    }

    fn on_event(&mut self, event: ClientEvent, now: Instant) -> Result<(), End> {
        match event {
            ClientEvent::Described(description) => self.described(&description, now)?,
            ClientEvent::WantsPorts(track) => {
                let Self { job, conn, client, publish, .. } = self;
                let ports = publish.as_mut().and_then(|publish| publish.open(track, conn, &job.core, &job.config));
                client.ports(ports);
            }
            ClientEvent::SetUp(track, transport) => {
                if let Some(publish) = &mut self.publish {
                    publish.agreed(track, &transport);
                }
            }
            ClientEvent::Started(_) => {
                self.conn.expect_input(self.job.config.publish.silence.0);
                log::info!("{} pulls {} from {}", self.job.who, self.job.name, self.job.url);
            }
            other => return Err(end(other)),
        }
        Ok(())
    }

    fn described(&mut self, description: &Description, now: Instant) -> Result<(), End> {
        self.job.gives_way()?;
        let RelayJob { config, .. } = &self.job;
        let refused = |why: Refusal| End::Closed(why.into());
        let (demux, numbers) = announced(description, config).ok_or_else(|| refused(Refusal::Codec))?;
        let (mut publisher, grant) = self.job.publish(now).map_err(refused)?;
        publisher.doubt(Doubt::Pulled);
        self.client.charge_to(publisher.account().clone());
        let wanted: Vec<_> = (0..).zip(&numbers).filter_map(|(track, number)| number.map(|_| track)).collect();
        self.publish = Some(Box::new(RtpIngest::new((publisher, grant), (demux, numbers), config)));
        self.client.choose(wanted);
        Ok(())
    }
}

/// The reason of the end that an event gives.
fn end(event: ClientEvent) -> End {
    match event {
        ClientEvent::Moved(to) => End::Moved(to),
        ClientEvent::Refused(status, reason) => End::Closed(Close::refused(format!("{status} {reason}"))),
        _ => End::Closed(Close::Eof),
    }
}

struct Push {
    job: RelayJob,
    conn: Conn,
    client: Client,
    deadline: Deadline,
    sender: RtpSender,
    started: bool,
    /// Ports of the track that is being set up.
    pair: Option<crate::net::Pair>,
    need: Need,
    presence: Presence,
}

impl Drop for Push {
    fn drop(&mut self) {
        leave(&mut self.conn, &mut self.client);
    }
}

impl Push {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let slow = self.job.config.viewers.slow.0;
        let is_live = self.presence.poll_live(cx, &self.job);
        if self.need.poll_over(cx, is_live, Instant::now()).is_ready() {
            return Poll::Ready(Err(End::Closed(Close::Done)));
        }
        if self.started {
            if !self.sender.poll(cx, &mut self.conn, self.client.transmit(), slow)? {
                return Poll::Ready(Ok(()));
            }
            if self.job.once && !is_live && self.sender.is_idle() {
                return Poll::Ready(Err(End::Closed(Close::Done)));
            }
        } else {
            let _ = self.conn.poll_send(cx, self.client.transmit(), slow)?;
        }
        let Self { conn, client, deadline, .. } = self;
        let mut news = Vec::new();
        let bytes = ready!(conn.poll_drive(cx, SHORT_READ, (client, deadline), |_, event| {
            news.push(event);
            Ok(())
        }))?;
        for event in news {
            self.on_event(cx, event)?;
        }
        if self.started && bytes > 0 {
            self.expect_answers();
        }
        Poll::Ready(Ok(()))
    }

    /// Sets the input timeout. Over UDP the server must answer the keep-alive requests, which are sent after half
    /// its timeout. Inside the connection, accepted packets are proof enough.
    fn expect_answers(&self) {
        let patience = self.client.session_timeout() * 3 / 2;
        self.conn.expect_input(if self.sender.is_over_udp() { patience } else { Duration::ZERO });
    }

    fn on_event(&mut self, cx: &mut Context<'_>, event: ClientEvent) -> Result<(), End> {
        match event {
            ClientEvent::WantsPorts(_) => {
                let RelayJob { core, config, .. } = &self.job;
                let local = canonical(self.conn.local().map_err(Close::from)?);
                self.pair = core.udp.pair(local, Core::viewer_sizes(config), None);
                self.client.ports(self.pair.as_ref().map(|pair| (pair.port(), pair.port() + 1)));
            }
            ClientEvent::SetUp(track, transport) => self.set_up(track, &transport),
            ClientEvent::Started(_) => {
                self.started = true;
                self.sender.start(cx, packet_header);
                self.expect_answers();
                let RelayJob { who, name, url, .. } = &self.job;
                log::log!(who.level(), "{who} pushes {name} to {url}");
            }
            ClientEvent::Packet { .. } | ClientEvent::Lost { .. } | ClientEvent::Described(_) => {}
            other => return Err(end(other)),
        }
        Ok(())
    }

    fn set_up(&mut self, track: usize, transport: &Transport) {
        let Some(kind): Option<Kind> = self.sender.offers().get(track).map(|(kind, _)| *kind) else { return };
        let peer = canonical(self.conn.peer());
        let way = match (transport.lower, self.pair.take(), transport.server_port) {
            (Lower::Tcp, ..) => {
                let (rtp, rtcp) = transport.interleaved.unwrap_or(((2 * track) as u8, (2 * track + 1) as u8));
                MediaPath::Interleaved(rtp, rtcp)
            }
            (_, Some(pair), Some((rtp, rtcp))) => {
                MediaPath::Udp { pair, rtp: at_port(peer, rtp), rtcp: at_port(peer, rtcp) }
            }
            _ => return,
        };
        self.sender.set_path(kind, way);
    }
}
