//! lal's words for a session that begins or ends.

use serde::Serialize;

use super::Role;
use super::role::{Id, Shown, app, split};
use crate::session::Session;

/// A session that has begun or ended.
#[derive(Serialize)]
pub struct SessionEvent<'a> {
    server_id: &'a str,
    session_id: Shown<Id>,
    protocol: &'static str,
    base_type: &'static str,
    remote_addr: Shown<std::net::SocketAddr>,
    url: &'a str,
    app_name: &'a str,
    stream_name: &'a str,
    url_param: &'a str,
    has_in_session: bool,
    has_out_session: bool,
    read_bytes_sum: u64,
    wrote_bytes_sum: u64,
}

impl<'a> SessionEvent<'a> {
    /// A session that has moved `bytes` so far. `has` says whether its stream has a publisher, and whether it has
    /// players, from now on. The URL is that of the session: the path and the query of a client's.
    pub fn of(server_id: &'a str, session: &'a Session, role: Role, bytes: u64, has: [bool; 2]) -> Self {
        let is_input = role.base.is_input();
        let [has_in_session, has_out_session] = has;
        Self {
            server_id,
            session_id: Shown(Some(Id(session.id))),
            protocol: role.protocol,
            base_type: role.base.name(),
            remote_addr: Shown(session.peer),
            url: &session.url,
            app_name: app(&session.url),
            stream_name: session.stream.as_str(),
            url_param: split(&session.url).1,
            has_in_session,
            has_out_session,
            read_bytes_sum: if is_input { bytes } else { 0 },
            wrote_bytes_sum: if is_input { 0 } else { bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Name, SessionId};
    use crate::lal::Role;
    use crate::media::Wall;
    use crate::session::Part;

    #[test]
    fn an_event_has_lals_fields() {
        let session = Session {
            id: SessionId { kind: "RTMPPUBSUB", number: 1 },
            stream: Name::new("test110").unwrap(),
            part: Part::Publishes,
            url: "/live/test110?token=x".into(),
            peer: "127.0.0.1:61353".parse().ok(),
            tls: false,
            since: Wall(Default::default()),
        };
        let event = SessionEvent::of("1", &session, Role::of(&session).unwrap(), 7, [true, false]);
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            concat!(
                r#"{"server_id":"1","session_id":"RTMPPUBSUB1","protocol":"RTMP","base_type":"PUB","#,
                r#""remote_addr":"127.0.0.1:61353","url":"/live/test110?token=x","app_name":"live","#,
                r#""stream_name":"test110","url_param":"token=x","has_in_session":true,"has_out_session":false,"#,
                r#""read_bytes_sum":7,"wrote_bytes_sum":0}"#
            )
        );
    }
}
