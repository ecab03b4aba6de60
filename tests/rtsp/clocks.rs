//! Pictures and sound stay together by what sender reports say, however wrong
//! the clocks of the tracks and of the day are.

use std::time::Duration;

use runnel::media::{Hz, Kind};
use runnel::proto::rtp::rtcp::{Ntp, Sent, write_sender_report};
use runnel::proto::rtp::{Format, header};

use crate::receiver::{Receiver, micros};
use crate::source::Packet;

/// A track of a sender whose clocks are wrong in every way.
#[derive(Clone)]
struct Lane {
    channel: u8,
    payload_type: u8,
    clock: u32,
    /// Milliseconds between two packets.
    step: u64,
    payload: &'static [u8],
    ssrc: u32,
    /// Ticks at the time 0.
    origin: u32,
    /// The time from a packet's making to its arrival, in milliseconds.
    late: u64,
    sequence: u16,
}

/// The time of day at the time 0, in seconds since 1900.
const NOW: u64 = 3_900_000_000;
/// The same of a device that nobody has told it.
const UNKNOWN: u64 = 2_208_988_800;

fn pictures() -> Lane {
    let payload = &[0x41, 0x9a, 9, 9];
    let (channel, payload_type, clock, step) = (0, 96, 90_000, 40);
    Lane { channel, payload_type, clock, step, payload, ssrc: 1, origin: 1_000_000, late: 0, sequence: 0 }
}

/// Sound, which is 80 ms behind.
fn sound() -> Lane {
    let (channel, payload_type, clock, step) = (2, 0, 8000, 20);
    Lane { channel, payload_type, clock, step, payload: &[0xd5; 160], ssrc: 2, origin: 77, late: 80, sequence: 0 }
}

impl Lane {
    fn ticks(&self, ms: u64) -> u32 {
        self.origin.wrapping_add((ms * u64::from(self.clock) / 1000) as u32)
    }

    /// The packets that are made in a range of milliseconds.
    fn packets(&mut self, range: std::ops::Range<u64>) -> Vec<Packet> {
        let mut all = Vec::new();
        for ms in range.step_by(self.step as usize) {
            self.sequence += 1;
            let head = header(self.payload_type, true, self.sequence, self.ticks(ms), self.ssrc);
            let data = [&head[..], self.payload].concat();
            all.push(Packet { at: Duration::from_millis(ms + self.late), channel: self.channel, data });
        }
        all
    }

    /// A report made at `ms`, where the day began at `day`.
    fn report(&self, ms: u64, day: u64) -> Packet {
        let ntp = Ntp((day << 32) + (ms << 32) / 1000);
        let mut data = Vec::new();
        write_sender_report(&mut data, self.ssrc, ntp, self.ticks(ms), Sent::default());
        Packet { at: Duration::from_millis(ms + self.late), channel: self.channel + 1, data }
    }
}

fn formats() -> [Format; 2] {
    let sets = "Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aO+Pyw==";
    let format = |payload_type, encoding: &str, clock, fmtp| Format {
        payload_type,
        encoding: encoding.into(),
        clock: Hz::new(clock),
        channels: 1,
        fmtp,
    };
    let video = format(96, "H264", 90_000, vec![("sprop-parameter-sets".into(), sets.into())]);
    [video, format(0, "PCMU", 8000, Vec::new())]
}

/// The frames of packets in the order of their arrival.
fn received(parts: impl IntoIterator<Item = Vec<Packet>>) -> Receiver {
    received_by(Receiver::new(&formats()), parts)
}

fn received_by(mut receiver: Receiver, parts: impl IntoIterator<Item = Vec<Packet>>) -> Receiver {
    let mut packets: Vec<_> = parts.into_iter().flatten().collect();
    packets.sort_by_key(|packet| packet.at);
    receiver.receive(&packets);
    receiver
}

/// The time by which the `n`-th last sound is behind the pictures, in milliseconds.
fn lateness(receiver: &Receiver, n: usize) -> i64 {
    let (pictures, sounds) = (receiver.frames(Kind::Video), receiver.frames(Kind::Audio));
    let (last, number) = (sounds.len() - 1 - n, (sounds.len() - 1 - n) / 2);
    let expected = 20 * (last % 2) as i64;
    let picture = micros(pictures[number], Hz::MPEG);
    (micros(sounds[last], Hz::new(8000)) - picture + 500).div_euclid(1000) - expected
}

