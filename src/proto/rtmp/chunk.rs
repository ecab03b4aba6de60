//! Reads messages from chunks. RTMP 1.0 section 5.3.

use bytes::Bytes;

use super::WINDOW;
use super::message::{EXTENDED, Message, kind};
use crate::budget::{Account, BlockMut, OverBudget};
use crate::proto::Error;
use crate::wire::{Reader, Short};

/// Reassembles messages. Each message is one block, charged before its first byte.
#[derive(Debug)]
pub struct Chunks {
    chunk_size: usize,
    max_message: usize,
    streams: Vec<ChunkStream>,
    /// The number of messages begun; wraps.
    begun: u32,
    /// The chunk stream of the current chunk, and the number of bytes left in that chunk.
    current: Option<(usize, usize)>,
    /// True if the peer repeats extended timestamps in format 3 chunks; false from the first chunk that does not.
    repeats_extended: bool,
}

/// The bytes of a message, or the reason why they were skipped.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// The whole message.
    Bytes(Bytes),
    /// It is longer than the limit for messages.
    TooLong,
    /// The account refused the memory.
    OverBudget(OverBudget),
}

#[derive(Debug)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    /// The timestamp field of the last header, which a format 3 chunk applies again.
    delta: u32,
    extended: bool,
    len: usize,
    kind: u8,
    stream_id: u32,
    /// The number of the last message in it.
    used: u32,
    assembly: Option<Assembly>,
}

#[derive(Debug)]
struct Assembly {
    /// The block that the message is copied to, or the reason why it is lost; `None` if it was dropped.
    to: Option<Result<BlockMut, Payload>>,
    left: usize,
}

impl Chunks {
    /// A reader that skips messages of more than `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        let streams = Vec::new();
        Self { chunk_size: 128, max_message, streams, begun: 0, current: None, repeats_extended: true }
    }

    /// Applies a Set Chunk Size message. Section 5.4.1. All sizes up to 2^31-1 are valid: the limit on messages
    /// bounds the memory.
    pub fn set_chunk_size(&mut self, size: u32) -> Result<(), Error> {
        self.chunk_size = match size & 0x7fff_ffff {
            0 => return Err(Error::malformed("chunk size 0")),
            size => size as usize,
        };
        Ok(())
    }

    /// Drops an incomplete message. Section 5.4.2.
    pub fn abort(&mut self, id: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
            stream.assembly = None;
        }
    }

    /// Charges all further messages to `account`. Incomplete commands are moved to it. Incomplete media and data
    /// belong to a stream that has ended: the rest of them is skipped.
    pub fn charge_to(&mut self, account: &Account) {
        for stream in &mut self.streams {
            let Some(assembly) = &mut stream.assembly else { continue };
            assembly.to = match assembly.to.take() {
                Some(Ok(block)) if is_control(stream.kind) => {
                    Some(block.charged_to(account).map_err(Payload::OverBudget))
                }
                _ => None,
            };
        }
    }

    /// Reads one chunk or a part of it. Gives the number of bytes used, and the message if it is complete. 0 bytes
    /// mean that the header is incomplete.
    pub fn read(&mut self, data: &[u8], account: &Account) -> Result<(usize, Option<Message>), Error> {
        let (header, mut at, mut left) = match self.current {
            Some((index, left)) => (0, index, left),
            None => match self.header(data, account) {
                Ok(found) => found,
                Err(Parse::Short) => return Ok((0, None)),
                Err(Parse::Failed(error)) => return Err(error),
            },
        };
        let stream = self.streams.get_mut(at).ok_or(Error::malformed("no chunk stream"))?;
        let body = data.get(header..).unwrap_or_default();
        let (body, _) = body.split_at(body.len().min(left));
        left -= body.len();
        let done = stream.append(body);
        at = if done || left == 0 { usize::MAX } else { at };
        self.current = (at != usize::MAX).then_some((at, left));
        Ok((header + body.len(), done.then(|| stream.finish()).flatten()))
    }

    /// Reads a chunk header. Gives its length, the index of the chunk stream, and the length of the chunk.
    fn header(&mut self, data: &[u8], account: &Account) -> Result<(usize, usize, usize), Parse> {
        let mut r = Reader::new(data);
        let (format, id) = basic_header(&mut r)?;
        let known = self.streams.iter().position(|stream| stream.id == id);
        let fresh = ChunkStream::new(id);
        let stream = known.and_then(|at| self.streams.get(at)).unwrap_or(&fresh);
        if format == 3 && known.is_none() {
            return Err(Error::malformed("a chunk stream that begins with format 3").into());
        }
        let continues = format == 3 && stream.assembly.is_some();
        let fields = Fields::read(&mut r, format, stream, &mut self.repeats_extended)?;
        let at = match known {
            Some(at) => at,
            None => self.place(fresh),
        };
        let stream = self.streams.get_mut(at).ok_or(Error::malformed("no chunk stream"))?;
        if !continues {
            self.begun = self.begun.wrapping_add(1);
            stream.used = self.begun;
            stream.begin(format, fields, self.max_message, account)?;
        }
        let left = stream.assembly.as_ref().map_or(0, |assembly| assembly.left);
        Ok((data.len() - r.len(), at, left.min(self.chunk_size)))
    }

    /// Stores a chunk stream and gives its index. If there are too many, the least recently used one is replaced;
    /// one with an incomplete message only if all have one.
    fn place(&mut self, fresh: ChunkStream) -> usize {
        if self.streams.len() < MAX_STREAMS {
            self.streams.push(fresh);
            return self.streams.len() - 1;
        }
        let begun = self.begun;
        let rank = |stream: &ChunkStream| (stream.assembly.is_none(), begun.wrapping_sub(stream.used));
        let oldest = (0..).zip(&mut self.streams).max_by_key(|(_, stream)| rank(stream));
        oldest.map_or(usize::MAX, |(at, stream)| {
            *stream = fresh;
            at
        })
    }
}

