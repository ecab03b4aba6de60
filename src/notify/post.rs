//! One receiver: what waits for it is posted in order, again and again until it is taken or too late.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smol::future::or;

use super::body;
use super::queue::{Lost, Next, Queue, QueuedEvent};
use crate::budget::Account;
use crate::conf::{Event, Notify, Secret};
use crate::net::fetch::{Contact, Failure, Limits, Request, Trouble};
use crate::proto::Url;
use crate::proto::http::Method;
use crate::reactor::Timer;
use crate::session::{Core, time_of_day};

/// The task that delivers to one receiver.
pub(super) struct Post {
    pub core: Arc<Core>,
    pub to: Notify,
    pub queue: Arc<Queue>,
    /// For requests, and for an `on_update`.
    pub account: Account,
    /// The beginning of all ids.
    pub boot: Arc<str>,
    /// Its connection, one at a time. It outlives those of clients when the server stops.
    pub contact: Contact,
    /// True if the last event was not taken.
    pub is_failing: bool,
}

/// The outcome of an attempt.
enum Outcome {
    Taken,
    /// The receiver does not want it, by this status.
    Refused(u16),
    /// Another attempt may succeed.
    Failed(Trouble),
}

/// The longest time for one attempt.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The first pause before another attempt, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The time after which an event is given up.
const PATIENCE: Duration = Duration::from_secs(120);
impl Post {
    /// Delivers until the queue is closed and empty.
    pub async fn run(mut self) {
        let wants_updates = self.to.events.contains(&Event::Update);
        let interval = Some(self.to.update_interval.0).filter(|interval| wants_updates && !interval.is_zero());
        let mut due = interval.map(|_| Instant::now());
        loop {
            let next = async { Some(poll_fn(|cx| self.queue.poll_next(cx)).await) };
            let update = async {
                match due {
                    Some(due) => _ = Timer::at(due).await,
                    None => std::future::pending().await,
                }
                None
            };
            match or(next, update).await {
                Some(Next::Event(queued)) => self.deliver(&queued, Lost::one(queued.number)).await,
                Some(Next::Lost(lost)) if self.to.events.contains(&Event::Lost) => {
                    let body = body::lost(&self.core, lost).into();
                    self.deliver(&QueuedEvent { number: lost.to, event: Event::Lost, body }, lost).await;
                }
                Some(Next::Lost(_)) => {}
                Some(Next::End) => return,
                None => {
                    due = interval.map(|interval| Instant::now() + interval);
                    self.update().await;
                }
            }
            if self.is_failing && self.queue.is_closed() {
                return; // there is no time for more attempts
            }
        }
    }

    /// Delivers the state of all streams, as it is now. The next one will tell more than another attempt with this one.
    async fn update(&mut self) {
        match body::update(&self.core, &self.account) {
            Ok(body) => {
                let queued = QueuedEvent { number: self.queue.number(), event: Event::Update, body };
                let outcome = self.attempt(&queued).await;
                self.tell(&queued, &outcome, None);
            }
            Err(why) => log::warn!("notify {}: on_update is left out: {why}", self.to.url.0.server()),
        }
    }

    /// Delivers an event, with as many attempts as there is time for; then `lost` are lost.
    async fn deliver(&mut self, queued: &QueuedEvent, lost: Lost) {
        let (end, mut pause) = (Instant::now() + PATIENCE, PAUSES.0);
        loop {
            let outcome = self.attempt(queued).await;
            let is_late = Instant::now() + pause > end || self.queue.is_closed();
            let again = Some(pause).filter(|_| !is_late);
            self.tell(queued, &outcome, again);
            match (outcome, again) {
                (Outcome::Failed(_), Some(pause)) => self.rest(pause).await,
                (Outcome::Failed(_), None) => return self.queue.lose(lost),
                _ => return,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits before another attempt, or until the server ends.
    async fn rest(&self, pause: Duration) {
        let closed = poll_fn(|cx| self.queue.poll_closed(cx));
        or(closed, async { _ = Timer::after(pause).await }).await;
    }

    async fn attempt(&mut self, queued: &QueuedEvent) -> Outcome {
        let late = async {
            Timer::after(TIMEOUT).await;
            Err(Failure::Late)
        };
        match or(self.request(queued), late).await {
            Ok(200..300) => Outcome::Taken,
            Ok(status) => Trouble::of(status).map_or(Outcome::Refused(status), Outcome::Failed),
            Err(why) => Outcome::Failed(why.into()),
        }
    }

    /// Posts the event. Returns the status of the answer.
    async fn request(&self, queued: &QueuedEvent) -> Result<u16, Failure> {
        let name = queued.event.name();
        let id = format!("{}-{}", self.boot, queued.number);
        let signature =
            self.to.secret.as_ref().map(|secret| signature(secret, time_of_day().0.as_secs(), &queued.body));
        let usual = [("Content-Type", "application/json"), ("X-Runnel-Event", name), ("X-Runnel-Id", &id)];
        let signature = signature.iter().map(|signature| ("X-Runnel-Signature", signature.as_str()));
        let fields: Vec<_> = usual.into_iter().chain(signature).collect();
        let url = self.to.url.0.clone();
        let url = Url { path: url.path.replace("{event}", name), ..url };
        let request = Request { method: Method::Post, url: &url, fields: &fields, body: &queued.body };
        let limits = Limits { time: TIMEOUT, body: 0, redirects: 0, account: &self.account };
        let mut answer = self.contact.open(&request, &limits).await?;
        // a receiver that is cut off in its answer may take the whole for failed
        while let Ok(true) = answer.next(|_| Ok(())).await {}
        Ok(answer.response.status)
    }

    /// Logs the first event in a row that is not taken, those that are given up, and the first that is taken again.
    fn tell(&mut self, queued: &QueuedEvent, outcome: &Outcome, again: Option<Duration>) {
        let (host, event) = (self.to.url.0.server(), queued.event.name());
        let was_failing = std::mem::replace(&mut self.is_failing, !matches!(outcome, Outcome::Taken));
        let level = if was_failing { log::Level::Debug } else { log::Level::Warn };
        match (outcome, again) {
            (Outcome::Taken, _) if was_failing => log::info!("notify {host}: takes events again"),
            (Outcome::Taken, _) => log::debug!("notify {host}: has taken {event}"),
            (Outcome::Refused(status), _) => {
                log::log!(level, "notify {host}: refuses {event} with the status {status}")
            }
            (Outcome::Failed(why), Some(pause)) => {
                let pause = pause.as_secs();
                log::log!(level, "notify {host}: {event} is not taken: {why}; again in {pause} s");
            }
            (Outcome::Failed(why), None) if queued.event == Event::Update => {
                log::log!(level, "notify {host}: {event} is not taken: {why}");
            }
            (Outcome::Failed(why), None) => log::warn!("notify {host}: {event} is given up: {why}"),
        }
    }
}

/// The value of `X-Runnel-Signature`: `t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 of `SECONDS.BODY`.
fn signature(Secret(secret): &Secret, time: u64, body: &Bytes) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body);
    let hex = base16ct::lower::encode_string(&mac.finalize().into_bytes());
    format!("t={time},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_time_and_the_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let signed = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(&Secret("key".into()), 1_700_000_000, &Bytes::from_static(b"{}")), signed);
    }
}
