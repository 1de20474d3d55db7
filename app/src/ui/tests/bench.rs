//! A window on a machine that is made up, and the test's ends of what is behind it.

use vlm::Cancel;

use crate::actions::speech::OpenVoice;
use crate::log::OpenEmbedder;
use crate::models::{DownloadError, Progress, SENTENCES};
use crate::testing::meaning::fake_embedder;
use crate::testing::voice::VoiceScript;
use crate::ui::tests::*;

/// A machine on which everything is made up.
pub struct FakePlatform {
    pub source: SourceScript,
    /// Sources that are others than that one, by what they are written as.
    pub others: Mutex<BTreeMap<String, SourceScript>>,
    pub engine: EngineScript,
    pub opened: Mutex<Vec<String>>,
    pub chosen: Mutex<Option<PathBuf>>,
    pub kept: Mutex<Result<Preferences, Message>>,
    pub removed: Mutex<Vec<String>>,
    /// Whether its desktop has dialogs.
    pub has_dialogs: AtomicBool,
    /// Models that would have to be downloaded.
    pub absent: Mutex<Vec<String>>,
    /// The models that were downloaded.
    pub fetched: Arc<Mutex<Vec<String>>>,
    /// Its voice, and whether it has one.
    pub voice: VoiceScript,
    pub has_voice: AtomicBool,
}

impl FakePlatform {
    /// Whether this is true of the choices that are kept.
    pub fn keeps(&self, of: impl FnOnce(&Preferences) -> bool) -> bool {
        self.kept.lock().expect("no thread panicked").as_ref().is_ok_and(of)
    }

    pub fn new(source: SourceScript, engine: EngineScript) -> Arc<Self> {
        let kept = Mutex::new(Ok(Preferences::default()));
        let (opened, chosen, has_dialogs) = (Mutex::default(), Mutex::default(), AtomicBool::new(true));
        Arc::new(Self {
            source,
            others: Mutex::default(),
            engine,
            opened,
            chosen,
            kept,
            removed: Mutex::default(),
            has_dialogs,
            absent: Mutex::default(),
            fetched: Arc::default(),
            voice: VoiceScript::default(),
            has_voice: AtomicBool::new(true),
        })
    }

    /// A window that opens nothing by itself.
    pub fn options(self: &Arc<Self>, log: LogOptions) -> Options {
        let settings = Settings { gate: None, ..Settings::default() };
        let platform: Arc<dyn Platform> = Arc::<Self>::clone(self);
        let (preferences, trouble) = match self.kept.lock().expect("no thread panicked").clone() {
            Ok(preferences) => (preferences, None),
            Err(trouble) => (Preferences::default(), Some(trouble)),
        };
        Options {
            views: Vec::new(),
            is_from_file: false,
            source_options: SourceOptions::default(),
            model: None,
            settings,
            log,
            caption_files: None,
            rules: RuleBook::default(),
            actions: None,
            clock: ZonedDateTime::now,
            now: Instant::now,
            preferences,
            trouble,
            platform,
            meter: None,
        }
    }
}

impl Platform for FakePlatform {
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource {
        let format = options.camera_format.map_or_else(String::new, |format| format!(" at {format}"));
        self.opened.lock().expect("no thread panicked").push(format!("source {spec}{format}"));
        let others = self.others.lock().expect("no thread panicked");
        others.get(&spec.to_string()).unwrap_or(&self.source).open()
    }

    fn engine(&self, model: &ModelSpec) -> OpenEngine {
        self.opened.lock().expect("no thread panicked").push(format!("model {model}"));
        self.engine.open()
    }

    fn engine_as(&self, model: &ModelSpec, run: RunChoice) -> OpenEngine {
        if run == RunChoice::default() {
            return self.engine(model);
        }
        let said = format!("model {model} as {}", run.precision);
        self.opened.lock().expect("no thread panicked").push(said);
        self.engine.open()
    }