impl ChunkStream {
    fn new(id: u32) -> Self {
        let (timestamp, delta, len, stream_id, used) = Default::default();
        Self { id, timestamp, delta, extended: false, len, kind: 0, stream_id, used, assembly: None }
    }

    /// Begins a message.
    fn begin(&mut self, format: u8, fields: Fields, max: usize, account: &Account) -> Result<(), Error> {
        self.timestamp = match format {
            0 => fields.time,
            _ => self.timestamp.wrapping_add(fields.time),
        };
        Fields {
            time: self.delta,
            extended: self.extended,
            len: self.len,
            kind: self.kind,
            stream_id: self.stream_id,
        } = fields;
        let max = match self.kind {
            kind if is_media(kind) => max,
            kind::SET_CHUNK_SIZE..=kind::SET_PEER_BANDWIDTH => MAX_PROTOCOL,
            _ => max.min(MAX_CONTROL),
        };
        let to = match self.len {
            len if len > max && is_control(self.kind) => {
                return Err(Error::misbehaved("a control message that is too long"));
            }
            len if len > max => Err(Payload::TooLong),
            len => BlockMut::new(account, len).map_err(Payload::OverBudget),
        };
        self.assembly = Some(Assembly { to: Some(to), left: self.len });
        Ok(())
    }

    /// Adds bytes to the message; true when it is complete.
    fn append(&mut self, body: &[u8]) -> bool {
        let Some(assembly) = &mut self.assembly else { return true };
        if let Some(Ok(block)) = &mut assembly.to {
            block.fill(body);
        }
        assembly.left = assembly.left.saturating_sub(body.len());
        assembly.left == 0
    }

    fn finish(&mut self) -> Option<Message> {
        let payload = match self.assembly.take()?.to? {
            Ok(block) => Payload::Bytes(block.freeze()),
            Err(lost) => lost,
        };
        Some(Message { kind: self.kind, timestamp: self.timestamp, stream_id: self.stream_id, payload })
    }
}

