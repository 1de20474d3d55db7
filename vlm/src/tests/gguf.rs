//! Models in GGUF files: the small checkpoint, written as llama.cpp's converter writes it, says
//! what the checkpoint says; other models and damaged files are refused with a sentence.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use serde_json::Value as Json;

use crate::cancel::Cancel;
use crate::checkpoint::files::ModelFiles;
use crate::error::{Error, Result};
use crate::input::image::Tiling;
use crate::network::precision::Precision;
use crate::network::{LoadOptions, Model};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::fixtures;
use crate::tests::fixtures::relative_error;

const PROMPT: &str = "Describe this image in one sentence, in 42 words.";
const TEXT: &str = "tiny-F32.gguf";
const VISION: &str = "mmproj-tiny-F32.gguf";

/// A file that is to be written.
#[derive(Clone)]
struct Half {
    values: BTreeMap<String, Value>,
    tensors: HashMap<String, Tensor>,
}

impl Half {
    fn set(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_owned(), value);
    }

    /// Matrices whose rows are whole blocks are written in `format`, all else in f32.
    fn write(&self, path: &Path, format: GgmlDType) {
        let quantised = |tensor: &Tensor| {
            let is_matrix = tensor.rank() == 2 && tensor.dims()[1].is_multiple_of(format.block_size());
            QTensor::quantize(tensor, if is_matrix { format } else { GgmlDType::F32 }).unwrap()
        };
        let tensors: Vec<_> = self.tensors.iter().map(|(name, tensor)| (name.as_str(), quantised(tensor))).collect();
        let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let values: Vec<_> = self.values.iter().map(|(key, value)| (key.as_str(), value)).collect();
        gguf_file::write(&mut File::create(path).unwrap(), &values, &tensors).unwrap();
    }
}

/// The small checkpoint as two files.
struct Pair {
    text: Half,
    vision: Half,
}

impl Pair {
    fn new() -> Self {
        let json = |name: &str| -> Json {
            serde_json::from_slice(&fs::read(fixtures::path("tiny/smolvlm").join(name)).unwrap()).unwrap()
        };
        let (config, preprocessor, tokenizer) =
            (json("config.json"), json("preprocessor_config.json"), json("tokenizer.json"));
        let (text, vision) = (text_values(&config, &tokenizer), vision_values(&config, &preprocessor));
        let mut pair = Self {
            text: Half { values: text, tensors: HashMap::new() },
            vision: Half { values: vision, tensors: HashMap::new() },
        };
        let weights = fs::read(fixtures::path("tiny/model.safetensors")).unwrap();
        for (name, tensor) in candle_core::safetensors::load_buffer(&weights, &Device::Cpu).unwrap() {
            let tensor = tensor.to_dtype(candle_core::DType::F32).unwrap();
            let (is_vision, name) = renamed(&name);
            let heads = &config["text_config"];
            let tensor = match name.rsplit('.').nth(1) {
                Some("attn_q") if !is_vision => interleaved(&tensor, &heads["num_attention_heads"]),
                Some("attn_k") if !is_vision => interleaved(&tensor, &heads["num_key_value_heads"]),
                _ => tensor,
            };
            (if is_vision { &mut pair.vision } else { &mut pair.text }).tensors.insert(name, tensor);
        }
        pair
    }

    /// Writes both, and tells where the text model is.
    fn write(&self, folder: &Path, format: GgmlDType) -> PathBuf {
        self.text.write(&folder.join(TEXT), format);
        self.vision.write(&folder.join(VISION), format);
        folder.join(TEXT)
    }

    /// What opening the pair says.
    fn refused(&self) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let loaded = load(&self.write(folder.path(), GgmlDType::F32), Precision::F32);
        match loaded {
            Err(error) => error,
            Ok(_) => panic!("it is loaded"),
        }
    }
}

fn load(text: &Path, precision: Precision) -> Result<Model> {
    Model::load(&ModelFiles::in_folder(text)?, LoadOptions { precision, ..LoadOptions::default() })
}

fn number(value: &Json) -> Value {
    Value::U32(value.as_u64().unwrap() as u32)
}

