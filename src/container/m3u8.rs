//! Media playlists. RFC 8216 section 4, and its second edition for low latency.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::wire::iso8601;

/// A segment's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the playlist.
    pub uri: String,
    /// What to read before it, relative to the playlist: EXT-X-MAP.
    pub map: Option<String>,
    /// How long it plays.
    pub duration: Duration,
    /// When its first frame was taken.
    pub begun: SystemTime,
    /// It does not continue the one before.
    pub discontinuity: bool,
    /// Decoding can begin with it.
    pub independent: bool,
    /// What it consists of, where that is told.
    pub parts: Vec<Part>,
}

/// A part of a segment: EXT-X-PART.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Relative to the playlist.
    pub uri: String,
    /// How long it plays.
    pub duration: Duration,
    /// Decoding can begin with it.
    pub independent: bool,
}

/// What a playlist says beyond its segments, for players that keep close to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowLatency {
    /// The longest part: PART-TARGET.
    pub part_target: Duration,
    /// Segments that a player has seen and that are so far from the end may be left
    /// out: CAN-SKIP-UNTIL.
    pub skip_until: Duration,
    /// How many are.
    pub skipped: usize,
    /// The parts so far of the segment that is not finished, with what stands before it.
    pub open: Option<Entry>,
    /// The part that comes next: EXT-X-PRELOAD-HINT.
    pub hint: Option<String>,
}

/// A playlist of a live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// EXT-X-TARGETDURATION in seconds.
    pub target: u64,
    /// How many of these before the end players begin: EXT-X-START. RFC 8216 section
    /// 6.3.3 has them begin `START` before it by themselves.
    pub start: u64,
    /// The number of the first entry.
    pub media_sequence: u64,
    /// How many discontinuities are gone with the entries before the first.
    pub discontinuity_sequence: u64,
    /// The entries, oldest first, those that are left out among them.
    pub entries: Vec<Entry>,
    /// Parts, where there are any.
    pub low_latency: Option<LowLatency>,
    /// Nothing will follow.
    pub ended: bool,
    /// What people should know; empty if there is nothing.
    pub note: &'static str,
}

/// Where players begin that are told nothing, in target durations before the end.
pub const START: u64 = 3;
/// A player keeps so many parts away from the end. Section 4.4.3.8 wants three.
const HOLD_BACK: u32 = 3;

impl Playlist {
    /// The text.
    pub fn write(&self) -> String {
        let parts: usize = self.entries.iter().map(|entry| entry.parts.len()).sum();
        let mut out = String::with_capacity(400 + 120 * self.entries.len() + 100 * parts);
        let skipped = self.low_latency.as_ref().map_or(0, |low| low.skipped);
        line(&mut out, format_args!("#EXTM3U\n#EXT-X-VERSION:{}", if skipped > 0 { 9 } else { 6 }));
        let open = self.low_latency.as_ref().and_then(|low| low.open.as_ref());
        if self.entries.iter().chain(open).all(|entry| entry.independent) {
            line(&mut out, format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
        }
        line(&mut out, format_args!("#EXT-X-TARGETDURATION:{}", self.target));
        if self.start != START && !self.ended {
            line(&mut out, format_args!("#EXT-X-START:TIME-OFFSET=-{}", self.start * self.target));
        }
        if !self.note.is_empty() {
            line(&mut out, format_args!("# {}", self.note));
        }
        if let Some(low) = &self.low_latency {
            low.write_control(&mut out);
        }
        line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence));
        if self.discontinuity_sequence > 0 {
            line(&mut out, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence));
        }
        if skipped > 0 {
            line(&mut out, format_args!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"));
        }
        // told again behind what is skipped: Shaka Player does not take it from the playlist before
        let mut map = None;
        for entry in self.entries.iter().skip(skipped) {
            entry.write_begin(&mut out, &mut map);
            line(&mut out, format_args!("#EXTINF:{},\n{}", Seconds(entry.duration), entry.uri));
        }
        let low = self.low_latency.as_ref().filter(|_| !self.ended);
        if let Some(open) = low.and_then(|low| low.open.as_ref()).filter(|open| !open.parts.is_empty()) {
            open.write_begin(&mut out, &mut map);
        }
        if let Some(hint) = low.and_then(|low| low.hint.as_ref()) {
            line(&mut out, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\""));
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

impl LowLatency {
    fn write_control(&self, out: &mut String) {
        let back = Seconds(self.part_target * HOLD_BACK);
        let skip = Seconds(self.skip_until);
        line(
            out,
            format_args!(
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={back},CAN-SKIP-UNTIL={skip}\n\
                 #EXT-X-PART-INF:PART-TARGET={}",
                Seconds(self.part_target)
            ),
        );
    }
}

impl Entry {
    /// What stands before the segment's own line. `map` is what applies so far.
    fn write_begin<'a>(&'a self, out: &mut String, map: &mut Option<&'a String>) {
        if self.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if let Some(uri) = self.map.as_ref().filter(|uri| *map != Some(*uri)) {
            line(out, format_args!("#EXT-X-MAP:URI=\"{uri}\""));
            *map = Some(uri);
        }
        line(out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(self.begun)));
        for part in &self.parts {
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            let duration = Seconds(part.duration);
            line(out, format_args!("#EXT-X-PART:DURATION={duration},URI=\"{}\"{independent}", part.uri));
        }
    }
}

