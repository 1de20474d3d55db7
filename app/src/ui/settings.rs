//! The settings: how captions look and how often they come, light or dark. In effect at once, and
//! remembered. Knows no pipeline: it changes plain data.

use egui::{
    Frame, Grid, Id, Label, Modal, ProgressBar, RichText, ScrollArea, Slider, SliderClamping, Ui, Widget as _, vec2,
};

use crate::actions::speech::RATES;
use crate::engine::options::{DeviceChoice, Precision};
use crate::live::{DEFAULT_MAX_TOKENS, STEADY_UNLESS_TOLD};
use crate::ui::preferences::{
    CAPTION_SIZES, CaptionPlace, Preferences, SENSITIVITIES, SpeechChoice, ThemeChoice, ZOOMS,
};
use crate::ui::run_choice::{LEAST_MEGABYTES, LogLimits, RunChoice};
use crate::ui::theme;

/// The dialog's width, in points.
const WIDTH: f32 = 560.0;
/// Below this width of the window, choices stand below each other, in points.
const BESIDE_FROM: f32 = 600.0;
/// The largest part of the window's height that it takes.
const HEIGHT: f32 = 0.85;
/// Tokens of a caption, from the shortest to the longest choice.
const TOKENS: [usize; 2] = [8, 256];
/// The fastest pace that can be chosen, in captions a minute; beyond it there is no limit.
const FASTEST: u32 = 60;
/// The difference at the end of the meter, in thresholds.
const METER: f32 = 3.0;

/// What the dialog is told each time.
pub struct Told {
    /// How far the newest picture differs from the one captioned last, in the thresholds of the
    /// usual sensitivity.
    pub change: Option<f32>,
    /// The file that the settings are kept in.
    pub path: Option<String>,
    /// Where models can be run.
    pub devices: Vec<DeviceChoice>,
    /// How they are run, which the command line may have said.
    pub runs_as: RunChoice,
    /// Whether the model in use was loaded to be run so.
    pub is_loaded_so: bool,
    /// Whether this program has a voice.
    pub has_voice: bool,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsAction {
    /// The model loaded again, so that it is run as chosen.
    Load,
    /// Captions spoken from now on, or no longer.
    Speak(bool),
    /// Nothing more.
    Close,
}

/// Draws the settings.
pub fn show(ui: &Ui, preferences: &mut Preferences, told: &Told) -> Option<SettingsAction> {
    let screen = ui.ctx().content_rect();
    let frame = Frame::popup(ui.style()).fill(theme::palette(ui.visuals()).panel).inner_margin(5.0 * theme::GRID);
    let mut action = None;
    let response = Modal::new(Id::unique("settings")).frame(frame).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH.min(screen.width() - 16.0 * theme::GRID));
        ui.heading("Settings");
        ui.add_space(theme::GRID);
        let height = (screen.height() * HEIGHT - 30.0 * theme::GRID).max(20.0 * theme::GRID);
        ScrollArea::both().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            Grid::new("settings").num_columns(2).spacing(vec2(4.0 * theme::GRID, 2.0 * theme::GRID)).show(ui, |ui| {
                appearance(ui, preferences);
                captions(ui, preferences, told.change);
                action = speech(ui, preferences.speech, told.has_voice);
                speech_rate(ui, &mut preferences.speech.rate, told.has_voice);
                saving(ui, preferences);
                action = running(ui, &mut preferences.run, told).or(action);
                log(ui, &mut preferences.log_limits);
            });
            if let Some(path) = &told.path {
                let words = format!("Kept in {path}, which you may change by hand while the window is closed.");
                ui.add(Label::new(RichText::new(words).small().weak()).wrap());
            }
        });
        ui.add_space(theme::GRID);
        if ui.button("Close").clicked() {
            action = Some(SettingsAction::Close);
        }
    });
    if response.should_close() { Some(SettingsAction::Close) } else { action }
}

/// A row with a name, for people and screen readers.
fn row(ui: &mut Ui, name: &str, control: impl FnOnce(&mut Ui) -> egui::Response) {
    let label = ui.label(name);
    control(ui).labelled_by(label.id);
    ui.end_row();
}

/// A row of choices of which one is taken.
fn choices<T: Copy + PartialEq>(ui: &mut Ui, name: &str, value: &mut T, among: &[(T, &str)]) {
    ui.label(name);
    let is_narrow = ui.ctx().content_rect().width() < BESIDE_FROM;
    let mut all = |ui: &mut Ui| {
        for (choice, name) in among {
            ui.radio_value(value, *choice, *name);
        }
    };
    if is_narrow {
        ui.vertical(&mut all)
    } else {
        ui.horizontal(&mut all)
    };
    ui.end_row();
}

