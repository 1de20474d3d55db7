//! A loaded checkpoint: configuration, tokenizer, vision encoder, decoder, and the threads they compute on.
//!
//! Immutable once loaded; sessions share it. Knows no view and no conversation.

pub(crate) mod decoder;
pub(crate) mod device;
pub(crate) mod int8_cache;
pub(crate) mod kv_cache;
pub(crate) mod linear;
pub(crate) mod precision;
pub(crate) mod vision;
pub(crate) mod weights;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use candle_core::{Device, Tensor};

use crate::cancel::Cancel;
use crate::checkpoint::config::{Config, PreprocessorConfig, VideoSampling};
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::tensors::Checkpoint;
use crate::error::{Error, Result};
use crate::input::image;
use crate::input::image::Tiling;
use crate::input::prompt::Prompter;
use crate::kernels::parallel;
use crate::network::decoder::Text;
use crate::network::device::Place;
use crate::network::kv_cache::KvCache;
use crate::network::precision::Precision;
use crate::network::vision::Vision;
use crate::network::weights::Weights;

/// How to load a model.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where the model computes.
    pub place: Place,
    /// Processor threads to compute on; as many as there are cores when not said.
    pub threads: Option<NonZeroUsize>,
    /// How numbers are held and multiplied.
    pub precision: Precision,
    /// The folder in which weights in bytes are kept for the next time, if they are to be kept.
    pub keep_in: Option<PathBuf>,
}

/// A SmolVLM ready to run.
pub struct Model {
    name: String,
    pub(crate) prompter: Prompter,
    pub(crate) preprocessor: PreprocessorConfig,
    vision: Vision,
    text: Text,
    config: Config,
    precision: Precision,
    place: Place,
    /// The only threads of the processor that compute: every pass on it runs inside this pool, so that `threads` holds for all of it.
    pool: rayon::ThreadPool,
}

