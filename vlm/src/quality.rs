//! How far a model that was loaded in fewer bits stands from the same model in f32. Knows no files and no pictures' names.
//!
//! Both read the same tokens: the prompt and the reply that the f32 model writes. What is compared is what each would say next.

use candle_core::{D, Tensor};
use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::image::{Tiling, grid};
use crate::model::Model;

/// One comparison.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The Euclidean distance of the picture's features from f32's, as a share of their length.
    pub features: f64,
    /// The Kullback-Leibler divergence from f32's next-token distribution, in nats, meant over the reply's tokens.
    pub divergence: f64,
    /// Tokens of the reply that were compared.
    pub tokens: usize,
    /// Those of them that both would have chosen.
    pub agreed: usize,
    /// Whether they would have agreed on every one, so that the replies are the same.
    pub same_reply: bool,
}

/// Compares `other` with `exact`, the same checkpoint in f32, on one prompt about one picture.
///
/// # Errors
/// What either model's own evaluation runs into.
pub fn compare(
    exact: &Model,
    other: &Model,
    picture: &RgbImage,
    prompt: &str,
    tokens: usize,
    cancel: &Cancel,
) -> Result<Difference> {
    let features = |model: &Model| model.encode(&model.tiles(std::iter::once(picture), Tiling::One)?, cancel);
    let (ours, theirs) = (features(exact)?, features(other)?);
    let prompter = &exact.prompter;
    let mut ids = prompter.prefix(&[])?;
    ids.extend(prompter.view(&[grid(picture, Tiling::One, &exact.preprocessor)])?);
    ids.extend(prompter.instruction(prompt)?);
    let prompt = ids.len();

    let mut cache = exact.new_cache()?;
    let mut rows = vec![exact.forward(&ids, ours.as_ref(), &mut cache, 1, cancel)?];
    while rows.len() < tokens {
        let last = rows[rows.len() - 1].argmax(D::Minus1)?.to_vec1::<u32>()?[0];
        ids.push(last);
        rows.push(exact.forward(&[last], None, &mut cache, 1, cancel)?);
    }
    let exact_rows = Tensor::cat(&rows, 0)?;
    // The same features and tokens, one at a time from the prompt on, as a reply is decoded.
    let mut cache = other.new_cache()?;
    let mut rows = vec![other.forward(&ids[..prompt], theirs.as_ref(), &mut cache, 1, cancel)?];
    for id in &ids[prompt..] {
        rows.push(other.forward(&[*id], None, &mut cache, 1, cancel)?);
    }
    let other_rows = Tensor::cat(&rows, 0)?;

    let (p, q) = (log_softmax(&exact_rows)?, log_softmax(&other_rows)?);
    let divergence = (p.exp()? * (&p - &q)?)?.sum(D::Minus1)?.mean_all()?.to_scalar::<f64>()?;
    let chosen = |rows: &Tensor| rows.argmax(D::Minus1)?.to_vec1::<u32>();
    let agreed = chosen(&p)?.iter().zip(chosen(&q)?).filter(|(a, b)| *a == b).count();
    let features = match (ours, theirs) {
        (Some(ours), Some(theirs)) => distance(&ours, &theirs)?,
        _ => 0.0,
    };
    Ok(Difference { features, divergence, tokens, agreed, same_reply: agreed == tokens })
}

fn log_softmax(rows: &Tensor) -> candle_core::Result<Tensor> {
    candle_nn::ops::log_softmax(&rows.to_dtype(candle_core::DType::F64)?, D::Minus1)
}

/// `|b - a| / |a|`.
fn distance(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let length = |x: &Tensor| x.to_dtype(candle_core::DType::F64)?.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>();
    Ok(length(&(b - a)?)? / length(a)?)
}
