//! WebSocket, the server's side: answers control frames, and passes data frames on or skips them. RFC 6455.

use std::io::Cursor;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::http::{Fields, is_token};
use super::{Error, Machine};

/// An event from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part of a message; only if the machine was created by `with_data`.
    Data(Vec<u8>),
    /// The client closes the connection; the answer is in `transmit`.
    Close,
}

/// The machine, after the upgrade.
#[derive(Debug, Default)]
pub struct Server {
    out: Vec<u8>,
    /// The number of bytes left of a data frame, and the mask of the next four.
    left: u64,
    mask: [u8; 4],
    wants_data: bool,
    closing: bool,
    event: Option<Event>,
}

/// The maximum number of bytes of answers that wait for a client that does not read.
const MAX_ANSWERS: usize = 4 << 10;

/// The close status that asks clients to reconnect. The registry of section 7.4.
const SERVICE_RESTART: u16 = 1012;

/// The maximum number of bytes in one event.
const MAX_PART: usize = 4 << 10;

impl Server {
    /// A machine that passes messages on.
    pub fn with_data() -> Self {
        Self { wants_data: true, ..Self::default() }
    }

    /// `Sec-WebSocket-Accept` for a client's key. Section 4.2.2.
    pub fn accept(key: &str) -> String {
        derive_accept_key(key.as_bytes())
    }

    /// Closes the connection with a status that lets the client reconnect.
    pub fn close(&mut self) {
        self.closing = true;
        // a client that does not read its answers gets no close frame
        let _ = self.send(Control::Close, &SERVICE_RESTART.to_be_bytes());
    }

    /// Asks the client for a sign of life. One that does not read its answers is asked no more.
    #[cfg(feature = "api")]
    pub fn ping(&mut self) {
        // the connection closes one that reads nothing
        let _ = self.send(Control::Ping, &[]);
    }

    /// True if the last part of a data frame was passed on.
    pub fn is_between(&self) -> bool {
        self.left == 0
    }

    /// Reads the header of a data frame, or a whole control frame. Gives the number of bytes used; 0 if it is
    /// incomplete. Section 5.2.
    fn frame(&mut self, data: &[u8]) -> Result<usize, Error> {
        let mut cursor = Cursor::new(data);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Error::malformed("a damaged frame"))?;
        let Some((header, length)) = parsed else { return Ok(0) };
        let head = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let mask = header.mask.ok_or(Error::malformed("a frame without a mask"))?;
        let OpCode::Control(control) = header.opcode else {
            (self.left, self.mask) = (length, mask);
            return Ok(head);
        };
        if length > 125 || !header.is_final {
            return Err(Error::malformed("a control frame in parts"));
        }
        let Some(payload) = data.get(head..head + length as usize) else { return Ok(0) };
        let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        match control {
            Control::Ping => self.send(Control::Pong, &payload)?,
            Control::Close => {
                self.closing = true;
                self.send(Control::Close, payload.get(..2).unwrap_or_default())?;
                self.event = Some(Event::Close);
            }
            _ => {}
        }
        Ok(head + payload.len())
    }

    /// Reads a part of a data frame. Gives the number of bytes used.
    fn data(&mut self, data: &[u8]) -> usize {
        let most = if self.wants_data { MAX_PART } else { usize::MAX };
        let used = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len()).min(most);
        self.left -= used as u64;
        if self.wants_data {
            let part = data.iter().take(used).zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            self.event = Some(Event::Data(part.collect()));
            self.mask.rotate_left(used % 4);
        }
        used
    }

    fn send(&mut self, control: Control, payload: &[u8]) -> Result<(), Error> {
        if self.out.len() > MAX_ANSWERS {
            return Err(Error::limit("answers are not read"));
        }
        let header = FrameHeader { is_final: true, opcode: OpCode::Control(control), ..FrameHeader::default() };
        header
            .format(payload.len() as u64, &mut self.out)
            .map_err(|_| Error::limit("a frame that cannot be written"))?;
        self.out.extend_from_slice(payload);
        Ok(())
    }
}

