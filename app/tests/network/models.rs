//! Models from a hub to the answer, through the program, with a hub of the tests' own on loopback.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::loopback::{COMMIT, Fault, Hub, ID};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sightline");
const WEIGHTS: &str = "model.safetensors";

/// A hub, and a person's home folder with a picture in it.
struct World {
    hub: Hub,
    home: TempDir,
}

impl World {
    fn new() -> Self {
        Self::of("tiny-2b")
    }

    fn of(checkpoint: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let picture = image::RgbImage::from_pixel(40, 30, image::Rgb([200, 30, 30]));
        picture.save(home.path().join("red.png")).expect("saved");
        Self { hub: Hub::of(&fixture(checkpoint)), home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        for name in [
            "HF_TOKEN",
            "HUGGING_FACE_HUB_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HUB_CACHE",
            "HF_HUB_OFFLINE",
            "TRANSFORMERS_OFFLINE",
        ] {
            command.env_remove(name);
        }
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HUGGINGFACE_HUB_CACHE", "SIGHTLINE_LOG"] {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.home.path()).stdin(Stdio::null());
        command.env("HF_HOME", self.home.path().join("hf")).env("HF_ENDPOINT", self.hub.endpoint());
        command
    }

    fn run(&self, arguments: &[&str]) -> Told {
        Told::of(self.command(arguments).output().expect("the program runs"))
    }

    fn download(&self) -> Told {
        self.run(&["models", "download", ID])
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("hf/hub/models--someone--tiny")
    }

    /// Whether the model is there for everybody, and whether a rest of its weights is there.
    fn state(&self) -> (bool, bool) {
        let blobs = std::fs::read_dir(self.folder().join("blobs")).into_iter().flatten().flatten();
        let rest = blobs.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "incomplete"));
        (self.folder().join("refs/main").exists(), rest)
    }
}

struct Told {
    out: String,
    err: String,
    code: Option<i32>,
}

