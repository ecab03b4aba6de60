//! Adobe's authentication at `connect` of RTMP (`authmod=adobe`), which ffmpeg, librtmp and OBS know.
//!
//! A client keeps user and password of its URL to itself until a `connect` is rejected for want of them. It connects
//! again with the user in the query of its application, is rejected with a challenge, and connects a third time with
//! the answer. There is no specification; the texts are those that these clients look for.

use base64ct::{Base64, Encoding};
use md5::{Digest as _, Md5};

use super::credentials::{Lack, Secret, is_same};

/// A proof that a client knows a password, without the password itself. It takes the password to check it.
#[derive(Clone)]
pub struct Adobe {
    name: Box<str>,
    salt: Box<str>,
    answer: AdobeAnswer,
}

/// The query by which a client introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdobeLogin {
    /// The user; may be empty.
    pub user: Box<str>,
    /// The answer to a challenge, if it is there.
    pub answer: Option<AdobeAnswer>,
}

/// An answer to a challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct AdobeAnswer {
    /// The text of the challenge, which the client repeats.
    pub opaque: Box<str>,
    challenge: Box<str>,
    response: Box<str>,
}

/// The description that asks for a user.
pub const NEEDS_USER: &str = "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ";
/// The description that refuses a user's name.
pub const NO_SUCH_USER: &str = "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=nosuchuser";
/// The longest name of a user, in bytes: clients read no more than 255 of a description.
const MAX_NAME: usize = 64;
const QUERY: &str = "authmod=adobe";

impl AdobeLogin {
    /// Cuts the query off an application or its URL; `None` if there is none. Clients write it behind any other.
    pub fn cut(app: &str) -> (&str, Option<Self>) {
        let begin = |(at, _): &(usize, &str)| {
            let (before, behind) = app.split_at(*at);
            let end = behind.strip_prefix(QUERY).unwrap_or_default();
            before.ends_with(['?', '&']) && (end.is_empty() || end.starts_with('&'))
        };
        let Some((at, _)) = app.rmatch_indices(QUERY).find(begin) else { return (app, None) };
        let (before, query) = app.split_at(at);
        let value = |name| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(own, value)| *own == name && !value.is_empty())?;
            Some(Box::from(value))
        };
        let answer = || {
            let [opaque, challenge, response] = ["opaque", "challenge", "response"].map(value);
            Some(AdobeAnswer { opaque: opaque?, challenge: challenge?, response: response? })
        };
        let login = Self { user: value("user").unwrap_or_default(), answer: answer() };
        (before.trim_end_matches(['?', '&']), Some(login))
    }

    /// True if the name is one that a description can repeat.
    pub fn has_fit_name(&self) -> bool {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b'?');
        (1..=MAX_NAME).contains(&self.user.len()) && self.user.bytes().all(is_fit)
    }

    /// The description that challenges the user. `opaque` is the challenge too.
    pub fn challenge(&self, salt: &str, opaque: &str) -> String {
        let user = &self.user;
        format!(
            "[ AccessManager.Reject ] : [ authmod=adobe ] : \
             ?reason=needauth&user={user}&salt={salt}&challenge={opaque}&opaque={opaque}"
        )
    }
}

impl Adobe {
    /// The answer of `name` to a challenge with this salt that is valid.
    pub fn new(name: &str, salt: &str, answer: &AdobeAnswer) -> Self {
        Self { name: name.into(), salt: salt.into(), answer: answer.clone() }
    }

    /// The user name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the answer. A hash of the password proves nothing.
    pub(super) fn prove(&self, name: &str, secret: Secret<'_>) -> Result<(), Lack> {
        let Secret::Password(password) = secret else { return Err(Lack::Missing) };
        let AdobeAnswer { opaque, challenge, response } = &self.answer;
        let expected = hash(&[&hash(&[name, &self.salt, password]), opaque, challenge]);
        let is_right = is_same(response, &expected) & is_same(&self.name, name);
        bool::from(is_right).then_some(()).ok_or(Lack::Wrong)
    }
}

