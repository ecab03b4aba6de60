//! A fault in a configuration is told with its file, line, key and remedy.

use std::io::ErrorKind;
use std::num::NonZeroUsize;

use runnel::conf::{Config, Error, Fault, Found, Keys, Wrong};

/// The error with which `text` is refused as the file "r.toml".
fn refusal(text: &str) -> String {
    match Config::parse("r.toml", text) {
        Ok(_) => panic!("it is accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_out_of_range() {
    let cases = [
        ("[viewers]\nslow = \"0s\"", "r.toml: line 2: viewers.slow: must be more than \"0s\""),
        ("[notifications]\nevents = 7", "r.toml: line 2: notifications.events: must be between 8 and 4096"),
        ("notifications.memory = \"4KiB\"", "r.toml: line 1: notifications.memory: must be at least \"8KiB\""),
        ("commands.max = 0", "r.toml: line 1: commands.max: must be between 1 and 64"),
        (
            "[[exec]]\non = [\"play\"]\ncommand = [\"true\"]",
            "r.toml: line 3: exec.command: must be a list that begins with the path of a program, from the root on",
        ),
        (
            "[connections]\nproxy_protocol = [\"http\", \"rtmp2\"]",
            "r.toml: line 2: connections.proxy_protocol: must be a list of \"rtmp\", \"rtmps\", \"rtsp\", \"rtsps\", \"rtsp over websocket\", \"http\", \"https\" and \"api\"",
        ),
        (
            "api.socket = \"runnel.sock\"",
            "r.toml: line 1: api.socket: must be a path from the root on of at most 107 bytes, such as \"/run/runnel.sock\", or empty",
        ),
        ("threads = 0", "r.toml: line 1: threads: must be between 1 and 64, or \"auto\""),
        ("# a comment\n\nstreams.max = 0", "r.toml: line 3: streams.max: must be at least 1"),
        (
            "[hls]\n\nsegments = 2",
            "r.toml: line 3: hls.segments: must be at least 3: players start three segments before the end",
        ),
        (
            "[hls]\nstore = \"/m\"\n[[record]]\nstreams = \"*\"\npath = \"/m\"\nformat = \"hls\"",
            "r.toml: line 2: hls.store: must be another folder than that of a [[record]] with format = \"hls\"",
        ),
        ("hls.start = 1", "r.toml: line 1: hls.start: must be between 2 and hls.segments, and 3 with hls.part"),
        ("hls.start = 7", "r.toml: line 1: hls.start: must be between 2 and hls.segments, and 3 with hls.part"),
        (
            "[hls]\npart = \"200ms\"\nstart = 2",
            "r.toml: line 3: hls.start: must be between 2 and hls.segments, and 3 with hls.part",
        ),
        (
            "[streams]\nmax = 4\nmax_frame = \"17MiB\"",
            "r.toml: line 3: streams.max_frame: must be at most \"16MiB\": a message cannot be longer",
        ),
        ("[streams]\nmemory = \"1MiB\"", "r.toml: line 2: streams.memory: must be at least twice streams.max_frame"),
        (
            "[log]\ntarget = \"log.txt\"",
            "r.toml: line 2: log.target: invalid value: string \"log.txt\", expected \"stderr\", \"syslog\" or the absolute path of a file",
        ),
        (
            "[process]\nwatchdog = \"watchdog\"",
            "r.toml: line 2: process.watchdog: must be a device such as \"/dev/watchdog\"",
        ),
        ("metrics.streams = 1001", "r.toml: line 1: metrics.streams: must be at most 1000"),
        ("api.persist = \"api.json\"", "r.toml: line 1: api.persist: must be the absolute path of a file, or empty"),
        ("log.max_size = \"1KiB\"", "r.toml: line 1: log.max_size: must be at least \"4KiB\""),
        (
            "log.kept = \"1KiB\"",
            "r.toml: line 1: log.kept: must be between \"2KiB\" and \"16MiB\", or \"0KiB\" for none",
        ),
        (
            "threads = \"many\"",
            "r.toml: line 1: threads: invalid value: string \"many\", expected a whole number, or \"auto\"",
        ),
        (
            "profile = \"huge\"",
            "r.toml: line 1: profile: invalid value: string \"huge\", expected one of \"auto\", \"tiny\", \"router\", \"box\"",
        ),
        (
            "profile = \"routre\"",
            "r.toml: line 1: profile: invalid value: string \"routre\", expected one of \"auto\", \"tiny\", \"router\", \"box\"; the nearest is \"router\"",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "r.toml: line 2: log.level: invalid value: string \"loud\", expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        (
            "[publish]\nconflict = \"kick\"",
            "r.toml: line 2: publish.conflict: invalid value: string \"kick\", expected \"refuse\" or \"replace\"",
        ),
        (
            "publish.conflict = \"relpace\"",
            "r.toml: line 1: publish.conflict: invalid value: string \"relpace\", expected \"refuse\" or \"replace\"; the nearest is \"replace\"",
        ),
        (
            "log.target = \"sylog\"",
            "r.toml: line 1: log.target: invalid value: string \"sylog\", expected \"stderr\", \"syslog\" or the absolute path of a file; the nearest is \"syslog\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), message);
    }
}

#[test]
fn units_that_are_none() {
    let cases = [
        (
            "[streams]\nmemory = \"3MB\"",
            "r.toml: line 2: streams.memory: invalid value: string \"3MB\", expected a whole number with a unit, such as \"64KiB\" or \"2MiB\"",
        ),
        (
            "memory.total = \"9.5MiB\"",
            "r.toml: line 1: memory.total: invalid value: string \"9.5MiB\", expected a whole number with a unit, such as \"64KiB\" or \"2MiB\"",
        ),
        (
            "[viewers]\nslow = 3",
            "r.toml: line 2: viewers.slow: invalid value: integer `3`, expected a whole number with a unit, such as \"100ms\" or \"3s\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), message);
    }
    let bad = ["\"-1s\"", "\"1.5s\"", "\"s\"", "\"\"", "\"3\"", "\"99999999999999999999h\"", "3.5", "true", "[]"];
    for value in bad {
        let message = refusal(&format!("[viewers]\nlatency = {value}"));
        assert!(message.starts_with("r.toml: line 2: viewers.latency: "), "{message}");
    }
}

#[test]
fn keys_that_nobody_knows_come_with_the_nearest_one() {
    let pull = "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/\"";
    let cases = [
        ("[streams]\nmax = 4\nmaxx = 3".to_string(), "line 3: streams.maxx: unknown key; the nearest is max"),
        ("[stream]\nmax = 3".into(), "line 1: stream: unknown key; the nearest is streams"),
        ("[stream]".into(), "line 1: stream: unknown key; the nearest is streams"),
        ("[hsl]\nenable = true".into(), "line 1: hsl: unknown key; the nearest is hls"),
        ("[htpp]\nroot = \"/m\"".into(), "line 1: htpp: unknown key; the nearest is http"),
        ("profil = \"tiny\"".into(), "line 1: profil: unknown key; the nearest is profile"),
        (
            "[viewers]\nconflict = \"refuse\"".into(),
            "line 2: viewers.conflict: unknown key; the nearest is publish.conflict",
        ),
        (format!("{pull}\nondemand = true"), "line 4: pull.ondemand: unknown key; the nearest is on_demand"),
        ("[[pulls]]\nstream = \"a\"".into(), "line 1: pulls: unknown key; the nearest is pull"),
        (
            "[tls]\nmore = [{ crt = \"/c\", key = \"/k\" }]".into(),
            "line 2: tls.more.crt: unknown key; the nearest is cert",
        ),
        ("[memory]\nlimit = 1".into(), "line 2: memory.limit: unknown key; there are total, prefault"),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(&text), format!("r.toml: {message}"), "{text}");
    }
    assert!(refusal("colour = 1").starts_with("r.toml: line 1: colour: unknown key; there are profile, threads, "));
}

#[test]
fn a_dotted_key_below_a_table_is_told_its_place() {
    let pull = "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/\"";
    let first = "put hls.part above the first table, or part below [hls]";
    let cases = [
        (
            "[hls]\n\nhls.part = \"1s\"".to_string(),
            "line 3: hls.hls: unknown key: below [hls] write part alone, or put hls.part above the first table".into(),
        ),
        ("[tls]\nhls.part = \"1s\"".into(), format!("line 2: tls.hls: unknown key: {first}")),
        (format!("{pull}\nhls.part = \"1s\""), format!("line 4: pull.hls: unknown key: {first}")),
        (
            "[memory]\nhls = 3\n[hls]\npart = \"1s\"".into(),
            "line 2: memory.hls: unknown key; there are total, prefault".into(),
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(&text), format!("r.toml: {message}"), "{text}");
    }
}

#[test]
fn a_list_of_tables_has_two_brackets() {
    let one = "stream = \"a\"\nurl = \"rtsp://h/\"";
    for (text, line, table) in [
        (format!("[pull]\n{one}"), 1, "pull"),
        ("# it\n[pull]\n".into(), 2, "pull"),
        (format!("[push]\n{one}"), 1, "push"),
        ("[record]\nstreams = \"*\"\npath = \"/m\"".into(), 1, "record"),
        ("[tls]\n[tls.more]\ncert = \"/c\"".into(), 2, "tls.more"),
    ] {
        let message = format!("r.toml: line {line}: {table}: write [[{table}]], with two brackets");
        assert_eq!(refusal(&text), message, "{text}");
    }
}

#[test]
fn a_value_of_another_type_comes_with_the_words_that_there_are() {
    for (text, message) in [
        ("rtsp.auth = true", "rtsp.auth: invalid type: boolean `true`, expected \"off\", \"basic\" or \"digest\""),
        (
            "rtmp.listen = 1935",
            "rtmp.listen: invalid type: integer `1935`, expected an IP address with a port, such as \"127.0.0.1:PORT\" or \"[::1]:PORT\", or \":PORT\" for all",
        ),
        (
            "http.listen = \"localhost:8080\"",
            "http.listen: invalid value: string \"localhost:8080\", expected an IP address with a port, such as \"127.0.0.1:PORT\" or \"[::1]:PORT\", or \":PORT\" for all",
        ),
    ] {
        assert_eq!(refusal(text), format!("r.toml: line 1: {message}"));
    }
}

#[test]
fn in_lists_of_tables_the_line_is_that_of_the_key() {
    let good = |table: &str| match table {
        "record" => "[[record]]\nstreams = \"*\"\npath = \"/m\"\n".to_string(),
        table => format!("[[{table}]]\nstream = \"a\"\nurl = \"rtsp://h/\"\n"),
    };
    let no_name = "\"a b\" is not a stream name: 1 to 128 letters, digits or -_.~@+=, and no leading dot";
    let cases = [
        ("pull", "stream = \"a b\"\nurl = \"rtsp://h/\"", format!("line 5: pull.stream: {no_name}")),
        ("push", "url = \"rtsp://h/\"\nstream = \"a b\"", format!("line 6: push.stream: {no_name}")),
        (
            "push",
            "stream = \"b\"\nurl = \"file:/m.flv\"",
            "line 6: push.url: invalid value: not a valid URL, expected one that begins with rtsp, rtsps, rtmp, rtmps"
                .into(),
        ),
        ("pull", "stream = \"b\"\nurl = 3", "line 6: pull.url: invalid type, expected a string".into()),
        ("push", "stream = \"b\"", "line 4: push: url is missing".into()),
        ("record", "streams = \"*\"\npath = \"m\"", "line 6: record.path: must be the absolute path of a folder".into()),
        (
            "record",
            "streams = \"*\"\npath = \"/n\"\nsize = \"1KiB\"",
            "line 7: record.size: must be at least \"64KiB\"".into(),
        ),
        (
            "record",
            "streams = \"live/cam*\"\npath = \"/m\"",
            "line 5: record.streams: must be a pattern that a name can match: names have no / and no space".into(),
        ),
        (
            "record",
            "streams = \"*\"\npath = \"/m\"\nlength = \"5\"",
            "line 7: record.length: invalid value: string \"5\", expected a whole number with a unit, such as \"100ms\" or \"3s\"".into(),
        ),
    ];
    for (table, second, message) in cases {
        let text = format!("{}[[{table}]]\n{second}\n", good(table));
        assert_eq!(refusal(&text), format!("r.toml: {message}"), "{text}");
    }
    let inline =
        "pull = [\n  { stream = \"a\", url = \"rtsp://h/\" },\n  { stream = \"a b\", url = \"rtsp://h/\" },\n]";
    assert_eq!(refusal(inline), format!("r.toml: line 3: pull.stream: {no_name}"));
}

#[test]
fn rules_say_what_they_lack_and_never_a_secret() {
    let cases = [
        (
            "streams = \"*\"",
            "line 1: access: must be a rule with exactly one of allow, deny, user with password, secret, signed, secure_link, jwt, callback",
        ),
        ("allow = true\nsigned = \"hidden\"", "line 1: access: must be a rule with exactly one of"),
        ("user = \"a\"", "line 1: access.password: must be set, with user"),
        ("password = \"hidden\"", "line 1: access.user: must be set, with password"),
        (
            "user = \"a\"\npassword = \"********\"",
            "line 3: access.password: invalid value, expected a password, neither empty nor masked",
        ),
        ("user = \"a\"\npassword = \"sha256:hidden\"", "line 3: access.password: invalid value, expected a password"),
        ("signed = \"\"", "line 2: access.signed: invalid value, expected a secret, which is neither empty nor masked"),
        (
            "jwt = \"hidden\"",
            "line 2: access.jwt: invalid value, expected a secret of 32 bytes or more, or a public key",
        ),
        (
            "callback = \"http://u:hidden@h/\"\nformat = \"mtx\"",
            "line 3: access.format: invalid value: string \"mtx\", expected \"mediamtx\" or \"srs\"",
        ),
        (
            "callback = \"rtmp://u:hidden@h/\"",
            "line 2: access.callback: invalid value: not a valid URL, expected one that begins with http, https",
        ),
        (
            "callback = \"http://u:hidden@h/\"\nformat = \"srs\"",
            "line 1: access.action: must be \"publish\", \"play\", or a list of both: SRS asks about nothing else",
        ),
        ("allow = true\nfail_open = true", "line 3: access.fail_open: must be left out where there is no callback"),
        ("allow = true\nca = \"/ca\"", "line 3: access.ca: must be left out where there is no callback and no jwks"),
        (
            "jwks = \"http://u:hidden@h/\"",
            "line 2: access.jwks: invalid value, expected https://, or http:// to a loopback or private address",
        ),
        (
            "jwks = \"https://h/\"\njwt_file = \"/k\"",
            "line 2: access.jwks: must be left out where jwt or jwt_file is set",
        ),
        ("jwt_file = \"key.pem\"", "line 2: access.jwt_file: must be the path of a file, from the root on"),
        (
            "secure_link = \"$uri$arg_x hidden\"",
            "line 2: access.secure_link: must be an expression with $secure_link_expires",
        ),
        ("allow = true\nstreams = \"live/a\"", "line 3: access.streams: must be a pattern that a name can match"),
        (
            "allow = true\nfrom = [\"10.0.0.0/33\"]",
            "line 3: access.from: invalid value: string \"10.0.0.0/33\", expected a network such as \"192.168.0.0/16\", or an address",
        ),
        (
            "allow = true\naction = \"plays\"",
            "line 3: access.action: invalid value: string \"plays\", expected one of \"publish\", \"play\", \"record\", \"api\", \"api:read\", \"metrics\"; the nearest is \"play\"",
        ),
        (
            "allow = true\nprotocols = [\"hls\", \"rtmps\"]",
            "line 3: access.protocols: invalid value: string \"rtmps\", expected one of",
        ),
        ("allow = true\nstream = \"a\"", "line 3: access.stream: unknown key; the nearest is streams"),
    ];
    for (rule, message) in cases {
        let said = refusal(&format!("[[access]]\n{rule}\n"));
        assert!(said.starts_with(&format!("r.toml: {message}")) && !said.contains("hidden"), "{rule}\n{said}");
    }
    let hashed = format!("[[access]]\nuser = \"a\"\npassword = \"sha256:{}\"\n", "0".repeat(64));
    let digest = "[rtsp]\nauth = \"digest\"\nuser = \"a\"\npassword = \"b\"\n";
    let said = refusal(&format!("{hashed}{digest}"));
    assert!(
        said.starts_with("r.toml: line 3: access.password: must be the password itself or ha1:, or protocols without"),
        "{said}"
    );
    for sound in
        [format!("{hashed}protocols = [\"http\"]\n{digest}"), format!("{hashed}{}", digest.replace("digest", "basic"))]
    {
        assert!(Config::parse("r.toml", &sound).is_ok(), "{sound}");
    }
    assert_eq!(
        refusal(&"[[access]]\nallow = true\n".repeat(65)),
        "r.toml: line 129: access: must be one of 64 at most"
    );
}

#[test]
fn what_leads_nowhere_is_refused() {
    let relay = |table: &str, stream: &str, url: &str| format!("[[{table}]]\nstream = \"{stream}\"\nurl = \"{url}\"\n");
    let itself = "line 3: TABLE.url: must be that of another stream: this one leads back to it";
    let cases = [
        ("push", "cam", "rtmp://127.0.0.1/live/cam", itself),
        ("push", "*", "rtmp://LOCALHOST:1935/live", itself),
        ("push", "cam*", "rtsp://u:secret@[::1]:5544/{name}-low", itself),
        ("pull", "cam", "rtmp://127.0.0.1/live/cam?token=secret", itself),
        (
            "push",
            "cam",
            "rtmp://h/live/{name}",
            "line 3: push.url: {name} stands for the name only with a pattern such as stream = \"*\"; write the name",
        ),
        (
            "push",
            "*",
            "rtmp://h/live/{nam}?k={key}",
            "line 3: push.url: must have no {nam}: {name} is the only placeholder",
        ),
    ];
    for (table, stream, url, message) in cases {
        let said = refusal(&format!("{}[rtsp]\nlisten = \":5544\"\n", relay(table, stream, url)));
        assert_eq!(said, format!("r.toml: {}", message.replace("TABLE", table)), "{url}");
    }
    let sound = [
        ("push", "cam", "rtmp://127.0.0.1/live/low"),
        ("push", "cam", "rtmp://127.0.0.1:1936/live/cam"),
        ("push", "cam", "rtmp://192.0.2.1/live/cam"),
        ("push", "cam?", "rtmp://127.0.0.1/live/{name}-low"),
        ("push", "*", "rtmp://h/live/{name}?t={name}"),
        ("pull", "cam", "rtmp://h/live/{nam}"),
    ];
    for (table, stream, url) in sound {
        Config::parse("r.toml", &relay(table, stream, url)).unwrap_or_else(|error| panic!("{url}\n{error}"));
    }
    let record = |path: &str, more: &str| format!("[[record]]\nstreams = \"*\"\npath = \"{path}\"\n{more}");
    let twice = record("/m", "") + &record("/m/", "keep_age = \"7d\"\n");
    assert_eq!(
        refusal(&twice),
        "r.toml: line 4: record: must be another one: a table before it has the same streams, path and format"
    );
    let other = record("/m", "") + &record("/m", "format = \"ts\"\n");
    Config::parse("r.toml", &other).unwrap();
}

#[test]
fn what_leads_back_by_way_of_other_tables_is_refused() {
    let relay = |table: &str, stream: &str, name: &str| {
        format!("[[{table}]]\nstream = \"{stream}\"\nurl = \"rtmp://127.0.0.1/live/{name}\"\n")
    };
    let pull = |stream: &str, name: &str| relay("pull", stream, name);
    let push = |stream: &str, name: &str| relay("push", stream, name);
    let circles = [
        ("pull", pull("a", "b") + &pull("b", "a")),
        ("pull", pull("a", "b") + &pull("b", "c") + &pull("c", "a")),
        ("pull", pull("a", "b") + &push("a", "b")),
        ("push", push("a", "b") + &push("b", "a")),
        ("push", push("a*", "b-{name}") + &push("b*", "a-{name}")),
    ];
    for (table, text) in circles {
        let said = format!(
            "r.toml: line 3: {table}.url: must be that of another stream: by way of other tables this one leads back to it"
        );
        assert_eq!(refusal(&text), said, "{text}");
    }
    for text in [pull("a", "b") + &pull("c", "b"), pull("b", "a") + &push("a", "c"), push("a", "b") + &push("b", "c")] {
        Config::parse("r.toml", &text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    }
}

#[test]
fn the_same_relay_twice_is_refused() {
    let relay = |table: &str, stream: &str, host: &str| {
        format!("[[{table}]]\nstream = \"{stream}\"\nurl = \"rtmp://{host}/live/x\"\n")
    };
    let pulls = relay("pull", "a", "h") + &relay("pull", "a", "i");
    assert_eq!(
        refusal(&pulls),
        "r.toml: line 5: pull.stream: must be another one: a table before it pulls the same stream"
    );
    let pushes = relay("push", "a", "h") + &relay("push", "a", "h");
    assert_eq!(
        refusal(&pushes),
        "r.toml: line 4: push: must be another one: a table before it has the same stream and url"
    );
    let apart = relay("push", "a", "h") + &relay("push", "a", "i") + &relay("push", "b", "h");
    Config::parse("r.toml", &apart).unwrap();
}

#[test]
fn hls_without_room_for_any_is_refused() {
    let cases = [
        ("hls.streams = 0", "line 1: hls.streams: must be at least 1, unless hls.enable is false"),
        ("hls.memory = \"0B\"", "line 1: hls.memory: must be more than \"0KiB\", unless hls.enable is false"),
        ("viewers.max = 0", "line 1: viewers.max: must be at least 1, unless hls.enable is false"),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text), format!("r.toml: {message}"));
        Config::parse("r.toml", &format!("{text}\nhls.enable = false")).unwrap();
    }
}

#[test]
fn two_keys_do_not_share_a_port() {
    let tls = "[tls]\ncert = \"/c\"\nkey = \"/k\"\n";
    let cases = [
        (
            "[rtmp]\nlisten = \":8080\"".to_string(),
            "line 2: rtmp.listen: must be another port than that of http.listen",
        ),
        (
            "[rtmp]\nlisten = \"127.0.0.1:80\"\n[http]\nlisten = \"0.0.0.0:80\"".into(),
            "line 4: http.listen: must be another port than that of rtmp.listen",
        ),
        (
            format!("{tls}http_listen = \":8080\""),
            "line 4: tls.http_listen: must be another port than that of http.listen",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(&text), format!("r.toml: {message}"), "{text}");
    }
    let apart = [
        "[rtmp]\nlisten = \"127.0.0.1:80\"\n[http]\nlisten = \"127.0.0.2:80\"",
        "[rtmp]\nlisten = \"0.0.0.0:80\"\n[http]\nlisten = \"[::1]:80\"",
        "[rtmp]\nlisten = \":8080\"\n[http]\nenable = false",
        "[rtmp]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"",
        "[tls]\nhttp_listen = \":8080\"",
        "[rtsp]\nwebsocket = false\nwebsocket_listen = \":8080\"",
    ];
    for text in apart {
        Config::parse("r.toml", text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    }
}

#[test]
fn text_that_is_no_toml() {
    let message = refusal("[streams\nmax = 3");
    assert!(message.starts_with("r.toml: ") && message.contains("line 1"), "{message}");
    let twice = refusal("[streams]\nmax = 1\nmax = 2");
    assert_eq!(twice, "r.toml: line 3, column 1: max: duplicate key");
    let dotted = refusal("hls.part = \"1s\"\nhls.part = \"2s\"");
    assert_eq!(dotted, "r.toml: line 2, column 5: hls.part: duplicate key");
    let table = "hls: duplicate key: the table is begun above, by its name in brackets or by a dotted key";
    for (text, line) in [("hls.part = \"1s\"\n[hls]", 2), ("[hls]\n[tls]\n[hls]", 3)] {
        assert_eq!(refusal(text), format!("r.toml: line {line}, column 2: {table}"));
    }
    let none = refusal("[rtsp]\nuser");
    assert!(none.starts_with("r.toml: line 2, column ") && !none.contains(": : "), "{none}");
    for json in ["{\"rtmp\": {}}", "\u{feff}{}", "\n  {\n  \"# pprof\": \"x\"\n}\n"] {
        let message = "r.toml: this is JSON; the configuration is TOML: runnel --reference prints all keys";
        assert_eq!(refusal(json), message);
    }
}

#[test]
fn no_message_tells_a_password() {
    let texts = [
        ("[rtsp]\npassword = Tiger-97", "r.toml: line 2, column 12: password: "),
        ("[rtsp]\npassword = \"Tiger-97", "r.toml: line 2, column "),
        ("rtsp.password = \"Tiger\"-97\"", "r.toml: line 1, column 24: rtsp.password: "),
        ("[rtsp]\npassword = \"a\nTiger-97 = \"", "r.toml: line 2, column "),
        ("[rtsp]\npassword = \"\"\"a\nTiger-97 = \"b\\q\"", "r.toml: line 3, column "),
        ("[rtsp]\npassword Tiger-97", "r.toml: line 2, column "),
        ("[rtsp]\nTiger-97", "r.toml: line 2, column "),
        ("[[pull]]\nstream = \"a\"\nurl = \"rtsp://u:Tiger-97@h/x", "r.toml: line 3, column "),
        (
            "[[pull]]\nstream = \"a\"\nurl = \"rtp://u:Tiger-97@h/x\"",
            "r.toml: line 3: pull.url: invalid value: not a valid URL, expected one that begins with rtsp",
        ),
        (
            "[[pull]]\nstream = \"a\"\nurl = \"rtsp://u:p@ss:Tiger-97/x@h/x\"",
            "r.toml: line 3: pull.url: invalid value: not a valid URL: the port is not a number; in a password write @ as %40, ",
        ),
        ("[rtsp]\npassword = -970701", "r.toml: line 2: rtsp.password: invalid type, expected a string"),
        ("[rtsp]\npassword = [\"Tiger-97\"]", "r.toml: line 2: rtsp.password: invalid type: list, expected a string"),
    ];
    for (text, place) in texts {
        let message = refusal(text);
        assert!(message.starts_with(place), "{message}");
        assert!(!message.contains("Tiger") && !message.contains("970701"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_password_that_nobody_is_asked_for_is_refused() {
    let said = "rtsp.password: needs rtsp.auth: \"digest\" or \"basic\" asks clients for it, \"off\" does not";
    let user = "[rtsp]\nuser = \"admin\"\npassword = \"Tiger-97\"\n";
    assert_eq!(refusal(user), format!("r.toml: line 3: {said}"));
    assert_eq!(refusal("rtsp.password = \"Tiger-97\""), format!("r.toml: line 1: {said}"));
    assert_eq!(refusal("rtsp.user = \"a\""), format!("r.toml: line 1: {}", said.replace("password", "user")));
    for auth in ["off", "basic", "digest"] {
        Config::parse("r.toml", &format!("{user}auth = \"{auth}\"\n")).unwrap();
    }
    Config::parse("r.toml", "[rtsp]\nuser = \"\"\npassword = \"\"\n").unwrap();
}

#[test]
fn wrong_types_are_said_in_words_of_people() {
    let texts =
        ["[streams]\nmax = \"x\"", "[streams]\nmax = -1", "[streams]\nmax = 1.5", "streams = 3", "threads = [1]"];
    for text in texts {
        let message = refusal(text);
        assert!(message.starts_with("r.toml: line "), "{message}");
        let of_programs = ["usize", "struct ", "u32", "visitor"].iter().find(|word| message.contains(*word));
        assert_eq!(of_programs, None, "{message}");
    }
}

#[test]
fn an_address_that_is_none_comes_with_an_example() {
    let message = refusal("[rtmp]\nlisten = \"1935\"");
    assert!(message.starts_with("r.toml: line 2: rtmp.listen: "), "{message}");
    assert!(message.contains("\":PORT\""), "what would be right is not said: {message}");
}

#[test]
fn the_line_is_found_however_the_key_is_written() {
    let texts = [
        "\nstreams.max = 0",
        "[streams]\nmax = 0",
        "[ streams ]\nmax = 0",
        "[streams] # they\nmax=0",
        "\nstreams = { max = 0 }",
        "[streams]\n\"max\" = 0",
        "# max = 3\nstreams . max = 0",
    ];
    for text in texts {
        assert_eq!(refusal(text), "r.toml: line 2: streams.max: must be at least 1", "{text}");
    }
}

#[test]
fn every_mistake_is_told_in_the_order_of_the_file() {
    let text = "zeta = 1\nprofile = \"huge\"\nthreads = 0\n\
                [streams]\nmaxx = 1\nmax = 0\n\
                [viewers]\nmax = 0\nslow = \"0s\"\n\
                [hls]\nsegment = 3\npart = \"x\"\n\
                [[pull]]\nstream = \"a b\"\nurl = \"x\"\n[[pull]]\nstream = \"b\"\nudp = 1\nurl = \"rtsp://h/\"\n\
                [[record]]\nstreams = \"*\"\npath = \"m\"\n[[record]]\nstreams = \"a b\"\npath = \"/m\"\n\
                [rtsp]\npassword = \"Tiger-97\"\n";
    let errors = Config::parse("r.toml", text).unwrap_err();
    let places = errors.told.iter().map(|error| (error.place.line().unwrap().get(), error.place.key.clone().unwrap()));
    let expected = [
        (1, "zeta"),
        (2, "profile"),
        (3, "threads"),
        (5, "streams.maxx"),
        (8, "viewers.max"),
        (9, "viewers.slow"),
        (11, "hls.segment"),
        (12, "hls.part"),
        (15, "pull[0].url"),
        (18, "pull[1].udp"),
        (22, "record[0].path"),
        (24, "record[1].streams"),
        (27, "rtsp.password"),
    ];
    assert_eq!(places.collect::<Vec<_>>(), expected.map(|(line, key)| (line, key.to_string())));
    let lines: Vec<_> = errors.to_string().lines().map(String::from).collect();
    assert_eq!((lines.len(), errors.more), (13, 0));
    assert!(lines.iter().all(|line| line.starts_with("r.toml: line ")), "{lines:?}");
    assert_eq!(lines[5], "r.toml: line 9: viewers.slow: must be more than \"0s\"");
}

#[test]
fn all_mistakes_of_one_table_are_told() {
    let text = "[[pull]]\nstream = 1\nurl = \"x\"\nudp = 2\nonce = 3\n\
                [[pull]]\nudp = 4\n\
                [[access]]\nstreams = \"a/b\"\nallow = true\njwt_claim = \"\"\n";
    let told = |text: &str| {
        let errors = Config::parse("r.toml", text).unwrap_err();
        let keys = errors.told.iter().map(|error| error.place.key.clone().unwrap());
        keys.collect::<Vec<_>>()
    };
    let pulls = ["pull[0].stream", "pull[0].url", "pull[0].udp", "pull[0].once", "pull[1]", "pull[1].udp"];
    assert_eq!(told(text), [&pulls[..], &["access[0].streams", "access[0].jwt_claim"]].concat());
    let record = "[[record]]\nstreams = \"a/b\"\npath = \"m\"\nsize = \"1KiB\"\n";
    assert_eq!(told(record), ["record[0].streams", "record[0].path", "record[0].size"]);
}

#[test]
fn what_is_masked_is_refused() {
    for (text, key) in [
        ("rtsp.auth = \"basic\"\nrtsp.user = \"a\"\nrtsp.password = \"********\"", "rtsp.password"),
        ("[[pull]]\nstream = \"a\"\nurl = \"rtsp://u:********@h/a\"", "pull.url"),
        ("[[push]]\nstream = \"a\"\nurl = \"rtmp://h/live/********\"", "push.url"),
        ("[[notify]]\nurl = \"http://u:********@h/a\"", "notify.url"),
        ("[[exec]]\non = [\"play\"]\ncommand = [\"/bin/true\", \"********\"]", "exec.command"),
    ] {
        let said = refusal(text);
        assert!(said.contains(key) && said.contains("masked"), "{said}");
    }
}

#[test]
fn no_more_than_twenty_mistakes_are_told() {
    let text: String = (0..1000).map(|n| format!("k{n} = {n}\n")).collect();
    let errors = Config::parse("r.toml", &text).unwrap_err();
    assert_eq!((errors.told.len(), errors.more), (20, 980));
    let said = errors.to_string();
    assert!(said.starts_with("r.toml: line 1: k0: ") && said.ends_with("\nr.toml: 980 more errors"), "{said}");
    assert_eq!(said.lines().count(), 21);
}

#[test]
fn a_default_that_does_not_fit_is_named_as_one() {
    for text in ["[streams]\nmax_frame = \"9MiB\"", "streams.max_frame = \"9MiB\""] {
        assert_eq!(refusal(text), "r.toml: default of streams.memory: must be at least twice streams.max_frame");
    }
    let keys = Keys::parse("r.toml", "[http]\nroot = \"/m\"").unwrap().1;
    let places = ["http.root", "http.listen", "threads"].map(|key| keys.place(key).to_string());
    assert_eq!(
        places,
        ["r.toml: line 2: http.root: ", "r.toml: default of http.listen: ", "r.toml: default of threads: "]
    );
    let text = "[http]\nroot = \"/m\"\n[rtmp]\nlisten = \":8080\"";
    assert_eq!(refusal(text), "r.toml: line 4: rtmp.listen: must be another port than that of http.listen");
}

#[test]
fn a_number_of_more_than_64_bits_is_told_its_range() {
    let range = "must be between -9223372036854775808 and 9223372036854775807, as every whole number";
    let cases = [
        ("threads = 9223372036854775808", "line 1: threads"),
        ("[hls]\nsegments = 99999999999999999999999", "line 2: hls.segments"),
        ("hls.segments = 9999999999999999999999999999999999999999999999999", "line 1: hls.segments"),
        ("[[pull]]\nstream = 1\nurl = 99999999999999999999999", "line 3: pull.url"),
        ("rtsp.password = 9707010000000000000000000", "line 1: rtsp.password"),
    ];
    for (text, place) in cases {
        assert_eq!(refusal(text), format!("r.toml: {place}: {range}"));
    }
    let both = refusal("http.max_head = 0x99999999999999999\nrtsp.hold = 99999999999999999999");
    assert_eq!(both.lines().count(), 2, "{both}");
}

/// Zero lifts the limit in the machinery below, and a limit that is lifted keeps
/// whoever connects and says nothing.
#[test]
fn limits_cannot_be_switched_off_by_zero() {
    for (table, key) in
        [("connections", "handshake"), ("http", "keep_alive"), ("viewers", "slow"), ("publish", "silence")]
    {
        let message = refusal(&format!("[{table}]\n{key} = \"0s\""));
        assert_eq!(message, format!("r.toml: line 2: {table}.{key}: must be more than \"0s\""));
    }
}

#[test]
fn a_worst_case_beyond_all_numbers_fits_nowhere() {
    let text = "[memory]\ntotal = \"18446744073709551615B\"\n[viewers]\nmax = 9223372036854775807\n\
                [streams]\nmax = 9223372036854775807\n[connections]\nspare = 9223372036854775807";
    let Ok(config) = Config::parse("r.toml", text) else { return }; // to refuse it is as good
    assert!(!runnel::registry::plan(&config).fits());
}

#[test]
fn a_program_can_tell_faults_apart() {
    let fault = |text: &str| {
        let mut errors = Config::parse("r.toml", text).unwrap_err();
        assert_eq!((errors.told.len(), errors.more), (1, 0), "{errors}");
        let Error { place, fault } = errors.told.remove(0);
        (place.line().map(NonZeroUsize::get), place.key.unwrap_or_default(), fault)
    };
    let (line, key, wrong) = fault("threads = 1\nviewers.max = true");
    assert_eq!((line, key.as_str()), (Some(2), "viewers.max"));
    assert!(matches!(wrong, Fault::Value(Wrong::Type { expected: "a whole number", .. })), "{wrong:?}");
    let pull = "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/\"\n";
    let (line, key, wrong) = fault(&format!("{pull}[[pull]]\nstream = \"b\"\nurl = 3\n"));
    assert_eq!((line, key.as_str()), (Some(6), "pull[1].url"));
    assert!(matches!(wrong, Fault::Value(Wrong::Type { found: Found::Secret, .. })), "{wrong:?}");
    let (_, key, wrong) = fault(&format!("{pull}[[pull]]\nstream = \"b\"\n"));
    assert_eq!(key, "pull[1]");
    assert!(matches!(wrong, Fault::Value(Wrong::Missing("url"))), "{wrong:?}");
    for (text, line, is_it) in [
        ("streams.max = 0", Some(1), (|fault| matches!(fault, Fault::MustBe(_))) as fn(&Fault) -> bool),
        ("a = 1", Some(1), |fault| matches!(fault, Fault::Key(_))),
        ("threads = ", Some(1), |fault| matches!(fault, Fault::Syntax(_))),
        ("{}", None, |fault| matches!(fault, Fault::Syntax(_))),
        ("[pull]\n", Some(1), |fault| matches!(fault, Fault::Conflict(_))),
    ] {
        let (found, _, wrong) = fault(text);
        assert!(found == line && is_it(&wrong), "{text} {found:?} {wrong:?}");
    }
    let error = Config::load("/nowhere/r.toml".as_ref()).unwrap_err().told.remove(0);
    assert!(matches!(&error.fault, Fault::File(error) if error.kind() == ErrorKind::NotFound), "{error:?}");
}
