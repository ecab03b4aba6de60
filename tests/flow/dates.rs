//! Dates in playlists of HLS.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runnel::budget::Account;
use runnel::container::TS;
use runnel::hls::{Numbers, Packing, Rules, Window};
use runnel::hub::{Limits, Name, Step};

use crate::harness::{LIMITS, World};

struct Noop;

impl Wake for Noop {
    fn wake(self: Arc<Self>) {}
}

/// The dates of all segments, in seconds since 1970.
fn dates(window: &mut Window) -> Vec<f64> {
    let text = String::from_utf8(window.playlist(false).unwrap().to_vec()).unwrap();
    let tags = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:"));
    tags.map(|rest| 60.0 + rest.trim_end_matches('Z').parse::<f64>().unwrap()).collect()
}

#[test]
fn what_came_before_anybody_asked_has_the_date_at_which_it_came() {
    let mut world = World::new(Limits { gops: 4, stream_memory: 1 << 20, ..LIMITS });
    let mut source = world.publish("a").with_tracks();
    for _ in 0..80 {
        source.picture(world.now).unwrap();
        world.pass(40);
    }
    // somebody asks in mid-group, 3.2 s after the first picture, at 10 s past a minute
    let asked = world.now;
    let rules = Rules {
        target: Duration::from_secs(1),
        listed: 20,
        start: 3,
        record: false,
        part: None,
        packing: Packing::Ts,
        store: None,
    };
    let mut window = Window::new("a", rules, Account::root("hls", 1 << 20), Numbers::default());
    let mut viewer = world.hub.play(&Name::new("a").unwrap(), &TS).unwrap().from_oldest();
    let waker = Waker::from(Arc::new(Noop));
    for _ in 0..200 {
        let mut units = Vec::new();
        let step = Step { units: 7, bytes: 1 << 20 };
        while viewer.poll_next(&Context::from_waker(&waker), &mut units, step).is_ready() {
            let since: SystemTime = UNIX_EPOCH + Duration::from_secs(70) + (world.now - asked);
            window.look(world.now, since);
            units.drain(..).for_each(|unit| window.push(&unit));
        }
        source.picture(world.now).unwrap();
        world.pass(40);
    }
    let dates = dates(&mut window);
    assert!(dates.len() > 5, "{dates:?}");
    for (at, date) in dates.iter().enumerate() {
        // the ring has kept the groups of pictures of three seconds
        let came = 70.0 - 2.2 + at as f64;
        assert!((date - came).abs() < 0.1, "{at}: {date}, and it came at {came}");
    }
}
