//! Where a model computes: the processor, or a GPU that this build was made for and that is there.
//!
//! Knows no model and no checkpoint. What is computed on a GPU is begun by one thread of its own,
//! in order: candle's CUDA streams belong to the threads that use them, and two streams know
//! nothing of each other.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use candle_core::{DType, Tensor};
use rayon::ThreadPool;

use crate::device::Device;
use crate::error::{Error, Result};

/// A device that is there, ready to compute. Clones are the same device.
#[derive(Clone)]
pub struct OpenDevice {
    device: Device,
    candle: candle_core::Device,
    name: String,
    /// The one thread that a GPU's work is begun by.
    lane: Option<Arc<ThreadPool>>,
}

impl OpenDevice {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Error::Device`] when this build can't use it or it is not there.
    pub fn open(device: Device) -> Result<Self> {
        if device == Device::Cpu {
            return Ok(Self::default());
        }
        let unusable = |why: String| Error::Device { device, why, hint: None };
        if !device.is_built_in() {
            let kind = if device == Device::Metal { "Metal" } else { "CUDA" };
            return Err(unusable(format!("this build has no support for {kind}")));
        }
        // Candle and its driver libraries panic where others return an error: on a missing library,
        // or an empty list of devices.
        let opened = catch_unwind(AssertUnwindSafe(|| open(device)));
        let (candle, name) = opened.unwrap_or_else(|panic| Err(said(&*panic))).map_err(unusable)?;
        Ok(Self { device, candle, name, lane: Some(Arc::new(lane().map_err(|e| unusable(e.to_string()))?)) })
    }

    /// Which it is.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// What its maker calls it; nothing for the processor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it computes in bf16, tried now. NVIDIA's cards before Ampere don't, nor do builds
    /// that are for those.
    #[must_use]
    pub fn computes_in_bf16(&self) -> bool {
        /// Rows and columns; so many ones add up to a number that bf16 holds.
        const SIDE: usize = 8;

        let product = || -> candle_core::Result<Vec<f32>> {
            let ones = Tensor::ones((SIDE, SIDE), DType::BF16, &self.candle)?;
            (ones.matmul(&ones)? + &ones)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
        };
        let Some(lane) = &self.lane else { return true };
        let tried = catch_unwind(AssertUnwindSafe(|| lane.install(product)));
        matches!(tried, Ok(Ok(product)) if product.iter().all(|x| x.to_bits() == ((SIDE + 1) as f32).to_bits()))
    }

    /// Bytes of its own memory that are free, and all of them; nothing where the system's memory is
    /// all there is, or nobody tells.
    #[must_use]
    pub fn memory(&self) -> Option<(u64, u64)> {
        #[cfg(feature = "cuda")]
        if let candle_core::Device::Cuda(cuda) = &self.candle {
            let (free, total) = cuda.cuda_stream().context().mem_get_info().ok()?;
            return Some((free as u64, total as u64));
        }
        None
    }

    /// Where tensors are to be made.
    pub(crate) fn candle(&self) -> &candle_core::Device {
        &self.candle
    }

    /// Does some of a model's work: on the processor with the threads of `pool`, on a GPU by its
    /// own thread. What was begun is done when this returns, so that any thread may read or drop
    /// what came out of it.
    pub(crate) fn compute<R: Send>(&self, pool: &ThreadPool, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
        let done = self.lane.as_deref().unwrap_or(pool).install(|| {
            let done = work();
            // Also after a failure: what was begun before it may still be under way.
            let waited = self.candle.synchronize();
            done.and_then(|done| Ok(waited.map(|()| done)?))
        });
        match done {
            Err(Error::Backend(e)) if is_out_of_memory(&e) => {
                let hint = Some("Close what else uses it, or choose a smaller model.".to_owned());
                Err(Error::Device { device: self.device, why: "its memory is full".to_owned(), hint })
            }
            done => done,
        }
    }

    /// The processor, used as a GPU is: by one thread, and without the fused kernels. So tests see
    /// what a GPU computes.
    #[cfg(test)]
    pub(crate) fn like_a_gpu() -> Self {
        let lane = lane_of(|_| crate::kernels::use_reference_here()).unwrap();
        Self { lane: Some(Arc::new(lane)), ..Self::default() }
    }
}

impl Default for OpenDevice {
    /// The processor.
    fn default() -> Self {
        Self { device: Device::Cpu, candle: candle_core::Device::Cpu, name: String::new(), lane: None }
    }
}

impl fmt::Debug for OpenDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenDevice").field("device", &self.device).field("name", &self.name).finish_non_exhaustive()
    }
}

fn lane() -> Result<ThreadPool> {
    lane_of(|_| {})
}

fn lane_of(on_start: impl Fn(usize) + Send + Sync + 'static) -> Result<ThreadPool> {
    let lane = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "vlm-gpu".into()).start_handler(on_start);
    Ok(lane.build().map_err(candle_core::Error::wrap)?)
}

/// The device and its name, or why it is not to be had.
fn open(device: Device) -> std::result::Result<(candle_core::Device, String), String> {
    match device {
        Device::Cpu => Ok((candle_core::Device::Cpu, String::new())),
        Device::Cuda(number) => {
            let name = cuda_name(number)?;
            Ok((candle_core::Device::new_cuda(number).map_err(|e| e.to_string())?, name))
        }
        Device::Metal => {
            Ok((candle_core::Device::new_metal(0).map_err(|e| e.to_string())?, "the GPU of this machine".into()))
        }
    }
}

/// What the card with this number is called, or why there is none.
#[cfg(feature = "cuda")]
fn cuda_name(number: usize) -> std::result::Result<String, String> {
    use candle_core::cuda::cudarc::driver::CudaContext;
    use candle_core::cuda::cudarc::driver::result::device;

    let count = CudaContext::device_count().map_err(|e| format!("its driver says: {}", driver_words(&e)))?;
    match usize::try_from(count).unwrap_or_default() {
        0 => Err("there is no NVIDIA card".into()),
        1 if number > 0 => Err("there is one NVIDIA card here, cuda:0".into()),
        count if number >= count => Err(format!("there are {count} NVIDIA cards here, cuda:0 to cuda:{}", count - 1)),
        _ => device::get(number as i32).and_then(device::get_name).map_err(|e| driver_words(&e)),
    }
}

/// What the driver says of its error, without the name of it where there are words.
#[cfg(feature = "cuda")]
fn driver_words(error: &candle_core::cuda::cudarc::driver::DriverError) -> String {
    let words = error.error_string().ok().map(|words| words.to_string_lossy().into_owned());
    words.unwrap_or_else(|| error.to_string())
}

#[cfg(not(feature = "cuda"))]
fn cuda_name(_number: usize) -> std::result::Result<String, String> {
    Err("this build has no support for CUDA".into())
}

/// Drivers say so in words only, and each in its own.
fn is_out_of_memory(error: &candle_core::Error) -> bool {
    let words = error.to_string().to_ascii_lowercase();
    ["out of memory", "out_of_memory", "failed to allocate"].iter().any(|said| words.contains(said))
}

/// What a panic said, on one line.
fn said(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    words.unwrap_or("it failed without a word").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute<R: Send>(place: &OpenDevice, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
        place.compute(&lane().unwrap(), work)
    }

    #[test]
    fn what_is_not_to_be_had_is_a_sentence() {
        for device in [Device::Cuda(12345), Device::Metal] {
            let Err(e) = OpenDevice::open(device) else { continue };
            let message = e.to_string();
            assert!(
                matches!(e, Error::Device { .. }) && message.starts_with(&format!("The device {device} can't")),
                "{message}"
            );
        }
        let panic = catch_unwind(|| panic!("no\n such   library")).unwrap_err();
        assert_eq!(said(&*panic), "no such library");
    }

    #[test]
    fn a_gpus_work_is_begun_by_one_thread_whoever_asks() {
        let place = OpenDevice::like_a_gpu();
        let name = || Ok(std::thread::current().name().map(str::to_owned));
        for asked_by in
            [compute(&place, name), std::thread::scope(|s| s.spawn(|| compute(&place, name)).join().unwrap())]
        {
            assert_eq!(asked_by.unwrap().as_deref(), Some("vlm-gpu"));
        }
        assert!(place.computes_in_bf16());
    }

    #[test]
    fn full_memory_is_told_from_other_failures() {
        let fail = |words: &str| {
            let words = words.to_owned();
            compute(&OpenDevice::default(), move || Err::<(), _>(candle_core::Error::Msg(words).into())).unwrap_err()
        };
        let full = fail("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
        assert!(matches!(full, Error::Device { .. }) && full.to_string().contains("memory is full"), "{full}");
        assert!(matches!(fail("shape mismatch"), Error::Backend(_)));
    }
}
