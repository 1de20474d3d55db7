//! Where a model runs and in which numbers, of what was asked for and what is there. Loads nothing.

use vlm::{Device, OpenDevice};

use crate::base::message::Message;
use crate::engine::EngineError;
use crate::engine::options::{DeviceChoice, EngineOptions, Precision};
use crate::models::Memory;

/// What was decided.
pub(super) struct Decision {
    pub place: OpenDevice,
    pub precision: vlm::Precision,
    /// A sentence; nothing where the user decided.
    pub why: String,
}

/// Decides, and opens the device.
///
/// # Errors
/// When what was asked for is not to be had.
pub(super) fn decide(options: &EngineOptions) -> Result<Decision, EngineError> {
    let open = |device| OpenDevice::open(device).map_err(|e| e.to_string());
    let (place, why) = choose(options, &Device::gpus(), open, OpenDevice::name)?;
    let place = place.unwrap_or_default();
    let precision = match options.precision {
        Precision::Auto => vlm::Precision::fastest(&place, options.max_isa),
        Precision::F32 => vlm::Precision::F32,
        Precision::Bf16 => vlm::Precision::Bf16,
        Precision::Int8 => vlm::Precision::Int8,
    };
    Ok(Decision { place, precision, why })
}

/// What `auto` takes here.
#[derive(Clone, Debug)]
pub struct Auto {
    /// Such as `cpu` or `cuda:0`.
    pub device: String,
    /// The numbers that it computes in there.
    pub precision: vlm::Precision,
    /// The memory that counts for it: the system's, or a graphics card's own.
    pub memory: Memory,
}

/// What `auto` takes here. Opens the device for a moment.
#[must_use]
pub fn auto() -> Auto {
    let place = best(
        Precision::Auto,
        &Device::gpus(),
        |device| OpenDevice::open(device).map_err(|e| e.to_string()),
        OpenDevice::name,
    )
    .0;
    let place = place.unwrap_or_default();
    let memory = place.memory().map_or_else(Memory::here, |(available, total)| Memory { total, available });
    Auto { device: place.device().to_string(), precision: vlm::Precision::fastest(&place, None), memory }
}

/// Where models can be run: the processor, and the GPUs that this build knows.
#[must_use]
pub fn devices() -> Vec<DeviceChoice> {
    let gpus = Device::gpus().into_iter().filter_map(|device| match device {
        Device::Cuda(number) => Some(DeviceChoice::Cuda(number)),
        Device::Metal => Some(DeviceChoice::Metal),
        Device::Cpu => None,
    });
    [DeviceChoice::Cpu].into_iter().chain(gpus).collect()
}

/// The GPU to run on, if it is to be one, and why. `gpus` are those that this build knows.
fn choose<P>(
    &EngineOptions { device, precision, .. }: &EngineOptions,
    gpus: &[Device],
    open: impl Fn(Device) -> Result<P, String>,
    name: impl Fn(&P) -> &str,
) -> Result<(Option<P>, String), EngineError> {
    let wanted = match device {
        DeviceChoice::Cpu => return Ok((None, String::new())),
        DeviceChoice::Auto => return Ok(best(precision, gpus, open, name)),
        DeviceChoice::Cuda(number) => Device::Cuda(number),
        DeviceChoice::Metal => Device::Metal,
    };
    if precision == Precision::Int8 {
        let hint = format!("Use --device cpu, or --precision bf16 or f32 on {wanted}.");
        return Err(EngineError::lasting(Message::new("int8 is computed on the processor only.").hint(hint)));
    }
    let is_built_in = gpus.iter().any(|gpu| std::mem::discriminant(gpu) == std::mem::discriminant(&wanted));
    if !is_built_in {
        let feature = if wanted == Device::Metal { "metal" } else { "cuda" };
        let hint = format!("Build it with `cargo build --release --features {feature}`, or use --device cpu.");
        return Err(EngineError::lasting(Message::new(format!("This build can't use {wanted}.")).hint(hint)));
    }
    match open(wanted) {
        Ok(place) => Ok((Some(place), String::new())),
        Err(why) => Err(EngineError::lasting(Message::new(why).hint("Use another, or --device cpu."))),
    }
}

