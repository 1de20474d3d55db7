//! What else people have in folders: models in formats that are not read, each named for what it
//! is.
//!
//! Tells them by the names of files, and by what `config.json` says of quantising. Opens no file.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;

/// A format that is not read, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFormat {
    /// What it is, such as "an ONNX model".
    pub what: String,
    /// What to do, as a sentence.
    pub hint: &'static str,
}

const MERGE: &str = "Merge it into the model that it was trained on (peft's merge_and_unload), save that with \
                     save_pretrained, and choose that folder.";
const ORIGINAL: &str = "Choose the model that it was made from, in safetensors; Sightline makes int8 of that by itself \
                        (--precision int8).";
const SAVE: &str = "Load it with transformers and save it with save_pretrained, which writes safetensors, or choose a \
                    model that is published so.";
const PULL: &str = "Install Git LFS and run `git lfs pull` in that folder, or download the model with `sightline models \
                    download`.";
/// Of the hub whole checkpoints are downloaded, and a repository of GGUF files is many models.
const TWO_FILES: &str = "Download its text model and its mmproj file into a folder, and name the first with --model.";

impl OtherFormat {
    fn new(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), hint }
    }

    /// As an error about what is at `path`.
    pub(crate) fn error(self, path: &Path) -> Error {
        Error::OtherFormat { path: path.into(), what: self.what, hint: self.hint }
    }
}

/// What a folder, file or repository holds that lacks a part of a checkpoint, by the names of its
/// files. Paths within it count, too. Nothing when that is no known format.
#[must_use]
pub fn other_format<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<OtherFormat> {
    let names: Vec<String> = names.into_iter().map(str::to_ascii_lowercase).collect();
    let file = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let called = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&&*file(name)));
    let ends = |endings: &[&str]| names.iter().any(|name| endings.iter().any(|ending| name.ends_with(ending)));
    let found = |what: &str, hint| Some(OtherFormat::new(what, hint));
    if called(&["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "adapters.safetensors"]) {
        return found("a LoRA adapter, which is only what changes in another model", MERGE);
    }
    if ends(&[".gguf"]) {
        return found("a GGUF model, the format of llama.cpp", TWO_FILES);
    }
    if ends(&[".ggml"]) {
        return found("a GGML model, which is what GGUF was before", ORIGINAL);
    }
    if ends(&["openvino_model.xml", "openvino_model.bin"]) {
        return found("an OpenVINO model", ORIGINAL);
    }
    if ends(&[".onnx", ".onnx_data"]) {
        return found("an ONNX model", ORIGINAL);
    }
    if ends(&[".npz"]) {
        return found("an MLX model", ORIGINAL);
    }
    if called(&["quantize_config.json", "quant_config.json"]) {
        return found("weights quantised by GPTQ or AWQ", ORIGINAL);
    }
    if ends(&[".h5", ".msgpack", ".tflite", ".mlmodel", ".mlpackage", ".engine", ".plan", ".distcp"]) {
        return found("a model of another library than PyTorch's", SAVE);
    }
    if ends(&[".bin", ".bin.index.json", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"]) {
        return found("weights that PyTorch pickled, which could run any code", SAVE);
    }
    None
}

/// What `quantization_config`, or MLX's `quantization`, of a `config.json` says that weights are.
pub(crate) fn quantised(config: &Value) -> OtherFormat {
    let says = |key: &str| config.get(key).is_some_and(|value| value == true);
    let method = config.get("quant_method").and_then(Value::as_str);
    let name = match method {
        Some("gptq") => "GPTQ",
        Some("awq") => "AWQ",
        Some("bitsandbytes") => "bitsandbytes",
        Some(other) => other,
        None if says("load_in_4bit") || says("load_in_8bit") => "bitsandbytes",
        None if config.get("group_size").is_some() => "MLX",
        None => "another library",
    };
    OtherFormat::new(format!("weights quantised by {name}"), ORIGINAL)
}

/// Git LFS leaves a few lines in the place of a file until it is fetched.
pub(crate) fn is_lfs_pointer(content: &[u8]) -> bool {
    content.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// What such a file is.
pub(crate) fn lfs_pointer() -> OtherFormat {
    OtherFormat::new("what Git LFS leaves in the place of a file that was not fetched", PULL)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_are_told_by_their_files() {
        let told = |names: &[&str]| other_format(names.iter().copied()).map(|format| format.what).unwrap_or_default();
        for (names, what) in [
            (&["README.md", "adapter_config.json", "adapter_model.safetensors"][..], "LoRA"),
            (&["SmolVLM-Q8_0.gguf", "mmproj-f16.gguf"], "GGUF"),
            (&["config.json", "onnx/decoder_model_merged.onnx"], "ONNX"),
            (&["config.json", "weights.npz"], "MLX"),
            (&["config.json", "quantize_config.json"], "GPTQ"),
            (&["config.json", "openvino_model.xml", "openvino_model.bin"], "OpenVINO"),
            (&["config.json", "pytorch_model-00001-of-00002.bin"], "pickled"),
            (&["config.json", "Model.PT"], "pickled"),
            (&["config.json", "tf_model.h5"], "another library"),
        ] {
            assert!(told(names).contains(what), "{names:?}: {}", told(names));
        }
        assert_eq!(other_format(["config.json", "README.md"]), None);
    }

    #[test]
    fn quantised_weights_are_told_by_their_maker() {
        for (config, what) in [
            (json!({"quant_method": "gptq", "bits": 4}), "GPTQ"),
            (json!({"quant_method": "awq"}), "AWQ"),
            (json!({"load_in_4bit": true}), "bitsandbytes"),
            (json!({"group_size": 64, "bits": 4}), "MLX"),
            (json!({"quant_method": "hqq"}), "hqq"),
            (json!({}), "another library"),
        ] {
            assert_eq!(quantised(&config).what, format!("weights quantised by {what}"));
        }
    }
}
