//! How a model is run: on which device, in which numbers, with how many threads. Loads nothing.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use crate::engine::remote::options::RemoteOptions;
use crate::models::spec::SpecError;

/// Where the model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The best one that this build and this machine have.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The NVIDIA GPU with this number.
    Cuda(usize),
    /// The GPU of an Apple machine.
    Metal,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            other => {
                other.strip_prefix("cuda:").and_then(|number| number.parse().ok()).map(Self::Cuda).ok_or_else(|| {
                    SpecError::new(format!("Unknown device `{text}`."))
                        .hint("Use auto, cpu, cuda, cuda:1 and so on, or metal.")
                })
            }
        }
    }
}

/// The numbers that weights and sums are held in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// The best one for the device.
    #[default]
    Auto,
    /// 32 bits: what the results are compared in.
    F32,
    /// 16 bits, with the range of 32.
    Bf16,
    /// 8 bits, whole numbers, on the processor.
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// How a model is run.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Where.
    pub device: DeviceChoice,
    /// In which numbers.
    pub precision: Precision,
    /// Processor threads; `None` leaves it to the engine.
    pub threads: Option<usize>,
    /// The most that the processor's kernels may use; `None` leaves it to the environment.
    pub max_isa: Option<vlm::InstructionSet>,
    /// The threads that compute wait for others that want the processor, as the one that draws a
    /// window.
    pub gives_way: bool,
    /// The GGUF file of the vision part of a model in two such files; `None` looks for it beside
    /// that of the text model.
    pub vision_file: Option<PathBuf>,
    /// How the server is reached that runs a [`ModelSpec::Served`](crate::models::spec::ModelSpec::Served).
    pub remote: Option<RemoteOptions>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_precisions_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda:3", "metal"] {
            assert_eq!(text.parse::<DeviceChoice>().expect(text).to_string(), text);
        }
        assert_eq!("CUDA".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"] {
            assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
        }
        for text in ["auto", "f32", "bf16", "int8"] {
            assert_eq!(Precision::from_str(text, false).expect(text).to_string(), text);
        }
        assert!(Precision::from_str("f64", true).is_err());
    }
}