/// The fields of a message header. Those that the format omits are copied from the last header. Section 5.3.1.2.
#[derive(Debug)]
struct Fields {
    /// The timestamp (format 0) or the difference from the last one.
    time: u32,
    extended: bool,
    len: usize,
    kind: u8,
    stream_id: u32,
}

impl Fields {
    fn read(r: &mut Reader<'_>, format: u8, last: &ChunkStream, repeats: &mut bool) -> Result<Self, Parse> {
        let ChunkStream { delta, extended, len, kind, stream_id, .. } = *last;
        let mut fields = Self { time: delta, extended, len, kind, stream_id };
        if format < 3 {
            fields.time = r.u24()?;
            fields.extended = fields.time == EXTENDED;
        }
        if format < 2 {
            fields.len = r.u24()? as usize;
            fields.kind = r.u8()?;
        }
        if format == 0 {
            fields.stream_id = r.u32_le()?;
        }
        if fields.extended && (format < 3 || *repeats) {
            let before = r.clone();
            let value = r.u32()?;
            if format == 3 && value != delta {
                // librtmp and the specification of 2009 do not repeat it: these bytes are data
                *r = before;
                *repeats = false;
            }
            if format < 3 {
                fields.time = value;
            }
        }
        Ok(fields)
    }
}

/// Format and chunk stream id. Section 5.3.1.1.
fn basic_header(r: &mut Reader<'_>) -> Result<(u8, u32), Short> {
    let byte = r.u8()?;
    let id = match byte & 0x3f {
        0 => 64 + u32::from(r.u8()?),
        1 => 64 + u32::from(r.u8()?) + 256 * u32::from(r.u8()?),
        id => u32::from(id),
    };
    Ok((byte >> 6, id))
}

fn is_media(kind: u8) -> bool {
    matches!(kind, kind::AUDIO | kind::VIDEO | kind::AGGREGATE)
}

/// True if a connection cannot continue without messages of this kind: protocol control and commands.
pub(super) fn is_control(kind: u8) -> bool {
    matches!(kind, kind::SET_CHUNK_SIZE..=kind::SET_PEER_BANDWIDTH | kind::COMMAND_AMF3 | kind::COMMAND_AMF0)
}

enum Parse {
    Short,
    Failed(Error),
}

impl From<Short> for Parse {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

impl From<Error> for Parse {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The maximum number of chunk streams per peer. Encoders use five or six.
const MAX_STREAMS: usize = 24;
/// The maximum length of commands and metadata, which normally have a few hundred bytes. Metadata with a list of
/// all key frames is longer, but is not used.
const MAX_CONTROL: usize = 16 << 10;
/// The maximum length of protocol control and user control messages: these have 4 to 10 bytes, and 44 for Flash's
/// verification.
const MAX_PROTOCOL: usize = 128;
const _: () = assert!(MAX_CONTROL < WINDOW as usize);

#[cfg(test)]
mod tests {
    use super::super::message::write_message;
    use super::*;
    use crate::budget::BLOCK_OVERHEAD;

    fn read_all(chunks: &mut Chunks, mut data: &[u8]) -> Result<Vec<Message>, Error> {
        let account = Account::root("test", 1 << 20);
        let mut messages = Vec::new();
        loop {
            let (used, message) = chunks.read(data, &account)?;
            messages.extend(message);
            data = &data[used..];
            if used == 0 || data.is_empty() {
                return Ok(messages);
            }
        }
    }

    fn bytes(message: &Message) -> &[u8] {
        match &message.payload {
            Payload::Bytes(bytes) => bytes,
            lost => panic!("{lost:?}"),
        }
    }

    #[test]
    fn messages_read_back_with_and_without_extended_timestamps() {
        let payload: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
        for timestamp in [0, 0xff_fffe, 0xff_ffff, u32::MAX] {
            let mut wire = Vec::new();
            write_message(&mut wire, 128, kind::VIDEO, 1, timestamp, &payload);
            let messages = read_all(&mut Chunks::new(4096), &wire).unwrap();
            assert_eq!((messages.len(), messages[0].timestamp), (1, timestamp));
            assert_eq!(bytes(&messages[0]), payload);
        }
    }

