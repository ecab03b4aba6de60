use std::time::Duration;

use super::*;
use crate::auth::Means;

const USERS: &str = "rtmp.auth = \"adobe\"\n[[access]]\nuser = \"camera\"\npassword = \"Tiger-97\"\n";
const FROM: &str = "192.0.2.1";
const ENCODER: &str = "FMLE/3.0 (compatible; FMSc/1.0)";

struct House(State, Config);

impl House {
    fn new(text: &str) -> Self {
        let config = Config::parse("test", &format!("profile = \"tiny\"\n{text}")).unwrap();
        Self(State::new(Means::default()), config)
    }

    fn meet(&self, app: &str, agent: &str, from: &str, after: u64) -> Meeting {
        let (app, login) = AdobeLogin::cut(app);
        let guest =
            Guest { from: from.parse().unwrap(), app, agent, credentials: &Credentials::None, login: login.as_ref() };
        meet_at(&self.0, &self.1, &guest, self.0.began + Duration::from_secs(after))
    }

    fn is_asked(&self, agent: &str, from: &str) -> bool {
        matches!(self.meet("live", agent, from, 0), Meeting::Again(why) if why == NEEDS_USER)
    }

    /// Salt and challenge of a user.
    fn challenge(&self, user: &str, after: u64) -> [String; 2] {
        let Meeting::Again(why) = self.meet(&format!("live?authmod=adobe&user={user}"), "", FROM, after) else {
            panic!()
        };
        ["salt=", "opaque="].map(|key| why.split_once(key).unwrap().1.split('&').next().unwrap().into())
    }

    fn is_known(&self, user: &str, opaque: &str, from: &str, after: u64) -> bool {
        let app = format!("live?authmod=adobe&user={user}&challenge=c&response=r&opaque={opaque}");
        matches!(self.meet(&app, "", from, after), Meeting::Known(_))
    }
}

#[test]
fn who_needs_a_user_is_asked_for_one_and_nobody_else() {
    let of = |rules: &str| {
        let house = House::new(&format!("rtmp.auth = \"adobe\"\n{rules}"));
        [ENCODER, "LNX 9,0,124,2"].map(|agent| house.is_asked(agent, FROM))
    };
    let user = |more: &str| format!("[[access]]\nuser = \"a\"\npassword = \"p\"\n{more}");
    assert_eq!(of(&user("")), [true, true]);
    assert_eq!(of(&user("action = \"publish\"")), [true, false], "players are let in");
    assert_eq!(of(&user("streams = \"cam*\"")), [true, true], "it may be that stream");
    for nobody in ["protocols = [\"rtsp\"]", "from = [\"192.0.2.2\"]", "action = [\"api\"]"] {
        assert_eq!(of(&user(nobody)), [false, false], "{nobody}");
    }
    assert_eq!(of("[[access]]\nuser = \"a\"\npassword = \"ha1:634c9651b31e363d1b08cff61e66c157\"\n"), [false, false]);
    let near = format!("[[access]]\nfrom = [\"192.0.2.0/24\"]\nallow = true\n{}", user(""));
    assert_eq!(of(&near), [false, false]);
    assert_eq!(of(&near.replace("allow", "streams = \"b\"\nallow")), [true, true]);
    assert!(House::new(&format!("rtmp.auth = \"adobe\"\n{near}")).is_asked(ENCODER, "192.0.3.1"));
    let house = House::new(USERS);
    assert!(matches!(house.meet("live?token=x", ENCODER, FROM, 0), Meeting::Welcome), "it shows something");
    let silent = House::new(&USERS.replace("adobe", "url"));
    assert!(matches!(silent.meet("live?authmod=adobe&user=a", ENCODER, FROM, 0), Meeting::Welcome));
}

#[test]
fn a_challenge_holds_for_its_user_address_and_minute() {
    let house = House::new(USERS);
    let [_, opaque] = house.challenge("camera", 100);
    for (user, opaque, from, after, is_known) in [
        ("camera", &*opaque, FROM, 100, true),
        ("camera", &opaque, "::ffff:192.0.2.1", 160, true),
        ("camera", &opaque, FROM, 161, false),
        ("camera", &opaque, FROM, 99, false),
        ("camera", &opaque, "192.0.2.2", 100, false),
        ("other", &opaque, FROM, 100, false),
        ("camera", "", FROM, 100, false),
        ("camera", "AAAA", FROM, 100, false),
        ("camera", &"A".repeat(22), FROM, 100, false),
        ("camera", &"A".repeat(400), FROM, 100, false),
        ("camera", "\u{e4}%&=", FROM, 100, false),
        ("camera", &format!("{opaque}="), FROM, 100, false),
    ] {
        assert_eq!(house.is_known(user, opaque, from, after), is_known, "{user} {opaque} {from} {after}");
    }
    assert!(!House::new(USERS).is_known("camera", &opaque, FROM, 100), "another process");
    let network = |from| {
        let Meeting::Again(why) = house.meet("live?authmod=adobe&user=camera", "", from, 0) else { panic!() };
        why
    };
    assert_eq!(network("2001:db8::1"), network("2001:db8::2"));
}

#[test]
fn a_name_that_no_rule_has_is_challenged_like_others() {
    let house = House::new(USERS);
    let [known, unknown] = ["camera", "nobody"].map(|user| house.challenge(user, 7));
    assert_eq!(house.challenge("camera", 8)[0], known[0], "the salt of a name stays the same");
    assert_eq!((known[0].len(), known[1].len()), (unknown[0].len(), unknown[1].len()));
    assert!(known[0] != unknown[0] && known[1] != unknown[1]);
    for user in ["", "a]b", &"x".repeat(65)] {
        let met = house.meet(&format!("live?authmod=adobe&user={user}"), ENCODER, FROM, 0);
        assert!(matches!(met, Meeting::Again(why) if why == NO_SUCH_USER), "{user}");
    }
}
