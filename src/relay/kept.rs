//! The relays that are kept up: each begins and ends as the configuration says.

use std::collections::HashMap;
use std::sync::Arc;

use async_io::Timer;
use smol::Task;

use super::{Errand, LOOK, Protocol, Term, Way, keep_up};
use crate::conf::{Pull, Push};
use crate::hub::{Name, matches};
use crate::proto::Url;
use crate::serve::Server;

/// All that the configuration asks for.
pub struct Relays {
    server: Arc<Server>,
    kept: Vec<(Relay, Task<()>)>,
}

/// One of them, as it is configured.
#[derive(Clone, PartialEq)]
enum Relay {
    Pull(Pull),
    Push(Push),
}

impl Relays {
    /// None yet.
    pub fn new(server: &Arc<Server>) -> Self {
        Self { server: server.clone(), kept: Vec::new() }
    }

    /// Keeps up what the configuration asks for now, until the executor is dropped: what
    /// is the same runs on untouched, and what is gone has ended before others begin.
    pub async fn follow(&mut self) {
        let config = self.server.config();
        let pulls = config.pull.iter().cloned().map(Relay::Pull);
        let pushes = config.push.iter().cloned().map(Relay::Push);
        let mut before = std::mem::take(&mut self.kept);
        let mut new = Vec::new();
        for relay in pulls.chain(pushes) {
            match before.iter().position(|(known, _)| *known == relay) {
                Some(at) => self.kept.push(before.swap_remove(at)),
                None => new.push(relay),
            }
        }
        for (relay, task) in before {
            task.cancel().await;
            let (word, stream, url) = relay.about();
            log::info!("stream={stream} {word} {url} ends: it is no longer configured");
        }
        for relay in new {
            if let Some(task) = relay.begin(&self.server) {
                self.kept.push((relay, task));
            }
        }
    }
}

impl Relay {
    fn about(&self) -> (&'static str, &str, &Url) {
        match self {
            Self::Pull(Pull { stream, url, .. }) => ("pulling", stream, &url.0),
            Self::Push(Push { stream, url, .. }) => ("pushing", stream, &url.0),
        }
    }

    /// It ends when the task is dropped.
    fn begin(&self, server: &Arc<Server>) -> Option<Task<()>> {
        let (way, errand) = match self {
            Self::Pull(pull) => {
                let way = Way::pull(&pull.url.0)?;
                (way, Errand::pull(server, way, pull)?)
            }
            Self::Push(push) if push.is_pattern() => {
                let way = Way::Push(Protocol::of(&push.url.0)?);
                return Some(server.executor.spawn(push_each(way, server.clone(), push.clone())));
            }
            Self::Push(push) => {
                let (name, way) = (Name::new(&push.stream).ok()?, Way::Push(Protocol::of(&push.url.0)?));
                (way, Errand::push(server, way, push, name))
            }
        };
        Some(server.executor.spawn(keep_up(way, errand, Term::Ever)))
    }
}

/// Sends every stream whose name is as the pattern says, each under its own name.
async fn push_each(way: Way, server: Arc<Server>, push: Push) {
    let mut pushed: HashMap<Name, Task<()>> = HashMap::new();
    loop {
        pushed.retain(|_, task| !task.is_finished());
        for stream in server.hub.streams().iter().filter(|stream| stream.is_live()) {
            let name = stream.name();
            if !pushed.contains_key(name) && matches(&push.stream, name.as_str()) {
                let mut errand = Errand::push(&server, way, &push, name.clone());
                errand.url = errand.url.of_stream(name.as_str());
                pushed.insert(name.clone(), server.executor.spawn(keep_up(way, errand, Term::Published)));
            }
        }
        Timer::after(LOOK).await;
    }
}

impl Errand {
    fn pull(server: &Arc<Server>, way: Way, pull: &Pull) -> Option<Self> {
        let Pull { stream, url, on_demand, udp, insecure, ca } = pull.clone();
        let (name, server, config) = (Name::new(&stream).ok()?, server.clone(), server.config());
        let who = server.who(way.kind()).of(&name);
        Some(Self { server, config, name, url: url.0, udp, insecure, ca, on_demand, once: false, who })
    }

    fn push(server: &Arc<Server>, way: Way, push: &Push, name: Name) -> Self {
        let Push { url, udp, insecure, ca, .. } = push.clone();
        let (server, config) = (server.clone(), server.config());
        let (on_demand, once, who) = (true, false, server.who(way.kind()).of(&name));
        Self { server, config, name, url: url.0, udp, insecure, ca, on_demand, once, who }
    }
}
