//! The Transport header field. RFC 2326 section 12.39.

use std::fmt;

/// The lower transport, which carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    /// Inside the RTSP connection. RFC 2326 section 10.12.
    Tcp,
    /// Datagrams to one receiver.
    Udp,
    /// Datagrams to a group.
    Multicast,
}

/// A transport for one track, proposed or agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The lower transport, which carries the packets.
    pub lower: Lower,
    /// The channels of RTP and RTCP inside the connection.
    pub interleaved: Option<(u8, u8)>,
    /// The client's ports for RTP and RTCP, proposed or agreed.
    pub client_port: Option<(u16, u16)>,
    /// The server's ports for RTP and RTCP.
    pub server_port: Option<(u16, u16)>,
    /// The ports of the multicast group.
    pub port: Option<(u16, u16)>,
    /// The address to which packets are sent, if it is not the client's.
    pub destination: Option<String>,
    /// The address from which packets are sent, if it is not the server's.
    pub source: Option<String>,
    /// The synchronization source of the sender. RFC 3550 section 3.
    pub ssrc: Option<u32>,
    /// The time to live of multicast datagrams.
    pub ttl: Option<u8>,
    /// The client sends: `mode=record`.
    pub record: bool,
}

/// The maximum number of transports that are read.
const MAX_TRANSPORTS: usize = 8;

impl Transport {
    /// A transport without parameters.
    pub fn new(lower: Lower) -> Self {
        Self {
            lower,
            interleaved: None,
            client_port: None,
            server_port: None,
            port: None,
            destination: None,
            source: None,
            ssrc: None,
            ttl: None,
            record: false,
        }
    }

    /// The supported transports in a field, the preferred one first.
    pub fn parse_all(value: &str) -> Vec<Self> {
        split(value, ',').filter_map(Self::parse).take(MAX_TRANSPORTS).collect()
    }

    fn parse(spec: &str) -> Option<Self> {
        let mut parts = split(spec, ';');
        // one player sends random bytes before the name
        let name = parts.next()?.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_uppercase();
        let mut transport = match name.as_str() {
            "RTP/AVP" | "RTP/AVP/UDP" => Self::new(Lower::Udp),
            "RTP/AVP/TCP" => Self::new(Lower::Tcp),
            _ => return None,
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            transport.set(&name.trim().to_ascii_lowercase(), unquote(value));
        }
        Some(transport)
    }

    /// Sets a parameter; an invalid value is ignored.
    fn set(&mut self, name: &str, value: &str) {
        let text = || Some(value.to_string()).filter(|text| !text.is_empty());
        match name {
            "multicast" if self.lower == Lower::Udp => self.lower = Lower::Multicast,
            "interleaved" => self.interleaved = pair(value, |first: u8| first.checked_add(1)),
            "client_port" => self.client_port = pair(value, |first: u16| first.checked_add(1)),
            "server_port" => self.server_port = pair(value, |first: u16| first.checked_add(1)),
            "port" => self.port = pair(value, |first: u16| first.checked_add(1)),
            "destination" => self.destination = text(),
            "source" => self.source = text(),
            "ssrc" => self.ssrc = ssrc(value),
            "ttl" => self.ttl = value.parse().ok(),
            // drafts of the specification used "receive"
            "mode" => self.record = ["RECORD", "RECEIVE"].iter().any(|mode| value.eq_ignore_ascii_case(mode)),
            _ => {}
        }
    }
}

/// Splits a text at `at`, except inside quotes.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
}

fn unquote(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || c == '"')
}

/// Parses `5000-5001`; with `5000` only, the second is the next number.
fn pair<T: std::str::FromStr + Copy>(value: &str, next: impl Fn(T) -> Option<T>) -> Option<(T, T)> {
    match value.split_once('-') {
        Some((first, second)) => Some((first.trim().parse().ok()?, second.trim().parse().ok()?)),
        None => {
            let first = value.parse().ok()?;
            Some((first, next(first)?))
        }
    }
}

