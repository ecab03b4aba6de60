//! Notifications: servers that are told what happens here, by POST with lal's bodies, and commands that are run.
//!
//! Both read the news of sessions. Each receiver has a queue of its own and a task that delivers, so that one that hangs
//! delays nobody else.

mod body;
mod command;
mod exec;
mod feed;
mod output;
mod post;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::Task;
use smol::channel::{self, Sender, bounded};
use smol::future::or;

use crate::budget::Key::{Count, Size};
use crate::conf::{Config, Cost, Event, Notify};
use crate::net::fetch::Contact;
use crate::net::random;
use crate::reactor::Timer;
use crate::session::{Core, NewsReader};
use exec::Commands;
use feed::Feed;
use post::Post;
use queue::Queue;

/// All receivers, and the commands.
pub struct Notifier {
    core: Arc<Core>,
    receivers: Receivers,
    commands: Arc<Commands>,
    /// Reads the news; `None` where nobody is told.
    feed: Option<Task<()>>,
    /// The facts that come before the first configuration is followed.
    early: Option<NewsReader>,
    /// Closed when the server ends.
    running: (Sender<()>, channel::Receiver<()>),
}

/// The receivers of the configuration, which the feed fills.
type Receivers = Arc<Mutex<Vec<Receiver>>>;

/// A receiver.
struct Receiver {
    to: Notify,
    queue: Arc<Queue>,
    task: Task<()>,
}

/// The bytes of a receiver's task, and of its connection.
const TASK: usize = 16 << 10;
/// The bytes of the heads of a request and its answer.
const HEADS: usize = 14 << 10;
/// The bytes of a fact, and of a place in a queue.
const FACT: usize = 512;
/// The bytes of a command that runs, and of those that wait for it.
const COMMAND: usize = 16 << 10;
/// The longest time that all is given when the server ends.
const LAST_TIME: Duration = Duration::from_millis(800);

/// The lines of the plan.
pub static COSTS: &[&Cost] = &[&RECEIVERS, &FACTS, &COMMANDS];

/// Receivers of notifications: what waits for each, and as much for what is being sent.
static RECEIVERS: Cost = Cost {
    what: "notifications: receivers",
    keys: &[Count("notifications.events"), Size("notifications.memory")],
    count: |all| all.notify.len(),
    user: |all| TASK + HEADS + all.notifications.events * PLACE + 2 * all.notifications.memory.0,
    kernel: |_| Contact::SIZES.of_stream(),
};

/// The bytes of a place in a queue.
const PLACE: usize = 64;
const _: () = assert!(size_of::<queue::QueuedEvent>() <= PLACE, "the plan has room for a place in a queue");

/// Facts that wait until they are told.
static FACTS: Cost = Cost {
    what: "notifications: facts",
    keys: &[Count("notifications.events")],
    count: Config::kept_facts,
    user: |_| FACT,
    kernel: |_| 0,
};

/// Commands. Their own memory is that of other processes.
static COMMANDS: Cost = Cost {
    what: "commands",
    keys: &[Count("commands.max")],
    count: Config::commands_at_once,
    user: |_| COMMAND,
    kernel: |_| command::PIPE,
};

impl Notifier {
    /// No receivers yet. Facts are kept from here on.
    pub fn new(core: &Arc<Core>) -> Self {
        let commands = Arc::new(Commands::new(core, core.config().commands.max));
        let (core, early) = (core.clone(), reader(core));
        Self { core, receivers: Receivers::default(), commands, feed: None, early, running: bounded(1) }
    }

    /// Tells the receivers of the current configuration, until the executor is dropped. Those that are the same keep
    /// what waits for them.
    pub async fn follow(&mut self) {
        let config = self.core.config();
        let is_start = self.early.is_some();
        let mut before = std::mem::take(&mut *lock(&self.receivers));
        let mut now = Vec::new();
        for to in &config.notify {
            match before.iter().position(|known| known.to == *to) {
                Some(at) => now.push(before.swap_remove(at)),
                None => now.push(self.begin(to, &config, is_start)),
            }
        }
        *lock(&self.receivers) = now;
        for gone in before {
            gone.task.cancel().await;
        }
        self.commands.follow(&config.exec);
        if config.kept_facts() == 0 {
            self.feed = None;
        } else if let Some(news) = self.early.take().or_else(|| self.feed.is_none().then(|| reader(&self.core))?) {
            let feed = Feed::new(&self.core, &self.receivers, &self.commands);
            self.feed = Some(self.core.executor.spawn(feed.run(news, self.running.1.clone())));
        }
    }

    /// Tells the end of all sessions and of the server. What waits, and commands, are given 0.8 s.
    pub async fn stop(self) {
        self.core.dismiss_all();
        self.running.0.close();
        let told = async {
            if let Some(feed) = self.feed {
                feed.await;
            }
            self.commands.stop().await;
            let receivers = std::mem::take(&mut *lock(&self.receivers));
            for receiver in receivers {
                receiver.task.await;
            }
        };
        or(told, async { _ = Timer::after(LAST_TIME).await }).await;
    }

    fn begin(&self, to: &Notify, config: &Config, is_start: bool) -> Receiver {
        let (core, limit) = (self.core.clone(), config.notifications.memory.0);
        let account = core.total.child("notify", HEADS + 2 * limit);
        let queue = Arc::new(Queue::new(account.child("events", limit), config.notifications.events));
        if is_start && to.events.contains(&Event::ServerStart) {
            queue.offer(Event::ServerStart, body::server(&core).as_bytes());
        }
        let contact = Contact::new(&to.ca, to.insecure, 1, &core.throttle);
        // numbers begin anew with each receiver, also after a reload
        let boot = format!("{:016x}", random::number()).into();
        let post = Post { core, to: to.clone(), queue: queue.clone(), account, boot, contact, is_failing: false };
        Receiver { to: to.clone(), queue, task: self.core.executor.spawn(post.run()) }
    }
}

/// A reader of the news, if somebody is told.
fn reader(core: &Core) -> Option<NewsReader> {
    let kept = core.config().kept_facts();
    (kept > 0).then(|| core.news(kept))
}

fn lock(receivers: &Receivers) -> MutexGuard<'_, Vec<Receiver>> {
    receivers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_in_their_lines_of_the_plan() {
        let text = "profile = \"tiny\"\n[[notify]]\nurl = \"http://127.0.0.1:9/\"\n";
        let config = Config::parse("test", text).unwrap();
        let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
        let (account, to) = (core.total.child("notify", HEADS), config.notify[0].clone());
        let queue = Arc::new(Queue::new(account.clone(), 9));
        let (contact, boot) = (Contact::new("", false, 1, &core.throttle), "".into());
        let post = Post { core: core.clone(), to, queue, account, boot, contact, is_failing: false };
        let [post, commands] = [size_of_val(&post.run()), exec::size()];
        // the rest is for the connection, and for what a command is run by
        assert!(post <= TASK * 3 / 4 && commands <= COMMAND / 8, "{post} and {commands} bytes");
    }
}
