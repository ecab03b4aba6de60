//! The command line, and how the program ends.

use std::net::TcpStream;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::program::{File, Program, run};

const TINY: &str = "profile = \"tiny\"\n";

/// Exit code, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run_with(config: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let file = File::new(config);
    said(&run(&[&["-c", file.0.to_str().unwrap()], args].concat()))
}

#[test]
fn help_lists_every_option() {
    for flag in ["-h", "--help"] {
        let (code, out, err) = said(&run(&[flag]));
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let options =
            ["-c", "--config", "--check", "--plan", "--make-cert", "-V", "--version", "-h", "--help", "RUST_LOG"];
        let push = ["runnel push", "--loop", "--speed", "--udp", "--ca", "--insecure"];
        assert!(options.iter().chain(&push).all(|option| out.contains(option)), "{out}");
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
fn a_check_says_nothing_if_all_is_well() {
    assert_eq!(said(&run(&["--check"])), (Some(0), String::new(), String::new()));
    assert_eq!(run_with(TINY, &["--check"]), (Some(0), String::new(), String::new()));
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
        assert!(err.starts_with("runnel: the worst case of this configuration is "), "{err}");
        assert!(err.contains("but memory.total is 9216 KiB: raise memory.total; or lower "), "{err}");
        let knobs = ["viewers.max by ", "hls.memory by ", "streams.memory by "];
        assert!(knobs.iter().any(|knob| err.contains(knob)), "{err}");
        assert_eq!(out.contains("does NOT fit in memory.total = 9216 KiB"), args == ["--plan"], "{out}");
    }
}

#[test]
fn arguments_that_are_none() {
    for (args, message) in [
        (&["--frob"][..], "runnel: unknown argument \"--frob\"; runnel -h lists them\n"),
        (&["-c"], "runnel: -c wants a FILE\n"),
    ] {
        assert_eq!(said(&run(args)), (Some(64), String::new(), message.to_string()));
    }
    let (code, _, err) = said(&run(&["-c", "/nowhere/r.toml"]));
    assert!(code == Some(78) && err.starts_with("runnel: /nowhere/r.toml: "), "{err}");
}

#[test]
fn a_port_that_is_taken_is_said_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, _, err) = run_with(&format!("{TINY}http.enable = false\nrtmp.listen = \"{address}\"\n"), &[]);
    assert_eq!(code, Some(71));
    assert!(err.contains(&format!("runnel: rtmp.listen = \"{address}\": ")), "{err}");
}

#[test]
fn signals_end_it_in_good_order() {
    for name in ["TERM", "INT"] {
        let program = Program::start(TINY);
        // somebody who has said nothing yet, and somebody who waits for a playlist
        let idle = TcpStream::connect(program.rtmp).unwrap();
        let mut waits = TcpStream::connect(program.http).unwrap();
        std::io::Write::write_all(&mut waits, b"GET /hls/a.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        program.says("HLS begins");
        let begun = Instant::now();
        program.signal(name);
        let (status, log) = program.end();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(begun.elapsed() < Duration::from_secs(3), "SIG{name} takes {:?}", begun.elapsed());
        drop((idle, waits));
    }
}
