//! The window of somebody who has no camera and no model: the demo scene and the demo model, both
//! the real ones.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;

use crate::capture;
use crate::demo::model;
use crate::engine;
use crate::engine::options::EngineOptions;
use crate::ui::tests::*;

/// A machine that has what is built in, and nothing else.
struct BuiltIn;

impl Platform for BuiltIn {
    fn source(&self, spec: &SourceSpec, options: &SourceOptions) -> OpenSource {
        let (spec, options) = (spec.clone(), options.clone());
        Box::new(move || capture::open(&spec, &options))
    }

    fn engine(&self, model: &ModelSpec) -> OpenEngine {
        let model = model.clone();
        Box::new(move || engine::open(&model, &EngineOptions::default()))
    }

    fn models(&self) -> Vec<Choice<ModelSpec>> {
        Vec::new()
    }

    fn cameras(&self) -> Result<Vec<FoundCamera>, Message> {
        Ok(Vec::new())
    }

    fn choose(&self, _: Wanted) -> Chosen {
        Chosen::Nothing
    }
}

#[test]
fn the_demo_captions_itself_and_says_what_it_is() {
    let options = Options {
        views: vec![view("demo")],
        is_from_file: false,
        source_options: SourceOptions::default(),
        model: Some(ModelSpec::Demo),
        settings: Settings::default(),
        log: LogOptions { path: None, record: false, keep: Keep::default() },
        caption_files: None,
        rules: RuleBook::default(),
        actions: None,
        clock: ZonedDateTime::now,
        now: Instant::now,
        preferences: Preferences::default(),
        trouble: None,
        platform: Arc::new(BuiltIn),
        meter: None,
    };
    let mut window = Harness::builder()
        .with_size([1180.0, 780.0])
        .build_eframe(|creation| App::new(&creation.egui_ctx, options).expect("threads"));
    wait(&mut window, model::NOTE, |window| window.query_by_label(model::NOTE).is_some());
    wait(&mut window, "a caption", |window| {
        ["An empty scene.", "A small ", "A large ", "From left to right: "]
            .iter()
            .any(|start| window.query_all_by_label_contains(start).next().is_some())
    });
    window.check_accessibility();
}