/// The MD5 of the parts, one behind the other, as Base64.
fn hash(parts: &[&str]) -> String {
    Base64::encode_string(&Md5::digest(parts.concat()))
}

impl std::fmt::Debug for AdobeAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdobeAnswer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::digest::Algorithm;
    use crate::proto::{AuthScheme, Credentials};

    /// Of `camera` and `Tiger-97`, by Python's hashlib.
    const QUERY: &str =
        "live?authmod=adobe&user=camera&challenge=0badf00d&response=IdakIz6bCHzv5VKshlH8nQ==&opaque=b3BhcXVl";

    fn login(app: &str) -> Option<AdobeLogin> {
        AdobeLogin::cut(app).1
    }

    #[test]
    fn the_query_is_cut_off_behind_any_other() {
        for (app, before, user) in [
            ("live?authmod=adobe&user=a", "live", "a"),
            ("live?k=1?authmod=adobe&user=a", "live?k=1", "a"),
            ("live?k=1&authmod=adobe&user=", "live?k=1", ""),
            ("rtmp://h/live?authmod=adobe", "rtmp://h/live", ""),
        ] {
            let login = AdobeLogin { user: user.into(), answer: None };
            assert_eq!(AdobeLogin::cut(app), (before, Some(login)), "{app}");
        }
        for app in
            ["", "live", "authmod=adobe", "live?authmod=adobex", "live?xauthmod=adobe", "live?authmod=llnw&user=a"]
        {
            assert_eq!(AdobeLogin::cut(app), (app, None));
        }
        let part = QUERY.replace("&opaque=b3BhcXVl", "");
        assert!(login(&part).unwrap().answer.is_none() && login(QUERY).unwrap().answer.is_some());
    }

    #[test]
    fn an_answer_is_proved_by_the_password_alone() {
        let answer = login(QUERY).unwrap().answer.unwrap();
        let schemes = [AuthScheme::Digest];
        let prove = |name, salt, secret| {
            Credentials::Adobe(Box::new(Adobe::new(name, salt, &answer))).prove("camera", secret, &schemes)
        };
        let right = Secret::Password("Tiger-97");
        assert_eq!(prove("camera", "c2FsdA", right), Ok(()));
        assert_eq!(prove("camera", "c2FsdB", right), Err(Lack::Wrong));
        assert_eq!(prove("Camera", "c2FsdA", right), Err(Lack::Wrong));
        assert_eq!(prove("camera", "c2FsdA", Secret::Password("Tiger-98")), Err(Lack::Wrong));
        for hash in [Secret::Ha1(Algorithm::Md5, "x"), Secret::Sha256(&[0; 32])] {
            assert_eq!(prove("camera", "c2FsdA", hash), Err(Lack::Missing));
        }
    }

    #[test]
    fn a_description_repeats_no_name_that_would_change_it() {
        let fits = |user: &str| AdobeLogin { user: user.into(), answer: None }.has_fit_name();
        assert!(fits("camera") && fits("a%20b@c") && fits(&"x".repeat(MAX_NAME)));
        for user in ["", "a b", "a]", "a?b", "\u{e4}", "a\n", &"x".repeat(MAX_NAME + 1)] {
            assert!(!fits(user), "{user:?}");
        }
        let longest = AdobeLogin { user: "x".repeat(MAX_NAME).into(), answer: None };
        assert!(longest.challenge(&"s".repeat(16), &"o".repeat(22)).len() < 256);
    }

    #[test]
    fn secrets_are_not_shown() {
        let login = login(QUERY).unwrap();
        let proof = Credentials::Adobe(Box::new(Adobe::new("camera", "", &login.answer.clone().unwrap())));
        assert!(!format!("{login:?} {proof:?}").contains("f00d"));
    }
}
