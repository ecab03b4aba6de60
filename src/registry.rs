//! The protocols, one row each: ports and what is served there, the URL schemes of relays and their sessions, the
//! prefixes of session ids, and the lines of the plan. The configuration of a port is in
//! [`conf::port`](crate::conf::port), and the properties of a URL scheme in [`proto::scheme`](crate::proto::scheme):
//! rows refer to both.

use crate::budget::Plan;
use crate::conf::{Config, Cost, Threads, port};
#[cfg(feature = "api")]
use crate::device;
#[cfg(feature = "notify")]
use crate::notify;
use crate::proto;
#[cfg(feature = "record")]
use crate::record;
use crate::relay;
use crate::serve;
use crate::session;

/// A protocol.
pub struct Protocol {
    /// Its name, which is that of its feature.
    pub name: &'static str,
    /// Its ports, and what serves there.
    pub listens: &'static [serve::Listen],
    /// The URL schemes of relays.
    pub schemes: &'static [&'static proto::Scheme],
    /// The sessions of relays, if there are any.
    pub relay: Option<relay::Carrier>,
    /// The prefixes of other session ids, except those of forms.
    pub sessions: &'static [&'static str],
    /// The memory that it uses besides the shared memory.
    pub costs: &'static [&'static Cost],
}

/// All protocols that are compiled in.
pub static PROTOCOLS: &[Protocol] = &[
    #[cfg(feature = "rtmp")]
    Protocol {
        name: "rtmp",
        listens: &[serve::Listen { ports: &[&port::RTMP, &port::RTMPS], serve: serve::rtmp::serve, full: b"" }],
        schemes: &[&proto::scheme::RTMP, &proto::scheme::RTMPS],
        relay: Some(relay::Carrier {
            pull: relay::Direction::Pull(relay::Sessions { prefix: "RTMPPULL", run: relay::rtmp::pull }),
            push: Some(relay::Direction::Push(relay::Sessions { prefix: "RTMPPUSH", run: relay::rtmp::push })),
        }),
        sessions: &[serve::rtmp::SESSION],
        costs: &[],
    },
    #[cfg(feature = "rtsp")]
    Protocol {
        name: "rtsp",
        listens: &[
            serve::Listen {
                ports: &[&port::RTSP, &port::RTSPS],
                serve: serve::rtsp::serve,
                full: proto::rtsp::TURNED_AWAY,
            },
            #[cfg(feature = "http")]
            serve::Listen {
                ports: &[&port::RTSP_WEBSOCKET],
                serve: serve::http::serve_rtsp,
                full: proto::http::TURNED_AWAY,
            },
        ],
        schemes: &[&proto::scheme::RTSP, &proto::scheme::RTSPS],
        relay: Some(relay::Carrier {
            pull: relay::Direction::Pull(relay::Sessions { prefix: "RTSPPULL", run: relay::rtsp::pull }),
            push: Some(relay::Direction::Push(relay::Sessions { prefix: "RTSPPUSH", run: relay::rtsp::push })),
        }),
        sessions: &serve::rtsp::SESSIONS,
        costs: &[&session::PORT_PAIRS],
    },
    #[cfg(feature = "record")]
    Protocol {
        name: "record",
        listens: &[],
        schemes: &[&proto::scheme::FILE],
        relay: Some(relay::Carrier {
            pull: relay::Direction::File(relay::Files { prefix: "FILEPULL", run: relay::file::pull }),
            push: None,
        }),
        sessions: &[record::KIND],
        costs: &[
            &serve::http::REQUESTS,
            &record::costs::RECORDINGS,
            &record::costs::MEMORY,
            &record::costs::DISKS,
            &relay::file::PLAYED,
        ],
    },
    #[cfg(feature = "http")]
    Protocol {
        name: "http",
        listens: &[serve::Listen {
            ports: &[&port::HTTP, &port::HTTPS],
            serve: serve::http::serve,
            full: proto::http::TURNED_AWAY,
        }],
        schemes: &[],
        relay: None,
        sessions: &serve::hls::SESSIONS,
        costs: &[&serve::hls::SEGMENTS],
    },
    #[cfg(feature = "api")]
    Protocol {
        name: "api",
        listens: &[serve::Listen {
            ports: &[&port::API],
            serve: serve::http::serve_api,
            full: proto::http::TURNED_AWAY,
        }],
        schemes: &[],
        relay: None,
        sessions: &[],
        costs: &[
            &session::BLACKLIST,
            &session::RELAYS_BY_API,
            &session::PERSIST,
            &session::LOGINS,
            &device::log::KEPT_LINES,
            &serve::SOCKET_CLIENTS,
            &serve::api::v1::events::READERS,
            &serve::api::v1::events::NEWS,
        ],
    },
];

const _: () = assert!(!PROTOCOLS.is_empty(), "nothing would listen: choose the feature of a protocol");

/// The ports of all protocols, and what is served there.
pub fn listens() -> impl Iterator<Item = &'static serve::Listen> {
    PROTOCOLS.iter().flat_map(|protocol| protocol.listens)
}

