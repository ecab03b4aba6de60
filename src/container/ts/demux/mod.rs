//! Reads tracks and frames from packets.

mod packet;
mod section;
mod split;
mod stream;

use packet::Packet;
use section::{Gather, Listing};
use stream::Stream;

use super::packet::SIZE;
use crate::budget::Room;
use crate::container::{Error, Event, FrameNormalizer};
use crate::media::{Kind, MAX_TRACKS};

/// Reads the packets of one multiplex: the supported streams of its first program.
#[derive(Debug)]
pub struct Demux {
    normal: FrameNormalizer,
    tables: Gather,
    /// The PID of the program map, and the section of it that is being collected.
    map: Option<(u16, Gather)>,
    /// The streams that the map lists.
    listing: Vec<Listing>,
    streams: Vec<Stream>,
    max_frame: usize,
    /// The last time in any stream, without wraps.
    time: Option<i64>,
}

/// A frame is lost.
pub type Lost = (Kind, Error);

/// The PID of the program association table.
const PAT: u16 = 0;

impl Demux {
    /// A reader of frames that have at most `max_frame` bytes.
    pub fn new(max_frame: usize) -> Self {
        let (normal, tables) = (FrameNormalizer::default(), Gather::default());
        Self { normal, tables, map: None, listing: Vec::new(), streams: Vec::new(), max_frame, time: None }
    }

    /// Reads one packet, which begins with its sync byte. Invalid packets are skipped.
    pub fn packet(&mut self, data: &[u8; SIZE], room: &dyn Room, event: &mut dyn FnMut(Event)) -> Result<(), Lost> {
        let Some(packet) = Packet::parse(data) else { return Ok(()) };
        if packet.pid == PAT {
            let program = self.tables.push(&packet).and_then(|section| section::first_program(&section));
            let news = program.filter(|pid| self.map.as_ref().is_none_or(|(known, _)| known != pid));
            self.map = news.map(|pid| (pid, Gather::default())).or(self.map.take());
            return Ok(());
        }
        if let Some((pid, gather)) = &mut self.map
            && *pid == packet.pid
        {
            if let Some(listing) = gather.push(&packet).and_then(|section| section::listing(&section))
                && listing != self.listing
            {
                self.listing = listing;
                self.take_listing(event);
            }
            return Ok(());
        }
        let Self { normal, streams, time, .. } = self;
        match streams.iter_mut().find(|stream| stream.pid == packet.pid) {
            Some(stream) => stream.packet(&packet, normal, time, room, event),
            None => Ok(()),
        }
    }

    /// Ends the input: PES packets that are not finished are complete.
    pub fn end(&mut self, room: &dyn Room, event: &mut dyn FnMut(Event)) -> Result<(), Lost> {
        let Self { normal, streams, time, .. } = self;
        streams.iter_mut().try_for_each(|stream| stream.finish(normal, time, room, event))
    }

    /// Removes streams that the map no longer lists, and adds the new ones.
    fn take_listing(&mut self, event: &mut dyn FnMut(Event)) {
        let mut before = std::mem::take(&mut self.streams);
        for listing in &self.listing {
            let Some(coding) = listing.coding else {
                if let Some(kind) = listing.kind {
                    let name = listing.name();
                    self.normal.unsupported(kind, name, &mut |news| event(news));
                }
                continue;
            };
            let kept = before.iter().position(|stream| stream.pid == listing.pid && stream.coding == coding);
            let place = self.streams.iter().filter(|stream| stream.coding.kind() == coding.kind()).count();
            let mut stream = match kept {
                Some(at) => before.swap_remove(at),
                None => Stream::new(listing.pid, coding, self.max_frame),
            };
            stream.place = place as u8;
            if self.streams.len() < MAX_TRACKS {
                self.streams.push(stream);
            }
        }
    }
}