impl Told {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
    }

    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    /// It failed with one sentence or two, each of these parts in it, and nothing else.
    #[track_caller]
    fn failed(self, parts: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        for part in parts {
            assert!(self.err.contains(part), "no {part:?} in: {}", self.err);
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures").join(name)
}

#[test]
fn a_model_is_downloaded_once_and_answers_without_the_hub_from_then_on() {
    let world = World::new();
    let describe = ["describe", "red.png", "--model", ID, "--max-tokens", "4", "--ignore-end", "--json"];
    let first = world.run(&describe).succeeded();
    assert_eq!(first.err, "", "quiet where nobody watches");
    let local = fixture("tiny-2b");
    let by_folder = ["describe", "red.png", "--model", local.to_str().expect("UTF-8")];
    let same = world.run(&[&by_folder[..], &["--max-tokens", "4", "--ignore-end", "--json"]].concat()).succeeded();
    let tokens = |told: &Told| serde_json::from_str::<serde_json::Value>(&told.out).expect("JSON")["token_ids"].clone();
    assert_eq!(tokens(&first), tokens(&same));

    let asked = world.hub.front.asked().len();
    world.run(&describe).succeeded();
    assert_eq!(world.hub.front.asked().len(), asked, "everything was there");
    // Python finds it in the same place.
    let snapshot = world.folder().join("snapshots").join(COMMIT);
    assert_eq!(std::fs::read(snapshot.join(WEIGHTS)).expect("read"), std::fs::read(local.join(WEIGHTS)).expect("read"));
    assert!(snapshot.join("tokenizer_config.json").exists());
    let World { hub, home } = world;
    let world = World { hub: Hub::of(&fixture("tiny-2b")), home };
    drop(hub);
    let offline = world.command(&describe).env("HF_HUB_OFFLINE", "1").output().expect("the program runs");
    Told::of(offline).succeeded();
    assert!(world.hub.front.asked().is_empty());
}

#[test]
fn the_model_for_search_by_meaning_comes_like_any_other_and_is_no_model_for_captions() {
    let world = World::of("tiny-bert");
    world.hub.store.will(WEIGHTS, Fault::Cut(1000));
    world.run(&["models", "download", "minilm"]).succeeded();
    let went_on = |range: &Option<String>| range.as_ref().is_some_and(|range| range.starts_with("bytes=1000-"));
    let ranges = world.hub.store.ranges(WEIGHTS);
    assert!(ranges.len() == 2 && went_on(&ranges[1]), "it went on where it was cut: {ranges:?}");
    let folder = PathBuf::from(world.run(&["models", "path", "minilm"]).succeeded().out.trim_end());
    let names = ["config.json", "model.safetensors", "sentence_bert_config.json", "tokenizer.json"];
    assert!(names.iter().all(|name| folder.join(name).is_file()) && !folder.join("golden.safetensors").exists());
    let listed = world.run(&["models", "list"]).succeeded().out;
    let line = listed.lines().find(|line| line.starts_with("minilm ")).expect("listed");
    assert!(line.split_whitespace().nth(1) == Some("here") && line.ends_with("yes"), "{line}");

    std::fs::write(folder.join("config.json"), "{}").expect("written");
    let mended = world.run(&["models", "download", "sentence-transformers/all-MiniLM-L6-v2"]).succeeded();
    assert!(mended.err.contains("config.json of minilm was damaged"), "{}", mended.err);
    let watched = world.run(&["describe", "red.png", "--model", "sentence-transformers/all-MiniLM-L6-v2"]);
    assert!(watched.code == Some(2) && watched.err.contains("captions no picture"), "{}", watched.err);
    world.run(&["models", "remove", "minilm", "--yes"]).succeeded();
    world.run(&["models", "path", "minilm"]).failed(&["not on this machine", "sightline models download minilm"]);
}

#[test]
fn a_model_for_search_by_meaning_that_is_none_is_not_downloaded() {
    let world = World::new();
    let told = world.run(&["models", "download", "minilm"]);
    told.failed(&["all-MiniLM-L6-v2 was not downloaded", "its model_type is", "Check HF_ENDPOINT"]);
    assert!(world.hub.store.asked().is_empty(), "its weights were not asked for");
}

#[test]
fn nobody_is_asked_when_no_model_is_named() {
    let world = World::new();
    world.run(&["describe", "red.png"]).succeeded();
    world.run(&["models", "list"]).succeeded();
    assert!(world.hub.front.asked().is_empty() && !world.folder().exists());
}

#[test]
fn a_cut_connection_goes_on_where_it_was() {
    let world = World::new();
    world.hub.store.will(WEIGHTS, Fault::Cut(5000));
    world.download().succeeded();
    assert_eq!(world.hub.store.ranges(WEIGHTS).len(), 2);
    assert!(world.hub.store.ranges(WEIGHTS)[1].as_deref().is_some_and(|range| range.starts_with("bytes=5000-")));
    assert_eq!(world.state(), (true, false));
}

#[cfg(unix)]
#[test]
fn a_download_that_is_interrupted_goes_on_the_next_time() {
    let world = World::new();
    world.hub.store.will(WEIGHTS, Fault::Silent(7000));
    let mut command = world.command(&["models", "download", ID]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let blobs = world.folder().join("blobs");
    wait(&child, || {
        let entries = std::fs::read_dir(&blobs).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.metadata().is_ok_and(|found| found.len() == 7000))
    });
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let asked = Instant::now();
    Told::of(child.wait_with_output().expect("it ends")).failed(&["goes on where it was"]);
    assert!(asked.elapsed() < Duration::from_secs(20), "long before the hub would have been given up");
    assert_eq!(world.state(), (false, true));
    world.download().succeeded();
    assert!(world.hub.store.ranges(WEIGHTS)[1].as_deref().is_some_and(|range| range.starts_with("bytes=7000-")));
    assert_eq!(world.state(), (true, false));
}

#[cfg(unix)]
fn wait(child: &Child, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain for {}", child.id());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_arrives_damaged_is_used_by_nobody() {
    let world = World::new();
    for _ in 0..2 {
        world.hub.store.will(WEIGHTS, Fault::Wrong);
    }
    world.download().failed(&[WEIGHTS, "checksum", "thrown away"]);
    assert_eq!(world.state(), (false, false));
    world.hub.store.will(WEIGHTS, Fault::Wrong);
    world.download().succeeded();
    assert_eq!(world.state(), (true, false));
}

#[test]
fn what_was_damaged_on_the_disk_is_mended_by_the_command_that_the_message_names() {
    let world = World::new();
    world.download().succeeded();
    let snapshot = world.folder().join("snapshots").join(COMMIT);
    let describe = ["describe", "red.png", "--model", ID, "--max-tokens", "2", "--json"];
    for (file, at) in [(WEIGHTS, 40), ("config.json", 0)] {
        let blob = std::fs::canonicalize(snapshot.join(file)).expect("a blob");
        let whole = std::fs::read(&blob).expect("read");
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        std::fs::write(&blob, damaged).expect("written");
        let told = world.run(&describe);
        assert_eq!(told.code, Some(1), "{}", told.out);
        assert!(told.err.contains("sightline models download someone/tiny"), "{}", told.err);
        let mended = world.download().succeeded().err;
        assert!(mended.contains(file) && mended.contains("damaged"), "{mended}");
        assert!(std::fs::read(snapshot.join(file)).expect("read") == whole);
        world.run(&describe).succeeded();
    }
    assert!(world.download().succeeded().err.contains("already"));
}

#[test]
fn a_listing_without_end_is_given_up() {
    let world = World::new();
    world.hub.front.will("/api/", Fault::Endless);
    world.download().failed(&["list of files is too long"]);
    assert_eq!(world.state(), (false, false));
}

#[test]
fn a_model_that_transformers_5_saved_is_downloaded_and_answers_as_before() {
    let saved = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(fixture("tiny-2b")).expect("a folder").flatten() {
        std::fs::copy(entry.path(), saved.path().join(entry.file_name())).expect("copied");
    }
    let at = |name: &str| saved.path().join(name);
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(at(name)).expect("read")).expect("JSON")
    };
    let processor = serde_json::json!({"image_processor": read("preprocessor_config.json"), "image_seq_len": 4});
    std::fs::write(at("processor_config.json"), processor.to_string()).expect("written");
    let template = read("chat_template.json")["chat_template"].as_str().expect("a template").to_owned();
    std::fs::write(at("chat_template.jinja"), template).expect("written");
    for old in ["preprocessor_config.json", "chat_template.json", "special_tokens_map.json"] {
        std::fs::remove_file(at(old)).expect("removed");
    }
    let world = World { hub: Hub::of(saved.path()), ..World::new() };
    // By the address of its page, as people paste it.
    let page = format!("{}/{ID}/tree/main", world.hub.endpoint());
    let tokens = |model: &str| {
        let told = world.run(&["describe", "red.png", "--model", model, "--max-tokens", "4", "--ignore-end", "--json"]);
        serde_json::from_str::<serde_json::Value>(&told.succeeded().out).expect("JSON")["token_ids"].clone()
    };
    let want = tokens(fixture("tiny-2b").to_str().expect("UTF-8"));
    assert_eq!(tokens(&page), want);
    assert_eq!(tokens(at(WEIGHTS).to_str().expect("UTF-8")), want, "a file is its folder");
    assert!(world.folder().join("snapshots").join(COMMIT).join("chat_template.jinja").exists());
}

