//! Media playlists. RFC 8216 section 4.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::wire::iso8601;

/// A segment's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the playlist.
    pub uri: String,
    /// How long it plays.
    pub duration: Duration,
    /// When its first frame was taken.
    pub begun: SystemTime,
    /// It does not continue the one before.
    pub discontinuity: bool,
}

/// A playlist of a live stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playlist {
    /// EXT-X-TARGETDURATION in seconds.
    pub target: u64,
    /// The number of the first entry.
    pub media_sequence: u64,
    /// How many discontinuities are gone with the entries before the first.
    pub discontinuity_sequence: u64,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// Nothing will follow.
    pub ended: bool,
}

impl Playlist {
    /// The text.
    pub fn write(&self) -> String {
        let mut out = String::with_capacity(200 + 120 * self.entries.len());
        out.push_str("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        line(&mut out, format_args!("#EXT-X-TARGETDURATION:{}", self.target));
        line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence));
        if self.discontinuity_sequence > 0 {
            line(&mut out, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence));
        }
        for entry in &self.entries {
            if entry.discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            line(&mut out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", iso8601(entry.begun)));
            line(&mut out, format_args!("#EXTINF:{}.{:03},", entry.duration.as_secs(), entry.duration.subsec_millis()));
            line(&mut out, format_args!("{}", entry.uri));
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
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

    #[test]
    fn a_playlist_is_written_as_the_specification_has_it() {
        let entry = |uri: &str, discontinuity| Entry {
            uri: uri.into(),
            duration: Duration::from_millis(2040),
            begun: UNIX_EPOCH,
            discontinuity,
        };
        let entries = vec![entry("a.ts", false), entry("b.ts", true)];
        let playlist = Playlist { target: 3, media_sequence: 7, discontinuity_sequence: 1, entries, ended: true };
        let expect = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:3\n\
            #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.040,\na.ts\n#EXT-X-DISCONTINUITY\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.040,\nb.ts\n#EXT-X-ENDLIST\n";
        assert_eq!(playlist.write(), expect);
    }
}
