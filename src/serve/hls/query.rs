//! Queries: the player's session, the part that it waits for, and the text that is repeated in the URLs of files.

use crate::hls::Ask;

/// The key of a session's number in a query, as in lal.
const SESSION: &str = "session_id";
/// The longest query that a playlist repeats in the URL of each file. It has room for a session id and for what a proxy
/// checks in each request, such as an MD5 in base64 and its expiry time.
const MAX_QUERY: usize = 96;
/// The longest session that is repeated if the query is too long.
const MAX_SESSION: usize = 64;

/// The session's number in a query; 0, which is never a session, if the value is not a number.
pub(in crate::serve) fn session(query: &str) -> Option<u64> {
    query.split('&').find_map(number)
}

/// The session's number in `session_id=NUMBER`; `None` for another key.
pub(super) fn number(pair: &str) -> Option<u64> {
    let number = pair.strip_prefix(SESSION)?.strip_prefix('=')?;
    Some(u64::from_str_radix(number, 16).unwrap_or(0))
}

/// The query with the number of a session appended.
pub(super) fn seated(query: &str, number: u64) -> String {
    let query = if query.is_empty() { String::new() } else { format!("{query}&") };
    format!("{query}{SESSION}={number:016x}")
}

/// The segment or part that a low-latency player waits for; `None` if the query is not valid. A part without a segment
/// is ignored: xgplayer takes numbers from file names, which are not those of its own server here, and gets the present
/// playlist.
pub(in crate::serve) fn ask(query: &str) -> Option<Ask> {
    let (mut ask, mut part) = (Ask::default(), None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("_HLS_msn", number)) => ask.segment = Some(number.parse().ok()?),
            Some(("_HLS_part", number)) => part = Some(number),
            Some(("_HLS_skip", how)) => ask.skip = matches!(how, "YES" | "v2"),
            _ => {}
        }
    }
    if ask.segment.is_some() {
        ask.part = part.map(str::parse).transpose().ok()?;
    }
    Some(ask)
}

/// The query for the URLs of segments: that of the playlist if it is short, else only its session.
pub(in crate::serve) fn suffix(query: &str) -> String {
    let own = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("_HLS_") && !pair.contains('"'));
    let is_short = own.clone().map(|pair| 1 + pair.len()).sum::<usize>() <= MAX_QUERY;
    let is_session = |pair: &str| pair.starts_with(SESSION) && pair.len() <= MAX_SESSION;
    let told = own.filter(|pair| is_short || is_session(pair)).take(if is_short { usize::MAX } else { 1 });
    let mut text = String::new();
    for pair in told {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(pair);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_players_of_low_latency_ask_for() {
        let asked = Ask { segment: Some(7), part: Some(2), skip: true };
        assert_eq!(ask("key=x&_HLS_msn=7&_HLS_part=2&_HLS_skip=YES"), Some(asked));
        for query in ["", "_HLS_part=1", "_HLS_part=15.0.m4s"] {
            assert_eq!(ask(query), Some(Ask::default()), "{query}");
        }
        for query in ["_HLS_msn=1&_HLS_part=x", "_HLS_msn=-1", "_HLS_msn=x", "_HLS_msn=99999999999999999999"] {
            assert_eq!(ask(query), None, "{query}");
        }
    }

    #[test]
    fn only_what_is_not_for_the_playlist_is_repeated_and_no_more_than_a_player_needs() {
        assert_eq!(suffix("a=1&_HLS_msn=7&b=2"), "?a=1&b=2");
        assert_eq!(suffix("_HLS_msn=7"), "");
        let token = "md5=JSnqFoVzBcYGhGWBqUyuAA&expires=1764417600&session_id=0123456789abcdef";
        assert_eq!(suffix(token), format!("?{token}"));
        let long = "x".repeat(MAX_QUERY);
        assert_eq!(suffix(&long), "");
        assert_eq!(suffix(&format!("token={long}&session_id=0123456789abcdef")), "?session_id=0123456789abcdef");
        assert_eq!(suffix(&format!("session_id={long}")), "");
        assert_eq!(suffix(&"session_id=1&".repeat(100)), "?session_id=1");
        // it would end the attribute that contains it
        assert_eq!(suffix("a=\"&b=1"), "?b=1");
    }
}
