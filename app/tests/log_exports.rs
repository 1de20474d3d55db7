//! The log's command line, run as a person runs it, and its exports read by other programs:
//! Python's csv and json, and FFmpeg, and Chromium. A reader that this machine does not have is
//! passed over.

#![allow(clippy::unwrap_used, reason = "a test that can't go on ends there")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbImage;
use tempfile::TempDir;

/// The commands on one log, with pictures to record from.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pictures")).unwrap();
        for (i, red) in [10_u8, 250].into_iter().enumerate() {
            let picture = RgbImage::from_fn(640, 360, |x, y| image::Rgb([red, x as u8, y as u8]));
            picture.save(folder.path().join(format!("pictures/{i}.png"))).unwrap();
        }
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sightline")).args(arguments).current_dir(&self.folder).output().unwrap()
    }

    /// What a command printed; it must succeed.
    fn out(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(arguments);
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    fn record(&self) -> String {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b");
        let model = model.to_str().unwrap();
        let watch = ["watch", "--source", "pictures", "--every-frame", "--log", "captions.db", "--max-tokens", "8"];
        let output = self.run(&[&watch[..], &["--model", model]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }
}

/// Runs a Python script with this file as its argument; None where there is no Python.
fn python(script: &str, file: &Path) -> Option<String> {
    let output = Command::new("python3").args(["-c", script]).arg(file).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_watched_is_recorded_found_and_kept() {
    let bench = Bench::new();
    let said = bench.record();
    assert!(said.contains("Recorded 2 captions in captions.db."), "{said}");

    let list = bench.out(&["log", "list", "--json", "--log", "captions.db"]);
    let entries: Vec<serde_json::Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = entries.last().unwrap();
    let id = first["id"].to_string();
    assert_eq!(first["kind"], "caption");
    assert!(first["model"].as_str().unwrap().ends_with("tiny-2b"));
    assert!(bench.out(&["log", "show", &id, "--log", "captions.db"]).contains("Tokens"));
    assert!(bench.out(&["log", "stats", "--log", "captions.db"]).contains(" in 1 session,"));
    assert_eq!(bench.out(&["log", "path", "--log", "captions.db"]), "captions.db\n");

    bench.out(&["log", "mark", &id, "--note", "a striking note", "--log", "captions.db"]);
    bench.out(&["log", "mark", &id, "--log", "captions.db"]);
    let noted = bench.out(&["log", "search", "strik*", "--kind", "bookmark", "--json", "--log", "captions.db"]);
    assert_eq!(noted.lines().count(), 1);

    bench.out(&["log", "check", "--log", "captions.db"]);
    bench.out(&["log", "backup", "copy.db", "--log", "captions.db"]);
    bench.out(&["log", "prune", "--older-than", "0s", "--keep-bookmarked", "--log", "captions.db"]);
    assert_eq!(bench.out(&["log", "list", "--log", "captions.db"]).lines().count(), 1);
    assert_eq!(bench.out(&["log", "list", "--log", "copy.db"]).lines().count(), entries.len());
}

#[test]
fn exports_come_back_equal() {
    let bench = Bench::new();
    bench.record();
    let export = ["log", "export", "--format", "jsonl", "--thumbnails", "--log"];
    let lines = bench.out(&[&export[..], &["captions.db"]].concat());
    bench.out(&[&export[..], &["captions.db", "--output", "log.jsonl"]].concat());
    assert_eq!(fs::read_to_string(bench.at("log.jsonl")).unwrap(), lines);
    bench.out(&["log", "import", "log.jsonl", "--log", "again.db"]);
    assert_eq!(bench.out(&[&export[..], &["again.db"]].concat()), lines);
}

#[test]
fn other_programs_read_the_exports() {
    let bench = Bench::new();
    bench.record();
    let id = "1";
    // What spreadsheets run, what ends a cell, and what players and browsers take for markup.
    let note = "=HYPERLINK(\"http://x\"), <script>alert(1)</script>\n--> 'quoted' \"é\"";
    bench.out(&["log", "mark", id, "--note", note, "--log", "captions.db"]);
    for format in ["jsonl", "csv", "srt", "vtt", "md", "html"] {
        let file = format!("log.{format}");
        bench.out(&["log", "export", "--format", format, "--output", &file, "--log", "captions.db"]);
    }
    let rows = python(
        "import csv,sys; rows=list(csv.DictReader(open(sys.argv[1],newline='',encoding='utf-8'),strict=True)); \
         print(rows[0]['note'],end='')",
        &bench.at("log.csv"),
    );
    // The second line begins with what some reader takes for a formula, too.
    let harmless = format!("'{}", note.replace("\n-->", "\n'-->"));
    assert!(rows.is_none_or(|read| read == harmless));
    let read = python(
        "import json,sys; rows=[json.loads(line) for line in open(sys.argv[1],encoding='utf-8')]; \
         print(next(r['note'] for r in rows if r['type']=='entry' and r['id']==1),end='')",
        &bench.at("log.jsonl"),
    );
    assert!(read.is_none_or(|read| read == note));
    let tags = python(
        "import sys; from html.parser import HTMLParser\n\
         class P(HTMLParser):\n  n=0\n  def handle_starttag(self,t,a): self.n+=t=='script'\n\
         p=P(); p.feed(open(sys.argv[1],encoding='utf-8').read()); print(p.n,end='')",
        &bench.at("log.html"),
    );
    assert!(tags.is_none_or(|scripts| scripts == "1"), "only the page's own");
    for format in ["srt", "vtt"] {
        let file = bench.at(&format!("log.{format}"));
        let converted = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&file).args(["-f", "srt", "-"]).output();
        if let Ok(converted) = converted {
            let cues = String::from_utf8(converted.stdout).unwrap();
            assert!(converted.status.success() && converted.stderr.is_empty(), "{format}");
            assert_eq!(cues.matches("-->").count(), fs::read_to_string(&file).unwrap().matches("-->").count());
            assert!(cues.contains("-->"), "{format}");
        }
    }
}

#[test]
fn what_goes_wrong_is_said_in_a_sentence() {
    let bench = Bench::new();
    fs::write(bench.at("diary.txt"), "Dear diary").unwrap();
    for (arguments, code, sentence) in [
        (&["log", "list", "--log", "none.db"][..], 1, "There is no caption log at none.db."),
        (&["log", "list", "--log", "diary.txt"], 1, "is not a caption log"),
        (&["log", "list", "--since", "soon", "--log", "none.db"], 2, "write a time such as"),
        (&["log", "export", "--format", "xls"], 2, "write jsonl, csv, srt, vtt, md or html"),
        (&["log", "prune", "--log", "none.db"], 2, "--older-than"),
        (&["watch", "--source", "pictures", "--log", "diary.txt"], 1, "is not a caption log"),
        (&["watch", "--source", "pictures", "--log-limit", "5MB"], 2, "--log"),
    ] {
        let output = bench.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(sentence), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!bench.at("none.db").exists());
}

/// Says why something was passed over.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What starts Chromium here, if anything does: Ubuntu has a command of that name that only asks
/// for a snap.
fn chromium() -> Option<&'static str> {
    let starts = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(starts)
}

/// The page as the browser has it after its scripts have run.
fn in_a_browser(browser: &str, page: &Path, more: &[&str]) -> String {
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ];
    let profile = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", profile.path().display());
    let address = format!("file://{}", page.display());
    let output = Command::new(browser).args(flags).args(more).args([profile, address]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a person does in the page, done by the page itself: types into the search box, one after
/// the other, and notes what is shown. Its ground is noted, too.
const VISIT: &str = "<script>
const seen = ['', 'FindMe', 'findme nothing', 'XYZZY', ''].map(typed => {
  words.value = typed;
  words.dispatchEvent(new Event('input'));
  const shown = [...document.querySelectorAll('article')].filter(e => e.getClientRects().length > 0).map(e => e.id);
  return typed + ': ' + shown.join(' ') + ' (' + count.textContent + ')';
});
document.body.dataset.seen = seen.join('; ');
document.body.dataset.ground = getComputedStyle(document.body).backgroundColor;
</script></body>";

#[test]
fn a_browser_shows_the_page_searches_it_and_runs_nothing_of_what_was_said() {
    let bench = Bench::new();
    bench.record();
    let note = "<script>document.title='harmed'</script><img src=x onerror=\"document.title='harmed'\"> findme";
    bench.out(&["log", "mark", "1", "--note", note, "--log", "captions.db"]);
    bench.out(&["log", "export", "--format", "html", "--output", "log.html", "--log", "captions.db"]);
    let whole = fs::read_to_string(bench.at("log.html")).unwrap();
    let visited = bench.at("visited.html");
    fs::write(&visited, whole.replace("</body>", VISIT)).unwrap();
    let Some(browser) = chromium() else {
        say("There is no Chromium on this machine, so the page was not opened in a browser.");
        return;
    };
    let page = in_a_browser(browser, &bench.at("log.html"), &[]);
    assert!(page.contains("<title>Captions</title>") && page.contains(">2 of 2</p>"), "{page}");
    assert_eq!(page.matches("<article").count(), 2);
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), 2);

    let page = in_a_browser(browser, &visited, &[]);
    let both = "entry-1 entry-2 (2 of 2)";
    let seen = format!(": {both}; FindMe: entry-1 (1 of 2); findme nothing:  (0 of 2); XYZZY:  (0 of 2); : {both}");
    assert!(page.contains(&format!("data-seen=\"{seen}\"")), "{page}");
    assert!(page.contains("<title>Captions</title>"), "{page}");
    assert!(page.contains("data-ground=\"rgb(255, 255, 255)\""), "light: {page}");
    let page = in_a_browser(browser, &visited, &["--force-dark-mode"]);
    assert!(page.contains("data-ground=\"rgb(22, 24, 29)\""), "dark: {page}");
}
