//! Media playlists. RFC 8216 section 4, and its second edition for low latency.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use crate::wire::{Percent, iso8601};

/// A file's name, relative to the playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// The name without extension.
    pub stem: &'a str,
    /// The number of a part, which is written after the stem.
    pub part: Option<usize>,
    /// The extension, with its dot.
    pub extension: &'a str,
}

/// A segment's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The segment's name. The names of its parts begin with it.
    pub uri: Uri<'a>,
    /// The initialization file: EXT-X-MAP.
    pub map: Option<&'a str>,
    /// The segment's duration.
    pub duration: Duration,
    /// The wall-clock time at which its first frame was received: EXT-X-PROGRAM-DATE-TIME.
    pub begun: SystemTime,
    /// It does not continue the segment before.
    pub discontinuity: bool,
    /// Decoding can begin with this segment.
    pub independent: bool,
    /// Its parts; none if the playlist does not list them.
    pub parts: Vec<Part>,
}

/// A part of a segment: EXT-X-PART.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The part's duration.
    pub duration: Duration,
    /// Decoding can begin with this part.
    pub independent: bool,
}

/// The additional fields of a low-latency playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowLatency<'a> {
    /// The duration of the longest part: PART-TARGET.
    pub part_target: Duration,
    /// Segments farther from the end than this may be left out for a player that has read them: CAN-SKIP-UNTIL.
    pub skip_until: Duration,
    /// The number of entries left out: SKIPPED-SEGMENTS.
    pub skipped: usize,
    /// The segment that is not finished, with its parts so far. EXT-X-PRELOAD-HINT names its next part.
    pub open: Option<Entry<'a>>,
}

/// The playlist of a live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist<'a> {
    /// EXT-X-TARGETDURATION in seconds.
    pub target: u64,
    /// The players' start, in target durations before the end: EXT-X-START. It is written only if it differs from
    /// [`START`].
    pub start: u64,
    /// The sequence number of the first entry.
    pub media_sequence: u64,
    /// The number of discontinuities in the entries that were removed.
    pub discontinuity_sequence: u64,
    /// The entries, oldest first, including those that are left out.
    pub entries: Vec<Entry<'a>>,
    /// The fields for low latency, if the playlist has parts.
    pub low_latency: Option<LowLatency<'a>>,
    /// No entries will follow: EXT-X-ENDLIST.
    pub ended: bool,
    /// A comment for readers of the playlist; empty if there is none.
    pub note: &'static str,
}

/// The default start of players, in target durations before the end. RFC 8216 section 6.3.3.
pub const START: u64 = 3;
/// The distance of a player from the end, in parts. Section 4.4.3.8 recommends at least three.
const HOLD_BACK: u32 = 3;

impl Playlist<'_> {
    /// Writes the playlist, with `mark` after the name of each file.
    pub fn write(&self, out: &mut dyn Write, mark: &str) -> fmt::Result {
        let skipped = self.low_latency.as_ref().map_or(0, |low| low.skipped);
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{}", if skipped > 0 { 9 } else { 6 })?;
        let open = self.low_latency.as_ref().and_then(|low| low.open.as_ref());
        if self.entries.iter().chain(open).all(|entry| entry.independent) {
            writeln!(out, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        writeln!(out, "#EXT-X-TARGETDURATION:{}", self.target)?;
        if self.start != START && !self.ended {
            writeln!(out, "#EXT-X-START:TIME-OFFSET=-{}", self.start * self.target)?;
        }
        if !self.note.is_empty() {
            writeln!(out, "# {}", self.note)?;
        }
        if let Some(low) = &self.low_latency {
            low.write_control(out)?;
        }
        writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence)?;
        if self.discontinuity_sequence > 0 {
            writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        }
        if skipped > 0 {
            writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        // written again after skipped entries: Shaka Player does not keep it from the previous playlist
        let mut map = None;
        for entry in self.entries.iter().skip(skipped) {
            entry.write_begin(out, mark, &mut map)?;
            writeln!(out, "#EXTINF:{},\n{}{mark}", Seconds(entry.duration), entry.uri)?;
        }
        if let Some(open) = open.filter(|_| !self.ended) {
            if !open.parts.is_empty() {
                open.write_begin(out, mark, &mut map)?;
            }
            let next = open.part(open.parts.len());
            writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}{mark}\"")?;
        }
        if self.ended {
            writeln!(out, "#EXT-X-ENDLIST")?;
        }
        Ok(())
    }
}

