//! What the screen shows, or one of its windows, a few pictures a second.
//!
//! ffmpeg reads it; what a screen or a window is called to it is decided here, a system each. Our
//! own windows are blacked out where the system says which they are: a caption of a picture with
//! the last caption in it would be another one for ever.

mod grab;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

use image::{Rgb, RgbImage};

use crate::capture::ffmpeg::play::Video;
use crate::capture::screen::grab::Area;
use crate::capture::{Next, ScreenChoice, Source, SourceError};

/// What is left of our own windows.
const BLACK: Rgb<u8> = Rgb([0, 0, 0]);

/// A screen or window that is looked at.
struct Screen {
    choice: ScreenChoice,
    video: Video,
    desktop: Desktop,
    /// What was looked at in the last picture: ffmpeg keeps the size that it began with.
    size: Option<(u32, u32)>,
}

impl Screen {
    fn find(choice: &ScreenChoice) -> Result<Self, SourceError> {
        let (desktop, grab) = Desktop::find(choice)?;
        Ok(Self { choice: choice.clone(), video: grab.open()?, desktop, size: None })
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
use crate::capture::screen::x11::Desktop;

/// A system that does not tell which windows are ours.
#[cfg(not(all(unix, not(target_os = "macos"))))]
struct Desktop;

#[cfg(not(all(unix, not(target_os = "macos"))))]
impl Desktop {
    fn find(choice: &ScreenChoice) -> Result<(Self, grab::Grab), SourceError> {
        let grab = if cfg!(windows) { grab::of_windows(choice)? } else { grab::of_macos(choice)? };
        Ok((Self, grab))
    }

    fn own(&mut self) -> Result<grab::Own, SourceError> {
        Ok(grab::Own::default())
    }
}

/// Begins to look.
///
/// # Errors
/// When there is no such screen or window, or the system does not show it.
pub(super) fn open(choice: &ScreenChoice) -> Result<Box<dyn Source>, SourceError> {
    Ok(Box::new(Screen::find(choice)?))
}

impl Source for Screen {
    fn name(&self) -> String {
        self.video.name()
    }

    fn format(&self) -> Option<String> {
        self.video.format()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        match self.video.next()? {
            Next::Picture(mut picture) => {
                let own = self.desktop.own()?;
                if self.size.replace(own.looked_at.size()).is_some_and(|size| size != own.looked_at.size()) {
                    // A window of another size. Nothing is asked of ffmpeg, so that it takes a
                    // moment only.
                    *self = Self::find(&self.choice)?;
                    return Ok(Next::Nothing);
                }
                black_out(&mut picture, own.looked_at, &own.visible);
                Ok(Next::Picture(picture))
            }
            Next::Ended => Err(self.video.ended()),
            Next::Nothing => Ok(Next::Nothing),
        }
    }
}

/// Blacks out these areas of a picture that shows `looked_at`.
fn black_out(picture: &mut RgbImage, looked_at: Area, areas: &[Area]) {
    let (width, height) = picture.dimensions();
    for area in areas {
        // Every pixel that the area touches, however the picture was scaled.
        let along = |from: i32, length: u32, origin: i32, whole: u32, pixels: u32| {
            let scale = f64::from(pixels) / f64::from(whole.max(1));
            let first = (f64::from(from - origin) * scale).floor().clamp(0.0, f64::from(pixels));
            let end = ((f64::from(from - origin) + f64::from(length)) * scale).ceil().clamp(0.0, f64::from(pixels));
            first as u32..end as u32
        };
        let columns = along(area.x, area.width, looked_at.x, looked_at.width, width);
        for row in along(area.y, area.height, looked_at.y, looked_at.height, height) {
            for column in columns.clone() {
                picture.put_pixel(column, row, BLACK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_own_window_is_left() {
        let looked_at = Area { x: 100, y: 0, width: 80, height: 40 };
        let own = [Area { x: 90, y: 10, width: 31, height: 10 }, Area { x: 500, y: 10, width: 10, height: 10 }];
        let mut picture = RgbImage::from_pixel(40, 20, Rgb([255; 3]));
        black_out(&mut picture, looked_at, &own);
        for (x, y, pixel) in picture.enumerate_pixels() {
            // From the left edge to 21 of 80, in a picture of half the size.
            assert_eq!(*pixel == BLACK, x < 11 && (5..10).contains(&y), "{x}, {y}");
        }
    }
}
