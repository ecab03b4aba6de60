use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
// made by Python's cryptography 48 and hmac: the claims are those of `of_the_vectors`
const BY_HS256: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsIm5iZiI6MTkwMDAwMDAwMCwibWVkaWFtdHhfcGVybWlzc2lvbnMiOlt7ImFjdGlvbiI6InB1Ymxpc2giLCJwYXRoIjoiY2FtMSJ9LHsiYWN0aW9uIjoicmVhZCIsInBhdGgiOiIifV19.6sqTvobDCcjC90gGQQs2YSXKYUME4bQoHLmoXlZ1L4E";
const SECRET_JWK: &str = "{\"kty\": \"oct\", \"k\": \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}";

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn of_the_vectors(claims: &Claims) {
    let at = |secs| claims.hold_at(Duration::from_secs(secs));
    assert_eq!((at(1_899_999_940), at(1_899_999_939)), (Ok(()), Err(TokenError::Expired)));
    assert_eq!((at(2_000_000_059), at(2_000_000_060)), (Ok(()), Err(TokenError::Expired)));
    let first = claims.claim("mediamtx_permissions").unwrap().items().next().unwrap();
    assert_eq!(first.field("path").and_then(Json::text).as_deref(), Some("cam1"));
}

/// A token with this header and these claims, signed by the secret.
fn token(header: &str, claims: &str) -> String {
    let signed = [header, claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(&signed);
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
}

const HS256: &str = "{\"alg\":\"HS256\"}";

#[test]
fn a_token_is_believed_by_the_key_that_signed_it_and_by_no_other() {
    for text in [SECRET, SECRET_JWK] {
        of_the_vectors(&Claims::of(BY_HS256, &key(text)).unwrap());
    }
    let other = key("0123456789abcdef0123456789abcdeg");
    assert_eq!(Claims::of(BY_HS256, &other).unwrap_err(), TokenError::Wrong);
    for at in 0..BY_HS256.len() {
        let mut bytes = BY_HS256.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(Claims::of(&changed, &key(SECRET)).is_err(), "{at}");
        assert!(Claims::of(&BY_HS256[..at], &key(SECRET)).is_err(), "{at}");
    }
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    let good = "{\"exp\":2000000000}";
    assert!(Claims::of(&token(HS256, good), &key(SECRET)).is_ok());
    for header in [
        "{\"alg\":\"none\"}",
        "{\"alg\":\"hs256\"}",
        "{}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"RS256\"}",
        "[]",
    ] {
        assert_eq!(Claims::of(&token(header, good), &key(SECRET)).unwrap_err(), TokenError::Wrong, "{header}");
    }
    let unsigned = token("{\"alg\":\"none\"}", good);
    assert!(Claims::of(&unsigned[..unsigned.rfind('.').unwrap() + 1], &key(SECRET)).is_err());
}

#[test]
fn a_token_says_by_a_number_when_it_expires() {
    let hold = |claims: &str| {
        Claims::of(&token(HS256, claims), &key(SECRET)).and_then(|it| it.hold_at(Duration::from_secs(1000)))
    };
    assert_eq!((hold("{\"exp\":941}"), hold("{\"exp\":1e9,\"nbf\":1060}")), (Ok(()), Ok(())));
    for (claims, why) in [
        ("{}", TokenError::Wrong),
        ("{\"exp\":\"2000\"}", TokenError::Wrong),
        ("{\"exp\":null}", TokenError::Wrong),
        ("{\"exp\":2000,\"exp\":2000}", TokenError::Wrong),
        ("{\"exp\":2000,\"nbf\":true}", TokenError::Wrong),
        ("[2000]", TokenError::Wrong),
        ("{\"exp\":940}", TokenError::Expired),
        ("{\"exp\":-1e999}", TokenError::Expired),
        ("{\"exp\":2000,\"nbf\":1061}", TokenError::Expired),
    ] {
        assert_eq!(hold(claims), Err(why), "{claims}");
    }
    let long = format!("{{\"exp\":2000,\"x\":\"{}\"}}", "x".repeat(MAX_TOKEN));
    assert_eq!(hold(&long), Err(TokenError::Wrong));
}

#[test]
fn a_text_that_is_no_key_is_none() {
    for bad in
        ["", "short", "{}", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", &SECRET_JWK.replace('}', ", \"alg\": \"RS256\"}")]
    {
        assert!(Key::parse(bad).is_err(), "{bad}");
    }
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
    assert!(Key::parse(private).is_err());
    assert_eq!(format!("{:?}", key(SECRET)), "Key(HS256, ..)");
}

