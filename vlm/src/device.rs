//! The names of what a model can compute on. Opens nothing; `network::device` does.

use std::fmt;

/// What a model can compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The NVIDIA card with this number.
    Cuda(usize),
    /// The GPU of an Apple machine.
    Metal,
}

impl Device {
    /// The GPUs that this build knows how to use, the first of each kind. Whether one is there
    /// shows when it is opened.
    #[must_use]
    pub fn gpus() -> Vec<Self> {
        let kinds = [(cfg!(feature = "cuda"), Self::Cuda(0)), (cfg!(feature = "metal"), Self::Metal)];
        kinds.into_iter().filter_map(|(is_built_in, gpu)| is_built_in.then_some(gpu)).collect()
    }

    /// Whether it is not the processor.
    #[must_use]
    pub fn is_gpu(self) -> bool {
        self != Self::Cpu
    }

    /// Whether this build knows how to use it.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Cuda(_) => cfg!(feature = "cuda"),
            Self::Metal => cfg!(feature = "metal"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_as_they_are_asked_for() {
        assert_eq!([Device::Cpu, Device::Cuda(2), Device::Metal].map(|d| d.to_string()), ["cpu", "cuda:2", "metal"]);
        assert!(Device::gpus().iter().all(|gpu| gpu.is_gpu() && gpu.is_built_in()));
    }
}
