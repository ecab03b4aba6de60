//! One too many is told so in the words of its protocol.

use runnel::proto::rtmp::{ClientEvent, Role};

use crate::peer::{Http, Rtmp, metric, until};
use crate::program::Program;
use crate::steady::Steady;
use crate::{CONFIG, CONNECTIONS};

#[test]
fn publishers() {
    let program = Program::start(CONFIG);
    let steady = Steady::start(program.rtmp, program.http, "a");
    let _second = Rtmp::publisher(program.rtmp, "b");
    let code = |name: &str| Rtmp::new(program.rtmp, Role::Publish, name).refusal();
    assert_eq!(code("c").as_deref(), Some("NetStream.Publish.Failed"));
    assert_eq!(code("a").as_deref(), Some("NetStream.Publish.BadName"), "it is taken");
    for bad in ["..", ".hidden", "a b", "<b>", "a\0b", &"x".repeat(300)] {
        assert_eq!(code(bad).as_deref(), Some("NetStream.Publish.BadName"), "{bad:?}");
    }
    let page = Http::new(program.http).get("/metrics").text();
    let refused = |reason| metric(&page, &format!("runnel_refusals_total{{reason=\"{reason}\"}}"));
    assert_eq!((refused("streams"), refused("taken"), refused("name")), (1, 1, 6));
    assert!(steady.stop() > 0);
}

#[test]
fn viewers() {
    let program = Program::start(CONFIG);
    let steady = Steady::start(program.rtmp, program.http, "a");
    let mut second = Rtmp::new(program.rtmp, Role::Play, "a");
    assert_eq!(second.event(), Some(ClientEvent::Started));
    let mut others = [(); 2].map(|()| Http::new(program.http));
    assert_eq!(others.each_mut().map(|other| other.open("/live/a.flv").status), [200, 200]);

    let response = Http::new(program.http).open("/live/a.flv");
    assert!(response.status == 503 && response.has("Retry-After: 5"), "{response:?}");
    let response = Http::new(program.http).open("/live/nobody.ts");
    assert!(response.status == 503 && response.has("Retry-After: 5"), "{response:?}");
    let mut fifth = Rtmp::new(program.rtmp, Role::Play, "a");
    assert_eq!(fifth.refusal().as_deref(), Some("NetStream.Play.Failed"));
    let mut strange = Rtmp::new(program.rtmp, Role::Play, "..");
    assert_eq!(strange.refusal().as_deref(), Some("NetStream.Play.StreamNotFound"));
    assert!(steady.stop() > 0);
}

#[test]
fn connections() {
    let program = Program::start(CONFIG);
    // who asked one that runs elsewhere before may not have left it yet
    until(program.http, "a server to ourselves", |page| metric(page, "runnel_connections") == 1);
    let steady = Steady::start(program.rtmp, program.http, "a");
    // they may ask again: the next finds no place until one of them leaves
    let idle = (2..CONNECTIONS).map(|_| {
        let mut one = Http::new(program.http);
        assert_eq!(one.get("/healthz").status, 200);
        one
    });
    let idle: Vec<_> = idle.collect();
    let response = Http::new(program.http).open("/healthz");
    assert!(response.status == 503 && response.has("Retry-After: 5"), "{response:?}");
    assert_eq!(Rtmp::new(program.rtmp, Role::Play, "a").event(), None);
    drop(idle);
    assert!(steady.stop() > 0);
}
