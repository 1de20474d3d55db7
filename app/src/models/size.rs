//! What a model costs: parameters, download, memory. Counted in a checkpoint that is here, computed
//! for the others.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use vlm::Precision;

use crate::models::released::{RELEASED, SENTENCES};
use crate::models::spec::ModelSpec;

/// What a model takes in memory besides its weights, in bytes: the cache of some thousand tokens, a
/// tile's way through vision, the program. Rounded up from docs/performance.md.
const BESIDES: u64 = 600_000_000;
/// The longest header of a file of tensors, as the format's own reader allows it.
const LONGEST_HEADER: u64 = 100_000_000;

/// What is known of a model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSize {
    /// Numbers in its weights.
    pub parameters: u64,
    /// Whether they are stored in bf16, as those of the released models are: such numbers keep
    /// their two bytes in f32, too.
    pub is_bf16: bool,
    /// Whether they were counted in its files; otherwise they were computed from the published
    /// configuration.
    pub is_counted: bool,
}

impl ModelSize {
    /// Of a model whose files are in `folder`, if they are here, or of one with a name.
    #[must_use]
    pub fn of(model: &ModelSpec, folder: Option<&Path>) -> Option<Self> {
        let counted = folder.and_then(count);
        counted.or_else(|| published(model.hub_id()?))
    }

    /// The download, in bytes. Of a model without a name it is taken for one in 16 bits, as most
    /// are published; one in 32 bits takes twice that.
    #[must_use]
    pub fn download(&self) -> u64 {
        let is_known_in_32_bits = !self.is_counted && !self.is_bf16;
        self.parameters * if is_known_in_32_bits { 4 } else { 2 }
    }

    /// What it takes in memory in a precision, in bytes. On a GPU f32 is never kept in fewer.
    #[must_use]
    pub fn memory(&self, precision: Precision, on_gpu: bool) -> u64 {
        let weights = match precision {
            Precision::F32 if on_gpu || !self.is_bf16 => self.parameters * 4,
            Precision::F32 | Precision::Bf16 => self.parameters * 2,
            // Queries, keys and values take two bytes each, the embeddings none: they are read
            // where the file has them. From the configurations: 1.02 bytes a parameter at 256M,
            // 1.04 at 500M, 1.12 at 2.2B.
            Precision::Int8 => self.parameters * 9 / 8,
        };
        weights + BESIDES
    }
}

/// Of a model with a name, which is not here.
fn published(hub_id: &str) -> Option<ModelSize> {
    let named = RELEASED.iter().chain([&SENTENCES]).find(|named| named.hub_id == hub_id)?;
    Some(ModelSize { parameters: named.parameters, is_bf16: *named != SENTENCES, is_counted: false })
}

/// The numbers in all weights of a folder; nothing when a file is not what it should be.
fn count(folder: &Path) -> Option<ModelSize> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut weights = files.filter(|path| path.extension().is_some_and(|ending| ending == "safetensors")).peekable();
    weights.peek()?;
    let none = ModelSize { parameters: 0, is_bf16: true, is_counted: true };
    weights.try_fold(none, |all, path| {
        let (parameters, is_bf16) = path.is_file().then(|| count_file(&path))??;
        Some(ModelSize { parameters: all.parameters.checked_add(parameters)?, is_bf16: all.is_bf16 && is_bf16, ..all })
    })
}

/// The numbers in a file of tensors, and whether all are bf16, by its header:
/// <https://huggingface.co/docs/safetensors>.
fn count_file(path: &Path) -> Option<(u64, bool)> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER.min(file.metadata().ok()?.len()) {
        return None;
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).ok()?;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&header).ok()?;
    let numbers = |tensor: &serde_json::Value| -> Option<u64> {
        tensor
            .get("shape")?
            .as_array()?
            .iter()
            .map(serde_json::Value::as_u64)
            .try_fold(1, |all: u64, one| all.checked_mul(one?))
    };
    let tensors = || header.iter().filter(|(name, _)| *name != "__metadata__").map(|(_, tensor)| tensor);
    let is_bf16 = tensors().all(|tensor| tensor.get("dtype").is_some_and(|dtype| dtype == "BF16"));
    Some((tensors().map(numbers).try_fold(0, |all: u64, one| all.checked_add(one?))?, is_bf16))
}

/// The memory of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it, in bytes.
    pub total: u64,
    /// What programs can still have of it, in bytes.
    pub available: u64,
}

impl Memory {
    /// As the system says.
    #[must_use]
    pub fn here() -> Self {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        Self { total: system.total_memory(), available: system.available_memory() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_counted_and_a_name_is_computed() {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vlm/fixtures/tiny-2b");
        let counted = ModelSize::of(&ModelSpec::Folder(tiny.clone()), Some(&tiny)).expect("counted");
        let stored = fs::metadata(tiny.join("model.safetensors")).expect("there").len();
        assert!(counted.is_counted && counted.parameters > 10_000);
        assert!((stored / 4..=stored / 2).contains(&counted.parameters), "{} in {stored} bytes", counted.parameters);
        let named = ModelSize::of(&"256m".parse().expect("a model"), None).expect("published");
        assert_eq!((named.download() / 1_000_000, named.is_counted), (512, false));
        assert_eq!(named.memory(Precision::F32, false), named.memory(Precision::Bf16, false));
        assert_eq!(named.memory(Precision::F32, true), 4 * 256_484_928 + BESIDES);
        // Of f32's four bytes a number none can be left out, of bf16's two all of them are kept.
        let bytes = if counted.is_bf16 { 2 } else { 4 };
        assert_eq!(counted.memory(Precision::F32, false), counted.parameters * bytes + BESIDES);
        assert_eq!(counted.is_bf16, stored < counted.parameters * 4);
        assert_eq!(ModelSize::of(&ModelSpec::Hub("a/b".to_owned()), None), None);
        let sentences = ModelSize::of(&ModelSpec::Named(SENTENCES), None).expect("published");
        assert_eq!(sentences.download() / 1_000_000, 90);
    }

    #[test]
    fn a_header_that_lies_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let counted = |header: &str, length: u64| {
            let bytes = [&length.to_le_bytes()[..], header.as_bytes()].concat();
            fs::write(folder.path().join("model.safetensors"), bytes).expect("written");
            count(folder.path()).map(|size| size.parameters)
        };
        let tensor = |shape: &str| format!(r#"{{"a": {{"dtype": "BF16", "shape": {shape}, "data_offsets": [0, 1]}}}}"#);
        let header = tensor("[3, 5]");
        assert_eq!(counted(&header, header.len() as u64), Some(15));
        assert_eq!(counted(&header, 99_000_000), None, "the file is shorter");
        let header = tensor("[9000000000000000000, 9000000000000000000]");
        assert_eq!(counted(&header, header.len() as u64), None);
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = Memory::here();
        assert!(memory.available <= memory.total && memory.total > 100_000_000);
    }
}
