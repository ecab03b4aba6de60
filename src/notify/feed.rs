//! Reads the news, makes events of facts, and puts them into the queues of those who want them.

use std::future::poll_fn;
use std::sync::Arc;

use smol::channel::Receiver;
use smol::future::or;

use super::exec::Commands;
use super::{Receivers, body, lock};
use crate::conf::Event;
use crate::session::{Core, Fact, Missed, NewsReader};

/// The task that makes events of facts.
pub(super) struct Feed {
    core: Arc<Core>,
    receivers: Receivers,
    commands: Arc<Commands>,
}

impl Feed {
    pub fn new(core: &Arc<Core>, receivers: &Receivers, commands: &Arc<Commands>) -> Self {
        Self { core: core.clone(), receivers: receivers.clone(), commands: commands.clone() }
    }

    /// Tells facts until the server ends, and the end last.
    pub async fn run(self, mut news: NewsReader, running: Receiver<()>) {
        loop {
            let next = async { Some(poll_fn(|cx| news.poll_next(cx)).await) };
            let stops = async {
                // nothing is sent: it fails when the server ends
                _ = running.recv().await;
                None
            };
            // the facts first: those before the end are told before it
            match or(next, stops).await {
                Some(Ok(fact)) => self.hear(&fact),
                Some(Err(missed)) => self.miss(missed),
                None => break,
            }
        }
        self.tell(Event::ServerStop, || body::server(&self.core));
        lock(&self.receivers).iter().for_each(|receiver| receiver.queue.close());
    }

    fn hear(&self, fact: &Fact) {
        self.commands.hear(fact);
        if let Some(event) = body::event(fact) {
            self.tell(event, || body::of(&self.core, fact));
        }
    }

    fn miss(&self, Missed(count): Missed) {
        log::warn!("notify: {count} facts were missed: notifications.events is too few");
        lock(&self.receivers).iter().for_each(|receiver| receiver.queue.miss(count));
    }

    /// Puts an event into the queues of those who want it.
    fn tell(&self, event: Event, body: impl FnOnce() -> String) {
        let receivers = lock(&self.receivers);
        let mut wanting = receivers.iter().filter(|receiver| receiver.to.events.contains(&event)).peekable();
        if wanting.peek().is_some() {
            let body = body();
            wanting.for_each(|receiver| receiver.queue.offer(event, body.as_bytes()));
        }
    }
}
