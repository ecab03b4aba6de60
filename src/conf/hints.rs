//! Keys that a file sets without effect, or with a probably unintended one. They are logged, but not refused.

use super::{Auth, Config, Delete, Keys};
use crate::proto::{CUT, Url};

/// A key, and the text of its hint.
pub type Hint = (String, &'static str);

/// A key, or a table and its dot, the condition under which it has no effect in a file that sets it, and the text with
/// the reason. The first matching row counts.
type Row = (&'static str, fn(&Config) -> bool, &'static str);

const ROWS: &[Row] = &[
    ("connections.proxies", |all| all.connections.per_peer == 100, "has no effect: connections.per_peer is 100"),
    (
        "connections.proxy_protocol",
        |all| all.connections.trusted_proxies.is_empty(),
        "has no effect: connections.trusted_proxies is empty",
    ),
    ("rtmp.", |all| !all.rtmp.enable, "has no effect: rtmp.enable is false"),
    (
        "rtmp.auth",
        |all| !all.has_users_of_rtmp(),
        "has no effect: no [[access]] with user and a plain password is about RTMP",
    ),
    ("rtsp.", |all| !all.rtsp.enable, "has no effect: rtsp.enable is false"),
    ("rtsp.user", lacks_auth, "has no effect: rtsp.auth is \"off\""),
    ("rtsp.password", lacks_auth, "has no effect: rtsp.auth is \"off\""),
    ("rtsp.reorder", lacks_udp, "has no effect: rtsp.udp is false"),
    ("rtsp.udp_ports", lacks_udp, "has no effect: rtsp.udp is false"),
    ("rtsp.udp_pairs", lacks_udp, "has no effect: rtsp.udp is false"),
    ("rtsp.multicast", lacks_udp, "has no effect: rtsp.udp is false"),
    ("rtsp.multicast", |all| all.rtsp.udp_pairs < 2, "has no effect: each stream takes two of rtsp.udp_pairs"),
    ("rtsp.multicast_ttl", |all| all.rtsp.multicast.group().is_none(), "has no effect: rtsp.multicast is empty"),
    ("rtsp.udp_ports", lacks_ports, "has fewer pairs of ports than rtsp.udp_pairs asks for"),
    ("rtsp.udp_pairs", lacks_ports, "is more than rtsp.udp_ports has"),
    ("rtsp.websocket_listen", |all| !all.rtsp.websocket, "has no effect: rtsp.websocket is false"),
    ("tls.", |all| all.tls.cert.is_empty(), "has no effect: tls.cert is empty"),
    ("tls.http_listen", lacks_http, "has no effect: http.enable is false"),
    ("tls.rtmp_listen", |all| !all.rtmp.enable, "has no effect: rtmp.enable is false"),
    ("tls.rtsp_listen", |all| !all.rtsp.enable, "has no effect: rtsp.enable is false"),
    ("http.listen", lacks_http, "has no effect: http.enable is false"),
    ("http.root", lacks_http, "has no effect: http.enable is false"),
    // RTSP over WebSocket begins as HTTP
    ("http.", |all| lacks_http(all) && !(all.rtsp.enable && all.rtsp.websocket), "has no effect: http.enable is false"),
    ("hls.", |all| !all.hls.enable, "has no effect: hls.enable is false"),
    (
        "hls.",
        |all| lacks_http(all) && (lacks_store(all) || all.hls.on_demand),
        "has no effect: http.enable is false, so that nobody asks for a playlist",
    ),
    ("hls.sessions", lacks_http, "has no effect: http.enable is false"),
    ("hls.session_timeout", |all| !all.has_hls_sessions(), "has no effect: hls.sessions is false"),
    ("hls.delete", lacks_store, "has no effect: hls.store is \"memory\""),
    (
        "hls.record",
        |all| all.hls.record && !lacks_store(all) && all.hls.delete != Delete::Soon,
        "has no effect: with hls.store each segment is listed until hls.delete deletes it",
    ),
    ("api.", |all| !all.api.enable, "has no effect: api.enable is false"),
    ("log.kept", |all| !all.api.enable, "has no effect: api.enable is false"),
    ("metrics.streams", lacks_http, "has no effect: http.enable is false"),
    ("log.max_size", |all| !matches!(all.log.target, super::Target::File(_)), "has no effect: log.target is no file"),
    ("recording.sync", |all| lacks_record(all) && lacks_store(all), "has no effect: nothing is written to a disk"),
    ("recording.max", lacks_record, "has no effect: there is no [[record]]"),
    ("recording.memory", lacks_record, "has no effect: there is no [[record]]"),
    ("recording.http", lacks_record, "has no effect: there is no [[record]]"),
    ("recording.http", lacks_http, "has no effect: http.enable is false"),
    ("notifications.events", lacks_told, "has no effect: there is no [[notify]] and no [[exec]]"),
    ("notifications.memory", |all| all.receivers().next().is_none(), "has no effect: there is no [[notify]]"),
    ("commands.max", |all| all.commands_at_once() == 0, "has no effect: there is no [[exec]]"),
];

fn lacks_auth(all: &Config) -> bool {
    all.rtsp.auth == Auth::Off
}

fn lacks_udp(all: &Config) -> bool {
    !all.rtsp.udp
}

fn lacks_http(all: &Config) -> bool {
    !all.http.enable
}

fn lacks_store(all: &Config) -> bool {
    all.hls.store.0.is_none()
}

fn lacks_ports(all: &Config) -> bool {
    let (first, last) = (usize::from(all.rtsp.udp_ports.0), usize::from(all.rtsp.udp_ports.1));
    all.rtsp.udp && (last + 1).saturating_sub(first) / 2 < all.rtsp.udp_pairs
}

fn lacks_told(all: &Config) -> bool {
    all.receivers().next().is_none() && all.commands_at_once() == 0
}

fn lacks_record(all: &Config) -> bool {
    all.record.is_empty()
}

/// True if a row is about a key. The row of a table is not about the key that switches it off.
fn is_of(name: &str, key: &str) -> bool {
    match name.strip_suffix('.') {
        Some(table) => key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.') && rest != ".enable"),
        None => name == key,
    }
}

impl Keys {
    /// The hints about `config`, which is made of these keys.
    pub fn hints(&self, config: &Config) -> Vec<Hint> {
        let hint = |key: &String| {
            let row = ROWS.iter().find(|(name, is_idle, _)| is_of(name, key) && is_idle(config));
            row.map(|(_, _, words)| (key.clone(), *words))
        };
        let mut hints: Vec<_> = self.own().iter().filter_map(hint).collect();
        if config.listens().next().is_none()
            && let Some(key) = self.own().iter().find(|key| key.ends_with(".enable"))
        {
            hints.push((key.clone(), "is false, as are those of the other protocols: nothing listens"));
        }
        let mut look = |table: &str, at: usize, url: &Url, udp: bool, seals: [(&str, bool); 2]| {
            let may_use_udp = url.scheme().is_some_and(|scheme| scheme.udp);
            let of_tls = "has an effect with rtsps:// and rtmps:// only";
            let all_believed = seals.iter().all(|(_, is_set)| *is_set);
            let [ca, insecure] = seals.map(|(key, is_set)| (key, is_set && !url.is_tls(), of_tls));
            let rows = [
                ("url", url.probably_cuts_password(), CUT),
                ("udp", udp && !may_use_udp, "has an effect with RTSP only"),
                ("udp", udp && may_use_udp && !config.rtsp.enable, "has no effect: rtsp.enable is false"),
                (
                    "udp",
                    udp && may_use_udp && config.rtsp.enable && !config.rtsp.udp,
                    "has no effect: rtsp.udp is false",
                ),
                ("ca", all_believed && url.is_tls(), "has no effect: insecure is true"),
                ca,
                insecure,
            ];
            let idle = rows.into_iter().filter(|(_, is_idle, _)| *is_idle);
            hints.extend(idle.map(|(key, _, words)| (format!("{table}[{at}].{key}"), words)));
        };
        for (at, pull) in config.pull.iter().enumerate() {
            look("pull", at, &pull.url.0, pull.udp, [("ca", !pull.ca.is_empty()), ("insecure", pull.insecure)]);
        }
        for (at, push) in config.push.iter().enumerate() {
            look("push", at, &push.url.0, push.udp, [("ca", !push.ca.is_empty()), ("insecure", push.insecure)]);
        }
        hints.extend(super::record::hints(config));
        hints.extend(super::access::hints(config));
        hints
    }
}
