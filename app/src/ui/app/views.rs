//! Several views: what happens to each, which one is in hand, and those that come and go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Key, Rect, Sense, Ui, UiBuilder};
use vlm::Stop;

use crate::base::message::Message;
use crate::capture::camera::WantedFormat;
use crate::capture::{CameraChoice, SourceSpec};
use crate::live::{Caption, Event, Framing, Report, Settings, ViewHandle, Worker, framed};
use crate::log::RecordedView;
use crate::plan::ViewPlan;
use crate::ui::app::{App, Mode};
use crate::ui::grid::{Cell, CellAction};
use crate::ui::platform::FoundCamera;
use crate::ui::source_menu::Cameras;
use crate::ui::source_state::SourceAction;
use crate::ui::state::{State, Topic};
use crate::ui::video::Video;
use crate::ui::views::{Seat, Shown};
use crate::ui::{grid, jobs, pixels, theme};

/// Keys that choose a view, in the order of the views.
const DIGITS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

impl App {
    /// Opens what the window begins with.
    pub(super) fn begin_views(&mut self, plans: &[ViewPlan]) {
        if plans.is_empty() {
            self.exchange(&mut Shown::begin(&self.settings, Framing::default()));
        }
        self.in_each_view(|app, place| {
            if let Some(plan) = plans.get(place) {
                app.exchange(&mut Shown::begin(&plan.settings, plan.framing.clone()));
            }
        });
        // What stands in a file goes before what was chosen in another window.
        if !self.views.is_from_file {
            self.recall_prefix();
            if (self.preferences.sensitivity - 1.0).abs() > f32::EPSILON {
                self.tune();
            }
        }
        self.in_each_view(|app, place| {
            if let Some(plan) = plans.get(place) {
                app.open_source(plan.source.clone());
            }
        });
    }

    /// What the view in hand has to show changes places with this.
    fn exchange(&mut self, shown: &mut Shown) {
        let Self { state, video, told, framing, stale_frames, player, .. } = self;
        shown.exchange(state, video, told, framing, stale_frames, player);
    }

    /// Takes the view at this place in hand.
    fn hold(&mut self, place: usize) {
        let Self { views, state, video, told, framing, stale_frames, player, .. } = self;
        views.hold(place, |shown| shown.exchange(state, video, told, framing, stale_frames, player));
    }

    /// Does this with each view in hand, and takes the one in hand again that is now.
    pub(super) fn in_each_view(&mut self, mut what: impl FnMut(&mut Self, usize)) {
        let before = self.views.chosen();
        for place in 0..self.views.len() {
            self.hold(place);
            what(self, place);
        }
        self.hold(before);
    }

    /// The user chose a view.
    pub(super) fn choose_view(&mut self, place: usize) {
        if place != self.views.chosen() {
            self.drawing = None;
            self.clip.clear();
            self.hold(place);
        }
    }

    /// The view with this number in the order of the keys, large, or all again.
    pub(super) fn take_view_keys(&mut self, ui: &Ui) {
        if self.views.len() < 2 {
            return;
        }
        let pressed = DIGITS.iter().position(|key| ui.input(|input| input.key_pressed(*key)));
        if let Some(place) = pressed.filter(|place| *place < self.views.len()) {
            let again = self.views.is_large() && self.views.chosen() == place;
            self.choose_view(place);
            self.views.set_large(!again);
        }
        let is_whole = self.mode == Mode::Whole && !ui.input(|input| input.viewport().fullscreen == Some(true));
        let is_free = is_whole && !self.state.exchanges.is_open() && !self.log.shows_entry();
        if is_free && ui.input(|input| input.key_pressed(Key::Escape)) {
            self.views.set_large(false);
        }
    }

    /// Opens what the user chose: in the place of the source in hand, or beside it.
    pub(super) fn take_source(&mut self, spec: SourceSpec) {
        if std::mem::take(&mut self.views.adds) { self.add_view(spec) } else { self.choose_source(spec) }
    }

    /// Looks at another source in the view in hand, or at the same one from its beginning.
    pub(super) fn choose_source(&mut self, spec: SourceSpec) {
        if self.state.source.spec.as_ref() != Some(&spec) {
            self.framing = Framing::default();
            let options = self.views.options.clone();
            let seat = self.views.in_hand_mut();
            (seat.options, seat.name) = (options, None);
            self.recording.unname(seat.number);
            self.rules.unname(seat.number);
            if let Some(files) = &mut self.caption_files {
                files.unname(seat.number);
            }
            if let Some(actions) = &mut self.actions {
                actions.unname(seat.number);
            }
            self.pipeline.view(seat.number).set_tiling(self.platform.tiling(&spec));
        }
        self.open_source(spec);
        self.remember();
    }

    /// Opens a source in the view in hand.
    fn open_source(&mut self, spec: SourceSpec) {
        self.open_source_at(spec, None);
    }

