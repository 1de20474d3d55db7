//! Logs and exports under any name that the system allows, by the program as it is run: none is
//! taken for an address, a database in memory or an option, and none reaches a terminal with
//! control characters.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const LINES: &str = r#"{"type":"session","id":1,"source":"x","model":"demo","device":"cpu","precision":"f32","prompt":"What?","began":"2026-11-24T15:00:00.000+00:00","ended_ms":null,"lost":0}
{"type":"entry","id":1,"session":1,"kind":"caption","frame":1,"time":"2026-11-24T15:00:01.000+00:00","since_ms":1000,"duration_ms":900,"text":"A cup.","question":null,"note":null,"bookmarked":false,"repeats":0,"age_ms":null,"ms":{"preprocess":1,"vision":1,"prefill":1,"decode":1},"prompt_tokens":1,"tokens":1,"stop":"end","draft":{"offered":0,"accepted":0},"dropped":null,"skipped":null,"mean_log_prob":null}
"#;

fn run(folder: &Path, arguments: &[&OsStr]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sightline")).args(arguments).current_dir(folder).output().unwrap()
}

fn joined(option: &str, name: &OsStr) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(name);
    joined
}

#[test]
fn a_log_and_an_export_may_have_any_name() {
    let names: [&[u8]; 9] = [
        b":memory:",
        b"file:x.db",
        b"file:y.db?mode=ro",
        b"file:z.db?mode=memory&cache=shared",
        b"a?b#c%20d.db",
        b"-x.db",
        b"--limit",
        b"not \xff\xfe UTF-8.db",
        b"with a\nbreak and \x1b[2J.db",
    ];
    for name in names {
        let name = OsStr::from_bytes(name);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lines.jsonl"), LINES).unwrap();
        let log = joined("--log=", name);
        let of = |words: &[&str]| {
            let words: Vec<&OsStr> = words.iter().map(OsStr::new).chain([log.as_os_str()]).collect();
            run(folder.path(), &words)
        };
        let imported = of(&["log", "import", "lines.jsonl"]);
        assert!(imported.status.success(), "{name:?}: {}", String::from_utf8_lossy(&imported.stderr));
        assert!(folder.path().join(name).metadata().unwrap().len() > 0, "{name:?}");
        let listed = of(&["log", "list", "--json"]);
        assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1, "{name:?}");
        let told = of(&["log", "path"]);
        assert_eq!(told.stdout, [name.as_bytes(), b"\n"].concat(), "{name:?}");
        assert!(of(&["log", "check"]).status.success(), "{name:?}");

        let to = joined("--output=exported ", name);
        let words = ["log", "export", "--format", "csv"].map(OsStr::new);
        let exported = run(folder.path(), &[&words[..], &[to.as_os_str(), log.as_os_str()]].concat());
        assert!(exported.status.success(), "{name:?}");
        let said = &exported.stderr[..exported.stderr.len() - 1];
        assert!(!said.iter().any(|byte| *byte < b' ' || *byte == 0x7f), "{name:?}: {said:?}");
        let file = folder.path().join(joined("exported ", name));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2, "{name:?}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name:?}");
    }
}

#[test]
fn what_can_be_no_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines.jsonl"), LINES).unwrap();
    let import = |log: &str| run(folder.path(), &["log", "import", "lines.jsonl", log].map(OsStr::new));
    let empty = import("--log=");
    assert_eq!(empty.status.code(), Some(2));
    for name in ["--log=.", "--log=/dev/null"] {
        let refused = import(name);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(1) && said.contains("can't be opened"), "{name}: {said}");
    }
}

#[test]
fn an_export_never_goes_over_the_log_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lines.jsonl"), LINES).unwrap();
    run(folder.path(), &["log", "import", "lines.jsonl", "--log", "l.db"].map(OsStr::new));
    for to in ["l.db", "./l.db", "l.db-wal", "l.db-shm"] {
        let words = ["log", "export", "--format", "csv", "--log", "l.db", "--output", to];
        let refused = run(folder.path(), &words.map(OsStr::new));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(1) && said.contains("is the log itself"), "{to}: {said}");
    }
}
