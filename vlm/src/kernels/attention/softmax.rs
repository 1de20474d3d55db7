//! The inner product kernel of attention.
//!
//! One operand is read a number at a time and spread over a vector, so it may lie in memory any way
//! it likes (a cached key, a column of values); only the other is packed, into columns that fill
//! whole vectors.

#![allow(unsafe_code, reason = "vector loads through pointers, in the innermost loop")]

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

/// Numbers read singly: that of `row` and `step` lies at `at + row * row_stride + step *
/// step_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Singles {
    pub(crate) at: *const f32,
    pub(crate) row_stride: usize,
    pub(crate) step_stride: usize,
}

impl Singles {
    /// The same without its first rows.
    ///
    /// # Safety
    /// `row` must be one of the operand's rows.
    unsafe fn skip(self, row: usize) -> Self {
        // SAFETY: the caller's.
        Self { at: unsafe { self.at.add(row * self.row_stride) }, ..self }
    }
}

/// `sum over steps of a[row, step] * b[step]` for `R` rows and `V` vectors of columns, all held in
/// registers.
///
/// `b` holds `V` whole vectors a step, one step after the other.
///
/// # Safety
/// `a` must be readable for `R` rows and `steps` steps, `b` for `steps * V` vectors.
#[inline(always)]
unsafe fn product<I: Isa, const R: usize, const V: usize>(
    isa: I,
    a: Singles,
    b: *const f32,
    steps: usize,
) -> [[I::F32; V]; R] {
    let f = isa.f32();
    let lanes = f.len();
    let mut sums = [[f.zero(); V]; R];
    let (mut a_at, mut b_at) = (a.at, b);
    for _ in 0..steps {
        // SAFETY: within what the caller vouches for; the pointers go one step further than they
        // are read at most.
        unsafe {
            let mut columns = [f.zero(); V];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = f.load_ptr(b_at.add(v * lanes));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let single = f.splat(*a_at.add(row * a.row_stride));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = f.mul_add(single, column, *sum);
                }
            }
            a_at = a_at.wrapping_add(a.step_stride);
            b_at = b_at.wrapping_add(V * lanes);
        }
    }
    sums
}

/// All `count` rows of a product, `R` at a time; hands each row's vectors to `put(row, vector,
/// sum)`.
///
/// # Safety
/// As [`product`], for `count` rows; and whatever `put` does must be sound for each of them.
#[inline(always)]
pub(crate) unsafe fn rows<I: Isa, const R: usize, const V: usize>(
    isa: I,
    a: Singles,
    count: usize,
    b: *const f32,
    steps: usize,
    mut put: impl FnMut(usize, usize, I::F32),
) {
    let mut row = 0;
    // SAFETY: the caller's.
    unsafe {
        while row + R <= count {
            let sums = product::<I, R, V>(isa, a.skip(row), b, steps);
            for (r, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    put(row + r, v, sum);
                }
            }
            row += R;
        }
        while row < count {
            let [sums] = product::<I, 1, V>(isa, a.skip(row), b, steps);
            for (v, sum) in sums.into_iter().enumerate() {
                put(row, v, sum);
            }
            row += 1;
        }
    }
}
