//! Relays that lead back to the server itself, which gets nothing but its own stream.

use std::net::IpAddr;

use super::Config;
use crate::hub::matches;
use crate::proto::{Target, Url};

/// Schemes, where their servers listen if the URL does not say, and the keys that say where we do.
const SCHEMES: [(&str, u16, &str); 4] = [
    ("rtmp", 1935, "rtmp.listen"),
    ("rtmps", 443, "tls.rtmp_listen"),
    ("rtsp", 554, "rtsp.listen"),
    ("rtsps", 322, "tls.rtsp_listen"),
];

impl Config {
    /// A relay between a stream and itself: its key, and why it is none.
    pub(super) fn circle(&self) -> Option<(String, String)> {
        let pulled = self.pull.iter().enumerate().find(|(_, pull)| {
            let url = &pull.url.0;
            self.is_own(url) && Target::of_url(&url.target()).name == pull.stream
        });
        let pushed = self.push.iter().enumerate().find(|(_, push)| {
            // one of the names that are as the pattern says
            let name = push.stream.replace(['*', '?'], "x");
            let url = if push.is_pattern() { push.url.0.of_stream(&name) } else { push.url.0.clone() };
            self.is_own(&url) && matches(&push.stream, &Target::of_url(&url.target()).name)
        });
        let keys = pulled.map(|(at, _)| ("pull", at)).or(pushed.map(|(at, _)| ("push", at)));
        keys.map(|(table, at)| (format!("{table}[{at}].url"), "must lead elsewhere: this is the stream itself".into()))
    }

    /// A placeholder that stands for nothing: its key, and why.
    pub(super) fn placeholder(&self) -> Option<(String, String)> {
        let found = self.push.iter().enumerate().filter(|(_, push)| push.is_pattern()).find_map(|(at, push)| {
            let words = push.url.0.path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
            words.map(|(word, _)| word).find(|word| is_word(word) && *word != "name").map(|word| (at, word))
        });
        found
            .map(|(at, word)| (format!("push[{at}].url"), format!("must have no {{{word}}}: {{name}} is all there is")))
    }

    /// Whether it leads to a port of ours.
    fn is_own(&self, url: &Url) -> bool {
        let Some((_, port, key)) = SCHEMES.iter().find(|(scheme, ..)| *scheme == url.scheme) else { return false };
        self.listens().any(|(listen, own)| {
            let (at, own) = (own.0.ip().to_canonical(), own.0.port());
            let host: Option<IpAddr> = url.host.parse().ok().map(|host: IpAddr| host.to_canonical());
            let is_here = match host {
                Some(host) => host == at || at.is_unspecified() && host.is_loopback(),
                None => url.host.eq_ignore_ascii_case("localhost") && (at.is_unspecified() || at.is_loopback()),
            };
            listen == *key && own == url.port.unwrap_or(*port) && is_here
        })
    }
}