/// Parses eight hexadecimal digits; devices omit zeros and insert spaces.
fn ssrc(value: &str) -> Option<u32> {
    let first = value.split(['/', ' ']).next()?;
    let digits = first.strip_prefix("0x").unwrap_or(first);
    // from_str_radix would accept a sign
    u32::from_str_radix(digits, 16).ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_hexdigit()))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.lower {
            Lower::Tcp => "RTP/AVP/TCP;unicast",
            Lower::Udp => "RTP/AVP;unicast", // old cameras do not support RTP/AVP/UDP
            Lower::Multicast => "RTP/AVP;multicast",
        })?;
        let texts = [("destination", &self.destination), ("source", &self.source)];
        for (name, text) in texts.iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            write!(f, ";{name}={text}")?;
        }
        if let Some((rtp, rtcp)) = self.interleaved {
            write!(f, ";interleaved={rtp}-{rtcp}")?;
        }
        let ports = [("client_port", self.client_port), ("server_port", self.server_port), ("port", self.port)];
        for (name, (rtp, rtcp)) in ports.iter().filter_map(|(name, ports)| Some((name, (*ports)?))) {
            write!(f, ";{name}={rtp}-{rtcp}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, ";ttl={ttl}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        f.write_str(if self.record { ";mode=record" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Transport {
        let all = Transport::parse_all(value);
        assert_eq!(all.len(), 1, "{value}");
        all.into_iter().next().unwrap()
    }

    #[test]
    fn ways_are_read_in_order_and_unknown_ones_skipped() {
        let all = Transport::parse_all(
            "RTP/SAVP;unicast;client_port=1-2,RTP/AVP/TCP;unicast;interleaved=0-1;mode=\"PLAY,RECORD\",\
             RAW/RAW/UDP,x-real-rdt/udp;client_port=3,RTP/AVP;multicast;destination=232.1.2.3;port=5000-5001;ttl=16",
        );
        let [tcp, multicast] = &all[..] else { panic!("{all:?}") };
        assert_eq!((tcp.lower, tcp.interleaved, tcp.record), (Lower::Tcp, Some((0, 1)), false));
        assert_eq!((multicast.lower, multicast.port), (Lower::Multicast, Some((5000, 5001))));
        assert_eq!((multicast.destination.as_deref(), multicast.ttl), (Some("232.1.2.3"), Some(16)));
        assert_eq!(Transport::parse_all(&"RTP/AVP,".repeat(100)).len(), MAX_TRANSPORTS);
        assert!(Transport::parse_all("").is_empty());
    }

    #[test]
    fn numbers_alone_stand_for_pairs() {
        assert_eq!(one("RTP/AVP/TCP;interleaved=2").interleaved, Some((2, 3)));
        assert_eq!(one("RTP/AVP;client_port=5000").client_port, Some((5000, 5001)));
        let without = one("RTP/AVP/TCP");
        assert_eq!((without.lower, without.interleaved), (Lower::Tcp, None));
    }

    #[test]
    fn garbage_counts_as_not_said() {
        let transport =
            one("RTP/AVP;;unicast;client_port=70000-70001;server_port=-;port=65535;interleaved=255;ttl=999;ssrc=+1;\
             destination=;source;append;layers=x;mode=;=;foo=bar");
        assert_eq!(transport, Transport::new(Lower::Udp));
    }

    #[test]
    fn sources_come_with_spaces_quotes_and_missing_zeros() {
        for (value, ssrc) in [
            ("  1234ABCD", Some(0x1234_abcd)),
            ("\"1234abcd\"", Some(0x1234_abcd)),
            ("0x12", Some(0x12)),
            ("ABC", Some(0xabc)),
            ("12345678/9ABCDEF0", Some(0x1234_5678)),
            ("1234567890", None),
            ("", None),
        ] {
            assert_eq!(one(&format!("RTP/AVP/TCP;unicast;ssrc={value};interleaved=0-1")).ssrc, ssrc, "{value}");
        }
    }

    #[test]
    fn record_is_said_in_every_case() {
        for mode in ["record", "RECORD", "\"RECORD\"", "\"record\"", " \"Record\" ", "receive"] {
            assert!(one(&format!("RTP/AVP/UDP;unicast;mode={mode}")).record, "{mode}");
        }
        assert!(!one("RTP/AVP;mode=\"PLAY\"").record);
    }

    #[test]
    fn names_come_in_every_case_and_behind_rubbish() {
        let transport = one("\u{fffd}\u{fffd} rtp/avp/udp ; UNICAST ; Client_Port = 10542 - 10543");
        assert_eq!((transport.lower, transport.client_port), (Lower::Udp, Some((10542, 10543))));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let mut transport = Transport::new(Lower::Udp);
        transport.client_port = Some((5000, 5001));
        transport.server_port = Some((6000, 6001));
        transport.source = Some("10.0.0.1".into());
        transport.ssrc = Some(0xab);
        transport.record = true;
        let text = transport.to_string();
        assert_eq!(
            text,
            "RTP/AVP;unicast;source=10.0.0.1;client_port=5000-5001;server_port=6000-6001;ssrc=000000AB;mode=record"
        );
        assert_eq!(one(&text), transport);
        let mut transport = Transport::new(Lower::Multicast);
        (transport.port, transport.ttl) = (Some((7000, 7001)), Some(1));
        transport.destination = Some("ff02::1".into());
        assert_eq!(one(&transport.to_string()), transport);
        let mut transport = Transport::new(Lower::Tcp);
        transport.interleaved = Some((254, 255));
        assert_eq!(transport.to_string(), "RTP/AVP/TCP;unicast;interleaved=254-255");
        assert_eq!(one(&transport.to_string()), transport);
    }

    #[test]
    fn no_damage_panics() {
        let text = "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=  1234ABCD;mode=\"PLAY\",RTP/AVP;multicast;port=1-2;ttl=3";
        for at in 0..text.len() {
            Transport::parse_all(&text[..at]);
            for mask in [1, 4, 0x20, 0x80, 0xff] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] ^= mask;
                assert!(Transport::parse_all(&String::from_utf8_lossy(&bytes)).len() <= MAX_TRANSPORTS);
            }
        }
    }
}