    fn models(&self) -> Vec<Choice<ModelSpec>> {
        let absent = self.absent.lock().expect("no thread panicked");
        let choice = |value: &str, label: &str| Choice {
            value: value.parse().expect("a model"),
            label: label.to_owned(),
            detail: if absent.iter().any(|absent| absent == value) { "513 MB download" } else { "" }.to_owned(),
        };
        vec![choice("256m", "SmolVLM 256M"), choice("500m", "SmolVLM 500M")]
    }

    fn is_absent(&self, model: &ModelSpec) -> bool {
        self.absent.lock().expect("no thread panicked").contains(&model.to_string())
    }

    fn voice(&self) -> Option<OpenVoice> {
        self.has_voice.load(Ordering::SeqCst).then(|| self.voice.open())
    }

    fn model_facts(&self) -> Vec<ModelFacts> {
        let facts = |model: &str, state, disk, fits| ModelFacts {
            model: ModelSpec::of_any_kind(model.as_ref()).expect("a model"),
            state,
            disk: Some(disk),
            memory: Some(900_000_000),
            fits: Some(fits),
        };
        vec![
            facts("demo", ModelState::BuiltIn, 0, true),
            facts("256m", ModelState::Here, 513_000_000, true),
            facts("500m", ModelState::Absent, 1_015_000_000, false),
            facts("2.2b", ModelState::Here, 4_500_000_000, false),
            facts(
                "minilm",
                if has_meaning(&self.fetched) { ModelState::Here } else { ModelState::Absent },
                91_000_000,
                true,
            ),
        ]
    }

    fn fetch(&self, model: &ModelSpec, _: &Cancel, _: &mut dyn FnMut(&Progress)) -> Result<(), DownloadError> {
        self.fetched.lock().expect("no thread panicked").push(model.to_string());
        Ok(())
    }

    fn embedder(&self) -> OpenEmbedder {
        let fetched = Arc::clone(&self.fetched);
        let open = fake_embedder();
        Arc::new(move || if has_meaning(&fetched) { open() } else { Ok(None) })
    }

    fn remove(&self, model: &ModelSpec) -> Result<u64, Message> {
        self.removed.lock().expect("no thread panicked").push(model.to_string());
        Ok(513_000_000)
    }

    fn cameras(&self) -> Result<Vec<FoundCamera>, Message> {
        let label = "Desk camera".to_owned();
        let choice = Choice { value: SourceSpec::Camera(CameraChoice::Number(1)), label, detail: String::new() };
        let formats = ["1280x720@30", "1920x1080@15"].map(|format| format.parse().expect("a format"));
        Ok(vec![FoundCamera { choice, formats: formats.to_vec() }])
    }

    fn still(&self, _: &SourceSpec) -> Result<RgbImage, Message> {
        Ok(crate::testing::pipeline::picture(50))
    }

    fn choose(&self, _: Wanted) -> Chosen {
        if !self.has_dialogs.load(Ordering::SeqCst) {
            return Chosen::NoDialog;
        }
        self.chosen.lock().expect("no thread panicked").clone().map_or(Chosen::Nothing, Chosen::Path)
    }

    fn keep_reference(&self, picture: &RgbImage) -> Result<PathBuf, Message> {
        Ok(format!("/kept/{}.png", picture.get_pixel(0, 0).0[0]).into())
    }

    /// What can't be read can't be written either.
    fn remember(&self, preferences: &Preferences) -> Result<(), Message> {
        let mut kept = self.kept.lock().expect("no thread panicked");
        kept.as_mut().map(|kept| kept.clone_from(preferences)).map_err(|why| why.clone())
    }
}

/// Whether the model for search by meaning was downloaded.
fn has_meaning(fetched: &Mutex<Vec<String>>) -> bool {
    fetched.lock().expect("no thread panicked").iter().any(|model| model == SENTENCES.name)
}

/// A view of this source, as the command line makes one.
pub fn view(source: &str) -> ViewPlan {
    ViewPlan {
        name: source.to_owned(),
        source: source.parse().expect("a source"),
        options: SourceOptions::default(),
        framing: Framing::default(),
        settings: Settings { gate: None, ..Settings::default() },
        rules: Vec::new(),
    }
}

