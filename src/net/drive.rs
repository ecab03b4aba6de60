//! The loop that feeds a machine.

use std::task::{Context, Poll, ready};

use super::{Close, Conn, Deadline};
use crate::proto::Machine;

/// Feeds `data` to a machine, passes each event that results to `react`, and returns the number of bytes consumed.
pub fn drive<M: Machine>(
    machine: &mut M,
    data: &[u8],
    mut react: impl FnMut(&mut M, M::Event) -> Result<(), Close>,
) -> Result<usize, Close> {
    let used = machine.input(data)?;
    drain(machine, &mut react)?;
    Ok(used)
}

fn drain<M: Machine>(
    machine: &mut M,
    react: &mut impl FnMut(&mut M, M::Event) -> Result<(), Close>,
) -> Result<(), Close> {
    while let Some(event) = machine.event() {
        react(machine, event)?;
    }
    Ok(())
}

impl Conn {
    /// Reads once, as `poll_read` does, drives a machine with the input, and returns the number of bytes read. The end
    /// of the input is `Close::Eof`. `deadline` waits for the machine's: once that has passed the machine acts on it
    /// instead, and 0 is returned.
    pub fn poll_drive<M: Machine>(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        (machine, deadline): (&mut M, &mut Deadline),
        mut react: impl FnMut(&mut M, M::Event) -> Result<(), Close>,
    ) -> Poll<Result<usize, Close>> {
        if let Poll::Ready(now) = deadline.poll(cx, machine.deadline()) {
            machine.timeout(now);
            return Poll::Ready(drain(machine, &mut react).map(|()| 0));
        }
        let received = ready!(self.poll_read(cx, most, |data| drive(machine, data, &mut react)))?;
        Poll::Ready(if received.end { Err(Close::Eof) } else { Ok(received.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Instant;

    use super::super::SHORT_READ;
    use super::super::conn::tests::pair;
    use super::*;
    use crate::proto::Error;

    /// Each byte is a number of events; 9 is an error. A deadline that has passed is one event.
    #[derive(Default)]
    struct Counts {
        left: u8,
        out: Vec<u8>,
        due: Option<Instant>,
    }

    impl Machine for Counts {
        type Event = u8;

        fn input(&mut self, data: &[u8]) -> Result<usize, Error> {
            assert_eq!(self.left, 0, "events are drained first");
            match data {
                [9, ..] => Err(Error::malformed("9")),
                [count, ..] => {
                    self.left = *count;
                    Ok(1)
                }
                [] => Ok(0),
            }
        }

        fn event(&mut self) -> Option<u8> {
            self.left = self.left.checked_sub(1)?;
            Some(self.left)
        }

        fn transmit(&mut self) -> &mut Vec<u8> {
            &mut self.out
        }

        fn deadline(&self) -> Option<Instant> {
            self.due
        }

        fn timeout(&mut self, now: Instant) {
            self.left += u8::from(self.due.take_if(|due| *due <= now).is_some());
        }
    }

    #[test]
    fn all_events_are_handed_on_until_one_ends_the_connection() {
        let mut machine = Counts::default();
        let mut seen = Vec::new();
        let mut step = |data: &[u8], last: u8| {
            drive(&mut machine, data, |machine, event| {
                seen.push(event);
                machine.out.push(event);
                if event == last { Err(Close::Done) } else { Ok(()) }
            })
        };
        assert_eq!(step(&[3, 2], 7), Ok(1));
        assert_eq!(step(&[0, 2], 7), Ok(1));
        assert_eq!(step(&[9], 7), Err(Error::malformed("9").into()));
        assert_eq!(step(&[4], 2), Err(Close::Done));
        assert_eq!((&seen[..], machine.out), (&[2, 1, 0, 3, 2][..], vec![2, 1, 0, 3, 2]));
    }

    #[test]
    fn a_machine_of_which_nothing_is_heard_acts_on_its_deadline() {
        let (_peer, mut conn) = pair();
        let mut machine = Counts { due: Some(Instant::now()), ..Counts::default() };
        let mut deadline = Deadline::default();
        let mut seen = Vec::new();
        let driven = poll_fn(|cx| {
            conn.poll_drive(cx, SHORT_READ, (&mut machine, &mut deadline), |_, event| {
                seen.push(event);
                Ok(())
            })
        });
        assert_eq!(crate::reactor::block_on(driven), Ok(0));
        assert_eq!((seen, machine.due), (vec![0], None));
    }
}
