//! How pictures and videos are prepared, wherever a checkpoint says so.
//!
//! Up to transformers 4 that is `preprocessor_config.json`; transformers 5 puts it into
//! `processor_config.json`, as `image_processor` and `video_processor`, and reads that first. What
//! is left out is what the classes `Idefics3ImageProcessor` and `SmolVLMImageProcessor` take, which
//! have the same.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::checkpoint::config::{MOST_TILE, VisionConfig};
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::json;
use crate::error::{Error, Result};

/// The processor's own file, with the parts of transformers 5 or without.
const PROCESSOR: &str = "processor_config.json";
/// Where pictures' preparation is when it is not there.
const PICTURES: &str = "preprocessor_config.json";
/// The same for videos; before it was a file of its own it was in that of pictures.
const VIDEOS: [&str; 2] = ["video_preprocessor_config.json", PICTURES];
/// Pillow's number of its Lanczos filter, the one that pictures are resized with.
const LANCZOS: u32 = 1;

/// How a picture becomes tiles.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct PreprocessorConfig {
    /// A split picture is resized to this many pixels along its longest edge before it is cut into
    /// tiles.
    pub size: LongestEdge,
    /// Side of a tile.
    pub max_image_size: LongestEdge,
    pub image_mean: [f32; 3],
    pub image_std: [f32; 3],
    pub rescale_factor: f64,
    /// How the model was trained to look at videos, if it was.
    #[serde(skip)]
    pub video_sampling: Option<VideoSampling>,
    do_resize: bool,
    do_rescale: bool,
    do_normalize: bool,
    resample: u32,
}

impl Default for PreprocessorConfig {
    fn default() -> Self {
        Self {
            size: LongestEdge { longest_edge: 4 * 364 },
            max_image_size: LongestEdge { longest_edge: 364 },
            image_mean: [0.5; 3],
            image_std: [0.5; 3],
            rescale_factor: 1.0 / 255.0,
            video_sampling: None,
            do_resize: true,
            do_rescale: true,
            do_normalize: true,
            resample: LANCZOS,
        }
    }
}

/// `{"longest_edge": N}`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct LongestEdge {
    pub longest_edge: usize,
}

/// How a model was trained to look at videos.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct VideoSampling {
    /// Frames for each second.
    pub fps: f64,
    /// The most frames of a video.
    pub max_frames: usize,
}

/// What a file says of videos: `video_sampling`, or the numbers of a `SmolVLMVideoProcessor` by
/// themselves.
#[derive(Deserialize)]
struct Videos {
    video_sampling: Option<VideoSampling>,
    fps: Option<f64>,
    num_frames: Option<usize>,
}

impl Videos {
    fn sampling(self) -> Option<VideoSampling> {
        let plain = || Some(VideoSampling { fps: self.fps?, max_frames: self.num_frames? });
        self.video_sampling.or_else(plain)
    }
}

impl PreprocessorConfig {
    /// Whether a checkpoint says how its pictures are prepared, in whatever words.
    pub fn is_in(files: &ModelFiles) -> bool {
        files.has(PICTURES) || matches!(part(files, "image_processor"), Ok(Some(_)))
    }

    /// Reads and checks what the checkpoint says; its tile must be the one that `vision` was made
    /// for.
    ///
    /// # Errors
    /// [`Error::Missing`] when it says nothing, [`Error::Read`], [`Error::Damaged`] with what is
    /// wrong, and [`Error::Unsupported`] when pictures would have to be prepared in another way.
    pub fn read(files: &ModelFiles, vision: &VisionConfig) -> Result<Self> {
        let (pictures, path) = match part(files, "image_processor")? {
            Some(pictures) => (pictures, files.path(PROCESSOR)),
            None => (json::parse(&files.read(PICTURES)?, &files.path(PICTURES))?, files.path(PICTURES)),
        };
        let mut config = Self::of(pictures, &path, vision)?;
        if let Some((videos, path)) = videos(files)? {
            config.video_sampling = json::from_value::<Videos>(videos, &path)?.sampling();
            let usable = |video: &VideoSampling| video.fps > 0.0 && video.fps.is_finite() && video.max_frames > 0;
            if !config.video_sampling.as_ref().is_none_or(usable) {
                return Err(Error::Damaged { path, why: "video_sampling is not usable".into() });
            }
        }
        Ok(config)
    }

    fn of(pictures: Value, path: &Path, vision: &VisionConfig) -> Result<Self> {
        let damaged = |why: String| Error::Damaged { path: path.into(), why };
        let mut config: Self = json::from_value(pictures, path)?;
        if !config.do_resize || config.resample != LANCZOS {
            let why = "its pictures are not resized with Lanczos' filter".to_owned();
            return Err(Error::Unsupported { path: path.into(), why });
        }
        if config.max_image_size.longest_edge != vision.image_size {
            return Err(damaged(format!(
                "its tile is {} pixels wide, but the model's is {}",
                config.max_image_size.longest_edge, vision.image_size
            )));
        }
        if !(1..=MOST_TILE * 4).contains(&config.size.longest_edge) {
            return Err(damaged(format!("size.longest_edge is {}", config.size.longest_edge)));
        }
        let usable = |x: &f32| x.is_finite();
        if !(config.image_mean.iter().all(usable) && config.image_std.iter().all(|x| usable(x) && *x > 0.0)) {
            return Err(damaged("image_mean or image_std is not usable".into()));
        }
        if !config.rescale_factor.is_finite() {
            return Err(damaged("rescale_factor is not usable".into()));
        }
        if !config.do_rescale {
            config.rescale_factor = 1.0;
        }
        if !config.do_normalize {
            (config.image_mean, config.image_std) = ([0.0; 3], [1.0; 3]);
        }
        Ok(config)
    }
}

