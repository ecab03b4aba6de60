//! The keys of notifications and of commands, and their faults.

use super::endpoint::Endpoint;
use super::error::Objection;
use super::secret::{MASK, Secret};
use super::value::{Value, tables};
use super::{Config, Fault, Size, Time, Wrong};
use crate::hub::Name;
use crate::proto::Url;

tables! {
    /// A receiver of notifications.
    pub struct Notify {
        pub url: Endpoint,
        pub events: Vec<Event> = Event::usual(),
        pub update_interval: Time = Time(std::time::Duration::from_secs(10)),
        pub secret: Option<Secret> = None,
        pub ca: String = String::new(),
        pub insecure: bool = false,
    }

    /// The keys for all receivers.
    pub struct Notifications {
        pub events: usize,
        pub memory: Size,
    }

    /// A command that is run on some occasions.
    pub struct Exec {
        pub on: Vec<Occasion>,
        pub streams: String = "*".into(),
        pub command: Vec<String>,
        pub timeout: Time = Time(std::time::Duration::from_secs(60)),
    }

    /// The keys for all commands.
    pub struct Commands {
        pub max: usize,
    }
}

/// An event of which receivers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "docs/notifications.md explains each")]
pub enum Event {
    ServerStart,
    ServerStop,
    Update,
    PubStart,
    PubStop,
    SubStart,
    SubStop,
    PullStart,
    PullStop,
    PushStart,
    PushStop,
    RecordStart,
    RecordStop,
    Connect,
    Segment,
    AuthFail,
    Lost,
}

/// The events by their names: lal's, where it has one.
const EVENTS: [(&str, Event); 17] = [
    ("on_server_start", Event::ServerStart),
    ("on_server_stop", Event::ServerStop),
    ("on_update", Event::Update),
    ("on_pub_start", Event::PubStart),
    ("on_pub_stop", Event::PubStop),
    ("on_sub_start", Event::SubStart),
    ("on_sub_stop", Event::SubStop),
    ("on_relay_pull_start", Event::PullStart),
    ("on_relay_pull_stop", Event::PullStop),
    ("on_relay_push_start", Event::PushStart),
    ("on_relay_push_stop", Event::PushStop),
    ("on_record_start", Event::RecordStart),
    ("on_record_stop", Event::RecordStop),
    ("on_rtmp_connect", Event::Connect),
    ("on_hls_make_ts", Event::Segment),
    ("on_auth_fail", Event::AuthFail),
    ("on_lost", Event::Lost),
];

/// An occasion to run a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "conf/reference.toml explains each")]
pub enum Occasion {
    Publish,
    Unpublish,
    Play,
    Stop,
    RecordEnd,
}

/// The occasions by their names.
const OCCASIONS: [(&str, Occasion); 5] = [
    ("publish", Occasion::Publish),
    ("unpublish", Occasion::Unpublish),
    ("play", Occasion::Play),
    ("stop", Occasion::Stop),
    ("record_end", Occasion::RecordEnd),
];

/// The least memory for what waits for a receiver, in bytes: the longest event, and one more.
const MIN_MEMORY: usize = 8 << 10;

impl Event {
    /// All that a receiver gets unless it asks for others: segments of HLS are too many.
    fn usual() -> Vec<Self> {
        EVENTS.iter().map(|(_, event)| *event).filter(|event| *event != Self::Segment).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        name_of(&EVENTS, self)
    }
}

impl Occasion {
    /// Its name.
    pub fn name(self) -> &'static str {
        name_of(&OCCASIONS, self)
    }
}