fn appearance(ui: &mut Ui, preferences: &mut Preferences) {
    let themes = [(ThemeChoice::System, "System"), (ThemeChoice::Light, "Light"), (ThemeChoice::Dark, "Dark")];
    choices(ui, "Theme", &mut preferences.theme, &themes);
    let zoom = ui.ctx().zoom_factor();
    row(ui, "Zoom", |ui| {
        let mut percent = zoom * 100.0;
        let range = ZOOMS[0] * 100.0..=ZOOMS[1] * 100.0;
        let response = Slider::new(&mut percent, range).step_by(10.0).suffix(" %").ui(ui);
        // While it is dragged, the slider would run away from the pointer.
        if response.changed() && !response.dragged() || response.drag_stopped() {
            ui.ctx().set_zoom_factor(percent / 100.0);
        }
        response
    });
    let style = &mut preferences.captions;
    row(ui, "Size of captions", |ui| {
        let mut percent = style.size * 100.0;
        let range = CAPTION_SIZES[0] * 100.0..=CAPTION_SIZES[1] * 100.0;
        let response = Slider::new(&mut percent, range).step_by(5.0).suffix(" %").ui(ui);
        style.size = percent / 100.0;
        response
    });
    let places = [(CaptionPlace::Picture, "On the picture"), (CaptionPlace::Below, "Below it")];
    choices(ui, "Place of captions", &mut style.place, &places);
    row(ui, "Background of captions", |ui| Slider::new(&mut style.background, 0..=100).suffix(" %").ui(ui));
}

fn captions(ui: &mut Ui, preferences: &mut Preferences, change: Option<f32>) {
    row(ui, "Longest caption", |ui| {
        let mut tokens = preferences.most_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
        let slider = Slider::new(&mut tokens, TOKENS[0]..=TOKENS[1]).logarithmic(true).suffix(" tokens");
        let response =
            slider.clamping(SliderClamping::Edits).ui(ui).on_hover_text("A token is about three quarters of a word");
        if response.changed() {
            preferences.most_tokens = Some(tokens);
        }
        response
    });
    row(ui, "Captions a minute", |ui| {
        let mut most = preferences.most_per_minute.unwrap_or(FASTEST + 1);
        let words = |most: f64, _| {
            if most > f64::from(FASTEST) { "no limit".to_owned() } else { format!("at most {most:.0}") }
        };
        let response = Slider::new(&mut most, 1..=FASTEST + 1).custom_formatter(words).ui(ui);
        if response.changed() {
            preferences.most_per_minute = (most <= FASTEST).then_some(most);
        }
        response
    });
    let mut is_steady = preferences.steady.unwrap_or(STEADY_UNLESS_TOLD);
    let kinds = [(true, "When something is new"), (false, "For every new view")];
    choices(ui, "New words", &mut is_steady, &kinds);
    if is_steady != preferences.steady.unwrap_or(STEADY_UNLESS_TOLD) {
        preferences.steady = Some(is_steady);
    }
    row(ui, "Sensitivity to changes", |ui| {
        let range = SENSITIVITIES[0]..=SENSITIVITIES[1];
        Slider::new(&mut preferences.sensitivity, range).logarithmic(true).fixed_decimals(2).ui(ui)
    });
    ui.label("");
    ui.vertical(|ui| {
        let colours = theme::palette(ui.visuals());
        let felt = change.unwrap_or(0.0) * preferences.sensitivity;
        let fill = if felt > 1.0 { colours.accent } else { colours.weak };
        ui.visuals_mut().extreme_bg_color = colours.lifted;
        let bar = ProgressBar::new((felt / METER).min(1.0)).fill(fill).desired_width(220.0).desired_height(8.0);
        ui.add(bar);
        let words = match change {
            None => "Nothing was captioned yet.",
            Some(_) if felt > 1.0 => "This picture differs enough to be captioned.",
            Some(_) => "This picture counts as unchanged.",
        };
        ui.label(RichText::new(words).small().weak());
    });
    ui.end_row();
}

/// Whether captions are read aloud.
fn speech(ui: &mut Ui, SpeechChoice { mut on, .. }: SpeechChoice, has_voice: bool) -> Option<SettingsAction> {
    ui.label("Spoken captions");
    let hint = "New captions are read aloud (V). S says one again, Esc silences the voice. A screen reader does not \
                announce them meanwhile";
    let missing = "This program was built without a voice: the guide says how to build it with one";
    let ticked = ui.add_enabled_ui(has_voice, |ui| theme::tick_box(ui, &mut on, "Read new captions aloud"));
    let response = ticked.inner.on_hover_text(hint).on_disabled_hover_text(missing);
    ui.end_row();
    response.changed().then_some(SettingsAction::Speak(on))
}

fn speech_rate(ui: &mut Ui, rate: &mut f32, has_voice: bool) {
    row(ui, "Rate of the voice", |ui| {
        let [slowest, _, fastest] = RATES;
        let mut percent = *rate * 100.0;
        let slider = Slider::new(&mut percent, slowest * 100.0..=fastest * 100.0).step_by(10.0).suffix(" %");
        let response = ui.add_enabled(has_voice, slider);
        *rate = percent / 100.0;
        response
    });
}

