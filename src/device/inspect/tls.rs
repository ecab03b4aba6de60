//! Checks of certificates, keys and authorities.

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::{Fault, Weight};
use crate::conf::Config;
use crate::net;

/// The faults of certificates, keys and authorities.
pub(super) fn faults(config: &Config, are_the_server_s: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tls = &config.tls;
    let is_denied = |file: &str| access(file, Access::READ_OK) == Err(Errno::ACCESS);
    let first = Some((String::from("tls"), &tls.cert, &tls.key)).filter(|(_, cert, _)| !cert.is_empty());
    let more = tls.more.iter().enumerate().map(|(at, more)| (format!("tls.more[{at}]"), &more.cert, &more.key));
    for (table, certificate, key) in first.into_iter().chain(more) {
        let files = net::Files { certificate: certificate.into(), key: key.into() };
        let (weight, more) = match tls.required {
            true => (Weight::Wrong, ": with tls.required = true the server does not start without it"),
            false => (Weight::Lacking, ""),
        };
        for ((name, file), fault) in [("cert", certificate), ("key", key)].into_iter().zip(files.faults()) {
            let weight = if !are_the_server_s && is_denied(file) { Weight::Untried } else { weight };
            faults.extend(fault.map(|why| Fault {
                key: format!("{table}.{name}"),
                why: format!("{why}{more}"),
                weight,
            }));
        }
    }
    let pulls = config.pull.iter().enumerate().map(|(at, pull)| (format!("pull[{at}].ca"), &pull.ca));
    let pushes = config.push.iter().enumerate().map(|(at, push)| (format!("push[{at}].ca"), &push.ca));
    let told = config.receivers().enumerate().map(|(at, (_, ca))| (format!("notify[{at}].ca"), ca));
    let asked = config.asked().map(|(key, _, ca, _)| (key, ca));
    for (key, file) in pulls.chain(pushes).chain(told).chain(asked).filter(|(_, file)| !file.is_empty()) {
        let trust = net::Trust::authorities(file.as_ref());
        faults.extend(trust.err().map(|error| Fault { key, why: error.to_string(), weight: Weight::Lacking }));
    }
    faults
}