impl Model {
    /// Loads a checkpoint, whatever format it is stored in.
    ///
    /// # Errors
    /// What is wrong with which file, [`Error::Device`] when the place does not compute in that precision or has not the memory,
    /// or [`Error::Backend`] when the machine's memory or threads run out.
    pub fn load(files: &ModelFiles, options: LoadOptions) -> Result<Self> {
        let LoadOptions { place, threads, precision, keep_in } = options;
        check_precision(&place, precision)?;
        let (dtype, device) = (precision.dtype(), place.candle().clone());
        let config = Config::parse(&files.read("config.json")?, &files.path("config.json"))?;
        let preprocessor = "preprocessor_config.json";
        let preprocessor =
            PreprocessorConfig::parse(&files.read(preprocessor)?, &files.path(preprocessor), &config.vision)?;
        let (image_id, vocabulary) = (config.image_token_id, config.text.vocab_size);
        let checkpoint = Checkpoint::open(files, dtype, &device)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.map_or(0, NonZeroUsize::get))
            .thread_name(|n| format!("vlm-{n}"))
            .build()
            .map_err(candle_core::Error::wrap)?;
        // The tokenizer is read by one thread, and takes as long as weights that are kept in bytes.
        let (prompter, weights) = pool.join(
            || Prompter::load(files, image_id, vocabulary, config.tokens_per_tile()),
            || Weights::new(&checkpoint, files, precision, keep_in.as_deref()),
        );
        let prompter = prompter?;
        // On the pool, because weights that become bytes do so on all of its threads.
        let (vision, text) = place.compute(&pool, || {
            let vision = Vision::load(&weights, &config, &preprocessor, dtype, &device)?;
            Ok((vision, Text::load(&weights, &config, dtype, &device)?))
        })?;
        weights.keep();
        Ok(Self { name: files.name().into(), prompter, preprocessor, vision, text, config, precision, place, pool })
    }

    /// The checkpoint's name: its folder's or its repository's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens that prompt and reply can take together.
    #[must_use]
    pub fn context(&self) -> usize {
        self.text.context()
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
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What its products run on, in words: a GPU's name, or the processor's vectors.
    #[must_use]
    pub fn instructions(&self) -> &str {
        if self.place.device().is_gpu() { self.place.name() } else { self.precision.instructions() }
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
        self.text.bytes()
    }

    /// Does some work on the model's own threads.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    pub(crate) fn new_cache(&self) -> Result<KvCache> {
        self.place.compute(&self.pool, || self.text.new_cache())
    }

    /// The tiles of some pictures, in the order in which the prompt names them.
    pub(crate) fn tiles<'a>(
        &self,
        pictures: impl Iterator<Item = &'a ::image::RgbImage>,
        tiling: Tiling,
    ) -> Result<Vec<::image::RgbImage>> {
        let mut all = Vec::new();
        for picture in pictures {
            all.extend(self.pool.install(|| image::tiles(picture, tiling, &self.preprocessor))?);
        }
        Ok(all)
    }

    /// The features of some tiles, `[tiles * tokens per tile, width]`. Tiles are encoded one after the other: one alone fills
    /// every core, and more at a time would only take more memory.
    pub(crate) fn encode(&self, tiles: &[::image::RgbImage], cancel: &Cancel) -> Result<Option<Tensor>> {
        if tiles.is_empty() {
            return Ok(None);
        }
        self.place.compute(&self.pool, || {
            let features = tiles.iter().map(|tile| self.vision.encode(tile, cancel)).collect::<Result<Vec<_>>>()?;
            Ok(Some(Tensor::cat(&features, 0)?))
        })
    }

    /// Evaluates `ids` after what `cache` holds, with `features` in the place of the image tokens, and returns the logits of
    /// the last `rows` of them, `[rows, vocabulary]`, in f32 in the processor's memory.
    pub(crate) fn forward(
        &self,
        ids: &[u32],
        features: Option<&Tensor>,
        cache: &mut KvCache,
        rows: usize,
        cancel: &Cancel,
    ) -> Result<Tensor> {
        self.place.compute(&self.pool, || {
            let embeddings = match features {
                None => self.text.embed(ids)?,
                Some(features) => self.embed_with(ids, features)?,
            };
            let pictures: Vec<bool> = ids.iter().map(|id| self.prompter.is_image(*id)).collect();
            let mut pass = || {
                let hidden = self.text.forward(&embeddings, &pictures, rows, cache, cancel)?;
                Ok(self.text.logits(&hidden)?.to_device(&Device::Cpu)?)
            };
            // Candle's loops, which bf16 runs in, want the pool's threads for themselves.
            if self.precision == Precision::Bf16 { pass() } else { parallel::together(pass) }
        })
    }

    /// Embeddings of `ids` in which every run of image tokens is replaced by as many rows of `features`, in order.
    fn embed_with(&self, ids: &[u32], features: &Tensor) -> Result<Tensor> {
        let mut runs = Vec::new();
        let mut used = 0;
        for run in ids.chunk_by(|a, b| self.prompter.is_image(*a) == self.prompter.is_image(*b)) {
            if self.prompter.is_image(run[0]) {
                runs.push(features.narrow(0, used, run.len())?);
                used += run.len();
            } else {
                runs.push(self.text.embed(run)?);
            }
        }
        if used != features.dim(0)? {
            return Err(Error::Picture { why: format!("{used} image tokens for {} image features", features.dim(0)?) });
        }
        Ok(Tensor::cat(&runs, 0)?)
    }
}

/// # Errors
/// [`Error::Device`] when a GPU is asked for what it can't do.
fn check_precision(place: &Place, precision: Precision) -> Result<()> {
    let device = place.device();
    let (why, hint) = match precision {
        Precision::Int8 if device.is_gpu() => ("int8 is computed on the processor only", "Ask for bf16 or f32 there."),
        Precision::Bf16 if !place.computes_in_bf16() => ("it does not compute in bf16", "Ask for f32 there."),
        _ => return Ok(()),
    };
    Err(Error::Device { device, why: why.to_owned(), hint: Some(hint.to_owned()) })
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("context", &self.context()).finish_non_exhaustive()
    }
}
