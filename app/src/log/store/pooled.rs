//! Views made comparable: the mean of a view's features, in bytes. Beside the features themselves,
//! which are some sixty times larger, so that all views of a log can be compared with one at once.
//!
//! A row has the inverse of the vector's length (f32, little endian), then a byte a number. Those
//! of different models, precisions or widths are never compared: each such set is a pool.

use rusqlite::{Connection, OptionalExtension as _};
use vlm::Features;

/// The largest byte.
const MOST: f32 = 127.0;
/// Bytes of the inverse length.
const HEAD: usize = 4;

/// A mean in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    bytes: Vec<i8>,
    inverse_length: f32,
}

impl Pooled {
    /// Of a view.
    pub fn of(features: &Features) -> Self {
        Self::of_mean(&features.mean())
    }

    /// Of numbers.
    pub fn of_mean(mean: &[f32]) -> Self {
        let largest = mean.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = if largest > 0.0 { MOST / largest } else { 0.0 };
        let bytes: Vec<i8> = mean.iter().map(|value| (value * scale).round() as i8).collect();
        let length = (bytes.iter().map(|byte| i32::from(*byte).pow(2)).sum::<i32>() as f32).sqrt();
        Self { inverse_length: if length > 0.0 { 1.0 / length } else { 0.0 }, bytes }
    }

    /// As a row has it.
    pub fn row(&self) -> Vec<u8> {
        let bytes = self.bytes.iter().map(|byte| byte.cast_unsigned());
        self.inverse_length.to_le_bytes().into_iter().chain(bytes).collect()
    }

    /// The cosine of the angle to one that a row has: 1 is the same. None where it is damaged, or
    /// of another width.
    pub fn cosine(&self, row: &[u8]) -> Option<f32> {
        let (head, bytes) = row.split_first_chunk::<HEAD>()?;
        let product = (bytes.len() == self.bytes.len()).then(|| dot(&self.bytes, bytes))?;
        Some(product as f32 * self.inverse_length * f32::from_le_bytes(*head))
    }
}

/// In pieces that the compiler makes vectors of. A product of two bytes fits 16 bits, and so many
/// of them as there are in any model's width fit 32.
fn dot(ours: &[i8], theirs: &[u8]) -> i32 {
    let (a, a_rest) = ours.as_chunks::<32>();
    let (b, b_rest) = theirs.as_chunks::<32>();
    let product = |(a, b): (&i8, &u8)| i32::from(i16::from(*a) * i16::from(b.cast_signed()));
    let whole: i32 = a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(product).sum::<i32>()).sum();
    whole + a_rest.iter().zip(b_rest).map(product).sum::<i32>()
}

/// The pool of a model in a precision, if it has one.
pub fn pool(connection: &Connection, model: &str, precision: &str, width: usize) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM pool WHERE model = ?1 AND precision = ?2 AND width = ?3")?
        .query_row((model, precision, width as i64), |row| row.get(0))
        .optional()
}

/// The same, which is made where there is none.
pub fn pool_or_new(connection: &Connection, model: &str, precision: &str, width: usize) -> rusqlite::Result<i64> {
    match pool(connection, model, precision, width)? {
        Some(pool) => Ok(pool),
        None => connection.prepare_cached("INSERT INTO pool (model, precision, width) VALUES (?1, ?2, ?3)")?.insert((
            model,
            precision,
            width as i64,
        )),
    }
}

/// Keeps the mean of features that were kept.
pub fn insert(connection: &Connection, session: i64, feature: i64, features: &Features) -> rusqlite::Result<()> {
    let (model, precision): (String, String) = connection
        .prepare_cached("SELECT model, precision FROM session WHERE id = ?1")?
        .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let pool = pool_or_new(connection, &model, &precision, features.width)?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO pooled (feature, pool, bytes) VALUES (?1, ?2, ?3)")?
        .execute((feature, pool, Pooled::of(features).row()))
        .map(drop)
}

/// Makes the means of all views that an older log has.
pub fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT f.id, min(v.session), f.width, f.scales, f.bytes
         FROM feature f JOIN view v ON v.feature = f.id GROUP BY f.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (width, scales, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        insert(connection, row.get(1)?, row.get(0)?, &features(width, &scales, bytes))?;
    }
    Ok(())
}

/// Features as the log keeps them.
pub fn features(width: i64, scales: &[u8], bytes: Vec<u8>) -> Features {
    Features {
        width: usize::try_from(width).unwrap_or_default(),
        scales: scales.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        bytes: bytes.into_iter().map(u8::cast_signed).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_those_of_the_numbers() {
        let width = 67;
        let vector = |seed: usize| -> Vec<f32> { (0..width).map(|n| ((n * seed + 3 * n) as f32).sin()).collect() };
        for (a, b) in [(1, 2), (3, 3), (4, 9)] {
            let (a, b) = (vector(a), vector(b));
            let length = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            let exact = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>() / length(&a) / length(&b);
            let (ours, row) = (Pooled::of_mean(&a), Pooled::of_mean(&b).row());
            assert!((ours.cosine(&row).expect("of the same width") - exact).abs() < 0.02);
            assert_eq!(ours.cosine(&row[..40]), None);
            assert_eq!(ours.cosine(&[]), None);
        }
        let nothing = Pooled::of_mean(&[0.0; 5]);
        assert_eq!(nothing.cosine(&nothing.row()), Some(0.0));
    }
}
