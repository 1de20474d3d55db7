//! What ffmpeg is told to look at a screen or window, on each system. Pure: asks no system.

use vlm::Cancel;

use crate::base::message::Message;
use crate::capture::ffmpeg::input::Input;
use crate::capture::ffmpeg::play::Video;
use crate::capture::{ScreenChoice, SourceError};

/// Pictures a second: what is on a screen is read, not followed.
const RATE: &str = "5";

/// A part of the desktop, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Area {
    /// What is left of it where another one lies over it: four areas at most.
    pub(super) fn without(self, over: Self) -> Vec<Self> {
        let (left, top) = (self.x.max(over.x), self.y.max(over.y));
        let (right, bottom) = (self.right().min(over.right()), self.bottom().min(over.bottom()));
        if left >= right || top >= bottom {
            return vec![self];
        }
        let parts = [
            Self::between(self.x, self.y, self.right(), top),
            Self::between(self.x, top, left, bottom),
            Self::between(right, top, self.right(), bottom),
            Self::between(self.x, bottom, self.right(), self.bottom()),
        ];
        parts.into_iter().filter(|part| part.width > 0 && part.height > 0).collect()
    }

    fn between(left: i32, top: i32, right: i32, bottom: i32) -> Self {
        let length = |from: i32, to: i32| u32::try_from(to - from).unwrap_or(0);
        Self { x: left, y: top, width: length(left, right), height: length(top, bottom) }
    }

    /// In pixels.
    pub(super) fn size(self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn right(self) -> i32 {
        self.x.saturating_add_unsigned(self.width)
    }

    fn bottom(self) -> i32 {
        self.y.saturating_add_unsigned(self.height)
    }
}

/// Which parts of what is looked at are our own windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    /// What is looked at.
    pub(super) looked_at: Area,
    /// What can be seen of our windows.
    pub(super) visible: Vec<Area>,
}

/// What ffmpeg is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grab {
    /// What people call it.
    name: String,
    /// ffmpeg's name of the system's way.
    format: &'static str,
    options: Vec<String>,
    address: String,
    /// In pixels, where it is known without asking ffmpeg.
    size: Option<(u32, u32)>,
}

impl Grab {
    /// Begins to look.
    pub(super) fn open(&self) -> Result<Video, SourceError> {
        let options = ["-f", self.format, "-framerate", RATE].map(str::to_owned);
        let input = Input::screen(&self.name, options.iter().chain(&self.options), &self.address);
        Video::grab(input, self.size, &Cancel::default())
    }
}

/// A part of X11's desktop.
#[cfg_attr(not(all(unix, not(target_os = "macos"))), allow(dead_code, reason = "other systems have no X11"))]
pub(super) fn of_x11_area(name: &str, display: &str, area: Area) -> Grab {
    let Area { x, y, width, height } = area;
    Grab {
        name: name.to_owned(),
        format: "x11grab",
        options: vec!["-video_size".to_owned(), format!("{width}x{height}")],
        address: format!("{display}+{x},{y}"),
        size: Some((width, height)),
    }
}

/// A window of X11.
#[cfg_attr(not(all(unix, not(target_os = "macos"))), allow(dead_code, reason = "other systems have no X11"))]
pub(super) fn of_x11_window(name: &str, display: &str, window: u32, size: (u32, u32)) -> Grab {
    Grab {
        name: name.to_owned(),
        format: "x11grab",
        options: vec!["-window_id".to_owned(), window.to_string()],
        address: display.to_owned(),
        size: Some(size),
    }
}

/// What Windows shows.
#[cfg_attr(not(windows), allow(dead_code, reason = "tested everywhere"))]
pub(super) fn of_windows(choice: &ScreenChoice) -> Result<Grab, SourceError> {
    let address = match choice {
        ScreenChoice::Main => "desktop".to_owned(),
        ScreenChoice::Number(_) => {
            let message = Message::new("On Windows, screens can't be told apart yet.");
            return Err(SourceError::lasting(message.hint("Use screen for all of them, or window:TITLE.")));
        }
        ScreenChoice::Window(title) => format!("title={title}"),
    };
    Ok(Grab { name: choice.to_string(), format: "gdigrab", options: Vec::new(), address, size: None })
}

/// What macOS shows.
#[cfg_attr(not(target_os = "macos"), allow(dead_code, reason = "tested everywhere"))]
pub(super) fn of_macos(choice: &ScreenChoice) -> Result<Grab, SourceError> {
    let number = match choice {
        ScreenChoice::Main => 0,
        // macOS counts them from zero.
        ScreenChoice::Number(number) => number.get() - 1,
        ScreenChoice::Window(_) => {
            let message = Message::new("On macOS, a window can't be looked at alone.");
            return Err(SourceError::lasting(message.hint("Use screen with --region for the part that it is in.")));
        }
    };
    Ok(Grab {
        name: choice.to_string(),
        format: "avfoundation",
        options: Vec::new(),
        address: format!("Capture screen {number}:none"),
        size: None,
    })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn what_lies_over_an_area_is_cut_out_of_it() {
        let area = |x, y, width, height| Area { x, y, width, height };
        let window = area(10, 10, 20, 20);
        assert_eq!(window.without(area(40, 10, 5, 5)), [window], "beside it");
        assert_eq!(window.without(area(0, 0, 100, 100)), [], "all over it");
        let left = window.without(area(15, 15, 5, 5));
        assert_eq!(left, [area(10, 10, 20, 5), area(10, 15, 5, 5), area(20, 15, 10, 5), area(10, 20, 20, 10)]);
        assert_eq!(left.iter().map(|part| part.width * part.height).sum::<u32>(), 400 - 25);
        assert_eq!(window.without(area(5, 5, 10, 100)), [area(15, 10, 15, 20)], "over its left side");
    }

    #[test]
    fn each_system_is_told_in_its_own_words() {
        let screen = of_x11_area("screen", ":1", Area { x: 1920, y: 0, width: 1280, height: 1024 });
        assert_eq!((screen.format, screen.address.as_str()), ("x11grab", ":1+1920,0"));
        assert_eq!(screen.options, ["-video_size", "1280x1024"]);
        assert_eq!(of_x11_window("Editor", ":1", 77, (640, 480)).options, ["-window_id", "77"]);
        let second = ScreenChoice::Number(NonZeroU32::new(2).expect("two"));
        let editor = ScreenChoice::Window("Editor".to_owned());
        assert_eq!(of_windows(&ScreenChoice::Main).expect("known").address, "desktop");
        assert_eq!(of_windows(&editor).expect("known").address, "title=Editor");
        assert_eq!(of_macos(&second).expect("known").address, "Capture screen 1:none");
        for refused in [of_windows(&second), of_macos(&editor)] {
            let error = refused.expect_err("refused");
            assert!(!error.may_pass && error.message.advice().is_some());
        }
    }
}
