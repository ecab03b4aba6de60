//! A viewer's ports for one track.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, UdpSocket};
use std::task::{Context, Poll};

use bytes::Bytes;
use runnel::reactor::Async;

/// Two sockets on neighbouring ports, the first of them even. RFC 3550 section 11.
pub struct Ports {
    rtp: Async<UdpSocket>,
    /// Reports come here; nobody reads them.
    _rtcp: UdpSocket,
    port: u16,
}

/// Pairs that are tried before it is given up.
const TRIES: usize = 100;
/// No datagram on an ordinary network is longer.
const MAX_DATAGRAM: usize = 2048;

impl Ports {
    /// A pair that nobody has.
    pub fn open(local: IpAddr) -> io::Result<Self> {
        for _ in 0..TRIES {
            let rtp = UdpSocket::bind((local, 0))?;
            let port = rtp.local_addr()?.port();
            if port.is_multiple_of(2)
                && let Ok(rtcp) = UdpSocket::bind((local, port + 1))
            {
                return Ok(Self { rtp: Async::new(rtp)?, _rtcp: rtcp, port });
            }
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// The ports of RTP and RTCP.
    pub fn numbers(&self) -> (u16, u16) {
        (self.port, self.port + 1)
    }

    /// The next RTP packet.
    pub fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            match self.rtp.get_ref().recv(&mut buffer) {
                Ok(len) => return Poll::Ready(Ok(Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default()))),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                Err(_) => std::task::ready!(self.rtp.poll_readable(cx))?,
            }
        }
    }
}
