//! The shape of a microkernel: what all of them, and whoever packs weights for them, agree on.

/// Outputs of a packed tile.
pub(crate) const NR: usize = 64;
/// Inputs that are multiplied at once.
pub(crate) const GROUP: usize = 4;
/// Most rows of a microkernel.
pub(crate) const MR: usize = 6;

/// The sums of a microkernel: a row of [`NR`] for each row of input.
pub(crate) type Sums = [[i32; NR]; MR];
