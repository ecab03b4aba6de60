//! Pulling and pushing by RTMP.

use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

#[cfg(feature = "record")]
use super::parting::see_off;
use super::{End, Errand, Need, Run};
use crate::conf::GREETING;
use crate::container::flv;
use crate::net::random;
use crate::net::{ALL, Close, Conn, Framing, HeadFraming, Outlet, SOME, poll_in_turns};
use crate::proto::Machine;
use crate::proto::rtmp::{Address, Client, ClientEvent, PUSH, Role, STREAM_ID, renumber};
use crate::serve::intake::Intake;
use crate::serve::live::Live;
use crate::serve::rtmp::Ingest;

/// Fetches a stream.
pub(super) fn pull(errand: Errand, mut conn: Conn) -> Run {
    conn.acknowledge_at_once(true);
    let client = client(&errand, Role::Play);
    let mut pull = Pull { errand, conn, client, ingest: None, need: Need::new() };
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| pull.poll(cx)).await;
        (end, pull.ingest.map_or(0, |ingest| ingest.intake.publisher.moved()))
    })
}

/// Sends a stream.
pub(super) fn push(errand: Errand, mut conn: Conn) -> Run {
    conn.acknowledge_at_once(true);
    let client = client(&errand, Role::Publish);
    let mut push = Push { errand, conn, client, live: None, need: Need::new() };
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| push.poll(cx)).await;
        #[cfg(feature = "record")]
        if push.errand.once {
            push.leave();
            see_off(&mut push.conn).await;
        }
        (end, push.live.as_ref().map_or(0, Live::moved))
    })
}

fn client(errand: &Errand, role: Role) -> Client {
    let Errand { url, config, server, .. } = errand;
    let seed = random::number();
    let greeting = server.greetings.child("greeting", GREETING);
    Client::new(role, Address::of(url), config.streams.max_frame.0, seed, greeting)
}

/// The most bytes of commands and answers that may wait for the server.
const MAX_ANSWERS: usize = 16 << 10;

/// A server that sends pings without end is to read the answers.
fn are_read(client: &mut Client) -> Result<(), Close> {
    match client.transmit().len() {
        0..=MAX_ANSWERS => Ok(()),
        _ => Err(Close::Peer("answers are not read".into())),
    }
}

/// What is packed once for all servers says one number of a message stream.
fn framing(stream_id: u32) -> Framing {
    match stream_id {
        STREAM_ID => Framing::None,
        number => Framing::Head(HeadFraming { number, rewrite: renumber }),
    }
}

struct Pull {
    errand: Errand,
    conn: Conn,
    client: Client,
    /// Once the server lets us play.
    ingest: Option<Box<Ingest>>,
    need: Need,
}

impl Pull {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let now = Instant::now();
        let Self { errand, conn, client, ingest, need } = self;
        let _ = conn.poll_send(cx, client.transmit(), errand.config.viewers.slow.0)?;
        if let Some(ingest) = ingest {
            if ready!(ingest.intake.poll_turn(cx, &errand.server))? {
                conn.look_again();
            }
            if errand.on_demand && !need.holds(ingest.intake.publisher.stream().is_watched(), now) {
                return Poll::Ready(Err(Close::Done.into()));
            }
        }
        let mut moved = None;
        let received = ready!(conn.poll_read(cx, ALL, |data| {
            let used = client.input(data).map_err(|error| Close::Peer(error.to_string()))?;
            while let Some(event) = client.event() {
                match (event, ingest.as_mut()) {
                    (ClientEvent::Started, None) => {
                        let begun = begin(errand, now)?;
                        client.charge_to(begun.intake.publisher.account().clone());
                        *ingest = Some(Box::new(begun));
                    }
                    (ClientEvent::Refused(why), _) => return Err(Close::Refused(why)),
                    (ClientEvent::Moved(to), _) => moved = Some(to),
                    (ClientEvent::Media { kind, timestamp, body }, Some(ingest)) => {
                        ingest.media(kind, timestamp, &body, now)?;
                    }
                    (ClientEvent::Data(body), Some(ingest)) => {
                        flv::clean(&body).into_iter().for_each(|info| ingest.intake.publisher.info(info));
                    }
                    (ClientEvent::Lost(kind, payload), Some(ingest)) => ingest.lost(kind, &payload),
                    (ClientEvent::DataLost(payload), Some(ingest)) => ingest.data_lost(&payload),
                    _ => {}
                }
            }
            Ok(used)
        }))?;
        if let Some(to) = moved {
            return Poll::Ready(Err(End::Moved(to)));
        }
        if received.end {
            return Poll::Ready(Err(Close::Eof.into()));
        }
        are_read(client)?;
        if let Some(ingest) = ingest {
            conn.acknowledge_at_once(false);
            ingest.intake.handed_over(conn, received.bytes, &errand.server);
        }
        Poll::Ready(Ok(()))
    }
}

