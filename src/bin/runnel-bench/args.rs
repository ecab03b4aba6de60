//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::failed::Failed;
use crate::stamp::Stamping;
use crate::target::{Scheme, Target};

pub const HELP: &str = "\
Usage: runnel-bench push -n N -i FILE.flv [OPTION]... URL
       runnel-bench play -n N [OPTION]... URL

push publishes an FLV file as N streams, in real time and for ever; play plays
N streams. URL is rtmp://HOST[:PORT]/APP/NAME, rtsp://HOST[:PORT]/PATH or, for
play, http://HOST[:PORT]/PATH.flv or .m3u8, or rtmps, rtsps or https for the same under
TLS. \"{i}\" in it is the number of the session, from 0. Both end with one line
of JSON.

The time to the first frame counts from the connection; with RTSP from PLAY.
Pictures that are sent in another order than they are shown count as gaps
with RTSP.

  -n N               sessions (1)
  -t SECONDS         length of the measurement; without it until SIGINT or SIGTERM
      --warmup S     time between the last session's start and the measurement (3)
      --rate N       sessions started each second (500)
      --stamp        push: timestamps are the time of day in milliseconds at which
                     a frame was due; play: they are, so tell the latency
      --sei          the same by SEI messages in some pictures of H.264: times do
                     not come through RTSP as they are
      --server-pid P measure that process too; may be given several times
  -h, --help         print this and end

push:
  -i, --input FILE   what to publish
      --spread MS    starts are spread over so long (1000)

play:
      --udp          with RTSP, over UDP and not inside the connection
      --frame-ms MS  pictures are so far apart: a step of almost two is a gap

The exit code is 1 if any session was refused or lost.
";

/// The part of the sessions: publish or play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Push,
    Play,
}

/// The values of the command line.
pub struct Args {
    pub role: Role,
    pub sessions: usize,
    /// The measurement's length; `None` if a signal ends it.
    pub length: Option<Duration>,
    pub warmup: Duration,
    /// Sessions started each second.
    pub rate: f64,
    pub stamping: Stamping,
    pub server: Vec<u32>,
    pub input: PathBuf,
    pub spread_ms: u64,
    pub frame_ms: Option<f64>,
    /// Packets come in datagrams.
    pub udp: bool,
    url: String,
}

impl Args {
    /// Reads the command line; `None` if it asks for help.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, Failed> {
        let role = match words.next().as_deref() {
            Some("push") => Role::Push,
            Some("play") => Role::Play,
            Some("-h" | "--help") => return Ok(None),
            _ => return Err(Failed::asked("say push or play; runnel-bench -h tells more")),
        };
        let mut args = Self {
            role,
            sessions: 1,
            length: None,
            warmup: Duration::from_secs(3),
            rate: 500.0,
            stamping: Stamping::None,
            server: Vec::new(),
            input: PathBuf::new(),
            spread_ms: 1000,
            frame_ms: None,
            udp: false,
            url: String::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "-n" => args.sessions = value(&word, words.next())?,
                "-t" => args.length = Some(seconds(&word, words.next())?),
                "--warmup" => args.warmup = seconds(&word, words.next())?,
                "--rate" => args.rate = value(&word, words.next())?,
                "--stamp" => args.stamping = Stamping::Times,
                "--sei" => args.stamping = Stamping::Pictures,
                "--server-pid" => args.server.push(value(&word, words.next())?),
                "-i" | "--input" if role == Role::Push => args.input = value(&word, words.next())?,
                "--spread" if role == Role::Push => args.spread_ms = value(&word, words.next())?,
                "--frame-ms" if role == Role::Play => args.frame_ms = Some(value(&word, words.next())?),
                "--udp" if role == Role::Play => args.udp = true,
                _ if word.starts_with('-') => {
                    return Err(Failed::asked(format!("unknown option {word}; runnel-bench -h lists them")));
                }
                _ if args.url.is_empty() => args.url = word,
                _ => return Err(Failed::asked(format!("one URL is enough: {word}"))),
            }
        }
        args.check().map(|()| Some(args))
    }

    fn check(&self) -> Result<(), Failed> {
        let target = self.target(0)?;
        if self.role == Role::Push && target.scheme == Scheme::Http {
            return Err(Failed::asked(format!("push knows rtmp:// and rtsp:// alone: {}", self.url)));
        }
        if self.role == Role::Play && self.stamping == Stamping::Times && target.scheme == Scheme::Rtsp {
            return Err(Failed::asked("no stamps come through RTSP; --sei tells the latency"));
        }
        if self.stamping != Stamping::None && target.is_playlist() {
            return Err(Failed::asked("segments are not looked into: HLS tells no latency"));
        }
        if self.udp && target.scheme != Scheme::Rtsp {
            return Err(Failed::asked("--udp wants rtsp://"));
        }
        if self.role == Role::Push && self.input.as_os_str().is_empty() {
            return Err(Failed::asked("push wants a file: -i FILE.flv"));
        }
        if self.sessions == 0 {
            return Err(Failed::asked("-n must be at least 1"));
        }
        if !(0.1..=1e6).contains(&self.rate) {
            return Err(Failed::asked("--rate must be between 0.1 and 1000000"));
        }
        Ok(())
    }

    /// The stream of the session of that number.
    pub fn target(&self, number: usize) -> Result<Target, Failed> {
        Target::parse(&self.url.replace("{i}", &number.to_string()))
    }

    /// The start of the session of that number, counted from the first.
    pub fn start(&self, number: usize) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }
}

fn value<T: FromStr>(option: &str, word: Option<String>) -> Result<T, Failed> {
    let word = word.ok_or_else(|| Failed::asked(format!("{option} wants a value")))?;
    word.parse().map_err(|_| Failed::asked(format!("{option} cannot be {word:?}")))
}

fn seconds(option: &str, word: Option<String>) -> Result<Duration, Failed> {
    let seconds = value(option, word)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| Failed::asked(format!("{option} cannot be {seconds}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Args>, Failed> {
        Args::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_url_stands_for_many_sessions() {
        let args = parse("play -n 20 -t 1.5 --rate 10 http://127.0.0.1:8080/live/cam{i}.flv").unwrap().unwrap();
        assert_eq!((args.sessions, args.length), (20, Some(Duration::from_millis(1500))));
        assert_eq!(args.target(7).unwrap().path, "live/cam7.flv");
        assert_eq!(args.start(5), Duration::from_millis(500));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let wrong = [
            "",
            "play",
            "push rtmp://127.0.0.1/live/a",
            "push -i a.flv http://127.0.0.1/a.flv",
            "play -n 0 rtmp://127.0.0.1/live/a",
            "play -n x rtmp://127.0.0.1/live/a",
            "play -t -1 rtmp://127.0.0.1/live/a",
            "play --rate 0 rtmp://127.0.0.1/live/a",
            "play --spread 5 rtmp://127.0.0.1/live/a",
            "play --stamp http://127.0.0.1/hls/a.m3u8",
            "play --stamp rtsp://127.0.0.1/live/a",
            "push --udp -i a.flv rtsp://127.0.0.1/live/a",
            "play --udp rtmp://127.0.0.1/live/a",
            "play rtmp://127.0.0.1/live/a rtmp://127.0.0.1/live/b",
        ];
        for line in wrong {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("push --help").unwrap().is_none());
    }
}
