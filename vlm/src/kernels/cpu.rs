//! What this processor can do: asked of it once, and kept under a cap if there is one.
//!
//! Every kernel of this crate asks here which instructions to use, so that a cap holds for all of
//! them. A cap comes from the environment ([`MAX_ISA`], as oneDNN's `ONEDNN_MAX_CPU_ISA`) or from
//! whoever loads a model. It belongs to the threads that a model computes on
//! ([`CpuFeatures::use_here`]), not to the process: two models with two caps can be loaded at once
//! and timed in turns, and tests with different caps run beside each other. Knows no kernel.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use rten_simd::isa::ArmNeonIsa;
use rten_simd::isa::GenericIsa;
#[cfg(target_arch = "x86_64")]
use rten_simd::isa::{Avx2Isa, Avx512Isa};

use crate::error::UnknownInstructionSet;

/// The environment variable that caps the instruction sets of the whole process.
pub const MAX_ISA: &str = "SIGHTLINE_MAX_ISA";

/// Instruction sets that kernels are written for. Those of one kind of processor are ordered: each
/// contains the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// What every processor of the kind has.
    Generic,
    /// x86-64: AVX2 with FMA and F16C, vectors of 256 bits.
    Avx2,
    /// The same with products of bytes.
    AvxVnni,
    /// Vectors of 512 bits, with products of bytes where the processor has them.
    Avx512,
    /// aarch64: vectors of 128 bits.
    Neon,
    /// The same with products of bytes.
    DotProduct,
}

impl InstructionSet {
    /// Those of this kind of processor, the least first.
    const ALL: &'static [Self] = if cfg!(target_arch = "x86_64") {
        &[Self::Generic, Self::Avx2, Self::AvxVnni, Self::Avx512]
    } else if cfg!(target_arch = "aarch64") {
        &[Self::Generic, Self::Neon, Self::DotProduct]
    } else {
        &[Self::Generic]
    };

    /// Those that this processor has, the least first.
    #[must_use]
    pub fn all_here() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|set| set.is_here()).collect()
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_here(self) -> bool {
        match self {
            Self::Generic => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2Isa::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Avx2Isa::new().is_some() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512Isa::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => ArmNeonIsa::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::DotProduct => ArmNeonIsa::new().is_some() && std::arch::is_aarch64_feature_detected!("dotprod"),
            _ => false,
        }
    }

    /// The cap that the environment sets, if it does.
    ///
    /// # Errors
    /// When the variable holds anything but the name of an instruction set of this kind of
    /// processor.
    pub fn from_environment() -> Result<Option<Self>, UnknownInstructionSet> {
        let Some(name) = std::env::var_os(MAX_ISA).filter(|name| !name.is_empty()) else { return Ok(None) };
        name.to_string_lossy().parse().map(Some)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
            Self::DotProduct => "dotprod",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InstructionSet {
    type Err = UnknownInstructionSet;

    fn from_str(name: &str) -> Result<Self, UnknownInstructionSet> {
        let lower = name.trim().to_ascii_lowercase();
        let known = Self::ALL.iter().find(|set| set.name() == lower);
        known.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|set| set.name()).collect();
            let hint = format!("Use one of {}, or unset {MAX_ISA}.", names.join(", "));
            UnknownInstructionSet { name: name.to_owned(), hint }
        })
    }
}

/// The vectors that f32 is computed in.
#[derive(Clone, Copy)]
pub(crate) enum Vectors {
    Generic(GenericIsa),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2Isa),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512Isa),
    #[cfg(target_arch = "aarch64")]
    Neon(ArmNeonIsa),
}

/// The instructions that products of bytes are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteProducts {
    Generic,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    DotProduct,
}

/// What kernels are to use: no more than the processor has.
#[derive(Clone, Copy)]
pub(crate) struct CpuFeatures {
    vectors: Vectors,
    byte_products: ByteProducts,
}

thread_local! {
    static HERE: Cell<Option<CpuFeatures>> = const { Cell::new(None) };
}

impl CpuFeatures {
    /// The best that this processor has up to `cap`.
    pub(crate) fn capped(cap: Option<InstructionSet>) -> Self {
        let has = |set: InstructionSet| cap.is_none_or(|cap| set <= cap) && set.is_here();
        Self { vectors: Self::vectors_of(has), byte_products: Self::byte_products_of(has) }
    }

