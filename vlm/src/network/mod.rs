//! A loaded checkpoint: configuration, tokenizer, vision encoder, decoder, and the threads they
//! compute on.
//!
//! Immutable once loaded; sessions share it. Knows no view and no conversation.

pub(crate) mod decoder;
pub(crate) mod device;
pub(crate) mod features;
pub(crate) mod int8_cache;
pub(crate) mod kv_cache;
pub(crate) mod linear;
pub(crate) mod precision;
pub(crate) mod vision;
pub(crate) mod weights;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ::image::RgbImage;
use candle_core::{Device, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::config::Config;
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::processor::{PreprocessorConfig, VideoSampling};
use crate::checkpoint::tensors::Checkpoint;
use crate::error::{Error, Result};
use crate::input::image;
use crate::input::image::{Grid, Tiling};
use crate::input::prompt::Prompter;
use crate::kernels::cpu::{CpuFeatures, InstructionSet};
use crate::kernels::int8::Levels;
use crate::network::decoder::int8::LlamaInBytes;
use crate::network::decoder::tensors::LlamaInTensors;
use crate::network::decoder::{Decoder, Pass, Segment};
use crate::network::device::OpenDevice;
use crate::network::features::Features;
use crate::network::kv_cache::KvCache;
use crate::network::linear::Matrices;
use crate::network::precision::Precision;
use crate::network::vision::Vision;
use crate::network::vision::connector::Connector;
use crate::network::vision::int8::SiglipInBytes;
use crate::network::vision::tensors::SiglipInTensors;
use crate::network::weights::Weights;

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where the model computes.
    pub device: OpenDevice,
    /// Processor threads to compute on; as many as there are cores when not said.
    pub threads: Option<NonZeroUsize>,
    /// How numbers are held and multiplied.
    pub precision: Precision,
    /// The folder of the int8 cache, which saves quantising the same weights again; without one,
    /// nothing is cached.
    pub int8_cache: Option<PathBuf>,
    /// The most that the processor's kernels may use; the environment's cap, if there is one, when
    /// not said ([`InstructionSet::from_environment`]).
    pub max_isa: Option<InstructionSet>,
    /// Called by each of those threads when it starts, as to give it another priority.
    pub on_thread: Option<fn()>,
}

/// A SmolVLM ready to run.
pub struct Model {
    name: String,
    pub(crate) prompter: Prompter,
    pub(crate) preprocessor: PreprocessorConfig,
    vision: Vision,
    decoder: Box<dyn Decoder>,
    config: Config,
    precision: Precision,
    device: OpenDevice,
    features: CpuFeatures,
    /// The only threads of the processor that compute: every pass on it runs inside this pool, so
    /// that `threads` holds for all of it.
    pool: rayon::ThreadPool,
}

