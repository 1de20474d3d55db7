//! The log on a disk that is really full, and in a folder that really can't be written, by the
//! program as it is run. What this machine does not allow to be set up is passed over with a
//! sentence.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbImage;
use tempfile::TempDir;

/// A user and group without any rights.
const NOBODY: &str = "65534";

struct Bench {
    folder: TempDir,
    program: PathBuf,
}

impl Bench {
    /// A folder that everybody reads, with pictures to record from.
    fn new(pictures: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        for i in 0..pictures {
            // Noise, so that the small pictures take room.
            let picture = RgbImage::from_fn(320, 180, |x, y| {
                let hash = (x * 7919 + y * 104_729 + u32::from(i) * 1_299_709).wrapping_mul(2_654_435_761);
                image::Rgb([(hash >> 8) as u8, (hash >> 16) as u8, (hash >> 24) as u8])
            });
            picture.save(folder.path().join(format!("pictures/{i:03}.png"))).unwrap();
        }
        Self { folder, program: env!("CARGO_BIN_EXE_sightline").into() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &str, arguments: &[String]) -> Output {
        Command::new(command).args(arguments).current_dir(&self.folder).output().unwrap()
    }
}

/// Says why something was passed over.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The arguments that record the pictures into this log.
fn watch(log: &str) -> Vec<String> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b");
    let arguments = ["watch", "--source", "pictures", "--every-frame", "--max-tokens", "4", "--log", log, "--model"];
    arguments.iter().map(ToString::to_string).chain([model.to_str().unwrap().to_owned()]).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_full_disk_is_said_and_counted_while_captioning_goes_on() {
    let bench = Bench::new(40);
    fs::create_dir(bench.at("small")).unwrap();
    let program = bench.program.to_str().unwrap().to_owned();
    // A disk of half a megabyte, which only this command sees and which goes with it.
    let in_small = |script: &str| {
        let script = format!("mount -t tmpfs -o size=512k none small || exit 99\n{script}");
        let mut arguments: Vec<String> =
            ["--mount", "--map-root-user", "sh", "-c", &script, &program].map(str::to_owned).into();
        arguments.extend(watch("small/captions.db"));
        bench.run("unshare", &arguments)
    };
    let output = in_small("\"$0\" \"$@\"; echo code $?; cp small/captions.db* . && rm -f small/*-wal");
    if output.status.code() == Some(99) || text(&output.stderr).contains("unshare") {
        say(&format!("This machine lets nobody mount a small disk, so none was filled: {}", text(&output.stderr)));
        return;
    }
    let (out, said) = (text(&output.stdout), text(&output.stderr));
    // Every picture has its caption, whatever the disk took.
    assert_eq!(out.lines().count(), 41, "{out}{said}");
    assert!(out.ends_with("code 0\n"), "{out}");
    // At once, or at the end where the pictures came to theirs before it was looked.
    assert!(said.contains("is full"), "{said}");
    assert!(said.contains(" Lost "), "{said}");

    // What was written before is whole.
    let log = |words: &[&str]| {
        let arguments: Vec<_> = words.iter().chain(&["--log", "captions.db"]).map(ToString::to_string).collect();
        bench.run(&program, &arguments)
    };
    let listed = log(&["log", "list", "--limit", "99"]);
    let kept = text(&listed.stdout).lines().count();
    assert!(listed.status.success() && (1..40).contains(&kept), "{kept}: {}", text(&listed.stderr));
    assert!(log(&["log", "check"]).status.success());
}

#[test]
fn a_folder_that_may_not_be_written_is_said_and_its_log_can_be_read() {
    let mut bench = Bench::new(2);
    fs::create_dir(bench.at("kept")).unwrap();
    let program = bench.program.to_str().unwrap().to_owned();
    let recorded = bench.run(&program, &watch("kept/captions.db"));
    assert!(recorded.status.success(), "{}", text(&recorded.stderr));
    fs::set_permissions(bench.at("kept/captions.db"), Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(bench.at("kept"), Permissions::from_mode(0o555)).unwrap();

    // To root, nothing is forbidden.
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = vec![program];
    if is_root {
        // Where nobody may enter the folder of the build, a copy is run.
        let copy = bench.at("sightline");
        fs::copy(&bench.program, &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
        bench.program.clone_from(&copy);
        let [user, group] = ["--reuid", "--regid"].map(|flag| format!("{flag}={NOBODY}"));
        command = ["setpriv", &user, &group, "--clear-groups"].map(str::to_owned).into();
        command.push(copy.to_str().unwrap().to_owned());
        if !Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
            say("There is no setpriv on this machine, so nothing was run as a user without rights.");
            return;
        }
    }
    let run = |arguments: &[&str]| {
        let all: Vec<_> = command[1..].iter().cloned().chain(arguments.iter().map(ToString::to_string)).collect();
        bench.run(&command[0], &all)
    };
    let listed = run(&["log", "list", "--log", "kept/captions.db"]);
    assert!(!listed.stdout.is_empty(), "{}", text(&listed.stderr));
    for arguments in [
        &["log", "mark", "1", "--log", "kept/captions.db"][..],
        &["watch", "--source", "pictures", "--model", "demo", "--log", "kept/captions.db"],
        &["watch", "--source", "pictures", "--model", "demo", "--log", "kept/new.db"],
    ] {
        let refused = run(arguments);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("can't be written. Check the permissions"), "{arguments:?}: {said}");
        assert!(refused.stdout.is_empty());
    }
}
