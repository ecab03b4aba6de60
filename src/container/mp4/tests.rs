use bytes::Bytes;

use super::mux;
use crate::budget::Account;
use crate::codec::{self, hex};
use crate::container::Mux;
use crate::media::{Codec, Frame, Hz, Kind, Params, Ticks, Track, Tracks};

const AVCC: &str = "0164001effe1001a6764001eacd940a02ff97011000003000100000300320f162d9601000468ef8fcbfdf8f800";

/// The boxes in `data`: type and content.
fn boxes(mut data: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let size = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
        found.push((String::from_utf8_lossy(&data[4..8]).into_owned(), &data[8..size]));
        data = &data[size..];
    }
    found
}

/// The contents of all boxes at a path such as `moov/trak/tkhd`.
fn all<'a>(data: &'a [u8], path: &str) -> Vec<&'a [u8]> {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let here = boxes(data).into_iter().filter(|(found, _)| found == name).map(|(_, content)| content);
    here.flat_map(|content| if rest.is_empty() { vec![content] } else { all(content, rest) }).collect()
}

/// The content of the first of them.
fn inside<'a>(data: &'a [u8], path: &str) -> &'a [u8] {
    all(data, path).first().copied().unwrap_or_else(|| panic!("no {path}"))
}

fn track(codec: Codec, record: &str) -> Track {
    let params = codec::params(codec, hex(record).into()).unwrap();
    Track { id: 0, codec, clock: Hz::MS, params }
}

fn frame(kind: Kind, dts: i64, cts: i32, key: bool) -> Frame {
    Frame { dts: Ticks(dts), cts, kind, track: 0, key, data: Bytes::from_static(&[1, 2, 3, 4, 5]).into() }
}

fn packed(mux: &mut dyn Mux, track: &Track, frame: &Frame) -> Vec<u8> {
    mux.frame(track, frame, &Account::root("test", 1 << 20)).unwrap().unwrap().to_vec()
}