/// No time is hours away from when its frame came.
fn sane(receiver: &Receiver) {
    for (kind, clock) in [(Kind::Video, Hz::MPEG), (Kind::Audio, Hz::new(8000))] {
        let times: Vec<_> = receiver.frames(kind).iter().map(|frame| micros(frame, clock)).collect();
        let span = times.iter().max().unwrap() - times.iter().min().unwrap();
        assert!(span < 30_000_000, "{kind:?} is spread over {} s", span / 1_000_000);
        assert!(times.iter().all(|time| (0..60_000_000).contains(time)), "{kind:?} begins at {} us", times[0]);
    }
}

fn together(receiver: &Receiver, what: &str) {
    sane(receiver);
    let late = lateness(receiver, 4);
    assert!(late.abs() <= 1, "{what}: sound is {late} ms late");
}

#[test]
fn without_reports_tracks_are_placed_by_arrival() {
    let receiver = received([pictures().packets(0..6000), sound().packets(0..6000)]);
    sane(&receiver);
    assert_eq!(lateness(&receiver, 4), 80);
}

#[test]
fn reports_before_the_first_packets_place_them() {
    let (video, audio) = (pictures(), sound());
    let reports = vec![video.report(0, NOW), audio.report(0, NOW)];
    let receiver = received([reports, pictures().packets(0..2000), sound().packets(0..2000)]);
    together(&receiver, "reports first");
    assert!(lateness(&receiver, 90).abs() <= 1, "from the start");
}

#[test]
fn reports_of_a_sender_without_a_clock_place_nothing() {
    let (video, audio) = (pictures(), sound());
    let mut reports = vec![video.report(1000, NOW), audio.report(3000, NOW), video.report(4000, NOW)];
    reports.iter_mut().for_each(|report| report.data[8..16].fill(0));
    let receiver = received([reports, pictures().packets(0..6000), sound().packets(0..6000)]);
    sane(&receiver);
    assert_eq!(lateness(&receiver, 4), 80);
}

#[test]
fn reports_that_come_late_move_sound_to_its_place() {
    for origin in [0, 77, 0x7fff_ffff, 0x9000_0000, u32::MAX - 8000] {
        for day in [NOW, UNKNOWN, 5] {
            let (mut video, mut audio) = (pictures(), Lane { origin, ..sound() });
            let reports = vec![video.report(5000, day), audio.report(5300, day)];
            let receiver = received([video.packets(0..8000), audio.packets(0..8000), reports]);
            assert_eq!(lateness(&receiver, 300), 80);
            together(&receiver, &format!("sound begins at {origin:#x}"));
        }
    }
}

#[test]
fn a_time_of_day_that_is_set_moves_nothing() {
    // the pictures' report knows it before that of sound; or sound's is wrong now and then
    for days in [[0, 0, 3, 3, 3, 3], [0, 0, 0, 3, 0, 0], [0, 3, 0, 0, 0, 3]] {
        let (mut video, mut audio) = (pictures(), Lane { late: 0, ..sound() });
        let mut reports = Vec::new();
        for (ms, days) in [2000, 4000, 6000].into_iter().zip(days.chunks(2)) {
            reports.extend([video.report(ms, NOW + days[0]), audio.report(ms + 300, NOW + days[1])]);
        }
        let receiver = received([video.packets(0..9000), audio.packets(0..9000), reports]);
        let first = usize::from(days[1] != days[0]);
        assert!(receiver.moves.len() <= first, "{days:?}: {:?}", receiver.moves);
    }
}

#[test]
fn what_reports_move_at_once_is_told() {
    for late in [2000, 0] {
        let (mut video, mut audio) = (pictures(), Lane { late, ..sound() });
        let reports = vec![video.report(5000, NOW), audio.report(5000, NOW)];
        let receiver = received([video.packets(0..8000), audio.packets(0..8000), reports]);
        let told = &receiver.moves;
        assert_eq!(told.len(), usize::from(late > 0), "{told:?}");
        assert!(told.iter().all(|(kind, by)| *kind == Kind::Audio && (by + 16_000).abs() <= 8), "{told:?}");
        // what was told is where sound leaps
        let sounds = receiver.frames(Kind::Audio);
        let back = sounds.windows(2).filter(|pair| pair[1].dts < pair[0].dts).count();
        assert_eq!(back, told.len());
    }
}

#[test]
fn what_the_server_says_of_the_beginning_places_tracks_until_reports_come() {
    let (mut video, mut audio) = (pictures(), sound());
    let mut receiver = Receiver::new(&formats());
    // 30 ms off
    receiver.begin_at([video.ticks(0), audio.ticks(30)]);
    let reports = vec![video.report(3000, NOW), audio.report(3000, NOW)];
    let receiver = received_by(receiver, [video.packets(0..6000), audio.packets(0..6000), reports]);
    assert!((lateness(&receiver, 290) + 30).abs() <= 1, "{}", lateness(&receiver, 290));
    together(&receiver, "reports came");
}

