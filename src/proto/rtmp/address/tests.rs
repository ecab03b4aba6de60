use super::*;

/// URLs, with the app, the part of the tcUrl before it, and the name that are sent.
const SERVICES: &[(&str, &str, &str, &str)] = &[
    // YouTube
    ("rtmp://a.rtmp.youtube.com/live2/ab12-cd34", "rtmp://a.rtmp.youtube.com/", "live2", "ab12-cd34"),
    ("rtmps://a.rtmps.youtube.com:443/live2/ab12-cd34", "rtmps://a.rtmps.youtube.com/", "live2", "ab12-cd34"),
    // Twitch
    (
        "rtmp://live.twitch.tv/app/live_123_Ab?bandwidthtest=true",
        "rtmp://live.twitch.tv/",
        "app",
        "live_123_Ab?bandwidthtest=true",
    ),
    // Facebook
    (
        "rtmps://live-api-s.facebook.com:443/rtmp/FB-12-0-Ab?s_bl=1&s_ps=1&a=Abx/y",
        "rtmps://live-api-s.facebook.com/",
        "rtmp",
        "FB-12-0-Ab?s_bl=1&s_ps=1&a=Abx/y",
    ),
    // Kick
    (
        "rtmps://fa723fc1b171.global-contribute.live-video.net/app/sk_us-west-2_Ab",
        "rtmps://fa723fc1b171.global-contribute.live-video.net/",
        "app",
        "sk_us-west-2_Ab",
    ),
    // Amazon IVS
    (
        "rtmps://a1b2c3.global-contribute.live-video.net:443/app/sk_eu-west-1_Ab",
        "rtmps://a1b2c3.global-contribute.live-video.net/",
        "app",
        "sk_eu-west-1_Ab",
    ),
    // Tencent
    (
        "rtmp://1234.livepush.myqcloud.com/live/cam?txSecret=0a1b&txTime=5FD4431C",
        "rtmp://1234.livepush.myqcloud.com/",
        "live",
        "cam?txSecret=0a1b&txTime=5FD4431C",
    ),
    // Aliyun
    (
        "rtmp://push.example.com/app/cam?auth_key=1543302081-0-0-9c6e",
        "rtmp://push.example.com/",
        "app",
        "cam?auth_key=1543302081-0-0-9c6e",
    ),
    // Huya
    (
        "rtmp://al.rtmp.huya.com/huyalive/11-22-33-10057-A-0-1?seq=1&type=simple",
        "rtmp://al.rtmp.huya.com/",
        "huyalive",
        "11-22-33-10057-A-0-1?seq=1&type=simple",
    ),
    // Douyu
    (
        "rtmp://sendtc3a.douyu.com/live/123rAb?wsSecret=0a1b&wsTime=5fd4&wsSeek=off&wm=0&tw=0",
        "rtmp://sendtc3a.douyu.com/",
        "live",
        "123rAb?wsSecret=0a1b&wsTime=5fd4&wsSeek=off&wm=0&tw=0",
    ),
    // Bilibili, whose key is only a query
    (
        "rtmp://live-push.bilivideo.com/live-bvc/?streamname=live_1_2&key=0a1b&schedule=rtmp&pflag=1",
        "rtmp://live-push.bilivideo.com/",
        "live-bvc",
        "?streamname=live_1_2&key=0a1b&schedule=rtmp&pflag=1",
    ),
    // Cloudflare Stream
    ("rtmps://live.cloudflare.com:443/live/0a1bk2", "rtmps://live.cloudflare.com/", "live", "0a1bk2"),
    // Mux
    ("rtmp://global-live.mux.com:5222/app/0a1b-2c", "rtmp://global-live.mux.com:5222/", "app", "0a1b-2c"),
    // Restream
    ("rtmp://live.restream.io/live/re_123_ab", "rtmp://live.restream.io/", "live", "re_123_ab"),
    // Vimeo
    ("rtmps://rtmp-global.cloud.vimeo.com/live/0a-1b", "rtmps://rtmp-global.cloud.vimeo.com/", "live", "0a-1b"),
    // nginx-rtmp, with a token in Base64
    ("rtmp://10.0.0.7:1935/live/cam?token=a/b==", "rtmp://10.0.0.7/", "live", "cam?token=a/b=="),
    // Wowza: instances of applications, and files in folders
    ("rtmp://h:1936/vod/_definst_/mp4:a/b.mp4", "rtmp://h:1936/", "vod/_definst_", "mp4:a/b.mp4"),
    ("rtmp://h/vod/mp4:a/b.mp4?x=y/z", "rtmp://h/", "vod", "mp4:a/b.mp4?x=y/z"),
    // Akamai
    (
        "rtmp://p.ep123.i.akamaientrypoint.net/EntryPoint/cam_1_500@123",
        "rtmp://p.ep123.i.akamaientrypoint.net/",
        "EntryPoint",
        "cam_1_500@123",
    ),
    // SRS: virtual hosts and secrets of applications
    ("rtmp://10.0.0.7/live?vhost=demo.srs/cam", "rtmp://10.0.0.7/", "live?vhost=demo.srs", "cam"),
    ("rtmp://h/live?secret=a/b/cam?c=d/e", "rtmp://h/", "live?secret=a/b", "cam?c=d/e"),
    // lal
    ("rtmp://h/live/test110?lal_secret=0a1b", "rtmp://h/", "live", "test110?lal_secret=0a1b"),
    // MediaMTX
    ("rtmp://h/cam?user=u&pass=p", "rtmp://h/", "cam?user=u&pass=p", ""),
    // several levels, as in librtmp and SRS
    ("rtmp://h/a/b/cam", "rtmp://h/", "a/b", "cam"),
    ("rtmp://h/a/b/c/cam?x=y/z", "rtmp://h/", "a/b/c", "cam?x=y/z"),
    // URLs that users write
    ("rtmp://[2001:db8::1]:1940/live/cam", "rtmp://[2001:db8::1]:1940/", "live", "cam"),
    ("RTMPS://u:p@[::1]:443//live/cam/", "rtmps://[::1]/", "live", "cam"),
    ("rtmp://h/live/", "rtmp://h/", "live", ""),
    ("rtmp://h", "rtmp://h/", "", ""),
];