/// The first GPU that is there.
fn best<P>(
    precision: Precision,
    gpus: &[Device],
    open: impl Fn(Device) -> Result<P, String>,
    name: impl Fn(&P) -> &str,
) -> (Option<P>, String) {
    if gpus.is_empty() {
        return (None, "This build has no GPU support.".to_owned());
    }
    if precision == Precision::Int8 {
        return (None, "int8 is computed on the processor.".to_owned());
    }
    let mut absent = Vec::new();
    for gpu in gpus {
        match open(*gpu) {
            Ok(place) => {
                let why = format!("There is a GPU: {}.", name(&place));
                return (Some(place), why);
            }
            Err(why) => absent.push(why),
        }
    }
    (None, absent.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these cards.
    fn choose_on(
        machine: &'static [Device],
        device: DeviceChoice,
        precision: Precision,
        built_in: &[Device],
    ) -> Result<(Option<Device>, String), String> {
        let open = |device| {
            let is_there = machine.contains(&device);
            is_there.then_some(device).ok_or_else(|| format!("The device {device} can't be used: it is not there."))
        };
        let options = EngineOptions { device, precision, ..EngineOptions::default() };
        choose(&options, built_in, open, |_| "Tesla Model T").map_err(|e| e.to_string())
    }

    const CARDS: [Device; 2] = [Device::Cuda(0), Device::Cuda(1)];

    #[test]
    fn auto_takes_a_gpu_that_is_built_in_and_there_and_says_why() {
        let auto = |machine, built_in: &[Device]| {
            choose_on(machine, DeviceChoice::Auto, Precision::Auto, built_in).expect("never refused")
        };
        assert_eq!(auto(&CARDS, &CARDS[..1]), (Some(Device::Cuda(0)), "There is a GPU: Tesla Model T.".to_owned()));
        assert_eq!(auto(&[Device::Metal], &[Device::Cuda(0), Device::Metal]).0, Some(Device::Metal));
        assert_eq!(auto(&CARDS, &[]), (None, "This build has no GPU support.".to_owned()));
        let (place, why) = auto(&[], &CARDS[..1]);
        assert_eq!((place, why.as_str()), (None, "The device cuda:0 can't be used: it is not there."));
    }

    #[test]
    fn int8_goes_to_the_processor() {
        let auto = choose_on(&CARDS, DeviceChoice::Auto, Precision::Int8, &CARDS[..1]).expect("the processor");
        assert_eq!(auto, (None, "int8 is computed on the processor.".to_owned()));
        let asked = choose_on(&CARDS, DeviceChoice::Cuda(1), Precision::Int8, &CARDS[..1]).expect_err("refused");
        assert!(asked.contains("--precision bf16 or f32 on cuda:1"), "{asked}");
    }

    #[test]
    fn what_is_asked_for_is_taken_or_refused_with_what_to_do() {
        let ask = |device, built_in: &[Device]| choose_on(&CARDS, device, Precision::F32, built_in);
        assert_eq!(ask(DeviceChoice::Cpu, &CARDS), Ok((None, String::new())));
        assert_eq!(ask(DeviceChoice::Cuda(1), &CARDS[..1]), Ok((Some(Device::Cuda(1)), String::new())));
        let absent = ask(DeviceChoice::Cuda(3), &CARDS[..1]).expect_err("refused");
        assert_eq!(absent, "The device cuda:3 can't be used: it is not there. Use another, or --device cpu.");
        let unknown = ask(DeviceChoice::Cuda(0), &[Device::Metal]).expect_err("refused");
        assert!(unknown.contains("--features cuda") && unknown.contains("--device cpu"), "{unknown}");
        assert!(ask(DeviceChoice::Metal, &[]).expect_err("refused").contains("--features metal"));
    }

    #[test]
    fn this_machine_decides_too() {
        let decided =
            decide(&EngineOptions { device: DeviceChoice::Cpu, ..EngineOptions::default() }).expect("the CPU");
        assert_eq!((decided.place.device(), decided.why.as_str()), (Device::Cpu, ""));
        assert_ne!(decided.precision, vlm::Precision::Bf16, "on the processor it is slow");
        let (decided, auto) = (decide(&EngineOptions::default()).expect("something"), auto());
        assert_eq!((decided.place.device().to_string(), decided.precision), (auto.device, auto.precision));
        assert!(decided.why.ends_with('.') && auto.memory.available > 0, "{}", decided.why);
    }
}