#[test]
fn a_report_of_one_track_alone_leaves_the_beginning_to_both() {
    for own in [true, false] {
        let (mut video, mut audio) = (pictures(), sound());
        let mut receiver = Receiver::new(&formats());
        receiver.begin_at([video.ticks(0), audio.ticks(0)]);
        let report = if own { audio.report(0, NOW) } else { video.report(0, NOW) };
        let parts = [vec![report], video.packets(0..2000), audio.packets(0..2000)];
        let receiver = received_by(receiver, parts);
        assert!(lateness(&receiver, 90).abs() <= 1, "{own}: {}", lateness(&receiver, 90));
        together(&receiver, "the whole time");
    }
}

#[test]
fn a_beginning_that_lies_is_not_believed() {
    let (mut video, mut audio) = (pictures(), sound());
    let mut receiver = Receiver::new(&formats());
    receiver.begin_at([1, 1]);
    let receiver = received_by(receiver, [video.packets(0..3000), audio.packets(0..3000)]);
    sane(&receiver);
    assert_eq!(lateness(&receiver, 4), 80);
}

#[test]
fn reports_of_one_track_alone_move_nothing() {
    for own in [true, false] {
        let (mut video, mut audio) = (pictures(), sound());
        let report = if own { audio.report(3000, NOW) } else { video.report(3000, NOW) };
        let receiver = received([video.packets(0..6000), audio.packets(0..6000), vec![report]]);
        assert_eq!(lateness(&receiver, 4), 80);
    }
}

#[test]
fn a_report_behind_the_wrap_of_a_timestamp_does_not_move_time_by_hours() {
    for which in [0, 1] {
        for ahead in [-100, 20, 40] {
            let (mut video, mut audio) = (pictures(), sound());
            let lane = if which == 0 { &mut video } else { &mut audio };
            // the clock wraps at 4 s, the report is just before or behind
            lane.origin = 0u32.wrapping_sub(4 * lane.clock);
            let at = (4000 + ahead) as u64;
            let reports = vec![video.report(at, NOW), audio.report(at, NOW), video.report(7000, NOW)];
            let receiver = received([video.packets(0..8000), audio.packets(0..8000), reports]);
            together(&receiver, &format!("track {which}, {ahead} ms from the wrap"));
        }
    }
}

#[test]
fn a_wrap_between_a_report_and_the_first_packet_does_not_move_time_by_hours() {
    for which in [0, 1] {
        let (mut video, mut audio) = (pictures(), sound());
        let lane = if which == 0 { &mut video } else { &mut audio };
        lane.origin = 0u32.wrapping_sub(lane.clock / 100);
        let reports = vec![video.report(0, NOW), audio.report(0, NOW)];
        let receiver = received([reports, video.packets(40..4000), audio.packets(40..4000)]);
        together(&receiver, &format!("track {which}"));
    }
}

#[test]
fn a_time_of_day_that_jumps_between_two_reports_is_ignored() {
    let (mut video, mut audio) = (pictures(), sound());
    let reports = vec![video.report(2000, UNKNOWN), audio.report(3000, NOW)];
    let receiver = received([video.packets(0..6000), audio.packets(0..6000), reports]);
    sane(&receiver);
    assert_eq!(lateness(&receiver, 4), 80, "as before");
    // once both know what time it is, they are together
    let (mut video, mut audio) = (pictures(), sound());
    let reports = vec![video.report(2000, UNKNOWN), audio.report(3000, NOW), video.report(4000, NOW)];
    together(&received([video.packets(0..6000), audio.packets(0..6000), reports]), "after the jump");
}

#[test]
fn a_time_of_day_that_jumps_before_the_first_sound_is_ignored() {
    let (mut video, mut audio) = (pictures(), sound());
    let reports = vec![video.report(0, UNKNOWN), audio.report(80, NOW)];
    let receiver = received([video.packets(0..6000), audio.packets(120..6000), reports]);
    sane(&receiver);
}

#[test]
fn reports_of_strangers_are_passed_over() {
    let (mut video, mut audio) = (pictures(), sound());
    let stranger = Lane { ssrc: 99, origin: 5, ..sound() };
    let reports = vec![video.report(2000, NOW), stranger.report(2500, NOW)];
    let receiver = received([video.packets(0..6000), audio.packets(0..6000), reports]);
    assert_eq!(lateness(&receiver, 4), 80);
}

