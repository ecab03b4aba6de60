//! Facts of sessions, as events.

use std::borrow::Cow;

use serde::Serialize;

use crate::budget::OverBudget;
use crate::hub::{Name, SessionId};
use crate::serve::api::v1::sessions::{Told, without_query};
use crate::session::{Fact, JsonText, Part, SessionNews};

/// The events that a client wants, by name.
pub(super) struct Wanted(Vec<&'static str>);

/// A client asks for events that are none.
pub(super) struct UnknownName;

/// The answer to that.
pub(super) const WRONG: &str =
    "only is not a list of publish, unpublish, play, stop, connect, refuse, file and segment";

const SEGMENT: &str = "segment";
/// The names of all events of sessions. Segments of HLS are too many for those who do not ask for them.
const NAMES: [&str; 8] = ["publish", "unpublish", "play", "stop", "connect", "refuse", "file", SEGMENT];

/// What is told of an event beside its session. What is not known is left out.
#[derive(Default, Serialize)]
struct About<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The number of refusals since the last that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    /// Not there while the segment grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_s: Option<f64>,
}

impl Wanted {
    /// What a query asks for by `only`; without it, all but segments.
    pub fn asked(query: &str) -> Result<Self, UnknownName> {
        let Some((_, list)) = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "only")
        else {
            return Ok(Self(NAMES.into_iter().filter(|name| *name != SEGMENT).collect()));
        };
        let known = |asked: &str| NAMES.into_iter().find(|name| *name == asked).ok_or(UnknownName);
        list.split(',').filter(|asked| !asked.is_empty()).map(known).collect::<Result<_, _>>().map(Self)
    }

    /// The name of a fact, if it is wanted.
    pub fn name(&self, fact: &Fact) -> Option<&'static str> {
        let name = name_of(fact);
        self.0.contains(&name).then_some(name)
    }
}

fn name_of(fact: &Fact) -> &'static str {
    let publishes = |news: &SessionNews| news.session.part == Part::Publishes;
    match fact {
        Fact::Begins(news) if publishes(news) => "publish",
        Fact::Ends(news) if publishes(news) => "unpublish",
        Fact::Begins(_) => "play",
        Fact::Ends(_) => "stop",
        Fact::Connects(_) => "connect",
        Fact::Refused(_) => "refuse",
        Fact::File(_) => "file",
        Fact::Segment(_) => SEGMENT,
    }
}

/// Writes what is told of a fact, behind its name.
pub(super) fn write(text: &mut JsonText<'_>, fact: &Fact) -> Result<(), OverBudget> {
    // none of these values fails: their keys are texts
    let object = serde_json::to_string(&about(fact)).unwrap_or_default();
    let fields = object.trim_start_matches('{');
    text.put(",")?;
    text.put(fields.strip_suffix('}').unwrap_or(fields))
}

fn about(fact: &Fact) -> About<'_> {
    let id = |id: SessionId| Some(id.text());
    match fact {
        Fact::Begins(news) | Fact::Ends(news) => {
            About { session: Some(Told::with(&news.session, news.bytes)), ..About::default() }
        }
        Fact::Connects(one) => About {
            session_id: id(one.id),
            peer: Some(one.peer.to_string()),
            app: Some(without_query(&one.app)),
            agent: Some(&one.agent),
            url: Some(without_query(&one.url)),
            ..About::default()
        },
        Fact::Refused(one) => About {
            session_id: one.id.and_then(id),
            stream: one.stream.as_ref().map(Name::as_str),
            peer: one.peer.map(|peer| peer.to_string()),
            reason: Some(one.why),
            count: Some(one.count),
            ..About::default()
        },
        Fact::File(one) => About {
            session_id: id(one.id),
            stream: Some(one.stream.as_str()),
            path: Some(one.path.display().to_string()),
            ..About::default()
        },
        Fact::Segment(one) => About {
            stream: Some(one.stream.as_str()),
            file: Some(&one.file),
            number: Some(one.number),
            duration_s: one.length.map(|length| length.as_secs_f64()),
            ..About::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Refused;

    #[test]
    fn segments_are_told_to_those_who_ask_for_them() {
        let names = |query| Wanted::asked(query).ok().map(|Wanted(names)| names.join(" "));
        assert_eq!(names("state=1").unwrap(), "publish unpublish play stop connect refuse file");
        assert_eq!(names("a=b&only=segment,play").unwrap(), "segment play");
        assert_eq!(names("only=").unwrap(), "");
        assert_eq!(names("only=play,x"), None);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let peer = Some("192.0.2.1:9".parse().unwrap());
        let fact = Fact::Refused(Refused { why: "password", id: None, stream: None, peer, count: 2 });
        let account = crate::budget::Account::root("test", 1 << 20);
        let mut text = JsonText::new(&account);
        write(&mut text, &fact).unwrap();
        assert_eq!(text.finish().concat(), br#","peer":"192.0.2.1:9","reason":"password","count":2"#);
    }
}
