//! Translates a configuration of lal into one of this server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Write as _};

use serde_json::Value;

/// The reason why a file cannot be translated.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not a JSON object.
    Json(serde_json::Error),
    /// A value has a type that lal refuses for its key.
    Type {
        /// The key, with a dot between its tables.
        key: String,
        /// The type that lal expects.
        expected: &'static str,
    },
}

/// Keys without a counterpart, and the reasons. A row that ends with `*` stands for all keys that begin so.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("conf_version", "the file has no version: unknown keys are refused"),
    ("rtmp.gop_num", "a player begins at the newest key frame that streams.memory holds"),
    ("rtmp.single_gop_max_frame_num", "streams.memory limits what a stream keeps"),
    ("rtmp.merge_write_size", "viewers.latency limits how long frames wait to be sent together"),
    ("in_session.add_dummy_audio_wait_audio_ms", "silence begins as soon as a stream is known to have no sound"),
    ("httpflv.url_pattern", "any path before the name of a stream is accepted"),
    ("httpts.url_pattern", "any path before the name of a stream is accepted"),
    ("httpflv.*", "a player begins at the newest key frame that streams.memory holds"),
    ("httpts.*", "a player begins at the newest key frame that streams.memory holds"),
    ("hls.url_pattern", "HLS is at /hls/"),
    ("hls.delete_threshold", "hls.delete says when files go"),
    ("rtsp.out_wait_key_frame_flag", "a player always begins at a key frame"),
    ("pprof.*", "/metrics has the figures of the program"),
    ("log.*", "lines have one format, and log.max_size limits a file"),
    ("debug.*", "/api/stat/all_group has the state of all streams"),
];

/// The text of a configuration file with which this server does what lal does with `json`, its own file. Comments name
/// what has no counterpart.
///
/// # Errors
/// lal would refuse the file too.
pub fn import(json: &str) -> Result<String, Unreadable> {
    let mut lal = Lal::read(json)?;
    let mut toml = Toml("# Made from a configuration of lal by `runnel import`.\n".into());
    // keys come before tables
    for section in [ports, http, certificates, hls, rtsp, rest, recordings, relays, access, notifications] {
        section(&mut lal, &mut toml)?;
    }
    lal.tell_rest(&mut toml);
    Ok(toml.0)
}

/// The keys of a file, with a dot between table and key; each is taken when it is translated.
struct Lal(BTreeMap<String, Value>);

/// The text that is being written.
struct Toml(String);

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
        toml.comment("lal asks players alone, here publishers by RTSP need the password too:");
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

impl Lal {
    fn read(json: &str) -> Result<Self, Unreadable> {
        let tables: BTreeMap<String, Value> = serde_json::from_str(json).map_err(Unreadable::Json)?;
        // lal's own file has comments as keys
        let keys =
            tables.into_iter().filter(|(name, _)| !name.starts_with('#')).flat_map(|(name, value)| match value {
                Value::Object(keys) => keys.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect(),
                value => vec![(name, value)],
            });
        Ok(Self(keys.collect()))
    }

