//! Tests of the recorder on an executor: recordings begin and end with publishers.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::reactor::Timer;
use smol::future::{block_on, yield_now};

use super::super::lock;
use super::super::watch::{CHECK_INTERVAL, CLOSE_DELAY};
use super::{Recorder, Scratch};
use crate::conf::Config;
use crate::hub::{Name, Publisher, Ticket};
use crate::session::{Core, Grant, Switch};

/// Runs `test` while a recorder applies `keys` and one rule for all streams.
fn with_recorder<F: Future>(keys: &str, test: impl FnOnce(Arc<Core>) -> F) {
    let scratch = Scratch::new();
    let config = config(&scratch, keys);
    let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
    block_on(core.clone().executor.run(async {
        let mut recorder = Recorder::new(&core);
        recorder.follow(recorder.prepare(&config).unwrap()).await;
        test(core).await;
        recorder.stop().await;
    }));
}

fn config(scratch: &Scratch, keys: &str) -> Config {
    let path = scratch.0.to_str().unwrap();
    let text = format!("profile = \"box\"\n{keys}\n[[record]]\nstreams = \"*\"\npath = {path:?}\n");
    Config::parse("test", &text).unwrap()
}

fn publish(core: &Core, name: &str) -> (Publisher, Grant) {
    let name = Name::new(name).unwrap();
    core.publish(&name, "RTMPPUBSUB", Instant::now()).ok().unwrap()
}

/// The listed recordings, with their streams.
fn recordings(core: &Core) -> Vec<(Ticket, String)> {
    let all = core.sessions().into_iter().filter(|(_, session, _)| session.id.kind == "RECORD");
    all.map(|(ticket, session, _)| (ticket, session.stream.to_string())).collect()
}

/// Waits until only `stream` is recorded, or until nothing is. Gives the session.
async fn until(core: &Core, stream: Option<&str>) -> Option<Ticket> {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        match &*recordings(core) {
            [] if stream.is_none() => return None,
            [(ticket, of)] if Some(of.as_str()) == stream => return Some(*ticket),
            others => assert!(Instant::now() < end, "{others:?} and not {stream:?}"),
        }
        Timer::after(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_recording_that_somebody_ended_gives_its_place_back_until_another_publishes() {
    with_recorder("recording.max = 1", |core| async move {
        let first = publish(&core, "a");
        let recorded = until(&core, Some("a")).await.unwrap();
        assert!(core.kick(recorded));
        until(&core, None).await;
        // a check that finds this stream has found the first one too
        let other = publish(&core, "b");
        let of_other = until(&core, Some("b")).await.unwrap();
        assert!(core.kick(of_other));
        until(&core, None).await;
        drop(first);
        let _second = publish(&core, "a");
        assert_ne!(until(&core, Some("a")).await, Some(recorded));
        drop(other);
    });
}

#[test]
fn a_recording_begins_as_soon_as_its_publisher_has_come() {
    with_recorder("", |core| async move {
        let mut published = Vec::new();
        for name in ["a", "b", "c"] {
            published.push(publish(&core, name));
            // other tasks have run, but no time has passed
            for _ in 0..100 {
                yield_now().await;
            }
            assert_eq!(recordings(&core).len(), published.len());
        }
    });
}

#[test]
fn what_is_published_when_its_rule_comes_is_recorded_at_once() {
    let scratch = Scratch::new();
    let none = Config::parse("test", "profile = \"box\"").unwrap();
    let (core, wanted) = (Core::new(none.clone(), crate::registry::costs(), Arc::default()), config(&scratch, ""));
    block_on(core.executor.run(async {
        let mut recorder = Recorder::new(&core);
        recorder.follow(recorder.prepare(&none).unwrap()).await;
        let _published = publish(&core, "a");
        let prepared = recorder.prepare(&wanted).unwrap();
        core.reload(wanted);
        recorder.follow(prepared).await;
        assert_eq!(recordings(&core).len(), 1);
        recorder.stop().await;
    }));
}

#[test]
fn no_timer_runs_while_a_stream_is_recorded_and_one_until_its_file_ends_when_it_leaves() {
    let scratch = Scratch::new();
    let config = config(&scratch, "recording.max = 1");
    let core = Core::new(config.clone(), crate::registry::costs(), Arc::default());
    block_on(core.executor.run(async {
        let mut recorder = Recorder::new(&core);
        recorder.follow(recorder.prepare(&config).unwrap()).await;
        let state = recorder.state.clone();
        let due = || lock(&state).next_look(Instant::now());
        assert_eq!(due(), None, "nothing is published");
        let (first, begun) = (publish(&core, "a"), Instant::now());
        until(&core, Some("a")).await;
        assert_eq!(due(), None);
        let second = publish(&core, "b");
        while due().is_none() {
            yield_now().await;
        }
        assert!(due() >= Some(begun + CHECK_INTERVAL), "it has no place, and nobody may tell of one");
        drop(second);
        drop(first);
        while due().is_none_or(|due| due > Instant::now() + CLOSE_DELAY) {
            yield_now().await;
        }
        until(&core, None).await;
        while due().is_some() {
            yield_now().await;
        }
        recorder.stop().await;
    }));
}

#[test]
fn a_recording_is_stopped_and_started_on_request() {
    with_recorder("", |core| async move {
        let name = Name::new("a").unwrap();
        let switch = |switch| core.recorded.switch(&core.config(), &name, switch).unwrap();
        let _published = publish(&core, "a");
        let first = until(&core, Some("a")).await.unwrap();
        switch(Switch::Off);
        until(&core, None).await;
        switch(Switch::On);
        let second = until(&core, Some("a")).await.unwrap();
        assert_ne!(first, second);
        // one that was ended by its id begins again when it is asked for, without another publisher
        assert!(core.kick(second));
        until(&core, None).await;
        switch(Switch::On);
        assert_ne!(until(&core, Some("a")).await, Some(second));
    });
}
