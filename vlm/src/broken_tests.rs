//! Broken checkpoints: each is refused with a sentence that names what is wrong, and none panics.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::Error;
use crate::files::ModelFiles;
use crate::fixtures;
use crate::model::{LoadOptions, Model};

/// Loads a copy of the small checkpoint after `damage` was done to its folder.
fn load_damaged(damage: impl FnOnce(&Path)) -> Error {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures::path("tiny-2b")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    damage(folder.path());
    let loaded = ModelFiles::in_folder(folder.path()).and_then(|files| Model::load(&files, LoadOptions::default()));
    loaded.expect_err("a damaged checkpoint is refused")
}

/// The same with one value of a JSON file replaced.
fn load_changed(file: &str, pointer: &str, value: Value) -> Error {
    load_damaged(|folder| {
        let path = folder.join(file);
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        *json.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer} in {file}")) = value;
        fs::write(path, json.to_string()).unwrap();
    })
}

#[test]
fn every_missing_file_is_named() {
    for name in ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"] {
        let e = load_damaged(|folder| fs::remove_file(folder.join(name)).unwrap());
        assert!(matches!(&e, Error::Missing { path } if path.ends_with(name)), "{name}: {e}");
    }
}

#[test]
fn every_truncated_or_emptied_file_is_named() {
    for name in ["config.json", "tokenizer.json", "preprocessor_config.json", "model.safetensors"] {
        for keep in [0, 1, 7, 100] {
            let e = load_damaged(|folder| {
                let content = fs::read(folder.join(name)).unwrap();
                fs::write(folder.join(name), &content[..content.len() * keep / 101]).unwrap();
            });
            assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with(name)), "{name}, {keep}: {e}");
        }
    }
}

#[test]
fn random_bytes_in_the_header_never_panic() {
    let good = fs::read(fixtures::path("tiny-2b/model.safetensors")).unwrap();
    let header = usize::try_from(u64::from_le_bytes(good[..8].try_into().unwrap())).unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..60 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = usize::try_from(state % (header as u64 + 8)).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1 << (state >> 61);
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "tokenizer.json", "preprocessor_config.json"] {
            fs::copy(fixtures::path("tiny-2b").join(name), folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("model.safetensors"), bad).unwrap();
        // Some changes, to a name of no use or to white space, do no harm; none may panic.
        let _ = Model::load(&ModelFiles::in_folder(folder.path()).unwrap(), LoadOptions::default());
    }
}

#[test]
fn weights_that_do_not_fit_the_configuration_are_named() {
    let e = load_changed("config.json", "/text_config/intermediate_size", json!(225));
    assert!(matches!(&e, Error::Weights { why } if why.contains("gate_proj") && why.contains("225")), "{e}");
    let e = load_changed("config.json", "/text_config/num_hidden_layers", json!(4));
    assert!(matches!(&e, Error::Weights { why } if why.contains("layers.3")), "{e}");
    let e = load_changed("config.json", "/text_config/vocab_size", json!(2048));
    assert!(matches!(&e, Error::Weights { why } if why.contains("embed_tokens")), "{e}");
}

#[test]
fn zero_and_absurd_sizes_are_refused_before_memory_is_asked_for() {
    for value in [json!(0), json!(1_u64 << 40)] {
        for pointer in ["/text_config/hidden_size", "/vision_config/image_size", "/text_config/vocab_size"] {
            let e = load_changed("config.json", pointer, value.clone());
            let name = pointer.rsplit('/').next().unwrap();
            assert!(matches!(&e, Error::Damaged { why, .. } if why.contains(name)), "{pointer}: {e}");
        }
    }
    let e = load_changed("config.json", "/text_config/hidden_size", json!(-1));
    assert!(matches!(e, Error::Damaged { .. }), "{e}");
}

#[test]
fn another_architecture_and_another_tokenizer_are_refused() {
    let e = load_changed("config.json", "/model_type", json!("llava"));
    assert!(matches!(&e, Error::Unsupported { why, .. } if why.contains("llava")), "{e}");
    let e = load_changed("config.json", "/image_token_id", json!(5));
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("tokenizer.json")), "{e}");
    let e = load_changed("preprocessor_config.json", "/max_image_size/longest_edge", json!(64));
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("preprocessor_config.json")), "{e}");
}
