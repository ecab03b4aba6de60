use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use smol::future::{or, zip};

use super::*;
use crate::reactor::woken::Woken;

const SOON: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_secs(20);

fn connected() -> (TcpStream, Async<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (peer, Async::new(listener.accept().unwrap().0).unwrap())
}

/// Reads until there is nothing left.
fn drain(socket: &Async<TcpStream>) -> usize {
    let (mut socket, mut buffer, mut bytes) = (socket.get_ref(), [0; 7], 0);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(read) => bytes += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The result, if it arrives before `LATE`.
async fn in_time<T>(future: impl Future<Output = T>) -> Option<T> {
    or(async { Some(future.await) }, async {
        Timer::after(LATE).await;
        None
    })
    .await
}

#[test]
fn each_change_of_a_socket_is_told_once() {
    block_on(async {
        let (mut peer, socket) = connected();
        for round in 1..9 {
            peer.write_all(&vec![0; round]).unwrap();
            in_time(socket.readable()).await.expect("a change").unwrap();
            assert_eq!(drain(&socket), round);
            let again = or(async { socket.readable().await.is_ok() }, async {
                Timer::after(SOON).await;
                false
            });
            assert!(!again.await, "there is no change");
        }
    });
}

#[test]
fn the_end_is_told_for_ever_though_it_came_with_the_last_bytes() {
    block_on(async {
        let (mut peer, socket) = connected();
        peer.write_all(b"bye").unwrap();
        drop(peer);
        for _ in 0..3 {
            in_time(socket.readable()).await.expect("the end").unwrap();
        }
        assert_eq!(drain(&socket), 3);
        in_time(socket.readable()).await.expect("the end").unwrap();
    });
}

#[test]
fn who_waits_to_write_is_told_of_room() {
    block_on(async {
        let (mut peer, socket) = connected();
        let all = 32 << 20;
        let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()).unwrap());
        let (data, mut sent, mut waits) = (vec![0; 1 << 20], 0, 0);
        while sent < all {
            match socket.get_ref().write(&data[..data.len().min(all - sent)]) {
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    waits += 1;
                    in_time(socket.writable()).await.expect("room").unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        drop(socket);
        assert_eq!(reader.join().unwrap(), all as u64);
        assert!(waits > 0);
    });
}

/// The number of waits that end while `work` is done.
fn waits_during(work: impl FnOnce()) -> usize {
    let mut events = Vec::with_capacity(MAX_EVENTS);
    let reactor = Reactor::current();
    let begun = Instant::now();
    let mut waits = 0;
    work();
    loop {
        events.clear();
        let soon = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        if epoll::wait(&reactor.epoll, spare_capacity(&mut events), Some(&soon)).unwrap() == 0 {
            return waits;
        }
        assert!(begun.elapsed() < LATE);
        waits += 1;
        events.iter().for_each(|event| reactor.changed(event.data.u64(), event.flags));
    }
}

#[test]
fn what_nobody_waits_for_wakes_no_thread() {
    block_on(async {
        let (mut peer, socket) = connected();
        let noop = &mut Context::from_waker(Waker::noop());
        assert!(socket.poll_readable(noop).is_pending());
        assert_eq!(waits_during(|| peer.write_all(b"1").unwrap()), 1);
        assert_eq!(waits_during(|| peer.write_all(b"2").unwrap()), 1, "it is the last");
        assert_eq!(waits_during(|| peer.write_all(b"3").unwrap()), 0);
        in_time(socket.readable()).await.expect("there was a change").unwrap();
        assert_eq!(drain(&socket), 3);
        peer.write_all(b"4").unwrap();
        in_time(socket.readable()).await.expect("it waits again").unwrap();
        drain(&socket);
        assert!(socket.poll_readable(noop).is_pending());
        drop(peer);
        in_time(socket.readable()).await.expect("the end").unwrap();
    });
}

#[test]
fn datagrams_that_have_left_wake_nobody() {
    block_on(async {
        let socket = Async::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let to = socket.get_ref().local_addr().unwrap();
        in_time(socket.writable()).await.expect("room").unwrap();
        let send = |_| assert_eq!(socket.get_ref().send_to(b"to myself", to).unwrap(), 9);
        waits_during(|| (0..2).for_each(send));
        assert_eq!(waits_during(|| (0..20).for_each(send)), 0);
        in_time(socket.readable()).await.expect("datagrams").unwrap();
    });
}

#[test]
fn a_socket_that_has_the_place_of_another_is_not_told_of_that_ones_changes() {
    let mut sources = Sources::default();
    let source = || Arc::new(source::Source::new(connected().0));
    let first = sources.enter(source());
    sources.leave(first);
    let second = sources.enter(source());
    assert_eq!(first as u32, second as u32, "it is the same place");
    assert!(sources.get(first).is_none() && sources.get(second).is_some());
}

#[test]
fn timers_end_in_their_order_and_not_early() {
    block_on(async {
        let begun = Instant::now();
        let timer = |ms| async move {
            Timer::after(Duration::from_millis(ms)).await;
            begun.elapsed()
        };
        let ((long, short), none) = zip(zip(timer(30), timer(10)), timer(0)).await;
        assert!(
            none <= short && short <= long && long >= Duration::from_millis(30) && short >= Duration::from_millis(10)
        );
        let never = async {
            Timer::after(Duration::MAX).await;
            true
        };
        assert!(!or(never, async { timer(5).await.is_zero() }).await);
    });
}

#[test]
fn a_timer_wakes_the_task_that_waited_last() {
    let woken = Arc::new(Woken::default());
    block_on(async {
        let mut timer = pin!(Timer::after(Duration::from_millis(10)));
        assert!(timer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let waker = Waker::from(woken.clone());
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let dropped = Timer::after(Duration::ZERO);
        drop(dropped);
        Timer::after(SOON).await;
    });
    assert_eq!(woken.times(), 1);
}

#[test]
fn another_thread_ends_a_wait() {
    let (sender, wakers) = mpsc::sync_channel::<Waker>(1);
    let waking = std::thread::spawn(move || wakers.iter().for_each(Waker::wake));
    block_on(in_time(async {
        for _ in 0..10_000 {
            let mut asked = false;
            std::future::poll_fn(|cx| {
                if std::mem::replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                sender.send(cx.waker().clone()).unwrap();
                Poll::Pending
            })
            .await;
        }
        drop(sender);
    }))
    .expect("no wake-up is lost");
    waking.join().unwrap();
}

#[test]
fn a_timer_that_another_thread_sets_is_not_slept_over() {
    let (sender, reactors) = mpsc::sync_channel::<Arc<Reactor>>(1);
    let (done, ended) = smol::channel::bounded::<()>(1);
    let thread = std::thread::spawn(move || {
        block_on(async {
            sender.send(Reactor::current()).unwrap();
            in_time(ended.recv()).await.expect("it waits for the timer")
        })
    });
    let reactor = reactors.recv().unwrap();
    OWN.with_borrow_mut(|own| *own = Some(reactor));
    // this thread never waits: the other one fires it
    smol::block_on(async {
        Timer::after(SOON).await;
        done.send(()).await.unwrap();
    });
    thread.join().unwrap().unwrap();
}

#[test]
fn other_executors_have_a_thread_that_waits_for_them() {
    smol::block_on(async {
        let (mut peer, socket) = connected();
        let (_, ready) = zip(Timer::after(SOON), async {
            peer.write_all(b"x").unwrap();
            in_time(socket.readable()).await
        })
        .await;
        ready.expect("a change").unwrap();
    });
}

#[test]
fn a_thread_that_drives_no_more_is_waited_for_by_another() {
    block_on(block_on_within());
    let (mut peer, socket) = connected();
    peer.write_all(b"x").unwrap();
    smol::block_on(async {
        Timer::after(SOON).await;
        in_time(socket.readable()).await.expect("a change").unwrap();
    });
}

/// A task that is woken while another future runs on this thread is not missed.
async fn block_on_within() {
    let woken = async {
        smol::future::yield_now().await;
        block_on(Timer::after(SOON));
    };
    in_time(zip(woken, smol::future::yield_now())).await.expect("both end");
}
