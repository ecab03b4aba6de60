//! The user of the configuration, which RTSP requires with `rtsp.auth`.

use super::request::Request;
use super::verdict::{Denial, Verdict};
use crate::conf::{Auth, Config};
use crate::proto::scheme::RTSP;
use crate::proto::{AuthScheme, Secret};

/// Whether a request has the user's password, if it needs one.
pub(super) fn rule(config: &Config, request: &Request<'_>) -> Verdict {
    let schemes: &[AuthScheme] = match config.rtsp.auth {
        Auth::Basic => &[AuthScheme::Basic],
        Auth::Digest => &[AuthScheme::Digest],
        Auth::Off => return Ok(()),
    };
    if request.protocol != RTSP.name {
        return Ok(());
    }
    let proof = request.credentials.prove(&config.rtsp.user, Secret::Password(&config.rtsp.password), schemes);
    proof.map_err(|lack| Denial::Unauthenticated(lack, schemes))
}
