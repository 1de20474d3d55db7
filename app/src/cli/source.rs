//! How sources are opened, as the command line says it.

use clap::Args;

use crate::capture::SourceOptions;
use crate::capture::camera::WantedFormat;
use crate::cli::stream::StreamArgs;

/// How sources are opened.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceArgs {
    /// Begin again at the end of a video or folder
    #[arg(long = "loop")]
    pub repeat: bool,

    /// The size and rate of a camera's pictures, such as 1920x1080@30, as `sightline cameras` lists
    /// them [default: near 1280x720, at 24 a second or more]
    #[arg(long, value_name = "WxH@FPS")]
    pub camera_format: Option<WantedFormat>,

    #[command(flatten)]
    pub stream: StreamArgs,
}

impl SourceArgs {
    /// The same for whatever opens a source.
    ///
    /// # Errors
    /// When the file with a stream's password can't be read.
    pub fn options(&self) -> anyhow::Result<SourceOptions> {
        Ok(SourceOptions {
            repeat: self.repeat,
            camera_format: self.camera_format,
            login: self.stream.login()?,
            authority: self.stream.stream_ca.clone(),
        })
    }
}