impl Model {
    /// Loads a checkpoint, whatever format it is stored in.
    ///
    /// ```
    /// # use std::path::Path;
    /// # use vlm::*;
    /// # fn main() -> Result<()> {
    /// let files = ModelFiles::in_folder(Path::new("../ui-assets/demo-model"))?;
    /// let model = Model::load(&files, LoadOptions::default())?;
    /// assert_eq!((model.name(), model.context()), ("demo-model", 2048));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong with which file, [`Error::Device`] when the device does not compute in that
    /// precision or has not the memory, [`Error::InstructionSet`] when the environment asks for a
    /// cap that there is none of, or [`Error::Backend`] when the machine's memory or threads run
    /// out.
    pub fn load(files: &ModelFiles, options: LoadOptions) -> Result<Self> {
        let LoadOptions { device, threads, precision, int8_cache, max_isa, on_thread } = options;
        check_precision(&device, precision)?;
        let cap = if max_isa.is_some() { max_isa } else { InstructionSet::from_environment()? };
        let features = CpuFeatures::capped(cap);
        let (dtype, candle) = (precision.dtype(), device.candle().clone());
        let config = Config::parse(&files.read("config.json")?, &files.path("config.json"))?;
        let preprocessor = PreprocessorConfig::read(files, &config.vision)?;
        let checkpoint = Checkpoint::open(files, dtype, &candle)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.map_or(0, NonZeroUsize::get))
            .thread_name(|n| format!("vlm-{n}"))
            .start_handler(move |_| {
                features.use_here();
                if let Some(on_thread) = on_thread {
                    on_thread();
                }
            })
            .build()
            .map_err(candle_core::Error::wrap)?;
        // The tokenizer is read by one thread, and takes as long as the int8 cache.
        let (prompter, weights) = pool.join(
            || Prompter::load(files, &config),
            || Weights::new(&checkpoint, files, precision, int8_cache.as_deref()),
        );
        let prompter = prompter?;
        // On the pool, because weights that become bytes do so on all of its threads.
        let (vision, decoder) = device.compute(&pool, || load(&weights, &config, &preprocessor, precision, &candle))?;
        weights.write_cache();
        Ok(Self {
            name: files.name().into(),
            prompter,
            preprocessor,
            vision,
            decoder,
            config,
            precision,
            device,
            features,
            pool,
        })
    }

    /// The same model with another text model in its place.
    #[cfg(test)]
    pub(crate) fn with_decoder(self, decoder: Box<dyn Decoder>) -> Self {
        Self { decoder, ..self }
    }

    /// The checkpoint's name: its folder's or its repository's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens that prompt and reply can take together.
    #[must_use]
    pub fn context(&self) -> usize {
        self.decoder.context()
    }

    /// # Errors
    /// [`Error::TooLong`] when so many tokens don't fit.
    pub(crate) fn check_length(&self, tokens: usize) -> Result<()> {
        let context = self.context();
        if tokens > context { Err(Error::TooLong { tokens, context }) } else { Ok(()) }
    }

    /// How numbers are held and multiplied.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Where it computes.
    #[must_use]
    pub fn device(&self) -> &OpenDevice {
        &self.device
    }

    /// What its products run on, in words: a GPU's name, or the processor's vectors.
    #[must_use]
    pub fn instructions(&self) -> &str {
        if self.device.device().is_gpu() { self.device.name() } else { self.precision.instructions(self.features) }
    }

    /// Threads of the processor that compute.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// How the model looks at videos; `None` for one that was trained on pictures alone.
    #[must_use]
    pub fn video_sampling(&self) -> Option<VideoSampling> {
        self.preprocessor.video_sampling
    }

    /// Every number of its architecture.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Bytes of the text model's matrices that are read for every pass.
    pub(crate) fn text_bytes(&self) -> usize {
        self.decoder.bytes()
    }

    /// Does some work on the model's own threads.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    pub(crate) fn new_cache(&self) -> Result<KvCache> {
        self.device.compute(&self.pool, || self.decoder.new_cache())
    }

    /// How some pictures will be cut, without touching a pixel: the prompt's length follows from
    /// it.
    pub(crate) fn grids<'a>(&self, pictures: impl Iterator<Item = &'a RgbImage>, tiling: Tiling) -> Vec<Grid> {
        pictures.map(|picture| image::grid(picture, tiling, &self.preprocessor)).collect()
    }

    /// The tiles of some pictures that are cut into these `grids`, in the order in which the prompt
    /// names them.
    pub(crate) fn tiles<'a>(
        &self,
        pictures: impl Iterator<Item = &'a RgbImage>,
        tiling: Tiling,
        grids: &[Grid],
    ) -> Result<Vec<RgbImage>> {
        let mut all = Vec::new();
        for (picture, grid) in pictures.zip(grids) {
            all.extend(self.pool.install(|| image::tiles(picture, tiling, *grid, &self.preprocessor))?);
        }
        Ok(all)
    }

    /// The features of some tiles, `[tiles * tokens per tile, width]`. Tiles are encoded one after
    /// the other: one alone fills every core, and more at a time would only take more memory.
    pub(crate) fn encode(&self, tiles: &[RgbImage], cancel: &Cancel) -> Result<Option<Tensor>> {
        if tiles.is_empty() {
            return Ok(None);
        }
        self.device.compute(&self.pool, || {
            let features = tiles.iter().map(|tile| self.vision.encode(tile, cancel)).collect::<Result<Vec<_>>>()?;
            Ok(Some(Tensor::cat(&features, 0)?))
        })
    }

    /// Numbers of an embedding.
    pub(crate) fn width(&self) -> usize {
        self.config.text.hidden_size
    }

    /// Features that were kept in bytes, as [`Model::encode`] gives them.
    pub(crate) fn restore(&self, features: &Features) -> Result<Tensor> {
        Ok(features.tensor(self.device.candle())?.to_dtype(self.precision.dtype())?)
    }

    /// Evaluates `ids` after what `cache` holds, with `features` in the place of the image tokens,
    /// and returns the logits of the last `rows` of them, `[rows, vocabulary]`, in f32 in the
    /// processor's memory.
    pub(crate) fn forward(
        &self,
        ids: &[u32],
        features: Option<&Tensor>,
        cache: &mut KvCache,
        rows: usize,
        cancel: &Cancel,
    ) -> Result<Tensor> {
        let all = Segment { len: ids.len(), after: None, wanted: rows };
        self.forward_segments(ids, features, cache, &[all], cancel)
    }

    /// The same of tokens that are `segments`, one after the other. Returns the logits of those
    /// that are wanted, in order; the cache keeps the last segment and those that it follows.
    pub(crate) fn forward_segments(
        &self,
        ids: &[u32],
        features: Option<&Tensor>,
        cache: &mut KvCache,
        segments: &[Segment],
        cancel: &Cancel,
    ) -> Result<Tensor> {
        self.device.compute(&self.pool, || {
            let embeddings = match features {
                None => self.decoder.embed(ids)?,
                Some(features) => self.embed_with(ids, features)?,
            };
            let pictures: Vec<bool> = ids.iter().map(|id| self.prompter.is_image(*id)).collect();
            let pass = Pass { segments, pictures: &pictures };
            Ok(self.decoder.forward(&embeddings, &pass, cache, cancel)?.to_device(&Device::Cpu)?)
        })
    }

    /// Embeddings of `ids` in which every run of image tokens is replaced by as many rows of
    /// `features`, in order.
    fn embed_with(&self, ids: &[u32], features: &Tensor) -> Result<Tensor> {
        let mut runs = Vec::new();
        let mut used = 0;
        for run in ids.chunk_by(|a, b| self.prompter.is_image(*a) == self.prompter.is_image(*b)) {
            if self.prompter.is_image(run[0]) {
                runs.push(features.narrow(0, used, run.len())?);
                used += run.len();
            } else {
                runs.push(self.decoder.embed(run)?);
            }
        }
        if used != features.dim(0)? {
            return Err(Error::Picture { why: format!("{used} image tokens for {} image features", features.dim(0)?) });
        }
        Ok(Tensor::cat(&runs, 0)?)
    }
}