/// Seconds with three digits behind the point.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // writing into a String does not fail
    let _ = writeln!(out, "{text}");
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn entry(uri: &str, discontinuity: bool) -> Entry {
        let duration = Duration::from_millis(2040);
        let (begun, independent, parts) = (UNIX_EPOCH, true, Vec::new());
        Entry { uri: uri.into(), map: None, duration, begun, discontinuity, independent, parts }
    }

    fn playlist(entries: Vec<Entry>) -> Playlist {
        let (target, media_sequence, discontinuity_sequence) = (3, 7, 1);
        let (start, low_latency, ended, note) = (START, None, true, "");
        Playlist { target, start, media_sequence, discontinuity_sequence, entries, low_latency, ended, note }
    }

    #[test]
    fn a_playlist_is_written_as_the_specification_has_it() {
        let expect = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:3\n\
            #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.040,\na.ts\n#EXT-X-DISCONTINUITY\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.040,\nb.ts\n#EXT-X-ENDLIST\n";
        assert_eq!(playlist(vec![entry("a.ts", false), entry("b.ts", true)]).write(), expect);
    }

    #[test]
    fn one_segment_that_begins_in_mid_group_makes_none_of_them_independent() {
        let with = |independent| Entry { independent, ..entry("b.ts", false) };
        let says = |text: &str| text.contains("#EXT-X-INDEPENDENT-SEGMENTS\n");
        assert!(says(&playlist(vec![entry("a.ts", false), with(true)]).write()));
        assert!(!says(&playlist(vec![entry("a.ts", false), with(false)]).write()));
    }

    #[test]
    fn players_are_told_where_to_begin_if_that_is_not_where_they_would() {
        let tag = |start, ended| {
            let text = Playlist { start, ended, ..playlist(vec![]) }.write();
            text.lines().find_map(|line| line.strip_prefix("#EXT-X-START:").map(str::to_string))
        };
        assert_eq!(tag(2, false).as_deref(), Some("TIME-OFFSET=-6"));
        assert_eq!((tag(START, false), tag(2, true)), (None, None));
    }

    #[test]
    fn parts_and_maps_stand_where_they_apply() {
        let part = |uri: &str, independent| Part { uri: uri.into(), duration: Duration::from_millis(200), independent };
        let with = |uri: &str, map: &str, parts| Entry { map: Some(map.into()), parts, ..entry(uri, false) };
        let entries = vec![
            with("a.m4s", "1.mp4", vec![]),
            with("b.m4s", "1.mp4", vec![]),
            with("c.m4s", "2.mp4", vec![part("c.0.m4s", true)]),
        ];
        let low = LowLatency {
            part_target: Duration::from_millis(200),
            skip_until: Duration::from_secs(18),
            skipped: 1,
            open: Some(with("d.m4s", "2.mp4", vec![part("d.0.m4s", false)])),
            hint: Some("d.1.m4s".into()),
        };
        let text = Playlist { low_latency: Some(low), ended: false, ..playlist(entries) }.write();
        let expect = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:3\n\
            #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.600,CAN-SKIP-UNTIL=18.000\n\
            #EXT-X-PART-INF:PART-TARGET=0.200\n\
            #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n\
            #EXT-X-MAP:URI=\"1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.040,\nb.m4s\n\
            #EXT-X-MAP:URI=\"2.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n\
            #EXT-X-PART:DURATION=0.200,URI=\"c.0.m4s\",INDEPENDENT=YES\n#EXTINF:2.040,\nc.m4s\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n\
            #EXT-X-PART:DURATION=0.200,URI=\"d.0.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"d.1.m4s\"\n";
        assert_eq!(text, expect);
    }
}