    #[test]
    fn extended_timestamps_need_not_be_repeated() {
        let mut wire = vec![6, 0xff, 0xff, 0xff, 0, 0, 200, 9, 1, 0, 0, 0, 1, 0, 0, 5];
        wire.extend([0xaa; 128]);
        wire.push(0xc6);
        wire.extend([0xbb; 72]);
        let messages = read_all(&mut Chunks::new(4096), &wire).unwrap();
        assert_eq!(messages[0].timestamp, 0x0100_0005);
        assert_eq!(bytes(&messages[0])[128..], [0xbb; 72]);
    }

    #[test]
    fn nothing_that_has_begun_to_come_stays_charged_where_the_account_changes() {
        let account = Account::root("test", 1 << 20);
        let mut chunks = Chunks::new(4096);
        for (id, kind) in [(4, kind::VIDEO), (5, kind::DATA_AMF0), (6, kind::DATA_AMF3), (7, kind::COMMAND_AMF0)] {
            let head = [id, 0, 0, 0, 0, 0x0b, 0xb8, kind, 1, 0, 0, 0];
            assert_eq!(chunks.read(&[&head[..], &[0; 128]].concat(), &account).unwrap().0, 140);
        }
        assert!(account.used() > 4 * 3000);
        let next = Account::root("next", 1 << 20);
        chunks.charge_to(&next);
        assert_eq!((account.used(), next.used()), (0, 3000 + BLOCK_OVERHEAD));
        // the command continues, the others are dropped silently
        for id in [4, 5, 6, 7] {
            let rest: Vec<u8> = [0; 3000 - 128].chunks(128).flat_map(|part| [&[0xc0 | id], part].concat()).collect();
            let messages = read_all(&mut chunks, &rest).unwrap();
            assert_eq!(messages.iter().any(|message| bytes(message) == [0; 3000]), id == 7, "{id}");
            assert_eq!(messages.len(), usize::from(id == 7));
        }
    }

    #[test]
    fn deltas_add_up_in_every_format() {
        let wire = [
            &[4, 0, 0, 10, 0, 0, 1, 8, 1, 0, 0, 0, 0xa0][..],
            &[0x44, 0, 0, 20, 0, 0, 1, 8, 0xa1],
            &[0x84, 0, 0, 5, 0xa2],
            &[0xc4, 0xa3],
            &[0x84, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xa4],
        ];
        let messages = read_all(&mut Chunks::new(4096), &wire.concat()).unwrap();
        let times: Vec<_> = messages.iter().map(|message| message.timestamp).collect();
        assert_eq!(times, [10, 30, 35, 40, 40 + 0x0100_0000]);
    }

    #[test]
    fn chunks_of_two_streams_interleave_and_abort_drops_one() {
        let head = |id: u8| [id, 0, 0, 0, 0, 0, 130, 9, 1, 0, 0, 0];
        let wire = [&head(5)[..], &[1; 128], &head(6), &[2; 128], &[0xc5, 1, 1, 0xc6, 2, 2]].concat();
        let messages = read_all(&mut Chunks::new(4096), &wire).unwrap();
        assert_eq!((bytes(&messages[0]), bytes(&messages[1])), (&[1; 130][..], &[2; 130][..]));

        let mut chunks = Chunks::new(4096);
        read_all(&mut chunks, &[&head(5)[..], &[1; 128]].concat()).unwrap();
        chunks.abort(5);
        assert!(chunks.streams[0].assembly.is_none());
    }