    /// Whether a switch is on, which is asked again by others.
    fn is_on(&self, key: &str) -> bool {
        self.0.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A switch; one that is absent is off.
    fn flag(&mut self, key: &str) -> Result<bool, Unreadable> {
        self.take(key, "true or false", Value::as_bool).map(Option::unwrap_or_default)
    }

    /// A text; one that is absent is empty.
    fn text(&mut self, key: &str) -> Result<String, Unreadable> {
        self.take(key, "a text", |value| value.as_str().map(String::from)).map(Option::unwrap_or_default)
    }

    fn number(&mut self, key: &str) -> Result<Option<i64>, Unreadable> {
        self.take(key, "a whole number", Value::as_i64)
    }

    /// A list of texts; one that is absent is empty.
    fn list(&mut self, key: &str) -> Result<Vec<String>, Unreadable> {
        let texts = |value: &Value| value.as_array()?.iter().map(|one| one.as_str().map(String::from)).collect();
        self.take(key, "a list of texts", texts).map(Option::unwrap_or_default)
    }

    fn take<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Unreadable> {
        // lal takes null as an absent value
        let Some(value) = self.0.remove(key).filter(|value| !value.is_null()) else { return Ok(None) };
        read(&value).map(Some).ok_or_else(|| Unreadable::Type { key: key.into(), expected })
    }

    /// Tells the keys that are left, unless they have no effect in lal either.
    fn tell_rest(self, toml: &mut Toml) {
        let is_set = |value: &Value| !matches!(value, Value::Null | Value::Bool(false)) && *value != 0 && *value != "";
        let mut rest = self.0.into_iter().filter(|(_, value)| is_set(value)).peekable();
        if rest.peek().is_some() {
            toml.0.push('\n');
            toml.comment("Without a counterpart here:");
        }
        for (key, value) in rest {
            let why = LEFT_OUT.iter().find(|(row, _)| match row.strip_suffix('*') {
                Some(start) => key.starts_with(start),
                None => key == *row,
            });
            toml.comment(format_args!("{key} = {value}: {}", why.map_or("no key of lal", |(_, why)| why)));
        }
    }
}

impl Toml {
    fn key(&mut self, key: &str, value: impl Display) {
        _ = writeln!(self.0, "{key} = {value}");
    }

    /// A key with a text, unless that is empty.
    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.key(key, quoted(text));
        }
    }

    fn list(&mut self, key: &str, texts: &[&str]) {
        self.key(key, Value::from(texts));
    }

    fn table(&mut self, name: &str) {
        _ = write!(self.0, "\n[[{name}]]\n");
    }

    fn comment(&mut self, text: impl Display) {
        for line in text.to_string().lines() {
            // TOML allows no other control characters
            _ = writeln!(self.0, "# {}", line.replace(|c: char| c.is_control(), " "));
        }
    }
}

/// A string in TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> Value {
    text.into()
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "this is no JSON of lal's: {error}"),
            Self::Type { key, expected } => write!(f, "{key}: must be {expected}"),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;

    fn config(json: &str) -> Config {
        Config::parse("test", &import(json).unwrap()).unwrap()
    }

    #[test]
    fn what_the_file_leaves_out_is_off_as_in_lal() {
        let config = config("{}");
        assert!(!config.rtmp.enable && !config.rtsp.enable && !config.http.enable && !config.api.enable);
        assert!(config.push.is_empty() && config.record.is_empty() && config.access.is_empty());
    }

    #[test]
    fn ports_that_differ_are_one_and_the_rest_is_told() {
        let json = r#"{"httpflv": {"enable": true, "http_listen_addr": ":81"}, "httpts": {"http_listen_addr": ":82"}}"#;
        assert_eq!(config(json).http.listen.0.port(), 81);
        assert!(import(json).unwrap().contains("# httpts.http_listen_addr = \":82\": "));
    }

    #[test]
    fn a_value_with_line_breaks_and_quotes_stays_a_value() {
        let json = r#"{"server_id": "a\"\nrtmp.enable = true", "pprof": {"addr": "b\n[x]\u2028[y]"}}"#;
        let config = config(json);
        assert_eq!(config.server_id, "a\"\nrtmp.enable = true");
        assert!(!config.rtmp.enable);
    }

    #[test]
    fn what_lal_would_refuse_is_refused() {
        let refused = |json| import(json).unwrap_err().to_string();
        assert_eq!(refused(r#"{"rtmp": {"enable": 1}}"#), "rtmp.enable: must be true or false");
        assert_eq!(refused(r#"{"relay_push": {"addr_list": "a"}}"#), "relay_push.addr_list: must be a list of texts");
        assert!(refused("rtmp = 1").starts_with("this is no JSON of lal's: "));
        assert!(refused("[]").starts_with("this is no JSON of lal's: "));
    }
}
