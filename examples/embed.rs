//! A program that has the server inside: it is told of streams that begin and end, reads the frames of each, and
//! publishes them once more, as `NAME-copy`, which nobody else may publish.
//!
//!     cargo run --example embed
//!     ffmpeg -re -f lavfi -i testsrc2 -c:v libx264 -g 50 -f flv rtmp://127.0.0.1/live/a
//!     ffplay http://127.0.0.1:8080/live/a-copy.flv

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use runnel::conf::Config;
use runnel::hub::{Event, EventKind, FRAMES, Frames, Interest, Name, Read};
use runnel::session::{Action, Answer, Core, Denial, Request};
use runnel::{registry, serve::Server};

fn main() -> Result<(), Box<dyn Error>> {
    serve("profile = \"router\"")
}

/// Runs the server by this configuration, within the memory of its plan, and so does all that is published and read here.
pub fn serve(config: &str) -> Result<(), Box<dyn Error>> {
    let config = Config::parse("embedded", config)?;
    let plan = registry::plan(&config);
    plan.fits().then_some(()).ok_or_else(|| plan.to_string())?;
    let core = Core::guarded(config, registry::costs(), Arc::default(), decide);
    let server = Server::new(&core, registry::listens());
    server.start(server.bind()?, || {})?;
    runnel::reactor::block_on(core.executor.clone().run(copy_all(core)))
}

/// Decides who may do what. One that has to ask somebody else gives `Answer::Later`, and a future.
fn decide(Request { action, name, .. }: &Request<'_>) -> Answer {
    let is_refused = *action == Action::Publish && name.is_some_and(is_copy);
    Answer::Now(if is_refused { Err(Denial::Forbidden) } else { Ok(()) })
}

fn is_copy(name: &Name) -> bool {
    name.as_str().ends_with("-copy")
}

async fn copy_all(core: Arc<Core>) -> Result<(), Box<dyn Error>> {
    let (mut events, mut tasks) = (core.hub.events(Interest::default()), HashMap::new());
    loop {
        // `None` if some were missed: a program that must not miss any looks at `core.hub.streams()` then
        match std::future::poll_fn(|cx| events.poll_next(cx)).await {
            Some(Event { name, kind: EventKind::Published }) if !is_copy(&name) => {
                tasks.entry(name.clone()).or_insert_with(|| core.executor.spawn(copy(core.clone(), name)));
            }
            Some(Event { name, kind: EventKind::Unpublished }) => drop(tasks.remove(&name)),
            _ => {}
        }
    }
}

/// Publishes the frames of a stream until it is dropped, or until somebody else has the name.
async fn copy(core: Arc<Core>, name: Name) -> Option<()> {
    let (viewer, _playing) = core.play(&name, "COPYSUB", &FRAMES).ok()?;
    let copy = Name::new(&format!("{name}-copy")).ok()?;
    let (mut publisher, _publishing) = core.publish(&copy, "COPYPUB", Instant::now()).ok()?;
    let mut frames = Frames::new(viewer);
    loop {
        match frames.next().await {
            Read::Tracks(tracks) => tracks.iter().for_each(|track| _ = publisher.track(track.clone())),
            // one that finds no room is lost: viewers go on at the next key frame
            Read::Frame(frame) => match frame.charged_to(&publisher) {
                Ok(frame) => publisher.publish(frame, Instant::now()).map_or((), |()| publisher.flush()),
                Err(_) => publisher.lost(frame.kind),
            },
            Read::Dismissed(_) => return None,
        }
    }
}
