//! Picture files as a source: one of them, or a folder in order. For demos and tests; knows no
//! device.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::base::message::Message;
use crate::base::text;
use crate::capture::picture::decode::read_picture;
use crate::capture::{Next, PlayOrder, Position, Source, SourceError};

/// Names of picture files end so.
const EXTENSIONS: [&str; 8] = ["bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// The shortest time between two pictures when they repeat, so that a picture which stays the same
/// does not keep a processor busy.
const REPEAT_PAUSE: Duration = Duration::from_millis(200);

/// As long as [`Source::next`] may wait.
const WAIT: Duration = Duration::from_millis(100);

/// Whether the name says that this is a picture.
pub(crate) fn is_picture_name(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.iter().any(|x| e.eq_ignore_ascii_case(x)))
}

/// One picture, or those of a folder in natural order (`2.png` before `10.png`).
///
/// Repeating, they go round, at most five a second; one picture alone is held. Otherwise each is
/// given once. In a folder, files that can't be read are passed over with a warning.
pub(crate) struct Pictures {
    name: String,
    repeat: bool,
    stock: Stock,
    /// When the last picture was given.
    given_at: Option<Instant>,
}

/// What there is to give.
enum Stock {
    /// The only picture, read when the source was opened; `None` once it was given for good.
    Single(Option<RgbImage>),
    Folder {
        files: Vec<PathBuf>,
        /// The file to read next.
        position: usize,
        /// How many could be read since the folder was begun.
        readable: usize,
    },
}

impl Pictures {
    /// One picture.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn single(path: &Path, repeat: bool) -> Result<Self, SourceError> {
        let image = read_picture(path).map_err(|error| SourceError::lasting(error.message()))?;
        Ok(Self { name: name_of(path), repeat, stock: Stock::Single(Some(image)), given_at: None })
    }

    /// The pictures of a folder, without those of folders in it.
    ///
    /// # Errors
    /// When the folder can't be read, is empty or has no pictures.
    pub(crate) fn folder(path: &Path, repeat: bool) -> Result<Self, SourceError> {
        let shown = text::path(path);
        let unreadable = |error: std::io::Error| {
            let message = Message::new(format!("The folder {shown} can't be read ({error})."));
            SourceError::lasting(message.hint("Check its permissions."))
        };
        let mut files = Vec::new();
        let mut others = 0usize;
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_picture_name(&file) && file.is_file() {
                files.push(file);
            } else {
                others += 1;
            }
        }
        if files.is_empty() {
            return Err(SourceError::lasting(if others == 0 {
                Message::new(format!("The folder {shown} is empty.")).hint("Put pictures into it, or use another one.")
            } else {
                Message::new(format!("The folder {shown} has no pictures (PNG, JPEG, WebP, GIF, TIFF or BMP)."))
                    .hint("Use another one.")
            }));
        }
        files.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
        let stock = Stock::Folder { files, position: 0, readable: 0 };
        Ok(Self { name: name_of(path), repeat, stock, given_at: None })
    }

    /// The picture whose turn it is. `None`: there are no more.
    fn take(&mut self) -> Result<Option<RgbImage>, SourceError> {
        match &mut self.stock {
            Stock::Single(image) if self.repeat => Ok(image.clone()),
            Stock::Single(image) => Ok(image.take()),
            Stock::Folder { files, position, readable } => loop {
                if *position == files.len() {
                    if *readable == 0 {
                        let (count, name) = (files.len(), &self.name);
                        let message = Message::new(format!("None of the {count} pictures in {name} can be read."));
                        return Err(SourceError::lasting(message.hint("Use another folder.")));
                    }
                    if !self.repeat {
                        return Ok(None);
                    }
                    (*position, *readable) = (0, 0);
                }
                let path = &files[*position];
                *position += 1;
                match read_picture(path) {
                    Ok(image) => {
                        *readable += 1;
                        return Ok(Some(image));
                    }
                    Err(error) => tracing::warn!(passed_over = *position - *readable, "Passed over a picture: {error}"),
                }
            },
        }
    }
}

