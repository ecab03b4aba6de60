//! A line of the log: its time or priority, and a text. Characters that move the cursor, change the direction of
//! writing or begin another line are escaped, because the text may come from outside.

use std::fmt::{self, Write};
use std::time::SystemTime;

use log::Level;

use crate::wire::iso8601;

/// The format of a line's beginning.
#[derive(Clone)]
pub(super) enum Style {
    /// Time (UTC) and level.
    Plain,
    /// Priority and a program name. RFC 3164 section 4.1.
    Syslog(String),
}

/// The maximum length of a line with its end: the limit of a packet in RFC 3164 section 4.1, and less than a pipe
/// accepts in one atomic write.
pub(super) const MAX: usize = 1024;
/// The end of a line that was cut.
const CUT: &str = "...";

/// One line of at most [`MAX`] bytes.
pub(super) struct Line {
    bytes: [u8; MAX],
    len: usize,
    /// The length of its head.
    head: usize,
}

impl Line {
    pub(super) fn of(style: &Style, level: Level, text: &fmt::Arguments<'_>) -> Self {
        let mut line = Self { bytes: [0; MAX], len: 0, head: 0 };
        let head = match style {
            Style::Plain => write!(line, "{} {level:5} ", iso8601(SystemTime::now())),
            Style::Syslog(name) => write!(line, "<{}>{name}: ", DAEMON | severity(level)),
        };
        line.head = line.len;
        // it fails if the line is full
        if head.and_then(|()| line.write_fmt(*text)).is_err() {
            line.append(CUT.as_bytes());
        }
        line.append(b"\n");
        line
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Its text, without head and end.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(self.head..self.len.saturating_sub(1)).unwrap_or_default()
    }

    fn append(&mut self, text: &[u8]) {
        let end = self.len + text.len();
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(text);
            self.len = end;
        }
    }

    /// Appends a character; fails if there would be no room for the end.
    fn put(&mut self, c: char) -> fmt::Result {
        if self.len + c.len_utf8() + CUT.len() >= MAX {
            return Err(fmt::Error);
        }
        self.append(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match is_control(c) {
            true => c.escape_default().try_for_each(|c| self.put(c)),
            false => self.put(c),
        })
    }
}

/// True if a character has an effect besides being visible: control characters, ends of lines and paragraphs,
/// direction marks (UAX #9 section 2), and characters without width.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The facility of daemons. RFC 3164 section 4.1.1.
const DAEMON: u8 = 3 << 3;

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let line = Line::of(&Style::Syslog("runnel[1]".into()), Level::Warn, &format_args!("{text}"));
        String::from_utf8(line.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn nothing_from_outside_forges_a_line_or_steers_a_terminal() {
        let forged = said("refused\n2026-01-01T00:00:00.000Z INFO  all is well\r\x1b[2K\x07\0");
        assert_eq!(
            forged,
            "<28>runnel[1]: refused\\n2026-01-01T00:00:00.000Z INFO  all is well\\r\\u{1b}[2K\\u{7}\\u{0}\n"
        );
        let turned = said("a\u{202e}b\u{2066}c\u{200f}d\u{85}e\u{2028}f\u{9b}g\u{7f}");
        assert_eq!(turned, "<28>runnel[1]: a\\u{202e}b\\u{2066}c\\u{200f}d\\u{85}e\\u{2028}f\\u{9b}g\\u{7f}\n");
        let line = Line::of(&Style::Plain, Level::Warn, &format_args!("a\nb"));
        assert_eq!(line.text(), b"a\\nb");
        assert_eq!(said("Kamera Süd, 摄像头1 \\n"), "<28>runnel[1]: Kamera Süd, 摄像头1 \\n\n");
    }

    #[test]
    fn a_line_is_never_longer_than_its_bound() {
        for text in ["a", "ä", "摄", "😀", "\n", "\u{202e}"] {
            for more in 0..8 {
                let line = said(&format!("{}{}", "x".repeat(more), text.repeat(2000)));
                assert!(line.len() <= MAX && line.len() > MAX - 16, "{}", line.len());
                assert!(line.ends_with("...\n") && line.matches('\n').count() == 1, "{line}");
            }
        }
    }
}
