//! What the capture code asks of a camera library, and nothing else of it: tests put a fake one in
//! its place.

use crate::capture::camera::fault::Fault;

/// How pixels lie in a camera's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// A JPEG a frame.
    Mjpeg,
    /// YUV 4:2:2, two bytes a pixel.
    Yuyv,
    /// YUV 4:2:0 in two planes, 12 bits a pixel.
    Nv12,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Brightness alone.
    Grey,
}

impl Pixels {
    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mjpeg => "MJPEG",
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
            Self::Grey => "grey",
        }
    }
}

/// One way in which a camera can send its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Frames a second, as the camera claims.
    pub fps: u32,
    /// The buffer's layout.
    pub pixels: Pixels,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{} at {} fps, {}", self.width, self.height, self.fps, self.pixels.name())
    }
}

/// A frame as the camera sent it. The buffer may be longer than the frame.
#[derive(Clone, Debug)]
pub(super) struct RawFrame {
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
}

/// An open camera that sends frames. Lives in one thread.
pub(super) trait Device {
    /// The next frame. May block for ever, and may panic.
    fn read(&mut self) -> Result<RawFrame, Fault>;
}

/// Opens a camera, in the thread that will read it.
pub(super) type Opener = Box<dyn FnOnce() -> Result<Box<dyn Device>, Fault> + Send>;