/// A part of the processor's file, if that has it.
fn part(files: &ModelFiles, name: &str) -> Result<Option<Value>> {
    if !files.has(PROCESSOR) {
        return Ok(None);
    }
    let mut whole: Value = json::parse(&files.read(PROCESSOR)?, &files.path(PROCESSOR))?;
    Ok(whole.get_mut(name).map(Value::take))
}

/// What a checkpoint says of videos, and where.
fn videos(files: &ModelFiles) -> Result<Option<(Value, PathBuf)>> {
    if let Some(videos) = part(files, "video_processor")? {
        return Ok(Some((videos, files.path(PROCESSOR))));
    }
    if let Some(name) = VIDEOS.into_iter().find(|name| files.has(name)) {
        return Ok(Some((json::parse(&files.read(name)?, &files.path(name))?, files.path(name))));
    }
    Ok(part(files, "image_processor")?.map(|pictures| (pictures, files.path(PROCESSOR))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    const SPARSE: &str = r#"{"max_image_size": {"longest_edge": 64}}"#;

    fn read(contents: &[(&str, &str)]) -> Result<PreprocessorConfig> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        for (name, content) in contents {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let files = ModelFiles::in_folder(folder.path()).unwrap();
        let vision = serde_json::from_value(json!({"image_size": 64})).unwrap();
        PreprocessorConfig::read(&files, &vision)
    }

    #[test]
    fn what_is_left_out_is_what_the_class_takes() {
        let config = read(&[(PICTURES, SPARSE)]).unwrap();
        assert_eq!((config.size.longest_edge, config.image_mean, config.image_std), (1456, [0.5; 3], [0.5; 3]));
        assert!((config.rescale_factor - 1.0 / 255.0).abs() < 1e-12 && config.video_sampling.is_none());
        let empty = read(&[(PICTURES, r#"{"max_image_size": {"longest_edge": 64}, "size": null, "image_std": null}"#)]);
        assert_eq!(empty.unwrap().size.longest_edge, 1456);
        let e = read(&[(PICTURES, "{}")]).unwrap_err().to_string();
        assert!(e.contains("its tile is 364 pixels wide, but the model's is 64"), "{e}");
    }

    #[test]
    fn steps_that_are_switched_off_are_left_out_and_other_filters_are_refused() {
        let with = |more: &str| format!(r#"{{"max_image_size": {{"longest_edge": 64}}, {more}}}"#);
        let plain = read(&[(PICTURES, &with(r#""do_normalize": false, "do_rescale": false"#))]).unwrap();
        assert_eq!(
            (plain.image_mean, plain.image_std, plain.rescale_factor.to_bits()),
            ([0.0; 3], [1.0; 3], 1f64.to_bits())
        );
        for more in [r#""resample": 3"#, r#""do_resize": false"#] {
            let e = read(&[(PICTURES, &with(more))]).unwrap_err();
            assert!(matches!(e, Error::Unsupported { .. }), "{e}");
        }
    }

    #[test]
    fn the_processors_file_goes_before_that_of_pictures() {
        let nested = r#"{"image_processor": {"max_image_size": {"longest_edge": 64}, "size": {"longest_edge": 128}},
            "video_processor": {"fps": 2, "num_frames": 8, "video_sampling": null}}"#;
        let video = r#"{"video_sampling": {"fps": 1, "max_frames": 64}}"#;
        let longest = |contents: &[(&str, &str)]| read(contents).unwrap().size.longest_edge;
        assert_eq!(longest(&[(PROCESSOR, nested)]), 128);
        assert_eq!(longest(&[(PROCESSOR, nested), (PICTURES, SPARSE)]), 128);
        assert_eq!(
            longest(&[(PROCESSOR, r#"{"image_seq_len": 4, "image_processor": null}"#), (PICTURES, SPARSE)]),
            1456
        );
        let sampling = |contents: &[(&str, &str)]| read(contents).unwrap().video_sampling;
        let frames = |fps, max_frames| Some(VideoSampling { fps, max_frames });
        assert_eq!(sampling(&[(PROCESSOR, nested), (VIDEOS[0], video)]), frames(2.0, 8));
        assert_eq!(sampling(&[(PICTURES, SPARSE), (VIDEOS[0], video)]), frames(1.0, 64));
        let e = read(&[(PROCESSOR, "{}")]).unwrap_err();
        assert!(matches!(&e, Error::Missing { path } if path.ends_with(PICTURES)), "{e}");
    }
}
