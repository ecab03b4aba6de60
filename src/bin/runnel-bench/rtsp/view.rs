//! Playing by RTSP, inside the connection or over UDP.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use runnel::budget::Account;
use runnel::media::Kind;
use runnel::proto::rtsp::sdp::Description;
use runnel::proto::rtsp::{Client, ClientEvent, Lower, Purpose, Transport};
use runnel::proto::{Error, Machine, Url};
use runnel::reactor::Timer;
use smol::future::or;

use super::lane::Lane;
use super::ports::Ports;
use super::{end, not_ended};
use crate::failed::Failed;
use crate::link::Link;
use crate::viewer::{Heard, Viewer};

/// The machine: a client that finds frames.
pub struct View {
    client: Client,
    /// Our address, if datagrams are wanted.
    local: Option<IpAddr>,
    tracks: Vec<Track>,
    /// Tracks that are not set up yet.
    left: usize,
    started: bool,
}

/// A track that is played.
struct Track {
    /// Its number in the description.
    number: usize,
    lane: Lane,
    channel: Option<u8>,
    ports: Option<Ports>,
}

impl View {
    /// Plays `url`, over UDP if `local` is given.
    pub fn new(url: &Url, local: Option<IpAddr>) -> Self {
        let lower = if local.is_some() { Lower::Udp } else { Lower::Tcp };
        let client = Client::new(url, Purpose::Play, lower, 0, Account::root("session", usize::MAX), Instant::now());
        Self { client, local, tracks: Vec::new(), left: 0, started: false }
    }

    fn hear(&mut self, event: ClientEvent) -> Heard {
        match event {
            ClientEvent::Packet { channel, data } => self.packet(channel, &data),
            ClientEvent::Described(description) => self.described(&description),
            ClientEvent::WantsPorts(number) => self.open(number),
            ClientEvent::SetUp(number, transport) => self.set_up(number, &transport),
            ClientEvent::Started(_) => {
                self.started = true;
                Heard::Other
            }
            other => end(other).map_or(Heard::Other, Heard::Refused),
        }
    }

    fn packet(&mut self, channel: u8, data: &Bytes) -> Heard {
        let track = self.tracks.iter_mut().find(|track| track.channel == Some(channel));
        track.and_then(|track| track.lane.packet(data)).map_or(Heard::Other, Heard::Frame)
    }

    /// Chooses the first track of each kind.
    fn described(&mut self, description: &Description) -> Heard {
        for kind in [Kind::Video, Kind::Audio] {
            let mut medias = description.medias.iter().enumerate();
            let found = medias.find_map(|(number, media)| {
                Some((number, media.formats.first()?)).filter(|_| media.kind == Some(kind))
            });
            self.tracks.extend(found.map(|(number, format)| {
                let lane = Lane::new(kind, format);
                Track { number, lane, channel: None, ports: None }
            }));
        }
        if self.tracks.is_empty() {
            return Heard::Refused("neither pictures nor sound".into());
        }
        self.left = self.tracks.len();
        self.client.choose(self.tracks.iter().map(|track| track.number));
        Heard::Other
    }

    fn open(&mut self, number: usize) -> Heard {
        let track = self.tracks.iter_mut().find(|track| track.number == number);
        let (Some(track), Some(local)) = (track, self.local) else { return Heard::Refused("only over UDP".into()) };
        match Ports::open(local) {
            Ok(ports) => {
                self.client.ports(Some(ports.numbers()));
                track.ports = Some(ports);
                Heard::Other
            }
            Err(error) => Heard::Refused(format!("no ports: {error}")),
        }
    }

    /// PLAY follows the last answer to SETUP.
    fn set_up(&mut self, number: usize, transport: &Transport) -> Heard {
        if self.local.is_some() && transport.lower != Lower::Udp {
            return Heard::Refused("only inside the connection".into());
        }
        if let Some(track) = self.tracks.iter_mut().find(|track| track.number == number) {
            track.channel = transport.interleaved.map(|(rtp, _)| rtp);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 { Heard::Asked } else { Heard::Other }
    }
}

impl Machine for View {
    type Event = Heard;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.client.input(data)
    }

    fn event(&mut self) -> Option<Heard> {
        let event = self.client.event()?;
        Some(self.hear(event))
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        self.client.transmit()
    }
}

/// Plays over UDP until it fails.
pub async fn watch_datagrams(link: &mut Link, mut view: View, viewer: &mut Viewer) -> Result<Infallible, Failed> {
    while !view.started {
        link.turn(&mut view, |heard| viewer.hear(heard)).await?;
    }
    let View { mut client, mut tracks, .. } = view;
    or(converse(link, &mut client), receive(&mut tracks, viewer)).await
}

/// Keeps the session alive, and ends if the server ends it.
async fn converse(link: &mut Link, client: &mut Client) -> Result<Infallible, Failed> {
    loop {
        let due = client.deadline().unwrap_or_else(Instant::now);
        let talk = async {
            loop {
                link.turn(client, not_ended).await?;
            }
        };
        let wait = async { Ok::<_, Failed>(Timer::at(due).await) };
        let now = or(talk, wait).await?;
        client.timeout(now);
    }
}

/// Takes packets as they come.
async fn receive(tracks: &mut [Track], viewer: &mut Viewer) -> Result<Infallible, Failed> {
    poll_fn(|cx| {
        for Track { lane, ports, .. } in &mut *tracks {
            let Some(ports) = ports else { continue };
            while let Poll::Ready(data) = ports.poll_receive(cx) {
                let data = data?;
                viewer.tally.borrow_mut().moved(data.len());
                lane.packet(&data).map_or(Ok(()), |seen| viewer.hear(Heard::Frame(seen)))?;
            }
        }
        Poll::Pending
    })
    .await
}
