//! Playing FLV over HTTP: the answer's head, then tags of which only the
//! beginnings are looked at.

use runnel::container::flv::file_header;
use runnel::media::Kind;
use runnel::proto::{Error, Machine};
use runnel::wire::{Reader, Short};

use crate::sei;
use crate::target::Target;
use crate::viewer::Heard;

/// The machine.
pub struct Flv {
    state: State,
    heard: Option<Heard>,
    out: Vec<u8>,
}

enum State {
    /// Before the empty line that ends the answer's head.
    Head,
    /// Before the file header.
    File,
    /// Before a tag.
    Tag,
    /// Within a tag: what it is, and how many bytes of it are to come.
    Body(Heard, usize),
}

impl Flv {
    /// A machine that asks for `target`.
    pub fn new(target: &Target) -> Self {
        let out = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", target.path, target.host);
        Self { state: State::Head, heard: None, out: out.into() }
    }

    fn head(&mut self, data: &[u8]) -> Result<usize, Error> {
        let Some(end) = data.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(0) };
        let head = String::from_utf8_lossy(data.split_at(end).0).to_ascii_lowercase();
        let (version, status) = head.split_once(' ').unwrap_or_default();
        if !version.starts_with("http/1.") {
            return Err(Error::malformed("not an answer of HTTP"));
        }
        if !status.starts_with("200") {
            self.heard = Some(Heard::Refused(status.lines().next().unwrap_or_default().into()));
        }
        if head.contains("\r\ntransfer-encoding:") {
            return Err(Error::misbehaved("a chunked answer"));
        }
        self.state = State::File;
        Ok(end + 4)
    }

    fn file(&mut self, data: &[u8]) -> Result<usize, Error> {
        let len = file_header(true, true).len();
        if data.len() < len {
            return Ok(0);
        }
        self.state = State::Tag;
        if data.starts_with(b"FLV") { Ok(len) } else { Err(Error::malformed("not an FLV file")) }
    }

    /// Reads a tag's header and peeks at its data, which is counted with
    /// PreviousTagSize behind it.
    fn tag(&mut self, data: &[u8]) -> Result<usize, Short> {
        let mut r = Reader::new(data);
        let kind = match r.u8()? {
            8 => Some(Kind::Audio),
            9 => Some(Kind::Video),
            _ => None,
        };
        let len = r.u24()? as usize;
        let timestamp = r.u24()? | u32::from(r.u8()?) << 24;
        r.u24()?;
        let begin = r.clone().take(len.min(sei::REACH))?;
        let heard = kind.map_or(Heard::Other, |kind| Heard::tag(kind, timestamp, begin));
        self.state = State::Body(heard, len + 4);
        Ok(data.len() - r.len())
    }
}

impl Machine for Flv {
    type Event = Heard;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        match &mut self.state {
            State::Head => self.head(data),
            State::File => self.file(data),
            State::Tag => Ok(self.tag(data).unwrap_or(0)),
            State::Body(heard, left) => {
                let used = data.len().min(*left);
                *left -= used;
                if *left == 0 {
                    self.heard = Some(std::mem::replace(heard, Heard::Other));
                    self.state = State::Tag;
                }
                Ok(used)
            }
        }
    }

    fn event(&mut self) -> Option<Heard> {
        self.heard.take()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::Seen;
    use runnel::container::flv::{TagKind, tag_header};

    fn answer() -> Vec<u8> {
        let mut data = b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n".to_vec();
        data.extend(file_header(true, true));
        let tags: [(_, &[u8]); 4] = [
            (TagKind::Script, b"onMetaData"),
            (TagKind::Video, &[0x17, 0, 0, 0, 0]),
            (TagKind::Video, &[0x17, 1, 0, 0, 0, 9, 9]),
            (TagKind::Audio, &[0xaf, 1]),
        ];
        for (kind, body) in tags {
            data.extend(tag_header(kind, body.len(), 0x0102_0304));
            data.extend_from_slice(body);
            data.extend([0; 4]);
        }
        data
    }

    #[test]
    fn any_split_of_an_answer_gives_the_same() {
        let target = Target::parse("http://127.0.0.1:8080/live/cam.flv").unwrap();
        let frame = |kind, key| Heard::Frame(Seen { kind, timestamp: 0x0102_0304, key, torn: false, due: None });
        let want = [Heard::Other, Heard::Other, frame(Kind::Video, true), frame(Kind::Audio, false)];
        for size in 1..answer().len() {
            let mut machine = Flv::new(&target);
            let (mut heard, mut rest) = (Vec::new(), Vec::new());
            for part in answer().chunks(size) {
                rest.extend_from_slice(part);
                loop {
                    let used = machine.input(&rest).unwrap();
                    rest.drain(..used);
                    heard.extend(machine.event());
                    if used == 0 {
                        break;
                    }
                }
            }
            assert_eq!(heard, want, "in parts of {size}");
        }
    }

    #[test]
    fn a_refusal_is_heard() {
        let mut machine = Flv::new(&Target::parse("http://127.0.0.1:8080/live/cam.flv").unwrap());
        assert!(machine.transmit().starts_with(b"GET /live/cam.flv HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        machine.input(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
        assert_eq!(machine.event(), Some(Heard::Refused("503 service unavailable".into())));
    }
}
