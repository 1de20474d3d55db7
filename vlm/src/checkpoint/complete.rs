//! Whether all of a checkpoint is there, so that it can be loaded without asking a hub, and whether
//! it will run.

use crate::checkpoint::config::Config;
use crate::checkpoint::files::ModelFiles;
use crate::checkpoint::processor::PreprocessorConfig;
use crate::error::Result;

impl ModelFiles {
    /// Whether every file that a model needs is there, whatever is in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        ["config.json", "tokenizer.json"].into_iter().all(|name| self.has(name))
            && PreprocessorConfig::is_in(self)
            && self.weights().is_ok()
    }

    /// Checks that `config.json`, and what is said of pictures, describe a model that runs; the
    /// weights may be absent.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn check(&self) -> Result<()> {
        let config = Config::parse(&self.read("config.json")?, &self.path("config.json"))?;
        PreprocessorConfig::read(self, &config.vision).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_checkpoint_without_its_weights_is_not_complete() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), "{}").unwrap();
        let index = r#"{"weight_map": {"x": "model-00001-of-00001.safetensors"}}"#;
        fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let files = ModelFiles::in_folder(folder.path()).unwrap();
        for name in ["preprocessor_config.json", "tokenizer.json", "model-00001-of-00001.safetensors"] {
            assert!(!files.is_complete(), "{name} is missing");
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        assert!(files.is_complete());
        // As transformers 5 saves it.
        fs::remove_file(folder.path().join("preprocessor_config.json")).unwrap();
        for (processor, is_complete) in [("{}", false), (r#"{"image_processor": {}}"#, true), ("{", false)] {
            fs::write(folder.path().join("processor_config.json"), processor).unwrap();
            assert_eq!(files.is_complete(), is_complete, "{processor}");
        }
    }
}
