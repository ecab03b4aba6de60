//! A program that has the server inside. It is told of streams that begin and end, reads the
//! frames of each, and publishes them once more: `NAME` as `NAME-copy`, which nobody else may publish.
//!
//!     cargo run --example embed
//!     ffmpeg -re -f lavfi -i testsrc2 -c:v libx264 -g 50 -f flv rtmp://127.0.0.1/live/a
//!     ffplay http://127.0.0.1:8080/live/a-copy.flv

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use runnel::conf::Config;
use runnel::hub::{EventKind, FRAMES, Frames, Interest, Name, Read};
use runnel::registry;
use runnel::serve::Server;
use runnel::session::{Action, Answer, Core, Refusal, Request};

fn main() -> Result<(), Box<dyn Error>> {
    serve("profile = \"router\"")
}

/// Runs the server by such a configuration. All its memory stays within the plan of that, and so
/// does what is published and read here.
pub fn serve(config: &str) -> Result<(), Box<dyn Error>> {
    let core = Core::guarded(Config::parse("embedded", config)?, registry::costs(), Arc::default(), decide);
    let server = Server::new(&core, registry::listens());
    server.start(server.bind()?, || {})?;
    runnel::reactor::block_on(core.executor.clone().run(copy_all(core)))
}

/// Decides who may do what. One who has to ask somebody else gives `Answer::Later`, and a future.
fn decide(request: &Request<'_>) -> Answer {
    let is_ours =
        request.action == Action::Publish && request.name.is_some_and(|name| name.as_str().ends_with("-copy"));
    Answer::Now(if is_ours { Err(Refusal::Denied) } else { Ok(()) })
}

/// Has a task for each stream that somebody publishes.
async fn copy_all(core: Arc<Core>) -> Result<(), Box<dyn Error>> {
    let mut events = core.hub.events(Interest::default());
    let mut tasks = HashMap::new();
    loop {
        // `None` says that some were missed: a program that must not miss any looks at `core.hub.streams()` then
        let Some(event) = std::future::poll_fn(|cx| events.poll_next(cx)).await else { continue };
        match event.kind {
            EventKind::Published if !event.name.as_str().ends_with("-copy") => {
                let copy = copy(core.clone(), event.name.clone());
                tasks.entry(event.name).or_insert_with(|| core.executor.spawn(copy));
            }
            EventKind::Unpublished => drop(tasks.remove(&event.name)),
            _ => {}
        }
    }
}

/// Publishes what is read, until it is dropped or somebody else has the name.
async fn copy(core: Arc<Core>, name: Name) -> Option<()> {
    let copy = Name::new(&format!("{name}-copy")).ok()?;
    let (viewer, _playing) = core.play(&name, "COPYSUB", &FRAMES).ok()?;
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