/// The memory of a server of all protocols: the shared memory, and that of each protocol.
pub fn costs() -> Vec<&'static Cost> {
    let shared = [
        session::COSTS,
        #[cfg(feature = "notify")]
        notify::COSTS,
    ];
    shared.into_iter().chain(PROTOCOLS.iter().map(|protocol| protocol.costs)).flatten().copied().collect()
}

/// The worst case of a server of all protocols.
pub fn plan(config: &Config) -> Plan {
    settled(config.clone()).plan(&costs())
}

/// The same configuration, where `threads = "auto"` is a number: as many as there are processors, or as the plan has room
/// for, and one at least. So a configuration that fits on one machine fits on those with more processors.
pub fn settled(mut config: Config) -> Config {
    if config.threads == Threads::Auto {
        let costs = costs();
        let most = config.connection_threads();
        let fit = (1..=most).rev().map(Threads::Number).find(|number| {
            config.threads = *number;
            config.plan(&costs).fits()
        });
        config.threads = fit.unwrap_or(Threads::Number(1));
    }
    config
}

/// The sessions of relays by `url`.
pub fn carrier(url: &proto::Url) -> Option<&'static relay::Carrier> {
    let scheme = url.scheme()?;
    PROTOCOLS.iter().find(|protocol| protocol.schemes.contains(&scheme))?.relay.as_ref()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::budget::Key;
    use crate::conf::{Origin, REFERENCE, Source};
    use crate::proto::scheme::SCHEMES;

    fn config() -> Config {
        let tls = if cfg!(feature = "tls") { "tls.cert = \"/c\"\ntls.key = \"/k\"\n" } else { "" };
        Config::parse("test", tls).unwrap()
    }

    #[test]
    fn each_port_of_the_configuration_is_served_by_one_row() {
        for (port, _) in config().listens() {
            let rows = listens().flat_map(|row| row.ports).filter(|served| served.key == port.key);
            assert_eq!(rows.count(), 1, "{}", port.key);
        }
    }

    #[test]
    fn each_url_that_the_configuration_takes_goes_by_one_row() {
        for scheme in SCHEMES {
            let text = if scheme.port == 0 { format!("{}:/a", scheme.name) } else { format!("{}://h/a", scheme.name) };
            let Ok(url) = Origin::parse(&text) else { continue };
            let rows = PROTOCOLS.iter().filter(|protocol| protocol.schemes.contains(&scheme));
            assert_eq!(rows.count(), 1, "{text}");
            let sends = carrier(&url.0).is_some_and(|carrier| carrier.push.is_some());
            assert_eq!(sends, Source::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_line_of_the_plan_is_named_once_and_by_keys_that_there_are() {
        let costs = costs();
        let names: BTreeSet<_> = costs.iter().map(|cost| cost.what).collect();
        assert_eq!(names.len(), costs.len());
        let reference: toml::Table = toml::from_str(REFERENCE).unwrap();
        for key in costs.iter().flat_map(|cost| cost.keys) {
            let value = match key.name().split_once('.') {
                Some((table, key)) => reference.get(table).and_then(|table| table.get(key)),
                None => reference.get(key.name()),
            };
            let is_size = |value: &toml::Value| value.as_str().is_some_and(|text| text != "auto");
            assert_eq!(value.map(is_size), Some(matches!(key, Key::Size(_))), "{key:?}: {value:?}");
        }
    }

    #[test]
    fn what_is_not_compiled_in_has_no_line() {
        let features = crate::conf::features();
        let there = features.split(", without ").next().unwrap();
        let lines = [
            ("rtsp", "RTSP over UDP: port pairs"),
            ("http", "HLS segments"),
            ("record", "recordings"),
            ("tls", "TLS"),
            ("notify", "commands"),
        ];
        for (feature, line) in lines {
            let is_there = costs().iter().any(|cost| cost.what == line);
            assert_eq!(is_there, there.split(' ').any(|name| name == feature), "{line}");
        }
    }

    #[test]
    fn a_row_has_the_name_of_a_feature() {
        for Protocol { name, .. } in PROTOCOLS {
            assert!(crate::conf::features().split([' ', ',']).any(|feature| feature == *name), "{name}");
        }
    }

    #[test]
    fn what_fits_with_one_thread_fits_with_any_number_of_processors() {
        let threads = |total: usize| {
            let text = format!("profile = \"box\"\nmemory.total = \"{total}KiB\"\n");
            let config = settled(Config::parse("test", &text).unwrap());
            (config.threads, plan(&config).fits())
        };
        let one = Config { threads: Threads::Number(1), ..Config::parse("test", "profile = \"box\"\n").unwrap() };
        let least = plan(&one).total().div_ceil(1024);
        assert_eq!(threads(least), (Threads::Number(1), true));
        assert_eq!(threads(least - 1), (Threads::Number(1), false));
        let processors = crate::conf::machine::processors();
        assert_eq!(threads(least + 256), (Threads::Number(processors.min(2)), true));
    }
}
