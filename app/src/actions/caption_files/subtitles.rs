//! Subtitles that grow while somebody watches: each caption is a cue from the moment when its
//! picture was seen. Its end is not known yet, so it is written as a little later than now and put
//! right in place, twelve bytes of the same width; a program that is killed leaves a cue that ends
//! by itself.
//!
//! The file is opened anew for each change. When it was deleted, moved or cut meanwhile, or has
//! become too large, it is begun anew with the captions that hold.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::actions::caption_files::names::Names;
use crate::base::files::{self, Durability, Readers};
use crate::base::webvtt;

/// How far in the future a cue ends that still holds. Longer than the time between two news of it.
const AHEAD_MS: i64 = 5000;
/// The largest file: some hundred thousand captions.
const MOST_BYTES: u64 = 16 << 20;

/// See the module.
pub struct LiveSubtitles {
    path: PathBuf,
    names: Names,
    /// How long the file is if nobody else wrote to it.
    length: u64,
    /// By the numbers of their views.
    cues: BTreeMap<usize, Cue>,
    /// When the last cue begins: none may begin before it.
    last_from_ms: i64,
}

/// The caption that holds of a view.
#[derive(Clone)]
struct Cue {
    text: String,
    from_ms: i64,
    /// Where in the file its end stands.
    end_at: u64,
    end_width: usize,
}

