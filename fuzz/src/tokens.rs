//! Tokens, keys, and links that clients show.

use std::sync::{Arc, OnceLock};

use runnel::auth::{Action, Answer, Means, Request, State, rules};
use runnel::budget::Account;
use runnel::conf::Config;
use runnel::hub::Name;
use runnel::net::Via;
use runnel::proto::Credentials;
use runnel::proto::jwt::{Claims, Header, Key, KeySet};
use runnel::wire::json::Json;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RULES: &str = "[[access]]\nsecret = \"key\"\n[[access]]\nsigned = \"key\"\n\
    [[access]]\nsecure_link = \"$secure_link_expires$uri$remote_addr key\"\n\
    [[access]]\njwt = \"0123456789abcdef0123456789abcdef\"\n[[access]]\nuser = \"u\"\npassword = \"long enough\"\n";

/// Nobody is let in by what was made up, and texts are read or refused.
pub fn tokens(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let key = Key::parse(SECRET).unwrap();
    assert!(Claims::of(&text, &key).is_err());
    let _ = Key::parse(&text).map(|key| key.has_signed(b"said", data));
    let _ = (KeySet::parse(&text), Header::of(&text));
    if let Some(json) = Json::parse(&text) {
        let _ = (json.field("exp").and_then(Json::number), json.text(), json.is_object());
        assert!(json.items().count() <= text.len());
    }
    static CONFIG: OnceLock<Config> = OnceLock::new();
    let config = CONFIG.get_or_init(|| Config::parse("fuzz.toml", RULES).unwrap());
    let name = Name::new("cam1").unwrap();
    let means = Means::of(config, &Arc::default(), &Account::root("fuzz", 1 << 20), &Arc::default());
    for credentials in [Credentials::None, Credentials::Token((&*text).into()), Credentials::of_field(Some(&text))] {
        let request = Request {
            action: Action::Play,
            protocol: "rtmp",
            form: None,
            tls: false,
            name: Some(&name),
            app: "live",
            query: &text,
            peer: ([192, 0, 2, 1], 9).into(),
            via: Via::Network,
            credentials: &credentials,
            agent: "",
        };
        let answer = rules(&Arc::new(State::new(means.clone())), config, &request);
        assert!(matches!(answer, Answer::Now(Err(_))), "{text}");
    }
}

pub fn token_seeds() -> Vec<Vec<u8>> {
    [
        "rx=1900000000&ra=r&rs=ZFinmgLQvVXx2pmjNbc0jw",
        "md5=ulUeZl86L17FEvGoPkDojg&expires=1900000000",
        "lal_secret=dcf7d9a5c31890976df6fd4f35eda95d&user=u&pass=p",
        "token=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjR9.AAAA",
        "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjR9.AAAA",
        "{\"exp\":4e9,\"nbf\":1,\"may\":[{\"action\":\"read\",\"path\":\"\\u00e9\"}]}",
        "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n",
        "Basic dTpwYXNz",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
