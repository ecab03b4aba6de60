//! HLS segments: what the collector of a stream keeps.

use std::time::{Duration, Instant, SystemTime};

use runnel::budget::Account;
use runnel::container::{Form, TS};
use runnel::hls::{Numbers, Packing, Rules, Window};
use runnel::hub::{Hub, Name};

use crate::limits::LIMITS;
use crate::meter::{NOISE, alone};
use crate::streams::{STREAM, Seat, Source, Temper};

#[test]
fn segments_cost_what_the_ledger_says() {
    check(&TS, Packing::Ts);
}

#[cfg(feature = "http")]
#[test]
fn fragments_cost_what_the_ledger_says() {
    check(&runnel::container::SAMPLES, Packing::Mp4);
}

fn check(form: &'static Form, packing: Packing) {
    let alone = alone();
    let source = Source::new(2000, 300, 25);
    let meter = alone.meter();
    let (streams, segments) = (Account::root("streams", 2 << 20), Account::root("hls", 1 << 20));
    let hub = Hub::new(LIMITS, streams.clone());
    let (name, now) = (Name::new("a").unwrap(), Instant::now());
    let mut publisher = hub.publish(&name, "TEST1", now).unwrap();
    source.tracks.iter().for_each(|track| {
        publisher.track(track.clone());
    });
    let rules =
        Rules { target: Duration::from_secs(1), listed: 4, start: 3, record: false, part: None, packing, store: None };
    let mut window = Window::new(name.as_str(), rules, segments.clone(), Numbers::default());
    let mut collector = Seat { viewer: hub.play(&name, form).unwrap(), temper: Temper::Quick, batch: Vec::new() };
    for at in 0..1000 {
        source.send(&mut publisher, at, now);
        window.look(now, SystemTime::UNIX_EPOCH);
        collector.take(|unit| window.push(unit));
    }
    let (heap, ledger) = (meter.peak(), streams.peak() + segments.peak());
    assert!(heap <= ledger + 2 * STREAM + NOISE, "{heap}, and the ledger has {ledger}");
    let playlist = String::from_utf8(window.playlist(false).unwrap().to_vec()).unwrap();
    assert!((35..39).all(|n| playlist.contains(&format!("-{n}."))), "{playlist}");
    drop((window, collector, publisher));
    hub.sweep(now + 4 * LIMITS.resume);
    hub.sweep(now + 8 * LIMITS.resume);
    assert_eq!((segments.used(), streams.used()), (0, 0));
    drop(hub);
    assert!(meter.held() <= NOISE, "{} bytes are left", meter.held());
}
