//! The committed checkpoints, pictures and goldens that tests share. `reference/make_fixtures.py`
//! makes them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use image::RgbImage;

use crate::checkpoint::files::ModelFiles;
use crate::network::{LoadOptions, Model};

macro_rules! side_files {
    ($layout:literal) => {
        &[
            ("config.json", include_bytes!(concat!("../../fixtures/tiny/", $layout, "/config.json"))),
            ("tokenizer.json", include_bytes!(concat!("../../fixtures/tiny/", $layout, "/tokenizer.json"))),
            (
                "preprocessor_config.json",
                include_bytes!(concat!("../../fixtures/tiny/", $layout, "/preprocessor_config.json")),
            ),
            ("model.safetensors", include_bytes!("../../fixtures/tiny/model.safetensors")),
        ]
    };
}

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The small checkpoint in the layout of a family, `idefics3` or `smolvlm`.
pub fn tiny(layout: &str) -> ModelFiles {
    match layout {
        "idefics3" => ModelFiles::built_in("tiny", side_files!("idefics3")),
        "smolvlm" => ModelFiles::built_in("tiny", side_files!("smolvlm")),
        other => panic!("no layout {other}"),
    }
}

/// The small checkpoint in the layout of SmolVLM-Instruct 2.2B.
pub fn tiny_2b() -> ModelFiles {
    ModelFiles::in_folder(&path("tiny-2b")).unwrap()
}

pub fn load(files: &ModelFiles) -> Arc<Model> {
    Arc::new(Model::load(files, LoadOptions::default()).unwrap())
}

pub fn picture(name: &str) -> RgbImage {
    image::open(path(&format!("pictures/{name}.png"))).unwrap().to_rgb8()
}

/// What transformers computed for one case.
pub struct Golden(HashMap<String, Tensor>);

impl Golden {
    pub fn load(name: &str) -> Self {
        let file = path(&format!("golden/{name}.safetensors"));
        Self(candle_core::safetensors::load(file, &Device::Cpu).unwrap())
    }

    pub fn tensor(&self, key: &str) -> &Tensor {
        &self.0[key]
    }

    pub fn ids(&self, key: &str) -> Vec<u32> {
        self.0[key].to_dtype(DType::U32).unwrap().to_vec1().unwrap()
    }

    pub fn margins(&self) -> Vec<f32> {
        self.0["margin"].to_vec1().unwrap()
    }
}

/// The largest difference of two tensors, relative to the largest value of the second.
pub fn relative_error(got: &Tensor, want: &Tensor) -> f32 {
    assert_eq!(got.elem_count(), want.elem_count());
    let flat = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (got, want) = (flat(got), flat(want));
    let largest = want.iter().fold(0f32, |m, x| m.max(x.abs()));
    got.iter().zip(&want).fold(0f32, |m, (g, w)| m.max((g - w).abs())) / largest
}