fn begin(errand: &Errand, now: Instant) -> Result<Ingest, Close> {
    let Errand { server, config, name, url, who, .. } = errand;
    let publisher = server.hub.publish(name, &who.to_string(), now).map_err(|why| Close::Refused(why.to_string()))?;
    log::info!("{who} pulls {name} from {url}");
    Ok(Ingest::new(Intake::new(publisher, config, who)))
}

struct Push {
    errand: Errand,
    conn: Conn,
    client: Client,
    /// Once the server lets us publish.
    live: Option<Live>,
    need: Need,
}

impl Drop for Push {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Push {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    /// Tells the server that this was all, unless it waits for the rest of a frame.
    fn leave(&mut self) {
        if self.live.as_ref().is_some_and(Live::is_idle) {
            self.client.stop();
            let mut nobody = Context::from_waker(Waker::noop());
            let _ = self.conn.poll_send(&mut nobody, self.client.transmit(), Duration::ZERO);
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Self { errand, conn, client, live, need } = self;
        let Errand { server, config, name, url, who, .. } = errand;
        let slow = config.viewers.slow.0;
        let is_live = server.hub.find(name).is_some_and(|stream| stream.is_live());
        if !need.holds(is_live, Instant::now()) {
            return Poll::Ready(Err(Close::Done.into()));
        }
        server.beat.wake_next(cx);
        match live {
            Some(live) => {
                if !live.poll(cx, conn, client.transmit(), slow)? {
                    return Poll::Ready(Ok(()));
                }
                if errand.once && !is_live && live.is_idle() {
                    return Poll::Ready(Err(Close::Done.into()));
                }
            }
            None => {
                let _ = conn.poll_send(cx, client.transmit(), slow)?;
            }
        }
        let mut moved = None;
        let received = ready!(conn.poll_read(cx, SOME, |data| {
            let used = client.input(data).map_err(|error| Close::Peer(error.to_string()))?;
            while let Some(event) = client.event() {
                match event {
                    ClientEvent::Started if live.is_none() => {
                        let viewer = server.hub.play(name, &PUSH).map_err(|why| Close::Refused(why.to_string()))?;
                        let viewer = viewer.from_oldest();
                        *live = Some(Live::new(viewer, Outlet::new(framing(client.stream_id()))));
                        log::info!("{who} pushes {name} to {url}");
                    }
                    ClientEvent::Refused(why) => return Err(Close::Refused(why)),
                    ClientEvent::Moved(to) => moved = Some(to),
                    _ => {}
                }
            }
            Ok(used)
        }))?;
        if let Some(to) = moved {
            return Poll::Ready(Err(End::Moved(to)));
        }
        if received.end {
            return Poll::Ready(Err(Close::Eof.into()));
        }
        are_read(client)?;
        if live.is_some() {
            conn.expect_input(Duration::ZERO);
            conn.acknowledge_at_once(false);
        }
        Poll::Ready(Ok(()))
    }
}
