//! Equal to what sentence-transformers computes, and a sentence for what is wrong with a file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

use super::*;
use crate::tests::fixtures;

/// The largest difference of a number of a vector of length 1.
const TOLERANCE: f32 = 1e-4;
/// A folder with a whole checkpoint, and what `reference/sentences.py golden` has put into it.
const REAL: &str = "SIGHTLINE_TEST_SENTENCES";

/// Sentences, and what transformers makes of them.
struct Golden {
    sentences: Vec<String>,
    vectors: Vec<Vec<f32>>,
}

impl Golden {
    fn of(folder: &Path) -> Self {
        let bytes = fs::read(folder.join("golden.safetensors")).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let written: &HashMap<String, String> = metadata.metadata().as_ref().unwrap();
        let sentences = serde_json::from_str(&written["sentences"]).unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
        Self { sentences, vectors: tensors["embeddings"].to_vec2().unwrap() }
    }
}

fn load(folder: &Path) -> Result<SentenceModel> {
    SentenceModel::load(&ModelFiles::in_folder(folder)?, NonZeroUsize::new(2))
}

fn embed(model: &SentenceModel, texts: &[&str]) -> Vec<Vec<f32>> {
    model.embed(texts, &Cancel::default()).unwrap()
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The largest difference, whether sentences come together or alone.
fn difference(folder: &Path) -> f32 {
    let (model, golden) = (load(folder).unwrap(), Golden::of(folder));
    let texts: Vec<&str> = golden.sentences.iter().map(String::as_str).collect();
    let together = embed(&model, &texts);
    let alone: Vec<_> = texts.iter().map(|text| embed(&model, &[text]).remove(0)).collect();
    assert_eq!(together.len(), golden.vectors.len());
    let pairs = golden.vectors.iter().zip(&together).chain(golden.vectors.iter().zip(&alone));
    pairs.map(|(theirs, ours)| apart(theirs, ours)).fold(0.0, f32::max)
}

#[test]
fn vectors_are_those_of_sentence_transformers() {
    let most = difference(&fixtures::path("tiny-bert"));
    assert!(most < TOLERANCE, "{most}");
}

/// Such as all-MiniLM-L6-v2: see reference/README.md.
#[test]
#[ignore = "wants the weights of a released model"]
fn vectors_of_released_weights_are_those_of_sentence_transformers() {
    let folder = std::env::var_os(REAL).unwrap_or_else(|| panic!("{REAL} names no folder"));
    let most = difference(Path::new(&folder));
    assert!(most < TOLERANCE, "{most}");
}

#[test]
fn more_sentences_than_a_pass_takes_come_in_their_order() {
    let model = load(&fixtures::path("tiny-bert")).unwrap();
    let texts: Vec<String> = (0..2 * BATCH + 3).map(|n| format!("a dog {}", "runs ".repeat(n % 7))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let all = embed(&model, &texts);
    assert_eq!(all.len(), texts.len());
    for at in [0, 5, BATCH, 2 * BATCH + 2] {
        assert!(apart(&all[at], &embed(&model, &[texts[at]])[0]) < TOLERANCE, "{at}");
    }
    assert!(apart(&all[0], &all[1]) > TOLERANCE, "other words make another vector");
    assert!(embed(&model, &[]).is_empty());
}

#[test]
fn it_can_be_stopped() {
    let model = load(&fixtures::path("tiny-bert")).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(matches!(model.embed(&["a dog"], &cancel), Err(Error::Cancelled)));
}

/// The small checkpoint with one file of it changed.
fn changed(name: &str, change: impl FnOnce(&str) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixtures::path("tiny-bert")).unwrap().flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(name);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, change(&text)).unwrap();
    folder
}

#[test]
fn what_is_wrong_with_a_checkpoint_is_said() {
    for (name, from, to, said) in [
        ("config.json", "\"model_type\": \"bert\"", "\"model_type\": \"mpnet\"", "model_type is `mpnet`"),
        ("config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 5", "shared by 5 heads"),
        ("config.json", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "shared by 0 heads"),
        ("config.json", "\"max_position_embeddings\": 40", "\"max_position_embeddings\": 1", "has 1 positions"),
        ("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "no tensor `encoder.layer.2."),
        ("config.json", "\"intermediate_size\": 96", "\"intermediate_size\": 97", "has the shape [96, 48]"),
        ("config.json", "\"hidden_act\": \"gelu\"", "\"hidden_act\": \"swish\"", "`swish`"),
        ("tokenizer.json", "\"[PAD]\": 0", "\"[PAD]\": 4000", "outside the model's"),
        ("sentence_bert_config.json", "32", "\"many\"", "sentence_bert_config.json is damaged"),
    ] {
        let folder = changed(name, |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let error = load(folder.path()).err().unwrap_or_else(|| panic!("{to} was taken")).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_model_is_complete_without_what_is_said_of_pictures() {
    let folder = changed("config.json", str::to_owned);
    let files = ModelFiles::in_folder(folder.path()).unwrap();
    assert!(SentenceModel::is_complete(&files) && !files.is_complete());
    assert!(SentenceModel::check(&files).is_ok());
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(!SentenceModel::is_complete(&files) && SentenceModel::check(&files).is_ok());
}
