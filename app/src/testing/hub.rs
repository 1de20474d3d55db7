//! A hub in memory that does as it is told, for tests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use vlm::Cancel;

use crate::models::content::hexadecimal;
use crate::models::error::DownloadError;
use crate::models::hub::{Hub, Listing, Piece, RemoteFile, Sink};

pub const ID: &str = "someone/tiny";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a transfer does instead of going well.
pub enum Mishap {
    /// Ends after so many bytes.
    Cut(usize),
    /// Gives other bytes.
    Wrong,
    /// Gives more bytes.
    More,
    Busy(Option<Duration>),
    Gone,
    /// Raises the flag after so many bytes.
    Cancel(usize),
}

/// See the module.
#[derive(Default)]
pub struct FakeHub {
    pub files: Vec<(String, Vec<u8>)>,
    /// What happens to the transfers of weights, one after the other.
    pub mishaps: RefCell<VecDeque<Mishap>>,
    /// From where weights were asked for.
    pub asked: RefCell<Vec<u64>>,
    pub etag: Option<String>,
    pub calls: Cell<usize>,
}

impl FakeHub {
    /// With a checkpoint of one file.
    pub fn tiny() -> Self {
        let config = r#"{"model_type":"smolvlm","image_token_id":9,"vision_config":{"image_size":64,"patch_size":16}}"#;
        let mut files: Vec<_> = [
            ("config.json", config),
            ("preprocessor_config.json", r#"{"max_image_size":{"longest_edge":64}}"#),
            ("tokenizer.json", "{}"),
            ("README.md", "# Tiny"),
        ]
        .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
        .into();
        files.push(("model.safetensors".to_owned(), (0..=255).cycle().take(10_000).collect()));
        Self { files, ..Self::default() }
    }

    pub fn will(self, mishaps: impl IntoIterator<Item = Mishap>) -> Self {
        self.mishaps.borrow_mut().extend(mishaps);
        self
    }

    fn content(&self, name: &str) -> Result<&[u8], DownloadError> {
        let found = self.files.iter().find(|(file, _)| file == name).map(|(_, content)| content.as_slice());
        found.ok_or_else(|| DownloadError::Missing {
            endpoint: self.endpoint().to_owned(),
            id: ID.to_owned(),
            file: Some(name.to_owned()),
        })
    }
}

impl Hub for FakeHub {
    fn endpoint(&self) -> &'static str {
        "fake"
    }

    fn listing(&self, _: &str, _: &Cancel) -> Result<Listing, DownloadError> {
        self.calls.set(self.calls.get() + 1);
        let files = self.files.iter().map(|(name, _)| name.clone()).collect();
        Ok(Listing { commit: COMMIT.to_owned(), files })
    }

    fn describe(&self, _: &str, _: &str, file: &str, _: &Cancel) -> Result<RemoteFile, DownloadError> {
        let content = self.content(file)?;
        let hash = if file.ends_with(".safetensors") {
            hexadecimal(&Sha256::digest(content))
        } else {
            let head = format!("blob {}\0", content.len());
            hexadecimal(&Sha1::digest([head.as_bytes(), content].concat()))
        };
        let etag = self.etag.clone().unwrap_or(hash);
        Ok(RemoteFile { name: file.to_owned(), size: content.len() as u64, etag })
    }

    fn fetch(&self, piece: &Piece<'_>, cancel: &Cancel, sink: &mut Sink<'_>) -> Result<(), DownloadError> {
        let content = &self.content(&piece.file.name)?[piece.from as usize..];
        if !piece.file.name.ends_with(".safetensors") {
            return sink(content);
        }
        self.asked.borrow_mut().push(piece.from);
        let cut = DownloadError::Cut { file: piece.file.name.clone(), tries: 1, done: 0, size: piece.file.size };
        let next = self.mishaps.borrow_mut().pop_front();
        match next {
            None => sink(content),
            Some(Mishap::Cut(after)) => {
                sink(&content[..after])?;
                Err(cut)
            }
            Some(Mishap::Wrong) => sink(&vec![7; content.len()]),
            Some(Mishap::More) => sink(&vec![7; content.len() + 1]),
            Some(Mishap::Busy(retry_after)) => Err(DownloadError::Busy { endpoint: "fake".to_owned(), retry_after }),
            Some(Mishap::Gone) => Err(DownloadError::Unreachable {
                endpoint: "fake".to_owned(),
                id: ID.to_owned(),
                file: piece.file.name.clone(),
                why: "gone".to_owned(),
            }),
            Some(Mishap::Cancel(after)) => {
                sink(&content[..after])?;
                cancel.cancel();
                Err(DownloadError::Cancelled)
            }
        }
    }
}