fn real(value: &Json) -> Value {
    Value::F32(value.as_f64().unwrap() as f32)
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn text_values(config: &Json, tokenizer: &Json) -> BTreeMap<String, Value> {
    let t = &config["text_config"];
    let added: HashMap<u64, &str> = tokenizer["added_tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["id"].as_u64().unwrap(), token["content"].as_str().unwrap()))
        .collect();
    let plain = tokenizer["model"]["vocab"].as_object().unwrap();
    let mut tokens: HashMap<u64, &str> = plain.iter().map(|(token, id)| (id.as_u64().unwrap(), &**token)).collect();
    tokens.extend(&added);
    let ids = 0..t["vocab_size"].as_u64().unwrap();
    let token = |id| tokens.get(&id).map_or_else(|| format!("[PAD{id}]"), |token| (*token).to_owned());
    let kind = |id| {
        if added.contains_key(&id) {
            3
        } else if tokens.contains_key(&id) {
            1
        } else {
            5
        }
    };
    let merge = |pair: &Json| string(&format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    let merges = tokenizer["model"]["merges"].as_array().unwrap();
    [
        ("general.architecture", string("llama")),
        ("llama.block_count", number(&t["num_hidden_layers"])),
        ("llama.context_length", number(&t["max_position_embeddings"])),
        ("llama.embedding_length", number(&t["hidden_size"])),
        ("llama.feed_forward_length", number(&t["intermediate_size"])),
        ("llama.attention.head_count", number(&t["num_attention_heads"])),
        ("llama.attention.head_count_kv", number(&t["num_key_value_heads"])),
        ("llama.attention.key_length", number(&t["head_dim"])),
        ("llama.rope.dimension_count", number(&t["head_dim"])),
        ("llama.rope.freq_base", real(&t["rope_theta"])),
        ("llama.attention.layer_norm_rms_epsilon", real(&t["rms_norm_eps"])),
        ("tokenizer.ggml.model", string("gpt2")),
        ("tokenizer.ggml.pre", string("smollm")),
        ("tokenizer.ggml.tokens", Value::Array(ids.clone().map(|id| string(&token(id))).collect())),
        ("tokenizer.ggml.token_type", Value::Array(ids.map(|id| Value::I32(kind(id))).collect())),
        ("tokenizer.ggml.merges", Value::Array(merges.iter().map(merge).collect())),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn vision_values(config: &Json, preprocessor: &Json) -> BTreeMap<String, Value> {
    let v = &config["vision_config"];
    let three = |values: &Json| Value::Array(values.as_array().unwrap().iter().map(real).collect());
    let or = |value: &Json, default: u32| value.as_u64().map_or(default, |n| n as u32);
    [
        ("general.architecture", string("clip")),
        ("clip.projector_type", string("idefics3")),
        ("clip.vision.projection_dim", number(&config["text_config"]["hidden_size"])),
        ("clip.vision.image_size", number(&v["image_size"])),
        ("clip.vision.preproc_image_size", number(&preprocessor["size"]["longest_edge"])),
        ("clip.vision.patch_size", number(&v["patch_size"])),
        ("clip.vision.embedding_length", number(&v["hidden_size"])),
        ("clip.vision.feed_forward_length", number(&v["intermediate_size"])),
        ("clip.vision.block_count", Value::U32(or(&v["num_hidden_layers"], 12))),
        ("clip.vision.attention.head_count", number(&v["num_attention_heads"])),
        ("clip.vision.attention.layer_norm_epsilon", Value::F32(1e-6)),
        ("clip.vision.image_mean", three(&preprocessor["image_mean"])),
        ("clip.vision.image_std", three(&preprocessor["image_std"])),
        ("clip.vision.projector.scale_factor", number(&config["scale_factor"])),
        ("clip.use_gelu", Value::Bool(true)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Whether a tensor belongs to the vision part, and what llama.cpp's converter calls it
/// (`gguf-py/gguf/tensor_mapping.py`).
fn renamed(name: &str) -> (bool, String) {
    let (part, ending) = name.rsplit_once('.').unwrap();
    let fixed = match part {
        "lm_head" => Some((false, "output")),
        "model.text_model.embed_tokens" => Some((false, "token_embd")),
        "model.text_model.norm" => Some((false, "output_norm")),
        "model.connector.modality_projection.proj" => Some((true, "mm.model.fc")),
        "model.vision_model.post_layernorm" => Some((true, "v.post_ln")),
        "model.vision_model.embeddings.patch_embedding" => Some((true, "v.patch_embd")),
        "model.vision_model.embeddings.position_embedding" => Some((true, "v.position_embd")),
        _ => None,
    };
    if let Some((is_vision, name)) = fixed {
        return (is_vision, format!("{name}.{ending}"));
    }
    let is_vision = part.contains("vision_model");
    let (number, part) = part.split_once(".layers.").unwrap().1.split_once('.').unwrap();
    let part = match part {
        "input_layernorm" => "attn_norm",
        "post_attention_layernorm" => "ffn_norm",
        "layer_norm1" => "ln1",
        "layer_norm2" => "ln2",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.o_proj" => "attn_output",
        "self_attn.out_proj" => "attn_out",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" | "mlp.fc1" => "ffn_up",
        "mlp.down_proj" | "mlp.fc2" => "ffn_down",
        other => panic!("{other}"),
    };
    (is_vision, format!("{}blk.{number}.{part}.{ending}", if is_vision { "v." } else { "" }))
}

/// `LlamaModel.permute` of llama.cpp's converter.
fn interleaved(matrix: &Tensor, heads: &Json) -> Tensor {
    let (rows, columns) = matrix.dims2().unwrap();
    let heads = heads.as_u64().unwrap() as usize;
    let halves = matrix.reshape((heads, 2, rows / heads / 2, columns)).unwrap();
    halves.transpose(1, 2).unwrap().reshape((rows, columns)).unwrap()
}

/// What a model sees in a picture, what it says of it, and the ids of that.
fn said(model: Model) -> (Tensor, String, Vec<u32>) {
    let cancel = Cancel::default();
    let picture = fixtures::picture("coffee");
    let grids = model.grids([&picture].into_iter(), Tiling::Split);
    let tiles = model.tiles([&picture].into_iter(), Tiling::Split, &grids).unwrap();
    let seen = model.encode(&tiles, &cancel).unwrap().unwrap();
    let mut session = Session::new(model.into()).unwrap();
    session.set_images(&[&picture], Tiling::Split, Reuse::IfIdentical, &cancel).unwrap();
    let ask = Ask { prompt: PROMPT, max_tokens: 24, ignore_end: true, sampling: Sampling::Greedy };
    let reply = session.caption(ask, &cancel, &mut |_| {}).unwrap();
    (seen, reply.text, reply.token_ids)
}

fn checkpoint(precision: Precision) -> Model {
    let options = LoadOptions { precision, ..LoadOptions::default() };
    Model::load(&fixtures::tiny("smolvlm"), options).unwrap()
}

#[test]
fn a_gguf_pair_says_what_the_checkpoint_says() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, text, tokens) = said(checkpoint(Precision::F32));
    // The checkpoint's numbers are in bf16, so these two formats lose nothing.
    for format in [GgmlDType::F32, GgmlDType::BF16] {
        let model = load(&Pair::new().write(folder.path(), format), Precision::F32).unwrap();
        assert_eq!(model.name(), "tiny-F32");
        let (same, words, ids) = said(model);
        assert_eq!(
            (relative_error(&same, &seen).to_bits(), words, ids),
            (0, text.clone(), tokens.clone()),
            "{format:?}"
        );
    }
    let (_, text, tokens) = said(checkpoint(Precision::Int8));
    let (_, words, ids) = said(load(folder.path(), Precision::Int8).unwrap());
    assert_eq!((words, ids), (text, tokens), "in bytes, and found by its folder");
}

#[test]
fn fewer_bits_see_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (seen, ..) = said(checkpoint(Precision::F32));
    for (format, most) in [(GgmlDType::F16, 1e-3), (GgmlDType::Q8_0, 0.03), (GgmlDType::Q4_0, 0.4)] {
        let (near, ..) = said(load(&Pair::new().write(folder.path(), format), Precision::F32).unwrap());
        let error = relative_error(&near, &seen);
        assert!(error > 0.0 && error < most, "{format:?}: {error}");
    }
}

/// As llama.cpp's converter named them until May 2025.
#[test]
fn the_feed_forward_names_may_be_the_wrong_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new();
    let swapped = |name: String| {
        if name.contains(".ffn_up.") {
            name.replace(".ffn_up.", ".ffn_down.")
        } else {
            name.replace(".ffn_down.", ".ffn_up.")
        }
    };
    pair.vision.tensors = pair.vision.tensors.into_iter().map(|(name, tensor)| (swapped(name), tensor)).collect();
    let model = load(&pair.write(folder.path(), GgmlDType::F32), Precision::F32).unwrap();
    assert_eq!(said(model).2, said(checkpoint(Precision::F32)).2);
}

/// Where the two are the same matrix, a file has it once.
#[test]
fn an_absent_output_matrix_is_that_of_the_embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new();
    pair.text.tensors.remove("output.weight").unwrap();
    assert!(load(&pair.write(folder.path(), GgmlDType::F32), Precision::F32).is_ok());
    pair.text.tensors.remove("token_embd.weight").unwrap();
    let e = pair.refused();
    assert!(matches!(&e, Error::Weights { why } if why.contains("lm_head")), "{e}");
}

#[test]
fn what_is_not_smolvlm_is_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Pair)| {
        let mut pair = Pair::new();
        change(&mut pair);
        match pair.refused() {
            Error::Unsupported { path, why } => (path.file_name().unwrap().to_str().unwrap().to_owned(), why),
            other => panic!("{other}"),
        }
    };
    for (key, value, words) in [
        ("general.architecture", string("qwen2"), "`qwen2`"),
        ("llama.expert_count", Value::U32(8), "experts"),
        ("split.count", Value::U16(2), "llama-gguf-split"),
        ("tokenizer.ggml.model", string("llama"), "`llama`"),
        ("tokenizer.ggml.pre", string("qwen2"), "`qwen2`"),
        ("llama.rope.scaling.type", string("yarn"), "`yarn`"),
        ("llama.rope.dimension_count", Value::U32(8), "turns 8 of the 16"),
    ] {
        let (file, why) = refused(&|pair| pair.text.set(key, value.clone()));
        assert!(file == TEXT && why.contains(words), "{key}: {file}: {why}");
    }
    for (key, value, words) in [
        ("clip.projector_type", string("gemma3"), "its projector is `gemma3`"),
        ("clip.vision.projection_dim", Value::U32(960), "960 numbers wide, and tiny-F32.gguf is 64 wide"),
    ] {
        let (file, why) = refused(&|pair| pair.vision.set(key, value.clone()));
        assert!(file == VISION && why.contains(words), "{key}: {file}: {why}");
    }
    let (_, why) = refused(&|pair| pair.vision.set("clip.use_gelu", Value::Bool(false)));
    assert!(why.contains("quick_gelu"), "{why}");
    let extra = Tensor::zeros(4, candle_core::DType::F32, &Device::Cpu).unwrap();
    let (_, why) = refused(&|pair| drop(pair.text.tensors.insert("blk.0.attn_q.bias".into(), extra.clone())));
    assert!(why.contains("`blk.0.attn_q.bias`"), "{why}");
    let (_, why) = refused(&|pair| {
        let Some(Value::Array(tokens)) = pair.text.values.get_mut("tokenizer.ggml.tokens") else { panic!("no tokens") };
        let image = tokens.iter_mut().find(|token| token.to_string().is_ok_and(|token| token == "<image>"));
        *image.unwrap() = string("<other>");
    });
    assert!(why.contains("lacks <image>"), "{why}");
}

#[test]
fn a_half_alone_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = Pair::new().write(folder.path(), GgmlDType::F32);
    let vision = folder.path().join(VISION);
    let told = |files: Result<ModelFiles>| match files.unwrap_err() {
        Error::OtherFormat { what, hint, .. } => format!("{what} {hint}"),
        other => panic!("{other}"),
    };
    assert!(told(ModelFiles::in_folder(&vision)).contains("without its text model"));
    assert!(told(ModelFiles::gguf(&text, Some(&text))).contains("another text model"));
    fs::rename(&vision, folder.path().join("vision.gguf")).unwrap();
    assert!(told(ModelFiles::in_folder(&text)).contains("--mmproj"));
    let files = ModelFiles::gguf(&text, Some(&folder.path().join("vision.gguf"))).unwrap();
    assert!(files.is_complete() && files.check().is_ok(), "{files:?}");
    let e = ModelFiles::gguf(&text, Some(&folder.path().join("nowhere.gguf"))).unwrap_err();
    assert!(matches!(&e, Error::Missing { path } if path.ends_with("nowhere.gguf")), "{e}");
}

