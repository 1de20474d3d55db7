//! Pictures as the model was trained on them: resized by Pillow's Lanczos, squashed to one tile or
//! cut into many.
//!
//! Follows `Idefics3ImageProcessorPil` of transformers 5.23, whose arithmetic (in double precision,
//! truncated) decides every size. Makes 8-bit tiles; normalising them is the vision encoder's first
//! step.

use image::RgbImage;

use crate::checkpoint::processor::PreprocessorConfig;
use crate::error::{Error, Result};
use crate::input::resample;

/// No picture is made larger than this along an edge (`MAX_IMAGE_SIZE`).
const LARGEST_EDGE: usize = 4096;

/// How a picture is to be shown to the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiling {
    /// Squashed to a single tile: what live captions use.
    #[default]
    One,
    /// Squashed to a single tile as SmolVLM2 was trained on the frames of videos: brought to the
    /// longest edge of split pictures first, which makes it a little softer.
    Frame,
    /// Cut into tiles, with the whole picture as one more, for small print.
    Split,
}

/// Rows and columns of a cut picture; zero of both for a single tile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grid {
    pub rows: usize,
    pub columns: usize,
}

impl Grid {
    /// Tiles in all, the whole picture included.
    pub fn tiles(self) -> usize {
        self.rows * self.columns + 1
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    width: usize,
    height: usize,
}

impl Size {
    fn of(picture: &RgbImage) -> Self {
        Self { width: picture.width() as usize, height: picture.height() as usize }
    }

    fn aspect(self) -> f64 {
        self.width as f64 / self.height as f64
    }

    /// The size with the longest edge at `longest`, the other truncated and then made even
    /// (`_resize_output_size_rescale_to_max_len`), and nothing above [`LARGEST_EDGE`].
    fn with_longest_edge(self, longest: usize) -> Self {
        let aspect = self.aspect();
        let even = |x: usize| (x + x % 2).max(1);
        let scaled = if self.width >= self.height {
            Self { width: longest, height: even((longest as f64 / aspect) as usize) }
        } else {
            Self { width: even((longest as f64 * aspect) as usize), height: longest }
        };
        let aspect = scaled.aspect();
        if scaled.width >= scaled.height && scaled.width > LARGEST_EDGE {
            Self { width: LARGEST_EDGE, height: ((LARGEST_EDGE as f64 / aspect) as usize).max(1) }
        } else if scaled.height > scaled.width && scaled.height > LARGEST_EDGE {
            Self { width: ((LARGEST_EDGE as f64 * aspect) as usize).max(1), height: LARGEST_EDGE }
        } else {
            scaled
        }
    }

