//! How far a model that was loaded in fewer bits stands from the same model in f32. Knows no files
//! and no pictures' names.
//!
//! Both read the same tokens: the prompt and the reply that the f32 model writes. What is compared
//! is what each would say next.

use candle_core::{D, DType, Tensor};
use image::RgbImage;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::input::image::Tiling;
use crate::network::Model;

/// A picture as both models see it.
pub struct Comparison<'a> {
    exact: Seen<'a>,
    other: Seen<'a>,
    /// The prompt's ids before the instruction.
    ids: Vec<u32>,
    /// The Euclidean distance of the other model's features of the picture from f32's, as a share
    /// of their length.
    pub features: f64,
}

/// A picture as one model sees it.
struct Seen<'a> {
    model: &'a Model,
    features: Option<Tensor>,
}

impl Seen<'_> {
    /// The logarithms of the next token's probabilities after `ids[..begin]` and after each further
    /// one of `tokens - 1`. Where `ids` ends earlier, the likeliest token is added to it.
    fn rows(&self, ids: &mut Vec<u32>, begin: usize, tokens: usize, cancel: &Cancel) -> Result<Tensor> {
        let mut cache = self.model.new_cache()?;
        let mut rows = vec![self.model.forward(&ids[..begin], self.features.as_ref(), &mut cache, 1, cancel)?];
        while rows.len() < tokens {
            let at = begin + rows.len() - 1;
            if at == ids.len() {
                ids.push(rows[rows.len() - 1].argmax(D::Minus1)?.to_vec1::<u32>()?[0]);
            }
            rows.push(self.model.forward(&ids[at..=at], None, &mut cache, 1, cancel)?);
        }
        let rows = Tensor::cat(&rows, 0)?.to_dtype(DType::F64)?;
        Ok(candle_nn::ops::log_softmax(&rows, D::Minus1)?)
    }
}

/// What the two would say to one prompt.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The Kullback-Leibler divergence from f32's next-token distribution, in nats, meant over the
    /// reply's tokens.
    pub divergence: f64,
    /// Tokens of the reply that were compared.
    pub tokens: usize,
    /// Those of them that both would have chosen.
    pub agreed: usize,
}

impl<'a> Comparison<'a> {
    /// Shows a picture to `exact` and to `other`, the same checkpoint in fewer bits.
    ///
    /// # Errors
    /// What either model's own evaluation runs into.
    pub fn look(exact: &'a Model, other: &'a Model, picture: &RgbImage, cancel: &Cancel) -> Result<Self> {
        let grids = exact.grids(std::iter::once(picture), Tiling::One);
        let features =
            |model: &Model| model.encode(&model.tiles(std::iter::once(picture), Tiling::One, &grids)?, cancel);
        let (ours, theirs) = (features(exact)?, features(other)?);
        let distance = match (&ours, &theirs) {
            (Some(ours), Some(theirs)) => distance(ours, theirs)?,
            _ => 0.0,
        };
        let mut ids = exact.prompter.prefix(&[])?;
        ids.extend(exact.prompter.view(&grids)?);
        let (exact, other) = (Seen { model: exact, features: ours }, Seen { model: other, features: theirs });
        Ok(Self { exact, other, ids, features: distance })
    }

    /// Compares what they would say to `prompt`, over a reply of so many tokens.
    ///
    /// # Errors
    /// As [`Comparison::look`].
    pub fn ask(&self, prompt: &str, tokens: usize, cancel: &Cancel) -> Result<Difference> {
        let mut ids = self.ids.clone();
        ids.extend(self.exact.model.prompter.instruction(prompt)?);
        let begin = ids.len();
        // What f32 says, and then the same words to the other, one at a time as a reply is decoded.
        let p = self.exact.rows(&mut ids, begin, tokens, cancel)?;
        let q = self.other.rows(&mut ids, begin, tokens, cancel)?;
        let divergence = (p.exp()? * (&p - &q)?)?.sum(D::Minus1)?.mean_all()?.to_scalar::<f64>()?;
        let chosen = |rows: &Tensor| rows.argmax(D::Minus1)?.to_vec1::<u32>();
        let agreed = chosen(&p)?.iter().zip(chosen(&q)?).filter(|(a, b)| *a == b).count();
        Ok(Difference { divergence, tokens, agreed })
    }
}

impl Difference {
    /// Whether they would have agreed on every token, so that the replies are the same.
    #[must_use]
    pub fn is_same_reply(&self) -> bool {
        self.agreed == self.tokens
    }
}

/// `|b - a| / |a|`.
fn distance(a: &Tensor, b: &Tensor) -> candle_core::Result<f64> {
    let length = |x: &Tensor| x.to_dtype(DType::F64)?.sqr()?.sum_all()?.sqrt()?.to_scalar::<f64>();
    Ok(length(&(b - a)?)? / length(a)?)
}
