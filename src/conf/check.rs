//! The combinations of values that a configuration must not have, although each value is allowed.

use std::time::Duration;

use super::counts::MAX_THREADS;
use super::error::Objection;
use super::features::is_compiled;
use super::secret::MASK;
use super::{Auth, Config, Fault, MissingFeature};
use crate::hub::{InvalidName, Name, is_pattern};

/// The most streams that the metrics tell of one by one.
const MAX_TOLD: usize = 1000;
/// The longest path of a Unix socket, in bytes: `sun_path` has one more, for its end. unix(7).
const MAX_SOCKET_PATH: usize = 107;

impl Config {
    /// The values that need a feature which was not compiled in.
    fn demands(&self) -> impl Iterator<Item = Objection> {
        let demands = [
            (!self.http.root.is_empty(), "http.root", "empty", "record"),
            (self.hls.store.0.is_some(), "hls.store", "\"memory\"", "record"),
        ];
        let unmet = demands.into_iter().filter(|(wanted, .., feature)| *wanted && !is_compiled(feature));
        unmet.map(|(_, key, remedy, feature)| (key.into(), Fault::Feature(remedy, MissingFeature(feature))))
    }

    /// The faults in the tables that can occur repeatedly.
    fn entry_objections(&self) -> Vec<Objection> {
        let pulled = self.pull.iter().map(|pull| (&pull.stream, Name::new(&pull.stream).is_ok())).enumerate();
        let pushed = self.push.iter().map(|push| (&push.stream, is_pattern(&push.stream).is_ok())).enumerate();
        let named = pulled.map(|one| ("pull", one)).chain(pushed.map(|one| ("push", one)));
        let misnamed = named.filter(|(_, (_, (_, is_sound)))| !is_sound).map(|(table, (at, (stream, _)))| {
            let words = format!("{stream:?} is {InvalidName}");
            (format!("{table}[{at}].stream"), Fault::Conflict(words.into()))
        });
        let mut faults: Vec<_> = misnamed.collect();
        if self.pull.len() > self.streams.max {
            let remedy = "one of streams.max tables at most";
            faults.push((format!("pull[{}]", self.streams.max), Fault::MustBe(remedy.into())));
        }
        faults.extend(self.placeholders().chain(self.same_relays()).chain(self.circle()));
        faults.extend(super::access::objections(self));
        faults.extend(super::record::objections(self));
        faults.extend(super::notify::objections(self));
        faults
    }

    /// The combinations that no machine can serve; `sets` says whether the file sets a key.
    pub(super) fn objections(&self, sets: &dyn Fn(&str) -> bool) -> Vec<Objection> {
        let mut faults: Vec<_> = self.demands().chain(self.entry_objections()).collect();
        faults.extend(self.shared_port().map(|keys| {
            // the key that the file sets, if it sets only one of them
            let [wrong, other] = if sets(keys[0]) && !sets(keys[1]) { keys } else { [keys[1], keys[0]] };
            (wrong.into(), Fault::MustBe(format!("another port than that of {other}").into()))
        }));
        faults.extend(self.out_of_range());
        faults
    }

