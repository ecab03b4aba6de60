//! Damaged conversations with both sides of RTSP.

use runnel::budget::Account;
use runnel::proto::rtsp::{Lower, Purpose, sdp::Description};

use crate::conversations::endures;
use crate::drive::Guarded;
use crate::{damaged, rtsp_talks};

#[test]
fn publishers() {
    endures(rtsp_talks::server, 0, &rtsp_talks::publisher(&[120]));
}

/// A message that is longer than what waits on the connection goes first, so that it can
/// be damaged here and there alone.
#[test]
fn publishers_of_long_packets() {
    let mut it = rtsp_talks::Speaker::default();
    it.packet(0, 5000);
    let filler = it.bytes.len();
    it.ask("ANNOUNCE", rtsp_talks::URL, &[], &rtsp_talks::sdp("streamid="));
    it.packet(1, 4097);
    it.bytes.truncate(filler + 700); // the second is cut
    endures(rtsp_talks::server, filler, &it.bytes);
}

#[test]
fn players() {
    endures(rtsp_talks::server, 0, &rtsp_talks::player());
}

#[test]
fn players_that_are_asked_who_they_are() {
    endures(|account| Guarded::new(rtsp_talks::server(account), rtsp_talks::USER), 0, &rtsp_talks::asked_player());
}

fn client(purpose: Purpose, lower: Lower) -> impl Fn(Account) -> runnel::proto::rtsp::Client {
    move |account| rtsp_talks::client(purpose.clone(), lower, account)
}

#[test]
fn cameras() {
    endures(client(Purpose::Play, Lower::Tcp), 0, &rtsp_talks::camera(100));
}

#[test]
fn servers() {
    let udp = "Transport: RTP/AVP;unicast;client_port=6000-6001;server_port=7000-7001;source=10.0.0.1";
    endures(client(Purpose::Play, Lower::Tcp), 0, &rtsp_talks::choosy_server(udp));
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    endures(client(Purpose::Play, Lower::Udp), 0, &rtsp_talks::choosy_server(tcp));
    endures(client(Purpose::Play, Lower::Udp), 0, &rtsp_talks::moved());
    endures(client(rtsp_talks::publishing(), Lower::Tcp), 0, &rtsp_talks::receiver());
}

#[test]
fn session_descriptions() {
    damaged(rtsp_talks::sdp("trackID=").as_bytes(), |data| {
        let Ok(description) = Description::parse(&String::from_utf8_lossy(data)) else { return };
        assert!(description.medias.len() <= 2);
        assert!(description.medias.iter().all(|media| media.formats.len() <= 4));
    });
}