#[test]
fn the_cache_is_found_however_its_folder_is_written() {
    let world = World::new();
    world.download().succeeded();
    let path = world.run(&["models", "path", ID]).succeeded().out;
    for (name, value) in [
        ("HF_HOME", "~/hf"),
        ("HF_HOME", "$HOME/hf"),
        ("HF_HUB_CACHE", "${HOME}/hf/hub"),
        ("HUGGINGFACE_HUB_CACHE", "~/hf/hub"),
    ] {
        let mut command = world.command(&["models", "path", ID]);
        command.env_remove("HF_HOME").env("HOME", world.home.path()).env(name, value);
        let told = Told::of(command.output().expect("the program runs")).succeeded();
        assert_eq!(told.out, path, "{name}={value}");
    }
}

#[test]
fn an_answer_that_is_too_short_is_no_file() {
    let world = World::new();
    world.hub.store.will(WEIGHTS, Fault::Short);
    world.download().succeeded();
    assert_eq!(world.hub.store.ranges(WEIGHTS).len(), 2, "the rest was asked for");
}

#[test]
fn who_may_not_is_told_of_the_token_and_the_token_stays_with_the_hub() {
    for status in [401, 403] {
        let world = World::new();
        world.hub.front.will("/api/", Fault::Status(status, ""));
        world.download().failed(&["HF_TOKEN", ID, "agree"]);
        world.hub.front.will(WEIGHTS, Fault::Status(status, ""));
        world.download().failed(&["HF_TOKEN", ID]);
    }
    let world = World::new();
    let told = world.command(&["models", "download", ID]).env("HF_TOKEN", "hf_secret").output();
    Told::of(told.expect("the program runs")).succeeded();
    assert!(world.hub.front.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer hf_secret")));
    // What the variable was called before, and a file that one names.
    for (name, value) in [("HUGGING_FACE_HUB_TOKEN", "hf_secret"), ("HF_TOKEN_PATH", "$HOME/token")] {
        let world = World { hub: Hub::of(&fixture("tiny-2b")), ..World::new() };
        std::fs::write(world.home.path().join("token"), " hf_secret\n").expect("written");
        let told = world.command(&["models", "download", ID]).env("HOME", world.home.path()).env(name, value).output();
        Told::of(told.expect("the program runs")).succeeded();
        let mut asked = world.hub.front.asked().into_iter();
        assert!(asked.all(|asked| asked.authorization.as_deref() == Some("Bearer hf_secret")), "{name}");
    }
    assert!(world.hub.store.asked().iter().all(|asked| asked.authorization.is_none()), "it is another host");
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let world = World::new();
    world.hub.front.will("/api/", Fault::Status(404, ""));
    world.download().failed(&["There is no model someone/tiny", &world.hub.endpoint()]);
    let empty = tempfile::tempdir().expect("a folder");
    std::fs::write(empty.path().join("config.json"), "{}").expect("written");
    let world = World { hub: Hub::of(empty.path()), ..world };
    world.download().failed(&["has no preprocessor_config.json", "SmolVLM checkpoint"]);
    assert_eq!(world.state(), (false, false));
}

#[test]
fn a_busy_hub_is_waited_for_as_long_as_it_says() {
    let world = World::new();
    world.hub.front.will("/api/", Fault::Status(429, "Retry-After: 1\r\n"));
    world.hub.front.will("config.json", Fault::Status(429, "Retry-After: 0\r\n"));
    let start = Instant::now();
    world.download().succeeded();
    assert!(start.elapsed() >= Duration::from_secs(1));
    let world = World::new();
    world.hub.front.will("/api/", Fault::Status(429, "Retry-After: 3600\r\n"));
    world.download().failed(&["Try again in 3600 s"]);
}

#[test]
fn a_hub_that_is_away_or_not_wanted_is_told_with_what_to_do_by_hand() {
    let World { hub, home } = World::new();
    let endpoint = hub.endpoint();
    drop(hub);
    let world = World { hub: Hub::of(&fixture("tiny-2b")), home };
    for arguments in [vec!["models", "download", ID], vec!["describe", "red.png", "--model", ID]] {
        let told = world.command(&arguments).env("HF_ENDPOINT", &endpoint).output().expect("the program runs");
        Told::of(told).failed(&["can't be reached", "by hand", "--model FOLDER", &endpoint]);
    }
    let told = world.command(&["models", "download", ID]).env("HF_HUB_OFFLINE", "yes").output();
    Told::of(told.expect("the program runs")).failed(&["HF_HUB_OFFLINE", ID]);
    assert!(world.hub.front.asked().is_empty());
    let told = world.command(&["models", "download", ID]).env("HF_ENDPOINT", "nonsense").output();
    Told::of(told.expect("the program runs")).failed(&["HF_ENDPOINT"]);
}

#[test]
fn models_are_listed_shown_and_removed() {
    let world = World::new();
    world.run(&["models", "path", ID]).failed(&["sightline models download someone/tiny"]);
    world.run(&["models", "remove", ID, "--yes"]).failed(&["nothing of someone/tiny"]);
    world.download().succeeded();
    assert!(world.download().succeeded().err.contains("already"));

    let list = world.run(&["models", "list"]).succeeded().out;
    assert!(list.contains("256m") && list.contains("not here") && list.contains(ID), "{list}");
    let lines = world.run(&["models", "list", "--json"]).succeeded().out;
    let values: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(values.len(), 9, "the demo, six with names, this one, and the one for search by meaning");
    assert!(values.iter().any(|value| value["name"] == ID && value["state"] == "here" && value["is_counted"] == true));
    let shown = world.run(&["models", "show", ID]).succeeded().out;
    assert!(shown.contains("counted") && shown.contains("fits"), "{shown}");
    let path = world.run(&["models", "path", ID]).succeeded().out;
    assert!(Path::new(path.trim_end()).join("config.json").is_file());

    world.run(&["models", "remove", ID]).failed(&["--yes"]);
    world.run(&["models", "remove", ID, "--yes"]).succeeded();
    assert!(!world.folder().exists());
    world.run(&["models", "remove", "demo", "--yes"]).failed(&["by hand"]);
}
