//! Network streams: cameras and other programs that send video. Opened again by whoever reads them,
//! when they end, fall silent or break off.

use std::path::Path;

use vlm::Cancel;

use crate::capture::address::{Address, Login};
use crate::capture::ffmpeg::play::Video;
use crate::capture::{Next, Source, SourceError};

/// A stream that is being received.
pub(super) struct Stream {
    video: Video,
}

impl Stream {
    /// Connects to a stream, which takes some seconds at most.
    ///
    /// # Errors
    /// When it does not answer, asks for another login, or sends no video: whether that may pass.
    pub(super) fn open(
        address: &Address,
        login: Option<&Login>,
        authority: Option<&Path>,
    ) -> Result<Self, SourceError> {
        let address = address.clone().with_login(login.cloned());
        Ok(Self { video: Video::receive(&address, authority, &Cancel::default())? })
    }
}

impl Source for Stream {
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
            Next::Ended => Err(self.video.ended()),
            next => Ok(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use image::RgbImage;

    use super::*;
    use crate::testing::mjpeg::Camera;

    /// Long enough for a loaded machine.
    const LONG: Duration = Duration::from_mins(1);

    fn open(address: &str) -> Result<Stream, SourceError> {
        Stream::open(&Address::parse(address).expect(address), None, None)
    }

    fn refused(address: &str) -> SourceError {
        open(address).err().expect("refused")
    }

    /// The first picture of which this is true, or what went wrong before it.
    fn picture(stream: &mut Stream, wanted: impl Fn(&RgbImage) -> bool) -> Result<RgbImage, SourceError> {
        let begun = Instant::now();
        loop {
            match stream.next()? {
                Next::Picture(picture) if wanted(&picture) => return Ok(picture),
                _ => assert!(begun.elapsed() < LONG, "no such picture comes"),
            }
        }
    }

    #[test]
    fn a_camera_is_seen_and_may_change_the_size_of_its_pictures() {
        let camera = Camera::open();
        let mut stream = open(&format!("http://{}/video?pwd=secret", camera.host())).expect("opened");
        assert_eq!(stream.name(), format!("http://{}/video", camera.host()));
        assert_eq!(stream.format().as_deref(), Some("160x120, mjpeg"));
        assert!(stream.is_live());
        let red = picture(&mut stream, |_| true).expect("a picture");
        assert_eq!(red.dimensions(), (160, 120));
        assert!(red.get_pixel(80, 60).0[0] > 180);
        camera.grow();
        let green = picture(&mut stream, |picture| picture.get_pixel(80, 60).0[1] > 180).expect("a picture");
        assert_eq!(green.dimensions(), (160, 120));
        assert!(green.get_pixel(80, 5).0.iter().all(|channel| *channel < 40), "with bars above");
    }

    #[test]
    fn a_login_of_any_characters_is_taken_and_never_shown() {
        let camera = Camera::with_login("me@home:p@ss:w/o?r#d 'é%");
        let host = camera.host();
        let address = Address::parse(&format!("http://{host}/")).expect("an address");
        let login = Login::new("me@home", "p@ss:w/o?r#d 'é%");
        let mut stream = Stream::open(&address, Some(&login), None).expect("opened");
        assert!(picture(&mut stream, |_| true).is_ok());
        assert_eq!(stream.name(), format!("http://{host}/"));
        let error = refused(&format!("http://me:wr@ng@{host}/"));
        assert!(!error.may_pass, "asking again and again may lock the user out");
        let shown = error.to_string();
        assert!(shown.contains("another user or password") && shown.contains(&host), "{shown}");
        assert!(!shown.contains("wr@ng") && !shown.contains("wr%40ng") && !shown.contains("me:"), "{shown}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_password_is_among_the_arguments_of_a_process() {
        let camera = Camera::with_login("me:hushhush");
        let mut stream = open(&format!("http://me:hushhush@{}/", camera.host())).expect("opened");
        assert!(picture(&mut stream, |_| true).is_ok());
        let commands = std::fs::read_dir("/proc").expect("processes").filter_map(|entry| {
            let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&command).into_owned())
        });
        let ffmpegs: Vec<_> = commands.filter(|command| command.starts_with("ffmpeg")).collect();
        assert!(!ffmpegs.is_empty());
        assert!(ffmpegs.iter().all(|command| !command.contains("hushhush")), "{ffmpegs:?}");
    }

    #[test]
    fn a_stream_that_ends_or_freezes_is_an_error_that_may_pass() {
        let camera = Camera::open();
        let mut stream = open(&format!("http://{}/", camera.host())).expect("opened");
        assert!(picture(&mut stream, |_| true).is_ok());
        camera.freeze();
        stream.video.be_patient_for(Duration::from_millis(300));
        let frozen = picture(&mut stream, |_| false).expect_err("frozen");
        assert!(frozen.may_pass && frozen.message.what().contains("any more"), "{frozen}");

        let camera = Camera::open();
        let mut stream = open(&format!("http://{}/", camera.host())).expect("opened");
        assert!(picture(&mut stream, |_| true).is_ok());
        camera.close();
        let ended = picture(&mut stream, |_| false).expect_err("ended");
        assert!(ended.may_pass, "{ended}");
    }

    #[test]
    fn what_sends_no_stream_is_told() {
        let closed = Camera::open();
        closed.close();
        let host = closed.host();
        let error = refused(&format!("http://{host}/"));
        assert!(error.may_pass && error.message.what().starts_with("Nothing answers"), "{error}");
        let page = Camera::page("Content-Type: text/html\r\n\r\n<html>Hello</html>");
        let error = refused(&format!("http://{}/", page.host()));
        assert!(error.message.what().contains("can't be played"), "{error}");
        let error = refused(&format!("rtsp://{}/", page.host()));
        assert!(error.message.what().contains("can't be played"), "{error}");
        let list = "Content-Type: application/vnd.apple.mpegurl\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n\
                    file:/etc/hostname\n#EXT-X-ENDLIST\n";
        let list = Camera::page(list);
        assert!(open(&format!("http://{}/a.m3u8", list.host())).is_err(), "a playlist opens no file of this machine");
    }
}
