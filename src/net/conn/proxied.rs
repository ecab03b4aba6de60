//! The PROXY protocol, versions 1 and 2: before all else a proxy says from where the connection comes that it passes on.
//! The specification is haproxy's `doc/proxy-protocol.txt`; sections are its.

use std::future::poll_fn;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::super::{Close, canonical};
use super::Conn;
use crate::proto::Error;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Its length in bytes.
    pub used: usize,
    /// The other end of the proxy's connection; `None` if it does not say, or speaks for itself.
    pub source: Option<SocketAddr>,
}

/// The first bytes of each version.
const TEXT: &[u8] = b"PROXY ";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, in bytes. Section 2.1.
const MAX_TEXT: usize = 107;
/// The bytes of version 2 before its addresses. Section 2.2.
const FIXED: usize = 16;
/// The longest header: addresses have 216 bytes at most, and a proxy may add more fields.
const MAX_HEADER: usize = 2 << 10;

const NONE: Error = Error::malformed("there is no PROXY header");
const DAMAGED: Error = Error::malformed("the PROXY header is damaged");
const LONG: Error = Error::malformed("the PROXY header is too long");

impl ProxyHeader {
    /// The header at the start of a connection; `None` if more bytes are needed.
    ///
    /// # Errors
    /// The connection does not begin with a header.
    pub fn read(data: &[u8]) -> Result<Option<Self>, Error> {
        let begins = |mark: &[u8]| data.iter().zip(mark).all(|(one, other)| one == other);
        match data {
            _ if begins(TEXT) => read_text(data),
            _ if begins(BINARY) => read_binary(data),
            _ => Err(NONE),
        }
    }
}

/// Version 1: a line. Section 2.1.
fn read_text(data: &[u8]) -> Result<Option<ProxyHeader>, Error> {
    let Some(end) = data.iter().take(MAX_TEXT).position(|byte| *byte == b'\n') else {
        return if data.len() < MAX_TEXT { Ok(None) } else { Err(LONG) };
    };
    let line = data.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.and_then(|line| str::from_utf8(line).ok()).ok_or(DAMAGED)?;
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    let source = match words[..] {
        [_, "UNKNOWN", ..] => None,
        [_, "TCP4", source, target, port, to] => Some(ends::<Ipv4Addr>([source, target], [port, to])?),
        [_, "TCP6", source, target, port, to] => Some(ends::<Ipv6Addr>([source, target], [port, to])?),
        _ => return Err(DAMAGED),
    };
    Ok(Some(ProxyHeader { used: end + 1, source }))
}

/// The first of two addresses with their ports, both of which have to be right.
fn ends<T: FromStr + Into<IpAddr>>(addresses: [&str; 2], ports: [&str; 2]) -> Result<SocketAddr, Error> {
    let [Ok(source), Ok(_)] = addresses.map(T::from_str) else { return Err(DAMAGED) };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let [Ok(port), Ok(_)] = ports.map(u16::from_str) else { return Err(DAMAGED) };
    if ports.into_iter().all(is_number) { Ok(SocketAddr::new(source.into(), port)) } else { Err(DAMAGED) }
}

