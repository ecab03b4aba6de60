//! Profiles: defaults for classes of machines.

use super::machine;

/// A set of defaults for a class of machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "conf/reference.toml documents every key")]
pub enum Profile {
    Auto,
    Tiny,
    Router,
    Box,
}

/// The profiles from the smallest to the largest, with `memory.total` in bytes and the file.
const PROFILES: [(Profile, u64, &str); 3] = [
    (Profile::Tiny, 9728 << 10, include_str!("../../conf/tiny.toml")),
    (Profile::Router, 26 << 20, include_str!("../../conf/router.toml")),
    (Profile::Box, 112 << 20, include_str!("../../conf/box.toml")),
];

impl Profile {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tiny => "tiny",
            Self::Router => "router",
            Self::Box => "box",
        }
    }

    /// The text of its file; for `Auto` that of the profile for this machine.
    pub(super) fn text(self) -> &'static str {
        let wanted = if self == Self::Auto { Self::of(machine::memory()) } else { self };
        PROFILES.iter().find(|(profile, ..)| *profile == wanted).map_or("", |(.., text)| text)
    }

    /// The largest profile that uses at most a quarter of `memory`, else the smallest.
    fn of(memory: Option<u64>) -> Self {
        let fits = |total: u64| memory.is_none_or(|memory| total <= memory / 4);
        PROFILES.iter().rev().find(|(_, total, _)| fits(*total)).map_or(Self::Tiny, |(profile, ..)| *profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::Config;

    #[test]
    fn a_quarter_of_the_machine_at_most() {
        let cases = [
            (16, Profile::Tiny),
            (64, Profile::Tiny),
            (128, Profile::Router),
            (447, Profile::Router),
            (448, Profile::Box),
        ];
        for (mib, profile) in cases {
            assert_eq!(Profile::of(Some(mib << 20)), profile, "{mib} MiB");
        }
        assert_eq!(Profile::of(None), Profile::Box);
    }

    #[test]
    fn the_files_have_the_totals_of_the_table() {
        for (profile, total, text) in PROFILES {
            let config = Config::parse("test", text).unwrap();
            assert_eq!((config.profile, config.memory.total.0 as u64), (profile, total));
        }
    }
}
