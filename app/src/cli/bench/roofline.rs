//! How near a caption's stages come to what the machine can do at its best.
//!
//! Both were measured a moment apart in the same round, so a machine whose speed drifts slows both.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use vlm::{Model, Peaks, Precision, Reply, Work};

use crate::cli::bench::spread::Spread;

/// The machine's best, and the share of it that stages reach. An operation is a multiplication or
/// an addition; products count once, however many planes they take.
#[derive(Clone, Copy, Serialize)]
pub struct Roofline {
    /// A product of 1024 x 768 x 3072, in billions of operations a second.
    f32_gops: Spread,
    int8_gops: Spread,
    /// Memory read by all threads together, in gigabytes a second.
    read_gb: Spread,
    /// The share of such products that the vision encoder reaches, its attention counted with it.
    vision: Spread,
    /// The same of the decoder over the prompt, without attention.
    prefill: Spread,
    /// The share of memory's speed that decoding reaches: its weights, without keys and values.
    decode: Spread,
}

impl Roofline {
    /// Of rounds, each with the machine's best and the caption of a new view.
    pub fn of<'a>(model: &Model, rounds: impl Iterator<Item = (Peaks, &'a Reply)>) -> Self {
        let rounds: Vec<_> = rounds.collect();
        let spread =
            |value: &dyn Fn(&Peaks, &Reply) -> f64| Spread::of(rounds.iter().map(|(peaks, r)| value(peaks, r)));
        let work = Work::of(model);
        let products = |peaks: &Peaks| match model.precision() {
            Precision::F32 | Precision::Bf16 => peaks.f32_ops,
            Precision::Int8 => peaks.int8_ops,
        };
        let share = |amount: f64, time: Duration, best: f64| amount / time.as_secs_f64() / best;
        let later_tokens = |reply: &Reply| reply.token_ids.len().saturating_sub(1) as f64;
        Self {
            f32_gops: spread(&|peaks, _| peaks.f32_ops / 1e9),
            int8_gops: spread(&|peaks, _| peaks.int8_ops / 1e9),
            read_gb: spread(&|peaks, _| peaks.read / 1e9),
            vision: spread(&|peaks, reply| {
                share(work.vision_products + work.vision_attention, reply.timings.vision, products(peaks))
            }),
            prefill: spread(&|peaks, reply| {
                share(work.token_products * reply.prompt_ids.len() as f64, reply.timings.prefill, products(peaks))
            }),
            decode: spread(&|peaks, reply| {
                share(work.token_bytes * later_tokens(reply), reply.timings.decode, peaks.read)
            }),
        }
    }

    /// The same in two lines.
    pub fn for_people(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(
            to,
            "this machine: products at {:.0} GOP/s in f32 and {:.0} in int8, memory at {:.1} GB/s",
            self.f32_gops.median, self.int8_gops.median, self.read_gb.median
        )?;
        writeln!(
            to,
            "of that, vision reaches {:.0} %, prefill {:.0} %, and decode {:.0} % of memory",
            self.vision.median * 100.0,
            self.prefill.median * 100.0,
            self.decode.median * 100.0
        )
    }
}

/// The processor's name, where the system tells.
pub fn processor() -> String {
    let mut system = sysinfo::System::new();
    system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
    system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()
}