/// A window and the test's ends of what is behind it.
pub struct Bench {
    pub window: Harness<'static, App>,
    pub platform: Arc<FakePlatform>,
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn open(source: Option<&str>, model: Option<&str>) -> Self {
        Self::with(SourceScript::live(), EngineScript::default(), source, model)
    }

    pub fn with(source: SourceScript, engine: EngineScript, spec: Option<&str>, model: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Some(folder.path().join("captions.db"));
        let log = LogOptions { path, record: false, keep: Keep::default() };
        Self::with_log(source, engine, spec, model, log, folder)
    }

    pub fn with_log(
        source: SourceScript,
        engine: EngineScript,
        spec: Option<&str>,
        model: Option<&str>,
        log: LogOptions,
        folder: tempfile::TempDir,
    ) -> Self {
        let platform = FakePlatform::new(source, engine);
        let views = spec.map(view).into_iter().collect();
        let model = model.map(|model| model.parse().expect("a model"));
        let rules = RuleBook {
            file: Some(folder.path().join("rules.toml")),
            calibration_file: Some(folder.path().join("calibration.toml")),
            ..RuleBook::default()
        };
        let options = Options { views, model, rules, ..platform.options(log) };
        Self { window: open(Harness::builder().with_size(SIZE), options), platform, folder }
    }

    /// A window that has captioned one picture.
    pub fn captioned() -> Self {
        let mut bench = Self::open(Some("camera"), Some("256m"));
        bench.platform.source.show(10);
        bench.wait_for_label(&caption_of(10));
        // Its last word may be there before it is known to be the last.
        bench.wait("the caption to be complete", |window| !window.state().state.caption.words().writing);
        bench
    }

    pub fn engine(&self) -> &EngineScript {
        &self.platform.engine
    }

    #[track_caller]
    pub fn wait(&mut self, what: &str, done: impl FnMut(&Harness<'static, App>) -> bool) {
        wait(&mut self.window, what, done);
    }

    #[track_caller]
    pub fn wait_for_label(&mut self, label: &str) {
        self.wait(label, |window| window.query_by_label(label).is_some());
    }

    #[track_caller]
    pub fn wait_for_part(&mut self, part: &str) {
        self.wait(part, |window| window.query_all_by_label_contains(part).next().is_some());
    }

    pub fn shows(&self, part: &str) -> bool {
        self.window.query_all_by_label_contains(part).next().is_some()
    }

    pub fn click(&mut self, label: &str) {
        // What has just opened is not in its place yet.
        self.window.step();
        self.window.step();
        self.window.get_by_label(label).click();
        self.window.step();
        self.window.step();
    }

    /// Presses what may have to be scrolled to first.
    pub fn press(&mut self, label: &str) {
        self.window.get_by_label(label).click_accesskit();
        self.window.step();
        self.window.step();
    }

    pub fn ask(&mut self, question: &str) {
        self.window.get_by_label(BOX).focus();
        self.window.step();
        self.window.get_by_label(BOX).type_text(question);
        self.window.step();
        self.window.key_press(Key::Enter);
        self.window.step();
        self.window.step();
    }

    /// Lets the focus go, so that keys mean what they mean.
    pub fn let_go(&mut self) {
        self.window.ctx.memory_mut(|memory| {
            if let Some(id) = memory.focused() {
                memory.surrender_focus(id);
            }
        });
        self.window.step();
    }

    pub fn opened(&self) -> Vec<String> {
        self.platform.opened.lock().expect("no thread panicked").clone()
    }
}

pub fn open(builder: HarnessBuilder<App>, options: Options) -> Harness<'static, App> {
    builder.build_eframe(|creation| App::new(&creation.egui_ctx, options).expect("threads"))
}

/// Draws the window until `done`.
#[track_caller]
pub fn wait(window: &mut Harness<'static, App>, what: &str, mut done: impl FnMut(&Harness<'static, App>) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        window.step();
        if done(window) {
            return;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub fn asks(calls: &[Call]) -> usize {
    calls.iter().filter(|call| matches!(call, Call::Ask(_))).count()
}
