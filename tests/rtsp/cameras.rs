//! Families of cameras, from the first request to the frames. The origin of the
//! conversations stands in `cameras/PROVENANCE.md`.

use runnel::media::{Codec, Frame, Kind};
use runnel::proto::rtsp::{ClientEvent, Lower};

use crate::records::{hex, record};
use crate::script::{Scene, run};

const IDR: &str = "6588842101020304";
const NEXT: &str = "419a246c05060708";
const SEI: &str = "0605010980";

/// Units behind their lengths.
fn units(all: &[&str]) -> Vec<u8> {
    all.iter().map(|unit| hex(unit)).flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], &unit].concat()).collect()
}

fn of(scene: &Scene, kind: Kind) -> Vec<&Frame> {
    scene.frames.iter().filter(|frame| frame.kind == kind).collect()
}

/// There are a key frame of these units and one that is none, 40 ms apart, and
/// what is needed to decode them.
fn two_pictures(scene: &Scene, key: &[&str]) {
    let pictures = of(scene, Kind::Video);
    let got: Vec<_> = pictures.iter().map(|frame| (frame.key, frame.data.to_vec())).collect();
    assert_eq!(got, [(true, units(key)), (false, units(&[NEXT]))]);
    let shown = |frame: &Frame| frame.dts.0 + i64::from(frame.cts);
    assert_eq!(shown(pictures[1]) - shown(pictures[0]), 3600);
    let records: Vec<_> = scene.tracks.iter().filter(|track| track.codec == Codec::H264).collect();
    let [track] = records[..] else { panic!("{records:?}") };
    assert_eq!((&track.params.record[..], track.params.width), (&record(Codec::H264)[..], 640));
    assert_eq!(scene.lost, 0);
    assert!(scene.events.iter().any(|event| matches!(event, ClientEvent::Started(_))));
}

fn sounds(scene: &Scene) -> Vec<Vec<u8>> {
    of(scene, Kind::Audio).iter().map(|frame| frame.data.to_vec()).collect()
}

#[test]
fn hikvision_writes_spaces_before_sources_and_extends_every_header() {
    let scene = run("hikvision");
    two_pictures(&scene, &[SEI, IDR]);
    assert_eq!(sounds(&scene), [hex("d5d5d5d5")]);
    assert_eq!(scene.ways().iter().map(|way| way.ssrc).collect::<Vec<_>>(), [Some(0x4f_2a1b), Some(1)]);
    assert_eq!(scene.client.session_timeout().as_secs(), 60);
}

#[test]
fn dahua_wants_counted_digests_and_controls_behind_the_query() {
    let scene = run("dahua");
    two_pictures(&scene, &[IDR]);
    assert_eq!(sounds(&scene), [hex("21001122")]);
    let audio = scene.tracks.iter().find(|track| track.codec == Codec::Aac).unwrap();
    assert_eq!((&audio.params.record[..], audio.clock.get()), (&hex("1408")[..], 16_000));
}

#[test]
fn axis_controls_the_session_by_another_url_and_forgets_its_nonce() {
    two_pictures(&run("axis"), &[IDR]);
}

#[test]
fn v380_sends_start_codes_and_says_next_to_nothing() {
    let scene = run("v380");
    two_pictures(&scene, &[SEI, IDR]);
    assert_eq!(sounds(&scene), [hex("d5d5")]);
    let channels: Vec<_> = scene.ways().iter().map(|way| way.interleaved).collect();
    assert_eq!(channels, [Some((0, 1)), Some((2, 3))], "as was proposed");
    assert_eq!(scene.client.session_timeout().as_secs(), 60, "what is not said is a minute");
}

#[test]
fn yi_leaves_out_the_scheme_and_changes_the_type_of_fragments() {
    two_pictures(&run("yi"), &[IDR]);
}

#[test]
fn yi_writes_spaces_around_the_timeout() {
    assert_eq!(run("yi").client.session_timeout().as_secs(), 30);
}

#[test]
fn foscam_answers_what_keeps_it_alive_with_454_and_goes_on() {
    let scene = run("foscam");
    two_pictures(&scene, &[IDR]);
    assert_eq!(sounds(&scene), [hex("ffff")], "tones are not sound");
    assert!(!scene.events.iter().any(|event| matches!(event, ClientEvent::Refused(..) | ClientEvent::Ended)));
    assert_eq!(scene.client.session_timeout().as_secs(), 10);
}

#[test]
fn small_cameras_know_udp_alone() {
    let scene = run("onvif_udp_only");
    two_pictures(&scene, &[IDR]);
    let ways = scene.ways();
    assert!(ways.iter().all(|way| way.lower == Lower::Udp), "{ways:?}");
    let ports: Vec<_> = ways.iter().map(|way| (way.client_port.unwrap().0, way.server_port.unwrap().0)).collect();
    assert_eq!(ports, [(6000, 30_000), (6002, 30_002)]);
}