    #[test]
    fn hostile_lengths_cost_nothing() {
        let head = |kind| [5, 0, 0, 0, 0xff, 0xff, 0xff, kind, 1, 0, 0, 0];
        let account = Account::root("test", 1 << 20);
        let mut chunks = Chunks::new(4096);
        chunks.set_chunk_size(0x7fff_ffff).unwrap();
        chunks.read(&head(kind::VIDEO), &account).unwrap();
        assert_eq!(account.peak(), 0);
        assert!(Chunks::new(4096).read(&head(kind::COMMAND_AMF0), &account).is_err());
        let long = |kind| [5, 0, 0, 0, 0, 0, MAX_PROTOCOL as u8 + 1, kind, 1, 0, 0, 0];
        for kind in kind::SET_CHUNK_SIZE..=kind::SET_PEER_BANDWIDTH {
            assert!(Chunks::new(4096).read(&long(kind), &account).is_err(), "{kind}");
        }
        assert!(Chunks::new(4096).set_chunk_size(0).is_err());
    }

    #[test]
    fn what_is_not_needed_is_passed_over_when_it_is_too_long() {
        const SHARED_OBJECT: u8 = 19;
        for kind in [kind::DATA_AMF0, kind::DATA_AMF3, SHARED_OBJECT] {
            let mut wire = Vec::new();
            write_message(&mut wire, 128, kind, 1, 0, &[0; MAX_CONTROL + 1]);
            write_message(&mut wire, 128, kind, 1, 0, &[1; MAX_CONTROL]);
            let messages = read_all(&mut Chunks::new(4096 << 4), &wire).unwrap();
            assert_eq!((&messages[0].payload, messages[0].kind), (&Payload::TooLong, kind));
            assert_eq!(bytes(&messages[1]).len(), MAX_CONTROL);
        }
    }

    #[test]
    fn of_many_chunk_streams_the_idle_are_forgotten() {
        let head = |id: u16, len: u8| {
            let [high, low] = (id - 64).to_be_bytes();
            [1, low, high, 0, 0, 40, 0, 0, len, 9, 1, 0, 0, 0]
        };
        let mut chunks = Chunks::new(4096);
        // one message is incomplete while all others are complete
        let mut wire = [&[6, 0, 0, 7, 0, 0, 130, 9, 1, 0, 0, 0][..], &[1; 128]].concat();
        wire.extend((64..=2000).flat_map(|id| [&head(id, 1)[..], &[2]].concat()));
        assert_eq!(read_all(&mut chunks, &wire).unwrap().len(), 2000 - 63);
        assert_eq!(chunks.streams.len(), MAX_STREAMS);
        let rest = read_all(&mut chunks, &[0xc6, 1, 1]).unwrap();
        assert_eq!((rest[0].timestamp, bytes(&rest[0])), (7, &[1; 130][..]));
        // the last stream is still known, the first is not
        let [last, first] = [2000u16, 64].map(|id| {
            let [high, low] = (id - 64).to_be_bytes();
            read_all(&mut chunks, &[0xc1, low, high, 3])
        });
        assert_eq!((last.unwrap()[0].timestamp, first.is_err()), (80, true));
    }

    #[test]
    fn messages_that_are_begun_without_end_end_nothing_else() {
        let mut wire: Vec<u8> =
            (2..=63).flat_map(|id| [&[id, 0, 0, 0, 0, 0, 130, 9, 1, 0, 0, 0][..], &[1; 128]].concat()).collect();
        wire.extend([6, 0, 0, 9, 0, 0, 2, 9, 1, 0, 0, 0, 7, 7]);
        let mut chunks = Chunks::new(4096);
        let messages = read_all(&mut chunks, &wire).unwrap();
        assert_eq!((messages.len(), messages[0].timestamp), (1, 9));
        assert_eq!(chunks.streams.len(), MAX_STREAMS);
    }

    #[test]
    fn a_message_over_the_limit_is_passed_over() {
        let mut wire = Vec::new();
        write_message(&mut wire, 128, kind::VIDEO, 1, 7, &[0; 5000]);
        write_message(&mut wire, 128, kind::VIDEO, 1, 8, &[1; 50]);
        let messages = read_all(&mut Chunks::new(4096), &wire).unwrap();
        assert_eq!(messages[0].payload, Payload::TooLong);
        assert_eq!(bytes(&messages[1]), [1; 50]);
    }
}
