//! A picture as a PNG file with its caption: what was seen, when and by whom stands in the file's
//! text chunks, so that it stays with the picture. Never writes over a file.

use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use jiff::ZonedDateTime;

use crate::base::message::Message;
use crate::base::text;

/// The most files of one name: `cat.png`, `cat-2.png` and so on.
const MOST_NAMES: u32 = 1000;

/// A picture and what is known of it.
#[derive(Clone, Debug)]
pub struct KeptPicture {
    /// The picture, with the caption drawn in or not.
    pub image: Arc<RgbImage>,
    /// When it was captured.
    pub time: ZonedDateTime,
    /// What is said of it.
    pub caption: String,
    /// Where it comes from.
    pub source: String,
    /// Who said so.
    pub model: String,
    /// What it was told to do.
    pub instruction: String,
}

/// Writes the file, under another name where there is one of this name. Gives the name.
///
/// # Errors
/// Why, when it can't be written.
pub fn save(path: &Path, picture: &KeptPicture) -> Result<PathBuf, Message> {
    let path = if path.extension().is_none() { path.with_extension("png") } else { path.to_owned() };
    for path in names(&path) {
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = opened.and_then(|file| write(BufWriter::new(file), picture));
        match written {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let what = format!("The picture was not saved as {} ({error}).", text::path(&path));
                return Err(Message::new(what).hint("Choose another folder."));
            }
        }
    }
    Err(Message::new(format!("There are {MOST_NAMES} files of this name already.")).hint("Choose another name."))
}

/// Names for a file: this one, and those that are tried where it is there.
pub fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=MOST_NAMES).map(|number| numbered(path, number))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    if number == 1 { path.to_owned() } else { path.with_file_name(format!("{stem}-{number}.{ending}")) }
}

fn write(out: impl io::Write, picture: &KeptPicture) -> io::Result<()> {
    let KeptPicture { image, time, caption, source, model, instruction } = picture;
    let (width, height) = image.dimensions();
    let mut encoder = png::Encoder::new(out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let time = time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
    // The keywords that the PNG specification (11.3.3) predefines, and one of our own.
    let texts = [
        ("Description", caption),
        ("Creation Time", &time),
        ("Source", source),
        ("Software", &format!("Sightline, {model}")),
        ("Instruction", instruction),
    ];
    for (keyword, words) in texts {
        if !words.is_empty() {
            encoder.add_itxt_chunk(keyword.to_owned(), words.clone())?;
        }
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    Ok(writer.finish()?)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn the_caption_stays_with_the_picture_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let image = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 9]));
        let picture = KeptPicture {
            image: Arc::new(image.clone()),
            time: ZonedDateTime::now(),
            caption: "Ein Kätzchen 🐱.".to_owned(),
            source: "camera".to_owned(),
            model: "256m".to_owned(),
            instruction: String::new(),
        };
        let first = save(&folder.path().join("cat"), &picture).expect("saved");
        let second = save(&folder.path().join("cat.png"), &picture).expect("saved");
        assert_eq!((first, second.clone()), (folder.path().join("cat.png"), folder.path().join("cat-2.png")));
        assert_eq!(image::open(&second).expect("a picture").to_rgb8(), image);
        let decoder = png::Decoder::new(io::BufReader::new(std::fs::File::open(&second).expect("opened")));
        let reader = decoder.read_info().expect("read");
        let texts: Vec<_> =
            reader.info().utf8_text.iter().map(|chunk| (chunk.keyword.as_str(), chunk.get_text())).collect();
        assert!(matches!(&texts[0], ("Description", Ok(words)) if words == "Ein Kätzchen 🐱."), "{texts:?}");
        assert_eq!(texts.len(), 4, "{texts:?}");
        let said = save(&folder.path().join("none/cat.png"), &picture).expect_err("no folder");
        assert!(said.what().contains("not saved"), "{said}");
    }
}
