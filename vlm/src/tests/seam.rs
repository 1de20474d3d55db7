//! The seam for another decoder: what a stub must implement to sit behind a session.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::input::image::Tiling;
use crate::network::decoder::{Decoder, Pass};
use crate::network::kv_cache::KvCache;
use crate::network::{LoadOptions, Model};
use crate::session::reuse::Reuse;
use crate::session::sampling::Sampling;
use crate::session::{Ask, Session};
use crate::tests::fixtures;

const VOCABULARY: usize = 1024;
const WIDTH: usize = 64;

/// After token `n` it says `n + 1`, whatever it sees.
struct Counting;

impl Decoder for Counting {
    fn context(&self) -> usize {
        512
    }

    fn bytes(&self) -> usize {
        0
    }

    fn new_cache(&self) -> Result<KvCache> {
        KvCache::new(1, 1, 2, self.context(), DType::F32, &Device::Cpu)
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let rows = ids.iter().flat_map(|id| std::iter::repeat_n(*id as f32, WIDTH)).collect();
        Ok(Tensor::from_vec(rows, (ids.len(), WIDTH), &Device::Cpu)?)
    }

    fn forward(&self, x: &Tensor, pass: &Pass<'_>, cache: &mut KvCache, cancel: &Cancel) -> Result<Tensor> {
        cancel.check()?;
        cache.reserve(pass.depth())?;
        let rows = x.to_vec2::<f32>()?;
        let mut logits = Vec::new();
        for row in pass.branches().iter().flat_map(|branch| branch.needed(true)) {
            let next = rows[row][0] as usize + 1;
            logits.extend((0..VOCABULARY).map(|id| f32::from(u8::from(id == next))));
        }
        cache.advance(pass.kept());
        let wanted = logits.len() / VOCABULARY;
        Ok(Tensor::from_vec(logits, (wanted, VOCABULARY), &Device::Cpu)?)
    }
}

#[test]
fn another_decoder_needs_nothing_but_the_trait() {
    let tiny = Model::load(&fixtures::tiny("smolvlm"), LoadOptions::default()).unwrap();
    let mut session = Session::new(Arc::new(tiny.with_decoder(Box::new(Counting)))).unwrap();
    session.set_images(&[&fixtures::picture("coffee")], Tiling::One, Reuse::IfIdentical, &Cancel::default()).unwrap();
    let ask = Ask { prompt: "Describe this image.", max_tokens: 4, ignore_end: true, sampling: Sampling::Greedy };
    for _ in 0..2 {
        let reply = session.caption(ask, &Cancel::default(), &mut |_| {}).unwrap();
        let last = *reply.prompt_ids.last().unwrap();
        assert_eq!(reply.token_ids, [last + 1, last + 2, last + 3, last + 4]);
    }
}
