//! Equal to transformers at each boundary: pixels, prompt ids, image features, logits, greedy
//! tokens. With the kernels that the processor takes in f32, and with those of a GPU; `golden_bf16`
//! does the same in bf16.

use std::sync::Arc;

use candle_core::Tensor;
use image::RgbImage;

use crate::cancel::Cancel;
use crate::checkpoint::files::ModelFiles;
use crate::input::image::{Grid, Tiling};
use crate::input::prompt::Part;
use crate::input::video::{Footage, video_turn};
use crate::network::device::OpenDevice;
use crate::network::{LoadOptions, Model};
use crate::session::conversation::{Conversation, Say};
use crate::session::reply::Reply;
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::fixtures;
use crate::tests::fixtures::{Golden, relative_error};

/// What the fixtures were asked.
const PROMPT: &str = "Describe this image in one sentence.";
/// Largest relative difference of features and logits.
const TOLERANCE: f32 = 1e-3;
/// Largest difference of an input pixel, of 255.
const PIXEL_TOLERANCE: u8 = 2;
/// A greedy choice counts where the oracle's best token leads by more than this.
const MARGIN: f32 = 0.01;

pub struct Case {
    pub golden: Golden,
    pub model: Arc<Model>,
    pictures: Vec<RgbImage>,
    tiling: Tiling,
}

/// How the fused kernels and the plain ones are reached.
fn both_ways() -> [LoadOptions; 2] {
    [LoadOptions::default(), LoadOptions { device: OpenDevice::like_a_gpu(), ..LoadOptions::default() }]
}

pub fn cases(options: &LoadOptions) -> Vec<(&'static str, Case)> {
    let case = |name: &str, files: &ModelFiles, pictures: &[&str], tiling| Case {
        golden: Golden::load(name),
        model: Arc::new(Model::load(files, options.clone()).unwrap()),
        pictures: pictures.iter().map(|p| fixtures::picture(p)).collect(),
        tiling,
    };
    let (idefics3, smolvlm, two_b) = (fixtures::tiny("idefics3"), fixtures::tiny("smolvlm"), fixtures::tiny_2b());
    [
        ("idefics3-coffee", &idefics3, &["coffee"][..], Tiling::One),
        ("idefics3-text", &idefics3, &["text"], Tiling::One),
        ("smolvlm-coffee", &smolvlm, &["coffee"], Tiling::One),
        ("smolvlm-two", &smolvlm, &["coffee", "text"], Tiling::One),
        ("smolvlm-video", &smolvlm, &["coffee", "dim", "coffee"], Tiling::Frame),
        ("idefics3-split", &idefics3, &["coffee"], Tiling::Split),
        ("2b-coffee", &two_b, &["coffee"], Tiling::One),
        ("2b-split", &two_b, &["text"], Tiling::Split),
    ]
    .into_iter()
    .map(|(name, files, pictures, tiling)| (name, case(name, files, pictures, tiling)))
    .collect()
}

impl Case {
    fn grids(&self) -> Vec<Grid> {
        self.model.grids(self.pictures.iter(), self.tiling)
    }

    fn tiles(&self) -> Vec<RgbImage> {
        self.model.tiles(self.pictures.iter(), self.tiling, &self.grids()).unwrap()
    }

    /// The pictures as the frames of a video, one a second, and the question.
    fn video(&self) -> Vec<Part> {
        let frames: Vec<_> = self.pictures.iter().cloned().enumerate().collect();
        video_turn(Footage { frames: frames.len(), fps: 1.0 }, frames, PROMPT)
    }

    /// What the program writes, `tokens` long.
    fn reply(&self, tokens: usize) -> Reply {
        let (cancel, max_tokens, ignore_end) = (Cancel::default(), tokens, true);
        if self.tiling == Tiling::Frame {
            let turn = Say { parts: &self.video(), max_tokens, ignore_end, sampling: Sampling::Greedy };
            return Conversation::new(self.model.clone(), self.tiling)
                .unwrap()
                .say(turn, &cancel, &mut |_| {})
                .unwrap();
        }
        let mut session = Session::new(self.model.clone()).unwrap();
        session
            .set_images(&self.pictures.iter().collect::<Vec<_>>(), self.tiling, Reuse::IfIdentical, &cancel)
            .unwrap();
        session
            .caption(Ask { prompt: PROMPT, max_tokens, ignore_end, sampling: Sampling::Greedy }, &cancel, &mut |_| {})
            .unwrap()
    }

