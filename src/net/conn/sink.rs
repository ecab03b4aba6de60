//! The writes to a connection's socket, each of which is within the limit of the plan.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;

use rustix::net::SendFlags;
use socket2::SockRef;

/// The kernel checks SO_SNDBUF only before it begins a segment, which may grow to 64 KiB: a socket with a buffer of 16
/// KiB was seen to hold 132. A write that is a record of its own (MSG_EOR) is a segment of its own, so the excess is at
/// most one write. TCP before Linux 4.7 ignores that flag.
pub(super) struct Sink<'a> {
    pub(super) socket: &'a TcpStream,
    /// The longest write.
    pub(super) most: usize,
}

/// The most slices in one write.
const SLICES: usize = 96;

fn flags() -> i32 {
    (SendFlags::EOR | SendFlags::NOSIGNAL).bits().cast_signed()
}

impl Write for Sink<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let data = data.get(..self.most).unwrap_or(data);
        SockRef::from(self.socket).send_with_flags(data, flags())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(self.socket);
        if slices.iter().map(|slice| slice.len()).sum::<usize>() <= self.most {
            return socket.send_vectored_with_flags(slices, flags());
        }
        let mut left = self.most;
        let mut first = [IoSlice::new(&[]); SLICES];
        for (place, slice) in first.iter_mut().zip(slices) {
            let part = slice.get(..left).unwrap_or(slice);
            *place = IoSlice::new(part);
            left -= part.len();
        }
        let used = slices.len().min(SLICES);
        socket.send_vectored_with_flags(first.get(..used).unwrap_or_default(), flags())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_write_is_cut_where_the_plan_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        let mut sink = Sink { socket: &socket, most: 5 };
        let slices = ["ab", "", "cd", "efgh", "i"].map(|text| IoSlice::new(text.as_bytes()));
        assert_eq!(sink.write_vectored(&slices).unwrap(), 5);
        assert_eq!(sink.write_vectored(&slices[..3]).unwrap(), 4);
        assert_eq!(sink.write(b"12345678").unwrap(), 5);
        drop(socket);
        let mut all = String::new();
        other.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcdeabcd12345");
    }
}
