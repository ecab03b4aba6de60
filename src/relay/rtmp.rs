//! Pulling and pushing by RTMP.

use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use super::see_off;
use super::{End, Need, Presence, RelayJob, Run};
use crate::container::flv;
use crate::hub::Doubt;
use crate::media::Info;
use crate::net::random;
use crate::net::{Close, Conn, Deadline, FULL_READ, Framing, HeadFraming, Outlet, SHORT_READ, poll_in_turns};
use crate::proto::rtmp::{Address, Client, ClientEvent, PUSH, Role, STREAM_ID, renumber};
use crate::proto::{Error, Machine};
use crate::session::{FlvIn, GREETING, Ingest, Sender};

/// Pulls a stream.
pub(crate) fn pull(job: RelayJob, mut conn: Conn) -> Run {
    conn.acknowledge_at_once(true);
    let client = client(&job, Role::Play);
    let presence = Presence::of(&job);
    let mut pull = Pull {
        job,
        conn,
        client,
        deadline: Deadline::default(),
        flv_in: None,
        info: None,
        need: Need::new(),
        presence,
    };
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| pull.poll(cx)).await;
        (end.of("RTMP", pull.client.is_answered()), pull.flv_in.map_or(0, |flv_in| flv_in.ingest.publisher.moved()))
    })
}

/// Pushes a stream.
pub(crate) fn push(job: RelayJob, mut conn: Conn) -> Run {
    conn.acknowledge_at_once(true);
    let client = client(&job, Role::Publish);
    let presence = Presence::of(&job);
    let mut push = Push { job, conn, client, deadline: Deadline::default(), sender: None, need: Need::new(), presence };
    Box::pin(async move {
        let end = std::future::poll_fn(|cx| push.poll(cx)).await;
        if push.job.once {
            push.leave();
            see_off(&mut push.conn).await;
        }
        (end.of("RTMP", push.client.is_answered()), push.sender.as_ref().map_or(0, Sender::moved))
    })
}

fn client(job: &RelayJob, role: Role) -> Client {
    let RelayJob { url, config, core, .. } = job;
    let seed = random::number();
    let greeting = core.greetings.account().child("greeting", GREETING);
    Client::new(role, Address::of(url), config.streams.max_frame.0, seed, greeting)
}

/// The maximum number of bytes of commands and answers that wait for the server.
const MAX_ANSWERS: usize = 16 << 10;

/// Fails if a server that sends pings does not read the answers.
fn are_read(client: &mut Client) -> Result<(), Close> {
    match client.transmit().len() {
        0..=MAX_ANSWERS => Ok(()),
        _ => Err(Error::limit("answers are not read").into()),
    }
}

/// Renumbers the message stream if the server assigned another number than the one in the packed messages.
fn framing(stream_id: u32) -> Framing {
    match stream_id {
        STREAM_ID => Framing::None,
        number => Framing::Head(HeadFraming { number, rewrite: renumber }),
    }
}

struct Pull {
    job: RelayJob,
    conn: Conn,
    client: Client,
    deadline: Deadline,
    /// The publisher, from the first media on. A server may accept playing a stream without a publisher; until
    /// media arrives, the name is free for other publishers.
    flv_in: Option<Box<FlvIn>>,
    /// Metadata that arrived before media.
    info: Option<Info>,
    need: Need,
    presence: Presence,
}

