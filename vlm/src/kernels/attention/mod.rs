//! Scaled dot-product attention on the CPU.

pub(crate) mod full;
mod small;
mod softmax;
#[cfg(test)]
mod tests;
