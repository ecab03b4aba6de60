//! Streams by their paths: live forms, HLS, and the files beside them.

#[cfg(feature = "record")]
use std::path::PathBuf;

use super::ask::Wish;
#[cfg(feature = "record")]
use super::hls::NO_SESSION;
use super::reply::{Answer, Body, CORS, Exchange, Reply};
use super::resource::Resource;
use super::transport::Transport;
#[cfg(feature = "record")]
use crate::conf::FileFormat;
use crate::container::Form;
use crate::hub::Name;
use crate::proto::http::{Method, Status};
use crate::session::{Action, Asker, Entrant, Leave, Sender};

/// A player of a live form.
pub(in crate::serve) struct Player {
    pub(super) sender: Sender,
    pub(super) transport: Transport,
}

/// A stream in some form, or a file.
pub(super) fn media(exchange: Exchange) -> Answer {
    match Resource::parse(&exchange.request.path) {
        #[cfg(feature = "record")]
        resource if exchange.may_be_file(resource.as_ref()) => exchange.file_or_resource(resource.and_then(Result::ok)),
        Some(Ok(resource)) => exchange.resource_or_disk(resource),
        Some(Err(status)) => Reply::from(status).into(),
        None => Reply::from(Status::NOT_FOUND).into(),
    }
}

impl Exchange {
    #[cfg(not(feature = "record"))]
    fn resource_or_disk(self, resource: Resource) -> Answer {
        self.resource(resource)
    }

    /// A file of `http.root` if there is one, and the client may read it; else a stream.
    #[cfg(feature = "record")]
    fn file_or_resource(self, resource: Option<Resource>) -> Answer {
        self.decide(Wish::File(None), |exchange, leave| match (leave, resource) {
            (Ok(_), resource) => {
                let root = exchange.config.http.root.clone().into();
                let path = exchange.request.path.clone();
                exchange.file(vec![root], path.strip_prefix('/').unwrap_or(&path), resource)
            }
            (Err(_), Some(resource)) => exchange.resource(resource),
            (Err(why), None) => exchange.turn_down(why),
        })
    }

    /// Segments that are no longer in memory, and the list of all, may be on the disk.
    #[cfg(feature = "record")]
    fn resource_or_disk(self, resource: Resource) -> Answer {
        let (name, file) = match &resource {
            Resource::Record(name) => (name.clone(), "record.m3u8"),
            Resource::Segment(name, file)
                if !self.server.hls.find(name, self.customer()).is_some_and(|entry| entry.has(file)) =>
            {
                (name.clone(), file.as_str())
            }
            _ => return self.resource(resource),
        };
        let roots = self.segment_folders();
        if roots.is_empty() {
            return self.resource(resource);
        }
        if !self.may_have(&name, file) {
            return Reply::refuse(Status::NOT_FOUND, NO_SESSION).into();
        }
        let (path, wish) = (format!("{name}/{file}"), Wish::Hls(name.clone()));
        let is_known = self.is_known(&name);
        let find = move |exchange: Self| exchange.stored_segment(roots, &path, resource, name);
        match is_known {
            true => find(self),
            false => self.ask(wish, |exchange, leave| find(Self { leave: Some(leave), ..exchange })),
        }
    }

    /// The folders in which streams have folders with segments.
    #[cfg(feature = "record")]
    fn segment_folders(&self) -> Vec<PathBuf> {
        let stored = self.config.hls.store.0.clone().filter(|_| self.config.hls.enable);
        let rules = self.config.record.iter().filter(|rule| rule.format == FileFormat::Hls);
        let recorded = rules.filter(|_| self.config.recording.http).map(|rule| PathBuf::from(&rule.path));
        stored.into_iter().chain(recorded).collect()
    }

    /// Whether a file is to be looked for: there is a folder, and no stream that is published now goes
    /// first.
    #[cfg(feature = "record")]
    fn may_be_file(&self, resource: Option<&Result<Resource, Status>>) -> bool {
        let is_live = |name| self.server.core.hub.find(name).is_some_and(|stream| stream.is_live());
        !self.config.http.root.is_empty()
            && match resource {
                Some(Ok(Resource::Live(name, _))) => !is_live(name),
                Some(Ok(_)) => false,
                Some(Err(_)) | None => true,
            }
    }

    /// A stream in some form.
    pub(super) fn resource(self, resource: Resource) -> Answer {
        match resource {
            Resource::Live(name, form) => {
                let form = form.wished(&self.request.query).unwrap_or(form);
                self.live(name, form)
            }
            Resource::Playlist(name) if self.config.hls.enable => self.playlist(name),
            Resource::Record(name) if self.config.hls.enable => self.whole(name),
            Resource::Segment(name, file) if self.config.hls.enable => self.segment(name, file),
            _ => Reply::refuse(Status::NOT_FOUND, "HLS is off: hls.enable").into(),
        }
    }

    /// Asks for a live form, over WebSocket if the client wants that.
    fn live(self, name: Name, form: &'static Form) -> Answer {
        if let Some(status) = Transport::objection(&self.request) {
            let fields = [CORS, ("Sec-WebSocket-Version", "13".into())];
            return Reply::new(status, Body::Text(status.1.into())).with(fields).into();
        }
        self.ask(Wish::Live(name, form), move |exchange, leave| exchange.play(leave, form))
    }

    /// Starts a live form.
    fn play(self, leave: Leave, form: &'static Form) -> Answer {
        let name = match leave.to(Action::Play) {
            Ok(name) => name.clone(),
            Err(why) => return self.turn_down(why),
        };
        let asker = Asker::Guest(form.session, Some(self.peer));
        let entrant = Entrant { asker, seat: self.seat.as_ref(), url: &self.request };
        let (viewer, mut grant) = match self.server.core.admit_player(leave, &entrant, form) {
            Ok(admitted) => admitted,
            Err(why) => return self.turn_down(why),
        };
        let (transport, reply) = Transport::accept(&self.request, form);
        if self.request.method == Method::Head {
            return reply.into();
        }
        grant.who.begins(
            &self.server.core.flood,
            &name,
            format_args!("plays {name} as {} over {}", form.name, transport.name()),
        );
        let outlet = transport.outlet(form);
        let viewer = if outlet.is_in_packets() { viewer.in_packets() } else { viewer };
        let sender = Sender::new((viewer, grant), outlet);
        Reply { body: Body::Stream(Box::new(Player { sender, transport })), ..reply }.into()
    }
}