#[cfg(feature = "tls")]
mod public {
    use super::*;

    // made by Python's cryptography 48, signatures and keys alike
    const BY_RS256: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsIm5iZiI6MTkwMDAwMDAwMCwibWVkaWFtdHhfcGVybWlzc2lvbnMiOlt7ImFjdGlvbiI6InB1Ymxpc2giLCJwYXRoIjoiY2FtMSJ9LHsiYWN0aW9uIjoicmVhZCIsInBhdGgiOiIifV19.YnZxnSsggh8Sif0aVQiF5ArHsXrLXxh0uByih0Ri7XuWpXN6jsAuVQpV7QEcTpX93cfBbJ2AecfFyR5fRvIoFRDQN8wYTm14SnuMMv4tFZOMMr4ZqgbL7Y2KD9MqJvx3a6fy7NW-YoAvtU-9GhA0agnf3mWyIDQUE1MFPBOtpHqovuyBPE3cyY3ewbFkICNq1UJwgU0FirfGuaT5P30yUas96B3IFkKuc_4-90cInIzBN_mGQr-R-n3Yzh7qjBxRhDyRRLdQq47zJX05wqiZl725RK3E6AhV47_xvXFer8AWGSTxpzyh9BjiXCL6s-WDb1TyoaQ6ElBPwahpknGKCA";
    const BY_ES256: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsIm5iZiI6MTkwMDAwMDAwMCwibWVkaWFtdHhfcGVybWlzc2lvbnMiOlt7ImFjdGlvbiI6InB1Ymxpc2giLCJwYXRoIjoiY2FtMSJ9LHsiYWN0aW9uIjoicmVhZCIsInBhdGgiOiIifV19.9kHeAcYi4ZZOMZvrvT-oTuf9RMF8grkpot7PZvZKvx68C4QHz0JiXyj5mHZsPnBW4EsIlDx_L1minojtL0ehxQ";
    const BY_EDDSA: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJleHAiOjIwMDAwMDAwMDAsIm5iZiI6MTkwMDAwMDAwMCwibWVkaWFtdHhfcGVybWlzc2lvbnMiOlt7ImFjdGlvbiI6InB1Ymxpc2giLCJwYXRoIjoiY2FtMSJ9LHsiYWN0aW9uIjoicmVhZCIsInBhdGgiOiIifV19.rI0smDVR8QSVMKzUus81N67Tg3sc0cxVu0oKgf1joPYRXg8Ytf5u1ZERQ-6kYZ4rGCB42XK9Tkdt8AdCW94gAA";
    const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzBKZvXUN5jL6f23CfwXN\ncyo/uwx8seVWAtGGbLOptYyN2roQT2LksPEC4EQzeByLeDIeSsfmWpaB6Qf23h2A\nl/ZaNrXvTZeQ+zlegI6sGdMBkxLJ48+snP7GJJptSif21wKlt+KMcNJJQr6vj7Tv\nv36uVrawyVL38XOHL9pYvDOJnTxhjmqt3IWXO+gF9z9VI5MrDwby4I2FJANm7Mvp\nC1SZadYLZ+fi1ujApRC79KP2vr55s+Boe8yW23r2Sky96zo9Ifm2hf5L9n8tdCzr\n9Q/8hJl8oDhwVZ/yu5MiwZ64el77x2FKAMBPIjDiE75k4nqwyPz5CCUhTFSWClIp\nFQIDAQAB\n-----END PUBLIC KEY-----\n";
    const P256_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjjYHps7iMOSziZnQLqtgfDSngE7A\nhCZbqwuXgjRgxEksdCR9Zp/knrJYlzv3xfEBsfH/BZ0K9eAzF0YATD9B7g==\n-----END PUBLIC KEY-----\n";
    const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAPDnCY3SQl7OYrrmJRyZNZMmDLILt+I2nqEpKgFbzBP0=\n-----END PUBLIC KEY-----\n";
    const RSA_JWK: &str = "{\"kty\": \"RSA\", \"alg\": \"RS256\", \"n\": \"zBKZvXUN5jL6f23CfwXNcyo_uwx8seVWAtGGbLOptYyN2roQT2LksPEC4EQzeByLeDIeSsfmWpaB6Qf23h2Al_ZaNrXvTZeQ-zlegI6sGdMBkxLJ48-snP7GJJptSif21wKlt-KMcNJJQr6vj7Tvv36uVrawyVL38XOHL9pYvDOJnTxhjmqt3IWXO-gF9z9VI5MrDwby4I2FJANm7MvpC1SZadYLZ-fi1ujApRC79KP2vr55s-Boe8yW23r2Sky96zo9Ifm2hf5L9n8tdCzr9Q_8hJl8oDhwVZ_yu5MiwZ64el77x2FKAMBPIjDiE75k4nqwyPz5CCUhTFSWClIpFQ\", \"e\": \"AQAB\"}";
    const P256_JWK: &str = "{\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"jjYHps7iMOSziZnQLqtgfDSngE7AhCZbqwuXgjRgxEk\", \"y\": \"LHQkfWaf5J6yWJc798XxAbHx_wWdCvXgMxdGAEw_Qe4\"}";
    const ED25519_JWK: &str =
        "{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"PDnCY3SQl7OYrrmJRyZNZMmDLILt-I2nqEpKgFbzBP0\"}";

