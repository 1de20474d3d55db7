//! Choosing a model that is not on this machine.

use vlm::Cancel;

use crate::models::{Doing, DownloadError, Progress};
use crate::ui::tests::*;

/// A fake camera and engine, and a model that has to be fetched first.
struct Far {
    near: Arc<FakePlatform>,
    /// Lets the download end.
    done: AtomicBool,
    fails: AtomicBool,
    fetched: AtomicUsize,
    stopped: AtomicUsize,
}

impl Platform for Far {
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource {
        self.near.source(spec, options)
    }

    fn engine(&self, model: &ModelSpec) -> OpenEngine {
        self.near.engine(model)
    }

    fn is_absent(&self, model: &ModelSpec) -> bool {
        model.to_string() == "500m" && self.fetched.load(Ordering::SeqCst) == 0
    }

    fn fetch(
        &self,
        _: &ModelSpec,
        cancel: &Cancel,
        on_progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), DownloadError> {
        let (file, done) = ("model.safetensors".to_owned(), 250_000_000);
        on_progress(&Progress { file, done, total: 1_000_000_000, fetched: done, doing: Doing::Fetching });
        loop {
            if cancel.is_cancelled() {
                self.stopped.fetch_add(1, Ordering::SeqCst);
                return Err(DownloadError::Cancelled);
            }
            if self.fails.load(Ordering::SeqCst) {
                return Err(DownloadError::Missing {
                    endpoint: "the hub".to_owned(),
                    id: "a/b".to_owned(),
                    file: None,
                });
            }
            if self.done.load(Ordering::SeqCst) {
                self.fetched.fetch_add(1, Ordering::SeqCst);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn models(&self) -> Vec<Choice<ModelSpec>> {
        self.near.models()
    }

    fn cameras(&self) -> Result<Vec<FoundCamera>, Message> {
        self.near.cameras()
    }

    fn choose(&self, wanted: Wanted) -> Chosen {
        self.near.choose(wanted)
    }
}

/// A window that has captioned a picture with another model and downloads this one.
fn downloading() -> (Bench, Arc<Far>) {
    let near = FakePlatform::new(SourceScript::live(), EngineScript::default());
    let far = Arc::new(Far {
        near: Arc::clone(&near),
        done: AtomicBool::default(),
        fails: AtomicBool::default(),
        fetched: AtomicUsize::default(),
        stopped: AtomicUsize::default(),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = Some(folder.path().join("captions.db"));
    let options = Options {
        views: vec![view("camera")],
        model: Some("256m".parse().expect("a model")),
        platform: Arc::<Far>::clone(&far),
        ..near.options(LogOptions { path, record: false, keep: Keep::default() })
    };
    let window = open(Harness::builder().with_size(SIZE), options);
    let mut bench = Bench { window, platform: near, folder };
    bench.platform.source.show(10);
    bench.wait_for_label(&caption_of(10));
    bench.click("SmolVLM 256M");
    bench.click("SmolVLM 500M");
    bench.wait_for_part("Downloading 500m: 250 MB of 1.0 GB");
    (bench, far)
}

#[test]
fn captions_go_on_until_the_new_model_is_there() {
    let (mut bench, far) = downloading();
    bench.platform.source.show(11);
    bench.wait_for_label(&caption_of(11));
    assert_eq!(bench.opened().last().map(String::as_str), Some("model 256m"));
    bench.window.check_accessibility();
    far.done.store(true, Ordering::SeqCst);
    bench.wait("the new model", |_| far.near.opened.lock().expect("no panic").iter().any(|what| what == "model 500m"));
    bench.wait("the strip to go", |window| window.query_all_by_label_contains("Downloading").next().is_none());
}

#[test]
fn a_download_can_be_cancelled_and_the_old_model_stays() {
    let (mut bench, far) = downloading();
    bench.click("Cancel");
    bench.wait("the end", |_| far.stopped.load(Ordering::SeqCst) == 1);
    bench.platform.source.show(12);
    bench.wait_for_label(&caption_of(12));
    assert!(!bench.shows("Downloading") && !bench.opened().contains(&"model 500m".to_owned()));
    drop(bench);
}

#[test]
fn a_download_that_fails_says_why() {
    let (mut bench, far) = downloading();
    far.fails.store(true, Ordering::SeqCst);
    bench.wait_for_part("There is no model a/b");
    assert!(!bench.shows("Downloading"));
}

#[test]
fn closing_the_window_stops_the_download() {
    let (bench, far) = downloading();
    drop(bench);
    let deadline = Instant::now() + PATIENCE;
    while far.stopped.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the download goes on");
        thread::sleep(Duration::from_millis(5));
    }
}
