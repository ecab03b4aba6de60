//! URLs of servers that are asked or told by HTTP.

use super::features::is_compiled;
use super::secret::MASK;
use super::text::MASKED;
use super::value::Value;
use super::{MissingFeature, Wrong};
use crate::proto::Url;
use crate::proto::scheme::REQUESTS;

/// The URL of a server for requests, `http` or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(pub Url);

impl Value for Endpoint {
    fn read(value: toml::Value) -> Result<Self, Wrong> {
        let text = String::read(value)?;
        let url = if text.contains(MASK) { Err(MASKED) } else { Url::parse(&text) }.map_err(Wrong::Url)?;
        match REQUESTS.into_iter().find(|scheme| scheme.name == url.scheme) {
            Some(scheme) => match scheme.features().find(|feature| !is_compiled(feature)) {
                Some(feature) => Err(Wrong::Feature(MissingFeature(feature))),
                None => Ok(Self(url)),
            },
            None => Err(Wrong::Scheme(REQUESTS.map(|scheme| scheme.name).join(", "))),
        }
    }
}
