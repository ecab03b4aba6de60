//! Status codes. RFC 2326 section 7.1.1.

/// A status code with its reason phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

#[allow(missing_docs, reason = "the specification's names")]
impl Status {
    pub const OK: Self = Self(200, "OK");
    pub const MOVED_PERMANENTLY: Self = Self(301, "Moved Permanently");
    pub const FOUND: Self = Self(302, "Moved Temporarily");
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    pub const UNAUTHORIZED: Self = Self(401, "Unauthorized");
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    pub const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    pub const NOT_ACCEPTABLE: Self = Self(406, "Not Acceptable");
    pub const REQUEST_TIMEOUT: Self = Self(408, "Request Time-out");
    pub const TOO_LARGE: Self = Self(413, "Request Entity Too Large");
    pub const URI_TOO_LONG: Self = Self(414, "Request-URI Too Large");
    pub const UNSUPPORTED_MEDIA_TYPE: Self = Self(415, "Unsupported Media Type");
    pub const NOT_ENOUGH_BANDWIDTH: Self = Self(453, "Not Enough Bandwidth");
    pub const SESSION_NOT_FOUND: Self = Self(454, "Session Not Found");
    pub const METHOD_NOT_VALID: Self = Self(455, "Method Not Valid in This State");
    pub const HEADER_FIELD_NOT_VALID: Self = Self(456, "Header Field Not Valid for Resource");
    pub const AGGREGATE_NOT_ALLOWED: Self = Self(459, "Aggregate operation not allowed");
    pub const ONLY_AGGREGATE: Self = Self(460, "Only aggregate operation allowed");
    pub const UNSUPPORTED_TRANSPORT: Self = Self(461, "Unsupported transport");
    pub const DESTINATION_UNREACHABLE: Self = Self(462, "Destination unreachable");
    pub const INTERNAL: Self = Self(500, "Internal Server Error");
    pub const NOT_IMPLEMENTED: Self = Self(501, "Not Implemented");
    pub const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    pub const VERSION: Self = Self(505, "RTSP Version not supported");
    pub const OPTION_NOT_SUPPORTED: Self = Self(551, "Option not supported");
}
