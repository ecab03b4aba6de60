//! Publishing by RTSP, inside the connection.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use runnel::budget::{Account, Paid};
use runnel::container::Mux;
use runnel::media::{Frame, Ticks, Tracks, Wall};
use runnel::proto::rtp::{RTP, channel, offers};
use runnel::proto::rtsp::sdp::{self, Offer};
use runnel::proto::rtsp::{CONTROL, Client, ClientEvent, Lower, Purpose, packet_header};
use runnel::proto::{Machine, Url};

use super::not_ended;
use crate::failed::Failed;
use crate::link::Link;
use crate::sei;

/// A publisher: its conversation, and the packer of its frames.
pub struct Publish {
    client: Client,
    mux: Box<dyn Mux>,
    /// The numbers that the form's channels have on this connection.
    channels: [Option<u8>; CHANNELS],
    account: Account,
    begun: bool,
}

/// Channels of the form: of pictures and of sound, and of the reports on each.
const CHANNELS: usize = 4;

impl Publish {
    /// Announces the tracks; ready when packets may go.
    pub async fn connect(link: &mut Link, url: &Url, tracks: &Tracks) -> Result<Self, Failed> {
        let offers = offers(tracks);
        let local = link.local()?.to_string();
        let controls: Vec<_> = (0..offers.len()).map(|number| format!("{CONTROL}{number}")).collect();
        let described = offers.iter().zip(&controls);
        let described: Vec<_> =
            described.map(|((kind, format), control)| Offer { format, kind: *kind, control }).collect();
        let sdp = sdp::write(&url.path, &local, &described);
        let account = Account::root("session", usize::MAX);
        let purpose = Purpose::Publish { sdp, tracks: offers.len() };
        let mut client = Client::new(url, purpose, Lower::Tcp, 0, account.clone(), Instant::now());
        let (mut started, mut channels) = (false, [None; CHANNELS]);
        while !started {
            let on_event = |event: ClientEvent| {
                started |= matches!(event, ClientEvent::Started(_));
                if let ClientEvent::SetUp(number, transport) = &event
                    && let Some((kind, _)) = offers.get(*number)
                {
                    let (rtp, rtcp) = transport.interleaved.ok_or(Failed::server("only over UDP"))?;
                    let slots = channels.iter_mut().skip(channel(*kind).into());
                    slots.zip([rtp, rtcp]).for_each(|(slot, channel)| *slot = Some(channel));
                }
                not_ended(event)
            };
            link.turn(&mut client, on_event).await?;
        }
        let mut mux = (RTP.mux)();
        mux.announce(tracks, &[], Ticks(0));
        Ok(Self { client, mux, channels, account, begun: false })
    }

    /// Writes the packets of a frame that is due at `at` milliseconds. If
    /// `stamped` they say so in an SEI message.
    pub fn say(&mut self, tracks: &Tracks, frame: &Frame, at: u32, stamped: bool) {
        let Some(track) = tracks.find(frame.kind, frame.track) else { return };
        let time = Ticks(at.into());
        if !std::mem::replace(&mut self.begun, true) {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.mux.time_of_day(time, Wall(wall));
        }
        let stamped = stamped.then(|| Paid::copy(&self.account, &sei::stamped(at, track.codec, &frame.data)));
        let Ok(data) = stamped.unwrap_or_else(|| Ok(frame.data.clone())) else { return };
        let frame = Frame { dts: time, data, ..frame.clone() };
        let Ok(Some(packed)) = self.mux.frame(track, &frame, &self.account) else { return };
        let out = self.client.transmit();
        for piece in packed.pieces() {
            let Some(channel) = self.channels.get(usize::from(piece.channel())).copied().flatten() else { continue };
            packet_header(channel, piece.len(), out);
            out.extend_from_slice(piece.head.bytes());
            out.extend_from_slice(&piece.body);
        }
    }

    /// Reads the server's messages.
    pub fn listen(&mut self, link: &mut Link) -> Result<(), Failed> {
        while link.read(&mut self.client, not_ended)?.is_some() {}
        Ok(())
    }

    /// The buffer of bytes to be sent.
    pub fn transmit(&mut self) -> &mut Vec<u8> {
        self.client.transmit()
    }
}
