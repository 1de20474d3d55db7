//! The views of the window: sources beside each other, of which one is in hand. The bar, the
//! question box and the keys are about that one. Plain data: knows no pipeline, and draws nothing.
//!
//! What the view in hand has to show is the window's own (see `app`), and its seat here is empty
//! meanwhile; what the others have waits in theirs.

use std::mem::swap;

use crate::base::text;
use crate::capture::SourceOptions;
use crate::live::{Framing, Settings};
use crate::log::RecordedView;
use crate::plan::{MOST_VIEWS, ViewPlan};
use crate::ui::instruction::Told;
use crate::ui::player::Player;
use crate::ui::rules::PlannedRules;
use crate::ui::state::State;
use crate::ui::video::Video;

/// All views, in the order in which they are shown. There is always one.
pub struct Views {
    seats: Vec<Seat>,
    chosen: usize,
    is_large: bool,
    /// The source that is chosen next is added, and does not take the place of the one in hand.
    pub adds: bool,
    /// They stand in a file, and are not remembered.
    pub is_from_file: bool,
    /// How sources are opened that are chosen in the window.
    pub options: SourceOptions,
}

/// The place of a view.
#[derive(Default)]
pub struct Seat {
    /// Its number in the pipeline.
    pub number: usize,
    /// The name that it was given.
    pub name: Option<String>,
    /// How its source is opened.
    pub options: SourceOptions,
    /// What it has to show, while another one is in hand.
    pub shown: Shown,
}

/// What a view has to show.
#[derive(Default)]
pub struct Shown {
    /// Source, caption, counts.
    pub state: State,
    /// The picture.
    pub video: Video,
    /// What the model is told.
    pub told: Told,
    /// What is done to its pictures.
    pub framing: Framing,
    /// Frames up to this one came before its source was chosen.
    pub stale_frames: u64,
    /// Where its film or folder is.
    pub player: Player,
}

impl Seat {
    /// What people call it: the name that it was given, what the source calls itself, or how it is
    /// written.
    pub fn called(&self, state: &State) -> String {
        let written = || state.source.spec.as_ref().map(|spec| text::one_line(&spec.to_string()));
        let known = self.name.clone().or_else(|| state.source.name.clone()).or_else(written);
        known.unwrap_or_else(|| "No source".to_owned())
    }
}

impl Views {
    /// The views of a plan; one without a source where there is none.
    pub fn of(plans: &[ViewPlan], is_from_file: bool, options: SourceOptions) -> Self {
        let seat = |(number, plan): (usize, &ViewPlan)| Seat {
            number,
            name: Some(plan.name.clone()).filter(|name| *name != text::one_line(&plan.source.to_string())),
            options: plan.options.clone(),
            ..Seat::default()
        };
        let mut seats: Vec<_> = plans.iter().enumerate().map(seat).collect();
        if seats.is_empty() {
            seats.push(Seat { options: options.clone(), ..Seat::default() });
        }
        Self { seats, chosen: 0, is_large: false, adds: false, is_from_file, options }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether another one may be added.
    pub fn has_room(&self) -> bool {
        self.seats.len() < MOST_VIEWS
    }

    /// The place of the one in hand.
    pub fn chosen(&self) -> usize {
        self.chosen
    }

    /// The one in hand.
    pub fn in_hand(&self) -> &Seat {
        &self.seats[self.chosen]
    }

    /// The same, to be changed.
    pub fn in_hand_mut(&mut self) -> &mut Seat {
        &mut self.seats[self.chosen]
    }

    /// The seat with this number in the pipeline, and whether it is in hand.
    pub fn numbered(&mut self, number: usize) -> Option<(&mut Seat, bool)> {
        let place = self.seats.iter().position(|seat| seat.number == number)?;
        let is_in_hand = place == self.chosen;
        Some((&mut self.seats[place], is_in_hand))
    }

    /// All of them.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat at a place.
    pub fn seat_mut(&mut self, place: usize) -> Option<&mut Seat> {
        self.seats.get_mut(place)
    }

    /// Those that are not in hand.
    pub fn others(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().enumerate().filter(|(place, _)| *place != self.chosen).map(|(_, seat)| seat)
    }

    /// The same, to be changed.
    pub fn others_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        let chosen = self.chosen;
        self.seats.iter_mut().enumerate().filter(move |(place, _)| *place != chosen).map(|(_, seat)| seat)
    }

