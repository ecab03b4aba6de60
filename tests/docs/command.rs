//! The command line, and how the program ends.

use std::ffi::{OsStr, OsString};
use std::net::TcpStream;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::program::{File, Program, command, run};

const TINY: &str = "profile = \"tiny\"\n";

/// Exit code, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The exit code with these for standard output and standard error.
fn run_to(args: &[&str], out: Stdio, err: Stdio) -> Option<i32> {
    command().args(args).stdout(out).stderr(err).status().unwrap().code()
}

fn run_with(config: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let file = File::new(config);
    said(&run(&[&["-c", file.0.to_str().unwrap()], args].concat()))
}

#[test]
fn help_lists_every_option() {
    for flags in [&["-h"][..], &["--help"], &["push", "-h"], &["push", "--help"]] {
        let (code, out, err) = said(&run(flags));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let options = [
            "-c",
            "--config",
            "--check",
            "--plan",
            "--make-cert",
            "--hash",
            "--reference",
            "-V",
            "--version",
            "-h",
            "--help",
            "RUST_LOG",
        ];
        let push = ["runnel push", "--loop", "--speed", "--udp", "--ca", "--insecure"];
        assert!(options.iter().chain(&push).all(|option| out.contains(option)), "{out}");
        assert!(out.lines().all(|line| line.len() <= 80), "{out}");
    }
}

