//! Packed products beside the reference, on every instruction set that the machine has.

use candle_core::{DType, Device, Tensor};

use crate::kernels::fp32::Packed;
use crate::kernels::reference;
use crate::kernels::testing::{assert_close, double, on_every_instruction_set, random, with};

fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn packed(w: &Tensor) -> Packed {
    Packed::new(std::slice::from_ref(w)).unwrap()
}

/// The nearest numbers of 16 bits.
fn rounded(x: &Tensor) -> Tensor {
    x.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap()
}

#[test]
fn a_product_equals_the_reference() {
    on_every_instruction_set(products_equal_the_reference);
}

fn products_equal_the_reference() {
    for t in [1, 2, 3, 4, 5, 6, 7, 8, 12, 17, 50, 200] {
        for (inputs, outputs) in [(1, 1), (7, 3), (17, 65), (64, 16), (33, 64), (96, 700)] {
            let (x, b) = (random((t, inputs), 1), random(outputs, 3));
            for w in [random((outputs, inputs), 2), rounded(&random((outputs, inputs), 2))] {
                let matrix = packed(&w);
                let exact = reference::linear(&double(&x), &double(&w), Some(&double(&b))).unwrap();
                assert_close(&matrix.multiply(&x, Some(&b)).unwrap(), &exact, 1e-5);
                let exact = reference::linear(&double(&x), &double(&w), None).unwrap();
                assert_close(&matrix.multiply(&x, None).unwrap(), &exact, 1e-5);
            }
        }
    }
    // Rows of a longer tensor, and columns of a wider one.
    let (x, w) = (random((9, 40), 1).narrow(0, 2, 5).unwrap().narrow(1, 3, 17).unwrap(), random((33, 17), 2));
    let exact = reference::linear(&double(&x), &double(&w), None).unwrap();
    assert_close(&packed(&w).multiply(&x, None).unwrap(), &exact, 1e-5);
}

#[test]
fn a_product_multiplies_by_rows_of_the_weight() {
    let x = Tensor::new(&[[1f32, 2.0]], &Device::Cpu).unwrap();
    let w = Tensor::new(&[[3f32, 4.0], [5.0, 6.0], [7.0, 8.0]], &Device::Cpu).unwrap();
    let b = Tensor::new(&[0.5f32, 0.0, -0.5], &Device::Cpu).unwrap();
    assert_eq!(packed(&w).multiply(&x, Some(&b)).unwrap().to_vec2::<f32>().unwrap(), [[11.5, 17.0, 22.5]]);
}

#[test]
fn sixteen_bits_hold_what_fits_them_and_nothing_else() {
    let w = rounded(&random((70, 9), 2));
    let w = with(&w, &[(3, f32::NAN), (20, f32::INFINITY), (40, -0.0)]);
    let halves = packed(&w);
    assert_eq!(halves.bytes(), 2 * 64 * 9 * 2);
    let whole = packed(&with(&w, &[(5, 0.1)]));
    assert_eq!(whole.bytes(), 2 * halves.bytes());
    let bits = |row: Vec<f32>| row.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    for (output, row) in numbers(&w).chunks(9).enumerate() {
        assert_eq!(bits(halves.output(output)), bits(row.to_vec()));
        assert!(output == 0 || bits(whole.output(output)) == bits(row.to_vec()));
    }
}

#[test]
fn matrices_under_one_another_are_one() {
    let (a, b, x) = (random((70, 9), 1), random((3, 9), 2), random((2, 9), 3));
    let both = Packed::new(&[a.clone(), b.clone()]).unwrap();
    let exact = Tensor::cat(&[&packed(&a).multiply(&x, None).unwrap(), &packed(&b).multiply(&x, None).unwrap()], 1);
    assert_eq!(numbers(&both.multiply(&x, None).unwrap()), numbers(&exact.unwrap()));
}

#[test]
fn nan_infinity_and_denormals_reach_the_outputs_that_read_them() {
    on_every_instruction_set(|| {
        for t in [3, 12] {
            let x = with(&random((t, 17), 1), &[(3, f32::NAN), (20, f32::INFINITY), (40, 1e-42)]);
            let w = random((9, 17), 2);
            assert_close(&packed(&w).multiply(&x, None).unwrap(), &reference::linear(&x, &w, None).unwrap(), 1e-5);
        }
    });
}

#[test]
fn other_shapes_are_errors() {
    assert!(Packed::new(&[random((3, 17), 1), random((3, 16), 1)]).is_err());
    let (x, matrix) = (random((3, 17), 1), packed(&random((5, 17), 2)));
    assert!(matrix.multiply(&random((3, 16), 1), None).is_err());
    assert!(matrix.multiply(&x, Some(&random(4, 3))).is_err());
    assert_eq!(matrix.multiply(&random((0, 17), 1), None).unwrap().dims(), [0, 5]);
}
