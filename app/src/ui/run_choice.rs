//! How models are run and how much of a log stays, as the user chose it once and for all. Plain
//! data, as it stands in the file of settings.

use std::time::Duration;

use clap::ValueEnum as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::engine::options::{DeviceChoice, Precision};
use crate::log::Keep;

/// The most threads that make sense to write.
pub const MOST_THREADS: usize = 256;
/// The smallest log that can be asked for, in megabytes.
pub const LEAST_MEGABYTES: u64 = 10;
const MEGABYTE: u64 = 1_000_000;

/// How models are run. In effect when one is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct RunChoice {
    /// Where.
    #[serde(serialize_with = "write", deserialize_with = "read_device")]
    pub device: DeviceChoice,
    /// In which numbers.
    #[serde(serialize_with = "write", deserialize_with = "read_precision")]
    pub precision: Precision,
    /// By so many threads of the processor; as many as it has cores where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
}

fn write<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn read_device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceChoice, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom(format!("unknown device `{text}`, expected auto, cpu, cuda:N or metal")))
}

fn read_precision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
    let text = String::deserialize(deserializer)?;
    let unknown = |_| de::Error::custom(format!("unknown precision `{text}`, expected auto, f32, bf16 or int8"));
    Precision::from_str(&text, true).map_err(unknown)
}

/// How much of a log stays. In effect when a recording begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct LogLimits {
    /// So many megabytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_megabytes: Option<u64>,
    /// Entries of so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

impl LogLimits {
    /// What stays, where the command line may have said some of it.
    #[must_use]
    pub fn behind(self, line: Keep) -> Keep {
        let age = self.keep_days.map(|days| Duration::from_hours(24) * days);
        Keep {
            at_most_old: line.at_most_old.or(age),
            at_most_bytes: line.at_most_bytes.or(self.most_megabytes.map(|size| size.saturating_mul(MEGABYTE))),
            ..line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_named() {
        let chosen = RunChoice { device: DeviceChoice::Cuda(1), precision: Precision::Int8, threads: Some(3) };
        let text = toml::to_string(&chosen).expect("written");
        assert_eq!(text, "device = \"cuda:1\"\nprecision = \"int8\"\nthreads = 3\n");
        assert_eq!(toml::from_str::<RunChoice>(&text).expect("read"), chosen);
        assert_eq!(toml::from_str::<RunChoice>("").expect("read"), RunChoice::default());
        for (text, known) in [("device = \"gpu\"", "cuda:N"), ("precision = \"f64\"", "bf16")] {
            let error = toml::from_str::<RunChoice>(text).expect_err(text).to_string();
            assert!(error.contains("unknown") && error.contains(known), "{error}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_settings() {
        let limits = LogLimits { most_megabytes: Some(500), keep_days: Some(2) };
        let line = Keep { at_most_bytes: Some(7), bookmarked: true, ..Keep::default() };
        let kept = limits.behind(line);
        assert_eq!((kept.at_most_bytes, kept.at_most_old), (Some(7), Some(Duration::from_hours(48))));
        assert!(kept.bookmarked);
        assert_eq!(limits.behind(Keep::default()).at_most_bytes, Some(500_000_000));
        assert_eq!(LogLimits::default().behind(line), line);
    }
}
