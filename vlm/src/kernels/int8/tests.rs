//! Products in bytes beside the reference in double precision over the rounded weights, on every
//! instruction set that the machine has.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use rten_simd::{Isa, SimdOp};

use crate::kernels::int8::affine::Means;
use crate::kernels::int8::attention::{Head, Scratch};
use crate::kernels::int8::rows::Rows;
use crate::kernels::int8::{Affine, BiasCorrected, Levels, Packed, linear};
use crate::kernels::reference;
use crate::kernels::simd::Dispatch as _;
use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random, with};

pub(crate) fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn pack(weight: &Tensor, levels: Levels) -> Packed {
    Packed::quantise(&[&numbers(weight)], weight.dim(1).unwrap(), levels)
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
    for (levels, steps) in [(Levels::One, 127.0), (Levels::Two, 127.0 * 254.0)] {
        let packed = pack(&weight, levels);
        for (output, row) in numbers(&weight).chunks(29).enumerate() {
            let half = 0.5001 * largest(row) / steps + 1e-7;
            for (w, r) in row.iter().zip(packed.output(output)) {
                assert!((w - r).abs() <= half, "{levels:?}: {w} became {r}");
            }
        }
    }
}

#[test]
fn products_equal_the_reference_on_odd_sizes() {
    on_every_instruction_set(products_equal_the_reference_on_odd_sizes_here);
}

fn products_equal_the_reference_on_odd_sizes_here() {
    for (t, inputs, outputs) in
        [(1, 1, 1), (1, 5, 64), (2, 64, 65), (3, 77, 31), (7, 130, 33), (13, 96, 200), (40, 515, 128)]
    {
        let (x, weight) = (random((t, inputs), 2), random((outputs, inputs), 3));
        for levels in [Levels::One, Levels::Two] {
            let packed = pack(&weight, levels);
            let exact = reference::linear(&double(&x), &double(&rounded(&packed)), None).unwrap();
            assert_close(&linear(&x, &[], &packed).unwrap(), &exact, 2e-3);
            assert!(distance(&linear(&x, &[], &packed).unwrap(), &exact) < 1e-4);
        }
    }
    let packed = pack(&random((4, 8), 1), Levels::One);
    assert!(linear(&random((2, 7), 1), &[], &packed).is_err());
}

#[test]
fn matrices_under_one_another_are_one() {
    let (a, b) = (random((33, 20), 5), random((70, 20), 6));
    let both = Packed::quantise(&[&numbers(&a), &numbers(&b)], 20, Levels::Two);
    let x = random((3, 20), 7);
    let got = linear(&x, &[], &both).unwrap();
    let (first, second) =
        (linear(&x, &[], &pack(&a, Levels::Two)).unwrap(), linear(&x, &[], &pack(&b, Levels::Two)).unwrap());
    assert_eq!(numbers(&got.narrow(1, 0, 33).unwrap().contiguous().unwrap()), numbers(&first));
    assert_eq!(numbers(&got.narrow(1, 33, 70).unwrap().contiguous().unwrap()), numbers(&second));
}

#[test]
fn a_row_is_its_own_whatever_stands_beside_it() {
    // Sums are exact, so a token evaluated alone, as in a reply, equals the same one in a draft.
    let (x, packed) = (random((13, 96), 8), pack(&random((70, 96), 9), Levels::One));
    let all = linear(&x, &[], &packed).unwrap();
    for row in 0..13 {
        let alone = linear(&x.narrow(0, row, 1).unwrap(), &[], &packed).unwrap();
        assert_eq!(numbers(&alone), numbers(&all.get(row).unwrap()), "row {row}");
    }
}

#[test]
fn a_row_of_a_single_pass_has_one_byte_a_value_and_no_other_row_changes() {
    let (x, packed) = (random((13, 96), 8), pack(&random((70, 96), 9), Levels::One));
    let single_pass: Vec<bool> = (0..13).map(|row| row % 3 == 1 || row == 12).collect();
    let (fine, mixed) = (linear(&x, &[], &packed).unwrap(), linear(&x, &single_pass, &packed).unwrap());
    for (row, single_pass) in single_pass.into_iter().enumerate() {
        let (fine, mixed) = (fine.get(row).unwrap(), mixed.get(row).unwrap());
        if single_pass {
            let off = distance(&mixed, &fine);
            assert!((1e-4..2e-2).contains(&off), "row {row}: {off}");
        } else {
            assert_eq!(numbers(&mixed), numbers(&fine), "row {row}");
        }
    }
}

#[test]
fn nan_and_infinity_stay_in_their_row_or_output() {
    on_every_instruction_set(nan_and_infinity_stay_in_their_row_or_output_here);
}

fn nan_and_infinity_stay_in_their_row_or_output_here() {
    let weight = random((5, 9), 1);
    let x = with(&random((4, 9), 2), &[(10, f32::NAN), (20, f32::INFINITY)]);
    let rows = linear(&x, &[], &pack(&weight, Levels::One)).unwrap().to_vec2::<f32>().unwrap();
    assert!(rows[1].iter().chain(&rows[2]).all(|y| y.is_nan()));
    assert!(rows[0].iter().chain(&rows[3]).all(|y| y.is_finite()));

    let odd = with(&weight, &[(9, f32::NAN), (18, f32::NEG_INFINITY)]);
    let rows = linear(&random((1, 9), 2), &[], &pack(&odd, Levels::Two)).unwrap().to_vec2::<f32>().unwrap();
    assert!(rows[0][1].is_nan() && rows[0][2].is_nan() && rows[0][0].is_finite() && rows[0][3].is_finite());
}

