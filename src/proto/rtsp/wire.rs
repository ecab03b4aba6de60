//! The bytes of a connection: messages, and packets between them. RFC 2326 section 10.12.

use std::num::NonZeroU8;

use bytes::Bytes;

use super::message::{self, Message};
use crate::budget::{Account, BlockMut, OverBudget};

/// A message or a packet that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Message(Message),
    Packet {
        channel: u8,
        data: Bytes,
    },
    /// A packet that was lost for want of memory.
    Lost {
        channel: u8,
        refusal: OverBudget,
    },
}

/// The received bytes of a connection.
#[derive(Debug)]
pub(super) struct Wire {
    /// The maximum length of a message in bytes.
    max_message: usize,
    account: Account,
    /// A long packet that is incomplete.
    begun: Option<(u8, BlockMut)>,
    /// The number of bytes left of a packet for which there is no memory.
    skip: u32,
    /// The number of bytes in empty lines since the last message.
    blank: u32,
    /// Packets are expected on channels up to this one; bytes that are neither a packet nor a message are skipped
    /// as noise.
    highest_channel: Option<NonZeroU8>,
    /// The number of noise bytes: all, and those since the last packet or message.
    noise: u32,
    noise_run: u16,
    /// The number of times that noise began like a message, minus the packets and messages since.
    false_messages: u8,
}

/// The maximum length of a packet that stays in the input until it is complete, in bytes.
const MAX_WAITING: usize = 4 << 10;
/// `$`, the first byte of a packet's header.
const DOLLAR: u8 = 0x24;
/// The maximum number of consecutive noise bytes: a damaged packet leaves fewer.
const MAX_NOISE: u16 = 60_000;
/// The maximum number of times that noise is parsed as a message. Each packet or message makes up for one.
const MAX_FALSE_MESSAGES: u8 = 100;

impl Wire {
    pub(super) fn new(max_message: usize, account: Account) -> Self {
        Self {
            max_message,
            account,
            begun: None,
            skip: 0,
            blank: 0,
            highest_channel: None,
            noise: 0,
            noise_run: 0,
            false_messages: 0,
        }
    }

    /// Charges all further packets to `account`.
    pub(super) fn charge_to(&mut self, account: Account) {
        self.account = account;
    }

    /// Expects packets on channels up to `highest` from now on. Bytes between them are skipped: some devices send
    /// meaningless bytes or wrong lengths.
    pub(super) fn pass_over_noise(&mut self, highest: u8) {
        self.highest_channel = NonZeroU8::new(highest);
    }

    /// The number of bytes that were skipped because they belong to neither a packet nor a message.
    pub(super) fn noise(&self) -> u32 {
        self.noise
    }

    /// True if the input continues with a message.
    pub(super) fn is_message(&self, data: &[u8]) -> bool {
        self.begun.is_none() && self.skip == 0 && data.first() != Some(&DOLLAR)
    }

    /// Reads a packet or message at the front of `data`. Gives the number of bytes used, and the item if it is
    /// complete.
    pub(super) fn read(&mut self, data: &[u8]) -> Result<(usize, Option<Item>), message::Error> {
        let read = self.next(data)?;
        if read.1.is_some() {
            self.noise_run = 0;
            self.false_messages = self.false_messages.saturating_sub(1);
        }
        Ok(read)
    }

    fn next(&mut self, data: &[u8]) -> Result<(usize, Option<Item>), message::Error> {
        if self.skip > 0 {
            let used = data.len().min(self.skip as usize);
            self.skip -= used as u32;
            return Ok((used, None));
        }
        if let Some((channel, mut block)) = self.begun.take() {
            let used = block.fill(data);
            if block.room() > 0 {
                self.begun = Some((channel, block));
                return Ok((used, None));
            }
            return Ok((used, Some(Item::Packet { channel, data: block.freeze() })));
        }
        match self.begins(data) {
            Some(true) => {}
            None => return Ok((0, None)),
            Some(false) => return self.pass_over(data),
        }
        match data {
            [DOLLAR, channel, high, low, rest @ ..] => {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                Ok(self.packet(*channel, len, rest))
            }
            [DOLLAR, ..] => Ok((0, None)),
            [b'\r' | b'\n', ..] => Ok((self.blank(data)?, None)),
            _ => {
                let read = match message::read(data, self.max_message) {
                    Err(error)
                        if self.highest_channel.is_some()
                            && error.cseq.is_none()
                            && self.false_messages < MAX_FALSE_MESSAGES =>
                    {
                        self.false_messages += 1;
                        return self.pass_over(data);
                    }
                    read => read?,
                };
                self.blank = read.as_ref().map_or(self.blank, |_| 0);
                Ok(read.map_or((0, None), |(used, message)| (used, Some(Item::Message(message)))))
            }
        }
    }

    /// True if a packet or a message may begin at the front of `data`; `None` if more bytes are needed. It is only
    /// checked while packets are expected.
    fn begins(&self, data: &[u8]) -> Option<bool> {
        let in_step = self.noise_run == 0 && matches!(data, [DOLLAR | b'\r' | b'\n', ..]);
        let Some(highest) = self.highest_channel.filter(|_| !in_step) else { return Some(true) };
        if let [DOLLAR, rest @ ..] = data {
            let [channel, _, _, flags, ..] = rest else { return None };
            // RTP and RTCP have version 2
            return Some(flags >> 6 == 2 && *channel <= highest.get());
        }
        message::begins(data)
    }

