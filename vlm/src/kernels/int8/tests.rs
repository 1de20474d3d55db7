//! Products and layers in bytes beside their definitions in plain candle, in double precision over the rounded weights.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use rten_simd::{Isa, SimdOp};

use crate::kernels::int8::affine::Means;
use crate::kernels::int8::attention::{Head, Scratch};
use crate::kernels::int8::rows::Rows;
use crate::kernels::int8::{Affine, Mended, Packed, Planes, linear};
use crate::kernels::reference;
use crate::kernels::testing::{assert_close, double, random, with};

pub(crate) fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn pack(weight: &Tensor, planes: Planes) -> Packed {
    Packed::quantise(&[&numbers(weight)], weight.dim(1).unwrap(), planes)
}

/// The weights as they were rounded.
fn rounded(packed: &Packed) -> Tensor {
    let rows: Vec<f32> = (0..packed.outputs()).flat_map(|output| packed.output(output)).collect();
    Tensor::from_vec(rows, (packed.outputs(), packed.inputs()), &Device::Cpu).unwrap()
}

/// `|b - a| / |b|`, all values together.
pub(crate) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let length = |x: Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
    let (a, b) = (double(a), double(b));
    length((&a - &b).unwrap()) / length(b)
}

#[test]
fn a_weight_is_off_by_half_a_step_at_most() {
    let weight = random((37, 29), 1);
    let largest = |row: &[f32]| row.iter().fold(0f32, |most, w| most.max(w.abs()));
    for (planes, steps) in [(Planes::One, 127.0), (Planes::Two, 127.0 * 254.0)] {
        let packed = pack(&weight, planes);
        for (output, row) in numbers(&weight).chunks(29).enumerate() {
            let half = 0.5001 * largest(row) / steps + 1e-7;
            for (w, r) in row.iter().zip(packed.output(output)) {
                assert!((w - r).abs() <= half, "{planes:?}: {w} became {r}");
            }
        }
    }
}

#[test]
fn products_equal_their_twins_on_odd_sizes() {
    for (t, inputs, outputs) in
        [(1, 1, 1), (1, 5, 64), (2, 64, 65), (3, 77, 31), (7, 130, 33), (13, 96, 200), (40, 515, 128)]
    {
        let (x, weight) = (random((t, inputs), 2), random((outputs, inputs), 3));
        for planes in [Planes::One, Planes::Two] {
            let packed = pack(&weight, planes);
            let twin = reference::linear(&double(&x), &double(&rounded(&packed)), None).unwrap();
            assert_close(&linear(&x, &[], &packed).unwrap(), &twin, 2e-3);
            assert!(distance(&linear(&x, &[], &packed).unwrap(), &twin) < 1e-4);
        }
    }
    let packed = pack(&random((4, 8), 1), Planes::One);
    assert!(linear(&random((2, 7), 1), &[], &packed).is_err());
}

#[test]
fn matrices_under_one_another_are_one() {
    let (a, b) = (random((33, 20), 5), random((70, 20), 6));
    let both = Packed::quantise(&[&numbers(&a), &numbers(&b)], 20, Planes::Two);
    let x = random((3, 20), 7);
    let got = linear(&x, &[], &both).unwrap();
    let (first, second) =
        (linear(&x, &[], &pack(&a, Planes::Two)).unwrap(), linear(&x, &[], &pack(&b, Planes::Two)).unwrap());
    assert_eq!(numbers(&got.narrow(1, 0, 33).unwrap().contiguous().unwrap()), numbers(&first));
    assert_eq!(numbers(&got.narrow(1, 33, 70).unwrap().contiguous().unwrap()), numbers(&second));
}

#[test]
fn a_row_is_its_own_whatever_stands_beside_it() {
    // Sums are exact, so a token evaluated alone, as in a reply, equals the same one in a draft.
    let (x, packed) = (random((13, 96), 8), pack(&random((70, 96), 9), Planes::One));
    let all = linear(&x, &[], &packed).unwrap();
    for row in 0..13 {
        let alone = linear(&x.narrow(0, row, 1).unwrap(), &[], &packed).unwrap();
        assert_eq!(numbers(&alone), numbers(&all.get(row).unwrap()), "row {row}");
    }
}

#[test]
fn a_row_that_is_once_has_one_byte_a_value_and_no_other_row_changes() {
    let (x, packed) = (random((13, 96), 8), pack(&random((70, 96), 9), Planes::One));
    let once: Vec<bool> = (0..13).map(|row| row % 3 == 1 || row == 12).collect();
    let (fine, mixed) = (linear(&x, &[], &packed).unwrap(), linear(&x, &once, &packed).unwrap());
    for (row, once) in once.into_iter().enumerate() {
        let (fine, mixed) = (fine.get(row).unwrap(), mixed.get(row).unwrap());
        if once {
            let off = distance(&mixed, &fine);
            assert!((1e-4..2e-2).contains(&off), "row {row}: {off}");
        } else {
            assert_eq!(numbers(&mixed), numbers(&fine), "row {row}");
        }
    }
}

#[test]
fn what_is_no_number_stays_in_its_row_or_output() {
    let weight = random((5, 9), 1);
    let x = with(&random((4, 9), 2), &[(10, f32::NAN), (20, f32::INFINITY)]);
    let rows = linear(&x, &[], &pack(&weight, Planes::One)).unwrap().to_vec2::<f32>().unwrap();
    assert!(rows[1].iter().chain(&rows[2]).all(|y| y.is_nan()));
    assert!(rows[0].iter().chain(&rows[3]).all(|y| y.is_finite()));

    let odd = with(&weight, &[(9, f32::NAN), (18, f32::NEG_INFINITY)]);
    let rows = linear(&random((1, 9), 2), &[], &pack(&odd, Planes::Two)).unwrap().to_vec2::<f32>().unwrap();
    assert!(rows[0][1].is_nan() && rows[0][2].is_nan() && rows[0][0].is_finite() && rows[0][3].is_finite());
}

