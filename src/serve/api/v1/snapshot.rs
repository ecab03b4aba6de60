//! Snapshots: the newest key frame of a stream, as a file of one picture. Who may play the stream may have it.

use std::sync::Arc;

use super::reply::{busy, refuse};
use crate::budget::OverBudget;
use crate::container::{MP4, Packed};
use crate::hub::{Name, NoStill, Still, Unit};
use crate::media::{Codec, Kind, Ticks, Tracks, Wall};
use crate::net::Outlet;
use crate::proto::http::Status;
use crate::serve::api::reply::listed;
use crate::serve::http::{Answer, Body, Exchange, NO_CACHE, NO_ROOM, Reply, Wish};
use crate::session::{Action, Leave};
use crate::wire::percent_decode;

/// The head of a file and the picture; `None` if the file cannot hold the codec.
type InFile = Result<Option<[Packed; 2]>, OverBudget>;

/// A kind of file: it holds the picture as it is coded.
struct Kept {
    extension: &'static str,
    mime: &'static str,
    pack: fn(&Exchange, &Still) -> InFile,
}

const KINDS: [Kept; 2] = [
    Kept { extension: "mp4", mime: "video/mp4", pack: in_mp4 },
    Kept { extension: "jpg", mime: "image/jpeg", pack: in_jpeg },
];

/// The bytes besides the picture: the head of an MP4 without the decoder record, and what holds the file.
const AROUND: usize = 2 << 10;

/// `GET /api/v1/snapshot/NAME.mp4`, and `NAME.jpg` where the stream is of JPEG pictures.
pub(in crate::serve) fn show(exchange: Exchange) -> Answer {
    let file = exchange.request.path.strip_prefix("/api/v1/snapshot/").and_then(percent_decode).unwrap_or_default();
    let parts = file.rsplit_once('.').and_then(|(name, extension)| Some((Name::new(name).ok()?, extension)));
    let kind = |extension: &str| KINDS.iter().find(|kind| kind.extension == extension);
    match parts.and_then(|(name, extension)| Some((name, kind(extension)?))) {
        Some((name, kind)) => {
            exchange.ask(Wish::Live(name, &MP4), move |exchange, leave| picture(&exchange, leave, kind))
        }
        None => refuse(&exchange, Status::NOT_FOUND, "a snapshot is STREAM.mp4 or STREAM.jpg"),
    }
}

fn picture(exchange: &Exchange, leave: Leave, kind: &Kept) -> Answer {
    let name = match leave.to(Action::Play) {
        Ok(name) => name,
        Err(why) => return exchange.turn_down(why),
    };
    let still = exchange.server.core.hub.find(name).map_or(Err(NoStill::NoPublisher), |stream| stream.still());
    let still = match still {
        Ok(still) => still,
        Err(NoStill::NoPublisher) => return refuse(exchange, Status::NOT_FOUND, "nobody publishes this stream"),
        Err(NoStill::NoPictures) => return refuse(exchange, Status::NOT_FOUND, "the stream has no pictures"),
        Err(NoStill::NotYet) => return busy(exchange, "the stream has no key frame yet"),
    };
    let Wall(started) = exchange.server.core.started;
    let Still { number, frame, .. } = &still;
    let tag = format!("\"{:x}-{number:x}-{:x}-{:x}\"", started.as_millis(), frame.dts.0, frame.data.len());
    let has = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
    if exchange.request.fields.items("if-none-match").any(has) {
        let reply = Reply::new(Status::NOT_MODIFIED, Body::Nothing).with([("ETag", tag.into()), NO_CACHE]);
        return reply.with(listed(exchange)).into();
    }
    match sent(exchange, &still, kind) {
        Ok(Some(outlet)) => {
            let reply = Reply::blocks(kind.mime, outlet).with([("ETag", tag.into()), NO_CACHE]);
            reply.with(listed(exchange)).into()
        }
        Ok(None) => refuse(exchange, Status::NOT_FOUND, "this kind of file cannot hold the codec of the stream"),
        Err(_) => busy(exchange, NO_ROOM),
    }
}

/// The file. The picture's bytes are the ring's; they are charged once more, so that those who take their time hold no
/// more of the streams than answers may.
fn sent(exchange: &Exchange, still: &Still, kind: &Kept) -> Result<Option<Outlet>, OverBudget> {
    let records = still.tracks.first(Kind::Video).map_or(0, |track| track.params.record.len());
    let size = AROUND + records + still.frame.data.len();
    let lease = exchange.server.core.greetings.account_for(size).charge(size)?;
    let Some([head, picture]) = (kind.pack)(exchange, still)? else { return Ok(None) };
    let mut outlet = Outlet::default();
    let head = Arc::new(Unit::new(head, Ticks(0), false, false));
    outlet.fill(|units| units.extend([head, Unit::charged(picture, Ticks(0), lease)]));
    Ok(Some(outlet))
}

/// A fragmented MP4 of one sample at time 0, so that a page shows it without seeking.
fn in_mp4(exchange: &Exchange, still: &Still) -> InFile {
    let mut mux = (MP4.mux)();
    let Some(track) = still.tracks.find(Kind::Video, still.frame.track).filter(|track| mux.carries(track)) else {
        return Ok(None);
    };
    let mut tracks = Tracks::default();
    tracks.set(track.clone());
    let mut frame = still.frame.clone();
    (frame.dts, frame.cts) = (Ticks(0), 0);
    let account = exchange.server.core.greetings.account();
    let Some(fragment) = mux.frame(track, &frame, account)? else { return Ok(None) };
    Ok(Some([mux.head(&tracks, Ticks(0)), fragment]))
}

/// The picture as it is.
fn in_jpeg(_: &Exchange, still: &Still) -> InFile {
    let track = still.tracks.find(Kind::Video, still.frame.track);
    let is_jpeg = track.is_some_and(|track| track.codec == Codec::Mjpeg);
    Ok(is_jpeg.then(|| [Vec::new().into(), Packed::whole(still.frame.data.share())]))
}
