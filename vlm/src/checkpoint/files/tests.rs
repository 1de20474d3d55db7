//! Tests of `files`.

use super::*;

fn folder_with_index(index: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), "{}").unwrap();
    fs::write(folder.path().join(INDEX), index).unwrap();
    folder
}

fn weights_error(index: &str) -> Error {
    let folder = folder_with_index(index);
    ModelFiles::in_folder(folder.path()).unwrap().weights().err().unwrap()
}

#[test]
fn a_missing_folder_and_a_folder_without_a_config_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let e = ModelFiles::in_folder(folder.path()).unwrap_err().to_string();
    assert!(e.contains("config.json is missing"), "{e}");
    let e = ModelFiles::in_folder(&folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(e.contains("nowhere is missing"), "{e}");
}

#[test]
fn a_shard_outside_the_folder_is_refused() {
    for name in ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", ".."] {
        let e = weights_error(&format!(r#"{{"weight_map": {{"x": "{name}"}}}}"#));
        assert!(matches!(e, Error::Damaged { .. }), "{name}: {e}");
    }
}

#[test]
fn a_missing_shard_is_named() {
    let e = weights_error(r#"{"weight_map": {"x": "model-00001-of-00002.safetensors"}}"#);
    assert!(matches!(&e, Error::Missing { path } if path.ends_with("model-00001-of-00002.safetensors")), "{e}");
}

#[test]
fn a_checkpoint_is_found_by_a_file_of_it_and_by_its_folder_in_the_cache() {
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--someone--tiny");
    let snapshot = repository.join("snapshots/0123abc");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "0123abc\n").unwrap();
    for name in ["config.json", SINGLE] {
        fs::write(snapshot.join(name), "{}").unwrap();
    }
    for path in [&repository, &snapshot, &snapshot.join(SINGLE), &snapshot.join("config.json")] {
        let files = ModelFiles::in_folder(path).unwrap();
        assert_eq!((files.folder(), files.name()), (Some(&*snapshot), "tiny"), "{}", path.display());
    }
    assert_eq!(ModelFiles::in_hub_cache_at(cache.path(), "someone/tiny").unwrap().folder(), Some(&*snapshot));
    fs::write(repository.join("refs/main"), "../snapshots/0123abc").unwrap();
    assert!(ModelFiles::in_hub_cache_at(cache.path(), "someone/tiny").is_none(), "a path is not a revision");
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    let told = |names: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        let files = ModelFiles::in_folder(folder.path());
        match files.and_then(|files| files.weights()).err().unwrap() {
            Error::OtherFormat { what, .. } => what,
            other => panic!("{other}"),
        }
    };
    assert!(told(&["adapter_config.json", "adapter_model.safetensors"]).contains("LoRA"));
    assert!(told(&["a.Q4_K_M.gguf", "b.Q4_K_M.gguf"]).contains("several GGUF models, such as a.Q4_K_M.gguf"));
    assert!(told(&["model.ggml"]).contains("GGML"));
    assert!(told(&["config.json", "pytorch_model.bin"]).contains("pickled"));
}

#[test]
fn a_small_file_has_a_limit_and_a_pointer_of_git_lfs_is_told() {
    let folder = folder_with_index("{}");
    let path = folder.path().join("tokenizer.json");
    let read = || ModelFiles::in_folder(folder.path()).unwrap().read("tokenizer.json").unwrap_err();
    File::create(&path).unwrap().set_len(LONGEST + 1).unwrap();
    assert!(matches!(read(), Error::Damaged { why, .. } if why.contains("longer than 64 MB")));
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3548900\n").unwrap();
    assert!(matches!(read(), Error::OtherFormat { what, .. } if what.contains("Git LFS")));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(read(), Error::Read { .. }));
}

#[test]
fn built_in_files_are_found_by_name() {
    let files = ModelFiles::built_in("demo", &[("config.json", b"{}")]);
    assert_eq!(&*files.read("config.json").unwrap(), b"{}");
    assert!(matches!(files.read("tokenizer.json"), Err(Error::Missing { .. })));
}
