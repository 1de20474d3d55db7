//! Fonts of the system for letters that the window's own fonts lack. Nothing is looked for before
//! the first such letter; then the folders of fonts are gone through once, and of each font only
//! the table of its letters is read.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use egui::FontData;
use egui::epaint::text::{FallbackRequest, FontInsert, FontPriority, FontProvider, InsertFontFamily};
use skrifa::raw::tables::cmap::Cmap;
use skrifa::raw::{FontData as Bytes, FontRead as _};

/// The most font files that are looked at.
const MOST_FILES: usize = 4000;
/// The deepest folder that is looked into, below a folder of fonts.
const DEEPEST: usize = 6;
/// The largest font that is loaded, in bytes: those of Chinese, Japanese and Korean together have
/// some 20 MB.
const LARGEST: u64 = 64 << 20;
/// The largest table of letters, in bytes.
const LARGEST_TABLE: u32 = 4 << 20;
/// The most faces of a collection.
const MOST_FACES: u32 = 16;

/// See the module.
pub struct SystemFonts {
    folders: Vec<PathBuf>,
    faces: OnceLock<Vec<Face>>,
}

/// A face of a font file, and the table of its letters.
struct Face {
    path: PathBuf,
    /// Its number in a collection.
    index: u32,
    cmap: Vec<u8>,
}

impl SystemFonts {
    /// The fonts where systems keep them.
    pub fn new() -> Self {
        let mut folders: Vec<PathBuf> = match std::env::consts::OS {
            "windows" => {
                std::env::var_os("WINDIR").map(|windows| Path::new(&windows).join("Fonts")).into_iter().collect()
            }
            "macos" => vec!["/System/Library/Fonts".into(), "/Library/Fonts".into()],
            _ => vec!["/usr/share/fonts".into(), "/usr/local/share/fonts".into()],
        };
        if let Some(home) = directories::UserDirs::new() {
            folders.extend(home.font_dir().map(Path::to_owned));
            folders.extend([".fonts", "Library/Fonts"].map(|folder| home.home_dir().join(folder)));
        }
        Self::of(folders)
    }

    fn of(folders: Vec<PathBuf>) -> Self {
        Self { folders, faces: OnceLock::new() }
    }

    fn faces(&self) -> &[Face] {
        self.faces.get_or_init(|| {
            let mut files = Vec::new();
            for folder in &self.folders {
                list(folder, DEEPEST, &mut files);
            }
            files.sort_by_key(|path| likeness(path));
            files.iter().flat_map(|path| faces_of(path).unwrap_or_default()).collect()
        })
    }
}

impl FontProvider for SystemFonts {
    fn font_for(&self, request: &FallbackRequest<'_>) -> Option<FontInsert> {
        let letter = request.cluster.chars().next()?;
        let face = self.faces().iter().find(|face| face.has(letter))?;
        let bytes = fs::read(&face.path).ok()?;
        let mut data = FontData::from_owned(bytes);
        data.index = face.index;
        Some(FontInsert {
            name: format!("{}:{}", face.path.display(), face.index),
            data,
            families: vec![InsertFontFamily { family: request.family.clone(), priority: FontPriority::Lowest }],
        })
    }
}

impl Face {
    fn has(&self, letter: char) -> bool {
        let cmap = Cmap::read(Bytes::new(&self.cmap));
        cmap.ok().and_then(|cmap| cmap.map_codepoint(letter)).is_some_and(|glyph| glyph.to_u32() != 0)
    }
}

/// Font files below a folder.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(facts) = fs::metadata(&path) else { continue };
        if facts.is_dir() && depth > 0 {
            list(&path, depth - 1, files);
        } else if files.len() < MOST_FILES && facts.is_file() && facts.len() <= LARGEST {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
            if matches!(ending.as_str(), "ttf" | "otf" | "ttc" | "otc") {
                files.push(path);
            }
        }
    }
}

/// How unlike the window's own typeface a font looks by its name: upright sans-serif ones first.
fn likeness(path: &Path) -> (bool, bool, PathBuf) {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let other = ["bold", "italic", "oblique", "light", "thin", "black", "mono", "condensed"];
    (other.iter().any(|word| name.contains(word)), !name.contains("sans"), path.to_owned())
}

/// The faces of a file. (OpenType 1.9, "Font file": a collection lists where its faces begin; a
/// face begins with a directory of its tables.)
fn faces_of(path: &Path) -> io::Result<Vec<Face>> {
    let mut file = File::open(path)?;
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let mut starts = vec![0];
    if &head[..4] == b"ttcf" {
        let count = number(&head[8..12]).min(MOST_FACES);
        let mut offsets = vec![0; 4 * count as usize];
        file.read_exact(&mut offsets)?;
        starts = offsets.chunks_exact(4).map(number).collect();
    }
    let mut faces = Vec::new();
    for (index, start) in starts.into_iter().enumerate() {
        file.seek(SeekFrom::Start(start.into()))?;
        file.read_exact(&mut head)?;
        let tables = number(&head[4..6]);
        let mut directory = vec![0; 16 * tables as usize];
        file.read_exact(&mut directory)?;
        let cmap = directory.chunks_exact(16).find(|table| &table[..4] == b"cmap");
        let Some(table) = cmap else { continue };
        let (offset, length) = (number(&table[8..12]), number(&table[12..16]));
        if length > LARGEST_TABLE {
            continue;
        }
        let mut cmap = vec![0; length as usize];
        file.seek(SeekFrom::Start(offset.into()))?;
        file.read_exact(&mut cmap)?;
        faces.push(Face { path: path.to_owned(), index: index as u32, cmap });
    }
    Ok(faces)
}

#[cfg(test)]
mod tests {
    use egui::FontFamily;

    use super::*;

    const FONT: &[u8] = include_bytes!("../../../ui-assets/fonts/Inter-Regular.otf");

    fn found(fonts: &SystemFonts, letter: &str) -> Option<String> {
        let family = FontFamily::Proportional;
        fonts.font_for(&FallbackRequest { cluster: letter, family: &family }).map(|font| font.name)
    }

    #[test]
    fn a_font_is_found_by_its_letters_below_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).expect("made");
        fs::write(below.join("SomeSans-Bold.otf"), FONT).expect("written");
        fs::write(below.join("SomeSans.otf"), FONT).expect("written");
        fs::write(below.join("Broken-Sans.ttf"), b"no font").expect("written");
        let fonts = SystemFonts::of(vec![folder.path().to_owned(), "/no/such/folder".into()]);
        assert!(fonts.faces.get().is_none(), "nothing is read before a letter is missed");
        let name = found(&fonts, "Ж").expect("Inter has Cyrillic letters");
        assert!(name.contains("SomeSans.otf"), "the upright one goes first: {name}");
        assert_eq!(found(&fonts, "図"), None);
    }
}
