//! The routes of requests: the one place that says which path means what.

#[cfg(feature = "record")]
use std::path::PathBuf;
use std::time::Duration;

use super::super::metrics;
#[cfg(feature = "record")]
use super::hls::NO_SESSION;
use super::resource::Resource;
use super::transport::Transport;
use super::{CORS, FIELDS, NO_CACHE, NO_ROOM, Player, Role, Session, begin_body, whole};
use crate::budget::BlockMut;
#[cfg(feature = "record")]
use crate::conf::FileFormat;
use crate::container::{FORMS, Form};
use crate::hub::Name;
use crate::proto::http::{Method, Request, Status};
#[cfg(feature = "record")]
use crate::session::is_recording;
use crate::session::{self, Asker, Core, Sender};
#[cfg(feature = "record")]
use crate::wire::percent_decode;

/// Request headers that scripts of other origins may send. `*` stands for all but
/// Authorization, and old browsers do not know it.
const ALLOWED: (&str, &str) = (
    "Access-Control-Allow-Headers",
    "*, Authorization, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, If-Range, Pragma, Range, \
     X-Requested-With",
);

/// The prefix of the paths of recordings.
#[cfg(feature = "record")]
const RECORDED: &str = "/record/";

impl Session {
    pub(super) fn respond(&mut self, request: Request) {
        self.conn.expect_input(Duration::ZERO);
        match request.method {
            Method::Options => {
                let fields = [
                    CORS,
                    ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"),
                    ALLOWED,
                    ("Access-Control-Max-Age", "86400"),
                    ("Allow", "GET, HEAD, OPTIONS"),
                ];
                self.machine.answer(Status::NO_CONTENT, &fields, &[], Some(&request));
            }
            Method::Other | Method::Post => {
                let fields = [CORS, ("Allow", "GET, HEAD, OPTIONS")];
                self.machine.answer(Status::METHOD_NOT_ALLOWED, &fields, b"Method Not Allowed", Some(&request));
            }
            Method::Get | Method::Head => self.route(request),
        }
    }

    fn route(&mut self, request: Request) {
        match request.path.as_str() {
            "/healthz" => {
                let fields = [("Content-Type", "text/plain; charset=utf-8"), CORS, NO_CACHE];
                self.machine.answer(Status::OK, &fields, b"ok\n", Some(&request));
            }
            "/metrics" => self.metrics(&request),
            #[cfg(feature = "record")]
            "/api/record/list" if self.config.recording.http => self.list(request),
            #[cfg(feature = "record")]
            path if path.starts_with(RECORDED) && !self.config.record.is_empty() && self.config.recording.http => {
                let path = path.strip_prefix(RECORDED).unwrap_or_default().to_string();
                if !percent_decode(&path).is_some_and(|path| is_recording(&path)) {
                    return self.refuse(&request, Status::NOT_FOUND, Status::NOT_FOUND.1);
                }
                let roots = self.config.record.iter().map(|rule| rule.path.clone().into()).collect();
                self.file(request, roots, &path, None);
            }
            path => match Resource::parse(path) {
                #[cfg(feature = "record")]
                resource if self.may_be_file(resource.as_ref()) => {
                    let path = path.strip_prefix('/').unwrap_or(path).to_string();
                    let root = self.config.http.root.clone().into();
                    self.file(request, vec![root], &path, resource.and_then(Result::ok));
                }
                Some(Ok(resource)) => self.resource_or_disk(request, resource),
                Some(Err(status)) => self.refuse(&request, status, status.1),
                None => self.refuse(&request, Status::NOT_FOUND, Status::NOT_FOUND.1),
            },
        }
    }

    #[cfg(not(feature = "record"))]
    fn resource_or_disk(&mut self, request: Request, resource: Resource) {
        self.resource(request, resource);
    }

