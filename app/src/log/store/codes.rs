//! Vectors in two bits a number, small enough that a search reads a million of them: which are near
//! to a vector is told roughly. Knows no table.
//!
//! A number's code is the quarter of its vector's range that it is in: below minus the mean of all
//! magnitudes, below zero, below that mean, or above. Codes 0 to 3 stand for values a step apart,
//! so that a sum of products with them ranks vectors as cosines do. The vector that is looked for
//! has a byte a number.

/// Numbers that are worked on together.
const LANES: usize = 16;
/// Codes of a byte.
const CODES: usize = 4;
/// Numbers of a group: the codes of its numbers `n`, `n + 16`, `n + 32` and `n + 48` share a byte,
/// so that shifting bytes gives neighbours.
const GROUP: usize = LANES * CODES;
/// Groups of a vector whose sums fit 16 bits: 4 codes of 3 by 127 each, in as many groups.
const MOST_GROUPS: usize = i16::MAX as usize / (CODES * 3 * 127);
/// The largest byte.
const MOST: f32 = 127.0;

/// Bytes that the codes of a vector of this width take.
pub fn length(width: usize) -> usize {
    width.div_ceil(GROUP) * LANES
}

/// The codes of a vector.
pub fn codes(vector: &[f32]) -> Vec<u8> {
    let step = vector.iter().map(|x| x.abs()).sum::<f32>() / vector.len().max(1) as f32;
    let code = |x: f32| u8::from(x >= -step) + u8::from(x >= 0.0) + u8::from(x >= step);
    let mut codes = vec![0; length(vector.len())];
    for (group, bytes) in vector.chunks(GROUP).zip(codes.as_chunks_mut::<LANES>().0) {
        for (place, numbers) in group.chunks(LANES).enumerate() {
            for (byte, number) in bytes.iter_mut().zip(numbers) {
                *byte |= code(*number) << (2 * place);
            }
        }
    }
    codes
}

/// A vector that is looked for.
pub struct Wanted(Vec<[[i16; LANES]; CODES]>);

impl Wanted {
    /// Of a vector. Of one wider than any model's, only the beginning counts.
    pub fn of(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let scale = if largest > 0.0 { MOST / largest } else { 0.0 };
        let group = |numbers: &[f32]| {
            let mut group = [[0; LANES]; CODES];
            for (lanes, numbers) in group.iter_mut().zip(numbers.chunks(LANES)) {
                for (lane, x) in lanes.iter_mut().zip(numbers) {
                    *lane = (x * scale).round() as i16;
                }
            }
            group
        };
        Self(vector.chunks(GROUP).take(MOST_GROUPS).map(group).collect())
    }

    /// The same for many codes, one behind the other: how near each is. It runs in the widest
    /// instructions that the processor has.
    pub fn nearness_of_each(&self, codes: &[u8], length: usize, near: &mut [i32]) {
        vlm::in_vectors(|| {
            for (near, codes) in near.iter_mut().zip(codes.chunks_exact(length.max(1))) {
                *near = self.nearness(codes);
            }
        });
    }

    /// How near these codes are: more is nearer. Only to be compared among vectors of one model.
    #[expect(clippy::inline_always, reason = "an instruction set reaches only what is inlined")]
    #[inline(always)]
    pub fn nearness(&self, codes: &[u8]) -> i32 {
        let mut sums = [0_i16; LANES];
        for (group, bytes) in self.0.iter().zip(codes.as_chunks::<LANES>().0) {
            let mut left = bytes.map(u16::from);
            // In 16 bits and fixed numbers, of which the compiler makes vectors.
            for lanes in group {
                for lane in 0..LANES {
                    sums[lane] = sums[lane].wrapping_add(lanes[lane].wrapping_mul((left[lane] & 3) as i16));
                }
                left = left.map(|codes| codes >> 2);
            }
        }
        sums.iter().map(|sum| i32::from(*sum)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(width: usize, seed: usize) -> Vec<f32> {
        (0..width).map(|n| ((n * seed + 3 * n) as f32).sin()).collect()
    }

    #[test]
    fn a_number_has_the_code_of_its_quarter() {
        // The mean of the magnitudes is 1.
        assert_eq!(codes(&[-1.5, -0.5, 0.5, 1.5])[..4], [0, 1, 2, 3]);
        let wide = codes(&vector(384, 5));
        assert_eq!((wide.len(), length(384), length(65), length(1)), (96, 96, 32, 16));
        let mut apart = vec![-1.0; 20];
        apart[17] = 1.0;
        assert_eq!(codes(&apart)[1], (3 << 2) | 1, "the number 17 stands above the number 1");
    }

    /// As the sum says it, number by number.
    #[test]
    fn nearness_is_the_sum_of_products_with_codes() {
        for width in [1, 16, 63, 64, 67, 384, 5000] {
            let (ours, theirs) = (vector(width, 7), vector(width, 4));
            let largest = ours.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
            let coded = codes(&theirs);
            let code = |n: usize| (coded[n / GROUP * LANES + n % LANES] >> (2 * (n % GROUP / LANES))) & 3;
            let counted = width.min(MOST_GROUPS * GROUP);
            let sum = (0..counted).map(|n| (ours[n] / largest * MOST).round() as i32 * i32::from(code(n))).sum::<i32>();
            assert_eq!(Wanted::of(&ours).nearness(&coded), sum, "{width}");
        }
        assert_eq!(Wanted::of(&[]).nearness(&[1, 2]), 0);
    }

    #[test]
    fn many_codes_are_as_near_as_each_by_itself() {
        let wanted = Wanted::of(&vector(384, 7));
        let each: Vec<_> = (0..9).map(|seed| codes(&vector(384, seed))).collect();
        let mut near = [i32::MIN; 10];
        wanted.nearness_of_each(&each.concat(), length(384), &mut near);
        let mut want: Vec<_> = each.iter().map(|codes| wanted.nearness(codes)).collect();
        want.push(i32::MIN);
        assert_eq!(near.as_slice(), want, "where there are no codes, nothing is said");
        Wanted::of(&[]).nearness_of_each(&[], 0, &mut near);
    }

    #[test]
    fn what_is_nearer_by_cosine_is_mostly_nearer_by_codes() {
        let wanted = vector(384, 2);
        let mixed = |part: f32, seed| -> Vec<f32> {
            wanted.iter().zip(vector(384, seed)).map(|(ours, other)| part * ours + (1.0 - part) * other).collect()
        };
        let nearness = |part, seed| Wanted::of(&wanted).nearness(&codes(&mixed(part, seed)));
        for seed in 5..25 {
            assert!(nearness(1.0, seed) > nearness(0.7, seed) && nearness(0.7, seed) > nearness(0.2, seed), "{seed}");
        }
    }
}
