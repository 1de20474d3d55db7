//! bf16 as transformers has it: as near to f32, and as near to its own bf16 as two that round
//! differently can be.
//!
//! Both round at every step, each at other places, so the goldens in bf16 show how far off one may
//! be rather than what is right.

use candle_core::{D, DType, Tensor};

use crate::network::LoadOptions;
use crate::network::device::OpenDevice;
use crate::network::precision::Precision;
use crate::tests::fixtures::Golden;
use crate::tests::golden::cases;

/// We may be as far from f32 as the oracle in bf16, and by this much further: which of two
/// roundings hits is chance.
const AS_FAR: f32 = 1.5;
/// The two in bf16 may be as far apart as their distances from f32 together. None of it is far.
const FAR: f32 = 0.02;

#[test]
fn bf16_is_as_near_to_f32_as_transformers_is() {
    check(&LoadOptions { precision: Precision::Bf16, ..LoadOptions::default() });
    check(&LoadOptions { device: OpenDevice::like_a_gpu(), precision: Precision::Bf16, ..LoadOptions::default() });
}

/// Features and logits against both goldens, and every greedy choice that f32 was surer of than
/// bf16 is exact.
pub fn check(options: &LoadOptions) {
    for (name, case) in cases(options) {
        let (exact, theirs) = (&case.golden, Golden::load(&format!("{name}-bf16")));
        let rows = exact.tensor("logits").dim(0).unwrap();
        let last = exact.tensor("logits").narrow(0, rows - 1, 1).unwrap();
        for (what, got, exact, theirs) in [
            ("features", case.features(), exact.tensor("image_features"), theirs.tensor("image_features")),
            ("logits", case.logits(&[], 1), &last, theirs.tensor("logits")),
        ] {
            let (ours, allowed) = (distance(&got, exact), distance(theirs, exact));
            let apart = distance(&got, theirs);
            assert!(ours < FAR && ours < AS_FAR * allowed, "{name}: {what} are {ours} off, not {allowed}");
            assert!(apart < FAR && apart < (1.0 + AS_FAR) * allowed, "{name}: {what} are {apart} apart");
        }

        let want = exact.ids("greedy_ids");
        let steps = want.len();
        let logits = case.logits(&want[..steps - 1], steps);
        let most = logits.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        let chosen: Vec<u32> = logits.argmax(D::Minus1).unwrap().to_vec1().unwrap();
        let sure = exact.margins().into_iter().map(|margin| margin > 2.0 * FAR * most);
        let wrong: Vec<_> = (0..steps).zip(sure.clone()).filter(|(i, sure)| *sure && chosen[*i] != want[*i]).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?} of {steps} tokens");
        assert!(sure.filter(|sure| *sure).count() * 3 >= steps, "{name}: too few are sure for this to show anything");
        assert!(
            chosen.iter().zip(&want).filter(|(a, b)| a == b).count() * 10 >= steps * 8,
            "{name}: {chosen:?} for {want:?}"
        );
    }
}

/// `|a - b| / |b|`, Euclidean: of few values, the largest difference is chance.
fn distance(a: &Tensor, b: &Tensor) -> f32 {
    let flat = |x: &Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    let length = |x: Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
    length((flat(a) - flat(b)).unwrap()) / length(flat(b))
}