    /// Segments that are no longer in memory, and the list of all, may be on the disk.
    #[cfg(feature = "record")]
    fn resource_or_disk(&mut self, request: Request, resource: Resource) {
        let roots = self.segment_folders();
        let (name, file) = match &resource {
            Resource::Record(name) => (name.clone(), "record.m3u8"),
            Resource::Segment(name, file)
                if !self.server.hls.find(name, self.customer()).is_some_and(|entry| entry.has(file)) =>
            {
                (name.clone(), file.as_str())
            }
            _ => return self.resource(request, resource),
        };
        if roots.is_empty() {
            return self.resource(request, resource);
        }
        if !self.may_have(&request, &name, file) {
            return self.refuse(&request, Status::NOT_FOUND, NO_SESSION);
        }
        let path = format!("{name}/{file}");
        self.stored_segment(request, roots, &path, resource, name);
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

    pub(super) fn resource(&mut self, request: Request, resource: Resource) {
        match resource {
            Resource::Live(name, form) => {
                let form = form.wished(FORMS, &request.query).unwrap_or(form);
                self.play(&request, &name, form);
            }
            Resource::Playlist(name) if self.config.hls.enable => self.playlist(request, &name),
            Resource::Record(name) if self.config.hls.enable => self.whole(request, &name),
            Resource::Segment(name, file) if self.config.hls.enable => self.segment(request, &name, file),
            _ => self.refuse(&request, Status::NOT_FOUND, "HLS is off: hls.enable"),
        }
    }

    /// The customer of the connection; `None` if nobody counts.
    pub(super) fn customer(&self) -> Option<u128> {
        self.conn.seat().and_then(|seat| seat.customer())
    }

    /// Starts a live form, over WebSocket if the client asks for that.
    fn play(&mut self, request: &Request, name: &Name, form: &'static Form) {
        if let Some(status) = Transport::objection(request) {
            let fields = [CORS, ("Sec-WebSocket-Version", "13")];
            return self.machine.answer(status, &fields, status.1.as_bytes(), Some(request));
        }
        let (seat, asker) = (self.conn.seat(), Asker::Guest(form.session, Some(self.conn.peer())));
        let asked = session::Request { name, asker, seat: seat.as_ref(), url: request };
        let (viewer, mut grant) = match self.server.core.admit_player(&asked, form) {
            Ok(admitted) => admitted,
            Err(why) => return self.busy(request, why.label(), &why),
        };
        let transport = Transport::accept(request, form, &mut self.machine);
        if request.method == Method::Head {
            return;
        }
        self.conn.resize(Core::viewer_sizes(&self.config));
        grant.who.begins(
            &self.server.core.flood,
            name,
            format_args!("plays {name} as {} over {}", form.name, transport.name()),
        );
        let outlet = transport.outlet(form);
        let viewer = if outlet.is_in_packets() { viewer.in_packets() } else { viewer };
        let sender = Sender::new((viewer, grant), outlet);
        self.role = Role::Play(Box::new(Player { sender, transport }));
    }

    fn metrics(&mut self, request: &Request) {
        let text = metrics::write(&self.server);
        let Ok(text) = BlockMut::copy(self.server.core.greetings.account_for(text.len()), text.as_bytes()) else {
            return self.refuse(request, Status::UNAVAILABLE, NO_ROOM);
        };
        let fields = [("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), CORS, NO_CACHE];
        let (outlet, keep_alive) = begin_body(&mut self.machine, request, &fields, whole(text));
        self.role = Role::Body { outlet, keep_alive };
    }

    pub(super) fn refuse(&mut self, request: &Request, status: Status, why: &str) {
        self.machine.answer(status, &FIELDS, why.as_bytes(), Some(request));
    }

    /// One too many: the client may try again.
    pub(super) fn busy(&mut self, request: &Request, label: &'static str, refused: &dyn std::fmt::Display) {
        let peer = self.conn.peer();
        self.server.core.refused_guest(label, peer, format_args!("is refused {:?}: {refused}", request.path));
        let fields = [CORS, NO_CACHE, ("Retry-After", "5")];
        self.machine.answer(Status::UNAVAILABLE, &fields, refused.to_string().as_bytes(), Some(request));
    }
}