#[test]
fn help_tells_of_ctl() {
    let (_, all, _) = said(&run(&["-h"]));
    let (code, own, err) = said(&run(&["ctl", "-h"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for out in [all, own] {
        assert!(["runnel ctl", "--socket", "--url", "--json"].iter().all(|word| out.contains(word)), "{out}");
        assert!(out.lines().all(|line| line.len() <= 80), "{out}");
    }
}

#[test]
fn the_version_is_the_package_s() {
    for flag in ["-V", "--version"] {
        let expected = format!("runnel {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(said(&run(&[flag])), (Some(0), expected, String::new()));
    }
}

#[test]
fn a_check_says_in_one_line_that_all_is_well() {
    let (code, out, err) = said(&run(&["--check"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("embedded: sound; profile ") && out.lines().count() == 1, "{out}");
    let (code, out, err) = run_with(TINY, &["--check"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let (before, after) = out.split_once(" of 9728 KiB at worst; ").unwrap_or_else(|| panic!("{out}"));
    assert!(before.contains(".toml: sound; profile tiny; "), "{out}");
    assert_eq!(after, "features rtmp rtsp http record tls auth api notify\n");
}

/// A folder of the test's own.
fn folder(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path.to_str().unwrap().into()
}

#[test]
fn a_check_says_all_that_is_not_there() {
    let gone = "No such file or directory (os error 2)";
    let cases = [
        (
            "[tls]\ncert = \"/nowhere/c\"\nkey = \"/nowhere/k\"",
            &["line 2: tls.cert: /nowhere/c: ", "line 3: tls.key: /nowhere/k: "][..],
            69,
        ),
        (
            "[tls]\ncert = \"/nowhere/c\"\nkey = \"/nowhere/k\"\nrequired = true",
            &["line 2: tls.cert: /nowhere/c: ", "line 3: tls.key: /nowhere/k: "],
            78,
        ),
        (
            "[[push]]\nstream = \"a\"\nurl = \"rtmps://h/a/b\"\nca = \"/nowhere/ca\"",
            &["line 4: push.ca: /nowhere/ca: "],
            69,
        ),
        ("[[notify]]\nurl = \"https://h/\"\nca = \"/nowhere/ca\"", &["line 4: notify.ca: /nowhere/ca: "], 69),
        (
            "[[record]]\nstreams = \"*\"\npath = \"/nowhere\"\n[hls]\nstore = \"/nowhere/hls\"",
            &["line 3: record.path: /nowhere: ", "line 5: hls.store: /nowhere/hls: "],
            69,
        ),
        ("[http]\nroot = \"/nowhere\"", &["line 2: http.root: /nowhere: "], 69),
        ("[[pull]]\nstream = \"a\"\nurl = \"file:/nowhere\"", &["line 3: pull.url: /nowhere: "], 69),
        ("[log]\ntarget = \"/nowhere/log\"", &["line 2: log.target: /nowhere/log: "], 78),
        ("[process]\nwatchdog = \"/nowhere\"", &["line 2: process.watchdog: /nowhere: "], 78),
    ];
    for (text, faults, expected) in cases {
        let (code, out, err) = run_with(&format!("memory.total = \"200MiB\"\n{text}"), &["--check"]);
        assert_eq!((code, out.as_str()), (Some(expected), ""), "{text}\n{err}");
        let lines: Vec<_> = err.lines().collect();
        assert_eq!(lines.len(), faults.len(), "{err}");
        for (line, fault) in lines.iter().zip(faults) {
            // one line more stands above
            let (_, after) = fault.split_once(": ").unwrap();
            let more = if text.contains("required") {
                ": with tls.required = true the server does not start without it"
            } else {
                ""
            };
            let end = format!("{gone}{more}");
            assert!(line.starts_with("runnel: ") && line.contains(after) && line.ends_with(&end), "{line}");
        }
    }
    let (code, _, err) = run_with("[process]\nuser = \"nobody-of-that-name\"\n", &["--check"]);
    assert!(
        code == Some(78) && err.ends_with("line 2: process.user: \"nobody-of-that-name\": no such user\n"),
        "{err}"
    );
    for (text, message) in [
        ("[log]\ntarget = \"/proc\"\n", "line 2: log.target: /proc: Is a directory (os error 21)"),
        ("[[pull]]\nstream = \"a\"\nurl = \"file:/proc\"\n", "line 3: pull.url: /proc: is not a regular file"),
    ] {
        let (_, _, err) = run_with(&format!("memory.total = \"200MiB\"\n{text}"), &["--check"]);
        let (_, after) = message.split_once(": ").unwrap();
        assert!(err.trim_end().ends_with(after), "{err}");
    }
    let card = folder("card");
    let text = format!("{TINY}memory.total = \"11MiB\"\n[[record]]\nstreams = \"*\"\npath = {card:?}\n");
    assert_eq!(run_with(&text, &["--check"]).0, Some(0), "it is there");
    // who is root may write anywhere
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0;
    let user = if root { "process.user = \"65534:65534\"\n" } else { "" };
    for path in ["/nowhere", "/dev/null", "/proc"] {
        let text = format!("{TINY}{user}memory.total = \"11MiB\"\n[[record]]\nstreams = \"*\"\npath = {path:?}\n");
        assert_eq!(run_with(&text, &["--check"]).0, Some(69), "{path}: no file can be made there");
        assert_eq!(run_with(&text, &["--plan"]).0, Some(0), "the plan is for whatever machine");
    }
}

#[test]
fn a_check_says_what_may_be_meant_otherwise() {
    let card = folder("hint");
    let check = |streams: &str, more: &str| {
        let keys = format!("streams = {streams:?}\npath = {card:?}\nkeep_size = \"1GiB\"\n{more}");
        run_with(&format!("{TINY}memory.total = \"11MiB\"\n[[record]]\n{keys}"), &["--check"])
    };
    for streams in ["*", "cam?"] {
        let (code, out, err) = check(streams, "");
        assert!(code == Some(0) && out.contains(": sound; "), "{out}{err}");
        let hint = "line 6: record.keep_size: applies to each stream, ";
        assert!(err.lines().count() == 1 && err.contains(hint), "{err}");
    }
    for (streams, more) in [("cam", ""), ("*", "keep_total = \"2GiB\"\n"), ("*", "keep_free = \"2GiB\"\n")] {
        assert_eq!(check(streams, more).2, "", "{streams} {more}");
    }
}

/// Sections, and the hint that comes with them behind the number of the line.
const WITHOUT_EFFECT: [(&str, &str); 47] = [
    (
        "[[pull]]\nstream = \"a\"\nurl = \"rtsp://admin:p@ss/w@10.0.0.5/stream\"",
        "pull.url: has an @ after the host, so its password may be cut: in a password write @ as %40, / as %2F, : as %3A, # as %23, ? as %3F",
    ),
    ("[notifications]\nevents = 9", "notifications.events: has no effect: there is no [[notify]] and no [[exec]]"),
    ("[commands]\nmax = 9", "commands.max: has no effect: there is no [[exec]]"),
    ("[rtsp]\nudp = false\nmulticast = \"239.1.1.1\"", "rtsp.multicast: has no effect: rtsp.udp is false"),
    (
        "[rtsp]\nmulticast = \"239.1.1.1\"\nudp_pairs = 1",
        "rtsp.multicast: has no effect: each stream takes two of rtsp.udp_pairs",
    ),
    ("[rtsp]\nudp_ports = \"30000-30003\"", "rtsp.udp_ports: has fewer pairs of ports than rtsp.udp_pairs asks for"),
    ("[tls]\nhttp_listen = \":443\"", "tls.http_listen: has no effect: tls.cert is empty"),
    ("[tls]\nrtmp_listen = \":443\"", "tls.rtmp_listen: has no effect: tls.cert is empty"),
    ("[tls]\nrtsp_listen = \":443\"", "tls.rtsp_listen: has no effect: tls.cert is empty"),
    ("[hls]\ndelete = \"never\"", "hls.delete: has no effect: hls.store is \"memory\""),
    ("[api]\nenable = false\nblacklist = 9", "api.blacklist: has no effect: api.enable is false"),
    ("[hls]\nenable = false\nstore = \"/tmp\"", "hls.store: has no effect: hls.enable is false"),
    ("[[push]]\nstream = \"a\"\nurl = \"rtmp://h/a/b\"\nudp = true", "push.udp: has an effect with RTSP only"),
    (
        "[[push]]\nstream = \"a\"\nurl = \"rtmp://h/a/b\"\ninsecure = true",
        "push.insecure: has an effect with rtsps:// and rtmps:// only",
    ),
    (
        "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/a/b\"\nca = \"/etc/passwd\"",
        "pull.ca: has an effect with rtsps:// and rtmps:// only",
    ),
    ("[[pull]]\nstream = \"a\"\nurl = \"file:/etc/passwd\"\nudp = true", "pull.udp: has an effect with RTSP only"),
    (
        "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/\"\nudp = true\n[rtsp]\nudp = false",
        "pull.udp: has no effect: rtsp.udp is false",
    ),
    (
        "[[pull]]\nstream = \"a\"\nurl = \"rtsp://h/\"\nudp = true\n[rtsp]\nenable = false",
        "pull.udp: has no effect: rtsp.enable is false",
    ),
    (
        "[[push]]\nstream = \"a\"\nurl = \"rtmps://h/a/b\"\ninsecure = true\nca = \"/nowhere\"",
        "push.ca: has no effect: insecure is true",
    ),
    (
        "[connections]\nproxies = [\"10.0.0.2\"]\nper_peer = 100",
        "connections.proxies: has no effect: connections.per_peer is 100",
    ),
    (
        "[connections]\nproxy_protocol = [\"rtmp\"]",
        "connections.proxy_protocol: has no effect: connections.trusted_proxies is empty",
    ),
    ("[rtmp]\nenable = false\nlisten = \":1936\"", "rtmp.listen: has no effect: rtmp.enable is false"),
    (
        "[rtmp]\nauth = \"adobe\"",
        "rtmp.auth: has no effect: no [[access]] with user and a plain password is about RTMP",
    ),
    (
        "[rtsp]\nenable = false\nauth = \"basic\"\nuser = \"u\"\npassword = \"p\"",
        "rtsp.auth: has no effect: rtsp.enable is false",
    ),
    ("[rtsp]\nauth = \"off\"\nuser = \"u\"", "rtsp.user: has no effect: rtsp.auth is \"off\""),
    ("[rtsp]\nauth = \"off\"\npassword = \"p\"", "rtsp.password: has no effect: rtsp.auth is \"off\""),
    ("[rtsp]\nudp = false\nreorder = \"1s\"", "rtsp.reorder: has no effect: rtsp.udp is false"),
    ("[rtsp]\nudp_ports = \"30000-30003\"\nudp = false", "rtsp.udp_ports: has no effect: rtsp.udp is false"),
    ("[rtsp]\nudp_pairs = 600\nudp = false", "rtsp.udp_pairs: has no effect: rtsp.udp is false"),
    ("[rtsp]\nmulticast_ttl = 2", "rtsp.multicast_ttl: has no effect: rtsp.multicast is empty"),
    (
        "[rtsp]\nwebsocket_listen = \":1\"\nwebsocket = false",
        "rtsp.websocket_listen: has no effect: rtsp.websocket is false",
    ),
    ("[tls]\nmax = 3", "tls.max: has no effect: tls.cert is empty"),
    ("[tls]\nrecord = \"4KiB\"", "tls.record: has no effect: tls.cert is empty"),
    (
        "[tls]\ncert = \"/nowhere\"\nkey = \"/nowhere\"\nhttp_listen = \":443\"\n[http]\nenable = false",
        "tls.http_listen: has no effect: http.enable is false",
    ),
    ("[http]\nenable = false\nroot = \"/tmp\"", "http.root: has no effect: http.enable is false"),
    (
        "[http]\nmax_head = \"1KiB\"\nenable = false\n[rtsp]\nwebsocket = false",
        "http.max_head: has no effect: http.enable is false",
    ),
    ("[hls]\npart = \"200ms\"\nenable = false", "hls.part: has no effect: hls.enable is false"),
    ("[hls]\nsegments = 5\n[http]\nenable = false", "hls.segments: has no effect: http.enable is false, so that "),
    ("[hls]\nsession_timeout = \"9s\"", "hls.session_timeout: has no effect: hls.sessions is false"),
    ("[hls]\nrecord = true\nstore = \"/tmp\"", "hls.record: has no effect: with hls.store each segment is listed"),
    ("[recording]\nsync = \"2s\"", "recording.sync: has no effect: nothing is written to a disk"),
    ("[recording]\nmax = 3", "recording.max: has no effect: there is no [[record]]"),
    (
        "[recording]\nhttp = false\n[http]\nenable = false\n[[record]]\nstreams = \"*\"\npath = \"/tmp\"",
        "recording.http: has no effect: http.enable is false",
    ),
    ("[http]\nenable = false\n[metrics]\nstreams = 9", "metrics.streams: has no effect: http.enable is false"),
    ("[log]\nmax_size = \"1MiB\"", "log.max_size: has no effect: log.target is no file"),
    ("[log]\nkept = \"4KiB\"\n[api]\nenable = false", "log.kept: has no effect: api.enable is false"),
    (
        "[[access]]\nprotocols = \"http\"\naction = \"api\"\nallow = true",
        "access.allow: lets everybody who reaches the ports of the API change the state of the server: from says who",
    ),
];

/// Sections in which all has an effect.
const WITH_EFFECT: [&str; 9] = [
    "[rtsp]\nudp = false",
    "[rtsp]\nenable = false",
    "[http]\nenable = false",
    "[hls]\ndelete = \"end\"",
    "[rtsp]\nudp_ports = \"30000-30063\"",
    "[http]\nenable = false\nmax_head = \"1KiB\"",
    "[http]\nenable = false\n[hls]\nstore = \"/tmp\"\non_demand = false\nsegments = 5",
    "[hls]\nrecord = true\nstore = \"/tmp\"\ndelete = \"soon\"",
    "[hls]\nstore = \"/tmp\"\n[recording]\nsync = \"2s\"",
];

#[test]
fn a_check_says_what_has_no_effect() {
    for (text, hint) in WITHOUT_EFFECT {
        let text = format!("memory.total = \"200MiB\"\nviewers.max = 8\n{text}\n");
        let (code, _, err) = run_with(&text, &["--check"]);
        assert_eq!(err.lines().filter(|line| line.contains(hint)).count(), 1, "{text}\n{err}");
        let line = text.lines().position(|line| line.starts_with(hint.split(['.', ':']).nth(1).unwrap()));
        assert!(err.contains(&format!(": line {}: {hint}", line.unwrap() + 1)), "{text}\n{err}");
        assert!(matches!(code, Some(0 | 69)), "{text}\n{err}");
    }
    for text in WITH_EFFECT {
        assert_eq!(run_with(text, &["--check"]).2, "", "{text}");
    }
}

#[test]
fn a_server_that_listens_nowhere_is_told() {
    let off = "[rtmp]\nenable = false\n[rtsp]\nenable = false\n[http]\nenable = false\n[api]\nenable = false\n";
    let said = "line 8: api.enable: is false, as are those of the other protocols: nothing listens\n";
    let (code, _, err) = run_with(off, &["--check"]);
    assert!(code == Some(0) && err.ends_with(said) && err.lines().count() == 1, "{err}");
    assert_eq!(run_with("rtmp.enable = false\nrtsp.enable = false\n", &["--check"]).2, "");
}

#[test]
fn a_key_of_another_certificate_is_told() {
    let place = folder("keys");
    let path = |name: &str| format!("{place}/{name}");
    for name in ["a", "b"] {
        let (cert, key) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
        [&cert, &key].into_iter().for_each(|file| drop(std::fs::remove_file(file)));
        let made = run_with(&format!("[tls]\ncert = {cert:?}\nkey = {key:?}\n"), &["--make-cert"]);
        assert_eq!(made.0, Some(0), "{}", made.2);
    }
    let text = format!("[tls]\ncert = {:?}\nkey = {:?}\n", path("a.pem"), path("b.key"));
    let (code, _, err) = run_with(&text, &["--check"]);
    let said = format!("{} with {}: the key is not that of this certificate\n", path("a.pem"), path("b.key"));
    assert!(code == Some(69) && err.ends_with(&said), "{err}");
}

/// Each key of a table that is switched off is told, and none is forgotten.
#[test]
fn a_check_says_each_key_of_what_is_off() {
    let tables = [
        ("rtmp", "listen = \":1\"", ""),
        (
            "rtsp",
            "listen = \":1\"\nauth = \"basic\"\nuser = \"u\"\npassword = \"p\"\nhold = \"9s\"\ntimeout = \"99s\"\n\
             reorder = \"1s\"\nudp = false\nudp_ports = \"2000-2999\"\nudp_pairs = 3\nmulticast = \"239.1.1.1\"\n\
             multicast_ttl = 2\nwebsocket = false\nwebsocket_listen = \":2\"",
            "",
        ),
        (
            "http",
            "listen = \":1\"\nkeep_alive = \"9s\"\nmax_head = \"1KiB\"\nroot = \"/tmp\"",
            "rtsp.websocket = false\n",
        ),
        (
            "hls",
            "on_demand = false\nformat = \"ts\"\nsegment = \"3s\"\nsegments = 5\nstart = 3\npart = \"1s\"\nrecord = true\n\
             sessions = true\nsession_timeout = \"9s\"\nstreams = 3\nmemory = \"2MiB\"\nidle = \"9s\"\nstore = \"/tmp\"\n\
             delete = \"never\"",
            "",
        ),
    ];
    for (table, keys, above) in tables {
        let (_, _, err) = run_with(&format!("{above}[{table}]\nenable = false\n{keys}\n"), &["--check"]);
        let said = format!(": has no effect: {table}.enable is false");
        // hls.start cannot be set to another value beside hls.part
        let set = keys.lines().filter(|line| !line.starts_with("start")).count();
        assert_eq!(err.lines().filter(|line| line.ends_with(&said)).count(), set, "{err}");
        assert_eq!(err.lines().count(), set, "{err}");
    }
}

#[test]
fn a_start_says_what_has_no_effect() {
    let program = Program::start(&format!("{TINY}hls.delete = \"never\"\n"));
    program.says("hls.delete has no effect: hls.store is \"memory\"");
}

#[test]
fn a_start_says_what_is_not_there() {
    for (text, place) in [
        ("[[pull]]\nstream = \"a\"\nurl = \"file:/nowhere/a.flv\"\n", "pull.url: /nowhere/a.flv"),
        ("[[record]]\nstreams = \"*\"\npath = \"/nowhere\"\n", "record.path: /nowhere"),
        ("[hls]\nstore = \"/nowhere\"\n", "hls.store: /nowhere"),
        ("http.root = \"/nowhere\"\n", "http.root: /nowhere"),
    ] {
        let program = Program::start(&format!("{TINY}memory.total = \"200MiB\"\n{text}"));
        let line = program.says(&format!("{place}: No such file or directory (os error 2)"));
        assert!(line.contains(" WARN ") && line.contains(".toml: line "), "{line}");
    }
}

#[test]
fn a_check_says_what_is_wrong() {
    let (code, out, err) = run_with("threads = 0\n", &["--check"]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    assert!(
        err.starts_with("runnel: ") && err.ends_with(": line 1: threads: must be between 1 and 64, or \"auto\"\n"),
        "{err}"
    );
}

#[test]
fn a_plan_is_a_sum() {
    for profile in ["tiny", "router", "box"] {
        let (code, out, err) = run_with(&format!("profile = {profile:?}"), &["--plan"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let numbers = |line: &str| line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<usize>>();
        let rows: Vec<_> = out.lines().skip(1).take_while(|line| !line.starts_with("sum")).map(numbers).collect();
        let sum = numbers(out.lines().find(|line| line.starts_with("sum")).unwrap());
        for column in [1, 2] {
            let added: usize = rows.iter().map(|row| row[column]).sum();
            assert!(added.abs_diff(sum[column - 1]) <= rows.len(), "rounded up, line by line:\n{out}");
        }
        assert!(out.trim_end().lines().last().unwrap().contains(" KiB fits in memory.total = "), "{out}");
    }
}

#[test]
fn what_cannot_fit_is_refused_with_the_knobs_that_would_help() {
    for args in [&[][..], &["--check"], &["--plan"]] {
        let (code, out, err) = run_with("profile = \"tiny\"\nviewers.max = 40\n", args);
        assert_eq!(code, Some(78));
        assert!(err.contains(".toml: default of memory.total: the worst case of this configuration is "), "{err}");
        assert!(err.contains("but memory.total is 9728 KiB: raise memory.total; or lower "), "{err}");
        let knobs = ["viewers.max to ", "hls.memory by ", "streams.memory by "];
        assert!(knobs.iter().any(|knob| err.contains(knob)), "{err}");
        assert_eq!(out.contains("does NOT fit in memory.total = 9728 KiB"), args == ["--plan"], "{out}");
    }
}

#[test]
fn where_no_key_saves_enough_the_profile_that_fits_is_named() {
    let (code, _, err) = run_with("profile = \"box\"\nmemory.total = \"12MiB\"\n", &[]);
    let (before, worst) =
        err.split_once("; or choose profile = \"tiny\", whose worst case is ").unwrap_or_else(|| panic!("{err}"));
    assert!(code == Some(78) && before.ends_with("raise memory.total"), "{err}");
    let worst = worst.strip_suffix(" KiB (see runnel --plan)\n").unwrap();
    let (code, out, _) = run_with(&format!("profile = \"tiny\"\nmemory.total = \"{worst}KiB\"\n"), &["--check"]);
    assert!(code == Some(0) && out.contains(&format!("; {worst} of {worst} KiB at worst; ")), "{out}");
    let (_, _, err) = run_with("profile = \"box\"\nmemory.total = \"2MiB\"\n", &[]);
    assert!(err.ends_with("raise memory.total (see runnel --plan)\n"), "none fits: {err}");
}

#[test]
fn nothing_is_to_be_taken_of_what_is_one() {
    let (_, _, err) = run_with(&format!("{TINY}streams.max = 1\nmemory.total = \"8MiB\"\n"), &["--check"]);
    assert!(err.contains("; or lower ") && !err.contains("streams.max") && !err.contains("tls.max"), "{err}");
}

#[test]
fn arguments_that_are_none() {
    for (args, message) in [
        (&["--frob"][..], "runnel: unknown argument \"--frob\"; runnel -h lists them\n"),
        (&["push", "--frob"], "runnel: unknown argument \"--frob\"; runnel -h lists them\n"),
        (&["r.toml"], "runnel: unknown argument \"r.toml\"; write -c before a FILE\n"),
        (&["-cr.toml"], "runnel: unknown argument \"-cr.toml\"; write -c before a FILE\n"),
        (&["--config=r"], "runnel: unknown argument \"--config=r\"; write -c before a FILE\n"),
        (&["-c"], "runnel: -c needs a FILE\n"),
        (&["-c", "a", "--config", "b"], "runnel: -c is given twice: only one FILE is read\n"),
        (&["--check", "--plan"], "runnel: --check and --plan cannot be combined: run it once for each\n"),
        (&["--plan", "--check"], "runnel: --plan and --check cannot be combined: run it once for each\n"),
        (&["--check", "--make-cert"], "runnel: --check and --make-cert cannot be combined: run it once for each\n"),
    ] {
        assert_eq!(said(&run(args)), (Some(64), String::new(), message.to_string()));
    }
    let (code, _, err) = said(&run(&["-c", "/nowhere/r.toml"]));
    assert!(code == Some(78) && err.starts_with("runnel: /nowhere/r.toml: "), "{err}");
}

#[test]
fn a_file_may_have_any_name_and_no_other_argument_need_be_text() {
    let odd = OsStr::from_bytes(b"\xff");
    let run = |args: &[&OsStr]| said(&command().args(args).output().unwrap());
    for (args, code, message) in [
        (&[odd][..], 64, "runnel: unknown argument \"\\xFF\"; write -c before a FILE\n"),
        (&["push".as_ref(), "f".as_ref(), odd], 64, "runnel: URL: is not text in UTF-8\n"),
        (
            &["push".as_ref(), "--ca".as_ref(), odd, "f".as_ref(), "u".as_ref()],
            64,
            "runnel: --ca: is not text in UTF-8\n",
        ),
        (&["push".as_ref(), "--speed".as_ref(), odd], 64, "runnel: --speed needs a number between 0.01 and 100\n"),
        (&["-c".as_ref(), odd], 78, "runnel: \u{fffd}: No such file or directory (os error 2)\n"),
    ] {
        assert_eq!(run(args), (Some(code), String::new(), message.to_string()));
    }
    let file = folder("any").into_bytes();
    let file = PathBuf::from(OsString::from_vec([&file[..], b"/\xff.toml"].concat()));
    std::fs::write(&file, TINY).unwrap();
    let (code, out, err) = run(&["--check".as_ref(), "-c".as_ref(), file.as_ref()]);
    assert!(code == Some(0) && out.contains(": sound; profile tiny; "), "{err}");
}

/// A pipe that nobody reads any more, and a disk that is full.
#[test]
fn nobody_need_read_what_it_says() {
    let gone = || std::io::pipe().unwrap().1.into();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap().into();
    let streams: [&dyn Fn() -> Stdio; 2] = [&gone, &full];
    for stream in streams {
        for args in [&["--help"][..], &["push", "-h"], &["--version"], &["--plan"], &["--reference"], &["--check"]] {
            assert_eq!(run_to(args, stream(), Stdio::null()), Some(0), "{args:?}");
        }
        for (args, code) in [(&["-c", "/nowhere"][..], 78), (&["--foo"], 64), (&["push"], 64)] {
            assert_eq!(run_to(args, Stdio::null(), stream()), Some(code), "{args:?}");
        }
        // these are told beside the result
        let file = File::new("hls.delete = \"never\"\nhttp.root = \"/nowhere\"\nlog.target = \"/nowhere/log\"\n");
        let args = ["--check", "-c", file.0.to_str().unwrap()];
        assert_eq!(run_to(&args, stream(), stream()), Some(78));
    }
}

#[test]
fn a_port_that_is_taken_is_said_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, _, err) = run_with(&format!("{TINY}http.enable = false\nrtmp.listen = \"{address}\"\n"), &[]);
    assert_eq!(code, Some(71));
    assert!(err.contains(&format!(".toml: line 3: rtmp.listen: {address}: ")), "{err}");
}

#[test]
fn signals_end_it_in_good_order() {
    for name in ["TERM", "INT"] {
        let program = Program::start(&format!("{TINY}log.level = \"debug\"\n"));
        // somebody who has said nothing yet, and somebody who waits for a playlist
        let idle = TcpStream::connect(program.rtmp).unwrap();
        let mut waits = TcpStream::connect(program.http).unwrap();
        std::io::Write::write_all(&mut waits, b"GET /hls/a.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        program.says("HLS waits");
        let begun = Instant::now();
        program.signal(name);
        let (status, log) = program.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(begun.elapsed() < Duration::from_secs(3), "SIG{name} takes {:?}", begun.elapsed());
        drop((idle, waits));
    }
}
