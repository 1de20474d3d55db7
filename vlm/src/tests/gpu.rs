//! The session's law where a GPU's kernels compute: on an NVIDIA card, and on the processor with
//! the same kernels.
//!
//! Those for a card need a build with `--features cuda`; docs/models.md has the command that runs
//! all of them.

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::device::Device;
use crate::error::Error;
use crate::input::image::Tiling;
use crate::network::device::OpenDevice;
use crate::network::precision::Precision;
use crate::network::{LoadOptions, Model};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::{fixtures, golden, golden_bf16};

const DESCRIBE: Ask<'_> =
    Ask { prompt: "Describe this image.", max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };

fn the_card() -> OpenDevice {
    OpenDevice::open(Device::Cuda(0)).unwrap()
}

fn options(device: OpenDevice, precision: Precision) -> LoadOptions {
    LoadOptions { device, precision, ..LoadOptions::default() }
}

fn session(place: OpenDevice, precision: Precision) -> Session {
    Session::new(Arc::new(Model::load(&fixtures::tiny_2b(), options(place, precision)).unwrap())).unwrap()
}

/// What is said of a picture. Asked, so that no draft changes the shape of a pass and with it the
/// rounding of its sums.
fn ask(session: &mut Session, picture: &str) -> Vec<u32> {
    session.set_images(&[&fixtures::picture(picture)], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    session.ask(DESCRIBE, &Cancel::default(), &mut |_| {}).unwrap().token_ids
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_goldens_in_f32() {
    golden::check(&options(the_card(), Precision::F32));
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_goldens_in_bf16() {
    golden_bf16::check(&options(the_card(), Precision::Bf16));
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_rewinding_leaves_nothing_behind() {
    rewinding_leaves_nothing_behind(&the_card());
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_drafts_change_no_token_in_f32() {
    drafts_change_no_token_in_f32(the_card());
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_sessions_of_several_threads_do_not_mix() {
    sessions_of_several_threads_do_not_mix(the_card());
}

#[test]
#[ignore = "needs a CUDA card"]
fn gpu_refuses_what_it_cannot_do() {
    let e = Model::load(&fixtures::tiny_2b(), options(the_card(), Precision::Int8)).err().unwrap();
    assert!(matches!(e, Error::Device { .. }) && e.to_string().contains("int8"), "{e}");
    let e = OpenDevice::open(Device::Cuda(999)).unwrap_err();
    assert!(matches!(e, Error::Device { .. }) && e.to_string().contains("cuda:0"), "{e}");
}

#[test]
fn with_a_gpus_kernels_rewinding_leaves_nothing_behind() {
    rewinding_leaves_nothing_behind(&OpenDevice::like_a_gpu());
}

#[test]
fn with_a_gpus_kernels_drafts_change_no_token_in_f32() {
    drafts_change_no_token_in_f32(OpenDevice::like_a_gpu());
}

#[test]
fn on_a_gpus_thread_sessions_of_several_threads_do_not_mix() {
    sessions_of_several_threads_do_not_mix(OpenDevice::like_a_gpu());
}

fn rewinding_leaves_nothing_behind(place: &OpenDevice) {
    for precision in [Precision::F32, Precision::Bf16] {
        let mut one = session(place.clone(), precision);
        let replies = ["coffee", "text", "coffee"].map(|picture| ask(&mut one, picture));
        assert_eq!(replies[0], replies[2], "{precision:?}");
        assert_ne!(replies[0], replies[1], "the picture must matter, or this test shows nothing");
        assert_eq!(ask(&mut session(place.clone(), precision), "coffee"), replies[0], "{precision:?}");
    }
}

fn drafts_change_no_token_in_f32(place: OpenDevice) {
    let mut session = session(place, Precision::F32);
    session.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    let mut caption = || session.caption(DESCRIBE, &Cancel::default(), &mut |_| {}).unwrap();
    let (first, again) = (caption(), caption());
    assert_eq!((&again.token_ids, again.draft.accepted), (&first.token_ids, first.token_ids.len()));
}

fn sessions_of_several_threads_do_not_mix(place: OpenDevice) {
    let model = Arc::new(Model::load(&fixtures::tiny_2b(), options(place, Precision::F32)).unwrap());
    let replies = |picture: &'static str| {
        let mut session = Session::new(Arc::clone(&model)).unwrap();
        std::thread::spawn(move || (0..8).map(|_| ask(&mut session, picture)).collect::<Vec<_>>())
    };
    let (coffee, text) = (replies("coffee"), replies("text"));
    let (coffee, text) = (coffee.join().unwrap(), text.join().unwrap());
    for replies in [&coffee, &text] {
        assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    }
    assert_ne!(coffee[0], text[0], "the picture must matter, or this test shows nothing");
}
