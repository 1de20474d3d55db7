//! What the panel holds of the log: a few pages and small pictures around what is seen, however
//! long the log is.

use std::collections::{HashMap, HashSet};

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use image::RgbImage;

use crate::log::{FoundEntry, PAGE, Reader, ReaderOrder};

/// Pages held: those on screen and some around them.
const PAGES: usize = 12;
/// Pictures held: at 320x180 pixels, 22 MB.
const PICTURES: usize = 96;
/// Pages and pictures that are asked for at a time: less than the reader's queue holds.
const UNDER_WAY: usize = 12;

struct Page {
    entries: Vec<FoundEntry>,
    /// The log has changed since.
    is_stale: bool,
    used: u64,
}

struct Picture {
    /// None for an entry that has none.
    texture: Option<TextureHandle>,
    used: u64,
}

/// Pages and pictures, of which the longest unused go first.
#[derive(Default)]
pub struct Cache {
    pages: HashMap<u64, Page>,
    pictures: HashMap<i64, Picture>,
    asked_pages: HashSet<u64>,
    asked_pictures: HashSet<i64>,
    clock: u64,
}

impl Cache {
    /// Forgets all pages: another list is shown.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.asked_pages.clear();
    }

    /// The log has changed: what is here is shown until it was read anew.
    pub fn grow_stale(&mut self) {
        for page in self.pages.values_mut() {
            page.is_stale = true;
        }
        self.asked_pages.clear();
        self.asked_pictures.clear();
    }

    /// Takes in a page.
    pub fn put_page(&mut self, number: u64, entries: Vec<FoundEntry>) {
        self.asked_pages.remove(&number);
        self.clock += 1;
        self.pages.insert(number, Page { entries, is_stale: false, used: self.clock });
        while self.pages.len() > PAGES {
            let Some(oldest) = self.pages.iter().min_by_key(|(_, page)| page.used).map(|(number, _)| *number) else {
                break;
            };
            self.pages.remove(&oldest);
        }
    }

    /// Forgets a picture: the entry is another one now.
    pub fn forget(&mut self, entry: i64) {
        self.pictures.remove(&entry);
    }

    /// Takes in a picture.
    pub fn put_picture(&mut self, ctx: &Context, entry: i64, picture: Option<&RgbImage>) {
        self.asked_pictures.remove(&entry);
        self.clock += 1;
        let texture = picture.map(|picture| {
            let size = [picture.width() as usize, picture.height() as usize];
            let image = ColorImage::from_rgb(size, picture.as_raw());
            ctx.load_texture(format!("entry {entry}"), image, TextureOptions::LINEAR)
        });
        self.pictures.insert(entry, Picture { texture, used: self.clock });
        while self.pictures.len() > PICTURES {
            let Some(oldest) = self.pictures.iter().min_by_key(|(_, picture)| picture.used).map(|(id, _)| *id) else {
                break;
            };
            self.pictures.remove(&oldest);
        }
    }

    /// The entry of a row, counted from the oldest. Asks the reader for it when it is not here, or
    /// has changed.
    pub fn entry(&mut self, reader: Option<&Reader>, row: u64) -> Option<&FoundEntry> {
        let number = row / PAGE;
        self.clock += 1;
        let is_fresh = self.pages.get(&number).is_some_and(|page| !page.is_stale);
        if !is_fresh
            && self.asked_pages.len() < UNDER_WAY
            && !self.asked_pages.contains(&number)
            && reader.is_some_and(|reader| reader.order(ReaderOrder::Page(number)))
        {
            self.asked_pages.insert(number);
        }
        let page = self.pages.get_mut(&number)?;
        page.used = self.clock;
        page.entries.get(usize::try_from(row % PAGE).ok()?)
    }

    /// The picture of an entry. Asks for it when it is not here.
    pub fn picture(&mut self, reader: &Reader, entry: i64) -> Option<TextureHandle> {
        self.clock += 1;
        if let Some(picture) = self.pictures.get_mut(&entry) {
            picture.used = self.clock;
            return picture.texture.clone();
        }
        if self.asked_pictures.len() < UNDER_WAY
            && !self.asked_pictures.contains(&entry)
            && reader.order(ReaderOrder::Thumbnail(entry))
        {
            self.asked_pictures.insert(entry);
        }
        None
    }

    /// How many pages and pictures are held.
    #[cfg(test)]
    pub fn held(&self) -> (usize, usize) {
        (self.pages.len(), self.pictures.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_held_than_is_seen() {
        let (mut cache, ctx) = (Cache::default(), Context::default());
        let picture = RgbImage::new(4, 3);
        for number in 0..1000 {
            cache.put_page(number, vec![FoundEntry::default(); PAGE as usize]);
            cache.put_picture(&ctx, number as i64, Some(&picture));
        }
        assert_eq!(cache.held(), (PAGES, PICTURES));
    }
}