    /// Opens a source in the view in hand, a film from there.
    pub(super) fn open_source_at(&mut self, spec: SourceSpec, begin_at: Option<Duration>) {
        self.drawing = None;
        self.note_recent(&spec);
        self.player.begin(begin_at);
        if let SourceSpec::Path(path) = &spec {
            self.jobs.look_beside(self.views.in_hand().number, path.clone());
        }
        self.stale_frames = self.view().latest_frame().map_or(self.stale_frames, |frame| frame.id);
        self.video.clear();
        self.clip.clear();
        self.set_paused(false);
        let open = self.platform.source(&spec, &self.views.in_hand().options);
        self.view().set_source(framed(open, self.framing.clone()));
        self.state.choose_source(spec);
    }

    /// Adds a view of this source, which is told what the one in hand is told.
    fn add_view(&mut self, spec: SourceSpec) {
        let settings = Settings {
            instruction: self.told.instruction.clone(),
            prefix: Arc::new(self.told.prefix.clone()),
            ..self.settings.clone()
        };
        match self.pipeline.add_view(settings.clone()) {
            Ok(number) => {
                let options = self.views.options.clone();
                let (instruction, prefix) = (settings.instruction.clone(), settings.prefix.text());
                self.recording.set_view(number, RecordedView { name: None, instruction, prefix });
                let mut shown = Shown::begin(&settings, Framing::default());
                shown.told.files.clone_from(&self.told.files);
                let place = self.views.push(Seat { number, name: None, options, shown });
                self.choose_view(place);
                self.views.set_large(false);
                self.pipeline.view(number).tune(self.tuning());
                self.choose_source(spec);
            }
            Err(error) => {
                let message = Message::new(format!("The system started no thread for another source: {error}."));
                self.state.notices.post(Topic::Picker, message.hint("Close something and try again."), None);
            }
        }
    }

    /// Has a camera's pictures sent so from now on.
    pub(super) fn set_format(&mut self, format: Option<WantedFormat>) {
        self.views.in_hand_mut().options.camera_format = format;
        if let Some(spec) = self.state.source.spec.clone() {
            self.open_source(spec);
        }
    }

    /// The cameras were listed. A still is taken of those that no view looks at; of the others
    /// there is a picture.
    pub(super) fn found_cameras(&mut self, found: Vec<FoundCamera>) {
        let mut others = Vec::new();
        for FoundCamera { choice, .. } in &found {
            let shows = |state: &State| {
                let source = &state.source;
                let by_name = source.spec == Some(SourceSpec::Camera(CameraChoice::First))
                    && source.name.as_ref() == Some(&choice.label);
                by_name || source.spec.as_ref() == Some(&choice.value)
            };
            let away = self.views.others().find(|seat| shows(&seat.shown.state)).map(|seat| &seat.shown.video);
            match Some(&self.video).filter(|_| shows(&self.state)).or(away) {
                Some(video) => {
                    if let Some(frame) = video.frame() {
                        self.stills.take(&choice.value, Some(pixels::thumbnail(&frame.image, jobs::STILL)));
                    }
                }
                None => others.push(choice.value.clone()),
            }
        }
        self.stills.keep(&found);
        if self.source_menu_open {
            self.jobs.take_stills(others, self.stills.begin());
        }
        self.cameras = Cameras::Found(found);
    }

    /// Removes a view, unless it is the only one.
    pub(super) fn remove_view(&mut self, place: usize) {
        if self.views.len() < 2 {
            return;
        }
        if place == self.views.chosen() {
            self.choose_view(if place == 0 { 1 } else { place - 1 });
        }
        let number = self.views.remove(place);
        self.pipeline.remove_view(number);
        let over = self.rules.forget_view(number);
        self.pass_on(over);
        if let Some(files) = &mut self.caption_files {
            files.remove_view(number);
        }
        if let Some(actions) = &mut self.actions {
            actions.remove_view(number);
        }
        self.remember();
    }

    /// The sources, in the order of the views.
    pub(super) fn sources(&self) -> Vec<Option<SourceSpec>> {
        let source = |(place, seat): (usize, &Seat)| {
            let state = if place == self.views.chosen() { &self.state } else { &seat.shown.state };
            state.source.spec.clone()
        };
        self.views.seats().iter().enumerate().map(source).collect()
    }

