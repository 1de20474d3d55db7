//! A whole model in bytes: the session's law holds in it, it stays near f32, and its kept weights
//! are used only when whole.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cancel::Cancel;
use crate::input::image::Tiling;
use crate::measure::quality::Comparison;
use crate::network::precision::Precision;
use crate::network::{LoadOptions, Model};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::fixtures;

const DESCRIBE: Ask<'_> =
    Ask { prompt: "Describe this image.", max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };

fn int8(int8_cache: Option<&Path>) -> LoadOptions {
    LoadOptions { precision: Precision::Int8, int8_cache: int8_cache.map(Into::into), ..LoadOptions::default() }
}

fn tokens(model: &Arc<Model>, times: usize) -> Vec<Vec<u32>> {
    let mut session = Session::new(Arc::clone(model)).unwrap();
    session.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    (0..times).map(|_| session.caption(DESCRIBE, &Cancel::default(), &mut |_| {}).unwrap().token_ids).collect()
}

#[test]
fn a_draft_never_changes_a_token() {
    for files in [fixtures::tiny("idefics3"), fixtures::tiny_2b()] {
        let model = Arc::new(Model::load(&files, int8(None)).unwrap());
        let replies = tokens(&model, 3);
        assert_eq!(replies[0].len(), 24);
        assert_eq!((&replies[1], &replies[2]), (&replies[0], &replies[0]));
    }
}

#[test]
fn few_tokens_come_to_the_same_as_many() {
    // Up to four have attention of their own, and any rows but the wanted ones leave the last layer
    // early.
    let ids = [5, 17, 3, 250, 99];
    for files in [fixtures::tiny("smolvlm"), fixtures::tiny_2b()] {
        let model = Model::load(&files, int8(None)).unwrap();
        let logits = |parts: &[&[u32]]| {
            let mut cache = model.new_cache().unwrap();
            let rows = parts.iter().map(|ids| {
                model.forward(ids, None, &mut cache, ids.len(), &Cancel::default()).unwrap().to_vec2::<f32>().unwrap()
            });
            rows.collect::<Vec<_>>().concat()
        };
        let many = logits(&[&ids]);
        let most = many.iter().flatten().fold(0f32, |most, x| most.max(x.abs()));
        for parts in [[&ids[..4], &ids[4..]], [&ids[..1], &ids[1..]], [&ids[..3], &ids[3..]]] {
            for (few, many) in logits(&parts).iter().flatten().zip(many.iter().flatten()) {
                assert!((few - many).abs() < 1e-4 * most, "{few} and {many}");
            }
        }
    }
}

#[test]
fn int8_stays_near_f32() {
    for files in [fixtures::tiny("smolvlm"), fixtures::tiny_2b()] {
        let exact = fixtures::load(&files);
        let other = Model::load(&files, int8(None)).unwrap();
        let picture = fixtures::picture("coffee");
        let compare = |other: &Model| {
            let seen = Comparison::look(&exact, other, &picture, &Cancel::default()).unwrap();
            (seen.features, seen.ask("What is this?", 12, &Cancel::default()).unwrap())
        };
        let (features, same) = compare(&exact);
        assert!(features == 0.0 && same.divergence.abs() < 1e-9 && same.agreed == 12 && same.is_same_reply());
        let (features, near) = compare(&other);
        assert!(features > 0.0 && features < 0.03, "{features}");
        assert!(near.divergence > 0.0 && near.divergence < 0.01, "{near:?}");
    }
}

#[test]
fn kept_weights_are_the_ones_that_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let files = fixtures::tiny_2b();
    let load = || Arc::new(Model::load(&files, int8(Some(folder.path()))).unwrap());
    let made = tokens(&load(), 1);
    let kept = || fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let [file] = &kept()[..] else { panic!("one file, not {:?}", kept()) };
    let (whole, written) = (fs::read(file).unwrap(), fs::metadata(file).unwrap().modified().unwrap());
    assert_eq!(tokens(&load(), 1), made);
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "what is whole is not written again");

    // A changed byte, a file that was cut short, one that is not of tensors, and one whose header
    // tells of others or of other places: each is made again.
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    let start = 8 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
    let header: Value = serde_json::from_slice(&whole[8..start]).unwrap();
    let layer = |number: usize| format!("model.text_model.layers.{number}.mlp.down_proj.weight.bytes");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        let header = header.to_string();
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &whole[start..]].concat()
    };
    let swapped = with(&|header| {
        let [first, second] = [0, 1].map(|number| header[layer(number)].take());
        (header[layer(0)], header[layer(1)]) = (second, first);
    });
    let renamed = with(&|header| {
        let tensor = header[layer(0)].take();
        header.as_object_mut().unwrap().remove(&layer(0));
        header["other"] = tensor;
    });
    let reshaped = with(&|header| {
        let length = header[layer(0)]["shape"][0].as_u64().unwrap();
        header[layer(0)]["shape"] = json!([length / 2, 2]);
    });
    for bad in [&changed[..], &whole[..whole.len() / 2], b"not weights", b"", &swapped, &renamed, &reshaped] {
        assert!(bad != whole);
        fs::write(file, bad).unwrap();
        assert_eq!(tokens(&load(), 1), made);
        assert!(fs::read(file).unwrap() == whole, "{} bytes were not mended", bad.len());
    }
    assert_eq!(kept().len(), 1, "nothing unfinished stays");
}

#[test]
fn a_folder_that_cannot_be_written_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    let model = Arc::new(Model::load(&fixtures::tiny_2b(), int8(Some(&file))).unwrap());
    assert_eq!(tokens(&model, 1)[0].len(), 24);
}