fn number(data: &[u8]) -> u64 {
    data.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[test]
fn the_head_has_what_decoders_need() {
    let mut tracks = Tracks::default();
    tracks.set(track(Codec::H264, AVCC));
    tracks.set(track(Codec::Aac, "1210"));
    let head = mux().head(&tracks, Ticks(0));
    assert!(head.is_head());
    let head = head.to_vec();
    assert_eq!(boxes(&head).iter().map(|found| found.0.as_str()).collect::<Vec<_>>(), ["ftyp", "moov"]);
    let entries = all(&head, "moov/trak/mdia/minf/stbl/stsd");
    let avc1 = inside(&entries[0][8..], "avc1");
    assert_eq!((number(&avc1[24..26]), number(&avc1[26..28])), (640, 360));
    assert_eq!(inside(&avc1[78..], "avcC"), hex(AVCC));
    let mp4a = inside(&entries[1][8..], "mp4a");
    assert_eq!((number(&mp4a[16..18]), number(&mp4a[24..26])), (2, 44_100));
    assert!(inside(&mp4a[28..], "esds").windows(2).any(|pair| pair == [0x12, 0x10]));
    let scales: Vec<_> = all(&head, "moov/trak/mdia/mdhd").iter().map(|mdhd| number(&mdhd[12..16])).collect();
    assert_eq!(scales, [1000, 44_100]);
    assert_eq!(boxes(inside(&head, "moov/mvex")).len(), 2);
}

#[test]
fn a_fragment_is_one_frame_where_it_says() {
    let track = track(Codec::H264, AVCC);
    let mut mux = mux();
    for (at, dts, cts, key) in [(1, 1 << 33, 80, true), (2, (1 << 33) + 40, -40, false)] {
        let bytes = packed(&mut *mux, &track, &frame(Kind::Video, dts, cts, key));
        assert_eq!(number(&inside(&bytes, "moof/mfhd")[4..]), at);
        assert_eq!(number(&inside(&bytes, "moof/traf/tfdt")[4..]), dts as u64);
        let trun = inside(&bytes, "moof/traf/trun");
        let fields: Vec<_> = trun[4..].chunks(4).map(|field| number(field) as i32).collect();
        let flags = if key { 0x0200_0000 } else { 0x0101_0000 };
        assert_eq!((fields[0], &fields[2..]), (1, &[40, 5, flags, cts][..]));
        assert_eq!(bytes[fields[1] as usize..], [1, 2, 3, 4, 5]);
        assert_eq!(inside(&bytes, "mdat"), [1, 2, 3, 4, 5]);
    }
}

#[test]
fn sound_goes_on_by_its_samples_until_it_jumps() {
    let track = track(Codec::Aac, "1210");
    let mut mux = mux();
    let mut at =
        |dts| number(&inside(&packed(&mut *mux, &track, &frame(Kind::Audio, dts, 0, true)), "moof/traf/tfdt")[4..]);
    assert_eq!([0, 23, 46, 70].map(&mut at), [0, 1024, 2048, 3072]);
    // a gap of a second, then continuous again
    assert_eq!([1093, 1116].map(&mut at), [48_201, 49_225]);
}

#[test]
fn every_codec_that_has_a_place_has_one() {
    let opus = "4f7075734865616401023801803e0000000000";
    let streaminfo = "120012000000000000000bb800700000000000000000000000000000000000000000";
    let cases = [
        (Codec::Av1, "81010c000a0b0000000cc5036936be4010", "av01", "av1C"),
        (Codec::Vp9, "0015820202020000", "vp09", "vpcC"),
        (Codec::Opus, opus, "Opus", "dOps"),
        (Codec::Flac, streaminfo, "fLaC", "dfLa"),
        (Codec::Ac3, "", "ac-3", "dac3"),
        (Codec::Eac3, "", "ec-3", "dec3"),
        (Codec::Mp3, "", "mp4a", "esds"),
    ];
    for (codec, record, entry, config) in cases {
        let params = Params { sample_rate: 48_000, channels: 6, ..Params::default() };
        let record = hex(record);
        let track = Track { id: 0, codec, clock: Hz::MS, params: Params { record: record.into(), ..params } };
        assert!(mux().carries(&track), "{codec:?}");
        let mut tracks = Tracks::default();
        tracks.set(track);
        let head = mux().head(&tracks, Ticks(0)).to_vec();
        let found = inside(&inside(&head, "moov/trak/mdia/minf/stbl/stsd")[8..], entry);
        let content = inside(&found[if codec.kind() == Kind::Video { 78 } else { 28 }..], config);
        match codec {
            Codec::Vp9 => assert_eq!(content, hex("010000000015820202020000")),
            Codec::Opus => assert_eq!(content, hex("0002013800003e80000000")),
            // 48 kHz, 3/2 channels and a low-frequency channel
            Codec::Ac3 => assert_eq!(content, hex("103c00")),
            Codec::Flac => assert_eq!((content.len(), &content[..8]), (42, &hex("0000000080000022")[..])),
            _ => {}
        }
    }
}

#[test]
fn g711_goes_as_flac_and_is_counted_by_its_samples() {
    let params = Params { sample_rate: 8000, channels: 2, ..Params::default() };
    let track = Track { id: 0, codec: Codec::Pcma, clock: Hz::MS, params };
    let mut tracks = Tracks::default();
    tracks.set(track.clone());
    let mut mux = mux();
    let head = mux.head(&tracks, Ticks(0)).to_vec();
    assert_eq!(number(&inside(&head, "moov/trak/mdia/mdhd")[12..16]), 8000);
    let entry = inside(&inside(&head, "moov/trak/mdia/minf/stbl/stsd")[8..], "fLaC");
    assert_eq!((number(&entry[16..18]), number(&entry[24..26])), (2, 8000));
    assert_eq!(inside(&entry[28..], "dfLa")[..22], hex("00000000 80000022 0010ffff 000000 000000 01f402f0"));
    // 20 ms, then 40 ms, then an odd number of codes, with rounded times
    for (dts, codes, at, len) in [(1000, 320, 8000, 160), (1020, 640, 8160, 320), (1061, 33, 8480, 16)] {
        let codes = Frame { data: vec![0xd5; codes].into(), ..frame(Kind::Audio, dts, 0, true) };
        let bytes = packed(&mut *mux, &track, &codes);
        assert_eq!(number(&inside(&bytes, "moof/traf/tfdt")[4..]), at);
        let trun = inside(&bytes, "moof/traf/trun");
        let sample = inside(&bytes, "mdat");
        assert_eq!((number(&trun[12..16]), number(&trun[16..20])), (len, sample.len() as u64));
        // each channel coded separately holds the same 13 bits throughout
        assert_eq!(sample[..2], [0xff, 0xf9]);
        assert_eq!(sample[sample.len() - 8..sample.len() - 2], hex("00 0008 00 0008"));
    }
}

#[test]
fn flac_is_paid_for_and_a_refusal_leaves_no_trace() {
    let track = track(Codec::Pcmu, "");
    let codes = |dts| Frame { data: vec![0x2a; 160].into(), ..frame(Kind::Audio, dts, 0, true) };
    let (account, none) = (Account::root("test", 1 << 20), Account::root("test", 64));
    let mut mux = mux();
    let first = mux.frame(&track, &codes(0), &account).unwrap().unwrap();
    assert!(account.used() > 0);
    assert!(mux.frame(&track, &codes(20), &none).is_err());
    let second = mux.frame(&track, &codes(20), &account).unwrap().unwrap().to_vec();
    assert_eq!(number(&inside(&second, "moof/mfhd")[4..]), 2);
    assert_eq!(number(&inside(&second, "moof/traf/tfdt")[4..]), 160);
    drop(first);
    assert_eq!(account.used(), 0);
    for nothing in [0, 65_536] {
        let frame = Frame { data: vec![0; nothing].into(), ..codes(40) };
        assert!(mux.frame(&track, &frame, &account).unwrap().is_none());
    }
}

#[test]
fn what_has_no_place_is_not_carried() {
    let mux = mux();
    assert!(!mux.carries(&track(Codec::Vp8, "")));
    let fast = Params { sample_rate: 1 << 20, channels: 1, ..Params::default() };
    assert!(!mux.carries(&Track { params: fast, ..track(Codec::Pcma, "") }));
    assert!(!mux.carries(&Track { id: 1, ..track(Codec::Aac, "1210") }));
    assert!(!mux.carries(&Track { params: Params::default(), ..track(Codec::H264, AVCC) }));
    assert!(mux.head(&Tracks::default(), Ticks(0)).is_empty());
}

#[cfg(feature = "record")]
#[test]
fn a_fragment_is_moved_to_where_its_file_begins() {
    let mut tracks = Tracks::default();
    tracks.set(track(Codec::H264, AVCC));
    tracks.set(track(Codec::Aac, "1210"));
    let times =
        [(Kind::Video, 60_040, 40), (Kind::Audio, 60_000, 0), (Kind::Audio, 61_000, 44_100), (Kind::Video, 1, 0)];
    for (kind, dts, moved) in times {
        let track = tracks.first(kind).unwrap().clone();
        let mut bytes = packed(&mut *mux(), &track, &frame(kind, dts, 0, true));
        super::recorded::rebase(&mut bytes, Ticks(60_000), &tracks);
        assert_eq!(number(&inside(&bytes, "moof/traf/tfdt")[4..]), moved);
    }
    let mut head = mux().head(&tracks, Ticks(0)).to_vec();
    let before = head.clone();
    super::recorded::rebase(&mut head, Ticks(60_000), &tracks);
    assert_eq!(head, before);
}
