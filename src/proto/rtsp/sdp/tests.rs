use super::*;

const HIKVISION: &str = "v=0\r\no=- 1109162014219182 1109162014219182 IN IP4 x.y.z.w\r\ns=Media Presentation\r\n\
e=NONE\r\nb=AS:5100\r\nt=0 0\r\na=control:rtsp://10.0.0.64/ISAPI/Streaming/Channels/101/\r\nm=video 0 RTP/AVP 96\r\n\
c=IN IP4 0.0.0.0\r\nb=AS:5000\r\na=recvonly\r\na=x-dimensions:1920,1080\r\n\
a=control:rtsp://10.0.0.64/ISAPI/Streaming/Channels/101/trackID=1\r\na=rtpmap:96 H264/90000\r\n\
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z01AKI2NQDwBE/LgLcBAQFAAAD6AAAw1DoYACYFAAABfXgu8uNDABMCgAAAvrwXeXCg=,aO44gA==\r\n\
m=application 0 RTP/AVP 107\r\nb=AS:50\r\na=recvonly\r\na=control:trackID=3?meta=1\r\n\
a=rtpmap:107 vnd.onvif.metadata/90000\r\na=Media_header:MEDIAINFO=494D4B48010100;\r\na=appversion:1.0\r\n";

fn parse(text: &str) -> Description {
    Description::parse(text).unwrap()
}

/// The formats of the first media.
fn formats(text: &str) -> Vec<Format> {
    parse(text).medias.remove(0).formats
}

fn brief(formats: &[Format]) -> Vec<(u8, &str, u32, u8)> {
    formats.iter().map(|f| (f.payload_type, f.encoding.as_str(), f.clock.get(), f.channels)).collect()
}

#[test]
fn a_camera_with_metadata_and_absolute_controls() {
    let description = parse(HIKVISION);
    assert_eq!(description.control.as_deref(), Some("rtsp://10.0.0.64/ISAPI/Streaming/Channels/101/"));
    let [video, other] = &description.medias[..] else { panic!("{description:?}") };
    assert_eq!((video.kind, video.direction), (Some(Kind::Video), Direction::RecvOnly));
    assert_eq!(video.control.as_deref(), Some("rtsp://10.0.0.64/ISAPI/Streaming/Channels/101/trackID=1"));
    assert_eq!(brief(&video.formats), [(96, "H264", 90_000, 1)]);
    assert!(video.formats[0].parameter("sprop-parameter-sets").unwrap().ends_with("eXCg=,aO44gA=="));
    assert_eq!(video.formats[0].parameter("packetization-mode"), Some("1"));
    assert_eq!((other.kind, other.control.as_deref()), (None, Some("trackID=3?meta=1")));
}

#[test]
fn session_lines_may_be_empty_or_missing() {
    let description = parse("v=0\no=\ns=\nc=\nt=\nm=audio 0 RTP/AVP 8\na=control:*\n");
    assert_eq!((description.control, description.medias.len()), (None, 1));
    assert_eq!(description.medias[0].control.as_deref(), Some("*"));
    assert_eq!(brief(&formats("m=audio 0 RTP/AVP 0")), [(0, "PCMU", 8000, 1)]);
    assert_eq!(parse("v=0\r\no=- -17 -3 IN IP4 h\r\nm=video 0 RTP/AVP 26\r\n").medias.len(), 1);
}

#[test]
fn blanks_and_zeros_stand_around_lines() {
    let text =
        "\0\0 v=0 \r\n  m=video 0  RTP/AVP\t96 \0\r\n a=rtpmap:96  h265 / 90000 \r\n\ta = control : x \r\n\0\0\0";
    assert_eq!(brief(&formats(text)), [(96, "H265", 90_000, 1)]);
    assert_eq!(parse(text).medias[0].control.as_deref(), Some("x"));
}

#[test]
fn static_types_need_no_map_but_take_one() {
    let types = brief_of("m=audio 0 RTP/AVP 0 8 10 11 14 26");
    let known = ["PCMU/8000/1", "PCMA/8000/1", "L16/44100/2", "L16/44100/1", "MPA/90000/1", "JPEG/90000/1"];
    assert_eq!(types, known);
    assert_eq!(brief_of("m=audio 0 RTP/AVP 0\na=rtpmap:0 PCMU/16000"), ["PCMU/16000/1"]);
}

fn brief_of(text: &str) -> Vec<String> {
    formats(text).iter().map(|f| format!("{}/{}/{}", f.encoding, f.clock.get(), f.channels)).collect()
}