    /// Takes in what the pipeline tells of a view, or of all.
    pub(super) fn take_report(&mut self, Report { view, event }: Report, now: Instant) {
        let is_in_hand = view.is_none_or(|view| view == self.views.in_hand().number);
        if let (Event::SourceOpened { .. }, Some(view)) = (&event, view) {
            self.begin_at(view);
        }
        if let Event::Captioned(Caption { frame, reply, .. }) = &event
            && is_in_hand
            && reply.stop != Stop::Cancelled
        {
            self.clip.say(frame, &reply.text);
        }
        if let Event::Captioned(caption) = &event
            && is_in_hand
            && caption.reply.stop != Stop::Cancelled
        {
            self.say_caption(caption);
        }
        if is_in_hand || event.is_of_question() {
            if let Event::Failed { worker: Worker::Inference, .. } = &event {
                self.views.others_mut().for_each(|seat| seat.shown.state.caption.cancel());
            }
            return self.state.apply(event, now);
        }
        // Of one that was removed, late news are of no interest.
        if let Some(seat) = self.views.others_mut().find(|seat| Some(seat.number) == view) {
            seat.shown.state.apply(event, now);
        }
    }

    /// Takes the newest picture of each view.
    pub(super) fn show_newest(&mut self) {
        let view = self.pipeline.view(self.views.in_hand().number);
        let is_new = show_newest(view, &mut self.state, &mut self.video, self.stale_frames);
        if let Some(frame) = self.video.frame().filter(|_| is_new && self.preferences.clips) {
            self.clip.offer(frame);
        }
        self.player.note(view.position());
        for seat in self.views.others_mut() {
            let view = self.pipeline.view(seat.number);
            let Shown { state, video, stale_frames, player, .. } = &mut seat.shown;
            show_newest(view, state, video, *stale_frames);
            player.note(view.position());
        }
    }

    /// How long until anything on show changes by the passing of time alone.
    pub(super) fn next_change(&self, now: Instant) -> Option<Duration> {
        let others = self.views.others().filter_map(|seat| seat.shown.state.next_change(now));
        others.chain(self.state.next_change(now)).min()
    }

    /// The picture of the only view, or all views.
    pub(super) fn stage(&mut self, ui: &mut Ui, now: Instant) {
        let stage = ui.max_rect();
        if self.views.len() < 2 {
            return self.one_view(ui, now);
        }
        ui.painter().rect_filled(stage, 0.0, theme::STAGE);
        let chosen = self.views.chosen();
        let large = self.views.is_large().then_some(chosen);
        let mut action = None;
        for (place, rect) in grid::places(stage, self.views.len(), large).into_iter().enumerate() {
            let Some(rect) = rect else { continue };
            if large == Some(place) {
                if self.large_view(ui, rect, now) {
                    action = Some((place, CellAction::Back));
                }
            } else if let Some(done) = self.cell(ui, place, rect, now) {
                action = Some((place, done));
            }
        }
        match action {
            None => {}
            Some((_, CellAction::Back)) => self.views.set_large(false),
            Some((place, CellAction::Choose)) => {
                self.choose_view(place);
                self.views.set_large(true);
            }
            Some((place, CellAction::Again)) => {
                self.choose_view(place);
                self.mended(SourceAction::Again);
            }
            Some((place, CellAction::Remove)) => self.remove_view(place),
        }
    }

    /// The view in hand, large among the others. Says whether the user wants all alike again.
    fn large_view(&mut self, ui: &mut Ui, rect: Rect, now: Instant) -> bool {
        let builder = UiBuilder::new().max_rect(rect).id_salt("large view");
        let shown = ui.scope_builder(builder, |ui| {
            ui.set_clip_rect(rect.intersect(ui.clip_rect()));
            let response = ui.interact(rect, ui.scope_id().with("back"), Sense::click());
            grid::name_button(&response, "Show all views");
            self.one_view(ui, now);
            response.clicked()
        });
        shown.inner
    }

    fn cell(&mut self, ui: &mut Ui, place: usize, rect: Rect, now: Instant) -> Option<CellAction> {
        let is_in_hand = place == self.views.chosen();
        let model = self.state.model.phase.clone();
        let seat = self.views.seat_mut(place)?;
        let name = seat.called(if is_in_hand { &self.state } else { &seat.shown.state });
        let (state, video) =
            if is_in_hand { (&self.state, &mut self.video) } else { (&seat.shown.state, &mut seat.shown.video) };
        let cell = Cell {
            place,
            number: seat.number,
            name: &name,
            state,
            model: &model,
            is_in_hand,
            style: &self.preferences.captions,
            is_spoken: self.preferences.speech.on,
            mirror: self.preferences.mirror,
        };
        grid::show(ui, &cell, video, rect, now)
    }
}

/// Shows the newest frame of a view, unless its picture stands still.
fn show_newest(view: &ViewHandle, state: &mut State, video: &mut Video, stale_frames: u64) -> bool {
    if state.paused && video.frame().is_some() {
        return false;
    }
    let newest = view.latest_frame().filter(|frame| frame.id > stale_frames);
    let newest = newest.filter(|frame| video.frame().is_none_or(|shown| shown.id != frame.id));
    let is_new = newest.is_some();
    if let Some(frame) = newest {
        state.show_frame(&frame);
        state.source.moved = frame.id > stale_frames + 1;
        video.set(frame);
    }
    is_new
}
