//! The reasons why the program ends, with exit codes by which a supervisor decides whether to restart it.

use std::error::Error;
use std::{fmt, io};

use runnel::conf::{self, Place};
use runnel::device::{self, Fault, Weight};
use runnel::session::Mistake;

use crate::arguments::Usage;
use crate::plan::TooLarge;

/// The reason why the program ends, or does not apply its configuration.
#[derive(Debug)]
pub struct Failure {
    blame: Blame,
    why: Box<dyn Error + Send + Sync>,
}

/// The party at fault, with its exit code as in sysexits.h.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Blame {
    /// EX_USAGE: the command line is wrong.
    Usage = 64,
    /// EX_DATAERR: a file to import cannot be read, or the server refuses a request.
    #[cfg(feature = "api")]
    Input = 65,
    /// EX_UNAVAILABLE: the server would start, but something that it has to serve is missing; or no server answers.
    Lacking = 69,
    /// EX_OSERR: the system refuses something, perhaps temporarily.
    System = 71,
    /// EX_CANTCREAT: files cannot be written, or exist already.
    #[cfg(feature = "tls")]
    Unwritten = 73,
    /// EX_NOPERM: the server lets nobody do that from here.
    #[cfg(feature = "api")]
    Rights = 77,
    /// EX_CONFIG: the configuration is wrong, or names something that the machine lacks: a restart does not help.
    Config = 78,
}

/// A key that names something that the machine lacks.
#[derive(Debug)]
pub struct Lacks(pub Place, pub Fault);

/// A resource that the system refuses, without a key for it.
#[derive(Debug)]
pub enum System {
    /// Random bytes.
    Random(io::Error),
    /// A further thread.
    Thread(io::Error),
    /// Signals.
    Signals(io::Error),
}

impl Failure {
    /// Its lines: one for each error of a configuration.
    pub fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(String::from).collect()
    }

    /// The mistakes of a configuration, or the one reason.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let at = |place: &Place, why: &dyn fmt::Display| {
            let Place { key, .. } = place;
            Mistake { key: key.clone(), line: place.line(), text: why.to_string() }
        };
        let why = &self.why;
        if let Some(errors) = why.downcast_ref::<conf::Errors>() {
            return errors.told.iter().map(|error| at(&error.place, &error.fault)).collect();
        }
        let one = why.downcast_ref().map(|error: &conf::Error| at(&error.place, &error.fault));
        let one = one.or_else(|| why.downcast_ref().map(|Lacks(place, fault)| at(place, &fault.why)));
        let one = one.or_else(|| why.downcast_ref().map(|TooLarge(place, excess)| at(place, excess)));
        vec![one.unwrap_or_else(|| Mistake { key: None, line: None, text: why.to_string() })]
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.blame as u8
    }
}

impl From<Weight> for Blame {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Wrong => Self::Config,
            Weight::Refused => Self::System,
            Weight::Lacking | Weight::Untried => Self::Lacking,
        }
    }
}

/// Errors, each with the party at fault.
macro_rules! blame {
    ($($(#[$feature:meta])? $error:ty: $blame:expr;)+) => { $(
        $(#[$feature])?
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let blame: fn(&$error) -> Blame = $blame;
                Self { blame: blame(&error), why: error.into() }
            }
        }
    )+ };
}

blame! {
    Usage: |_| Blame::Usage;
    #[cfg(feature = "api")]
    crate::import::Unimported: |_| Blame::Input;
    #[cfg(feature = "api")]
    crate::ctl::Unheard: blame_of_server;
    conf::Error: |_| Blame::Config;
    conf::Errors: |_| Blame::Config;
    TooLarge: |_| Blame::Config;
    Lacks: |Lacks(_, fault)| fault.weight.into();
    device::Error: |error| error.weight().into();
    System: |_| Blame::System;
    runnel::serve::Error: |_| Blame::System;
    #[cfg(feature = "record")]
    runnel::record::Unready: |_| Blame::System;
    #[cfg(feature = "record")]
    runnel::relay::Unsent: |_| Blame::System;
    #[cfg(feature = "tls")]
    device::Unmade: |_| Blame::Unwritten;
}

/// The blame for a request to a running server.
#[cfg(feature = "api")]
fn blame_of_server(why: &crate::ctl::Unheard) -> Blame {
    match why {
        crate::ctl::Unheard::Refused(401 | 403, _) => Blame::Rights,
        crate::ctl::Unheard::Refused(..500, _) => Blame::Input,
        _ => Blame::Lacking,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place, fault) = self;
        write!(f, "{place}{}", fault.why)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(f, "the system has no random bytes: {error}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
            Self::Signals(error) => error.fmt(f),
        }
    }
}

impl Error for Lacks {}

impl Error for System {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let (Self::Random(error) | Self::Thread(error) | Self::Signals(error)) = self;
        Some(error)
    }
}