#[test]
fn lines_with_many_types_keep_their_order_and_drop_the_unknown() {
    let text = "m=audio 0 RTP/AVP 97 0 101 8 97 300 x\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n\
                a=rtpmap:97 opus/48000/2\na=rtpmap:99 L16/16000\na=fmtp:101 0-15";
    let formats = formats(text);
    let names: Vec<_> = formats.iter().map(|f| f.encoding.as_str()).collect();
    assert_eq!(names, ["OPUS", "PCMU", "TELEPHONE-EVENT", "PCMA"]);
    assert_eq!((formats[0].channels, formats[2].parameter("0-15")), (2, Some("")));
}

#[test]
fn maps_of_other_types_count_where_the_line_has_no_known_one() {
    assert_eq!(brief_of("m=video 0 RTP/AVP 96\na=rtpmap:97 H264/90000"), ["H264/90000/1"]);
    assert!(formats("m=video 0 RTP/AVP 96").is_empty());
}

#[test]
fn parameters_are_written_in_many_ways() {
    for line in [
        "a=fmtp:96 ; PACKETIZATION-MODE = 1 ;;config= \"14=08\" ;",
        "a=fmtp:96packetization-mode=1;config=14=08",
        "a=fmtp:96  packetization-mode=1\na=fmtp:96 Config=14=08;",
    ] {
        // before the rtpmap line, and after it
        for text in [
            format!("m=video 0 RTP/AVP 96\n{line}\na=rtpmap:96 H264/90000"),
            format!("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n{line}"),
        ] {
            let format = &formats(&text)[0];
            assert_eq!(format.parameter("packetization-mode"), Some("1"), "{line}");
            assert_eq!((format.parameter("config"), format.fmtp.len()), (Some("14=08"), 2), "{line}");
        }
    }
    assert!(formats("m=audio 0 RTP/AVP 8\na=fmtp:8\na=fmtp:-1 x=y\na=fmtp:").remove(0).fmtp.is_empty());
}

#[test]
fn clocks_that_are_not_said_are_guessed_and_zero_is_refused() {
    for (map, clock) in [("H264", 90_000), ("h265/", 90_000), ("JPEG/x", 90_000), ("PCMA", 8000), ("opus//2", 48_000)] {
        let text = format!("m=video 0 RTP/AVP 96\na=rtpmap:96 {map}");
        assert_eq!(formats(&text)[0].clock.get(), clock, "{map}");
    }
    for map in ["H264/0", "MPEG4-GENERIC", "", "PCMA/00/1"] {
        assert!(formats(&format!("m=video 0 RTP/AVP 96\na=rtpmap:96 {map}")).is_empty(), "{map}");
    }
    assert!(formats("m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/0").is_empty());
    assert_eq!(formats("m=audio 0 RTP/AVP 96\na=rtpmap:96 L16/44100/0")[0].channels, 1);
}

#[test]
fn ports_are_counted_and_directions_inherited() {
    let description = parse("a=sendonly\nm=audio 5000/2 RTP/AVP 8\nm=VIDEO 0 RTP/AVP 26\na=inactive\nm=audio\n");
    let directions: Vec<_> = description.medias.iter().map(|media| media.direction).collect();
    assert_eq!(directions, [Direction::SendOnly, Direction::Inactive, Direction::SendOnly]);
    assert_eq!(description.medias[0].formats.len(), 1);
    assert_eq!(parse("m=audio 0 RTP/AVP 8").medias[0].direction, Direction::SendRecv);
}

#[test]
fn only_what_names_no_media_or_is_too_long_is_refused() {
    assert!(Description::parse("").is_err());
    assert!(Description::parse("v=0\r\ns=x\r\na=control:*\r\n").is_err());
    assert!(Description::parse(&format!("m=audio 0 RTP/AVP 0\n{}", "a".repeat(MAX_TEXT))).is_err());
}

#[test]
fn nothing_grows_without_bound() {
    let description = parse(&"m=audio 0 RTP/AVP 8\na=control:a\n".repeat(17));
    assert_eq!(description.medias.len(), MAX_MEDIAS);
    let description = parse(&format!("{}a=control:z", "m=audio 0 RTP/AVP 8\n".repeat(40)));
    assert!(description.medias.iter().all(|media| media.control.is_none()) && description.medias.len() == MAX_MEDIAS);
    let types: String = (0..128).map(|n| format!(" {n}")).collect();
    let maps: String = (0..128).map(|n| format!("a=rtpmap:{n} A/1\n")).collect();
    assert_eq!(formats(&format!("m=audio 0 RTP/AVP{types}\n{maps}")).len(), MAX_FORMATS);
    let fmtp = format!("a=fmtp:8 {}\n", "a=b;".repeat(40)).repeat(40);
    assert_eq!(formats(&format!("m=audio 0 RTP/AVP 8\n{fmtp}"))[0].fmtp.len(), MAX_PARAMETERS);
}