#[test]
fn a_report_of_the_sender_before_does_not_place_the_next() {
    for which in [0, 1] {
        let (mut video, mut audio) = (pictures(), sound());
        let before = [video.packets(0..4000), audio.packets(0..4000)];
        let early = vec![video.report(1000, NOW), audio.report(1000, NOW)];
        let lane = if which == 0 { &mut video } else { &mut audio };
        (lane.ssrc, lane.origin) = (lane.ssrc + 10, 0xc000_0000);
        let after = [video.packets(4000..10_000), audio.packets(4000..10_000)];
        let late = vec![video.report(7000, NOW), audio.report(7000, NOW)];
        let receiver = received(before.into_iter().chain(after).chain([early, late]));
        together(&receiver, &format!("track {which}"));
    }
}

/// Reports of the next sender come just before its first packet, and no others do.
#[test]
fn a_report_of_the_next_sender_is_believed_with_its_first_packet() {
    let (mut video, mut audio) = (pictures(), sound());
    let mut parts = vec![video.packets(0..1000), audio.packets(0..1000)];
    for second in 1..8 {
        for lane in [&mut video, &mut audio] {
            lane.ssrc += 10;
            parts.push(vec![lane.report(1000 * second, NOW)]);
            parts.push(lane.packets(1000 * second..1000 * (second + 1)));
        }
    }
    let receiver = received(parts);
    together(&receiver, "an SSRC each second");
    let times: Vec<_> = receiver.frames(Kind::Video).iter().map(|frame| frame.dts.0).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{times:?}");
}

/// A clock that is set back or on by more than time passed is another.
#[test]
fn a_sender_whose_clock_does_not_go_on_is_placed_by_arrival() {
    for step in [-90_000 * 60, -90_000 * 2, 90_000 * 2, 90_000 * 60_i32] {
        let mut video = pictures();
        let before = video.packets(0..4000);
        (video.ssrc, video.origin) = (video.ssrc + 1, video.origin.wrapping_add_signed(step));
        let receiver = received([before, video.packets(4000..8000)]);
        let times: Vec<_> = receiver.frames(Kind::Video).iter().map(|frame| frame.dts.0).collect();
        assert!(times.len() == 200 && times.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{step}: {times:?}");
    }
}

#[test]
fn tracks_that_begin_behind_a_loss_are_placed_by_reports_too() {
    let (mut video, mut audio) = (pictures(), sound());
    // of the first picture one fragment is there and another is not
    let mut packets = video.packets(0..8000);
    packets[0].data.truncate(12);
    packets[0].data.extend([0x7c, 0x81, 9]);
    packets.remove(1);
    // and of sound the first packet is empty
    let mut sounds = audio.packets(0..8000);
    sounds[0].data.truncate(12);
    sounds.remove(1);
    let reports = vec![video.report(4000, NOW), audio.report(4000, NOW)];
    let receiver = received([packets, sounds, reports]);
    sane(&receiver);
    let (pictures, sounds) = (receiver.frames(Kind::Video), receiver.frames(Kind::Audio));
    let late = micros(sounds[sounds.len() - 2], Hz::new(8000)) - micros(pictures[pictures.len() - 1], Hz::MPEG);
    assert!(late.abs() <= 1000, "sound is {late} us late");
}

#[test]
fn a_drift_is_put_up_with_until_it_is_heard() {
    // the sound's clock is slow by 3 %: after 10 s it is 300 ms behind
    let (mut video, mut audio) = (pictures(), sound());
    let mut sounds = audio.packets(0..10_000);
    sounds.iter_mut().for_each(|packet| packet.at = packet.at * 103 / 100);
    let reports = (1..=5).flat_map(|n| {
        let mut report = audio.report(2000 * n * 100 / 103, NOW);
        let day = Ntp((NOW << 32) + ((2000 * n) << 32) / 1000);
        report.data[8..16].copy_from_slice(&day.0.to_be_bytes());
        report.at = Duration::from_millis(2000 * n);
        [video.report(2000 * n, NOW), report]
    });
    let reports = reports.collect();
    let receiver = received([video.packets(0..10_300), sounds, reports]);
    sane(&receiver);
    let (pictures, sounds) = (receiver.frames(Kind::Video), receiver.frames(Kind::Audio));
    let late = micros(pictures[pictures.len() - 1], Hz::MPEG) - micros(sounds[sounds.len() - 1], Hz::new(8000));
    assert!(late.abs() <= 200_000, "sound is {late} us early");
}