impl Source for Pictures {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn is_live(&self) -> bool {
        false
    }

    fn position(&self) -> Option<Position> {
        let Stock::Folder { files, position, .. } = &self.stock else { return None };
        let number = (*position).max(1);
        Some(Position::Picture { number, count: files.len(), name: name_of(&files[number - 1]) })
    }

    fn obey(&mut self, order: PlayOrder) -> Result<bool, SourceError> {
        if let PlayOrder::Repeat(repeat) = order {
            self.repeat = repeat;
        }
        let Stock::Folder { files, position, .. } = &mut self.stock else { return Ok(false) };
        match order {
            // The one that would have come.
            PlayOrder::NextPicture if *position < files.len() || self.repeat => {}
            PlayOrder::PreviousPicture => *position = position.saturating_sub(2),
            _ => return Ok(false),
        }
        self.given_at = None;
        Ok(true)
    }

    fn next(&mut self) -> Result<Next, SourceError> {
        if let (true, Some(given_at)) = (self.repeat, self.given_at) {
            let left = REPEAT_PAUSE.saturating_sub(given_at.elapsed());
            std::thread::sleep(left.min(WAIT));
            if left > WAIT {
                return Ok(Next::Nothing);
            }
        }
        let Some(image) = self.take()? else { return Ok(Next::Ended) };
        self.given_at = Some(Instant::now());
        Ok(Next::Picture(image))
    }
}

/// The file's or folder's own name, also of `.` and `..`.
fn name_of(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    text::path(Path::new(full.file_name().unwrap_or(path.as_os_str())))
}