#[test]
fn controls_stand_behind_the_whole_base() {
    for (base, control, url) in [
        ("rtsp://h/p", "trackID=1", "rtsp://h/p/trackID=1"),
        ("rtsp://h/p/", "trackID=1", "rtsp://h/p/trackID=1"),
        ("rtsp://h/p/", "/trackID=1?a=b", "rtsp://h/p/trackID=1?a=b"),
        ("rtsp://h/p?x=1", "track1", "rtsp://h/p?x=1/track1"),
        ("rtsp://h/p?x=1/", "track1", "rtsp://h/p?x=1/track1"),
        ("rtsp://h", "track1", "rtsp://h/track1"),
        ("rtsp://h/p/", "*", "rtsp://h/p/"),
        ("rtsp://h/p", " ", "rtsp://h/p"),
        ("rtsp://h/p/", "RTSP://g/q/1", "RTSP://g/q/1"),
        ("rtsp://h/p/", "rtsp://g/q/1", "rtsp://g/q/1"),
    ] {
        assert_eq!(resolve(base, control), url, "{base} {control}");
    }
}

#[test]
fn bases_that_are_no_urls_are_passed_over() {
    let asked = "rtsp://10.0.0.1/stream";
    for content_base in ["10.0.0.1/stream/", "192.168.1.10:554/stream0/", "/stream/", "", "rtsp://", "http://h/p", "*"]
    {
        assert_eq!(base(Some(content_base), None, asked), asked, "{content_base}");
        assert_eq!(base(Some(content_base), Some("rtsp://l/"), asked), "rtsp://l/", "{content_base}");
    }
    assert_eq!(base(Some(" rtsp://h/p?x=1/ "), Some("rtsp://l/"), asked), "rtsp://h/p?x=1/");
    assert_eq!(base(None, None, asked), asked);
}

#[test]
fn what_is_written_reads_the_same() {
    let fmtp = |list: &[(&str, &str)]| list.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let video = Format {
        payload_type: 96,
        encoding: "H264".into(),
        clock: Hz::MPEG,
        channels: 1,
        fmtp: fmtp(&[("packetization-mode", "1"), ("sprop-parameter-sets", "Z0IAKeKQ==,aM4xUg==")]),
    };
    let opus = Format {
        payload_type: 97,
        encoding: "OPUS".into(),
        clock: Hz::new(48_000),
        channels: 2,
        fmtp: fmtp(&[("cbr", "")]),
    };
    let aac = Format {
        payload_type: 98,
        encoding: "MPEG4-GENERIC".into(),
        clock: Hz::new(44_100),
        channels: 1,
        fmtp: vec![],
    };
    let offers = [
        Offer { format: &video, kind: Kind::Video, control: "streamid=0" },
        Offer { format: &opus, kind: Kind::Audio, control: "streamid=1" },
        Offer { format: &aac, kind: Kind::Audio, control: "streamid=2" },
    ];
    let text = write("a\r\nb", "::1", &offers);
    for line in [
        "s=ab\r\nc=IN IP6 ::\r\nt=0 0\r\na=tool:runnel\r\na=range:npt=now-\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n",
        "a=rtpmap:97 opus/48000/2\r\na=fmtp:97 cbr\r\na=control:streamid=1\r\n",
        "a=rtpmap:98 MPEG4-GENERIC/44100\r\na=control:streamid=2\r\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let description = parse(&text);
    assert_eq!(description.control.as_deref(), Some("*"));
    for (media, offer) in description.medias.iter().zip(&offers) {
        assert_eq!((media.kind, media.control.as_deref()), (Some(offer.kind), Some(offer.control)));
        assert_eq!(media.formats, std::slice::from_ref(offer.format));
    }
    let empty = write("", "10.0.0.1", &[]);
    assert!(empty.starts_with("v=0\r\no=- 2166136261 1 IN IP4 10.0.0.1\r\ns= \r\nc=IN IP4 0.0.0.0\r\n"), "{empty}");
    assert_ne!(write("a", "10.0.0.1", &[]), write("b", "10.0.0.1", &[]));
}

#[test]
fn no_damage_panics() {
    let other = "v=0\no=- 1 1 IN IP4 h\ns=x\na=control:*\nm=audio 5000/2 RTP/AVP 97 8\na=fmtp:97 mode=AAC-hbr; config=1408\n\
                 a=rtpmap:97 mpeg4-generic/16000/1\na=sendonly\na=control:trackID=2\n";
    for text in [HIKVISION, other] {
        for at in 0..text.len() {
            let _ = Description::parse(&text[..at]);
            for mask in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                let text = String::from_utf8_lossy(&bytes);
                let medias = Description::parse(&text).map_or(0, |description| description.medias.len());
                assert!(medias <= 3, "{text}");
                assert!(resolve(&text, "a").len() + base(Some(&text), None, "").len() <= 2 * text.len() + 2);
            }
        }
    }
}
