//! A screen and its windows, looked at on a display of X11 that shows nothing else. `.ci/window`
//! starts one.

#![cfg(all(unix, not(target_os = "macos")))]

use std::process;
use std::time::{Duration, Instant};

use image::RgbImage;
use sightline::capture::{self, Next, Source, SourceError, SourceOptions, SourceSpec};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, PropMode, Window,
    WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Long enough for a loaded machine.
const LONG: Duration = Duration::from_mins(1);
const GREY: u32 = 0x0080_8080;
const GREEN: u32 = 0x0000_c000;
const RED: u32 = 0x00c0_0000;
const BLUE: u32 = 0x0000_00c0;

/// A display, to put windows on.
struct Display {
    connection: RustConnection,
    root: Window,
}

impl Display {
    fn open() -> Self {
        let (connection, screen) = RustConnection::connect(None).expect("an X server: see .ci/window");
        let root = connection.setup().roots[screen].root;
        let grey = ChangeWindowAttributesAux::new().background_pixel(GREY);
        connection.change_window_attributes(root, &grey).expect("sent");
        connection.clear_area(false, root, 0, 0, 0, 0).expect("sent");
        Self { connection, root }
    }

    /// A window above all others.
    fn window(&self, title: &str, at: (i16, i16), size: (u16, u16), colour: u32, process: u32) -> Window {
        let window = self.connection.generate_id().expect("a number");
        let plain = CreateWindowAux::new().background_pixel(colour).override_redirect(1);
        let class = WindowClass::INPUT_OUTPUT;
        self.connection
            .create_window(0, window, self.root, at.0, at.1, size.0, size.1, 0, class, 0, &plain)
            .expect("sent");
        self.connection
            .change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, title.as_bytes())
            .expect("sent");
        let atom = self.connection.intern_atom(false, b"_NET_WM_PID").expect("sent").reply().expect("an atom").atom;
        self.connection
            .change_property32(PropMode::REPLACE, window, atom, AtomEnum::CARDINAL, &[process])
            .expect("sent");
        self.connection.map_window(window).expect("sent");
        self.settle();
        window
    }

    /// Waits until the server has done all that it was asked for.
    fn settle(&self) {
        self.connection.sync().expect("an answer");
    }
}

fn open(spec: &str) -> Result<Box<dyn Source>, SourceError> {
    let spec: SourceSpec = spec.parse().expect(spec);
    capture::open(&spec, &SourceOptions::default())
}

/// The first picture of which this is true, or what went wrong before it.
fn picture(source: &mut dyn Source, wanted: impl Fn(&RgbImage) -> bool) -> Result<RgbImage, SourceError> {
    let begun = Instant::now();
    loop {
        match source.next()? {
            Next::Picture(picture) if wanted(&picture) => return Ok(picture),
            _ => assert!(begun.elapsed() < LONG, "no such picture comes"),
        }
    }
}

fn colour(picture: &RgbImage, x: u32, y: u32) -> u32 {
    let [red, green, blue] = picture.get_pixel(x, y).0;
    u32::from_be_bytes([0, red, green, blue])
}

#[test]
#[ignore = "needs a display of X11 that shows nothing else: see .ci/window"]
fn a_screen_and_a_window_are_seen_and_our_own_windows_are_not() {
    let display = Display::open();
    let others = process::id() + 1;
    let garden = display.window("The garden", (100, 100), (200, 100), GREEN, others);
    let own = display.window("Sightline", (250, 150), (200, 100), RED, process::id());
    display.window("Above", (400, 200), (100, 100), BLUE, others);

    let mut screen = open("screen").expect("opened");
    let seen = picture(&mut *screen, |picture| colour(picture, 150, 120) == GREEN).expect("a picture");
    assert_eq!(colour(&seen, 10, 10), GREY);
    assert_eq!((colour(&seen, 350, 170), colour(&seen, 260, 160)), (0, 0), "our own window, also over another");
    assert_eq!((colour(&seen, 420, 220), colour(&seen, 480, 280)), (BLUE, BLUE), "what lies over it is seen");

    let mut window = open("window:GARDEN").expect("opened");
    assert_eq!(window.name(), "The garden");
    let seen = picture(&mut *window, |_| true).expect("a picture");
    assert_eq!((seen.dimensions(), colour(&seen, 10, 10)), ((200, 100), GREEN));
    assert_eq!(colour(&seen, 160, 60), 0, "our own window lies over it");
    let larger = ConfigureWindowAux::new().width(300).height(160);
    display.connection.configure_window(garden, &larger).expect("sent");
    display.settle();
    let seen = picture(&mut *window, |picture| picture.dimensions() == (300, 160)).expect("a picture");
    assert_eq!(colour(&seen, 10, 150), GREEN);

    display.connection.destroy_window(garden).expect("sent");
    display.settle();
    let gone = picture(&mut *window, |_| false).expect_err("gone");
    assert!(gone.may_pass, "it may be opened again: {gone}");
    let error = open("window:garden").err().expect("gone");
    assert!(error.message.what().contains("No window has `garden`"), "{error}");
    assert!(error.message.advice().is_some_and(|hint| hint.contains("`Above`")), "{error}");
    assert!(open("window:Sightline").is_err(), "our own window is never looked at");
    assert!(open("screen:9").err().is_some_and(|error| error.message.what().contains("There is one.")));

    display.connection.destroy_window(own).expect("sent");
    display.settle();
    assert!(picture(&mut *screen, |picture| colour(picture, 350, 170) == GREY).is_ok());
}
