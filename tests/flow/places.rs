//! Places of publishers and viewers, for which several threads come at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use runnel::hub::{Hub, Limits, Name};

use crate::harness::{LIMITS, World, form_named};

const THREADS: usize = 4;
const TIMES: usize = 5000;

/// The most that had a place at once.
fn most_at_once<T>(limits: Limits, take: impl Fn(&Arc<Hub>, &Name) -> Option<T> + Sync) -> usize {
    let world = World::new(limits);
    let (there, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (hub, take, there, most) = (&world.hub, &take, &there, &most);
            scope.spawn(move || {
                let name = Name::new(&format!("s{number}")).unwrap();
                for _ in 0..TIMES {
                    let Some(place) = take(hub, &name) else { continue };
                    most.fetch_max(there.fetch_add(1, SeqCst) + 1, SeqCst);
                    // the others come while this one has its place
                    std::thread::yield_now();
                    there.fetch_sub(1, SeqCst);
                    drop(place);
                }
            });
        }
    });
    most.into_inner()
}

#[test]
fn threads_that_come_at_once_get_no_more_places_than_there_are() {
    let publishers =
        most_at_once(Limits { streams: 1, ..LIMITS }, |hub, name| hub.publish(name, "TEST1", Instant::now()).ok());
    assert_eq!(publishers, 1);
    let viewers = most_at_once(Limits { viewers: 2, ..LIMITS }, |hub, name| hub.play(name, form_named("flv")).ok());
    assert!(viewers <= 2, "{viewers}");
}
