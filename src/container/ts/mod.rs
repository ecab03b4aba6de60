//! Stub.
/// Stub.
pub fn mux() -> Box<dyn super::Mux> {
    super::flv::mux()
}
