//! `sightline`: the window.

use std::process::ExitCode;

use clap::Args;

use super::args::ModelArgs;
use crate::capture::SourceSpec;

/// The command's arguments.
#[derive(Args, Clone, Debug)]
pub struct LiveArgs {
    /// camera, camera:N, camera:NAME, or a picture, folder or video [default: camera]
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<SourceSpec>,

    #[command(flatten)]
    pub model: ModelArgs,
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// When there is no display.
pub fn run(_args: &LiveArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "This build has no window. Use `sightline watch --source camera`, which writes captions to the terminal."
    )
}
