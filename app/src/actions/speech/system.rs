//! The system's voice: speech-dispatcher on Linux, what the system has elsewhere. The only file
//! that knows `tts`.

use tts::{Error, Tts};

use crate::actions::speech::voice::{RATES, Voice};
use crate::base::message::Message;

/// See the module.
struct SystemVoice(Tts);

/// Opens it.
///
/// # Errors
/// Why there is none.
pub fn open() -> Result<Box<dyn Voice>, Message> {
    Ok(Box::new(SystemVoice(Tts::default().map_err(trouble)?)))
}

#[expect(clippy::needless_pass_by_value, reason = "it is called by map_err")]
fn trouble(error: Error) -> Message {
    let hint = "On Linux, install speech-dispatcher with a voice, such as speech-dispatcher-espeak-ng; `spd-say hello` \
                tells whether it speaks.";
    Message::new(format!("The system's voice can't be used ({error}).")).hint(hint)
}

/// The rate in the voice's own numbers: what is below the usual one between its least and its
/// normal, what is above between its normal and its most.
fn in_its_numbers(rate: f32, [least, normal, most]: [f32; 3]) -> f32 {
    let [slowest, usual, fastest] = RATES;
    let rate = rate.clamp(slowest, fastest);
    if rate < usual {
        normal - (normal - least) * (usual - rate) / (usual - slowest)
    } else {
        normal + (most - normal) * (rate - usual) / (fastest - usual)
    }
}

impl Voice for SystemVoice {
    fn say(&mut self, words: &str, rate: f32) -> Result<(), Message> {
        let Self(tts) = self;
        if tts.supported_features().rate {
            let numbers = [tts.min_rate(), tts.normal_rate(), tts.max_rate()];
            tts.set_rate(in_its_numbers(rate, numbers)).map_err(trouble)?;
        }
        tts.speak(words, true).map(|_| ()).map_err(trouble)
    }

    fn silence(&mut self) -> Result<(), Message> {
        if self.0.supported_features().stop { self.0.stop().map(|_| ()).map_err(trouble) } else { Ok(()) }
    }

    fn is_speaking(&mut self) -> Option<bool> {
        self.0.is_speaking().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_in_the_voices_own_numbers() {
        let dispatcher = [-100.0, 0.0, 100.0];
        for (rate, number) in [(0.5, -100.0), (0.75, -50.0), (1.0, 0.0), (2.0, 50.0), (3.0, 100.0), (9.0, 100.0)] {
            assert!((in_its_numbers(rate, dispatcher) - number).abs() < 0.01, "{rate}");
        }
    }
}
