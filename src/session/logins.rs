//! Logins of a web page: a cookie stands for the credentials of who has logged in, which stay here.
//!
//! A request with the cookie is judged by the rules as if it carried the credentials, so that a change of the rules
//! holds for logins as well.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base16ct::lower::encode_string;
use subtle::ConstantTimeEq;

use crate::conf::{Config, Cost};
use crate::net::random;
use crate::proto::Credentials;

/// The table.
#[derive(Default)]
pub struct Logins(Mutex<Vec<Login>>);

struct Login {
    id: [u8; ID],
    credentials: Credentials,
    end: Instant,
}

/// The bytes of a login's id, in hexadecimal digits: 128 bits.
const ID: usize = 32;
/// The logins at once: one more ends the oldest.
const MOST: usize = 16;
/// The longest credentials, in bytes.
const LONGEST: usize = 512;
/// The time after which a login ends.
pub const LOGIN_LASTS: Duration = Duration::from_secs(12 * 3600);

/// The rows, where rules ask for credentials.
pub static LOGINS: Cost = Cost {
    what: "logins by the page",
    keys: &[],
    count: |all: &Config| if all.api.enable && !all.access.is_empty() { MOST } else { 0 },
    user: |_| size_of::<Login>() + LONGEST + 64,
    kernel: |_| 0,
};

impl Logins {
    /// Keeps credentials that were granted something. Gives the id for them; `None` if they are too long, or of a kind
    /// that belongs to one request.
    pub fn begin(&self, credentials: &Credentials, now: Instant) -> Option<String> {
        let length = match credentials {
            Credentials::Password { name, password } => name.len().saturating_add(password.len()),
            Credentials::Token(token) => token.len(),
            _ => return None,
        };
        if length > LONGEST {
            return None;
        }
        let text = encode_string(&random::bytes::<{ ID / 2 }>());
        let id = text.as_bytes().try_into().ok()?;
        let mut logins = self.lock(now);
        if logins.len() >= MOST {
            // they are in the order in which they began
            logins.remove(0);
        }
        let free = MOST.saturating_sub(logins.len());
        logins.reserve_exact(free);
        logins.push(Login { id, credentials: credentials.clone(), end: now + LOGIN_LASTS });
        Some(text)
    }

    /// The credentials of a login that has not ended.
    pub fn find(&self, id: &str, now: Instant) -> Option<Credentials> {
        let logins = self.lock(now);
        logins.iter().find(|login| login.is(id)).map(|login| login.credentials.clone())
    }

    /// Ends a login.
    pub fn end(&self, id: &str, now: Instant) {
        self.lock(now).retain(|login| !login.is(id));
    }

    /// The logins that have not ended.
    fn lock(&self, now: Instant) -> MutexGuard<'_, Vec<Login>> {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| now < login.end);
        logins
    }
}

impl Login {
    fn is(&self, id: &str) -> bool {
        self.id.ct_eq(id.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(name: &str) -> Credentials {
        Credentials::Password { name: name.into(), password: "p".into() }
    }

    #[test]
    fn a_login_stands_for_its_credentials_until_it_ends() {
        let (logins, now) = (Logins::default(), Instant::now());
        let [one, other] = ["a", "b"].map(|name| logins.begin(&password(name), now).unwrap());
        assert!(one != other && one.len() == ID);
        let name = |id: &str, now| logins.find(id, now).map(|found| found.name().to_string());
        assert_eq!((name(&one, now).as_deref(), name(&other, now).as_deref()), (Some("a"), Some("b")));
        assert_eq!(name(&one[1..], now), None);
        logins.end(&one, now);
        assert_eq!((name(&one, now), name(&other, now + LOGIN_LASTS)), (None, None));
    }

    #[test]
    fn the_table_does_not_grow_and_the_oldest_login_gives_way() {
        let (logins, now) = (Logins::default(), Instant::now());
        let ids: Vec<_> = (0..=MOST).map(|number| logins.begin(&password(&number.to_string()), now).unwrap()).collect();
        assert!(logins.find(&ids[0], now).is_none() && ids[1..].iter().all(|id| logins.find(id, now).is_some()));
        assert_eq!(logins.0.lock().unwrap().capacity(), MOST);
        assert!(logins.begin(&Credentials::Token("t".repeat(LONGEST + 1).into()), now).is_none());
        assert!(logins.begin(&Credentials::None, now).is_none());
    }
}