    #[cfg(target_arch = "x86_64")]
    fn vectors_of(has: impl Fn(InstructionSet) -> bool) -> Vectors {
        let wide = Avx512Isa::new().filter(|_| has(InstructionSet::Avx512)).map(Vectors::Avx512);
        let narrow = || Avx2Isa::new().filter(|_| has(InstructionSet::Avx2)).map(Vectors::Avx2);
        wide.or_else(narrow).unwrap_or(Vectors::Generic(GenericIsa::new()))
    }

    #[cfg(target_arch = "x86_64")]
    fn byte_products_of(has: impl Fn(InstructionSet) -> bool) -> ByteProducts {
        if has(InstructionSet::Avx512) && is_x86_feature_detected!("avx512vnni") {
            ByteProducts::Avx512Vnni
        } else if has(InstructionSet::AvxVnni) {
            ByteProducts::AvxVnni
        } else if has(InstructionSet::Avx2) {
            ByteProducts::Avx2
        } else {
            ByteProducts::Generic
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn vectors_of(has: impl Fn(InstructionSet) -> bool) -> Vectors {
        let neon = ArmNeonIsa::new().filter(|_| has(InstructionSet::Neon)).map(Vectors::Neon);
        neon.unwrap_or(Vectors::Generic(GenericIsa::new()))
    }

    #[cfg(target_arch = "aarch64")]
    fn byte_products_of(has: impl Fn(InstructionSet) -> bool) -> ByteProducts {
        if has(InstructionSet::DotProduct) { ByteProducts::DotProduct } else { ByteProducts::Generic }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn vectors_of(_: impl Fn(InstructionSet) -> bool) -> Vectors {
        Vectors::Generic(GenericIsa::new())
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn byte_products_of(_: impl Fn(InstructionSet) -> bool) -> ByteProducts {
        ByteProducts::Generic
    }

    /// What this thread is to use: what it was told, or else the best up to the environment's cap.
    /// (A bad value there is reported where a model is loaded.)
    #[inline]
    pub(crate) fn here() -> Self {
        static DEFAULT: OnceLock<CpuFeatures> = OnceLock::new();
        HERE.get().unwrap_or_else(|| {
            *DEFAULT.get_or_init(|| Self::capped(InstructionSet::from_environment().unwrap_or_default()))
        })
    }

    /// From now on, kernels that this thread runs use these.
    pub(crate) fn use_here(self) {
        HERE.set(Some(self));
    }

    /// Whether products of bytes are faster than those of f32.
    pub(crate) fn multiplies_bytes_fast(self) -> bool {
        self.byte_products != ByteProducts::Generic
    }

    pub(crate) fn vectors(self) -> Vectors {
        self.vectors
    }

    pub(crate) fn byte_products(self) -> ByteProducts {
        self.byte_products
    }
}

impl Vectors {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Generic(_) => "generic",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "NEON",
        }
    }
}

impl ByteProducts {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "aarch64")]
            Self::DotProduct => "NEON dot product",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::lanes;

    #[test]
    fn names_are_read_as_they_are_written() {
        for set in InstructionSet::ALL {
            assert_eq!(set.to_string().to_uppercase().parse(), Ok(*set));
        }
        for bad in ["sse", "avx", ""] {
            let error = bad.parse::<InstructionSet>().unwrap_err();
            assert_eq!(error.to_string(), format!("Unknown instruction set `{bad}`."));
            assert!(error.hint().contains("generic"), "{}", error.hint());
        }
    }

    #[test]
    fn a_cap_belongs_to_its_thread() {
        let before = lanes();
        let capped = std::thread::spawn(|| {
            CpuFeatures::capped(Some(InstructionSet::Generic)).use_here();
            (CpuFeatures::here().byte_products() == ByteProducts::Generic, lanes())
        });
        assert_eq!(capped.join().unwrap(), (true, 4));
        assert_eq!(lanes(), before);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_cap_leaves_what_lies_below_it() {
        let names = |set| {
            let features = CpuFeatures::capped(Some(set));
            (features.vectors().name(), features.byte_products().name())
        };
        for set in InstructionSet::all_here() {
            let (vectors, products) = names(set);
            match set {
                InstructionSet::Avx2 => assert_eq!((vectors, products), ("AVX2", "AVX2")),
                InstructionSet::AvxVnni => assert_eq!((vectors, products), ("AVX2", "AVX-VNNI")),
                InstructionSet::Avx512 => assert_eq!(vectors, "AVX-512"),
                _ => assert_eq!((vectors, products), ("generic", "generic")),
            }
        }
    }
}
