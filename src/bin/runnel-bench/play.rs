//! Playing: many viewers, by any protocol.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use runnel::budget::Account;
use runnel::proto::Machine;
use runnel::proto::rtmp::{Client, ClientEvent, Role};
use runnel::reactor::Timer;
use smol::LocalExecutor;

use crate::args::Args;
use crate::failed::Failed;
use crate::flv::Flv;
use crate::hls;
use crate::link::Link;
use crate::rtsp;
use crate::stamp::Stamps;
use crate::tally::Shared;
use crate::target::Scheme;
use crate::viewer::{Heard, Viewer};

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
async fn session(args: &Args, number: usize, viewer: &mut Viewer) -> Result<Infallible, Failed> {
    let target = args.target(number)?;
    let mut link = Link::open(&target).await?;
    match target.scheme {
        Scheme::Http if target.is_playlist() => hls::watch(&mut link, &target, viewer).await,
        Scheme::Http => watch(&mut link, Flv::new(&target), viewer).await,
        Scheme::Rtmp => {
            let account = Account::root("session", usize::MAX);
            let client = Client::new(Role::Play, target.rtmp(), MAX_MESSAGE, number as u64, account);
            watch(&mut link, client, viewer).await
        }
        Scheme::Rtsp if args.udp => {
            let view = rtsp::View::new(&target.url()?, Some(link.local()?));
            rtsp::watch_datagrams(&mut link, view, viewer).await
        }
        Scheme::Rtsp => watch(&mut link, rtsp::View::new(&target.url()?, None), viewer).await,
    }
}

async fn watch<M>(link: &mut Link, mut machine: M, viewer: &mut Viewer) -> Result<Infallible, Failed>
where
    M: Machine,
    M::Event: Into<Heard>,
{
    loop {
        let bytes = link.turn(&mut machine, |event| viewer.hear(event.into())).await?;
        viewer.tally.borrow_mut().moved(bytes);
    }
}

impl From<ClientEvent> for Heard {
    fn from(event: ClientEvent) -> Self {
        match event {
            ClientEvent::Media { kind, timestamp, body } => Self::tag(kind, timestamp, &body),
            ClientEvent::Refused(why) => Self::Refused(why),
            ClientEvent::Moved(to) => Self::Refused(format!("it has moved to {to}")),
            ClientEvent::Started | ClientEvent::Data(_) | ClientEvent::Lost(..) | ClientEvent::DataLost(_) => {
                Self::Other
            }
        }
    }
}