fn name_of<T: PartialEq + Copy>(table: &[(&'static str, T)], wanted: T) -> &'static str {
    table.iter().find(|(_, one)| *one == wanted).map_or("", |(name, _)| name)
}

fn named<T: Copy>(table: &[(&str, T)], value: &toml::Value, expected: &'static str) -> Result<T, Wrong> {
    let text = value.as_str().ok_or_else(|| Wrong::of_type(value, expected))?;
    let found = table.iter().find(|(name, _)| *name == text).map(|(_, one)| *one);
    found.ok_or_else(|| Wrong::of_value(value, expected))
}

impl Value for Event {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        named(&EVENTS, &value, "an event such as \"on_pub_start\"")
    }
}

impl Value for Occasion {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        named(&OCCASIONS, &value, "one of \"publish\", \"unpublish\", \"play\", \"stop\", \"record_end\"")
    }
}

impl Config {
    /// The URL of each receiver, and the file with the authorities to believe for it.
    pub fn receivers(&self) -> impl Iterator<Item = (&Url, &String)> {
        self.notify.iter().map(|one| (&one.url.0, &one.ca))
    }

    /// The programs of all commands, with the keys that name them.
    pub fn programs(&self) -> impl Iterator<Item = (String, &str)> {
        let programs = self.exec.iter().map(|one| one.command.first().map_or("", String::as_str));
        programs.enumerate().map(|(at, program)| (format!("exec[{at}].command"), program))
    }

    /// The most facts of sessions that wait until they are told: none where nobody is told.
    pub fn kept_facts(&self) -> usize {
        if self.notify.is_empty() && self.exec.is_empty() { 0 } else { self.notifications.events }
    }

    /// The most commands that run at once.
    pub fn commands_at_once(&self) -> usize {
        if self.exec.is_empty() { 0 } else { self.commands.max }
    }
}

/// The faults of these keys.
pub(super) fn objections(config: &Config) -> Vec<Objection> {
    let Notifications { events, memory, .. } = config.notifications;
    let of_command =
        |(at, one): (usize, &Exec)| one.objections().map(move |(key, remedy)| (format!("exec[{at}].{key}"), remedy));
    let commands = config.exec.iter().enumerate().flat_map(of_command);
    let wrong = [
        (!(8..=4096).contains(&events), "notifications.events", "between 8 and 4096"),
        (memory.0 < MIN_MEMORY, "notifications.memory", "at least \"8KiB\""),
        (!(1..=64).contains(&config.commands.max), "commands.max", "between 1 and 64"),
    ];
    let wrong = wrong.iter().filter(|(wrong, ..)| *wrong).map(|(_, key, remedy)| (key.to_string(), *remedy));
    let intervals = config.notify.iter().enumerate().filter(|(_, one)| {
        let interval = one.update_interval.0;
        !interval.is_zero() && interval.as_secs() < 1
    });
    let intervals =
        intervals.map(|(at, _)| (format!("notify[{at}].update_interval"), "at least \"1s\", or \"0s\" for never"));
    let found = commands.chain(intervals).chain(wrong);
    found.map(|(key, remedy)| (key, Fault::MustBe(remedy.into()))).collect()
}

impl Exec {
    /// Its faults: the keys, and the values allowed.
    fn objections(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let is_path = self.command.first().is_some_and(|program| program.starts_with('/'));
        let has_nul = self.command.iter().any(|word| word.contains('\0'));
        let wrong = [
            (self.on.is_empty(), "on", "a list such as [\"publish\"]"),
            (!is_path, "command", "a list that begins with the path of a program, from the root on"),
            (has_nul, "command", "without the character 0"),
            (self.command.iter().any(|word| word == MASK), "command", "written out where it is masked"),
            (!Name::may_match(&self.streams), "streams", "a pattern that a name can match: one has no / and no blank"),
        ];
        wrong.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, key, remedy)| (key, remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse("t", text).unwrap_err().to_string()
    }

    #[test]
    fn a_receiver_has_all_events_but_those_of_segments_unless_it_asks() {
        let config = Config::parse("t", "[[notify]]\nurl = \"http://h:1/{event}\"\n").unwrap();
        let events = &config.notify[0].events;
        assert!(events.len() == 16 && !events.contains(&Event::Segment) && events.contains(&Event::Lost));
        let text = "[[notify]]\nurl = \"http://h/\"\nevents = [\"on_hls_make_ts\"]\n";
        assert_eq!(Config::parse("t", text).unwrap().notify[0].events, [Event::Segment]);
    }

    #[test]
    fn a_receiver_that_cannot_be_told_is_refused_and_no_secret_is_shown() {
        let of = |url: &str| refused(&format!("[[notify]]\nurl = \"{url}\"\n"));
        assert!(of("rtmp://u:hidden@h/").contains("http, https") && !of("rtmp://u:hidden@h/").contains("hidden"));
        let secret = refused("[[notify]]\nurl = \"http://h/\"\nsecret = [\"hidden\"]\n");
        assert!(secret.contains("notify.secret") && !secret.contains("hidden"), "{secret}");
        let masked = refused("[[notify]]\nurl = \"http://h/\"\nsecret = \"********\"\n");
        assert!(masked.contains("notify.secret") && masked.contains("masked"), "{masked}");
        let config = Config::parse("t", "[[notify]]\nurl = \"http://h/\"\nsecret = \"hidden\"\n").unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        assert!(refused("[[notify]]\nurl = \"http://h/\"\nevents = [\"on_pub\"]\n").contains("on_pub_start"));
        assert!(refused("[[notify]]\nurl = \"http://h/\"\nupdate_interval = \"9ms\"\n").contains("update_interval"));
    }

    #[test]
    fn a_command_is_a_program_by_its_path_and_never_a_line_of_a_shell() {
        let of = |command: &str| Config::parse("t", &format!("[[exec]]\non = [\"play\"]\ncommand = {command}\n"));
        assert!(of("[\"/bin/true\", \"-x\"]").is_ok());
        for wrong in ["\"/bin/true\"", "[]", "[\"true\"]", "[\"/bin/true\", \"a\\u0000b\"]"] {
            assert!(of(wrong).unwrap_err().to_string().contains("exec.command"), "{wrong}");
        }
        assert!(refused("[[exec]]\non = []\ncommand = [\"/bin/true\"]\n").contains("exec.on"));
    }
}