#[test]
fn zeros_and_denormals_count_as_nothing() {
    let packed = pack(&random((5, 9), 1), Planes::One);
    for tiny in [0f32, 1e-40, -1e-42] {
        let x = Tensor::full(tiny, (1, 9), &Device::Cpu).unwrap();
        assert_eq!(numbers(&linear(&x, &[], &packed).unwrap()), [0.0; 5], "{tiny}");
    }
    let nothing = pack(&Tensor::zeros((5, 9), candle_core::DType::F32, &Device::Cpu).unwrap(), Planes::Two);
    assert_eq!(numbers(&linear(&random((1, 9), 1), &[], &nothing).unwrap()), [0.0; 5]);
}

/// One head's attention over rows of its width.
struct Attend<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    width: usize,
    scale: f32,
}

impl SimdOp for Attend<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> Vec<f32> {
        let Self { q, k, v, width, scale } = self;
        let mut head = Head::new();
        // Set twice: a picture's keys take the place of the last one's.
        head.set(isa, (v, width), (q, width), 1, width);
        head.set(isa, (k, width), (v, width), k.len() / width, width);
        let mut out = vec![0f32; q.len()];
        head.attend(isa, (q, width, q.len() / width), scale, &mut Scratch::default(), &mut out, width);
        out
    }
}

#[test]
fn attention_is_near_its_twin_on_every_instruction_set() {
    for (queries, keys, width) in [(1, 1, 4), (5, 3, 8), (6, 64, 32), (13, 65, 72), (50, 130, 64)] {
        let (q, k, v) = (random((queries, width), 1), random((keys, width), 2), random((keys, width), 3));
        let scale = 1.0 / (width as f32).sqrt();
        let head = |x: &Tensor| double(x).unsqueeze(0).unwrap();
        let twin = reference::attention(&head(&q), &head(&k), &head(&v), scale, false).unwrap();
        let (q, k, v) = (numbers(&q), numbers(&k), numbers(&v));
        let op = || Attend { q: &q, k: &k, v: &v, width, scale };
        let mut all = vec![op().dispatch(), op().eval(rten_simd::isa::GenericIsa::new())];
        #[cfg(target_arch = "x86_64")]
        all.extend(rten_simd::isa::Avx2Isa::new().map(|isa| op().eval(isa)));
        for got in all {
            let got = Tensor::from_vec(got, (queries, width), &Device::Cpu).unwrap();
            let far = distance(&got, &twin);
            assert!(far < 0.02, "{queries} queries, {keys} keys, width {width}: {far}");
        }
    }
}

#[test]
fn attention_to_what_is_no_number_is_none() {
    let (q, k) = (random((2, 8), 1), random((5, 8), 2));
    let v = with(&random((5, 8), 3), &[(3, f32::NAN)]);
    let (bad, k, v) = (with(&q, &[(9, f32::NAN)]), numbers(&k), numbers(&v));
    let got = Attend { q: &numbers(&bad), k: &k, v: &v, width: 8, scale: 0.3 }.dispatch();
    // Of the first query only what reads the bad value, of the second all.
    let nan: Vec<usize> = got.iter().enumerate().filter(|(_, y)| y.is_nan()).map(|(i, _)| i).collect();
    assert_eq!(nan, [3, 8, 9, 10, 11, 12, 13, 14, 15]);
}

pub(crate) fn mended(weight: &Tensor, bias: &Tensor) -> Mended {
    let packed = pack(weight, Planes::One);
    let rest = pack(&(weight - rounded(&packed)).unwrap(), Planes::One);
    Mended::new(Affine::new(Arc::new(packed), &numbers(bias)), Arc::new(rest))
}

/// The products of some rows.
struct Multiply<'a>(&'a Mended, &'a [f32], &'a Rows, &'a mut [f32]);

impl SimdOp for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.0.rows(isa, self.1, self.2, &mut Means::default(), false, self.3);
    }
}

#[test]
fn what_rounded_weights_move_all_rows_by_is_mended() {
    let (weight, bias) = (random((33, 50), 1), random(33, 2));
    let mended = mended(&weight, &bias);
    // Rows of zeros and ones, of which nothing is rounded but weights: six alike, which have one mean, and another.
    let row = |seed| numbers(&random(50, seed)).iter().map(|x| f32::from(*x > 0.0)).collect::<Vec<_>>();
    let (alike, other) = (row(3), row(4));
    let x = Tensor::from_vec([vec![alike; 6], vec![other; 1]].concat().concat(), (7, 50), &Device::Cpu).unwrap();
    let mut rows = Rows::default();
    let of = rows.set_twice(&numbers(&x), 50, &[true; 7]);
    assert_eq!(of.len(), 7);
    let mut out = vec![0f32; 7 * 33];
    Multiply(&mended, &numbers(&x), &rows, &mut out).dispatch();
    let out = Tensor::from_vec(out, (7, 33), &Device::Cpu).unwrap();
    let off = |weight: &Tensor| {
        let exact = reference::linear(&double(&x), &double(weight), Some(&double(&bias))).unwrap();
        distance(&out, &exact)
    };
    assert!(off(&weight) < 1e-4, "{}", off(&weight));
    let rounded = rounded(&pack(&weight, Planes::One));
    assert!(off(&rounded) > 1e-3, "{}: there was something to mend", off(&rounded));
}
