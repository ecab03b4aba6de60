//! A program that has the server inside, with a protocol and a form of its own: who connects to port 9264 and
//! sends the name of a stream in a line is sent its pictures as H.264 in a byte stream (ITU-T H.264 annex B).
//!
//!     cargo run --example protocol
//!     ffmpeg -re -f lavfi -i testsrc2 -c:v libx264 -g 50 -f flv rtmp://127.0.0.1/live/a
//!     echo a | nc 127.0.0.1 9264 | ffplay -f h264 -

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use runnel::budget::Key::{Count, Size};
use runnel::budget::{Account, BlockMut, OverBudget};
use runnel::codec::h264::Record;
use runnel::conf::{Address, Config, Cost, Port};
use runnel::container::{Form, Mux, Packed, Piece};
use runnel::hub::Name;
use runnel::media::{Codec, Frame, Kind, Ticks, Track, Tracks, nal};
use runnel::net::{Close, Conn, Outlet, SHORT_READ, poll_in_turns};
use runnel::registry;
use runnel::serve::{Listen, Server};
use runnel::session::{Action, Asker, Core, Entrant, Refusal, Request, Sender};

/// The port: what a key of the configuration says of others is fixed here.
pub static PORT: Port = Port {
    name: "h264",
    key: "h264.listen",
    switch: "h264.enable",
    features: &[],
    scheme: None,
    address: |_| Address(([127, 0, 0, 1], 9264).into()),
    is_wanted: |_| true,
};
/// The protocol's row.
static LISTEN: Listen = Listen { ports: &[&PORT], serve, full: b"" };
/// Its line of the plan: frames as they are put together, which take twice their bytes as they grow.
static FRAMES: Cost = Cost {
    what: "h264: frames",
    keys: &[Count("threads"), Size("streams.max_frame")],
    count: Config::connection_threads,
    user: |all| all.streams.max_frame.0.saturating_mul(2),
    kernel: |_| 0,
};
/// The form in which it sends streams.
static H264: Form = Form::own("h264", || Box::new(ByteStream));
const START: [u8; 4] = [0, 0, 0, 1];
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    run("profile = \"router\"")
}

/// Runs the server by such a configuration, with its own protocols and this one.
pub fn run(config: &str) -> Result<(), Box<dyn Error>> {
    let config = Config::parse("embedded", config)?;
    let mut costs = registry::costs();
    costs.push(&FRAMES);
    let plan = config.plan(&costs);
    if !plan.fits() {
        return Err(plan.to_string().into());
    }
    let core = Core::new(config, costs, Arc::default());
    let server = Server::new(&core, registry::listens().chain([&LISTEN]));
    server.start(server.bind()?, || {})?;
    runnel::reactor::block_on(core.executor.run(std::future::pending()))
}

/// All viewers of the form share what this makes.
struct ByteStream;

impl Mux for ByteStream {
    fn carries(&self, track: &Track) -> bool {
        track.codec == Codec::H264 && track.id == 0
    }

    fn head(&self, _: &Tracks, _: Ticks) -> Packed {
        Vec::new().into()
    }

    fn announce(&mut self, _: &Tracks, _: &[&Track], _: Ticks) -> Packed {
        Vec::new().into()
    }

    fn frame(&mut self, track: &Track, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget> {
        let Ok(record) = Record::parse(&track.params.record) else { return Ok(None) };
        let sets = record.sps.into_iter().chain(record.pps).filter(|_| frame.key);
        let bytes: Vec<u8> = sets.chain(nal::units(&frame.data)).flat_map(|unit| [&START, unit].concat()).collect();
        // the stream pays for what is packed
        let body = BlockMut::copy(account, &bytes)?;
        Ok((frame.kind == Kind::Video).then(|| Packed::new(Piece::new(&[], body), Vec::new())))
    }
}

fn serve(server: Arc<Server>, conn: Conn) {
    let core = server.core.clone();
    server.core.workers.spawn(async move {
        let peer = conn.peer();
        if let Err(why) = session(&core, conn).await {
            log::info!("peer={peer} {why}");
        }
    });
}

async fn session(core: &Core, mut conn: Conn) -> Result<(), Close> {
    conn.expect_input(LIMIT);
    let name = name(&mut conn).await?;
    conn.expect_input(Duration::ZERO);
    let mut sender = admit(core, &conn, &name).await.map_err(|refusal| Close::refused(refusal.to_string()))?;
    let mut control = Vec::new();
    let mut step = |cx: &mut Context<'_>| {
        if !sender.poll(cx, &mut conn, &mut control, LIMIT)? {
            return Poll::Ready(Ok(()));
        }
        // all is sent: of what else the client says only the end counts
        let received = ready!(conn.poll_read(cx, SHORT_READ, |data| Ok(data.len())))?;
        Poll::Ready(if received.end { Err(Close::Eof) } else { Ok(()) })
    };
    Err(poll_fn(|cx| poll_in_turns(cx, &mut step)).await)
}

/// The line that a client sends.
async fn name(conn: &mut Conn) -> Result<Name, Close> {
    let mut line = None;
    while line.is_none() {
        let mut read = |data: &[u8]| match data.iter().position(|byte| *byte == b'\n') {
            Some(end) if line.is_none() => {
                line = Some(String::from_utf8_lossy(&data[..end]).trim().to_string());
                Ok(end + 1)
            }
            _ => Ok(0),
        };
        if poll_fn(|cx| conn.poll_read(cx, SHORT_READ, &mut read)).await?.end {
            return Err(Close::Eof);
        }
    }
    Name::new(&line.unwrap_or_default()).map_err(|_| Close::refused("that is no name of a stream"))
}

/// Asks whether the client may play, as every protocol does, and makes it a viewer.
async fn admit(core: &Core, conn: &Conn, name: &Name) -> Result<Sender, Refusal> {
    let request = Request {
        action: Action::Play,
        protocol: PORT.name,
        form: Some(H264.name),
        tls: false,
        name: Some(name),
        app: "",
        query: "",
        peer: conn.peer(),
        via: conn.client().via,
        credentials: &Default::default(),
        agent: "",
    };
    let leave = core.ask(&request).await?;
    let asker = Asker::Guest("H264SUB", Some(conn.peer()));
    let seat = conn.seat();
    let viewer = core.admit_player(leave, &Entrant { asker, seat: seat.as_ref(), url: &"" }, &H264)?;
    Ok(Sender::new(viewer, Outlet::default()))
}