    /// The numbers of all in the pipeline.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.seats.iter().map(|seat| seat.number)
    }

    /// Takes the view at `place` in hand; `shown` is what the one in hand has to show, and then
    /// what this one has.
    pub fn hold(&mut self, place: usize, mut exchange: impl FnMut(&mut Shown)) {
        if place < self.seats.len() && place != self.chosen {
            exchange(&mut self.seats[self.chosen].shown);
            self.chosen = place;
            exchange(&mut self.seats[place].shown);
        }
    }

    /// Adds a seat behind the others. Gives its place.
    pub fn push(&mut self, seat: Seat) -> usize {
        self.seats.push(seat);
        self.seats.len() - 1
    }

    /// Removes the seat at this place, which must not be in hand. Gives its number.
    pub fn remove(&mut self, place: usize) -> usize {
        let seat = self.seats.remove(place);
        self.chosen -= usize::from(place < self.chosen);
        self.is_large &= self.seats.len() > 1;
        seat.number
    }

    /// Whether the one in hand is large among several.
    pub fn is_large(&self) -> bool {
        self.is_large && self.seats.len() > 1
    }

    /// Shows the one in hand large, or all alike.
    pub fn set_large(&mut self, large: bool) {
        self.is_large = large && self.seats.len() > 1;
    }

    /// The other of the two.
    pub fn toggle_large(&mut self) {
        self.set_large(!self.is_large);
    }
}

impl Shown {
    /// Changes places with what the window holds.
    pub fn exchange(
        &mut self,
        state: &mut State,
        video: &mut Video,
        told: &mut Told,
        framing: &mut Framing,
        stale: &mut u64,
        player: &mut Player,
    ) {
        self.state.swap_view(state);
        swap(&mut self.video, video);
        swap(&mut self.told, told);
        swap(&mut self.framing, framing);
        swap(&mut self.stale_frames, stale);
        swap(&mut self.player, player);
    }

    /// What a view has to show that begins with these settings.
    pub fn begin(settings: &Settings, framing: Framing) -> Self {
        let prefix = (*settings.prefix).clone();
        let files = vec![None; prefix.references.len()];
        Self { told: Told { instruction: settings.instruction.clone(), prefix, files }, framing, ..Self::default() }
    }
}

/// What a pipeline is started with for these views; for one view where there is none.
pub fn settings_of(plans: &[ViewPlan], otherwise: &Settings) -> Vec<Settings> {
    if plans.is_empty() {
        return vec![otherwise.clone()];
    }
    plans.iter().map(|plan| plan.settings.clone()).collect()
}

/// What is watched for in these views by themselves.
pub fn planned(plans: &[ViewPlan]) -> Vec<PlannedRules> {
    let planned =
        |(place, plan): (usize, &ViewPlan)| PlannedRules { name: given_name(plans, place), rules: plan.rules.clone() };
    plans.iter().enumerate().map(planned).collect()
}

/// The name of a view that counts: that of one alone only if it was given.
fn given_name(plans: &[ViewPlan], place: usize) -> Option<String> {
    let plan = plans.get(place)?;
    let is_given = plans.len() > 1 || plan.name != text::one_line(&plan.source.to_string());
    is_given.then(|| plan.name.clone())
}

/// How these views are recorded. One alone is called as its source calls itself, unless it was
/// given a name; several are told apart by what was written.
pub fn recorded(plans: &[ViewPlan], settings: &[Settings]) -> Vec<RecordedView> {
    let recorded = |(place, settings): (usize, &Settings)| RecordedView {
        name: given_name(plans, place),
        instruction: settings.instruction.clone(),
        prefix: settings.prefix.text(),
    };
    settings.iter().enumerate().map(recorded).collect()
}