#[test]
fn absurd_sizes_and_absent_values_are_refused_before_memory_is_asked_for() {
    for (key, value, words) in [
        ("llama.embedding_length", Value::U32(0), "0 wide"),
        ("llama.block_count", Value::U64(1 << 60), "num_hidden_layers"),
        ("llama.attention.head_count", Value::U32(0), "num_attention_heads"),
        ("llama.context_length", Value::I32(-1), "llama.context_length is not a whole number"),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(f32::NAN), "is not a number"),
        ("tokenizer.ggml.token_type", Value::Array(vec![Value::I32(1)]), "1 kinds"),
        ("tokenizer.ggml.merges", Value::Array(vec![string("ab")]), "pairs"),
    ] {
        let mut pair = Pair::new();
        pair.text.set(key, value);
        let e = pair.refused().to_string();
        assert!(e.contains(words), "{key}: {e}");
        pair.text.values.remove(key);
        let e = pair.refused().to_string();
        assert!(e.contains(key), "{key}: {e}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_told_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let text = Pair::new().write(folder.path(), GgmlDType::Q8_0);
    let whole = fs::read(&text).unwrap();
    for length in [0, 3, 4, 8, 24, 100, whole.len() / 2, whole.len() - 40] {
        fs::write(&text, &whole[..length]).unwrap();
        let e = ModelFiles::in_folder(&text).unwrap_err();
        assert!(matches!(&e, Error::Damaged { path, .. } if *path == text), "{length}: {e}");
    }
}

#[test]
fn random_bytes_in_a_header_never_panic_and_ask_for_no_absurd_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new();
    // A short header, so that most changes strike what matters.
    for key in ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"] {
        pair.text.values.remove(key);
    }
    pair.text.set("general.alignment", Value::U32(32));
    let text = pair.write(folder.path(), GgmlDType::Q8_0);
    let good = fs::read(&text).unwrap();
    let header = good.windows(4).rposition(|bytes| bytes == b"blk.").unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..400 {
        let mut bad = good.clone();
        for _ in 0..=random() % 3 {
            let at = (random() % header as u64) as usize;
            bad[at] = if random().is_multiple_of(2) { 0xff } else { random() as u8 };
        }
        fs::write(&text, bad).unwrap();
        assert!(ModelFiles::in_folder(&text).is_err(), "it has no tokens");
    }
    let at = good.windows(17).position(|bytes| bytes == b"general.alignment").unwrap() + 17 + 4;
    for alignment in [0u8, 1, 3] {
        let mut bad = good.clone();
        bad[at] = alignment;
        fs::write(&text, bad).unwrap();
        let e = ModelFiles::in_folder(&text).unwrap_err();
        assert!(matches!(&e, Error::Damaged { .. }), "{alignment}: {e}");
    }
}

#[test]
fn number_formats_that_are_not_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = Pair::new().write(folder.path(), GgmlDType::F32);
    let mut bytes = fs::read(&text).unwrap();
    // Behind a vector's name stand how many dimensions it has, its length and its format.
    let name = b"output_norm.weight";
    let at = bytes.windows(name.len()).position(|found| found == name).unwrap() + name.len() + 4 + 8;
    for (format, word) in [(20u8, "IQ4_NL"), (200, "GGML's number 200")] {
        bytes[at] = format;
        fs::write(&text, &bytes).unwrap();
        let e = ModelFiles::in_folder(&text).unwrap_err();
        assert!(matches!(&e, Error::Unsupported { why, .. } if why.contains(word)), "{e}");
    }
}
