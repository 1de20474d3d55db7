//! The model that is built into the program, in the layout of the released ones and loaded by the same code.

use vlm::ModelFiles;

/// How the model is named on the command line.
pub const NAME: &str = "demo";
/// What people should know of it.
pub const NOTE: &str = "Demo model: knows coloured shapes only";

macro_rules! model_file {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../../ui-assets/demo-model/", $name)))
    };
}

/// The model's files.
#[must_use]
pub fn files() -> ModelFiles {
    ModelFiles::built_in(
        NAME,
        &[
            model_file!("config.json"),
            model_file!("preprocessor_config.json"),
            model_file!("tokenizer.json"),
            model_file!("model.safetensors"),
        ],
    )
}
