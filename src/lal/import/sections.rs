//! The sections of lal's file, one after the other: its keys, and the lines that they become.

use std::collections::{BTreeMap, BTreeSet};

use super::Unreadable;
use super::reader::Lal;
use super::writer::{Toml, quoted};

/// Translates a section.
type Section = fn(&mut Lal, &mut Toml) -> Result<(), Unreadable>;

/// All sections. Those whose lines are keys come before those whose lines are tables.
pub(super) const SECTIONS: [Section; 10] =
    [ports, http, certificates, hls, rtsp, rest, recordings, relays, access, notifications];

/// A port: whether lal listens there, where, and the same here.
const PORTS: [[&str; 4]; 4] = [
    ["rtmp.enable", "rtmp.addr", "rtmp.enable", "rtmp.listen"],
    ["rtsp.enable", "rtsp.addr", "rtsp.enable", "rtsp.listen"],
    ["rtsp.ws_rtsp_enable", "rtsp.ws_rtsp_addr", "rtsp.websocket", "rtsp.websocket_listen"],
    ["http_api.enable", "http_api.addr", "api.enable", "api.listen"],
];

fn ports(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    for [enable, address, our_enable, our_address] in PORTS {
        toml.key(our_enable, lal.flag(enable)?);
        toml.text(our_address, &lal.text(address)?);
    }
    Ok(())
}

/// The services of lal over HTTP. Each may have a port of its own; here all share one.
const SERVICES: [&str; 3] = ["httpflv", "httpts", "hls"];

fn http(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let hls = lal.is_on("hls.enable") || lal.is_on("hls.enable_https");
    let mut enabled = false;
    let mut address = lal.text("default_http.http_listen_addr")?;
    for service in SERVICES {
        enabled |= lal.flag(&format!("{service}.enable"))?;
        let own = lal.text(&format!("{service}.http_listen_addr"))?;
        if !own.is_empty() && own != address {
            toml.comment(format_args!("{service}.http_listen_addr = {own:?}: all of HTTP has one port, http.listen"));
            address = if address.is_empty() { own } else { address };
        }
    }
    toml.key("http.enable", enabled || hls);
    toml.text("http.listen", &address);
    toml.key("hls.enable", hls);
    Ok(())
}

/// A service under TLS: whether lal has it, the prefix of its keys, and the key of its port here.
const UNDER_TLS: [[&str; 3]; 3] = [
    ["rtmp.rtmps_enable", "rtmp.rtmps_", "tls.rtmp_listen"],
    ["rtsp.rtsps_enable", "rtsp.rtsps_", "tls.rtsp_listen"],
    ["https", "default_http.https_", "tls.http_listen"],
];

