//! Translations that must stay as they are.

use super::*;
use crate::conf::Config;

fn config(json: &str) -> Config {
    Config::parse("test", &import(json).unwrap()).unwrap()
}

#[test]
fn a_port_of_its_own_under_https_is_told_with_the_reason() {
    let text = import(r#"{"httpflv": {"enable_https": true, "https_listen_addr": ":444"}}"#).unwrap();
    assert!(text.contains("# httpflv.https_listen_addr = \":444\": HTTPS has one port and certificate: "), "{text}");
}

#[test]
fn what_the_file_leaves_out_is_off_as_in_lal() {
    let config = config("{}");
    assert!(!config.rtmp.enable && !config.rtsp.enable && !config.http.enable && !config.api.enable);
    assert!(config.push.is_empty() && config.record.is_empty() && config.access.is_empty());
}

#[test]
fn ports_that_differ_are_one_and_the_rest_is_told() {
    let json = r#"{"httpflv": {"enable": true, "http_listen_addr": ":81"}, "httpts": {"http_listen_addr": ":82"}}"#;
    assert_eq!(config(json).http.listen.0.port(), 81);
    assert!(import(json).unwrap().contains("# httpts.http_listen_addr = \":82\": "));
}

#[test]
fn a_value_with_line_breaks_and_quotes_stays_a_value() {
    let json = r#"{"server_id": "a\"\nrtmp.enable = true", "pprof": {"addr": "b\n[x]\u2028[y]"}}"#;
    let config = config(json);
    assert_eq!(config.server_id, "a\"\nrtmp.enable = true");
    assert!(!config.rtmp.enable);
}

#[test]
fn what_lal_would_refuse_is_refused() {
    let refused = |json| import(json).unwrap_err().to_string();
    assert_eq!(refused(r#"{"rtmp": {"enable": 1}}"#), "rtmp.enable: must be true or false");
    assert_eq!(refused(r#"{"relay_push": {"addr_list": "a"}}"#), "relay_push.addr_list: must be a list of texts");
    assert!(refused("rtmp = 1").starts_with("this is no JSON of lal's: "));
    assert!(refused("[]").starts_with("this is no JSON of lal's: "));
}
