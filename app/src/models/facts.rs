//! What is told of a model to those who keep models: whether it is here, what it takes of the disk
//! and of memory. Plain data.

use vlm::Precision;

use crate::models::cache::Cached;
use crate::models::kind::ModelKind;
use crate::models::size::ModelSize;
use crate::models::spec::ModelSpec;

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Which one.
    pub model: ModelSpec,
    /// Whether it is here.
    pub state: ModelState,
    /// What it takes of the disk here, or its download would, in bytes.
    pub disk: Option<u64>,
    /// What it takes in memory, in bytes.
    pub memory: Option<u64>,
    /// Whether that is free.
    pub fits: Option<bool>,
}

/// Whether a model is on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// It is a part of the program.
    BuiltIn,
    /// All of it is here.
    Here,
    /// A download was begun.
    Partly,
    /// Nothing of it is here.
    Absent,
}

/// How a model would be run.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// In these numbers.
    pub precision: Precision,
    /// On a GPU, rather than the processor.
    pub on_gpu: bool,
    /// The memory that is free there, in bytes.
    pub available: u64,
}

impl ModelFacts {
    /// With what the cache holds of the model, if anything.
    #[must_use]
    pub fn of(model: ModelSpec, cached: Option<&Cached>, running: Running) -> Self {
        let folder = cached.and_then(|cached| cached.folder.as_deref());
        let size = ModelSize::of(&model, folder);
        let state = match (&model, folder, cached) {
            (ModelSpec::Demo, ..) => ModelState::BuiltIn,
            (_, Some(_), _) => ModelState::Here,
            (_, None, Some(_)) => ModelState::Partly,
            (_, None, None) => ModelState::Absent,
        };
        let here = cached.filter(|_| state == ModelState::Here).map(|cached| cached.bytes);
        let memory = size.map(|size| match model.kind() {
            ModelKind::Captions => size.memory(running.precision, running.on_gpu),
            // It runs on the processor in f32, and keeps nothing besides its weights.
            ModelKind::Sentences => size.parameters * 4,
        });
        Self {
            model,
            state,
            disk: here.or(size.map(|size| size.download())),
            memory,
            fits: memory.map(|memory| memory <= running.available),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::released::SENTENCES;

    #[test]
    fn a_model_is_told_by_what_is_here_of_it() {
        let running = Running { precision: Precision::Int8, on_gpu: false, available: 2_000_000_000 };
        let cached = |folder: Option<&str>| Cached {
            id: "HuggingFaceTB/SmolVLM-256M-Instruct".to_owned(),
            folder: folder.map(Into::into),
            bytes: 77,
        };
        let of = |name: &str, cached: Option<&Cached>| ModelFacts::of(name.parse().expect("a model"), cached, running);
        assert_eq!((of("demo", None).state, of("demo", None).disk), (ModelState::BuiltIn, None));
        let absent = of("256m", None);
        assert_eq!((absent.state, absent.fits), (ModelState::Absent, Some(true)));
        assert_eq!(absent.disk.map(|bytes| bytes / 1_000_000), Some(512));
        assert_eq!(of("256m", Some(&cached(None))).state, ModelState::Partly);
        let here = of("256m", Some(&cached(Some("/nowhere"))));
        assert_eq!((here.state, here.disk), (ModelState::Here, Some(77)));
        assert_eq!(of("2.2b", None).fits, Some(false));
        let sentences = ModelFacts::of(ModelSpec::Named(SENTENCES), None, running);
        assert_eq!((sentences.disk, sentences.memory), (Some(4 * 22_713_728), Some(4 * 22_713_728)));
    }
}