#[test]
fn what_goes_out_to_well_known_services() {
    for (url, origin, app, name) in SERVICES {
        let address = Address::of(&Url::parse(url).unwrap());
        let want = Address { app: (*app).into(), tc_url: format!("{origin}{app}"), name: (*name).into() };
        assert_eq!(address, want, "{url}");
    }
}

#[test]
fn what_servers_say_is_logged_without_what_they_repeat_of_keys() {
    let url = "rtmp://h/live?secret=Tiger-97/cam-key?token=Lion/3==&x=1";
    let address = Address::of(&Url::parse(url).unwrap());
    for (said, logged) in [
        ("cam-key?token=Lion/3==&x=1 is taken", "... is taken"),
        ("no cam-key with Lion/3== for live?secret=Tiger-97", "no ... with ... for live?..."),
        ("x is 1, and a\nline \u{1b}[31m\"", "x is 1, and a\\nline \\u{1b}[31m\""),
        ("拒绝", "拒绝"),
    ] {
        assert_eq!(address.redact(said), logged);
    }
    assert_eq!(address.redact(&"\n".repeat(10_000)).len(), 2 * MAX_LOGGED);
}

#[test]
fn where_a_stream_has_moved_to() {
    let address = Address::of(&Url::parse("rtmp://h/live?a=b/cam?key=x").unwrap());
    let text = Value::text;
    let moved = |members: &[(&str, Value)], at_connect| {
        let members = members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        address.moved(&Value::Object(members), at_connect)
    };
    let code = ("code", Value::Number(302.0));
    for (to, at_connect, want) in [
        ("rtmp://g/live", true, "rtmp://g/live/cam?key=x"),
        ("rtmp://g/live/", true, "rtmp://g/live/cam?key=x"),
        ("rtmp://g/live?c=d", true, "rtmp://g/live?c=d/cam?key=x"),
        ("rtmp://g/a/b", true, "rtmp://g/a/b/cam?key=x"),
        ("rtmp://g/a/cam", true, "rtmp://g/a/cam"),
        ("rtmp://g/live", false, "rtmp://g/live/cam?key=x"),
        ("rtmp://g/a/b", false, "rtmp://g/a/b"),
    ] {
        assert_eq!(moved(&[code.clone(), ("redirect", text(to))], at_connect).as_deref(), Some(want), "{to}");
    }
    let both = [("redirect", text("rtmp://g/live")), ("redirect2", text("rtmp://g/live/x?y")), code.clone()];
    assert_eq!(moved(&both, false).as_deref(), Some("rtmp://g/live/x?y"));
    assert_eq!(moved(&[("redirect", text("rtmp://g/live"))], true), None, "it is not said that it has");
    assert_eq!(moved(&[code, ("redirect", text(""))], true), None);
}
