//! Broken checkpoints: each is refused with a sentence that names what is wrong, and none panics.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::checkpoint::files::ModelFiles;
use crate::error::Error;
use crate::network::{LoadOptions, Model};
use crate::tests::fixtures;

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
fn a_tokenizer_that_breaks_off_json_in_any_of_its_parts_is_refused() {
    for part in ["added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"] {
        let e = load_damaged(|folder| {
            let path = folder.join("tokenizer.json");
            let mut text = fs::read_to_string(&path).unwrap();
            let start = text.find(&format!("\"{part}\":")).unwrap();
            let comma = start + text[start..].find(',').unwrap();
            text.remove(comma);
            fs::write(path, text).unwrap();
        });
        assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("tokenizer.json")), "{part}: {e}");
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

/// The small checkpoint with its weights in two shards, after `damage` was done to the tensors of
/// both and to the index.
fn load_sharded(damage: impl FnOnce(&mut [Vec<Named>; 2], &mut Value)) -> Error {
    load_damaged(|folder| {
        let whole = fs::read(folder.join("model.safetensors")).unwrap();
        fs::remove_file(folder.join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&whole).unwrap();
        let mut shards = [Vec::new(), Vec::new()];
        let mut map = serde_json::Map::new();
        for (number, name) in tensors.names().into_iter().enumerate() {
            let view = tensors.tensor(name).unwrap();
            let named = (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec());
            shards[number % 2].push(named);
            map.insert(name.to_owned(), shard(number % 2).into());
        }
        let mut index = json!({ "weight_map": map });
        damage(&mut shards, &mut index);
        for (number, tensors) in shards.iter().enumerate() {
            let views = tensors.iter().map(|(name, dtype, shape, data)| {
                (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap())
            });
            fs::write(folder.join(shard(number)), safetensors::serialize(views, None).unwrap()).unwrap();
        }
        fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    })
}

type Named = (String, Dtype, Vec<usize>, Vec<u8>);

fn shard(number: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", number + 1)
}

const NORM: &str = "model.text_model.norm.weight";

#[test]
fn an_index_that_lies_is_found_out() {
    // The shard that it names for a tensor has it not, and nor has the other.
    let e = load_sharded(|shards, _| shards.iter_mut().for_each(|shard| shard.retain(|(name, ..)| name != NORM)));
    assert!(matches!(&e, Error::Damaged { why, .. } if why.contains(NORM) && why.contains("index")), "{e}");
    // The other has it.
    let e = load_sharded(|_, index| {
        let named = index["weight_map"][NORM].clone();
        index["weight_map"][NORM] = [shard(0), shard(1)].into_iter().find(|other| *other != named).into();
    });
    assert!(matches!(&e, Error::Damaged { why, .. } if why.contains(NORM) && why.contains("index")), "{e}");
    // A shard that is not there.
    let e = load_sharded(|_, index| index["weight_map"][NORM] = "model-00003-of-00002.safetensors".into());
    assert!(matches!(&e, Error::Missing { path } if path.ends_with("model-00003-of-00002.safetensors")), "{e}");
    // A file that is none of the folder's.
    for name in ["../model.safetensors", "/etc/passwd", "..", "sub/model.safetensors"] {
        let e = load_sharded(|_, index| index["weight_map"][NORM] = name.into());
        assert!(matches!(&e, Error::Damaged { why, .. } if why.contains(name)), "{name}: {e}");
    }
    for index in [json!({}), json!({"weight_map": []}), json!({"weight_map": {"a": 5}})] {
        let e = load_sharded(|_, old| *old = index);
        assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("model.safetensors.index.json")), "{e}");
    }
}

#[test]
fn two_tensors_of_one_name_are_refused() {
    let e = load_sharded(|shards, _| {
        let twice = shards.iter().flatten().find(|(name, ..)| name == NORM).unwrap().clone();
        for shard in shards {
            shard.retain(|(name, ..)| name != NORM);
            shard.push(twice.clone());
        }
    });
    assert!(matches!(&e, Error::Damaged { why, .. } if why.contains(NORM) && why.contains("two files")), "{e}");
    // In one file: the same name twice in its header.
    let e = load_damaged(|folder| {
        let path = folder.join("model.safetensors");
        let whole = fs::read(&path).unwrap();
        let length = usize::try_from(u64::from_le_bytes(whole[..8].try_into().unwrap())).unwrap();
        let header = String::from_utf8(whole[8..8 + length].to_vec()).unwrap();
        let other = "model.vision_model.post_layernorm.weight";
        assert!(header.contains(NORM) && header.contains(other));
        let header = header.replace(other, NORM);
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &whole[8 + length..]].concat();
        fs::write(&path, bytes).unwrap();
    });
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("model.safetensors")), "{e}");
}

#[test]
fn unknown_number_formats_are_refused() {
    let e = load_sharded(|shards, _| {
        for (_, dtype, _, data) in shards.iter_mut().flatten().filter(|(name, ..)| name == NORM) {
            (*dtype, *data) = (Dtype::I64, data.repeat(4));
        }
    });
    assert!(matches!(&e, Error::Weights { why } if why.contains(NORM) && why.contains("I64")), "{e}");
    let e = load_damaged(|folder| {
        let path = folder.join("model.safetensors");
        let whole = fs::read(&path).unwrap();
        let text = whole.windows(6).position(|bytes| bytes == b"\"BF16\"").unwrap();
        let mut bad = whole.clone();
        bad[text..text + 6].copy_from_slice(b"\"ZF99\"");
        fs::write(&path, bad).unwrap();
    });
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("model.safetensors")), "{e}");
}

#[test]
fn a_tokenizer_with_ids_outside_the_embeddings_is_refused() {
    let e = load_damaged(|folder| {
        let path = folder.join("tokenizer.json");
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let added = json["added_tokens"].as_array_mut().unwrap();
        let mut far = added[0].clone();
        (far["id"], far["content"]) = (json!(1024), json!("<far>"));
        added.push(far);
        fs::write(path, json.to_string()).unwrap();
    });
    assert!(matches!(&e, Error::Damaged { why, .. } if why.contains("<far>") && why.contains("outside")), "{e}");
}

#[test]
fn a_chat_template_of_another_model_is_refused() {
    let other = "{% for message in messages %}[INST] {{ message.content }} [/INST]{% endfor %}";
    let e = load_changed("chat_template.json", "/chat_template", other.into());
    assert!(
        matches!(&e, Error::Damaged { path, why } if path.ends_with("chat_template.json") && why.contains("another model")),
        "{e}"
    );
    let e = load_changed("tokenizer_config.json", "/chat_template", other.into());
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("tokenizer_config.json")), "{e}");
    let e = load_damaged(|folder| fs::write(folder.join("chat_template.jinja"), other).unwrap());
    assert!(matches!(&e, Error::Damaged { path, .. } if path.ends_with("chat_template.jinja")), "{e}");
}
