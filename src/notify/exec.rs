//! The commands of `[[exec]]`: each is run on its occasions, a few at once.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::Task;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;

use super::command::{self, Cause, End, Job};
use crate::conf::{Exec, Occasion};
use crate::hub::{Name, SessionId, matches};
use crate::reactor::Timer;
use crate::session::{Core, Fact, Finished, Part, Session, SessionNews, Subject};

/// Commands that run, and that wait until others have ended.
pub(super) struct Commands {
    core: Arc<Core>,
    /// As many tokens as commands may run.
    free: (Sender<()>, Receiver<()>),
    most: usize,
    all: Mutex<Vec<Begun>>,
}

/// A command that runs or waits.
struct Begun {
    rule: Exec,
    task: Task<()>,
    /// Ends it. Closed once it is to end.
    stops: Sender<Cause>,
}

/// An occasion, with its facts.
struct Case<'a> {
    occasion: Occasion,
    id: SessionId,
    stream: &'a Name,
    about: About<'a>,
}

/// The session or file of an occasion.
enum About<'a> {
    Session(&'a SessionNews),
    File(&'a Path),
}

/// The time that commands have when the server ends, before they are ended.
const QUICK: Duration = Duration::from_millis(300);
/// The number of commands that wait for each that may run.
const WAITING: usize = 4;
/// The number of commands in a row that are logged as left out.
const FEW: u32 = 5;

impl Commands {
    /// No commands yet, of which `most` may run at once.
    pub fn new(core: &Arc<Core>, most: usize) -> Self {
        let free = bounded(most.max(1));
        (0..most).for_each(|_| _ = free.0.try_send(()));
        Self { core: core.clone(), free, most, all: Mutex::default() }
    }

    /// Runs the commands whose occasion it is.
    pub fn hear(&self, fact: &Fact) {
        let Some(case) = Case::of(fact) else { return };
        let config = self.core.config();
        for rule in &config.exec {
            if rule.on.contains(&case.occasion) && matches(&rule.streams, case.stream.as_str()) {
                self.begin(rule, &case);
            }
        }
    }

    /// Ends the commands whose rule is not among these.
    pub fn follow(&self, rules: &[Exec]) {
        self.lock().iter().filter(|one| !rules.contains(&one.rule)).for_each(|one| one.end(Cause::RuleGone));
    }

    /// Ends all commands. Those that are quick are done first.
    pub async fn stop(&self) {
        let done = async {
            while !self.lock().iter().all(|one| one.task.is_finished()) {
                Timer::after(Duration::from_millis(10)).await;
            }
        };
        or(done, async { _ = Timer::after(QUICK).await }).await;
        let all = std::mem::take(&mut *self.lock());
        all.iter().for_each(|one| one.end(Cause::ServerEnds));
        for one in all {
            one.task.await;
        }
    }

    fn begin(&self, rule: &Exec, case: &Case<'_>) {
        let program = rule.command.first().map_or("", String::as_str);
        let who = format!("{} stream={} exec {program}", case.id, case.stream);
        let mut all = self.lock();
        all.retain(|one| !one.task.is_finished());
        if all.len() >= self.most.saturating_mul(1 + WAITING) {
            let passes = self.core.flood.passes("commands", Subject::Own("exec"), FEW);
            let level = if passes { log::Level::Warn } else { log::Level::Debug };
            log::log!(level, "{who}: is not run: commands.max are running, and others wait");
            return;
        }
        let job = Job { words: rule.command.clone(), facts: case.facts(), timeout: rule.timeout.0, who };
        let (free, (stops, stopped)) = (self.free.clone(), bounded(1));
        let task = self.core.executor.spawn(async move {
            if free.1.recv().await.is_ok() {
                attend(&job, stopped).await;
                _ = free.0.try_send(());
            }
        });
        all.push(Begun { rule: rule.clone(), task, stops });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    /// Ends it, unless it is being ended.
    fn end(&self, cause: Cause) {
        _ = self.stops.try_send(cause);
        self.stops.close();
    }
}

/// Runs a command, and logs its end.
async fn attend(job: &Job, stopped: Receiver<Cause>) {
    if stopped.is_closed() {
        return;
    }
    log::debug!("{}: begins", job.who);
    let stops = async move { stopped.recv().await.unwrap_or(Cause::ServerEnds) };
    match command::run(job, stops).await {
        Ok(End::Exited(Some(0))) => log::debug!("{}: has ended", job.who),
        Ok(End::Exited(Some(status))) => log::warn!("{}: has ended with the status {status}", job.who),
        Ok(End::Exited(None)) => log::warn!("{}: was killed", job.who),
        Ok(End::Late) => log::warn!("{}: is ended: it has run for {} ms", job.who, job.timeout.as_millis()),
        Ok(End::Stopped(Cause::ServerEnds)) => log::info!("{}: is ended with the server", job.who),
        Ok(End::Stopped(Cause::RuleGone)) => log::info!("{}: is ended: its [[exec]] was removed", job.who),
        Err(error) => log::warn!("{}: cannot be run: {error}", job.who),
    }
}

impl<'a> Case<'a> {
    /// The occasion that a fact is, if it is one. What the server plays to itself is none.
    fn of(fact: &'a Fact) -> Option<Self> {
        let of_session = |news: &'a SessionNews, publishes, plays| {
            let Session { id, stream, part, peer, .. } = &news.session;
            let occasion = match part {
                Part::Publishes => publishes,
                Part::Plays(_) => peer.map(|_| plays)?,
            };
            Some(Self { occasion, id: *id, stream, about: About::Session(news) })
        };
        match fact {
            Fact::Begins(news) => of_session(news, Occasion::Publish, Occasion::Play),
            Fact::Ends(news) => of_session(news, Occasion::Unpublish, Occasion::Stop),
            Fact::File(Finished { id, stream, path }) => {
                Some(Self { occasion: Occasion::RecordEnd, id: *id, stream, about: About::File(path) })
            }
            _ => None,
        }
    }

    /// The variables of the environment.
    fn facts(&self) -> Vec<(&'static str, OsString)> {
        let session = format!("{}{}", self.id.kind, self.id.number);
        let mut facts: Vec<(_, OsString)> = vec![
            ("RUNNEL_EVENT", self.occasion.name().into()),
            ("RUNNEL_STREAM", self.stream.as_str().into()),
            ("RUNNEL_SESSION", session.into()),
        ];
        match &self.about {
            About::File(path) => facts.push(("RUNNEL_FILE", path.into())),
            About::Session(SessionNews { session, bytes, .. }) => {
                let (path, query) = session.url.split_once('?').unwrap_or((&session.url, ""));
                let app = path.rsplit_once('/').map_or("", |(app, _)| app).trim_matches('/');
                let peer = session.peer.map_or(String::new(), |peer| peer.to_string());
                facts.extend([
                    ("RUNNEL_APP", printable(app).into()),
                    ("RUNNEL_QUERY", printable(query).into()),
                    ("RUNNEL_PEER", peer.into()),
                ]);
                facts.push(("RUNNEL_BYTES", bytes.to_string().into()));
            }
        }
        facts
    }
}

/// The text with its control characters as %XX: a variable of the environment cannot have NUL, and a client of RTMP may
/// send any.
fn printable(text: &str) -> String {
    let shown = |char: char| match char.is_control() {
        true => char.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
        false => char.to_string(),
    };
    text.chars().map(shown).collect()
}

/// The bytes of the task of a command.
#[cfg(test)]
pub(super) fn size() -> usize {
    let job = Job { words: Vec::new(), facts: Vec::new(), timeout: Duration::ZERO, who: String::new() };
    size_of_val(&attend(&job, bounded(1).1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Wall;

    #[test]
    fn no_url_keeps_a_command_from_being_run() {
        let id = SessionId { kind: "RTMPPUBSUB", number: 1 };
        let (stream, url) = (Name::new("cam").unwrap(), "/li\0ve/cam?k=\0a\n\u{85};é".into());
        let session =
            Session { id, stream, part: Part::Publishes, url, peer: None, tls: false, since: Wall(Duration::ZERO) };
        let fact = Fact::Begins(SessionNews { session, has_publisher: true, has_player: false, bytes: 0 });
        let facts = Case::of(&fact).unwrap().facts();
        let of = |name| facts.iter().find(|(key, _)| *key == name).unwrap().1.to_str().unwrap();
        assert_eq!([of("RUNNEL_APP"), of("RUNNEL_QUERY")], ["li%00ve", "k=%00a%0A%C2%85;é"]);
    }
}
