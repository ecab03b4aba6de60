//! RTSP 1.0: messages, session descriptions, and both sides of a connection. RFC 2326.