impl LiveSubtitles {
    /// Begins a file without cues. The captions of several sources are spoken by them (`<v NAME>`).
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(path: &Path, names: &[String]) -> io::Result<Self> {
        let (names, cues) = (Names::of(names), BTreeMap::new());
        let mut subtitles = Self { path: path.to_owned(), names, length: 0, cues, last_from_ms: 0 };
        subtitles.begin_file()?;
        Ok(subtitles)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a view is called from its next caption on.
    pub fn name(&mut self, view: usize, name: &str) {
        self.names.set(view, name);
    }

    /// A view is not there any more. Its caption is over already.
    pub fn remove(&mut self, view: usize) {
        self.names.remove(view);
    }

    /// Another caption of a view.
    pub fn caption(&mut self, view: usize, seen_ms: i64, text: &str) -> io::Result<()> {
        let line = webvtt::line(text);
        if self.cues.get(&view).is_some_and(|cue| cue.text == line) {
            return self.lasts(view, seen_ms);
        }
        let mut file = self.open()?;
        if let Some(cue) = self.cues.remove(&view) {
            end(&mut file, &cue, seen_ms)?;
        }
        if !line.is_empty() {
            self.add(&mut file, view, seen_ms, line)?;
        }
        Ok(())
    }

    /// A view's caption still holds.
    pub fn lasts(&mut self, view: usize, at_ms: i64) -> io::Result<()> {
        if !self.cues.contains_key(&view) {
            return Ok(());
        }
        let mut file = self.open()?;
        self.cues.get(&view).map_or(Ok(()), |cue| end(&mut file, cue, at_ms.saturating_add(AHEAD_MS)))
    }

    /// A view's caption holds no more.
    pub fn over(&mut self, view: usize, at_ms: i64) -> io::Result<()> {
        if !self.cues.contains_key(&view) {
            return Ok(());
        }
        let mut file = self.open()?;
        self.cues.remove(&view).map_or(Ok(()), |cue| end(&mut file, &cue, at_ms))
    }

    /// The file as it was left, or a new one with what holds.
    fn open(&mut self) -> io::Result<File> {
        if self.length < MOST_BYTES {
            match OpenOptions::new().write(true).open(&self.path) {
                Ok(file) if file.metadata()?.len() == self.length => return Ok(file),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.begin_file()?;
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        for (view, Cue { text, from_ms, .. }) in std::mem::take(&mut self.cues) {
            self.add(&mut file, view, from_ms, text)?;
        }
        Ok(file)
    }

    fn begin_file(&mut self) -> io::Result<()> {
        // Readable as the user's other files are: it is there for other programs.
        files::replace(&self.path, Readers::AsUsual, Durability::Lazy, |out| out.write_all(webvtt::HEADER.as_bytes()))?;
        self.length = webvtt::HEADER.len() as u64;
        Ok(())
    }

    fn add(&mut self, file: &mut File, view: usize, seen_ms: i64, text: String) -> io::Result<()> {
        let from_ms = seen_ms.max(self.last_from_ms);
        let (from, to) = (webvtt::time(from_ms), webvtt::time(from_ms.saturating_add(AHEAD_MS)));
        let voice = self.names.before(view).map_or_else(String::new, |name| format!("<v {}>", webvtt::line(name)));
        let cue = format!("{from} --> {to}\n{voice}{text}\n\n");
        let end_at = self.length + (from.len() + " --> ".len()) as u64;
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(cue.as_bytes())?;
        self.length += cue.len() as u64;
        self.last_from_ms = from_ms;
        self.cues.insert(view, Cue { text, from_ms, end_at, end_width: to.len() });
        Ok(())
    }
}

/// Puts a cue's end right.
fn end(file: &mut File, cue: &Cue, at_ms: i64) -> io::Result<()> {
    // A cue without a length is none.
    let to = webvtt::time(at_ms.max(cue.from_ms.saturating_add(1)));
    // Hours may have as many digits as they want, so that what is too short gets zeros.
    let to = format!("{to:0>width$}", width = cue.end_width);
    if to.len() > cue.end_width {
        // After a hundred hours of one caption.
        return Ok(());
    }
    file.seek(SeekFrom::Start(cue.end_at))?;
    file.write_all(to.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Bench {
        folder: tempfile::TempDir,
        subtitles: LiveSubtitles,
    }

    impl Bench {
        fn new(names: &[&str]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let subtitles = LiveSubtitles::begin(&folder.path().join("live.vtt"), &names).expect("begun");
            Self { folder, subtitles }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("live.vtt")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).expect("there")
        }
    }

    #[test]
    fn a_cue_is_there_at_once_and_ends_when_the_next_one_begins() {
        let mut bench = Bench::new(&[]);
        bench.subtitles.caption(0, 1000, "A <red>\ncup.").expect("written");
        let first = "WEBVTT\n\n00:00:01.000 --> 00:00:06.000\nA &lt;red&gt; cup.\n\n";
        assert_eq!(bench.text(), first);
        bench.subtitles.lasts(0, 8000).expect("written");
        assert_eq!(bench.text(), first.replace("06.000", "13.000"));
        bench.subtitles.caption(0, 9000, "A <red> cup.").expect("written");
        assert_eq!(bench.text(), first.replace("06.000", "14.000"), "the same words are the same cue");
        bench.subtitles.caption(0, 9500, "A jug.").expect("written");
        bench.subtitles.over(0, 11_000).expect("written");
        let second = "00:00:09.500 --> 00:00:11.000\nA jug.\n\n";
        assert_eq!(bench.text(), first.replace("06.000", "09.500") + second);
        bench.subtitles.lasts(0, 12_000).expect("nothing to do");
        assert_eq!(bench.text(), first.replace("06.000", "09.500") + second);
    }

    #[test]
    fn cues_of_several_sources_have_voices_and_begin_in_order() {
        let mut bench = Bench::new(&["door", "a > b"]);
        bench.subtitles.caption(0, 2000, "A parcel.").expect("written");
        bench.subtitles.caption(1, 1500, "A cat.").expect("written");
        bench.subtitles.over(0, 2500).expect("written");
        let text = "WEBVTT\n\n00:00:02.000 --> 00:00:02.500\n<v door>A parcel.\n\n\
                    00:00:02.000 --> 00:00:07.000\n<v a &gt; b>A cat.\n\n";
        assert_eq!(bench.text(), text);
    }

    #[test]
    fn a_file_that_was_deleted_cut_or_grew_too_large_begins_anew_with_what_holds() {
        let mut bench = Bench::new(&["door", "yard"]);
        let spoils: [&dyn Fn(&mut Bench); 3] = [
            &|bench| fs::remove_file(bench.path()).expect("removed"),
            &|bench| fs::write(bench.path(), "WEB").expect("cut"),
            &|bench| bench.subtitles.length = MOST_BYTES,
        ];
        bench.subtitles.caption(1, 1000, "A cat.").expect("written");
        for (number, spoil) in spoils.iter().enumerate() {
            spoil(&mut bench);
            let from = 2 + number as i64;
            bench.subtitles.caption(0, from * 1000, &format!("Parcel {number}.")).expect("written");
            let text = bench.text();
            assert!(text.starts_with("WEBVTT\n\n") && text.ends_with(&format!("Parcel {number}.\n\n")), "{text}");
            assert_eq!(text.matches("<v yard>A cat.").count(), 1, "{text}");
        }
    }

    #[test]
    fn an_end_keeps_its_width_beyond_a_hundred_hours() {
        let mut bench = Bench::new(&[]);
        let hundred_hours = 360_000_000;
        bench.subtitles.caption(0, hundred_hours - 1000, "A cup.").expect("written");
        bench.subtitles.over(0, hundred_hours - 500).expect("written");
        assert!(bench.text().contains("99:59:59.000 --> 099:59:59.500\n"), "{}", bench.text());
    }
}