/// The network in one of its number formats: nothing else asks which it is.
fn load(
    weights: &Weights<'_>,
    config: &Config,
    preprocessor: &PreprocessorConfig,
    precision: Precision,
    device: &Device,
) -> Result<(Vision, Box<dyn Decoder>)> {
    let (checkpoint, dtype) = (weights.checkpoint, precision.dtype());
    match precision {
        Precision::F32 | Precision::Bf16 => {
            let encoder = SiglipInTensors::load(checkpoint, config, preprocessor, dtype, device)?;
            let matrix = |name: &str, outputs, inputs| Matrices::in_tensors(checkpoint, &[(name, outputs)], inputs);
            let vision = Vision { encoder: Box::new(encoder), connector: Connector::load(checkpoint, config, matrix)? };
            Ok((vision, Box::new(LlamaInTensors::load(checkpoint, config, dtype, device)?)))
        }
        Precision::Int8 => {
            let encoder = SiglipInBytes::load(weights, config, preprocessor)?;
            // The features are as fine as they can be: all that is said rests on them.
            let matrix = |name: &str, outputs, inputs| weights.matrices(&[(name, outputs)], inputs, Levels::Two);
            let vision = Vision { encoder: Box::new(encoder), connector: Connector::load(checkpoint, config, matrix)? };
            Ok((vision, Box::new(LlamaInBytes::load(weights, config, device)?)))
        }
    }
}

/// # Errors
/// [`Error::Device`] when a GPU is asked for what it can't do.
fn check_precision(open: &OpenDevice, precision: Precision) -> Result<()> {
    let device = open.device();
    let (why, hint) = match precision {
        Precision::Int8 if device.is_gpu() => ("int8 is computed on the processor only", "Ask for bf16 or f32 there."),
        Precision::Bf16 if !open.computes_in_bf16() => ("it does not compute in bf16", "Ask for f32 there."),
        _ => return Ok(()),
    };
    Err(Error::Device { device, why: why.to_owned(), hint: Some(hint.to_owned()) })
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("context", &self.context()).finish_non_exhaustive()
    }
}