    /// Skips noise up to a byte at which a packet or message may begin.
    fn pass_over(&mut self, data: &[u8]) -> Result<(usize, Option<Item>), message::Error> {
        self.noise_run = self.noise_run.max(1);
        let may_begin = |at: &usize| data.get(*at..).is_some_and(|rest| self.begins(rest) != Some(false));
        let used = (1..data.len()).find(may_begin).unwrap_or(data.len());
        self.noise = self.noise.saturating_add(used as u32);
        let room = MAX_NOISE.saturating_sub(self.noise_run);
        match u16::try_from(used) {
            Ok(bytes) if bytes <= room => {
                self.noise_run += bytes;
                Ok((used, None))
            }
            _ => Err(message::Error::after(room.into())),
        }
    }

    /// Skips empty lines, which some devices send between messages. A peer that sends nothing else is refused.
    fn blank(&mut self, data: &[u8]) -> Result<usize, message::Error> {
        let here = data.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let room = self.max_message.saturating_sub(self.blank as usize);
        self.blank = self.blank.saturating_add(here as u32);
        if here > room { Err(message::Error::after(room)) } else { Ok(here) }
    }

    fn packet(&mut self, channel: u8, len: usize, rest: &[u8]) -> (usize, Option<Item>) {
        let here = rest.get(..len).unwrap_or(rest);
        if here.len() < len && len <= MAX_WAITING {
            return (0, None);
        }
        let used = HEADER + here.len();
        match BlockMut::new(&self.account, len) {
            Ok(mut block) => {
                block.fill(here);
                if block.room() == 0 {
                    return (used, Some(Item::Packet { channel, data: block.freeze() }));
                }
                self.begun = Some((channel, block));
                (used, None)
            }
            Err(refusal) => {
                self.skip = (len - here.len()) as u32;
                (used, Some(Item::Lost { channel, refusal }))
            }
        }
    }
}

/// Bytes of a packet's header.
const HEADER: usize = 4;

/// Writes the header of a packet of `len` bytes on `channel`.
pub fn packet_header(channel: u8, len: usize, out: &mut Vec<u8>) {
    let [high, low] = (len as u16).to_be_bytes();
    out.extend_from_slice(&[DOLLAR, channel, high, low]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(channel: u8, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        packet_header(channel, data.len(), &mut out);
        [out, data.to_vec()].concat()
    }

    #[test]
    fn packets_come_whole_however_long_they_are() {
        let account = Account::root("test", 1 << 20);
        for len in [0, 1, MAX_WAITING, MAX_WAITING + 1, 65535] {
            let data = packet(2, &vec![7; len]);
            for cut in [1, 3, 4, 5, data.len() / 2, data.len()] {
                let mut wire = Wire::new(1024, account.clone());
                let (mut kept, mut items) = (Vec::new(), Vec::new());
                for part in data.chunks(cut) {
                    kept.extend_from_slice(part);
                    while let (used @ 1.., item) = wire.read(&kept).unwrap() {
                        kept.drain(..used);
                        items.extend(item);
                    }
                }
                assert!(matches!(&items[..], [Item::Packet { channel: 2, data }] if data.len() == len), "{len} {cut}");
            }
        }
        assert_eq!(account.used(), 0);
    }

    #[test]
    fn empty_lines_are_passed_over_but_not_for_ever() {
        let mut wire = Wire::new(64, Account::root("test", 1000));
        for _ in 0..10 {
            let text = b"\r\n\n\r\n\r\n\r\nOPTIONS * RTSP/1.0\r\n\r\n";
            assert_eq!(wire.read(text).unwrap(), (9, None));
            assert!(matches!(wire.read(&text[9..]).unwrap(), (22, Some(Item::Message(_)))));
        }
        assert_eq!(wire.read(&[b'\n'; 64]).unwrap(), (64, None));
        assert_eq!(wire.read(b"\n"), Err(message::Error::after(0)));
        let mut wire = Wire::new(64, Account::root("test", 1000));
        assert_eq!(wire.read(&[b'\n'; 70]), Err(message::Error::after(64)));
    }

    #[test]
    fn a_camera_may_send_damaged_messages_for_ever_between_its_packets() {
        let account = Account::root("test", 1 << 20);
        let mut wire = Wire::new(1024, account);
        wire.pass_over_noise(1);
        let damaged = [b"RTSP/1.0 x\r\n\r\n".to_vec(), packet(0, &[0x80; 20])].concat();
        let mut read = |data: &[u8]| {
            let mut at = 0;
            while let (used @ 1.., _) = wire.read(&data[at..])? {
                at += used;
            }
            Ok::<_, message::Error>(())
        };
        assert!((0..10 * u32::from(MAX_FALSE_MESSAGES)).all(|_| read(&damaged).is_ok()));
        let bare = b"RTSP/1.0 x\r\n\r\n".repeat(2 * usize::from(MAX_FALSE_MESSAGES));
        assert!(read(&bare).is_err(), "without packets it is refused");
    }

    #[test]
    fn a_packet_without_room_is_passed_over_whole() {
        let mut wire = Wire::new(1024, Account::root("test", 1000));
        let data = [packet(0, &[7; 5000]), packet(1, b"x")].concat();
        let (used, item) = wire.read(&data[..100]).unwrap();
        assert!(used == 100 && matches!(item, Some(Item::Lost { channel: 0, .. })));
        assert_eq!(wire.read(&data[100..]).unwrap(), (4904, None));
        let x = Item::Packet { channel: 1, data: Bytes::from_static(b"x") };
        assert_eq!(wire.read(&data[5004..]).unwrap(), (5, Some(x)));
    }
}
