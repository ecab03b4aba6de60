//! The packer of frames of all tracks, in the order of their arrival.

use super::clock::{Clock, Due};
use super::es::Coding;
use super::packet::{self, Adaptation, Cutter, SIZE};
use super::pes::{self, Times};
use super::psi::{Entry, Psi};
use crate::budget::{Account, BlockMut, OverBudget};
use crate::container::{Head, Mux, Packed};
use crate::media::{Frame, Hz, Kind, MAX_TRACKS, Ticks, Track, Tracks};

/// A transport stream of one program.
#[derive(Default)]
pub(super) struct Ts {
    psi: Psi,
    /// The time at which the tables were last sent, at 90 kHz.
    tables_sent: Option<i64>,
    clock: Clock,
    /// One lane for each PID from `FIRST_PID` on.
    lanes: [Lane; MAX_TRACKS + 1],
}

/// The state of a PID, which a track keeps even if its codec changes.
#[derive(Default)]
struct Lane {
    track: Option<(Kind, u8)>,
    /// `None` if the track is not carried.
    coding: Option<Coding>,
    /// continuity_counter of the next payload.
    counter: u8,
    /// The next packet does not continue those before.
    jumped: bool,
}

/// The packets that one frame takes, decided before anything is written.
struct Plan {
    lane: usize,
    clock_lane: usize,
    /// The decode time at 90 kHz.
    now: i64,
    /// True if the tables are due.
    tables: bool,
    references: Option<Due>,
    /// The adaptation field of the frame's first packet.
    first: Adaptation,
    head: Head,
    /// Bytes after `head`.
    len: usize,
}

impl Mux for Ts {
    fn carries(&self, track: &Track) -> bool {
        Coding::of(track).is_some()
    }

    /// Nothing: viewers begin with a packet that contains the tables.
    fn head(&self, _: &Tracks, _: Ticks) -> Packed {
        Vec::new().into()
    }

    fn announce(&mut self, tracks: &Tracks, _: &[&Track], at: Ticks) -> Packed {
        self.assign(tracks);
        let Some(clock_lane) = self.clock_lane() else { return Vec::new().into() };
        let lanes = self.lanes.iter().enumerate();
        let entries: Vec<_> = lanes.filter_map(|(at, lane)| lane.entry(pid(at))).collect();
        if !self.psi.set(pid(clock_lane), &entries) {
            return Vec::new().into();
        }
        self.tables_sent = Some(at.rescale(Hz::MS, Hz::MPEG).0);
        self.psi.next().to_vec().into()
    }

    fn discontinuity(&mut self) {
        self.tables_sent = None;
        self.clock.jump();
        for lane in &mut self.lanes {
            lane.jumped = true;
        }
    }

    fn frame(&mut self, track: &Track, frame: &Frame, account: &Account) -> Result<Option<Packed>, OverBudget> {
        self.plan(track, frame).map(|plan| self.pack(frame, plan, account)).transpose()
    }
}

impl Ts {
    /// Gives each carried track a lane, and frees the lanes of removed tracks.
    fn assign(&mut self, tracks: &Tracks) {
        for lane in &mut self.lanes {
            let track = lane.track.and_then(|(kind, id)| tracks.find(kind, id));
            lane.coding = track.and_then(Coding::of);
            if track.is_none() {
                lane.track = None;
            }
        }
        for track in tracks.iter() {
            let (kind, id) = (track.codec.kind(), track.id);
            let known = self.lanes.iter().any(|lane| lane.track == Some((kind, id)));
            if let (false, Some(coding)) = (known, Coding::of(track))
                && let Some(lane) = self.free(kind)
            {
                (lane.track, lane.coding) = (Some((kind, id)), Some(coding));
            }
        }
    }

    /// A free lane for a track: lane 0 for the first video track, lane 1 for the first audio track, or any after
    /// them.
    fn free(&mut self, kind: Kind) -> Option<&mut Lane> {
        let home = match kind {
            Kind::Video => 0,
            Kind::Audio => 1,
        };
        let fits = |at: usize, lane: &Lane| (at == home || at > 1) && lane.track.is_none();
        self.lanes.iter_mut().enumerate().find(|(at, lane)| fits(*at, lane)).map(|(_, lane)| lane)
    }

    /// The lane that carries the clock: the first with video, otherwise the first with audio.
    fn clock_lane(&self) -> Option<usize> {
        let first = |kind| self.lanes.iter().position(|lane| lane.carries(kind));
        first(Kind::Video).or_else(|| first(Kind::Audio))
    }

