//! Playing: many viewers, each of which watches for gaps.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use async_io::Timer;
use runnel::budget::Account;
use runnel::media::Kind;
use runnel::proto::Machine;
use runnel::proto::rtmp::{Client, ClientEvent, Role};
use smol::LocalExecutor;

use crate::args::Args;
use crate::flv::Flv;
use crate::glance::Glance;
use crate::link::Link;
use crate::stamp::Stamps;
use crate::tally::{Arrival, Shared};
use crate::target::Scheme;

/// What a viewer is told, by whatever protocol.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame {
        kind: Kind,
        /// Milliseconds; 32 bits that wrap.
        timestamp: u32,
        key: bool,
    },
    /// The server does not let it play, and why.
    Refused(String),
    Other,
}

/// The longest message that is read.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Starts all sessions.
pub async fn run(executor: Rc<LocalExecutor<'static>>, args: Rc<Args>, tally: Shared) {
    let (begun, stamps) = (Instant::now(), Stamps::start());
    for number in 0..args.sessions {
        let start = begun + args.start(number);
        if start > Instant::now() {
            Timer::at(start).await;
        }
        let mut viewer = Viewer::new(&args, &tally, stamps);
        let args = args.clone();
        let session = async move {
            let Err(why) = session(&args, number, &mut viewer).await;
            viewer.tally.borrow_mut().ended(viewer.started, &why);
        };
        executor.spawn(session).detach();
    }
}

/// Plays until it fails.
async fn session(args: &Args, number: usize, viewer: &mut Viewer) -> Result<Infallible, String> {
    let target = args.target(number)?;
    let mut link = Link::open(target.address).await?;
    match target.scheme {
        Scheme::Http => watch(&mut link, Flv::new(&target), viewer).await,
        Scheme::Rtmp => {
            let (app, name) = target.app_and_name();
            let account = Account::root("session", usize::MAX);
            let client = Client::new(Role::Play, &target.host, app, name, MAX_MESSAGE, number as u64, account);
            watch(&mut link, client, viewer).await
        }
    }
}

async fn watch<M>(link: &mut Link, mut machine: M, viewer: &mut Viewer) -> Result<Infallible, String>
where
    M: Machine,
    M::Event: Into<Heard>,
{
    loop {
        let bytes = link.turn(&mut machine, |event| viewer.hear(event.into())).await?;
        viewer.tally.borrow_mut().moved(bytes);
    }
}

/// One viewer.
struct Viewer {
    tally: Shared,
    begun: Instant,
    /// A picture has come that can be shown.
    started: bool,
    stamps: Option<Stamps>,
    /// A step between pictures from here on is a gap, in milliseconds.
    too_long: i32,
    last_video: Option<u32>,
    last_audio: Option<u32>,
}

impl Viewer {
    fn new(args: &Args, tally: &Shared, stamps: Stamps) -> Self {
        let too_long = args.frame_ms.map_or(MAX_STEP, |frame| (frame * 1.9).ceil() as i32);
        Self {
            tally: tally.clone(),
            begun: Instant::now(),
            started: false,
            stamps: args.stamp.then_some(stamps),
            too_long,
            last_video: None,
            last_audio: None,
        }
    }

    fn hear(&mut self, what: Heard) -> Result<(), String> {
        match what {
            Heard::Frame { kind, timestamp, key } => self.frame(kind, timestamp, key),
            Heard::Refused(why) => return Err(format!("refused: {why}")),
            Heard::Other => {}
        }
        Ok(())
    }

    fn frame(&mut self, kind: Kind, timestamp: u32, key: bool) {
        let now = Instant::now();
        let (last, too_long) = match kind {
            Kind::Video => (&mut self.last_video, self.too_long),
            Kind::Audio => (&mut self.last_audio, MAX_STEP),
        };
        let step = last.replace(timestamp).map_or(0, |last| timestamp.wrapping_sub(last) as i32);
        let gap = !(0..=too_long).contains(&step);
        let age = self.stamps.map(|stamps| stamps.age(timestamp, now));
        let mut tally = self.tally.borrow_mut();
        if key && !self.started {
            self.started = true;
            tally.started(now.duration_since(self.begun));
        }
        tally.frame(Arrival { key, gap, age });
    }
}

/// A longer step is a gap in any stream, in milliseconds.
const MAX_STEP: i32 = 1000;

impl From<ClientEvent> for Heard {
    fn from(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Media { kind, timestamp, body } => match Glance::at(kind, &body) {
                Glance::Frame { key } => Self::Frame { kind, timestamp, key },
                Glance::Other => Self::Other,
            },
            ClientEvent::Refused(why) => Self::Refused(why),
            ClientEvent::Started | ClientEvent::Data(_) | ClientEvent::Lost(..) => Self::Other,
        }
    }
}
