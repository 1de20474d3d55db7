//! Inputs and comparisons for the kernels' tests.

use candle_core::{DType, Device, Shape, Tensor};

use crate::kernels::cpu::{CpuFeatures, InstructionSet};

/// Values between -2 and 2 that `seed` decides.
pub(crate) fn random(shape: impl Into<Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let values: Vec<f32> = (0..shape.elem_count())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 22) as f32 - 2.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The tensor in double precision, in which the references give the exact answer.
pub(crate) fn double(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

/// Asserts equal shapes and values that differ by at most `tolerance` times the value and the mean
/// value; infinities must be equal and NaN be NaN.
pub(crate) fn assert_close(fused: &Tensor, exact: &Tensor, tolerance: f64) {
    assert_eq!(fused.dims(), exact.dims());
    assert!(fused.is_contiguous());
    let fused = double(fused).flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let exact = double(exact).flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let finite: Vec<f64> = exact.iter().map(|x| x.abs()).filter(|x| x.is_finite()).collect();
    let mean = finite.iter().sum::<f64>() / finite.len().max(1) as f64;
    for (i, (&a, &b)) in fused.iter().zip(&exact).enumerate() {
        let same = same_special(a, b) || (a - b).abs() <= tolerance * (b.abs() + mean);
        assert!(same, "value {i} is {a}, not {b}");
    }
}

/// Whether both are NaN, or the same infinity.
pub(crate) fn same_special(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a.is_infinite() && a.total_cmp(&b).is_eq())
}

/// `x` with some of its values replaced.
pub(crate) fn with(x: &Tensor, replaced: &[(usize, f32)]) -> Tensor {
    let mut values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for &(at, value) in replaced {
        values[at] = value;
    }
    Tensor::from_vec(values, x.shape(), &Device::Cpu).unwrap()
}

/// Calls `test` once for each instruction set that this machine has, with all kernels capped to it:
/// on this thread and the other one of its pool.
pub(crate) fn on_every_instruction_set(test: impl Fn() + Sync) {
    for set in InstructionSet::all_here() {
        let features = CpuFeatures::capped(Some(set));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).start_handler(move |_| features.use_here());
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.build().unwrap().install(&test)));
        assert!(ran.is_ok(), "failed on {set}");
    }
}