    /// The size stretched to whole tiles (`resize_for_vision_encoder`).
    fn in_whole_tiles(self, tile: usize) -> Self {
        let aspect = self.aspect();
        let whole = |x: usize| x.div_ceil(tile) * tile;
        if self.width >= self.height {
            let width = whole(self.width);
            Self { width, height: whole((width as f64 / aspect) as usize) }
        } else {
            let height = whole(self.height);
            Self { width: whole((height as f64 * aspect) as usize), height }
        }
    }
}

/// How a picture of this size will be cut, without touching a pixel: the prompt's length follows
/// from it.
pub(crate) fn grid(picture: &RgbImage, tiling: Tiling, config: &PreprocessorConfig) -> Grid {
    let tile = config.max_image_size.longest_edge;
    match tiling {
        Tiling::One | Tiling::Frame => Grid::default(),
        Tiling::Split => {
            let whole = Size::of(picture).with_longest_edge(config.size.longest_edge).in_whole_tiles(tile);
            let grid = Grid { rows: whole.height / tile, columns: whole.width / tile };
            if grid.rows * grid.columns > 1 { grid } else { Grid::default() }
        }
    }
}

/// Resizes a picture and cuts it into its `grid`. The tiles come row by row, then the whole picture
/// squashed to one.
///
/// # Errors
/// [`Error::Picture`] when the picture is empty.
pub(crate) fn tiles(
    picture: &RgbImage,
    tiling: Tiling,
    grid: Grid,
    config: &PreprocessorConfig,
) -> Result<Vec<RgbImage>> {
    if picture.width() == 0 || picture.height() == 0 {
        return Err(Error::Picture { why: "it is empty".into() });
    }
    let tile = config.max_image_size.longest_edge;
    let square = Size { width: tile, height: tile };
    // An uncut picture is resized twice, with its aspect ratio first, since the model was trained
    // so.
    let longest = if tiling == Tiling::One { tile } else { config.size.longest_edge };
    let mut resized = resize(picture, Size::of(picture).with_longest_edge(longest));
    let mut tiles = Vec::with_capacity(grid.tiles());
    if tiling == Tiling::Split {
        resized = resize(&resized, Size::of(&resized).in_whole_tiles(tile));
        for row in 0..grid.rows {
            for column in 0..grid.columns {
                let (x, y) = ((column * tile) as u32, (row * tile) as u32);
                tiles.push(image::imageops::crop_imm(&resized, x, y, tile as u32, tile as u32).to_image());
            }
        }
    }
    tiles.push(resize(&resized, square));
    Ok(tiles)
}

fn resize(picture: &RgbImage, to: Size) -> RgbImage {
    resample::resize(picture, to.width as u32, to.height as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(longest: usize, tile: usize) -> PreprocessorConfig {
        let json = serde_json::json!({"size": {"longest_edge": longest}, "max_image_size": {"longest_edge": tile},
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 1.0 / 255.0});
        serde_json::from_value(json).unwrap()
    }

    fn cut(picture: &RgbImage, tiling: Tiling, config: &PreprocessorConfig) -> Result<Vec<RgbImage>> {
        tiles(picture, tiling, grid(picture, tiling, config), config)
    }

    #[test]
    fn sizes_follow_the_reference_arithmetic() {
        let size = |width, height| Size { width, height };
        assert_eq!(size(600, 400).with_longest_edge(512), size(512, 342));
        assert_eq!(size(400, 600).with_longest_edge(512), size(342, 512));
        assert_eq!(size(1280, 720).with_longest_edge(2048), size(2048, 1152));
        assert_eq!(size(1000, 1).with_longest_edge(512), size(512, 1));
        assert_eq!(size(10, 10).with_longest_edge(5000), size(4096, 4096));
        assert_eq!(size(2048, 1152).in_whole_tiles(512), size(2048, 1536));
    }

    #[test]
    fn a_frame_of_720_lines_costs_thirteen_tiles_split_and_one_unsplit() {
        let (frame, c) = (RgbImage::new(1280, 720), config(2048, 512));
        assert_eq!(grid(&frame, Tiling::Split, &c).tiles(), 13);
        assert_eq!(cut(&frame, Tiling::Split, &c).unwrap().len(), 13);
        assert_eq!(cut(&frame, Tiling::One, &c).unwrap().len(), 1);
    }

    #[test]
    fn every_shape_of_picture_gives_tiles_of_the_right_size() {
        let c = config(256, 64);
        for (w, h) in [(1, 1), (1, 500), (500, 1), (3, 7), (64, 64), (640, 480)] {
            for tiling in [Tiling::One, Tiling::Frame, Tiling::Split] {
                let picture = RgbImage::from_pixel(w, h, image::Rgb([9, 99, 199]));
                let made = cut(&picture, tiling, &c).unwrap();
                assert_eq!(made.len(), grid(&picture, tiling, &c).tiles(), "{w}x{h} {tiling:?}");
                for tile in made {
                    assert_eq!(tile.dimensions(), (64, 64));
                    assert!(tile.pixels().all(|p| p.0 == [9, 99, 199]), "an even picture stays even");
                }
            }
        }
    }

    #[test]
    fn an_empty_picture_is_refused() {
        assert!(matches!(cut(&RgbImage::new(0, 5), Tiling::One, &config(256, 64)), Err(Error::Picture { .. })));
    }
}