impl LowLatency<'_> {
    fn write_control(&self, out: &mut dyn Write) -> fmt::Result {
        let back = Seconds(self.part_target * HOLD_BACK);
        let skip = Seconds(self.skip_until);
        writeln!(
            out,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={back},CAN-SKIP-UNTIL={skip}\n\
             #EXT-X-PART-INF:PART-TARGET={}",
            Seconds(self.part_target)
        )
    }
}

impl<'a> Entry<'a> {
    /// Writes the tags before the segment's own line. `map` is the EXT-X-MAP in effect.
    fn write_begin(&self, out: &mut dyn Write, mark: &str, map: &mut Option<&'a str>) -> fmt::Result {
        if self.discontinuity {
            writeln!(out, "#EXT-X-DISCONTINUITY")?;
        }
        if let Some(file) = self.map.filter(|file| *map != Some(*file)) {
            writeln!(out, "#EXT-X-MAP:URI=\"{}{mark}\"", Percent(file))?;
            *map = Some(file);
        }
        writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(self.begun))?;
        self.parts.iter().enumerate().try_for_each(|(at, part)| {
            let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
            let (duration, uri) = (Seconds(part.duration), self.part(at));
            writeln!(out, "#EXT-X-PART:DURATION={duration},URI=\"{uri}{mark}\"{independent}")
        })
    }

    fn part(&self, number: usize) -> Uri<'a> {
        Uri { part: Some(number), ..self.uri }
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Percent(self.stem))?;
        self.part.map_or(Ok(()), |part| write!(f, ".{part}"))?;
        f.write_str(self.extension)
    }
}

/// Seconds with three decimal places.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn entry(uri: &str, discontinuity: bool) -> Entry<'_> {
        let duration = Duration::from_millis(2040);
        let (begun, independent, parts) = (UNIX_EPOCH, true, Vec::new());
        let (stem, extension) = uri.split_at(uri.find('.').unwrap());
        let uri = Uri { stem, part: None, extension };
        Entry { uri, map: None, duration, begun, discontinuity, independent, parts }
    }

    fn text(playlist: &Playlist<'_>) -> String {
        let mut text = String::new();
        playlist.write(&mut text, "").unwrap();
        text
    }

    fn playlist(entries: Vec<Entry<'_>>) -> Playlist<'_> {
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
        assert_eq!(text(&playlist(vec![entry("a.ts", false), entry("b.ts", true)])), expect);
    }

    #[test]
    fn one_segment_that_begins_in_mid_group_makes_none_of_them_independent() {
        let with = |independent| Entry { independent, ..entry("b.ts", false) };
        let says = |text: &str| text.contains("#EXT-X-INDEPENDENT-SEGMENTS\n");
        assert!(says(&text(&playlist(vec![entry("a.ts", false), with(true)]))));
        assert!(!says(&text(&playlist(vec![entry("a.ts", false), with(false)]))));
    }

    #[test]
    fn players_are_told_where_to_begin_if_that_is_not_where_they_would() {
        let tag = |start, ended| {
            let text = text(&Playlist { start, ended, ..playlist(vec![]) });
            text.lines().find_map(|line| line.strip_prefix("#EXT-X-START:").map(str::to_string))
        };
        assert_eq!(tag(2, false).as_deref(), Some("TIME-OFFSET=-6"));
        assert_eq!((tag(START, false), tag(2, true)), (None, None));
    }

    #[test]
    fn parts_and_maps_stand_where_they_apply() {
        fn with<'a>(uri: &'a str, map: &'a str, parts: Vec<Part>) -> Entry<'a> {
            Entry { map: Some(map), parts, ..entry(uri, false) }
        }
        let part = |independent| Part { duration: Duration::from_millis(200), independent };
        let entries = vec![
            with("a.m4s", "1.mp4", vec![]),
            with("b.m4s", "1.mp4", vec![]),
            with("c.m4s", "2.mp4", vec![part(true)]),
        ];
        let low = LowLatency {
            part_target: Duration::from_millis(200),
            skip_until: Duration::from_secs(18),
            skipped: 1,
            open: Some(with("d.m4s", "2.mp4", vec![part(false)])),
        };
        let text = text(&Playlist { low_latency: Some(low), ended: false, ..playlist(entries) });
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