    /// The ids of the whole prompt.
    pub fn prompt(&self) -> Vec<u32> {
        let p = &self.model.prompter;
        if self.tiling == Tiling::Frame {
            return p.user_turn(&self.video(), &[], true).unwrap();
        }
        let grids = self.grids();
        [p.prefix(&[]).unwrap(), p.view(&grids).unwrap(), p.instruction(PROMPT).unwrap()].concat()
    }

    pub fn features(&self) -> Tensor {
        self.model.encode(&self.tiles(), &Cancel::default()).unwrap().unwrap()
    }

    /// The logits after each of the last `rows` tokens of the prompt and what follows it.
    pub fn logits(&self, then: &[u32], rows: usize) -> Tensor {
        let ids = [&self.prompt(), then].concat();
        let mut cache = self.model.new_cache().unwrap();
        self.model.forward(&ids, Some(&self.features()), &mut cache, rows, &Cancel::default()).unwrap()
    }
}

#[test]
fn pixels_are_those_of_pillow() {
    for (name, case) in cases(&LoadOptions::default()) {
        let want = case.golden.tensor("pixels");
        let (tiles, _, side, _) = want.dims4().unwrap();
        let got = case.tiles();
        assert_eq!(got.len(), tiles, "{name}");
        for (number, tile) in got.iter().enumerate() {
            let want: Vec<Vec<Vec<u8>>> = want.get(number).unwrap().to_vec3().unwrap();
            assert_eq!(tile.dimensions(), (side as u32, side as u32));
            for (x, y, pixel) in tile.enumerate_pixels() {
                for (channel, plane) in want.iter().enumerate() {
                    let (g, w) = (pixel.0[channel], plane[y as usize][x as usize]);
                    assert!(
                        g.abs_diff(w) <= PIXEL_TOLERANCE,
                        "{name}: tile {number} at {x},{y},{channel}: {g} for {w}"
                    );
                }
            }
        }
    }
}

#[test]
fn prompt_ids_are_equal() {
    for (name, case) in cases(&LoadOptions::default()) {
        assert_eq!(case.prompt(), case.golden.ids("input_ids"), "{name}");
    }
}

#[test]
fn image_features_are_equal() {
    both_ways().iter().for_each(check_features);
}

#[test]
fn logits_are_equal() {
    both_ways().iter().for_each(check_logits);
}

#[test]
fn the_first_token_is_as_likely_as_to_the_oracle() {
    both_ways().iter().for_each(check_likelihood);
}

#[test]
fn greedy_tokens_are_equal_wherever_the_oracle_is_sure() {
    both_ways().iter().for_each(check_tokens);
}

/// All of them on a device.
pub fn check(options: &LoadOptions) {
    check_features(options);
    check_logits(options);
    check_likelihood(options);
    check_tokens(options);
}

fn check_features(options: &LoadOptions) {
    for (name, case) in cases(options) {
        let error = relative_error(&case.features(), case.golden.tensor("image_features"));
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

fn check_logits(options: &LoadOptions) {
    for (name, case) in cases(options) {
        let want = case.golden.tensor("logits");
        let error = relative_error(&case.logits(&[], want.dim(0).unwrap()), want);
        assert!(error < TOLERANCE, "{name}: {error}");
    }
}

fn check_likelihood(options: &LoadOptions) {
    for (name, case) in cases(options) {
        let logits = case.golden.tensor("logits");
        let last = logits.get(logits.dim(0).unwrap() - 1).unwrap();
        let told: Vec<f32> = candle_nn::ops::log_softmax(&last, 0).unwrap().to_vec1().unwrap();
        let reply = case.reply(1);
        let (got, want) = (reply.mean_log_prob.unwrap(), told[reply.token_ids[0] as usize]);
        assert!((got - want).abs() < TOLERANCE * want.abs().max(1.0), "{name}: {got} for {want}");
    }
}

fn check_tokens(options: &LoadOptions) {
    for (name, case) in cases(options) {
        let want = case.golden.ids("greedy_ids");
        let got = case.reply(want.len());
        assert_eq!(got.prompt_ids, case.golden.ids("input_ids"), "{name}");
        assert_eq!(got.token_ids.len(), want.len(), "{name}");
        for (i, margin) in case.golden.margins().into_iter().enumerate() {
            if got.token_ids[i] != want[i] {
                assert!(margin < MARGIN && i >= 5, "{name}: token {i} is {} for {}", got.token_ids[i], want[i]);
                break;
            }
        }
    }
}
