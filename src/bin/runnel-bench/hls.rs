//! Playing HLS: the playlist again and again, and each segment that is new in it.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use runnel::proto::{Error, Machine};
use runnel::reactor::Timer;

use crate::failed::Failed;
use crate::link::Link;
use crate::target::Target;
use crate::viewer::Viewer;

/// One request and its answer, over a connection that stays.
struct Get {
    out: Vec<u8>,
    state: State,
    answer: Option<Answer>,
}

enum State {
    /// Before the empty line that ends the answer's head.
    Head,
    /// Within the body: what came of it, and how many bytes are to come.
    Body(Vec<u8>, usize),
}

/// The body of an answer with status 200, or the status line of another.
type Answer = Result<Vec<u8>, Failed>;

/// A playlist's target duration and segments. RFC 8216 section 4.3.
#[derive(Debug, PartialEq)]
struct Listed {
    target: Duration,
    /// The number of the first segment.
    first: u64,
    uris: Vec<String>,
}

/// Plays until it fails. A segment that has left the playlist before it was fetched
/// is a gap.
pub async fn watch(link: &mut Link, target: &Target, viewer: &mut Viewer) -> Result<Infallible, Failed> {
    let folder = target.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let begun = Instant::now();
    let mut next = None;
    loop {
        let playlist = fetch(link, target, &target.path, viewer).await?;
        let listed = Listed::parse(&String::from_utf8_lossy(&playlist)).ok_or(Failed::server("not a playlist"))?;
        let end = listed.first + listed.uris.len() as u64;
        // a player that comes in begins three segments before the end. RFC 8216 section 6.3.3
        let from = next.unwrap_or(end.saturating_sub(3)).max(listed.first);
        let gap = next.is_some_and(|next| next < listed.first || next > end);
        for uri in listed.uris.iter().skip(usize::try_from(from - listed.first).unwrap_or(usize::MAX)) {
            fetch(link, target, &format!("{folder}/{uri}"), viewer).await?;
            viewer.segment(begun, gap);
        }
        let news = next != Some(end);
        next = Some(end);
        // RFC 8216 section 6.3.4
        Timer::after(if news { listed.target } else { listed.target / 2 }).await;
    }
}

async fn fetch(link: &mut Link, target: &Target, path: &str, viewer: &Viewer) -> Answer {
    let out = format!("GET /{path} HTTP/1.1\r\nHost: {}\r\n\r\n", target.host);
    let mut get = Get { out: out.into(), state: State::Head, answer: None };
    let mut answer = None;
    loop {
        let heard = |body: Answer| {
            answer = Some(body?);
            Ok(())
        };
        let bytes = link.turn(&mut get, heard).await?;
        viewer.tally.borrow_mut().moved(bytes);
        if let Some(body) = answer {
            return Ok(body);
        }
    }
}

impl Listed {
    fn parse(text: &str) -> Option<Self> {
        let value = |tag: &str| text.lines().find_map(|line| line.strip_prefix(tag)?.parse().ok());
        let uris = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(String::from).collect();
        Some(Self {
            target: Duration::from_secs(value("#EXT-X-TARGETDURATION:")?),
            first: value("#EXT-X-MEDIA-SEQUENCE:").unwrap_or(0),
            uris,
        })
    }
}

impl Get {
    fn head(&mut self, data: &[u8]) -> Result<usize, Error> {
        let Some(end) = data.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(0) };
        let head = String::from_utf8_lossy(data.split_at(end).0).to_ascii_lowercase();
        let status = head.lines().next().unwrap_or_default();
        if !status.starts_with("http/1.1 200") {
            self.answer = Some(Err(Failed::server(format!("refused: {status}"))));
            return Ok(data.len());
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let length = length.ok_or(Error::misbehaved("an answer without Content-Length"))?;
        self.state = State::Body(Vec::new(), length);
        Ok(end + 4)
    }
}

impl Machine for Get {
    type Event = Answer;

    fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
        match &mut self.state {
            State::Head => self.head(data),
            State::Body(body, left) => {
                let used = data.len().min(*left);
                body.extend(data.iter().take(used));
                *left -= used;
                if *left == 0 {
                    self.answer = Some(Ok(std::mem::take(body)));
                    self.state = State::Head;
                }
                Ok(used)
            }
        }
    }

    fn event(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    fn transmit(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_any_split() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\nhello";
        for size in 1..answer.len() {
            let mut get = Get { out: Vec::new(), state: State::Head, answer: None };
            let mut rest = Vec::new();
            for part in answer.chunks(size) {
                rest.extend_from_slice(part);
                while let used @ 1.. = get.input(&rest).unwrap() {
                    rest.drain(..used);
                }
            }
            assert_eq!(get.event().unwrap().unwrap(), b"hello", "in parts of {size}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let mut get = Get { out: Vec::new(), state: State::Head, answer: None };
        assert!(get.input(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").is_ok());
        assert_eq!(get.event().unwrap().unwrap_err().to_string(), "refused: http/1.1 404 not found");
    }

    #[test]
    fn a_playlist_tells_its_segments_and_their_numbers() {
        let text =
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.000,\na.ts\n#EXTINF:2.000,\nb.ts\n";
        let uris = ["a.ts", "b.ts"].map(String::from).to_vec();
        assert_eq!(Listed::parse(text), Some(Listed { target: Duration::from_secs(2), first: 7, uris }));
        assert_eq!(Listed::parse("hello"), None);
    }
}
