//! How many captions an engine makes in a minute here: a short run over scenes of the demo, each
//! seen for the first time, as a busy view is. Knows the engine by its trait only.

use std::time::{Duration, Instant};

use vlm::{Cancel, Reuse, Stop};

use crate::demo::{World, paint};
use crate::engine::{Engine, EngineError, Limits, Shown, Task, Turn, ViewOptions};

/// Captions that are timed at most, behind one that is not: the first one warms everything up.
const MOST: u64 = 8;
/// How long the run takes at most, once one caption was timed.
const LONGEST: Duration = Duration::from_secs(15);

/// Has captions made by this instruction. Gives how many there would be in a minute; `None` where
/// it was cancelled.
///
/// # Errors
/// When the engine fails.
pub fn captions_a_minute(
    engine: &mut dyn Engine,
    instruction: &str,
    max_tokens: usize,
    cancel: &Cancel,
) -> Result<Option<f32>, EngineError> {
    let view = engine.open_view(ViewOptions::default())?;
    let began = Instant::now();
    let (mut timed, mut captions) = (Duration::ZERO, 0.0);
    for number in 0..=MOST {
        let picture = paint(&World::new(number));
        let shown = Shown { pictures: &[&picture], scene: None, reuse: Reuse::IfIdentical };
        let task = Task::Caption { shown, instruction };
        let start = Instant::now();
        let reply = engine.reply(Turn { view, task, limits: Limits::tokens(max_tokens) }, cancel, &mut |_| {})?;
        if reply.stop == Stop::Cancelled {
            engine.close_view(view);
            return Ok(None);
        }
        if number > 0 {
            timed += start.elapsed();
            captions += 1.0;
            if began.elapsed() > LONGEST {
                break;
            }
        }
    }
    engine.close_view(view);
    Ok(Some(60.0 * captions / timed.as_secs_f32().max(f32::EPSILON)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pipeline::{Call, EngineScript};

    #[test]
    fn every_scene_is_looked_at_and_a_run_can_be_stopped() {
        let script = EngineScript::default();
        let mut engine = script.open()().expect("opened");
        let cancel = Cancel::default();
        let speed = captions_a_minute(&mut *engine, "Describe.", 60, &cancel).expect("measured");
        assert!(speed.is_some_and(|speed| speed > 0.0), "{speed:?}");
        let looks = script.calls().iter().filter(|call| matches!(call, Call::Look(_))).count();
        assert_eq!((looks, script.calls().last()), (9, Some(&Call::Close)));
        cancel.cancel();
        assert_eq!(captions_a_minute(&mut *engine, "Describe.", 60, &cancel).expect("stopped"), None);
    }
}