    /// Decides how to send `frame`; `None` if it is not carried or is damaged.
    fn plan(&self, track: &Track, frame: &Frame) -> Option<Plan> {
        let name = Some((track.codec.kind(), track.id));
        let at = self.lanes.iter().position(|lane| lane.track == name)?;
        let lane = self.lanes.get(at)?;
        let coding = lane.coding.as_ref()?;
        let video = frame.kind == Kind::Video;

        let now = frame.dts.rescale(track.clock, Hz::MPEG);
        let shown = (frame.dts + Ticks(frame.cts.into())).rescale(track.clock, Hz::MPEG);
        let times = Times { pts: (shown + DELAY).0, dts: (now + DELAY).0 };
        let now = now.0;
        let len = coding.len(frame)?;
        let head = pes::header(coding.stream_id(), times, len)?;

        let clock_lane = self.clock_lane()?;
        let has_clock = clock_lane == at;
        let references = self.clock.due(now, has_clock && video);
        let own = references.filter(|_| has_clock);
        let tables = video && frame.key
            || self.tables_sent.is_none_or(|tables_sent| now.abs_diff(tables_sent) >= TABLE_INTERVAL);
        Some(Plan {
            lane: at,
            clock_lane,
            now,
            tables,
            references,
            first: Adaptation {
                discontinuity: lane.jumped || own.is_some_and(|due| due.jump),
                random_access: frame.key && (video || own.is_some()),
                pcr: own.map(|due| due.at),
            },
            head,
            len,
        })
    }

    /// Writes the plan. Nothing changes if the account refuses.
    fn pack(&mut self, frame: &Frame, plan: Plan, account: &Account) -> Result<Packed, OverBudget> {
        let tables = if plan.tables { self.psi.len() } else { 0 };
        let pictures = self.lanes.iter().any(|lane| lane.carries(Kind::Video));
        let opens = plan.tables && (!pictures || frame.kind == Kind::Video && frame.key);
        let size = plan.packets().saturating_mul(SIZE).saturating_add(tables);
        let mut out = BlockMut::new(account, size)?;
        if plan.tables {
            out.fill(self.psi.next());
            self.tables_sent = Some(plan.now);
        }
        if let Some(due) = plan.references {
            let next = self.lanes.get(plan.clock_lane).map_or(0, |lane| lane.counter);
            for pcr in due.alone(plan.has_clock()) {
                let adaptation = Adaptation { discontinuity: due.jump, random_access: false, pcr: Some(pcr) };
                packet::lone(&mut out, pid(plan.clock_lane), next, adaptation);
            }
            self.clock.sent(due);
        }
        if let Some(lane) = self.lanes.get_mut(plan.lane) {
            lane.pack(frame, &plan, &mut out);
        }
        Ok(Packed::whole(out.freeze()).with_start(opens))
    }
}

impl Plan {
    fn has_clock(&self) -> bool {
        self.lane == self.clock_lane
    }

    /// Bytes of the PES packet.
    fn len(&self) -> usize {
        self.head.bytes().len().saturating_add(self.len)
    }

    /// The number of packets, without those of the tables.
    fn packets(&self) -> usize {
        let alone = self.references.map_or(0, |due| due.alone(self.has_clock()).len());
        alone + packet::count(self.len(), &self.first)
    }
}

impl Lane {
    fn carries(&self, kind: Kind) -> bool {
        self.coding.is_some() && self.track.is_some_and(|track| track.0 == kind)
    }

    fn entry(&self, pid: u16) -> Option<Entry<'_>> {
        let coding = self.coding.as_ref()?;
        Some(Entry { pid, stream_type: coding.stream_type(), descriptors: coding.descriptors() })
    }

    fn pack(&mut self, frame: &Frame, plan: &Plan, out: &mut BlockMut) {
        let Some(coding) = &self.coding else { return };
        let mut cutter = Cutter::new(out, pid(plan.lane), &mut self.counter, plan.first, plan.len());
        cutter.put(plan.head.bytes());
        coding.write(frame, |piece| cutter.put(piece));
        self.jumped = false;
    }
}

/// The PID of the lane at `at`.
fn pid(at: usize) -> u16 {
    FIRST_PID + at as u16
}

/// The PID of the first video track. The first audio track has the next one, and all other tracks follow.
const FIRST_PID: u16 = 0x100;
/// The delay of presentation after the clock: 700 ms, for tracks that are not in step and for decoders that buffer
/// frames.
const DELAY: Ticks = Ticks(63_000);
/// The maximum interval between tables: 500 ms.
const TABLE_INTERVAL: u64 = 45_000;
