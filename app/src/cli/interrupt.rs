//! Ctrl-C, a closed terminal and a polite kill: the first one raises a flag that everything long looks at, a second one
//! ends the process where it stands (a model that is being loaded looks at no flag).

use anyhow::Context as _;
use vlm::Cancel;

/// Raises the flag that is returned when the user wants the program to end. To be called once.
///
/// # Errors
/// When the system takes no signal handler.
pub fn flag() -> anyhow::Result<Cancel> {
    let flag = Cancel::default();
    let raised = flag.clone();
    ctrlc::set_handler(move || {
        if raised.is_cancelled() {
            at_once();
        }
        raised.cancel();
    })
    .context("The system lets no signal be handled.")?;
    Ok(flag)
}

#[allow(clippy::exit, reason = "the user asked twice, and the main thread may be busy for a long time")]
fn at_once() -> ! {
    std::process::exit(1)
}
