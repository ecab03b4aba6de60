//! Status codes.

/// A status code with its reason phrase. RFC 9110 section 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

#[allow(missing_docs, reason = "the specification's names")]
impl Status {
    pub const SWITCHING_PROTOCOLS: Self = Self(101, "Switching Protocols");
    pub const OK: Self = Self(200, "OK");
    pub const NO_CONTENT: Self = Self(204, "No Content");
    pub const PARTIAL_CONTENT: Self = Self(206, "Partial Content");
    pub const MOVED: Self = Self(301, "Moved Permanently");
    pub const FOUND: Self = Self(302, "Found");
    pub const NOT_MODIFIED: Self = Self(304, "Not Modified");
    pub const BAD_REQUEST: Self = Self(400, "Bad Request");
    pub const UNAUTHORIZED: Self = Self(401, "Unauthorized");
    pub const FORBIDDEN: Self = Self(403, "Forbidden");
    pub const NOT_FOUND: Self = Self(404, "Not Found");
    pub const METHOD_NOT_ALLOWED: Self = Self(405, "Method Not Allowed");
    pub const CONFLICT: Self = Self(409, "Conflict");
    pub const CONTENT_TOO_LARGE: Self = Self(413, "Content Too Large");
    pub const URI_TOO_LONG: Self = Self(414, "URI Too Long");
    pub const RANGE_NOT_SATISFIABLE: Self = Self(416, "Range Not Satisfiable");
    pub const MISDIRECTED: Self = Self(421, "Misdirected Request");
    pub const UPGRADE_REQUIRED: Self = Self(426, "Upgrade Required");
    pub const TOO_MANY_REQUESTS: Self = Self(429, "Too Many Requests");
    pub const HEADERS_TOO_LARGE: Self = Self(431, "Request Header Fields Too Large");
    pub const INTERNAL: Self = Self(500, "Internal Server Error");
    pub const NOT_IMPLEMENTED: Self = Self(501, "Not Implemented");
    pub const UNAVAILABLE: Self = Self(503, "Service Unavailable");
    pub const VERSION: Self = Self(505, "HTTP Version Not Supported");
}
