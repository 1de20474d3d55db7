//! How late pictures of a stream come: a clock in the picture, read back. Needs a server that draws
//! one, such as the one that `.ci/rtsp delay` starts, and says so in `SIGHTLINE_TEST_STREAM`.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use image::RgbImage;
use sightline::capture::{self, Next, SourceOptions, SourceSpec};

/// The clock: milliseconds since 1970 modulo two to the 24, as black and white blocks from the
/// upper left, a row after the other.
const COLUMNS: u32 = 6;
const ROWS: u32 = 4;
/// Pictures that are read.
const PICTURES: usize = 250;
/// The first ones show what had waited in the server.
const PASSED_OVER: usize = 25;

fn clock_of(picture: &RgbImage) -> u64 {
    let (width, height) = picture.dimensions();
    let mut value = 0;
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            let middle =
                picture.get_pixel((2 * column + 1) * width / (2 * COLUMNS), (2 * row + 1) * height / (2 * ROWS));
            value = value << 1 | u64::from(middle.0[1] > 127);
        }
    }
    value
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_millis() as u64 % (1 << (COLUMNS * ROWS))
}

#[test]
#[ignore = "needs a server with a clock in its pictures: .ci/rtsp delay"]
fn how_late_pictures_come() {
    let address = std::env::var("SIGHTLINE_TEST_STREAM").expect("SIGHTLINE_TEST_STREAM names a stream");
    let spec: SourceSpec = address.parse().expect("an address");
    let mut source = capture::open(&spec, &SourceOptions::default()).expect("opened");
    let mut late = Vec::new();
    while late.len() < PASSED_OVER + PICTURES {
        match source.next().expect("pictures") {
            Next::Picture(picture) => late.push(now().saturating_sub(clock_of(&picture))),
            Next::Nothing => {}
            Next::Ended => panic!("the stream ended"),
        }
    }
    let mut late = late.split_off(PASSED_OVER);
    late.sort_unstable();
    let at = |part: f64| Duration::from_millis(late[(part * (late.len() - 1) as f64) as usize]);
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{address}: {:?} at the median, {:?} at 95 %, {:?} at most", at(0.5), at(0.95), at(1.0));
    assert!(at(0.5) < Duration::from_millis(300), "{:?}", at(0.5));
}