#[test]
fn zeros_and_denormals_count_as_nothing() {
    on_every_instruction_set(zeros_and_denormals_count_as_nothing_here);
}

fn zeros_and_denormals_count_as_nothing_here() {
    let packed = pack(&random((5, 9), 1), Levels::One);
    for tiny in [0f32, 1e-40, -1e-42] {
        let x = Tensor::full(tiny, (1, 9), &Device::Cpu).unwrap();
        assert_eq!(numbers(&linear(&x, &[], &packed).unwrap()), [0.0; 5], "{tiny}");
    }
    let nothing = pack(&Tensor::zeros((5, 9), candle_core::DType::F32, &Device::Cpu).unwrap(), Levels::Two);
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
fn attention_is_near_the_reference_on_every_instruction_set() {
    for (queries, keys, width) in [(1, 1, 4), (5, 3, 8), (6, 64, 32), (13, 65, 72), (50, 130, 64)] {
        let (q, k, v) = (random((queries, width), 1), random((keys, width), 2), random((keys, width), 3));
        let scale = 1.0 / (width as f32).sqrt();
        let head = |x: &Tensor| double(x).unsqueeze(0).unwrap();
        let exact = reference::attention(&head(&q), &head(&k), &head(&v), scale, false).unwrap();
        let (q, k, v) = (numbers(&q), numbers(&k), numbers(&v));
        on_every_instruction_set(|| {
            let got = Attend { q: &q, k: &k, v: &v, width, scale }.dispatch_here();
            let got = Tensor::from_vec(got, (queries, width), &Device::Cpu).unwrap();
            let far = distance(&got, &exact);
            assert!(far < 0.02, "{queries} queries, {keys} keys, width {width}: {far}");
        });
    }
}

#[test]
fn attention_to_nan_is_nan() {
    on_every_instruction_set(attention_to_nan_is_nan_here);
}

fn attention_to_nan_is_nan_here() {
    let (q, k) = (random((2, 8), 1), random((5, 8), 2));
    let v = with(&random((5, 8), 3), &[(3, f32::NAN)]);
    let (bad, k, v) = (with(&q, &[(9, f32::NAN)]), numbers(&k), numbers(&v));
    let got = Attend { q: &numbers(&bad), k: &k, v: &v, width: 8, scale: 0.3 }.dispatch_here();
    // Of the first query only what reads the bad value, of the second all.
    let nan: Vec<usize> = got.iter().enumerate().filter(|(_, y)| y.is_nan()).map(|(i, _)| i).collect();
    assert_eq!(nan, [3, 8, 9, 10, 11, 12, 13, 14, 15]);
}

pub(crate) fn corrected(weight: &Tensor, bias: &Tensor) -> BiasCorrected {
    let packed = pack(weight, Levels::One);
    let residual = pack(&(weight - rounded(&packed)).unwrap(), Levels::One);
    BiasCorrected::new(Affine::new(Arc::new(packed), &numbers(bias)), Arc::new(residual))
}

/// The products of some rows.
struct Multiply<'a>(&'a BiasCorrected, &'a [f32], &'a Rows, &'a mut [f32]);

impl SimdOp for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        self.0.rows(isa, self.1, self.2, &mut Means::default(), false, self.3);
    }
}

#[test]
fn bias_correction_removes_what_rounded_weights_move_all_rows_by() {
    let (weight, bias) = (random((33, 50), 1), random(33, 2));
    let corrected = corrected(&weight, &bias);
    // Rows of zeros and ones, of which nothing is rounded but weights: six alike, which have one
    // mean, and another.
    let row = |seed| numbers(&random(50, seed)).iter().map(|x| f32::from(*x > 0.0)).collect::<Vec<_>>();
    let (alike, other) = (row(3), row(4));
    let x = Tensor::from_vec([vec![alike; 6], vec![other; 1]].concat().concat(), (7, 50), &Device::Cpu).unwrap();
    let mut rows = Rows::default();
    let of = rows.set_with_residuals(&numbers(&x), 50, &[true; 7]);
    assert_eq!(of.len(), 7);
    let mut out = vec![0f32; 7 * 33];
    Multiply(&corrected, &numbers(&x), &rows, &mut out).dispatch_here();
    let out = Tensor::from_vec(out, (7, 33), &Device::Cpu).unwrap();
    let off = |weight: &Tensor| {
        let exact = reference::linear(&double(&x), &double(weight), Some(&double(&bias))).unwrap();
        distance(&out, &exact)
    };
    assert!(off(&weight) < 1e-4, "{}", off(&weight));
    let rounded = rounded(&pack(&weight, Levels::One));
    assert!(off(&rounded) > 1e-3, "{}: there was something to correct", off(&rounded));
}
