//! What is wrong in a configuration is said with its file, line, key and remedy.

use runnel::conf::Config;

/// Why `text` is refused as the file "r.toml".
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
        ("threads = 0", "r.toml: line 1: threads: must be between 1 and 64, or \"auto\""),
        ("# a comment\n\nstreams.max = 0", "r.toml: line 3: streams.max: must be at least 1"),
        (
            "[hls]\n\nsegments = 2",
            "r.toml: line 3: hls.segments: must be at least 3: players start three segments before the end",
        ),
        (
            "[hls]\nstore = \"/m\"\n[[record]]\nstreams = \"*\"\npath = \"/m\"\nformat = \"hls\"",
            "r.toml: line 2: hls.store: must be another folder than that of a [[record]] as \"hls\"",
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
        ("log.max_size = \"1KiB\"", "r.toml: line 1: log.max_size: must be at least \"4KiB\""),
        (
            "threads = \"many\"",
            "r.toml: line 1: threads: invalid value: string \"many\", expected a whole number, or \"auto\"",
        ),
        ("profile = \"huge\"", "r.toml: line 1: profile: must be one of \"auto\", \"tiny\", \"router\", \"box\""),
        (
            "[log]\nlevel = \"loud\"",
            "r.toml: line 2: log.level: must be one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
        (
            "[publish]\nconflict = \"kick\"",
            "r.toml: line 2: publish.conflict: invalid value: string \"kick\", expected \"refuse\" or \"replace\"",
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
            "r.toml: line 2: streams.memory: invalid value: string \"3MB\", expected a size such as \"64KiB\" or \"2MiB\"",
        ),
        (
            "[viewers]\nslow = 3",
            "r.toml: line 2: viewers.slow: invalid value: integer `3`, expected a time such as \"100ms\" or \"3s\"",
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
fn keys_that_nobody_knows() {
    let message = refusal("[streams]\nmax = 4\nmaxx = 3");
    assert!(
        message.starts_with("r.toml: line 3: streams.maxx: unknown field `maxx`, expected one of `max`, "),
        "{message}"
    );
    for (text, place) in [
        ("[stream]\nmax = 3", "r.toml: line 2: stream.max: unknown field `stream`"),
        ("[stream]", "r.toml: line 1: stream: unknown field `stream`"),
        ("colour = 1", "r.toml: line 1: colour: unknown field `colour`"),
    ] {
        assert!(refusal(text).starts_with(place), "{}", refusal(text));
    }
}

#[test]
fn text_that_is_no_toml() {
    let message = refusal("[streams\nmax = 3");
    assert!(message.starts_with("r.toml: ") && message.contains("line 1"), "{message}");
    let twice = refusal("[streams]\nmax = 1\nmax = 2");
    assert!(twice.contains("line 3") && twice.contains("duplicate key"), "{twice}");
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
    assert!(message.contains(":1935\""), "what would be right is not said: {message}");
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
    assert!(!config.plan().fits());
}