/// Numbers by their value, letters without case, the whole name where that is equal.
pub(crate) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.chars().peekable(), b.chars().peekable());
    loop {
        let order = match (left.peek().copied(), right.peek().copied()) {
            (None, None) => return a.cmp(b),
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, y) = (digits(&mut left), digits(&mut right));
                // Without leading zeros, the longer number is the greater one.
                x.len().cmp(&y.len()).then_with(|| x.cmp(&y))
            }
            (Some(x), Some(y)) => {
                left.next();
                right.next();
                x.to_lowercase().cmp(y.to_lowercase())
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes a number's digits, without leading zeros.
fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::Rgb;
    use tempfile::TempDir;

    use super::*;

    /// A folder with these files: a picture of one colour each, or junk where there is none.
    fn folder(files: &[(&str, Option<u8>)]) -> TempDir {
        let dir = tempfile::tempdir().expect("a folder for the test");
        for (name, colour) in files {
            let path = dir.path().join(name);
            match colour {
                Some(colour) => RgbImage::from_pixel(8, 8, Rgb([*colour; 3])).save(path).expect("written"),
                None => fs::write(path, "junk").expect("written"),
            }
        }
        dir
    }

    /// The colour of the next picture; `None` at the end.
    fn next_colour(source: &mut Pictures) -> Option<u8> {
        loop {
            match source.next().expect("no error") {
                Next::Picture(image) => return Some(image.get_pixel(0, 0).0[0]),
                Next::Nothing => {}
                Next::Ended => return None,
            }
        }
    }

    #[test]
    fn a_folder_goes_forth_and_back() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, red) in [("a.png", 10), ("b.png", 20), ("c.png", 30)] {
            RgbImage::from_pixel(2, 2, Rgb([red, 0, 0])).save(dir.path().join(name)).expect("saved");
        }
        let mut source = Pictures::folder(dir.path(), false).expect("opened");
        let next = |source: &mut Pictures| loop {
            match source.next().expect("no error") {
                Next::Picture(picture) => return picture.get_pixel(0, 0).0[0],
                Next::Nothing => {}
                Next::Ended => panic!("it ended"),
            }
        };
        let at = |source: &Pictures| match source.position().expect("a folder") {
            Position::Picture { number, count: 3, name } => (number, name),
            other => panic!("{other:?}"),
        };
        assert_eq!((next(&mut source), at(&source)), (10, (1, "a.png".to_owned())));
        assert_eq!(source.obey(PlayOrder::PreviousPicture), Ok(true));
        assert_eq!(next(&mut source), 10, "there is none before it");
        assert_eq!((next(&mut source), source.obey(PlayOrder::NextPicture)), (20, Ok(true)));
        assert_eq!((next(&mut source), at(&source)), (30, (3, "c.png".to_owned())));
        assert_eq!(source.obey(PlayOrder::NextPicture), Ok(false), "there is none behind it");
        assert_eq!(source.obey(PlayOrder::PreviousPicture), Ok(true));
        assert_eq!((next(&mut source), source.obey(PlayOrder::Repeat(true))), (20, Ok(false)));
        assert_eq!((next(&mut source), source.obey(PlayOrder::NextPicture)), (30, Ok(true)));
        assert_eq!((next(&mut source), at(&source)), (10, (1, "a.png".to_owned())));
        assert_eq!(source.obey(PlayOrder::SeekTo(Duration::from_secs(1))), Ok(false), "time is a video's");
    }

    #[test]
    fn one_picture_is_given_once() {
        let dir = folder(&[("a.png", Some(7))]);
        let mut source = Pictures::single(&dir.path().join("a.png"), false).expect("opened");
        assert_eq!(source.name(), "a.png");
        assert!(!source.is_live());
        assert_eq!(next_colour(&mut source), Some(7));
        assert_eq!(next_colour(&mut source), None);
        assert_eq!(next_colour(&mut source), None, "and stays ended");
    }

    #[test]
    fn a_repeated_picture_is_held_without_haste() {
        let dir = folder(&[("a.png", Some(7))]);
        let mut source = Pictures::single(&dir.path().join("a.png"), true).expect("opened");
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(next_colour(&mut source), Some(7));
        }
        assert!(begun.elapsed() >= 2 * REPEAT_PAUSE);
    }

    #[test]
    fn a_folder_is_given_in_natural_order_and_ends() {
        let files = [("10.png", Some(3)), ("2.PNG", Some(2)), ("1.bmp", Some(1)), ("notes.txt", None)];
        let dir = folder(&files);
        let mut source = Pictures::folder(dir.path(), false).expect("opened");
        let colours = std::iter::from_fn(|| next_colour(&mut source)).collect::<Vec<_>>();
        assert_eq!(colours, [1, 2, 3]);
    }

    #[test]
    fn a_repeated_folder_goes_round() {
        let dir = folder(&[("1.png", Some(1)), ("2.png", Some(2))]);
        let mut source = Pictures::folder(dir.path(), true).expect("opened");
        let colours = (0..4).map(|_| next_colour(&mut source)).collect::<Vec<_>>();
        assert_eq!(colours, [Some(1), Some(2), Some(1), Some(2)]);
    }

    #[test]
    fn broken_pictures_are_passed_over() {
        let dir = folder(&[("1.png", None), ("2.png", Some(2)), ("3.png", None)]);
        let mut source = Pictures::folder(dir.path(), false).expect("opened");
        assert_eq!(next_colour(&mut source), Some(2));
        assert_eq!(next_colour(&mut source), None);
    }

    #[test]
    fn a_folder_of_broken_pictures_is_an_error_and_no_endless_search() {
        for repeat in [false, true] {
            let dir = folder(&[("1.png", None), ("2.jpg", None)]);
            let mut source = Pictures::folder(dir.path(), repeat).expect("opened");
            let error = source.next().expect_err("nothing to give");
            assert!(error.message.what().starts_with("None of the 2 pictures"), "{error}");
            assert!(!error.may_pass);
        }
    }

    #[test]
    fn a_folder_without_pictures_says_so() {
        let empty = folder(&[]);
        let error = Pictures::folder(empty.path(), false).err().expect("refused");
        assert!(error.message.what().contains("is empty"), "{error}");
        let texts = folder(&[("a.txt", None)]);
        let error = Pictures::folder(texts.path(), false).err().expect("refused");
        assert!(error.message.what().contains("has no pictures"), "{error}");
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let mut names = ["img12", "IMG2", "img1", "a", "img02", "img", "img2b"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["a", "img", "img1", "IMG2", "img02", "img2b", "img12"]);
    }
}