impl Pull {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        poll_in_turns(cx, |cx| self.step(cx))
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let now = Instant::now();
        let Self { job, conn, client, deadline, flv_in, info, need, presence } = self;
        let _ = conn.poll_send(cx, client.transmit(), job.config.viewers.slow.0)?;
        let is_watched = match flv_in {
            Some(flv_in) => {
                if ready!(flv_in.ingest.poll_turn(cx, &job.core))? {
                    conn.look_again();
                }
                !job.on_demand || flv_in.ingest.publisher.stream().is_watched()
            }
            None => {
                if presence.poll_live(cx, job) {
                    job.gives_way()?;
                }
                !job.on_demand || job.is_watched()
            }
        };
        if need.poll_over(cx, is_watched, now).is_ready() {
            return Poll::Ready(Err(Close::Done.into()));
        }
        let (mut moved, mut started) = (None, false);
        let bytes = ready!(conn.poll_drive(cx, FULL_READ, (client, deadline), |client, event| {
            if flv_in.is_none() && is_media(&event) {
                let mut begun = begin(job, now)?;
                info.take().into_iter().for_each(|info| begun.ingest.publisher.info(info));
                client.charge_to(begun.ingest.publisher.account().clone());
                *flv_in = Some(Box::new(begun));
            }
            match (event, flv_in.as_mut()) {
                (ClientEvent::Started, None) => started = true,
                (ClientEvent::Refused(why), _) => return Err(Close::refused(why)),
                (ClientEvent::Moved(to), _) => moved = Some(to),
                (ClientEvent::Media { kind, timestamp, body }, Some(flv_in)) => {
                    flv_in.media(kind, timestamp, &body, now)?;
                }
                (ClientEvent::Data(body), Some(flv_in)) => {
                    flv::clean(&body).into_iter().for_each(|info| flv_in.ingest.publisher.info(info));
                }
                (ClientEvent::Data(body), None) => *info = flv::clean(&body).or_else(|| info.take()),
                (ClientEvent::Lost(kind, payload), Some(flv_in)) => flv_in.lost(kind, &payload),
                (ClientEvent::DataLost(payload), Some(flv_in)) => flv_in.data_lost(&payload),
                _ => {}
            }
            Ok(())
        }))?;
        if let Some(to) = moved {
            return Poll::Ready(Err(End::Moved(to)));
        }
        are_read(client)?;
        if started {
            conn.expect_input(job.config.publish.silence.0);
        }
        if let Some(flv_in) = flv_in {
            conn.acknowledge_at_once(false);
            flv_in.ingest.handed_over(conn, bytes, &job.core);
        }
        Poll::Ready(Ok(()))
    }
}

/// True if the server sent media, even if it was lost.
fn is_media(event: &ClientEvent) -> bool {
    match event {
        ClientEvent::Media { body, .. } => !body.is_empty(),
        ClientEvent::Lost(..) => true,
        _ => false,
    }
}

fn begin(job: &RelayJob, now: Instant) -> Result<FlvIn, Close> {
    job.gives_way()?;
    let RelayJob { config, name, url, who, .. } = job;
    let (mut publisher, grant) = job.publish(now)?;
    publisher.doubt(Doubt::Pulled);
    log::info!("{who} pulls {name} from {url}");
    Ok(FlvIn::new(Ingest::new((publisher, grant), config)))
}

struct Push {
    job: RelayJob,
    conn: Conn,
    client: Client,
    deadline: Deadline,
    /// The viewer, once the server accepts publishing.
    sender: Option<Sender>,
    need: Need,
    presence: Presence,
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

    /// Tells the server that publishing ends, unless a frame is only partly sent.
    fn leave(&mut self) {
        if self.sender.as_ref().is_some_and(Sender::is_idle) {
            self.client.stop();
            let mut nobody = Context::from_waker(Waker::noop());
            let _ = self.conn.poll_send(&mut nobody, self.client.transmit(), Duration::ZERO);
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Self { job, conn, client, deadline, sender, need, presence } = self;
        let job = &*job;
        let RelayJob { config, name, url, who, .. } = job;
        let slow = config.viewers.slow.0;
        let is_live = presence.poll_live(cx, job);
        if need.poll_over(cx, is_live, Instant::now()).is_ready() {
            return Poll::Ready(Err(Close::Done.into()));
        }
        match sender {
            Some(sender) => {
                if !sender.poll(cx, conn, client.transmit(), slow)? {
                    return Poll::Ready(Ok(()));
                }
                if job.once && !is_live && sender.is_idle() {
                    return Poll::Ready(Err(Close::Done.into()));
                }
            }
            None => {
                let _ = conn.poll_send(cx, client.transmit(), slow)?;
            }
        }
        let mut moved = None;
        ready!(conn.poll_drive(cx, SHORT_READ, (client, deadline), |client, event| {
            match event {
                // the stream's publisher has left meanwhile
                ClientEvent::Started if sender.is_none() && !is_live => return Err(Close::Done),
                ClientEvent::Started if sender.is_none() => {
                    let (viewer, grant) = job.play(&PUSH)?;
                    let outlet = Outlet::new(framing(client.stream_id()));
                    *sender = Some(Sender::new((viewer.from_oldest(), grant), outlet));
                    log::log!(who.level(), "{who} pushes {name} to {url}");
                }
                ClientEvent::Refused(why) => return Err(Close::refused(why)),
                ClientEvent::Moved(to) => moved = Some(to),
                _ => {}
            }
            Ok(())
        }))?;
        if let Some(to) = moved {
            return Poll::Ready(Err(End::Moved(to)));
        }
        are_read(client)?;
        if sender.is_some() {
            conn.expect_input(Duration::ZERO);
            conn.acknowledge_at_once(false);
        }
        Poll::Ready(Ok(()))
    }
}
