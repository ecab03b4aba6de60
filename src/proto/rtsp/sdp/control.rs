//! URLs of tracks. RFC 2326 section C.1.1.

use crate::proto::Url;

/// The URL for SETUP, from a control attribute and the base URL.
///
/// This does not follow RFC 3986: a relative control is appended to the whole base, including its query. Cameras
/// with `?channel=1` in their base expect this, because the common clients do it.
pub fn resolve(base: &str, control: &str) -> String {
    let (base, control) = (base.trim(), control.trim());
    if control.is_empty() || control == "*" {
        base.into()
    } else if is_absolute(control) {
        control.into()
    } else {
        format!("{}/{}", base.trim_end_matches('/'), control.trim_start_matches('/'))
    }
}

/// The base URL of relative controls: Content-Base, Content-Location or the URL of the request. RFC 2326 section
/// C.1.1. Some devices write addresses without scheme or bare paths into these fields; those are skipped.
pub fn base(content_base: Option<&str>, content_location: Option<&str>, request_url: &str) -> String {
    let mut candidates = [content_base, content_location].into_iter().flatten().map(str::trim);
    candidates.find(|url| is_absolute(url) && Url::parse(url).is_ok()).unwrap_or(request_url).into()
}

/// True if a URL has a scheme of RTSP.
fn is_absolute(url: &str) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| ["rtsp", "rtsps", "rtspu"].contains(&scheme.as_str()))
}
