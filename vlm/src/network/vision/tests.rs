//! The layer in bytes beside its definition in plain candle.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::kernels::int8::tests::{corrected, distance, numbers};
use crate::kernels::int8::{Affine, Levels, Packed};
use crate::kernels::reference;
use crate::kernels::testing::{double, random};
use crate::network::vision::int8::{ByteLayer, Norm, Workspace};

const WIDTH: usize = 24;
const WIDE: usize = 40;
const HEADS: usize = 3;

/// Weights of a layer, `[outputs, inputs]` and a bias each: q, k, v, out, fc1, fc2.
fn matrices() -> Vec<(Tensor, Tensor)> {
    let shapes = [(WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDE, WIDTH), (WIDTH, WIDE)];
    let small = |shape: (usize, usize), seed| (random(shape, seed) * 0.3).unwrap();
    shapes.iter().zip(10..).map(|(&shape, seed)| (small(shape, seed), random(shape.0, seed + 100))).collect()
}

/// The layer in plain candle.
fn exact(x: &Tensor, all: &[(Tensor, Tensor)], norms: [(&Tensor, &Tensor); 2]) -> Tensor {
    let by = |x: &Tensor, n: usize| reference::linear(x, &double(&all[n].0), Some(&double(&all[n].1))).unwrap();
    let norm = |x: &Tensor, n: usize| reference::layer_norm(x, &double(norms[n].0), &double(norms[n].1), 1e-6).unwrap();
    let heads = |x: Tensor| x.reshape((x.dim(0).unwrap(), HEADS, WIDTH / HEADS)).unwrap().transpose(0, 1).unwrap();
    let x = double(x);
    let y = norm(&x, 0);
    let (q, k, v) = (heads(by(&y, 0)), heads(by(&y, 1)), heads(by(&y, 2)));
    let scale = 1.0 / ((WIDTH / HEADS) as f32).sqrt();
    let y = reference::attention(
        &q.contiguous().unwrap(),
        &k.contiguous().unwrap(),
        &v.contiguous().unwrap(),
        scale,
        false,
    );
    let x = (&x + by(&y.unwrap(), 3)).unwrap();
    let y = reference::gelu_tanh(&by(&norm(&x, 1), 4)).unwrap();
    (&x + by(&y, 5)).unwrap()
}

#[test]
fn a_layer_is_near_its_reference() {
    let all = matrices();
    let norms = [random(WIDTH, 30), random(WIDTH, 31), random(WIDTH, 32), random(WIDTH, 33)];
    let norm = |n: usize| Norm { weight: numbers(&norms[n]), bias: numbers(&norms[n + 1]), eps: 1e-6 };
    let affine = |parts: &[usize]| {
        let weights: Vec<_> = parts.iter().map(|n| numbers(&all[*n].0)).collect();
        let bias: Vec<f32> = parts.iter().flat_map(|n| numbers(&all[*n].1)).collect();
        let inputs = all[parts[0]].0.dim(1).unwrap();
        let weights = weights.iter().map(Vec::as_slice).collect::<Vec<_>>();
        Affine::new(Arc::new(Packed::quantise(&weights, inputs, Levels::One)), &bias)
    };
    let layer = ByteLayer {
        norm1: norm(0),
        queries_keys: affine(&[0, 1]),
        values: corrected(&all[2].0, &all[2].1),
        out: corrected(&all[3].0, &all[3].1),
        norm2: norm(2),
        fc1: affine(&[4]),
        fc2: affine(&[5]),
        heads: HEADS,
    };
    let mut workspace = Workspace::default();
    // More than a block of rows, then fewer: the workspace is used again.
    for rows in [101, 7, 48] {
        let x = random((rows, WIDTH), rows as u64);
        let mut got = numbers(&x);
        layer.forward(&mut got, &mut workspace);
        let got = Tensor::from_vec(got, (rows, WIDTH), &Device::Cpu).unwrap();
        let want = exact(&x, &all, [(&norms[0], &norms[1]), (&norms[2], &norms[3])]);
        let far = distance(&got, &want);
        assert!(far < 0.02, "{rows} rows: {far}");
    }
}