    /// The values out of range.
    fn out_of_range(&self) -> impl Iterator<Item = Objection> {
        let watchdog = &self.process.watchdog;
        let bad = [
            (
                !watchdog.is_empty() && !watchdog.starts_with('/'),
                "process.watchdog",
                "a device such as \"/dev/watchdog\"",
            ),
            (!(1..=MAX_THREADS).contains(&self.connection_threads()), "threads", "between 1 and 64, or \"auto\""),
            (self.streams.max == 0, "streams.max", "at least 1"),
            (self.streams.max_frame.0 < 16 << 10, "streams.max_frame", "at least \"16KiB\""),
            (self.streams.max_frame.0 > 16 << 20, "streams.max_frame", "at most \"16MiB\": a message cannot be longer"),
            (
                self.streams.memory.0 / 2 < self.streams.max_frame.0,
                "streams.memory",
                "at least twice streams.max_frame",
            ),
            (self.viewers.send_buffer.0 < 4 << 10, "viewers.send_buffer", "at least \"4KiB\""),
            (self.publish.receive_buffer.0 < 4 << 10, "publish.receive_buffer", "at least \"4KiB\""),
            (self.publish.silence.0.is_zero(), "publish.silence", "more than \"0s\""),
            (self.viewers.slow.0.is_zero(), "viewers.slow", "more than \"0s\""),
            (!(1..=100).contains(&self.connections.per_peer), "connections.per_peer", "between 1 and 100"),
            (
                !self.names_proxied_ports(),
                "connections.proxy_protocol",
                "a list of \"rtmp\", \"rtmps\", \"rtsp\", \"rtsps\", \"rtsp over websocket\", \"http\", \"https\" and \"api\"",
            ),
            (self.connections.handshake.0.is_zero(), "connections.handshake", "more than \"0s\""),
            (self.tls.cert.is_empty() != self.tls.key.is_empty(), "tls.key", "set together with tls.cert"),
            (self.tls.required && self.tls.cert.is_empty(), "tls.required", "false, unless tls.cert is set"),
            (!self.tls.more.is_empty() && self.tls.cert.is_empty(), "tls.more", "empty, unless tls.cert is set"),
            (!(1 << 10..=16 << 10).contains(&self.tls.record.0), "tls.record", "between \"1KiB\" and \"16KiB\""),
            (self.rtsp.hold.0.is_zero(), "rtsp.hold", "more than \"0s\""),
            (
                self.rtsp.timeout.0.as_secs() < 10,
                "rtsp.timeout",
                "at least \"10s\": clients send a sign of life in half of that",
            ),
            (self.rtsp.reorder.0.as_millis() > 5000, "rtsp.reorder", "at most \"5s\""),
            (
                self.rtsp.auth != Auth::Off && (self.rtsp.user.is_empty() || self.rtsp.password.is_empty()),
                "rtsp.auth",
                "\"off\", unless rtsp.user and rtsp.password are set",
            ),
            (self.rtsp.password == MASK, "rtsp.password", "the password, which is masked here"),
            (self.http.keep_alive.0.is_zero(), "http.keep_alive", "more than \"0s\""),
            (!(512..=16 << 10).contains(&self.http.max_head.0), "http.max_head", "between 512 and \"16KiB\""),
            (self.hls.segments < 3, "hls.segments", "at least 3: players start three segments before the end"),
            (
                // fewer than 3 segments are at fault themselves
                !(2..=self.hls.segments.max(3)).contains(&self.hls.start)
                    || self.hls.start != 3 && !self.hls.part.0.is_zero(),
                "hls.start",
                "between 2 and hls.segments, and 3 with hls.part",
            ),
            (self.hls.enable && self.hls.streams == 0, "hls.streams", "at least 1, unless hls.enable is false"),
            (self.hls.enable && self.hls.memory.0 == 0, "hls.memory", "more than \"0KiB\", unless hls.enable is false"),
            (self.hls.enable && self.viewers.max == 0, "viewers.max", "at least 1, unless hls.enable is false"),
            (self.metrics.streams > MAX_TOLD, "metrics.streams", "at most 1000"),
            (
                !self.api.socket.is_empty()
                    && (!self.api.socket.starts_with('/') || self.api.socket.len() > MAX_SOCKET_PATH),
                "api.socket",
                "a path from the root on of at most 107 bytes, such as \"/run/runnel.sock\", or empty",
            ),
            (
                !self.api.persist.is_empty() && (!self.api.persist.starts_with('/') || self.api.persist.ends_with('/')),
                "api.persist",
                "the absolute path of a file, or empty",
            ),
            (self.log.max_size.0 < 4 << 10, "log.max_size", "at least \"4KiB\""),
            (
                self.log.kept.0 != 0 && !(2 << 10..=16 << 20).contains(&self.log.kept.0),
                "log.kept",
                "between \"2KiB\" and \"16MiB\", or \"0KiB\" for none",
            ),
            (self.hls.segment.0.as_millis() < 500, "hls.segment", "at least \"500ms\""),
            (self.hls.session_timeout.0.as_secs() < 1, "hls.session_timeout", "at least \"1s\""),
            (
                !self.hls.part.0.is_zero()
                    && !(Duration::from_millis(100)..=self.hls.segment.0 / 2).contains(&self.hls.part.0),
                "hls.part",
                "\"0s\", or between \"100ms\" and half of hls.segment",
            ),
        ];
        let bad = bad.into_iter().filter(|(wrong, ..)| *wrong);
        bad.map(|(_, key, remedy)| (key.into(), Fault::MustBe(remedy.into())))
    }
}