    #[test]
    fn public_keys_check_tokens_as_pem_and_as_jwk() {
        let all = [
            ("RS256", BY_RS256, [RSA_PEM, RSA_JWK]),
            ("ES256", BY_ES256, [P256_PEM, P256_JWK]),
            ("EdDSA", BY_EDDSA, [ED25519_PEM, ED25519_JWK]),
        ];
        for (name, token, keys) in all {
            for text in keys {
                let key = key(text);
                assert_eq!(key.algorithm(), name);
                of_the_vectors(&Claims::of(token, &key).unwrap());
                for (_, other, _) in all.iter().filter(|(other, ..)| *other != name) {
                    assert_eq!(Claims::of(other, &key).unwrap_err(), TokenError::Wrong);
                }
                let cut = &token[..token.len() - 2];
                assert_eq!(Claims::of(cut, &key).unwrap_err(), TokenError::Wrong);
                assert!((1..text.len() - 26).all(|len| Key::parse(&text[..len]).is_err()), "{name}");
            }
        }
    }

    #[test]
    fn a_public_key_is_no_shared_secret() {
        let forged = |secret: &str| {
            let signed =
                [HS256, "{\"exp\":2000000000}"].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
            let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(&signed);
            format!("{signed}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()))
        };
        assert!(Claims::of(&forged(RSA_PEM), &key(RSA_PEM)).is_err());
    }
}

#[cfg(feature = "tls")]
mod sets {
    use super::*;

    fn jwk(more: &str) -> String {
        format!("{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"{more}}}")
    }

    fn set(keys: &[String]) -> Result<KeySet, SetError> {
        KeySet::parse(&format!("{{\"keys\":[{}]}}", keys.join(",")))
    }

    fn find(set: &KeySet, algorithm: &str, key_id: Option<&str>) -> bool {
        set.find(&Header { algorithm: algorithm.into(), key_id: key_id.map(str::to_string) }).is_some()
    }

    #[test]
    fn a_set_has_the_keys_that_check_signatures_and_no_secret() {
        let others = [jwk(",\"use\":\"enc\""), jwk(",\"alg\":\"RS256\""), SECRET_JWK.into(), "1".into(), "{}".into()];
        assert_eq!(set(&others), Err(SetError::Empty));
        let one = set(&[&others[..], &[jwk(",\"kid\":\"a\",\"use\":\"sig\"")]].concat()).unwrap();
        assert!(find(&one, "EdDSA", Some("a")) && find(&one, "EdDSA", None));
        assert!(!find(&one, "EdDSA", Some("b")) && !find(&one, "ES256", Some("a")));
        let many: Vec<_> = (0..17).map(|at| jwk(&format!(",\"kid\":\"{at}\""))).collect();
        assert!(
            find(&set(&many[1..]).unwrap(), "EdDSA", Some("16")) && !find(&set(&many[..2]).unwrap(), "EdDSA", None)
        );
        assert_eq!(set(&many), Err(SetError::TooMany));
        assert!(find(&set(&[jwk("")]).unwrap(), "EdDSA", Some("any")), "a set without ids has one key");
        for bad in ["", "[]", "{\"keys\":", "<html>", "{\"key\":[]}"] {
            assert_eq!(KeySet::parse(bad), Err(SetError::Damaged), "{bad}");
        }
        assert_eq!(KeySet::parse("{\"keys\":{}}"), Err(SetError::Empty));
    }
}
