//! From what an action does to who does it.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use vlm::Cancel;

use crate::actions::announced::Announced;
use crate::actions::command::RunCommand;
use crate::actions::deliver::{Deliver, Told, Undelivered};
use crate::actions::desktop::{self, ShowNotice};
use crate::actions::mqtt::{Mqtt, MqttOptions};
use crate::actions::ntfy::Ntfy;
use crate::actions::occurrence::Occurrence;
use crate::actions::sound::PlaySound;
use crate::actions::spec::{ActionSpec, Means};
use crate::actions::webhook::Webhook;
use crate::base::jpeg;
use crate::base::message::Message;

/// JPEG quality of a picture on which there is nothing to see.
const TEST_QUALITY: u8 = 50;

/// Tells one thing that did not happen, and takes leave. Whoever runs with the same action is not
/// disturbed.
///
/// # Errors
/// What is wrong with what the action needs.
pub fn try_now(spec: &ActionSpec, cancel: &Cancel) -> Result<Result<(), Undelivered>, Message> {
    let mut deliver = open(spec, None)?;
    let picture = spec.picture.then(|| RgbImage::from_pixel(320, 240, Rgb([128; 3])));
    let picture = picture.and_then(|picture| jpeg::encode(&picture, u32::MAX, TEST_QUALITY));
    let occurrence = Occurrence::test();
    let told = deliver.deliver(Told { occurrence: &occurrence, picture: picture.as_deref() }, cancel);
    deliver.end();
    Ok(told)
}

/// Makes ready; connects to nothing and tells nothing yet. Without anything announced it is for one
/// telling alone.
///
/// # Errors
/// What is wrong with what the action needs.
pub fn open(spec: &ActionSpec, announced: Option<&Announced>) -> Result<Box<dyn Deliver>, Message> {
    let limit = spec.timeout;
    Ok(match spec.means.clone() {
        Means::Desktop { sound_name } => Box::new(ShowNotice::new(Arc::new(desktop::show), sound_name, limit)),
        Means::Sound(file) => Box::new(PlaySound::new(file, limit)?),
        Means::Command { program, arguments } => Box::new(RunCommand { program, arguments, limit }),
        Means::Webhook { address, headers, login } => Box::new(Webhook::new(address, &headers, login.as_ref(), limit)?),
        Means::Ntfy { address, priority, tags, login } => {
            Box::new(Ntfy::new(address, priority, &tags, login.as_ref(), limit)?)
        }
        Means::Mqtt { broker, login, discovery, node } => {
            let options = MqttOptions { broker, login, discovery, node, picture: spec.picture, limit };
            Box::new(Mqtt::new(options, announced.cloned()))
        }
    })
}
