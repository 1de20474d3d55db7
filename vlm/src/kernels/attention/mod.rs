//! Scaled dot-product attention in f32: many queries ([`full`]) or a small batch of them
//! ([`small`]), over heads that are read where they lie.

#![allow(unsafe_code, reason = "disjoint writes by parallel tasks")]

pub(crate) mod full;
pub(crate) mod heads;
mod prefetch;
pub(crate) mod small;
mod softmax;
#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape};

use crate::kernels::attention::full::Job;
pub(crate) use crate::kernels::attention::heads::{Attention, Heads};
use crate::kernels::attention::small::{SMALL_BATCH, SmallBatch};
use crate::kernels::simd::{Shared, lanes, rewritten};

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "fused-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        l1: &Layout,
        k: &CpuStorage,
        l2: &Layout,
        v: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (Heads::new(q, l1)?, Heads::new(k, l2)?, Heads::new(v, l3)?);
        let shape = Shape::from((q.rows, q.count * q.d));
        let mut out = Vec::new();
        self.attend(q, k, v, &mut out);
        Ok((CpuStorage::F32(out), shape))
    }
}

impl Attention {
    /// Attends into `out`, rows of all heads side by side, in the place of what it holds.
    pub(crate) fn attend(&self, q: Heads<'_>, k: Heads<'_>, v: Heads<'_>, out: &mut Vec<f32>) {
        assert!((k.count, k.rows, k.d) == (v.count, v.rows, v.d) && q.d == k.d && q.count.is_multiple_of(k.count));
        assert!(!self.causal || q.rows <= k.rows);
        // SAFETY: every query of every head belongs to exactly one block, and each block writes its
        // queries' results.
        unsafe {
            rewritten(out, q.rows * q.count * q.d, |out| {
                let out = Shared(out.as_mut_ptr().cast());
                if q.rows <= SMALL_BATCH {
                    SmallBatch::new(q, k, v, self, out, lanes()).run();
                } else {
                    Job::new(q, k, v, self, out, lanes()).run();
                }
            });
        }
    }
}
