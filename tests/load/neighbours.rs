//! Streams beside one that sends far more than its part of the memory holds.

use std::io::Write;
use std::time::Instant;

use crate::peer::{Http, Rtmp, metric, until};
use crate::program::{PATIENCE, Program};

/// Two streams have 1536 KiB each.
const CONFIG: &str = "profile = \"router\"\n";
/// Pictures that are published at once, and from one key frame to the next.
const GROUP: u32 = 50;

/// A publisher, and one who reads the playlist.
struct Stream {
    publisher: Rtmp,
    reader: Http,
    path: String,
    pictures: u32,
    /// Milliseconds and bytes of each.
    step: u32,
    len: usize,
}

impl Stream {
    /// Publishes, and asks for the playlist before there are frames, so that all of them are collected.
    fn begin(program: &Program, name: &str, step: u32, len: usize) -> Self {
        let (publisher, reader) = (Rtmp::publisher(program.rtmp, name), Http::new(program.http));
        let mut it = Self { publisher, reader, path: format!("/hls/{name}.m3u8"), pictures: 0, step, len };
        let before = metric(&until(program.http, "numbers", |_| true), "runnel_hls_streams");
        write!(it.reader.socket, "GET {} HTTP/1.1\r\nHost: h\r\n\r\n", it.path).unwrap();
        it.publish();
        until(program.http, "the collecting", |page| metric(page, "runnel_hls_streams") > before);
        (0..4).for_each(|_| it.publish());
        let head = it.reader.head();
        let answer = it.reader.body(head);
        assert_eq!(answer.status, 200, "{}: {}", it.path, answer.text());
        it
    }

    fn publish(&mut self) {
        for _ in 0..GROUP {
            let (number, key) = (self.pictures, self.pictures.is_multiple_of(GROUP));
            self.publisher.picture(number * self.step, key, number, self.len).unwrap();
            self.pictures += 1;
        }
    }

    /// The number of the newest segment that is listed.
    fn newest(&mut self) -> usize {
        let answer = self.reader.get(&self.path);
        let text = answer.text();
        assert_eq!(answer.status, 200, "{}: {text}", self.path);
        let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        first.map_or(0, |first| first.parse().unwrap()) + text.matches("#EXTINF:").count()
    }

    /// Publishes more, and waits until that is listed.
    fn goes_on(&mut self) {
        let (begun, before) = (Instant::now(), self.newest());
        (0..2).for_each(|_| self.publish());
        while self.newest() <= before {
            assert!(begun.elapsed() < PATIENCE, "{} stands still", self.path);
        }
    }
}

#[test]
fn one_that_sends_too_much_keeps_no_other_out() {
    // 8 Mbit/s; and as much in times that hardly advance
    for step in [40, 1] {
        let program = Program::start(CONFIG);
        let mut large = Stream::begin(&program, "large", step, 40_000);
        (0..3).for_each(|_| large.goes_on());
        let mut small = Stream::begin(&program, "small", 40, 5000);
        for _ in 0..5 {
            large.goes_on();
            small.goes_on();
        }
    }
}
