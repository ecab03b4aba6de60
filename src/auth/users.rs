//! The user of the configuration, which RTSP requires with `rtsp.auth` where no rule of `[[access]]` decides.

use std::sync::Arc;

use super::request::Request;
use super::state::State;
use super::verdict::{Answer, Denial};
use crate::conf::{Auth, Config};
use crate::proto::scheme::RTSP;
use crate::proto::{AuthScheme, Secret};

/// Refuses a request that lacks the user's password, if it needs one.
pub(super) fn rule(_: &Arc<State>, config: &Config, request: &Request<'_>) -> Option<Answer> {
    let schemes: &[AuthScheme] = match config.rtsp.auth {
        Auth::Basic => &[AuthScheme::Basic],
        Auth::Digest => &[AuthScheme::Digest],
        Auth::Off => return None,
    };
    if request.protocol != RTSP.name {
        return None;
    }
    let proof = request.credentials.prove(&config.rtsp.user, Secret::Password(&config.rtsp.password), schemes);
    proof.err().map(|lack| Answer::Now(Err(Denial::Unauthenticated(lack, schemes))))
}