/// The subprotocols in `Sec-WebSocket-Protocol`, the preferred one first. An answer must name one of them if there
/// are any: browsers close a connection whose answer names none, or another. Sections 4.1 and 4.2.2.
pub fn subprotocols(fields: &Fields) -> impl Iterator<Item = &str> + Clone {
    fields.items("sec-websocket-protocol").filter(|name| is_token(name))
}

/// The header of a binary message of `len` bytes. Server frames have no mask.
pub fn binary_header(len: usize, out: &mut Vec<u8>) {
    header(Data::Binary, len, out);
}

/// The header of a text message of `len` bytes.
#[cfg(feature = "api")]
pub fn text_header(len: usize, out: &mut Vec<u8>) {
    header(Data::Text, len, out);
}

fn header(kind: Data, len: usize, out: &mut Vec<u8>) {
    let header = FrameHeader { is_final: true, opcode: OpCode::Data(kind), ..FrameHeader::default() };
    // writing into a Vec cannot fail
    let _ = header.format(len as u64, out);
}

impl Machine for Server {
    type Event = Event;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        if self.closing {
            return Ok(data.len()); // data after the close frame is ignored. Section 5.5.1
        }
        if self.left > 0 {
            return Ok(self.data(data));
        }
        self.frame(data)
    }

    fn event(&mut self) -> Option<Event> {
        self.event.take()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_specification() {
        assert_eq!(Server::accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn subprotocols_are_tokens_in_their_order() {
        for (asked, names) in
            [("a, b", &["a", "b"][..]), ("", &[]), (",x y,\t", &[]), ("rtsp.onvif.org", &["rtsp.onvif.org"])]
        {
            let fields = [("sec-websocket-protocol", asked)].into_iter().collect();
            assert_eq!(subprotocols(&fields).collect::<Vec<_>>(), names, "{asked}");
        }
    }

    #[test]
    fn ping_and_close_are_answered_and_data_is_passed_over() {
        let ping = [0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
        let text = [0x81, 0x83, 0, 0, 0, 0, b'a', b'b', b'c'];
        let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
        let data = [&ping[..], &text, &close].concat();
        let mut server = Server::default();
        let mut rest = &data[..];
        while let Ok(used @ 1..) = server.input(rest) {
            rest = &rest[used..];
        }
        assert!(rest.is_empty());
        assert_eq!(server.event(), Some(Event::Close));
        assert_eq!(server.out, [0x8a, 2, b'h', b'i', 0x88, 2, 0x03, 0xe8]);
    }

    #[test]
    #[cfg(feature = "api")]
    fn a_text_says_so_and_a_ping_is_empty() {
        let (mut server, mut header) = (Server::default(), Vec::new());
        server.ping();
        text_header(300, &mut header);
        assert_eq!((server.out, header), (vec![0x89, 0], vec![0x81, 126, 1, 44]));
    }

    #[test]
    fn one_who_is_to_come_again_is_told_so_and_answers() {
        let mut server = Server::default();
        server.close();
        assert_eq!(server.out, [0x88, 2, 0x03, 0xf4]);
        let answer = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf4];
        assert_eq!((server.input(&answer), server.event()), (Ok(answer.len()), None));
    }

    #[test]
    fn messages_are_handed_on_however_they_are_cut() {
        let plain: Vec<u8> = (0..200).collect();
        let masked = plain.iter().zip([1u8, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let frame: Vec<u8> = [0x82, 0xfe, 0, 200, 1, 2, 3, 4].into_iter().chain(masked).collect();
        for cut in 1..frame.len() {
            let (mut server, mut kept, mut got) = (Server::with_data(), Vec::new(), Vec::new());
            for part in [&frame[..cut], &frame[cut..]] {
                kept.extend_from_slice(part);
                while let Ok(used @ 1..) = server.input(&kept) {
                    kept.drain(..used);
                    if let Some(Event::Data(data)) = server.event() {
                        got.extend(data);
                    }
                }
            }
            assert_eq!(got, plain, "{cut}");
        }
    }

    #[test]
    fn frames_without_a_mask_are_refused() {
        assert!(Server::default().input(&[0x89, 0]).is_err());
    }
}