/// Version 2: fields of fixed size. Section 2.2.
fn read_binary(data: &[u8]) -> Result<Option<ProxyHeader>, Error> {
    let Some((fixed, rest)) = data.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 || command & 15 > 1 || family >> 4 > 3 || family & 15 > 2 {
        return Err(DAMAGED);
    }
    if FIXED + length > MAX_HEADER {
        return Err(LONG);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let source = match (command & 15, family) {
        (1, 0x11) => Some(binary_end::<4, Ipv4Addr>(body)?),
        (1, 0x21) => Some(binary_end::<16, Ipv6Addr>(body)?),
        // LOCAL, and addresses of other kinds: the connection counts as the proxy's own
        _ => None,
    };
    Ok(Some(ProxyHeader { used: FIXED + length, source }))
}

/// Both addresses stand before both ports.
fn binary_end<const N: usize, T: From<[u8; N]> + Into<IpAddr>>(body: &[u8]) -> Result<SocketAddr, Error> {
    let (source, rest) = body.split_first_chunk::<N>().ok_or(DAMAGED)?;
    let (_, rest) = rest.split_first_chunk::<N>().ok_or(DAMAGED)?;
    let (port, rest) = rest.split_first_chunk::<2>().ok_or(DAMAGED)?;
    rest.split_first_chunk::<2>().ok_or(DAMAGED)?;
    Ok(SocketAddr::new(T::from(*source).into(), u16::from_be_bytes(*port)))
}

impl Conn {
    /// Reads the header that a trusted proxy sends first, within `limit`. Not a byte of what follows is read: that may
    /// be the beginning of TLS.
    pub async fn proxied(mut self, limit: Duration) -> Result<Self, Close> {
        self.expect_input(limit);
        let mut head = Vec::new();
        let source = poll_fn(|cx| self.poll_header(cx, &mut head)).await?;
        self.client = self.client.speaks_for(source.map(canonical));
        Ok(self)
    }

    fn poll_header(&mut self, cx: &mut Context<'_>, head: &mut Vec<u8>) -> Poll<Result<Option<SocketAddr>, Close>> {
        loop {
            ready!(self.poll_arrival(cx))?;
            match self.take_header(head) {
                Ok(Some(header)) => return Poll::Ready(Ok(header.source)),
                Ok(None) => self.drained = true,
                Err(Close::Io(io::ErrorKind::WouldBlock)) => self.drained = true,
                Err(Close::Io(io::ErrorKind::Interrupted)) => {}
                Err(why) => return Poll::Ready(Err(self.watch.verdict().unwrap_or(why))),
            }
        }
    }

    /// Takes from the socket what belongs to the header for sure.
    fn take_header(&mut self, head: &mut Vec<u8>) -> Result<Option<ProxyHeader>, Close> {
        let mut ahead = [0; MAX_HEADER];
        let before = head.len();
        let seen = self.socket.get_ref().peek(&mut ahead)?;
        if seen == 0 {
            return Err(Close::Eof);
        }
        head.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let header = ProxyHeader::read(head)?;
        let ours = header.map_or(seen, |header| header.used.saturating_sub(before));
        self.socket.get_ref().read_exact(ahead.get_mut(..ours).unwrap_or_default())?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::pair;
    use super::super::{FULL_READ, Received};
    use super::*;
    use crate::net::{Client, Via};

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [BINARY, &[command, family], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    /// Headers, and the address that each says.
    fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let four = [&[203, 0, 113, 9, 10, 0, 0, 1][..], &[0x12, 0x67, 7, 143]].concat();
        let v6: [Ipv6Addr; 2] = ["2001:db8::9", "2001:db8::1"].map(|text| text.parse().unwrap());
        let six = [&v6[0].octets()[..], &v6[1].octets(), &[0x12, 0x67, 7, 143]].concat();
        vec![
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 1935\r\n".to_vec(), Some("203.0.113.9:4711")),
            (b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 1935\r\n".to_vec(), Some("[2001:db8::9]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (binary(0x21, 0x11, &four), Some("203.0.113.9:4711")),
            (binary(0x21, 0x11, &[&four[..], &[4, 0, 3, 1, 2, 3]].concat()), Some("203.0.113.9:4711")),
            (binary(0x21, 0x21, &six), Some("[2001:db8::9]:4711")),
            (binary(0x20, 0x11, &four), None),
            (binary(0x20, 0, &[]), None),
            (binary(0x21, 0, &[1, 2, 3]), None),
            (binary(0x21, 0x31, &[0; 216]), None),
        ]
    }

    #[test]
    fn headers_name_the_client_in_whatever_pieces_they_come() {
        for (header, source) in headers() {
            let source = source.map(|text| text.parse().unwrap());
            let whole = ProxyHeader { used: header.len(), source };
            for cut in 0..header.len() {
                assert_eq!(ProxyHeader::read(&header[..cut]), Ok(None), "{cut} of {header:?}");
            }
            let more = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!((ProxyHeader::read(&header), ProxyHeader::read(&more)), (Ok(Some(whole)), Ok(Some(whole))));
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in ["GET / HTTP/1.1\r\n", "\u{3}", "\r\n\r\n\0\r\nQUIT\r", "PROXYTCP4"] {
            assert_eq!(ProxyHeader::read(text.as_bytes()), Err(NONE), "{text:?}");
        }
        for line in [
            "PROXY TCP4 203.0.113.9 10.0.0.1 4711 1935\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 4711 1935 1\r\n",
            "PROXY TCP4  203.0.113.9 10.0.0.1 4711 1935\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 65536 1935\r\n",
            "PROXY TCP4 203.0.113.9 10.0.0.1 +4711 1935\r\n",
            "PROXY TCP4 ::1 ::1 4711 1935\r\n",
            "PROXY TCP6 203.0.113.9 10.0.0.1 4711 1935\r\n",
            "PROXY TCP4 203.0.113.9 router 4711 1935\r\n",
            "PROXY UDP4 203.0.113.9 10.0.0.1 4711 1935\r\n",
            "PROXY \r\n",
            "PROXY \u{fffd}\r\n",
        ] {
            assert_eq!(ProxyHeader::read(line.as_bytes()), Err(DAMAGED), "{line:?}");
        }
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b' '; MAX_TEXT]].concat();
        assert_eq!(ProxyHeader::read(&endless), Err(LONG));
        for (command, family, body) in
            [(0x11, 0x11, 12), (0x22, 0x11, 12), (0x21, 0x41, 12), (0x21, 0x13, 12), (0x21, 0x11, 11), (0x21, 0x21, 35)]
        {
            let header = binary(command, family, &vec![0; body]);
            assert_eq!(ProxyHeader::read(&header), Err(DAMAGED), "{command:x} {family:x} {body}");
        }
        assert_eq!(ProxyHeader::read(&binary(0x21, 0x11, &vec![0; MAX_HEADER])), Err(LONG));
    }

    #[test]
    fn what_follows_a_header_stays_in_the_socket() {
        for (header, source) in headers() {
            for cut in [0, 1, 15, header.len()] {
                let (mut peer, conn) = pair();
                let all = [&header[..], b"hello"].concat();
                let (first, rest) = all.split_at(cut.min(header.len()));
                peer.write_all(first).unwrap();
                let writes = std::thread::spawn({
                    let rest = rest.to_vec();
                    move || peer.write_all(&rest).map(|()| peer).unwrap()
                });
                let hop = conn.hop();
                let mut conn = smol::block_on(conn.proxied(Duration::from_secs(20))).unwrap();
                let _peer = writes.join().unwrap();
                let expected = match source {
                    Some(text) => Client { address: text.parse().unwrap(), via: Via::Network },
                    None => Client { address: hop.address, via: Via::Proxy },
                };
                assert_eq!((conn.client(), conn.hop()), (expected, expected));
                let mut said = Vec::new();
                while said.len() < 5 {
                    let read = |cx: &mut Context<'_>| {
                        conn.poll_read(cx, FULL_READ, |data| {
                            said.extend_from_slice(data);
                            Ok(data.len())
                        })
                    };
                    let Received { end, .. } = smol::block_on(poll_fn(read)).unwrap();
                    assert!(!end);
                }
                assert_eq!(said, b"hello");
            }
        }
    }
}
