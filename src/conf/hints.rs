//! Keys that a file sets to no effect, or that may be meant otherwise. They are told, and refused
//! by nobody.

use super::{Config, Keys};
use crate::proto::Url;

/// A key, and the words behind it.
pub type Hint = (String, &'static str);

/// A key, when it is of no use in a file that sets it, and the words that say why.
type Row = (&'static str, fn(&Config) -> bool, &'static str);

const ROWS: [Row; 10] = [
    ("rtsp.multicast", |all| !all.rtsp.udp, "has no effect: rtsp.udp is false"),
    ("rtsp.multicast", |all| all.rtsp.udp_pairs < 2, "has no effect: each stream takes two of rtsp.udp_pairs"),
    ("rtsp.udp_ports", lacks_ports, "has fewer pairs of ports than rtsp.udp_pairs asks for"),
    ("rtsp.udp_pairs", lacks_ports, "is more than rtsp.udp_ports has"),
    ("tls.http_listen", lacks_certificate, "has no effect: tls.cert is empty"),
    ("tls.rtmp_listen", lacks_certificate, "has no effect: tls.cert is empty"),
    ("tls.rtsp_listen", lacks_certificate, "has no effect: tls.cert is empty"),
    ("hls.delete", |all| all.hls.store.0.is_none(), "has no effect: hls.store is \"memory\""),
    ("hls.store", |all| !all.hls.enable, "has no effect: hls.enable is false"),
    ("log.max_size", |all| !matches!(all.log.target, super::Target::File(_)), "has no effect: log.target is no file"),
];

fn lacks_ports(all: &Config) -> bool {
    let (first, last) = (usize::from(all.rtsp.udp_ports.0), usize::from(all.rtsp.udp_ports.1));
    all.rtsp.udp && (last + 1).saturating_sub(first) / 2 < all.rtsp.udp_pairs
}

fn lacks_certificate(all: &Config) -> bool {
    all.tls.cert.is_empty()
}

impl Keys {
    /// The hints about `config`, which is of these keys.
    pub fn hints(&self, config: &Config) -> Vec<Hint> {
        let rows = ROWS.iter().filter(|(key, is_idle, _)| self.sets(key) && is_idle(config));
        let mut hints: Vec<_> = rows.map(|(key, _, words)| (key.to_string(), *words)).collect();
        let mut look = |table: &str, at: usize, url: &Url, udp: bool, seals: [(&str, bool); 2]| {
            let is_rtsp = url.scheme.starts_with("rtsp");
            let of_tls = "is of use with rtsps:// and rtmps:// alone";
            let [ca, insecure] = seals.map(|(key, is_set)| (key, is_set && !url.scheme.ends_with('s'), of_tls));
            let rows = [
                ("udp", udp && !is_rtsp, "is of use with RTSP alone"),
                ("udp", udp && is_rtsp && !config.rtsp.udp, "has no effect: rtsp.udp is false"),
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
        #[cfg(feature = "record")]
        for at in 0..config.record.len() {
            let of_one = super::Record::hints(&config.record, at);
            hints.extend(of_one.map(|(key, words)| (format!("record[{at}].{key}"), words)));
        }
        hints
    }
}