fn saving(ui: &mut Ui, preferences: &mut Preferences) {
    choices(
        ui,
        "Saved pictures",
        &mut preferences.draw_captions,
        &[(false, "Plain"), (true, "With the caption drawn in")],
    );
    ui.label("The last 30 seconds");
    theme::tick_box(ui, &mut preferences.clips, "Kept in memory, for clips")
        .on_hover_text("Some 10 MB, and a few per cent of a core");
    ui.end_row();
}

/// The largest log that the slider can ask for, in megabytes, and the oldest entries, in days;
/// beyond these there is no limit.
const MOST_MEGABYTES: u64 = 20_000;
const MOST_DAYS: u32 = 365;

fn running(ui: &mut Ui, run: &mut RunChoice, told: &Told) -> Option<SettingsAction> {
    let RunChoice { device, precision, threads } = told.runs_as;
    let by_line = |is_so: bool| if is_so { "" } else { " (the command line says otherwise)" };
    let name = |device: DeviceChoice| match device {
        DeviceChoice::Auto => "Automatic".to_owned(),
        DeviceChoice::Cpu => "Processor".to_owned(),
        DeviceChoice::Cuda(number) => format!("NVIDIA GPU {number}"),
        DeviceChoice::Metal => "Apple GPU".to_owned(),
    };
    let mut devices = vec![DeviceChoice::Auto];
    devices.extend(&told.devices);
    if !devices.contains(&run.device) {
        devices.push(run.device);
    }
    let names: Vec<_> = devices.iter().map(|device| (*device, name(*device))).collect();
    let among: Vec<_> = names.iter().map(|(device, name)| (*device, name.as_str())).collect();
    choices(ui, &format!("Model runs on{}", by_line(device == run.device)), &mut run.device, &among);
    let precisions =
        [(Precision::Auto, "Automatic"), (Precision::F32, "f32"), (Precision::Bf16, "bf16"), (Precision::Int8, "int8")];
    choices(ui, &format!("Precision{}", by_line(precision == run.precision)), &mut run.precision, &precisions);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    row(ui, &format!("Processor threads{}", by_line(threads == run.threads)), |ui| {
        let most = cores.max(run.threads.unwrap_or(1));
        let mut number = run.threads.unwrap_or(most + 1);
        let words = move |number: f64, _| {
            if number > most as f64 { "one a core".to_owned() } else { format!("{number:.0}") }
        };
        let response = Slider::new(&mut number, 1..=most + 1).custom_formatter(words).ui(ui);
        if response.changed() {
            run.threads = (number <= most).then_some(number);
        }
        response
    });
    let mut action = None;
    if !told.is_loaded_so {
        ui.label("");
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("In effect when the model is loaded again.").small());
            if ui.button("Load it again").clicked() {
                action = Some(SettingsAction::Load);
            }
        });
        ui.end_row();
    }
    action
}

fn log(ui: &mut Ui, limits: &mut LogLimits) {
    row(ui, "Size of the log", |ui| {
        let mut most = limits.most_megabytes.unwrap_or(MOST_MEGABYTES + 1);
        let words = |most: f64, _| match most {
            most if most > MOST_MEGABYTES as f64 => "no limit".to_owned(),
            most if most >= 1000.0 => format!("at most {:.1} GB", most / 1000.0),
            most => format!("at most {most:.0} MB"),
        };
        let slider = Slider::new(&mut most, LEAST_MEGABYTES..=MOST_MEGABYTES + 1).logarithmic(true);
        let slider = slider.clamping(SliderClamping::Edits).custom_formatter(words);
        let response = slider.ui(ui).on_hover_text("The oldest small pictures go first, then entries");
        if response.changed() {
            limits.most_megabytes = (most <= MOST_MEGABYTES).then_some(most);
        }
        response
    });
    row(ui, "Age of its entries", |ui| {
        let mut most = limits.keep_days.unwrap_or(MOST_DAYS + 1);
        let words = |most: f64, _| match most {
            most if most > f64::from(MOST_DAYS) => "no limit".to_owned(),
            1.0 => "at most 1 day".to_owned(),
            most => format!("at most {most:.0} days"),
        };
        let slider = Slider::new(&mut most, 1..=MOST_DAYS + 1).logarithmic(true);
        let response = slider.clamping(SliderClamping::Edits).custom_formatter(words).ui(ui);
        if response.changed() {
            limits.keep_days = (most <= MOST_DAYS).then_some(most);
        }
        response
    });
    ui.label("");
    ui.label(RichText::new("In effect from the next recording on. Bookmarked entries stay.").small().weak());
    ui.end_row();
}
