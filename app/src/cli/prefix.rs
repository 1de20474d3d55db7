//! What stands before every picture, as it is written on the command line: `--standing` and
//! `--reference`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::TypedValueParser;
use clap::{Arg, Args, Command};
use vlm::Cancel;

use crate::base::message::Message;
use crate::capture::picture_named;
use crate::cli::args::refused;
use crate::engine::prefix::{Prefix, Reference};

/// The arguments.
#[derive(Args, Clone, Debug, Default)]
pub struct PrefixArgs {
    /// What the model is told before every picture, such as "You watch a workshop. Name tools
    /// exactly."
    #[arg(long, value_name = "TEXT")]
    pub standing: Option<String>,

    /// A picture that the model is to know, and what it shows, such as "my closed door=door.jpg";
    /// up to eight
    #[arg(long, value_name = "LABEL=FILE", value_parser = ReferenceParser)]
    pub reference: Vec<NamedReference>,
}

/// A reference as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedReference {
    /// What the picture shows.
    label: String,
    /// Its file or address.
    file: PathBuf,
}

impl PrefixArgs {
    /// Reads the pictures.
    ///
    /// # Errors
    /// For people: which picture can't be read, or what is too long or too many.
    pub fn read(&self, cancel: &Cancel) -> Result<Prefix, Message> {
        let mut prefix = Prefix { standing: self.standing.clone().unwrap_or_default(), references: Vec::new() };
        for NamedReference { label, file } in &self.reference {
            let picture = Arc::new(picture_named(file, cancel)?);
            prefix.references.push(Reference { label: label.clone(), picture });
        }
        prefix.check()?;
        Ok(prefix)
    }
}

/// Reads a label, an equals sign and any name of a file that the system allows. Labels are UTF-8;
/// the first equals sign ends them.
#[derive(Clone)]
struct ReferenceParser;

impl TypedValueParser for ReferenceParser {
    type Value = NamedReference;

    fn parse_ref(&self, _: &Command, _: Option<&Arg>, value: &OsStr) -> Result<NamedReference, clap::Error> {
        split(value).ok_or_else(|| {
            let message = Message::new(format!("`{}` names no reference picture.", value.display()));
            refused(
                &message.hint("Write a label, an equals sign and a file, such as --reference \"my door=door.jpg\"."),
            )
        })
    }
}

fn split(value: &OsStr) -> Option<NamedReference> {
    let bytes = value.as_encoded_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=')?;
    let label = std::str::from_utf8(&bytes[..at]).ok()?.trim().to_owned();
    let file = file_after(value, at)?;
    (!label.is_empty() && !file.as_os_str().is_empty()).then_some(NamedReference { label, file })
}

/// The rest of a text behind an ASCII character at this byte.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "names of files are not bytes everywhere")]
fn file_after(value: &OsStr, at: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(OsStr::from_bytes(&value.as_bytes()[at + 1..]).into())
}

/// The same where names of files are not bytes.
#[cfg(not(unix))]
fn file_after(value: &OsStr, at: usize) -> Option<PathBuf> {
    Some(value.to_str()?.get(at + 1..)?.into())
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn a_reference_is_a_label_and_a_file() {
        let named = |label: &str, file: &str| Some(NamedReference { label: label.to_owned(), file: file.into() });
        assert_eq!(split(OsStr::new("my closed door=a/b=c.png")), named("my closed door", "a/b=c.png"));
        for text in ["door.png", "=door.png", "door=", " =x"] {
            assert_eq!(split(OsStr::new(text)), None, "{text}");
        }
    }

    #[test]
    fn pictures_are_read_and_missing_ones_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("door.png");
        RgbImage::from_pixel(3, 2, Rgb([9, 8, 7])).save(&file).expect("saved");
        let args = |file: PathBuf| PrefixArgs {
            standing: Some("Answer briefly.".to_owned()),
            reference: vec![NamedReference { label: "my door".to_owned(), file }],
        };
        let prefix = args(file).read(&Cancel::default()).expect("read");
        assert_eq!((prefix.standing.as_str(), prefix.references[0].label.as_str()), ("Answer briefly.", "my door"));
        assert_eq!(prefix.references[0].picture.get_pixel(0, 0).0, [9, 8, 7]);
        let said = args(folder.path().join("none.png")).read(&Cancel::default()).expect_err("there is none");
        assert!(said.what().contains("none.png"), "{said}");
    }
}
