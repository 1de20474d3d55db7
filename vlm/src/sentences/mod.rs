//! Sentences as vectors whose angles tell how near their meanings are: the BERT models of
//! sentence-transformers, by candle-transformers.
//!
//! A sentence's vector is the mean of BERT's last states over its tokens, at length 1 (Reimers and
//! Gurevych 2019, <https://arxiv.org/abs/1908.10084>). Computes on the processor, in f32. Knows no
//! picture and no log.

mod config;
mod weights;

use std::num::NonZeroUsize;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokenizers::{Tokenizer, TruncationParams};

use crate::cancel::Cancel;
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::tensors::Checkpoint;
use crate::error::{Error, Result};
use crate::input::prompt::read_tokenizer;

/// Sentences of one pass: enough that the weights are read for many, few enough that a pass ends
/// soon when it is cancelled.
const BATCH: usize = 32;
/// The shortest vector that has a direction, as torch's `normalize` has it.
const SHORTEST: f32 = 1e-12;

/// A model that turns sentences into vectors.
pub struct SentenceModel {
    name: String,
    tokenizer: Tokenizer,
    bert: BertModel,
    width: usize,
    /// The only threads that compute.
    pool: rayon::ThreadPool,
}

impl SentenceModel {
    /// Loads a checkpoint. It computes on so many threads; on as many as there are cores when not
    /// said.
    ///
    /// # Errors
    /// What is wrong with which file, or [`Error::Backend`] when the machine's memory or threads
    /// run out.
    pub fn load(files: &ModelFiles, threads: Option<NonZeroUsize>) -> Result<Self> {
        let config = config::read(files)?;
        let tokenizer = tokenizer(files, &config)?;
        let checkpoint = Checkpoint::open(files, DType::F32, &Device::Cpu)?;
        let tensors = weights::load(&checkpoint, &config)?;
        let bert = BertModel::load(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), &config)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.map_or(0, NonZeroUsize::get))
            .thread_name(|n| format!("sentences-{n}"))
            .build()
            .map_err(candle_core::Error::wrap)?;
        Ok(Self { name: files.name().to_owned(), tokenizer, bert, width: config.hidden_size, pool })
    }

    /// Whether every file that such a model needs is there, whatever is in it.
    #[must_use]
    pub fn is_complete(files: &ModelFiles) -> bool {
        ["config.json", "tokenizer.json"].into_iter().all(|name| files.has(name)) && files.weights().is_ok()
    }

    /// Checks that `config.json` describes such a model; the weights may be absent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(files: &ModelFiles) -> Result<()> {
        config::read(files).map(|_| ())
    }

    /// What to call it: its folder's or repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Numbers of a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The vectors of these texts, each of [`Self::width`] numbers and of length 1. A text longer
    /// than the model was made for is cut.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when `cancel` was raised before all were made, [`Error::Tokenizer`],
    /// [`Error::NotFinite`] where the weights are no numbers, or what failed in computing.
    pub fn embed(&self, texts: &[&str], cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let ids = |text: &&str| self.tokenizer.encode(*text, true).map(|encoded| encoded.get_ids().to_vec());
        let ids: Vec<Vec<u32>> = texts.iter().map(ids).collect::<tokenizers::Result<_>>().map_err(failed)?;
        // Those of a like length together: what is filled up costs what words cost.
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|at| ids[*at].len());
        let mut vectors = vec![Vec::new(); ids.len()];
        for batch in order.chunks(BATCH) {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let rows: Vec<&[u32]> = batch.iter().map(|at| &*ids[*at]).collect();
            let made = self.pool.install(|| self.pass(&rows))?;
            for (at, vector) in batch.iter().zip(made) {
                vectors[*at] = vector;
            }
        }
        Ok(vectors)
    }

    /// One pass. No row is empty: every sentence has its marks at both ends.
    fn pass(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let (mut ids, mut mask) = (Vec::new(), Vec::new());
        for row in rows {
            ids.extend_from_slice(row);
            ids.resize(ids.len() + longest - row.len(), 0);
            mask.resize(mask.len() + row.len(), 1_f32);
            mask.resize(mask.len() + longest - row.len(), 0.0);
        }
        let shape = (rows.len(), longest);
        let (ids, mask) = (Tensor::from_vec(ids, shape, &Device::Cpu)?, Tensor::from_vec(mask, shape, &Device::Cpu)?);
        let states = self.bert.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let sums = states.broadcast_mul(&mask.unsqueeze(2)?)?.sum(1)?.to_vec2::<f32>()?;
        // The sum points where the mean does.
        sums.into_iter().map(at_length_one).collect()
    }
}

fn at_length_one(mut vector: Vec<f32>) -> Result<Vec<f32>> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if !length.is_finite() {
        return Err(Error::NotFinite);
    }
    for x in &mut vector {
        *x /= length.max(SHORTEST);
    }
    Ok(vector)
}

/// The tokenizer, which cuts at the model's longest and fills nothing up: what its file says of
/// both is for other programs.
fn tokenizer(files: &ModelFiles, config: &Config) -> Result<Tokenizer> {
    const FILE: &str = "tokenizer.json";
    let damaged = |why: String| Error::Damaged { path: files.path(FILE), why };
    let mut tokenizer = read_tokenizer(&files.read(FILE)?).map_err(damaged)?;
    if let Some((token, id)) = tokenizer.get_vocab(true).into_iter().find(|(_, id)| *id as usize >= config.vocab_size) {
        let known = config.vocab_size;
        return Err(damaged(format!("its token `{token}` ({id}) lies outside the model's {known}")));
    }
    let max_length = config::longest(files, config)?;
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(failed)?.with_padding(None);
    let empty = tokenizer.encode("", true).map_err(failed)?;
    if empty.is_empty() {
        return Err(damaged("it puts no mark at the ends of a sentence".to_owned()));
    }
    Ok(tokenizer)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: tokenizers::Error) -> Error {
    Error::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests;