fn certificates(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let mut https = false;
    for service in SERVICES {
        https |= lal.flag(&format!("{service}.enable_https"))?;
    }
    let mut known: Option<[String; 2]> = None;
    for [enable, prefix, listen] in UNDER_TLS {
        let enabled = if enable == "https" { https } else { lal.flag(enable)? };
        let address = match prefix {
            "default_http.https_" => lal.text("default_http.https_listen_addr")?,
            _ => lal.text(&format!("{prefix}addr"))?,
        };
        let pair = [lal.text(&format!("{prefix}cert_file"))?, lal.text(&format!("{prefix}key_file"))?];
        if !enabled {
            continue;
        }
        toml.text(listen, &address);
        match &known {
            None => {
                toml.text("tls.cert", &pair[0]);
                toml.text("tls.key", &pair[1]);
                known = Some(pair);
            }
            Some(first) if *first != pair => {
                toml.comment(format_args!(
                    "{prefix}cert_file = {:?}: tls.cert is for all ports, tls.more for other names",
                    pair[0]
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The values of lal's `hls.cleanup_mode` as `hls.delete` has them.
const CLEANUP: [&str; 3] = ["never", "end", "soon"];

fn hls(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    if let Some(length) = lal.number("hls.fragment_duration_ms")?.filter(|length| *length > 0) {
        toml.text("hls.segment", &format!("{length}ms"));
    }
    if let Some(segments) = lal.number("hls.fragment_num")?.filter(|number| *number > 0) {
        toml.key("hls.segments", segments);
    }
    let folder = lal.text("hls.out_path")?;
    let mode = lal.number("hls.cleanup_mode")?.unwrap_or(1);
    let delete = usize::try_from(mode).ok().and_then(|mode| CLEANUP.get(mode)).copied().unwrap_or("end");
    if !lal.flag("hls.use_memory_as_disk_flag")? && !folder.is_empty() {
        toml.comment("lal writes segments to files. Here they stay in memory, unless these three lines apply:");
        toml.comment(format_args!("hls.store = {}", quoted(&folder)));
        toml.comment(format_args!("hls.delete = {}", quoted(delete)));
        toml.comment("hls.on_demand = false");
    }
    let timeout = lal.number("hls.sub_session_timeout_ms")?.filter(|timeout| *timeout > 0);
    if !lal.text("hls.sub_session_hash_key")?.is_empty() {
        toml.key("hls.sessions", true);
        if let Some(timeout) = timeout {
            toml.text("hls.session_timeout", &format!("{timeout}ms"));
        }
    }
    Ok(())
}

fn rtsp(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let scheme = if lal.number("rtsp.auth_method")? == Some(1) { "digest" } else { "basic" };
    let (user, password) = (lal.text("rtsp.username")?, lal.text("rtsp.password")?);
    if lal.flag("rtsp.auth_enable")? {
        toml.comment("lal asks players alone, here publishers by RTSP need the password too. An access table");
        toml.comment("about RTSP decides instead, where lal asks for both:");
        toml.text("rtsp.auth", scheme);
        toml.text("rtsp.user", &user);
        toml.text("rtsp.password", &password);
    }
    Ok(())
}

/// The levels of lal's log, from 0.
const LEVELS: [&str; 8] = ["trace", "debug", "info", "warn", "error", "error", "error", "off"];

fn rest(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    toml.text("server_id", &lal.text("server_id")?);
    if lal.flag("in_session.add_dummy_audio_enable")? {
        toml.key("publish.silent_audio", true);
    }
    let level = lal.number("log.level")?.unwrap_or(1);
    let level = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).copied();
    toml.text("log.level", level.unwrap_or("debug"));
    let file = lal.text("log.filename")?;
    if !lal.flag("log.is_to_stdout")? && !file.is_empty() {
        toml.comment(format_args!(
            "log.filename = {file:?}: log.target takes its absolute path; lines go to stderr else"
        ));
    }
    Ok(())
}

/// A kind of recordings: whether lal makes them, its folder, and the format here.
const RECORDINGS: [[&str; 3]; 2] =
    [["record.enable_flv", "record.flv_out_path", "flv"], ["record.enable_mpegts", "record.mpegts_out_path", "ts"]];

fn recordings(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    for [enable, folder, format] in RECORDINGS {
        let (enabled, folder) = (lal.flag(enable)?, lal.text(folder)?);
        if enabled {
            toml.table("record");
            toml.text("streams", "*");
            toml.text("path", &folder);
            toml.text("format", format);
        }
    }
    Ok(())
}

fn relays(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let targets = lal.list("relay_push.addr_list")?;
    if lal.flag("relay_push.enable")? {
        for target in targets {
            toml.table("push");
            toml.text("stream", "*");
            toml.comment("lal takes the path before the name from the publisher");
            toml.text("url", &format!("rtmp://{target}/live"));
        }
    }
    let origin = lal.text("static_relay_pull.addr")?;
    if lal.flag("static_relay_pull.enable")? {
        toml.comment(format_args!("static_relay_pull.addr = {origin:?}: each stream to pull needs a table:"));
        toml.comment(format_args!(
            "[[pull]]\nstream = \"NAME\"\nurl = \"rtmp://{origin}/live/NAME\"\non_demand = true"
        ));
    }
    Ok(())
}

/// A switch of lal's `simple_auth`, and the action and the protocols of the rule that it becomes.
const SWITCHES: [(&str, &str, &[&str]); 7] = [
    ("simple_auth.pub_rtmp_enable", "publish", &["rtmp"]),
    ("simple_auth.pub_rtsp_enable", "publish", &["rtsp"]),
    ("simple_auth.sub_rtmp_enable", "play", &["rtmp"]),
    ("simple_auth.sub_rtsp_enable", "play", &["rtsp"]),
    ("simple_auth.sub_httpflv_enable", "play", &["http", "ws"]),
    ("simple_auth.sub_httpts_enable", "play", &["http", "ws"]),
    ("simple_auth.hls_m3u8_enable", "play", &["hls"]),
];

fn access(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let (key, dangerous) = (lal.text("simple_auth.key")?, lal.text("simple_auth.dangerous_lal_secret")?);
    let mut asked: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (switch, action, protocols) in SWITCHES {
        if lal.flag(switch)? {
            asked.entry(action).or_default().extend(protocols);
        }
    }
    for (action, protocols) in asked {
        toml.table("access");
        toml.list("action", &[action]);
        toml.list("protocols", &Vec::from_iter(protocols));
        toml.text("secret", &key);
        toml.text("dangerous_secret", &dangerous);
    }
    Ok(())
}

/// The events of lal's `http_notify`, each with a URL of its own.
const EVENTS: [&str; 10] = [
    "on_server_start",
    "on_update",
    "on_pub_start",
    "on_pub_stop",
    "on_sub_start",
    "on_sub_stop",
    "on_relay_pull_start",
    "on_relay_pull_stop",
    "on_rtmp_connect",
    "on_hls_make_ts",
];

fn notifications(lal: &mut Lal, toml: &mut Toml) -> Result<(), Unreadable> {
    let interval = lal.number("http_notify.update_interval_sec")?.unwrap_or_default();
    let mut receivers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in EVENTS {
        let url = lal.text(&format!("http_notify.{event}"))?;
        if !url.is_empty() {
            // events of one receiver stay in order
            receivers.entry(url.replace(event, "{event}")).or_default().push(event);
        }
    }
    if !lal.flag("http_notify.enable")? {
        return Ok(());
    }
    for (url, events) in receivers {
        toml.table("notify");
        toml.text("url", &url);
        toml.list("events", &events);
        toml.text("update_interval", &format!("{interval}s"));
    }
    Ok(())
}
